"""Telephones and cards that are no band of anybody's shop: an NDEF message, a bank card, one that says yes to all.

    VirtualType4          a telephone or tag that answers with an NDEF message (Type 4)
    VirtualObligingPhone  answers 9000 to everything, whatever it is asked
    VirtualBankCard       a payment card; remembers who asked it for its payment applications

A telephone without any application is in `uid_bands`.

Sources: NFC Forum Type 4 tag 1.2; EMV Contactless Book B 2.11, 3.3 (PPSE); ISO/IEC 7816-4:2020, 11.
"""

from hardware.entropy import Entropy
from hardware.virtual.band import Anticollision

PAYMENT_DIRECTORY = b"2PAY.SYS.DDF01"
"""Name of the directory a payment terminal selects first; nobody else should."""

PAYMENT_PREFIXES = (b"1PAY", b"2PAY", b"\xa0\x00\x00\x00\x03", b"\xa0\x00\x00\x00\x04")
"""What names of payment directories and applications begin with."""

NDEF_NAME = bytes.fromhex("D2760000850101")
"""DF name of the NDEF application."""

CAPABILITY_ID, NDEF_ID = b"\xe1\x03", b"\xe1\x04"

OK, NOT_FOUND, WRONG_INSTRUCTION = b"\x90\x00", b"\x6a\x82", b"\x6d\x00"
NOT_ALLOWED, WRONG_OFFSET, WRONG_LENGTH = b"\x69\x86", b"\x6b\x00", b"\x67\x00"
"""Status words."""

_PHONE_ATS = bytes.fromhex("057880B002")
_CARD_ATS = bytes.fromhex("0A78807002") + b"TEST1"
_RANDOM_FIRST = b"\x08"


def _seen(uid: bytes, ats: bytes) -> Anticollision:
    atqa = b"\x00\x04" if len(uid) == 4 else b"\x00\x44"
    return Anticollision(atqa, uid, 0x20, ats)


def _name_of(command: bytes) -> bytes | None:
    """The name a SELECT by name asks for; None for another command."""
    if len(command) < 5 or command[1] != 0xA4 or command[2] != 0x04:
        return None
    return command[5 : 5 + command[4]]


class VirtualObligingPhone:
    """A telephone whose answer to everything is 9000, with nothing before it or with what it was made with."""

    def __init__(self, *, entropy: Entropy, content: bytes = b"") -> None:
        """Make the telephone; `content` stands before every 9000."""
        self._entropy = entropy
        self._content = content

    def power_up(self) -> "_PoweredObligingPhone":
        """A chip freshly powered."""
        return _PoweredObligingPhone(_RANDOM_FIRST + self._entropy.draw(3), self._content)


class _PoweredObligingPhone:
    def __init__(self, uid: bytes, content: bytes) -> None:
        self._anticollision = _seen(uid, _PHONE_ATS)
        self._content = content

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def exchange(self, command: bytes) -> bytes | None:  # noqa: ARG002 (it does not listen)
        """Yes."""
        return self._content + OK


class VirtualType4:
    """A tag or telephone with an NDEF message behind ISO 14443-4.

    Attributes:
        message: The NDEF message as it stands; written where `is_writable`.
    """

    def __init__(
        self,
        *,
        uid: bytes,
        message: bytes = b"",
        capacity: int = 256,
        is_writable: bool = False,
    ) -> None:
        """Make it.

        Args:
            uid: 4, 7 or 10 bytes.
            message: An NDEF message.
            capacity: Bytes of its file, the two that count the message included.
            is_writable: Anybody may write it.

        Raises:
            ValueError: A message that does not fit.
        """
        if len(message) > capacity - 2 or capacity > 0x7FFF:
            raise ValueError("the message does not fit its file")
        self.uid = uid
        self.is_writable = is_writable
        self.file = bytearray(
            (len(message).to_bytes(2, "big") + message).ljust(capacity, b"\0")
        )

    @property
    def message(self) -> bytes:
        """The NDEF message as it stands."""
        size = int.from_bytes(self.file[:2], "big")
        return bytes(self.file[2 : 2 + size])

    def power_up(self) -> "_PoweredType4":
        """A chip freshly powered."""
        return _PoweredType4(self)


class _PoweredType4:
    def __init__(self, band: VirtualType4) -> None:
        self._band = band
        self._anticollision = _seen(band.uid, _PHONE_ATS)
        self._is_in_application = False
        self._selected = b""

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def reselected(self) -> None:
        """It was selected anew: nothing is selected on it."""
        self._is_in_application = False
        self._selected = b""

    def exchange(self, command: bytes) -> bytes | None:
        """SELECT, READ BINARY, UPDATE BINARY."""
        if len(command) < 4 or command[0] != 0x00:
            return b"\x6e\x00"
        match command[1]:
            case 0xA4:
                return self._select(command)
            case 0xB0 if len(command) == 5:
                return self._read(int.from_bytes(command[2:4], "big"), command[4] or 256)
            case 0xD6 if len(command) == 5 + command[4]:
                return self._update(int.from_bytes(command[2:4], "big"), command[5:])
            case _:
                return WRONG_INSTRUCTION

    def _select(self, command: bytes) -> bytes:
        name = _name_of(command)
        if name is not None:
            self._is_in_application = name == NDEF_NAME
            self._selected = b""
            return OK if self._is_in_application else NOT_FOUND
        target = command[5 : 5 + command[4]] if len(command) > 5 else b""
        if not self._is_in_application or target not in {CAPABILITY_ID, NDEF_ID}:
            return NOT_FOUND
        self._selected = target
        return OK

    @property
    def _content(self) -> bytes:
        if self._selected == NDEF_ID:
            return bytes(self._band.file)
        size = len(self._band.file).to_bytes(2, "big")
        write = b"\x00" if self._band.is_writable else b"\xff"
        return bytes.fromhex("000F2000FF00FF0406E104") + size + b"\x00" + write

    def _read(self, offset: int, size: int) -> bytes:
        if not self._selected:
            return NOT_ALLOWED
        if offset >= len(self._content):
            return WRONG_OFFSET
        return self._content[offset : offset + size] + OK

    def _update(self, offset: int, content: bytes) -> bytes:
        if self._selected != NDEF_ID or not self._band.is_writable:
            return NOT_ALLOWED
        if offset + len(content) > len(self._band.file):
            return WRONG_OFFSET
        self._band.file[offset : offset + len(content)] = content
        return OK


class VirtualBankCard:
    """A payment card with one application; what it is good for is none of our business.

    Attributes:
        asked: Every name it was selected by, in order, over all taps.
    """

    def __init__(self, *, uid: bytes) -> None:
        """Make the card. `uid` is 4 or 7 bytes; many cards show one from 08."""
        self.uid = uid
        self.asked: list[bytes] = []

    @property
    def payment_asked(self) -> tuple[bytes, ...]:
        """Names of payment directories and applications among them: empty, or somebody looked where he should not."""
        return tuple(name for name in self.asked if name.startswith(PAYMENT_PREFIXES))

    def power_up(self) -> "_PoweredBankCard":
        """A chip freshly powered."""
        return _PoweredBankCard(self)


class _PoweredBankCard:
    def __init__(self, card: VirtualBankCard) -> None:
        self._card = card
        self._anticollision = _seen(card.uid, _CARD_ATS)

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def exchange(self, command: bytes) -> bytes | None:
        """Its directory to who asks for it; no such thing, no such instruction to the rest."""
        name = _name_of(command)
        if name is None:
            return NOT_FOUND if command[1:2] == b"\xa4" else WRONG_INSTRUCTION
        self._card.asked.append(name)
        if name != PAYMENT_DIRECTORY:
            return NOT_FOUND
        entry = _tlv(0x61, _tlv(0x4F, bytes.fromhex("A0000000031010")))
        discretionary = _tlv(0xBF0C, entry)
        return _tlv(0x6F, _tlv(0x84, name) + _tlv(0xA5, discretionary)) + OK


def _tlv(tag: int, content: bytes) -> bytes:
    size = (tag.bit_length() + 7) // 8
    return tag.to_bytes(size, "big") + bytes([len(content)]) + content
