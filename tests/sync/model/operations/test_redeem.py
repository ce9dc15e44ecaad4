"""Points, uses and last pieces are given out once, or two stores and a case tell both sides."""

from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.model import ledger, registry
from sync.model.operation import CannotPredict, Effects, Operation, Refusal
from sync.model.operations.redeem import Redeem
from sync.model.records import (
    Account,
    Allowance,
    Case,
    Entitlement,
    LedgerEntry,
    Record,
    Stock,
)
from sync.model.row import Missing, Row
from tests.support import shop
from tests.support.operations import (
    FIRST,
    MINUTE,
    NOON,
    SECOND,
    THIRD,
    Rows,
    assert_books_balance,
    assert_twice_is_once,
    assert_undone,
    assert_waits_where_nothing_is_held,
    body,
    done,
    outcome_of,
    rows_of,
    undo_of,
)

POINTS = "account/lena:points"
LENT = ledger.allowance_key("station", POINTS)


def with_points(points: int = 100, *, home: str = "harbour", lent: int = 0) -> Rows:
    """Lena's account with its entries, and what station was lent of it."""
    opening = LedgerEntry("opening", POINTS, points + lent, "opening", "", NOON)
    account = shop.row(Account(id="lena:points", points=points + lent, home_store=home))
    rows = rows_of(account, shop.row(opening))
    if not lent:
        return rows
    loan = ledger.Loan("loan-1", "station", POINTS, lent, NOON + 60 * MINUTE)
    made = ledger.lent(account, None, loan, at=NOON)
    assert isinstance(made, tuple)
    return rows | {row.key: row for row in made}


def redeem(
    amount: int = 80,
    *,
    alone: Literal["", "home", "allowance", "witness"] = "",
    of: str = POINTS,
    band: str = "",
    **fields: Any,
) -> Operation:
    return shop.operation(Redeem(of=of, amount=amount, alone=alone, band=band), **fields)


def claimed(rows: Rows, op: Operation) -> str:
    readable = registry.read(op)
    assert isinstance(readable, registry.Readable)
    args = readable.claimed(rows, NOON).args
    assert isinstance(args, Redeem)
    return args.alone


def test_points_go_out_with_an_entry_of_their_own() -> None:
    rows, clash = done(with_points(100), redeem(80))

    account, entry = body(rows, POINTS), body(rows, f"ledger/{FIRST}")
    assert isinstance(account, Account)
    assert isinstance(entry, LedgerEntry)
    assert (account.points, entry.of, entry.delta, entry.store, clash) == (
        20, POINTS, -80, "harbour", "",
    )  # fmt: skip
    assert_books_balance(rows)


def test_the_home_store_may_act_alone_and_others_may_not() -> None:
    rows = with_points()

    assert claimed(rows, redeem()) == "home"
    assert claimed(rows, redeem(store="station")) == ""
    assert claimed({}, redeem()) == ""


def test_a_store_with_an_allowance_may_act_alone_up_to_it_and_until_its_end() -> None:
    rows = with_points(100, lent=30)

    assert claimed(rows, redeem(30, store="station")) == "allowance"
    assert claimed(rows, redeem(31, store="station")) == ""
    readable = registry.read(redeem(30, store="station"))
    assert isinstance(readable, registry.Readable)
    late = readable.claimed(rows, NOON + 61 * MINUTE).args
    assert isinstance(late, Redeem)
    assert late.alone == ""


def test_a_store_may_act_alone_while_a_band_witnesses_it_and_there_is_enough() -> None:
    rows = with_points(100)

    assert claimed(rows, redeem(80, store="station", band="b1")) == "witness"
    assert claimed(rows, redeem(101, store="station", band="b1")) == ""
    assert claimed(rows, redeem(80, store="station", alone="witness")) == ""
    assert claimed(rows, redeem(80, band="b1")) == "home"
    assert claimed({}, redeem(80, store="station", band="b1")) == ""


def test_a_witnessed_use_is_no_clash_and_says_which_band_witnessed_it() -> None:
    rows, clash = done(
        with_points(100), redeem(80, store="station", alone="witness", band="b1")
    )

    entry = body(rows, f"ledger/{FIRST}")
    assert isinstance(entry, LedgerEntry)
    assert (entry.band, entry.store, clash) == ("b1", "station", "")
    assert_books_balance(rows)


def test_a_witness_that_no_band_stands_for_is_no_right() -> None:
    _, clash = done(with_points(100), redeem(80, store="station", alone="witness"))

    assert clash == "no_right"


def test_a_witnessed_use_of_what_somebody_else_had_becomes_a_case_and_is_not_refused() -> None:
    rows, _ = done(with_points(100), redeem(80))

    _, clash = done(rows, redeem(80, op_id=SECOND, store="station", alone="witness", band="b1"))

    assert clash == "overdrawn"


def test_without_a_right_a_device_waits_and_only_the_centre_decides() -> None:
    readable = registry.read(redeem(store="station"))
    assert isinstance(readable, registry.Readable)

    assert readable.predict(with_points(), NOON) == CannotPredict()
    assert isinstance(readable.apply(with_points(), NOON), Effects)
    assert not readable.is_fact


def test_with_a_right_it_is_a_fact_and_foreseen() -> None:
    readable = registry.read(redeem())
    assert isinstance(readable, registry.Readable)
    ours = readable.claimed(with_points(), NOON)

    assert ours.is_fact
    assert isinstance(ours.predict(with_points(), NOON), Effects)


def test_what_is_lent_is_taken_from_the_allowance_and_not_from_what_is_free() -> None:
    rows, clash = done(
        with_points(100, lent=30), redeem(20, store="station", alone="allowance")
    )

    account, lent = body(rows, POINTS), body(rows, LENT)
    assert isinstance(account, Account)
    assert isinstance(lent, Allowance)
    assert (account.points, lent.n_left, clash) == (100, 10, "")
    assert_books_balance(rows)


@pytest.mark.parametrize(
    ("op", "code"),
    [
        (redeem(101), "not_enough"),
        (redeem(of="account/nobody"), "unknown_account"),
        (redeem(owner="tom"), "other_customer"),
    ],
)
def test_a_request_that_cannot_be_is_refused(op: Operation, code: str) -> None:
    assert outcome_of(with_points(100), op) == Refusal(code)


def test_a_ticket_that_is_over_is_refused() -> None:
    ticket = shop.row(
        Entitlement(id="t", title="Kite", kind="ticket", until=NOON - 1, n_left=1)
    )

    assert outcome_of(rows_of(ticket), redeem(1, of="entitlement/t")) == Refusal("over")


def test_a_ticket_without_end_is_only_written_down() -> None:
    ticket = shop.row(Entitlement(id="t", title="Kite", kind="ticket"))

    rows, _ = done(rows_of(ticket), redeem(3, of="entitlement/t"))

    used = body(rows, "entitlement/t")
    assert isinstance(used, Entitlement)
    assert used.n_left is None
    assert f"ledger/{FIRST}" in rows


def test_the_last_piece_goes_out_once() -> None:
    piece = shop.row(Stock("p1@harbour", "p1", "harbour", 1, NOON), owner="")
    rows = rows_of(piece)
    op = redeem(1, of="stock/p1@harbour")

    assert claimed(rows, op) == "home"
    once, _ = done(rows, op)
    assert outcome_of(once, redeem(1, of="stock/p1@harbour", op_id=SECOND)) == Refusal(
        "not_enough"
    )


def test_two_stores_that_could_not_hear_each_other_become_a_case_with_both_sides() -> None:
    rows = with_points(100)
    there = redeem(80, store="station", actor="mia", at=NOON)
    here = redeem(80, op_id=SECOND, alone="home", actor="ben", at=NOON + 5)

    once, _ = done(rows, there, now=NOON + 9)
    twice, clash = done(once, here, now=NOON + 9)

    account, case = body(twice, POINTS), body(twice, f"case/{SECOND}")
    assert isinstance(account, Account)
    assert isinstance(case, Case)
    assert (account.points, clash, case.clash) == (-60, "overdrawn", "overdrawn")
    assert [(side.store, side.by, side.op) for side in case.sides] == [
        ("station", "mia", FIRST),
        ("harbour", "ben", SECOND),
    ]
    assert_books_balance(twice)


def test_given_out_already_is_never_refused() -> None:
    for op in (
        redeem(alone="home", of="account/nobody"),
        redeem(alone="home", owner="tom"),
        redeem(200, alone="allowance", store="station"),
    ):
        rows, clash = done(with_points(100), op)
        case = body(rows, f"case/{FIRST}")
        assert isinstance(case, Case)
        assert case.clash == clash != ""


@pytest.mark.parametrize("alone", ["home", "allowance"])
def test_a_store_that_took_a_right_it_never_had_is_seen(
    alone: Literal["home", "allowance"],
) -> None:
    rows, clash = done(with_points(100), redeem(10, alone=alone, store="station"))

    account = body(rows, POINTS)
    assert isinstance(account, Account)
    assert (clash, account.points) == ("no_right", 90)
    assert f"case/{FIRST}" in rows


def test_an_allowance_that_went_back_was_a_right_once() -> None:
    rows = with_points(100, lent=30)
    back = ledger.given_back(rows[POINTS], rows[LENT], loan="back", at=NOON)
    rows |= {row.key: row for row in back}

    rows, clash = done(rows, redeem(10, alone="allowance", store="station"))

    assert clash == ""
    assert_books_balance(rows)


def test_what_was_redeemed_goes_back_where_it_came_from() -> None:
    for rows, op in (
        (with_points(100), redeem(80)),
        (with_points(100, lent=30), redeem(20, store="station", alone="allowance")),
    ):
        after, _ = done(rows, op)
        back, _ = done(after, undo_of(op))

        assert_books_balance(back)
        assert_undone(rows, op, POINTS, *([LENT] if LENT in rows else []))


def test_taking_back_what_was_overdrawn_closes_its_case() -> None:
    op = redeem(200, alone="home")
    rows, _ = done(with_points(100), op)

    back, _ = done(rows, undo_of(op))

    case, account = body(back, f"case/{FIRST}"), body(back, POINTS)
    assert isinstance(case, Case)
    assert isinstance(account, Account)
    assert (case.state, account.points) == ("solved", 100)


def test_a_redemption_that_comes_after_its_undo_takes_nothing() -> None:
    op = redeem(80)
    rows, _ = done(with_points(100), undo_of(op))

    rows, _ = done(rows, op)

    account = body(rows, POINTS)
    assert isinstance(account, Account)
    assert account.points == 100


def test_taken_back_twice_it_goes_back_once() -> None:
    op = redeem(80)
    rows, _ = done(with_points(100), op)

    for op_id in (SECOND, THIRD):
        rows, _ = done(rows, undo_of(op, op_id=op_id))

    account = body(rows, POINTS)
    assert isinstance(account, Account)
    assert account.points == 100


def test_it_comes_again_and_changes_nothing() -> None:
    first = redeem(80, alone="home")
    assert_twice_is_once(
        with_points(100), first, redeem(90, op_id=SECOND, alone="home"), undo_of(first)
    )
    assert_waits_where_nothing_is_held(redeem())


ANY = st.builds(
    lambda amount, alone, store, of, undo: (amount, alone, store, of, undo),
    st.integers(1, 60),
    st.sampled_from(["", "home", "allowance"]),
    st.sampled_from(["harbour", "station"]),
    st.sampled_from([POINTS, "entitlement/t"]),
    st.booleans(),
)


@given(st.lists(ANY, max_size=12), st.integers(0, 40))
def test_whatever_comes_every_balance_is_what_its_entries_sum_to(
    acts: list[tuple[int, Literal["", "home", "allowance"], str, str, bool]], lent: int
) -> None:
    ticket = shop.row(Entitlement(id="t", title="Kite", kind="ticket", n_left=50))
    opening = shop.row(LedgerEntry("opening-t", "entitlement/t", 50, "opening", "", NOON))
    rows = {**with_points(100, lent=lent), ticket.key: ticket, opening.key: opening}

    for n, (amount, alone, store, of, undo) in enumerate(acts):
        op_id = f"0190a1b2-0000-7000-8000-0000000{n:05}"
        op = redeem(amount, alone=alone, store=store, of=of, op_id=op_id)
        rows, _ = done(rows, op)
        assert_books_balance(rows)
        if undo:
            rows, _ = done(rows, undo_of(op, op_id=f"{op_id}-undo"))
            assert_books_balance(rows)


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=8))
def test_what_is_lent_used_and_given_back_never_makes_or_loses_anything(
    loans: list[tuple[int, bool]],
) -> None:
    rows = with_points(100)

    for n, (count, uses) in enumerate(loans):
        held = rows.get(LENT)
        loan = ledger.Loan(f"loan-{n}", "station", POINTS, count, NOON + 60 * MINUTE)
        made = ledger.lent(rows[POINTS], held, loan, at=NOON)
        if isinstance(made, Refusal):
            continue
        rows |= {row.key: row for row in made}
        if uses:
            use = redeem(count, store="station", alone="allowance", op_id=f"use-{n}")
            rows, _ = done(rows, use)
        else:
            back = ledger.given_back(rows[POINTS], rows[LENT], loan=f"back-{n}", at=NOON)
            rows |= {row.key: row for row in back}
        assert_books_balance(rows)

    out = sum(
        -row.body.delta
        for row in rows.values()
        if isinstance(row.body, LedgerEntry) and row.body.reason == "redeem"
    )
    assert _in_all(rows) == 100 - out
    assert _points(rows) >= 0


def _points(rows: Rows) -> int:
    account = body(rows, POINTS)
    assert isinstance(account, Account)
    return account.points


def _in_all(rows: Rows) -> int:
    lent: Record | None = rows[LENT].body if LENT in rows else None
    return _points(rows) + (lent.n_left if isinstance(lent, Allowance) else 0)


def test_more_than_is_free_is_not_lent() -> None:
    row: Row = with_points(100)[POINTS]
    loan = ledger.Loan("loan-1", "station", POINTS, 101, NOON)
    endless = shop.row(Entitlement(id="t", title="Kite", kind="ticket"))

    assert ledger.lent(row, None, loan, at=NOON) == Refusal("not_enough")
    nothing = msgspec.structs.replace(loan, count=0)
    assert ledger.lent(row, None, nothing, at=NOON) == Refusal("not_enough")
    assert ledger.lent(endless, None, loan, at=NOON) == Refusal("unlimited")


def test_a_device_that_does_not_hold_the_account_waits_also_at_home() -> None:
    readable = registry.read(redeem())
    assert isinstance(readable, registry.Readable)
    nothing = dict.fromkeys(readable.keys, Missing.UNKNOWN)

    assert readable.claimed(nothing, NOON).predict(nothing, NOON) == CannotPredict()
