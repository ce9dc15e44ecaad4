"""How a table comes by HTTP."""

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor
from tests.support.ours import our_headers


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    return Delivery(body, our_headers(body, now_s, secret), "https://centre.example/in/old")


VENDOR = Vendor(
    name="table",
    settings=Settings(
        name="old",
        adapter="table",
        secrets={"signing": "hush"},
        options={
            "fact": "known",
            "columns": "Kundennummer=who, Vorname=given_name, Nachname=family_name",
        },
    ),
    deliver=deliver,
    signs_time=True,
    pack=None,
    suffix="txt",
)
