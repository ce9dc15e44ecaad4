"""How Trustpilot delivers: nothing signed, a secret in the address."""

from urllib.parse import quote

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    return Delivery(body, {}, f"https://centre.example/in/reviews?secret={quote(secret)}")


VENDOR = Vendor(
    name="reviews",
    settings=Settings(
        name="our-reviews", adapter="reviews", secrets={"address": "hush"}, options={}
    ),
    deliver=deliver,
    secret="address",
    signs_time=False,
    signs_body=False,
)
