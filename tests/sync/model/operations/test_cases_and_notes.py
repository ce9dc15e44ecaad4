"""Cases opened, notes written, parcels handed over: and each taken back, as if it had not been."""

import msgspec
import pytest

from sync.model.operation import Operation
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.note_case import NoteCase
from sync.model.operations.open_case import OpenCase
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.operations.void_operation import VoidOperation
from sync.model.profile import Profile
from sync.model.records import Case, Decision, Interaction, Order, Pickup
from sync.model.rules import case_number
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


def opened(op_id: str = FIRST) -> Operation:
    args = OpenCase(
        topic="shirt too small", channel="phone", by="Ana", text="She wants it in L.",
        told=(("size", "L"),), missing=("receipt",), promise_text="call back",
        promise_due_at=NOON + 9, next_step="ask the store", payer="her employer",
    )  # fmt: skip
    return shop.operation(args, op_id=op_id)


def noted(**fields: object) -> Operation:
    values: dict[str, object] = {
        "case": "case-1", "by": "Ben", "text": "done", "solved": True, "answers": ("in-1",),
    }  # fmt: skip
    return shop.operation(msgspec.convert(values | fields, NoteCase))


def case_of(rows: Rows, case: str) -> Case:
    found = body(rows, f"case/{case}")
    assert isinstance(found, Case)
    return found


def shown(rows: Rows, kind: type[Case] | type[Interaction]) -> set[str]:
    """Keys a screen is given."""
    profile = Profile(shop.LENA, tuple(row for row in rows.values() if row.owner == shop.LENA))
    return {row.key for row, _ in profile.of(kind)}


def test_a_case_has_a_number_what_was_told_and_a_promise() -> None:
    rows, clash = done(rows_of(), opened())

    case = case_of(rows, FIRST)
    assert (case.number, case.state, case.payer) == (case_number(FIRST), "open", "her employer")
    assert [(fact.label, fact.value, fact.channel, fact.at) for fact in case.told] == [
        ("size", "L", "phone", NOON)
    ]
    assert case.promise is not None
    assert (case.promise.by, case.promise.due_at) == ("Ana", NOON + 9)
    said = body(rows, f"interaction/{FIRST}")
    assert isinstance(said, Interaction)
    assert (said.text, said.about, clash) == ("She wants it in L.", f"case/{FIRST}", "")


def test_a_case_opened_by_mistake_is_kept_and_no_longer_shown() -> None:
    rows, _ = done(rows_of(), opened())
    back, _ = done(rows, undo_of(opened()))

    assert case_of(back, FIRST).state == "taken_back"
    assert f"case/{FIRST}" in shown(rows, Case) - shown(back, Case)
    assert f"interaction/{FIRST}" in shown(rows, Interaction) - shown(back, Interaction)


def test_a_case_somebody_worked_on_is_not_taken_away_from_them() -> None:
    rows, _ = done(rows_of(), opened())
    note = NoteCase(case=FIRST, by="Mia", text="called her", next_step="wait")
    rows, _ = done(rows, shop.operation(note, op_id=SECOND))

    rows, _ = done(rows, undo_of(opened()))

    assert (case_of(rows, FIRST).state, case_of(rows, FIRST).next_step) == ("open", "wait")


def test_a_note_taken_back_leaves_the_case_as_it_was_and_the_message_waiting() -> None:
    rows, _ = done(rows_of(), noted())
    assert case_of(rows, "case-1").state == "solved"

    assert_undone(rows_of(), noted(), "case/case-1", "interaction/in-1")
    back, _ = done(rows, undo_of(noted()))
    assert f"interaction/{FIRST}" in shown(rows, Interaction) - shown(back, Interaction)


def test_a_note_taken_back_late_leaves_what_was_written_after_it() -> None:
    rows, _ = done(rows_of(), noted())
    later = NoteCase(case="case-1", by="Mia", text="again", next_step="call tomorrow")
    rows, _ = done(rows, shop.operation(later, op_id=SECOND))

    rows, _ = done(rows, undo_of(noted()))

    assert case_of(rows, "case-1").next_step == "call tomorrow"


def test_an_answer_taken_back_makes_her_wait_again() -> None:
    args = RecordInteraction(
        channel="whatsapp", direction="out", by="Ben", text="sorry", answers="in-1"
    )
    assert_undone(rows_of(), shop.operation(args), "interaction/in-1")


def test_a_note_that_clashed_takes_its_case_with_it() -> None:
    note = noted(case="case-9", answers=())
    rows, clash = done(rows_of(), note)
    assert clash == "unknown_case"

    back, _ = done(rows, undo_of(note))

    assert f"case/{FIRST}" in shown(rows, Case) - shown(back, Case)


def test_a_parcel_handed_over_by_mistake_is_ready_again() -> None:
    assert_undone(rows_of(), shop.hand_over(), "pickup/pk-1077", "order/W-1077")


def test_taking_back_a_second_hand_over_closes_its_case_and_leaves_the_first() -> None:
    second = shop.hand_over(op_id=SECOND, store="station")
    rows, _ = done(rows_of(), shop.hand_over())
    rows, _ = done(rows, second)

    rows, _ = done(rows, undo_of(second))

    pickup = body(rows, "pickup/pk-1077")
    assert isinstance(pickup, Pickup)
    assert (pickup.state, pickup.handed_over_op) == ("handed_over", FIRST)
    assert case_of(rows, SECOND).state == "solved"


def test_a_hand_over_that_comes_after_its_undo_hands_nothing_over() -> None:
    rows, _ = done(rows_of(), undo_of(shop.hand_over()))

    rows, _ = done(rows, shop.hand_over())

    pickup, order = body(rows, "pickup/pk-1077"), body(rows, "order/W-1077")
    assert isinstance(pickup, Pickup)
    assert isinstance(order, Order)
    assert (pickup.state, order.state) == ("ready", "ready")


def test_a_held_operation_is_void_with_who_and_why() -> None:
    op = shop.operation(VoidOperation(op="old", reason="she came back"), op_id=SECOND)

    rows, _ = done(rows_of(), op)

    decision = body(rows, "decision/old")
    assert isinstance(decision, Decision)
    assert (decision.status, decision.by, decision.reason) == ("void", "ben", "she came back")
    assert_twice_is_once(rows_of(), op)


@pytest.mark.parametrize(
    "first",
    [opened(), noted(), noted(case="case-9"), shop.hand_over(), shop.said("hello")],
    ids=lambda op: op.kind,
)
def test_they_come_again_and_change_nothing(first: Operation) -> None:
    second = shop.operation(HandOverPickup(pickup="pk-1077", order="W-1077"), op_id=SECOND)

    assert_twice_is_once(rows_of(), first, undo_of(first), now=NOON + MINUTE)
    assert_twice_is_once(rows_of(), first, second, undo_of(second), now=NOON + MINUTE)
    assert_waits_where_nothing_is_held(undo_of(first, op_id=THIRD))
