"""How a program delivers what Asterisk wrote: a secret in a header."""

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    headers = {"authorization": f"Bearer {secret}", "content-type": "text/csv"}
    return Delivery(body, headers, "https://centre.example/in/calls")


VENDOR = Vendor(
    name="asterisk",
    settings=Settings(
        name="our-asterisk", adapter="asterisk", secrets={"bearer": "hush"}, options={}
    ),
    deliver=deliver,
    secret="bearer",
    signs_time=False,
    pack=None,
    suffix="csv",
    signs_body=False,
)
