"""A chip under ISO 14443-3 and -4, as a reader's antenna meets it, and the reader's half of ISO 14443-4.

Frames carry no CRC here; the reader model adds and strips it.

    IDLE --request--> (READY) --select--> ACTIVE --RATS--> PROTOCOL --S(DESELECT)--> HALT
      ^------- a frame it does not understand, a request -----'         HALT: only a wake-up or a new field helps

Sources: ISO/IEC 14443-3:2018, 6.3 (states); 14443-4:2018, 5 (RATS, PPS), 7 (blocks and their rules).
"""

from enum import Enum
from typing import Protocol, runtime_checkable

from hardware.virtual.band import Anticollision, PoweredChip, Reselectable

FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256)
"""Bytes of a frame by FSCI or FSDI; larger codes mean the last. Source: ISO/IEC 14443-4:2018, table 1."""

OVERHEAD = 3
"""PCB and CRC; a frame's other bytes are content."""

ACKNOWLEDGED = b"\x0a"
"""The 4-bit answer of a chip without ISO 14443-4 that did as it was told; another one means no."""

CHAIN_SIZE_MAX = 8_192
"""A chain longer than this is no command of any chip here."""


def frame_size_of(code: int) -> int:
    """Bytes of a frame for FSCI or FSDI `code`."""
    return FRAME_SIZES[min(code, len(FRAME_SIZES) - 1)]


def crc_a(content: bytes) -> bytes:
    """CRC_A, low byte first. Source: ISO/IEC 14443-3:2018, annex B."""
    crc = 0x6363
    for byte in content:
        mixed = (byte ^ crc) & 0xFF
        mixed = (mixed ^ (mixed << 4)) & 0xFF
        crc = (crc >> 8) ^ (mixed << 8) ^ (mixed << 3) ^ (mixed >> 4)
    return crc.to_bytes(2, "little")


@runtime_checkable
class Slow(Protocol):
    """A powered chip that asks for more time before it answers.

    Attributes:
        n_waits: S(WTX) requests before each answer.
    """

    n_waits: int


class State(Enum):
    """Where a chip stands. Source: ISO/IEC 14443-3:2018, figure 6."""

    IDLE = "idle"
    ACTIVE = "active"
    PROTOCOL = "protocol"
    HALT = "halt"


class Picc:
    """One powered chip and its protocol states."""

    def __init__(self, chip: PoweredChip) -> None:
        self._chip = chip
        self._slow = chip if isinstance(chip, Slow) else None
        self._state = State.IDLE
        self._reader_frame_size = FRAME_SIZES[0]
        self._number = 1
        self._chain = b""
        self._unsent = b""
        self._last = b""
        self._cid = b""
        self._waits_left = 0

    @property
    def anticollision(self) -> Anticollision:
        """What the chip tells while being selected."""
        return self._chip.anticollision

    @property
    def state(self) -> State:
        """Where the chip stands."""
        return self._state

    def request(self, *, is_wake_up: bool = False) -> bool:
        """REQA or WUPA: whether the chip answers and may be selected now."""
        if self._state is State.IDLE or (self._state is State.HALT and is_wake_up):
            return True
        if self._state is State.ACTIVE:
            self._state = State.IDLE
        return False

    def select(self) -> None:
        """The chip was selected with its whole UID; it begins anew, with the power it has."""
        self._state = State.ACTIVE
        if isinstance(self._chip, Reselectable):
            self._chip.reselected()

    def receive(self, frame: bytes) -> bytes | None:
        """Answer one frame; None when the chip stays silent."""
        if not frame or self._state in {State.IDLE, State.HALT}:
            return None
        if self._state is State.PROTOCOL:
            return self._receive_block(frame)
        if frame == b"\x50\x00":
            self._state = State.HALT
            return None
        if not self.anticollision.ats:
            return self._receive_plain(frame)
        if frame[0] == 0xE0 and len(frame) == 2:
            return self._answer_to_select(frame[1])
        self._state = State.IDLE
        return None

    def _receive_plain(self, frame: bytes) -> bytes | None:
        answer = self._chip.exchange(frame)
        is_refused = answer is not None and len(answer) == 1 and answer != ACKNOWLEDGED
        if answer is None or is_refused:
            self._state = State.IDLE
        return answer

    def _answer_to_select(self, parameters: int) -> bytes:
        self._state = State.PROTOCOL
        self._reader_frame_size = frame_size_of(parameters >> 4)
        self._number = 1
        self._chain = self._unsent = self._last = b""
        self._waits_left = 0
        return self.anticollision.ats

    def _receive_block(self, frame: bytes) -> bytes | None:
        control, content = frame[0], frame[1:]
        if control & 0xF0 == 0xD0 and len(frame) in {2, 3}:
            return frame[:1]  # PPS: any rate is agreed to
        self._cid = b""
        if control & 0x08:
            self._cid, content = content[:1], content[1:]
        if control & 0xE6 == 0x02:
            return self._receive_information(control, content)
        if control & 0xE6 == 0xA2 and not content:
            return self._receive_acknowledge(control)
        if control & 0xF7 == 0xC2:
            self._state = State.HALT
            return frame
        if control & 0xF7 == 0xF2 and self._waits_left:
            self._waits_left -= 1
            return self._wait() if self._waits_left else self._next_piece()
        return None

    def _receive_information(self, control: int, content: bytes) -> bytes | None:
        self._number ^= 1
        self._chain += content
        if len(self._chain) > CHAIN_SIZE_MAX:
            self._chain = b""
            return None
        if control & 0x10:
            return self._remember(self._block(0xA2))
        command, self._chain = self._chain, b""
        answer = self._chip.exchange(command)
        if answer is None:
            return None
        self._unsent = answer
        self._waits_left = self._slow.n_waits if self._slow is not None else 0
        return self._wait() if self._waits_left else self._next_piece()

    def _wait(self) -> bytes:
        """S(WTX): give me the usual time once more. Source: ISO/IEC 14443-4:2018, 7.3."""
        has_cid = 0x08 if self._cid else 0x00
        return self._remember(bytes([0xF2 | has_cid]) + self._cid + b"\x01")

    def _receive_acknowledge(self, control: int) -> bytes | None:
        is_nak = bool(control & 0x10)
        if control & 0x01 == self._number or (is_nak and self._waits_left):
            return self._last or None
        if is_nak:
            return self._block(0xA2)
        if self._unsent:
            self._number ^= 1
            return self._next_piece()
        return None

    def _next_piece(self) -> bytes:
        size = self._reader_frame_size - OVERHEAD - len(self._cid)
        piece, self._unsent = self._unsent[:size], self._unsent[size:]
        control = 0x12 if self._unsent else 0x02
        return self._remember(self._block(control, piece))

    def _block(self, control: int, content: bytes = b"") -> bytes:
        has_cid = 0x08 if self._cid else 0x00
        return bytes([control | has_cid | self._number]) + self._cid + content

    def _remember(self, block: bytes) -> bytes:
        self._last = block
        return block


WAIT_MAX = 64
"""Times a reader waits once more for one answer."""


class Silent(Exception):
    """The chip did not answer, or answered outside the protocol."""


class Pcd:
    """The reader's half of ISO 14443-4 for one chip: RATS, chaining, presence."""

    def __init__(self, picc: Picc, *, reader_frame_code: int = 5) -> None:
        self._picc = picc
        self._reader_frame_code = reader_frame_code
        self._number = 0
        self._frame_size = FRAME_SIZES[0]

    def activate(self) -> bytes:
        """Send RATS; the ATS with its length byte. Raises Silent."""
        ats = self._send(bytes([0xE0, self._reader_frame_code << 4]))
        self._frame_size = frame_size_of(ats[1] & 0x0F if len(ats) > 1 else 2)
        self._number = 0
        return ats

    def exchange(self, command: bytes) -> bytes:
        """Send a command in as many blocks as it takes and gather the answer. Raises Silent."""
        size = self._frame_size - OVERHEAD
        pieces = [command[at : at + size] for at in range(0, len(command), size)] or [b""]
        for piece in pieces[:-1]:
            self._send(bytes([0x12 | self._number]) + piece)
            self._number ^= 1
        block = self._send(bytes([0x02 | self._number]) + pieces[-1])
        self._number ^= 1
        answer = block[1:]
        while block[0] & 0x10:
            block = self._send(bytes([0xA2 | self._number]))
            self._number ^= 1
            answer += block[1:]
        return answer

    def is_present(self) -> bool:
        """Ask with R(NAK), which changes nothing in the chip. Source: ISO/IEC 14443-4:2018, 7.5.5.3 (method 1)."""
        return self._picc.receive(bytes([0xB2 | self._number])) is not None

    def deselect(self) -> None:
        """Send S(DESELECT). Raises Silent."""
        self._send(b"\xc2")

    def _send(self, frame: bytes) -> bytes:
        """Send one frame, and give the chip the time it asks for. Raises Silent."""
        for _ in range(WAIT_MAX):
            answer = self._picc.receive(frame)
            if not answer:
                break
            if answer[0] & 0xF7 != 0xF2:
                return answer
            frame = answer
        raise Silent
