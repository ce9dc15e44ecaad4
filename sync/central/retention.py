"""How long the bytes of what other systems sent are kept: for each state so many days, a channel's own where it says so.

    state of the event          days    then
    taken (done, ignored)         90    its bytes go
    forged                        30    its bytes go
    held, waiting                180    a person is told TOLD_DAYS before, by an alert and in `channel list`; only then they go

The line stays for ever, so that no copy is ever taken: what it was, when it came, what became of it and why, and of the bytes how
many there were, their SHA-256 and when they went. One about somebody who was erased has none of that. An event that was told
about and is taken after all, or whose channel keeps longer now, keeps its bytes as long as any other.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from sync.central.channels.adapter import KEEP_DAYS, Settings
from sync.central.events import HELD, WAITING
from sync.central.sql import Connection
from sync.central.transaction import Transaction

DAY_US: Final = 86_400 * 1_000_000

TOLD_DAYS: Final = 14
"""How long before it happens a person is told that the bytes of an event that waits for them go."""

SLICE: Final = 200
"""Events whose bytes go in one transaction."""

_STUCK: Final = (HELD, WAITING)
_WHICH: Final[Mapping[str, str]] = {
    "taken": "state IN ('done', 'ignored')",
    "forged": "state IN ('held', 'forged') AND state = 'forged'",
}
"""How the index over these states is asked."""


class Gone(msgspec.Struct, frozen=True):
    """What is kept of bytes that went.

    Attributes:
        gone_at: When they went, microseconds since 1970.
        digest: Their SHA-256, hex.
        size: How many they were.
    """

    gone_at: int
    digest: str
    size: int


class Kept(msgspec.Struct, frozen=True):
    """The bytes of one event.

    Attributes:
        size: How many there are, or were; -1 where nobody knows.
        gone: None while they are there, and of those that went untold.
        goes_at: When they go, as a person was told; 0 where nobody was.
    """

    size: int
    is_there: bool
    gone: Gone | None
    goes_at: int


class _Rule(msgspec.Struct, frozen=True):
    """Channels with the same days: those named, or all but those named."""

    days: int
    names: tuple[str, ...]
    is_all_but: bool

    @property
    def where(self) -> str:
        if not self.names:
            return "1 = 1"
        return "NOT (channel IN [:names])" if self.is_all_but else "channel IN [:names]"

    @property
    def values(self) -> dict[str, list[str]]:
        return {"names": list(self.names)} if self.names else {}


def _rules(channels: Iterable[Settings], state: str) -> list[_Rule]:
    usual = KEEP_DAYS[state]
    own: dict[int, list[str]] = {}
    for one in channels:
        days = one.keep_days.get(state, usual)
        if days != usual:
            own.setdefault(days, []).append(one.name)
    special = tuple(sorted(name for names in own.values() for name in names))
    return [
        _Rule(usual, special, is_all_but=True),
        *(_Rule(days, tuple(sorted(names)), is_all_but=False) for days, names in sorted(own.items())),
    ]  # fmt: skip


def tell(
    transaction: Transaction, channels: Sequence[Settings], *, now: int
) -> tuple[str, ...]:
    """Set when the bytes of events go that wait for a person, where that is soon; the channels with a new one."""
    sql, told = transaction.direct(), set[str]()
    for rule in _rules(channels, "held"):
        kept_us, soon_us = rule.days * DAY_US, TOLD_DAYS * DAY_US
        # Who keeps longer now, keeps also what was told already.
        sql.run(
            "UPDATE event SET goes_at = came_at + :kept WHERE goes_at > 0 AND raw IS NOT NULL"  # noqa: S608  # of the words above
            f" AND goes_at < came_at + :kept AND {rule.where}",
            kept=kept_us, **rule.values,
        )  # fmt: skip
        for index in ("state IN ('held', 'forged') AND state = 'held'", "state = 'waiting'"):
            which = f"{index} AND goes_at = 0 AND raw IS NOT NULL AND came_at < :soon AND {rule.where}"
            values = {"soon": now - kept_us + soon_us, **rule.values}
            found = sql.all(f"SELECT DISTINCT channel FROM event WHERE {which}", **values)  # noqa: S608
            told |= {str(name) for (name,) in found}
            if found:
                sql.run(
                    f"UPDATE event SET goes_at = CASE WHEN came_at + :kept > :told THEN came_at + :kept ELSE :told END WHERE {which}",  # noqa: S608
                    kept=kept_us, told=now + soon_us, **values,
                )  # fmt: skip
    return tuple(sorted(told))


def let_go(
    transaction: Transaction, channels: Sequence[Settings], *, now: int, limit: int = SLICE
) -> int:
    """Let bytes go whose time is over, the oldest first; how many events. Called again until it is 0."""
    sql, n = transaction.direct(), 0
    for state, which in _WHICH.items():
        for rule in _rules(channels, state):
            n += _gone(
                sql,
                f"{which} AND came_at < :before AND {rule.where} ORDER BY came_at",
                {"before": now - rule.days * DAY_US, **rule.values},
                now=now,
                limit=limit - n,
            )
    n += _gone(
        sql,
        "goes_at > 0 AND goes_at <= :now AND state IN [:stuck] ORDER BY goes_at",
        {"now": now, "stuck": list(_STUCK)},
        now=now,
        limit=limit - n,
    )
    return n


def _gone(
    sql: Connection, which: str, values: Mapping[str, object], *, now: int, limit: int
) -> int:
    found = sql.all(
        f"SELECT channel, id, raw FROM event WHERE raw IS NOT NULL AND {which} LIMIT :limit",  # noqa: S608  # of the words above
        **values, limit=max(limit, 0),
    )  # fmt: skip
    for channel, event_id, raw in found:
        content = bytes(raw)
        gone = Gone(now, hashlib.sha256(content).hexdigest(), len(content))
        # What waited without its bytes is never taken by itself: a person sees that it is so.
        sql.run(
            "UPDATE event SET raw = NULL, head = :head, state = CASE WHEN state = 'waiting' THEN 'held' ELSE state END"
            " WHERE channel = :channel AND id = :id",
            head=msgspec.json.encode(gone).decode(), channel=channel, id=event_id,
        )  # fmt: skip
    return len(found)


def kept_of(sql: Connection, channel: str, event_id: str) -> Kept:
    """What there is of the bytes of an event, and when they go."""
    found = sql.all(
        "SELECT LENGTH(raw), head, goes_at FROM event WHERE channel = :channel AND id = :id",
        channel=channel, id=event_id,
    )  # fmt: skip
    size, head, goes_at = found[0] if found else (None, "", 0)
    if size is not None:
        return Kept(int(size), is_there=True, gone=None, goes_at=int(goes_at))
    try:
        gone = msgspec.json.decode(head, type=Gone)
    except (
        msgspec.DecodeError
    ):  # they went before that was kept, or with somebody who was erased
        return Kept(-1, is_there=False, gone=None, goes_at=0)
    return Kept(gone.size, is_there=False, gone=gone, goes_at=0)


def going(sql: Connection) -> dict[str, tuple[int, int]]:
    """By channel, how many events that wait for a person lose their bytes soon, and when the first of them does."""
    found = sql.all(
        "SELECT channel, COUNT(*), MIN(goes_at) FROM event WHERE goes_at > 0 AND raw IS NOT NULL AND state IN [:stuck]"
        " GROUP BY channel",
        stuck=list(_STUCK),
    )
    return {str(name): (int(n), int(first)) for name, n, first in found}
