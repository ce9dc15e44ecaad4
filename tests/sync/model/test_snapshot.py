"""A part of a snapshot opens with its own key, in its own place, and holds nothing readable."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.model.errors import Malformed
from sync.model.snapshot import StoredRow, opened, packed

KEY = bytes(range(32))
ROW: StoredRow = ("customer/a", "s:x", 5, "a", "customer", 2, 7, "web", 1, b'{"id":"canary"}')
PART, CONTENT = packed([ROW], key=KEY, scope="s:x", seq=9, number=3)


def test_a_part_holds_the_rows_it_was_packed_from() -> None:
    assert opened(CONTENT, key=KEY, scope="s:x", seq=9, number=3) == [ROW]
    assert (PART.part, PART.size, PART.rows) == (
        hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), 1,
    )  # fmt: skip
    assert b"canary" not in CONTENT


@pytest.mark.parametrize(
    "other",
    [{"key": bytes(32)}, {"scope": "s:y"}, {"seq": 10}, {"number": 2}],
    ids=["key", "scope", "seq", "number"],
)
def test_a_part_opens_nowhere_else(other: dict[str, object]) -> None:
    place: dict[str, object] = {"key": KEY, "scope": "s:x", "seq": 9, "number": 3} | other

    with pytest.raises(Malformed):
        opened(CONTENT, **place)  # type: ignore[arg-type]


@given(at=st.integers(0, len(CONTENT) - 1), bit=st.integers(0, 7))
def test_no_bit_of_a_part_can_be_changed(at: int, bit: int) -> None:
    raw = bytearray(CONTENT)
    raw[at] ^= 1 << bit

    with pytest.raises(Malformed):
        opened(bytes(raw), key=KEY, scope="s:x", seq=9, number=3)


@given(content=st.binary(max_size=200))
def test_any_bytes_raise_only_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        opened(content, key=KEY, scope="s:x", seq=9, number=3)


@pytest.mark.parametrize("row", [("s:y", 5), ("s:x", 10), ("s:x", 0)])
def test_a_part_with_a_row_of_another_scope_or_time_is_refused(row: tuple[str, int]) -> None:
    scope, seq = row
    odd = (ROW[0], scope, seq, *ROW[3:])
    _, content = packed([odd], key=KEY, scope="s:x", seq=9, number=0)

    with pytest.raises(Malformed):
        opened(content, key=KEY, scope="s:x", seq=9, number=0)
