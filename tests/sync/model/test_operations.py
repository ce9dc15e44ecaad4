"""What each kind of operation does, at both ends alike."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.model import registry, rules
from sync.model.operation import CannotPredict, Effects, Evidence, Operation
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.note_case import NoteCase
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.records import Case, Interaction, Order, Pickup
from sync.model.row import Cell, Missing, Row
from tests.support import shop

OTHER_ID = "0190a1b2-0000-7000-8000-00000000000b"


def rows_with(*extra: Row, without: tuple[str, ...] = ()) -> dict[str, Row]:
    rows = {row.key: row for row in (*shop.lenas_rows(), *extra)}
    return {key: row for key, row in rows.items() if key not in without}


def run(
    rows: dict[str, Row], op: Operation, *, gone: Missing = Missing.ABSENT, now: int = shop.NOON
) -> tuple[dict[str, Row], str]:
    """Apply as both ends do: the rows afterwards, and the clash."""
    readable = registry.read(op)
    assert isinstance(readable, registry.Readable), readable
    cells: dict[str, Cell] = {key: rows.get(key, gone) for key in readable.keys}
    outcome = readable.apply(cells, now)
    assert isinstance(outcome, Effects), outcome
    return rows | {row.key: row for row in outcome.rows}, outcome.clash


def test_handing_over_a_parcel_says_who_gave_it_to_whom_and_where() -> None:
    op = shop.hand_over()

    rows, clash = run(rows_with(), op)

    pickup = rows["pickup/pk-1077"].body
    assert isinstance(pickup, Pickup)
    assert (pickup.state, pickup.handed_over_by, pickup.handed_over_to) == (
        "handed_over", "ben", "Lena",
    )  # fmt: skip
    assert (pickup.handed_over_store, pickup.handed_over_at) == ("harbour", shop.NOON)
    order = rows["order/W-1077"].body
    assert isinstance(order, Order)
    assert order.state == "collected"
    assert clash == ""


def test_a_parcel_handed_over_in_two_stores_becomes_a_case_with_both_sides() -> None:
    first = shop.hand_over(store="harbour", actor="ben")
    second = shop.hand_over(op_id=OTHER_ID, store="station", actor="mia", at=shop.NOON + 5)

    once, _ = run(rows_with(), first, now=shop.NOON + 9)
    twice, clash = run(once, second, now=shop.NOON + 9)

    assert clash == "handed_over_twice"
    case = twice[f"case/{OTHER_ID}"].body
    assert isinstance(case, Case)
    assert [(side.store, side.by, side.at) for side in case.sides] == [
        ("harbour", "ben", shop.NOON),
        ("station", "mia", shop.NOON + 5),
    ]
    assert (case.state, case.clash) == ("open", "handed_over_twice")
    assert twice["pickup/pk-1077"] == once["pickup/pk-1077"]


def test_a_parcel_the_centre_does_not_know_becomes_a_case_and_is_not_refused() -> None:
    rows, clash = run(rows_with(without=("pickup/pk-1077",)), shop.hand_over())

    assert clash == "unknown_pickup"
    assert isinstance(rows[f"case/{shop.hand_over().id}"].body, Case)


def test_a_parcel_this_device_does_not_hold_is_not_guessed_at() -> None:
    readable = registry.read(shop.hand_over())
    assert isinstance(readable, registry.Readable)

    outcome = readable.apply(dict.fromkeys(readable.keys, Missing.UNKNOWN), shop.NOON)

    assert outcome == CannotPredict()


def test_somebody_elses_parcel_is_gone_all_the_same_and_its_owner_gets_a_case() -> None:
    rows, clash = run(rows_with(), shop.hand_over(owner="tom"))

    assert clash == "other_customer"
    pickup = rows["pickup/pk-1077"].body
    assert isinstance(pickup, Pickup)
    assert pickup.state == "handed_over"
    assert rows[f"case/{shop.hand_over().id}"].owner == shop.LENA


def test_an_order_of_another_customer_is_not_touched_by_a_hand_over() -> None:
    args = HandOverPickup(pickup="pk-1077", order="W-9")
    theirs = shop.row(
        Order(id="W-9", at=1, channel="web", state="paid", lines=(), total_minor=1), owner="tom"
    )

    rows, _ = run(rows_with(theirs), shop.operation(args))

    assert rows["order/W-9"] == theirs


def test_what_a_customer_says_waits_for_an_answer_within_a_day() -> None:
    rows, _ = run(rows_with(), shop.said("too small"))

    said = rows[f"interaction/{shop.said().id}"].body
    assert isinstance(said, Interaction)
    assert (said.text, said.direction, said.at) == ("too small", "in", shop.NOON)
    assert said.due_at == shop.NOON + rules.ANSWER_WITHIN_US


def test_an_answer_stops_the_customers_message_from_waiting() -> None:
    args = RecordInteraction(
        channel="whatsapp", direction="out", by="Ben", text="sorry", answers="in-1"
    )

    rows, _ = run(rows_with(), shop.operation(args))

    earlier = rows["interaction/in-1"].body
    assert isinstance(earlier, Interaction)
    assert earlier.answered_at == shop.NOON


def test_an_answer_for_one_customer_never_marks_another_customers_message() -> None:
    args = RecordInteraction(
        channel="whatsapp", direction="out", by="Ben", text="sorry", answers="in-1"
    )

    rows, _ = run(rows_with(), shop.operation(args, owner="tom"))

    assert rows["interaction/in-1"] == rows_with()["interaction/in-1"]


def test_a_note_can_promise_and_say_the_next_step() -> None:
    args = NoteCase(
        case="case-1", by="Ben", text="spoke to her", promise_text="refund",
        promise_due_at=shop.NOON + 7, next_step="pay it",
    )  # fmt: skip

    rows, clash = run(rows_with(), shop.operation(args))

    case = rows["case/case-1"].body
    assert isinstance(case, Case)
    assert case.promise is not None
    assert (case.promise.by, case.promise.text, case.promise.due_at) == (
        "Ben", "refund", shop.NOON + 7,
    )  # fmt: skip
    assert case.next_step == "pay it"
    note = rows[f"interaction/{shop.noted().id}"].body
    assert isinstance(note, Interaction)
    assert (note.direction, note.audience, note.about) == ("note", "internal", "case/case-1")
    assert clash == ""


def test_solving_a_case_keeps_its_promise_and_answers_the_thread() -> None:
    args = NoteCase(case="case-1", by="Ben", text="done", solved=True, answers=("in-1", "in-1"))

    rows, _ = run(rows_with(), shop.operation(args))

    case, message = rows["case/case-1"].body, rows["interaction/in-1"].body
    assert isinstance(case, Case)
    assert isinstance(message, Interaction)
    assert (case.state, case.next_step) == ("solved", "")
    assert case.promise is not None
    assert case.promise.kept_at == shop.NOON
    assert message.answered_at == shop.NOON


def test_a_note_on_a_case_nobody_knows_is_kept_beside_a_case_that_says_so() -> None:
    rows, clash = run(rows_with(without=("case/case-1",)), shop.noted("important"))

    note = rows[f"interaction/{shop.noted().id}"].body
    assert isinstance(note, Interaction)
    assert (clash, note.text) == ("unknown_case", "important")
    assert note.about == f"case/{shop.noted().id}"
    assert note.about in rows


def test_a_note_on_a_case_this_device_does_not_hold_is_shown_as_a_note() -> None:
    rows, clash = run(rows_with(without=("case/case-1",)), shop.noted(), gone=Missing.UNKNOWN)

    assert f"interaction/{shop.noted().id}" in rows
    assert f"case/{shop.noted().id}" not in rows
    assert clash == ""


def test_a_note_for_one_customer_never_changes_another_customers_case() -> None:
    rows, clash = run(rows_with(), shop.noted(owner="tom"))

    assert clash == "other_customer"
    assert rows["case/case-1"] == rows_with()["case/case-1"]
    assert rows[f"interaction/{shop.noted().id}"].owner == "tom"


ANY_OP = st.one_of(
    st.builds(lambda pickup, order: shop.operation(HandOverPickup(pickup=pickup, order=order)),
              st.sampled_from(["pk-1077", "pk-9"]), st.sampled_from(["W-1077", "W-9", ""])),
    st.builds(lambda text, answers: shop.operation(RecordInteraction(
        channel="store", direction="out", by="Ben", text=text, answers=answers)),
        st.text(max_size=20), st.sampled_from(["", "in-1", "in-9"])),
    st.builds(lambda case, solved, promise: shop.operation(NoteCase(
        case=case, by="Ben", text="x", solved=solved, promise_text=promise,
        promise_due_at=1 if promise else 0, answers=("in-1",))),
        st.sampled_from(["case-1", "case-9"]), st.booleans(), st.sampled_from(["", "call"])),
)  # fmt: skip


@given(ANY_OP, st.sampled_from([shop.LENA, "tom"]), st.integers(0, 2 * shop.NOON))
def test_applying_an_operation_twice_is_the_same_as_once(
    op: Operation, owner: str, now: int
) -> None:
    op = msgspec.structs.replace(op, owner=owner)

    once, clash = run(rows_with(), op, now=now)
    twice, again = run(once, op, now=now + 5)

    assert twice == once
    assert again == clash


@given(ANY_OP, ANY_OP)
def test_an_operation_that_comes_again_after_another_changes_nothing(
    first: Operation, second: Operation
) -> None:
    second = msgspec.structs.replace(second, id=OTHER_ID)

    before, _ = run(run(rows_with(), first)[0], second)
    after, _ = run(before, first)

    assert after == before


def test_nothing_happened_later_than_now_whatever_the_device_says() -> None:
    rows, _ = run(rows_with(), shop.said(at=shop.NOON * 2), now=shop.NOON)

    assert rows[f"interaction/{shop.said().id}"].as_of == shop.NOON


def test_a_case_has_the_same_number_at_both_ends() -> None:
    assert rules.case_number(OTHER_ID) == rules.case_number(OTHER_ID) == "C-0000011"
    assert rules.case_number(shop.said().id) != rules.case_number(OTHER_ID)


@pytest.mark.parametrize(
    ("kind", "v", "args", "code"),
    [
        ("teleport", 1, b"{}", "unknown_kind"),
        ("note_case", 2, b"{}", "unknown_version"),
        ("note_case", 0, b"{}", "unknown_version"),
        ("note_case", 1, b"{}", "malformed_args"),
        ("note_case", 1, b"[" * 5_000, "malformed_args"),
        ("record_interaction", 1, b'{"channel":"smoke","direction":"in","by":"","text":""}',
         "malformed_args"),
        ("record_interaction", 1, b'{"channel":"x","direction":"in","by":"","text":"\xff"}',
         "malformed_args"),
    ],
)  # fmt: skip
def test_an_operation_this_version_cannot_read_is_named_and_not_lost(
    kind: str, v: int, args: bytes, code: str
) -> None:
    op = msgspec.structs.replace(shop.said(), kind=kind, v=v, args=msgspec.Raw(args))

    assert registry.read(op) == registry.Unjudged(code)


@pytest.mark.parametrize(
    ("kind", "assurance", "may"),
    [
        ("hand_over_pickup", "A0", False),
        ("hand_over_pickup", "A1", False),
        ("hand_over_pickup", "A2", True),
        ("hand_over_pickup", "A3", True),
        ("hand_over_pickup", "S1", True),
        ("note_case", "A3", False),
        ("note_case", "S1", True),
        ("note_case", "root", False),
        ("teleport", "A3", False),
    ],
)
def test_a_kind_needs_its_least_assurance_and_staff_always_may(
    kind: str, assurance: str, may: bool
) -> None:
    op = msgspec.structs.replace(shop.said(), kind=kind, evidence=Evidence(assurance))

    assert rules.may_record(registry.ASSURANCE_OF, op) is may
