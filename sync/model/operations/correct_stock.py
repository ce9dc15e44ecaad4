"""Somebody counted a shelf, or could not find a thing. A fact: the shelf is as it is, whatever a system says.

One press says *doubtful*: the count stands and the web goes on selling. A count says how many there are; a second person
who cannot find it says zero, so that a slip of one finger stops nothing. Of two corrections the later one counts, in
whatever order they arrive. Only people of a place correct its stock:

other_place   it is another place's stock; a person looks
"""

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
    Refusal,
)
from sync.model.operations.take_back_stock import TakeBackStock
from sync.model.records import Stock, StockBefore, key_of
from sync.model.row import Cell, Missing, Row, row_of
from sync.model.rules import happened_at, remembered
from sync.model.wire import Id

COUNT_MAX: Final = 1_000_000
"""Pieces of one thing in one place; more is a slip of a finger."""


class CorrectStock(msgspec.Struct, frozen=True, kw_only=True):
    """Of what, where, and how many; without a count it is doubtful."""

    product: Id
    place: Id
    count: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] | None = None


def keys(_op: Operation, args: CorrectStock) -> tuple[str, ...]:
    """The stock."""
    return (key_of("stock", f"{args.product}@{args.place}"),)


def apply(rows: Mapping[str, Cell], op: Operation, args: CorrectStock, now: int) -> Outcome:
    """Write down what was seen on the shelf."""
    if args.place != op.store:
        return Refusal("other_place")
    at = happened_at(op, now)
    row = rows.get(keys(op, args)[0], Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Stock):
        stock = Stock(f"{args.product}@{args.place}", args.product, args.place, None, 0)
        body = _corrected(stock, op, args, at)
        return Effects((row_of(body, owner="", as_of=at, source="store"),))
    stock = row.body
    if op.id in stock.ops or at < max(stock.changed_at, stock.counted_at):
        return Effects(())
    body = _corrected(stock, op, args, at)
    return Effects((msgspec.structs.replace(row, body=body, as_of=at, source="store"),))


def _corrected(stock: Stock, op: Operation, args: CorrectStock, at: int) -> Stock:
    count = args.count
    if count is None and stock.is_doubtful and stock.doubted_by not in ("", op.actor):
        count = 0
    before = StockBefore(
        op.id, stock.count, stock.counted_at, stock.is_doubtful, stock.doubted_by
    )
    seen = msgspec.structs.replace(
        stock, changed_at=at, before=before, ops=remembered(stock.ops, op.id)
    )
    if count is None:
        return msgspec.structs.replace(seen, is_doubtful=True, doubted_by=op.actor)
    return msgspec.structs.replace(
        seen, count=count, counted_at=at, is_doubtful=False, doubted_by=""
    )


def _undone(op: Operation, args: CorrectStock) -> TakeBackStock:
    return TakeBackStock(product=args.product, place=args.place, correction=op.id)


KIND: Final = Kind(
    name="correct_stock",
    v=1,
    op_class=OperationClass.FACT,
    args=CorrectStock,
    keys=keys,
    apply=apply,
    undo="take_back_stock",
    undo_args=_undone,
    assurance="S1",
    codes=("other_place",),
)
