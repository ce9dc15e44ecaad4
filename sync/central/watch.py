"""The ghost-town watch at the centre: who waits for an answer, which promises run out, how each channel does.

The numbers are counted anew every LOOK_MS, sooner where counting takes little, and told to every counter as one row a channel when they changed. What is late or
soon will be rings once: a line in the log, a counter of the metrics, and `Alarm`s for whoever asks (the page, the command).
"""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from sync.central import alerts, device_rows
from sync.central.alerts import AlertRecord
from sync.central.channels.adapter import Settings
from sync.central.moment import Snapshot
from sync.central.parts import Parts
from sync.central.senders.registry import serves
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.records import CHANNELS, ChannelWatch, Customer, key_of
from sync.model.row import Row, row_of
from sync.model.sins import Scoreboard, scoreboard_of
from sync.model.watch import (
    HOUR_US,
    REPORT_US,
    ChannelReport,
    ChannelWaiting,
    Contact,
    DuePromise,
    PromiseReport,
    by_channel,
    contacts_of,
    due_promises,
    promises_of,
    report_of,
    waiting_of,
)

log = logging.getLogger(__name__)

LOOK_MIN_MS: Final = 30_000
LOOK_MS: Final = 300_000
"""How often it is counted, at most and at least: each change of a row wakes every counter of the brand."""

COST: Final = 100
"""The pause is this many times as long as the counting took: a hundredth of the time is spent on it."""

KEPT_US: Final = 2 * REPORT_US
"""How far back contacts are read; those that wait are read however old they are."""

ALARMS_MAX: Final = 200
"""Alarms listed; the numbers count all of them."""

ALERTS_US: Final = 7 * 24 * HOUR_US
"""How far back it is told what was wrong with devices, agents and channels."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that must not wait. `code` is late | window_closing | promise_broken | promise_due; public.

    Attributes:
        key: Key of the contact's or the case's row.
        due_at: When it was or is due.
        again_at: Until when it was promised once more, 0 when it was not.
        n_promised, n_broken: On that case; 0 for a contact.
        number, by, text: Of a promise: its case, who promised, and what. Not in a traceback.
    """

    code: str
    owner: str
    name: str
    channel: str
    key: str
    due_at: int
    again_at: int = 0
    n_promised: int = 0
    n_broken: int = 0
    number: str = ""
    by: str = ""
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """How a device stood when it said hello last, at `seen_at` (0: it never did).

    Attributes:
        version: Of its program, "" for one that does not say.
        free_size: Bytes free on its disk, -1 where it did not say.
    """

    id: str
    store: str
    role: str
    state: str
    seen_at: int
    version: str
    free_size: int


@dataclass(frozen=True, slots=True)
class Watched:
    """What was found at `at`; of `alarms` there may be more than are listed: `n_alarms`. `alerts` are those of ALERTS_US."""

    at: int
    waiting: tuple[ChannelWaiting, ...]
    report: tuple[ChannelReport, ...]
    alarms: tuple[Alarm, ...]
    sins: Scoreboard
    promises: PromiseReport | None = None
    n_alarms: int = 0
    alerts: tuple[AlertRecord, ...] = ()
    devices: tuple[DeviceStanding, ...] = ()


class Watch:
    """Watches one centre."""

    def __init__(
        self, parts: Parts, channels: Iterable[Settings] = (), *, home: str = ""
    ) -> None:
        """Watch over the parts of one centre.

        Args:
            parts: Its parts.
            channels: All that are configured: a channel none of them sends in only receives.
            home: The store from whose shelf the web shop sells, "" where there is none.
        """
        self._parts = parts
        self._ways = frozenset(name for one in channels for name in serves(one))
        self._home = home
        self._looked_ms: int | None = None
        self._pause_ms = LOOK_MS
        self._rung: frozenset[tuple[str, str]] = frozenset()
        self.sins: Scoreboard | None = None
        """As they were counted last; None before that."""

    def look_now_and_then(self) -> int:
        """`look`, where it is time again; how many rows changed. Raises StoreError."""
        ticks = self._parts.clock.ticks_ms()
        if self._looked_ms is not None and ticks - self._looked_ms < self._pause_ms:
            return 0
        self._looked_ms = ticks
        n_changed = self.look()
        took_ms = self._parts.clock.ticks_ms() - ticks
        self._pause_ms = min(max(COST * took_ms, LOOK_MIN_MS), LOOK_MS)
        return n_changed

    def look(self) -> int:
        """Count, tell every counter what changed, ring for what is new; how many rows changed. Raises StoreError."""
        found = watched(self._parts.store, now=self._parts.now, home=self._home)
        self._ring(found.alarms)
        self.sins = found.sins
        told = tuple(_rows_of(found, self._ways))
        return self._parts.write(
            lambda it: sum(_told(it, row) for row in told), keys=[row.key for row in told]
        )

    def _ring(self, alarms: Iterable[Alarm]) -> None:
        ringing = {(alarm.code, alarm.key): alarm for alarm in alarms}
        for name, alarm in ringing.items():
            if name not in self._rung:
                # Whom it is about is in the database, for who may see it; the log names nobody.
                log.warning(
                    "somebody waits", extra={"code": alarm.code, "channel": alarm.channel}
                )
                self._parts.counters.add(f"alarm.{alarm.code}")
        self._rung = frozenset(ringing)


def watched(store: Store, *, now: int, home: str = "", with_devices: bool = False) -> Watched:
    """What there is to be watched at `now`, microseconds since 1970; each device only where asked for. Raises StoreError."""
    with store.reading() as snapshot:
        since = now - KEPT_US
        said = [
            *snapshot.contacts_owed(before=since),
            *snapshot.rows_of_kind("interaction", since=since),
        ]
        cases = snapshot.rows_of_kind("case")
        goods = [*snapshot.rows_of_kind("price"), *snapshot.rows_of_kind("stock")]
        contacts = contacts_of(said)
        rung = alerts.newest(snapshot.sql)
        devices = device_rows.devices(snapshot.sql) if with_devices else []
        alarms = tuple(_alarms(contacts, due_promises(cases, now=now), now))
        named = tuple(_named(snapshot, alarm) for alarm in alarms[:ALARMS_MAX])
    return Watched(
        at=now,
        waiting=by_channel(contacts, now=now),
        report=report_of(contacts, now=now),
        alarms=named,
        sins=scoreboard_of([*said, *goods, *cases], home=home, now=now),
        promises=promises_of(cases, now=now),
        n_alarms=len(alarms),
        alerts=tuple(it for it in rung if it.at >= now - ALERTS_US),
        devices=tuple(
            DeviceStanding(
                it.id, it.store, it.role, it.state, it.seen_at, it.version, it.free_size
            )
            for it in devices
        ),
    )


def _alarms(
    contacts: Iterable[Contact], promises: Iterable[DuePromise], now: int
) -> list[Alarm]:
    """What must not wait, the longest due first."""
    found = [
        Alarm("late", it.owner, "", it.channel, it.key, it.due_at)
        if it.is_late(now)
        else Alarm("window_closing", it.owner, "", it.channel, it.key, it.window_ends_at)
        for it in waiting_of(contacts)
        if it.is_late(now) or it.is_window_closing(now)
    ]
    found += [
        Alarm(
            "promise_broken" if it.is_broken(now) else "promise_due",
            it.owner, "", "case", it.key, it.due_at, it.again_at, it.n_promised, it.n_broken,
            it.number, it.by, it.text,
        )
        for it in promises
    ]  # fmt: skip
    return sorted(found, key=lambda it: (it.due_at, it.key))


def _named(snapshot: Snapshot, alarm: Alarm) -> Alarm:
    row = snapshot.row(key_of("customer", alarm.owner)) if alarm.owner else None
    if row is None or not isinstance(row.body, Customer):
        return alarm
    name = f"{row.body.given_name} {row.body.family_name}".strip()
    return replace(alarm, name=name)


def _rows_of(found: Watched, ways: Collection[str]) -> Iterable[Row]:
    """One row for each channel; `ways` are those an answer can be sent in, none where nobody set one up."""
    waiting = {it.channel: it for it in found.waiting}
    reports = {it.channel: it for it in found.report}
    for channel in CHANNELS:
        waits, report = waiting.get(channel), reports.get(channel)
        body = ChannelWatch(
            id=channel,
            n_waiting=waits.n_waiting if waits else 0,
            n_late=waits.n_late if waits else 0,
            n_window_closing=waits.n_window_closing if waits else 0,
            oldest_at=waits.oldest_at if waits else 0,
            next_due_at=waits.next_due_at if waits else 0,
            verdict=report.verdict if report else "",
            reason=report.reason if report else "",
            has_way_out=not ways or channel in ways,
        )
        yield row_of(body, owner="", as_of=found.at, source="centre")


def _told(transaction: Transaction, row: Row) -> bool:
    """Write a row that says something new; whether it did."""
    known = transaction.read.row(row.key)
    before = ChannelWatch(row.key.partition("/")[2], 0, 0) if known is None else known.body
    if before == row.body:
        return False
    transaction.put(row)
    return True
