"""Bands with nothing but a UID worth reading: an NTAG213-like one, a Classic-like card, a telephone.

What they say can be copied by anybody; they exist so that a tap of one is told from a tap of a band that proves itself.
"""

from hardware.virtual.band import Anticollision

NAK = b"\x00"
"""4-bit NAK for an argument that does not fit. Source: NXP NTAG213 data sheet, ACK and NAK."""

ACK = b"\x0a"
"""4-bit ACK."""

PAGE_SIZE = 4
"""Bytes of a Type 2 page."""

NTAG213_PAGE_COUNT = 45
"""Pages of an NTAG213. Source: NXP NTAG213 data sheet, memory organisation."""

NTAG213_VERSION = bytes.fromhex("0004040201000F03")
"""GetVersion of an NTAG213. Source: NXP NTAG213 data sheet, GET_VERSION."""


class VirtualNtag213:
    """A Type 2 band with 45 pages, GET_VERSION and READ; user pages can be written."""

    def __init__(self, *, uid: bytes, user_pages: bytes = b"") -> None:
        """Make the band.

        Args:
            uid: 7 bytes.
            user_pages: What stands from page 4 on, at most 144 bytes.

        Raises:
            ValueError: A size that does not fit.
        """
        if len(uid) != 7 or len(user_pages) > 144:
            raise ValueError("a UID of 7 bytes and at most 144 bytes of user pages")
        self.uid = uid
        self.memory = bytearray(PAGE_SIZE * NTAG213_PAGE_COUNT)
        check_0 = 0x88 ^ uid[0] ^ uid[1] ^ uid[2]
        check_1 = uid[3] ^ uid[4] ^ uid[5] ^ uid[6]
        head = uid[:3] + bytes([check_0]) + uid[3:] + bytes([check_1]) + bytes.fromhex("480000")
        self.memory[:12] = head
        self.memory[12:16] = bytes.fromhex("E1101200")
        content = user_pages or bytes.fromhex("0300FE00")
        self.memory[16 : 16 + len(content)] = content

    def power_up(self) -> "_PoweredNtag213":
        """A chip freshly powered."""
        return _PoweredNtag213(self)


class _PoweredNtag213:
    def __init__(self, band: VirtualNtag213) -> None:
        self._band = band
        self._anticollision = Anticollision(b"\x00\x44", band.uid, 0x00)

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def exchange(self, command: bytes) -> bytes | None:
        """READ, FAST_READ, WRITE, GET_VERSION; silent to what it does not know, as the real one is."""
        match command[0], len(command):
            case 0x60, 1:
                return NTAG213_VERSION
            case 0x30, 2:
                return self._read(command[1])
            case 0x3A, 3:
                return self._fast_read(command[1], command[2])
            case 0xA2, 6:
                return self._write(command[1], command[2:])
            case _:
                return None

    def _read(self, page: int) -> bytes:
        """Four pages; behind the last one comes the first."""
        if page >= NTAG213_PAGE_COUNT:
            return NAK
        start = page * PAGE_SIZE
        return bytes((self._band.memory * 2)[start : start + 4 * PAGE_SIZE])

    def _fast_read(self, first: int, last: int) -> bytes:
        if not first <= last < NTAG213_PAGE_COUNT:
            return NAK
        return bytes(self._band.memory[first * PAGE_SIZE : (last + 1) * PAGE_SIZE])

    def _write(self, page: int, content: bytes) -> bytes:
        if not 4 <= page < 40:
            return NAK
        self._band.memory[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = content
        return ACK


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
