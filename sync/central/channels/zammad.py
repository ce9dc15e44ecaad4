"""Zammad, a helpdesk: tickets as cases, and their articles, by a trigger's webhook with Zammad's own payload.

The body alone is signed (`X-Hub-Signature`, SHA-1 and hex, with the webhook's token); a copy is known by the article's id, and by
the ticket's `updated_at`. One delivery holds the ticket with its customer, and the article that set the trigger off.

    secrets     signing: the HMAC SHA-1 signature token of the webhook, signing_old...
    options     topics: "reset=password reset": topics by the ticket's tags, so that equal contacts fold

Source: https://admin-docs.zammad.org/en/latest/manage/webhook/payload.html (payload, headers).
"""

from collections.abc import Iterator
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Settings
from sync.central.channels.facts import AnyFact, Point, Problem, Said, Who
from sync.central.channels.parts import (
    Json,
    check_mac,
    decoded,
    header,
    pairs_of,
    secrets_of,
    text_of_html,
)
from sync.model.records import SMS

TYPES: Final = {
    "email": "email", "phone": "phone", "web": "web", "chat": "chat", "sms": "phone", "note": "",
    "twitter status": "x", "twitter direct-message": "x", "whatsapp message": "whatsapp",
    "facebook feed post": "chat", "facebook feed comment": "chat", "telegram personal-message": "chat",
}  # fmt: skip
"""Channel by an article's `type`; "" is the ticket's own."""

OVER: Final = frozenset(("closed", "merged", "removed"))


class Zammad:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "zammad"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The body is signed."""
        scheme, _, mac = header(delivery, "x-hub-signature").partition("=")
        given = mac if scheme == "sha1" else ""
        check_mac(given, delivery.body, secrets_of(settings, "signing"), digest="sha1")

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a delivery: this ticket, as of then, with this article."""
        body = Json(decoded(delivery.body))
        ticket = body.at("ticket")
        number, at = ticket.need_ref("id"), ticket.when("updated_at")
        article = body.ref("article.id") if body.has("article") else ""
        return (Event(f"{number}:{article}:{at}", "ticket", at, body.value),)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """The ticket as a case, its article as what was said."""
        body = Json(event.body)
        return (*_case(body, settings, event.at), *_article(body, settings))


ADAPTER: Final = Zammad()


def _case(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    ticket = body.at("ticket")
    yield Problem(
        ref=ticket.need_ref("number"),
        at=at,
        who=_who(ticket.at("customer")),
        channel=_channel(ticket.at("create_article_type"), settings),
        state="solved" if _named(ticket.at("state")) in OVER else "open",
        topic=ticket.text("title"),
        opened_at=ticket.when("created_at"),
    )


def _article(body: Json, settings: Settings) -> Iterator[AnyFact]:
    if not body.ref("article.id"):
        return
    ticket, article = body.at("ticket"), body.at("article")
    sender = _named(article.at("sender")).casefold()
    text = article.text("body")
    if article.text("content_type").casefold() == "text/html":
        text = text_of_html(text)
    is_ours = sender != "customer"
    topics = pairs_of(settings.options.get("topics", ""))
    tags = [one.value for one in ticket.each("tags")]
    yield Said(
        ref=article.need_ref("id"),
        at=article.when("created_at"),
        who=_who(ticket.at("customer")),
        form=SMS if _named(article.at("type")).casefold() == SMS else "",
        channel=TYPES.get(_named(article.at("type")).casefold())
        or _channel(ticket.at("create_article_type"), settings),
        direction="note" if article.flag("internal") else "out" if is_ours else "in",
        by=article.text("from"),
        text=text,
        thread=ticket.need_ref("id"),
        topic=next((topics[tag] for tag in tags if isinstance(tag, str) and tag in topics), ""),
        is_automatic=sender == "system",
    )


def _named(one: Json) -> str:
    """A name that Zammad writes as text, or in an object with its number."""
    return (
        one.text("name") if isinstance(one.value, dict) else Json({"it": one.value}).text("it")
    )


def _channel(kind: Json, settings: Settings) -> str:
    return TYPES.get(_named(kind).casefold(), "") or settings.channel or "email"


def _who(customer: Json) -> Who:
    phones = (customer.text("mobile"), customer.text("phone"))
    email = customer.text("email")
    return Who(
        ref=customer.need_ref("id"),
        given_name=customer.text("firstname"),
        family_name=customer.text("lastname"),
        points=(
            *((Point("email", email),) if email else ()),
            *(Point("phone", one) for one in dict.fromkeys(phones) if one),
        ),
        street=customer.text("street"),
        postcode=customer.text("zip"),
        city=customer.text("city"),
    )
