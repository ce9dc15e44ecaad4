"""A band becomes a customer's: a sealed spare, or one that was unlinked before. A request: the centre may say no.

unknown_band     nobody made such a band for us
linked_to_other  it is another customer's already
band_blocked     somebody blocked it: see ID, then unblock it
band_retired     it is not to be used any more
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
from sync.model.operations.unlink_band import UnlinkBand
from sync.model.records import Band, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered
from sync.model.wire import Id, Short


class LinkBand(msgspec.Struct, frozen=True, kw_only=True):
    """Which band, and what people call it; "" keeps its name."""

    band: Id
    label: Short = ""


def keys(_op: Operation, args: LinkBand) -> tuple[str, ...]:
    """The band."""
    return (key_of("band", args.band),)


def apply(rows: Mapping[str, Cell], op: Operation, args: LinkBand, now: int) -> Outcome:
    """Make it theirs, if it is nobody's."""
    at = happened_at(op, now)
    row = rows.get(key_of("band", args.band), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Band) or not op.owner:
        return Refusal("unknown_band")
    band = row.body
    if op.id in band.ops:
        return Effects(())
    code = _forbidden(row, band, op)
    if code:
        return Refusal(code)
    if row.owner == op.owner and band.state == "active":
        return Effects(())
    body = msgspec.structs.replace(
        band,
        state="active",
        label=args.label or band.label,
        changed_at=at,
        linked_op=op.id,
        ops=remembered(band.ops, op.id),
    )
    linked = msgspec.structs.replace(row, body=body, owner=op.owner, as_of=at, source="store")
    return Effects((linked,))


def _forbidden(row: Row, band: Band, op: Operation) -> str:
    if band.state == "retired":
        return "band_retired"
    if row.owner not in ("", op.owner):
        return "linked_to_other"
    return "band_blocked" if band.state == "blocked" else ""


def _undone(op: Operation, args: LinkBand) -> UnlinkBand:
    return UnlinkBand(band=args.band, link=op.id)


KIND: Final = Kind(
    name="link_band",
    v=1,
    op_class=OperationClass.REQUEST,
    args=LinkBand,
    keys=keys,
    apply=apply,
    undo="unlink_band",
    undo_args=_undone,
    blocks=True,
    assurance="S1",
    codes=("unknown_band", "linked_to_other", "band_blocked", "band_retired"),
)
