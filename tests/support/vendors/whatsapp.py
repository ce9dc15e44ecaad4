"""How Meta delivers what comes by WhatsApp: the body signed."""

import hmac

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    mac = hmac.digest(secret.encode(), body, "sha256").hex()
    return Delivery(
        body, {"x-hub-signature-256": f"sha256={mac}"}, "https://centre.example/in/wa"
    )


VENDOR = Vendor(
    name="whatsapp",
    settings=Settings(
        name="our-whatsapp",
        adapter="whatsapp",
        secrets={"app": "hush", "verify": "word"},
        options={},
    ),
    deliver=deliver,
    secret="app",
    signs_time=False,
)
