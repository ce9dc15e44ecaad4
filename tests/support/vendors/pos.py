"""How a till's export comes by HTTP."""

from sync.central.channels.adapter import Delivery, Settings
from tests.support.deliveries import Vendor
from tests.support.ours import our_headers

GERMAN = (
    "Bon=receipt, Datum=date, Zeit=time, Filiale=store, Artikel=product, Bezeichnung=title, Größe=variant, Menge=count,"
    " Preis=price, Summe=total, Kunde=who, Mail=email, Rückgabe=returned"
)


def deliver(body: bytes, type_: str, vendors_id: str, now_s: int, secret: str) -> Delivery:
    return Delivery(body, our_headers(body, now_s, secret), "https://centre.example/in/till")


VENDOR = Vendor(
    name="pos",
    settings=Settings(
        name="till",
        adapter="pos",
        channel="store",
        secrets={"signing": "hush"},
        options={
            "columns": GERMAN,
            "currency": "EUR",
            "decimal": ",",
            "dates": "%d.%m.%Y %H:%M",
            "zone": "Europe/Berlin",
            "stores": "3=harbour",
            "numbers": "W-",
        },
    ),
    deliver=deliver,
    signs_time=True,
    pack=None,
    suffix="csv",
)
