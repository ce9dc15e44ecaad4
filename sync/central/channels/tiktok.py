"""TikTok: direct messages to the shop's business account, by the Business Messaging API's webhooks.

TikTok signs time and body (`TikTok-Signature: t=...,s=...`, hex, with the app's secret), so a copy is refused after five minutes,
and known by the message's id before. What is told stands as JSON within the text `content`. In some regions TikTok leaves out who
wrote and what (`im_receive_msg_eu`): such an event is held, for somebody to look in TikTok's own app.

    secrets     app: the app's secret, app_old...
    options     none

Source: https://developers.tiktok.com/doc/webhooks-verification (signature), https://business-api.tiktok.com/portal/docs?id=1832190670631937
(messages; its pages are for registered developers: the shape was checked against public programs that take it in, not the vendor's text).
"""

from collections.abc import Iterator
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Point, Said, Who
from sync.central.channels.parts import (
    Json,
    check_mac,
    check_time,
    decoded,
    digest_of,
    header,
    secrets_of,
)

OURS: Final = "im_send_msg"
THEIRS: Final = "im_receive_msg"
QUIET: Final = frozenset(("im_mark_read_msg", "authorization.removed"))


class TikTok:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "tiktok"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """Time and body are signed."""
        told = dict(
            part.strip().partition("=")[::2]
            for part in header(delivery, "tiktok-signature").split(",")
        )
        at = told.get("t", "")
        check_mac(
            told.get("s", ""), f"{at}.".encode() + delivery.body, secrets_of(settings, "app")
        )
        check_time(at, delivery.now)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a delivery."""
        body = Json(decoded(delivery.body))
        kind = body.need_text("event")
        content = Json(decoded(body.text("content", "{}").encode()), "content")
        number = content.ref("message_id") if isinstance(content.value, dict) else ""
        at = body.when("create_time")
        return (Event(number or digest_of(delivery.body), kind, at, content.value),)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """By type."""
        if event.type in QUIET:
            return ()
        if event.type not in {OURS, THEIRS}:
            raise Unmapped(f"no mapping for the type {event.type!r}")
        return tuple(
            _message(Json(event.body, "content"), settings, is_ours=event.type == OURS)
        )


ADAPTER: Final = TikTok()


def _message(content: Json, settings: Settings, *, is_ours: bool) -> Iterator[AnyFact]:
    person = content.need_ref("to_user.id" if is_ours else "from_user.id")
    name = content.text("to" if is_ours else "from")
    kind = content.need_text("type")
    text = content.text("text.body") if kind == "text" else f"[{kind.replace('_', ' ')}]"
    yield Said(
        ref=content.need_ref("message_id"),
        at=Json({"at": content.number("timestamp") // 1_000}).when("at"),
        who=Who(ref=person, points=(Point("handle", f"tiktok:{person}", is_verified=True),)),
        channel=settings.channel or "tiktok",
        direction="out" if is_ours else "in",
        by="the shop" if is_ours else f"@{name}" if name else "",
        text=text,
        thread=content.need_ref("conversation_id"),
    )
