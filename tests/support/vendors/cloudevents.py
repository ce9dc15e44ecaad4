"""How a system that sends CloudEvents delivers, by the mode its payload's name says."""

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor
from tests.support.ours import our_headers

BINARY = {
    "ce-specversion": "1.0",
    "ce-type": "example.loyalty.message",
    "ce-source": "/loyalty",
    "ce-id": "b-1",
    "ce-time": "2026-09-12T07:59:00Z",
}
MODES = {
    "batch": {"content-type": "application/cloudevents-batch+json"},
    "binary": {"content-type": "application/json", **BINARY},
    "structured": {"content-type": "application/cloudevents+json; charset=utf-8"},
}


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    headers = {**MODES[type_], **our_headers(body, now_s, secret)}
    return Delivery(body, headers, "https://centre.example/in/events")


VENDOR = Vendor(
    name="cloudevents",
    settings=Settings(name="events", adapter="cloudevents", secrets={"signing": "hush"}),
    deliver=deliver,
    signs_time=True,
)
