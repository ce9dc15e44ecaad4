"""Who of us is with a customer now: said, seen by the others, and over by itself."""

from sync.model.operation import Operation
from sync.model.operations.leave_customer import LeaveCustomer
from sync.model.operations.serve_customer import WHO_MAX, ServeCustomer
from sync.model.records import Serving
from tests.support import shop
from tests.support.operations import (
    FIRST,
    MINUTE,
    NOON,
    SECOND,
    THIRD,
    Rows,
    assert_twice_is_once,
    assert_waits_where_nothing_is_held,
    body,
    done,
    rows_of,
    undo_of,
)

KEY = f"serving/{shop.LENA}"


def served(actor: str = "ana", *, op_id: str = FIRST, at: int = NOON) -> Operation:
    args = ServeCustomer(by=actor.title(), channel="chat", minutes=10)
    return shop.operation(args, op_id=op_id, actor=actor, at=at)


def who(rows: Rows) -> list[str]:
    found = body(rows, KEY)
    assert isinstance(found, Serving)
    return [one.by for one in found.who]


def test_two_are_with_her_and_each_stands_once() -> None:
    rows, _ = done(rows_of(), served())
    rows, _ = done(rows, served("ben", op_id=SECOND))
    rows, _ = done(rows, served("ana", op_id=THIRD, at=NOON + MINUTE), now=NOON + MINUTE)

    assert who(rows) == ["Ben", "Ana"]
    assert rows[KEY].owner == shop.LENA


def test_it_ends_by_itself_and_who_is_gone_makes_room() -> None:
    rows, _ = done(rows_of(), served())
    later = NOON + 11 * MINUTE

    rows, _ = done(rows, served("ben", op_id=SECOND, at=later), now=later)

    assert who(rows) == ["Ben"]


def test_one_that_arrives_when_it_is_over_says_nothing() -> None:
    rows, _ = done(rows_of(), served(), now=NOON + 11 * MINUTE)

    assert KEY not in rows


def test_a_crowd_does_not_grow_without_end() -> None:
    rows = rows_of()
    for index in range(WHO_MAX + 3):
        rows, _ = done(rows, served(f"agent {index}", op_id=f"op-{index}"))

    assert len(who(rows)) == WHO_MAX


def test_who_leaves_is_gone_and_the_others_stay() -> None:
    rows, _ = done(rows_of(), served())
    rows, _ = done(rows, served("ben", op_id=SECOND))
    gone = shop.operation(LeaveCustomer(), op_id=THIRD, actor="ana", at=NOON + 1)

    rows, _ = done(rows, gone, now=NOON + 1)

    assert who(rows) == ["Ben"]
    assert_twice_is_once(rows_of(), served(), gone, now=NOON + 1)
    assert_waits_where_nothing_is_held(gone)


def test_it_is_taken_back_and_does_not_come_again_late() -> None:
    rows, _ = done(rows_of(), served("ben", op_id=SECOND))
    rows, _ = done(rows, undo_of(served()), now=NOON + MINUTE)

    rows, _ = done(rows, served(), now=NOON + MINUTE)

    assert who(rows) == ["Ben"]
    assert_twice_is_once(rows_of(), served(), undo_of(served()), now=NOON + MINUTE)
