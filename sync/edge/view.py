"""Operations the feed has not brought yet, folded over the rows it brought, by the same functions the centre runs. Pure.

Base rows are exactly the centre's. Of this device's own operations only the unanswered ones are folded: what was answered
is in the answered row, and what was refused or is held changed nothing. Of the other devices of the store, as its relay
tells, those that this device's own feed has not reached. Folding is safe to repeat: an operation whose effect already
came down by another way finds its own mark and changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from sync.model.operation import Effects, Operation
from sync.model.registry import Readable, read
from sync.model.row import Cell, Missing, Row

HERE: Final = "here"
"""Source of a row that an operation of this device made or changed."""

THEIRS: Final = "peer"
"""Source of one that also an operation of another device of this store made or changed."""

Place = tuple[int, int]
"""Where an operation stands in the relay's order: number of the mailbox's life, number in it."""

LAST: Final[Place] = (1 << 62, 0)
"""The place of an operation the relay was not told of yet."""


def needed(ops: Iterable[Operation]) -> frozenset[str]:
    """Keys of all rows these operations have to see."""
    return frozenset(key for op in _readable(ops) for key in op.keys)


def ordered(
    own: Sequence[tuple[Operation, Place]], theirs: Iterable[tuple[Operation, Place]]
) -> tuple[Operation, ...]:
    """All of them in the relay's order; own ones, oldest first, never overtake each other."""
    placed: list[tuple[Place, int, Operation]] = []
    earliest = LAST
    for n, (op, place) in reversed(list(enumerate(own))):
        earliest = min(earliest, place)
        placed.append((earliest, n, op))
    placed += [(place, -1, op) for op, place in theirs]
    return tuple(op for _, _, op in sorted(placed, key=lambda one: one[:2]))


def folded(
    rows: Mapping[str, Row],
    ops: Iterable[Operation],
    *,
    now: int,
    theirs: Collection[str] = (),
) -> dict[str, Row]:
    """The rows as they will be when the centre agrees.

    Args:
        rows: By key: all rows of the view, and of `needed` those this device holds.
        ops: In their order.
        now: Microseconds since 1970.
        theirs: Ids of those that other devices of this store recorded.

    Returns:
        All rows; those an operation made or changed are unsettled, and their source says where that was.
    """
    view = dict(rows)
    for op in _readable(ops):
        cells: dict[str, Cell] = {key: view.get(key, Missing.UNKNOWN) for key in op.keys}
        outcome = op.predict(cells, now)
        if isinstance(outcome, Effects):
            for row in outcome.rows:
                is_theirs = op.op.id in theirs or has_theirs(view.get(row.key))
                source = THEIRS if is_theirs else HERE
                view[row.key] = msgspec.structs.replace(row, source=source, is_unsettled=True)
    return view


def has_theirs(cell: Cell | None) -> bool:
    """Whether something is folded into this row that another device of this store did."""
    return isinstance(cell, Row) and cell.is_unsettled and cell.source == THEIRS


def _readable(ops: Iterable[Operation]) -> Iterable[Readable]:
    return (one for one in map(read, ops) if isinstance(one, Readable))
