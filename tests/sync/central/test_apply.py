"""Operations at the centre: once, in order, all or none, and never without an answer; and what a person decides about them."""

import dataclasses
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

import msgspec
import pytest

from sync.central import apply
from sync.central.apply import apply_operations, decide_operation, is_plausible
from sync.central.device_rows import DeviceRecord
from sync.central.enrolment import State
from sync.central.op_rows import OpRecord
from sync.central.store import Store
from sync.model import registry
from sync.model.operation import Effects, Evidence, Operation
from sync.model.operations.correct_stock import CorrectStock
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.redeem import Redeem
from sync.model.operations.void_operation import VoidOperation
from sync.model.records import Account, Case, Decision, Pickup, Record
from sync.model.row import Row
from sync.model.wire import DecideRequest
from tests.support import shop
from tests.support.operations import FIRST, NOON, SECOND, THIRD, undo_of

POINTS = "account/lena:points"
DEVICE = DeviceRecord("d1", "", "harbour", "counter", State.ACTIVE.value)


class Books:
    """A centre's store, and what devices bring to it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON

    def push(self, *ops: Operation, device: DeviceRecord = DEVICE) -> list[OpRecord]:
        self.now += 1
        with self.store.writing() as transaction:
            records = apply_operations(
                transaction, ops, device=device, now=self.now, lineage="l1"
            )
            transaction.take_heads(self.now)
        return records

    def status(self, *ops: Operation, device: DeviceRecord = DEVICE) -> list[tuple[str, str]]:
        return [(record.status, record.code) for record in self.push(*ops, device=device)]

    def decide(self, op: str, decision: str, *, args: msgspec.Struct | None = None) -> OpRecord:
        values: dict[str, Any] = {
            "op": op,
            "decision": decision,
            "by": "sue",
            "reason": "saw it",
        }
        asked = msgspec.convert(values, DecideRequest)
        if args is not None:
            asked = msgspec.structs.replace(asked, args=registry.raw_args(args))
        self.now += 1
        with self.store.writing() as transaction:
            known = transaction.read.op(op)
            assert known is not None
            record = decide_operation(transaction, asked, known, now=self.now)
            transaction.take_heads(self.now)
        return record

    def put(self, *rows: Row) -> None:
        with self.store.writing() as transaction:
            for row in rows:
                transaction.put(row)
            transaction.take_heads(self.now)

    def op(self, op_id: str) -> OpRecord:
        with self.store.reading() as snapshot:
            record = snapshot.op(op_id)
        assert record is not None
        return record

    def has(self, key: str) -> bool:
        with self.store.reading() as snapshot:
            return snapshot.row(key) is not None

    def body(self, key: str) -> Record:
        with self.store.reading() as snapshot:
            row = snapshot.row(key)
        assert row is not None
        return row.body

    def in_scope(self, scope: str) -> set[str]:
        with self.store.reading() as snapshot:
            rows = snapshot.rows_since(scope, 0, limit=1_000)
        return {row.key for row in rows if not row.is_gone}

    @property
    def points(self) -> int:
        account = self.body(POINTS)
        assert isinstance(account, Account)
        return account.points


@pytest.fixture
def books(laid_database: str) -> Iterator[Books]:
    store = Store(laid_database, fresh_epoch="e1")
    made = Books(store)
    made.put(*shop.lenas_rows(), shop.row(Account("lena:points", 100, "harbour")))
    yield made
    store.close()


def redeem(
    amount: int = 10, op_id: str = FIRST, *, alone: str = "", **fields: Any
) -> Operation:
    args = msgspec.convert({"of": POINTS, "amount": amount, "alone": alone}, Redeem)
    return shop.operation(args, op_id=op_id, **fields)


def grouped(*ops: Operation) -> tuple[Operation, ...]:
    return tuple(msgspec.structs.replace(op, group="g1") for op in ops)


def unreadable_account(books: Books) -> None:
    """A newer version wrote it, so this one cannot judge anything about it."""
    sql = books.store._engine
    with sql.writing() as connection:
        connection.run(
            "UPDATE doc SET body = :body WHERE key = :key", body='{"id":1}', key=POINTS
        )


def readable_account(books: Books, points: int = 100) -> None:
    books.put(shop.row(Account("lena:points", points, "harbour")))


# Once, and always answered


def test_an_operation_that_comes_again_is_answered_as_before(books: Books) -> None:
    first = books.push(redeem(10))
    again = books.push(redeem(10))

    assert first == again
    assert books.points == 90


def test_what_cannot_be_read_is_held_and_the_others_go_on(books: Books) -> None:
    strange = msgspec.structs.replace(shop.said(), id="strange", kind="teleport")

    assert books.status(strange, redeem(10)) == [("held", "unknown_kind"), ("applied", "")]


@pytest.mark.parametrize(
    ("device", "op", "answer"),
    [
        ({}, redeem(store="station"), ("held", "other_store")),
        ({"is_cloned": True}, redeem(), ("held", "device_forked")),
        ({"is_cloned": True}, redeem(alone="home"), ("applied", "")),
        ({"is_cloned": True}, shop.hand_over(), ("applied", "")),
        ({"state": "revoked"}, shop.hand_over(), ("held", "device_ended")),
        ({}, redeem(evidence=Evidence("A1")), ("refused", "not_allowed")),
        ({}, shop.hand_over(evidence=Evidence("A1")), ("applied", "")),
        ({}, redeem(101), ("refused", "not_enough")),
        (
            {},
            shop.operation(CorrectStock(product="p", place="station")),
            ("held", "other_place"),
        ),
    ],
)
def test_who_may_and_who_is_looked_at_first(
    books: Books, device: dict[str, Any], op: Operation, answer: tuple[str, str]
) -> None:
    brought = msgspec.structs.replace(DEVICE, **device)

    assert books.status(op, device=brought) == [answer]


def test_a_right_to_act_alone_makes_a_request_a_fact_and_a_collision_a_case(
    books: Books,
) -> None:
    books.push(
        redeem(80, store="station"), device=msgspec.structs.replace(DEVICE, store="station")
    )

    (record,) = books.push(redeem(80, SECOND, alone="home"))

    case = books.body(f"case/{SECOND}")
    assert isinstance(case, Case)
    assert (record.status, record.clash, books.points) == ("applied", "overdrawn", -60)
    assert [side.store for side in case.sides] == ["station", "harbour"]


def test_a_kind_that_raises_is_held_with_nothing_of_it_done(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> NoReturn:
        raise ZeroDivisionError

    bad = dataclasses.replace(registry.KINDS["hand_over_pickup"], apply=broken)
    monkeypatch.setattr(
        registry, "KINDS", MappingProxyType({**registry.KINDS, "hand_over_pickup": bad})
    )

    assert books.status(shop.hand_over(), redeem(10, SECOND)) == [
        ("held", "failed"),
        ("applied", ""),
    ]


def test_a_kind_whose_second_row_cannot_be_written_leaves_the_first_out_too(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = shop.row(Account("lena:good", 1, "harbour"))
    bad = msgspec.structs.replace(good, key="account/\0")
    kind = dataclasses.replace(
        registry.KINDS["hand_over_pickup"], apply=lambda *_: Effects((good, bad))
    )
    monkeypatch.setattr(
        registry, "KINDS", MappingProxyType({**registry.KINDS, "hand_over_pickup": kind})
    )

    assert books.status(shop.hand_over()) == [("held", "failed")]
    assert not books.has(good.key)


# All or none


def test_a_group_is_done_whole(books: Books) -> None:
    assert books.status(*grouped(redeem(60), redeem(40, SECOND))) == [("applied", "")] * 2
    assert books.points == 0


def test_a_group_one_of_which_is_refused_is_not_done_at_all(books: Books) -> None:
    ops = grouped(redeem(60), redeem(60, SECOND), redeem(1, THIRD))

    assert books.status(*ops) == [
        ("refused", "group"),
        ("refused", "not_enough"),
        ("refused", "group"),
    ]
    assert books.points == 100
    assert books.status(*ops)[1] == ("refused", "not_enough")


def test_a_group_with_something_that_happened_waits_for_a_person(books: Books) -> None:
    ops = grouped(shop.hand_over(), redeem(101, SECOND))

    assert books.status(*ops) == [("held", "group"), ("held", "not_enough")]
    pickup = books.body("pickup/pk-1077")
    assert isinstance(pickup, Pickup)
    assert pickup.state == "ready"


def test_a_group_that_raises_is_not_done_at_all(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> NoReturn:
        raise ZeroDivisionError

    bad = dataclasses.replace(registry.KINDS["hand_over_pickup"], apply=broken)
    monkeypatch.setattr(
        registry, "KINDS", MappingProxyType({**registry.KINDS, "hand_over_pickup": bad})
    )

    answers = books.status(*grouped(redeem(10), shop.hand_over(op_id=SECOND)))

    assert {status for status, _ in answers} == {"held"}
    assert books.points == 100


# Behind a held one


def test_nothing_overtakes_a_held_one_on_the_same_row(books: Books) -> None:
    unreadable_account(books)
    assert books.status(redeem(10)) == [("held", "cannot_judge")]
    readable_account(books)

    answers = books.status(redeem(10, SECOND), shop.said("hello", op_id=THIRD))

    assert answers == [("held", "behind_held"), ("applied", "")]
    assert books.points == 100


def test_in_one_push_too(books: Books) -> None:
    unreadable_account(books)

    answers = books.status(redeem(10), undo_of(redeem(10), op_id=SECOND))

    assert answers == [("held", "cannot_judge"), ("held", "behind_held")]


def test_what_waited_behind_follows_when_a_person_decided(books: Books) -> None:
    unreadable_account(books)
    books.push(redeem(10), redeem(20, SECOND), redeem(100, THIRD))
    readable_account(books)

    record = books.decide(FIRST, "replay")

    assert (record.status, books.points) == ("applied", 70)
    assert books.op(SECOND).status == "applied"
    assert (books.op(THIRD).status, books.op(THIRD).code) == ("refused", "not_enough")
    for op, status in ((FIRST, "applied"), (SECOND, "applied"), (THIRD, "refused")):
        decision = books.body(f"decision/{op}")
        assert isinstance(decision, Decision)
        assert (decision.status, decision.by) == (status, "sue")


def test_what_is_still_held_keeps_the_others_waiting(books: Books) -> None:
    unreadable_account(books)
    books.push(redeem(10), redeem(20, SECOND))

    record = books.decide(FIRST, "replay")

    assert (record.status, record.code) == ("held", "cannot_judge")
    assert books.op(SECOND).code == "behind_held"


# What a person decides


def test_a_decision_goes_to_the_store_it_is_about_and_to_nobody_else(books: Books) -> None:
    books.push(msgspec.structs.replace(shop.said(), kind="teleport"))

    books.decide(FIRST, "void")

    assert f"decision/{FIRST}" in books.in_scope("s:harbour")
    assert f"decision/{FIRST}" not in books.in_scope("g")
    record = books.op(FIRST)
    assert (record.status, record.decision, record.decided_by, record.reason) == (
        "void", "void", "sue", "saw it",
    )  # fmt: skip


def test_an_edited_one_is_applied_with_its_new_arguments(books: Books) -> None:
    wrong = redeem(10, store="station")
    books.push(wrong)

    record = books.decide(FIRST, "edit", args=Redeem(of=POINTS, amount=5))

    assert (record.status, record.decision, books.points) == ("applied", "edit", 95)


def test_a_person_may_let_through_what_another_store_recorded(books: Books) -> None:
    books.push(shop.hand_over(store="station"))

    record = books.decide(FIRST, "replay")

    assert record.status == "applied"
    assert f"decision/{FIRST}" in books.in_scope("s:station")


def test_what_nobody_can_read_is_only_settled_as_void(books: Books) -> None:
    record = OpRecord("raw-1", "d1", "unknown", "held", "custody", "", (), NOON, "harbour")
    with books.store.writing() as transaction:
        transaction.add_op(record, raw=b"\xff{")
        transaction.take_heads(NOON)

    assert books.decide("raw-1", "replay").code == "custody"
    assert books.decide("raw-1", "void").status == "void"


def test_what_is_decided_stays_decided(books: Books) -> None:
    books.push(redeem(10))

    assert books.decide(FIRST, "void").status == "applied"
    assert books.points == 90


def test_one_that_stands_for_a_held_one_settles_it(books: Books) -> None:
    unreadable_account(books)
    books.push(redeem(10))
    readable_account(books)

    again = msgspec.structs.replace(redeem(15, SECOND), replaces=FIRST)

    assert books.status(again) == [("applied", "")]
    assert (books.op(FIRST).status, books.points) == ("void", 85)


def test_one_cannot_stand_for_another_customers_or_an_applied_one(books: Books) -> None:
    books.push(msgspec.structs.replace(shop.said(), kind="teleport", owner="tom"))
    instead = msgspec.structs.replace(shop.said(op_id=SECOND), replaces=FIRST)

    books.push(instead)

    assert books.op(FIRST).status == "held"


def test_a_counter_settles_a_held_one_by_an_operation(books: Books) -> None:
    books.push(msgspec.structs.replace(shop.said(), kind="teleport"))
    void = shop.operation(
        VoidOperation(op=FIRST, reason="done by hand"), op_id=SECOND, owner=""
    )

    assert books.status(void) == [("applied", "")]
    assert (books.op(FIRST).status, books.op(FIRST).reason) == ("void", "done by hand")


def test_a_counter_cannot_settle_another_stores_or_what_was_applied(books: Books) -> None:
    books.push(redeem(10))
    books.push(
        msgspec.structs.replace(shop.said(op_id=SECOND), kind="teleport", store="station"),
        device=msgspec.structs.replace(DEVICE, store="station"),
    )

    for op, settled in ((FIRST, "void-1"), (SECOND, "void-2")):
        void = shop.operation(VoidOperation(op=op, reason="mine"), op_id=settled, owner="")
        books.push(void)

    assert (books.op(FIRST).status, books.op(SECOND).status) == ("applied", "held")
    assert not books.has(f"decision/{FIRST}")
    decision = books.body(f"decision/{SECOND}")
    assert isinstance(decision, Decision)
    assert (decision.status, decision.decision) == ("held", "")


def test_every_counter_of_the_store_is_told_what_is_held_and_of_nobody_whose(
    books: Books,
) -> None:
    books.push(msgspec.structs.replace(shop.said(), kind="teleport"))

    decision = books.body(f"decision/{FIRST}")

    assert decision == Decision(
        FIRST, "held", "", "", "", books.now, "unknown_kind", "teleport", "d1"
    )
    assert f"decision/{FIRST}" in books.in_scope("s:harbour") - books.in_scope("g")


# What comes in at all


@pytest.mark.parametrize(
    "changes",
    [{"id": ""}, {"kind": "x" * 201}, {"owner": "a\0b"}, {"at": -1}, {"at": 2**62}, {"group": "g" * 201},
     {"saw": {str(n): n for n in range(201)}}],
)  # fmt: skip
def test_what_no_store_can_keep_is_not_plausible(changes: dict[str, Any]) -> None:
    assert is_plausible(shop.said())
    assert not is_plausible(msgspec.structs.replace(shop.said(), **changes))


def test_every_row_an_operation_needs_is_named_before_it_is_applied() -> None:
    ops: Sequence[Operation] = (
        shop.operation(HandOverPickup(pickup="pk-1")),
        msgspec.structs.replace(shop.said(), kind="teleport"),
    )

    assert "pickup/pk-1" in apply.keys_of(ops)
