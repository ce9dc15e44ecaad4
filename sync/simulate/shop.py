"""The shop that is simulated: customers, parcels, cases, prices; and what people do in it."""

from collections.abc import Iterator
from typing import Final

import msgspec

from sync.edge.recorder import Act, Doer
from sync.model.operation import Evidence, Operation
from sync.model.operations.correct_stock import CorrectStock
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.keep_promise import KeepPromise
from sync.model.operations.note_case import NoteCase
from sync.model.operations.open_case import OpenCase
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.operations.redeem import Redeem
from sync.model.operations.set_consent import SetConsent
from sync.model.records import (
    Account,
    Case,
    ContactPoint,
    Customer,
    Entitlement,
    Order,
    Pickup,
    Price,
    Product,
    Record,
    Stock,
)
from sync.model.registry import raw_args
from sync.model.row import Row, row_of
from sync.simulate.chance import Chance

STORES: Final = ("harbour", "mill")
N_CUSTOMERS: Final = 8
POINTS, USES, PIECES = 20, 2, 6
"""Of each account, each entitlement, each stock that is redeemed from."""

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
    for store in STORES:
        stock = Stock(f"p0@{store}", "p0", store, PIECES, now)
        yield row_of(stock, owner="", as_of=now, source="web")
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
    home = stores_of(number)[0] if number % 2 else ""
    yield Account(f"{who}-acc", POINTS, home)
    yield Entitlement(f"{who}-ent", "a coffee", "voucher", n_left=USES, home_store=home)


def first_keys(who: str) -> tuple[str, ...]:
    """Keys of a customer that are written at first and never again."""
    number = who[1:]
    return (
        *(f"order/W-{number}{n}" for n in range(2)),
        f"case/{who}-case",
        f"account/{who}-acc",
        f"entitlement/{who}-ent",
        f"contact/{who}-mail",
    )


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


def doer(who: str) -> Doer:
    """Somebody of staff who has that customer before them."""
    return Doer(actor="ben", owner=who, evidence=STAFF)


def act(chance: Chance, who: str, serial: int, store: str) -> Act:
    """Something that is done at a kiosk or counter, of a kind this program knows."""
    args: msgspec.Struct
    match kind := chance.weighted(ACTS):
        case "hand_over_pickup":
            pickup = f"{who}-pk{chance.below(3)}"
            args = HandOverPickup(pickup=pickup, order=chance.pick(("", f"W-{who[1:]}0")))
        case "note_case":
            case = chance.pick((f"{who}-case", "no-such-case"))
            args = NoteCase(case=case, by="Ben", text=f"note {serial}")
        case "promise_answer":
            due_at = 1_767_787_200_000_000 + chance.between(1, 10) * 3_600_000_000
            args = PromiseAnswer(
                case=f"{who}-case", by="Ben", text=f"answer {serial}", due_at=due_at
            )
        case "keep_promise":
            args = KeepPromise(case=f"{who}-case", by="Ben", text="rang")
        case "open_case":
            args = OpenCase(topic=f"topic {serial}", channel="store", by="Ben", text="it tore")
        case "redeem":
            of = chance.pick(
                (f"account/{who}-acc", f"entitlement/{who}-ent", f"stock/p0@{store}")
            )
            args = Redeem(of=of, amount=chance.pick((1, 1, 5)), reason="a coffee")
        case "correct_stock":
            args = CorrectStock(product="p1", place=store, count=chance.below(9))
        case "set_consent":
            args = SetConsent(
                consent=f"{who}:marketing", purpose="marketing", is_granted=chance.hits(50)
            )
        case _:
            args = said(serial)
    return Act(kind, args)


def voucher(who: str) -> Act:
    """One use of what they are entitled to."""
    return Act("redeem", Redeem(of=f"entitlement/{who}-ent", amount=1, reason="a coffee"))


def said(serial: int) -> RecordInteraction:
    """Words of a customer."""
    return RecordInteraction(channel="store", direction="in", by="Lena", text=f"words {serial}")


def foreign(
    serial: int, who: str, *, op_id: str, at: int, device: str, store: str
) -> Operation:
    """Something a newer program would record: a kind, or a version of one, that nobody here knows."""
    kind, version = ("polish_shoes", 1) if serial % 2 else ("record_interaction", 99)
    return Operation(
        id=op_id, kind=kind, v=version, at=at, device=device, store=store, actor="ben", owner=who,
        evidence=STAFF, args=raw_args(said(serial)),
    )  # fmt: skip


ACTS: Final = (
    ("record_interaction", 30),
    ("hand_over_pickup", 25),
    ("note_case", 15),
    ("promise_answer", 8),
    ("keep_promise", 3),
    ("open_case", 5),
    ("redeem", 20),
    ("correct_stock", 3),
    ("set_consent", 5),
)
"""With how often each is done."""
