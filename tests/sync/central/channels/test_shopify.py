"""What Shopify's webhooks say."""

from typing import Any

import pytest

from sync.central.channels.facts import (
    Agreed,
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
)  # fmt: skip
from sync.central.channels.parts import instant
from sync.model.records import OrderLine
from tests.support.deliveries import vendor

SHOPIFY = vendor("shopify")


def the_order(type_: str = "orders/create", **changes: Any) -> Bought:
    (fact,) = SHOPIFY.facts(type_, {**SHOPIFY.payload(type_), **changes})
    assert isinstance(fact, Bought)
    return fact


def test_an_order_is_told_with_what_was_paid_after_the_code() -> None:
    order = the_order()

    assert order.ref == "W-1042"
    assert order.also == ("order:5511042000001",)
    assert order.at == instant("2026-09-07T08:12:03Z")
    assert order.ordered_at == instant("2026-09-07T08:12:00Z")
    assert order.lines == (
        OrderLine(
            product="LS-M",
            title="Linen shirt",
            count=1,
            variant="M",
            paid_minor=3192,
            list_minor=3990,
        ),
    )
    assert (order.total_minor, order.currency, order.code, order.state) == (
        3192,
        "EUR",
        "LINEN20",
        "paid",
    )
    assert (order.channel, order.sensitivity, order.pickup_store) == ("web", "normal", "")


def test_whoever_ordered_is_told_with_what_their_account_proves() -> None:
    who = the_order().who

    assert who is not None
    assert (who.ref, who.given_name, who.family_name, who.language) == (
        "115310627314723954",
        "Maya",
        "Lindt",
        "en-DE",
    )
    assert who.points == (
        Point("email", "maya@example.com", is_verified=True),
        Point("phone", "+4915112345678", country="DE"),
        Point("phone", "040 123456", country="DE"),
    )
    assert (who.street, who.postcode, who.city) == ("Hafenstr. 3", "20457", "Hamburg")


def test_an_address_only_a_shop_calls_verified_proves_nothing() -> None:
    customer = {**SHOPIFY.payload("orders/create")["customer"], "state": "disabled"}
    who = the_order(customer=customer).who

    assert who is not None
    assert not any(point.is_verified for point in who.points)


def test_a_guest_has_no_number_and_can_still_be_reached() -> None:
    who = the_order(customer=None, phone="+49 40 99").who

    assert who is not None
    assert who.ref == ""
    assert [point.value for point in who.points] == [
        "maya@example.com",
        "+49 40 99",
        "040 123456",
    ]
    assert who.given_name == "Maya"


def test_a_gift_is_one_and_the_address_it_goes_to_is_nobodys() -> None:
    gift = the_order(
        note_attributes=[{"name": "Gift", "value": "yes"}],
        customer=None,
        billing_address=None,
        shipping_address={"first_name": "Ruth", "address1": "Am Markt 1", "country_code": "DE"},
    )

    assert gift.sensitivity == "gift"
    assert gift.who is not None
    assert (gift.who.given_name, gift.who.street) == ("", "")


@pytest.mark.parametrize("value", ["", "no", "false", "0", None])
def test_an_order_that_says_it_is_no_gift_is_none(value: Any) -> None:
    assert the_order(note_attributes=[{"name": "gift", "value": value}]).sensitivity == "normal"


def test_what_the_shop_calls_sensitive_is() -> None:
    assert the_order(tags="summer, health").sensitivity == "sensitive"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"financial_status": "pending"}, "placed"),
        ({"financial_status": "authorized"}, "placed"),
        ({"financial_status": "paid"}, "paid"),
        (
            {"financial_status": "partially_refunded", "fulfillment_status": "fulfilled"},
            "shipped",
        ),
        ({"fulfillment_status": "partial"}, "shipped"),
        ({"fulfillment_status": "fulfilled"}, "shipped"),
        ({"fulfillment_status": "fulfilled", "financial_status": "refunded"}, "returned"),
        ({"financial_status": "refunded", "cancelled_at": "2026-09-08T08:00:00Z"}, "cancelled"),
    ],
)
def test_an_order_is_in_the_state_its_parts_say(changes: dict[str, Any], state: str) -> None:
    assert the_order(**changes).state == state


def test_an_order_whose_every_parcel_was_delivered_is_delivered() -> None:
    on_the_way = {"status": "success", "shipment_status": "in_transit"}
    parcels = SHOPIFY.payload("orders/updated")["fulfillments"]

    assert the_order("orders/updated").state == "delivered"
    assert the_order("orders/updated", fulfillments=[*parcels, on_the_way]).state == "shipped"


def test_an_order_for_collection_says_where_and_is_collected_when_fulfilled() -> None:
    order = the_order("orders/paid")

    assert order.ref == "W-1077"
    assert (order.pickup_store, order.state, order.sensitivity) == (
        "shopify:Harbour store",
        "paid",
        "gift",
    )
    (named,) = SHOPIFY.facts("orders/paid", options={"stores": "Harbour store=harbour"})
    assert isinstance(named, Bought)
    assert named.pickup_store == "harbour"
    assert the_order("orders/paid", fulfillment_status="fulfilled").state == "collected"


def test_a_discount_is_shared_by_the_pieces_of_a_line_to_the_nearest_cent() -> None:
    (line,) = the_order("orders/paid").lines

    assert (line.count, line.list_minor, line.paid_minor) == (2, 3990, 3990)
    lines = SHOPIFY.payload("orders/create")["line_items"]
    lines[0].update(quantity=3, discount_allocations=[{"amount": "10.00"}, {"amount": "1.00"}])
    assert the_order(line_items=lines).lines[0].paid_minor == 3623  # 39.90 less 11.00 / 3


def test_money_without_decimals_has_none() -> None:
    lines = SHOPIFY.payload("orders/create")["line_items"]
    lines[0].update(price="3990", discount_allocations=[{"amount": "798"}])
    order = the_order(currency="JPY", total_price="3192", line_items=lines)

    assert (order.total_minor, order.lines[0].paid_minor, order.lines[0].list_minor) == (
        3192,
        3192,
        3990,
    )


def test_an_order_of_the_test_gateway_is_taken_only_where_the_channel_says_so() -> None:
    test = {**SHOPIFY.payload("orders/create"), "test": True}

    assert SHOPIFY.facts("orders/create", test) == ()
    assert len(SHOPIFY.facts("orders/create", test, {"test_orders": "yes"})) == 1


def test_an_order_at_the_till_is_of_the_store() -> None:
    assert the_order(source_name="pos").channel == "store"


def test_an_order_that_was_taken_away_is_cancelled() -> None:
    assert SHOPIFY.facts("orders/delete") == (
        Became(ref="order:5511042000001", at=0, state="cancelled"),
    )


def test_a_parcel_that_lies_ready_is_told_with_its_store() -> None:
    parcel, order = SHOPIFY.facts("fulfillments/update")

    assert parcel == Parcel(
        ref="fulfillment:255858046",
        at=instant("2026-09-08T07:00:00Z"),
        order="order:5511077000001",
        store="harbour",
        state="ready",
        n_items=2,
    )
    assert order == Became(ref="order:5511077000001", at=parcel.at, state="ready")


def test_a_parcel_on_its_way_ships_its_order() -> None:
    (order,) = SHOPIFY.facts("fulfillments/create")

    assert isinstance(order, Became)
    assert (order.ref, order.state) == ("order:5511042000001", "shipped")
    assert (
        SHOPIFY.facts(
            "fulfillments/create",
            {**SHOPIFY.payload("fulfillments/create"), "status": "cancelled"},
        )
        == ()
    )


def test_a_refund_says_how_much_went_where_and_why() -> None:
    (note,) = SHOPIFY.facts("refunds/create")

    assert isinstance(note, Said)
    assert note.text == "Refunded 31.92 EUR to shopify_payments: too small"
    assert (note.direction, note.about, note.is_automatic) == (
        "note",
        "order:5511042000001",
        True,
    )


def test_a_customer_who_withdrew_is_told_with_when() -> None:
    known, agreed = SHOPIFY.facts("customers/update")

    assert isinstance(known, Known)
    assert isinstance(agreed, Agreed)
    assert (agreed.is_granted, agreed.at) == (False, instant("2026-09-10T06:00:00Z"))
    (again,) = SHOPIFY.facts("customers_email_marketing_consent/update")
    assert isinstance(again, Agreed)
    assert again.is_granted
    assert again.who is not None
    assert again.who.ref == "115310627314723954"


def test_a_wish_to_be_forgotten_is_passed_on() -> None:
    (wish,) = SHOPIFY.facts("customers/redact")

    assert isinstance(wish, Forget)
    assert wish.who is not None
    assert [point.value for point in wish.who.points] == ["maya@example.com", "+4915112345678"]


def test_a_stock_is_told_by_the_things_other_number() -> None:
    (stock,) = SHOPIFY.facts("inventory_levels/update")
    (unknown,) = SHOPIFY.facts(
        "inventory_levels/update",
        {**SHOPIFY.payload("inventory_levels/update"), "available": None},
    )

    assert stock == Stocked(
        ref="inventory_item:271878346596884015",
        at=instant("2026-09-12T05:59:00Z"),
        place="harbour",
        count=0,
    )
    assert isinstance(unknown, Stocked)
    assert unknown.count is None


def test_every_variant_of_a_product_is_an_article_with_its_price() -> None:
    facts = SHOPIFY.facts("products/update")

    assert [(fact.ref, fact.also) for fact in facts if isinstance(fact, Sold)] == [
        ("LS-M", ("inventory_item:271878346596884015",)),
        ("variant:80802", ("inventory_item:271878346596884016",)),
    ]
    assert [fact.amount_minor for fact in facts if isinstance(fact, Priced)] == [3990, 3990]
    assert [
        fact
        for fact in SHOPIFY.facts("products/update", options={"currency": ""})
        if isinstance(fact, Priced)
    ] == []


def test_a_topic_without_a_mapping_is_said() -> None:
    (event,) = SHOPIFY.take(SHOPIFY.delivery("themes/publish", b"{}"))

    with pytest.raises(Exception, match="themes/publish"):
        SHOPIFY.adapter.facts(event, SHOPIFY.settings)
