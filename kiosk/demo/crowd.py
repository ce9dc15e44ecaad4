"""Everybody else: enough customers, orders and open ends that the people of the stories are not alone.

Each person lives one of a few situations; what was bought, when and in which words follows from the person's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hardware.entropy import SeededEntropy
from kiosk.demo.bands import band_id_of, demo_bands
from kiosk.demo.catalogue import SENSITIVE, products, said_by, title_of
from kiosk.demo.people import line, marketing, order, points
from kiosk.demo.threads import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    ago,
    ahead,
    end_of_day,
    number,
    owned_rows,
    pick,
)
from sync.model.records import (
    Band,
    Case,
    ContactPoint,
    Customer,
    Interaction,
    Offer,
    Order,
    Pickup,
    Promise,
    Record,
    Told,
)
from sync.model.row import Row

_PEOPLE: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("walter", "Walter", "Brandt", "harbour"),
    ("nadia", "Nadia", "Haddad", "harbour"),
    ("greta", "Greta", "Nyström", "market"),
    ("aisha", "Aisha", "Bello", "harbour"),
    ("andre", "André", "Morel", "harbour"),
    ("bruno", "Bruno", "Keller", "station"),
    ("carla", "Carla", "Ferreira", "harbour"),
    ("chidi", "Chidi", "Eze", "harbour"),
    ("daniel", "Daniel", "Petit", "market"),
    ("diego", "Diego", "Muñoz", "harbour"),
    ("elif", "Elif", "Kaya", "harbour"),
    ("emma", "Emma", "Jansen", "station"),
    ("fatou", "Fatou", "Diallo", "harbour"),
    ("felix", "Felix", "Schäfer", "harbour"),
    ("freya", "Freya", "Sørensen", "market"),
    ("giulia", "Giulia", "Conti", "harbour"),
    ("hannah", "Hannah", "Weiß", "harbour"),
    ("hugo", "Hugo", "Lambert", "harbour"),
    ("ibrahim", "Ibrahim", "Sow", "station"),
    ("ingrid", "Ingrid", "Dahl", "harbour"),
    ("jack", "Jack", "Morris", "harbour"),
    ("jana", "Jana", "Novak", "market"),
    ("joao", "João", "Almeida", "harbour"),
    ("karim", "Karim", "Benali", "harbour"),
    ("katja", "Katja", "Vogt", "harbour"),
    ("lars", "Lars", "Madsen", "station"),
    ("leila", "Leila", "Farah", "harbour"),
    ("lucia", "Lucía", "Romero", "harbour"),
    ("marco", "Marco", "Greco", "market"),
    ("marie", "Marie", "Dubois", "harbour"),
    ("mateo", "Mateo", "Ibáñez", "harbour"),
    ("mei", "Mei", "Lin", "harbour"),
    ("nils", "Nils", "Åberg", "harbour"),
    ("nora", "Nora", "Fischer", "station"),
    ("oliver", "Oliver", "Grant", "harbour"),
    ("paula", "Paula", "Moreno", "harbour"),
    ("pietro", "Pietro", "Rossi", "market"),
    ("rosa", "Rosa", "Klein", "harbour"),
    ("sanne", "Sanne", "de Boer", "harbour"),
    ("selma", "Selma", "Çelik", "harbour"),
    ("simon", "Simon", "Wagner", "station"),
    ("sofia", "Sofia", "Lopes", "harbour"),
    ("tariq", "Tariq", "Aziz", "harbour"),
    ("theo", "Théo", "Girard", "harbour"),
    ("una", "Una", "Byrne", "market"),
    ("vera", "Vera", "Krüger", "harbour"),
    ("yusuf", "Yusuf", "Demir", "harbour"),
    ("zoe", "Zoë", "Martens", "harbour"),
)
"""One row is one person: customer id, given name, family name, the store they go to."""

CROWD: Final = tuple(owner for owner, _, _, _ in _PEOPLE)
"""Customer ids of the crowd."""

STORE_OF: Final = {owner: store for owner, _, _, store in _PEOPLE}
"""Customer id to the store the person goes to."""

_ORDER_CHANNELS: Final = (("web", "W"), ("app", "A"), ("store", "S"), ("phone", "T"))
"""Channels one can order in, and the letter their order numbers begin with."""

_DONE: Final = {
    "web": "delivered",
    "app": "delivered",
    "phone": "delivered",
    "store": "collected",
}
"""How an order of a channel ends."""


@dataclass(frozen=True, slots=True)
class Person:
    """One of the crowd, with what the situations are told from.

    Attributes:
        index: Place in the list, from 0; numbers of orders and cases follow from it.
        store: Store id of the store the person goes to.
        staff: Staff id of who serves there.
    """

    index: int
    id: str
    name: str
    store: str
    staff: str
    now: datetime

    def seed(self, what: str) -> str:
        """What chance about this person is drawn from."""
        return f"crowd {self.id} {what}"

    def says(
        self, part: int, *, at: int, channel: str, text: str, about: str = "", answered_at: int
    ) -> Interaction:
        """The customer to us, answered by a person at `answered_at`."""
        return Interaction(
            id=f"{self.id}-{part}", at=at, channel=channel, direction="in", by=self.name, text=text,
            about=about, answered_at=answered_at,
        )  # fmt: skip

    def waits(
        self, part: int, *, at: int, channel: str, text: str, about: str = "", due_at: int
    ) -> Interaction:
        """The customer to us, unanswered by any person; an answer is owed until `due_at`."""
        return Interaction(
            id=f"{self.id}-{part}", at=at, channel=channel, direction="in", by=self.name, text=text,
            about=about, due_at=due_at,
        )  # fmt: skip

    def hears(
        self, part: int, *, at: int, channel: str, by: str, text: str, about: str = ""
    ) -> Interaction:
        """We to the customer."""
        return Interaction(
            id=f"{self.id}-{part}", at=at, channel=channel, direction="out", by=by, text=text,
            about=about,
        )  # fmt: skip


def crowd_rows(now: datetime) -> tuple[Row, ...]:
    """All rows of the crowd, as they are at `now`."""
    rows: list[Row] = []
    staff_of = {"harbour": "ben", "market": "ines", "station": "sofie"}
    for index, (owner, given_name, family_name, store) in enumerate(_PEOPLE):
        person = Person(index, owner, given_name, store, staff_of[store], now)
        situation = _SITUATIONS[index % len(_SITUATIONS)]
        bodies = (*_card_of(person, family_name), *_past_orders(person), *situation(person))
        rows.extend(owned_rows(bodies, owner=owner, now=now))
    return tuple(rows)


def _card_of(person: Person, family_name: str) -> tuple[Record, ...]:
    """Who it is, how to reach them, their band, points and consent."""
    channel = pick(person.seed("channel"), ("email", "whatsapp", "phone", "app"))
    is_granted = number(person.seed("consent"), 0, 2) > 0
    known_since = ago(person.now, days=number(person.seed("since"), 120, 900))
    return (
        Customer(
            id=person.id, given_name=person.name, family_name=family_name, preferred_channel=channel,
            tier=pick(person.seed("tier"), ("", "", "silver", "gold")),
        ),
        ContactPoint(
            id=f"{person.id}:email", channel="email", value=f"{person.id}@example.com",
            is_verified=True,
        ),
        ContactPoint(
            id=f"{person.id}:phone", channel="phone", value=f"+447700900{200 + person.index}"
        ),
        *_bands_of(person.id),
        points(person.id, number(person.seed("points"), 0, 1_600), home_store=person.store),
        marketing(person.id, is_granted=is_granted, at=known_since),
    )  # fmt: skip


def _bands_of(owner: str) -> tuple[Band, ...]:
    """The person's band: one of the demo's where there is one, otherwise a band that is never tapped here."""
    worn = tuple(band for band in demo_bands() if band.customer == owner)
    if not worn:
        reference = SeededEntropy(f"tapthread demo crowd band {owner}").draw(16)
        return (Band(id=reference.hex(), state="active", label="wristband"),)
    return tuple(
        Band(
            id=band_id_of(band),
            state="active",
            label="wristband",
            is_uid_only=not band.reference,
        )
        for band in worn
    )


def _product(seed: str, *, other_than: str = "") -> str:
    """An article number anybody might have bought; nothing that is never named in public."""
    plain = tuple(
        product.id
        for product in products()
        if product.id not in (*SENSITIVE, other_than) and product.category != "tickets"
    )
    return pick(seed, plain)


def _order_number(person: Person, letter: str, part: int) -> str:
    return f"{letter}-{2_000 + person.index * 10 + part}"


def _past_orders(person: Person) -> tuple[Order, ...]:
    """Three to six orders that ended well, two weeks to half a year ago."""
    count = 3 + person.index % 4
    return tuple(_past_order(person, part) for part in range(count))


def _past_order(person: Person, part: int) -> Order:
    seed = person.seed(f"order {part}")
    channel, letter = pick(seed + " channel", _ORDER_CHANNELS)
    lines = tuple(
        line(_product(f"{seed} line {index}"), count=number(f"{seed} count {index}", 1, 2))
        for index in range(number(seed + " lines", 1, 3))
    )
    return order(
        _order_number(person, letter, part), *lines,
        at=ago(person.now, days=number(seed + " days", 14, 180), hours=part),
        channel=channel, state=_DONE[channel],
    )  # fmt: skip


def _late_parcel(person: Person) -> tuple[Record, ...]:
    """Where is my order? Somebody promised to find out, and still has time."""
    ordered_at = ago(person.now, days=6, hours=person.index % 7)
    asked_at = ago(person.now, hours=20, minutes=person.index)
    product = _product(person.seed("late"))
    late = order(
        _order_number(person, "W", 8),
        line(product),
        at=ordered_at,
        channel="web",
        state="shipped",
    )
    number_ = f"C-{4_800 + person.index}"
    text = pick(
        person.seed("late words"),
        (
            f"Where is {late.id}? The tracking has not moved for three days.",
            f"{late.id} should have come days ago. Is it lost?",
            f"The parcel service says {late.id} never reached them.",
        ),
    )
    return (
        late,
        person.says(
            1, at=asked_at, channel="email", text=text, about=f"case/{number_}",
            answered_at=asked_at + 2 * HOUR_US,
        ),
        person.hears(
            2, at=asked_at + 2 * HOUR_US, channel="email", by=said_by("ana"),
            text="I ask the parcel service and write to you tomorrow.", about=f"case/{number_}",
        ),
        Case(
            id=number_, number=number_, state="open", topic="parcel late", opened_at=asked_at,
            channel="email",
            promise=Promise(
                by=said_by("ana"), text="where the parcel is", due_at=ahead(person.now, days=1)
            ),
            told=(Told(label="Order", value=late.id, channel="email", at=asked_at),),
            missing=("answer of the parcel service",),
            next_step="Send it again if it is not found",
        ),
    )  # fmt: skip


def _parcel_here(person: Person) -> tuple[Record, ...]:
    """An order waits on a shelf of the person's store."""
    ready_at = ago(person.now, hours=3 + person.index % 40)
    product, other = _product(person.seed("here 1")), _product(person.seed("here 2"))
    waiting = order(
        _order_number(person, "A", 8), line(product), line(other),
        at=ready_at - 2 * DAY_US, channel="app", state="ready",
    )  # fmt: skip
    asked, answer = pick(
        person.seed("here words"),
        (
            ("May I come after work?", "We are here until eight."),
            ("How long do you keep it?", "Two weeks, then we ask you."),
            ("Can you put a bag with it?", "There is one with it."),
        ),
    )
    shelf = f"{pick(person.seed('shelf'), 'ABD')}{number(person.seed('shelf place'), 1, 9)}"
    return (
        waiting,
        Pickup(
            id=f"P-{waiting.id[2:]}", order=waiting.id, store=person.store, state="ready",
            shelf=shelf, n_items=2, ready_at=ready_at,
        ),
        person.hears(
            1, at=ready_at + MINUTE_US, channel="app", by=said_by(person.staff),
            text=f"{waiting.id} is ready for you.", about=f"order/{waiting.id}",
        ),
        person.says(
            2, at=ready_at + 30 * MINUTE_US, channel="app", about=f"order/{waiting.id}",
            text=asked, answered_at=ready_at + HOUR_US,
        ),
        person.hears(
            3, at=ready_at + HOUR_US, channel="app", by=said_by(person.staff), text=answer,
            about=f"order/{waiting.id}",
        ),
        _offer(person),
    )  # fmt: skip


def _exchanged(person: Person) -> tuple[Record, ...]:
    """Asked about a size on Instagram, changed it in the store; solved."""
    asked_at = ago(person.now, days=9 + person.index % 5)
    visited_at = asked_at + 2 * DAY_US
    number_ = f"C-{4_800 + person.index}"
    text = pick(
        person.seed("size words"),
        (
            "Does this run small?",
            "Mine is too wide, can I change it in store?",
            "Have you one size up?",
        ),
    )
    return (
        person.says(
            1, at=asked_at, channel="instagram", text=text, about=f"case/{number_}",
            answered_at=asked_at + 3 * HOUR_US,
        ),
        person.hears(
            2, at=asked_at + 3 * HOUR_US, channel="instagram", by=said_by("leo"),
            text="Bring it along, we change it on the spot.", about=f"case/{number_}",
        ),
        Interaction(
            id=f"{person.id}-3", at=visited_at, channel="store", direction="note",
            by=said_by(person.staff), text="Changed for the next size, no charge.",
            about=f"case/{number_}", audience="internal",
        ),
        Case(
            id=number_, number=number_, state="solved", topic="size", opened_at=asked_at,
            channel="instagram",
            told=(Told(label="Wanted", value="another size", channel="instagram", at=asked_at),),
        ),
        _offer(person),
    )  # fmt: skip


def _invoice(person: Person) -> tuple[Record, ...]:
    """Called about an invoice; done in the same call."""
    called_at = ago(person.now, days=4 + person.index % 9, hours=2)
    about = f"order/{_past_order(person, 0).id}"
    text = pick(
        person.seed("invoice words"),
        (
            "Needs the invoice with the company's name on it.",
            "Was charged twice, sent the bank statement.",
            "Asked for a copy of the receipt.",
        ),
    )
    return (
        person.says(
            1, at=called_at, channel="phone", text=text, about=about,
            answered_at=called_at + 8 * MINUTE_US,
        ),
        person.hears(
            2, at=called_at + 8 * MINUTE_US, channel="email", by=said_by("ana"),
            text="Here is what you asked for on the phone.", about=about,
        ),
        _offer(person),
    )  # fmt: skip


def _broken(person: Person) -> tuple[Record, ...]:
    """Something broke; the promise of a repair is a day overdue."""
    told_at = ago(person.now, days=8, hours=person.index % 5)
    due_at = ago(person.now, days=1, hours=person.index % 5)
    product = _product(person.seed("broken"))
    bought = order(
        _order_number(person, "W", 8), line(product), at=told_at - 30 * DAY_US, channel="web",
        state="delivered",
    )  # fmt: skip
    number_ = f"C-{4_800 + person.index}"
    fault = pick(
        person.seed("broken words"),
        ("arrived damaged", "came apart after a month", "is not the colour of the picture"),
    )
    text = f"{title_of(product)} from {bought.id} {fault}."
    return (
        bought,
        person.waits(
            1, at=told_at, channel="chat", text=text, about=f"case/{number_}", due_at=due_at
        ),
        person.hears(
            2, at=told_at + 2 * MINUTE_US, channel="chat", by="shop bot",
            text="I have passed this on.", about=f"case/{number_}",
        ),
        Case(
            id=number_, number=number_, state="open", topic=f"{title_of(product)} faulty",
            opened_at=told_at, channel="chat",
            promise=Promise(by=said_by("noor"), text="repair or money back", due_at=due_at),
            told=(
                Told(label="Order", value=bought.id, channel="web", at=bought.at),
                Told(label="Fault", value=fault, channel="chat", at=told_at),
            ),
            missing=("a picture of the fault",),
            next_step="Look at it here; swap or refund",
        ),
    )  # fmt: skip


def _fan(person: Person) -> tuple[Record, ...]:
    """Writes under our clips and buys often; nothing open."""
    at = ago(person.now, days=2 + person.index % 11)
    text = pick(
        person.seed("fan words"),
        (
            "Which song is this?",
            "Bought it because of this clip.",
            "When is this in Harbour again?",
        ),
    )
    return (
        person.says(1, at=at, channel="tiktok", text=text, answered_at=at + 5 * HOUR_US),
        person.hears(
            2, at=at + 5 * HOUR_US, channel="tiktok", by=said_by("leo"), text="Come and see us."
        ),
        Interaction(
            id=f"{person.id}-3", at=at + DAY_US, channel="store", direction="note",
            by=said_by(person.staff), text="Bought the thing from the clip, was happy.",
            audience="internal",
        ),
        _offer(person),
    )  # fmt: skip


def _unheard(person: Person) -> tuple[Record, ...]:
    """Wrote on X or through the web form, and nobody answered in time."""
    channel = pick(person.seed("unheard channel"), ("x", "web"))
    at = ago(person.now, hours=30 + person.index)
    text = pick(
        person.seed("unheard words"),
        (
            "Your web shop says open on Sunday, the door says closed.",
            "The voucher from the newsletter is refused.",
            "How do I unsubscribe? The link is dead.",
        ),
    )
    return (
        person.waits(1, at=at, channel=channel, text=text, due_at=at + DAY_US),
        person.hears(
            2, at=at + MINUTE_US, channel=channel, by="automatic reply", text="We have your message."
        ),
    )  # fmt: skip


def _adviser(person: Person) -> tuple[Record, ...]:
    """Asked for advice on WhatsApp, got it, ordered."""
    at = ago(person.now, days=5, hours=person.index % 12)
    product = _product(person.seed("advice"))
    bought = order(
        _order_number(person, "A", 8), line(product), at=at + 2 * HOUR_US, channel="app",
        state="shipped",
    )  # fmt: skip
    return (
        person.says(
            1, at=at, channel="whatsapp", text=f"Is the {title_of(product).lower()} a good gift?",
            answered_at=at + HOUR_US,
        ),
        person.hears(
            2, at=at + HOUR_US, channel="whatsapp", by=said_by("noor"),
            text="It is, and it can be returned for a month.",
        ),
        bought,
        _offer(person),
    )  # fmt: skip


def _offer(person: Person) -> Offer:
    """Something that fits what the person bought last."""
    bought = _past_order(person, 0).lines[0]
    product = _product(person.seed("offer"), other_than=bought.product)
    return Offer(
        id=f"{person.id}:offer", title=f"{title_of(product)}, 10 percent less",
        reason=f"you bought {bought.title} from us", product=product, until=end_of_day(person.now, days=7),
    )  # fmt: skip


_SITUATIONS: Final[tuple[Callable[[Person], tuple[Record, ...]], ...]] = (
    _late_parcel, _parcel_here, _exchanged, _invoice, _broken, _fan, _unheard, _adviser,
)  # fmt: skip
"""What the people of the crowd live through, in turn."""
