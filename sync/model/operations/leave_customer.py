"""Somebody of us is no longer with a customer. A fact; also undoes having said so."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import (
    CannotPredict,
    Effects,
    Kind,
    Operation,
    OperationClass,
    Outcome,
)
from sync.model.records import Serving, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered


class LeaveCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever recorded it leaves.

    Attributes:
        serve: Id of the operation that said they were there, which then says so no more; "" for whatever it was.
    """

    serve: Annotated[str, msgspec.Meta(max_length=80)] = ""


def keys(op: Operation, _args: LeaveCustomer) -> tuple[str, ...]:
    """Who is with the customer."""
    return (key_of("serving", op.owner),)


def apply(rows: Mapping[str, Cell], op: Operation, args: LeaveCustomer, now: int) -> Outcome:
    """Be there no more; who came after this was recorded stays."""
    row = rows.get(key_of("serving", op.owner), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Serving) or op.id in row.body.ops:
        return Effects(())
    at = happened_at(op, now)
    who = tuple(one for one in row.body.who if one.actor != op.actor or one.at > at)
    told = (args.serve, op.id) if args.serve else (op.id,)
    body = Serving(row.body.id, who, remembered(row.body.ops, *told))
    return Effects((msgspec.structs.replace(row, body=body, as_of=at),))


KIND: Final = Kind(
    name="leave_customer",
    v=1,
    op_class=OperationClass.FACT,
    args=LeaveCustomer,
    keys=keys,
    apply=apply,
    assurance="S1",
)
