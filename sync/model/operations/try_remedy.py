"""Something is tried to solve a case. A request: what failed twice is struck out, and is offered again only with a reason.

unknown_case     the centre knows no such case
other_customer   the case belongs to somebody else
reason           it failed twice before, and nobody said why it should help now
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model import checklist
from sync.model.operation import (
    CannotPredict,
    Effects,
    Kind,
    Operation,
    OperationClass,
    Outcome,
    Refusal,
)
from sync.model.operations.take_back_fact import TakeBackFact
from sync.model.records import Case, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at
from sync.model.wire import Id, Short


class TryRemedy(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried.

    Attributes:
        case: Id of the case.
        by: Who tries it, in words.
        text: What: "reset the password".
        has_failed: It did not help.
        reason: Why it is offered although it failed twice.
    """

    case: Id
    by: Short
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    has_failed: bool = False
    reason: Short = ""


def keys(_op: Operation, args: TryRemedy) -> tuple[str, ...]:
    """The case."""
    return (key_of("case", args.case),)


def apply(rows: Mapping[str, Cell], op: Operation, args: TryRemedy, now: int) -> Outcome:
    """Count it, unless it is struck out and nobody says why it should help now."""
    row = rows.get(key_of("case", args.case), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    clash = checklist.clash_of(row, op)
    if clash or not isinstance(row, Row) or not isinstance(row.body, Case):
        return Refusal(clash)
    if op.id in row.body.ops:
        return Effects(())
    known = checklist.remedy_of(row.body, args.text)
    if known is not None and checklist.is_struck(known) and not args.reason.strip():
        return Refusal("reason")
    case = checklist.attempt(row.body, args.text, has_failed=args.has_failed)
    return checklist.changed(row, case, op, at=happened_at(op, now))


def _undone(op: Operation, args: TryRemedy) -> TakeBackFact:
    return TakeBackFact(case=args.case, change=op.id)


KIND: Final = Kind(
    name="try_remedy",
    v=1,
    op_class=OperationClass.REQUEST,
    args=TryRemedy,
    keys=keys,
    apply=apply,
    undo="take_back_fact",
    undo_args=_undone,
    assurance="S1",
    codes=("unknown_case", "other_customer", "reason"),
)
