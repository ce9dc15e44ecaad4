"""What other systems tell us, taken in: verified, kept, and written down; each event once, for ever.

    deliver -> verify -> every event of it kept (waiting), durable -> taken in the same transaction -> answered

A delivery that is not the vendor's is answered 401 and kept among the forged, up to a number. An event that was here before
is counted. One that cannot be taken (its adapter or a fact throws, another customer's order) is held with its reason, and
the others flow on; one that speaks of what was not told yet waits for it, WAITS_US at most; one about somebody who was erased
is kept without its bytes. A paused channel keeps what comes until it goes on.
"""

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from sync.central import alerts, channels_file, events, foreseeing, identity, retention, taking
from sync.central.channels.adapter import Adapter, Delivery, Event, Forged, Settings, Unmapped
from sync.central.channels.facts import AnyFact
from sync.central.errors import CannotJoin, Erased
from sync.central.events import EventRecord, Woken
from sync.central.lines import EVENT, Wanted, wanted
from sync.central.outcomes import event_id, outcome, pause_us
from sync.central.parts import Parts
from sync.central.taking import Hear, NotYet, Taking
from sync.central.told_shapes import Unusable
from sync.central.transaction import Transaction
from sync.model.errors import Malformed, StoreError

log = logging.getLogger(__name__)

EVENTS_MAX: Final = 1_000
"""Events one delivery may hold."""

WAITS_US: Final = 3 * 86_400 * 1_000_000
"""How long an event waits for what it speaks of; vendors try again for two days."""

FORGED_A_MINUTE: Final = 60
"""Forged deliveries of a channel that are written down within a minute; the rest is only counted."""

HOUR_US: Final = 3_600 * 1_000_000
ALERT: Final = "channel_forged"
ALERT_HELD: Final = "channel_held"
ALERT_GOES: Final = "channel_bytes_go"
"""Codes of alerts, at most one of each an hour and channel."""

TAKE_MAX: Final = 200
TAKEN_AT_ONCE: Final = 50
"""Events that waited that are taken in one transaction."""

FORESEEN_MAX: Final = 100
"""Events of one delivery what they need is read of at once: each is some names, of which a transaction may hold 2,000."""

FORGOTTEN_MAX: Final = 10_000
"""Events whose bytes go in one round, which comes every hour."""

WOKEN_MAX: Final = 20
"""Events that waited for another that are taken with it; the rest comes a little later."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a delivery is answered.

    Attributes:
        status: As in HTTP: 200, 401, 404, 405.
        body: What the vendor is to be told; a greeting where it asked for one.
        code: taken | greeted | forged | unknown_channel; for counters and tests.
        ids: The events that were in it, by the ids they are kept under.
        n_new: How many of them were never here before.
    """

    status: int
    body: bytes = b""
    code: str = "taken"
    ids: tuple[str, ...] = ()
    n_new: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a channel can work: its settings, and what stands at it."""

    name: str
    adapter: str
    state: str
    faults: tuple[str, ...]


class Intake:
    """All channels of a centre."""

    def __init__(
        self, parts: Parts, adapters: Mapping[str, Adapter], channels: Sequence[Settings]
    ) -> None:
        """Over the parts of one centre. Raises ChannelsWrong."""
        channels_file.check(channels, adapters)
        self._parts = parts
        self._settings = {each.name: each for each in channels}
        self._adapters = {each.name: adapters[each.adapter] for each in channels}
        self._hear: dict[type, Hear] = {}
        self._forged: dict[str, deque[int]] = {name: deque() for name in self._settings}
        if channels:
            parts.write(self._note_promises)

    @property
    def channels(self) -> tuple[Settings, ...]:
        """All of them, by name."""
        return tuple(self._settings[name] for name in sorted(self._settings))

    def settings(self, channel: str) -> Settings | None:
        """A channel by its name; None for one there is not."""
        return self._settings.get(channel)

    def adapter(self, channel: str) -> Adapter | None:
        """The adapter of a channel."""
        return self._adapters.get(channel)

    def hear(self, of: type, heard: Hear) -> None:
        """Also call this with every fact of that type, in the transaction that takes it. One a type."""
        self._hear[of] = heard

    # Deliveries

    def deliver(self, channel: str, delivery: Delivery) -> Taken:
        """Take what came for a channel; durable when this returns. Raises StoreError: send it again."""
        settings = self._settings.get(channel)
        if settings is None:
            return Taken(404, code="unknown_channel")
        adapter = self._adapters[channel]
        try:
            greeting = adapter.greeting(delivery, settings)
            if greeting is not None:
                return Taken(200, greeting, "greeted")
            adapter.verify(delivery, settings)
        except Forged as error:
            return self._refuse(settings, delivery, str(error))
        except Exception as error:  # a defect of one adapter, or what no vendor sends
            log.exception("adapter raised", extra={"kind": settings.adapter})
            return self._refuse(
                settings, delivery, f"{settings.adapter} raised {type(error).__name__}"
            )
        return self.accept(settings, delivery)

    def accept(self, settings: Settings, delivery: Delivery) -> Taken:
        """Take what is known to be the vendor's: a mail of our own mailbox, a line of a file that a person gave us."""
        now = self._parts.now
        try:
            kept = self._events_in(settings, delivery)
        except Unmapped as error:
            return self._keep_whole(settings, delivery, str(error), now)
        except Exception as error:
            log.exception("adapter raised", extra={"kind": settings.adapter})
            reason = f"{settings.adapter} raised {type(error).__name__}"
            return self._keep_whole(settings, delivery, reason, now)
        woken: list[Woken] = []
        facts, names, lines = self._foreseen(settings, {name: event for name, event, _ in kept})

        def work(transaction: Transaction, *, is_taken: bool) -> Taken:
            n_new, is_paused = 0, events.is_paused_in(transaction, settings.name)
            woken.clear()
            for name, event, raw in kept:
                head = events.head_of(delivery, event.type, event.at)
                form = "delivery" if len(kept) == 1 else "event"
                if not events.keep(
                    transaction, settings.name, name, head=head, form=form, raw=raw, now=now
                ):
                    continue
                n_new += 1
                if is_taken and not is_paused:
                    of_it = self._take(
                        transaction,
                        settings,
                        name,
                        event,
                        facts.get(name),
                        came_at=now,
                        n_tries=0,
                    )
                    woken.append(of_it)
            return Taken(200, ids=tuple(name for name, *_ in kept), n_new=n_new)

        try:
            taken = self._parts.write(
                lambda it: work(it, is_taken=True), keys=names, lines=lines
            )
        except StoreError:
            # What cannot be written down now is kept at least, and tried again by `take_waiting`.
            taken = self._parts.write(lambda it: work(it, is_taken=False))
        self._count(settings, "new", taken.n_new)
        self._count(settings, "again", len(kept) - taken.n_new)
        if any(one.n for one in woken):
            self._take_woken()
        return taken

    def _events_in(
        self, settings: Settings, delivery: Delivery
    ) -> tuple[tuple[str, Event, bytes], ...]:
        """The events of a delivery with the ids and bytes they are kept by. Raises Unmapped, and whatever an adapter does."""
        found = self._adapters[settings.name].events(delivery, settings)
        if len(found) > EVENTS_MAX:
            raise Unmapped(f"more than {EVENTS_MAX} events in one delivery")
        if len(found) == 1:
            return ((event_id(found[0]), found[0], delivery.body),)
        return tuple((event_id(one), one, msgspec.json.encode(one.body)) for one in found)

    def _foreseen(
        self, settings: Settings, found: Mapping[str, Event]
    ) -> tuple[dict[str, Sequence[AnyFact]], list[str], list[Wanted]]:
        """The facts of events, and what they will mostly ask for; nothing of one that raises: it does so again when it is taken."""
        facts: dict[str, Sequence[AnyFact]] = {}
        names: list[str] = []
        lines: list[Wanted] = []
        for name, event in islice(found.items(), FORESEEN_MAX):
            lines.append(wanted(EVENT, channel=settings.name, id=name))
            try:
                said = self._adapters[settings.name].facts(event, settings)
                more, whose = foreseeing.foreseen(
                    settings, said, secret=self._parts.store.secret
                )
            except Exception:  # noqa: BLE001, S112  # a defect of one adapter, which is told of when the event is taken
                continue
            facts[name] = said
            names += more
            lines += whose
        return facts, names, lines

    def _take_woken(self) -> None:
        """Take what waited for what was told just now; what cannot be taken is taken with the rest."""
        try:
            self.take_waiting(WOKEN_MAX)
        except StoreError as error:
            log.warning("events put off", extra={"code": error.code})

    def note_too_large(self, channel: str, size: int) -> None:
        """A delivery that was refused unread; a person should see that something does not get through."""
        settings = self._settings.get(channel)
        if settings is not None:
            self._note_forged(
                settings,
                Delivery(b"", now=self._parts.now // 1_000_000),
                f"larger than may be: {size} bytes",
            )

    def _refuse(self, settings: Settings, delivery: Delivery, reason: str) -> Taken:
        self._count(settings, "forged", 1)
        self._note_forged(settings, delivery, reason)
        return Taken(401, code="forged")

    def _note_forged(self, settings: Settings, delivery: Delivery, reason: str) -> None:
        now, recent = self._parts.now, self._forged[settings.name]
        while recent and recent[0] <= now - 60_000_000:
            recent.popleft()
        if len(recent) >= FORGED_A_MINUTE:
            return
        recent.append(now)
        digest = hashlib.sha256(delivery.body).hexdigest()[:16]
        name = f"forged-{now}-{digest}-{self._parts.entropy.draw(4).hex()}"

        def change(transaction: Transaction) -> None:
            events.keep_forged(
                transaction, settings.name, name, delivery=delivery, reason=reason, now=now
            )
            alerts.add(transaction, ALERT, settings.name, at=now // HOUR_US * HOUR_US)

        self._parts.write(change)

    def _keep_whole(
        self, settings: Settings, delivery: Delivery, reason: str, now: int
    ) -> Taken:
        """Keep a delivery nobody can take apart, for a person."""
        name = f"whole-{hashlib.sha256(delivery.body).hexdigest()[:32]}"
        head = events.head_of(delivery, "", 0)

        def change(transaction: Transaction) -> bool:
            alerts.add(transaction, ALERT_HELD, settings.name, at=now // HOUR_US * HOUR_US)
            return events.keep(
                transaction, settings.name, name, head=head, form="delivery", raw=delivery.body, now=now,
                state=events.HELD, reason=reason,
            )  # fmt: skip

        is_new = self._parts.write(change)
        self._count(settings, "held", int(is_new))
        return Taken(200, ids=(name,), n_new=int(is_new))

    # Taking

    def take_waiting(self, limit: int = TAKE_MAX) -> int:
        """Take what waits and can be taken now, oldest first; how many events that were. Raises StoreError."""
        n_taken = 0
        while n_taken < limit:
            with self._parts.store.reading() as snapshot:
                found = events.due(
                    snapshot.sql,
                    now=self._parts.now,
                    limit=min(limit - n_taken, TAKE_MAX),
                    channels=tuple(self._settings),
                )
            for first in range(0, len(found), TAKEN_AT_ONCE):
                self._take_kept(found[first : first + TAKEN_AT_ONCE])
            n_taken += len(found)
            if not found:
                break
        return n_taken

    def replay(self, channel: str, event: str) -> EventRecord | None:
        """Take an event again that is held, waits, or was ignored; what became of it. None for one there is not."""
        with self._parts.store.reading() as snapshot:
            record = events.record_of(snapshot.sql, channel, event)
        if record is None or channel not in self._settings:
            return None
        if record.state in (events.HELD, events.WAITING, events.IGNORED):
            self._take_kept([record], is_forced=True)
        with self._parts.store.reading() as snapshot:
            return events.record_of(snapshot.sql, channel, event)

    def _take_kept(self, records: Sequence[EventRecord], *, is_forced: bool = False) -> None:
        """Take these in one transaction; where the store does not take them together, one by one."""

        def change(transaction: Transaction) -> None:
            transaction.load(
                (), lines=[wanted(EVENT, channel=it.channel, id=it.id) for it in records]
            )
            for record in records:
                now, raw = events.kept(transaction, record.channel, record.id)
                if now is None or (now.state != record.state and not is_forced):
                    continue  # another node took it
                if raw is None:
                    reason = "its bytes are gone"
                    events.settle(transaction, now.channel, now.id, events.HELD, reason=reason)
                    continue
                self._open(transaction, self._settings[now.channel], now, raw)

        try:
            self._parts.write(change)
        except StoreError as error:
            for record in records if len(records) > 1 else ():
                self._take_kept([record], is_forced=is_forced)
            if len(records) == 1:
                log.warning("event put off", extra={"code": error.code})
                self._put_off(records[0])

    def _put_off(self, record: EventRecord) -> None:
        later = self._parts.now + pause_us(record.n_tries)
        reason = "the store could not take it"
        self._parts.write(
            lambda it: events.settle(
                it, record.channel, record.id, events.WAITING, reason=reason, next_at=later
            )
        )

    def _open(
        self, transaction: Transaction, settings: Settings, record: EventRecord, raw: bytes
    ) -> None:
        """Take an event from its own bytes; where it is a whole delivery, all events in it."""
        try:
            event = events.event_in(record, raw)
            delivery = events.delivery_in(record, raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            reason = "its bytes do not parse"
            events.settle(transaction, settings.name, record.id, events.HELD, reason=reason)
            return
        if event is not None:
            self._take(
                transaction,
                settings,
                record.id,
                event,
                came_at=record.came_at,
                n_tries=record.n_tries,
            )
            return
        try:
            found = {
                event_id(one): one
                for one in self._adapters[settings.name].events(delivery, settings)
            }
        except Unmapped as error:
            events.settle(transaction, settings.name, record.id, events.HELD, reason=str(error))
            return
        except Exception as error:
            log.exception("adapter raised", extra={"kind": settings.adapter})
            reason = f"{settings.adapter} raised {type(error).__name__}"
            events.settle(transaction, settings.name, record.id, events.HELD, reason=reason)
            return
        if record.id in found:
            one = found[record.id]
            self._take(
                transaction,
                settings,
                record.id,
                one,
                came_at=record.came_at,
                n_tries=record.n_tries,
            )
            return
        for name, one in found.items():  # it can be taken apart now
            head = events.head_of(delivery, one.type, one.at)
            body = msgspec.json.encode(one.body)
            if events.keep(
                transaction,
                settings.name,
                name,
                head=head,
                form="event",
                raw=body,
                now=record.came_at,
            ):
                self._take(transaction, settings, name, one, came_at=record.came_at, n_tries=0)
        events.settle(
            transaction,
            settings.name,
            record.id,
            events.DONE,
            reason=f"taken apart into {len(found)}",
        )

    def _take(  # noqa: PLR0913  # one event and what is known of it
        self,
        transaction: Transaction,
        settings: Settings,
        name: str,
        event: Event,
        facts: Sequence[AnyFact] | None = None,
        *,
        came_at: int,
        n_tries: int,
    ) -> Woken:
        """Write down what an event says, all or nothing, and what became of it; who waited for that."""
        now = self._parts.now
        state, reason, owners, next_at = events.HELD, "", tuple[str, ...](), 0
        woken = Woken(settings.name, frozenset(), now)
        try:
            with transaction.part():
                if facts is None:
                    facts = self._adapters[settings.name].facts(event, settings)
                done = self._take_facts(
                    transaction, settings, facts, event=name, told_at=event.at or came_at
                )
                owners = tuple(done.owners)
                state, reason = outcome(facts, older=done.older, n_news=done.n_news)
                woken = events.wake(transaction, settings.name, done.named, now=now)
        except StoreError:
            raise
        except NotYet as error:
            state, reason = events.WAITING, f"{events.AWAITS}{error.ref}"
            next_at = now + pause_us(n_tries)
            if now - came_at > WAITS_US:
                state, reason = events.HELD, f"nothing was told of {error.ref}"
        except Erased:
            state = events.ERASED
        except (Unmapped, Unusable, CannotJoin, Malformed) as error:
            reason = str(error)
        except Exception as error:
            # A defect in one adapter, or a fact nobody foresaw, must hold this event alone.
            log.exception("event raised", extra={"kind": settings.adapter})
            reason = f"{settings.adapter} raised {type(error).__name__}"
        events.settle(
            transaction,
            settings.name,
            name,
            state,
            reason=reason,
            owners=owners,
            next_at=next_at,
        )
        if state == events.HELD:
            alerts.add(transaction, ALERT_HELD, settings.name, at=now // HOUR_US * HOUR_US)
        self._count(settings, state, 1)
        return woken

    def take_facts(
        self,
        transaction: Transaction,
        settings: Settings,
        facts: Iterable[AnyFact],
        *,
        event_id: str,
    ) -> tuple[str, ...]:
        """Write facts down that came by no adapter; whom they are about, by their ids now.

        For imports, demos and tests. Raises NotYet, Unusable, Erased, Malformed, StoreError.
        """
        done = self._take_facts(
            transaction, settings, tuple(facts), event=event_id, told_at=self._parts.now
        )
        events.wake(transaction, settings.name, done.named, now=self._parts.now)
        return tuple(done.owners)

    def _take_facts(
        self,
        transaction: Transaction,
        settings: Settings,
        facts: Sequence[AnyFact],
        *,
        event: str,
        told_at: int,
    ) -> Taking:
        done = Taking(transaction, settings, event, self._parts.now, self._hear)
        for fact in facts:
            taking.take(
                done, fact if fact.at > 0 else msgspec.structs.replace(fact, at=told_at)
            )
        return done

    # Channels

    def know(self, channel: str, refs: Mapping[str, str]) -> None:
        """Say which customers known here a channel means by its ids, before it tells anything of them. Raises StoreError."""
        now = self._parts.now

        def change(transaction: Transaction) -> None:
            for ref, owner in sorted(refs.items()):
                identity.bind(transaction, channel, ref, owner, now=now)

        self._parts.write(change)

    def pause(self, channel: str, *, reason: str) -> None:
        """Keep what comes, and take none of it. Raises StoreError."""
        self._set(channel, is_paused=True, reason=reason)

    def resume(self, channel: str) -> int:
        """Go on, with what came meanwhile; how many events were taken. Raises StoreError."""
        self._set(channel, is_paused=False, reason="")
        return self.take_waiting()

    def _set(self, channel: str, *, is_paused: bool, reason: str) -> None:
        now = self._parts.now
        self._parts.write(
            lambda it: events.set_paused(
                it, channel, is_paused=is_paused, reason=reason, now=now
            )
        )

    def tidy(self) -> int:
        """Let bytes go whose time is over, and tell of those that go soon; how many events lost theirs. Raises StoreError."""
        now, n_gone = self._parts.now, 0

        def tell(transaction: Transaction) -> None:
            for name in retention.tell(transaction, self.channels, now=now):
                alerts.add(transaction, ALERT_GOES, name, at=now // HOUR_US * HOUR_US)

        self._parts.write(tell)
        while n_gone < FORGOTTEN_MAX:
            n = self._parts.write(lambda it: retention.let_go(it, self.channels, now=now))
            n_gone += n
            if not n:
                break
        return n_gone

    def _note_promises(self, transaction: Transaction) -> None:
        for each in self._settings.values():
            transaction.direct().run(
                "INSERT INTO channel (name, state, reason, changed_at, promise_s) VALUES (:name, 'open', '', :now, :promise)"
                " ON CONFLICT (name) DO UPDATE SET promise_s = excluded.promise_s",
                name=each.name, now=self._parts.now, promise=each.promise_s,
            )  # fmt: skip

    def _count(self, settings: Settings, what: str, n: int) -> None:
        if n:
            self._parts.counters.add(f"channel.{settings.name}.{what}", n)


Deliver = Callable[[str, Delivery], Taken]
