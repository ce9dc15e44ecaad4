"""X: posts that name the shop, and direct messages, by the Account Activity API.

X signs the body alone (`x-twitter-webhooks-signature`, `sha256=` and base64, with the app's consumer secret), and asks with the
same secret now and then whether the address is ours (`crc_token`). Posts and messages have ids of their own. Whoever wrote is
proved to hold that handle; a handle is the number of the account, because names change.

    secrets     consumer: the app's API secret key, consumer_old...
    options     none

Source: https://docs.x.com/x-api/account-activity/introduction and .../guides/account-activity-data-objects (payloads),
https://docs.x.com/x-api/webhooks/introduction (signature, challenge).
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sync.central.channels.adapter import Delivery, Event, Forged, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Point, Said, Who
from sync.central.channels.parts import (
    Json,
    check_mac,
    decoded,
    header,
    instant,
    query_of,
    secrets_of,
)

POST_TIME: Final = "%a %b %d %H:%M:%S %z %Y"
"""As posts have it: "Wed Oct 10 20:19:24 +0000 2018". Its English names are read by any locale this runs in: it sets none."""


class X:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "x"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The body is signed."""
        scheme, _, mac = header(delivery, "x-twitter-webhooks-signature").partition("=")
        given = mac if scheme == "sha256" else ""
        check_mac(given, delivery.body, secrets_of(settings, "consumer"), is_hex=False)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:
        """X's challenge, answered with the newest secret."""
        if delivery.method != "GET":
            return None
        asked = query_of(delivery).get("crc_token", "")
        secrets = secrets_of(settings, "consumer")
        if not asked:
            raise Forged("neither a delivery nor a question")
        mac = hmac.digest(secrets[0].encode(), asked.encode(), hashlib.sha256)
        return b'{"response_token":"sha256=' + b64encode(mac) + b'"}'

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a post, one a direct message."""
        body = Json(decoded(delivery.body))
        ours = body.need_ref("for_user_id")
        return (*_posts(body, ours), *_direct(body, ours))

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """Who said what."""
        body = Json(event.body)
        said = _post if event.type == "post" else _message
        return tuple(said(body, settings, event.at))


ADAPTER: Final = X()


def _posts(body: Json, ours: str) -> Iterator[Event]:
    for post in body.each("tweet_create_events"):
        told: dict[str, Any] = {"ours": ours, "post": post.value}
        if not post.has("retweeted_status"):  # what others spread is not said to us
            yield Event(post.need_ref("id_str"), "post", _posted_at(post), told)


def _direct(body: Json, ours: str) -> Iterator[Event]:
    people = body.at("users")
    for one in body.each("direct_message_events"):
        if one.text("type") == "message_create":
            told: dict[str, Any] = {"ours": ours, "one": one.value, "people": people.value}
            yield Event(one.need_ref("id"), "message", _sent_at(one), told)


def _posted_at(post: Json) -> int:
    text = post.need_text("created_at")
    try:
        return instant(datetime.strptime(text, POST_TIME).astimezone(UTC).isoformat())
    except (ValueError, OverflowError):
        raise post.at("created_at").wrong("a time") from None


def _sent_at(one: Json) -> int:
    text = one.need_ref("created_timestamp")
    if not text.isdecimal():
        raise one.at("created_timestamp").wrong("milliseconds since 1970")
    return Json({"at": int(text) // 1_000}).when("at")


def _post(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    post, ours = body.at("post"), body.need_ref("ours")
    writer = post.need_ref("user.id_str")
    is_ours = writer == ours
    asked = post.ref("in_reply_to_user_id_str") if is_ours else writer
    if not asked or asked == ours:
        return  # what we post to everybody is said to nobody
    yield Said(
        ref=post.need_ref("id_str"),
        at=at,
        who=_who(asked, "" if is_ours else post.text("user.name")),
        channel=settings.channel or "x",
        direction="out" if is_ours else "in",
        by="@" + post.text("user.screen_name"),
        text=post.text("extended_tweet.full_text") or post.need_text("text"),
        thread=post.ref("in_reply_to_status_id_str") or post.need_ref("id_str"),
    )


def _message(body: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    one, ours = body.at("one"), body.need_ref("ours")
    said = one.at("message_create")
    sender, receiver = said.need_ref("sender_id"), said.need_ref("target.recipient_id")
    is_ours = sender == ours
    person = receiver if is_ours else sender
    people = body.at("people")
    if people.value is not None and not isinstance(people.value, dict):
        raise Unmapped("users is not an object")
    known = Json((people.value or {}).get(person), f"users.{person}")
    name = known.text("name") if known.value is not None else ""
    has_picture = said.has("message_data.attachment")
    text = said.text("message_data.text")
    yield Said(
        ref=one.need_ref("id"),
        at=at,
        who=_who(person, name),
        channel=settings.channel or "x",
        direction="out" if is_ours else "in",
        by="the shop" if is_ours else name,
        text=f"[attachment] {text}".strip() if has_picture else text,
        thread=f"dm:{person}",
    )


def _who(person: str, name: str) -> Who:
    given, _, family = name.partition(" ")
    return Who(
        ref=person,
        given_name=given,
        family_name=family,
        points=(Point("handle", f"x:{person}", is_verified=True),),
    )
