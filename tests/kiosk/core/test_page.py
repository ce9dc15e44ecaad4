"""From rows to what one page says: who may see what, in which order, and how old it is."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.moments import micros_of
from kiosk.core import page as pages
from kiosk.core.page import BlockKind, Page, PageKind
from kiosk.core.policy import Assurance
from kiosk.demo.catalogue import catalogue_rows
from kiosk.demo.people import PEOPLE, people_rows
from sync.model import promises
from sync.model.profile import Profile
from sync.model.records import (
    Account,
    Back,
    Band,
    Case,
    Consent,
    ContactPoint,
    Customer,
    Entitlement,
    Interaction,
    Offer,
    Order,
    OrderLine,
    Pickup,
    Price,
    Product,
    Promise,
    Record,
    Stock,
    Store,
    Told,
)
from sync.model.row import Row, row_of
from tests.support.hostile import NAMES, hostile_profile

NOW = datetime(2026, 5, 8, 14, 2, tzinfo=UTC)
NOW_US = micros_of(NOW)
HOUR = 3_600_000_000
DAY = 24 * HOUR
TUESDAY = NOW_US - 3 * DAY
DEMO_ROWS = people_rows(NOW)
DEMO_SHOP = {row.key: row for row in catalogue_rows(NOW)}
ME = Customer(id="me", given_name="Mia", family_name="Secretname")


def shop(*held: Record, synced_at: int = NOW_US - 60_000_000, **changed: Any) -> pages.Shop:
    rows = {
        row.key: row for row in (row_of(b, owner="", as_of=NOW_US, source="web") for b in held)
    }
    return pages.Shop(
        store="harbour", now_us=NOW_US, synced_at=synced_at, held=rows.get, **changed
    )


def page_of(
    *bodies: Record,
    at: int = TUESDAY,
    level: Assurance = Assurance.A2,
    where: pages.Shop | None = None,
) -> Page:
    rows = tuple(row_of(body, owner="me", as_of=at, source="web") for body in (ME, *bodies))
    return pages.decide(Profile("me", rows), assurance=level, shop=where or shop())


def demo_page(owner: str, level: Assurance = Assurance.A2, *, language: str = "en") -> Page:
    where = pages.Shop(
        store="harbour", now_us=NOW_US, synced_at=NOW_US - 60_000_000, held=DEMO_SHOP.get
    )
    rows = tuple(row for row in DEMO_ROWS if row.owner == owner)
    page = pages.decide(Profile(owner, rows), assurance=level, shop=where)
    return pages.spoken_in(page, language, where)


def kinds_of(page: Page) -> list[str]:
    return [block.kind.value for block in page.blocks]


def lines_of(page: Page) -> list[str]:
    return [line for block in page.blocks for line in block.lines]


def text_of(page: Page) -> str:
    return json.dumps(pages.printed(page), ensure_ascii=False) + page.spoken + page.as_of_line


def order(**changed: Any) -> Order:
    line = OrderLine(product="shirt", title="Linen shirt", variant="M", paid_minor=3_192)
    given: dict[str, Any] = {
        "id": "W-1", "at": TUESDAY, "channel": "web", "state": "delivered", "lines": (line,),
        "total_minor": 3_192,
    }  # fmt: skip
    return Order(**(given | changed))


def case(**changed: Any) -> Case:
    given: dict[str, Any] = {
        "id": "C-1", "number": "C-1", "state": "open", "topic": "secret topic",
        "opened_at": TUESDAY, "channel": "phone",
    }  # fmt: skip
    return Case(**(given | changed))


def contact(**changed: Any) -> Interaction:
    given: dict[str, Any] = {
        "id": "i-1", "at": TUESDAY, "channel": "whatsapp", "direction": "in", "by": "Mia",
        "text": "secret text", "due_at": TUESDAY + DAY,
    }  # fmt: skip
    return Interaction(**(given | changed))


# Who may see what


def test_maya_sees_her_newest_delivered_order_with_the_size_she_already_chose() -> None:
    page = demo_page("maya")

    help_block = next(block for block in page.blocks if block.kind is BlockKind.HELP)
    assert help_block.lines == (
        "Your order W-1042",
        "1 item delivered, ordered on 30 Apr.",
        "Exchange at the counter: nothing to repeat.",
    )
    assert page.blocks[0].lines == ("Hello, Maya.",)
    assert help_block.details[:2] == (
        "Size L instead of M, at the price you paid: €31.92.",
        "1 x Linen shirt M, €31.92",
    )
    assert (help_block.actions, help_block.about) == ((pages.EXCHANGE,), "order/W-1042")


def test_mayas_page_begins_with_it_and_asks_and_offers_nothing_beside() -> None:
    page = demo_page("maya")

    assert kinds_of(page) == ["greeting", "help", "points"]
    assert "?" not in text_of(page)


def exchange_case(**changed: Any) -> Case:
    told = (Told("Order", "W-1", "web", TUESDAY), Told("Wanted instead", "L", "chat", TUESDAY))
    return case(**({"told": told} | changed))


def test_a_message_that_came_with_a_case_is_one_line_with_it_and_says_that_nobody_answered() -> (
    None
):
    page = page_of(
        case(channel="whatsapp", opened_at=TUESDAY), contact(at=TUESDAY - 60_000_000, about="")
    )

    owed = [block.lines for block in page.blocks if block.kind is BlockKind.OWED]
    assert owed[0][:2] == ("You wrote on Tuesday (WhatsApp)", "We have not answered. Sorry.")
    assert len(owed) == 1


def test_a_message_of_another_day_or_another_way_is_a_line_of_its_own() -> None:
    other_day = contact(at=TUESDAY + 2 * DAY, about="")
    other_way = contact(id="i-2", channel="email", about="")

    for message in (other_day, other_way):
        page = page_of(case(channel="whatsapp", opened_at=TUESDAY), message)

        assert [block.kind for block in page.blocks].count(BlockKind.OWED) == 2


def test_what_is_owed_in_the_case_of_a_chosen_size_comes_first_and_is_not_hidden() -> None:
    promised = page_of(order(), exchange_case(promise=Promise("Ana", "x", NOW_US + DAY)))
    unanswered = page_of(order(), exchange_case(), contact(about="case/C-1"))
    chosen = page_of(order(), exchange_case())

    assert kinds_of(promised) == kinds_of(unanswered) == ["greeting", "owed", "help"]
    assert kinds_of(chosen) == ["greeting", "help"]
    assert chosen.blocks[1].details[0].startswith("Size L instead of M")


@pytest.mark.parametrize(
    "told",
    [
        (Told("Order", "W-2", "web", 1), Told("Wanted", "L", "chat", 1)),
        (Told("Order", "W-1", "web", 1), Told("Wanted", "repair or swap", "chat", 1)),
        (Told("Order", "W-1", "web", 1),),
    ],
)
def test_a_wish_about_another_order_or_for_no_size_is_no_exchange(
    told: tuple[Told, ...],
) -> None:
    page = page_of(order(), exchange_case(told=told))

    assert kinds_of(page) == ["greeting", "owed", "help"]
    assert pages.EXCHANGE not in pages.actions_of(page)


@pytest.mark.parametrize("owner", PEOPLE)
def test_before_a_touch_nothing_says_what_was_bought_in_which_size_or_why_it_is_offered(
    owner: str,
) -> None:
    mine = [row.body for row in DEMO_ROWS if row.owner == owner]
    bought = {
        word
        for body in mine
        if isinstance(body, Order)
        for line in body.lines
        for word in (line.title, line.title.rsplit(" ", 1)[0])
    }
    reasons = {body.reason for body in mine if isinstance(body, Offer)}

    page = demo_page(owner)
    titles = {
        block.lines[0]
        for block in page.blocks
        if block.kind in {BlockKind.OFFER, BlockKind.WAITING}  # titles of an offer, of a ticket
    }
    said = " ".join(line for line in lines_of(page) if line not in titles).casefold()

    assert not [word for word in bought if word.casefold() in said]
    assert not [reason for reason in reasons if reason.casefold() in said]
    assert "size" not in said
    assert "bought" not in said


@pytest.mark.parametrize("owner", PEOPLE)
def test_every_personal_page_has_something_to_touch(owner: str) -> None:
    page = demo_page(owner)

    assert pages.actions_of(page) or page.kind is PageKind.CHILD


@pytest.mark.parametrize("language", ["en", "de"])
def test_what_toms_case_is_about_is_nowhere_on_his_page_not_even_after_a_touch(
    language: str,
) -> None:
    page = demo_page("tom", language=language)

    for secret in ("Brightwater", "4471", "bill", "employer", "reset", "consent"):
        assert secret not in text_of(page)
    assert "Number C-4711" in demo_page("tom").blocks[1].details


def test_jonas_reads_that_none_is_here_what_the_web_says_and_that_its_price_counts_here() -> (
    None
):
    offered = demo_page("jonas").blocks[-1]
    stock = DEMO_SHOP["stock/rain-jacket@harbour"].body

    assert offered.lines[0] == "Rain jacket at the web price"
    assert offered.lines[1].startswith("None here (counted ")
    assert isinstance(stock, Stock)
    assert stock.count == 0
    assert offered.lines[2] == "For you until Wednesday."
    assert offered.details[:4] == (
        "You asked for it in the web shop",
        "€41.00 on the web, €45.00 here (as of 14:01).",
        "The web price counts here too.",
        "The web says 3 (as of 14:01).",
    )
    assert offered.details[-1] == "You cannot find it? Ask us."
    assert (offered.actions, offered.about) == ((pages.FIND,), "product/rain-jacket")


def test_ruth_reads_since_when_her_earlier_band_is_blocked() -> None:
    lost = next(block for block in demo_page("ruth").blocks if block.kind is BlockKind.HELP)

    assert lost.lines == ("Your earlier band is blocked", "Since Wednesday. It opens nothing.")
    assert "The band you hold now works." in lost.details


def test_a_band_blocked_long_ago_at_no_known_time_or_never_is_no_news() -> None:
    def told(at: int) -> Interaction:
        return contact(id="n", at=at, direction="note", due_at=0, about="band/b")

    blocked, active = Band(id="b", state="blocked"), Band(id="b", state="active")

    assert kinds_of(page_of(blocked, told(NOW_US - 30 * DAY))) == ["greeting", "help"]
    assert kinds_of(page_of(blocked, told(NOW_US - 30 * DAY - 1))) == ["greeting"]
    assert kinds_of(page_of(blocked)) == ["greeting"]
    assert kinds_of(page_of(active, told(NOW_US - DAY))) == ["greeting"]


def test_tom_sees_who_promised_what_until_when_and_that_we_are_late() -> None:
    owed = demo_page("tom").blocks[1]

    assert owed.lines == (
        "Your request of 14 Apr (phone)",
        "Ana (call centre) promised an answer by 1 May, 17:00. We are late. Sorry.",
    )
    assert owed.actions == (pages.ASK_TEAM,)


def test_lena_sees_her_parcel_first_and_its_items_only_after_a_touch() -> None:
    page = demo_page("lena")

    assert kinds_of(page) == ["greeting", "waiting", "points", "offer"]
    assert page.blocks[1].lines == (
        "Ready for you here",
        "Order W-1077, 2 items.",
        "Since 13:27. Please go to the counter.",
    )
    assert "Rain hat" not in " ".join(lines_of(page))
    assert any("Rain hat" in line for line in page.blocks[1].details)
    assert page.blocks[1].actions == (pages.RING_COUNTER,)


def test_priya_reads_when_she_wrote_that_we_did_not_answer_and_that_we_are_sorry() -> None:
    owed = demo_page("priya").blocks[1]

    assert owed.lines == (
        "You wrote on Tuesday (WhatsApp)",
        "We have not answered. Sorry.",
        "Ask us at the counter. Nothing to repeat.",
    )


@pytest.mark.parametrize(("owner", "nickname"), [("ama", "Comet"), ("kofi", "Otter")])
def test_a_childs_band_alone_shows_a_nickname_and_the_ticket(owner: str, nickname: str) -> None:
    page = demo_page(owner)

    assert page.kind is PageKind.CHILD
    assert kinds_of(page) == ["greeting", "waiting"]
    assert page.blocks[0].lines == (f"Hello, {nickname}.",)
    assert "kafor" not in json.dumps(pages.printed(page))


def test_a_child_without_a_nickname_is_greeted_without_a_name() -> None:
    child = Customer(id="kid", given_name="Realname", guardian="me")
    rows = tuple(
        row_of(body, owner="kid", as_of=TUESDAY, source="web")
        for body in (child, order(), Account("p", 90), case())
    )

    page = pages.decide(Profile("kid", rows), assurance=Assurance.A3, shop=shop())

    assert lines_of(page) == ["Hello."]
    assert "Realname" not in text_of(page)


def test_a_name_alone_opens_a_name_and_that_we_owe_something_but_not_what() -> None:
    page = page_of(
        Pickup(id="p", order="W-1", store="harbour", state="ready"), order(), case(), contact(),
        Account(id="a", points=90), level=Assurance.A1,
    )  # fmt: skip

    assert lines_of(page) == [
        "Hello, Mia.", "Something is waiting for you", "Please see our team.",
        "We owe you an answer", "Please see our team.",
    ]  # fmt: skip
    assert pages.actions_of(page) == ()
    assert page.household == ""
    for secret in ("W-1", "Tuesday", "phone", "secret", "90", "Secretname"):
        assert secret not in text_of(page)


def test_everybody_who_opens_no_page_sees_the_very_same_one() -> None:
    where = shop()
    nobodys = pages.decide(None, assurance=Assurance.A0, shop=where)
    copied = page_of(case(), level=Assurance.A0)
    rows_without_a_person = Profile("me", (row_of(order(), owner="me", as_of=1, source="web"),))
    not_held = pages.decide(rows_without_a_person, assurance=Assurance.A2, shop=where)

    assert nobodys == copied == not_held == pages.neutral_page("en")
    assert lines_of(nobodys) == ["Please see our team", "They help you at the counter."]
    assert nobodys.as_of == 0


@pytest.mark.parametrize("level", Assurance)
def test_neither_family_name_nor_topic_nor_anybodys_words_are_ever_on_a_public_page(
    level: Assurance,
) -> None:
    page = page_of(case(), contact(), level=level)

    for secret in ("Secretname", "secret topic", "secret text"):
        assert secret not in text_of(page)


# Order


def test_first_what_waits_then_what_we_owe_then_help_then_points() -> None:
    page = page_of(
        Account(id="a", points=5), order(), case(), Pickup("p", "W-2", "harbour", "ready")
    )

    assert kinds_of(page) == ["greeting", "waiting", "owed", "help", "points"]


def test_a_parcel_in_another_store_says_where_and_comes_after_what_is_here() -> None:
    page = page_of(
        Pickup(id="far", order="W-1", store="market", state="ready", ready_at=1),
        Pickup(id="here", order="W-2", store="harbour", state="ready", ready_at=2),
        where=shop(Store(id="market", name="Market")),
    )

    assert [block.lines[0] for block in page.blocks[1:]] == [
        "Ready for you here", "Ready for you in Market",
    ]  # fmt: skip
    assert page.blocks[2].actions == ()


def test_a_store_this_device_does_not_know_is_said_as_another_store() -> None:
    page = page_of(Pickup(id="far", order="W-1", store="moon", state="ready"))

    assert page.blocks[1].lines[0] == "Ready for you in another store"


@pytest.mark.parametrize("state", ["handed_over", "returned"])
def test_a_parcel_that_was_handed_over_waits_no_more(state: str) -> None:
    page = page_of(Pickup(id="p", order="W-1", store="harbour", state=state))

    assert lines_of(page) == ["Hello, Mia.", "Nothing is waiting. Can we help?"]


def test_a_promise_that_is_not_due_yet_is_said_without_sorry() -> None:
    promise = Promise(by="Ana", text="call back", due_at=NOW_US + DAY)

    page = page_of(case(promise=promise))

    assert page.blocks[1].lines == (
        "Your request of Tuesday (phone)", "Ana promised an answer by tomorrow, 14:02.",
    )  # fmt: skip
    assert "call back" not in text_of(page)


def test_who_asked_to_be_forgotten_reads_until_when_and_of_no_answer() -> None:
    asked = Promise("kiosk", "", NOW_US + 30 * DAY, op="C-1", at=NOW_US)
    wish = case(topic="erasure", opened_at=NOW_US, channel="store", promise=asked)
    late = case(topic="wants to be forgotten", opened_at=NOW_US - 31 * DAY)

    assert page_of(wish).blocks[1].lines[1] == "We do it by 7 Jun."
    assert page_of(late).blocks[1].lines[1] == "Promised by yesterday. We are late. Sorry."


def test_a_promise_is_late_the_moment_it_is_past_and_not_before() -> None:
    due = case(promise=Promise(by="Ana", text="", due_at=NOW_US))
    past = case(promise=Promise(by="Ana", text="", due_at=NOW_US - 1))

    assert "Sorry" not in page_of(due).blocks[1].lines[1]
    assert "Sorry" in page_of(past).blocks[1].lines[1]


def test_a_customer_to_whom_was_promised_again_hears_that_we_are_late_and_until_when() -> None:
    broken = case(promise=Promise(by="Ana", text="", due_at=NOW_US - 1))
    newer = Promise("Ben", "", NOW_US + DAY, op="b", at=NOW_US)

    line = page_of(promises.with_promise(broken, newer)).blocks[1].lines[1]

    assert line.startswith("Promised by ")
    assert line.endswith("We are late. Sorry. Now by tomorrow, 14:02.")


def test_a_message_is_told_once_with_its_case_and_solved_cases_are_silent() -> None:
    told_once = page_of(case(id="C-1"), contact(about="case/C-1"))
    solved = page_of(case(state="solved"))
    answered = page_of(contact(answered_at=TUESDAY + 1))
    thanks = page_of(contact(due_at=0))

    assert kinds_of(told_once) == ["greeting", "owed"]
    assert kinds_of(solved) == kinds_of(answered) == kinds_of(thanks) == ["greeting"]


@pytest.mark.parametrize(
    ("form", "heading"), [("sms", "You wrote on Tuesday (SMS)"), ("", "You called on Tuesday")]
)
def test_who_sent_an_sms_wrote_and_did_not_call(form: str, heading: str) -> None:
    assert page_of(contact(channel="phone", form=form)).blocks[1].lines[0] == heading


def test_three_messages_in_a_row_are_one_block_about_the_oldest() -> None:
    page = page_of(*(contact(id=f"i{n}", at=TUESDAY + n * HOUR) for n in range(3)))

    assert kinds_of(page) == ["greeting", "owed"]
    assert page.blocks[1].lines[0] == "You wrote on Tuesday (WhatsApp)"


@pytest.mark.parametrize(
    ("channel", "heading"),
    [("phone", "You called on Tuesday"), ("store", "You asked us on Tuesday"),
     ("x", "You wrote on Tuesday (X)"), ("pigeon", "You wrote on Tuesday (another way)")],
)  # fmt: skip
def test_the_channel_is_named_as_people_name_it(channel: str, heading: str) -> None:
    assert page_of(contact(channel=channel)).blocks[1].lines[0] == heading


# Gifts and sensitive things


@pytest.mark.parametrize("sensitivity", ["gift", "sensitive"])
def test_gifts_and_sensitive_orders_are_never_named(sensitivity: str) -> None:
    hidden = order(id="W-9", sensitivity=sensitivity)

    page = page_of(hidden, Pickup(id="p", order="W-9", store="harbour", state="ready"))

    assert "Linen" not in text_of(page)
    assert page.blocks[1].details == ("We do not show these items here.",)


def test_a_sensitive_product_hides_its_order_and_is_never_offered() -> None:
    product = Product(id="shirt", title="Linen shirt", category="care", sensitivity="sensitive")
    offer = Offer(id="o", title="More of it", reason="you like it", product="shirt", purpose="")

    page = page_of(order(at=NOW_US - 200 * DAY), offer, where=shop(product))
    bought = page_of(order(), where=shop(product))

    assert "offer" not in kinds_of(page)
    assert "Linen" not in text_of(bought)


def test_sams_gift_is_nowhere_on_his_page_or_the_familys() -> None:
    where = shop()
    alone = demo_page("sam")
    family = pages.joined(
        pages.joined(alone, demo_page("ama"), where), demo_page("kofi"), where
    )

    for page in (alone, family):
        assert "elescope" not in text_of(page)
        assert "W-1081" not in text_of(page)


# What became of an order


def lines_in(page: Page, language: str) -> tuple[str, ...]:
    return pages.spoken_in(page, language, shop()).blocks[1].lines


def test_a_delivered_order_says_how_much_came_when_it_was_ordered_and_where_help_is() -> None:
    two = OrderLine(product="mug", title="Mug", count=2, paid_minor=1)
    came_back = Back(product="mug", count=1)

    one = page_of(order())
    several = page_of(order(lines=(two, two), back=(came_back,)))

    assert one.blocks[1].lines == (
        "Your order W-1", "1 item delivered, ordered on Tuesday.", "Not right? We help at the counter.",
    )  # fmt: skip
    assert lines_in(one, "de")[1] == "1 Teil geliefert, bestellt am Dienstag."
    assert lines_in(several, "en")[1] == "3 items delivered, ordered on Tuesday."
    assert lines_in(several, "de")[1] == "3 Teile geliefert, bestellt am Dienstag."


def test_an_order_on_its_way_says_so_and_that_nobody_told_us_when_it_comes() -> None:
    page = page_of(order(state="shipped"), order(id="W-0", at=TUESDAY - DAY))

    assert page.blocks[1].lines == (
        "Your order W-1", "1 item sent to you, ordered on Tuesday.", "Day of arrival unknown. Please ask us.",
    )  # fmt: skip
    assert page.blocks[1].details == ("1 x Linen shirt, €31.92",)
    assert page.blocks[1].actions == (pages.ASK_ABOUT,)
    assert page.blocks[2].lines[0] == "Your order W-0"
    assert lines_in(page, "de") == (
        "Ihre Bestellung W-1", "1 Teil versandt, bestellt am Dienstag.", "Ankunft unbekannt. Bitte fragen Sie uns.",
    )  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [
        (order(state="paid"),),
        (order(state="shipped", at=NOW_US - 61 * DAY),),
        (order(state="shipped", sensitivity="gift"),),
    ],
    ids=["not sent", "too old", "gift"],
)
def test_no_order_is_said_to_be_on_its_way_that(rows: tuple[Record, ...]) -> None:
    assert kinds_of(page_of(*rows)) == ["greeting"]


def test_a_parcel_says_since_when_it_waits_and_where_to_go_and_one_on_its_way_that_it_is_not_here() -> (
    None
):
    here = page_of(Pickup("p", "W-1", "harbour", "ready", ready_at=TUESDAY, n_items=5))
    undated = page_of(Pickup("p", "W-1", "harbour", "ready"))
    coming = page_of(
        order(state="shipped"), Pickup("p", "W-1", "harbour", "expected", n_items=1)
    )

    assert lines_in(here, "en")[1:] == (
        "Order W-1, 5 items.", "Since Tue. Please go to the counter.",
    )  # fmt: skip
    assert lines_in(here, "de")[1:] == (
        "Bestellung W-1, 5 Teile.", "Seit Di. Bitte gehen Sie zum Tresen.",
    )  # fmt: skip
    assert undated.blocks[1].lines[2] == "Please go to the counter."
    assert kinds_of(coming) == ["greeting", "waiting"]
    assert coming.blocks[1].lines == (
        "On its way here", "Order W-1, 1 item.", "Not here yet. The day is not known.",
    )  # fmt: skip


def test_where_somebody_writes_to_us_the_page_says_what_a_code_is_good_for() -> None:
    page = page_of(ContactPoint("p", "x", "tommy_b"))

    assert page.blocks[1].lines == (
        "Link what you wrote to us online", "Send us a code once, and repeat nothing.",
    )  # fmt: skip
    assert page.blocks[1].details == (
        "We show six digits. Send them to us where you write to us.",
    )


# A household


def test_three_bands_of_a_household_make_one_page_with_three_tickets() -> None:
    where = shop()

    page = pages.joined(
        pages.joined(demo_page("sam"), demo_page("ama"), where), demo_page("kofi"), where
    )

    assert page.blocks[0].lines == ("Hello, Sam and family.",)
    assert page.blocks[1].lines == (
        "Kite workshop, Saturday 15:00", "3 tickets: Sam, Comet, Otter.",
    )  # fmt: skip
    assert page.owner == "sam"
    assert page.blocks[1].actions == (pages.TICKETS,)
    assert page.blocks[1].details == (
        "Confirm all 3 at once: we tell the counter. Nothing is used up yet.",
    )


@pytest.mark.parametrize("taps", [("sam", "ama"), ("ama", "sam"), ("sam", "ama", "kofi")])
def test_a_page_a_child_has_joined_shows_no_points_and_no_offer(taps: tuple[str, ...]) -> None:
    page = demo_page(taps[0])
    for owner in taps[1:]:
        page = pages.joined(page, demo_page(owner), shop())

    assert kinds_of(page) == ["greeting", "waiting"]


def test_a_second_grown_up_brings_no_points_to_a_page_with_a_child() -> None:
    family = pages.joined(demo_page("sam"), demo_page("ama"), shop())

    page = pages.joined(family, page_of(Account("a", 5), YES, offer(product="")), shop())

    assert kinds_of(page) == ["greeting", "waiting"]
    assert page.owner == "me"


def test_two_children_without_a_grown_up_have_their_tickets_and_nothing_to_touch() -> None:
    page = pages.joined(demo_page("ama"), demo_page("kofi"), shop())

    assert page.blocks[1].lines[1] == "2 tickets: Comet, Otter."
    assert pages.actions_of(page) == ()


def test_a_child_who_taps_first_is_joined_by_the_grown_ups_page() -> None:
    page = pages.joined(demo_page("ama"), demo_page("sam"), shop())

    assert page.kind is PageKind.PERSONAL
    assert page.names == ("Sam", "Comet")


def test_a_family_page_shows_nobodys_items() -> None:
    first = page_of(order(), Pickup(id="p", order="W-1", store="harbour", state="ready"))

    page = pages.joined(first, demo_page("ama"), shop())

    assert all(block.details == () for block in page.blocks if not block.holders)
    assert "Linen" not in text_of(page)


# One offer


def offer(**changed: Any) -> Offer:
    given: dict[str, Any] = {
        "id": "o",
        "title": "Belt",
        "reason": "goes with it",
        "product": "belt",
    }
    return Offer(**(given | changed))


YES = Consent(id="c", purpose="marketing", is_granted=True, at=1)
NO = Consent(id="c2", purpose="marketing", is_granted=False, at=2)


def test_one_point_is_one_point() -> None:
    page = page_of(Account(id="a", points=1))

    assert "1 point" in lines_of(page)
    assert "1 Punkt" in lines_of(pages.spoken_in(page, "de", shop()))
    assert "It is yours to use at the counter." in lines_of(page)
    assert "They are yours to use at the counter." in lines_of(page_of(Account("a", 2)))


def test_one_fitting_offer_is_last() -> None:
    page = page_of(
        YES, offer(), offer(id="later", until=NOW_US + DAY), Account("a", 5), order()
    )

    assert kinds_of(page) == ["greeting", "help", "points", "offer"]
    assert page.blocks[-1].lines == ("Belt", "For you until tomorrow.")
    assert page.blocks[-1].details[0] == "Goes with it"


def test_an_offer_known_not_to_be_here_gives_way_to_one_that_is() -> None:
    none = Stock("belt@harbour", "belt", "harbour", 0, NOW_US)
    soon = offer(id="soon", title="Belt", until=NOW_US + DAY)
    other = offer(id="other", title="Hat", product="hat")

    page = page_of(YES, soon, other, where=shop(none))

    assert page.blocks[-1].lines == ("Hat", "An offer for you.")


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (datetime(2026, 5, 14, 14, 2, 31, tzinfo=UTC), "For you until Thursday."),
        (datetime(2026, 5, 15, 0, 0, tzinfo=UTC), "For you until Thursday."),
        (datetime(2026, 5, 14, 18, 0, tzinfo=UTC), "For you until Thursday, 18:00."),
        (datetime(2026, 5, 8, 23, 59, tzinfo=UTC), "For you until today."),
    ],
)
def test_an_offer_ends_on_a_day_and_at_no_odd_minute(ends: datetime, said: str) -> None:
    assert page_of(YES, offer(until=micros_of(ends))).blocks[-1].lines[1] == said


@pytest.mark.parametrize(
    ("why", "rows"),
    [
        ("an open complaint", (YES, offer(), case())),
        ("an unanswered message", (YES, offer(), contact())),
        ("no consent", (offer(),)),
        ("consent withdrawn since", (YES, NO, offer())),
        ("it was just bought", (YES, offer(product="shirt"), order())),
        ("it has ended", (YES, offer(until=NOW_US))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_offer_is_made_beside(why: str, rows: tuple[Record, ...]) -> None:
    assert "offer" not in kinds_of(page_of(*rows)), why


def test_what_was_bought_long_ago_or_cancelled_may_be_offered_again() -> None:
    long_ago = order(at=NOW_US - 91 * DAY)
    cancelled = order(state="cancelled")

    for bought in (long_ago, cancelled):
        assert "offer" in kinds_of(page_of(YES, offer(product="shirt"), bought))


def test_price_and_stock_have_their_own_age_and_the_lower_price_counts() -> None:
    where = shop(
        Price(id="belt@store", product="belt", channel="store", amount_minor=4_500),
        Price(id="belt@web", product="belt", channel="web", amount_minor=4_100),
        Stock(id="belt@harbour", product="belt", place="harbour", count=3, counted_at=NOW_US - 5 * HOUR),
    )  # fmt: skip

    details = page_of(YES, offer(), where=where).blocks[-1].details

    assert details[1:4] == (
        "€41.00 on the web, €45.00 here (as of 14:02).",
        "The web price counts here too.",
        "3 here (counted 09:02).",
    )


@pytest.mark.parametrize(
    ("store", "web", "said"),
    [
        (4_100, 4_500, "€41.00 (as of 14:02)."),
        (4_100, 4_100, "€41.00 (as of 14:02)."),
        (None, 4_500, "€45.00 (as of 14:02)."),
    ],
)
def test_a_web_price_that_is_not_lower_is_not_compared(
    store: int | None, web: int, said: str
) -> None:
    held = [Price(id="belt@web", product="belt", channel="web", amount_minor=web)]
    if store is not None:
        held.append(Price(id="belt@store", product="belt", channel="store", amount_minor=store))

    details = page_of(YES, offer(), where=shop(*held)).blocks[-1].details

    assert said in details
    assert not any("counts here" in line for line in details)


def test_what_the_web_says_is_told_only_where_it_differs() -> None:
    here = Stock("belt@harbour", "belt", "harbour", 3, NOW_US)

    def details(web: int | None) -> tuple[str, ...]:
        said = Stock("belt@web", "belt", "web", web, NOW_US)
        return page_of(YES, offer(), where=shop(here, said)).blocks[-1].details

    assert "The web says 5 (as of 14:02)." in details(5)
    assert not any("web" in line for line in (*details(3), *details(None)))


@pytest.mark.parametrize(
    ("count", "is_doubtful", "said"),
    [
        (0, False, "None here (counted 14:02)."),
        (None, False, "We do not know whether it is here."),
        (3, True, "Perhaps not here: somebody did not find it."),
    ],
)
def test_a_known_zero_is_not_an_unknown(
    count: int | None, is_doubtful: bool, said: str
) -> None:
    stock = Stock("belt@harbour", "belt", "harbour", count, NOW_US, is_doubtful)

    assert said in page_of(YES, offer(), where=shop(stock)).blocks[-1].details


# Age


def test_rows_are_known_to_be_true_as_of_the_last_exchange_however_old_the_change() -> None:
    page = page_of(order(), at=NOW_US - 300 * DAY)

    assert page.as_of == NOW_US - 60_000_000
    assert page.as_of_line == "As of 14:01"
    assert all(not line.startswith("As of") for block in page.blocks for line in block.details)


def test_after_days_without_a_network_the_page_says_how_old_it_is() -> None:
    page = page_of(order(), at=NOW_US - 300 * DAY, where=shop(synced_at=TUESDAY))

    assert page.as_of_line == "As of Tuesday, 14:02"


def test_a_fact_older_than_an_hour_among_newer_ones_says_its_age() -> None:
    rows = (
        row_of(ME, owner="me", as_of=NOW_US - 90 * DAY, source="web"),
        row_of(order(), owner="me", as_of=NOW_US - 2 * HOUR, source="web"),
        row_of(Account("a", 5), owner="me", as_of=NOW_US - HOUR, source="app"),
    )

    page = pages.decide(Profile("me", rows), assurance=Assurance.A2, shop=shop(synced_at=0))

    assert [block.details[-1:] for block in page.blocks[1:]] == [("As of 12:02.",), ()]
    assert page.blocks[2].source == "app"


def test_a_clock_that_runs_behind_makes_nothing_from_the_future() -> None:
    page = page_of(order(), at=NOW_US + 5 * DAY, where=shop(synced_at=NOW_US + 5 * DAY))

    assert page.as_of == NOW_US


def test_what_was_recorded_here_is_as_old_as_its_record() -> None:
    row = row_of(Account("a", 5), owner="me", as_of=TUESDAY, source="here")
    unsettled = Row(
        **({f: getattr(row, f) for f in row.__struct_fields__} | {"is_unsettled": True})
    )
    me = row_of(ME, owner="me", as_of=TUESDAY, source="web")

    page = pages.decide(Profile("me", (me, unsettled)), assurance=Assurance.A2, shop=shop())

    assert page.blocks[1].as_of == TUESDAY
    assert page.blocks[1].source == "here"


# Words


def test_the_customers_language_wins_then_the_shops() -> None:
    german = Customer(id="me", given_name="Mia", language="de-CH")
    french = Customer(id="me", given_name="Mia", language="fr")

    def greeting(who: Customer) -> str:
        rows = (row_of(who, owner="me", as_of=1, source="web"),)
        found = pages.decide(
            Profile("me", rows), assurance=Assurance.A2, shop=shop(language="de")
        )
        return found.blocks[0].lines[0]

    assert greeting(german) == greeting(french) == "Hallo, Mia."


def test_a_page_said_in_another_language_and_back_is_the_same_page() -> None:
    where, page = shop(), page_of(order(), case(), contact())

    german = pages.spoken_in(page, "de", where)

    assert german.blocks[1].lines[0] == "Ihre Anfrage (Dienstag, Telefon)"
    assert pages.spoken_in(german, "en", where) == page


def test_what_is_spoken_says_no_more_than_that_something_waits_and_is_owed() -> None:
    page = page_of(
        Pickup(id="p", order="W-1", store="harbour", state="ready"), order(),
        case(promise=Promise("Ana", "x", 1)),
    )  # fmt: skip

    assert page.spoken == "Hello, Mia. Something is waiting for you. We owe you an answer."


def test_a_page_prints_as_json_with_age_and_source_of_every_block() -> None:
    printed = json.loads(json.dumps(pages.printed(demo_page("lena"))))

    parcel = printed["blocks"][1]
    assert parcel["kind"] == "waiting"
    assert parcel["as_of"] == NOW_US - 60_000_000
    assert parcel["source"]
    assert parcel["actions"] == ["ring_counter"]
    assert "okafor" not in json.dumps(pages.printed(demo_page("sam")))


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("level", [Assurance.A1, Assurance.A2])
def test_hostile_text_in_any_slot_comes_out_safe_and_short(name: str, level: Assurance) -> None:
    page = pages.decide(hostile_profile(name), assurance=level, shop=shop())

    said = [line for block in page.blocks for line in (*block.lines, *block.details)]
    assert said
    assert all(len(line) <= 130 for line in said)
    assert all(char.isprintable() for line in said for char in line)


@given(st.data())
def test_any_selection_of_rows_makes_a_page_in_order_and_within_what_is_allowed(
    data: st.DataObject,
) -> None:
    rows = tuple(data.draw(st.lists(st.sampled_from(DEMO_ROWS), max_size=25)))
    level = data.draw(st.sampled_from(list(Assurance)))
    owner = rows[0].owner if rows else "me"

    page = pages.decide(Profile(owner, rows), assurance=level, shop=shop())

    order_of_kinds = [list(BlockKind).index(block.kind) for block in page.blocks]
    assert order_of_kinds == sorted(order_of_kinds)
    assert len({block.kind for block in page.blocks} & {BlockKind.OWED, BlockKind.OFFER}) < 2
    assert page.kind is PageKind.NEUTRAL or level.covers(Assurance.A1)
    if not level.covers(Assurance.A2):
        assert pages.actions_of(page) == ()


def test_a_ticket_is_shown_until_its_end_and_not_after() -> None:
    def ticket(until: int, n_left: int | None = None) -> Entitlement:
        return Entitlement(id="t", title="Kite day", kind="ticket", until=until, n_left=n_left)

    assert page_of(ticket(NOW_US + 1)).blocks[1].lines[0] == "Kite day"
    assert page_of(ticket(0)).blocks[1].lines == ("Kite day", "Your ticket.")
    assert kinds_of(page_of(ticket(NOW_US))) == ["greeting"]
    assert kinds_of(page_of(ticket(NOW_US + 1, n_left=0))) == ["greeting"]


def test_two_tickets_are_confirmed_both_and_three_all() -> None:
    where = shop()
    two = pages.joined(demo_page("sam"), demo_page("ama"), where)
    three = pages.joined(two, demo_page("kofi"), where)

    assert two.blocks[1].details[0].startswith("Confirm both at once:")
    assert three.blocks[1].details[0].startswith("Confirm all 3 at once:")
    german = pages.spoken_in(two, "de", where)
    assert german.blocks[1].details[0].startswith("Beide auf einmal:")
