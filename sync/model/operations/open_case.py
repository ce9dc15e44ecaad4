"""A customer told us about a problem. A fact: from now on somebody of us owns it, and it has a number to say on the telephone."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.operations.take_back_case import TakeBackCase
from sync.model.records import CHANNELS, Case, Interaction, Promise, Told, key_of
from sync.model.row import Cell, Row, row_of
from sync.model.rules import TEXT_MAX, case_number, happened_at
from sync.model.wire import Short

LINES_MAX: Final = 16
"""Facts told, and facts missing, that one case begins with."""


class OpenCase(msgspec.Struct, frozen=True, kw_only=True):
    """What it is about and what we know of it already.

    Attributes:
        topic: Short, for staff.
        channel: Where it came in, one of CHANNELS.
        by: Who writes it down, in words.
        text: What the customer said, "" when there is nothing more than the topic; the customer may read it.
        about: Key of the order it belongs to, "" for none.
        told: What the customer told us: label and value; nobody asks for it again.
        missing: What we still need to know, in words.
        promise_text, promise_due_at: What is promised now, until when in microseconds since 1970; both or none.
        next_step: What happens next.
        payer: Who pays, when it is not the customer.
    """

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    channel: str
    by: Short
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] = ""
    about: Short = ""
    told: Annotated[tuple[tuple[Short, Short], ...], msgspec.Meta(max_length=LINES_MAX)] = ()
    missing: Annotated[tuple[Short, ...], msgspec.Meta(max_length=LINES_MAX)] = ()
    promise_text: Short = ""
    promise_due_at: Annotated[int, msgspec.Meta(ge=0)] = 0
    next_step: Short = ""
    payer: Short = ""

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS:
            raise ValueError("no such channel")
        if bool(self.promise_text) != bool(self.promise_due_at):
            raise ValueError("a promise has a text and a time")


def keys(op: Operation, _args: OpenCase) -> tuple[str, ...]:
    """The case it makes, and what the customer said."""
    return (key_of("case", op.id), key_of("interaction", op.id))


def apply(rows: Mapping[str, Cell], op: Operation, args: OpenCase, now: int) -> Outcome:
    """Make the case, once."""
    if isinstance(rows.get(key_of("case", op.id)), Row):
        return Effects(())
    at = happened_at(op, now)
    case = Case(
        id=op.id,
        number=case_number(op.id),
        state="open",
        topic=args.topic,
        opened_at=at,
        channel=args.channel,
        promise=_promise(op, args, at),
        told=tuple(Told(label, value, args.channel, at) for label, value in args.told),
        missing=args.missing,
        payer=args.payer,
        next_step=args.next_step,
    )
    made = [row_of(case, owner=op.owner, as_of=at, source=args.channel)]
    if args.text:
        said = Interaction(
            id=op.id, at=at, channel=args.channel, direction="note", by=args.by, text=args.text,
            about=args.about or key_of("case", op.id),
        )  # fmt: skip
        made.append(row_of(said, owner=op.owner, as_of=at, source=args.channel))
    return Effects(tuple(made))


def _promise(op: Operation, args: OpenCase, at: int) -> Promise | None:
    if not args.promise_text:
        return None
    return Promise(
        by=args.by, text=args.promise_text, due_at=args.promise_due_at, op=op.id, at=at,
        place=op.store,
    )  # fmt: skip


def _undone(op: Operation, _args: OpenCase) -> TakeBackCase:
    return TakeBackCase(case=op.id)


KIND: Final = Kind(
    name="open_case",
    v=1,
    op_class=OperationClass.FACT,
    args=OpenCase,
    keys=keys,
    apply=apply,
    undo="take_back_case",
    undo_args=_undone,
    assurance="A2",
)
