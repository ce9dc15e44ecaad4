"""How a device and its centre stand, as one value without anything personal: printed, and kept in a file while the device runs.

A running program owns its folder, so that nobody else can look into its databases; it writes `sync.json` beside them, for
whoever asks meanwhile. The file is not needed by anything and may be removed.
"""

import logging
from pathlib import Path
from typing import Final

import msgspec

from hardware.disk import Disk
from hardware.errors import DeviceError
from sync.edge.lease import lease_of
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncStatus
from sync.edge.store import EdgeStore, Transaction

log = logging.getLogger(__name__)

FILE: Final = "sync.json"

WRITE_MS: Final = 5_000
"""The file is at most this much older than what is on the screen."""


class ScopeReport(msgspec.Struct, frozen=True):
    """One scope: how far it is held, whether that is all the centre has, and how many rows that are (-1 not counted)."""

    scope: str
    seq: int
    is_head: bool
    count: int


class LongReport(msgspec.Struct, frozen=True):
    """What takes long: rows | snapshot | push."""

    what: str
    done: int
    total: int
    per_s: int
    left_s: int | None


class LeaseReport(msgspec.Struct, frozen=True):
    """ok | warned | over, how old the data is and how much longer people are shown, in milliseconds."""

    state: str
    age_ms: int
    left_ms: int


class NoticeReport(msgspec.Struct, frozen=True):
    """Something about the files that a person should know."""

    at: int
    code: str


class SyncReport(msgspec.Struct, frozen=True):
    """How things stand.

    Attributes:
        at: When this was written, microseconds since 1970.
        is_running: By the program that owns the folder; else by somebody who looked while nothing ran.
        network: "ok", the code of what keeps the centre from answering, or "" where it was not asked.
        synced_at: When the cache was last complete, 0 for never.
        waiting, refused, held: Operations the centre has not answered; refused; held for a decision of the centre.
        unread: Rows this program cannot read.
        store: "ok", or what is wrong with the files.
        lineage: Which life of the outbox this is. forks: How often it was found to be a copy.
        unread_kinds: Kinds of operation recorded here that the centre cannot read yet.
        update_to: The oldest program the centre answers from `update_at` on, microseconds since 1970; "" where this one will do.
        failures: What kept the running program from syncing since it was started, by code, and how often.
        relay: "off" where none is set, "ok", or the code of what keeps the store's relay from answering; "" where it was not asked.
    """

    at: int
    is_running: bool
    network: str
    synced_at: int
    waiting: int
    refused: int
    held: int
    unread: int
    store: str
    lineage: str
    forks: int
    lease: LeaseReport
    scopes: tuple[ScopeReport, ...]
    notices: tuple[NoticeReport, ...]
    progress: tuple[LongReport, ...] = ()
    alerts: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    relay: str = ""
    failures: dict[str, int] = {}
    unread_kinds: tuple[str, ...] = ()
    update_to: str = ""
    update_at: int = 0


def report_of(
    store: EdgeStore, status: SyncStatus | None = None, *, relay: str = ""
) -> SyncReport:
    """How a device stands, with what its running sync says where there is one. Raises StoreError."""
    counts = Outbox(store).counts()
    lease = lease_of(store).state()
    notices = store.notices

    def reading(file: Transaction) -> tuple[tuple[ScopeReport, ...], int, int]:
        found = file.read(
            "SELECT scope, seq, is_head, count, synced_at FROM cursor ORDER BY scope"
        )
        unread = file.read("SELECT count(*) FROM row WHERE is_read = 0")
        scopes = tuple(ScopeReport(one[0], one[1], bool(one[2]), one[3]) for one in found)
        return scopes, min((int(one[4]) for one in found), default=0), int(unread[0][0])

    scopes, synced_at, n_unread = store.cache.look(reading)
    update = status.update if status is not None else None
    is_full = store.ballast is not None and store.ballast.is_spent
    return SyncReport(
        at=store.now(),
        is_running=status is not None,
        network=status.network if status is not None else "",
        synced_at=synced_at,
        waiting=counts.n_waiting,
        refused=counts.n_refused - counts.n_held,
        held=counts.n_held,
        unread=n_unread,
        store="store_full" if is_full else status.store_code if status is not None else "ok",
        lineage=store.lineage,
        forks=sum(notice.code == "device_forked" for notice in notices),
        lease=LeaseReport(
            "over" if lease.is_over else "warned" if lease.n_warned else "ok",
            lease.age_ms,
            lease.left_ms,
        ),
        scopes=scopes,
        notices=tuple(NoticeReport(notice.at, notice.code) for notice in notices),
        progress=tuple(
            LongReport(one.what, one.n_done, one.n_total, one.per_s, one.left_s)
            for one in (status.progress if status is not None else ())
        ),
        alerts=status.alerts if status is not None else (),
        degraded=status.degraded if status is not None else (),
        relay=relay,
        failures=dict(status.failures) if status is not None else {},
        unread_kinds=status.unread if status is not None else (),
        update_to=update.version if update is not None else "",
        update_at=update.at if update is not None else 0,
    )


def kept_report(folder: Path, *, disk: Disk) -> SyncReport | None:
    """What the program that owns the folder wrote last; None when there is nothing to read."""
    try:
        raw = disk.read(folder / FILE)
        return None if raw is None else msgspec.json.decode(raw, type=SyncReport)
    except (DeviceError, msgspec.DecodeError, UnicodeDecodeError):
        return None


class ReportFile:
    """The report of a running device in its folder; on the sync thread."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store
        self._next_ms = 0
        self._last: tuple[object, ...] = ()

    def write(self, status: SyncStatus, *, relay: str = "") -> int:
        """Write how things stand, unless that was done a moment ago; at once where the centre or the files are otherwise than before.

        Returns:
            In how many milliseconds to come again, because it was not written; 0 where it was.

        Raises:
            StoreError: the files do not say it.
        """
        now_ms = self._store.clock.ticks_ms()
        weighty = (
            status.network, status.store_code, status.alerts, bool(status.progress), relay,
            status.unread, status.update,
        )  # fmt: skip
        if now_ms < self._next_ms and weighty == self._last:
            return self._next_ms - now_ms
        self._next_ms, self._last = now_ms + WRITE_MS, weighty
        report = report_of(self._store, status, relay=relay)
        try:
            self._store.disk.write(
                self._store.folder / FILE, msgspec.json.encode(report) + b"\n"
            )
        except DeviceError:
            log.warning("report not written")
        return 0
