"""What somebody wants is written down as they said it last; withdrawing is as easy as giving."""

from typing import Any

import pytest

from sync.model import registry, rules
from sync.model.operation import Evidence, Operation
from sync.model.operations.set_consent import SetConsent
from sync.model.records import Case, Consent
from tests.support import shop
from tests.support.operations import (
    FIRST,
    NOON,
    SECOND,
    Rows,
    assert_twice_is_once,
    assert_waits_where_nothing_is_held,
    body,
    done,
    rows_of,
    undo_of,
)

ID = "lena:marketing"


def said(*, is_granted: bool = True, owner: str = shop.LENA) -> Rows:
    consent = Consent(ID, "marketing", is_granted, NOON - 9)
    return rows_of(shop.row(consent, owner=owner))


def sets(*, is_granted: bool, **fields: Any) -> Operation:
    args = SetConsent(
        consent=ID, purpose="marketing", is_granted=is_granted, was_granted=not is_granted
    )
    return shop.operation(args, **fields)


def granted(rows: Rows) -> bool:
    found = body(rows, f"consent/{ID}")
    assert isinstance(found, Consent)
    return found.is_granted


@pytest.mark.parametrize("is_granted", [True, False])
def test_giving_and_withdrawing_are_the_same_act(is_granted: bool) -> None:
    op = sets(is_granted=is_granted, evidence=Evidence("A2", "mutual"))
    rows, clash = done(said(is_granted=not is_granted), op)

    assert (granted(rows), clash) == (is_granted, "")
    assert rules.may_record(registry.ASSURANCE_OF, op)


def test_the_first_word_makes_the_consent() -> None:
    rows, _ = done(rows_of(), sets(is_granted=True))

    assert (granted(rows), rows[f"consent/{ID}"].owner) == (True, shop.LENA)


def test_the_later_word_counts_in_whatever_order_they_come() -> None:
    early, late = sets(is_granted=True), sets(is_granted=False, op_id=SECOND, at=NOON + 1)

    rows, _ = done(said(), late, now=NOON + 9)
    rows, _ = done(rows, early, now=NOON + 9)

    assert not granted(rows)


def test_another_customers_consent_is_not_touched() -> None:
    rows, clash = done(said(owner="tom"), sets(is_granted=False))

    case = body(rows, f"case/{FIRST}")
    assert isinstance(case, Case)
    assert (granted(rows), clash, case.clash) == (True, "other_customer", "other_customer")


def test_a_slip_is_taken_back() -> None:
    rows, _ = done(said(), sets(is_granted=False))
    back, _ = done(rows, undo_of(sets(is_granted=False)), now=NOON * 2)

    assert granted(back)


def test_it_comes_again_and_changes_nothing() -> None:
    first = sets(is_granted=False)
    assert_twice_is_once(said(), first, undo_of(first), now=NOON * 2)
    assert_twice_is_once(said(owner="tom"), first)
    assert_waits_where_nothing_is_held(first)
