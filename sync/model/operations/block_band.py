"""A band is lost or stolen: it opens nothing any more. A fact: a block is never refused, and undone by `unblock_band`.

other_customer   the band is another customer's; it is blocked all the same, and its owner gets a case
unknown_band     the centre knows no such band; a case says so
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
from sync.model.records import Band, Case, Side, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import clash_case, happened_at, remembered
from sync.model.wire import Id, Short


class BlockBand(msgspec.Struct, frozen=True, kw_only=True):
    """Which band, and why in words."""

    band: Id
    why: Short = ""


class UnblockBand(msgspec.Struct, frozen=True, kw_only=True):
    """Which band, and the id of the block it undoes; "" whichever it is."""

    band: Id
    block: Short = ""


def keys(op: Operation, args: BlockBand) -> tuple[str, ...]:
    """The band, and the case a clash would make."""
    return (key_of("band", args.band), key_of("case", op.id))


def apply(rows: Mapping[str, Cell], op: Operation, args: BlockBand, now: int) -> Outcome:
    """Block it, whosever it is."""
    told = rows.get(key_of("case", op.id))
    if isinstance(told, Row) and isinstance(told.body, Case):
        return Effects((), clash=told.body.clash)
    at = happened_at(op, now)
    row = rows.get(key_of("band", args.band), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    side = Side(op=op.id, store=op.store, by=op.actor, to="", at=at)
    if not isinstance(row, Row) or not isinstance(row.body, Band):
        case = clash_case(op, "unknown_band", topic="band blocked", sides=(side,), at=at)
        return Effects((case,), clash="unknown_band")
    band = row.body
    if op.id in band.ops:
        return Effects(())
    body = msgspec.structs.replace(
        band,
        state=band.state if band.state == "retired" else "blocked",
        changed_at=max(at, band.changed_at),
        blocked_op=op.id,
        ops=remembered(band.ops, op.id),
    )
    blocked = msgspec.structs.replace(row, body=body, as_of=at, source="store")
    if row.owner == op.owner:
        return Effects((blocked,))
    case = clash_case(
        op,
        "other_customer",
        topic="band blocked",
        sides=(side,),
        at=at,
        owner=row.owner or None,
    )
    return Effects((blocked, case), clash="other_customer")


def _undone(op: Operation, args: BlockBand) -> UnblockBand:
    return UnblockBand(band=args.band, block=op.id)


KIND: Final = Kind(
    name="block_band",
    v=1,
    op_class=OperationClass.FACT,
    args=BlockBand,
    keys=keys,
    apply=apply,
    undo="unblock_band",
    undo_args=_undone,
    assurance="A2",
    codes=("other_customer", "unknown_band"),
)
