"""Scopes, and the pointers that say where each row stands in those that hold it, moved at the end of a transaction."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from sync.central.sql import Connection
from sync.model.errors import StoreError
from sync.model.sums import SUM_MASK, pointer_hash
from sync.model.wire import Mark

GLOBAL: Final = "g"
"""Scope of rows without an owner; every device holds it."""

HOUR_US: Final = 3_600 * 1_000_000


class ScopeRecord(msgspec.Struct, frozen=True):
    """A scope: its newest number, the one below which it forgot what left it, and count and sum of its live rows.

    Attributes:
        mark: The name of this moment; None where it was not asked for.
    """

    id: str
    head: int
    floor: int
    epoch: str
    count: int
    sum: int
    mark: Mark | None = None


class Pointer(NamedTuple):
    """Where a row stands in a scope: its number, whether it left, and what it adds to the sum."""

    seq: int
    is_gone: bool
    h: int


class Move(NamedTuple):
    """A row that takes the next number of a scope, or leaves it."""

    key: str
    is_gone: bool
    version: int


class Moving(NamedTuple):
    """A scope that moves.

    Attributes:
        epoch: Its history's name, where there is no such scope yet.
        token: The name of the moment it comes to.
        at: Microseconds since 1970.
    """

    id: str
    epoch: str
    token: str
    at: int


Pointers = dict[str, dict[str, Pointer]]
"""By key and scope."""

_NOWHERE: Final = Pointer(0, is_gone=True, h=0)


def scope_record(line: Sequence[Any]) -> ScopeRecord:
    """A scope with its newest mark, from a line of an answer."""
    scope, head, floor, epoch, count, total, token, is_kept = line
    mark = None if token is None else Mark(head, token, bool(is_kept))
    return ScopeRecord(scope, head, floor, epoch, count, total, mark)


def ensure(sql: Connection, scope: str, *, epoch: str) -> None:
    """There is this scope, even if nobody wrote to it yet."""
    sql.run(
        "INSERT INTO scope (id, head, floor, epoch) VALUES (:id, 0, 0, :epoch)"
        " ON CONFLICT (id) DO NOTHING",
        id=scope, epoch=epoch,
    )  # fmt: skip


def pointers_of(sql: Connection, keys: list[str]) -> Pointers:
    """Where these rows stand, each of them, also those that stand nowhere."""
    found: Pointers = {key: {} for key in keys}
    for scope, key, seq, is_gone, h in sql.all(
        "SELECT scope, key, seq, is_gone, h FROM ptr WHERE key IN [:keys]", keys=keys
    ):
        found[key][scope] = Pointer(seq, bool(is_gone), h)
    return found


def moves_of(
    holders: Collection[str], stands: Mapping[str, Pointer], *, is_changed: bool
) -> Iterator[tuple[str, bool]]:
    """In which scopes a row moves, and whether it leaves there.

    Args:
        holders: Scopes that hold it.
        stands: Where it stands.
        is_changed: It has other content; otherwise only who holds it may have changed.
    """
    for scope in holders:
        if is_changed or stands.get(scope, _NOWHERE).is_gone:
            yield scope, False
    for scope, pointer in stands.items():
        if scope not in holders and not pointer.is_gone:
            yield scope, True


def move(
    sql: Connection,
    scope: Moving,
    moves: Sequence[Move],
    pointers: Pointers,
) -> None:
    """Take the next numbers of a scope for these rows, count and sum them, and leave a mark; `pointers` follow."""
    head, hour = _advance(sql, scope, len(moves))
    count = total = 0
    values = []
    for seq, (key, is_gone, version) in enumerate(moves, head - len(moves) + 1):
        before = pointers[key].get(scope.id, _NOWHERE)
        h = 0 if is_gone else pointer_hash(key, seq, version)
        count += int(before.is_gone) - int(is_gone)
        total += h - (0 if before.is_gone else before.h)
        pointers[key][scope.id] = Pointer(seq, is_gone, h)
        values.append(
            {
                "scope": scope.id,
                "key": key,
                "seq": seq,
                "gone": int(is_gone),
                "h": h,
                "at": scope.at,
            }
        )
    sql.many(
        "INSERT INTO ptr (scope, key, seq, is_gone, h, at) VALUES (:scope, :key, :seq, :gone, :h, :at)"
        " ON CONFLICT (scope, key) DO UPDATE SET seq = excluded.seq,"
        " is_gone = excluded.is_gone, h = excluded.h, at = excluded.at",
        values,
    )
    is_kept = scope.at // HOUR_US != hour
    sql.run(
        f"UPDATE scope SET cnt = cnt + :count, sum = (sum + :total) & {SUM_MASK}, hour = :hour"  # noqa: S608  # a constant
        " WHERE id = :id",
        count=count, total=total & SUM_MASK, hour=scope.at // HOUR_US, id=scope.id,
    )  # fmt: skip
    sql.run(
        "INSERT INTO mark (scope, seq, token, is_kept, at) VALUES (:scope, :seq, :token, :kept, :at)",
        scope=scope.id, seq=head, token=scope.token, kept=int(is_kept), at=scope.at,
    )  # fmt: skip


def _advance(sql: Connection, scope: Moving, n: int) -> tuple[int, int]:
    """The head after so many numbers were taken, and the hour of the last kept mark."""
    for _ in range(2):
        found = sql.all(
            "UPDATE scope SET head = head + :n WHERE id = :id RETURNING head, hour",
            n=n, id=scope.id,
        )  # fmt: skip
        if found:
            return found[0][0], found[0][1]
        ensure(sql, scope.id, epoch=scope.epoch)
    raise StoreError("a scope cannot be made")
