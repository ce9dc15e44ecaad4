"""What a band tells of a thread is the same after it was written in a few bytes, and what is not known is passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.credential.capsule import PARTS_SIZE_MAX
from sync.model.records import CHANNELS
from sync.model.thread_parts import (
    COUNT_MAX,
    DAY_MAX,
    NUMBER_SIZE_MAX,
    Part,
    PartKind,
    day_of,
    number_of,
    packed,
    parts_of,
)

DAY_US = 86_400_000_000
WHEN = {"channel": st.sampled_from(("", *CHANNELS)), "day": st.integers(0, DAY_MAX)}
PARTS = st.one_of(
    st.builds(Part, st.just(PartKind.CASE), number=st.from_regex(r"[A-Z0-9][A-Z0-9-]{0,11}", fullmatch=True) | st.just(""), **WHEN),
    st.builds(Part, st.just(PartKind.UNANSWERED), **WHEN),
    st.builds(
        Part,
        st.sampled_from((PartKind.MORE_CASES, PartKind.PICKUPS, PartKind.TICKETS)),
        count=st.integers(0, COUNT_MAX),
    ),
)  # fmt: skip


@given(st.lists(PARTS, max_size=5))
def test_every_fact_comes_back_as_it_was(parts: list[Part]) -> None:
    assert parts_of(packed(parts)) == tuple(parts)


def test_the_bytes_on_bands_stay_what_they_are() -> None:
    parts = (
        Part(PartKind.CASE, "phone", "C-4711", day=20_784),
        Part(PartKind.CASE, "store"),
        Part(PartKind.MORE_CASES, count=2),
        Part(PartKind.UNANSWERED, "whatsapp", day=20_770),
        Part(PartKind.PICKUPS, count=1),
        Part(PartKind.TICKETS, count=300),
    )

    raw = packed(parts)

    assert raw.hex(" ") == (
        "09 03 51 30 43 2d 34 37 31 31 03 0a 00 00 11 02 23 04 51 22 31 01 41 ff"
    )
    assert parts_of(raw)[-1].count == COUNT_MAX


def test_each_channel_has_a_number_of_its_own_and_another_one_has_none() -> None:
    written = {packed([Part(PartKind.UNANSWERED, channel)])[1] for channel in CHANNELS}

    assert len(written) == len(CHANNELS)
    assert 0 not in written
    (other,) = parts_of(packed([Part(PartKind.UNANSWERED, "pigeon", day=1)]))
    assert (other.channel, other.day) == ("", 1)


def test_the_most_a_thread_can_say_fits_a_capsule() -> None:
    case = Part(PartKind.CASE, "whatsapp", "N" * NUMBER_SIZE_MAX, day=DAY_MAX)
    most = [
        case, case, Part(PartKind.MORE_CASES, count=9), Part(PartKind.UNANSWERED, "x", day=1),
        Part(PartKind.PICKUPS, count=99), Part(PartKind.TICKETS, count=99),
    ]  # fmt: skip

    assert len(packed(most)) <= PARTS_SIZE_MAX


@given(st.binary(max_size=64))
def test_any_bytes_say_something_or_nothing_and_never_fail(raw: bytes) -> None:
    found = parts_of(raw)

    assert parts_of(packed(found)) == found


@pytest.mark.parametrize(
    "raw",
    ["", "f2aabb", "0203 51", "3f01", "30", "0403ff", "04 03 00 01 e9"],
    ids=["none", "newer-kind", "short-case", "cut", "count-of-none", "cut-case", "no-number"],
)
def test_what_is_not_known_is_passed_over(raw: str) -> None:
    after = packed([Part(PartKind.TICKETS, count=2)])

    found = parts_of(bytes.fromhex(raw) + (after if raw[:1] not in ("3", "") else b""))

    assert [part.kind for part in found if part.kind is PartKind.PICKUPS] == []
    assert all(part.number == "" for part in found)


def test_a_newer_kind_hides_nothing_behind_it() -> None:
    after = Part(PartKind.TICKETS, count=2)

    assert parts_of(bytes.fromhex("f2aabb") + packed([after])) == (after,)


@pytest.mark.parametrize("text", ["c-1", "C 1", "", "C-1234567890123", "Ç-1", "-1"])
def test_what_is_no_number_of_a_case_is_not_carried(text: str) -> None:
    assert number_of(text) == ""
    if text:
        with pytest.raises(ValueError, match="number"):
            packed([Part(PartKind.CASE, number=text)])


def test_a_day_that_cannot_be_written_is_the_nearest_that_can() -> None:
    assert [day_of(at) for at in (-5, 0, DAY_US * 20_784 + 1, 2**62)] == [1, 1, 20_784, DAY_MAX]
    with pytest.raises(ValueError, match="day"):
        packed([Part(PartKind.UNANSWERED, day=DAY_MAX + 1)])


def test_a_printed_fact_shows_none_of_its_words() -> None:
    assert "4711" not in repr(Part(PartKind.CASE, "phone", "C-4711"))
