"""The shop tells a customer something: that a parcel is ready, what became of an order, a few words. A request.

What belongs to something the customer bought or asked for needs no consent; an offer needs the consent to marketing, here and
again when it is sent. A parcel that is ready is told at once, because she may stand before the shop; the rest waits until
it can no longer be taken back, unless whoever wrote it said now.

no_consent  an offer, and the customer did not agree to any
no_channel  nothing can be sent in the store, and no other way is known
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
    Refusal,
)
from sync.model.operations.answer_interaction import IN_PERSON
from sync.model.operations.take_back_answer import TakeBackAnswer
from sync.model.records import CHANNELS, Consent, Customer, Interaction, key_of
from sync.model.row import Cell, Missing, Row, row_of
from sync.model.rules import TEXT_MAX, happened_at
from sync.model.wire import Short

PURPOSE_OF: Final[Mapping[str, str]] = {
    "parcel_ready": "",
    "answer": "",
    "order": "",
    "text": "",
    "offer": "marketing",
}
"""What can be told, and the consent it needs; "" for none. Public: stored, and templates are configured by it."""

NO_ANSWER: Final = frozenset({"parcel_ready", "order", "offer"})
"""What answers no question of hers, whatever she asked before; the others are words of a person."""

AT_ONCE: Final = frozenset({"parcel_ready"})
"""What is sent without waiting whether it is taken back."""

USUAL_CHANNEL: Final = "email"
"""Where a customer is told something of whom we know no channel."""


class NotifyCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """What the customer is told.

    Attributes:
        notice: One of PURPOSE_OF.
        by: Who tells, in words.
        text: What she reads.
        channel: One of CHANNELS, "" for the one she prefers.
        about: Key of the order, parcel or case it belongs to, "" for none.
        params: What an approved template has places for, in its order; used where free text may not be sent.
        is_now: Send it at once; then it cannot be taken back.
    """

    notice: str
    by: Short
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX)]
    channel: str = ""
    about: Short = ""
    params: Annotated[tuple[Short, ...], msgspec.Meta(max_length=10)] = ()
    is_now: bool = False

    def __post_init__(self) -> None:
        if self.notice not in PURPOSE_OF:
            raise ValueError("no such notice")
        if self.channel and self.channel not in CHANNELS:
            raise ValueError("no such channel")


def _consent_key(op: Operation, purpose: str) -> str:
    return key_of("consent", f"{op.owner}:{purpose}")


def keys(op: Operation, args: NotifyCustomer) -> tuple[str, ...]:
    """The message, the customer where the channel is theirs to say, and the consent where one is needed."""
    customer = () if args.channel else (key_of("customer", op.owner),)
    purpose = PURPOSE_OF[args.notice]
    consent = (_consent_key(op, purpose),) if purpose else ()
    return (key_of("interaction", op.id), *customer, *consent)


def apply(rows: Mapping[str, Cell], op: Operation, args: NotifyCustomer, now: int) -> Outcome:
    """Write the message down as queued."""
    key = key_of("interaction", op.id)
    if isinstance(rows.get(key), Row):
        return Effects(())
    purpose = PURPOSE_OF[args.notice]
    consent = rows.get(_consent_key(op, purpose), Missing.UNKNOWN) if purpose else None
    customer = rows.get(key_of("customer", op.owner), Missing.UNKNOWN)
    if consent is Missing.UNKNOWN or (not args.channel and customer is Missing.UNKNOWN):
        return CannotPredict()
    if purpose and not _is_granted(consent):
        return Refusal("no_consent")
    channel = args.channel or _preferred(customer)
    if channel in IN_PERSON:
        return Refusal("no_channel")
    at = happened_at(op, now)
    said = Interaction(
        id=op.id, at=at, channel=channel, direction="out", by=args.by, text=args.text,
        about=args.about, topic=args.notice, delivery="queued",
        is_automatic=args.notice in NO_ANSWER,
    )  # fmt: skip
    return Effects((row_of(said, owner=op.owner, as_of=at, source=channel),))


def _is_granted(cell: Cell | None) -> bool:
    return isinstance(cell, Row) and isinstance(cell.body, Consent) and cell.body.is_granted


def _preferred(cell: Cell) -> str:
    known = cell.body if isinstance(cell, Row) else None
    named = known.preferred_channel if isinstance(known, Customer) else ""
    return USUAL_CHANNEL if named in ("", *IN_PERSON) else named


def _undone(op: Operation, _args: NotifyCustomer) -> TakeBackAnswer:
    return TakeBackAnswer(answer=op.id)


KIND: Final = Kind(
    name="notify_customer",
    v=1,
    op_class=OperationClass.REQUEST,
    args=NotifyCustomer,
    keys=keys,
    apply=apply,
    undo="take_back_answer",
    undo_args=_undone,
    assurance="S1",
    codes=("no_consent", "no_channel"),
)
