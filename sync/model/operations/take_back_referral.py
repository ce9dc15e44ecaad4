"""That a customer was sent to a store, or taken there, is taken back by whoever wrote it. A fact.

One that somebody in the store took already stays: who sent it sees that it is taken.
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
from sync.model.records import Case, Referral, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered
from sync.model.wire import Id


class TakeBackReferral(msgspec.Struct, frozen=True, kw_only=True):
    """Which step of which referral.

    Attributes:
        referral: Its id.
        change: Id of the operation that is taken back; the referral's own where it is all of it.
    """

    referral: Id
    change: Id


def keys(_op: Operation, args: TakeBackReferral) -> tuple[str, ...]:
    """The referral, and the case the change became when it clashed."""
    return (key_of("referral", args.referral), key_of("case", args.change))


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeBackReferral, now: int) -> Outcome:
    """Put it back to where it was before that."""
    row = rows.get(key_of("referral", args.referral), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    at = happened_at(op, now)
    done = []
    if isinstance(row, Row) and isinstance(row.body, Referral) and row.owner == op.owner:
        body = _put_back(row.body, op, args, at)
        if body != row.body:
            done.append(msgspec.structs.replace(row, body=body, as_of=at))
    own = rows.get(key_of("case", args.change))
    if isinstance(own, Row) and isinstance(own.body, Case) and own.owner == op.owner:
        gone = msgspec.structs.replace(own.body, state="taken_back")
        if gone != own.body:
            done.append(msgspec.structs.replace(own, body=gone, as_of=at))
    return Effects(tuple(done))


def _put_back(body: Referral, op: Operation, args: TakeBackReferral, at: int) -> Referral:
    if op.id in body.ops:
        return body
    ops = remembered(body.ops, args.change, op.id)
    if args.change == body.id:
        is_free = body.state == "open"
        return (
            msgspec.structs.replace(body, state="taken_back", changed_at=at, ops=ops)
            if is_free
            else body
        )
    before = body.before
    if before is None or before.op != args.change:
        return body if args.change in body.ops else msgspec.structs.replace(body, ops=ops)
    return msgspec.structs.replace(
        body,
        state=before.state,
        changed_by=before.by,
        changed_at=before.at,
        note=before.note,
        before=None,
        ops=ops,
    )


KIND: Final = Kind(
    name="take_back_referral",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeBackReferral,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="S1",
)
