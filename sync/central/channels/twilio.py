"""Twilio, the telephone: calls, messages by SMS and WhatsApp, what became of ours, voice mail read out by Twilio.

Its webhooks are set to POST. Twilio signs its own address and the fields (`X-Twilio-Signature`, HMAC-SHA1, base64), not the time: a copy is known by the ids in
its fields, which are signed. Nothing in a message says when it was written; it is when it came.

    secrets     signing: the auth token of the account
    options     url: the address as Twilio calls it, where something in front of us changes it
                short_s: an incoming call that ended sooner was dropped, 10 when not told
                dials: "yes" where calls are passed on by <Dial>: what became of one then only its action says
                numbers: "W-, C-": how numbers of orders and cases begin that customers name

A number that sent a message is proved by it. A call proves its number only where the network of the caller signed for it
(`StirVerstat` A); numbers that stand for "withheld" are nobody's.

Source: https://www.twilio.com/docs/usage/security#validating-requests (signature),
https://www.twilio.com/docs/voice/twiml#request-parameters, https://www.twilio.com/docs/voice/api/call-resource#statuscallback,
https://www.twilio.com/docs/messaging/guides/webhook-request (fields).
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from sync.central.channels.adapter import Delivery, Event, Forged, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Called, Delivered, Point, Said, Who
from sync.central.channels.parts import (
    REF_MAX,
    Json,
    check_mac,
    clean,
    digest_of,
    form_of,
    header,
    instant,
    micros,
    number_in,
    secrets_of,
)
from sync.model.records import SMS, VOICE_MAIL

WITHHELD: Final = frozenset(
    ("+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253")
)
"""What Twilio puts for anonymous, restricted, blocked, unknown and unavailable: the words on a keypad."""

SHORT_S: Final = 10
MESSAGE_STATES: Final = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
}
"""Ours by `MessageStatus`; those before `sent` say nothing."""


CALL_STATES: Final = {
    "failed": "dropped",
    "busy": "missed",
    "no-answer": "missed",
    "canceled": "missed",
}
"""Ours by `CallStatus` where nobody talked; the others are of a call that goes on."""


class Twilio:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "twilio"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The address is signed, with the fields sorted by name behind it, or the digest of another body in it."""
        url = settings.options.get("url") or delivery.url
        try:
            parts = urlsplit(url)
            body_digest = dict(parse_qsl(parts.query)).get("bodySHA256", "")
            urls = {
                url,
                *(
                    urlunsplit(parts._replace(netloc=one))
                    for one in _hosts(parts.hostname, parts.port, parts.scheme)
                ),
            }
        except ValueError:
            raise Forged("the address it was sent to is none") from None
        fields = ""
        if body_digest:
            if not hmac.compare_digest(
                body_digest.encode(), sha256(delivery.body).hexdigest().encode()
            ):
                raise Forged("the body is another than its digest says")
        else:
            fields = "".join(name + value for name, value in sorted(set(_fields(delivery))))
        given, wrong = header(delivery, "x-twilio-signature"), Forged("not signed")
        for one in sorted(urls):
            try:
                check_mac(
                    given,
                    (one + fields).encode(),
                    secrets_of(settings, "signing"),
                    digest="sha1",
                    is_hex=False,
                )
            except Forged as error:
                wrong = error
            else:
                return
        raise wrong

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a delivery; its type is told by which fields it has, its id is made of theirs."""
        body = dict(form_of(delivery.body))
        fields = Json(body)
        for type_, sid, state in TYPES:
            if fields.text(sid) and (not state or fields.text(state)):
                id_ = ":".join(
                    (type_, fields.need_ref(sid), *((fields.ref(state),) if state else ()))
                )
                id_ = id_ if len(id_) <= REF_MAX else digest_of(id_.encode())
                return (Event(id_, type_, _at(fields) or micros(delivery.now), body),)
        raise Unmapped("none of the fields that say what happened")

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """By type."""
        mapping = MAPPINGS.get(event.type)
        if mapping is None:
            raise Unmapped(f"no mapping for {event.type!r}")
        return tuple(mapping(Json(event.body), event.at, settings))


ADAPTER: Final = Twilio()


def _fields(delivery: Delivery) -> tuple[tuple[str, str], ...]:
    try:
        return form_of(delivery.body)
    except Unmapped:
        raise Forged("the fields that are signed cannot be read") from None


def _hosts(host: str | None, port: int | None, scheme: str) -> tuple[str, ...]:
    """The host with and without its port: Twilio signs either."""
    usual = 443 if scheme == "https" else 80
    return (f"{host}:{port or usual}", host or "") if port in {None, usual} else ()


def _at(fields: Json) -> int:
    """Microseconds since 1970 of the time of RFC 2822 that calls carry; 0 for none."""
    told = fields.text("Timestamp")
    if not told:
        return 0
    try:
        return instant(parsedate_to_datetime(told).isoformat(), "Timestamp")
    except (ValueError, TypeError, OverflowError):
        raise Unmapped("Timestamp is not a time") from None


def _message(fields: Json, at: int, settings: Settings) -> Iterator[AnyFact]:
    sender, text = fields.need_text("From"), fields.text("Body")
    is_whatsapp = sender.startswith("whatsapp:")
    n_along = _count(fields, "NumMedia")
    along = [
        f"[{fields.text(f'MediaContentType{index}') or 'file'}]"
        for index in range(min(n_along, 10))
    ]
    given, _, family = fields.text("ProfileName").strip().partition(" ")
    number = sender.removeprefix("whatsapp:")
    yield Said(
        ref=fields.need_ref("MessageSid"),
        at=at,
        who=Who(
            given_name=given,
            family_name=family.strip(),
            points=_points(number, fields, is_proved=True),
        ),
        channel="whatsapp" if is_whatsapp else "phone",
        form="" if is_whatsapp else SMS,
        direction="in",
        by=fields.text("ProfileName"),
        text="\n".join((*([text] if text else []), *along)),
        thread=f"{sender} {fields.text('To')}"[:200],
        about=number_in(text, settings),
    )


def _sent(fields: Json, at: int, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    state = MESSAGE_STATES.get(fields.text("MessageStatus"))
    if state:
        code, words = fields.text("ErrorCode"), fields.text("ErrorMessage")
        reason = " ".join(one for one in (code, words) if one)
        yield Delivered(ref=fields.need_ref("MessageSid"), at=at, state=state, reason=reason)


def _call(fields: Json, at: int, settings: Settings) -> Iterator[AnyFact]:
    state = _call_state(fields, settings)
    if not state:
        return
    is_in = fields.text("Direction", "inbound") == "inbound"
    number = fields.text("From") if is_in else fields.text("To")
    is_proved = is_in and fields.text("StirVerstat").startswith("TN-Validation-Passed-A")
    lasted_s = (
        _count(fields, "DialCallDuration")
        if fields.text("DialCallStatus")
        else _count(fields, "CallDuration")
    )
    yield Called(
        ref=fields.need_ref("CallSid"),
        at=at,
        who=Who(points=_points(number, fields, is_proved=is_proved, is_in=is_in)),
        state=state,
        direction="in" if is_in else "out",
        lasted_s=lasted_s if state == "answered" else 0,
    )


def _call_state(fields: Json, settings: Settings) -> str:
    """answered, dropped or missed; "" while the call goes on."""
    if fields.text("QueueResult") == "hangup":
        return "dropped"
    told = fields.text("DialCallStatus") or fields.text("CallStatus")
    if told not in {"completed", "answered"}:
        return CALL_STATES.get(told, "")
    if fields.text("DialCallStatus") or fields.text("Direction", "inbound") != "inbound":
        return "answered"
    if settings.options.get("dials") == "yes":
        return ""
    short = settings.options.get("short_s", "")
    least_s = int(short) if short.isascii() and short.isdecimal() else SHORT_S
    return "dropped" if _count(fields, "CallDuration") < least_s else "answered"


def _voice_mail(fields: Json, at: int, settings: Settings) -> Iterator[AnyFact]:
    if fields.text("TranscriptionStatus") != "completed":
        return
    text = fields.text("TranscriptionText")
    yield Said(
        ref=fields.need_ref("TranscriptionSid"),
        at=at,
        who=Who(points=_points(fields.text("From"), fields, is_proved=False)),
        channel="phone",
        form=VOICE_MAIL,
        direction="in",
        text=text,
        thread=fields.ref("CallSid"),
        about=number_in(text, settings),
    )


def _nothing(_: Json, at: int, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    return iter(())


def _points(
    number: str, fields: Json, *, is_proved: bool, is_in: bool = True
) -> tuple[Point, ...]:
    if number in WITHHELD or not any(one.isdigit() for one in number):
        return ()
    country = fields.text("FromCountry" if is_in else "ToCountry")
    return (Point("phone", clean(number), is_verified=is_proved, country=country),)


def _count(fields: Json, name: str) -> int:
    """A whole number that a field holds as text; 0 for none."""
    told = fields.text(name) or "0"
    if not told.isascii() or not told.isdecimal() or len(told) > 9:
        raise Unmapped(f"{name} is not a number")
    return int(told)


TYPES: Final = (
    ("voice mail", "TranscriptionSid", "TranscriptionStatus"),
    ("recording", "RecordingSid", "RecordingStatus"),
    ("sent", "MessageSid", "MessageStatus"),
    ("message", "MessageSid", ""),
    ("queue", "CallSid", "QueueResult"),
    ("dial", "CallSid", "DialCallStatus"),
    ("call", "CallSid", "CallStatus"),
)
"""Type, field with its id, field that makes it another event of the same id; the first whose fields are there."""

MAPPINGS: Final[Mapping[str, Callable[[Json, int, Settings], Iterator[AnyFact]]]] = {
    "voice mail": _voice_mail,
    "recording": _nothing,  # who called is in the call; the sound stays with Twilio
    "sent": _sent,
    "message": _message,
    "queue": _call,
    "dial": _call,
    "call": _call,
}
"""By type of TYPES."""
