"""Operations the centre has not answered, folded over the rows it sent, by the same functions the centre runs. Pure.

Base rows are exactly the centre's. Only unanswered operations are folded: what was answered is in the answered row, and
what was refused or is held changed nothing. Folding is safe to repeat: an operation whose effect already came down by
another way finds its own mark and changes nothing.
"""

from collections.abc import Iterable, Mapping

import msgspec

from sync.model.operation import Effects, Operation
from sync.model.registry import Readable, read
from sync.model.row import Cell, Missing, Row


def needed(ops: Iterable[Operation]) -> frozenset[str]:
    """Keys of all rows these operations have to see."""
    return frozenset(key for op in _readable(ops) for key in op.keys)


def folded(rows: Mapping[str, Row], ops: Iterable[Operation], *, now: int) -> dict[str, Row]:
    """The rows as they will be when the centre agrees.

    Args:
        rows: By key: all rows of the view, and of `needed` those this device holds.
        ops: Unanswered, oldest first.
        now: Microseconds since 1970.

    Returns:
        All rows; those an operation made or changed are unsettled, and their source is here.
    """
    view = dict(rows)
    for op in _readable(ops):
        cells: dict[str, Cell] = {key: view.get(key, Missing.UNKNOWN) for key in op.keys}
        outcome = op.predict(cells, now)
        if isinstance(outcome, Effects):
            for row in outcome.rows:
                view[row.key] = msgspec.structs.replace(row, source="here", is_unsettled=True)
    return view


def _readable(ops: Iterable[Operation]) -> Iterable[Readable]:
    return (one for one in map(read, ops) if isinstance(one, Readable))
