"""A customer is sent to a store with the card: taken there, done, and each step taken back."""

from sync.model.operation import Operation
from sync.model.operations.refer_customer import ReferCustomer
from sync.model.operations.take_back_referral import TakeBackReferral
from sync.model.operations.take_referral import TakeReferral
from sync.model.records import Case, Referral
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
    rows_of,
    undo_of,
)

KEY = f"referral/{FIRST}"
LATER = NOON + MINUTE


def referred() -> Operation:
    args = ReferCustomer(
        to="harbour", by="Ana", text="show him the bill", card="Tom, as of 12:00", due_at=NOON + 9,
        case="case-1",
    )  # fmt: skip
    return shop.operation(args, actor="ana")


def taken(
    *, is_done: bool = False, op_id: str = SECOND, referral: str = FIRST, owner: str = shop.LENA
) -> Operation:
    args = TakeReferral(referral=referral, by="Ben", is_done=is_done, note="shown")
    return shop.operation(args, op_id=op_id, owner=owner)


def referral_of(rows: Rows) -> Referral:
    found = body(rows, KEY)
    assert isinstance(found, Referral)
    return found


def test_the_store_gets_who_sent_her_what_for_when_and_the_card() -> None:
    rows, clash = done(rows_of(), referred())

    found = referral_of(rows)
    assert (found.store, found.by, found.text) == ("harbour", "Ana", "show him the bill")
    assert (found.card, found.due_at, found.case) == ("Tom, as of 12:00", NOON + 9, "case-1")
    assert (found.state, rows[KEY].owner, clash) == ("open", shop.LENA, "")
    assert_twice_is_once(rows_of(), referred())


def test_the_store_takes_it_and_does_it() -> None:
    rows, _ = done(rows_of(), referred())

    rows, _ = done(rows, taken())
    assert (referral_of(rows).state, referral_of(rows).changed_by) == ("taken", "Ben")

    rows, _ = done(rows, taken(is_done=True, op_id=THIRD))
    assert (referral_of(rows).state, referral_of(rows).note) == ("done", "shown")


def test_what_is_done_stays_done() -> None:
    rows, _ = done(rows_of(), referred())
    finished, _ = done(rows, taken(is_done=True))

    again, _ = done(finished, taken(op_id=THIRD))

    assert again == finished


def test_a_referral_nobody_knows_or_of_somebody_else_becomes_a_case() -> None:
    rows, unknown = done(rows_of(), taken(referral="nobody's"))
    case = body(rows, f"case/{SECOND}")
    assert isinstance(case, Case)
    assert (unknown, case.clash) == ("unknown_referral", "unknown_referral")
    assert_twice_is_once(rows_of(), taken(referral="nobody's"))

    rows, _ = done(rows_of(), referred())
    changed, other = done(rows, taken(owner="maya"))
    assert (other, changed[KEY]) == ("other_customer", rows[KEY])


def test_each_step_is_taken_back() -> None:
    sent, _ = done(rows_of(), referred())
    back, _ = done(sent, undo_of(referred()), now=LATER)
    assert referral_of(back).state == "taken_back"

    assert_undone(sent, taken(), KEY)
    assert_twice_is_once(rows_of(), referred(), taken(), undo_of(taken()), now=LATER)
    assert_waits_where_nothing_is_held(taken())
    assert_waits_where_nothing_is_held(undo_of(taken()))
    clashed = taken(referral="nobody's")
    rows, _ = done(rows_of(), clashed)
    rows, _ = done(rows, undo_of(clashed), now=LATER)
    case = body(rows, f"case/{SECOND}")
    assert isinstance(case, Case)
    assert case.state == "taken_back"


def test_one_that_the_store_took_is_not_taken_away_from_it() -> None:
    rows, _ = done(rows_of(), referred())
    rows, _ = done(rows, taken())

    rows, _ = done(rows, undo_of(referred()), now=LATER)

    assert referral_of(rows).state == "taken"


def test_one_taken_after_that_was_taken_back_is_not_taken() -> None:
    rows, _ = done(rows_of(), referred())
    early = TakeBackReferral(referral=FIRST, change=SECOND)
    rows, _ = done(rows, shop.operation(early, op_id=THIRD), now=LATER)

    rows, _ = done(rows, taken(), now=LATER)

    assert referral_of(rows).state == "open"
