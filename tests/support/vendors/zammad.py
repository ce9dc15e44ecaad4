"""How Zammad delivers: the body signed, with SHA-1."""

import hmac

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    mac = hmac.digest(secret.encode(), body, "sha1").hex()
    return Delivery(
        body, {"x-hub-signature": f"sha1={mac}"}, "https://centre.example/in/zammad"
    )


VENDOR = Vendor(
    name="zammad",
    settings=Settings(
        name="our-zammad", adapter="zammad", secrets={"signing": "hush"}, options={}
    ),
    deliver=deliver,
    secret="signing",
    signs_time=False,
)
