"""What a store may give out alone is lent to it, out of what is free, and comes back when its time is over."""

from collections.abc import Iterator

import pytest

from sync.central.lending import lend, take_back_over
from sync.central.store import Store
from sync.model import ledger
from sync.model.operation import Refusal
from sync.model.records import Account, Allowance, LedgerEntry, Record, Stock
from tests.support import shop
from tests.support.operations import MINUTE, NOON, assert_books_balance

POINTS = "account/lena:points"
PIECE = "stock/p1@web"
END = NOON + 60 * MINUTE
OVER = END + ledger.GRACE_US + 1


@pytest.fixture
def store(laid_database: str) -> Iterator[Store]:
    opened = Store(laid_database, fresh_epoch="e1")
    with opened.writing() as transaction:
        for row in (
            shop.row(Account("lena:points", 100)),
            shop.row(LedgerEntry("opening", POINTS, 100, "opening", "", NOON)),
            shop.row(Stock("p1@web", "p1", "web", 1, NOON), owner=""),
        ):
            transaction.put(row)
        transaction.add_interest("s:station", shop.LENA)
        transaction.take_heads(NOON)
    yield opened
    opened.close()


def lent(store: Store, count: int, *, of: str = POINTS, loan: str = "loan-1") -> Refusal | None:
    with store.writing() as transaction:
        refusal = lend(transaction, ledger.Loan(loan, "station", of, count, END), now=NOON)
        transaction.take_heads(NOON)
    return refusal


def tidied(store: Store, now: int) -> int:
    with store.writing() as transaction:
        count = take_back_over(transaction, now=now, limit=1)
        transaction.take_heads(now)
    return count


def body(store: Store, key: str) -> Record | None:
    with store.reading() as snapshot:
        row = snapshot.row(key)
    return None if row is None else row.body


def n_lent(store: Store, of: str = POINTS) -> int:
    found = body(store, ledger.allowance_key("station", of))
    return found.n_left if isinstance(found, Allowance) else 0


def points(store: Store) -> int:
    account = body(store, POINTS)
    assert isinstance(account, Account)
    return account.points


def assert_balanced(store: Store) -> None:
    with store.reading() as snapshot:
        keys = [row.key for row in snapshot.rows_since("s:station", 0, limit=1_000)]
        rows = {key: row for key in keys if (row := snapshot.row(key)) is not None}
    assert POINTS in rows
    assert_books_balance(rows)


def test_what_is_lent_is_out_of_the_free_amount_at_once(store: Store) -> None:
    assert lent(store, 30) is None

    assert (points(store), n_lent(store)) == (70, 30)
    assert_balanced(store)


def test_a_second_loan_is_added_to_the_first(store: Store) -> None:
    lent(store, 30)
    lent(store, 20, loan="loan-2")

    assert (points(store), n_lent(store)) == (50, 50)
    assert_balanced(store)


def test_the_same_loan_asked_for_again_is_lent_once(store: Store) -> None:
    lent(store, 30)

    assert lent(store, 30) is None
    assert (points(store), n_lent(store)) == (70, 30)


def test_more_than_is_free_or_of_what_nobody_knows_is_not_lent(store: Store) -> None:
    assert lent(store, 101) == Refusal("not_enough")
    assert lent(store, 1, of="account/nobody") == Refusal("unknown_account")
    assert points(store) == 100


def test_what_is_left_comes_back_when_its_time_is_over_and_not_before(store: Store) -> None:
    lent(store, 30)

    assert tidied(store, OVER - 1) == 0
    assert tidied(store, OVER) == 1
    assert (points(store), n_lent(store)) == (100, 0)
    assert tidied(store, OVER) == 0
    assert_balanced(store)


def test_it_can_be_lent_and_come_back_any_number_of_times(store: Store) -> None:
    for n in range(3):
        lent(store, 30, loan=f"loan-{n}")
        assert tidied(store, OVER) == 1

    assert points(store) == 100
    assert_balanced(store)


def test_a_last_piece_is_lent_to_one_store_and_only_that_store_hears_of_it(
    store: Store,
) -> None:
    assert lent(store, 1, of=PIECE) is None

    assert lent(store, 1, of=PIECE, loan="loan-2") == Refusal("not_enough")
    key = ledger.allowance_key("station", PIECE)
    with store.reading() as snapshot:
        everywhere = {row.key for row in snapshot.rows_since("g", 0, limit=1_000)}
        here = {row.key for row in snapshot.rows_since("s:station", 0, limit=1_000)}
    assert key in here - everywhere
    assert PIECE in everywhere
