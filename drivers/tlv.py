"""Type-length-value: the blocks in the memory of a Type 2 band, and those in the capability container of a Type 4 band.

    Type 2   00 nothing | 01 lock control | 02 memory control | 03 NDEF message | FD somebody's own | FE the end
             one byte of length, or FF and two bytes
    Type 4   04 NDEF file | 05 somebody's own file | 06 NDEF file with more than 64 KiB; one byte of length

Whatever the bytes, only BandMalformed is raised, and the work is bounded by their number.
Source: NFC Forum Type 2 Tag 1.2, 4.3; NFC Forum Type 4 Tag 1.2, 4.2.
"""

from dataclasses import dataclass, field

from drivers.errors import BandMalformed

NULL, LOCK_CONTROL, MEMORY_CONTROL, NDEF_MESSAGE, PROPRIETARY, TERMINATOR = (
    0,
    1,
    2,
    3,
    0xFD,
    0xFE,
)
"""Tags of Type 2."""

NDEF_FILE, PROPRIETARY_FILE, LARGE_NDEF_FILE = 0x04, 0x05, 0x06
"""Tags of Type 4."""

MEMORY_SIZE_MAX = 2_048
"""Bytes of the largest Type 2 memory that is looked at; an NTAG 216 has 888."""

BLOCK_COUNT_MAX = 64
"""Blocks of one memory; a band has four."""

CC_SIZE_MAX = 255
"""Bytes of a capability container that is looked at; every one seen has 15 to 32."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block.

    Attributes:
        tag: What it is.
        value: Its bytes.
        at: Where its value begins in the memory.
    """

    tag: int
    value: bytes = field(repr=False)
    at: int


def type2_blocks(memory: bytes) -> tuple[Block, ...]:
    """The blocks of a Type 2 data area up to its end or the terminator, without those that are nothing.

    Raises:
        BandMalformed: a length runs past the end, or there are more blocks or bytes than any band of ours has.
    """
    if len(memory) > MEMORY_SIZE_MAX:
        raise BandMalformed("the memory is larger than any of ours")
    found: list[Block] = []
    at = 0
    while at < len(memory):
        tag = memory[at]
        at += 1
        if tag == TERMINATOR:
            break
        if tag == NULL:
            continue
        size, at = _type2_size(memory, at)
        if at + size > len(memory) or len(found) >= BLOCK_COUNT_MAX:
            raise BandMalformed("a block runs past the end")
        found.append(Block(tag, memory[at : at + size], at))
        at += size
    return tuple(found)


def _type2_size(memory: bytes, at: int) -> tuple[int, int]:
    """The length that begins at `at`, and where the value begins."""
    head = memory[at : at + 3]
    if not head:
        raise BandMalformed("a block has no length")
    if head[0] != 0xFF:
        return head[0], at + 1
    size = int.from_bytes(head[1:], "big")
    if len(head) < 3 or size < 0xFF:
        raise BandMalformed("a length in three bytes that one would hold")
    return size, at + 3


def ndef_of_memory(memory: bytes) -> bytes:
    """The NDEF message in a Type 2 data area; empty when there is none. Raises BandMalformed as `type2_blocks`."""
    for block in type2_blocks(memory):
        if block.tag == NDEF_MESSAGE:
            return block.value
    return b""


def ndef_size_needed(memory: bytes) -> int:
    """How many bytes of the data area must be read to have its first NDEF message whole.

    0 when its length does not stand in what was read yet, so more must be read; the number of bytes given when there is
    no message to come. Raises BandMalformed where no further byte could help.
    """
    if len(memory) > MEMORY_SIZE_MAX:
        raise BandMalformed("the memory is larger than any of ours")
    at = 0
    for _ in range(BLOCK_COUNT_MAX):
        while at < len(memory) and memory[at] == NULL:
            at += 1
        if at >= len(memory):
            return 0
        if memory[at] == TERMINATOR:
            return len(memory)
        if at + 1 >= len(memory) or (memory[at + 1] == 0xFF and at + 3 >= len(memory)):
            return 0
        tag = memory[at]
        size, at = _type2_size(memory, at + 1)
        if tag == NDEF_MESSAGE:
            return at + size
        at += size
    raise BandMalformed("the memory has more blocks than any of ours")


@dataclass(frozen=True, slots=True)
class NdefFile:
    """Where the NDEF message of a Type 4 band stands.

    Attributes:
        file: File identifier, 2 bytes.
        size_max: Bytes of the file, its length field included.
        length_size: Bytes of that field: 2, or 4 in a large file.
        is_readable, is_writable: Without a key.
        read_size: Most bytes one READ BINARY may ask for.
        write_size: Most bytes one UPDATE BINARY may carry.
    """

    file: bytes
    size_max: int
    length_size: int
    is_readable: bool
    is_writable: bool
    read_size: int
    write_size: int


def ndef_file_of(container: bytes) -> NdefFile:
    """The NDEF file a capability container names. Raises BandMalformed for anything else.

    Layout: size (2), version (1), MLe (2), MLc (2), then blocks; an NDEF block is file (2), size (2 or 4), read and
    write access (1 each).
    """
    size = int.from_bytes(container[:2], "big")
    if not 15 <= size <= min(len(container), CC_SIZE_MAX) or container[2] >> 4 not in (1, 2, 3):
        raise BandMalformed("the capability container does not parse")
    read_size = int.from_bytes(container[3:5], "big")
    write_size = int.from_bytes(container[5:7], "big")
    if read_size < 0x0F or not write_size:
        raise BandMalformed("the capability container allows no reading")
    at = 7
    while at + 2 <= size:
        tag, length = container[at], container[at + 1]
        value = container[at + 2 : at + 2 + length]
        if at + 2 + length > size:
            break
        wide = {NDEF_FILE: 2, LARGE_NDEF_FILE: 4}.get(tag)
        if wide is not None and length == 4 + wide:
            return NdefFile(
                file=value[:2],
                size_max=int.from_bytes(value[2 : 2 + wide], "big"),
                length_size=wide,
                is_readable=value[-2] == 0,
                is_writable=value[-1] == 0,
                read_size=read_size,
                write_size=write_size,
            )
        at += 2 + length
    raise BandMalformed("the capability container names no NDEF file")
