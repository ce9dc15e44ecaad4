"""Whoever serves answers what a customer wrote, in the customer's own channel. A request: nothing has gone out yet.

The contact stops waiting, and the answer is queued at the centre, which sends it when it can no longer be taken back, or at
once where whoever wrote it said so. What becomes of it is told in the row's `delivery`. Said in the store, it is out already.

other_customer   that contact is somebody else's: the answer would reach a stranger
unknown_contact  nobody knows that contact, and no channel was chosen
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
from sync.model.operations.record_interaction import answered_row
from sync.model.operations.take_back_answer import TakeBackAnswer
from sync.model.records import CHANNELS, Interaction, key_of
from sync.model.row import Cell, Missing, Row, row_of
from sync.model.rules import TEXT_MAX, happened_at
from sync.model.wire import Id, Short

IN_PERSON: Final = frozenset({"store"})
"""Where an answer is heard as it is given; nothing is to be sent."""


class AnswerInteraction(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered, and how.

    Attributes:
        answers: Id of the contact.
        by: Who answers, in words.
        channel: One of CHANNELS where another one was chosen than the customer's own, else "".
        about: Key of the order or case it belongs to, "" for that of the contact.
        is_now: Send it at once; then it cannot be taken back.
    """

    answers: Id
    by: Short
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX)]
    channel: str = ""
    about: Short = ""
    is_now: bool = False

    def __post_init__(self) -> None:
        if self.channel and self.channel not in CHANNELS:
            raise ValueError("no such channel")


def keys(op: Operation, args: AnswerInteraction) -> tuple[str, ...]:
    """The answer, and what it answers."""
    return (key_of("interaction", op.id), key_of("interaction", args.answers))


def apply(
    rows: Mapping[str, Cell], op: Operation, args: AnswerInteraction, now: int
) -> Outcome:
    """Write the answer down as queued; what it answers stops waiting."""
    if isinstance(rows.get(key_of("interaction", op.id)), Row):
        return Effects(())
    at = happened_at(op, now)
    row = rows.get(key_of("interaction", args.answers), Missing.UNKNOWN)
    asked = row.body if isinstance(row, Row) and isinstance(row.body, Interaction) else None
    if isinstance(row, Row) and row.owner != op.owner:
        return Refusal("other_customer")
    if asked is None and row is Missing.UNKNOWN:
        return CannotPredict()
    channel = args.channel or (asked.channel if asked else "")
    if not channel:
        return Refusal("unknown_contact")
    said = Interaction(
        id=op.id,
        at=at,
        channel=channel,
        direction="out",
        by=args.by,
        text=args.text,
        about=args.about or (asked.about if asked else ""),
        topic=asked.topic if asked else "",
        sensitivity=asked.sensitivity if asked else "normal",
        delivery="" if channel in IN_PERSON else "queued",
        thread=asked.thread if asked and asked.channel == channel else "",
    )
    made = row_of(said, owner=op.owner, as_of=at, source=channel)
    answered = answered_row(rows, op, args.answers, at)
    return Effects((made,) if answered is None else (made, answered))


def _undone(op: Operation, args: AnswerInteraction) -> TakeBackAnswer:
    return TakeBackAnswer(answer=op.id, answers=args.answers)


KIND: Final = Kind(
    name="answer_interaction",
    v=1,
    op_class=OperationClass.REQUEST,
    args=AnswerInteraction,
    keys=keys,
    apply=apply,
    undo="take_back_answer",
    undo_args=_undone,
    assurance="S1",
    codes=("other_customer", "unknown_contact"),
)
