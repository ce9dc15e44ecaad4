"""The few facts of a thread that a band can carry, and the bytes each takes there; pure.

    part      head, content       head: kind in its upper four bits, bytes of content in the lower
    0 case         channel (1), day of the promise (2, 0 for none), number as people write it
    1 more cases   how many (1)
    2 unanswered   channel (1), day (2)
    3 pick-ups     how many (1)
    4 tickets      how many (1)

Facts and not a sentence: they take a fourth of its bytes, so that the smallest chip has room for some, and a shop in another
country says them in its own words. A kind that is not known says its own size and is passed over. A day is counted from
1 January 1970, UTC.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

DAY_US: Final = 86_400 * 1_000_000
DAY_MAX: Final = 0xFFFF
"""The last day that is written, in 2149."""

COUNT_MAX: Final = 0xFF
NUMBER_SIZE_MAX: Final = 12
SIZE_MAX: Final = 0x0F
"""Bytes of content of one part: its size has four bits."""

_NUMBER: Final = re.compile(r"[A-Z0-9][A-Z0-9-]{0,11}")
"""What is surely a number and nothing personal."""

_CHANNELS: Final = (
    "", "web", "app", "phone", "whatsapp", "instagram", "tiktok", "x", "chat", "email", "store",
)  # fmt: skip
"""By the number that is written. Bands carry these for years: only ever added to, at the end. The first is any other."""


class PartKind(Enum):
    """What a part says. The values are written on bands."""

    CASE = 0
    MORE_CASES = 1
    UNANSWERED = 2
    PICKUPS = 3
    TICKETS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One fact. Its `repr` shows only the kind.

    Attributes:
        channel: Where a case or message came from, one of `records.CHANNELS`; "" for any other.
        number: Of a case, "" where it is none that may be carried.
        day: Days since 1970, UTC: for when an answer is promised, or since when a message waits; 0 for none.
        count: Of cases, pick-ups or tickets.
    """

    kind: PartKind
    channel: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    day: int = field(default=0, repr=False)
    count: int = field(default=0, repr=False)


def day_of(at: int) -> int:
    """The day of a time in microseconds since 1970; a time that cannot be written is the nearest day that can."""
    return min(max(at // DAY_US, 1), DAY_MAX)


def number_of(text: str) -> str:
    """A number of a case as a band may carry it; "" for anything else."""
    return text if _NUMBER.fullmatch(text) else ""


def packed(parts: Iterable[Part]) -> bytes:
    """The bytes of all, one after the other. Raises ValueError for a day or number that cannot be written."""
    done = b""
    for part in parts:
        content = _content_of(part)
        done += bytes((part.kind.value << 4 | len(content),)) + content
    return done


def parts_of(raw: bytes) -> tuple[Part, ...]:
    """What these bytes say; what is not known, or is no part, is passed over. Never raises."""
    found: list[Part] = []
    at = 0
    while at < len(raw):
        kind, size = divmod(raw[at], SIZE_MAX + 1)
        part = _part_of(kind, raw[at + 1 : at + 1 + size]) if at + size < len(raw) else None
        if part is not None:
            found.append(part)
        at += 1 + size
    return tuple(found)


def _content_of(part: Part) -> bytes:
    match part.kind:
        case PartKind.CASE:
            if part.number != number_of(part.number):
                raise ValueError("that is no number of a case")
            return _when(part) + part.number.encode()
        case PartKind.UNANSWERED:
            return _when(part)
        case PartKind.MORE_CASES | PartKind.PICKUPS | PartKind.TICKETS:
            return bytes((min(max(part.count, 0), COUNT_MAX),))


def _when(part: Part) -> bytes:
    known = part.channel in _CHANNELS
    if not 0 <= part.day <= DAY_MAX:
        raise ValueError("that is no day a band can carry")
    return bytes((_CHANNELS.index(part.channel) if known else 0,)) + part.day.to_bytes(2, "big")


def _part_of(number: int, content: bytes) -> Part | None:
    try:
        kind = PartKind(number)
    except ValueError:
        return None
    match kind:
        case PartKind.CASE | PartKind.UNANSWERED:
            if len(content) < 3:
                return None
            channel = _CHANNELS[content[0]] if content[0] < len(_CHANNELS) else ""
            named = number_of(content[3:].decode("ascii", "replace"))
            return Part(kind, channel, named, int.from_bytes(content[1:3], "big"))
        case PartKind.MORE_CASES | PartKind.PICKUPS | PartKind.TICKETS:
            return Part(kind, count=content[0]) if content else None
