"""Shopify, the web shop: orders, parcels, refunds, customers, stock, products and wishes to be forgotten, by webhook.

Shopify signs the body alone (`X-Shopify-Hmac-Sha256`, base64, with the app's client secret), not the time and not the topic.
So a copy is known by its id, and one with another id changes nothing: every fact says when it became so. A body under
the topic of another fails for want of its fields. Times in one order of events are Shopify's `updated_at`.

    secrets     signing: the client secret of the app, or the one shown beside the webhooks of the store; signing_old...
    options     stores: "65432=harbour, 65433=mill": locations by number, or by the title of the shipping line of a pickup
                places: the same for stock, where its places are named otherwise; a location that is in neither is "shopify:65434"
                gift: names of note attributes that say that an order is a gift, "gift" when not told
                sensitive: product types, and tags, that are never named on a public screen: "Health, Lingerie"
                currency: what products cost, which their events do not say; without it prices are not taken
                test_orders: "yes" takes orders of the test gateway too

An order is cancelled, returned (all refunded), collected or delivered (all fulfilled, and handed over), shipped, ready, paid
or placed: the first of these that holds. What one line cost is its price less its part of every discount, per piece.

Source: https://shopify.dev/docs/api/webhooks/2025-04 (payloads),
https://shopify.dev/docs/apps/build/webhooks/verify-deliveries (signature, ids).
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from sync.central.channels.adapter import Delivery, Event, Settings
from sync.central.channels.facts import (
    Agreed,
    AnyFact,
    Became,
    Bought,
    Forget,
    Known,
    Parcel,
    Point,
    Priced,
    Said,
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
    items_of,
    pairs_of,
    rounded,
    secrets_of,
)
from sync.model.records import OrderLine

SOURCES: Final = {"pos": "store", "iphone": "store", "android": "store"}
"""Where an order was placed, by `source_name`; anything else is the channel's own. The last two are its apps for tills."""

SHIPPED: Final = {"delivered": "delivered", "ready_for_pickup": "ready"}
"""State of an order by `shipment_status` of its fulfilments; any other is shipped."""


class Shopify:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "shopify"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The body is signed."""
        given = header(delivery, "x-shopify-hmac-sha256")
        check_mac(given, delivery.body, secrets_of(settings, "signing"), is_hex=False)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a delivery; its id and topic are in headers."""
        topic = header(delivery, "x-shopify-topic")
        vendors_id = header(delivery, "x-shopify-webhook-id") or header(
            delivery, "x-shopify-event-id"
        )
        body = decoded(delivery.body)
        if not isinstance(body, dict):
            raise Json(body).wrong("an object")
        at = Json(body).when("updated_at") if topic.partition("/")[0] != "customers" else 0
        return (Event(vendors_id or digest_of(topic.encode(), delivery.body), topic, at, body),)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """By topic."""
        return by_topic(TOPICS, event, settings)


ADAPTER: Final = Shopify()


# --- Orders -----------------------------------------------------------------


def _order(order: Json, settings: Settings) -> Iterator[AnyFact]:
    if order.flag("test") and settings.options.get("test_orders") != "yes":
        return
    number, currency, at = (
        order.need_ref("name").lstrip("#"),
        order.currency("currency"),
        order.when("updated_at"),
    )
    store = _pickup_store(order, settings)
    lines = tuple(_line(line, currency) for line in order.each("line_items"))
    yield Bought(
        ref=number,
        at=at,
        who=_who_ordered(order, is_gift=_is_gift(order, settings)),
        also=(f"order:{order.need_ref('id')}",),
        channel=SOURCES.get(order.text("source_name"), settings.channel or "web"),
        state=_state(order, is_pickup=bool(store)),
        ordered_at=order.when("created_at"),
        lines=lines,
        total_minor=order.money("total_price", currency),
        currency=currency,
        code=", ".join(one.text("code") for one in order.each("discount_codes")),
        sensitivity=_sensitivity(order, settings),
        pickup_store=store,
    )


def _state(order: Json, *, is_pickup: bool) -> str:
    financial, fulfilled = order.text("financial_status"), order.text("fulfillment_status")
    shipments = {
        one.text("shipment_status")
        for one in order.each("fulfillments")
        if one.text("status") == "success"
    }
    if order.has("cancelled_at"):
        return "cancelled"
    if financial == "refunded":
        return "returned"
    if fulfilled == "fulfilled":
        if is_pickup:
            return "ready" if shipments == {"ready_for_pickup"} else "collected"
        return "delivered" if shipments == {"delivered"} else "shipped"
    if fulfilled == "partial":
        return "shipped"
    return "paid" if financial in {"paid", "partially_refunded"} else "placed"


def _line(line: Json, currency: str) -> OrderLine:
    count = line.number("quantity", 1)
    price = line.amount("price")
    parts = [one.amount("amount") for one in line.each("discount_allocations")]
    off = sum(parts, Decimal(0)) if parts else line.amount("total_discount")
    return OrderLine(
        product=_article(line.ref("sku"), line.ref("variant_id"), line.ref("product_id")),
        title=line.text("title"),
        count=count,
        variant=line.text("variant_title"),
        paid_minor=rounded(price - off / count if count > 0 else price, currency),
        list_minor=rounded(price, currency),
    )


def _article(sku: str, variant: str, product: str) -> str:
    """Our article number: the SKU, or Shopify's own number of the variant where a shop gives none."""
    return sku or (f"variant:{variant}" if variant else f"product:{product}" if product else "")


def _pickup_store(order: Json, settings: Settings) -> str:
    """The store an order is to be collected in, "" for one that is sent."""
    stores = pairs_of(settings.options.get("stores", ""))
    for line in order.each("shipping_lines"):
        if (
            line.text("delivery_category") == "pickup"
            or line.text("source") == "pickup"
            or line.text("code") in stores
        ):
            return (
                stores.get(line.text("code"))
                or stores.get(line.text("title"))
                or "shopify:" + line.text("title")
            )
    return ""


def _is_gift(order: Json, settings: Settings) -> bool:
    names = {name.casefold() for name in items_of(settings.options.get("gift", "gift"))}
    told = {
        one.text("name").casefold(): one.ref("value").casefold()
        for one in order.each("note_attributes")
    }
    return any(told.get(name, "no") not in {"", "no", "false", "0"} for name in names)


def _sensitivity(order: Json, settings: Settings) -> str:
    if _is_gift(order, settings):
        return "gift"
    tags = {tag.casefold() for tag in items_of(order.text("tags"))}
    kinds = {line.text("product_type").casefold() for line in order.each("line_items")}
    return "sensitive" if (tags | kinds) & _sensitive(settings) else "normal"


def _sensitive(settings: Settings) -> set[str]:
    return {name.casefold() for name in items_of(settings.options.get("sensitive", ""))}


def _refund(refund: Json, settings: Settings) -> Iterator[AnyFact]:
    """Says what was sent back; that the order is now another, `orders/updated` says."""
    why = f": {refund.text('note')}" if refund.text("note") else ""
    for paid in refund.each("transactions"):
        if paid.text("kind") == "refund" and paid.text("status") == "success":
            yield Said(
                ref=f"refund:{paid.need_ref('id')}",
                at=paid.when("processed_at") or refund.when("created_at"),
                channel=settings.channel or "web",
                direction="note",
                by="Shopify",
                text=f"Refunded {paid.amount('amount')} {paid.currency('currency')} to {paid.text('gateway')}{why}",
                about=f"order:{refund.need_ref('order_id')}",
                is_automatic=True,
            )


def _removed(order: Json, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    ref = f"order:{order.need_ref('id')}"
    yield Became(ref=ref, at=order.when("updated_at"), state="cancelled")


def _fulfilment(one: Json, settings: Settings) -> Iterator[AnyFact]:
    if one.text("status") != "success":
        return
    order, at = f"order:{one.need_ref('order_id')}", one.when("updated_at")
    state = SHIPPED.get(one.text("shipment_status"), "shipped")
    store = pairs_of(settings.options.get("stores", "")).get(one.ref("location_id"), "")
    if state == "ready" and store:
        count = sum(line.number("quantity", 1) for line in one.each("line_items"))
        yield Parcel(
            ref=f"fulfillment:{one.need_ref('id')}",
            at=at,
            order=order,
            store=store,
            state="ready",
            n_items=count,
        )
    yield Became(ref=order, at=at, state=state)


# --- Customers --------------------------------------------------------------


def _who_ordered(order: Json, *, is_gift: bool) -> Who:
    """Whoever ordered; never whoever a gift is for, so no shipping address of one."""
    customer, billing = order.at("customer"), order.at("billing_address")
    address = billing if billing.value is not None or is_gift else order.at("shipping_address")
    return _who(
        customer,
        address,
        emails=(order.text("email"), order.text("contact_email")),
        phones=(order.text("phone"), billing.text("phone")),
        language=order.text("customer_locale"),
    )


def _who(
    customer: Json,
    address: Json,
    *,
    emails: tuple[str, ...] = (),
    phones: tuple[str, ...] = (),
    language: str = "",
) -> Who:
    home = customer.at("default_address") if customer.has("default_address") else address
    country = home.text("country_code")
    # Shopify calls an address verified that a shop imported; only an account that was opened by a mail to it proves it.
    is_proved = customer.flag("verified_email") and customer.text("state") == "enabled"
    proved = customer.text("email") if is_proved else ""
    mails = dict.fromkeys(one for one in (customer.text("email"), *emails) if one)
    calls = dict.fromkeys(one for one in (customer.text("phone"), *phones) if one)
    return Who(
        ref=customer.ref("id"),
        given_name=customer.text("first_name") or home.text("first_name"),
        family_name=customer.text("last_name") or home.text("last_name"),
        language=language,
        points=(
            *(Point("email", one, is_verified=one == proved) for one in mails),
            *(Point("phone", one, country=country) for one in calls),
        ),
        street=home.text("address1"),
        postcode=home.text("zip"),
        city=home.text("city"),
    )


def _customer(customer: Json, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    who, at = _who(customer, customer.at("default_address")), customer.when("updated_at")
    yield Known(ref=customer.need_ref("id"), at=at, who=who)
    yield from _consent(customer, who)


def _consent(customer: Json, who: Who) -> Iterator[AnyFact]:
    consent = customer.at("email_marketing_consent")
    state = consent.text("state")
    if state in {"subscribed", "unsubscribed"}:
        at = consent.when("consent_updated_at") or customer.when("updated_at")
        yield Agreed(
            ref="marketing",
            at=at,
            who=who,
            purpose="marketing",
            is_granted=state == "subscribed",
        )


def _consented(customer: Json, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    ref = customer.need_ref("customer_id")
    points = tuple(Point("email", one) for one in (customer.text("email_address"),) if one)
    yield from _consent(customer, Who(ref=ref, points=points))


def _forget(wish: Json, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    customer = wish.at("customer") if wish.has("customer") else wish
    who = _who(customer, Json(None))
    yield Forget(ref=customer.need_ref("id"), at=wish.when("updated_at"), who=who)


# --- Stock and products -----------------------------------------------------


def _level(level: Json, settings: Settings) -> Iterator[AnyFact]:
    place = level.need_ref("location_id")
    known = pairs_of(settings.options.get("stores", "")) | pairs_of(
        settings.options.get("places", "")
    )
    yield Stocked(
        ref=f"inventory_item:{level.need_ref('inventory_item_id')}",
        at=level.when("updated_at"),
        place=known.get(place, f"shopify:{place}"),
        count=level.number("available") if level.has("available") else None,
    )


def _product(product: Json, settings: Settings) -> Iterator[AnyFact]:
    title, kind = product.need_text("title"), product.text("product_type")
    tags = {tag.casefold() for tag in items_of(product.text("tags"))} | {kind.casefold()}
    currency = settings.options.get("currency", "")
    for variant in product.each("variants"):
        at = variant.when("updated_at") or product.when("updated_at")
        ref = _article(variant.ref("sku"), variant.need_ref("id"), "")
        item = variant.ref("inventory_item_id")
        yield Sold(
            ref=ref,
            at=at,
            also=(f"inventory_item:{item}",) if item else (),
            title=title,
            category=kind,
            sensitivity="sensitive" if tags & _sensitive(settings) else "normal",
        )
        if currency:
            amount = variant.money("price", currency)
            yield Priced(
                ref=ref,
                at=at,
                channel=settings.channel or "web",
                amount_minor=amount,
                currency=currency,
            )


def _nothing(_: Json, settings: Settings) -> Iterator[AnyFact]:  # noqa: ARG001
    return iter(())


TOPICS: Final[Topics] = {
    "orders/create": _order,
    "orders/updated": _order,
    "orders/edited": _nothing,  # says what was added by numbers alone; orders/updated follows with the whole order
    "orders/paid": _order,
    "orders/fulfilled": _order,
    "orders/partially_fulfilled": _order,
    "orders/cancelled": _order,
    "orders/delete": _removed,
    "fulfillments/create": _fulfilment,
    "fulfillments/update": _fulfilment,
    "refunds/create": _refund,
    "customers/create": _customer,
    "customers/update": _customer,
    "customers/enable": _customer,
    "customers/disable": _customer,
    "customers/delete": _forget,
    "customers/redact": _forget,
    "customers_email_marketing_consent/update": _consented,
    "inventory_levels/update": _level,
    "products/create": _product,
    "products/update": _product,
    "shop/redact": _nothing,
}
"""By `X-Shopify-Topic`."""
