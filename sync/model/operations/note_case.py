"""Somebody wrote something down about a case, and may have promised something or solved it. A fact.

Where it clashes, the note is kept and a case comes with it:

unknown_case     the centre knows no such case
other_customer   the case belongs to somebody else; it is left as it is
promised_often   the case has no room for another promise; it is left as it is, and the new one has the promise
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model import promises
from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.operations.record_interaction import answered_row
from sync.model.operations.take_back_note import TakeBackNote
from sync.model.records import Case, CaseBefore, Interaction, Promise, Side, key_of
from sync.model.row import Cell, Missing, Row, row_of
from sync.model.rules import TEXT_MAX, clash_case, happened_at, remembered
from sync.model.wire import Id, Short

PROMISED_OFTEN: Final = "promised_often"

ANSWERS_MAX: Final = 16
"""Contacts one note may settle; a thread of more is folded by its topic anyway."""


class NoteCase(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and what follows from it.

    Attributes:
        case: Id of the case.
        by: Who writes, in words.
        audience: internal | customer (she may read it).
        promise_text: What is promised now, beside what was promised before; "" for nothing.
        promise_due_at: Until when, microseconds since 1970; needed with a text.
        next_step: What happens next; "" leaves it as it is.
        solved: The case is solved by this, and all that was promised on it kept.
        answers: Ids of contacts of the customer that this settles.
    """

    case: Id
    by: Short
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
    audience: str = "internal"
    promise_text: Short = ""
    promise_due_at: Annotated[int, msgspec.Meta(ge=0)] = 0
    next_step: Short = ""
    solved: bool = False
    answers: Annotated[tuple[Id, ...], msgspec.Meta(max_length=ANSWERS_MAX)] = ()

    def __post_init__(self) -> None:
        if self.audience not in ("customer", "internal"):
            raise ValueError("no such audience")
        if bool(self.promise_text) != bool(self.promise_due_at):
            raise ValueError("a promise has a text and a time")


def keys(op: Operation, args: NoteCase) -> tuple[str, ...]:
    """The note it makes, the case, the case a clash would make, and the contacts it settles."""
    answered = (key_of("interaction", answer) for answer in args.answers)
    return (
        key_of("interaction", op.id),
        key_of("case", args.case),
        key_of("case", op.id),
        *answered,
    )


def apply(rows: Mapping[str, Cell], op: Operation, args: NoteCase, now: int) -> Outcome:
    """Add the note and change the case, or keep the note beside a case that says why not."""
    return noted(rows, op, args, now)


def noted(
    rows: Mapping[str, Cell], op: Operation, args: NoteCase, now: int, *, keeps: bool = False
) -> Outcome:
    """The same for every kind that is a note; `keeps`: what was promised is done, though the case goes on."""
    if isinstance(rows.get(key_of("interaction", op.id)), Row):
        own = rows.get(key_of("case", op.id))
        is_clash = isinstance(own, Row) and isinstance(own.body, Case)
        return Effects((), clash=own.body.clash if is_clash else "")  # type: ignore[union-attr]  # is_clash
    at = happened_at(op, now)
    row = rows.get(key_of("case", args.case), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return Effects((_note(op, args, about=args.case, at=at),))
    clash = _clash_of(row, op, args)
    if clash or not isinstance(row, Row) or not isinstance(row.body, Case):
        side = Side(op=op.id, store=op.store, by=args.by, to="", at=at)
        case = clash_case(op, clash, topic=f"note on {args.case}", sides=(side,), at=at)
        if clash == PROMISED_OFTEN and isinstance(case.body, Case):
            owed = promises.with_promise(case.body, _promise(op, args, at))
            case = msgspec.structs.replace(case, body=owed)
        return Effects((_note(op, args, about=op.id, at=at), case), clash=clash)
    settled = (answered_row(rows, op, answer, at) for answer in dict.fromkeys(args.answers))
    changed = (_noted(row, row.body, op, args, at, keeps=keeps), *settled)
    return Effects(
        (
            _note(op, args, about=args.case, at=at),
            *(one for one in changed if one is not None),
        )
    )


def _clash_of(row: Cell, op: Operation, args: NoteCase) -> str:
    if not isinstance(row, Row) or not isinstance(row.body, Case):
        return "unknown_case"
    if row.owner != op.owner:
        return "other_customer"
    return PROMISED_OFTEN if args.promise_text and promises.is_full(row.body) else ""


def _note(op: Operation, args: NoteCase, *, about: str, at: int) -> Row:
    body = Interaction(
        id=op.id,
        at=at,
        channel="store",
        direction="note",
        by=args.by,
        text=args.text,
        about=key_of("case", about),
        audience=args.audience,
    )
    return row_of(body, owner=op.owner, as_of=at, source="store")


def _promise(op: Operation, args: NoteCase, at: int) -> Promise:
    return Promise(
        by=args.by, text=args.promise_text, due_at=args.promise_due_at, op=op.id, at=at,
        place=op.store,
    )  # fmt: skip


def _noted(
    row: Row, case: Case, op: Operation, args: NoteCase, at: int, *, keeps: bool
) -> Row | None:
    body = case
    if args.promise_text:
        body = promises.with_promise(body, _promise(op, args, at))
    if args.solved or keeps:
        body = promises.with_kept(body, op.id, at)
    body = msgspec.structs.replace(
        body,
        next_step=args.next_step or ("" if args.solved else case.next_step),
        state="solved" if args.solved else case.state,
    )
    if body == case:
        return None
    body = msgspec.structs.replace(
        body,
        before=CaseBefore(op.id, case.state, case.promise, case.next_step),
        ops=remembered(case.ops, op.id),
    )
    return msgspec.structs.replace(row, body=body, as_of=at, source="store")


def _undone(op: Operation, args: NoteCase) -> TakeBackNote:
    return TakeBackNote(note=op.id, case=args.case, answers=args.answers)


KIND: Final = Kind(
    name="note_case",
    v=1,
    op_class=OperationClass.FACT,
    args=NoteCase,
    keys=keys,
    apply=apply,
    undo="take_back_note",
    undo_args=_undone,
    assurance="S1",
    codes=("unknown_case", "other_customer", PROMISED_OFTEN),
)
