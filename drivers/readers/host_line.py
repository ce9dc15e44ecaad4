"""Host commands of a PN532 over its serial line: one write, and one read each time bytes come.

    normal     00 00 FF  LEN LCS  TFI CODE DATA..  DCS 00          LEN counts TFI on; LEN + LCS = 0, TFI.. + DCS = 0
    extended   00 00 FF  FF FF  LENM LENL LCS  TFI CODE DATA..  DCS 00
    ACK        00 00 FF 00 FF 00                                   taken over; from the host: stop at what you are busy with
    error      00 00 FF 01 FF 7F 81 00                             no such command, or not so

Ours and not the library's: at 921600 baud these take 0.3 ms less of a tap whose bytes alone are 4.3 ms on the line, seen on one machine.
Opening, speed and going to sleep are left to it.

The port never makes us wait by itself, neither to write nor to read: whatever another program sets on it, nothing hangs here.
What comes without the acknowledgement of this command before it is the answer to an earlier one, which is not taken for its own.

Source: NXP UM0701-02 (PN532 user manual), 6.2.1 and 6.3.
"""

import errno
import os
import select
import termios
from typing import Final

from drivers.connection import Work
from hardware.clock import Clock

ACK: Final = bytes.fromhex("0000FF00FF00")

START: Final = b"\x00\x00\xff"
TO_CHIP, TO_HOST = 0xD4, 0xD5
"""First byte of the content, by direction."""

REFUSED: Final = b"\x7f"
"""Content of an error frame. Source: UM0701-02, 6.2.1.5."""

EXTENDED: Final = b"\xff\xff"
NORMAL_SIZE_MAX: Final = 255
"""Bytes of content in a normal frame; more needs an extended one."""

_EVERYDAY: Final = ACK + START
_EVERYDAY_SIZE: Final = len(_EVERYDAY) + 4
"""What stands before the content of nearly every answer; bytes around it: size twice before it, checksum and postamble behind."""

CONTENT_SIZE_MAX: Final = 265
"""Bytes of content, TFI and code among them. Source: UM0701-02, 6.2.1.2."""

WAIT_MS: Final = 100
"""How long a byte is waited for, and an acknowledgement may take: the chip takes a command over within 15 ms; a serial port on USB may keep what came for 16 more. Source: UM0701-02, 6.3.2."""

SETTLING_MS: Final = 20
"""After a command that failed, before the next: what was under way then has come, even through a serial port on USB."""

_READ_SIZE: Final = 512
"""More than an acknowledgement and the longest frame."""


class CommandRefused(Exception):
    """The chip does not know this command, or not with this content. It was not done."""


def command_frame(code: int, content: bytes) -> bytes:
    """The frame of a command. Raises ValueError for more than a frame carries."""
    size = len(content) + 2
    if size > CONTENT_SIZE_MAX:
        raise ValueError("more than a host command carries")
    data = bytes((TO_CHIP, code)) + content
    if size <= NORMAL_SIZE_MAX:
        head = bytes((size, -size & 0xFF))
    else:
        high, low = divmod(size, 256)
        head = bytes((*EXTENDED, high, low, -(high + low) & 0xFF))
    return START + head + data + bytes((-sum(data) & 0xFF, 0))


def answer_in(raw: bytes, code: int) -> tuple[bytes, int] | None:
    """What the chip answered to command `code`, without its frame, and where that ends; None until all of it is there.

    Args:
        raw: All that came since the command was sent: an acknowledgement and a frame.
        code: Of the command, 0 to 254.

    Raises:
        CommandRefused: it answered with an error frame.
        OSError: EIO: that is no frame, a damaged one, or the answer to another command.
    """
    size = len(raw) - _EVERYDAY_SIZE
    if 0 < size <= NORMAL_SIZE_MAX and raw[:11] == _EVERYDAY + bytes((size, -size & 0xFF)):
        return _content_of(raw[11:-1], code), len(raw)
    return _answer_with_care(raw, code)


def _answer_with_care(raw: bytes, code: int) -> tuple[bytes, int] | None:
    """The same of anything else than one normal frame behind one acknowledgement."""
    if not raw.startswith(ACK[: len(raw)]):
        raise _broken("no acknowledgement comes before the frame")
    at = 0
    while raw.startswith(ACK, at):
        at += len(ACK)
    head = raw[at : at + 8]
    if not head.startswith(START[: len(head)]):
        raise _broken("no frame begins there")
    if len(head) < 5:
        return None
    if head[3:5] == EXTENDED:
        if len(head) < 8:
            return None
        size, sizes, begin = head[5] << 8 | head[6], sum(head[5:8]), at + 8
    else:
        size, sizes, begin = head[3], head[3] + head[4], at + 5
    if sizes & 0xFF or not 0 < size <= CONTENT_SIZE_MAX:
        if ACK.startswith(raw[at:]):
            return None  # an acknowledgement that has not come whole
        raise _broken("the size of a frame does not add up")
    end = begin + size
    if len(raw) < end + 2:
        return None
    return _content_of(raw[begin : end + 1], code), end + 2


def _content_of(content: bytes, code: int) -> bytes:
    """The data of a frame's content, its checksum at the end. Raises as `answer_in`."""
    if sum(content) & 0xFF:
        raise _broken("a frame is damaged")
    if content[:-1] == REFUSED:
        raise CommandRefused(f"command {code:02X}")
    if content[0] != TO_HOST or content[1] != code + 1:
        raise _broken("a frame answers another command")
    return content[2:-1]


def _broken(why: str) -> OSError:
    return OSError(errno.EIO, why)


class HostLine:
    """The serial line of one PN532 that is awake and acknowledges. Used by one thread.

    Args:
        port: Descriptor of the open terminal. Its reads and writes do not wait from now on.
        clock: For how long an answer is waited for.
    """

    def __init__(self, port: int, clock: Clock) -> None:
        """Begin with nothing that came before. Raises OSError, termios.error."""
        self._port = port
        self._clock = clock
        self._is_clean = True
        self._coming = select.poll()
        self._coming.register(port, select.POLLIN)
        os.set_blocking(port, False)
        termios.tcflush(port, termios.TCIFLUSH)

    def command(
        self, code: int, content: bytes, timeout_ms: int, *, work: Work | None = None
    ) -> bytes:
        """What the chip answers to a command.

        Args:
            code: Of the command.
            content: Behind it, at most 263 bytes.
            timeout_ms: How long the answer may take once the chip took the command over.
            work: Done once the command is on its way.

        Raises:
            CommandRefused: the chip does not know it.
            OSError: ETIMEDOUT: no whole answer in time, and the chip was told to stop; EIO: another one, or a damaged one;
                others: the port failed.
            termios.error: the port failed.
        """
        if not self._is_clean:
            self._forget()
        self._is_clean = False
        self._send(command_frame(code, content))
        if work is not None:
            work()
        gathered = self._received()
        until_ms = self._clock.ticks_ms() + timeout_ms
        while gathered:
            answer = None if gathered == ACK else answer_in(gathered, code)
            if answer is not None:
                content, end = answer
                self._is_clean = len(gathered) == end
                if gathered.startswith(START, end):
                    raise _broken("another frame is behind the answer")
                return content
            if self._clock.ticks_ms() > until_ms:
                break
            gathered += self._received()
        self.stop()
        raise TimeoutError(errno.ETIMEDOUT, "no whole answer came in time")

    def stop(self) -> None:
        """Tell the chip to stop at what it is busy with. Raises OSError."""
        self._send(ACK)

    def _forget(self) -> None:
        """What came and nobody waited for. Not before each command: behind a whole answer nothing is left to come."""
        self._clock.sleep_ms(SETTLING_MS)
        termios.tcflush(self._port, termios.TCIFLUSH)

    def _send(self, frame: bytes) -> None:
        if os.write(self._port, frame) != len(frame):
            raise _broken("the port took only a part of a frame")

    def _received(self) -> bytes:
        """What came, as soon as anything has; nothing after WAIT_MS of nothing. Raises OSError."""
        if not self._coming.poll(WAIT_MS):
            return b""
        some = os.read(self._port, _READ_SIZE)
        if not some:
            raise OSError(errno.ENODEV, "the port is gone, or another program reads it")
        return some
