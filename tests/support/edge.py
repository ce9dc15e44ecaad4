"""A device's store in a folder, filled as a centre would fill it."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hardware.clock import FixedClock
from hardware.disk import Disk, SystemDisk
from hardware.entropy import SeededEntropy
from sync.edge.feed import Feed
from sync.edge.store import EdgeStore
from sync.model.row import Row, raw_of
from sync.model.sums import SUM_MASK, pointer_hash
from sync.model.wire import Checkpoint, Cursor, Grant, Page, WireRow
from tests.support.fresh import lay_device

KEY = b"k" * 32
SCOPE = "s:harbour"
START = datetime(2026, 1, 7, 12, 30, tzinfo=UTC)
_openings = itertools.count()


class SetClock(FixedClock):
    """A clock whose wall time somebody sets, while its ticks go on."""

    def __init__(self) -> None:
        super().__init__(START)
        self.error = timedelta()

    def now(self) -> datetime:
        return super().now() + self.error


def opened(
    folder: Path,
    *,
    key: bytes = KEY,
    clock: FixedClock | None = None,
    disk: Disk | None = None,
) -> EdgeStore:
    if disk is None:
        lay_device(folder, key)
    return EdgeStore.open(
        folder, key, disk=disk or SystemDisk(), clock=clock or FixedClock(START),
        entropy=SeededEntropy(f"{folder.name}/{next(_openings)}"),
    )  # fmt: skip


def wire_row(row: Row, seq: int, *, scope: str = SCOPE) -> WireRow:
    return WireRow(
        scope=scope, seq=seq, key=row.key, kind=row.kind, owner=row.owner, version=row.version,
        as_of=row.as_of, source=row.source, body=raw_of(row.body), is_gone=False,
    )  # fmt: skip


def gone_row(key: str, seq: int, *, scope: str = SCOPE) -> WireRow:
    return WireRow(scope, seq, key, "", "", 0, 0, "", b"", is_gone=True)


def page_of(
    rows: Iterable[Row], *, since: int = 0, scope: str = SCOPE, is_head: bool = True
) -> Page:
    lines = tuple(wire_row(row, since + n, scope=scope) for n, row in enumerate(rows, start=1))
    seq = lines[-1].seq if lines else since
    return Page(lines, (Checkpoint(scope, seq, is_head),))


def sum_of(rows: Iterable[Row], *, since: int = 0) -> int:
    """The sum of a scope that holds these rows with the numbers `page_of` gives them."""
    numbered = enumerate(rows, start=since + 1)
    return sum(pointer_hash(row.key, seq, row.version) for seq, row in numbered) & SUM_MASK


def granted(store: EdgeStore, *scopes: str, epoch: str = "e1") -> Feed:
    feed = Feed(store)
    feed.grant(Grant(scope, epoch, 0) for scope in scopes or (SCOPE,))
    return feed


def filled(store: EdgeStore, rows: Iterable[Row]) -> Feed:
    feed = granted(store)
    feed.apply_page(page_of(rows), asked=(Cursor(SCOPE, 0),))
    return feed
