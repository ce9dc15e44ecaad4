"""Changes other systems may need to know: noted in the transaction that makes them, one queue for each subscriber.

    Transaction.put -> Watched(before, after) -> change, and change_due of every subscriber that wants it
    waiting -> sending -> gone from the queue      the subscriber took it
       ^          |-> dead                         refused, or tried too often; a person has it sent again or drops it
       '----------'                                not taken: waits longer each time

In the queue of one subscriber, changes of one subject (a row) keep their order: `sequence` is the version of the row. What came
from a subscriber's own channel is not told to it: no change goes round in a circle. The body names what changed and whose it
is by our own id; no name, no address, no text of anybody's. Without subscribers nothing is written.

    order.collected  order.returned  order.changed     case.opened  case.solved
    order.part_returned
    interaction.recorded             consent.changed   stock.changed
    band.blocked     band.unblocked                    suppression.changed
    customer.joined  customer.unjoined                 customer.erased
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from sync.central import suppressions
from sync.central.doc_rows import Doc
from sync.central.lines import SUBSCRIBER, wanted
from sync.central.moment import Snapshot
from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model.errors import Malformed
from sync.model.records import Band, Case, Consent, Interaction, Order, Record, Stock
from sync.model.row import Row, body_of

WAITING: Final = "waiting"
SENDING: Final = "sending"
DEAD: Final = "dead"

TOLD: Final = "on"
ASKS: Final = "asks"
"""States of a subscriber; another is `off`."""

KEPT_US: Final = 30 * 86_400 * 1_000_000
"""How long a change is kept after everybody took it, so that a subscriber that lost some can be told again."""

REASON_MAX: Final = 300

Said = tuple[str, Mapping[str, Any]]
"""Type of a change, and its body."""


class Watched(msgspec.Struct, frozen=True):
    """A row that was written: as it was, and as it is. `before` is "" where there was none."""

    key: str
    kind: str
    owner: str
    source: str
    version: int
    as_of: int
    before: str
    after: str


class ChangeRecord(msgspec.Struct, frozen=True):
    """One change. `origin` is who said so first, `seq` counts the changes of a subject."""

    id: str
    type: str
    subject: str
    owner: str
    origin: str
    seq: int
    at: int
    body: str


class DueRecord(msgspec.Struct, frozen=True):
    """A change that a subscriber still must hear."""

    subscriber: str
    change: str
    subject: str
    seq: int
    state: str
    next_at: int
    n_tries: int
    reason: str
    node: str


class Subscription(msgspec.Struct, frozen=True):
    """Who wants what.

    Attributes:
        origin: What it is to us as a source: what came from there is not told to it.
        wants: Beginnings of types; () for all.
        is_asking: It is told nothing, and asks for suppressions itself.
    """

    name: str
    origin: str = ""
    wants: tuple[str, ...] = ()
    is_asking: bool = False


_CHANGE: Final = "id, type, subject, owner, origin, seq, at, body"
_DUE: Final = "subscriber, change, subject, seq, state, next_at, n_tries, reason, node"


# What is a change


def said_of(kind: str, before: Record | None, after: Record) -> Said | None:
    """What a row that was written tells others; None for what concerns nobody."""
    said = _SAYS.get(kind)
    return said(before, after) if said is not None else None


def _order(before: Record | None, after: Record) -> Said | None:
    assert isinstance(after, Order)
    if isinstance(before, Order) and before.state == after.state:
        if before.back == after.back:
            return None
        back = [{"product": it.product, "count": it.count} for it in after.back]
        told = {"order": after.id, "state": after.state, "channel": after.channel, "back": back}
        return "order.part_returned", told
    names = {"collected": "order.collected", "returned": "order.returned"}
    body = {"order": after.id, "state": after.state, "channel": after.channel}
    return names.get(after.state, "order.changed"), body


def _case(before: Record | None, after: Record) -> Said | None:
    assert isinstance(after, Case)
    if isinstance(before, Case) and before.state == after.state:
        return None
    names = {"open": "case.opened", "solved": "case.solved"}
    if after.state not in names:
        return None
    return names[after.state], {
        "case": after.id,
        "number": after.number,
        "channel": after.channel,
    }


def _interaction(before: Record | None, after: Record) -> Said | None:
    assert isinstance(after, Interaction)
    if before is not None:
        return None
    body = {
        "interaction": after.id, "channel": after.channel, "direction": after.direction, "about": after.about,
        "is_automatic": after.is_automatic,
    }  # fmt: skip
    return "interaction.recorded", body


def _consent(before: Record | None, after: Record) -> Said | None:
    assert isinstance(after, Consent)
    if isinstance(before, Consent) and before.is_granted == after.is_granted:
        return None
    return "consent.changed", {"purpose": after.purpose, "is_granted": after.is_granted}


def _band(before: Record | None, after: Record) -> Said | None:
    assert isinstance(after, Band)
    was = before.state if isinstance(before, Band) else ""
    if was == after.state or "blocked" not in (was, after.state):
        return None
    name = "band.blocked" if after.state == "blocked" else "band.unblocked"
    return name, {"band": after.id, "state": after.state}


def _stock(before: Record | None, after: Record) -> Said | None:
    assert isinstance(after, Stock)
    if isinstance(before, Stock) and (before.count, before.is_doubtful) == (
        after.count,
        after.is_doubtful,
    ):
        return None
    body = {
        "product": after.product, "place": after.place, "count": after.count, "is_doubtful": after.is_doubtful,
    }  # fmt: skip
    return "stock.changed", body


_SAYS: Final[Mapping[str, Callable[[Record | None, Record], Said | None]]] = {
    "order": _order,
    "case": _case,
    "interaction": _interaction,
    "consent": _consent,
    "band": _band,
    "stock": _stock,
}

KINDS: Final = frozenset({*_SAYS, *suppressions.KINDS})
"""Kinds of rows that are watched."""


# Writing them down


def write(sql: Connection, values: list[Any]) -> None:
    """Note rows that were written, and changes that are none of a row, for all subscribers; `Transaction.later` calls it."""
    subscribers = subscriptions(sql)
    if not subscribers:
        return
    found = [one for value in values for one in _changes(value)]
    wanted = [(one, list(_wanting(one, subscribers))) for one in found]
    add(sql, [one for one, names in wanted if names])
    due = [
        DueRecord(name, one.id, one.subject, one.seq, WAITING, 0, 0, "", "")
        for one, names in wanted
        for name in names
    ]
    sql.many(
        f"INSERT INTO change_due ({_DUE}) VALUES (:subscriber, :change, :subject, :seq, :state, :next_at,"  # noqa: S608  # a constant
        " :n_tries, :reason, :node) ON CONFLICT (subscriber, change) DO NOTHING",
        [msgspec.structs.asdict(one) for one in due],
    )
    if any(wants_suppressions(one) for one in subscribers):
        owners = [value.owner for value in values if isinstance(value, Watched)]
        suppressions.mark(sql, owners)


class _Listener:
    """Notes the rows a transaction writes, where there are subscribers."""

    kinds = KINDS

    def is_listening(self, transaction: Transaction) -> bool:
        """Whether anybody is to hear of changes."""
        return any(
            transaction.lines_of(asked)
            for asked in (wanted(SUBSCRIBER, state=TOLD), wanted(SUBSCRIBER, state=ASKS))
        )

    def hear(self, transaction: Transaction, row: Row, before: str, after: Doc) -> None:
        """Note it with the others, at the end."""
        watched = Watched(
            row.key, row.kind, row.owner, row.source, after.version, row.as_of, before, after.body
        )  # fmt: skip
        transaction.later(write, watched)


LISTENER: Final = _Listener()


def add(sql: Connection, found: Sequence[ChangeRecord]) -> None:
    """Keep changes."""
    sql.many(
        f"INSERT INTO change ({_CHANGE}) VALUES (:id, :type, :subject, :owner, :origin, :seq, :at, :body)"  # noqa: S608  # a constant
        " ON CONFLICT (id) DO NOTHING",
        [msgspec.structs.asdict(one) for one in found],
    )


def _changes(value: Watched | ChangeRecord) -> Iterator[ChangeRecord]:
    if isinstance(value, ChangeRecord):
        yield value
        return
    try:
        after = body_of(value.kind, value.after.encode())
        before = body_of(value.kind, value.before.encode()) if value.before else None
    except Malformed:
        return  # a newer program wrote what stood there
    said = said_of(value.kind, before, after)
    if said is not None:
        yield change_of(
            said[0], value.key, owner=value.owner, origin=value.source, seq=value.version,
            at=value.as_of, body=said[1],
        )  # fmt: skip


def change_of(  # noqa: PLR0913  # what a change is
    type_: str,
    subject: str,
    *,
    owner: str,
    origin: str,
    seq: int,
    at: int,
    body: Mapping[str, Any],
) -> ChangeRecord:
    """A change; its id follows from what it is, so that it is one however often it is noted."""
    told = msgspec.json.encode({"customer": owner, **body} if owner else dict(body)).decode()
    return ChangeRecord(
        f"{subject}@{seq}:{type_}:{at}", type_, subject, owner, origin, seq, at, told
    )


def _wanting(change: ChangeRecord, subscribers: Sequence[Subscription]) -> Iterator[str]:
    for one in subscribers:
        is_own = bool(change.origin) and change.origin in (one.name, one.origin)
        if not is_own and not one.is_asking and wants(one, change.type):
            yield one.name


def wants(subscriber: Subscription, type_: str) -> bool:
    """Whether a subscriber wants changes of this type."""
    return not subscriber.wants or any(type_.startswith(each) for each in subscriber.wants)


def wants_suppressions(subscriber: Subscription) -> bool:
    """Whether it is to be known for this subscriber who must not be advertised what."""
    return subscriber.is_asking or wants(subscriber, suppressions.TYPE)


def note(  # noqa: PLR0913  # what a change is
    transaction: Transaction,
    *,
    type_: str,
    subject: str,
    owner: str,
    at: int,
    body: Mapping[str, Any],
    origin: str = "",
) -> None:
    """Note a change that is none of one row: two customers became one, say. Durable with the transaction."""
    change = change_of(type_, subject, owner=owner, origin=origin, seq=at, at=at, body=body)
    transaction.later(write, change)


def note_joined(
    transaction: Transaction, *, kept: str, folded: str, joined_id: str, now: int
) -> None:
    """Two customers are one from now on: `kept`."""
    _note_both(transaction, "customer.joined", kept, folded, joined_id, now=now)


def note_unjoined(
    transaction: Transaction, *, kept: str, folded: str, joined_id: str, now: int
) -> None:
    """They are two again."""
    _note_both(transaction, "customer.unjoined", kept, folded, joined_id, now=now)


def _note_both(  # a join
    transaction: Transaction, type_: str, kept: str, folded: str, joined_id: str, *, now: int
) -> None:
    for owner in (kept, folded):
        transaction.later(_mark, owner)
    body = {"kept": kept, "folded": folded, "join": joined_id}
    note(transaction, type_=type_, subject=f"customer/{kept}", owner=kept, at=now, body=body)


def note_suppressed(transaction: Transaction, found: Sequence[suppressions.Suppressed]) -> None:
    """What holds for these digests changed."""
    for one in found:
        body = {"kind": one.kind, "digest": one.digest, "lines": msgspec.to_builtins(one.lines)}
        change = change_of(
            suppressions.TYPE, f"suppressed/{one.digest}", owner="", origin="", seq=one.seq,
            at=one.at, body=body,
        )  # fmt: skip
        transaction.later(write, change)


def _mark(sql: Connection, owners: list[Any]) -> None:
    if any(wants_suppressions(one) for one in subscriptions(sql)):
        suppressions.mark(sql, owners)


def forget(transaction: Transaction, owner: str, *, now: int) -> None:
    """A customer is erased: no change of theirs is left to be told, and others are told to erase them too."""
    sql = transaction.direct()
    is_wanted = any(wants_suppressions(one) for one in subscriptions(sql))
    gone = suppressions.forget(transaction, owner, now=now, is_wanted=is_wanted)
    note_suppressed(transaction, gone)
    sql = transaction.direct()
    of_owner = "SELECT id FROM change WHERE owner = :owner"
    sql.run(f"DELETE FROM change_due WHERE change IN ({of_owner})", owner=owner)  # noqa: S608  # a constant
    sql.run("DELETE FROM change WHERE owner = :owner", owner=owner)
    note(
        transaction, type_="customer.erased", subject=f"customer/{owner}", owner="", at=now,
        body={"customer": owner},
    )  # fmt: skip


# Who subscribes


def subscriptions(sql: Connection) -> list[Subscription]:
    """Who is to be told."""
    found = sql.all(
        "SELECT name, origin, wants, state FROM subscriber WHERE state <> 'off' ORDER BY name"
    )
    return [
        Subscription(name, origin, tuple(one for one in told.split(",") if one), state == ASKS)
        for name, origin, told, state in found
    ]


def subscribe(transaction: Transaction, wanted: Sequence[Subscription], *, now: int) -> None:
    """These are told from now on; others no more, though what waits for them stays."""
    sql = transaction.direct()
    known = {one.name: one for one in subscriptions(sql)}
    if known == {one.name: one for one in wanted}:
        return
    transaction.lock_keys(("subscriber",))
    sql.run(
        "UPDATE subscriber SET state = 'off' WHERE NOT (name IN [:names])",
        names=[one.name for one in wanted],
    )
    sql.many(
        "INSERT INTO subscriber (name, state, origin, wants, at) VALUES (:name, :state, :origin, :wants, :at)"
        " ON CONFLICT (name) DO UPDATE SET state = excluded.state, origin = excluded.origin, wants = excluded.wants",
        [
            {
                "name": one.name,
                "state": ASKS if one.is_asking else TOLD,
                "origin": one.origin,
                "wants": ",".join(one.wants),
                "at": now,
            }
            for one in wanted
        ],
    )


# The queues


def claim(
    transaction: Transaction, subscriber: str, *, node: str, now: int, until: int, limit: int
) -> list[tuple[DueRecord, ChangeRecord]]:
    """Take what a subscriber is to hear now, the earliest of each subject; each as it was, with the change."""
    transaction.lock_keys((f"subscriber/{subscriber}",))
    sql = transaction.direct()
    found = sql.all(
        f"SELECT {_DUE} FROM change_due AS it WHERE subscriber = :subscriber"  # noqa: S608  # a constant
        " AND state IN ('waiting', 'sending') AND next_at <= :now AND NOT EXISTS ("
        "  SELECT 1 FROM change_due AS before WHERE before.subscriber = it.subscriber"
        "  AND before.subject = it.subject AND before.state IN ('waiting', 'sending') AND before.seq < it.seq)"
        " ORDER BY seq, change LIMIT :limit",
        subscriber=subscriber, now=now, limit=limit,
    )  # fmt: skip
    claimed = [DueRecord(*line) for line in found]
    sql.run(
        "UPDATE change_due SET state = 'sending', node = :node, next_at = :until, n_tries = n_tries + 1"
        " WHERE subscriber = :subscriber AND change IN [:changes]",
        node=node, until=until, subscriber=subscriber, changes=[one.change for one in claimed],
    )  # fmt: skip
    bodies = {one.id: one for one in find(sql, [due.change for due in claimed])}
    return [(due, bodies[due.change]) for due in claimed if due.change in bodies]


def find(sql: Connection, ids: Sequence[str]) -> list[ChangeRecord]:
    """Changes by id."""
    found = sql.all(f"SELECT {_CHANGE} FROM change WHERE id IN [:ids]", ids=list(ids))  # noqa: S608  # a constant
    return [ChangeRecord(*line) for line in found]


def note_taken(transaction: Transaction, subscriber: str, change: str) -> None:
    """The subscriber has it."""
    transaction.direct().run(
        "DELETE FROM change_due WHERE subscriber = :subscriber AND change = :change",
        subscriber=subscriber, change=change,
    )  # fmt: skip


def note_not_taken(  # what is written of it
    transaction: Transaction,
    subscriber: str,
    change: str,
    *,
    node: str,
    reason: str,
    next_at: int,
) -> None:
    """It is tried again then; never, and a person sees it, where `next_at` is 0."""
    transaction.direct().run(
        "UPDATE change_due SET state = :state, reason = :reason, next_at = :next_at"
        " WHERE subscriber = :subscriber AND change = :change AND state = 'sending' AND node = :node",
        state=WAITING if next_at else DEAD, reason=reason[:REASON_MAX], next_at=next_at,
        subscriber=subscriber, change=change, node=node,
    )  # fmt: skip


def queue(
    snapshot: Snapshot, *, states: Sequence[str] = (DEAD,), limit: int = 200
) -> list[tuple[DueRecord, str]]:
    """What stands in these states, the oldest first, each with its type."""
    found = snapshot.sql.all(
        f"SELECT {', '.join(f'it.{name}' for name in _DUE.split(', '))}, change.type"  # noqa: S608  # a constant
        " FROM change_due AS it JOIN change ON change.id = it.change"
        " WHERE it.state IN [:states] ORDER BY change.at, it.change, it.subscriber LIMIT :limit",
        states=list(states), limit=limit,
    )  # fmt: skip
    return [(DueRecord(*line[:-1]), line[-1]) for line in found]


def counts(snapshot: Snapshot) -> dict[tuple[str, str], int]:
    """How many changes stand in each state, by subscriber and state."""
    found = snapshot.sql.all(
        "SELECT subscriber, state, COUNT(*) FROM change_due GROUP BY subscriber, state"
    )
    return {(str(name), str(state)): int(n) for name, state, n in found}


def replay(transaction: Transaction, subscriber: str, *, change: str = "") -> int:
    """Tell a subscriber again what it did not take: one change, or all that are dead; how many."""
    which = "change = :change" if change else "state = 'dead'"
    values = {"change": change} if change else {}
    return transaction.direct().run(
        "UPDATE change_due SET state = 'waiting', next_at = 0, n_tries = 0, reason = ''"  # noqa: S608  # constants
        f" WHERE subscriber = :subscriber AND {which}",
        subscriber=subscriber, **values,
    )  # fmt: skip


def drop(transaction: Transaction, subscriber: str, *, change: str = "") -> int:
    """Give up what a subscriber did not take: one change, or all that are dead; how many."""
    which = "change = :change" if change else "state = 'dead'"
    values = {"change": change} if change else {}
    return transaction.direct().run(
        f"DELETE FROM change_due WHERE subscriber = :subscriber AND {which}",  # noqa: S608  # constants
        subscriber=subscriber, **values,
    )  # fmt: skip


def tidy(transaction: Transaction, *, now: int) -> int:
    """Forget changes that everybody took, after KEPT_US; how many."""
    return transaction.direct().run(
        "DELETE FROM change WHERE at < :before"
        " AND NOT EXISTS (SELECT 1 FROM change_due WHERE change_due.change = change.id)",
        before=now - KEPT_US,
    )
