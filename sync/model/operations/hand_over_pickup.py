"""A parcel went out over the counter. A fact: the goods are gone, whatever anybody else says.

Where it clashes, a case with both sides comes with it:

handed_over_twice   another operation already handed it over; the first stays in the pickup
other_customer      the parcel belongs to somebody else; it is handed over all the same
unknown_pickup      the centre knows no such parcel
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
)
from sync.model.operations.take_back_pickup import TakeBackPickup
from sync.model.records import Case, Order, Pickup, Side, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import clash_case, happened_at
from sync.model.wire import Id, Short


class HandOverPickup(msgspec.Struct, frozen=True, kw_only=True):
    """Which parcel, to whom.

    Attributes:
        pickup: Id of the pickup.
        order: Number of its order as this device knew it, "" when it did not.
        to: Who took it, in words; "" for the customer.
    """

    pickup: Id
    order: Annotated[str, msgspec.Meta(max_length=80)] = ""
    to: Short = ""


def keys(op: Operation, args: HandOverPickup) -> tuple[str, ...]:
    """The pickup, its order, and the case a clash would make."""
    own = (key_of("pickup", args.pickup), key_of("case", op.id))
    return (*own, key_of("order", args.order)) if args.order else own


def apply(rows: Mapping[str, Cell], op: Operation, args: HandOverPickup, now: int) -> Outcome:
    """Mark the parcel handed over and its order collected, or say what it clashes with."""
    at = happened_at(op, now)
    told = rows.get(key_of("case", op.id))
    if isinstance(told, Row) and isinstance(told.body, Case):
        return Effects((), clash=told.body.clash)
    row = rows.get(key_of("pickup", args.pickup), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    ours = Side(op=op.id, store=op.store, by=op.actor, to=args.to, at=at)
    if isinstance(row, Row) and isinstance(row.body, Pickup):
        return _of_known(rows, op, row, row.body, ours)
    topic = f"pickup {args.order or args.pickup}"
    case = clash_case(op, "unknown_pickup", topic=topic, sides=(ours,), at=at)
    return Effects((case,), clash="unknown_pickup")


def _of_known(
    rows: Mapping[str, Cell], op: Operation, row: Row, pickup: Pickup, ours: Side
) -> Effects:
    if pickup.handed_over_op == op.id or op.id in pickup.ops:
        return Effects(())
    sides: tuple[Side, ...] = (ours,)
    changed: tuple[Row, ...] = ()
    if pickup.state == "handed_over":
        clash, sides = "handed_over_twice", (_side_of(pickup), ours)
    else:
        clash = "" if row.owner == op.owner else "other_customer"
        order = _order_of(rows, row, pickup)
        changed = (_handed_over(row, pickup, ours, order), *_collected(order, ours.at))
    if not clash:
        return Effects(changed)
    topic = f"pickup {pickup.order}"
    case = clash_case(op, clash, topic=topic, sides=sides, at=ours.at, owner=row.owner)
    return Effects((*changed, case), clash=clash)


def _side_of(pickup: Pickup) -> Side:
    return Side(
        op=pickup.handed_over_op,
        store=pickup.handed_over_store or pickup.store,
        by=pickup.handed_over_by,
        to=pickup.handed_over_to,
        at=pickup.handed_over_at,
    )


def _handed_over(row: Row, pickup: Pickup, ours: Side, order: tuple[Row, Order] | None) -> Row:
    body = msgspec.structs.replace(
        pickup,
        state="handed_over",
        handed_over_at=ours.at,
        handed_over_by=ours.by,
        handed_over_to=ours.to,
        handed_over_store=ours.store,
        handed_over_op=ours.op,
        order_before=order[1].state if order is not None else "",
    )
    return msgspec.structs.replace(row, body=body, as_of=ours.at, source="store")


def _order_of(rows: Mapping[str, Cell], of: Row, pickup: Pickup) -> tuple[Row, Order] | None:
    """The order of that pickup; None when it is not at hand or is another customer's."""
    row = rows.get(key_of("order", pickup.order))
    if not isinstance(row, Row) or not isinstance(row.body, Order) or row.owner != of.owner:
        return None
    return row, row.body


def _collected(order: tuple[Row, Order] | None, at: int) -> tuple[Row, ...]:
    if order is None:
        return ()
    row, body = order
    body = msgspec.structs.replace(body, state="collected")
    return (msgspec.structs.replace(row, body=body, as_of=at, source="store"),)


def _undone(op: Operation, args: HandOverPickup) -> TakeBackPickup:
    return TakeBackPickup(pickup=args.pickup, order=args.order, hand_over=op.id)


KIND: Final = Kind(
    name="hand_over_pickup",
    v=1,
    op_class=OperationClass.FACT,
    args=HandOverPickup,
    keys=keys,
    apply=apply,
    undo="take_back_pickup",
    undo_args=_undone,
    blocks=True,
    assurance="A2",
    codes=("handed_over_twice", "other_customer", "unknown_pickup"),
)
