"""Bands with nothing but a UID worth reading: an NTAG213 as it is sold, a Classic-like card, a telephone, odd ones.

What they say can be copied by anybody; they exist so that a tap of one is told from a tap of a band that proves itself.
"""

from enum import Enum

from hardware.entropy import Entropy
from hardware.virtual.band import Anticollision, PoweredChip, Reselectable, VirtualBand
from hardware.virtual.ntag21x import EMPTY_MESSAGE, VirtualNtag21x


class VirtualNtag213(VirtualNtag21x):
    """An NTAG213 with nothing set but its content."""

    def __init__(self, *, uid: bytes, user_pages: bytes = b"") -> None:
        """Make the band.

        Args:
            uid: 7 bytes.
            user_pages: What stands from page 4 on, at most 144 bytes; an empty message when there is nothing.

        Raises:
            ValueError: A size that does not fit.
        """
        super().__init__(uid=uid, user_pages=user_pages or EMPTY_MESSAGE)


class VirtualClassic:
    """A Classic-like card of 1 KiB: it can be selected, and answers nothing without its own cipher."""

    def __init__(self, *, uid: bytes) -> None:
        """Make the card. Raises ValueError when `uid` is not 4 or 7 bytes."""
        if len(uid) not in {4, 7}:
            raise ValueError("a UID of 4 or 7 bytes")
        self.uid = uid

    def power_up(self) -> "_PoweredClassic":
        """A chip freshly powered."""
        return _PoweredClassic(self.uid)


class _PoweredClassic:
    def __init__(self, uid: bytes) -> None:
        atqa = b"\x00\x04" if len(uid) == 4 else b"\x00\x44"
        self._anticollision = Anticollision(atqa, uid, 0x08)

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def exchange(self, command: bytes) -> bytes | None:
        """A 4-bit NAK to a read without authentication, silence to the rest."""
        return b"\x04" if command[:1] == b"\x30" else None


class VirtualPhone:
    """A telephone with card emulation: ISO 14443-4 with a UID from 08, and no application of ours."""

    def __init__(self, *, uid: bytes) -> None:
        """Make the telephone. Raises ValueError when `uid` is not 4 bytes from 08."""
        if len(uid) != 4 or uid[0] != 0x08:
            raise ValueError("a telephone shows 4 bytes from 08")
        self.uid = uid

    def power_up(self) -> "_PoweredPhone":
        """A chip freshly powered."""
        return _PoweredPhone(self.uid)


class _PoweredPhone:
    def __init__(self, uid: bytes) -> None:
        ats = bytes.fromhex("057880B002")
        self._anticollision = Anticollision(b"\x00\x04", uid, 0x20, ats)

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def exchange(self, command: bytes) -> bytes | None:
        """ISO 7816-4: no such application, no such instruction."""
        return b"\x6a\x82" if command[1:2] == b"\xa4" else b"\x6d\x00"


class UidKind(Enum):
    """What a band shows for a UID. The values are names people type."""

    FOUR = "uid-4"  # four bytes, as old cards have
    SEVEN = "uid-7"
    TEN = "uid-10"
    ZERO = "uid-zero"  # seven zeros: a copy made by somebody in a hurry
    RANDOM = "uid-random"  # four bytes from 08, others each time the field comes
    CHANGING = "uid-changing"  # seven bytes, others each time it is selected


_FIXED_UIDS = {
    UidKind.FOUR: bytes.fromhex("3B1CA55E"),
    UidKind.SEVEN: bytes.fromhex("043B1CA55E4080"),
    UidKind.TEN: bytes.fromhex("043B1CA55E4080112233"),
    UidKind.ZERO: bytes(7),
}

_ATQA = {4: b"\x00\x04", 7: b"\x00\x44", 10: b"\x00\x84"}
"""SENS_RES by the size of the UID. Source: ISO/IEC 14443-3:2018, 6.5.2."""


class UidBand:
    """Another band with a UID of its own choice: whatever lies behind it, any chip or none."""

    def __init__(
        self, kind: UidKind, *, entropy: Entropy, behind: VirtualBand | None = None
    ) -> None:
        """Make the band.

        Args:
            kind: What it shows.
            entropy: Where UIDs that change come from.
            behind: The band that answers; one that answers nothing when there is none.
        """
        self._kind = kind
        self._entropy = entropy
        self._behind = behind

    def power_up(self) -> "_PoweredUidChip":
        """A chip freshly powered."""
        chip = None if self._behind is None else self._behind.power_up()
        return _PoweredUidChip(self._kind, self._entropy, chip)


class _PoweredUidChip:
    def __init__(self, kind: UidKind, entropy: Entropy, chip: PoweredChip | None) -> None:
        self._kind = kind
        self._entropy = entropy
        self._chip = chip
        self._anticollision = self._drawn()

    def _drawn(self) -> Anticollision:
        uid = _FIXED_UIDS.get(self._kind) or b"\x08" + self._entropy.draw(3)
        if self._kind is UidKind.CHANGING:
            uid = b"\x04" + self._entropy.draw(6)
        behind = None if self._chip is None else self._chip.anticollision
        sak, ats = (0x00, b"") if behind is None else (behind.sak, behind.ats)
        return Anticollision(_ATQA[len(uid)], uid, sak, ats)

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def reselected(self) -> None:
        """It was selected anew."""
        if self._kind is UidKind.CHANGING:
            self._anticollision = self._drawn()
        chip = self._chip
        if chip is not None and isinstance(chip, Reselectable):
            chip.reselected()

    def exchange(self, command: bytes) -> bytes | None:
        """What the chip behind it answers; silence when there is none."""
        return None if self._chip is None else self._chip.exchange(command)
