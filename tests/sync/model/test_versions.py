"""Versions of the program, and which is older."""

import pytest

from sync.model.versions import is_older, is_version


@pytest.mark.parametrize(
    ("one", "other"),
    [("0.9.0", "0.10.0"), ("", "0.0.1"), ("1.9", "2"), ("0.1.0rc1", "0.1.1"), ("next", "0.1")],
)
def test_the_older_of_two_programs_is_known_by_its_numbers(one: str, other: str) -> None:
    assert is_older(one, other)
    assert not is_older(other, one)


@pytest.mark.parametrize(("one", "other"), [("1", "1.0.0"), ("0.1.0", ""), ("", ""), ("٣", "")])
def test_what_is_no_older_is_not_called_so(one: str, other: str) -> None:
    assert not is_older(one, other)


def test_a_version_is_numbers_and_dots() -> None:
    assert [
        text for text in ("0.2.0", "1", "1.", "v1", "", "1.2.3.4.5", "٣") if is_version(text)
    ] == [
        "0.2.0",
        "1",
    ]
