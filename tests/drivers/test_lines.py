import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from drivers.errors import BandMalformed
from drivers.lines import (
    LINE_SIZE_MAX,
    Failed,
    GroupKey,
    Key,
    KeyWanted,
    Left,
    Proved,
    ReaderState,
    Said,
    Seen,
    Stop,
    Told,
    line_of,
    said_of,
    told_of,
)

SAID: list[Said] = [
    ReaderState("a reader", "reader_absent", "unplugged"),
    Seen(1, "iso_dep", 5),
    KeyWanted(1, "04"),
    Proved(1, "mutual", "desfire", 2, "04", "ab"),
    Failed(1, "band_left"),
    Left(1),
]
TOLD: list[Told] = [GroupKey("00" * 16, 3), Key(1, None), Key(1, "00" * 16, 2), Stop()]


@pytest.mark.parametrize("value", SAID)
def test_what_is_said_comes_back_from_its_line(value: Said) -> None:
    line = line_of(value)

    assert said_of(line) == value
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("value", TOLD)
def test_what_is_told_comes_back_from_its_line(value: Told) -> None:
    assert told_of(line_of(value)) == value


@given(st.binary(max_size=200))
def test_any_line_is_a_value_or_malformed(line: bytes) -> None:
    for parse in (said_of, told_of):
        try:
            parse(line)
        except BandMalformed:
            continue


def test_a_line_that_never_ends_is_malformed() -> None:
    with pytest.raises(BandMalformed):
        told_of(line_of(Stop()).ljust(LINE_SIZE_MAX + 1))
    assert told_of(line_of(Stop()).ljust(LINE_SIZE_MAX)) == Stop()


def test_a_key_is_not_in_what_its_value_says_of_itself() -> None:
    key = "5ec2e7" * 5 + "5e"

    assert key not in repr(GroupKey(key))
    assert key not in repr(Key(1, key))
    assert key not in pretty_repr((GroupKey(key), Key(1, key)))
    assert "04a1b2" not in pretty_repr(
        (KeyWanted(1, "04a1b2"), Proved(1, "none", "desfire", 0, "04a1b2", None))
    )
    assert "04a1b2" not in repr(KeyWanted(1, "04a1b2"))
    assert "04a1b2" not in repr(Proved(1, "none", "desfire", 0, "04a1b2", None))
