"""Messenger and Instagram, straight from Meta: messages, answers given in Meta's own inbox, and comments under pictures.

Meta signs the body alone (`X-Hub-Signature-256`, hex, with the app's secret). A message has an id of its own (`mid`). What the
shop's own people answer in Meta's inbox comes as an echo, and answers the customer here too. Whoever wrote is proved to hold
that handle. Reactions, typing and read marks say nothing that needs an answer.

    secrets     app: the app's secret, app_old...;  verify: the word Meta asks for when the address is set up
    options     automatic_apps: "263902037430900": numbers of apps whose echoes are automatic replies

Source: https://developers.facebook.com/docs/messenger-platform/reference/webhook-events (messages),
https://developers.facebook.com/docs/instagram-platform/webhooks (Instagram, comments).
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
    items_of,
    micros,
)

NETWORKS: Final = {"page": "messenger", "instagram": "instagram"}
"""What a handle is of, by `object`."""

CHANNEL_OF: Final = {"messenger": "chat", "instagram": "instagram"}


class Meta:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "meta"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The body is signed."""
        check_hub(delivery, settings)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:
        """Meta's challenge."""
        return hub_greeting(delivery, settings)

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a message, a button, a comment, a delivered message."""
        body = Json(decoded(delivery.body))
        network = NETWORKS.get(body.text("object"))
        if network is None:
            raise Unmapped("neither of a page nor of Instagram")
        return tuple(_events(body, network))

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """By type."""
        body = Json(event.body)
        if event.type == "comment":
            return tuple(_comment(body.at("comment"), settings, event.at))
        if event.type == "delivered":
            return (Delivered(ref=body.need_ref("mid"), at=event.at, state="delivered"),)
        return tuple(_message(body, settings, event.at))


ADAPTER: Final = Meta()


def _events(body: Json, network: str) -> Iterator[Event]:
    for entry in body.each("entry"):
        for one in entry.each("messaging"):
            yield from _messaging(one, network)
        for change in entry.each("changes"):
            if change.text("field") == "comments":
                comment, at = change.at("value"), entry.number("time")
                told = {"comment": comment.value}
                yield Event(comment.need_ref("id"), "comment", _of_time(at), told)


def _messaging(one: Json, network: str) -> Iterator[Event]:
    at = _of_ms(one, "timestamp")
    if one.has("message") or one.has("postback"):
        part = "message" if one.has("message") else "postback"
        said = one.at(part)
        told: dict[str, Any] = {"network": network, "one": one.value}
        if not said.flag("is_deleted"):
            # A button of before 2021 has no id; nobody presses two in one millisecond.
            mid = said.ref("mid") or f"{one.need_ref('sender.id')}:{at}"
            yield Event(mid, part, at, told)
    for gone in one.each("delivery.mids"):
        ref = Json({"mid": gone.value}, gone.path).need_ref("mid")
        yield Event(f"{ref}:delivered", "delivered", at, {"mid": ref})


def _of_ms(one: Json, path: str) -> int:
    at = one.number(path) * 1_000
    if at < 0:
        raise one.at(path).wrong("a time")
    return at


def _of_time(at: int) -> int:
    """Comments tell seconds, messages milliseconds."""
    return micros(at // 1_000) + at % 1_000 * 1_000 if at > 10**11 else micros(at)


def _message(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    network, one = body.need_text("network"), body.at("one")
    said = one.at("message") if one.has("message") else one.at("postback")
    is_ours = said.flag("is_echo")
    person = one.need_ref("recipient.id" if is_ours else "sender.id")
    text = said.text("text") or said.text("title")
    parts = [f"[{it.text('type', 'attachment')}]" for it in said.each("attachments")]
    if not text and not parts:
        return
    yield Said(
        ref=said.ref("mid") or f"{person}:{at}",
        at=at,
        who=_who(network, person),
        channel=settings.channel or CHANNEL_OF[network],
        direction="out" if is_ours else "in",
        by="the shop" if is_ours else "",
        text=" ".join((*parts, text)).strip(),
        thread=person,
        is_automatic=is_ours
        and said.ref("app_id") in items_of(settings.options.get("automatic_apps", "")),
    )


def _comment(comment: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    person, name = comment.need_ref("from.id"), comment.text("from.username")
    yield Said(
        ref=comment.need_ref("id"),
        at=at,
        who=_who("instagram", person),
        channel=settings.channel or "instagram",
        direction="in",
        by=f"@{name}" if name else "",
        text=comment.need_text("text"),
        thread=f"media:{comment.ref('media.id')}",
    )


def _who(network: str, person: str) -> Who:
    return Who(ref=person, points=(Point("handle", f"{network}:{person}", is_verified=True),))
