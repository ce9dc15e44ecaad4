"""What was last written on a case's checklist is taken back by whoever wrote it. A fact; undoes need_fact, tell_fact, try_remedy.

The lists say again what they said before, unless somebody changed the case since. One that comes before what it takes back
is remembered, so that that changes nothing any more.
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
from sync.model.records import Case, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered
from sync.model.wire import Id


class TakeBackFact(msgspec.Struct, frozen=True, kw_only=True):
    """Which change of which case.

    Attributes:
        case: Id of the case.
        change: Id of the operation that changed it.
    """

    case: Id
    change: Id


def keys(_op: Operation, args: TakeBackFact) -> tuple[str, ...]:
    """The case, and the one the change became when it clashed."""
    return (key_of("case", args.case), key_of("case", args.change))


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeBackFact, now: int) -> Outcome:
    """Put the lists back."""
    at = happened_at(op, now)
    row = rows.get(key_of("case", args.case), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    done = []
    if isinstance(row, Row) and isinstance(row.body, Case) and row.owner == op.owner:
        body = _put_back(row.body, op, args)
        if body != row.body:
            done.append(msgspec.structs.replace(row, body=body, as_of=at))
    own = rows.get(key_of("case", args.change))
    if isinstance(own, Row) and isinstance(own.body, Case) and own.owner == op.owner:
        gone = msgspec.structs.replace(own.body, state="taken_back")
        if gone != own.body:
            done.append(msgspec.structs.replace(own, body=gone, as_of=at))
    return Effects(tuple(done))


def _put_back(case: Case, op: Operation, args: TakeBackFact) -> Case:
    if op.id in case.ops:
        return case
    ops = remembered(case.ops, args.change, op.id)
    before = case.before
    if before is None or before.op != args.change:
        return case if args.change in case.ops else msgspec.structs.replace(case, ops=ops)
    return msgspec.structs.replace(
        case,
        told=case.told if before.told is None else before.told,
        missing=case.missing if before.missing is None else before.missing,
        tried=case.tried if before.tried is None else before.tried,
        before=None,
        ops=ops,
    )


KIND: Final = Kind(
    name="take_back_fact",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeBackFact,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="A2",
)
