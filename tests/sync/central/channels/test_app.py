"""What comes in our own form, through the event API and as CloudEvents."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from sync.central.channels.adapter import Delivery, Forged, Unmapped
from sync.central.channels.facts import AnyFact, Said
from tests.support.deliveries import NOW_S, Vendor, vendor
from tests.support.ours import our_headers

APP = vendor("app")
EVENTS = vendor("cloudevents")


def posted(to: Vendor, message: HTTPMessage) -> tuple[AnyFact, ...]:
    headers = {name.lower(): value for name, value in message.headers.items()}
    delivery = Delivery(
        message.body, {**headers, **our_headers(message.body, NOW_S, "hush")}, now=NOW_S
    )
    return tuple(
        fact for one in to.take(delivery) for fact in to.adapter.facts(one, to.settings)
    )


def test_every_kind_of_fact_can_be_sent() -> None:
    sent = {type(fact) for type_ in APP.types for fact in APP.facts(type_)}

    assert sent == set(get_args(AnyFact))


def test_several_events_come_in_one_delivery_each_with_its_id() -> None:
    events = APP.take(APP.delivery("several"))

    assert [(one.id, one.type) for one in events] == [("e-1", "said"), ("e-2", "sold")]


def test_a_wrong_event_stops_no_other() -> None:
    several = APP.payload("several")
    several["events"][0]["facts"][0]["channel"] = "pigeon"
    assert APP.pack
    wrong, right = APP.take(APP.delivery("several", APP.pack(several)))

    with pytest.raises(Unmapped, match="channel is one of: web, app"):
        APP.adapter.facts(wrong, APP.settings)
    assert len(APP.adapter.facts(right, APP.settings)) == 4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ref": ""}, "ref and also"),
        ({"ref": "x" * 201}, "ref and also"),
        ({"at": -1}, "at is not a time"),
        ({"at": 2**60}, "at is not a time"),
        ({"direction": "sideways"}, "direction is one of"),
        ({"sensitivity": "secret"}, "sensitivity is one of"),
        ({"text": 7}, "Expected `str`"),
        ({"fact": "sung"}, "Invalid value"),
        ({"who": {"points": [{"kind": "fax", "value": "1"}]}}, "kind of a point"),
    ],
)
def test_a_fact_that_cannot_be_says_what_is_wrong(change: dict[str, Any], reason: str) -> None:
    event = APP.payload("said")
    event["facts"][0].update(change)

    with pytest.raises(Unmapped, match=reason):
        APP.facts("said", event)


def test_a_signature_holds_for_its_time_and_body_alone() -> None:
    delivery = APP.delivery("said")
    later = delivery.headers["tapthread-signature"].replace(str(NOW_S), str(NOW_S + 1))

    with pytest.raises(Forged):
        APP.adapter.verify(
            replace(delivery, headers={"tapthread-signature": later}), APP.settings
        )


def test_what_came_by_http_is_never_taken_for_a_file_of_ours() -> None:
    delivery = replace(APP.delivery("said"), headers={}, method="FILE")

    APP.adapter.verify(replace(delivery, url="file:day.ndjson"), APP.settings)
    for url in ("http://centre.example/in/app", "https://file:x@centre.example/", ""):
        with pytest.raises(Forged):
            APP.adapter.verify(replace(delivery, url=url), APP.settings)


@pytest.mark.parametrize("write", [to_structured_event, to_binary_event])
def test_a_cloudevent_written_by_the_library_of_the_standard_is_read(write: Any) -> None:
    said = EVENTS.payload("binary")
    message = write(
        CloudEvent(attributes={"type": "example.said", "source": "/x", "id": "1"}, data=said)
    )

    (fact,) = posted(EVENTS, message)

    assert isinstance(fact, Said)
    assert fact.text == "Where is it?"


def test_an_event_is_known_by_its_source_and_its_id() -> None:
    events = EVENTS.take(EVENTS.delivery("batch"))

    assert [one.id for one in events] == ["/loyalty s-1", "/loyalty s-2"]
    assert events[0].type == "example.loyalty.message"


def test_a_wrong_event_of_a_batch_stops_no_other() -> None:
    batch = EVENTS.payload("batch")
    del batch[0]["source"]
    assert EVENTS.pack
    wrong, right = EVENTS.take(EVENTS.delivery("batch", EVENTS.pack(batch)))

    with pytest.raises(Unmapped, match="no CloudEvent"):
        EVENTS.adapter.facts(wrong, EVENTS.settings)
    assert len(EVENTS.adapter.facts(right, EVENTS.settings)) == 4


def test_data_that_is_no_fact_says_so() -> None:
    with pytest.raises(Unmapped):
        EVENTS.facts(
            "structured", {**EVENTS.payload("structured"), "data": {"temperature": 21}}
        )
