"""What opens, continues, answers and closes a conversation, in whatever order it was heard of."""

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.model.conversation import DAY_US, DROPPED, MISSED, dropped_cases, is_thanks, settled
from sync.model.records import SMS, VOICE_MAIL, Interaction

HOUR = 3_600 * 1_000_000
PROMISE = 24 * HOUR


def contact(
    ref: str, at: int, direction: str = "in", text: str = "hello?", **more: Any
) -> Interaction:
    values = {"channel": "whatsapp", "by": "", **more}
    return Interaction(
        id=f"chat:{ref}" if ":" not in ref else ref,
        at=at,
        direction=direction,
        text=text,
        **values,
    )


def after(*contacts: Interaction) -> dict[str, tuple[int, int]]:
    """When each is due and was answered, once the rules were applied."""
    found = {it.id: it for it in contacts} | {
        it.id: it for it in settled(contacts, promise_us=PROMISE)
    }
    return {name.rpartition(":")[2]: (it.due_at, it.answered_at) for name, it in found.items()}


@pytest.mark.parametrize(
    "text",
    [
        "thanks", "Thank you so much!", "ok thanks", "Danke schön", "merci", "👍", "👍🏽", "🙏🙏", "OK", "great, thank you", "Vielen Dank!", "thx",
        "bye", "Perfect 😀",
    ],
)  # fmt: skip
def test_thanks_asks_for_nothing(text: str) -> None:
    assert is_thanks(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "?", "thanks, but where is it?", "thanks but it is broken", "no", "help", "ok when", "you", "the", "😡", "it will",
        "thanks thanks thanks thanks thanks thanks thanks thanks thanks",
    ],
)  # fmt: skip
def test_what_asks_for_something_is_no_thanks(text: str) -> None:
    assert not is_thanks(text)


def test_a_message_is_owed_an_answer_until_somebody_answers() -> None:
    assert after(contact("a", 10)) == {"a": (10 + PROMISE, 0)}
    assert after(contact("a", 10), contact("b", 20, "out")) == {
        "a": (10 + PROMISE, 20),
        "b": (0, 0),
    }


def test_three_messages_in_a_row_are_one_contact_due_from_the_first() -> None:
    found = after(contact("a", 10), contact("b", 11), contact("c", 12))

    assert found == {"a": (10 + PROMISE, 0), "b": (0, 0), "c": (0, 0)}


def test_an_answer_answers_all_of_a_contact_and_the_next_message_opens_another() -> None:
    found = after(contact("a", 10), contact("b", 11), contact("o", 12, "out"), contact("c", 13))

    assert found["a"][1] == found["b"][1] == 12
    assert found["c"] == (13 + PROMISE, 0)


def test_thanks_opens_nothing_but_continues_what_is_open() -> None:
    assert after(contact("t", 10, text="thanks!"))["t"] == (0, 0)
    found = after(contact("a", 9), contact("t", 10, text="ok"), contact("o", 11, "out"))
    assert found["t"] == (0, 11)


@pytest.mark.parametrize("more", [{"is_automatic": True}, {"delivery": "failed"}])
def test_an_automatic_reply_or_one_that_did_not_arrive_is_no_answer(
    more: dict[str, Any],
) -> None:
    assert after(contact("a", 10), contact("o", 11, "out", **more))["a"] == (10 + PROMISE, 0)


def test_an_automatic_message_of_the_customers_own_mailbox_opens_nothing() -> None:
    assert after(contact("a", 10, is_automatic=True))["a"] == (0, 0)


def test_a_note_among_ourselves_is_no_answer_but_one_that_closes_is() -> None:
    assert after(contact("a", 10), contact("n", 11, "note"))["a"][1] == 0
    assert after(contact("a", 10), contact("n", 11, "note", is_closing=True))["a"][1] == 11


def test_what_staff_here_answered_stays_answered_and_answers_the_rest_of_it() -> None:
    answered = contact("a", 10, answered_at=30, answered_op="op-1")

    found = after(answered, contact("b", 11), contact("c", 40))

    assert (found["a"][1], found["b"][1]) == (30, 30)
    assert found["c"] == (40 + PROMISE, 0)


def test_an_answer_of_staff_here_answers_the_whole_contact_though_nothing_follows() -> None:
    found = after(contact("a", 10, answered_at=30, answered_op="op-1"), contact("b", 11))

    assert found["b"][1] == 30


def test_what_staff_here_recorded_is_left_as_it_is() -> None:
    recorded = Interaction("0190-op", 10, "whatsapp", "in", "Lena", "hello", due_at=99)

    assert settled([recorded], promise_us=PROMISE) == ()


def test_what_was_taken_back_neither_asks_nor_answers() -> None:
    found = after(contact("a", 10), contact("o", 11, "out", taken_back_at=12))

    assert found["a"][1] == 0


def test_an_answered_call_waits_for_nothing_and_a_lost_one_does() -> None:
    found = after(
        contact("k1", 10, channel="phone", topic="billing"),
        contact("k2", 20, channel="phone", topic=DROPPED),
    )

    assert found["k1"] == (0, 10)
    assert found["k2"] == (20 + PROMISE, 0)


@pytest.mark.parametrize("form", [SMS, VOICE_MAIL])
def test_what_is_left_on_the_telephone_is_owed_an_answer_as_any_message(form: str) -> None:
    left = contact("s1", 10, channel="phone", form=form)

    assert after(left)["s1"] == (10 + PROMISE, 0)
    assert after(left, contact("o", 20, "out", channel="phone"))["s1"][1] == 20
    assert after(left, contact("k", 30, channel="phone", topic="billing"))["s1"][1] == 30


def test_calling_back_answers_a_lost_call() -> None:
    found = after(
        contact("k1", 10, channel="phone", topic=MISSED),
        contact("k2", 20, "out", channel="phone"),
    )

    assert found["k1"][1] == 20


@given(st.permutations(range(7)))
def test_the_order_in_which_it_was_heard_of_does_not_matter(order: list[int]) -> None:
    said = [
        contact("a", 10), contact("b", 11), contact("x", 12, "out", is_automatic=True), contact("o", 13, "out"),
        contact("t", 14, text="thanks"), contact("c", 15), contact("d", 15),
    ]  # fmt: skip

    assert after(*(said[index] for index in order)) == after(*said)


def test_settling_what_is_settled_changes_nothing() -> None:
    said = (contact("a", 10), contact("b", 11), contact("o", 13, "out"))
    once = {it.id: it for it in said} | {it.id: it for it in settled(said, promise_us=PROMISE)}

    assert settled(tuple(once.values()), promise_us=PROMISE) == ()


def call(ref: str, at: int, topic: str = DROPPED, direction: str = "in") -> Interaction:
    return contact(ref, at, direction, channel="phone", topic=topic)


@pytest.mark.parametrize(
    ("calls", "n_cases"),
    [
        ([call("a", 0), call("b", DAY_US)], 1),
        ([call("a", 0), call("b", DAY_US + 1)], 0),
        ([call("a", 0)], 0),
        ([call("a", 0), call("m", 1, MISSED)], 0),
        ([call("a", 0), call("x", 1, "billing"), call("b", 2)], 0),
        ([call("a", 0), call("x", 1, "", "out"), call("b", 2)], 0),
        ([call("a", 0), call("m", 1, MISSED), call("b", 2)], 1),
        ([call("a", 0), contact("s", 1, channel="phone", form=SMS), call("b", 2)], 1),
        ([call("a", 0), call("b", 1), call("c", 2)], 1),
        ([call("a", 0), call("b", 1), call("c", 9 * DAY_US), call("d", 9 * DAY_US + 1)], 2),
    ],
)
def test_two_lost_calls_within_a_day_are_a_case_unless_somebody_was_reached(
    calls: list[Interaction], n_cases: int
) -> None:
    found = {dropped_cases(order, promise_us=PROMISE) for order in permutations(calls)}

    assert len(found) == 1
    (cases,) = found
    assert len(cases) == n_cases
    assert all(case.promise is not None and case.state == "open" for case in cases)


def test_a_case_of_lost_calls_is_the_same_when_another_call_is_lost() -> None:
    two = dropped_cases([call("a", 0), call("b", 1)], promise_us=PROMISE)
    three = dropped_cases([call("a", 0), call("b", 1), call("c", 2)], promise_us=PROMISE)

    assert two[0].id == three[0].id
    assert msgspec.structs.replace(three[0], topic=two[0].topic) == two[0]
