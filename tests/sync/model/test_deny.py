"""The deny list: what it says, and what is not believed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.entropy import SeededEntropy
from hardware.identity import new_private_key, public_hex
from sync.model.deny import (
    HEAD_SIZE,
    MARK_SIZE,
    SIGNATURE_SIZE,
    DenyList,
    deny_list_of,
    mark_of,
)
from sync.model.errors import Malformed, NotTrusted

KEY = new_private_key(SeededEntropy("centre"))
CENTRE = public_hex(KEY.public_key())
GROUP = bytes(range(16))
AT = 1_700_000_000_000_000


def raw_of(*bands: str) -> bytes:
    marks = (mark_of(GROUP, band) for band in bands)
    return DenyList.of(marks, made_at=AT, key_version=3).signed(KEY)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_a_list_has_the_bands_that_were_put_on_it_and_no_others(count: int) -> None:
    bands = [f"{number:032x}" for number in range(count)]

    found = deny_list_of(raw_of(*bands), centre_key=CENTRE)

    assert (found.made_at, found.key_version, len(found)) == (AT, 3, count)
    assert all(found.has(mark_of(GROUP, band)) for band in bands)
    assert not any(found.has(mark_of(GROUP, f"other {number}")) for number in range(300))
    assert not any(found.has(mark_of(bytes(16), band)) for band in bands)


def test_every_flipped_bit_is_noticed() -> None:
    raw = raw_of("a", "b", "c")

    for bit in range(len(raw) * 8):
        altered = bytearray(raw)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Malformed, NotTrusted)):
            deny_list_of(bytes(altered), centre_key=CENTRE)


def test_a_list_of_another_centre_is_not_believed() -> None:
    other = public_hex(new_private_key(SeededEntropy("other")).public_key())

    with pytest.raises(NotTrusted):
        deny_list_of(raw_of("a"), centre_key=other)


def test_a_signed_list_that_is_not_in_order_is_refused_rather_than_searched() -> None:
    marks = sorted(mark_of(GROUP, band) for band in ("a", "b", "c"))
    for disorder in (marks[::-1], [marks[0], marks[0], marks[1]]):
        listed = DenyList(AT, 3, b"".join(disorder))

        with pytest.raises(Malformed):
            deny_list_of(listed.signed(KEY), centre_key=CENTRE)


@settings(max_examples=200)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_at_all_are_a_list_or_one_of_two_errors(junk: bytes, is_headed: bool) -> None:
    raw = raw_of("a")[:HEAD_SIZE] + junk if is_headed else junk

    with pytest.raises((Malformed, NotTrusted)):
        deny_list_of(raw, centre_key=CENTRE)


def test_the_file_says_nothing_of_a_band_but_eight_bytes() -> None:
    band = "c0ffee00000000000000000000000001"

    raw = raw_of(band)

    assert len(raw) == HEAD_SIZE + MARK_SIZE + SIGNATURE_SIZE
    assert band.encode() not in raw
    assert bytes.fromhex(band) not in raw
    assert (
        repr(deny_list_of(raw, centre_key=CENTRE)) == f"DenyList(made_at={AT}, key_version=3)"
    )
