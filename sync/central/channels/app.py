"""Our own event API, for a shop's mobile app and whatever else it writes itself: facts as they are, as JSON, signed.

    POST /in/NAME                          Tapthread-Signature: t=1789200000,v1=HEX
    {"id": "e-17", "facts": [{"fact": "said", "ref": "m-17", "at": 1789199990000000, "channel": "app", "direction": "in",
      "text": "Where is it?", "who": {"ref": "u-9", "points": [{"kind": "email", "value": "tom@example.com"}]}}]}

or {"events": [...]} with several of those. HEX is the HMAC-SHA256 of "<t>.<body>". The same id is the same event for ever; fields
nobody knows are ignored, so an app may be newer than the centre. Everything a fact can hold is in `facts.py`.

    secrets     signing: of your choice, 32 random bytes or more
    options     none

Source: this file.
"""

from typing import Final

from sync.central.channels.adapter import Delivery, Event, Settings
from sync.central.channels.facts import AnyFact
from sync.central.channels.parts import (
    AT_MAX,
    REF_MAX,
    Json,
    check_ours,
    decoded,
    digest_of,
    encoded,
    fact_of,
)


class App:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "app"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The time and the body are signed."""
        check_ours(delivery, settings)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """Each with its own id, so that a wrong one stops no other."""
        body = Json(decoded(delivery.body))
        return tuple(
            event_of(one) for one in (body.each("events") if body.has("events") else (body,))
        )

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:  # noqa: ARG002
        """As they were sent."""
        return facts_of(Json(event.body))


ADAPTER: Final = App()


def event_of(told: Json) -> Event:
    """An event of ours, which may be wrong: then its id is made of it, and `facts_of` says what is wrong."""
    body = told.value if isinstance(told.value, dict) else {}
    id_, facts = body.get("id"), body.get("facts")
    first = facts[0] if isinstance(facts, list) and facts and isinstance(facts[0], dict) else {}
    type_, at = first.get("fact"), first.get("at")
    return Event(
        id_
        if isinstance(id_, str) and 0 < len(id_) <= REF_MAX
        else digest_of(encoded(told.value)),
        type_ if isinstance(type_, str) else "",
        at if isinstance(at, int) and 0 <= at <= AT_MAX else 0,
        told.value,
    )


def facts_of(told: Json) -> tuple[AnyFact, ...]:
    """The facts of an event of ours. Raises Unmapped."""
    told.need_ref("id")
    if not told.has("facts"):
        raise told.at("facts").wrong("a list")
    return tuple(fact_of(one.value) for one in told.each("facts"))
