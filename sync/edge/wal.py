"""What a write-ahead log says was committed, read as bytes: to notice what SQLite itself leaves out without a word. Pure.

SQLite takes a log up to the first frame whose checksum does not hold and forgets the rest, committed or not. That is right
for the last, torn write of a power cut, and wrong for a bit that flipped in between: then operations that were confirmed
vanish. So the commits in the file are counted before SQLite opens it, and compared with what it found.

Source: sqlite.org/fileformat2.html, section 4, "The Write-Ahead Log".
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_WORDS: Final = struct.Struct(">6I")
_SUMS: Final = struct.Struct(">2I")
_VERSION: Final = 3_007_000
_MAGIC: Final = (0x377F0682, 0x377F0683)
_WORD_MAX: Final = 0xFFFF_FFFF


def committed_frames(log: bytes, *, page_size: int) -> int:
    """How many frames there are up to the last one that says it ends a transaction.

    Args:
        log: The whole file; "" for none.
        page_size: Of the database, for a log whose own header is damaged.
    """
    if len(log) <= _HEADER.size:
        return 0
    magic, _version, said_size, _sequence, *salt_and_sums = _HEADER.unpack_from(log)
    salt, sums = salt_and_sums[:2], salt_and_sums[2:]
    if magic not in _MAGIC or _sums_of(log[:24], is_big=bool(magic & 1)) != tuple(sums):
        return (len(log) - _HEADER.size) // (_FRAME.size + page_size)
    step = _FRAME.size + said_size
    last = 0
    for number, offset in enumerate(range(_HEADER.size, len(log) - step + 1, step), start=1):
        _page, size_after, salt_1, salt_2, _sum_1, _sum_2 = _FRAME.unpack_from(log, offset)
        if size_after and [salt_1, salt_2] == salt:
            last = number
    return last


def page_one(log: bytes, *, page_size: int) -> bytes:
    """The first page of the database as it stands first in the log; "" where it does not."""
    for place, _, page in _frames(log, page_size):
        if place[:4] == b"\0\0\0\1":
            return page
    return b""


def mended(
    log: bytes, *, page_size: int, put_right: Callable[[int, bytes], tuple[int, bytes]]
) -> bytes:
    """The same log with all its checksums made anew, so that what stands behind the damage is read too; "" for none.

    `put_right` makes number and content of a page what they were, as far as it can.

    For a copy to salvage from, never for the database itself: its pages have a MAC of their own, and one that was damaged
    fails there. Frames of an earlier life of the log, which have other salts, stay out; so does what follows the last commit.
    """
    if len(log) <= _HEADER.size:
        return b""
    magic, version, _, sequence, *salt_and_sums = _HEADER.unpack_from(log)
    salt = tuple(salt_and_sums[:2])
    is_big = magic == _MAGIC[1]
    if magic not in _MAGIC or _sums_of(log[:24], is_big=is_big) != tuple(salt_and_sums[2:]):
        found = Counter(frame[1] for frame in _frames(log, page_size))
        version, is_big = _VERSION, False
        salt = found.most_common(1)[0][0] if found else salt
    head = _WORDS.pack(_MAGIC[is_big], version, page_size, sequence, *salt)
    sums = _sums_of(head, is_big=is_big)
    whole = bytearray(head + _SUMS.pack(*sums))
    end = 0
    for said, salts, found_page in _frames(log, page_size):
        if salts[0] != salt[0] and salts[1] != salt[1]:
            break
        number, page = put_right(int.from_bytes(said[:4], "big"), found_page)
        place = number.to_bytes(4, "big") + said[4:]
        sums = _sums_of(place + page, is_big=is_big, start=sums)
        whole += place + _SUMS.pack(*salt) + _SUMS.pack(*sums) + page
        if any(place[4:]):  # the size of the database after it: this frame ends a transaction
            end = len(whole)
    return bytes(whole[:end])


def _frames(log: bytes, page_size: int) -> Iterator[tuple[bytes, tuple[int, ...], bytes]]:
    """Of each frame: page number and size after, salts, page."""
    step = _FRAME.size + page_size
    for offset in range(_HEADER.size, len(log) - step + 1, step):
        page = log[offset + _FRAME.size : offset + step]
        yield log[offset : offset + 8], _SUMS.unpack_from(log, offset + 8), page


def _sums_of(
    content: bytes, *, is_big: bool, start: tuple[int, int] = (0, 0)
) -> tuple[int, int]:
    words = struct.unpack(f"{'>' if is_big else '<'}{len(content) // 4}I", content)
    first, second = start
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _WORD_MAX
        second = (second + odd + first) & _WORD_MAX
    return first, second
