"""What changed in a scope since a cursor, where two histories of it part, and the bell that ends a long poll.

A page is read in one snapshot. Rows move to the head when they change, so pages of a scope are consistent with one another
only at `head=1`; a cursor never skips a row, because the numbers of a transaction become visible all at once.

Whether a device and this centre have one history is judged by marks before a row is sent:

    cursor below the floor                          too old: what left the scope since is not known any more
    cursor 0                                        one history
    newest mark presented is known                  one history
    it is older than any fine mark kept here, and
    another one presented is known                  one history: it was thinned
    it is below the floor                           one history: older than anything that could be told apart
    none presented, and none could have been given  one history: inside the first commit of the scope
    anything else, and a cursor beyond the head     parted, after the newest mark both know

Marks beyond the cursor say nothing of what the device holds and are not looked at.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final, Protocol

import msgspec

from sync.central.moment import Snapshot
from sync.central.scopes import ScopeRecord
from sync.model.errors import Malformed
from sync.model.forms import body_for
from sync.model.wire import (
    Checkpoint,
    Cursor,
    Mark,
    Parting,
    WireRow,
    checkpoint_line,
    ended,
    parting_line,
    row_line,
    too_old_line,
)

PAGE_SIZE_MAX: Final = 4 * 1_048_576
"""A page ends after the row that passes this; a quarter of what a device accepts."""

MARKS_ALWAYS: Final = 2
"""Marks a device presents unasked; who presented no more may have others."""

REMEMBERED_MAX: Final = 2_000
"""Rows kept of one moment, for who asks for the same next."""

OK: Final = 200
PARTED: Final = 409
TOO_OLD: Final = 410

LineOf = Callable[[WireRow], bytes]


class Feeds(Protocol):
    """What is read of one moment of the store: a `Snapshot`, or one that is `Remembered`."""

    def scopes(self, ids: Iterable[str]) -> dict[str, ScopeRecord]:
        """The scopes there are among these."""
        ...

    def rows_since(self, scope: str, seq: int, *, limit: int) -> Sequence[WireRow]:
        """Rows after a number, in order."""
        ...

    def newest_mark(self, scope: str, seq: int) -> Mark | None:
        """The newest mark up to a number."""
        ...

    def knows_mark(self, scope: str, mark: Mark) -> bool:
        """Whether this moment had that name."""
        ...

    def oldest_fine_mark(self, scope: str) -> int:
        """Below it, marks were thinned."""
        ...


def row_for(row: WireRow, reads: Mapping[str, int]) -> WireRow:
    """A row as a device reads it: of kinds in `reads` no newer form than that, where an older one can be made."""
    wanted = reads.get(row.kind)
    if wanted is None or row.is_gone or row.form <= wanted:
        return row
    try:
        body, form = body_for(row.kind, row.body, row.form, wanted)
    except Malformed:
        return row  # a body we cannot read is sent as it is stored; the device keeps it raw
    return msgspec.structs.replace(row, body=body, form=form)


def line_maker(reads: Mapping[str, int]) -> LineOf:
    """How rows become lines for a device that reads these forms."""
    if not reads:
        return row_line
    return lambda row: row_line(row_for(row, reads))


@dataclass(frozen=True, slots=True)
class Page:
    """A pull answer before its end: status, lines, rows in it, scopes whose histories part or whose cursor is too old."""

    status: int
    lines: bytes
    n_rows: int
    n_parted: int = 0
    n_too_old: int = 0

    def ended(self, *, session_key: bytes, request_id: str) -> bytes:
        """The whole answer."""
        return ended(
            self.lines, n_rows=self.n_rows, session_key=session_key, request_id=request_id
        )


def page(
    snapshot: Feeds,
    cursors: Sequence[Cursor],
    *,
    limit: int,
    line_of: LineOf = row_line,
) -> Page:
    """Rows of each scope in order until `limit`, a checkpoint for each scope reached; or which histories are not one.

    Args:
        snapshot: One moment of the store.
        cursors: What the device holds; it was checked that it may.
        limit: Rows at most.
        line_of: A row as this device is to be sent it.
    """
    records = snapshot.scopes(cursor.id for cursor in cursors)
    parted = apart(snapshot, cursors, records)
    if parted is not None:
        return parted
    lines: list[bytes] = []
    n_rows = size = 0
    for cursor in cursors:
        if n_rows >= limit or size >= PAGE_SIZE_MAX:
            break
        reached, is_head = cursor.seq, True
        record = records.get(cursor.id)
        for row in _rows(snapshot, cursor, record, limit - n_rows + 1):
            if n_rows >= limit or size >= PAGE_SIZE_MAX:
                is_head = False
                break
            line = line_of(row)
            lines.append(line)
            n_rows, size, reached = n_rows + 1, size + len(line), row.seq
        lines.append(_checkpoint(snapshot, cursor.id, record, None if is_head else reached))
    return Page(OK, b"".join(lines), n_rows)


def _rows(
    snapshot: Feeds, cursor: Cursor, record: ScopeRecord | None, limit: int
) -> Sequence[WireRow]:
    if record is None or record.head <= cursor.seq:
        return ()
    return snapshot.rows_since(cursor.id, cursor.seq, limit=limit)


def _checkpoint(
    snapshot: Feeds, scope: str, record: ScopeRecord | None, reached: int | None
) -> bytes:
    """The line after the rows of a scope; `reached` is None at the head."""
    if record is None:
        return checkpoint_line(Checkpoint(scope, 0, is_head=True, count=0, sum=0))
    if reached is not None:
        mark = snapshot.newest_mark(scope, reached)
        return checkpoint_line(Checkpoint(scope, reached, is_head=False, mark=mark))
    seq = record.head
    mark = record.mark or snapshot.newest_mark(scope, seq)
    return checkpoint_line(
        Checkpoint(scope, seq, is_head=True, mark=mark, count=record.count, sum=record.sum)
    )


def apart(
    snapshot: Feeds, cursors: Sequence[Cursor], records: Mapping[str, ScopeRecord]
) -> Page | None:
    """The page that says whose histories are not one; None while all are."""
    old = [it.id for it in cursors if is_too_old(it, records.get(it.id))]
    partings = [
        parting
        for it in cursors
        if it.id not in old
        and (parting := parting_of(snapshot, it, records.get(it.id))) is not None
    ]
    if not old and not partings:
        return None
    lines = [*map(too_old_line, old), *map(parting_line, partings)]
    status = PARTED if partings else TOO_OLD
    return Page(status, b"".join(lines), 0, n_parted=len(partings), n_too_old=len(old))


def is_too_old(cursor: Cursor, record: ScopeRecord | None) -> bool:
    """Whether rows may have left the scope since of which nothing is known any more."""
    return record is not None and 0 < cursor.seq < record.floor


def parting_of(snapshot: Feeds, cursor: Cursor, record: ScopeRecord | None) -> Parting | None:
    """Where the device's history of a scope and ours part; None while they are one."""
    if cursor.seq == 0:
        return None
    head, floor = (record.head, record.floor) if record else (0, 0)
    marks = sorted(
        (mark for mark in cursor.marks if mark.seq <= cursor.seq), key=lambda mark: -mark.seq
    )
    is_beyond = cursor.seq > head
    if not is_beyond and not marks and snapshot.newest_mark(cursor.id, cursor.seq) is None:
        return None
    if not is_beyond and marks and _is_known(snapshot, cursor.id, marks[0], record):
        return None
    known = next((mark for mark in marks if snapshot.knows_mark(cursor.id, mark)), None)
    if not is_beyond and marks:
        is_thinned = known is not None and marks[0].seq < snapshot.oldest_fine_mark(cursor.id)
        if is_thinned or marks[0].seq < floor:
            return None
    if known is not None:
        return Parting(cursor.id, known.seq)
    may_have_more = 0 < len(marks) <= MARKS_ALWAYS
    return Parting(cursor.id, 0, needs_more=may_have_more)


def _is_known(snapshot: Feeds, scope: str, mark: Mark, record: ScopeRecord | None) -> bool:
    newest = record.mark if record else None
    if newest is not None and newest.seq == mark.seq:
        return newest.token == mark.token
    return snapshot.knows_mark(scope, mark)


def has_news(cursors: Sequence[Cursor], records: Mapping[str, ScopeRecord]) -> bool:
    """Whether any of these scopes moved."""
    return any(it.id in records and records[it.id].head > it.seq for it in cursors)


class Remembered:
    """One moment of the store, each thing of which is read once: polls that wake together ask for the same."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Of that moment."""
        self._snapshot = snapshot
        self._scopes: dict[str, ScopeRecord | None] = {}
        self._rows: dict[tuple[str, int, int], Sequence[WireRow]] = {}
        self._newest: dict[tuple[str, int], Mark | None] = {}
        self._known: dict[tuple[str, Mark], bool] = {}

    def scopes(self, ids: Iterable[str]) -> dict[str, ScopeRecord]:
        """As `Feeds`."""
        wanted = tuple(ids)
        new = [scope for scope in wanted if scope not in self._scopes]
        if new:
            found = self._snapshot.scopes(new)
            self._scopes |= {scope: found.get(scope) for scope in new}
        records = ((scope, self._scopes[scope]) for scope in wanted)
        return {scope: record for scope, record in records if record is not None}

    def rows_since(self, scope: str, seq: int, *, limit: int) -> Sequence[WireRow]:
        """As `Feeds`; of many rows only those of the last who asked are kept."""
        asked = scope, seq, limit
        rows = self._rows.get(asked)
        if rows is None:
            rows = self._snapshot.rows_since(scope, seq, limit=limit)
            if sum(map(len, self._rows.values())) + len(rows) > REMEMBERED_MAX:
                self._rows.clear()
            self._rows[asked] = rows
        return rows

    def newest_mark(self, scope: str, seq: int) -> Mark | None:
        """As `Feeds`."""
        asked = scope, seq
        if asked not in self._newest:
            self._newest[asked] = self._snapshot.newest_mark(scope, seq)
        return self._newest[asked]

    def knows_mark(self, scope: str, mark: Mark) -> bool:
        """As `Feeds`."""
        asked = scope, mark
        if asked not in self._known:
            self._known[asked] = self._snapshot.knows_mark(scope, mark)
        return self._known[asked]

    def oldest_fine_mark(self, scope: str) -> int:
        """As `Feeds`."""
        return self._snapshot.oldest_fine_mark(scope)


class Bell:
    """Wakes the polls that wait for a scope. Rung from any thread; waited for on event loops."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._lock = Lock()
        self._is_closed = False
        self._n_rung = 0

    @property
    def n_rung(self) -> int:
        """Grows with every ring, whoever waits."""
        return self._n_rung

    @contextmanager
    def heard(self, scopes: tuple[str, ...]) -> Iterator["asyncio.Future[None]"]:
        """A future that is done when one of the scopes moves, from now until the block is left."""
        rung = asyncio.get_running_loop().create_future()
        with self._lock:
            for scope in scopes:
                self._waiting.setdefault(scope, set()).add(rung)
            if self._is_closed:
                rung.set_result(None)
        try:
            yield rung
        finally:
            with self._lock:
                for scope in scopes:
                    self._waiting[scope].discard(rung)
                    if not self._waiting[scope]:
                        del self._waiting[scope]

    @property
    def n_waiting(self) -> int:
        """How many waits there are, a poll counted once a scope."""
        with self._lock:
            return sum(len(entries) for entries in self._waiting.values())

    @property
    def scopes(self) -> tuple[str, ...]:
        """Which scopes somebody waits for."""
        with self._lock:
            return tuple(self._waiting)

    def ring(self, scopes: tuple[str, ...]) -> None:
        """These scopes moved."""
        waits: dict[asyncio.AbstractEventLoop, set[asyncio.Future[None]]] = {}
        with self._lock:
            self._n_rung += 1
            for scope in scopes:
                for rung in self._waiting.get(scope, ()):
                    waits.setdefault(rung.get_loop(), set()).add(rung)
        for loop, its in waits.items():
            loop.call_soon_threadsafe(_end_all, its)  # once a loop: each call wakes it

    def close(self) -> None:
        """End every poll, and let none wait any more: the centre goes down."""
        with self._lock:
            self._is_closed = True
            scopes = tuple(self._waiting)
        self.ring(scopes)


def _end_all(waits: "set[asyncio.Future[None]]") -> None:
    for rung in waits:
        if not rung.done():
            rung.set_result(None)
