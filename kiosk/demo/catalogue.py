"""What the demo's brand has: stores, the people who work there, products, and their prices and stock in each channel.

The web shop shows one number a product: what it believes the home store has. A product whose web number, or whose
price, differs from the store's is a contradiction; the demo has a few, all of them named here.
"""

from datetime import datetime
from typing import Final

from kiosk.demo.threads import ago, number, owned_row, owned_rows
from sync.model.records import Price, Product, Record, Staff, Stock, Store
from sync.model.row import Row, row_of

HOME_STORE: Final = "harbour"
"""The store the demo's kiosk stands in."""

STORES: Final = (
    Store(id="harbour", name="Harbour", region="north"),
    Store(id="market", name="Market", region="north"),
    Store(id="station", name="Station", region="south"),
)
"""The stores of the brand."""

STAFF: Final = (
    Staff(id="ana", name="Ana", role="call centre"),
    Staff(id="noor", name="Noor", role="chat team"),
    Staff(id="leo", name="Leo", role="social team"),
    Staff(id="mira", name="Mira", role="store lead", store="harbour"),
    Staff(id="ben", name="Ben", role="clerk", store="harbour"),
    Staff(id="tilda", name="Tilda", role="clerk", store="harbour"),
    Staff(id="omar", name="Omar", role="store lead", store="market"),
    Staff(id="ines", name="Ines", role="clerk", store="market"),
    Staff(id="ruben", name="Ruben", role="store lead", store="station"),
    Staff(id="sofie", name="Sofie", role="clerk", store="station"),
)
"""Everybody who works for the brand and is named in a thread."""

JACKET: Final = "rain-jacket"
"""Jonas' jacket: 41 on the web and 45 on the shelf; the web says 3 and the shelf has none."""

_PRODUCTS: Final[tuple[tuple[str, str, str, int], ...]] = (
    ("linen-shirt-s", "Linen shirt S", "clothing", 3990),
    ("linen-shirt-m", "Linen shirt M", "clothing", 3990),
    ("linen-shirt-l", "Linen shirt L", "clothing", 3990),
    ("linen-shirt-xl", "Linen shirt XL", "clothing", 3990),
    (JACKET, "Rain jacket", "clothing", 4500),
    ("denim-jacket", "Denim jacket", "clothing", 6990),
    ("wool-jumper-m", "Wool jumper M", "clothing", 5490),
    ("wool-jumper-l", "Wool jumper L", "clothing", 5490),
    ("oxford-shirt", "Oxford shirt", "clothing", 4490),
    ("chinos-32", "Chinos 32", "clothing", 4990),
    ("chinos-34", "Chinos 34", "clothing", 4990),
    ("summer-dress-38", "Summer dress 38", "clothing", 5990),
    ("summer-dress-40", "Summer dress 40", "clothing", 5990),
    ("t-shirt-white", "T-shirt white", "clothing", 1490),
    ("t-shirt-navy", "T-shirt navy", "clothing", 1490),
    ("pyjamas", "Pyjamas", "clothing", 2990),
    ("running-tights", "Running tights", "clothing", 3490),
    ("sneakers-38", "Canvas sneakers 38", "shoes", 5990),
    ("sneakers-42", "Canvas sneakers 42", "shoes", 5990),
    ("walking-boots-41", "Walking boots 41", "shoes", 11900),
    ("walking-boots-43", "Walking boots 43", "shoes", 11900),
    ("sandals-39", "Sandals 39", "shoes", 3490),
    ("rubber-boots-30", "Rubber boots 30", "shoes", 2490),
    ("slippers", "Felt slippers", "shoes", 2290),
    ("rain-hat", "Rain hat", "accessories", 2490),
    ("blue-scarf", "Blue scarf", "accessories", 2790),
    ("leather-belt", "Leather belt", "accessories", 3290),
    ("umbrella", "Umbrella", "accessories", 1990),
    ("wallet", "Wallet", "accessories", 3990),
    ("sunglasses", "Sunglasses", "accessories", 2990),
    ("wool-gloves", "Wool gloves", "accessories", 1990),
    ("backpack-20", "Backpack 20 l", "bags", 6490),
    ("weekend-bag", "Weekend bag", "bags", 7990),
    ("shopping-bag", "Shopping bag", "bags", 990),
    ("laptop-sleeve", "Laptop sleeve", "bags", 2490),
    ("suitcase-55", "Suitcase 55", "bags", 8990),
    ("smartphone-128", "Smartphone 128 GB", "electronics", 34900),
    ("smartwatch", "Smartwatch", "electronics", 19900),
    ("headphones", "Headphones", "electronics", 8990),
    ("earphones", "Earphones", "electronics", 2990),
    ("power-bank", "Power bank", "electronics", 2490),
    ("e-reader", "E-reader", "electronics", 11900),
    ("desk-lamp", "Desk lamp", "electronics", 3990),
    ("bluetooth-speaker", "Bluetooth speaker", "electronics", 5990),
    ("radio", "Kitchen radio", "electronics", 4990),
    ("telescope", "Small telescope", "toys", 5990),
    ("kite", "Kite", "toys", 1990),
    ("wooden-train", "Wooden train", "toys", 3490),
    ("puzzle-500", "Puzzle 500 pieces", "toys", 1490),
    ("board-game", "Board game", "toys", 2990),
    ("plush-whale", "Plush whale", "toys", 1790),
    ("tea-pot", "Tea pot", "home", 2990),
    ("mug", "Stoneware mug", "home", 990),
    ("bed-linen", "Bed linen", "home", 4990),
    ("bath-towel", "Bath towel", "home", 1690),
    ("picnic-blanket", "Picnic blanket", "home", 2990),
    ("candle", "Beeswax candle", "home", 1290),
    ("frying-pan", "Frying pan 28", "home", 4490),
    ("coffee-grinder", "Coffee grinder", "home", 5490),
    ("plant-pot", "Plant pot", "home", 1190),
    ("bread-knife", "Bread knife", "home", 2390),
    ("cookbook", "Cookbook", "books", 2490),
    ("atlas", "Pocket atlas", "books", 1490),
    ("notebook", "Notebook", "books", 890),
    ("wall-calendar", "Wall calendar", "books", 1290),
    ("body-lotion", "Body lotion", "care", 1190),
    ("hair-regrowth", "Hair regrowth lotion", "care", 2990),
    ("pregnancy-test", "Pregnancy test", "care", 990),
    ("kite-workshop", "Kite workshop, one ticket", "tickets", 1200),
)
"""One row is one product: article number, title, category, price on the shelf in minor units."""

SENSITIVE: Final = ("hair-regrowth", "pregnancy-test")
"""Products that are never named on a public screen."""

PRICES_ON_PURPOSE: Final[dict[tuple[str, str], int]] = {
    (JACKET, "web"): 4100,
    ("mug", "app"): 890,
    ("headphones", "web"): 7990,
}
"""Prices that contradict the shelf, by product and channel."""

WEB_STOCK_ON_PURPOSE: Final[dict[str, int]] = {JACKET: 3, "tea-pot": 0}
"""Numbers the web shop shows that contradict the home store's count."""

STOCK_ON_PURPOSE: Final[dict[tuple[str, str], int | None]] = {
    (JACKET, "harbour"): 0,
    (JACKET, "market"): 2,
    (JACKET, "station"): None,
    ("linen-shirt-l", "harbour"): 4,
    ("denim-jacket", "harbour"): 2,
    ("tea-pot", "harbour"): 5,
    ("sandals-39", "harbour"): 0,
    ("backpack-20", "harbour"): 2,
    ("pyjamas", "harbour"): None,
}
"""Counts the stories need, by product and store: a known none, and with None a count nobody knows."""

DOUBTFUL: Final = (("denim-jacket", "harbour"),)
"""Product and store, where somebody could not find what is counted there."""

CONTRADICTIONS: Final = tuple(
    sorted({product for product, _ in PRICES_ON_PURPOSE} | set(WEB_STOCK_ON_PURPOSE))
)
"""Every product whose price or stock differs between channels; there are no others."""

PRICE_CHANNELS: Final = ("store", "web", "app")
"""The channels that have a price of their own."""


def products() -> tuple[Product, ...]:
    """Everything the brand sells."""
    return tuple(
        Product(
            id=product,
            title=title,
            category=category,
            sensitivity="sensitive" if product in SENSITIVE else "normal",
        )
        for product, title, category, _ in _PRODUCTS
    )


def title_of(product: str) -> str:
    """What a product is called. Raises KeyError for one that is not sold."""
    return {number: title for number, title, _, _ in _PRODUCTS}[product]


def shelf_price_of(product: str) -> int:
    """What a product costs on the shelf, in minor units. Raises KeyError for one that is not sold."""
    return {number: amount for number, _, _, amount in _PRODUCTS}[product]


def said_by(staff: str) -> str:
    """How a member of staff is named in a thread: "Ana (call centre)", "Mira (Harbour)". Raises KeyError."""
    person = {one.id: one for one in STAFF}[staff]
    stores = {store.id: store.name for store in STORES}
    return f"{person.name} ({stores.get(person.store, person.role)})"


def catalogue_rows(now: datetime) -> tuple[Row, ...]:
    """Stores, staff, products, prices and stock, as they are at `now`."""
    fixed: tuple[Record, ...] = (*STORES, *STAFF, *products(), *_prices())
    return (*owned_rows(fixed, owner="", now=now), *_stock_rows(now))


def _prices() -> tuple[Price, ...]:
    return tuple(
        Price(
            id=f"{product}@{channel}",
            product=product,
            channel=channel,
            amount_minor=PRICES_ON_PURPOSE.get((product, channel), amount),
        )
        for product, _, _, amount in _PRODUCTS
        for channel in PRICE_CHANNELS
    )


def _stock_rows(now: datetime) -> tuple[Row, ...]:
    """The count in each store, known when it was counted, and what the web shop shows."""
    rows: list[Row] = []
    for product, _, _, _ in _PRODUCTS:
        for store in STORES:
            counted_at = ago(
                now, minutes=number(f"counted {product} {store.id}", 20, 9 * 1_440)
            )
            stock = Stock(
                id=f"{product}@{store.id}",
                product=product,
                place=store.id,
                count=_count_of(product, store.id),
                counted_at=counted_at,
                is_doubtful=(product, store.id) in DOUBTFUL,
            )
            rows.append(row_of(stock, owner="", as_of=counted_at, source="store"))
        shown_at = ago(now, minutes=4)
        shown = WEB_STOCK_ON_PURPOSE.get(product, _count_of(product, HOME_STORE))
        web = Stock(
            id=f"{product}@web", product=product, place="web", count=shown, counted_at=shown_at
        )
        rows.append(owned_row(web, owner="", now=now))
    return tuple(rows)


def _count_of(product: str, store: str) -> int | None:
    if (product, store) in STOCK_ON_PURPOSE:
        return STOCK_ON_PURPOSE[(product, store)]
    return number(f"stock {product} {store}", 0, 14)
