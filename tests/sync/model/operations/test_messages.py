"""What both ends make of an answer to a customer, of something the shop tells, and of taking either back."""

import msgspec
import pytest

from sync.model import registry
from sync.model.operation import CannotPredict, Operation, Refusal
from sync.model.operations.answer_interaction import AnswerInteraction
from sync.model.operations.notify_customer import NotifyCustomer
from sync.model.operations.take_back_answer import TakeBackAnswer
from sync.model.records import Case, Consent, Customer, Interaction
from sync.model.row import Missing
from tests.support import shop
from tests.support.operations import (
    FIRST,
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


def answer(text: str = "It is here.", *, op_id: str = FIRST, **fields: object) -> Operation:
    args = AnswerInteraction(answers="in-1", by="Ben", text=text)
    return shop.operation(msgspec.structs.replace(args, **fields), op_id=op_id)


def notice(kind: str = "text", *, op_id: str = FIRST, **fields: object) -> Operation:
    args = NotifyCustomer(notice=kind, by="Ben", text="Your parcel waits.")
    return shop.operation(msgspec.structs.replace(args, **fields), op_id=op_id)


def message(rows: Rows, op: Operation) -> Interaction:
    found = body(rows, f"interaction/{op.id}")
    assert isinstance(found, Interaction)
    return found


def asked(rows: Rows) -> Interaction:
    found = body(rows, "interaction/in-1")
    assert isinstance(found, Interaction)
    return found


def test_an_answer_goes_out_in_the_channel_the_customer_wrote_in() -> None:
    rows, clash = done(rows_of(), answer())

    said = message(rows, answer())
    assert (said.direction, said.channel, said.delivery) == ("out", "whatsapp", "queued")
    assert asked(rows).answered_op == FIRST
    assert clash == ""


def test_an_answer_keeps_to_the_thread_and_the_matter_of_what_it_answers() -> None:
    before = rows_of()
    row = before["interaction/in-1"]
    told = msgspec.structs.replace(
        asked(before), thread="77", about="order/W-1077", topic="late parcel"
    )
    before["interaction/in-1"] = msgspec.structs.replace(row, body=told)

    rows, _ = done(before, answer())
    other, _ = done(before, answer(channel="email", op_id=SECOND))

    said = message(rows, answer())
    assert (said.thread, said.about, said.topic) == ("77", "order/W-1077", "late parcel")
    assert message(other, answer(op_id=SECOND)).thread == "", "a thread of another channel"


def test_an_answer_given_in_the_store_is_out_already() -> None:
    rows, _ = done(rows_of(), answer(channel="store"))

    assert message(rows, answer()).delivery == ""


def test_nobody_answers_what_another_customer_wrote() -> None:
    op = msgspec.structs.replace(answer(), owner="tom")

    assert outcome_of(rows_of(), op) == Refusal("other_customer")


def test_an_answer_to_nothing_known_needs_a_channel() -> None:
    without = {key: row for key, row in rows_of().items() if key != "interaction/in-1"}

    assert outcome_of(without, answer()) == Refusal("unknown_contact")
    rows, _ = done(without, answer(channel="email"))
    assert message(rows, answer()).channel == "email"


def test_a_device_that_does_not_hold_the_contact_does_not_guess() -> None:
    assert_waits_where_nothing_is_held(answer())
    assert_waits_where_nothing_is_held(notice())
    assert_waits_where_nothing_is_held(notice("offer", channel="email"))


@pytest.mark.parametrize("op", [answer(), notice(channel="email")], ids=["answer", "notice"])
def test_a_message_that_comes_again_is_one_message(op: Operation) -> None:
    assert_twice_is_once(rows_of(), op, undo_of(op, op_id=SECOND))


def test_taking_an_answer_back_leaves_the_customer_waiting_again() -> None:
    assert_undone(rows_of(), answer(), "interaction/in-1")
    sent, _ = done(rows_of(), answer())

    rows, clash = done(sent, undo_of(answer()), now=NOON + 5)

    assert message(rows, answer()).taken_back_at
    assert message(rows, answer()).delivery == ""
    assert clash == ""


@pytest.mark.parametrize("state", ["sending", "sent", "delivered", "read"])
def test_what_is_out_cannot_be_taken_back_and_a_person_hears_of_it(state: str) -> None:
    rows, _ = done(rows_of(), answer())
    row = rows[f"interaction/{FIRST}"]
    out = msgspec.structs.replace(message(rows, answer()), delivery=state)
    rows[row.key] = msgspec.structs.replace(row, body=out)

    after, clash = done(rows, undo_of(answer()), now=NOON + 5)
    again, said = done(after, undo_of(answer()), now=NOON + 9)

    assert clash == said == "already_sent"
    assert message(after, answer()).taken_back_at == 0
    assert asked(after).answered_op == FIRST
    case = body(after, f"case/{THIRD}")
    assert isinstance(case, Case)
    assert (case.clash, case.state) == ("already_sent", "open")
    assert again == after


def test_only_a_message_of_ours_is_taken_back() -> None:
    op = shop.operation(TakeBackAnswer(answer="in-1"), op_id=SECOND)

    rows, clash = done(rows_of(), op)

    assert (rows, clash) == (rows_of(), "")


def test_a_customer_is_told_in_the_channel_she_prefers() -> None:
    before = rows_of()
    row = before["customer/lena"]
    prefers = Customer(id="lena", given_name="Lena", preferred_channel="whatsapp")
    before["customer/lena"] = msgspec.structs.replace(row, body=prefers)

    preferred, _ = done(before, notice())
    unknown, _ = done(rows_of(), notice())
    chosen, _ = done(before, notice(channel="phone"))

    said = [message(rows, notice()).channel for rows in (preferred, unknown, chosen)]
    assert said == ["whatsapp", "email", "phone"]


def test_an_offer_needs_the_consent_and_a_parcel_does_not() -> None:
    agreed = shop.row(Consent("lena:marketing", "marketing", is_granted=True, at=NOON))
    withdrew = shop.row(Consent("lena:marketing", "marketing", is_granted=False, at=NOON))

    outcomes = [outcome_of(rows_of(), notice("offer"))]
    outcomes.append(outcome_of(rows_of(withdrew), notice("offer")))
    rows, _ = done(rows_of(agreed), notice("offer"))
    told, _ = done(rows_of(withdrew), notice("parcel_ready"))

    assert outcomes == [Refusal("no_consent")] * 2
    assert message(rows, notice()).topic == "offer"
    assert message(told, notice()).topic == "parcel_ready"


def test_what_the_shop_tells_by_itself_answers_no_question() -> None:
    ready, _ = done(rows_of(), notice("parcel_ready"))
    words, _ = done(rows_of(), notice("text"))

    assert message(ready, notice()).is_automatic
    assert not message(words, notice()).is_automatic


def test_nothing_can_be_sent_in_the_store() -> None:
    assert outcome_of(rows_of(), notice(channel="store")) == Refusal("no_channel")


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("notify_customer", b'{"notice":"spam","by":"B","text":"x"}'),
        ("notify_customer", b'{"notice":"text","by":"B","text":""}'),
        ("notify_customer", b'{"notice":"text","by":"B","text":"x","channel":"smoke"}'),
        ("answer_interaction", b'{"answers":"in-1","by":"B","text":"x","channel":"smoke"}'),
        ("answer_interaction", b'{"answers":"","by":"B","text":"x"}'),
    ],
)
def test_arguments_that_make_no_sense_are_held(kind: str, args: bytes) -> None:
    op = msgspec.structs.replace(answer(), kind=kind, args=msgspec.Raw(args))

    assert registry.read(op) == registry.Unjudged("malformed_args")


def test_taking_back_where_the_message_is_not_held_waits_for_the_centre() -> None:
    assert outcome_of({}, undo_of(answer()), gone=Missing.UNKNOWN) == CannotPredict()
