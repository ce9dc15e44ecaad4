"""What every virtual band can do, and every chip while a reader's field powers it.

A band is what lasts: its UID, keys, files. A powered chip is what is forgotten when the field goes: its session, its
random UID. Every reader powers a chip of its own, as two antennas would.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Anticollision:
    """What a chip tells everybody while it is being selected.

    Attributes:
        atqa: 2 bytes, high byte first; empty for FeliCa, which is found by polling.
        uid: 4, 7 or 10 bytes; 4 bytes starting 08 when random. The IDm of a FeliCa, 8 bytes.
        sak: The last SAK; bit 0x20 says ISO 14443-4.
        ats: Answer to select with its length byte; empty without ISO 14443-4.

    Source: ISO/IEC 14443-3:2018, 6.5; 14443-4:2018, 5.2.
    """

    atqa: bytes
    uid: bytes
    sak: int
    ats: bytes = b""

    def __repr__(self) -> str:
        return f"Anticollision(uid=<{len(self.uid)} bytes>, sak={self.sak:02X})"


class Garbled(Exception):
    """An answer that reaches the reader with a checksum that does not fit."""


class PoweredChip(Protocol):
    """One chip in one reader's field, until that field goes."""

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected; the same until the field goes."""
        ...

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one command.

        Args:
            command: The payload of ISO 14443-4 blocks for a chip with an ATS, else one frame without CRC; to a FeliCa
                one frame with its length byte.

        Returns:
            The answer; one byte from a chip without ATS is a 4-bit ACK or NAK. None when the chip stays silent.

        Raises:
            Garbled: it answered, and the answer was damaged on its way.
        """
        ...


@runtime_checkable
class Reselectable(Protocol):
    """A powered chip that forgets something when it is selected anew without losing power."""

    def reselected(self) -> None:
        """It was selected: whatever an authentication opened is closed."""
        ...


@runtime_checkable
class Misturning(Protocol):
    """A powered chip whose proof in an authentication can be made wrong.

    Attributes:
        nonce_turn: By how many bytes it turns the reader's nonce left; 1 is right.
    """

    nonce_turn: int


@runtime_checkable
class Miscounting(Protocol):
    """A powered chip whose count of a session's commands can be made wrong."""

    def reset_counter(self) -> None:
        """Count the commands of the session, where there is one, from 0 again."""
        ...


class VirtualBand(Protocol):
    """A band, whether or not a reader powers it."""

    def power_up(self) -> PoweredChip:
        """A chip freshly powered; draws a new random UID where the band has one."""
        ...


def turned(nonce: bytes, count: int) -> bytes:
    """A nonce turned left by `count` bytes."""
    count %= len(nonce)
    return nonce[count:] + nonce[:count]
