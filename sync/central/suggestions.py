"""Two customers who may be one: suggested to a clerk, declined, asked again."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from hardware.moments import moment_of
from sync.central import joins
from sync.central.canonical import canonical, members
from sync.central.errors import CannotJoin
from sync.central.forgetting import erased_at
from sync.central.sql import Connection
from sync.central.transaction import Transaction, owner_lock

CENTRE: Final = "centre"
"""Who joins by a rule."""

RISKS_PPM: Final[Mapping[str, int]] = {
    "shared": 500_000,
    "name": 400_000,
    "phone": 150_000,
    "email": 50_000,
    "handle": 100_000,
}
"""Risk of a suggestion, by what it rests on; assumptions, for the order in which they are shown."""


def risk_of(transaction: Transaction, one: str, other: str) -> int:
    """The risk of the suggestion to join these two, in a million; 0 where nobody suggested it."""
    known = _likeness(transaction, canonical(transaction, one), canonical(transaction, other))
    return min((ppm for _, ppm in known), default=0)


def suggest(  # noqa: PLR0913  # what a suggestion says
    transaction: Transaction,
    one: str,
    other: str,
    *,
    kind: str,
    why: str,
    now: int,
    risk_ppm: int = 0,
    by: str = CENTRE,
) -> bool:
    """Let a clerk say whether these two are one; whether there was anything to suggest."""
    first, second = sorted((canonical(transaction, one), canonical(transaction, other)))
    if first == second:
        return False
    sql = transaction.direct()
    risk = risk_ppm or RISKS_PPM.get(kind, RISKS_PPM["name"])
    known = _likeness(transaction, first, second)
    if any(state != "open" for state, _ in known) or any(ppm <= risk for _, ppm in known):
        return False
    if erased_at(transaction.read.sql, first) or erased_at(transaction.read.sql, second):
        return False  # while somebody compared them with others
    sql.run(
        "INSERT INTO likeness (one, other, state, risk_ppm, why, by_whom, at)"
        " VALUES (:one, :other, 'open', :risk, :why, :by, :at)"
        " ON CONFLICT (one, other) DO UPDATE SET risk_ppm = excluded.risk_ppm, why = excluded.why, at = excluded.at",
        one=first, other=second, risk=risk, why=why[:300], by=by, at=now,
    )  # fmt: skip
    for owner in (first, second):
        joins.show_likenesses(transaction, owner)
    return True


def _likeness(transaction: Transaction, one: str, other: str) -> list[tuple[str, int]]:
    sql = transaction.direct()
    ours, theirs = list(members(sql, one)), list(members(sql, other))
    found = sql.all(
        "SELECT state, risk_ppm FROM likeness WHERE (one IN [:ours] AND other IN [:theirs])"
        " OR (one IN [:theirs] AND other IN [:ours])",
        ours=ours, theirs=theirs,
    )  # fmt: skip
    return [(str(state), int(ppm)) for state, ppm in found]


def are_apart(transaction: Transaction, one: str, other: str) -> bool:
    """Whether a person said that these two are two people."""
    return any(
        state in ("declined", "apart") for state, _ in _likeness(transaction, one, other)
    )


def settle(
    transaction: Transaction, one: str, other: str, state: str, *, by: str, at: int
) -> None:
    """What became of every suggestion between two customers."""
    sql = transaction.direct()
    ours, theirs = list(members(sql, one)), list(members(sql, other))
    sql.run(
        "UPDATE likeness SET state = :state, by_whom = :by, at = :at WHERE (one IN [:ours] AND other IN [:theirs])"
        " OR (one IN [:theirs] AND other IN [:ours])",
        state=state, by=by, at=at, ours=ours, theirs=theirs,
    )  # fmt: skip


def decline(transaction: Transaction, one: str, other: str, *, by: str, at: int) -> None:
    """A person says that these are two people; no rule joins them from now on. Raises CannotJoin where they are one."""
    first, second = sorted((canonical(transaction, one), canonical(transaction, other)))
    if first == second:
        raise CannotJoin("They are one customer now. Take them apart first.", "same_customer")
    settle(transaction, first, second, "declined", by=by, at=at)
    transaction.direct().run(
        "INSERT INTO likeness (one, other, state, risk_ppm, why, by_whom, at)"
        " VALUES (:one, :other, 'declined', 0, '', :by, :at) ON CONFLICT (one, other) DO UPDATE SET state = 'declined'",
        one=first, other=second, by=by, at=at,
    )  # fmt: skip
    for owner in (first, second):
        joins.show_likenesses(transaction, owner)


class Declined(NamedTuple):
    """Two customers of whom a person said that they are two, or whom one took apart, who still are."""

    one: str
    other: str
    state: str
    why: str
    by: str
    at: int


def declined(sql: Connection, *, limit: int) -> list[Declined]:
    """Whom a person said no to, the newest first."""
    found = sql.all(
        "SELECT one, other, state, why, by_whom, at FROM likeness WHERE state IN ('declined', 'apart')"
        " ORDER BY at DESC, one, other LIMIT :limit",
        limit=limit,
    )
    return [Declined(*line) for line in found]


def ask_again(
    transaction: Transaction, one: str, other: str, *, by: str, why: str, at: int
) -> None:
    """Take back that a person said no to these two: a clerk is asked again, and the rules count again.

    Args:
        transaction: Where it is written.
        one: A customer, or a record joined into them.
        other: The other one.
        by: Who takes it back.
        why: In words.
        at: When, microseconds since 1970.

    Raises:
        CannotJoin: nobody said no, or they are one now.
    """
    first, second = sorted((canonical(transaction, one), canonical(transaction, other)))
    transaction.lock_keys({owner_lock(owner) for owner in (first, second)})
    if first == second:
        raise CannotJoin("They are one customer now.", "same_customer")
    sql = transaction.direct()
    ours, theirs = list(members(sql, first)), list(members(sql, second))
    found = sql.all(
        "SELECT one, other, state, why, by_whom, at, risk_ppm FROM likeness WHERE state IN ('declined', 'apart')"
        " AND ((one IN [:ours] AND other IN [:theirs]) OR (one IN [:theirs] AND other IN [:ours]))",
        ours=ours, theirs=theirs,
    )  # fmt: skip
    if not found:
        raise CannotJoin("Nobody said no to these two.", "not_declined")
    for *line, ppm in found:
        was = Declined(*line)
        no = "took them apart" if was.state == "apart" else "said two people"
        told = f"{was.by} {no} on {_day(was.at)}, {by} asks again on {_day(at)}: {why}"
        sql.run(
            "UPDATE likeness SET state = 'open', by_whom = :by, at = :at, why = :why, risk_ppm = :risk"
            " WHERE one = :one AND other = :other",
            by=by, at=at, why=f"{was.why}; {told}"[:300] if was.why and was.state != "apart" else told[:300],
            risk=ppm or RISKS_PPM["name"], one=was.one, other=was.other,
        )  # fmt: skip
    for owner in (first, second):
        joins.show_likenesses(transaction, owner)


def _day(at: int) -> str:
    return moment_of(at).date().isoformat()
