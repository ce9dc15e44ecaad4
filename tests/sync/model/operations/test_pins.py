"""A PIN is set with an ID seen, wrong ones lock it, and what it is asked for first is a case with a date."""

from typing import Any

import msgspec
import pytest

from sync.model.operation import CannotPredict, Evidence, Operation, Refusal
from sync.model.operations.request_erasure import WITHIN_US, RequestErasure
from sync.model.operations.set_pin import SetPin
from sync.model.operations.try_pin import TryPin
from sync.model.records import Case, Pin
from sync.model.registry import ASSURANCE_OF
from sync.model.row import Missing
from sync.model.rules import PIN_WRONG_MAX, may_record
from tests.support import shop
from tests.support.operations import (
    FIRST,
    MINUTE,
    NOON,
    SECOND,
    THIRD,
    Rows,
    assert_twice_is_once,
    body,
    done,
    outcome_of,
    rows_of,
    undo_of,
)

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
OTHER = HASH.replace("aGFz", "bGFz")
ID_SEEN = Evidence("S1", "id_seen")
KEY = f"pin/{shop.LENA}"


def set_pin(text: str = HASH, *, evidence: Evidence = ID_SEEN, **fields: Any) -> Operation:
    return shop.operation(SetPin(hash=text, pepper=1), evidence=evidence, **fields)


def try_pin(number: int, *, is_right: bool = False, at: int = NOON + MINUTE) -> Operation:
    op_id = FIRST[:-3] + f"{number:03x}"
    return shop.operation(TryPin(is_right=is_right), op_id=op_id, at=at)


def pin_of(rows: Rows) -> Pin:
    pin = body(rows, KEY)
    assert isinstance(pin, Pin)
    return pin


def after(rows: Rows, *ops: Operation) -> Rows:
    for op in ops:
        rows, _ = done(rows, op, now=NOON + 9 * MINUTE)
    return rows


@pytest.mark.parametrize("proof", ["none", "found", "mutual", "capsule"])
def test_nobody_gets_a_pin_without_an_id(proof: str) -> None:
    op = set_pin(evidence=Evidence("S1", proof))

    assert outcome_of(rows_of(), op) == Refusal("id_needed")


def test_the_record_holds_the_hash_and_shows_it_to_nobody() -> None:
    rows = after(rows_of(), set_pin())

    assert pin_of(rows).hash == HASH
    assert rows[KEY].owner == shop.LENA
    assert HASH not in repr(rows[KEY]) + repr(SetPin(hash=HASH))


@pytest.mark.parametrize("text", ["", "1234", "$argon2id$", "12345678" * 10, "$a$" + "x" * 400])
def test_what_is_no_hash_is_not_read(text: str) -> None:
    raw = msgspec.json.encode({"hash": text})

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(raw, type=SetPin)


def test_the_later_pin_stands_whichever_comes_first() -> None:
    early, late = set_pin(), set_pin(OTHER, op_id=SECOND, at=NOON + MINUTE)

    assert pin_of(after(rows_of(), early, late)).hash == OTHER
    assert pin_of(after(rows_of(), late, early)).hash == OTHER


def test_wrong_ones_in_a_row_lock_it_and_a_right_one_opens_nothing_then() -> None:
    wrong = [try_pin(n) for n in range(1, PIN_WRONG_MAX + 3)]
    rows = after(rows_of(), set_pin(op_id=THIRD), *wrong)

    late = after(rows, try_pin(99, is_right=True))

    assert pin_of(rows).n_wrong == pin_of(late).n_wrong == PIN_WRONG_MAX


def test_a_right_one_forgets_the_wrong_ones_before_it() -> None:
    rows = after(
        rows_of(),
        set_pin(op_id=THIRD),
        try_pin(1),
        try_pin(2),
        try_pin(3, is_right=True),
        try_pin(4),
    )

    assert pin_of(rows).n_wrong == 1


def test_a_new_pin_is_open_and_tries_at_the_one_before_count_no_more() -> None:
    wrong = [try_pin(n) for n in range(1, PIN_WRONG_MAX + 1)]
    locked = after(rows_of(), set_pin(op_id=THIRD), *wrong)

    opened = after(locked, set_pin(OTHER, op_id=SECOND, at=NOON + 2 * MINUTE))
    late = after(opened, try_pin(50, at=NOON + MINUTE))

    assert (pin_of(opened).n_wrong, pin_of(late).n_wrong) == (0, 0)


def test_a_try_where_no_pin_is_held_is_judged_by_the_centre_alone() -> None:
    rows = rows_of()

    assert isinstance(outcome_of(rows, try_pin(1), gone=Missing.UNKNOWN), CannotPredict)
    assert after(rows, try_pin(1)) == rows


def test_each_may_come_twice() -> None:
    assert_twice_is_once(rows_of(), set_pin(op_id=THIRD), try_pin(1), try_pin(2, is_right=True))


def test_a_wish_to_be_forgotten_is_a_case_with_a_month_and_can_be_taken_back() -> None:
    op = shop.operation(RequestErasure(by="kiosk", text="all of it"))

    rows, _ = done(rows_of(), op)
    back, _ = done(rows, undo_of(op), now=NOON + MINUTE)

    case = body(rows, f"case/{op.id}")
    assert isinstance(case, Case)
    assert (case.state, case.topic) == ("open", "erasure")
    assert case.promise is not None
    assert case.promise.due_at == NOON + WITHIN_US
    taken = body(back, f"case/{op.id}")
    assert isinstance(taken, Case)
    assert taken.state != "open"
    assert_twice_is_once(rows_of(), op)


@pytest.mark.parametrize(("assurance", "may"), [("A2", False), ("A3", True), ("S1", True)])
def test_a_wish_to_be_forgotten_needs_the_pin_or_a_clerk(assurance: str, *, may: bool) -> None:
    op = shop.operation(RequestErasure(by="kiosk"), evidence=Evidence(assurance, "mutual"))

    assert may_record(ASSURANCE_OF, op) is may
