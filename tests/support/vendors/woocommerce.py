"""How WooCommerce delivers: the body signed, topic and id beside it."""

import hmac
from base64 import b64encode

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    mac = b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    headers = {
        "x-wc-webhook-signature": mac,
        "x-wc-webhook-topic": type_,
        "x-wc-webhook-delivery-id": vendors_id,
    }
    return Delivery(body, headers, "https://centre.example/in/woo")


VENDOR = Vendor(
    name="woocommerce",
    settings=Settings(
        name="our-woocommerce",
        adapter="woocommerce",
        secrets={"signing": "hush"},
        options={"currency": "EUR"},
    ),
    deliver=deliver,
    secret="signing",
    signs_time=False,
)
