"""What was promised on a case is done, and the case goes on. A fact: nobody is late with it any more.

It is a note that says so (`note_case`), and clashes as one:

unknown_case     the centre knows no such case
other_customer   the case belongs to somebody else; it is left as it is
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.model.operation import Kind, Operation, OperationClass, Outcome
from sync.model.operations import note_case
from sync.model.operations.note_case import NoteCase
from sync.model.operations.take_back_note import TakeBackNote
from sync.model.row import Cell
from sync.model.wire import Id, Short


class KeepPromise(msgspec.Struct, frozen=True, kw_only=True):
    """On which case.

    Attributes:
        case: Id of the case.
        by: Who kept it, in words.
        text: How, "" for no more than that; the customer may read it.
    """

    case: Id
    by: Short
    text: Short = ""


def keys(op: Operation, args: KeepPromise) -> tuple[str, ...]:
    """As of the note it is."""
    return note_case.keys(op, _note(args))


def apply(rows: Mapping[str, Cell], op: Operation, args: KeepPromise, now: int) -> Outcome:
    """Keep all that was promised on the case until now, and say so in the thread."""
    return note_case.noted(rows, op, _note(args), now, keeps=True)


def _note(args: KeepPromise) -> NoteCase:
    text = f"Kept: {args.text}" if args.text else "Kept what was promised"
    return NoteCase(case=args.case, by=args.by, text=text, audience="customer")


def _undone(op: Operation, args: KeepPromise) -> TakeBackNote:
    return TakeBackNote(note=op.id, case=args.case)


KIND: Final = Kind(
    name="keep_promise",
    v=1,
    op_class=OperationClass.FACT,
    args=KeepPromise,
    keys=keys,
    apply=apply,
    undo="take_back_note",
    undo_args=_undone,
    assurance="S1",
    codes=("unknown_case", "other_customer"),
)
