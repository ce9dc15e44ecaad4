"""A store takes a customer who was sent to it, or has done what was to be done. A fact.

Who takes it again is written over; what is done stays done. Where it clashes, a case says so:

unknown_referral   the centre knows no such referral
other_customer     it is about somebody else
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
from sync.model.operations.take_back_referral import TakeBackReferral
from sync.model.records import Referral, ReferralBefore, Side, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import clash_case, happened_at, remembered
from sync.model.wire import Id, Short


class TakeReferral(msgspec.Struct, frozen=True, kw_only=True):
    """Which, by whom.

    Attributes:
        referral: Its id.
        by: Who takes it, in words.
        is_done: What was to be done is done.
        note: What came of it.
    """

    referral: Id
    by: Short
    is_done: bool = False
    note: Annotated[str, msgspec.Meta(max_length=1_000)] = ""


def keys(op: Operation, args: TakeReferral) -> tuple[str, ...]:
    """The referral, and the case a clash would make."""
    return (key_of("referral", args.referral), key_of("case", op.id))


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeReferral, now: int) -> Outcome:
    """Take it, or finish it."""
    row = rows.get(key_of("referral", args.referral), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    at = happened_at(op, now)
    is_known = isinstance(row, Row) and isinstance(row.body, Referral)
    if not is_known or row.owner != op.owner:  # type: ignore[union-attr]  # is_known
        return _clash(rows, op, args, "other_customer" if is_known else "unknown_referral", at)
    assert isinstance(row, Row)
    assert isinstance(row.body, Referral)
    was = row.body
    if op.id in was.ops or was.state not in ("open", "taken"):
        return Effects(())
    body = msgspec.structs.replace(
        was,
        state="done" if args.is_done else "taken",
        changed_by=args.by,
        changed_at=at,
        note=args.note or was.note,
        before=ReferralBefore(op.id, was.state, was.changed_by, was.changed_at, was.note),
        ops=remembered(was.ops, op.id),
    )
    return Effects((msgspec.structs.replace(row, body=body, as_of=at, source="store"),))


def _clash(
    rows: Mapping[str, Cell], op: Operation, args: TakeReferral, clash: str, at: int
) -> Effects:
    if isinstance(rows.get(key_of("case", op.id)), Row):
        return Effects((), clash=clash)
    side = Side(op=op.id, store=op.store, by=args.by, to="", at=at)
    topic = f"referral {args.referral}"
    return Effects((clash_case(op, clash, topic=topic, sides=(side,), at=at),), clash=clash)


def _undone(op: Operation, args: TakeReferral) -> TakeBackReferral:
    return TakeBackReferral(referral=args.referral, change=op.id)


KIND: Final = Kind(
    name="take_referral",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeReferral,
    keys=keys,
    apply=apply,
    undo="take_back_referral",
    undo_args=_undone,
    assurance="S1",
    codes=("unknown_referral", "other_customer"),
)
