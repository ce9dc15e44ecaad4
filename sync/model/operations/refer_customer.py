"""A customer is sent to a store, with the card, so that nobody there asks again. A fact."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.operations.take_back_referral import TakeBackReferral
from sync.model.records import Referral, key_of
from sync.model.row import Cell, Row, row_of
from sync.model.rules import TEXT_MAX, happened_at
from sync.model.wire import Id, Short


class ReferCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, and what is to be done there.

    Attributes:
        to: Id of the store.
        by: Who sends them, in words.
        text: What is to be done.
        card: The hand-over card as text.
        due_at: When they are expected, microseconds since 1970; 0 for any time.
        case: Id of the case it is about, "" for none.
    """

    to: Id
    by: Short
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    card: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] = ""
    due_at: Annotated[int, msgspec.Meta(ge=0)] = 0
    case: Annotated[str, msgspec.Meta(max_length=80)] = ""


def keys(op: Operation, _args: ReferCustomer) -> tuple[str, ...]:
    """The referral it makes."""
    return (key_of("referral", op.id),)


def apply(rows: Mapping[str, Cell], op: Operation, args: ReferCustomer, now: int) -> Outcome:
    """Make it, once."""
    if not op.owner or isinstance(rows.get(key_of("referral", op.id)), Row):
        return Effects(())
    at = happened_at(op, now)
    body = Referral(
        id=op.id,
        store=args.to,
        by=args.by,
        text=args.text,
        at=at,
        card=args.card,
        due_at=args.due_at,
        case=args.case,
    )
    return Effects((row_of(body, owner=op.owner, as_of=at, source="store"),))


def _undone(op: Operation, _args: ReferCustomer) -> TakeBackReferral:
    return TakeBackReferral(referral=op.id, change=op.id)


KIND: Final = Kind(
    name="refer_customer",
    v=1,
    op_class=OperationClass.FACT,
    args=ReferCustomer,
    keys=keys,
    apply=apply,
    undo="take_back_referral",
    undo_args=_undone,
    assurance="S1",
)
