"""The people of the stories come with the threads the stories tell, whenever the demo is started."""

from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.moments import micros_of, moment_of
from kiosk.demo.bands import band_id_of, demo_band
from kiosk.demo.brand import demo_rows
from kiosk.demo.catalogue import HOME_STORE, JACKET, catalogue_rows
from kiosk.demo.people import FAMILY, PEOPLE, people_rows
from kiosk.demo.threads import HOUR_US
from sync.model.profile import Profile
from sync.model.records import (
    Account,
    Band,
    Case,
    Consent,
    ContactPoint,
    Customer,
    Entitlement,
    Interaction,
    Offer,
    Order,
    Pickup,
    Price,
    Record,
    Stock,
)
from sync.model.sins import scoreboard_of
from tests.support.operations import assert_books_balance

NOW = datetime(2026, 5, 7, 10, 24, 31, tzinfo=UTC)

MOMENTS = st.datetimes(
    min_value=datetime(2024, 1, 1),  # noqa: DTZ001  # hypothesis wants bounds without a zone
    max_value=datetime(2031, 12, 31),  # noqa: DTZ001
    timezones=st.sampled_from(
        (UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-7)))
    ),
)

Body = TypeVar("Body", bound=Record)


def profile(owner: str, now: datetime = NOW) -> Profile:
    return Profile(owner, tuple(row for row in people_rows(now) if row.owner == owner))


def all_of(kind: type[Body], owner: str, now: datetime = NOW) -> list[Body]:
    return [body for _, body in profile(owner, now).of(kind)]


def one(kind: type[Body], owner: str, record_id: str, now: datetime = NOW) -> Body:
    found = {row.key.split("/", 1)[1]: body for row, body in profile(owner, now).of(kind)}
    return found[record_id]


def contacts(owner: str, channel: str, now: datetime = NOW) -> list[Interaction]:
    return [
        contact
        for contact in all_of(Interaction, owner, now)
        if contact.channel == channel and contact.direction == "in"
    ]


def test_everybody_in_the_stories_is_there_and_nobody_else() -> None:
    assert tuple(dict.fromkeys(row.owner for row in people_rows(NOW))) == PEOPLE


# Maya


def test_maya_paid_31_92_for_a_shirt_of_39_90_with_a_code() -> None:
    order = one(Order, "maya", "W-1042")
    (shirt,) = order.lines

    assert (shirt.title, shirt.variant) == ("Linen shirt M", "M")
    assert (shirt.paid_minor, shirt.list_minor, order.total_minor) == (3192, 3990, 3192)
    assert order.code
    assert (order.channel, order.state) == ("web", "delivered")


def test_mayas_shirt_is_her_newest_delivered_order() -> None:
    delivered = [order for order in all_of(Order, "maya") if order.state == "delivered"]

    assert max(delivered, key=lambda order: order.at).id == "W-1042"


def test_maya_told_the_chat_on_a_tuesday_that_the_shirt_is_too_small() -> None:
    (wrote,) = contacts("maya", "chat")

    assert "too small, have you L?" in wrote.text
    assert moment_of(wrote.at).strftime("%A") == "Tuesday"


def test_mayas_case_knows_what_she_wants_and_misses_nothing() -> None:
    case = one(Case, "maya", "C-4702")
    told = {fact.label: fact.value for fact in case.told}

    assert case.state == "open"
    assert told["Wanted instead"] == "L"
    assert case.missing == ()
    assert "M for L" in case.next_step
    assert "31.92 EUR" in case.next_step


def test_the_l_maya_wants_is_in_stock_in_the_home_store() -> None:
    stock = {
        row.body.id: row.body for row in catalogue_rows(NOW) if isinstance(row.body, Stock)
    }

    assert (stock["linen-shirt-l@harbour"].count or 0) > 0


# Tom


def test_tom_called_ten_times_seven_of_them_about_a_reset() -> None:
    calls = contacts("tom", "phone")

    assert len(calls) == 10
    assert sum(1 for call in calls if call.topic == "password reset") == 7


def test_tom_came_once_and_posted_six_times() -> None:
    assert len(contacts("tom", "store")) == 1
    assert len(contacts("tom", "x")) == 6


def test_three_facts_of_toms_case_are_known_and_the_consent_of_the_payer_is_missing() -> None:
    case = one(Case, "tom", "C-4711")

    assert len(case.told) == 3
    assert case.missing == ("the payer's consent",)
    assert case.payer == "Brightwater Ltd"
    assert "call centre" in case.next_step


def test_toms_reset_was_tried_seven_times_and_failed_seven_times() -> None:
    (reset,) = one(Case, "tom", "C-4711").tried

    assert (reset.n_tried, reset.n_failed) == (7, 7)
    assert "reset" in reset.text


def test_ana_of_the_call_centre_promised_tom_an_answer() -> None:
    promise = one(Case, "tom", "C-4711").promise

    assert promise is not None
    assert promise.by == "Ana (call centre)"
    assert promise.kept_at == 0


def test_tom_is_asked_twice_and_unanswered_by_the_rules_of_the_scoreboard() -> None:
    board = scoreboard_of(profile("tom").rows, now=micros_of(NOW), home=HOME_STORE)

    assert board.asked_twice >= 5
    assert board.unanswered == 2, "on the phone and on X"


@settings(deadline=None, max_examples=60)
@given(MOMENTS)
def test_toms_promise_was_for_a_friday_at_17_and_is_overdue_by_less_than_a_week(
    now: datetime,
) -> None:
    promise = one(Case, "tom", "C-4711", now).promise

    assert promise is not None
    due = moment_of(promise.due_at).astimezone(now.tzinfo)
    assert due.strftime("%A %H:%M:%S.%f") == "Friday 17:00:00.000000"
    assert timedelta(0) < now - due <= timedelta(days=7, minutes=1)


@settings(deadline=None, max_examples=30)
@given(MOMENTS)
def test_tom_said_everything_before_the_promise_was_due(now: datetime) -> None:
    promise = one(Case, "tom", "C-4711", now).promise

    assert promise is not None
    assert all(contact.at < promise.due_at for contact in all_of(Interaction, "tom", now))


# Lena


def test_lenas_parcel_of_two_items_lies_on_shelf_c7_in_the_home_store() -> None:
    (pickup,) = all_of(Pickup, "lena")

    assert (pickup.order, pickup.store, pickup.state) == ("W-1077", "harbour", "ready")
    assert (pickup.shelf, pickup.n_items) == ("C7", 2)
    assert "husband" in pickup.collector
    assert len(one(Order, "lena", "W-1077").lines) == 2


def test_lena_prefers_whatsapp_and_was_told_there_within_minutes() -> None:
    (pickup,) = all_of(Pickup, "lena")
    told = [
        message
        for message in all_of(Interaction, "lena")
        if message.direction == "out" and message.at >= pickup.ready_at
    ]

    assert one(Customer, "lena", "lena").preferred_channel == "whatsapp"
    assert min(told, key=lambda message: message.at).channel == "whatsapp"
    assert min(message.at for message in told) - pickup.ready_at <= HOUR_US // 30


def test_nothing_of_lenas_is_open_so_that_her_offer_may_be_shown() -> None:
    assert not [case for case in all_of(Case, "lena") if case.state == "open"]
    assert (
        scoreboard_of(profile("lena").rows, now=micros_of(NOW), home=HOME_STORE).unanswered == 0
    )
    assert all_of(Offer, "lena")


# Jonas


def test_the_web_says_three_jackets_and_the_shelf_has_none() -> None:
    stock = {
        row.body.place: row.body.count
        for row in catalogue_rows(NOW)
        if isinstance(row.body, Stock) and row.body.product == JACKET
    }

    assert (stock["web"], stock["harbour"]) == (3, 0)
    assert (stock["market"] or 0) > 0, "another store can be asked"


def test_jonas_jacket_costs_41_on_the_web_and_45_on_the_shelf() -> None:
    prices = {
        row.body.channel: row.body.amount_minor
        for row in catalogue_rows(NOW)
        if isinstance(row.body, Price) and row.body.product == JACKET
    }

    assert (prices["web"], prices["store"]) == (4100, 4500)


def test_jonas_asked_in_the_web_shop_and_is_offered_the_price_he_saw() -> None:
    (asked,) = contacts("jonas", "web")
    (offer,) = all_of(Offer, "jonas")

    assert "41" in asked.text
    assert offer.product == JACKET
    assert "web price" in offer.title


# Priya


@settings(deadline=None, max_examples=30)
@given(MOMENTS)
def test_priya_wrote_71_hours_ago_and_no_person_answered(now: datetime) -> None:
    (wrote,) = contacts("priya", "whatsapp", now)

    assert micros_of(now) - wrote.at == 71 * HOUR_US
    assert 0 < wrote.due_at < micros_of(now)
    assert wrote.answered_at == 0


def test_only_a_machine_replied_to_priya_on_whatsapp() -> None:
    replies = [
        message
        for message in all_of(Interaction, "priya")
        if message.channel == "whatsapp" and message.direction == "out"
    ]

    assert [message.by for message in replies] == ["automatic reply"]


def test_priyas_case_says_what_broke_and_she_wants_no_offers() -> None:
    (consent,) = all_of(Consent, "priya")

    assert one(Case, "priya", "C-4718").told
    assert not consent.is_granted
    assert all_of(Offer, "priya"), "so that a test can see that it is not shown"


# Sam, Ama, Kofi


def test_sam_ama_and_kofi_are_a_household_with_one_ticket_each() -> None:
    for person in ("sam", "ama", "kofi"):
        (ticket,) = all_of(Entitlement, person)
        assert one(Customer, person, person).household == FAMILY
        assert (ticket.kind, ticket.n_left, ticket.home_store) == ("ticket", 1, "harbour")


def test_sam_bought_three_tickets() -> None:
    (tickets,) = one(Order, "sam", "A-1080").lines

    assert (tickets.product, tickets.count) == ("kite-workshop", 3)


def test_sam_answers_for_both_children() -> None:
    assert one(Customer, "sam", "sam").guardian == ""
    assert one(Customer, "ama", "ama").guardian == "sam"
    assert one(Customer, "kofi", "kofi").guardian == "sam"


def test_a_child_has_a_nickname_and_a_ticket_and_nothing_else() -> None:
    for child in ("ama", "kofi"):
        assert one(Customer, child, child).nickname
        kinds = {row.kind for row in profile(child).rows}
        assert kinds == {
            "customer",
            "entitlement",
            "ledger",
            "band",
        }  # the entry its one use begins with


def test_sams_gift_is_marked_so_that_no_public_page_names_it() -> None:
    gift = one(Order, "sam", "W-1081")
    about_it = [one for one in all_of(Interaction, "sam") if one.about == "order/W-1081"]

    assert gift.sensitivity == "gift"
    assert about_it
    assert {message.sensitivity for message in about_it} == {"gift"}


# Ruth


def test_ruth_can_be_found_by_name_order_phone_and_e_mail() -> None:
    person = one(Customer, "ruth", "ruth")

    assert (person.given_name, person.family_name) == ("Ruth", "Abrams")
    assert one(Order, "ruth", "W-1055").state == "delivered"
    assert {point.channel for point in all_of(ContactPoint, "ruth")} == {"phone", "email"}


def test_ruths_thread_says_when_her_earlier_band_was_blocked() -> None:
    told = [one for one in all_of(Interaction, "ruth") if "band/" in one.about]

    assert [contact.about for contact in told] == [f"band/{band_id_of(demo_band('blocked'))}"]
    assert micros_of(NOW) - told[0].at <= 7 * 24 * HOUR_US
    assert "blocked" in told[0].text


def test_the_band_ruth_wears_works_and_her_earlier_one_is_blocked() -> None:
    states = {band.id: band.state for band in all_of(Band, "ruth")}

    assert states == {
        band_id_of(demo_band("ruth")): "active",
        band_id_of(demo_band("blocked")): "blocked",
    }


# All of them


@settings(deadline=None, max_examples=30)
@given(MOMENTS)
def test_nothing_the_people_did_lies_ahead_whenever_the_demo_starts(now: datetime) -> None:
    for row in people_rows(now):
        assert row.as_of <= micros_of(now)
        match row.body:
            case Interaction(at=at) | Order(at=at) | Case(opened_at=at) | Pickup(ready_at=at):
                assert at <= row.as_of
            case _:
                pass


@settings(deadline=None, max_examples=30)
@given(MOMENTS)
def test_tickets_and_offers_are_good_whenever_the_demo_starts(now: datetime) -> None:
    for row in people_rows(now):
        match row.body:
            case Entitlement(until=until) | Offer(until=until):
                assert until > micros_of(now)
            case _:
                pass


def test_every_adult_has_points_and_said_something_about_offers() -> None:
    for person in ("maya", "tom", "lena", "jonas", "priya", "sam", "ruth"):
        assert len(all_of(Account, person)) == 1
        assert [consent.purpose for consent in all_of(Consent, person)] == ["marketing"]


def test_every_balance_is_what_its_entries_sum_to() -> None:
    assert_books_balance({row.key: row for row in demo_rows(NOW)})
