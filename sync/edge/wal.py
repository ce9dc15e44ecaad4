"""What a write-ahead log says was committed, read as bytes: to notice what SQLite itself leaves out without a word. Pure.

SQLite takes a log up to the first frame whose checksum does not hold and forgets the rest, committed or not. That is right
for the last, torn write of a power cut, and wrong for a bit that flipped in between: then operations that were confirmed
vanish. So the commits in the file are counted before SQLite opens it, and compared with what it found.

Source: sqlite.org/fileformat2.html, section 4, "The Write-Ahead Log".
"""

import struct
from typing import Final

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
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


def _sums_of(content: bytes, *, is_big: bool) -> tuple[int, int]:
    words = struct.unpack(f"{'>' if is_big else '<'}{len(content) // 4}I", content)
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _WORD_MAX
        second = (second + odd + first) & _WORD_MAX
    return first, second
