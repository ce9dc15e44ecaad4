"""A message to a customer that has not gone out yet is taken back by whoever wrote it. A fact; undoes an answer or a notice.

The message is kept and no longer shown, nothing is sent, and what it answered waits again. Where it clashes it becomes a case:

already_sent  the message was out, or on its way, before this arrived; the customer has read it, or will
"""

from collections.abc import Iterator, Mapping
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
from sync.model.records import Case, Interaction, Side, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import clash_case, happened_at
from sync.model.wire import Id

TAKEN_BACK: Final = frozenset({"queued", "failed", ""})
"""States of a message in which it reached nobody."""


class TakeBackAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Which message.

    Attributes:
        answer: Id of the operation that wrote it.
        answers: Id of the contact it answered, "" for none.
    """

    answer: Id
    answers: Annotated[str, msgspec.Meta(max_length=80)] = ""


def keys(op: Operation, args: TakeBackAnswer) -> tuple[str, ...]:
    """The message, the contact it answered, and the case a clash would make."""
    answered = (key_of("interaction", args.answers),) if args.answers else ()
    return (key_of("interaction", args.answer), *answered, key_of("case", op.id))


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeBackAnswer, now: int) -> Outcome:
    """Take it back, or say that it was too late."""
    told = rows.get(key_of("case", op.id))
    if isinstance(told, Row) and isinstance(told.body, Case):
        return Effects((), clash=told.body.clash)
    at = happened_at(op, now)
    row = rows.get(key_of("interaction", args.answer), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Interaction):
        return Effects(())
    message = row.body
    if row.owner != op.owner or message.taken_back_at or message.direction != "out":
        return Effects(())
    if message.delivery not in TAKEN_BACK:
        side = Side(op=op.id, store=op.store, by=op.actor, to="", at=at)
        topic = "message went out before it was taken back"
        case = clash_case(op, "already_sent", topic=topic, sides=(side,), at=at)
        return Effects((case,), clash="already_sent")
    body = msgspec.structs.replace(message, taken_back_at=at, delivery="", delivery_reason="")
    back = msgspec.structs.replace(row, body=body, as_of=at)
    return Effects((back, *_waiting_again(rows, op, args, at)))


def _waiting_again(
    rows: Mapping[str, Cell], op: Operation, args: TakeBackAnswer, at: int
) -> Iterator[Row]:
    row = rows.get(key_of("interaction", args.answers))
    if not isinstance(row, Row) or not isinstance(row.body, Interaction):
        return
    if row.owner == op.owner and row.body.answered_op == args.answer:
        body = msgspec.structs.replace(row.body, answered_at=0, answered_op="")
        yield msgspec.structs.replace(row, body=body, as_of=at)


KIND: Final = Kind(
    name="take_back_answer",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeBackAnswer,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="S1",
    codes=("already_sent",),
)
