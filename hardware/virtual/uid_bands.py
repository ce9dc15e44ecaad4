"""Bands with nothing but a UID worth reading: an NTAG213 as it is sold, a Classic-like card, a telephone.

What they say can be copied by anybody; they exist so that a tap of one is told from a tap of a band that proves itself.
"""

from hardware.virtual.band import Anticollision
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
