"""How the demo's rows come in: what each other system would have sent of them, as deliveries, and the few that go around.

`people`, `crowd` and `catalogue` say what happened; here each of it is told by the system it happened in, and comes in like any
shop's: signed, taken in by `centre.channels`, mapped by that system's adapter, joined to one customer by the points that are
proved. What is then on screen is what the channels told.

The people of the stories are told one event at a time. Of everybody else, each old system's knowledge comes in one delivery.

Rows that go around the channels, because no other system knows them:
    store, staff                      the brand itself; no adapter has a fact for it
    band                              linked at our own counter
    customer                          of their row only tier, household, guardian, nickname and preferred channel stay: they are the
                                      loyalty programme's, and no adapter has a fact for them; name and points are told by `loyalty`
    account, entitlement, ledger, offer     balances and offers of the loyalty programme
    pickup                            parcels are received at our own counter: shelf, and who may collect
    stock that is doubtful            pressed at our own counter
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from hardware.moments import micros_of
from kiosk.demo import letters
from kiosk.demo.catalogue import (
    HOME_STORE,
    JACKET,
    PRICES_ON_PURPOSE,
    STORES,
    WEB_STOCK_ON_PURPOSE,
    products,
)
from kiosk.demo.channels import ARCHIVE, BY_CHATWOOT
from kiosk.demo.crowd import CROWD
from kiosk.demo.letters import Letter, Person
from kiosk.demo.people import PEOPLE
from kiosk.demo.threads import DAY_US, number
from sync.central.channels.facts import (
    Agreed,
    AnyFact,
    Bought,
    Called,
    Known,
    Point,
    Priced,
    Problem,
    Said,
    Sold,
    Stocked,
    Who,
)
from sync.model.records import (
    CHANNELS,
    Account,
    Band,
    Case,
    Consent,
    ContactPoint,
    Customer,
    Entitlement,
    Interaction,
    LedgerEntry,
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
from sync.model.row import Row

AROUND: Final[tuple[type[Record], ...]] = (
    Store, Staff, Band, Customer, Account, Entitlement, LedgerEntry, Offer, Pickup,
)  # fmt: skip
"""Kinds of rows that no channel tells; and stock that is doubtful."""

MACHINES: Final = ("automatic reply", "shop bot")
"""Who speaks without being a person."""

MEMBER_CHANNELS: Final = ("loyalty", "till", "phone", "app", "visits")
"""Systems that know a customer by the member number, which is the customer's id here."""


def rows_around(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Those of the demo's rows that no channel tells."""
    return tuple(row for row in rows if _goes_around(row.body))


def _goes_around(body: Record) -> bool:
    return isinstance(body, AROUND) or (isinstance(body, Stock) and body.is_doubtful)


def story_letters(rows: Iterable[Row], now: datetime) -> tuple[Letter, ...]:
    """What was sent about the people of the stories, in the order it happened; first who they are.

    Args:
        rows: All rows of the demo.
        now: When it is sent.
    """
    now_us = micros_of(now)
    people = _by_owner(rows)
    cards = tuple(
        letter for owner in PEOPLE for letter in _card(owner, people[owner], now=now_us)
    )
    told = [
        letter
        for owner in PEOPLE
        for row in people[owner]
        for letter in _told(person_of(owner, people[owner]), row.body, now=now_us)
    ]
    return (*cards, *sorted(told, key=lambda letter: letter.at))


def goods_letters(rows: Iterable[Row], now: datetime) -> tuple[Letter, ...]:
    """The nightly table of products, and what the web shop says of the jacket; arguments as `story_letters`."""
    now_us = micros_of(now)
    facts: dict[str, list[AnyFact]] = {}
    for row in rows:
        match row.body:
            case Product() as it:
                facts.setdefault(it.id, []).append(
                    Sold(
                        ref=it.id,
                        at=row.as_of,
                        title=it.title,
                        category=it.category,
                        sensitivity=it.sensitivity,
                    )
                )
            case Price() as price:
                facts[price.product].append(
                    Priced(
                        ref=price.product, at=row.as_of, channel=price.channel, amount_minor=price.amount_minor,
                        currency=price.currency,
                    )
                )  # fmt: skip
            case Stock() as stock if not stock.is_doubtful:
                facts[stock.product].append(
                    Stocked(
                        ref=stock.product,
                        at=stock.counted_at,
                        place=stock.place,
                        count=stock.count,
                    )
                )
            case _:
                pass
    jacket = next(it for it in products() if it.id == JACKET)
    web = [it for it in facts[JACKET] if not _is_of_web(it)]
    facts[JACKET] = web
    events = [(f"goods-{product}", tuple(each)) for product, each in facts.items()]
    at = now_us - 4 * 60 * letters.SECOND_US
    price_minor, count = PRICES_ON_PURPOSE[JACKET, "web"], WEB_STOCK_ON_PURPOSE[JACKET]
    return (
        letters.own("headquarters", events, at=at, now=now_us),
        letters.web_product(
            JACKET, jacket.title, jacket.category, price_minor, at=at, now=now_us
        ),
        letters.web_stock(JACKET, count, at=at, now=now_us),
    )


def _is_of_web(fact: AnyFact) -> bool:
    """Whether Shopify tells it itself."""
    return (isinstance(fact, Priced) and fact.channel == "web") or (
        isinstance(fact, Stocked) and fact.place == "web"
    )


def crowd_letters(rows: Iterable[Row], now: datetime) -> tuple[Letter, ...]:
    """What the old systems knew of everybody else: one delivery of each; arguments as `story_letters`."""
    now_us = micros_of(now)
    everybody = _by_owner(rows)
    people = {owner: everybody[owner] for owner in CROWD}
    cards: list[tuple[str, tuple[AnyFact, ...]]] = [
        (f"card-{owner}", (_known(owner, theirs), *_agreed(owner, theirs)))
        for owner, theirs in people.items()
    ]
    cases = {
        row.key: f"case/{row.body.channel}{ARCHIVE}:{row.body.number}"
        for theirs in people.values()
        for row in theirs
        if isinstance(row.body, Case)
    }
    found: dict[str, list[tuple[str, tuple[AnyFact, ...]]]] = {}
    for owner, theirs in people.items():
        told: dict[str, list[AnyFact]] = {}
        for row in sorted(theirs, key=lambda row: isinstance(row.body, Interaction)):
            channel, fact = _past_of(owner, row.body, cases)
            if fact is not None:
                told.setdefault(channel, []).append(fact)
        for channel, facts in told.items():
            found.setdefault(f"{channel}{ARCHIVE}", []).append((f"past-{owner}", tuple(facts)))
    return (
        letters.own("loyalty", cards, at=now_us, now=now_us),
        *(
            letters.own(name, events, at=now_us, now=now_us)
            for name, events in sorted(found.items())
        ),
    )


def members() -> Mapping[str, Mapping[str, str]]:
    """By channel, the ids that mean a customer the brand knows by member number: it is the same number."""
    past = {f"{channel}{ARCHIVE}": {owner: owner for owner in CROWD} for channel in CHANNELS}
    named = {name: {owner: owner for owner in (*PEOPLE, *CROWD)} for name in MEMBER_CHANNELS}
    return {**past, **named}


# --- Who somebody is ----------------------------------------------------------


def _by_owner(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.owner, []).append(row)
    return found


def person_of(owner: str, rows: list[Row]) -> Person:
    """A customer as other systems know them, from all their rows."""
    customer = next(row.body for row in rows if isinstance(row.body, Customer))
    points = {
        row.body.channel: row.body.value for row in rows if isinstance(row.body, ContactPoint)
    }
    return Person(
        owner, customer.given_name, customer.family_name, points.get("email", ""),
        points.get("phone") or points.get("whatsapp", ""), points.get("x", "").lstrip("@"),
    )  # fmt: skip


def _known(owner: str, rows: list[Row]) -> Known:
    """Who a member is: the club writes to an address before it believes it, and handles were proved by a code after a tap."""
    person = person_of(owner, rows)
    kinds = {"email": "email", "phone": "phone", "whatsapp": "phone"}
    points = [
        Point(
            kinds[row.body.channel],
            row.body.value,
            is_verified=owner in PEOPLE or row.body.is_verified,
        )
        for row in rows
        if isinstance(row.body, ContactPoint) and row.body.channel in kinds
    ]
    met = {row.body.channel for row in rows if isinstance(row.body, Interaction)}
    if owner in PEOPLE:
        points += [
            Point("handle", f"{network}:{person.number(network)}", is_verified=True)
            for network in ("instagram", "tiktok", "x")
            if network in met
        ]
    who = Who(owner, person.given_name, person.family_name, points=tuple(points))
    return Known(ref=owner, at=min(row.as_of for row in rows) - DAY_US, who=who)


def _agreed(owner: str, rows: list[Row]) -> tuple[Agreed, ...]:
    return tuple(
        Agreed(ref=row.body.purpose, at=row.body.at, who=Who(owner), purpose=row.body.purpose, is_granted=row.body.is_granted)
        for row in rows
        if isinstance(row.body, Consent)
    )  # fmt: skip


def _card(owner: str, rows: list[Row], *, now: int) -> tuple[Letter, ...]:
    """What the club says of a member; a child has nothing to be reached by."""
    facts: tuple[AnyFact, ...] = (_known(owner, rows), *_agreed(owner, rows))
    return (letters.own("loyalty", [(f"card-{owner}", facts)], at=0, now=now),)


# --- What happened, told where it happened ------------------------------------


def _told(person: Person, body: Record, *, now: int) -> tuple[Letter, ...]:
    match body:
        case Order() as order:
            return (_order(person, order, now=now),)
        case Case() as case:
            return (_own("phone", person, _problem(person.key, case), now=now),)
        case Interaction() as contact:
            return _contact(person, contact, now=now)
        case _:
            return ()


def _order(person: Person, order: Order, *, now: int) -> Letter:
    match order.channel:
        case "web":
            pickup = _name(HOME_STORE) if order.state == "ready" else ""
            return letters.web_order(order, person, pickup=pickup, now=now)
        case "store":
            return letters.receipt(order, member=person.key, store=_name(HOME_STORE), now=now)
        case "phone":
            return _own("phone", person, _bought(person.key, order), now=now)
        case _:
            return _own("app", person, _bought(person.key, order), now=now)


def _name(store: str) -> str:
    return next(it.name for it in STORES if it.id == store)


def _own(channel: str, person: Person, fact: AnyFact, *, now: int) -> Letter:
    name = f"{person.key}-{type(fact).__name__.lower()}-{fact.ref}"
    return letters.own(channel, [(name, (fact,))], at=fact.at, now=now)


def _contact(person: Person, it: Interaction, *, now: int) -> tuple[Letter, ...]:
    if it.channel == "whatsapp" and person.key == "priya":
        if it.direction != "in":
            return ()  # Meta does not tell what a program of ours sent
        return (letters.whatsapp(it.id, person, it.text, at=it.at, now=now),)
    return (_letter(person, it, now=now),)


def _letter(person: Person, it: Interaction, *, now: int) -> Letter:
    is_ours = it.direction != "in"
    match it.channel:
        case "chat" | "web" | "whatsapp" | "x":
            return letters.talk(
                number(f"message {it.id}", 10**6, 10**8), person, it.channel, it.text, at=it.at, now=now,
                direction=it.direction, by=it.by, label=it.topic, is_bot=it.by in MACHINES,
            )  # fmt: skip
        case "instagram":
            return letters.instagram(it.id, person, it.text, at=it.at, now=now, is_ours=is_ours)
        case "tiktok":
            return letters.tiktok(it.id, person, it.text, at=it.at, now=now, is_ours=is_ours)
        case "email":
            first = f"{person.key}-letter"
            if is_ours:
                return letters.mail(
                    it.id, person, it.text, at=it.at, now=now, by=it.by, answers=first
                )
            return letters.mail(first, person, it.text, at=it.at, now=now)
        case channel:
            system = {"store": "visits"}.get(channel, channel)
            return _own(system, person, _said(person.key, it, _at_desk(it.about)), now=now)


def _at_desk(about: str) -> str:
    """The key of what a contact is about; cases of the people of the stories are the call centre's."""
    return about.replace("case/", "case/phone:")


def _said(owner: str, it: Interaction, about: str) -> AnyFact:
    """What was said, in our own form; a call that somebody took is one that was answered."""
    who = Who(owner)
    if it.channel == "phone" and it.direction == "in":
        return Called(
            ref=it.id,
            at=it.at,
            who=who,
            state="answered",
            by=it.by,
            lasted_s=480,
            note=it.text,
            topic=it.topic,
        )
    return Said(
        ref=it.id, at=it.at, who=who, channel=it.channel, direction=it.direction, by=it.by, text=it.text,
        about=about if about.startswith(("order/", "case/")) else "", topic=it.topic, sensitivity=it.sensitivity,
        is_automatic=it.by in MACHINES, is_closing=it.channel == "store" and it.direction == "note",
        thread=str(number(f"chatwoot {it.channel} {owner}", 1, 10**6)) if it.channel in BY_CHATWOOT else "",
    )  # fmt: skip


def _bought(owner: str, order: Order) -> Bought:
    return Bought(
        ref=order.id, at=order.at, who=Who(owner), channel=order.channel, state=order.state, ordered_at=order.at,
        lines=order.lines, total_minor=order.total_minor, currency=order.currency, code=order.code,
        sensitivity=order.sensitivity,
    )  # fmt: skip


def _problem(owner: str, case: Case) -> Problem:
    promise = case.promise
    return Problem(
        ref=case.number, at=case.opened_at, who=Who(owner), channel=case.channel, state=case.state, topic=case.topic,
        opened_at=case.opened_at, promised_by=promise.by if promise else "", promise=promise.text if promise else "",
        due_at=promise.due_at if promise else 0, told=tuple((it.label, it.value) for it in case.told),
        missing=case.missing, tried=tuple((it.text, it.n_tried, it.n_failed) for it in case.tried),
        payer=case.payer, next_step=case.next_step,
    )  # fmt: skip


def _past_of(owner: str, body: Record, cases: Mapping[str, str]) -> tuple[str, AnyFact | None]:
    """What an old system knew, and which."""
    match body:
        case Order() as order:
            return order.channel, _bought(owner, order)
        case Case() as case:
            return case.channel, _problem(owner, case)
        case Interaction() as it:
            return it.channel, _said(owner, it, cases.get(it.about, it.about))
        case _:
            return "", None
