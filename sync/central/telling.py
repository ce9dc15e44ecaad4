"""Telling other systems of changes: takes what each subscriber is to hear from its queue, and carries it.

Each subscriber has a queue of its own: one that does not answer keeps nobody waiting. Claims and their end, waits and the
number of attempts are those of `outgoing`; a node that dies has another tell again, under the same id. What is told of a row is
what it says now, where the way out writes state and not news (`Told.record`).
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from sync.central import changes, suppressions
from sync.central.changes import ChangeRecord, DueRecord, Subscription
from sync.central.channels.adapter import Settings
from sync.central.events import is_paused
from sync.central.moment import Snapshot
from sync.central.outgoing import CLAIM_US, WAY_PAUSE_MS, pause_us, run_steps
from sync.central.parts import Parts
from sync.central.senders.registry import listener_of
from sync.central.senders.sender import (
    AnyCall,
    AnyReply,
    Later,
    Never,
    Outcome,
    Sent,
    Told,
    Unsure,
)
from sync.central.transaction import Transaction
from sync.model.errors import Malformed
from sync.model.records import Stock, key_of

log = logging.getLogger(__name__)

BATCH_MAX: Final = 20
"""Changes claimed at once: what a claim's time is enough for."""

SUPPRESSIONS: Final = "suppressions"
"""Secret of a channel whose system asks for suppressions itself, as bearer."""


def subscriptions_of(channels: Sequence[Settings]) -> list[Subscription]:
    """Who of the configured channels is to hear of what."""
    found = []
    for one in channels:
        listener = listener_of(one)
        if listener is not None:
            found.append(Subscription(one.name, one.channel, listener.wants(one)))
        if one.secrets.get(SUPPRESSIONS):
            asking = one.name if listener is None else f"{one.name} (asks)"
            found.append(Subscription(asking, is_asking=True))
    return found


class Telling:
    """The worker over the queues of subscribers; one in each node, called from any thread."""

    def __init__(
        self,
        parts: Parts,
        channels: Sequence[Settings],
        *,
        carry: Callable[[AnyCall], AnyReply],
    ) -> None:
        """Over the parts of one centre and its configured channels; `carry` carries calls."""
        self._parts = parts
        self._channels = {one.name: one for one in channels}
        self._carry = carry
        self._node = parts.entropy.draw(8).hex()
        self._closed_until_ms: dict[str, int] = {}

    def open(self) -> None:
        """Tell the database who is to hear of changes from now on. Raises StoreError."""
        now = self._parts.now
        wanted = subscriptions_of(tuple(self._channels.values()))
        is_new = self._parts.write(lambda it: _subscribed(it, wanted, now=now))
        if is_new:
            self._parts.write(suppressions.mark_all)

    @property
    def names(self) -> tuple[str, ...]:
        """Who is told by calls of ours; each may be told in a thread of its own."""
        return tuple(name for name, one in self._channels.items() if listener_of(one))

    def tell_due(self, name: str = "", *, limit: int = BATCH_MAX) -> int:
        """Tell what is due, one subscriber or all; how many changes were carried. Blocks while they answer. Raises StoreError."""
        return sum(
            self._told(self._channels[one], limit=limit)
            for one in self.names
            if one == (name or one) and not self._is_closed(one)
        )

    def make_suppressions(self) -> int:
        """Make anew who must not be advertised; for how many something changed. Raises StoreError."""
        now = self._parts.now
        with self._parts.store.reading() as snapshot:
            if not suppressions.is_due(snapshot.sql, now=now):
                return 0

        def change(transaction: Transaction) -> tuple[int, int]:
            n, found = suppressions.make(transaction, now=now)
            changes.note_suppressed(transaction, found)
            return n, len(found)

        n_changed = 0
        for _ in range(50):
            n, changed = self._parts.write(change)
            n_changed += changed
            if n < suppressions.OWNERS_MAX:
                break
        return n_changed

    def _told(self, settings: Settings, *, limit: int) -> int:
        now = self._parts.now
        with self._parts.store.reading() as snapshot:
            if not _has_due(snapshot, settings.name, now=now) or is_paused(
                snapshot.sql, settings.name
            ):
                return 0
        claimed = self._parts.write(
            lambda it: changes.claim(
                it, settings.name, node=self._node, now=now, until=now + CLAIM_US, limit=limit
            )
        )
        for due, change in claimed:
            if self._is_closed(settings.name):
                self._give_back(due)
            else:
                self._note(settings, due, self._carried(settings, change))
        return len(claimed)

    def _carried(self, settings: Settings, change: ChangeRecord) -> Outcome:
        listener = listener_of(settings)
        assert listener is not None, "only who listens has a queue that is told"
        with self._parts.store.reading() as snapshot:
            told = _told_of(snapshot, change, settings.name, now_s=self._parts.now // 1_000_000)
        return run_steps(listener.deliver(told, settings), self._carry)

    def _note(self, settings: Settings, due: DueRecord, outcome: Outcome) -> None:
        name, change = settings.name, due.change
        now = self._parts.now
        match outcome:
            case Sent():
                self._parts.write(lambda it: changes.note_taken(it, name, change))
                self._parts.counters.add("changes.told")
                return
            case Later(reason=reason, after_ms=after_ms, is_whole=is_whole):
                if is_whole:
                    self._close(name, after_ms)
                chance = self._parts.entropy.draw(1)[0]
                wait_us = pause_us(due.n_tries + 1, after_ms=after_ms, chance=chance)
            case Never(reason=reason) | Unsure(reason=reason):
                wait_us = 0
        if not wait_us:
            self._parts.counters.add("changes.dead")
            log.warning("change not taken", extra={"kind": settings.adapter, "code": "dead"})
        next_at = now + wait_us if wait_us else 0
        self._parts.write(
            lambda it: changes.note_not_taken(
                it, name, change, node=self._node, reason=reason, next_at=next_at
            )
        )

    def _give_back(self, due: DueRecord) -> None:
        """Nothing was tried: it is as if it had not been claimed."""
        self._parts.write(
            lambda it: it.direct().run(
                "UPDATE change_due SET state = 'waiting', next_at = :next_at, n_tries = :n_tries"
                " WHERE subscriber = :subscriber AND change = :change AND node = :node",
                next_at=due.next_at, n_tries=due.n_tries, subscriber=due.subscriber, change=due.change,
                node=self._node,
            )
        )  # fmt: skip

    def _is_closed(self, name: str) -> bool:
        return self._parts.clock.ticks_ms() < self._closed_until_ms.get(name, 0)

    def _close(self, name: str, after_ms: int) -> None:
        self._closed_until_ms[name] = self._parts.clock.ticks_ms() + (after_ms or WAY_PAUSE_MS)


def _subscribed(transaction: Transaction, wanted: Sequence[Subscription], *, now: int) -> bool:
    """Write who subscribes; whether suppressions are wanted for the first time."""
    before = changes.subscriptions(transaction.direct())
    changes.subscribe(transaction, wanted, now=now)
    return any(map(changes.wants_suppressions, wanted)) and not any(
        map(changes.wants_suppressions, before)
    )


def _has_due(snapshot: Snapshot, name: str, *, now: int) -> bool:
    found = snapshot.sql.all(
        "SELECT 1 FROM change_due WHERE subscriber = :name AND state IN ('waiting', 'sending')"
        " AND next_at <= :now LIMIT 1",
        name=name, now=now,
    )  # fmt: skip
    return bool(found)


def _told_of(snapshot: Snapshot, change: ChangeRecord, channel: str, *, now_s: int) -> Told:
    """The change, with what its row says now and what that system calls it."""
    try:
        row = snapshot.row(change.subject)
    except Malformed:
        row = None  # a newer program wrote it
    record = row.body if row else None
    key = key_of("product", record.product) if isinstance(record, Stock) else change.subject
    names = snapshot.sql.all(
        "SELECT ref FROM named WHERE channel = :channel AND key = :key ORDER BY ref",
        channel=channel, key=key,
    )  # fmt: skip
    return Told(
        id=change.id, type=change.type, subject=change.subject, seq=change.seq, at=change.at, body=change.body,
        now_s=now_s, record=record, names=tuple(str(ref) for (ref,) in names),
    )  # fmt: skip
