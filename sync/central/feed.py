"""What changed in a scope since a cursor, and the bell that ends a long poll.

A page is read in one snapshot. Rows move to the head when they change, so pages of a scope are consistent with one another
only at `head=1`; a cursor never skips a row, because the numbers of a transaction become visible all at once.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from sync.central.store import Snapshot
from sync.model.wire import (
    Checkpoint,
    Cursor,
    checkpoint_line,
    ended,
    row_line,
)

PAGE_SIZE_MAX: Final = 4 * 1_048_576
"""A page ends after the row that passes this; a quarter of what a device accepts."""


def page(
    snapshot: Snapshot,
    cursors: tuple[Cursor, ...],
    *,
    limit: int,
    session_key: bytes,
    request_id: str,
) -> bytes:
    """The pull answer: rows of each scope in order until `limit`, a checkpoint for each scope reached, the end.

    Args:
        snapshot: One moment of the store.
        cursors: What the device holds; it was checked that it may.
        limit: Rows at most.
        session_key: What the digest is keyed with.
        request_id: `x-req` of the request.
    """
    lines: list[bytes] = []
    n_rows = size = 0
    for cursor in cursors:
        if n_rows >= limit or size >= PAGE_SIZE_MAX:
            break
        head = snapshot.head(cursor.id)
        reached = cursor.seq
        is_head = True
        for row in snapshot.rows_since(cursor.id, reached, limit=limit - n_rows + 1):
            if n_rows >= limit or size >= PAGE_SIZE_MAX:
                is_head = False
                break
            lines.append(row_line(row))
            n_rows, size, reached = n_rows + 1, size + len(lines[-1]), row.seq
        lines.append(
            checkpoint_line(Checkpoint(cursor.id, head if is_head else reached, is_head))
        )
    return ended(b"".join(lines), n_rows=n_rows, session_key=session_key, request_id=request_id)


def has_news(snapshot: Snapshot, cursors: tuple[Cursor, ...]) -> bool:
    """Whether any of these scopes moved."""
    return any(snapshot.head(cursor.id) > cursor.seq for cursor in cursors)


def scopes_ahead(snapshot: Snapshot, cursors: tuple[Cursor, ...]) -> tuple[str, ...]:
    """Scopes a device holds further than we do: this centre went back in time, or the device is wrong."""
    return tuple(cursor.id for cursor in cursors if cursor.seq > snapshot.head(cursor.id))


class Bell:
    """Wakes the polls that wait for a scope. Rung from any thread; waited for on event loops."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}
        self._lock = Lock()
        self._is_closed = False

    @contextmanager
    def heard(self, scopes: tuple[str, ...]) -> Iterator[asyncio.Event]:
        """An event that is set when one of the scopes moves, from now until the block is left."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            for scope in scopes:
                self._waiting.setdefault(scope, set()).add(entry)
            if self._is_closed:
                event.set()
        try:
            yield event
        finally:
            with self._lock:
                for scope in scopes:
                    self._waiting[scope].discard(entry)
                    if not self._waiting[scope]:
                        del self._waiting[scope]

    @property
    def n_waiting(self) -> int:
        """How many waits there are, a poll counted once a scope."""
        with self._lock:
            return sum(len(entries) for entries in self._waiting.values())

    def ring(self, scopes: tuple[str, ...]) -> None:
        """These scopes moved."""
        with self._lock:
            entries = {entry for scope in scopes for entry in self._waiting.get(scope, ())}
        for loop, event in entries:
            loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """End every poll, and let none wait any more: the centre goes down."""
        with self._lock:
            self._is_closed = True
            scopes = tuple(self._waiting)
        self.ring(scopes)
