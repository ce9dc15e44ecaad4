"""A band that was blocked was found: it opens its owner's page again. A request: it gives a right back. Undone by `block_band`.

unknown_band    nobody made such a band for us
other_customer  it is another customer's
band_retired    it is not to be used any more
blocked_again   somebody else blocked it since: ask them
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
    Refusal,
)
from sync.model.operations.block_band import BlockBand, UnblockBand
from sync.model.records import Band, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered


def keys(_op: Operation, args: UnblockBand) -> tuple[str, ...]:
    """The band."""
    return (key_of("band", args.band),)


def apply(rows: Mapping[str, Cell], op: Operation, args: UnblockBand, now: int) -> Outcome:
    """Make it work again for whom it is linked to."""
    at = happened_at(op, now)
    row = rows.get(key_of("band", args.band), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Band):
        return Refusal("unknown_band")
    band = row.body
    if op.id in band.ops:
        return Effects(())
    code = _forbidden(row, band, op, args)
    if code:
        return Refusal(code)
    if band.state != "blocked":
        return Effects(())
    body = msgspec.structs.replace(
        band,
        state="active" if row.owner else "unlinked",
        changed_at=at,
        blocked_op="",
        ops=remembered(band.ops, op.id),
    )
    return Effects((msgspec.structs.replace(row, body=body, as_of=at, source="store"),))


def _forbidden(row: Row, band: Band, op: Operation, args: UnblockBand) -> str:
    if row.owner not in ("", op.owner):
        return "other_customer"
    if band.state == "retired":
        return "band_retired"
    is_others = args.block and band.blocked_op and band.blocked_op != args.block
    return "blocked_again" if band.state == "blocked" and is_others else ""


def _undone(_op: Operation, args: UnblockBand) -> BlockBand:
    return BlockBand(band=args.band)


KIND: Final = Kind(
    name="unblock_band",
    v=1,
    op_class=OperationClass.REQUEST,
    args=UnblockBand,
    keys=keys,
    apply=apply,
    undo="block_band",
    undo_args=_undone,
    blocks=True,
    assurance="S1",
    codes=("unknown_band", "other_customer", "band_retired", "blocked_again"),
)
