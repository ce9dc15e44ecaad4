"""CloudEvents, for everything else: any system that can send them tells us facts in our own form, as their data.

Structured (`application/cloudevents+json`), batched (`application/cloudevents-batch+json`) and binary mode (`ce-` headers) are
read. The data is one fact, or {"facts": [...]}; see `app` for their form. What we send out ourselves has this shape too, so
that one centre can tell another.

    secrets     signing: as for `app`: "Tapthread-Signature: t=...,v1=..." over the time and the body. In binary mode the headers are
                not signed: whoever copies a message within five minutes can change its id, and changes nothing by that
    options     none

Source: CloudEvents 1.0.2, JSON event format 1.0.2 and HTTP protocol binding 1.0.2 (github.com/cloudevents/spec).
"""

import re
from typing import Any, Final

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.exceptions import BaseCloudEventException

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import AnyFact
from sync.central.channels.parts import (
    REF_MAX,
    Json,
    check_ours,
    clean,
    decoded,
    digest_of,
    encoded,
    fact_of,
    header,
    instant,
)

BATCH: Final = "application/cloudevents-batch+json"
STRUCTURED: Final = "application/cloudevents+json"
_ATTRIBUTE: Final = re.compile(r"ce-[a-z0-9]{1,64}")


class CloudEvents:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "cloudevents"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The time and the body are signed."""
        check_ours(delivery, settings)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One, or those of a batch; what identifies an event is its source and its id."""
        if header(delivery, "content-type").partition(";")[0].strip().lower() != BATCH:
            return (_event(delivery.body, delivery.headers),)
        each = Json(decoded(delivery.body)).each("")
        return tuple(_event(encoded(one.value), {"content-type": STRUCTURED}) for one in each)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:  # noqa: ARG002
        """As they were sent."""
        told = Json(event.body)
        if told.has("wrong"):
            raise Unmapped(told.text("wrong"))
        data = told.at("data")
        if data.has("facts"):
            return tuple(fact_of(one.value) for one in data.each("facts"))
        return (fact_of(data.value),)


ADAPTER: Final = CloudEvents()


def _event(body: bytes, headers: Any) -> Event:
    """One event; what is none is one that says what is wrong with it."""
    try:
        event = _read(body, headers)
        told = clean(f"{event.get_source()} {event.get_id()}")
        when = event.get_time()
        at = instant(when.isoformat(), "time") if when else 0
    except Unmapped as error:
        return Event(digest_of(body), "", 0, {"wrong": str(error)})
    id_ = told if len(told) <= REF_MAX else digest_of(told.encode())
    return Event(id_, clean(event.get_type()), at, {"data": _plain(event.get_data())})


def _read(body: bytes, headers: Any) -> BaseCloudEvent:
    """The library's own reading, with nothing of its kinds of errors left."""
    known = {
        name: one
        for name, one in headers.items()
        if name == "content-type" or _ATTRIBUTE.fullmatch(name)
    }
    try:
        return from_http_event(HTTPMessage(known, body))
    except BaseCloudEventException as error:
        first = str(error).partition(":: ")[2].partition(",")[0]
        raise Unmapped(f"no CloudEvent: {first[:120] or 'not as its form is'}") from None
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
        # cloudevents 2.2 checks the attributes of an event, and trusts that what holds them is an object of text.
        raise Unmapped("no CloudEvent") from None


def _plain(data: Any) -> Any:
    """Data as JSON has it: the library leaves what is not called JSON as text or bytes."""
    if isinstance(data, bytes):
        return decoded(data)
    return decoded(data.encode("utf-8", "replace")) if isinstance(data, str) else data
