"""A case that was opened by mistake is taken back. A fact; it is kept and no longer shown.

Where somebody worked on it since, it stays: whoever took it back sees it open again, with what was done.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.model.operation import (
    CannotPredict,
    Effects,
    Kind,
    Operation,
    OperationClass,
    Outcome,
)
from sync.model.records import Case, Interaction, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered
from sync.model.wire import Id


class TakeBackCase(msgspec.Struct, frozen=True, kw_only=True):
    """Id of the case, which is that of the operation that opened it."""

    case: Id


def keys(_op: Operation, args: TakeBackCase) -> tuple[str, ...]:
    """The case and what the customer said when it was opened."""
    return (key_of("case", args.case), key_of("interaction", args.case))


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeBackCase, now: int) -> Outcome:
    """Take it back, unless somebody worked on it."""
    at = happened_at(op, now)
    row = rows.get(key_of("case", args.case), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Case) or row.owner != op.owner:
        return Effects(())
    case = row.body
    if case.state != "open" or case.before is not None or op.id in case.ops:
        return Effects(())
    body = msgspec.structs.replace(case, state="taken_back", ops=remembered(case.ops, op.id))
    back = [msgspec.structs.replace(row, body=body, as_of=at)]
    said = rows.get(key_of("interaction", args.case))
    if isinstance(said, Row) and isinstance(said.body, Interaction):
        gone = msgspec.structs.replace(said.body, taken_back_at=at)
        back.append(msgspec.structs.replace(said, body=gone, as_of=at))
    return Effects(tuple(back))


KIND: Final = Kind(
    name="take_back_case",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeBackCase,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="A2",
)
