"""A web shop and a running centre over HTTP on loopback: orders and stock in, a count in the store out, and no echo."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sync.central import events
from sync.central.store import Store
from sync.model.records import Interaction, Order, Stock
from sync.model.row import Row, row_of
from tests.support.centre import open_centre, running_centre
from tests.support.sending import SendingShop
from tests.support.shopify_peer import ITEM, ShopifyPeer
from tests.support.vendor_servers import running

CHANNELS = """
[shop]
adapter = "shopify"
channel = "web"
[shop.secrets]
signing = "hush"
access = "shpat_test"
[shop.options]
stores = "65432=harbour"
write_back = "yes"
api_url = "{url}"
"""


@pytest.fixture
def shopify(tmp_path: Path) -> Iterator[ShopifyPeer]:
    peer = ShopifyPeer()
    with running(peer):
        file = tmp_path / "channels.toml"
        file.write_text(CHANNELS.format(url=peer.url))
        file.chmod(stat.S_IRUSR | stat.S_IWUSR)
        open_centre(tmp_path / "centre").close()
        with running_centre(tmp_path, "--channels", file) as centre:
            peer.listener = f"{centre.url}/in/shop"
            yield peer


class Books:
    """The centre's database, as another node reads and writes it."""

    def __init__(self, data: Path) -> None:
        self.store = Store(data / "centre" / "centre.db", fresh_epoch="")

    def row(self, key: str) -> Row | None:
        with self.store.reading() as snapshot:
            return snapshot.row(key)

    def body(self, key: str) -> Any:
        found = self.row(key)
        return found.body if found else None

    def events(self) -> dict[str, events.EventRecord]:
        with self.store.reading() as snapshot:
            return {one.id: one for one in events.listed(snapshot.sql, "shop")}


@pytest.fixture
def books(tmp_path: Path, shopify: ShopifyPeer) -> Iterator[Books]:
    opened = Books(tmp_path)
    yield opened
    opened.store.close()


def until(peer: ShopifyPeer, holds: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if holds():
            return
        peer.pause()
    raise AssertionError(peer.answers)


def test_an_order_of_the_web_shop_is_here_when_the_webhook_is_answered(
    shopify: ShopifyPeer, books: Books
) -> None:
    status = shopify.send("orders/create")

    order = books.body("order/W-1042")
    assert status == 200
    assert isinstance(order, Order)
    assert (order.state, order.total_minor, order.lines[0].paid_minor) == ("paid", 3192, 3192)


def test_a_webhook_that_comes_again_is_counted_and_an_older_one_changes_nothing(
    shopify: ShopifyPeer, books: Books
) -> None:
    shopify.send("orders/updated", as_id="new")
    shopify.send("orders/create", as_id="old")
    shopify.send("orders/updated", as_id="new")

    assert books.body("order/W-1042").state == "delivered"
    assert books.events()["new"].n_more == 1


def test_a_parcel_and_a_refund_find_their_order_by_shopifys_number_whichever_comes_first(
    shopify: ShopifyPeer, books: Books
) -> None:
    shopify.send("fulfillments/create", as_id="parcel")
    waiting = books.events()["parcel"].state
    shopify.send("orders/create")
    shopify.send("refunds/create")

    assert waiting == events.WAITING
    order = books.row("order/W-1042")
    assert order is not None
    with books.store.reading() as snapshot:
        bodies = [one.body for one in snapshot.all_of_owner(order.owner)]
    notes = [body.text for body in bodies if isinstance(body, Interaction)]
    assert notes == ["Refunded 31.92 EUR to shopify_payments: too small"]


def test_a_parcel_that_lies_ready_waits_in_its_store_under_the_number_people_say(
    shopify: ShopifyPeer, books: Books
) -> None:
    shopify.send("orders/paid")
    shopify.send("fulfillments/update")

    parcel = books.body("pickup/shop:fulfillment:255858046")
    assert (parcel.order, parcel.store, parcel.state, parcel.n_items) == (
        "W-1077",
        "harbour",
        "ready",
        2,
    )
    assert books.body("order/W-1077").state == "ready"


def test_a_forged_webhook_is_refused_each_time_and_kept_for_people(
    shopify: ShopifyPeer, books: Books
) -> None:
    status = shopify.send("orders/create", secret="guessed")

    assert status == 401
    assert books.body("order/W-1042") is None
    assert {one.state for one in books.events().values()} == {events.FORGED}


def test_a_count_in_the_store_reaches_the_web_shop_and_does_not_come_back(
    shopify: ShopifyPeer, books: Books
) -> None:
    shopify.send("products/update")
    shopify.send(
        "inventory_levels/update", shopify.told("inventory_levels/update", available=3)
    )
    harbour = SendingShop(books.store)
    stored = books.row("stock/LS-M@harbour")
    assert stored is not None
    assert isinstance(stored.body, Stock)
    assert stored.body.count == 3

    place = (f"gid://shopify/InventoryItem/{ITEM}", "gid://shopify/Location/65432")
    for version, count in ((1, 0), (2, 5)):
        now = harbour.now + version
        counted = msgspec.structs.replace(stored.body, count=count, counted_at=now)
        harbour.put(
            row_of(
                counted, owner="", as_of=now, source="harbour", version=stored.version + version
            )
        )
        until(shopify, lambda wanted=count: shopify.available.get(place) == wanted)  # type: ignore[misc]
        until(shopify, lambda wanted=version: len(shopify.answers) >= 2 + wanted)  # type: ignore[misc]

    assert shopify.answers[2:] == [("inventory_levels/update", 200)] * 2
    assert shopify.mutations == ["inventorySetQuantities"] * 2
