"""What other systems sent, kept: each event once for ever by (channel, id), with its own bytes and what became of it.

    waiting    kept, not taken yet: it came just now, its channel is paused, or it speaks of what is not known yet
    done       taken; the reason says where it was older than what is known
    ignored    it concerns nobody, or all it says was older
    held       it could not be taken; the reason says why, and a person tries it again
    erased     about somebody who was erased: kept without its bytes
    forged     not from the vendor, or not now: bounded, and nothing of it believed

An event of a delivery that had no other keeps the very bytes that came (form "delivery"); of several in one each keeps its
own part (form "event"). What came around them, address and headers, is kept whole, and bounded where it is heard. Bytes go in
the end (`retention`); ids stay, so that no copy is ever taken again. A text that is cut ends with "…".
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from sync.central.channels.adapter import Delivery, Event
from sync.central.lines import CHANNEL, EVENT, EVENT_OF, INT_END, clean
from sync.central.moment import Snapshot
from sync.central.sql import Connection
from sync.central.transaction import Transaction

WAITING: Final = "waiting"
DONE: Final = "done"
IGNORED: Final = "ignored"
HELD: Final = "held"
ERASED: Final = "erased"
FORGED: Final = "forged"
STATES: Final = (WAITING, DONE, IGNORED, HELD, ERASED, FORGED)

FORGED_MAX: Final = 1_000
"""Forged deliveries a channel keeps, the newest."""

FORGED_SIZE: Final = 4_096
"""Bytes of a forged body that are kept."""

AWAITS: Final = "awaits "
"""How the reason of an event begins that speaks of what is not known yet."""

PAUSED: Final = "paused"
OPEN: Final = "open"

_HIDDEN: Final = ("authorization", "cookie", "proxy-authorization")


class Head(msgspec.Struct, frozen=True):
    """What came around the bytes of an event."""

    type: str
    at: int = 0
    url: str = ""
    method: str = "POST"
    now: int = 0
    headers: dict[str, str] = {}


class EventRecord(NamedTuple):
    """An event as it is kept, beside its bytes; `n_more` is how often it came again, times are microseconds since 1970."""

    channel: str
    id: str
    type: str
    state: str
    reason: str
    at: int
    came_at: int
    n_tries: int
    next_at: int
    n_more: int
    form: str
    head: str


_COLUMNS: Final = ", ".join(EventRecord._fields)


class Woken(msgspec.Struct):
    """What was told by these names; `n` is how many events waited for it, once that was written."""

    channel: str
    reasons: frozenset[str]
    now: int
    n: int = 0


class ChannelRecord(msgspec.Struct, frozen=True):
    """A channel as it stands: open | paused, since when and why, and how many events it has in each state."""

    name: str
    state: str
    reason: str
    changed_at: int
    counts: dict[str, int]


def head_of(delivery: Delivery, event_type: str, at: int) -> Head:
    """What is kept of a delivery beside its bytes: nothing that lets anybody in, and no time that is none."""
    headers = {name: value for name, value in delivery.headers.items() if name not in _HIDDEN}
    at = at if 0 <= at < INT_END else 0
    return Head(
        event_type, at, delivery.url.partition("?")[0], delivery.method, delivery.now, headers
    )


def keep(  # noqa: PLR0913  # what an event is
    transaction: Transaction,
    channel: str,
    event_id: str,
    *,
    head: Head,
    form: str,
    raw: bytes,
    now: int,
    state: str = WAITING,
    reason: str = "",
) -> bool:
    """Keep an event; whether it is new. One that came before is only counted."""
    if transaction.lines(EVENT, channel=channel, id=event_id):
        transaction.direct().run(
            "UPDATE event SET n_more = n_more + 1 WHERE channel = :channel AND id = :id",
            channel=channel,
            id=event_id,
        )
        return False
    record = EventRecord(
        channel, event_id, clean(head.type, 200), state, clean(reason, 500), head.at, now, 0, now, 0, form,
        msgspec.json.encode(head).decode(),
    )  # fmt: skip
    transaction.put_line(EVENT, (*record, raw))
    return True


def keep_forged(
    transaction: Transaction,
    channel: str,
    event_id: str,
    *,
    delivery: Delivery,
    reason: str,
    now: int,
) -> None:
    """Keep the beginning of a delivery nobody believes, and say where it was cut; the oldest of them goes."""
    head = head_of(delivery, "", 0)
    if len(delivery.body) > FORGED_SIZE:
        reason = f"{reason}; of {len(delivery.body):,} bytes the first {FORGED_SIZE:,} are kept"
    keep(
        transaction, channel, event_id, head=msgspec.structs.replace(head, headers={}), form="delivery",
        raw=delivery.body[:FORGED_SIZE], now=now, state=FORGED, reason=reason,
    )  # fmt: skip
    transaction.direct().run(
        "DELETE FROM event WHERE channel = :channel AND state = 'forged' AND id IN (SELECT id FROM event"
        " WHERE channel = :channel AND state = 'forged' ORDER BY came_at DESC, id DESC LIMIT 100 OFFSET :max)",
        channel=channel, max=FORGED_MAX,
    )  # fmt: skip


def settle(  # noqa: PLR0913  # what became of it
    transaction: Transaction,
    channel: str,
    event_id: str,
    state: str,
    *,
    reason: str = "",
    owners: Iterable[str] = (),
    next_at: int = 0,
) -> None:
    """Write down what became of an event, and whom it is about."""
    known, raw = kept(transaction, channel, event_id)
    if known is not None:
        record = known._replace(
            state=state, reason=clean(reason, 500), n_tries=known.n_tries + 1, next_at=next_at
        )
        transaction.put_line(EVENT, (*record, raw))
    if state == ERASED:
        transaction.later(_forget, (channel, event_id))
    for owner in set(owners):
        transaction.put_line(EVENT_OF, (channel, event_id, owner))


def _forget(sql: Connection, values: list[Any]) -> None:
    for channel, event_id in values:
        sql.run(
            "UPDATE event SET raw = NULL, head = '' WHERE channel = :channel AND id = :id",
            channel=channel,
            id=event_id,
        )


def retake(transaction: Transaction, channel: str, event_id: str, *, now: int) -> bool:
    """Let an event that is held, waits or was ignored be taken again; whether there is such a one that has its bytes."""
    return bool(
        transaction.direct().run(
            "UPDATE event SET state = 'waiting', next_at = :now WHERE channel = :channel AND id = :id"
            " AND state IN ('held', 'waiting', 'ignored') AND raw IS NOT NULL",
            channel=channel, id=event_id, now=now,
        )
    )  # fmt: skip


def wake(transaction: Transaction, channel: str, refs: Iterable[str], *, now: int) -> Woken:
    """What waited to hear of these can be taken now."""
    reasons = frozenset(clean(f"{AWAITS}{ref}", 500) for ref in refs if ref)
    woken = Woken(channel, reasons, now)
    if reasons:
        # At the end, and not before: whoever began to wait meanwhile held what this transaction holds now.
        transaction.later(_wake, woken)
    return woken


def _wake(sql: Connection, values: list[Any]) -> None:
    for channel in sorted({one.channel for one in values}):
        ours = [one for one in values if one.channel == channel]
        found = sql.all(
            "UPDATE event SET next_at = :now WHERE channel = :channel AND state = 'waiting' AND next_at > :now"
            " AND reason IN [:reasons] RETURNING reason",
            channel=channel, now=max(one.now for one in ours),
            reasons=sorted({reason for one in ours for reason in one.reasons}),
        )  # fmt: skip
        for one in ours:
            one.n = sum(reason in one.reasons for (reason,) in found)


# Reading


def record_of(sql: Connection, channel: str, event_id: str) -> EventRecord | None:
    """An event; None for one that never came."""
    found = sql.all(
        f"SELECT {_COLUMNS} FROM event WHERE channel = :channel AND id = :id",  # noqa: S608  # a constant
        channel=channel, id=event_id,
    )  # fmt: skip
    return EventRecord(*found[0]) if found else None


def kept(
    transaction: Transaction, channel: str, event_id: str
) -> tuple[EventRecord | None, bytes | None]:
    """An event as it stands and its bytes, held until the end of the transaction."""
    for *record, raw in transaction.lines(EVENT, channel=channel, id=event_id):
        return EventRecord(*record), raw
    return None, None


def raw_of(sql: Connection, channel: str, event_id: str) -> bytes | None:
    """The bytes of an event; None where they are gone."""
    found = sql.all(
        "SELECT raw FROM event WHERE channel = :channel AND id = :id",
        channel=channel,
        id=event_id,
    )
    return bytes(found[0][0]) if found and found[0][0] is not None else None


def due(sql: Connection, *, now: int, limit: int, channels: Sequence[str]) -> list[EventRecord]:
    """Events that can be taken now, of these channels, in the order they came."""
    found = sql.all(
        f"SELECT {_COLUMNS} FROM event WHERE state = 'waiting' AND next_at <= :now AND channel IN [:channels]"  # noqa: S608  # a constant
        " AND channel NOT IN (SELECT name FROM channel WHERE state = 'paused') ORDER BY came_at, channel, id LIMIT :limit",
        now=now, limit=limit, channels=list(channels),
    )  # fmt: skip
    return [EventRecord(*line) for line in found]


def listed(
    sql: Connection, channel: str = "", *, states: Sequence[str] = STATES, limit: int = 100
) -> list[EventRecord]:
    """The newest events of one channel or all, in some states."""
    whose = "channel = :channel AND " if channel else ""
    found = sql.all(
        f"SELECT {_COLUMNS} FROM event WHERE {whose}state IN [:states] ORDER BY came_at DESC, id DESC LIMIT :limit",  # noqa: S608  # constants
        states=list(states), limit=limit, **({"channel": channel} if channel else {}),
    )  # fmt: skip
    return [EventRecord(*line) for line in found]


def channels(sql: Connection) -> dict[str, ChannelRecord]:
    """All channels anything is known of, by name."""
    counts: dict[str, dict[str, int]] = {}
    for name, state, n in sql.all(
        "SELECT channel, state, COUNT(*) FROM event GROUP BY channel, state"
    ):
        counts.setdefault(str(name), {})[str(state)] = int(n)
    known = {
        str(name): ChannelRecord(str(name), str(state), str(reason), int(at), {})
        for name, state, reason, at in sql.all(
            "SELECT name, state, reason, changed_at FROM channel"
        )
    }
    return {
        name: msgspec.structs.replace(
            known.get(name, ChannelRecord(name, OPEN, "", 0, {})), counts=counts.get(name, {})
        )
        for name in sorted({*counts, *known})
    }


def is_paused(sql: Connection, channel: str) -> bool:
    """Whether what comes is kept and not taken."""
    return bool(
        sql.all("SELECT 1 FROM channel WHERE name = :name AND state = 'paused'", name=channel)
    )


def is_paused_in(transaction: Transaction, channel: str) -> bool:
    """The same, for who takes events."""
    return any(state == PAUSED for _, state, *_ in transaction.lines(CHANNEL, name=channel))


def set_paused(
    transaction: Transaction, channel: str, *, is_paused: bool, reason: str, now: int
) -> None:
    """Pause a channel or let it go on; what came meanwhile is still to be taken."""
    transaction.direct().run(
        "INSERT INTO channel (name, state, reason, changed_at) VALUES (:name, :state, :reason, :now)"
        " ON CONFLICT (name) DO UPDATE SET state = excluded.state, reason = excluded.reason, changed_at = excluded.changed_at",
        name=channel, state=PAUSED if is_paused else OPEN, reason=clean(reason, 300), now=now,
    )  # fmt: skip


# The end of events


def erase(transaction: Transaction, owners: Sequence[str]) -> int:
    """Forget the bytes of all events about these customers; how many. Their ids stay."""
    sql = transaction.direct()
    n = sql.run(
        "UPDATE event SET state = 'erased', reason = '', raw = NULL, head = '' WHERE (channel, id) IN"
        " (SELECT channel, id FROM event_of WHERE owner IN [:owners])",
        owners=list(owners),
    )
    sql.run("DELETE FROM event_of WHERE owner IN [:owners]", owners=list(owners))
    return n


def counted(snapshot: Snapshot, channel: str) -> dict[str, int]:
    """How many events of a channel are in each state."""
    found = channels(snapshot.sql).get(channel)
    return found.counts if found else {}


def event_in(record: EventRecord, raw: bytes) -> Event | None:
    """The event as an adapter gave it, of form "event"; None for a whole delivery."""
    if record.form != "event":
        return None
    return Event(record.id, record.type, record.at, msgspec.json.decode(raw))


def delivery_in(record: EventRecord, raw: bytes) -> Delivery:
    """The delivery of form "delivery", as far as it is kept."""
    head = msgspec.json.decode(record.head, type=Head)
    return Delivery(raw, head.headers, head.url, head.method, head.now)
