"""Something must be known before a case can go on: it is put on the case's checklist. A fact.

Where it clashes, a case of its own holds what is needed:

unknown_case     the centre knows no such case
other_customer   the case belongs to somebody else; it is left as it is
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
)
from sync.model.operations.take_back_fact import TakeBackFact
from sync.model.records import Case, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at
from sync.model.wire import Id, Short

FACTS_MAX: Final = 16
"""Facts one operation may ask for."""


class NeedFact(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed.

    Attributes:
        case: Id of the case.
        by: Who says so, in words.
        facts: In words: "the payer's consent".
    """

    case: Id
    by: Short
    facts: Annotated[tuple[Short, ...], msgspec.Meta(min_length=1, max_length=FACTS_MAX)]


def keys(op: Operation, args: NeedFact) -> tuple[str, ...]:
    """The case, and the case a clash would make."""
    return (key_of("case", args.case), key_of("case", op.id))


def apply(rows: Mapping[str, Cell], op: Operation, args: NeedFact, now: int) -> Outcome:
    """Put it on the list."""
    at = happened_at(op, now)
    row = rows.get(key_of("case", args.case), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    clash = checklist.clash_of(row, op)
    if clash or not isinstance(row, Row) or not isinstance(row.body, Case):
        return checklist.kept_beside(
            rows, op, clash, of=args.case, by=args.by, at=at, missing=args.facts
        )
    if op.id in row.body.ops:
        return Effects(())
    return checklist.changed(row, checklist.need(row.body, args.facts), op, at=at)


def _undone(op: Operation, args: NeedFact) -> TakeBackFact:
    return TakeBackFact(case=args.case, change=op.id)


KIND: Final = Kind(
    name="need_fact",
    v=1,
    op_class=OperationClass.FACT,
    args=NeedFact,
    keys=keys,
    apply=apply,
    undo="take_back_fact",
    undo_args=_undone,
    assurance="S1",
    codes=("unknown_case", "other_customer"),
)
