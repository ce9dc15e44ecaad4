"""The sum of a scope: the same at both ends, however many rows are added at once."""

from hypothesis import given
from hypothesis import strategies as st

from sync.model.sums import SUM_MASK, pointer_hash, sum_of, sum_text

ROWS = st.lists(
    st.tuples(st.text(max_size=40), st.integers(0, 2**62), st.integers(0, 2**31)), max_size=30
)


@given(ROWS)
def test_many_rows_at_once_add_what_they_add_one_by_one(
    rows: list[tuple[str, int, int]],
) -> None:
    one_by_one = sum(pointer_hash(*row) for row in rows)

    assert sum_of(rows) == one_by_one & SUM_MASK


def test_the_hash_of_a_row_is_the_one_the_protocol_page_says() -> None:
    assert sum_text(pointer_hash("order/W-1077", 42, 7)) == "1ae3167ecd504100"
