"""The maker's signature, where it does not hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.credential.originality import CURVES, KEYS, Maker, is_signed, maker_of
from hardware.virtual.originality import (
    NTAG21X_TEST_KEY,
    NTAG424_TEST_KEY,
    ULTRALIGHT_AES_TEST_KEY,
)

UID = bytes.fromhex("04A1B2C3D4E5F6")
TEST_KEYS = (NTAG21X_TEST_KEY, ULTRALIGHT_AES_TEST_KEY, NTAG424_TEST_KEY)


@pytest.mark.parametrize("key", TEST_KEYS, ids=["128", "192", "224"])
def test_signature_by_another_implementation_holds(key) -> None:  # type: ignore[no-untyped-def]
    signature = key.sign(UID)

    assert is_signed(key.public, UID, signature)
    assert maker_of(UID, signature) is None
    assert maker_of(UID, signature, {Maker.NTAG424: key.public}) is Maker.NTAG424


@pytest.mark.parametrize("key", TEST_KEYS, ids=["128", "192", "224"])
def test_every_changed_byte_breaks_a_signature(key) -> None:  # type: ignore[no-untyped-def]
    signature = key.sign(UID)

    for at in range(0, len(signature), 5):
        changed = signature[:at] + bytes((signature[at] ^ 0x40,)) + signature[at + 1 :]
        assert not is_signed(key.public, UID, changed)


@pytest.mark.parametrize("size", sorted(CURVES))
def test_zeros_and_numbers_past_the_order_are_no_signature(size: int) -> None:
    curve = CURVES[size]
    half = size // 2
    (key,) = [each for each in TEST_KEYS if len(each.public) == size + 1]
    good = key.sign(UID)
    order = curve.n.to_bytes(half, "big")

    for forged in (
        bytes(size),
        bytes(half) + good[half:],
        good[:half] + bytes(half),
        order + good[half:],
        good[:half] + order,
        b"\xff" * size,
    ):
        assert not is_signed(key.public, UID, forged)


def test_key_that_is_no_point_signs_nothing() -> None:
    key = NTAG424_TEST_KEY
    signature = key.sign(UID)
    off_curve = key.public[:-1] + bytes((key.public[-1] ^ 1,))

    assert not is_signed(off_curve, UID, signature)
    assert not is_signed(b"\x02" + key.public[1:], UID, signature)
    assert not is_signed(b"\x04" + b"\xff" * 56, UID, signature)
    assert not is_signed(b"", UID, signature)


@pytest.mark.parametrize("uid", [b"", UID[:3], UID + b"\x00", UID * 2])
def test_uid_of_another_size_is_not_signed(uid: bytes) -> None:
    assert not is_signed(NTAG424_TEST_KEY.public, uid, NTAG424_TEST_KEY.sign(UID))


def test_every_key_of_a_maker_is_a_point_of_its_curve() -> None:
    for maker, key in KEYS.items():
        curve = CURVES[len(key) - 1]
        x = int.from_bytes(key[1 : 1 + curve.size], "big")
        y = int.from_bytes(key[1 + curve.size :], "big")
        assert (y * y - x * x * x + 3 * x - curve.b) % curve.p == 0, maker


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=12), st.binary(max_size=60))
def test_whatever_the_bytes_nothing_is_raised_and_nothing_is_signed(
    key: bytes, uid: bytes, signature: bytes
) -> None:
    assert not is_signed(key, uid, signature)
    assert maker_of(uid, signature) is None


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([32, 48, 56]).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
def test_made_up_signature_is_nobodys(signature: bytes) -> None:
    assert maker_of(UID, signature) is None
