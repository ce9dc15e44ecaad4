"""Zendesk, a helpdesk: tickets as cases, and what customers and agents wrote in them, by event webhooks.

Zendesk signs the time and the body (`X-Zendesk-Webhook-Signature`, base64, with the webhook's secret), so a copy is refused
after five minutes, and known by the event's id before. Its events name a customer by number alone: the first of them makes a
customer nobody else knows, and `user.*` events, or an import of customers, say who that is.

    secrets     signing: the webhook's signing secret, signing_old...
    options     topics: "password_reset=password reset": topics by tag, so that equal contacts fold
                case_tags: tags whose tickets are cases ("" takes every ticket as one)

Source: https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events and .../user-events (payloads),
https://developer.zendesk.com/documentation/webhooks/verifying/ (signature).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Forged, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Forget, Known, Point, Problem, Said, Who
from sync.central.channels.parts import (
    Json,
    check_mac,
    check_time,
    decoded,
    header,
    instant,
    items_of,
    pairs_of,
    secrets_of,
)
from sync.model.records import SMS

PREFIX: Final = "zen:event-type:"

VIA: Final = {
    "email": "email", "web": "web", "mobile_sdk": "app", "mobile": "app", "voice": "phone", "phone": "phone",
    "chat": "chat", "native_messaging": "chat", "messaging": "chat", "whatsapp": "whatsapp", "instagram_dm": "instagram",
    "twitter": "x", "twitter_dm": "x", "twitter_favorite": "x", "sms": "phone",
}  # fmt: skip
"""Where a ticket came in, by `via.channel`; another is the channel's own."""

OVER: Final = frozenset(("solved", "closed"))


class Zendesk:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "zendesk"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """Time and body are signed."""
        told = header(delivery, "x-zendesk-webhook-signature-timestamp")
        given = header(delivery, "x-zendesk-webhook-signature")
        signed = told.encode() + delivery.body
        check_mac(given, signed, secrets_of(settings, "signing"), is_hex=False)
        try:
            at = instant(told)
        except Unmapped:
            raise Forged("the time it was signed at is missing") from None
        check_time(str(at // 1_000_000), delivery.now)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a delivery."""
        body = Json(decoded(delivery.body))
        kind = body.need_text("type").removeprefix(PREFIX)
        return (Event(body.need_ref("id"), kind, body.when("time"), body.value),)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """By type."""
        mapping = TYPES.get(event.type)
        if mapping is None:
            raise Unmapped(f"no mapping for the type {event.type!r}")
        return tuple(mapping(Json(event.body), settings, event.at))


ADAPTER: Final = Zendesk()


def _ticket(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    """The ticket as it stands now, as a case."""
    ticket = body.at("detail")
    tags = {one.value for one in ticket.each("tags") if isinstance(one.value, str)}
    wanted = set(items_of(settings.options.get("case_tags", "")))
    if wanted and not wanted & tags:
        return
    yield Problem(
        ref=ticket.need_ref("id"),
        at=at,
        who=_requester(ticket),
        channel=_channel(ticket, settings),
        state="solved" if ticket.text("status").casefold() in OVER else "open",
        topic=ticket.text("subject"),
        opened_at=ticket.when("created_at"),
    )


def _comment(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    """What somebody wrote, and the ticket it belongs to."""
    ticket, comment = body.at("detail"), body.at("event.comment")
    is_ours, is_public = (
        comment.flag("author.is_staff"),
        comment.flag("is_public", default=True),
    )
    topics = pairs_of(settings.options.get("topics", ""))
    tags = [one.value for one in ticket.each("tags")]
    yield from _ticket(body, settings, at)
    yield Said(
        ref=comment.need_ref("id"),
        at=at,
        who=_requester(ticket),
        channel=_channel(ticket, settings),
        form=SMS if ticket.text("via.channel").casefold() == SMS else "",
        direction="note" if not is_public else "out" if is_ours else "in",
        by=comment.text("author.name"),
        text=comment.need_text("body"),
        thread=ticket.need_ref("id"),
        topic=next((topics[tag] for tag in tags if isinstance(tag, str) and tag in topics), ""),
        is_automatic=comment.ref("author.id") == "-1",
    )


def _requester(ticket: Json) -> Who:
    return Who(ref=ticket.need_ref("requester_id"))


def _channel(ticket: Json, settings: Settings) -> str:
    return VIA.get(ticket.text("via.channel").casefold()) or settings.channel or "chat"


def _customer(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:  # noqa: ARG001
    person = body.at("detail")
    if person.text("role") not in {"", "end-user"}:
        return
    given, _, family = person.text("name").partition(" ")
    email, phone = person.text("email"), person.text("phone")
    points = (
        *((Point("email", email),) if email else ()),
        *((Point("phone", phone),) if phone else ()),
    )
    ref = person.need_ref("id")
    who = Who(ref=ref, given_name=given, family_name=family, points=points)
    yield Known(ref=ref, at=at, who=who)


def _forget(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:  # noqa: ARG001
    ref = body.need_ref("detail.id")
    yield Forget(ref=ref, at=at, who=Who(ref=ref))


TYPES: Final[Mapping[str, Callable[[Json, Settings, int], Iterator[AnyFact]]]] = {
    "ticket.created": _ticket,
    "ticket.status_changed": _ticket,
    "ticket.subject_changed": _ticket,
    "ticket.comment_added": _comment,
    "user.created": _customer,
    "user.name_changed": _customer,
    "user.identity_created": _customer,
    "user.identity_changed": _customer,
    "user.deleted": _forget,
}
"""By `type` without its prefix."""
