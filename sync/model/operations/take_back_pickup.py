"""A parcel that was handed over is back on the shelf: it was a mistake, or the customer gave it back at once. A fact.

The pickup is ready again and its order says what it said before. Where that hand-over clashed, its case is closed. Where
another operation handed the parcel over, or it never was, the pickup stays as it is.
"""

from collections.abc import Iterator, Mapping
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
from sync.model.records import Case, Order, Pickup, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered
from sync.model.wire import Id


class TakeBackPickup(msgspec.Struct, frozen=True, kw_only=True):
    """Which parcel.

    Attributes:
        pickup: Id of the pickup.
        order: Number of its order as the hand-over knew it, "" when it did not.
        hand_over: Id of the operation that handed it over.
    """

    pickup: Id
    hand_over: Id
    order: Annotated[str, msgspec.Meta(max_length=80)] = ""


def keys(_op: Operation, args: TakeBackPickup) -> tuple[str, ...]:
    """The pickup, its order, and the case the hand-over became when it clashed."""
    own = (key_of("pickup", args.pickup), key_of("case", args.hand_over))
    return (*own, key_of("order", args.order)) if args.order else own


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeBackPickup, now: int) -> Outcome:
    """Put the parcel back."""
    at = happened_at(op, now)
    row = rows.get(key_of("pickup", args.pickup), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    case = tuple(_case_closed(rows, op, args, at))
    if not isinstance(row, Row) or not isinstance(row.body, Pickup):
        return Effects(case)
    pickup = row.body
    if op.id in pickup.ops:
        return Effects(())
    seen = msgspec.structs.replace(pickup, ops=remembered(pickup.ops, args.hand_over, op.id))
    if pickup.handed_over_op != args.hand_over:
        return Effects((msgspec.structs.replace(row, body=seen), *case))
    body = msgspec.structs.replace(
        seen,
        state="ready",
        handed_over_at=0,
        handed_over_by="",
        handed_over_to="",
        handed_over_store="",
        handed_over_op="",
        order_before="",
    )
    back = msgspec.structs.replace(row, body=body, as_of=at, source="store")
    return Effects((back, *_order_before(rows, row, pickup, at), *case))


def _order_before(rows: Mapping[str, Cell], of: Row, pickup: Pickup, at: int) -> Iterator[Row]:
    row = rows.get(key_of("order", pickup.order))
    if not isinstance(row, Row) or not isinstance(row.body, Order) or row.owner != of.owner:
        return
    if pickup.order_before and row.body.state == "collected":
        body = msgspec.structs.replace(row.body, state=pickup.order_before)
        yield msgspec.structs.replace(row, body=body, as_of=at, source="store")


def _case_closed(
    rows: Mapping[str, Cell], op: Operation, args: TakeBackPickup, at: int
) -> Iterator[Row]:
    row = rows.get(key_of("case", args.hand_over))
    if isinstance(row, Row) and isinstance(row.body, Case) and row.body.state == "open":
        body = msgspec.structs.replace(
            row.body, state="solved", ops=remembered(row.body.ops, op.id)
        )
        yield msgspec.structs.replace(row, body=body, as_of=at)


KIND: Final = Kind(
    name="take_back_pickup",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeBackPickup,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="S1",
)
