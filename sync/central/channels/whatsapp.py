"""WhatsApp, straight from Meta's Cloud API: what customers write, and what became of what we sent.

Meta signs the body alone (`X-Hub-Signature-256`, hex, with the app's secret). One delivery holds several messages and states,
each with an id of its own; a copy is known by it. A number that wrote is proved to be its writer's. What a customer sent that
is no text is told in words: "[photo] the label". Reactions and stickers say nothing that needs an answer and are not taken.

    secrets     app: the app's secret, app_old...;  verify: the word Meta asks for when the address is set up
    options     number: phone_number_id; messages to another number of the same account are not taken ("" takes all)

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples (payloads),
https://developers.facebook.com/docs/graph-api/webhooks/getting-started (signature, greeting).
"""

from collections.abc import Iterator
from typing import Any, Final

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Delivered, Point, Said, Who
from sync.central.channels.parts import (
    Json,
    check_hub,
    decoded,
    hub_greeting,
)

STATES: Final = {
    "sent": "sent", "delivered": "delivered", "read": "read", "failed": "failed",
}  # fmt: skip
"""States of our messages; others ("deleted", "warning") change nothing."""

MEDIA: Final = {
    "image": "photo", "video": "video", "document": "document", "audio": "voice message",
    "location": "location", "contacts": "contact",
}  # fmt: skip
"""What a message that is no text is called in words, by `type`."""

QUIET: Final = frozenset(("reaction", "sticker", "system", "ephemeral"))
"""Types that ask for nothing."""


class WhatsApp:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "whatsapp"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The body is signed."""
        check_hub(delivery, settings)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:
        """Meta's challenge."""
        return hub_greeting(delivery, settings)

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:
        """One a message, one a state of a message."""
        body = Json(decoded(delivery.body))
        if body.text("object") != "whatsapp_business_account":
            raise Unmapped("not of a WhatsApp account")
        return tuple(_events(body, settings.options.get("number", "")))

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """A message said something; a state says what became of ours."""
        body = Json(event.body)
        if event.type == "status":
            return tuple(_state(body.at("status"), event.at))
        return tuple(_message(body, settings, event.at))


ADAPTER: Final = WhatsApp()


def _events(body: Json, number: str) -> Iterator[Event]:
    for entry in body.each("entry"):
        for change in entry.each("changes"):
            value = change.at("value")
            if change.text("field") != "messages" or number not in {
                "",
                value.ref("metadata.phone_number_id"),
            }:
                continue
            names = {
                one.ref("wa_id"): one.text("profile.name") for one in value.each("contacts")
            }
            for message in value.each("messages"):
                told: dict[str, Any] = {
                    "message": message.value,
                    "name": names.get(message.need_ref("from"), ""),
                }
                yield Event(message.need_ref("id"), "message", _at(message), told)
            for status in value.each("statuses"):
                state = status.need_text("status")
                yield Event(
                    f"{status.need_ref('id')}:{state}",
                    "status",
                    _at(status),
                    {"status": status.value},
                )


def _at(one: Json) -> int:
    text = one.need_ref("timestamp")
    if not text.isdecimal():
        raise one.at("timestamp").wrong("seconds since 1970")
    return Json({"at": int(text)}).when("at")


def _message(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    message, name = body.at("message"), body.text("name")
    kind, number = message.need_text("type"), message.need_ref("from")
    if kind in QUIET:
        return
    given, _, family = name.partition(" ")
    yield Said(
        ref=message.need_ref("id"),
        at=at,
        who=Who(
            ref=number,
            given_name=given,
            family_name=family,
            points=(Point("phone", f"+{number}", is_verified=True),),
        ),
        channel=settings.channel or "whatsapp",
        direction="in",
        by=name or f"+{number}",
        text=_words(message, kind),
        thread=number,
    )


def _words(message: Json, kind: str) -> str:
    match kind:
        case "text":
            return message.text("text.body")
        case "button":
            return message.text("button.text")
        case "interactive":
            chosen = message.at("interactive")
            return (
                chosen.text("button_reply.title") or chosen.text("list_reply.title") or "[form]"
            )
        case _:
            caption = (
                message.text(f"{kind}.caption")
                if message.has(kind) and kind in MEDIA and kind != "contacts"
                else ""
            )
            return f"[{MEDIA.get(kind, 'a message WhatsApp does not show')}] {caption}".strip()


def _state(status: Json, at: int) -> Iterator[AnyFact]:
    state = STATES.get(status.need_text("status"))
    if state is None:
        return
    reasons = (
        one.text("error_data.details") or one.text("message") or one.text("title")
        for one in status.each("errors")
    )
    # What we sent carries our own name for it, which settles a message whose answer was lost.
    ref = status.ref("biz_opaque_callback_data") or status.need_ref("id")
    yield Delivered(ref=ref, at=at, state=state, reason="; ".join(reasons))
