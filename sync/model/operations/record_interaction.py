"""A contact of a customer with us that happened: a message, a visit, an answer. A fact; nothing can clash with it."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.operations.take_back_note import TakeBackNote
from sync.model.records import CHANNELS, Interaction, key_of
from sync.model.row import Cell, Row, row_of
from sync.model.rules import ANSWER_WITHIN_US, TEXT_MAX, happened_at
from sync.model.wire import Short


class RecordInteraction(msgspec.Struct, frozen=True, kw_only=True):
    """What was said.

    Attributes:
        channel: One of CHANNELS.
        direction: in | out | note, as in `Interaction`.
        by: Who spoke, in words.
        about: Key of the order or case it belongs to, "" for none.
        audience: customer | internal.
        answers: Id of the earlier contact of the customer that this one answers, "" for none.
        topic: Fixed phrase that folds equal contacts, "" for none.
    """

    channel: str
    direction: str
    by: Short
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
    about: Short = ""
    audience: str = "customer"
    answers: Annotated[str, msgspec.Meta(max_length=80)] = ""
    topic: Short = ""

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS:
            raise ValueError("no such channel")
        if self.direction not in ("in", "out", "note"):
            raise ValueError("no such direction")
        if self.audience not in ("customer", "internal"):
            raise ValueError("no such audience")


def keys(op: Operation, args: RecordInteraction) -> tuple[str, ...]:
    """The contact it makes, and the one it answers."""
    own = key_of("interaction", op.id)
    return (own, key_of("interaction", args.answers)) if args.answers else (own,)


def apply(
    rows: Mapping[str, Cell], op: Operation, args: RecordInteraction, now: int
) -> Outcome:
    """Add the contact; what it answers stops waiting."""
    key = key_of("interaction", op.id)
    if isinstance(rows.get(key), Row):
        return Effects(())
    at = happened_at(op, now)
    said = Interaction(
        id=op.id,
        at=at,
        channel=args.channel,
        direction=args.direction,
        by=args.by,
        text=args.text,
        about=args.about,
        audience=args.audience,
        due_at=at + ANSWER_WITHIN_US if args.direction == "in" else 0,
        topic=args.topic,
    )
    made = row_of(said, owner=op.owner, as_of=at, source=args.channel)
    answered = answered_row(rows, op, args.answers, at) if args.direction == "out" else None
    return Effects((made,) if answered is None else (made, answered))


def answered_row(rows: Mapping[str, Cell], op: Operation, answers: str, at: int) -> Row | None:
    """The customer's contact `answers` as answered at `at`; None when there is nothing to change."""
    row = rows.get(key_of("interaction", answers))
    if not isinstance(row, Row) or not isinstance(row.body, Interaction):
        return None
    body = row.body
    if row.owner != op.owner or body.direction != "in" or body.answered_at:
        return None
    answered = msgspec.structs.replace(body, answered_at=at, answered_op=op.id)
    return msgspec.structs.replace(row, body=answered, as_of=at)


def _undone(op: Operation, args: RecordInteraction) -> TakeBackNote:
    return TakeBackNote(note=op.id, answers=(args.answers,) if args.answers else ())


KIND: Final = Kind(
    name="record_interaction",
    v=1,
    op_class=OperationClass.FACT,
    args=RecordInteraction,
    keys=keys,
    apply=apply,
    undo="take_back_note",
    undo_args=_undone,
    assurance="A2",
)
