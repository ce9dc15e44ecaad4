"""Names that were meant, found from what was typed."""

from hypothesis import given
from hypothesis import strategies as st

from sync.edge.typos import FOUND_MAX, edits_for, near

NAMES = tuple(
    sorted({"anna", "hannah", "mueller", "muller", "schneider", "schmidt", "smith", "tom"})
)
letters = st.text(alphabet="abcd", min_size=1, max_size=7)


def distance(first: str, second: str) -> list[int]:
    """Edits from `first` to each beginning of `second`, swapped neighbours counting one. By the book, slowly."""
    rows = [
        [index + other for other in range(len(second) + 1)] for index in range(len(first) + 1)
    ]
    for index in range(1, len(first) + 1):
        for other in range(1, len(second) + 1):
            rows[index][other] = min(
                rows[index - 1][other] + 1,
                rows[index][other - 1] + 1,
                rows[index - 1][other - 1] + (first[index - 1] != second[other - 1]),
            )
            is_swapped = (
                index > 1
                and other > 1
                and first[index - 1] == second[other - 2]
                and first[index - 2] == second[other - 1]
            )
            if is_swapped:
                rows[index][other] = min(rows[index][other], rows[index - 2][other - 2] + 1)
    return rows[-1]


def test_each_kind_of_slip_is_one_edit() -> None:
    slips = ("schmitd", "schmit", "schmiddt", "schnidt", "xschmidt", "chmidt")

    found = [near(NAMES, typed, n_edits=1) for typed in slips]

    assert all(any("schmidt".startswith(one) for one in each) for each in found)


def test_a_name_is_near_while_it_is_still_being_typed() -> None:
    assert near(NAMES, "schnied", n_edits=1) == ("schneid",)


def test_short_words_have_to_be_right() -> None:
    assert [edits_for("x" * size) for size in (1, 3, 4, 6, 7, 20)] == [0, 0, 1, 1, 2, 2]


def test_no_more_is_found_than_helps() -> None:
    many = sorted(
        {f"mar{first}{second}" for first in "abcdefghijkl" for second in "mnopqrstuvwxyz"}
    )

    assert len(near(many, "mxr", n_edits=2)) <= FOUND_MAX


@given(st.lists(letters, max_size=12), letters, st.integers(0, 2))
def test_those_and_only_those_are_found_that_a_slow_count_finds(
    words: list[str], typed: str, n_edits: int
) -> None:
    names = sorted(set(words))

    found = near(names, typed, n_edits=n_edits)

    expected = {name for name in names if min(distance(typed, name)) <= n_edits}
    assert {name for name in names if name.startswith(found)} == expected
