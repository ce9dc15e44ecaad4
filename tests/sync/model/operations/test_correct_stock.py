"""A shelf is as somebody saw it, and a slip of a finger stops nothing."""

from typing import Any

import pytest

from sync.model.operation import Operation, Refusal
from sync.model.operations.correct_stock import CorrectStock
from sync.model.records import Stock
from tests.support import shop
from tests.support.operations import (
    FIRST,
    MINUTE,
    NOON,
    SECOND,
    THIRD,
    Rows,
    assert_twice_is_once,
    assert_undone,
    assert_waits_where_nothing_is_held,
    body,
    done,
    outcome_of,
    rows_of,
    undo_of,
)

KEY = "stock/p1@harbour"


def shelf(count: int | None = 3) -> Rows:
    return rows_of(
        shop.row(Stock("p1@harbour", "p1", "harbour", count, NOON - 9 * MINUTE), owner="")
    )


def seen(count: int | None = None, **fields: Any) -> Operation:
    args = CorrectStock(product="p1", place="harbour", count=count)
    return shop.operation(args, **({"owner": ""} | fields))


def stock(rows: Rows) -> Stock:
    found = body(rows, KEY)
    assert isinstance(found, Stock)
    return found


def test_one_press_says_doubtful_and_the_count_stands() -> None:
    rows, _ = done(shelf(3), seen())

    assert (stock(rows).is_doubtful, stock(rows).count) == (True, 3)


def test_the_same_person_twice_is_still_one_person() -> None:
    once, _ = done(shelf(3), seen())
    twice, _ = done(once, seen(op_id=SECOND, at=NOON + 1), now=NOON + 1)

    assert (stock(twice).is_doubtful, stock(twice).count) == (True, 3)


def test_a_second_person_says_zero() -> None:
    once, _ = done(shelf(3), seen(actor="ben"))
    twice, _ = done(once, seen(op_id=SECOND, actor="mia", at=NOON + 1), now=NOON + 1)

    assert (stock(twice).is_doubtful, stock(twice).count, stock(twice).counted_at) == (
        False, 0, NOON + 1,
    )  # fmt: skip


def test_a_count_says_how_many_there_are_and_ends_the_doubt() -> None:
    once, _ = done(shelf(3), seen())
    counted, _ = done(once, seen(2, op_id=SECOND, at=NOON + 1), now=NOON + 1)

    assert (stock(counted).count, stock(counted).is_doubtful) == (2, False)


def test_of_two_counts_the_later_one_counts_in_whatever_order_they_come() -> None:
    early, late = seen(5), seen(7, op_id=SECOND, at=NOON + 1)

    rows, _ = done(shelf(), late, now=NOON + 9)
    rows, _ = done(rows, early, now=NOON + 9)

    assert stock(rows).count == 7


def test_a_thing_nobody_knew_of_here_is_counted_all_the_same() -> None:
    rows, _ = done(rows_of(), seen(4))

    assert (stock(rows).count, rows[KEY].owner) == (4, "")


def test_nobody_corrects_another_places_stock() -> None:
    assert outcome_of(shelf(), seen(1, store="station")) == Refusal("other_place")


@pytest.mark.parametrize("count", [None, 0, 9])
def test_a_slip_is_taken_back(count: int | None) -> None:
    assert_undone(shelf(3), seen(count), KEY)


def test_taking_back_an_old_slip_leaves_the_newer_count() -> None:
    slip = seen(0)
    rows, _ = done(shelf(3), slip)
    rows, _ = done(rows, seen(5, op_id=SECOND, at=NOON + 1), now=NOON + 1)

    rows, _ = done(rows, undo_of(slip), now=NOON + MINUTE)

    assert stock(rows).count == 5


def test_it_comes_again_and_changes_nothing() -> None:
    first = seen(at=NOON + 99 * MINUTE)
    assert_twice_is_once(
        shelf(3), first, seen(op_id=SECOND, actor="mia", at=NOON + 99 * MINUTE), undo_of(first)
    )
    rows, _ = done(shelf(3), undo_of(first, op_id=THIRD))
    rows, _ = done(rows, first)
    assert (stock(rows).is_doubtful, FIRST in stock(rows).ops) == (False, True)
    assert_waits_where_nothing_is_held(first)
