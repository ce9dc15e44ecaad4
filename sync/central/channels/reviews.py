"""Reviews: what customers wrote about the shop in public, in the shape of Trustpilot's service-review webhooks.

Trustpilot signs nothing: the address it calls holds a secret of ours, so it must be TLS. A review is known by its id; a
changed one is another event about the same. A consumer there is nobody's customer until the reference says an order.

    secrets     address: the value of `?secret=` in the address given to Trustpilot, address_old...
    options     content_stars: reviews of that many stars or more ask for nothing, "6" (none) when not told

Source: https://documentation-apidocumentation.trustpilot.com (webhooks; the page could not be reached from here, so the shape is
from memory of it and is marked as not checked).
"""

from collections.abc import Iterator
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Said, Who
from sync.central.channels.parts import (
    Json,
    check_shared,
    decoded,
    number_of,
    query_of,
    secrets_of,
)

TYPES: Final = frozenset(("service-review-created", "service-review-updated"))
QUIET: Final = frozenset(("service-review-deleted",))


class Reviews:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "reviews"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The address has our secret."""
        check_shared(query_of(delivery).get("secret", ""), secrets_of(settings, "address"))

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a review, as it stood then."""
        body = Json(decoded(delivery.body))
        return tuple(_event(one) for one in body.each("events"))

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """What it says."""
        if event.type in QUIET:
            return ()
        if event.type not in TYPES:
            raise Unmapped(f"no mapping for the type {event.type!r}")
        return tuple(_review(Json(event.body), settings, event.at))


ADAPTER: Final = Reviews()


def _event(one: Json) -> Event:
    review = one.at("eventData")
    at = review.when("updatedAt") or review.when("createdAt")
    kind = one.need_text("eventName")
    return Event(f"{review.need_ref('id')}:{kind}:{at}", kind, at, review.value)


def _review(review: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    stars = review.number("stars")
    if not 1 <= stars <= 5:
        raise review.at("stars").wrong("1 to 5")
    text = "\n".join(part for part in (review.text("title"), review.text("text")) if part)
    is_content = stars >= number_of(settings, "content_stars", 6)
    given, _, family = review.text("consumer.name").partition(" ")
    yield Said(
        ref=review.need_ref("id"),
        at=at,
        who=Who(ref=review.need_ref("consumer.id"), given_name=given, family_name=family),
        channel=settings.channel or "web",
        direction="note" if is_content else "in",
        by=review.text("consumer.name"),
        text=f"{stars} of 5 stars. {text}".strip(),
        about=review.text("referenceId"),
    )
