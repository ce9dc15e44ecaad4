"""How X delivers: the body signed."""

import hmac
from base64 import b64encode

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    mac = b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    headers = {"x-twitter-webhooks-signature": f"sha256={mac}"}
    return Delivery(body, headers, "https://centre.example/in/x")


VENDOR = Vendor(
    name="x",
    settings=Settings(name="our-x", adapter="x", secrets={"consumer": "hush"}, options={}),
    deliver=deliver,
    secret="consumer",
    signs_time=False,
)
