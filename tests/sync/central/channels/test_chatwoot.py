"""What Chatwoot's webhooks say."""

from typing import Any

import pytest

from sync.central.channels.facts import Delivered, Known, Point, Said
from sync.central.channels.parts import instant
from tests.support.deliveries import NOW_S, vendor

CHATWOOT = vendor("chatwoot")


def the_message(**changes: Any) -> Said:
    (fact,) = CHATWOOT.facts(
        "message_created", {**CHATWOOT.payload("message_created"), **changes}
    )
    assert isinstance(fact, Said)
    return fact


def in_channel(name: str, source_id: str, **changes: Any) -> Said:
    talk = CHATWOOT.payload("message_created")["conversation"]
    talk["contact_inbox"]["source_id"] = source_id
    return the_message(conversation={**talk, "channel": name, **changes})


def test_what_a_customer_wrote_is_told_as_they_wrote_it() -> None:
    said = the_message()

    assert (said.ref, said.thread, said.about) == ("9001", "77", "W-1042")
    assert said.at == instant("2026-09-09T07:00:00Z")
    assert said.text == "Hello, is W-1042 on its way? <b>Nobody</b> answers."
    assert (said.channel, said.direction, said.by, said.is_automatic) == (
        "whatsapp",
        "in",
        "Priya Nair",
        False,
    )


def test_a_number_that_wrote_through_whatsapp_is_proved_and_an_address_is_not() -> None:
    who = the_message().who

    assert who is not None
    assert (who.ref, who.given_name, who.family_name) == ("481", "Priya", "Nair")
    assert who.points == (Point("phone", "+4915155512345", is_verified=True),)
    answered = the_message(
        message_type="outgoing", sender={"id": 5, "name": "Ana", "type": "user"}
    ).who
    assert answered is not None
    assert answered.points == (Point("phone", "+4915155512345"),)


@pytest.mark.parametrize(
    ("name", "source_id", "channel", "point"),
    [
        ("Channel::Instagram", "17841", "instagram", Point("handle", "instagram:17841", is_verified=True)),
        ("Channel::Tiktok", "tt9", "tiktok", Point("handle", "tiktok:tt9", is_verified=True)),
        ("Channel::TwilioSms", "+4915155512345", "phone", Point("phone", "+4915155512345", is_verified=True)),
        ("Channel::TwilioSms", "whatsapp:+4915155512345", "whatsapp", Point("phone", "+4915155512345", is_verified=True)),
        ("Channel::WebWidget", "6a1f", "chat", Point("phone", "+4915155512345", country="DE")),
        ("Channel::Email", "a@b.example", "email", Point("phone", "+4915155512345", country="DE")),
    ],
)  # fmt: skip
def test_each_channel_behind_it_is_ours_with_what_it_proves(
    name: str, source_id: str, channel: str, point: Point
) -> None:
    said = in_channel(name, source_id)

    assert (said.channel, said.form) == (channel, "sms" if channel == "phone" else "")
    assert said.who is not None
    assert said.who.points[0] == point


def test_an_account_of_instagram_behind_a_page_is_instagram() -> None:
    said = in_channel(
        "Channel::FacebookPage",
        "99",
        additional_attributes={"type": "instagram_direct_message"},
    )

    assert said.channel == "instagram"


def test_an_inbox_the_shop_names_is_that_channel() -> None:
    (said,) = CHATWOOT.facts("message_created", options={"inboxes": "3=app"})

    assert isinstance(said, Said)
    assert said.channel == "app"


@pytest.mark.parametrize(
    "changes",
    [
        {"message_type": "template"},
        {"message_type": "outgoing", "sender": {"id": 2, "name": "Bot", "type": "agent_bot"}},
        {"message_type": "outgoing", "sender": None},
        {"message_type": "outgoing", "content_attributes": {"automation_rule_id": 4}},
    ],
)
def test_what_a_program_sent_is_automatic(changes: dict[str, Any]) -> None:
    said = the_message(**changes)

    assert said.is_automatic
    assert said.direction == "out"


def test_a_note_among_agents_is_one() -> None:
    said = the_message(
        message_type="outgoing", private=True, sender={"id": 5, "name": "Ana", "type": "user"}
    )

    assert (said.direction, said.by, said.is_automatic) == ("note", "Ana", False)


def test_a_picture_without_words_still_says_something() -> None:
    assert (
        the_message(content=None, attachments=[{"id": 1, "file_type": "image"}]).text
        == "[image]"
    )


def test_a_mail_is_shown_without_what_it_quotes() -> None:
    email = {"email": {"text_content": {"full": "New\n> Old", "reply": "New"}}}

    assert (
        the_message(
            content="New\n> Old", content_type="incoming_email", content_attributes=email
        ).text
        == "New"
    )


@pytest.mark.parametrize(
    "changes", [{"message_type": "activity"}, {"content_attributes": {"deleted": True}}]
)
def test_what_is_no_message_any_more_says_nothing(changes: dict[str, Any]) -> None:
    assert (
        CHATWOOT.facts("message_created", {**CHATWOOT.payload("message_created"), **changes})
        == ()
    )


def test_a_message_that_could_not_be_delivered_says_why() -> None:
    (fact,) = CHATWOOT.facts("message_updated")

    assert fact == Delivered(
        ref="9002",
        at=NOW_S * 1_000_000,
        state="failed",
        reason="131047: more than 24 hours have passed",
    )


def test_a_solved_conversation_closes_its_thread() -> None:
    (closing,) = CHATWOOT.facts("conversation_status_changed")

    assert isinstance(closing, Said)
    assert (closing.is_closing, closing.thread, closing.by, closing.direction) == (
        True,
        "77",
        "Ana",
        "note",
    )
    opened = {**CHATWOOT.payload("conversation_status_changed"), "status": "open"}
    assert CHATWOOT.facts("conversation_status_changed", opened) == ()


def test_a_contact_is_known_with_every_way_to_reach_them() -> None:
    (known,) = CHATWOOT.facts("contact_updated")

    assert isinstance(known, Known)
    assert known.who is not None
    assert [point.value for point in known.who.points] == [
        "+4915155512345",
        "priya@example.com",
    ]


def test_the_first_label_of_a_conversation_is_the_topic_that_folds_equal_contacts() -> None:
    told = CHATWOOT.payload("message_created")
    labelled = {**told, "conversation": {**told["conversation"], "labels": ["billing", "vip"]}}

    (said,) = CHATWOOT.facts("message_created", labelled)
    (plain,) = CHATWOOT.facts("message_created")

    assert isinstance(said, Said)
    assert isinstance(plain, Said)
    assert (said.topic, plain.topic) == ("billing", "")


def test_what_we_sent_ourselves_comes_back_as_sent_and_is_not_said_again() -> None:
    ours = {
        **CHATWOOT.payload("message_created"), "message_type": "outgoing",
        "content_attributes": {"tapthread_id": "a-1"},
    }  # fmt: skip

    told = CHATWOOT.facts("message_created", ours)
    note = CHATWOOT.facts("message_created", {**ours, "private": True})

    assert [(type(fact), fact.ref) for fact in told] == [(Delivered, "9001")]
    assert note == ()
