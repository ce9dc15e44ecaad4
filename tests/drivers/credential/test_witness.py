"""What a band remembers of its use, and what follows from it; values alone."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.credential.kdf import cmac
from drivers.credential.witness import (
    Kind,
    Use,
    Witness,
    amount_class_of,
    is_recorded,
    mark_of,
    operation_tag,
    record_of,
    spent_at_most,
    store_tag,
    use_of,
    uses_of,
)
from drivers.errors import BandMalformed

KEY = bytes(range(16))
COFFEE, TICKET = mark_of(KEY, "entitlement/coffee"), mark_of(KEY, "entitlement/ticket")

USES = st.builds(
    Use,
    operation=st.binary(min_size=8, max_size=8),
    at=st.integers(0, 0xFFFFFFFF),
    store=st.binary(min_size=2, max_size=2),
    kind=st.sampled_from(list(Kind)),
    amount_class=st.integers(0, 63),
    mark=st.binary(min_size=16, max_size=16),
)


def use(
    number: int, mark: bytes = COFFEE, *, kind: Kind = Kind.REDEEMED, amount: int = 0
) -> Use:
    operation = number.to_bytes(8, "big")
    return Use(
        operation, 1_700_000_000 + number, b"\x01\x02", kind, amount_class_of(amount), mark
    )


def tags(*numbers: int) -> set[bytes]:
    """Of the uses with these numbers."""
    return {use(number).operation for number in numbers}


def witness(*marks: bytes, uses: int | None = None) -> Witness:
    """The oldest first."""
    records = tuple(use(number, mark) for number, mark in enumerate(marks, start=1))[::-1]
    return Witness(len(marks) if uses is None else uses, records[:7])


@given(USES)
def test_a_use_comes_back_from_its_record(made: Use) -> None:
    record = record_of(made)

    assert len(record) == 32
    assert use_of(record) == made


def test_a_record_has_its_parts_where_they_are_written_down() -> None:
    record = record_of(use(5, amount=1000))

    assert record.hex() == "00000000000000056553f1050102010a" + COFFEE.hex()


@given(st.binary(max_size=40))
def test_any_bytes_are_a_use_or_malformed_and_nothing_else(record: bytes) -> None:
    try:
        found = use_of(record)
    except BandMalformed:
        return

    assert len(record) == 32
    assert found.kind is None or record_of(found) == record


def test_a_kind_from_a_later_version_is_read_and_still_counts() -> None:
    record = bytearray(record_of(use(1)))
    record[14] = 0xEE

    later = use_of(bytes(record))

    assert later.kind is None
    assert uses_of(Witness(1, (later,)), COFFEE, heard=()) == 1
    with pytest.raises(ValueError, match="a record"):
        record_of(later)


@pytest.mark.parametrize(
    "change",
    [
        {"operation": bytes(7)},
        {"store": bytes(3)},
        {"mark": bytes(15)},
        {"at": -1},
        {"at": 1 << 32},
        {"amount_class": 64},
        {"kind": None},
    ],
)
def test_what_does_not_fit_a_record_is_our_mistake(change: dict[str, object]) -> None:
    made = dataclasses.replace(use(1), **change)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="a record"):
        record_of(made)


def test_a_use_nobody_told_us_of_counts_for_its_entitlement_alone() -> None:
    seen = witness(TICKET, COFFEE, COFFEE)

    assert uses_of(seen, COFFEE, heard=()) == 2
    assert uses_of(seen, TICKET, heard=()) == 1
    assert uses_of(seen, mark_of(KEY, "entitlement/other"), heard=()) == 0


def test_what_was_heard_of_does_not_count_twice() -> None:
    seen = witness(TICKET, COFFEE, COFFEE)

    assert uses_of(seen, COFFEE, heard=tags(1, 2, 3)) == 0
    assert uses_of(seen, COFFEE, heard=tags(1, 2)) == 1
    assert uses_of(seen, COFFEE, heard=tags(2)) == 1
    assert uses_of(seen, COFFEE, heard=tags(3, 2)) == 0


def test_what_the_band_has_forgotten_is_not_taken_for_nothing() -> None:
    seen = witness(*[COFFEE] + [TICKET] * 7)

    assert len(seen.records) == 7
    assert uses_of(seen, COFFEE, heard=()) is None
    assert uses_of(seen, COFFEE, heard=tags(2)) is None
    assert uses_of(seen, COFFEE, heard=tags(1)) == 0
    assert spent_at_most(seen, COFFEE, heard=()) is None


@pytest.mark.parametrize(
    ("counter", "heard", "expected"), [(5, 5, 0), (6, 5, None), (4, 5, None)]
)
def test_a_counter_alone_says_that_something_happened_and_not_what(
    counter: int, heard: int, expected: int | None
) -> None:
    assert uses_of(Witness(counter), COFFEE, heard=tags(*range(heard))) == expected


def test_a_band_with_fewer_uses_than_heard_of_is_not_the_band_it_was() -> None:
    assert uses_of(witness(COFFEE), COFFEE, heard=tags(1, 2)) is None


def test_the_most_that_was_spent_is_never_less_than_what_was_spent() -> None:
    amounts = (0, 1, 2, 3, 999, 1000, 1023, 1024)

    for amount in amounts:
        seen = Witness(1, (use(1, kind=Kind.SPENT, amount=amount),))
        most = spent_at_most(seen, COFFEE, heard=())
        assert most is not None
        assert amount <= most <= 2 * amount


def test_what_was_taken_back_gives_nothing_back_before_the_centre_says_so() -> None:
    spent, back = use(1, kind=Kind.SPENT, amount=500), use(2, kind=Kind.TAKEN_BACK, amount=500)
    seen = Witness(2, (back, spent))

    assert spent_at_most(seen, COFFEE, heard=()) == 511
    assert uses_of(seen, COFFEE, heard=()) == 1


@given(st.lists(st.tuples(st.sampled_from([COFFEE, TICKET]), st.booleans()), max_size=12))
def test_a_use_is_never_counted_for_less_than_it_is(made: list[tuple[bytes, bool]]) -> None:
    seen = witness(*(mark for mark, _ in made))
    heard = tags(*(number for number, (_, is_heard) in enumerate(made, start=1) if is_heard))
    unheard = [mark for mark, is_heard in made if not is_heard]
    forgotten = [is_heard for _, is_heard in made[:-7]]

    counted = uses_of(seen, COFFEE, heard=heard)

    assert counted == (unheard.count(COFFEE) if all(forgotten) else None)


def test_reading_back_says_whether_a_use_was_recorded() -> None:
    before, mine = witness(TICKET), use(9)
    after = Witness(2, (mine, *before.records))
    other = Witness(2, (use(8), *before.records))
    long_after = Witness(20, tuple(use(number) for number in range(20, 13, -1)))

    assert is_recorded(after, mine, before=before) is True
    assert is_recorded(before, mine, before=before) is False
    assert is_recorded(other, mine, before=before) is False
    assert is_recorded(long_after, mine, before=before) is None
    assert is_recorded(Witness(0), mine, before=before) is None


def test_a_mark_is_of_one_band_and_one_entitlement_and_of_nothing_else_the_key_is_for() -> None:
    assert len({COFFEE, TICKET, mark_of(bytes(16), "entitlement/coffee")}) == 3
    assert cmac(KEY, b"entitlement/coffee") != COFFEE
    with pytest.raises(ValueError, match="16 bytes"):
        mark_of(bytes(8), "entitlement/coffee")


def test_an_operation_is_known_by_the_random_end_of_its_id() -> None:
    tag = operation_tag("01890a5d-ac96-774b-bcce-b302099a8057")

    assert tag.hex() == "bcceb302099a8057"
    for wrong in ("", "01890a5d", "01890a5d-ac96-774b-bcce-b302099a80zz", "00" * 17):
        with pytest.raises(ValueError):  # noqa: PT011 (which of the two says it does not matter)
            operation_tag(wrong)


def test_a_store_is_told_from_another() -> None:
    assert len(store_tag("berlin")) == 2
    assert store_tag("berlin") == store_tag("berlin") != store_tag("hamburg")


@pytest.mark.parametrize("amount", [-1, 1 << 63])
def test_an_amount_no_account_has_is_our_mistake(amount: int) -> None:
    with pytest.raises(ValueError, match="63 bits"):
        amount_class_of(amount)
    assert amount_class_of((1 << 63) - 1) == 63


def test_no_mark_is_shown() -> None:
    assert COFFEE.hex() not in repr(use(1))
