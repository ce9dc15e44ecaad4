"""`smartcard.scard` without a daemon: one reader of a given model, virtual bands in its field, and other programs.

It is written from PC/SC's side: pseudo-APDUs are answered as the model's manual says, everything else goes to the chip.
"""

from collections.abc import Callable
from typing import Any

from hardware.virtual.band import PoweredChip, Reselectable
from hardware.virtual.field import Field

STORAGE_ATR = bytes.fromhex("3B8F8001804F0CA0000003060300030000000068")
ISO_DEP_ATR = bytes.fromhex("3B8180018080")
SHARING_VIOLATION = 0x8010000B
NOT_TRANSACTED = 0x80100016
UNSUPPORTED = 0x8010001F
NAKS = (b"\x00", b"\x01", b"\x04", b"\x05")


class FakeScard:
    """The calls `drivers.readers.pcsc` makes. Names are those of the library.

    Attributes:
        controls: What was sent by control code, in order.
        n_busy: How many connections another program refuses from now on.
        control_error: Every control code is answered with this instead of success.
        share_error: Every connection is.
        is_dropping: Asking for the UID activates a band again that refused a frame, as on an ACR122U; else only a reset does.
        is_warm: A reset selects the band anew with the field on; else it loses its power.
    """

    SCARD_SHARE_EXCLUSIVE = 1
    SCARD_SHARE_DIRECT = 3
    SCARD_PROTOCOL_T0 = 1
    SCARD_PROTOCOL_T1 = 2
    SCARD_PCI_T0 = "T0"
    SCARD_PCI_T1 = "T1"
    SCARD_LEAVE_CARD = 0
    SCARD_RESET_CARD = 1

    def __init__(self, field: Field, *, raw: str = "none", is_dropping: bool = False) -> None:
        self._field = field
        self._raw = raw
        self.is_dropping = is_dropping
        self.is_warm = False
        self._is_dropped = False
        self._chip: PoweredChip | None = None
        self._powered_at = -1
        self._registers_set = False
        self.controls: list[bytes] = []
        self.apdus: list[bytes] = []
        self.n_busy = 0
        self.n_connected = 0
        self.control_error = 0
        self.share_error = 0
        self.control_answer = bytes.fromhex("9000")

    def SCardGetStatusChange(  # noqa: N802
        self, context: Any, timeout: int, readers: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        chip = self._powered()
        state = 0x20 if chip is not None else 0x10
        atr = b"" if chip is None else self._atr(chip)
        count = self._field.generation << 16
        return 0, [(readers[0][0], state | count, list(atr)), (readers[1][0], 0, [])]

    def SCardConnect(  # noqa: N802
        self, context: Any, name: str, share: int, protocol: int
    ) -> tuple[int, Any, int]:
        self.n_connected += 1
        if self.n_busy:
            self.n_busy -= 1
            return SHARING_VIOLATION - (1 << 32), None, 0
        if self.share_error:
            return self.share_error - (1 << 32), None, 0
        return 0, object(), self.SCARD_PROTOCOL_T1

    def SCardReconnect(  # noqa: N802
        self, handle: Any, share: int, protocol: int, disposition: int
    ) -> tuple[int, int]:
        chip: object = self._chip
        if self.is_warm and self._field.generation == self._powered_at:
            self._is_dropped = self._registers_set = False
            if isinstance(chip, Reselectable):
                chip.reselected()
            return 0, self.SCARD_PROTOCOL_T1
        self._powered_at = -1
        if self._powered() is None:
            return 0x80100069 - (1 << 32), 0
        return 0, self.SCARD_PROTOCOL_T1

    def SCardDisconnect(self, handle: Any, disposition: int) -> int:  # noqa: N802
        return 0

    def SCardReleaseContext(self, context: Any) -> int:  # noqa: N802
        return 0

    def SCardControl(  # noqa: N802
        self, handle: Any, code: int, command: list[int]
    ) -> tuple[int, list[int]]:
        self.controls.append(bytes(command))
        if self.control_error:
            return self.control_error - (1 << 32), []
        return 0, list(self.control_answer)

    def SCardTransmit(  # noqa: N802
        self, handle: Any, pci: Any, command: list[int]
    ) -> tuple[int, list[int]]:
        apdu = bytes(command)
        self.apdus.append(apdu)
        chip = self._powered()
        if chip is None:
            return 0, []
        return 0, list(self._answer(chip, apdu))

    def _powered(self) -> PoweredChip | None:
        generation, bands = self._field.look()
        if generation != self._powered_at:
            self._powered_at = generation
            self._chip = bands[0].power_up() if bands else None
            self._is_dropped = self._registers_set = False
        return self._chip

    @staticmethod
    def _atr(chip: PoweredChip) -> bytes:
        return ISO_DEP_ATR if chip.anticollision.ats else STORAGE_ATR

    def _answer(self, chip: PoweredChip, apdu: bytes) -> bytes:
        if apdu[:2] == b"\xff\xca":
            if self._is_dropped and self.is_dropping:
                self._powered_at = -1
                chip = self._powered() or chip
            return chip.anticollision.uid + b"\x90\x00"
        if apdu[:3] == bytes.fromhex("FF0040"):
            return b"\x90" + bytes((apdu[3] & 3,))
        if apdu[0] != 0xFF:
            return chip.exchange(apdu) or b"\x6f\x00"
        wrapped: dict[str, Callable[[PoweredChip, bytes], bytes | None]] = {
            "none": self._words,
            "direct": self._direct,
            "pn53x": self._pn53x,
            "transparent": self._transparent,
        }
        return wrapped[self._raw](chip, apdu) or b"\x63\x00"

    def _frame(self, chip: PoweredChip, frame: bytes) -> bytes | None:
        if self._is_dropped:
            return None
        answer = chip.exchange(frame)
        self._is_dropped = answer is None or answer in NAKS
        return answer

    def _words(self, chip: PoweredChip, apdu: bytes) -> bytes | None:
        if apdu[1] == 0xB0:
            data = self._frame(chip, bytes((0x30, apdu[3])))
            return None if data is None or len(data) != 16 else data + b"\x90\x00"
        if apdu[1] == 0xD6:
            ack = self._frame(chip, bytes((0xA2, apdu[3])) + apdu[5:])
            return b"\x90\x00" if ack == b"\x0a" else None
        return b"\x6d\x00"

    def _direct(self, chip: PoweredChip, apdu: bytes) -> bytes | None:
        answer = self._frame(chip, apdu[5:])
        return None if answer is None else answer + b"\x90\x00"

    def _pn53x(self, chip: PoweredChip, apdu: bytes) -> bytes | None:
        command = apdu[5:]
        if command == bytes.fromhex("D408630280630300"):
            self._registers_set = True
            return bytes.fromhex("D5099000")
        if command[:2] != b"\xd4\x42":
            return None
        answer = self._frame(chip, command[2:])
        if answer is None:
            return bytes.fromhex("D543019000")
        is_four_bits = len(answer) == 1
        if is_four_bits and not self._registers_set:
            return bytes.fromhex("D543029000")
        crc = b"" if is_four_bits or not self._registers_set else _crc_a(answer)
        return b"\xd5\x43\x00" + answer + crc + b"\x90\x00"

    def _transparent(self, chip: PoweredChip, apdu: bytes) -> bytes | None:
        answer = self._frame(chip, apdu[7:-1])
        if answer is None:
            return bytes.fromhex("C0030064019000")
        return b"\xc0\x03\x00\x90\x00\x97" + bytes((len(answer),)) + answer + b"\x90\x00"


def _crc_a(frame: bytes) -> bytes:
    """Bit by bit, unlike the one under test. Source: ISO/IEC 14443-3:2018, annex B."""
    register = 0x6363
    for byte in frame:
        for bit in range(8):
            is_odd = (byte >> bit ^ register) & 1
            register >>= 1
            if is_odd:
                register ^= 0x8408
    return bytes((register & 0xFF, register >> 8))
