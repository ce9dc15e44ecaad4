"""A customer agreed to something, or withdrew it. A fact: what somebody wants is never refused, and the later word counts.

Withdrawing is the same operation, at the same place, as giving. Where it clashes, nothing of another customer changes:

other_customer   that consent belongs to somebody else; a case says so
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
from sync.model.records import Case, Consent, Side, key_of
from sync.model.row import Cell, Missing, Row, row_of
from sync.model.rules import clash_case, happened_at, remembered
from sync.model.wire import Id


class SetConsent(msgspec.Struct, frozen=True, kw_only=True):
    """To what, and whether.

    Attributes:
        consent: Id of the consent: "<customer>:<purpose>".
        purpose: What it is for, "marketing".
        was_granted: What it said before, as the screen showed it; taking this back says that again.
    """

    consent: Id
    purpose: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    is_granted: bool
    was_granted: bool = False


def keys(op: Operation, args: SetConsent) -> tuple[str, ...]:
    """The consent, and the case a clash would make."""
    return (key_of("consent", args.consent), key_of("case", op.id))


def apply(rows: Mapping[str, Cell], op: Operation, args: SetConsent, now: int) -> Outcome:
    """Write down what they want, unless they said otherwise later."""
    told = rows.get(key_of("case", op.id))
    if isinstance(told, Row) and isinstance(told.body, Case):
        return Effects((), clash=told.body.clash)
    at = happened_at(op, now)
    row = rows.get(key_of("consent", args.consent), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Consent):
        made = Consent(args.consent, args.purpose, args.is_granted, at, ops=(op.id,))
        return Effects((row_of(made, owner=op.owner, as_of=at, source="store"),))
    if row.owner != op.owner:
        side = Side(op=op.id, store=op.store, by=op.actor, to="", at=at)
        topic = f"consent {args.purpose}"
        case = clash_case(op, "other_customer", topic=topic, sides=(side,), at=at)
        return Effects((case,), clash="other_customer")
    consent = row.body
    if op.id in consent.ops or at < consent.at:
        return Effects(())
    body = msgspec.structs.replace(
        consent, is_granted=args.is_granted, at=at, ops=remembered(consent.ops, op.id)
    )
    return Effects((msgspec.structs.replace(row, body=body, as_of=at, source="store"),))


def _undone(_op: Operation, args: SetConsent) -> SetConsent:
    return msgspec.structs.replace(
        args, is_granted=args.was_granted, was_granted=args.is_granted
    )


KIND: Final = Kind(
    name="set_consent",
    v=1,
    op_class=OperationClass.FACT,
    args=SetConsent,
    keys=keys,
    apply=apply,
    undo="set_consent",
    undo_args=_undone,
    blocks=True,
    assurance="A2",
    codes=("other_customer",),
)
