"""A customer forgotten: what they were known by goes, but for digests, by which nobody makes them again."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sync.central import joins
from sync.central.canonical import canonical, members
from sync.central.lines import (
    ERASURE,
    FORGOTTEN,
    wanted,
)
from sync.central.mentions import Mentions
from sync.central.sql import Connection
from sync.central.transaction import Transaction, owner_lock

GUEST: Final = "~"
"""How the id of a record begins that the other system has no id for."""


def hold(transaction: Transaction, owner: str) -> None:
    """Hold a customer, all joined into them and all they are known by: from now on no event of theirs is being taken."""
    sql, held = transaction.direct(), frozenset[str]()
    while True:
        ours = list(members(sql, canonical(transaction, owner)))
        aliases = sql.all(
            "SELECT channel, ref FROM alias WHERE owner IN [:owners]", owners=ours
        )
        terms = sql.all("SELECT DISTINCT term FROM point WHERE owner IN [:owners]", owners=ours)
        names = {
            *map(owner_lock, ours),
            *(f"alias/{channel}/{ref}" for channel, ref in aliases),
            *(f"point/{term}" for (term,) in terms),
        }
        if names <= held:
            return
        transaction.lock_keys(names)
        held |= names


def _secret(transaction: Transaction) -> bytes:
    return transaction.secret.encode()


def _mark(secret: bytes, text: str) -> str:
    return hmac.digest(secret, text.encode(), "sha256").hex()[:32]


def owner_mark(secret: str, owner: str) -> str:
    """The digest the record of a customer is forgotten by."""
    return _mark(secret.encode(), f"owner\n{owner}")


def marks_of(
    secret: str, record: str, channel: str, alias: str, terms: Mapping[str, int]
) -> dict[str, int]:
    """The digests a record is forgotten by, and of each until when it counts."""
    key = secret.encode()
    return {owner_mark(secret, record): 2**62, _mark(key, f"{channel}/{alias}"): 2**62} | {
        _mark(key, term): at for term, at in terms.items()
    }


def was_erased(
    transaction: Transaction,
    record: str,
    channel: str,
    alias: str,
    terms: Iterable[str],
    *,
    at: int,
) -> bool:
    """Whether a record is of a customer who was erased, or by a point of one for what was before that."""
    if transaction.lines(ERASURE, owner=record):
        return True
    marks = marks_of(transaction.secret, record, channel, alias, dict.fromkeys(terms, at))
    transaction.load((), lines=[wanted(FORGOTTEN, mark=mark) for mark in marks])
    found = [line for mark in marks for line in transaction.lines(FORGOTTEN, mark=mark)]
    return any(
        marks[str(mark)] <= int(then) or marks[str(mark)] == 2**62 for mark, then in found
    )


def mentions(sql: Connection, root: str) -> Mentions:
    """What in the bytes of an event nobody took yet would be about this customer: addresses, numbers, handles, long ids."""
    ours = list(members(sql, root))
    terms = sql.all(
        "SELECT DISTINCT term FROM point WHERE owner IN [:owners] AND kind <> 'name'",
        owners=ours,
    )
    refs = sql.all("SELECT DISTINCT ref FROM alias WHERE owner IN [:owners]", owners=ours)
    theirs = [str(ref) for (ref,) in refs if not str(ref).startswith(GUEST)]
    return Mentions([str(term) for (term,) in terms], theirs)


def mark_of(transaction: Transaction, channel: str, ref: str) -> str:
    """What stands for a name of another system that says who somebody was who was erased."""
    return mark_in(transaction.secret, channel, ref)


def mark_in(secret: str, channel: str, ref: str) -> str:
    """The same, by the secret of a database."""
    return f"forgotten:{_mark(secret.encode(), f'{channel}/{ref}')}"


def _forget_names(
    transaction: Transaction, root: str, owners: Sequence[str], secret: bytes
) -> None:
    """A conversation that is called by a telephone number is called by a digest of it from now on."""
    sql = transaction.direct()
    theirs = mentions(sql, root)
    found = sql.all(
        "SELECT named.channel, named.ref FROM named JOIN doc ON doc.key = named.key WHERE doc.owner IN [:owners]",
        owners=list(owners),
    )
    sql.many(
        "UPDATE named SET ref = :mark WHERE channel = :channel AND ref = :ref",
        [
            {
                "channel": channel,
                "ref": ref,
                "mark": f"forgotten:{_mark(secret, f'{channel}/{ref}')}",
            }
            for channel, ref in found
            if theirs.stand_in(str(ref).encode())
        ],
    )


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Who was forgotten.

    Attributes:
        owners: The ids of them all, the kept one first.
        digests: Of each of these.
        marks: Digests of what else they were known by.
    """

    owners: tuple[str, ...]
    digests: tuple[str, ...]
    marks: frozenset[str]


def remember(transaction: Transaction, marks: Iterable[str], *, at: int) -> None:
    """Keep these digests of somebody who was erased at this time, microseconds since 1970; what is known later stays."""
    transaction.direct().many(
        "INSERT INTO forgotten (mark, at) VALUES (:mark, :at) ON CONFLICT (mark) DO UPDATE SET at ="
        " CASE WHEN excluded.at > forgotten.at THEN excluded.at ELSE forgotten.at END",
        [{"mark": mark, "at": at} for mark in sorted(marks)],
    )


def forget(transaction: Transaction, owner: str, *, at: int) -> Forgotten:
    """Forget who this customer and all joined into them were, but for digests.

    Their rows are for `erasure`, events for `events.erase`.
    """
    root = canonical(transaction, owner)
    sql = transaction.direct()
    owners = members(sql, root)
    ours, secret = list(owners), _secret(transaction)
    aliases = sql.all("SELECT channel, ref FROM alias WHERE owner IN [:owners]", owners=ours)
    terms = sql.all(
        "SELECT DISTINCT term FROM point WHERE owner IN [:owners] AND kind <> 'name'",
        owners=ours,
    )
    marks = {_mark(secret, f"{channel}/{ref}") for channel, ref in aliases} | {
        _mark(secret, term) for (term,) in terms
    }
    digests = tuple(owner_mark(transaction.secret, one) for one in ours)
    remember(transaction, marks.union(digests), at=at)
    _forget_names(transaction, root, ours, secret)
    alike = joins.partners(sql, root)
    for table in ("alias", "point", "said", "folded", "origin", "draft"):
        sql.run(f"DELETE FROM {table} WHERE owner IN [:owners]", owners=ours)  # noqa: S608  # of the names above
    sql.run("DELETE FROM likeness WHERE one IN [:owners] OR other IN [:owners]", owners=ours)
    for partner in alike:
        joins.show_likenesses(transaction, partner)  # it names them
    sql = transaction.direct()
    sql.run(
        "UPDATE joined SET why = '', term = '' WHERE one IN [:owners] OR other IN [:owners]",
        owners=ours,
    )
    sql.run(
        "DELETE FROM joined_row WHERE joined IN (SELECT id FROM joined WHERE one IN [:owners] OR other IN [:owners])",
        owners=ours,
    )
    return Forgotten(owners, digests, frozenset(marks))


def erased_at(sql: Connection, owner: str) -> int:
    """When a customer was erased, 0 for never."""
    found = sql.all("SELECT at FROM erasure WHERE owner = :owner", owner=owner)
    return int(found[0][0]) if found else 0
