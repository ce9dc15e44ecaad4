"""Type-length-value blocks of Type 2 and Type 4 bands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BandMalformed
from drivers.tlv import (
    BLOCK_COUNT_MAX,
    MEMORY_SIZE_MAX,
    Block,
    ndef_file_of,
    ndef_of_memory,
    ndef_size_needed,
    type2_blocks,
)

CONTAINER = bytes.fromhex("000F20003B00340406E104003E0000")
"""Source: NFC Forum Type 4 Tag, example of a capability container."""

WITH_PROPRIETARY = bytes.fromhex("001720010000FF0406E104010000000506E10500808283")
"""As an NTAG 424 leaves the factory. Source: NXP NT4H2421Gx data sheet rev 3.0, 8.2.3.1."""


def test_message_stands_behind_what_controls_locks() -> None:
    memory = bytes.fromhex("0103A00C34 03040102 0304 FE 0000".replace(" ", ""))

    blocks = type2_blocks(memory)

    assert blocks == (Block(1, bytes.fromhex("A00C34"), 2), Block(3, bytes((1, 2, 3, 4)), 7))
    assert ndef_of_memory(memory) == bytes((1, 2, 3, 4))


@pytest.mark.parametrize("memory", [b"", b"\xfe", b"\x00\x00\x00", b"\x00\xfe\x03\xff"])
def test_memory_without_blocks_has_no_message(memory: bytes) -> None:
    assert type2_blocks(memory) == ()
    assert ndef_of_memory(memory) == b""


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 800])
def test_length_is_read_in_one_byte_and_in_three(size: int) -> None:
    length = bytes((size,)) if size < 255 else b"\xff" + size.to_bytes(2, "big")
    memory = b"\x03" + length + bytes(size) + b"\xfe"

    assert ndef_of_memory(memory) == bytes(size)
    assert ndef_size_needed(memory[: 1 + len(length)]) == 1 + len(length) + size


@pytest.mark.parametrize(
    "memory",
    [
        b"\x03",
        b"\x03\x05abc",
        b"\x03\xff",
        b"\x03\xff\x01",
        b"\x03\xff\x00\x10" + bytes(16),
        b"\x03\xff\x01\x00" + bytes(255),
        b"\x01\x00" * (BLOCK_COUNT_MAX + 1),
        bytes(MEMORY_SIZE_MAX + 1),
    ],
    ids=["end", "cut", "long", "longer", "short in three", "cut in three", "many", "large"],
)
def test_blocks_that_run_past_their_limits_are_malformed(memory: bytes) -> None:
    with pytest.raises(BandMalformed):
        type2_blocks(memory)


@pytest.mark.parametrize(
    ("memory", "needed"),
    [
        (b"", 0),
        (b"\x03", 0),
        (b"\x03\xff\x01", 0),
        (b"\x00\x00\x03\x05", 9),
        (b"\x01\x03\xa0\x0c\x34\x03\x10", 23),
        (b"\xfe\x00\x00\x00", 4),
        (b"\x01\x30", 0),
    ],
)
def test_no_more_is_read_than_the_message_needs(memory: bytes, needed: int) -> None:
    assert ndef_size_needed(memory) == needed


@pytest.mark.parametrize("memory", [bytes(MEMORY_SIZE_MAX + 1), b"\x01\x00" * BLOCK_COUNT_MAX])
def test_memory_past_its_limits_is_not_searched_for_a_message(memory: bytes) -> None:
    with pytest.raises(BandMalformed):
        ndef_size_needed(memory)


@given(st.binary(max_size=300))
def test_whatever_the_memory_only_malformed_is_raised(memory: bytes) -> None:
    try:
        blocks = type2_blocks(memory)
    except BandMalformed:
        blocks = ()

    assert all(memory[x.at : x.at + len(x.value)] == x.value for x in blocks)
    try:
        needed = ndef_size_needed(memory)
    except BandMalformed:
        return
    assert 0 <= needed <= len(memory) + 0xFFFF + 4


def test_ndef_file_is_the_one_the_container_names() -> None:
    file = ndef_file_of(CONTAINER)

    assert (file.file, file.size_max, file.length_size) == (b"\xe1\x04", 62, 2)
    assert (file.read_size, file.write_size) == (0x3B, 0x34)
    assert file.is_readable
    assert file.is_writable


def test_container_of_an_ntag424_names_its_link_file() -> None:
    file = ndef_file_of(WITH_PROPRIETARY)

    assert (file.file, file.size_max, file.read_size) == (b"\xe1\x04", 256, 256)


def test_large_ndef_file_has_a_length_of_four_bytes() -> None:
    container = bytes.fromhex("001130003B00340608E104000200000000")

    file = ndef_file_of(container)

    assert (file.size_max, file.length_size) == (0x20000, 4)


def test_file_that_needs_a_key_is_not_free() -> None:
    file = ndef_file_of(CONTAINER[:-2] + b"\x80\xff")

    assert not file.is_readable
    assert not file.is_writable


@pytest.mark.parametrize(
    "container",
    [
        b"",
        CONTAINER[:-1],
        b"\x00\x0e" + CONTAINER[2:],
        b"\x00\xff" + CONTAINER[2:],
        CONTAINER[:2] + b"\x40" + CONTAINER[3:],
        CONTAINER[:3] + b"\x00\x0e" + CONTAINER[5:],
        CONTAINER[:5] + b"\x00\x00" + CONTAINER[7:],
        CONTAINER[:7] + b"\x05" + CONTAINER[8:],
        CONTAINER[:8] + b"\x07" + CONTAINER[9:],
        b"\x90\x00",
    ],
    ids=[
        "nothing", "cut", "small", "large", "version", "MLe", "MLc", "no NDEF", "length", "phone",
    ],
)  # fmt: skip
def test_container_that_names_no_file_is_malformed(container: bytes) -> None:
    with pytest.raises(BandMalformed):
        ndef_file_of(container)


@given(st.binary(max_size=64))
def test_whatever_the_container_only_malformed_is_raised(container: bytes) -> None:
    try:
        file = ndef_file_of(container)
    except BandMalformed:
        return

    assert len(file.file) == 2
    assert file.read_size >= 15
