"""WooCommerce, a web shop: orders, customers and products, by webhook.

The body alone is signed (`X-WC-Webhook-Signature`, base64, with the webhook's secret). A delivery has an id that a repeated one
has too. When a webhook is made, WooCommerce sends `webhook_id=7` once, which says nothing.

    secrets     signing: the webhook's secret, signing_old...
    options     stores: "local_pickup:3=harbour": store by method (and instance) of a pickup's shipping line
                gift: name of the order's meta field that says it is a gift, "gift" when not told
                currency: what products cost, which their events do not say; without it prices are not taken

Source: https://woocommerce.github.io/woocommerce-rest-api-docs/ (webhooks, orders, customers, products; v3).
"""

from collections.abc import Iterator
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Settings
from sync.central.channels.facts import (
    AnyFact,
    Bought,
    Known,
    Point,
    Priced,
    Sold,
    Stocked,
    Who,
)
from sync.central.channels.parts import (
    Json,
    Topics,
    by_topic,
    check_mac,
    decoded,
    digest_of,
    header,
    pairs_of,
    rounded,
    secrets_of,
)
from sync.model.records import OrderLine

STATES: Final = {
    "pending": "placed", "on-hold": "placed", "processing": "paid", "completed": "shipped",
    "cancelled": "cancelled", "failed": "cancelled", "trash": "cancelled", "refunded": "returned",
}  # fmt: skip
"""State of an order by WooCommerce's; one of a plug-in is "placed"."""

PING: Final = b"webhook_id="


class WooCommerce:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "woocommerce"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The body is signed; the first word after a webhook was made says nothing and is not."""
        if delivery.body.startswith(PING) and len(delivery.body) < 40:
            return
        given = header(delivery, "x-wc-webhook-signature")
        check_mac(given, delivery.body, secrets_of(settings, "signing"), is_hex=False)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a delivery; its id and topic are in headers."""
        if delivery.body.startswith(PING):
            return ()
        topic, body = header(delivery, "x-wc-webhook-topic"), decoded(delivery.body)
        told = Json(body)
        vendors_id = header(delivery, "x-wc-webhook-delivery-id")
        return (
            Event(
                vendors_id or digest_of(topic.encode(), delivery.body),
                topic,
                told.when("date_modified_gmt"),
                body,
            ),
        )

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """By topic."""
        return by_topic(TOPICS, event, settings)


ADAPTER: Final = WooCommerce()


def _order(order: Json, settings: Settings) -> Iterator[AnyFact]:
    currency = order.currency("currency")
    store = _pickup_store(order, settings)
    state = STATES.get(order.need_text("status"), "placed")
    yield Bought(
        ref=order.need_ref("number"),
        at=order.when("date_modified_gmt"),
        who=_who_ordered(order),
        also=(f"order:{order.need_ref('id')}",),
        channel=settings.channel or "web",
        state="collected" if store and state == "shipped" else state,
        ordered_at=order.when("date_created_gmt"),
        lines=tuple(_line(line, currency) for line in order.each("line_items")),
        total_minor=order.money("total", currency),
        currency=currency,
        code=", ".join(one.text("code") for one in order.each("coupon_lines")),
        sensitivity="gift" if _is_gift(order, settings) else "normal",
        pickup_store=store,
    )


def _line(line: Json, currency: str) -> OrderLine:
    """WooCommerce tells the sum of a line before (`subtotal`) and after (`total`) every discount, and their tax beside."""
    count = line.number("quantity", 1) or 1
    paid = line.amount("total") + line.amount("total_tax")
    listed = line.amount("subtotal") + line.amount("subtotal_tax")
    number = line.ref("variation_id") if line.ref("variation_id") not in {"", "0"} else ""
    return OrderLine(
        product=line.ref("sku") or f"product:{number or line.ref('product_id')}",
        title=line.text("name"),
        count=count,
        paid_minor=rounded(paid / count, currency),
        list_minor=rounded(listed / count, currency),
    )


def _pickup_store(order: Json, settings: Settings) -> str:
    stores = pairs_of(settings.options.get("stores", ""))
    for line in order.each("shipping_lines"):
        method = line.text("method_id")
        if method in {"local_pickup", "pickup_location"}:
            place = f"{method}:{line.ref('instance_id')}"
            return stores.get(place) or stores.get(method) or f"woocommerce:{place}"
    return ""


def _is_gift(order: Json, settings: Settings) -> bool:
    name = settings.options.get("gift", "gift")
    return any(
        one.text("key") == name and one.value.get("value") not in {None, "", "no", "0", False}
        for one in order.each("meta_data")
        if isinstance(one.value, dict) and not isinstance(one.value.get("value"), list | dict)
    )


def _who_ordered(order: Json) -> Who:
    number = order.ref("customer_id")
    return _who(
        order.at("billing"),
        ref="" if number == "0" else number,
        email=order.text("billing.email"),
    )


def _who(address: Json, *, ref: str, email: str, name: Json | None = None) -> Who:
    named = address if name is None else name
    points = (
        *((Point("email", email),) if email else ()),
        *(
            (Point("phone", address.text("phone"), country=address.text("country")),)
            if address.text("phone")
            else ()
        ),
    )
    return Who(
        ref=ref,
        given_name=named.text("first_name"),
        family_name=named.text("last_name"),
        points=points,
        street=address.text("address_1"),
        postcode=address.text("postcode"),
        city=address.text("city"),
    )


def _customer(customer: Json, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    number = customer.need_ref("id")
    who = _who(customer.at("billing"), ref=number, email=customer.text("email"), name=customer)
    yield Known(ref=number, at=customer.when("date_modified_gmt"), who=who)


def _product(product: Json, settings: Settings) -> Iterator[AnyFact]:
    ref = product.ref("sku") or f"product:{product.need_ref('id')}"
    at, currency = product.when("date_modified_gmt"), settings.options.get("currency", "")
    category = next((one.text("name") for one in product.each("categories")), "")
    yield Sold(ref=ref, at=at, title=product.need_text("name"), category=category)
    if currency and product.text("price"):
        amount = product.money("price", currency)
        yield Priced(
            ref=ref,
            at=at,
            channel=settings.channel or "web",
            amount_minor=amount,
            currency=currency,
        )
    if product.flag("manage_stock"):
        count = product.number("stock_quantity") if product.has("stock_quantity") else None
        yield Stocked(ref=ref, at=at, place="web", count=count)


def _nothing(_: Json, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    return iter(())


TOPICS: Final[Topics] = {
    "order.created": _order,
    "order.updated": _order,
    "order.restored": _order,
    "order.deleted": _nothing,  # has the number alone; the order was cancelled or refunded before
    "customer.created": _customer,
    "customer.updated": _customer,
    "customer.deleted": _nothing,
    "product.created": _product,
    "product.updated": _product,
    "product.deleted": _nothing,
    "product.restored": _product,
}
"""By `X-WC-Webhook-Topic`."""
