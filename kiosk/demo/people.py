"""The people of the stories, each with the whole thread that led here, as their channels would have sent it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from kiosk.demo.bands import band_id_of, demo_bands
from kiosk.demo.catalogue import (
    HOME_STORE,
    JACKET,
    PRICES_ON_PURPOSE,
    said_by,
    shelf_price_of,
    title_of,
)
from kiosk.demo.threads import (
    DAY_US,
    FRIDAY,
    HOUR_US,
    MINUTE_US,
    SATURDAY,
    TUESDAY,
    ago,
    end_of_day,
    last_weekday,
    money,
    next_weekday,
    owned_rows,
)
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
    OrderLine,
    Pickup,
    Promise,
    Record,
    Remedy,
    Told,
    key_of,
)
from sync.model.row import Row

PEOPLE: Final = ("maya", "tom", "lena", "jonas", "priya", "sam", "ama", "kofi", "ruth")
"""Customer ids of the people of the stories, in the order of their keys, 1 to 9."""

FAMILY: Final = "okafor"
"""The household of Sam, Ama and Kofi."""

PRIYA_WAITS_H: Final = 71
"""Hours since Priya wrote, and nobody answered."""

RESET: Final = "password reset"
"""Topic of the contacts that fold to "reset x7"."""

_BLOCKED: Final = ("blocked",)
"""Bands of the demo that were reported lost."""


def line(product: str, *, count: int = 1, variant: str = "", paid_minor: int = -1) -> OrderLine:
    """One line of an order, at the shelf price unless something else was paid a piece."""
    listed = shelf_price_of(product)
    return OrderLine(
        product=product,
        title=title_of(product),
        count=count,
        variant=variant,
        paid_minor=listed if paid_minor < 0 else paid_minor,
        list_minor=listed,
    )


def order(number: str, *lines: OrderLine, at: int, channel: str, state: str) -> Order:
    """An order whose total is what its lines say."""
    total_minor = sum(each.count * each.paid_minor for each in lines)
    return Order(
        id=number, at=at, channel=channel, state=state, lines=lines, total_minor=total_minor
    )


def bands_of(customer: str) -> tuple[Band, ...]:
    """Records of the demo bands linked to this customer."""
    return tuple(
        Band(
            id=band_id_of(band),
            state="blocked" if band.name in _BLOCKED else "active",
            label="first band" if band.name in _BLOCKED else "wristband",
            is_uid_only=not band.reference,
        )
        for band in demo_bands()
        if band.customer == customer
    )


def marketing(customer: str, *, is_granted: bool, at: int) -> Consent:
    """What the customer said about offers."""
    return Consent(
        id=f"{customer}:marketing", purpose="marketing", is_granted=is_granted, at=at
    )


def points(customer: str, balance: int, *, home_store: str = HOME_STORE) -> Account:
    """The customer's points, which their own store may redeem without a network."""
    return Account(id=f"{customer}:points", points=balance, home_store=home_store)


def people_rows(now: datetime) -> tuple[Row, ...]:
    """All rows of the people of the stories, as they are at `now`."""
    return tuple(
        row
        for owner, thread in _THREADS.items()
        for row in owned_rows((*thread(now), *bands_of(owner)), owner=owner, now=now)
    )


def _maya(now: datetime) -> tuple[Record, ...]:
    """The shirt is too small; she said so to the bot on Tuesday."""
    wrote_at = last_weekday(now, TUESDAY, hour=19, minute=40, margin_min=30)
    ordered_at = wrote_at - 5 * DAY_US
    shirt = order(
        "W-1042", line("linen-shirt-m", variant="M", paid_minor=3192),
        at=ordered_at, channel="web", state="delivered",
    )  # fmt: skip
    return (
        Customer(
            id="maya", given_name="Maya", family_name="Lindqvist", preferred_channel="chat",
            tier="silver",
        ),
        ContactPoint(id="maya:email", channel="email", value="maya@example.com", is_verified=True),
        ContactPoint(id="maya:phone", channel="phone", value="+447700900101"),
        Order(
            id=shirt.id, at=shirt.at, channel=shirt.channel, state=shirt.state, lines=shirt.lines,
            total_minor=shirt.total_minor, code="WELCOME20",
        ),
        order(
            "W-1008", line("blue-scarf"), line("candle", count=2),
            at=ordered_at - 48 * DAY_US, channel="web", state="delivered",
        ),
        order("S-1019", line("mug", count=4), at=ordered_at - 22 * DAY_US, channel="store", state="collected"),
        Interaction(
            id="maya-1", at=ordered_at - 26 * DAY_US, channel="instagram", direction="in", by="Maya",
            text="Love the window in Harbour. Is the blue scarf back?",
            answered_at=ordered_at - 26 * DAY_US + 2 * HOUR_US,
        ),
        Interaction(
            id="maya-2", at=ordered_at - 26 * DAY_US + 2 * HOUR_US, channel="instagram",
            direction="out", by=said_by("leo"), text="Yes, it is, and in Market too.",
        ),
        Interaction(
            id="maya-3", at=ordered_at + 3 * DAY_US, channel="email", direction="out",
            by="web shop", text="Your order W-1042 was delivered.", about="order/W-1042",
        ),
        Interaction(
            id="maya-4", at=wrote_at, channel="chat", direction="in", by="Maya",
            text="The linen shirt is too small, have you L?", about="order/W-1042",
            answered_at=wrote_at + 4 * MINUTE_US, topic="size",
        ),
        Interaction(
            id="maya-5", at=wrote_at + MINUTE_US, channel="chat", direction="out", by="shop bot",
            text="One moment, I ask a person.", about="order/W-1042", topic="size",
        ),
        Interaction(
            id="maya-6", at=wrote_at + 4 * MINUTE_US, channel="chat", direction="out",
            by=said_by("noor"), about="case/C-4702", topic="size",
            text="Yes. Bring it to Harbour: M for L at the price you paid, you need not explain again.",
        ),
        Interaction(
            id="maya-7", at=wrote_at + 5 * MINUTE_US, channel="chat", direction="note",
            by=said_by("noor"), about="case/C-4702", audience="internal",
            text="L was in stock in Harbour when I looked. She paid 31.92 EUR with WELCOME20.",
        ),
        Case(
            id="C-4702", number="C-4702", state="open", topic="linen shirt too small",
            opened_at=wrote_at, channel="chat",
            told=(
                Told(label="Order", value="W-1042, linen shirt M", channel="web", at=ordered_at),
                Told(label="Why", value="too small", channel="chat", at=wrote_at),
                Told(label="Wanted instead", value="L", channel="chat", at=wrote_at),
            ),
            next_step="Exchange M for L at the price paid, 31.92 EUR",
        ),
        points("maya", 240),
        marketing("maya", is_granted=True, at=ordered_at - 48 * DAY_US),
        Offer(
            id="maya:offer", title="Chinos, a fifth off this week", reason="goes with the linen shirt",
            product="chinos-32", until=end_of_day(now, days=9),
        ),
    )  # fmt: skip


_TOM_CALLS: Final[tuple[tuple[int, int, str, str], ...]] = (
    (20, 9, RESET, "I cannot sign in to see my bill. They reset my password."),
    (18, 10, RESET, "The new password works once, then not. Reset again."),
    (
        17,
        14,
        "billing",
        "My employer pays for the phone: please bill it to Brightwater's card.",
    ),
    (15, 9, RESET, "Still locked out. Reset."),
    (13, 16, RESET, "Fourth time. Reset."),
    (10, 11, RESET, "I asked about the bill and got another reset."),
    (9, 15, "billing", "It is the company card that ends 4471. Again."),
    (8, 9, RESET, "Locked out. Reset."),
    (6, 12, RESET, "Please do not reset my password. They reset it."),
    (3, 11, "billing", "I told you all of this. When do I get an answer?"),
)
"""One row is one call: days before the promise was due, hour, topic, what he said."""

_TOM_POSTS: Final[tuple[tuple[int, int, int, str], ...]] = (
    (12, 20, 0, "Day 5 of asking you to bill my employer, not me."),
    (12, 20, 9, "Also: a password reset is not an answer."),
    (6, 8, 30, "Stood in your shop yesterday, in my lunch break. They told me to call."),
    (4, 18, 15, "Nine calls. Nobody can see what I told the last one."),
    (4, 18, 21, "Order W-1031, if anybody there reads this."),
    (2, 21, 5, "Friday, they say. I am counting."),
)
"""One row is one post: days before the promise was due, hour, minute, text. The first two were answered."""


def _tom(now: datetime) -> tuple[Record, ...]:
    """Ten calls, one visit, six posts, and a promise that is overdue."""
    due_at = last_weekday(now, FRIDAY, hour=17)
    midnight = due_at - 17 * HOUR_US

    def at(days: int, hour: int, minute: int = 0) -> int:
        return midnight - days * DAY_US + hour * HOUR_US + minute * MINUTE_US

    calls = tuple(
        Interaction(
            id=f"tom-call-{index:02}", at=at(days, hour), channel="phone", direction="in", by="Tom",
            text=text, topic=topic, about="" if topic == RESET else "case/C-4711",
            due_at=due_at if days == 3 else 0,
            answered_at=at(days, hour, 20) if topic == RESET else 0,
        )
        for index, (days, hour, topic, text) in enumerate(_TOM_CALLS, start=1)
    )  # fmt: skip
    posts = tuple(
        Interaction(
            id=f"tom-post-{index}", at=at(days, hour, minute), channel="x", direction="in", by="Tom",
            text=text, topic="billing", about="case/C-4711", due_at=at(days - 1, hour, minute),
            answered_at=at(12, 21) if days == 12 else 0,
        )
        for index, (days, hour, minute, text) in enumerate(_TOM_POSTS, start=1)
    )  # fmt: skip
    case = Case(
        id="C-4711", number="C-4711", state="open", topic="bill the phone to his employer",
        opened_at=at(17, 14), channel="phone",
        promise=Promise(
            by=said_by("ana"), text="an answer whether Brightwater is billed", due_at=due_at
        ),
        told=(
            Told(label="Who pays", value="Brightwater Ltd, his employer", channel="phone", at=at(17, 14)),
            Told(label="Card", value="company card ending 4471", channel="phone", at=at(9, 15)),
            Told(label="What", value="smartphone, order W-1031", channel="x", at=at(4, 18, 21)),
        ),
        missing=("the payer's consent",),
        tried=(Remedy(text="reset the password", n_tried=7, n_failed=7),),
        payer="Brightwater Ltd",
        next_step="Ask Brightwater Ltd for consent; then the call centre bills the card",
    )  # fmt: skip
    return (
        Customer(
            id="tom", given_name="Tom", family_name="Becker", preferred_channel="phone",
            tier="silver",
        ),
        ContactPoint(id="tom:phone", channel="phone", value="+447700900102", is_verified=True),
        ContactPoint(id="tom:email", channel="email", value="tom@example.com"),
        ContactPoint(id="tom:x", channel="x", value="@tom_becker_example"),
        order(
            "W-1031", line("smartphone-128"),
            at=at(22, 18), channel="web", state="delivered",
        ),
        order("S-1004", line("power-bank"), at=at(60, 13), channel="store", state="collected"),
        *calls,
        *posts,
        Interaction(
            id="tom-post-answer", at=at(12, 21), channel="x", direction="out", by=said_by("leo"),
            text="Sorry to hear. Please call us, we cannot see contracts here.",
            about="case/C-4711", topic="billing",
        ),
        Interaction(
            id="tom-visit", at=at(7, 12, 40), channel="store", direction="in", by="Tom",
            text="Came in about the bill, brought his company badge.", about="case/C-4711",
            topic="billing", answered_at=at(7, 12, 55),
        ),
        Interaction(
            id="tom-visit-note", at=at(7, 12, 55), channel="store", direction="note",
            by=said_by("ben"), text="Could not see the case here, sent him to the hotline.",
            about="case/C-4711", audience="internal", topic="billing",
        ),
        Interaction(
            id="tom-promise", at=at(3, 11, 15), channel="phone", direction="note",
            by=said_by("ana"), about="case/C-4711", topic="billing",
            text="Promised an answer by Friday 17:00. Resetting the password does not help him.",
        ),
        case,
        points("tom", 85),
        marketing("tom", is_granted=True, at=at(60, 13)),
        Offer(
            id="tom:offer", title="Earphones, a third off", reason="goes with your smartphone",
            product="earphones", until=end_of_day(now, days=12),
        ),
    )  # fmt: skip


def _lena(now: datetime) -> tuple[Record, ...]:
    """A parcel waits on shelf C7, and her husband may collect it."""
    ordered_at = ago(now, days=3, hours=2)
    ready_at = ago(now, minutes=35)
    about = "order/W-1077"
    return (
        Customer(
            id="lena", given_name="Lena", family_name="Hoffmann", preferred_channel="whatsapp",
            tier="gold",
        ),
        ContactPoint(
            id="lena:whatsapp", channel="whatsapp", value="+447700900103", is_verified=True
        ),
        ContactPoint(id="lena:email", channel="email", value="lena@example.com"),
        order(
            "W-1077", line("sneakers-38", variant="38"), line("rain-hat"),
            at=ordered_at, channel="web", state="ready",
        ),
        order("A-1012", line("bed-linen"), at=ago(now, days=64), channel="app", state="delivered"),
        order("S-1051", line("umbrella"), at=ago(now, days=19, hours=5), channel="store", state="collected"),
        Pickup(
            id="P-1077", order="W-1077", store=HOME_STORE, state="ready", shelf="C7", n_items=2,
            ready_at=ready_at, collector="Emil, her husband, with the code she forwards",
        ),
        Interaction(
            id="lena-1", at=ago(now, days=2, hours=4), channel="whatsapp", direction="in", by="Lena",
            text="Can I pick W-1077 up in Harbour instead of having it sent?", about=about,
            answered_at=ago(now, days=2, hours=3),
        ),
        Interaction(
            id="lena-2", at=ago(now, days=2, hours=3), channel="whatsapp", direction="out",
            by=said_by("noor"), text="Done. I write here as soon as it is there.", about=about,
        ),
        Interaction(
            id="lena-3", at=ready_at + MINUTE_US, channel="whatsapp", direction="out",
            by=said_by("mira"), text="Your order W-1077 is ready in Harbour, two items.", about=about,
        ),
        Interaction(
            id="lena-4", at=ready_at + 6 * MINUTE_US, channel="whatsapp", direction="in", by="Lena",
            text="Great. Emil may come for it. And I may not keep the hat.", about=about,
            answered_at=ready_at + 9 * MINUTE_US,
        ),
        Interaction(
            id="lena-5", at=ready_at + 9 * MINUTE_US, channel="whatsapp", direction="out",
            by=said_by("mira"), about=about,
            text="Both fine: forward him the code above, and leave the hat with us.",
        ),
        Interaction(
            id="lena-6", at=ago(now, days=19, hours=5), channel="store", direction="note",
            by=said_by("tilda"), text="Likes to be written to, not called.", audience="internal",
        ),
        points("lena", 1120),
        marketing("lena", is_granted=True, at=ago(now, days=64)),
        Offer(
            id="lena:offer", title="Umbrella cover, on us", reason="for your gold year",
            until=end_of_day(now, days=20),
        ),
    )  # fmt: skip


def _jonas(now: datetime) -> tuple[Record, ...]:
    """He comes for a jacket the web says is here, at the price the web says."""
    asked_at = ago(now, hours=2, minutes=10)
    web_price = money(PRICES_ON_PURPOSE[(JACKET, "web")])
    return (
        Customer(id="jonas", given_name="Jonas", family_name="Vogel", preferred_channel="web"),
        ContactPoint(id="jonas:email", channel="email", value="jonas@example.com", is_verified=True),
        ContactPoint(id="jonas:phone", channel="phone", value="+447700900104"),
        order("W-1029", line("walking-boots-43", variant="43"), at=ago(now, days=27), channel="web", state="delivered"),
        order("W-1066", line("backpack-20"), at=ago(now, days=9), channel="web", state="cancelled"),
        Interaction(
            id="jonas-1", at=asked_at, channel="web", direction="in", by="Jonas",
            text=f"Do you have the rain jacket for {web_price} in Harbour today?",
            answered_at=asked_at + 6 * MINUTE_US, topic="stock",
        ),
        Interaction(
            id="jonas-2", at=asked_at + 6 * MINUTE_US, channel="web", direction="out",
            by=said_by("noor"), text="The web shop says 3 in Harbour.", topic="stock",
        ),
        Interaction(
            id="jonas-3", at=asked_at + 20 * MINUTE_US, channel="tiktok", direction="in", by="Jonas",
            text="That jacket at 0:14? On my way.", answered_at=asked_at + 30 * MINUTE_US,
        ),
        Interaction(
            id="jonas-4", at=asked_at + 30 * MINUTE_US, channel="tiktok", direction="out",
            by=said_by("leo"), text="The rain jacket. See you in Harbour.",
        ),
        Interaction(
            id="jonas-5", at=ago(now, days=9) + 3 * HOUR_US, channel="email", direction="out",
            by="web shop", text="W-1066 was cancelled as you asked.", about="order/W-1066",
        ),
        points("jonas", 310),
        marketing("jonas", is_granted=True, at=ago(now, days=27)),
        Offer(
            id="jonas:offer", title="Rain jacket at the web price",
            reason="you asked for it in the web shop", product=JACKET,
            until=end_of_day(now, days=5),
        ),
    )  # fmt: skip


def _priya(now: datetime) -> tuple[Record, ...]:
    """She wrote 71 hours ago, and only a machine answered."""
    wrote_at = ago(now, hours=PRIYA_WAITS_H)
    ordered_at = wrote_at - 8 * DAY_US
    return (
        Customer(
            id="priya", given_name="Priya", family_name="Raman", preferred_channel="whatsapp"
        ),
        ContactPoint(
            id="priya:whatsapp", channel="whatsapp", value="+447700900105", is_verified=True
        ),
        ContactPoint(id="priya:email", channel="email", value="priya@example.com"),
        order("A-1063", line("backpack-20"), at=ordered_at, channel="app", state="delivered"),
        order("W-1017", line("atlas"), line("notebook", count=3), at=ordered_at - 31 * DAY_US, channel="web", state="delivered"),
        Interaction(
            id="priya-1", at=ordered_at - 2 * DAY_US, channel="app", direction="in", by="Priya",
            text="Does the backpack fit under an aircraft seat?",
            answered_at=ordered_at - 2 * DAY_US + HOUR_US,
        ),
        Interaction(
            id="priya-2", at=ordered_at - 2 * DAY_US + HOUR_US, channel="app", direction="out",
            by=said_by("noor"), text="Yes, it is 40 x 20 x 25 cm.",
        ),
        Interaction(
            id="priya-3", at=wrote_at, channel="whatsapp", direction="in", by="Priya",
            text="The zip of my backpack broke after a week. Can you repair or swap it?",
            about="case/C-4718", due_at=wrote_at + DAY_US, topic="repair",
        ),
        Interaction(
            id="priya-4", at=wrote_at + MINUTE_US, channel="whatsapp", direction="out",
            by="automatic reply", about="case/C-4718", topic="repair",
            text="Thank you for your message. We answer within 24 hours.",
        ),
        Case(
            id="C-4718", number="C-4718", state="open", topic="zip of the backpack broken",
            opened_at=wrote_at, channel="whatsapp",
            told=(
                Told(label="What", value="backpack 20 l, order A-1063", channel="whatsapp", at=wrote_at),
                Told(label="Fault", value="zip broke after a week", channel="whatsapp", at=wrote_at),
                Told(label="Wanted", value="repair or swap", channel="whatsapp", at=wrote_at),
            ),
            next_step="Swap it here if one is in stock, and answer on WhatsApp",
        ),
        points("priya", 130),
        marketing("priya", is_granted=False, at=ordered_at),
        Offer(
            id="priya:offer", title="Laptop sleeve, half price", reason="fits your backpack",
            product="laptop-sleeve", until=end_of_day(now, days=6),
        ),
    )  # fmt: skip


def _ticket(customer: str, now: datetime) -> Entitlement:
    """One place in Saturday's kite workshop."""
    return Entitlement(
        id=f"{customer}:ticket", title="Kite workshop, Saturday 15:00", kind="ticket",
        until=next_weekday(now, SATURDAY, hour=17), n_left=1, home_store=HOME_STORE,
    )  # fmt: skip


def _sam(now: datetime) -> tuple[Record, ...]:
    """The adult of a household: three tickets, and a gift nobody may name aloud."""
    booked_at = ago(now, days=6, hours=3)
    return (
        Customer(
            id="sam", given_name="Sam", family_name="Okafor", preferred_channel="app",
            household=FAMILY, tier="silver",
        ),
        ContactPoint(id="sam:phone", channel="phone", value="+447700900106", is_verified=True),
        ContactPoint(id="sam:email", channel="email", value="sam@example.com", is_verified=True),
        order("A-1080", line("kite-workshop", count=3), at=booked_at, channel="app", state="paid"),
        Order(
            id="W-1081", at=ago(now, days=2), channel="web", state="shipped",
            lines=(line("telescope"),), total_minor=shelf_price_of("telescope"), sensitivity="gift",
        ),
        Interaction(
            id="sam-1", at=booked_at + HOUR_US, channel="app", direction="in", by="Sam",
            text="Ama is nine, Kofi six. Is the workshop all right for both?", about="order/A-1080",
            answered_at=booked_at + 3 * HOUR_US,
        ),
        Interaction(
            id="sam-2", at=booked_at + 3 * HOUR_US, channel="app", direction="out",
            by=said_by("tilda"), text="Yes, from five on, with you beside him.", about="order/A-1080",
        ),
        Interaction(
            id="sam-3", at=ago(now, days=2) + HOUR_US, channel="email", direction="in", by="Sam",
            text="Please send W-1081 in a plain box, it is for a birthday.", about="order/W-1081",
            answered_at=ago(now, days=1, hours=20), sensitivity="gift",
        ),
        Interaction(
            id="sam-4", at=ago(now, days=1, hours=20), channel="email", direction="out",
            by=said_by("noor"), text="W-1081 goes out in a plain box.", about="order/W-1081", sensitivity="gift",
        ),
        _ticket("sam", now),
        points("sam", 560),
        marketing("sam", is_granted=True, at=booked_at),
        Offer(
            id="sam:offer", title="Second kite at half price", reason="you come to the kite workshop",
            product="kite", until=next_weekday(now, SATURDAY, hour=19),
        ),
    )  # fmt: skip


def _child(customer: str, given_name: str, nickname: str, now: datetime) -> tuple[Record, ...]:
    """A child of Sam's: a name to greet with and a ticket, nothing else."""
    return (
        Customer(
            id=customer, given_name=given_name, family_name="Okafor", nickname=nickname,
            household=FAMILY, guardian="sam",
        ),
        _ticket(customer, now),
    )  # fmt: skip


def _ama(now: datetime) -> tuple[Record, ...]:
    """Nine years old."""
    return _child("ama", "Ama", "Comet", now)


def _kofi(now: datetime) -> tuple[Record, ...]:
    """Six years old."""
    return _child("kofi", "Kofi", "Otter", now)


def _ruth(now: datetime) -> tuple[Record, ...]:
    """She lost her band at the fair; it was blocked at the counter, and she wears a new one."""
    (lost,) = (band for band in bands_of("ruth") if band.state == "blocked")
    return (
        Customer(
            id="ruth", given_name="Ruth", family_name="Abrams", preferred_channel="email",
            tier="gold",
        ),
        ContactPoint(id="ruth:phone", channel="phone", value="+447700900109", is_verified=True),
        ContactPoint(id="ruth:email", channel="email", value="ruth@example.com", is_verified=True),
        order(
            "W-1055", line("tea-pot"), line("mug", count=2),
            at=ago(now, days=12), channel="web", state="delivered",
        ),
        order("S-1090", line("cookbook"), at=ago(now, days=5, hours=1), channel="store", state="collected"),
        order("T-1022", line("wool-gloves"), at=ago(now, days=40), channel="phone", state="delivered"),
        Interaction(
            id="ruth-1", at=ago(now, days=2), channel="store", direction="note",
            by=said_by("mira"), audience="internal", about=key_of("band", lost.id),
            text="Lost her band at the fair. The old one is blocked, a new one linked.",
        ),
        Interaction(
            id="ruth-2", at=ago(now, days=40, hours=1), channel="phone", direction="in", by="Ruth",
            text="Ordered gloves by phone, hers are worn through.", about="order/T-1022",
            answered_at=ago(now, days=40),
        ),
        Interaction(
            id="ruth-3", at=ago(now, days=11), channel="email", direction="in", by="Ruth",
            text="The tea pot is lovely, but the lid rattles. Is that as it should be?",
            about="order/W-1055", answered_at=ago(now, days=10, hours=20),
        ),
        Interaction(
            id="ruth-4", at=ago(now, days=10, hours=20), channel="email", direction="out",
            by=said_by("noor"), about="order/W-1055",
            text="A little play is normal. If it chips, we replace it.",
        ),
        Case(
            id="C-4688", number="C-4688", state="solved", topic="lid of the tea pot rattles",
            opened_at=ago(now, days=11), channel="email",
            promise=Promise(
                by=said_by("noor"), text="an answer by e-mail", due_at=ago(now, days=9),
                kept_at=ago(now, days=10, hours=20),
            ),
            told=(
                Told(label="What", value="tea pot, order W-1055", channel="email", at=ago(now, days=11)),
            ),
        ),
        points("ruth", 1310),
        marketing("ruth", is_granted=True, at=ago(now, days=200)),
        Offer(
            id="ruth:offer", title="Tasting evening, two places", reason="you bought the cookbook",
            until=end_of_day(now, days=11),
        ),
    )  # fmt: skip


_THREADS: Final[dict[str, Callable[[datetime], tuple[Record, ...]]]] = {
    "maya": _maya, "tom": _tom, "lena": _lena, "jonas": _jonas, "priya": _priya, "sam": _sam,
    "ama": _ama, "kofi": _kofi, "ruth": _ruth,
}  # fmt: skip
"""Customer id to the thread of that person."""
