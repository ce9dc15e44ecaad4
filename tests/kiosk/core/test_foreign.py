"""Text from outside comes out safe, short, and still readable."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.core import foreign
from tests.support.hostile import NAMES

ANY_TEXT = st.text(st.characters(), max_size=300)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë", "Zoë"),
        ("Zoe\u0308", "Zoë"),
        ("Nguyễn Thị Ánh", "Nguyễn Thị Ánh"),
        ("Søren Æ. Þór", "Søren Æ. Þór"),
        ("王小明", "王小明"),
        ("  Maya \n Lind ", "Maya Lind"),
        ("", ""),
    ],
)
def test_real_names_stay_as_they_are(name: str, shown: str) -> None:
    assert foreign.safe(name) == shown


def test_markup_is_left_alone_because_it_is_only_text() -> None:
    assert foreign.safe("[@click=app.quit]Sam[/]", limit=40) == "[@click=app.quit]Sam[/]"


def test_a_name_at_the_limit_is_whole_and_one_letter_more_is_cut_with_a_sign() -> None:
    assert foreign.safe("a" * 20, limit=20) == "a" * 20
    assert foreign.safe("a" * 21, limit=20) == "a" * 19 + "…"


def test_accents_count_with_their_letter_and_a_pile_of_them_is_cleared() -> None:
    piled = "x" + "\u0336" * 40 + "y"

    assert foreign.safe(piled, limit=6) == "x\u0336\u0336y"


@given(ANY_TEXT | st.sampled_from(NAMES), st.integers(min_value=1, max_value=60))
def test_whatever_comes_in_nothing_a_terminal_could_obey_comes_out(
    text: str, limit: int
) -> None:
    shown = foreign.safe(text, limit=limit)

    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"} for c in shown)
    assert sum(1 for c in shown if not unicodedata.category(c).startswith("M")) <= limit
    assert shown == shown.strip()
    shown.encode()


@given(ANY_TEXT | st.sampled_from(NAMES))
def test_the_last_guard_keeps_line_ends_and_drops_the_rest(text: str) -> None:
    shown = foreign.shown(text)

    assert shown.count("\n") == text.count("\n")
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs"} for c in shown if c != "\n")


def test_ten_megabytes_of_name_cost_no_more_than_a_short_one() -> None:
    assert foreign.safe("ab " * 3_000_000, limit=5) == "ab a…"
