"""How Chatwoot delivers: the time and the body signed, the id of the delivery beside them."""

import hmac

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    mac = hmac.digest(secret.encode(), f"{now_s}.".encode() + body, "sha256").hex()
    headers = {
        "content-type": "application/json",
        "x-chatwoot-timestamp": str(now_s),
        "x-chatwoot-signature": f"sha256={mac}",
        "x-chatwoot-delivery": vendors_id,
    }
    return Delivery(body, headers, "https://centre.example/in/desk")


VENDOR = Vendor(
    name="chatwoot",
    settings=Settings(
        name="desk",
        adapter="chatwoot",
        secrets={"signing": "hush"},
        options={"numbers": "W-, C-"},
    ),
    deliver=deliver,
    signs_time=True,
)
