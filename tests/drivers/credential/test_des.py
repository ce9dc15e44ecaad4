"""DES keys: the cipher against the virtual chip's own, versions, and what a chip takes for single DES."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.credential.des import (
    TripleDes,
    diversified_des,
    is_single,
    random_size_of,
    session_key_iso,
    version_of,
    with_version,
)
from drivers.credential.kdf import Cmac
from hardware.virtual import des

KEYS = st.sampled_from([8, 16, 24]).flatmap(
    lambda size: st.binary(min_size=size, max_size=size)
)
BLOCKS = st.integers(1, 6).flatmap(lambda n: st.binary(min_size=8 * n, max_size=8 * n))
BLOCK = st.binary(min_size=8, max_size=8)


@given(KEYS, BLOCK, BLOCKS)
def test_chains_of_blocks_are_those_of_the_chip(key: bytes, iv: bytes, content: bytes) -> None:
    cipher = TripleDes(key)

    enciphered = cipher.encrypted(content, iv)

    assert enciphered == des.des_encrypted(key, iv, content)
    assert cipher.decrypted(enciphered, iv) == content


@given(KEYS, st.integers(0, 255), BLOCK)
def test_a_version_changes_no_cipher_and_can_be_read_back(
    key: bytes, version: int, content: bytes
) -> None:
    marked = with_version(key, version)

    assert version_of(marked) == version == des.des_version(marked)
    assert TripleDes(marked).encrypted(content) == TripleDes(key).encrypted(content)


@given(BLOCK, st.integers(0, 255))
def test_a_key_of_two_equal_halves_is_made_one_of_two_keys_by_its_version(
    half: bytes, version: int
) -> None:
    assert is_single(half + half)
    assert not is_single(with_version(half + half, version))
    assert is_single(half)
    assert des.is_single_des(half + half)
    assert not des.is_single_des(with_version(half + half, version))


@pytest.mark.parametrize(
    ("key", "random_size", "session_size"),
    [(bytes(8), 8, 8), (bytes(16), 8, 8), (bytes(range(16)), 8, 16), (bytes(24), 16, 24)],
)
def test_the_kind_of_key_says_how_long_random_numbers_and_session_key_are(
    key: bytes, random_size: int, session_size: int
) -> None:
    numbers = bytes(range(random_size)), bytes(range(100, 100 + random_size))

    assert random_size_of(key) == random_size
    assert len(session_key_iso(key, *numbers)) == session_size


NIST_KEY = bytes.fromhex("8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5")
NIST_TEXT = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "b7a688e122ffaf95"),
        (8, "8e8f293136283797"),
        (20, "743ddbe0ce2dc2ed"),
        (32, "33e6b1092400eae5"),
    ],
)
def test_cmac_with_triple_des_is_that_of_nist(size: int, expected: str) -> None:
    """Source: NIST SP 800-38B, D.4, three keys."""
    assert Cmac(TripleDes(NIST_KEY)).over(NIST_TEXT[:size]).hex() == expected


@pytest.mark.parametrize("size", [0, 7, 9, 15, 17, 23, 25, 32])
def test_a_key_of_no_des_is_our_mistake(size: int) -> None:
    with pytest.raises(ValueError, match="8, 16 or 24"):
        TripleDes(bytes(size))


@pytest.mark.parametrize("size", [0, 1, 7, 9])
def test_what_is_not_whole_blocks_is_our_mistake(size: int) -> None:
    cipher = TripleDes(bytes(16))

    with pytest.raises(ValueError, match="whole blocks"):
        cipher.encrypted(bytes(size))
    with pytest.raises(ValueError, match="whole blocks"):
        cipher.decrypted(bytes(size))


@pytest.mark.parametrize(
    ("key", "content"), [(bytes(8), b"1"), (bytes(16), b""), (bytes(24), bytes(16))]
)
def test_no_key_is_derived_from_what_does_not_fit(key: bytes, content: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        diversified_des(key, content)


def test_no_cipher_says_its_key() -> None:
    cipher = TripleDes(b"sixteen byte key")

    assert "sixteen" not in f"{cipher!r} {Cmac(cipher)!r}"
