"""Snapshots of scopes as they are stored: what each is of, and its parts."""

from collections.abc import Iterable
from typing import Final

import msgspec

from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model.wire import Mark

KEPT: Final = 2
"""The newest snapshot of a scope, and the one before it for who is just fetching its parts."""


class SnapshotRecord(msgspec.Struct, frozen=True):
    """A scope whole up to `seq`, in parts. `key` opens them, hex."""

    scope: str
    format: int
    seq: int
    epoch: str
    mark: Mark
    count: int
    sum: int
    key: str
    made_at: int


class PartRecord(msgspec.Struct, frozen=True):
    """One part of a snapshot: SHA-256 of its bytes as they are served, its place, its rows and its bytes."""

    hash: str
    n: int
    rows: int
    size: int


ERASING: Final = "snapshots/erasing"
"""Held to the end by who erases a customer and by who names a snapshot: neither overlooks what the other has not committed."""


def keys_by_owner(sql: Connection, scope: str) -> list[str]:
    """Keys of all live rows of a scope, those of one customer together."""
    found = sql.all(
        "SELECT ptr.key, doc.owner FROM ptr JOIN doc ON doc.key = ptr.key"
        " WHERE ptr.scope = :scope AND ptr.is_gone = 0",
        scope=scope,
    )
    return [key for _, key in sorted((owner, key) for key, owner in found)]


def newest(sql: Connection, scope: str, format: int = 1) -> SnapshotRecord | None:  # noqa: A002  # its name on the wire
    """The newest snapshot of a scope."""
    found = sql.all(
        "SELECT seq, epoch, mark_seq, mark_token, mark_kept, cnt, sum, key, made_at FROM snapshot"
        " WHERE scope = :scope AND format = :format ORDER BY seq DESC LIMIT 1",
        scope=scope, format=format,
    )  # fmt: skip
    if not found:
        return None
    seq, epoch, mark_seq, token, is_kept, count, total, key, made_at = found[0]
    mark = Mark(mark_seq, token, bool(is_kept))
    return SnapshotRecord(scope, format, seq, epoch, mark, count, total, key, made_at)


def parts(sql: Connection, scope: str, format: int, seq: int) -> list[PartRecord]:  # noqa: A002  # its name on the wire
    """The parts of one snapshot, in order."""
    found = sql.all(
        "SELECT hash, n, rows, size FROM snap_part"
        " WHERE scope = :scope AND format = :format AND seq = :seq ORDER BY n",
        scope=scope, format=format, seq=seq,
    )  # fmt: skip
    return [PartRecord(*line) for line in found]


def part(sql: Connection, part_hash: str) -> bytes | None:
    """The bytes of one part."""
    found = sql.all("SELECT content FROM snap_part WHERE hash = :hash", hash=part_hash)
    return bytes(found[0][0]) if found else None


def scope_of_part(sql: Connection, part_hash: str) -> str:
    """Which scope a part is of; "" for one nobody knows."""
    found = sql.all("SELECT scope FROM snap_part WHERE hash = :hash", hash=part_hash)
    return str(found[0][0]) if found else ""


def erased(sql: Connection) -> tuple[int, int]:
    """How many customers were erased, and when one was last: another answer means that one was erased meanwhile."""
    count, last = sql.all("SELECT COUNT(*), MAX(at) FROM erasure")[0]
    return int(count), int(last or 0)


def keep_part(
    transaction: Transaction, snapshot: tuple[str, int, int], part: PartRecord, content: bytes
) -> None:
    """Keep one part of the snapshot (scope, format, seq) that `put` will name."""
    scope, form, seq = snapshot
    transaction.direct().run(
        "INSERT INTO snap_part (hash, scope, format, seq, n, rows, size, content)"
        " VALUES (:hash, :scope, :format, :seq, :n, :rows, :size, :content)"
        " ON CONFLICT (hash) DO NOTHING",
        scope=scope, format=form, seq=seq, content=content,
        **msgspec.structs.asdict(part),
    )  # fmt: skip


def put(
    transaction: Transaction,
    record: SnapshotRecord,
    parts: Iterable[tuple[PartRecord, bytes]] = (),
) -> None:
    """Name a snapshot whose parts are these or were kept before; older ones but the last go."""
    for part, content in parts:
        keep_part(transaction, (record.scope, record.format, record.seq), part, content)
    sql = transaction.direct()
    sql.run(
        "INSERT INTO snapshot (scope, format, seq, epoch, mark_seq, mark_token, mark_kept, cnt, sum, key, made_at)"
        " VALUES (:scope, :format, :seq, :epoch, :mark_seq, :mark_token, :mark_kept, :count, :sum, :key, :made_at)"
        " ON CONFLICT (scope, format, seq) DO UPDATE SET epoch = excluded.epoch, mark_seq = excluded.mark_seq,"
        " mark_token = excluded.mark_token, mark_kept = excluded.mark_kept, cnt = excluded.cnt,"
        " sum = excluded.sum, key = excluded.key, made_at = excluded.made_at",
        scope=record.scope, format=record.format, seq=record.seq, epoch=record.epoch,
        mark_seq=record.mark.seq, mark_token=record.mark.token, mark_kept=int(record.mark.is_kept),
        count=record.count, sum=record.sum, key=record.key, made_at=record.made_at,
    )  # fmt: skip
    kept = sql.all(
        "SELECT seq FROM snapshot WHERE scope = :scope AND format = :format"
        " ORDER BY seq DESC LIMIT :limit",
        scope=record.scope, format=record.format, limit=KEPT,
    )  # fmt: skip
    for table in ("snapshot", "snap_part"):
        sql.run(
            f"DELETE FROM {table} WHERE scope = :scope AND format = :format AND seq < :seq",  # noqa: S608  # of the two above
            scope=record.scope, format=record.format, seq=kept[-1][0],
        )  # fmt: skip


def drop_parts(
    transaction: Transaction, snapshot: tuple[str, int, int], *, but: Iterable[str] = ()
) -> None:
    """Drop the parts of (scope, format, seq) but these: of who made the same at the same time, or did not finish."""
    scope, form, seq = snapshot
    kept = frozenset(but)
    sql = transaction.direct()
    found = sql.all(
        "SELECT hash FROM snap_part WHERE scope = :scope AND format = :format AND seq = :seq",
        scope=scope, format=form, seq=seq,
    )  # fmt: skip
    sql.many(
        "DELETE FROM snap_part WHERE hash = :hash",
        [{"hash": part} for (part,) in found if part not in kept],
    )
