"""How Zendesk delivers: the time and the body signed."""

import hmac
from base64 import b64encode
from datetime import UTC, datetime

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    told = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    mac = b64encode(hmac.digest(secret.encode(), told.encode() + body, "sha256")).decode()
    headers = {
        "x-zendesk-webhook-signature": mac,
        "x-zendesk-webhook-signature-timestamp": told,
    }
    return Delivery(body, headers, "https://centre.example/in/zendesk")


VENDOR = Vendor(
    name="zendesk",
    settings=Settings(
        name="our-zendesk", adapter="zendesk", secrets={"signing": "hush"}, options={}
    ),
    deliver=deliver,
    secret="signing",
    signs_time=True,
)
