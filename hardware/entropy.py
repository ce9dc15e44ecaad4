"""Chance, as a part that can be replaced: random bytes, and ids made of them.

Everything random comes through here, so that the same seed gives the same run.
"""

import hashlib
import os
from typing import Protocol

from hardware.clock import Clock
from hardware.moments import micros_of


class Entropy(Protocol):
    """A source of random bytes."""

    def draw(self, size: int) -> bytes:
        """`size` random bytes."""
        ...


class SystemEntropy:
    """The operating system's random bytes, fit for keys."""

    def draw(self, size: int) -> bytes:
        """`size` random bytes."""
        return os.urandom(size)


class SeededEntropy:
    """Bytes that follow from a seed: the same seed, the same bytes. Never for keys outside tests and the demo."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._n_drawn = 0

    def draw(self, size: int) -> bytes:
        """The next `size` bytes of this seed."""
        self._n_drawn += 1
        label = self._seed + b"/" + str(self._n_drawn).encode()
        return hashlib.shake_256(label).digest(size)


def new_id(*, clock: Clock, entropy: Entropy) -> str:
    """A UUIDv7: sorted by time, random enough to be remembered for ever.

    Source: RFC 9562, 5.7: 48 bits of milliseconds, version 7, variant 10, 74 random bits.
    """
    millis = micros_of(clock.now()) // 1_000
    raw = bytearray(millis.to_bytes(6, "big") + entropy.draw(10))
    raw[6] = 0x70 | (raw[6] & 0x0F)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
