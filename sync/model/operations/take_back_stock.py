"""A count or a doubt was a slip of a finger. A fact; the stock says again what it said before, unless it changed since."""

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
from sync.model.records import Stock, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import remembered
from sync.model.wire import Id


class TakeBackStock(msgspec.Struct, frozen=True, kw_only=True):
    """Of what, where, and the id of the correction."""

    product: Id
    place: Id
    correction: Id


def keys(_op: Operation, args: TakeBackStock) -> tuple[str, ...]:
    """The stock."""
    return (key_of("stock", f"{args.product}@{args.place}"),)


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeBackStock, _now: int) -> Outcome:
    """Put back what the correction changed; one that comes later finds itself taken back."""
    row = rows.get(keys(op, args)[0], Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Stock):
        return Effects(())
    stock = row.body
    if op.id in stock.ops:
        return Effects(())
    seen = msgspec.structs.replace(stock, ops=remembered(stock.ops, args.correction, op.id))
    before = stock.before
    if before is not None and before.op == args.correction:
        seen = msgspec.structs.replace(
            seen,
            count=before.count,
            counted_at=before.counted_at,
            is_doubtful=before.is_doubtful,
            doubted_by=before.doubted_by,
            before=None,
        )
    return Effects((msgspec.structs.replace(row, body=seen),))


KIND: Final = Kind(
    name="take_back_stock",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeBackStock,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="S1",
)
