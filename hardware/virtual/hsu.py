"""Frames of the PN532's serial line.

    normal     00 00 FF  LEN LCS  TFI CODE DATA..  DCS 00          LEN counts TFI on; LEN + LCS = 0, TFI.. + DCS = 0
    extended   00 00 FF  FF FF  LENM LENL LCS  TFI CODE DATA..  DCS 00
    ACK        00 00 FF 00 FF 00
    NACK       00 00 FF FF 00 00
    error      00 00 FF 01 FF 7F 81 00

Source: NXP UM0701-02 (PN532 user manual), 6.2.1.
"""

from dataclasses import dataclass
from enum import Enum

ACK = bytes.fromhex("0000FF00FF00")
"""Taken over; from the host: abort."""

ERROR = bytes.fromhex("0000FF01FF7F8100")
"""The host's command has no such syntax."""

TO_CHIP, TO_HOST = 0xD4, 0xD5
"""First byte of the content, by direction."""

NORMAL_SIZE_MAX = 255
"""Content of a normal frame; more needs an extended one."""

CONTENT_SIZE_MAX = 265
"""TFI, code and data of the longest frame. Source: UM0701-02, 6.2.1.2."""

PENDING_SIZE_MAX = 4_096
"""Bytes kept while a frame is incomplete; older ones are line noise."""


class Mark(Enum):
    """Frames without content."""

    ACK = "ack"
    NACK = "nack"


@dataclass(frozen=True, slots=True)
class Command:
    """What the host wants. `data` follows the code. `wire_size` counts the bytes of its frame."""

    code: int
    data: bytes
    wire_size: int


Frame = Command | Mark


def answer_frame(code: int, data: bytes) -> bytes:
    """The frame that answers command `code`. Source: UM0701-02, 7.1: the answer's code is one higher."""
    content = bytes([TO_HOST, (code + 1) & 0xFF]) + data
    if len(content) <= NORMAL_SIZE_MAX:
        head = bytes([len(content), -len(content) & 0xFF])
    else:
        size = len(content).to_bytes(2, "big")
        head = b"\xff\xff" + size + bytes([-sum(size) & 0xFF])
    return b"\x00\x00\xff" + head + content + bytes([-sum(content) & 0xFF, 0x00])


class Receiver:
    """Finds frames in the bytes of a line; what is no frame is passed over, as the chip does."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, some: bytes) -> tuple[Frame, ...]:
        """Frames completed by `some`, in order."""
        self._pending = (self._pending + some)[-PENDING_SIZE_MAX:]
        frames = []
        while True:
            start = self._pending.find(b"\x00\xff")
            if start < 0:
                self._pending = self._pending[-1:]
                break
            self._pending = self._pending[start:]
            found = self._first()
            if found is None:
                break
            frame, size = found
            self._pending = self._pending[size:]
            if frame is not None:
                frames.append(frame)
        return tuple(frames)

    def _first(self) -> tuple[Frame | None, int] | None:
        """The frame at the start and its size, None and what to pass over, or None to wait for more."""
        raw = self._pending
        mark = _MARKS.get(raw[2:4])
        if mark is not None:
            return mark, 4
        is_extended = raw[2:4] == b"\xff\xff"
        start = 7 if is_extended else 4
        if len(raw) < start:
            return None
        counted = raw[4:start] if is_extended else raw[2:start]
        size = int.from_bytes(counted[:-1], "big")
        if sum(counted) & 0xFF or not 2 <= size <= CONTENT_SIZE_MAX:
            return None, 2
        end = start + size + 1
        return _command_of(raw[start:end], end) if len(raw) >= end else None


_MARKS = {b"\x00\xff": Mark.ACK, b"\xff\x00": Mark.NACK}


def _command_of(content: bytes, end: int) -> tuple[Frame | None, int]:
    """`content` with its checksum; a frame that is damaged or not for the chip is passed over."""
    if sum(content) & 0xFF or content[0] != TO_CHIP:
        return None, end
    return Command(content[1], content[2:-1], end + 2), end
