"""How Twilio delivers: a form, its address and its fields signed."""

import hmac
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor

URL = "https://centre.example/in/phone?store=harbour"


def signed(url: str, fields: list[tuple[str, str]], secret: str) -> str:
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        fields = []
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "x-twilio-signature": signed(URL, fields, secret),
    }
    return Delivery(body, headers, URL)


def pack(payload: Any) -> bytes:
    return urlencode(payload).encode() if isinstance(payload, dict) else str(payload).encode()


VENDOR = Vendor(
    name="twilio",
    settings=Settings(
        name="phone",
        adapter="twilio",
        secrets={"signing": "hush"},
        options={"numbers": "W-, C-"},
    ),
    deliver=deliver,
    pack=pack,
)
