"""How a shop's own app delivers."""

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor
from tests.support.ours import our_headers


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    return Delivery(body, our_headers(body, now_s, secret), "https://centre.example/in/app")


VENDOR = Vendor(
    name="app",
    settings=Settings(name="app", adapter="app", channel="app", secrets={"signing": "hush"}),
    deliver=deliver,
    signs_time=True,
)
