"""How TikTok delivers: the time and the body signed."""

import hmac

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    mac = hmac.digest(secret.encode(), f"{now_s}.".encode() + body, "sha256").hex()
    headers = {"tiktok-signature": f"t={now_s},s={mac}"}
    return Delivery(body, headers, "https://centre.example/in/tiktok")


VENDOR = Vendor(
    name="tiktok",
    settings=Settings(name="our-tiktok", adapter="tiktok", secrets={"app": "hush"}, options={}),
    deliver=deliver,
    secret="app",
    signs_time=True,
    held=frozenset(("im_receive_msg_eu",)),
)
