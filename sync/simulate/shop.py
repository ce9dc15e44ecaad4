"""The shop that is simulated: customers, parcels, cases, prices; and what people do in it."""

from collections.abc import Iterator
from typing import Final

from sync.model.operation import Evidence, Operation
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.note_case import NoteCase
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.records import (
    Case,
    ContactPoint,
    Customer,
    Order,
    Pickup,
    Price,
    Product,
    Record,
)
from sync.model.registry import raw_args
from sync.model.row import Row, row_of
from sync.simulate.chance import Chance

STORES: Final = ("harbour", "mill")
N_CUSTOMERS: Final = 8
STAFF: Final = Evidence(assurance="S1", proof="found")


def customer_of(number: int) -> str:
    """Id of a customer."""
    return f"c{number}"


def stores_of(number: int) -> tuple[str, ...]:
    """The stores that hold this customer at first: every third both."""
    return STORES if number % 3 == 0 else (STORES[number % 2],)


def rows(now: int) -> Iterator[Row]:
    """Everything there is at first."""
    for number in range(N_CUSTOMERS):
        for body in _of_customer(number, now):
            yield row_of(body, owner=customer_of(number), as_of=now, source="web")
    for number in range(4):
        yield row_of(
            Product(f"p{number}", f"Thing {number}", "things"),
            owner="",
            as_of=now,
            source="web",
        )


def _of_customer(number: int, now: int) -> Iterator[Record]:
    who = customer_of(number)
    yield Customer(id=who, given_name=f"Given {number}", family_name=f"Family {number}")
    yield ContactPoint(id=f"{who}-mail", channel="email", value=f"{who}@example.org")
    for n in range(2):
        order = f"W-{number}{n}"
        yield Order(order, now, "web", "ready", (), 1_000)
        yield Pickup(f"{who}-pk{n}", order, stores_of(number)[0], "ready")
    yield Case(f"{who}-case", f"C-{number}", "open", "a tear", now, "phone")


def changed(chance: Chance, serial: int, now: int) -> Row:
    """A row that somebody changed at the centre."""
    who = customer_of(chance.below(N_CUSTOMERS))
    match chance.below(4):
        case 0:
            body: Record = Customer(id=who, given_name=f"Given {serial}", nickname=f"n{serial}")
        case 1:
            body = ContactPoint(f"{who}-tel{chance.below(3)}", "phone", f"+49{serial:08d}")
        case 2:
            body = Pickup(f"{who}-pk{serial + 10}", f"W-{serial}", chance.pick(STORES), "ready")
        case _:
            price = Price(f"p{chance.below(4)}@web", "p0", "web", serial)
            return row_of(price, owner="", as_of=now, source="web")
    return row_of(body, owner=who, as_of=now, source="web")


def done(
    chance: Chance, serial: int, *, op_id: str, at: int, device: str, store: str
) -> Operation:
    """Something that happens at a kiosk or counter."""
    who = customer_of(chance.below(N_CUSTOMERS))
    kind, args, version = _act(chance, who, serial)
    return Operation(
        id=op_id, kind=kind, v=version, at=at, device=device, store=store, actor="ben", owner=who,
        evidence=STAFF, args=raw_args(args),
    )  # fmt: skip


def _act(
    chance: Chance, who: str, serial: int
) -> tuple[str, RecordInteraction | HandOverPickup | NoteCase, int]:
    match chance.weighted(
        (("said", 40), ("handed", 30), ("noted", 20), ("new", 5), ("newer", 5))
    ):
        case "handed":
            pickup = f"{who}-pk{chance.below(3)}"
            order = chance.pick(("", f"W-{who[1:]}0"))
            return "hand_over_pickup", HandOverPickup(pickup=pickup, order=order), 1
        case "noted":
            case = chance.pick((f"{who}-case", "no-such-case"))
            return "note_case", NoteCase(case=case, by="Ben", text=f"note {serial}"), 1
        case "new":  # a kind of a newer kiosk
            return "polish_shoes", _said(serial), 1
        case "newer":
            return "record_interaction", _said(serial), 99
        case _:
            return "record_interaction", _said(serial), 1


def _said(serial: int) -> RecordInteraction:
    return RecordInteraction(channel="store", direction="in", by="Lena", text=f"words {serial}")
