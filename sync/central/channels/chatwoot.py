"""Chatwoot, helpdesk and chat, with WhatsApp, Instagram and others behind it: messages, notes, solved conversations, contacts.

Chatwoot signs the time and the body (`X-Chatwoot-Signature`: "sha256=" and hex over "<time>.<body>", since 4.12), not the id of
the delivery; a copy within five minutes with another id changes nothing, because what a message says is kept under its own.

    secrets     signing: the secret of the webhook, of the agent bot or of the API inbox
    options     inboxes: "7=web, 8=app": channel of an inbox by its number, before what Chatwoot calls it
                numbers: "W-, C-": how numbers of orders and cases begin that customers name

What a customer wrote through WhatsApp or by SMS proves the number it came from, through Instagram and the like the handle; an
address somebody typed in a chat proves nothing. Messages of bots, rules and templates are automatic: they answer nothing.
A message that was sent out says later what became of it, when Chatwoot tells. The first label of a conversation is the topic
that folds equal contacts.

Source: https://www.chatwoot.com/hc/user-guide/articles/1677693021-how-to-use-webhooks (events, a sample);
github.com/chatwoot/chatwoot `app/listeners/webhook_listener.rb`, `app/models/message.rb` (`webhook_data`),
`app/presenters/conversations/event_data_presenter.rb` (fields).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Delivered, Known, Point, Said, Who
from sync.central.channels.parts import (
    Json,
    check_mac,
    check_time,
    decoded,
    digest_of,
    header,
    micros,
    number_in,
    pairs_of,
    secrets_of,
    text_of_html,
)
from sync.model.records import SMS

CHANNELS: Final = {
    "Channel::Whatsapp": "whatsapp",
    "Channel::Instagram": "instagram",
    "Channel::Tiktok": "tiktok",
    "Channel::TwitterProfile": "x",
    "Channel::Email": "email",
    "Channel::Sms": "phone",
    "Channel::TwilioSms": "phone",
}
"""Ours by Chatwoot's; any other is a chat."""

NETWORKS: Final = {"instagram": "instagram", "tiktok": "tiktok", "x": "x"}
"""Channels whose `source_id` is a handle that the network vouches for."""


class Chatwoot:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "chatwoot"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The time and the body are signed."""
        secrets = secrets_of(settings, "signing")
        told = header(delivery, "x-chatwoot-timestamp")
        check_time(told, delivery.now)
        given = header(delivery, "x-chatwoot-signature").removeprefix("sha256=")
        check_mac(given, f"{told}.".encode() + delivery.body, secrets)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a delivery; its type is in the body, its id in a header."""
        body = decoded(delivery.body)
        type_ = Json(body).need_text("event")
        told = header(delivery, "x-chatwoot-delivery") or digest_of(delivery.body)
        signed_at = header(delivery, "x-chatwoot-timestamp")
        at = micros(int(signed_at)) if signed_at.isdecimal() else 0
        return (Event(told, type_, at, body),)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """By event."""
        mapping = EVENTS.get(event.type)
        if mapping is None:
            raise Unmapped(f"no mapping for the event {event.type!r}")
        return tuple(mapping(Json(event.body), event.at, settings))


ADAPTER: Final = Chatwoot()


def _message(message: Json, at: int, settings: Settings) -> Iterator[AnyFact]:
    kind, talk = message.text("message_type"), message.at("conversation")
    if kind == "activity" or message.flag("content_attributes.deleted"):
        return
    if kind not in {"incoming", "outgoing", "template"}:
        raise Unmapped(f"no mapping for a message of type {kind!r}")
    if message.text("content_attributes.tapthread_id"):
        # Ours, come back: we have its words, and now Chatwoot has them too.
        if not message.flag("private"):
            yield Delivered(ref=message.need_ref("id"), at=at, state="sent")
        return
    channel, text = _channel(talk, settings), _text(message)
    is_note, is_in = message.flag("private"), kind == "incoming"
    yield Said(
        ref=message.need_ref("id"),
        at=message.when("created_at") or at,
        who=_who_talks(talk, channel, is_in=is_in and not is_note),
        channel=channel,
        form=SMS if channel == "phone" else "",
        direction="note" if is_note else "in" if is_in else "out",
        by=message.text("sender.name"),
        text=text,
        thread=talk.ref("id"),
        about=number_in(text, settings),
        topic=next(
            (one.value for one in talk.each("labels") if isinstance(one.value, str)), ""
        ),
        is_automatic=_is_automatic(message, kind),
    )


def _changed(message: Json, at: int, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    """A message of ours says what became of it; of others nothing changes that anybody needs."""
    if message.text("message_type") != "outgoing" or message.flag("private"):
        return
    ref = message.need_ref("id")
    told = [one for one in message.each("conversation.messages") if one.ref("id") == ref]
    for one in (message, *told):
        state = one.text("status")
        if state in {"sent", "delivered", "read", "failed"}:
            reason = one.text("content_attributes.external_error")
            yield Delivered(ref=ref, at=at, state=state, reason=reason)
            return


def _status(talk: Json, at: int, settings: Settings) -> Iterator[AnyFact]:
    if talk.text("status") != "resolved":
        return
    channel, ref = _channel(talk, settings), talk.need_ref("id")
    yield Said(
        ref=f"solved:{ref}:{at}",
        at=at,
        who=_who_talks(talk, channel, is_in=False),
        channel=channel,
        direction="note",
        by=talk.text("meta.assignee.name") or "Chatwoot",
        text="Solved in Chatwoot",
        thread=ref,
        is_automatic=True,
        is_closing=True,
    )


def _contact(contact: Json, at: int, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    who = _who(contact)
    yield Known(ref=contact.need_ref("id"), at=at, who=who)


def _nothing(_: Json, at: int, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    return iter(())


def _channel(talk: Json, settings: Settings) -> str:
    told = pairs_of(settings.options.get("inboxes", "")).get(talk.ref("inbox_id"))
    if told:
        return told
    if talk.text("contact_inbox.source_id").startswith("whatsapp:"):
        return "whatsapp"  # WhatsApp through Twilio is an inbox for SMS
    if talk.text("additional_attributes.type") == "instagram_direct_message":
        return "instagram"  # an account of Instagram behind a page of Facebook
    name = talk.text("channel")
    return CHANNELS.get(name) or settings.channel or "chat"


def _text(message: Json) -> str:
    """What was said: of a mail without what it quotes; what was sent along in words."""
    reply = message.text("content_attributes.email.text_content.reply")
    text = reply or message.text("content")
    if message.text("content_type") == "incoming_email" and not reply:
        text = text_of_html(text, without=frozenset(("blockquote",)))
    along = [f"[{one.text('file_type') or 'file'}]" for one in message.each("attachments")]
    return "\n".join((*([text] if text else []), *along))


def _is_automatic(message: Json, kind: str) -> bool:
    rule = message.has("content_attributes.automation_rule_id") or message.has(
        "additional_attributes.campaign_id"
    )
    sender = message.text("sender.type")
    return (
        kind == "template"
        or rule
        or sender == "agent_bot"
        or (kind == "outgoing" and not sender)
    )


def _who_talks(talk: Json, channel: str, *, is_in: bool) -> Who:
    """The contact of a conversation; what they wrote through a network proves whose it is."""
    proved = talk.text("contact_inbox.source_id").removeprefix("whatsapp:")
    point = None
    if channel in {"whatsapp", "phone"} and proved.lstrip("+").isdecimal():
        point = Point("phone", "+" + proved.lstrip("+"), is_verified=is_in)
    elif channel in NETWORKS and proved:
        point = Point("handle", f"{NETWORKS[channel]}:{proved}", is_verified=is_in)
    return _who(talk.at("meta.sender"), point, is_signed_in=talk.flag("meta.hmac_verified"))


def _who(contact: Json, point: Point | None = None, *, is_signed_in: bool = False) -> Who:
    email, phone = contact.text("email"), contact.text("phone_number")
    country = contact.text("additional_attributes.country_code")
    names = contact.at("additional_attributes.social_profiles")
    handles = [
        f"{ours}:{names.text(theirs)}"
        for theirs, ours in _PROFILES.items()
        if names.text(theirs)
    ]
    points = (
        *((point,) if point else ()),
        *(
            (Point("phone", phone, country=country),)
            if phone and not (point and point.value == phone)
            else ()
        ),
        *((Point("email", email, is_verified=is_signed_in),) if email else ()),
        *(Point("handle", one) for one in handles),
    )
    given, _, family = contact.text("name").strip().partition(" ")
    language = contact.text("additional_attributes.browser_language")
    return Who(
        contact.ref("id"),
        given,
        family.strip(),
        language,
        points,
        city=contact.text("additional_attributes.city"),
    )


_PROFILES: Final = {"instagram": "instagram", "twitter": "x", "tiktok": "tiktok"}

EVENTS: Final[Mapping[str, Callable[[Json, int, Settings], Iterator[AnyFact]]]] = {
    "message_created": _message,
    "message_updated": _changed,
    "conversation_created": _nothing,  # its first message follows
    "conversation_updated": _nothing,
    "conversation_status_changed": _status,
    "contact_created": _contact,
    "contact_updated": _contact,
    "webwidget_triggered": _nothing,
    "conversation_typing_on": _nothing,
    "conversation_typing_off": _nothing,
}
"""By `event` of the body."""
