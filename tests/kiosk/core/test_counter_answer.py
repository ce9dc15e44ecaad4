"""What a clerk can answer, by which ways, and what became of what was sent before."""

import pytest
from msgspec.structs import replace

from kiosk.core.counter_answer import answering_of, channels_of, delivery_text, failed_of
from kiosk.core.counter_thread import timeline_of
from kiosk.core.entries import Telling
from kiosk.core.staff_words import HOUR_US, MINUTE_US
from sync.model.card import card_of, card_text
from sync.model.profile import Profile
from sync.model.records import ContactPoint, Interaction, Record
from sync.model.row import Row, row_of
from tests.support.demo_side import NOW_US, POST, WORDS

TELL = Telling(WORDS, POST, NOW_US)
MAIL = ContactPoint("p-1", "email", "priya@example.com")


def held(*bodies: Record) -> Profile:
    return Profile(
        "priya",
        tuple(row_of(one, owner="priya", as_of=NOW_US, source="web") for one in bodies),
    )


def wrote(channel: str, *, hours_ago: int, due_in_h: int = 0) -> Interaction:
    due_at = NOW_US + due_in_h * HOUR_US if due_in_h else 0
    at = NOW_US - hours_ago * HOUR_US
    name = f"{channel}:{hours_ago}"
    return Interaction(name, at, channel, "in", "Priya", "The zip broke", due_at=due_at)


def sent(delivery: str, *, minutes_ago: int = 10, reason: str = "") -> Interaction:
    at = NOW_US - minutes_ago * MINUTE_US
    name = f"op-{minutes_ago}"
    return Interaction(
        name, at, "whatsapp", "out", "Mira", "Done", delivery=delivery, delivery_reason=reason
    )


def test_nothing_can_be_answered_where_the_customer_wrote_nothing() -> None:
    assert answering_of(held(MAIL, sent("sent")), TELL, name="Priya") is None


def test_who_waits_longest_past_the_promise_is_answered_before_the_newest() -> None:
    late = wrote("whatsapp", hours_ago=71, due_in_h=-47)
    newest = wrote("email", hours_ago=1, due_in_h=23)

    answering = answering_of(held(late, newest), TELL, name="Priya")

    assert answering is not None
    assert answering.answers == "whatsapp:71"
    assert "The zip broke" in answering.title


def test_the_customers_own_channel_is_the_first_way_and_saying_it_here_the_last() -> None:
    profile = held(MAIL, wrote("whatsapp", hours_ago=3, due_in_h=21))

    answering = answering_of(profile, TELL, name="Priya")

    assert answering is not None
    assert channels_of(answering.ways) == ("whatsapp", "email", "store")


def test_a_channel_that_only_receives_is_no_way_and_that_is_said_with_the_next() -> None:
    profile = held(MAIL, wrote("tiktok", hours_ago=3))

    answering = answering_of(profile, TELL, name="Priya", mute={"tiktok", "instagram"})

    assert answering is not None
    assert channels_of(answering.ways) == ("email", "store")
    assert answering.ways[0].mark.endswith("by E-mail; TikTok only receives")


def test_where_every_written_channel_only_receives_it_can_be_said_here() -> None:
    answering = answering_of(
        held(wrote("tiktok", hours_ago=3)), TELL, name="Priya", mute={"tiktok"}
    )

    assert answering is not None
    assert channels_of(answering.ways) == ("store",)
    assert answering.ways[0].mark.endswith("TikTok only receives")


def test_a_telephone_that_only_receives_is_said_to_be_so_by_sms() -> None:
    sms = Interaction("twilio:1", NOW_US, "phone", "in", "Lena", "hello?", form="sms")

    answering = answering_of(held(MAIL, sms), TELL, name="Lena", mute={"phone"})

    assert answering is not None
    assert answering.ways[0].mark.endswith("by E-mail; SMS only receives")


def test_a_call_is_not_answered_in_writing_on_the_telephone() -> None:
    answering = answering_of(held(MAIL, wrote("phone", hours_ago=3)), TELL, name="Priya")

    assert answering is not None
    assert channels_of(answering.ways) == ("email", "store")


@pytest.mark.parametrize(("hours", "said"), [(3, ": 21 h left"), (23, ": 60 min left")])
def test_whatsapp_says_how_long_free_text_is_still_taken(hours: int, said: str) -> None:
    answering = answering_of(held(wrote("whatsapp", hours_ago=hours)), TELL, name="Priya")

    assert answering is not None
    assert answering.ways[0].mark == f"CUSTOMER WILL READ THIS, by WhatsApp{said}"


def test_after_24_hours_whatsapp_says_that_only_the_template_goes() -> None:
    answering = answering_of(held(wrote("whatsapp", hours_ago=24)), TELL, name="Priya")

    assert answering is not None
    assert "24 h are over" in answering.ways[0].mark
    assert "template" in answering.ways[0].mark


def test_what_failed_begins_again_with_its_text_and_another_way() -> None:
    failed = sent("failed", reason="no address")
    profile = held(MAIL, wrote("whatsapp", hours_ago=3, due_in_h=21), failed)

    answering = answering_of(profile, TELL, name="Priya", again=failed.id)

    assert answering is not None
    assert answering.text == "Done"
    assert channels_of(answering.ways) == ("email", "store", "whatsapp")


def test_a_failed_message_is_history_once_another_reached_the_customer() -> None:
    failed, reached = sent("failed", minutes_ago=10), sent("sent", minutes_ago=5)

    assert [it.id for _, it in failed_of(held(failed), NOW_US)] == ["op-10"]
    assert [it.id for _, it in failed_of(held(sent("unsure", minutes_ago=9)), NOW_US)] == [
        "op-9"
    ]
    assert failed_of(held(failed, reached), NOW_US) == ()


@pytest.mark.parametrize(
    ("delivery", "reason", "said"),
    [
        ("queued", "", "waits to be sent"),
        ("queued", "the channel is paused", "waits: the channel is paused"),
        ("sending", "", "is being sent"),
        ("sent", "", "sent"),
        ("delivered", "", "delivered"),
        ("read", "", "read"),
        ("failed", "no address", "NOT SENT: no address"),
        ("failed", "", "NOT SENT: the centre did not say why"),
        ("unsure", "no answer", "NOT SURE IT ARRIVED: no answer"),
        ("folded", "", "on its way"),
        ("", "", ""),
    ],
)
def test_what_became_of_a_message_is_said_in_words(
    delivery: str, reason: str, said: str
) -> None:
    assert delivery_text(*_row(sent(delivery, reason=reason)), TELL, held()) == said


def test_a_message_that_can_still_be_taken_back_says_when_it_goes() -> None:
    said = delivery_text(
        *_row(sent("queued", minutes_ago=1)), TELL, held(wrote("whatsapp", hours_ago=3))
    )

    assert said == "goes out 14:06, until then it can be taken back"


def test_after_24_hours_a_message_says_that_it_goes_as_the_template_or_waits() -> None:
    queued = _row(sent("queued", minutes_ago=1))

    said = delivery_text(*queued, TELL, held(wrote("whatsapp", hours_ago=71)))

    assert said == (
        "can be taken back until 14:06; then goes as the template, or waits till they write"
    )


def test_a_text_message_is_offered_after_everything_else_that_is_written() -> None:
    phone = ContactPoint("p-2", "phone", "+447700900105")

    answering = answering_of(held(phone, MAIL, wrote("phone", hours_ago=3)), TELL, name="Priya")

    assert answering is not None
    assert channels_of(answering.ways) == ("email", "phone", "store")
    assert answering.ways[1].mark == "CUSTOMER WILL READ THIS, by SMS"


def test_an_sms_is_answered_by_sms_first_and_said_to_be_one() -> None:
    sms = Interaction("twilio:1", NOW_US, "phone", "in", "Lena", "hello?", form="sms")
    answering = answering_of(
        held(sms, ContactPoint("p", "phone", "+491701"), ContactPoint("m", "email", "a@b")),
        TELL, name="Lena",
    )  # fmt: skip

    assert answering is not None
    assert channels_of(answering.ways) == ("phone", "email", "store")
    assert answering.title.startswith("Answer Lena, SMS, ")


def _row(message: Interaction) -> tuple[Row, Interaction]:
    return row_of(message, owner="priya", as_of=NOW_US, source="whatsapp"), message


def test_a_text_message_is_called_one_afterwards_and_a_call_a_call() -> None:
    texted = replace(sent("delivered"), channel="phone")
    called = replace(sent("", minutes_ago=20), channel="phone")

    lines = timeline_of(held(texted, called), TELL, is_unfolded=False)
    failed = card_text(
        card_of(held(replace(texted, delivery="failed")), now=NOW_US, zone=WORDS.zone)
    )

    assert [line.lead for line in lines] == ["SMS", "Phone"]
    assert "NOT DELIVERED: SMS of" in failed
