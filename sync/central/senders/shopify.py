"""Write-back to Shopify by its GraphQL Admin API: stock of the stores, orders that were collected, orders that were returned.

    secrets     access: Admin API access key of the app (write_inventory, write_merchant_managed_fulfillment_orders,
                read_orders, write_returns)
    options     write_back: "yes"; shop: "shirts.myshopify.com", or api_url; api_version (2025-04);
                stores: as of the adapter, "65432=harbour": locations by number

What is written is what holds now, not what the change said, so that doing it twice is the same as once:

    stock.changed      the quantity `available` is set to our count; counts that are unknown or doubted are not written
    order.collected    each fulfilment order that is still open is fulfilled, without a message to the customer
    order.returned     a return is opened for all that can be returned still; money is given back by a person
    order.part_returned  a return is opened for so many of each product, by its SKU, as came back and can be returned, less those
                       Shopify has in returns already; a product without a SKU is for a person

Only things Shopify told us of are written (`names` has its ids). Shopify tells us of each again by a webhook; that change comes
from its own channel and is not written back.

Source: https://shopify.dev/docs/api/admin-graphql/2025-01: inventorySetQuantities, fulfillmentCreate, returnableFulfillments,
ReturnableFulfillmentLineItem.quantity (what can be returned still), FulfillmentLineItem.lineItem, LineItem.sku, returnCreate,
Order.returnStatus; https://shopify.dev/docs/api/usage/limits (THROTTLED). Checked against stored copies of these
pages, not against a shop.
"""

from collections.abc import Generator
from typing import Any, Final

from sync.central.channels.adapter import Settings
from sync.central.channels.parts import pairs_of
from sync.central.senders.sender import (
    AnyCall,
    AnyReply,
    Later,
    Never,
    Outcome,
    Reply,
    Sent,
    Steps,
    Told,
    at,
    json_call,
    later_of,
    option,
    words_of,
)
from sync.model.records import Order, Stock

NAME: Final = "Shopify"
VERSION: Final = "2025-04"
WANTS: Final = ("stock.", "order.")
OPEN: Final = frozenset({"OPEN", "IN_PROGRESS"})
NO_RETURN: Final = frozenset({None, "NO_RETURN", "RETURN_FAILED"})

SET_STOCK: Final = (
    "mutation($input: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $input)"
    " { userErrors { field message } } }"
)
OPEN_ORDERS: Final = "query($id: ID!) { order(id: $id) { fulfillmentOrders(first: 20) { nodes { id status } } } }"
FULFIL: Final = (
    "mutation($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment)"
    " { fulfillment { id status } userErrors { field message } } }"
)
RETURNABLE: Final = (
    "query($id: ID!) { order(id: $id) { returnStatus } returnableFulfillments(orderId: $id, first: 10) { edges { node {"
    " returnableFulfillmentLineItems(first: 50) { edges { node { quantity fulfillmentLineItem { id lineItem { sku } } } } } } } } }"
)
RETURN: Final = (
    "mutation($returnInput: ReturnInput!) { returnCreate(returnInput: $returnInput)"
    " { return { id } userErrors { field message } } }"
)

Asking = Generator[AnyCall, AnyReply, Any]


class _Ended(Exception):
    """The conversation is over."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def is_ready(settings: Settings) -> bool:
    """Whether changes are written back there."""
    where = option(settings, "api_url") or option(settings, "shop")
    return bool(
        option(settings, "write_back") == "yes" and where and settings.secrets.get("access")
    )


def wants(_settings: Settings) -> tuple[str, ...]:
    """Beginnings of types it wants."""
    return WANTS


def deliver(told: Told, settings: Settings) -> Steps:
    """Write what holds now."""
    try:
        match told.record:
            case Stock() as stock if told.type == "stock.changed":
                yield from _stock(stock, told, settings)
            case Order() as order if told.type == "order.part_returned" and order.back:
                yield from _returned(told, settings, order)
            case Order(state="collected"):
                yield from _collected(told, settings)
            case Order(state="returned"):
                yield from _returned(told, settings)
            case _:
                pass
    except _Ended as ended:
        return ended.outcome
    return Sent()


def _stock(stock: Stock, told: Told, settings: Settings) -> Asking:
    item = _named(told, "inventory_item")
    stores = pairs_of(option(settings, "stores")) | pairs_of(option(settings, "places"))
    # A place may be named by the title of its pickups too; only its number says where.
    places = {store: number for number, store in stores.items() if number.isdigit()}
    place = places.get(stock.place, "")
    if stock.count is None or stock.is_doubtful or not item or not place:
        return
    quantity = {
        "inventoryItemId": f"gid://shopify/InventoryItem/{item}",
        "locationId": f"gid://shopify/Location/{place}",
        "quantity": max(stock.count, 0),
    }
    answer = {
        "input": {
            "name": "available",
            "reason": "correction",
            "referenceDocumentUri": f"gid://tapthread/Change/{told.seq}",
            "ignoreCompareQuantity": True,  # a person counted: that is the truth
            "quantities": [quantity],
        }
    }
    said = yield from _asked(SET_STOCK, answer, settings)
    _check(said, "inventorySetQuantities")


def _collected(told: Told, settings: Settings) -> Asking:
    order = _named(told, "order")
    if not order:
        return
    said = yield from _asked(OPEN_ORDERS, {"id": f"gid://shopify/Order/{order}"}, settings)
    nodes = at(said, "order", "fulfillmentOrders", "nodes")
    for node in nodes if isinstance(nodes, list) else ():
        if at(node, "status") in OPEN:
            fulfilment = {
                "lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": at(node, "id")}],
                "notifyCustomer": False,
            }
            done = yield from _asked(FULFIL, {"fulfillment": fulfilment}, settings)
            _check(done, "fulfillmentCreate")


def _returned(told: Told, settings: Settings, partly: Order | None = None) -> Asking:
    """Open a return for what came back: all that can be, or of `partly` so many of each product."""
    order = _named(told, "order")
    if not order:
        return
    name = f"gid://shopify/Order/{order}"
    said = yield from _asked(RETURNABLE, {"id": name}, settings)
    is_first = at(said, "order", "returnStatus") in NO_RETURN
    found = [
        line
        for part in _edges(at(said, "returnableFulfillments"))
        for line in _edges(at(part, "node", "returnableFulfillmentLineItems"))
    ]
    lines = [
        {
            "fulfillmentLineItemId": at(line, "node", "fulfillmentLineItem", "id"),
            "quantity": count,
            "returnReason": "UNKNOWN",
        }
        for line, count in (
            _part_of(partly, found, is_first=is_first) if partly else _all_of(found)
        )
    ]
    if not lines and is_first:
        raise _Ended(Never(f"{NAME}: nothing of order {told.subject} can be returned"))
    if not lines:
        return  # Shopify has it in a return already
    wanted = {"orderId": name, "returnLineItems": lines, "notifyCustomer": False}
    done = yield from _asked(RETURN, {"returnInput": wanted}, settings)
    _check(done, "returnCreate")


def _all_of(found: list[Any]) -> list[tuple[Any, int]]:
    return [(line, at(line, "node", "quantity")) for line in found]


def _part_of(order: Order, found: list[Any], *, is_first: bool) -> list[tuple[Any, int]]:
    """Which lines, and how many of each, of what came back is in no return of Shopify's yet."""
    taken: list[tuple[Any, int]] = []
    for back in order.back:
        if not back.product or back.product.startswith(("variant:", "product:")):
            raise _Ended(Never(f"{NAME}: {back.product} has no SKU; open the return there"))
        lines = [it for it in found if _sku(it) == back.product]
        bought = sum(it.count for it in order.lines if it.product == back.product)
        in_returns = 0 if is_first else bought - sum(_count(it) for it in lines)
        missing = back.count - in_returns
        for line in lines:
            count = min(missing, _count(line))
            if count > 0:
                taken.append((line, count))
                missing -= count
    return taken


def _sku(line: Any) -> Any:
    return at(line, "node", "fulfillmentLineItem", "lineItem", "sku")


def _count(line: Any) -> int:
    count = at(line, "node", "quantity")
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def _edges(connection: Any) -> list[Any]:
    edges = at(connection, "edges")
    return edges if isinstance(edges, list) else []


def _named(told: Told, what: str) -> str:
    """Shopify's number of the thing, "" for one it never told us of."""
    found = (one.removeprefix(f"{what}:") for one in told.names if one.startswith(f"{what}:"))
    return next((one for one in found if one.isdigit()), "")


def _asked(query: str, variables: dict[str, Any], settings: Settings) -> Asking:
    """What Shopify answers; raises _Ended for anything but data."""
    where = option(settings, "api_url") or f"https://{option(settings, 'shop')}"
    version = option(settings, "api_version") or VERSION
    reply = yield json_call(
        "POST",
        f"{where.rstrip('/')}/admin/api/{version}/graphql.json",
        {"query": query, "variables": variables},
        {"x-shopify-access-token": settings.secrets.get("access", "")},
    )
    later = later_of(reply, name=NAME)
    if later is not None:
        raise _Ended(later)
    assert isinstance(reply, Reply)
    said = reply.json()
    if reply.status != 200:
        raise _Ended(Later(f"{NAME} answered with status {reply.status}", is_whole=True))
    errors = at(said, "errors")
    if isinstance(errors, list) and errors:
        if any(at(one, "extensions", "code") == "THROTTLED" for one in errors):
            raise _Ended(Later(f"{NAME} asks to come later", is_whole=True))
        raise _Ended(Never(f"{NAME}: {words_of(at(errors, 0, 'message'))}"))
    return at(said, "data")


def _check(data: Any, name: str) -> None:
    """Raise _Ended where the change was refused."""
    wrong = at(data, name, "userErrors")
    if isinstance(wrong, list) and wrong:
        raise _Ended(Never(f"{NAME}: {words_of(at(wrong, 0, 'message'))}"))
    if at(data, name) is None:
        raise _Ended(Never(f"{NAME} answered something unknown"))
