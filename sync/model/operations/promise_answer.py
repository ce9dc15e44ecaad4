"""One of us promises a customer an answer, by name and time. A fact: from now on we owe it, whoever serves them next.

It is a note that promises (`note_case`), and clashes as one:

unknown_case     the centre knows no such case
other_customer   the case belongs to somebody else; it is left as it is
promised_often   the case has no room for another promise; it is left as it is, and the new one has the promise
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Kind, Operation, OperationClass, Outcome
from sync.model.operations import note_case
from sync.model.operations.note_case import NoteCase
from sync.model.operations.take_back_note import TakeBackNote
from sync.model.row import Cell
from sync.model.wire import Id, Short


class PromiseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised.

    Attributes:
        case: Id of the case.
        by: Who promises, in words.
        text: What the customer will hear.
        due_at: Until when, microseconds since 1970.
        next_step: What happens next; "" leaves it as it is.
    """

    case: Id
    by: Short
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    due_at: Annotated[int, msgspec.Meta(gt=0)]
    next_step: Short = ""


def keys(op: Operation, args: PromiseAnswer) -> tuple[str, ...]:
    """As of the note it is."""
    return note_case.keys(op, _note(args))


def apply(rows: Mapping[str, Cell], op: Operation, args: PromiseAnswer, now: int) -> Outcome:
    """Promise it on the case, and keep that it was promised in the thread."""
    return note_case.apply(rows, op, _note(args), now)


def _note(args: PromiseAnswer) -> NoteCase:
    return NoteCase(
        case=args.case,
        by=args.by,
        text=f"Promised: {args.text}",
        audience="customer",
        promise_text=args.text,
        promise_due_at=args.due_at,
        next_step=args.next_step,
    )


def _undone(op: Operation, args: PromiseAnswer) -> TakeBackNote:
    return TakeBackNote(note=op.id, case=args.case)


KIND: Final = Kind(
    name="promise_answer",
    v=1,
    op_class=OperationClass.FACT,
    args=PromiseAnswer,
    keys=keys,
    apply=apply,
    undo="take_back_note",
    undo_args=_undone,
    assurance="S1",
    codes=note_case.KIND.codes,
)
