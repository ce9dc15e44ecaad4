"""How a mail comes out of a mailbox: as it is. Nothing signs it."""

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    return Delivery(body, {}, "imap://mail.example/INBOX", "IMAP")


VENDOR = Vendor(
    name="email",
    settings=Settings(
        name="mail",
        adapter="email",
        channel="email",
        options={
            "addresses": "service@shop.example, shop@shop.example",
            "trusted": "mx.shop.example",
            "numbers": "W-, C-",
        },
    ),
    deliver=deliver,
    secret="",
    pack=None,
    suffix="eml",
)
