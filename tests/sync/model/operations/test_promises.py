"""Promised, promised again, kept, taken back: by operations, in any order."""

from itertools import permutations

import msgspec

from sync.model import promises
from sync.model.operation import Operation
from sync.model.operations.keep_promise import KeepPromise
from sync.model.operations.note_case import NoteCase
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.take_back_note import TakeBackNote
from sync.model.promises import PROMISES_MAX, Tally
from sync.model.records import Case, CaseBefore, Interaction, Promise
from tests.support import shop
from tests.support.operations import (
    FIRST,
    MINUTE,
    NOON,
    SECOND,
    THIRD,
    Rows,
    assert_twice_is_once,
    assert_undone,
    assert_waits_where_nothing_is_held,
    body,
    done,
    rows_of,
    undo_of,
)

CASE = "case/case-1"


def promised(op_id: str = FIRST, *, at: int = NOON, due: int = NOON + 60 * MINUTE) -> Operation:
    args = PromiseAnswer(case="case-1", by="Ben", text="a mail", due_at=due)
    return msgspec.structs.replace(shop.operation(args, op_id=op_id), at=at)


def kept(op_id: str = SECOND, *, at: int = NOON) -> Operation:
    args = KeepPromise(case="case-1", by="Ben", text="told her by phone")
    return msgspec.structs.replace(shop.operation(args, op_id=op_id), at=at)


def case_of(rows: Rows) -> Case:
    found = body(rows, CASE)
    assert isinstance(found, Case)
    return found


def test_a_promise_adds_to_what_was_promised_with_who_where_and_when() -> None:
    rows, _ = done(rows_of(), promised(at=NOON + MINUTE), now=NOON + MINUTE)

    first, second = promises.made(case_of(rows))
    assert (first.by, first.due_at) == ("Ana", NOON + 9)
    assert (second.by, second.op, second.at, second.place) == (
        "Ben", FIRST, NOON + MINUTE, "harbour",
    )  # fmt: skip
    assert promises.tally(case_of(rows), now=NOON + MINUTE) == Tally(2, 1, NOON + 9)


def test_a_promise_kept_leaves_the_case_open_and_stands_in_the_thread() -> None:
    rows, clash = done(rows_of(), kept())

    case = case_of(rows)
    assert (case.state, promises.pressing(case), clash) == ("open", None, "")
    said = body(rows, f"interaction/{SECOND}")
    assert isinstance(said, Interaction)
    assert (said.text, said.about) == ("Kept: told her by phone", CASE)


def test_each_can_be_taken_back_and_may_come_twice() -> None:
    for op in (promised(), kept()):
        assert_undone(rows_of(), op, CASE)
        assert_twice_is_once(rows_of(), op, undo_of(op), now=NOON + MINUTE)
        assert_waits_where_nothing_is_held(undo_of(op))


def test_a_promise_kept_on_a_case_nobody_knows_is_kept_with_a_case() -> None:
    args = KeepPromise(case="case-9", by="Ben")

    rows, clash = done(rows_of(), shop.operation(args))

    assert clash == "unknown_case"
    assert {f"interaction/{FIRST}", f"case/{FIRST}"} <= set(rows)


def test_in_any_order_the_case_says_the_same() -> None:
    solved = NoteCase(case="case-1", by="Mia", text="done", solved=True)
    ops = (
        promised(FIRST, at=NOON + 1),
        promised(SECOND, at=NOON + 3, due=NOON + 2 * MINUTE),
        msgspec.structs.replace(shop.operation(solved, op_id=THIRD), at=NOON + 2),
    )

    ends = set()
    for order in permutations(ops):
        rows = rows_of()
        for op in order:
            rows, _ = done(rows, op, now=NOON + MINUTE)
        case = case_of(rows)
        ends.add((promises.made(case), case.kept, case.state))

    assert len(ends) == 1


def test_taking_back_a_promise_leaves_the_one_that_was_made_since() -> None:
    first, second = promised(FIRST, at=NOON + 1), promised(SECOND, at=NOON + 2)
    rows, _ = done(rows_of(), first, now=NOON + MINUTE)
    rows, _ = done(rows, second, now=NOON + MINUTE)

    back, _ = done(rows, undo_of(first), now=NOON + MINUTE)

    alone, _ = done(rows_of(), second, now=NOON + MINUTE)
    assert promises.made(case_of(back)) == promises.made(case_of(alone))


def test_beyond_what_a_case_has_room_for_a_promise_is_owed_on_a_case_of_its_own() -> None:
    rows = rows_of()
    many = [promised(f"{FIRST[:-3]}{n:03x}", at=NOON + n) for n in range(PROMISES_MAX + 1)]
    for op in many[:-1]:
        rows, clash = done(rows, op, now=NOON + MINUTE)
        assert clash == ""
    full = case_of(rows)

    rows, clash = done(rows, many[-1], now=NOON + MINUTE)

    own = body(rows, f"case/{many[-1].id}")
    assert isinstance(own, Case)
    assert (clash, own.clash) == ("promised_often", "promised_often")
    assert [it.op for it in promises.standing(own)] == [many[-1].id]
    assert case_of(rows) == full
    back, _ = done(rows, undo_of(many[-1]), now=NOON + MINUTE)
    own = body(back, f"case/{many[-1].id}")
    assert isinstance(own, Case)
    assert (own.state, promises.made(own), case_of(back)) == ("taken_back", (), full)


def test_of_as_many_promises_as_a_case_has_room_for_each_can_be_taken_back() -> None:
    rows = rows_of()
    many = [promised(f"{FIRST[:-3]}{n:03x}", at=NOON + n) for n in range(PROMISES_MAX)]
    for op in many:
        rows, _ = done(rows, op, now=NOON + MINUTE)

    for op in many:
        rows, _ = done(rows, undo_of(op), now=NOON + MINUTE)

    assert promises.made(case_of(rows)) == promises.made(case_of(rows_of()))


def test_what_an_older_program_promised_can_be_taken_back() -> None:
    """It replaced the promise, and remembered the one before."""
    case = case_of(rows_of())
    older = msgspec.structs.replace(
        case, promise=Promise("Ben", "a mail", NOON + MINUTE),
        before=CaseBefore(FIRST, "open", case.promise, case.next_step),
    )  # fmt: skip
    note = Interaction(
        id=FIRST, at=NOON, channel="store", direction="note", by="Ben", text="x", about=CASE
    )
    rows = rows_of(shop.row(older), shop.row(note))

    back, _ = done(rows, shop.operation(TakeBackNote(note=FIRST, case="case-1"), op_id=THIRD))

    assert case_of(back).promise == case.promise
