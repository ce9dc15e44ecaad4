"""What Twilio's requests say, and how it signs them."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from sync.central.channels.adapter import Delivery, Forged, Settings
from sync.central.channels.facts import Called, Delivered, Point, Said
from sync.central.channels.parts import instant
from tests.support.deliveries import NOW_S, vendor
from tests.support.vendors.twilio import signed

TWILIO = vendor("twilio")


def the_call(
    type_: str = "call", options: dict[str, str] | None = None, **changes: Any
) -> Called:
    (fact,) = TWILIO.facts(type_, {**TWILIO.payload(type_), **changes}, options)
    assert isinstance(fact, Called)
    return fact


def test_the_documented_example_is_verified() -> None:
    """Source: the worked example in the documentation of Twilio's request validators."""
    body = b"CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212"
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    settings = Settings(name="phone", adapter="twilio", secrets={"signing": "12345"})
    signature = "0/KCTR6DLpKmkAf8muzZqo1nDgQ="

    TWILIO.adapter.verify(Delivery(body, {"x-twilio-signature": signature}, url), settings)
    with pytest.raises(Forged):
        TWILIO.adapter.verify(
            Delivery(body, {"x-twilio-signature": signature}, url + "&"), settings
        )


def test_an_address_signed_with_its_port_is_verified_without() -> None:
    delivery = TWILIO.delivery("call")
    fields = list(TWILIO.payload("call").items())
    with_port = delivery.url.replace("centre.example", "centre.example:443")

    TWILIO.adapter.verify(
        replace(delivery, headers={"x-twilio-signature": signed(with_port, fields, "hush")}),
        TWILIO.settings,
    )


def test_behind_something_that_changes_addresses_the_channel_says_its_own() -> None:
    inside = replace(TWILIO.delivery("call"), url="http://10.0.0.7:8490/in/phone?store=harbour")
    settings = replace(
        TWILIO.settings, options={"url": "https://centre.example/in/phone?store=harbour"}
    )

    TWILIO.adapter.verify(inside, settings)
    with pytest.raises(Forged):
        TWILIO.adapter.verify(inside, TWILIO.settings)


def test_another_body_is_signed_by_its_digest_in_the_address() -> None:
    body = b'{"a": 1}'
    url = f"https://centre.example/in/phone?bodySHA256={sha256(body).hexdigest()}"
    delivery = Delivery(body, {"x-twilio-signature": signed(url, [], "hush")}, url)

    TWILIO.adapter.verify(delivery, TWILIO.settings)
    with pytest.raises(Forged):
        TWILIO.adapter.verify(replace(delivery, body=b'{"a": 2}'), TWILIO.settings)


def test_a_call_is_told_with_how_long_somebody_talked() -> None:
    call = the_call()

    assert (call.ref, call.state, call.direction, call.lasted_s) == (
        "CA00000000000000000000000000000001", "answered", "in", 184,
    )  # fmt: skip
    assert call.at == instant("2026-09-12T07:58:00Z")
    assert call.who is not None
    assert call.who.points == (Point("phone", "+491711234567", country="DE"),)


@pytest.mark.parametrize(
    ("type_", "changes", "state"),
    [
        ("call", {"CallDuration": "9"}, "dropped"),
        ("call", {"CallDuration": "10"}, "answered"),
        ("call", {"CallStatus": "failed"}, "dropped"),
        ("call", {"CallStatus": "no-answer"}, "missed"),
        ("call", {"CallStatus": "busy"}, "missed"),
        ("call", {"CallStatus": "canceled"}, "missed"),
        ("call", {"Direction": "outbound-api", "CallDuration": "3"}, "answered"),
        ("dial", {}, "missed"),
        ("dial", {"DialCallStatus": "completed", "DialCallDuration": "40"}, "answered"),
        ("queue", {}, "dropped"),
    ],
)
def test_a_call_ends_answered_dropped_or_missed(
    type_: str, changes: dict[str, Any], state: str
) -> None:
    assert the_call(type_, **changes).state == state


@pytest.mark.parametrize("state", ["initiated", "ringing", "in-progress"])
def test_a_call_that_goes_on_says_nothing_yet(state: str) -> None:
    assert TWILIO.facts("call", {**TWILIO.payload("call"), "CallStatus": state}) == ()


def test_where_calls_are_passed_on_the_end_of_the_line_says_nothing() -> None:
    assert TWILIO.facts("call", options={"dials": "yes"}) == ()
    assert the_call("dial", {"dials": "yes"}).state == "missed"


def test_a_number_is_proved_by_the_network_of_the_caller_only() -> None:
    proved = the_call(StirVerstat="TN-Validation-Passed-A").who
    withheld = the_call(From="+266696687").who

    assert proved is not None
    assert proved.points[0].is_verified
    assert withheld is not None
    assert withheld.points == ()


def test_a_message_by_sms_is_told_with_what_came_along() -> None:
    (said,) = TWILIO.facts("message")

    assert isinstance(said, Said)
    assert (said.channel, said.text, said.about) == (
        "phone",
        "Grüße, was ist mit C-4711?\n[image/jpeg]",
        "C-4711",
    )
    assert said.form == "sms"
    assert said.at == NOW_S * 1_000_000
    assert said.who is not None
    assert said.who.points == (Point("phone", "+491711234567", is_verified=True, country="DE"),)


def test_a_message_by_whatsapp_is_of_whatsapp_with_the_name_there() -> None:
    (said,) = TWILIO.facts("message_whatsapp")

    assert isinstance(said, Said)
    assert (said.channel, said.form, said.by) == ("whatsapp", "", "Tom Berger")
    assert said.who is not None
    assert (said.who.given_name, said.who.points[0].value) == ("Tom", "+491711234567")


def test_what_became_of_a_message_of_ours_is_told_with_the_code() -> None:
    (fact,) = TWILIO.facts("sent")

    assert isinstance(fact, Delivered)
    assert (fact.state, fact.reason) == ("failed", "30003")
    assert TWILIO.facts("sent", {**TWILIO.payload("sent"), "MessageStatus": "queued"}) == ()


def test_voice_mail_is_something_the_customer_said() -> None:
    (said,) = TWILIO.facts("voice mail")

    assert isinstance(said, Said)
    assert (said.direction, said.text, said.about) == (
        "in",
        "please call me back about C-4711",
        "C-4711",
    )
