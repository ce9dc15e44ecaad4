"""How Shopify delivers: the body signed with the client secret, everything else in headers."""

import hmac
from base64 import b64encode

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    mac = b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    headers = {
        "content-type": "application/json",
        "x-shopify-topic": type_,
        "x-shopify-hmac-sha256": mac,
        "x-shopify-shop-domain": "shirts.myshopify.com",
        "x-shopify-api-version": "2025-04",
        "x-shopify-webhook-id": vendors_id,
        "x-shopify-event-id": f"event-{vendors_id}",
        "x-shopify-triggered-at": "2026-09-12T08:00:00.000000000Z",
    }
    return Delivery(body, headers, "https://centre.example/in/shop")


VENDOR = Vendor(
    name="shopify",
    settings=Settings(
        name="shop",
        adapter="shopify",
        channel="web",
        secrets={"signing": "hush", "signing_old": "hush before"},
        options={"stores": "65432=harbour", "sensitive": "Health", "currency": "EUR"},
    ),
    deliver=deliver,
)
