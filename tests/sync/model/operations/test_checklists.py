"""A case's checklist: what is needed, told and tried, and promises; each taken back as if it had not been."""

import msgspec

from sync.model.operation import Operation, Refusal
from sync.model.operations.need_fact import NeedFact
from sync.model.operations.note_case import NoteCase
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.take_back_fact import TakeBackFact
from sync.model.operations.tell_fact import TellFact
from sync.model.operations.try_remedy import TryRemedy
from sync.model.records import Case, Interaction, Remedy
from sync.model.registry import KINDS
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
    outcome_of,
    rows_of,
    undo_of,
)

CASE = "case/case-1"


def needed(*facts: str, case: str = "case-1", op_id: str = FIRST) -> Operation:
    return shop.operation(NeedFact(case=case, by="Ana", facts=facts), op_id=op_id)


def told(label: str, value: str, *, op_id: str = SECOND, **fields: str) -> Operation:
    given = {"case": "case-1", "by": "Ana", "channel": "phone", "label": label, "value": value}
    return shop.operation(msgspec.convert({**given, **fields}, TellFact), op_id=op_id)


def tried(op_id: str = FIRST, *, reason: str = "", case: str = "case-1") -> Operation:
    args = TryRemedy(case=case, by="Ana", text="Reset", has_failed=True, reason=reason)
    return shop.operation(args, op_id=op_id)


def case_of(rows: Rows, key: str = CASE) -> Case:
    found = body(rows, key)
    assert isinstance(found, Case)
    return found


def test_what_is_needed_is_asked_for_once_however_it_is_written() -> None:
    rows, _ = done(rows_of(), needed("The payer's consent", " the  PAYER'S consent", "card"))
    rows, _ = done(rows, needed("Card", op_id=SECOND))

    assert case_of(rows).missing == ("The payer's consent", "card")


def test_what_a_customer_told_is_missing_no_more_and_needed_no_more() -> None:
    rows, _ = done(rows_of(), needed("the payer's consent", "card"))

    rows, _ = done(rows, told("Card", "ends 4471"))
    rows, _ = done(rows, told("Consent", "yes", settles="The payer's consent", op_id=THIRD))
    again, _ = done(rows, needed("card", "consent", op_id="d" * 8))

    assert case_of(rows).missing == ()
    assert [(fact.label, fact.value, fact.channel) for fact in case_of(rows).told] == [
        ("Card", "ends 4471", "phone"), ("Consent", "yes", "phone"),
    ]  # fmt: skip
    assert again == rows


def test_a_fact_told_again_says_the_newer_word_once() -> None:
    rows, _ = done(rows_of(), told("size", "M"))

    rows, _ = done(rows, told("Size", "L", op_id=THIRD))

    assert [(fact.label, fact.value) for fact in case_of(rows).told] == [("Size", "L")]


def test_a_remedy_that_failed_twice_is_not_offered_again_without_a_reason() -> None:
    rows, _ = done(rows_of(), tried(FIRST))
    rows, _ = done(rows, tried(SECOND))

    refused = outcome_of(rows, tried(THIRD))
    rows, _ = done(rows, tried(THIRD, reason="she has a new telephone"))

    assert refused == Refusal("reason")
    assert case_of(rows).tried == (Remedy("Reset", 3, 3),)


def test_a_remedy_on_a_case_nobody_knows_or_of_somebody_else_is_refused() -> None:
    others = shop.row(case_of(rows_of()), owner="maya")

    assert outcome_of(rows_of(), tried(case="case-9")) == Refusal("unknown_case")
    assert outcome_of(rows_of(others), tried()) == Refusal("other_customer")


def test_what_was_told_about_a_case_nobody_knows_is_kept_in_a_case_of_its_own() -> None:
    fact, need = told("size", "L", case="case-9"), needed("receipt", case="case-9")
    rows, clash = done(rows_of(), fact)
    rows, other = done(rows, need)

    assert (clash, other) == ("unknown_case", "unknown_case")
    assert [one.value for one in case_of(rows, f"case/{SECOND}").told] == ["L"]
    assert case_of(rows, f"case/{FIRST}").missing == ("receipt",)
    back, _ = done(rows, undo_of(fact))
    assert case_of(back, f"case/{SECOND}").state == "taken_back"
    assert_twice_is_once(rows_of(), fact, need, undo_of(fact))


def test_another_customers_case_is_not_changed() -> None:
    others = shop.row(case_of(rows_of()), owner="maya")
    rows, clash = done(rows_of(others), told("size", "L"))

    assert clash == "other_customer"
    assert rows[CASE] == others


def test_each_change_of_the_checklist_can_be_taken_back() -> None:
    for op in (needed("receipt"), told("size", "L"), tried()):
        assert_undone(rows_of(), op, CASE)
        assert_twice_is_once(rows_of(), op, undo_of(op), now=NOON + MINUTE)
        assert_waits_where_nothing_is_held(op)
        assert_waits_where_nothing_is_held(undo_of(op))


def test_taken_back_late_leaves_what_was_written_after_it() -> None:
    rows, _ = done(rows_of(), needed("receipt"))
    rows, _ = done(rows, needed("card", op_id=SECOND))

    rows, _ = done(rows, undo_of(needed("receipt")))

    assert case_of(rows).missing == ("receipt", "card")


def test_a_fact_that_comes_after_its_undo_is_not_written_down() -> None:
    undo = shop.operation(TakeBackFact(case="case-1", change=SECOND), op_id=THIRD)
    rows, _ = done(rows_of(), undo)

    rows, _ = done(rows, told("size", "L"))

    assert case_of(rows).told == ()


def test_taking_back_a_fact_does_not_touch_the_promise_made_since() -> None:
    rows, _ = done(rows_of(), told("size", "L"))
    promise = PromiseAnswer(case="case-1", by="Ben", text="call", due_at=NOON + 5)
    rows, _ = done(rows, shop.operation(promise, op_id=FIRST))

    rows, _ = done(rows, undo_of(told("size", "L")))

    found = case_of(rows)
    assert found.promise is not None
    assert (found.promise.by, len(found.told)) == ("Ben", 1)


def test_a_promise_has_a_name_and_a_time_and_stands_in_the_thread() -> None:
    args = PromiseAnswer(
        case="case-1", by="Ana", text="an answer on the bill", due_at=NOON + 7, next_step="ask"
    )
    op = shop.operation(args)
    rows, clash = done(rows_of(), op)

    promise = case_of(rows).promise
    assert promise is not None
    assert (promise.by, promise.text, promise.due_at) == (
        "Ana",
        "an answer on the bill",
        NOON + 7,
    )
    said = body(rows, f"interaction/{FIRST}")
    assert isinstance(said, Interaction)
    assert (said.direction, said.about, clash) == ("note", CASE, "")
    assert "an answer on the bill" in said.text
    assert case_of(rows).next_step == "ask"
    assert_undone(rows_of(), op, CASE)
    assert_twice_is_once(rows_of(), op, undo_of(op))


def test_a_promise_on_a_case_nobody_knows_is_kept_with_a_case() -> None:
    args = PromiseAnswer(case="case-9", by="Ana", text="call", due_at=NOON + 7)
    _, clash = done(rows_of(), shop.operation(args))

    assert clash == "unknown_case"
    assert KINDS["promise_answer"].codes == ("unknown_case", "other_customer", "promised_often")


def test_a_note_leaves_the_lists_as_they_are() -> None:
    rows, _ = done(rows_of(), needed("receipt"))
    note = shop.operation(
        NoteCase(case="case-1", by="Mia", text="x", next_step="y"), op_id=SECOND
    )
    rows, _ = done(rows, note)

    rows, _ = done(rows, undo_of(note))

    assert case_of(rows).missing == ("receipt",)
