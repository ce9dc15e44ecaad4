"""The seeded brand is as large, as whole and as old as the demo needs."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

import msgspec

from hardware.moments import micros_of, moment_of
from kiosk.demo.bands import band_id_of, demo_band, demo_bands
from kiosk.demo.brand import demo_interest, demo_rows
from kiosk.demo.catalogue import CONTRADICTIONS, HOME_STORE, SENSITIVE
from kiosk.demo.people import PEOPLE
from sync.model.records import (
    CHANNELS,
    Account,
    Band,
    Case,
    ContactPoint,
    Customer,
    Entitlement,
    Interaction,
    Offer,
    Order,
    Pickup,
    Price,
    Product,
    Record,
    Staff,
    Stock,
    Store,
)
from sync.model.row import Row, body_of, raw_of
from sync.model.sins import scoreboard_of

NOW = datetime(2026, 5, 7, 10, 24, 31, 5, tzinfo=UTC)
ROWS = demo_rows(NOW)
KEYS = {row.key: row for row in ROWS}

Body = TypeVar("Body", bound=Record)


def of(kind: type[Body]) -> list[tuple[Row, Body]]:
    return [(row, row.body) for row in ROWS if isinstance(row.body, kind)]


def texts_of(value: object) -> Iterator[str]:
    """Every text anywhere in a body."""
    match value:
        case str():
            yield value
        case dict():
            for part in value.values():
                yield from texts_of(part)
        case list() | tuple():
            for part in value:
                yield from texts_of(part)
        case _:
            pass


# How much there is


def test_the_brand_is_as_large_as_promised() -> None:
    assert len(of(Store)) >= 3
    assert len(of(Customer)) >= 40
    assert len(of(Order)) >= 200
    assert len(of(Product)) >= 60


def test_at_least_40_customers_have_threads_and_every_channel_is_used() -> None:
    contacts = of(Interaction)

    assert len({row.owner for row, _ in contacts}) >= 40
    assert {contact.channel for _, contact in contacts} == set(CHANNELS)


def test_contacts_of_customers_alone_come_through_at_least_8_channels() -> None:
    assert (
        len({contact.channel for _, contact in of(Interaction) if contact.direction == "in"})
        >= 8
    )


def test_most_customers_met_us_in_more_than_one_channel() -> None:
    channels: dict[str, set[str]] = defaultdict(set)
    for row, order in of(Order):
        channels[row.owner].add(order.channel)
    for row, contact in of(Interaction):
        channels[row.owner].add(contact.channel)

    assert sum(1 for met in channels.values() if len(met) > 1) >= 40


def test_there_are_open_cases_pickups_ready_and_offers() -> None:
    assert sum(1 for _, case in of(Case) if case.state == "open") >= 10
    assert sum(1 for _, case in of(Case) if case.state == "solved") >= 3
    assert sum(1 for _, pickup in of(Pickup) if pickup.state == "ready") >= 5
    assert sum(1 for _, pickup in of(Pickup) if pickup.store == HOME_STORE) >= 3
    assert len(of(Offer)) >= 20


def test_every_product_has_a_price_in_each_channel_and_stock_in_each_place() -> None:
    stores = {store.id for _, store in of(Store)}
    places: dict[str, set[str]] = defaultdict(set)
    channels: dict[str, set[str]] = defaultdict(set)
    for _, stock in of(Stock):
        places[stock.product].add(stock.place)
    for _, price in of(Price):
        channels[price.product].add(price.channel)

    for _, product in of(Product):
        assert places[product.id] == {*stores, "web"}
        assert channels[product.id] == {"store", "web", "app"}


def test_known_none_and_unknown_are_both_among_the_counts() -> None:
    counts = {stock.count for _, stock in of(Stock)}

    assert {0, None} <= counts


def test_every_store_has_clerks_and_ana_sits_in_the_call_centre() -> None:
    staff = {person.id: person for _, person in of(Staff)}

    assert {person.store for person in staff.values()} >= {store.id for _, store in of(Store)}
    assert (staff["ana"].name, staff["ana"].role, staff["ana"].store) == (
        "Ana",
        "call centre",
        "",
    )


# What hangs together


def test_no_two_rows_have_the_same_key() -> None:
    assert len(KEYS) == len(ROWS)


def test_every_row_belongs_to_a_customer_or_to_nobody() -> None:
    customers = {customer.id for _, customer in of(Customer)}

    assert {row.owner for row in ROWS} == {"", *customers}
    for row, customer in of(Customer):
        assert row.owner == customer.id


def test_kinds_of_the_shop_belong_to_nobody_and_all_others_to_somebody() -> None:
    shared = (Store, Staff, Product, Price, Stock)

    for row in ROWS:
        is_spare = isinstance(row.body, Band) and row.body.state == "unlinked"
        assert (row.owner == "") == (isinstance(row.body, shared) or is_spare), row.key


def test_every_line_of_an_order_is_a_product_we_sell_by_its_name() -> None:
    for _, order in of(Order):
        for line in order.lines:
            product = KEYS[f"product/{line.product}"].body
            assert isinstance(product, Product)
            assert line.title == product.title


def test_an_order_costs_what_its_lines_say() -> None:
    for _, order in of(Order):
        assert order.lines, order.id
        assert order.total_minor == sum(line.count * line.paid_minor for line in order.lines)


def test_a_pickup_is_of_an_order_of_the_same_customer_and_in_a_store() -> None:
    for row, pickup in of(Pickup):
        of_order = KEYS[f"order/{pickup.order}"]
        assert isinstance(of_order.body, Order)
        assert of_order.owner == row.owner
        assert of_order.body.state == pickup.state == "ready"
        assert sum(line.count for line in of_order.body.lines) == pickup.n_items
        assert f"store/{pickup.store}" in KEYS
        assert pickup.shelf


def test_an_order_that_is_ready_has_its_pickup() -> None:
    waiting = {pickup.order for _, pickup in of(Pickup)}

    assert {order.id for _, order in of(Order) if order.state == "ready"} == waiting


def test_a_contact_is_about_something_of_the_same_customer() -> None:
    for row, contact in of(Interaction):
        if contact.about:
            assert KEYS[contact.about].owner == row.owner, row.key


def test_every_number_said_in_a_text_exists() -> None:
    numbers = {row.key.split("/")[1] for row in ROWS if row.kind in ("order", "case", "pickup")}

    for row in ROWS:
        for text in texts_of(msgspec.to_builtins(row.body)):
            for said in re.findall(r"\b[WASTPC]-\d{4}\b", text):
                assert said in numbers, row.key


def test_everything_else_that_is_pointed_to_exists() -> None:
    for _, offer in of(Offer):
        assert not offer.product or f"product/{offer.product}" in KEYS
    for _, entitlement in of(Entitlement):
        assert f"store/{entitlement.home_store}" in KEYS
    for _, price in of(Price):
        assert f"product/{price.product}" in KEYS
        assert price.id == f"{price.product}@{price.channel}"
    for _, stock in of(Stock):
        assert f"product/{stock.product}" in KEYS
        assert stock.id == f"{stock.product}@{stock.place}"


def test_fixed_words_are_those_of_the_records() -> None:
    for _, contact in of(Interaction):
        assert contact.channel in CHANNELS
        assert contact.direction in ("in", "out", "note")
        assert contact.audience in ("customer", "internal")
    for _, order in of(Order):
        assert order.channel in CHANNELS
        assert order.state in (
            "paid",
            "ready",
            "shipped",
            "delivered",
            "collected",
            "cancelled",
        )
    for _, customer in of(Customer):
        assert customer.preferred_channel in ("", *CHANNELS)
    for _, contact_point in of(ContactPoint):
        assert contact_point.channel in CHANNELS


def test_who_speaks_for_us_works_here_and_who_promised_too() -> None:
    machines = {"shop bot", "web shop", "automatic reply"}
    names = {person.name for _, person in of(Staff)} | machines

    for row, contact in of(Interaction):
        if contact.direction != "in":
            assert contact.by.split(" (")[0] in names, row.key
    for row, case in of(Case):
        if case.promise:
            assert case.promise.by.split(" (")[0] in names, row.key


def test_a_customer_speaks_under_their_own_name() -> None:
    for row, contact in of(Interaction):
        if contact.direction == "in":
            customer = KEYS[f"customer/{row.owner}"].body
            assert isinstance(customer, Customer)
            assert contact.by == customer.given_name


def test_every_linked_band_of_the_demo_has_its_record_and_the_others_have_none() -> None:
    records = {band.id: (row.owner, band) for row, band in of(Band)}

    for band in demo_bands():
        if band.customer:
            owner, record = records[band_id_of(band)]
            assert owner == band.customer
            assert record.is_uid_only == (band.chip == "uid_only")
            assert record.state == ("blocked" if band.name == "blocked" else "active")
        elif band.name == "spare":
            owner, record = records[band_id_of(band)]
            assert (owner, record.state) == ("", "unlinked")
        else:
            assert band_id_of(band) not in records, band.name


def test_the_band_of_nobody_is_encoded_but_unknown() -> None:
    nobody = demo_band("nobody")

    assert nobody.reference
    assert f"band/{band_id_of(nobody)}" not in KEYS


def test_every_customer_has_one_band_that_works() -> None:
    active: dict[str, int] = defaultdict(int)
    for row, band in of(Band):
        active[row.owner] += band.state == "active"

    assert {row.owner: active[row.owner] for row, _ in of(Customer)} == dict.fromkeys(
        (customer.id for _, customer in of(Customer)), 1
    )


def test_no_contact_point_belongs_to_two_people_or_to_a_real_one() -> None:
    points = [(point.channel, point.value) for _, point in of(ContactPoint)]

    assert len(set(points)) == len(points)
    for channel, value in points:
        if channel in ("phone", "whatsapp"):
            # Source: Ofcom, numbers for drama: 07700 900000 to 900999 are never given out.
            assert re.fullmatch(r"\+447700900\d{3}", value)
        elif channel == "email":
            # Source: RFC 2606, 3: example.com is nobody's.
            assert value.endswith("@example.com")
        else:
            assert "example" in value


# How old it is


def test_nothing_happened_after_now_and_no_fact_is_older_than_what_it_tells() -> None:
    now = micros_of(NOW)

    for row in ROWS:
        assert 0 < row.as_of <= now, row.key
    for row, contact in of(Interaction):
        assert contact.at <= row.as_of
        assert contact.answered_at == 0 or contact.at < contact.answered_at <= now
        assert contact.due_at == 0 or contact.at < contact.due_at
    for row, order in of(Order):
        assert order.at <= row.as_of
    for row, pickup in of(Pickup):
        assert pickup.ready_at <= row.as_of
    for row, stock in of(Stock):
        assert stock.counted_at == row.as_of
    for row, case in of(Case):
        assert case.opened_at <= row.as_of
        assert all(told.at <= now for told in case.told)
        assert case.promise is None or case.opened_at < case.promise.due_at


def test_offers_and_tickets_are_still_good() -> None:
    now = micros_of(NOW)

    assert all(offer.until > now for _, offer in of(Offer))
    assert all(entitlement.until > now for _, entitlement in of(Entitlement))


def test_a_written_contact_that_counts_as_answered_has_its_answer_in_the_thread() -> None:
    for row, contact in of(Interaction):
        if contact.direction == "in" and contact.answered_at:
            replies = [
                reply
                for other, reply in of(Interaction)
                if other.owner == row.owner and reply.at == contact.answered_at
            ]
            is_spoken = contact.channel == "phone"  # the answer is in the same call
            assert replies or is_spoken, row.key


def test_the_same_time_gives_the_same_brand() -> None:
    assert demo_rows(NOW) == ROWS


def test_another_zone_at_the_same_time_keeps_people_bands_and_numbers() -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=2)))

    assert [row.key for row in demo_rows(berlin)] == [row.key for row in ROWS]


def test_every_body_survives_the_wire() -> None:
    for row in ROWS:
        assert body_of(row.kind, raw_of(row.body)) == row.body


# What may be shown


def test_every_text_is_made_of_characters_a_terminal_can_show() -> None:
    for row in ROWS:
        for text in texts_of(msgspec.to_builtins(row.body)):
            for letter in text:
                is_ascii = " " <= letter <= "~"
                is_latin_1 = "\xc0" <= letter <= "\xff" and letter.isalpha()
                assert is_ascii or is_latin_1, (row.key, letter)


def test_no_name_in_the_demo_looks_like_markup() -> None:
    for row in ROWS:
        assert not [text for text in texts_of(msgspec.to_builtins(row.body)) if "[" in text]


def test_an_offer_names_no_amount_and_ends_with_a_day_or_on_the_hour() -> None:
    for _, offer in of(Offer):
        assert not re.search(r"\d+[.,]\d\d|\bfor \d", offer.title), offer.title
        assert "gift" not in offer.title
        assert moment_of(offer.until).strftime("%M:%S.%f") == "00:00.000000"


def test_nobody_is_offered_or_has_bought_in_the_open_what_is_never_named_in_public() -> None:
    sensitive = {product.id for _, product in of(Product) if product.sensitivity == "sensitive"}

    assert sensitive == set(SENSITIVE)
    assert not {offer.product for _, offer in of(Offer)} & sensitive
    for _, order in of(Order):
        assert (
            order.sensitivity != "normal"
            or not {line.product for line in order.lines} & sensitive
        )


def test_no_offer_proposes_the_very_thing_that_is_its_reason() -> None:
    titles = {product.id: product.title for _, product in of(Product)}

    for _, offer in of(Offer):
        assert not offer.product or f"you bought {titles[offer.product]}" not in offer.reason


# The three sins


def test_exactly_the_contradictions_on_purpose_are_counted() -> None:
    by_product: dict[str, list[Row]] = defaultdict(list)
    for row, stock in of(Stock):
        by_product[stock.product].append(row)
    for row, price in of(Price):
        by_product[price.product].append(row)

    now = micros_of(NOW)
    found = {
        product
        for product, rows in by_product.items()
        if scoreboard_of(rows, now=now, home=HOME_STORE).contradictions
    }

    assert found == set(CONTRADICTIONS)
    assert len(found) >= 3


def test_somebody_was_asked_twice_and_somebody_was_not_answered() -> None:
    board = scoreboard_of(ROWS, now=micros_of(NOW), home=HOME_STORE)

    assert board.asked_twice >= 5
    assert board.unanswered >= 8
    assert board.contradictions == len(CONTRADICTIONS)


# Who is held where


def test_the_home_store_holds_the_people_of_the_stories_and_most_of_the_crowd() -> None:
    held = demo_interest()
    n_customers = len(of(Customer))

    assert held[HOME_STORE][: len(PEOPLE)] == PEOPLE
    assert n_customers / 2 < len(held[HOME_STORE]) < n_customers


def test_every_customer_is_held_in_exactly_one_store() -> None:
    held = [owner for owners in demo_interest().values() for owner in owners]

    assert sorted(held) == sorted(customer.id for _, customer in of(Customer))
    assert set(demo_interest()) == {store.id for _, store in of(Store)}


def test_the_visitor_is_known_to_the_centre_but_not_held_here() -> None:
    visitor = demo_band("visitor")

    assert KEYS[f"band/{band_id_of(visitor)}"].owner == visitor.customer
    assert visitor.customer not in demo_interest()[HOME_STORE]


def test_a_pickup_waits_where_its_customer_is_held() -> None:
    held = demo_interest()

    for row, pickup in of(Pickup):
        assert row.owner in held[pickup.store]


def test_points_are_never_less_than_none() -> None:
    assert all(account.points >= 0 for _, account in of(Account))
