"""Makes the snapshots from which a new device has a scope at once, and says when one is due.

A snapshot is read in one moment of the store, packed part by part under a key of its own (`sync.model.snapshot`) and kept
beside the rows, so that any node can serve it. It is named only when its last part is kept, and not at all when a customer
was erased while it was made or the scope became another history. Several nodes may make the same one; the last named is served.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hardware.entropy import Entropy
from sync.central import snapshot_rows
from sync.central.batch import Batch
from sync.central.moment import Snapshot
from sync.central.snapshot_rows import PartRecord, SnapshotRecord
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.snapshot import (
    FORMAT,
    KEY_SIZE,
    PART_ROWS_MAX,
    PART_SIZE_MAX,
    StoredRow,
    packed,
)
from sync.model.wire import Mark, SnapshotPart

ROWS_MIN: Final = 2_000
"""A scope with fewer rows is pulled in two pages."""

TAIL_PART: Final = 4
"""A snapshot is made anew when more than this part of its rows moved since."""

FIRST_ROWS: Final = 1_000
"""Rows of the first part: a device writes it while the second comes."""

_READ_AT_ONCE: Final = 1_000


def usable(snapshot: Snapshot, scope: str, form: int = FORMAT) -> SnapshotRecord | None:
    """The newest snapshot of a scope, where a device can go on from it: of the same history, not below the floor, its mark known."""
    record, newest = snapshot.scope(scope), snapshot_rows.newest(snapshot.sql, scope, form)
    if record is None or newest is None or newest.epoch != record.epoch:
        return None
    is_known = not newest.mark.seq or snapshot.knows_mark(scope, newest.mark)
    return newest if is_known and record.floor <= newest.seq <= record.head else None


def due(store: Store) -> tuple[str, ...]:
    """Scopes large enough for a snapshot whose newest one is missing or old. Raises StoreError."""
    with store.reading() as snapshot:
        return tuple(
            record.id
            for record in snapshot.every_scope()
            if record.count >= ROWS_MIN and _is_due(snapshot, record.id)
        )


def _is_due(snapshot: Snapshot, scope: str) -> bool:
    newest = usable(snapshot, scope)
    if newest is None:
        return True
    return (snapshot.head(scope) - newest.seq) * TAIL_PART > newest.count


def make(
    store: Store, batch: Batch, scope: str, *, entropy: Entropy, now: int
) -> SnapshotRecord | None:
    """Make a snapshot of a scope as it is now. Up to a few seconds; on no event loop. Raises StoreError.

    Args:
        store: Of this centre.
        batch: Its writer.
        scope: Id of the scope.
        entropy: Draws its key.
        now: Microseconds since 1970.

    Returns:
        What was made; None where there is nothing, or it may no longer be used.
    """
    key = entropy.draw(KEY_SIZE)
    parts: list[str] = []
    with store.reading() as snapshot:
        record = snapshot.scope(scope)
        if record is None or not record.count:
            return None
        made = SnapshotRecord(
            scope=scope, format=FORMAT, seq=record.head, epoch=record.epoch,
            mark=snapshot.newest_mark(scope, record.head) or Mark(0, ""),
            count=record.count, sum=record.sum, key=key.hex(), made_at=now,
        )  # fmt: skip
        erased = snapshot_rows.erased(snapshot.sql)
        for number, rows in enumerate(_parts(snapshot, scope)):
            part, content = packed(rows, key=key, scope=scope, seq=made.seq, number=number)
            batch.run(_keeping(made, number, part, content))
            parts.append(part.part)
    return made if batch.run(_naming(made, parts, erased)) else None


def _parts(snapshot: Snapshot, scope: str) -> Iterator[list[StoredRow]]:
    """All live rows of a scope, so many at a time as make a part; those of a customer lie together, where a tap reads them."""
    keys = snapshot_rows.keys_by_owner(snapshot.sql, scope)
    rows: list[StoredRow] = []
    size, rows_max = 0, min(FIRST_ROWS, PART_ROWS_MAX)
    for first in range(0, len(keys), _READ_AT_ONCE):
        some = keys[first : first + _READ_AT_ONCE]
        found = {row.key: row for row in snapshot.rows_of_keys(scope, some)}
        for row in (found[key] for key in some):
            rows.append(
                (row.key, scope, row.seq, row.owner, row.kind, row.version, row.as_of, row.source,
                 row.form, row.body)
            )  # fmt: skip
            size += len(row.body)
            if len(rows) >= rows_max or size >= PART_SIZE_MAX:
                yield rows
                rows, size, rows_max = [], 0, PART_ROWS_MAX
    if rows:
        yield rows


def _keeping(
    made: SnapshotRecord, number: int, part: SnapshotPart, content: bytes
) -> Callable[[Transaction], Callable[[], None]]:
    def work(transaction: Transaction) -> Callable[[], None]:
        record = PartRecord(part.part, number, part.rows, part.size)
        snapshot_rows.keep_part(
            transaction, (made.scope, made.format, made.seq), record, content
        )
        return _nothing

    return work


def _naming(
    made: SnapshotRecord, parts: Sequence[str], erased: tuple[int, int]
) -> Callable[[Transaction], Callable[[], bool]]:
    """Name it where it still holds and nobody else named the same; whether it was."""

    def work(transaction: Transaction) -> Callable[[], bool]:
        transaction.lock_keys((snapshot_rows.ERASING,))
        place = (made.scope, made.format, made.seq)
        record = transaction.read.scope(made.scope)
        newest = snapshot_rows.newest(transaction.read.sql, made.scope, made.format)
        is_sound = (
            record is not None
            and record.epoch == made.epoch
            and snapshot_rows.erased(transaction.read.sql) == erased
            and (newest is None or newest.seq < made.seq or newest.epoch != made.epoch)
        )
        if is_sound:
            snapshot_rows.drop_parts(transaction, place, but=parts)
            snapshot_rows.put(transaction, made)
        else:
            kept = (
                snapshot_rows.parts(transaction.read.sql, *place)
                if newest and newest.seq == made.seq
                else []
            )
            snapshot_rows.drop_parts(
                transaction, place, but={one.hash for one in kept} - set(parts)
            )
        return lambda: is_sound

    return work


def _nothing() -> None:
    """There is nothing to answer."""
