"""What was written down, or said on our side, is taken back by whoever wrote it. A fact; undoes a note or a contact.

The note is kept and no longer shown. What it promised or kept is taken from the case whatever came since; the rest of the case says
again what it said before, unless somebody changed it since. What the note answered waits again. Where the note never was, nothing happens.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import msgspec

from sync.model import promises
from sync.model.operation import (
    CannotPredict,
    Effects,
    Kind,
    Operation,
    OperationClass,
    Outcome,
)
from sync.model.records import Case, Interaction, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered
from sync.model.wire import Id


class TakeBackNote(msgspec.Struct, frozen=True, kw_only=True):
    """Which note, and what followed from it.

    Attributes:
        note: Id of the operation that wrote it.
        case: Id of the case it was about, "" for none.
        answers: Ids of the contacts it settled.
    """

    note: Id
    case: Annotated[str, msgspec.Meta(max_length=80)] = ""
    answers: Annotated[tuple[Id, ...], msgspec.Meta(max_length=16)] = ()


def keys(_op: Operation, args: TakeBackNote) -> tuple[str, ...]:
    """The note, the case it changed or became, and the contacts it settled."""
    case = (key_of("case", args.case),) if args.case else ()
    answered = (key_of("interaction", answer) for answer in args.answers)
    return (key_of("interaction", args.note), *case, key_of("case", args.note), *answered)


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeBackNote, now: int) -> Outcome:
    """Put back what the note changed."""
    at = happened_at(op, now)
    row = rows.get(key_of("interaction", args.note), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Interaction):
        return Effects(())
    if row.owner != op.owner or row.body.taken_back_at:
        return Effects(())
    note = msgspec.structs.replace(row.body, taken_back_at=at)
    return Effects(
        (
            msgspec.structs.replace(row, body=note, as_of=at),
            *_case_before(rows, op, args, at),
            *_own_case(rows, op, args, at),
            *_waiting_again(rows, op, args, at),
        )
    )


def _case_before(
    rows: Mapping[str, Cell], op: Operation, args: TakeBackNote, at: int
) -> Iterator[Row]:
    row = rows.get(key_of("case", args.case))
    if not isinstance(row, Row) or not isinstance(row.body, Case) or row.owner != op.owner:
        return
    case, before = row.body, row.body.before
    body = promises.without(case, args.note)
    if before is not None and before.op == args.note:
        now = case.promise
        if now is not None and not now.op and not now.at:  # as older programs promised
            body = msgspec.structs.replace(body, promise=before.promise)
        body = msgspec.structs.replace(
            body, state=before.state, next_step=before.next_step, before=None
        )
    if body == case:
        return
    body = msgspec.structs.replace(body, ops=remembered(case.ops, op.id))
    yield msgspec.structs.replace(row, body=body, as_of=at)


def _own_case(
    rows: Mapping[str, Cell], op: Operation, args: TakeBackNote, at: int
) -> Iterator[Row]:
    """The case the note became when it clashed; there is nothing left to settle or to keep in it."""
    row = rows.get(key_of("case", args.note))
    if isinstance(row, Row) and isinstance(row.body, Case) and row.owner == op.owner:
        body = msgspec.structs.replace(
            promises.without(row.body, args.note), state="taken_back"
        )
        yield msgspec.structs.replace(row, body=body, as_of=at)


def _waiting_again(
    rows: Mapping[str, Cell], op: Operation, args: TakeBackNote, at: int
) -> Iterator[Row]:
    for answer in dict.fromkeys(args.answers):
        row = rows.get(key_of("interaction", answer))
        if not isinstance(row, Row) or not isinstance(row.body, Interaction):
            continue
        if row.owner == op.owner and row.body.answered_op == args.note:
            body = msgspec.structs.replace(row.body, answered_at=0, answered_op="")
            yield msgspec.structs.replace(row, body=body, as_of=at)


KIND: Final = Kind(
    name="take_back_note",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeBackNote,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="A2",
)
