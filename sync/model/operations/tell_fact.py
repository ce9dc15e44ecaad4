"""A customer told us something a case needs: nobody asks for it again. A fact.

Where it clashes, a case of its own holds what was told:

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
from sync.model.records import CHANNELS, Case, Told, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at
from sync.model.wire import Id, Short


class TellFact(msgspec.Struct, frozen=True, kw_only=True):
    """What was told.

    Attributes:
        case: Id of the case.
        by: Who wrote it down, in words.
        channel: Where the customer said it, one of CHANNELS.
        settles: What on the list of the missing it answers, "" where its label says so.
    """

    case: Id
    by: Short
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    channel: str
    settles: Short = ""

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS:
            raise ValueError("no such channel")


def keys(op: Operation, args: TellFact) -> tuple[str, ...]:
    """The case, and the case a clash would make."""
    return (key_of("case", args.case), key_of("case", op.id))


def apply(rows: Mapping[str, Cell], op: Operation, args: TellFact, now: int) -> Outcome:
    """Write it down, and ask for it no more."""
    at = happened_at(op, now)
    told = Told(args.label, args.value, args.channel, at)
    row = rows.get(key_of("case", args.case), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    clash = checklist.clash_of(row, op)
    if clash or not isinstance(row, Row) or not isinstance(row.body, Case):
        return checklist.kept_beside(
            rows, op, clash, of=args.case, by=args.by, at=at, told=(told,)
        )
    if op.id in row.body.ops:
        return Effects(())
    case = checklist.tell(row.body, told, settles=args.settles)
    return checklist.changed(row, case, op, at=at)


def _undone(op: Operation, args: TellFact) -> TakeBackFact:
    return TakeBackFact(case=args.case, change=op.id)


KIND: Final = Kind(
    name="tell_fact",
    v=1,
    op_class=OperationClass.FACT,
    args=TellFact,
    keys=keys,
    apply=apply,
    undo="take_back_fact",
    undo_args=_undone,
    assurance="A2",
    codes=("unknown_case", "other_customer"),
)
