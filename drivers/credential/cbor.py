"""CBOR as far as a capsule needs it: one way to write each value, and a decoder that takes no other.

    unsigned and negative integers   64 bits
    byte strings, text strings       of known length; text is UTF-8
    arrays, maps                     of known length; the keys of a map in the order of their own bytes, each once
    tag 18                           and no other

Whatever is longer than need be, of unknown length, out of order, there twice, a float, a simple value, another tag, nested
deeper than four or followed by anything is refused. So for every value there is exactly one encoding, and what decodes
encodes to the same bytes again.

Source: RFC 8949, 3 and 4.2.1 (core deterministic encoding).
"""

from dataclasses import dataclass
from typing import Final, Union

from drivers.errors import BandMalformed

SIZE_MAX: Final = 256
"""Bytes of the largest file a capsule is kept in."""

DEPTH_MAX: Final = 4
"""A capsule needs three: the tag, the array in it, and a map."""

SIGN1_TAG: Final = 18
"""COSE_Sign1. Source: RFC 9052, 2, table 1."""

ONE, TWO, FOUR, EIGHT = 24, 25, 26, 27
"""Additional information: the argument follows in so many bytes. Source: RFC 8949, 3."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(7)
_LEAST: Final = {ONE: ONE, TWO: 1 << 8, FOUR: 1 << 16, EIGHT: 1 << 32}
"""The least argument that needs that form."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value with tag 18."""

    value: "Value"


Value = Union[int, bytes, str, tuple["Value", ...], dict[int, "Value"], Tagged]  # noqa: UP007  # names itself
"""What is encoded and decoded; the keys of a map are integers."""


def encoded(value: Value) -> bytes:  # noqa: PLR0911  # one case a type
    """The one encoding of a value. Raises ValueError for an integer of more than 64 bits."""
    match value:
        case int() if value >= 0:
            return _head(_UNSIGNED, value)
        case int():
            return _head(_NEGATIVE, -1 - value)
        case bytes():
            return _head(_BYTES, len(value)) + value
        case str():
            text = value.encode()
            return _head(_TEXT, len(text)) + text
        case tuple():
            return _head(_ARRAY, len(value)) + b"".join(encoded(item) for item in value)
        case dict():
            pairs = sorted((encoded(key), encoded(item)) for key, item in value.items())
            return _head(_MAP, len(pairs)) + b"".join(key + item for key, item in pairs)
        case Tagged():
            return _head(_TAG, SIGN1_TAG) + encoded(value.value)


def decoded(content: bytes) -> Value:
    """The value these bytes are the one encoding of, all of them.

    Raises:
        BandMalformed: they are not, or are more than SIZE_MAX.
    """
    value, end = decoded_first(content)
    if end != len(content):
        raise BandMalformed("something follows the value")
    return value


def decoded_first(content: bytes) -> tuple[Value, int]:
    """The value that stands first, and where it ends. Raises BandMalformed."""
    if len(content) > SIZE_MAX:
        raise BandMalformed("it is too long for a capsule")
    reading = _Reading(content)
    return reading.value(DEPTH_MAX), reading.at


def _head(major: int, argument: int) -> bytes:
    """Major type and argument in the fewest bytes."""
    if argument < ONE:
        return bytes((major << 5 | argument,))
    for info, size in ((ONE, 1), (TWO, 2), (FOUR, 4), (EIGHT, 8)):
        if argument < 1 << 8 * size:
            return bytes((major << 5 | info,)) + argument.to_bytes(size, "big")
    raise ValueError("CBOR integers have 64 bits")


class _Reading:
    """Bytes, and how far they are read."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.at = 0

    def value(self, depth: int) -> Value:  # noqa: PLR0911  # one case a type
        """The next value, nested at most `depth` deep."""
        if not depth:
            raise BandMalformed("it is nested too deeply")
        major, argument = self._next_head()
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self._take(argument)
            case 3:
                return self._text(argument)
            case 4:
                self._need(argument)
                return tuple(self.value(depth - 1) for _ in range(argument))
            case 5:
                self._need(2 * argument)
                return self._map(argument, depth - 1)
            case 6 if argument == SIGN1_TAG:
                return Tagged(self.value(depth - 1))
            case 6:
                raise BandMalformed("it has a tag that no capsule has")
            case _:
                raise BandMalformed("it has a value of a kind that no capsule has")

    def _next_head(self) -> tuple[int, int]:
        (first,) = self._take(1)
        major, info = first >> 5, first & 0x1F
        if info < ONE:
            return major, info
        if info > EIGHT:
            raise BandMalformed("a length is not given")
        argument = int.from_bytes(self._take(1 << (info - ONE)), "big")
        if argument < _LEAST[info]:
            raise BandMalformed("a number is written longer than it need be")
        return major, argument

    def _map(self, count: int, depth: int) -> dict[int, Value]:
        found: dict[int, Value] = {}
        last = b""
        for _ in range(count):
            began = self.at
            key = self.value(depth)
            raw = self._content[began : self.at]
            if not isinstance(key, int):
                raise BandMalformed("the key of a map is not a number")
            if raw <= last:
                raise BandMalformed("the keys of a map are not in order")
            last = raw
            found[key] = self.value(depth)
        return found

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode()
        except UnicodeDecodeError as error:
            raise BandMalformed("a text is not UTF-8") from error

    def _need(self, size: int) -> None:
        """Refuse a count that what is left cannot hold, before anything is made of it."""
        if size > len(self._content) - self.at:
            raise BandMalformed("it ends too early")

    def _take(self, size: int) -> bytes:
        self._need(size)
        taken = self._content[self.at : self.at + size]
        self.at += size
        return taken
