"""A band is nobody's any more: it was linked by mistake, or comes back from a customer. A fact: it opens nothing from now on.

other_customer   the band is another customer's; it stays theirs, and a case says so
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
from sync.model.records import Band, Case, Side, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import clash_case, happened_at, remembered
from sync.model.wire import Id


class UnlinkBand(msgspec.Struct, frozen=True, kw_only=True):
    """Which band; with the id of the linking it takes back, or "" whoever linked it."""

    band: Id
    link: Annotated[str, msgspec.Meta(max_length=80)] = ""


def keys(op: Operation, args: UnlinkBand) -> tuple[str, ...]:
    """The band, and the case a clash would make."""
    return (key_of("band", args.band), key_of("case", op.id))


def apply(rows: Mapping[str, Cell], op: Operation, args: UnlinkBand, now: int) -> Outcome:
    """Take it from them; a blocked one stays blocked."""
    told = rows.get(key_of("case", op.id))
    if isinstance(told, Row) and isinstance(told.body, Case):
        return Effects((), clash=told.body.clash)
    row = rows.get(key_of("band", args.band), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Band):
        return Effects(())
    return _freed(row, row.body, op, args, happened_at(op, now))


def _freed(row: Row, band: Band, op: Operation, args: UnlinkBand, at: int) -> Effects:
    if op.id in band.ops:
        return Effects(())
    if args.link and band.linked_op != args.link:
        seen = msgspec.structs.replace(band, ops=remembered(band.ops, args.link, op.id))
        return Effects((msgspec.structs.replace(row, body=seen),))
    if row.owner not in ("", op.owner):
        side = Side(op=op.id, store=op.store, by=op.actor, to="", at=at)
        topic = "band unlinked by another"
        case = clash_case(op, "other_customer", topic=topic, sides=(side,), at=at)
        return Effects((case,), clash="other_customer")
    body = msgspec.structs.replace(
        band,
        state="unlinked" if band.state == "active" else band.state,
        changed_at=at,
        linked_op="",
        ops=remembered(band.ops, *((args.link,) if args.link else ()), op.id),
    )
    freed = msgspec.structs.replace(row, body=body, owner="", as_of=at, source="store")
    return Effects((freed,))


KIND: Final = Kind(
    name="unlink_band",
    v=1,
    op_class=OperationClass.FACT,
    args=UnlinkBand,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="S1",
    codes=("other_customer",),
)
