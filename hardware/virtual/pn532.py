"""A PN532 on a pseudo terminal: what is plugged into a serial port, for nfcpy, libnfc and our own driver alike.

    client <-- pty --> line (frames, ACK, pace, faults) --> chip (commands, registers) --> antenna (powered chips)

The chip runs in one thread of its own, which owns everything here; other threads only start, close, and hurt it.

Source: NXP UM0701-02 (PN532 user manual), 6.2.
"""

import hashlib
import os
import select
import socket
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hardware.clock import Clock
from hardware.virtual.field import Field
from hardware.virtual.hsu import ACK, ERROR, Command, Frame, Mark, Receiver, answer_frame
from hardware.virtual.pn532_chip import SPEEDS, Pn532Chip, SyntaxWrong

UART_BITS_PER_BYTE = 10
"""Start bit, eight, stop bit."""

AWAKE_US = 1_500
"""The end of a paced wait is passed awake: a sleep ends up to a millisecond late, many times a tap."""

PACE_STEP_US = 50_000
"""Between two looks whether the reader is closing."""

NOISE = bytes.fromhex("5500FF13370000FF02")
"""Line noise: pieces that look like the start of a frame and are none."""


class LinkTaken(OSError):
    """Another virtual reader that is running has this link."""


class LineFault(Enum):
    """What goes wrong between the chip and its host, once but for ONE_SPEED. The values are names people type."""

    GARBAGE = "uart-garbage"  # noise before the next answer
    LATE = "uart-late"  # the next answer comes N milliseconds late
    NO_ACK = "uart-no-ack"  # the next command is carried out without being acknowledged
    BAD_CHECKSUM = "uart-bad-checksum"  # one bit of the next answer is turned, so that its checksum does not fit
    ONE_SPEED = "uart-one-speed"  # from now on it refuses to be set to another speed


@dataclass(frozen=True, slots=True)
class _Hurt:
    fault: LineFault
    delay_ms: int


class VirtualPn532:
    """A PN532 whose serial port is a pseudo terminal.

    Attributes:
        path: The terminal a client opens; the link when one was asked for.
    """

    def __init__(
        self,
        *,
        field: Field,
        clock: Clock,
        link: Path | None = None,
        pace_baud: int = 0,
        is_speed_strict: bool = False,
    ) -> None:
        """Make the reader; `start` brings it to life.

        Args:
            field: Where bands are held to it.
            clock: For polls that end and for the pace.
            link: A symbolic link to the terminal, made in one step and removed by `close`.
            pace_baud: Hold every byte back as a line would that is no faster than this, and never faster than the chip is
                set to; 0 for no pace.
            is_speed_strict: What a client sends at another speed than the chip's is noise.
        """
        self._field = field
        self._clock = clock
        self._link = link
        self._pace_baud = pace_baud
        self._is_speed_strict = is_speed_strict
        self._line_speed = 115_200
        self._chip = Pn532Chip(field=field, clock=clock)
        self._receiver = Receiver()
        self._frames: deque[Frame] = deque()
        self._last_answer = b""
        self._hurt: _Hurt | None = None
        self._noise = b""
        self._is_closing = False
        self._claim: socket.socket | None = None
        self._line_free_us = 0
        self._outer, self._inner = os.openpty()
        tty.setraw(self._inner)
        os.set_blocking(self._outer, False)
        self._terminal = Path(os.ttyname(self._inner))
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._run, name="virtual-pn532", daemon=True)
        self._stop_listening: Callable[[], None] = lambda: None

    @property
    def path(self) -> Path:
        """What a client opens."""
        return self._link or self._terminal

    def start(self) -> None:
        """Make the link and answer.

        Raises:
            LinkTaken: a reader that is running has it.
            OSError: the link cannot be made.
        """
        if self._link is not None:
            self._claim = _claimed(self._link)
            beside = self._link.with_name(f".{self._link.name}.{os.getpid()}")
            beside.unlink(missing_ok=True)
            beside.symlink_to(self._terminal)
            beside.replace(self._link)
        self._stop_listening = self._field.listen(self._wake)
        self._thread.start()

    def close(self) -> None:
        """Unplug it: the link goes, a client reads an end of file. Harmless when done twice."""
        if self._is_closing:
            return
        self._is_closing = True
        self._stop_listening()
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        for descriptor in (self._outer, self._inner, self._wake_read, self._wake_write):
            os.close(descriptor)
        if self._link is not None and self._is_link_ours():
            self._link.unlink(missing_ok=True)
        if self._claim is not None:
            self._claim.close()

    def disturb(self, noise: bytes) -> None:
        """Put these bytes on the line before the next answer."""
        self._noise = noise

    def hurt(self, fault: LineFault, *, delay_ms: int = 0) -> None:
        """Let this go wrong with what comes next on the line; `delay_ms` is how late a late answer is."""
        if fault is LineFault.ONE_SPEED:
            self._chip.has_one_speed = True
            return
        self._hurt = _Hurt(fault, delay_ms)

    def _is_link_ours(self) -> bool:
        try:
            return self._link is not None and self._link.readlink() == self._terminal
        except OSError:
            return False

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\x00")
        except BlockingIOError:
            return  # It is awake already.

    def _run(self) -> None:
        while not self._is_closing:
            ready, _, _ = select.select(
                [self._outer, self._wake_read], [], [], self._patience_s()
            )
            if self._wake_read in ready:
                os.read(self._wake_read, 4_096)
            if self._outer in ready:
                self._frames += self._receiver.feed(self._heard())
            while self._frames:
                self._take(self._frames.popleft())
            answer = self._chip.poll_again()
            if answer is not None:
                self._line_free_us = self._clock.ticks_us()
                self._send(answer_frame(0x4A, answer))

    def _patience_s(self) -> float | None:
        poll = self._chip.poll
        if poll is None or poll.until_ms is None:
            return None
        return max(0, poll.until_ms - self._clock.ticks_ms()) / 1_000

    def _heard(self) -> bytes:
        try:
            some = os.read(self._outer, 4_096)
        except OSError:
            return b""
        if not self._is_speed_strict:
            return some
        speed = _speed_of(self._inner)
        if speed == self._chip.speed:
            self._line_speed = speed
        return some if speed == self._line_speed else b""

    def _take(self, frame: Frame) -> None:
        match frame:
            case Mark.ACK:
                self._chip.abort()
            case Mark.NACK:
                self._line_free_us = self._clock.ticks_us()
                self._send(self._last_answer)
            case Command():
                # What the chip sends follows without a pause; only the host begins when it likes.
                self._line_free_us = self._clock.ticks_us()
                self._pace(frame.wire_size)
                if not self._is_hurt_by(LineFault.NO_ACK):
                    self._send(ACK)
                self._execute(frame)

    def _execute(self, command: Command) -> None:
        try:
            answer = self._chip.answer(command)
        except SyntaxWrong:
            self._send(ERROR)
            return
        if answer is not None and not self._is_given_up():
            self._send(answer_frame(command.code, answer))

    def _is_given_up(self) -> bool:
        """Did the host tell to abort while the command was carried out? Then there is no answer."""
        if select.select([self._outer], [], [], 0)[0]:
            self._frames += self._receiver.feed(self._heard())
        return Mark.ACK in self._frames

    def _is_hurt_by(self, fault: LineFault) -> bool:
        """Does this go wrong now? Once."""
        hurt = self._hurt
        if hurt is None or hurt.fault is not fault:
            return False
        self._hurt = None
        return True

    def _send(self, frame: bytes) -> None:
        if frame != ACK:
            self._last_answer = frame
            frame = self._spoiled(frame)
        self._pace(len(frame))
        try:
            os.write(self._outer, frame)
        except BlockingIOError:
            return  # Nobody reads the line; the bytes are lost, as on a real one.

    def _spoiled(self, frame: bytes) -> bytes:
        """An answer with what goes wrong now; what was sent is remembered as it should have been."""
        hurt = self._hurt
        if hurt is not None and self._is_hurt_by(LineFault.LATE):
            self._clock.sleep_ms(hurt.delay_ms)
        if self._is_hurt_by(LineFault.GARBAGE):
            return NOISE + frame
        if self._noise:
            frame, self._noise = self._noise + frame, b""
        if self._is_hurt_by(LineFault.BAD_CHECKSUM):
            return frame[:-2] + bytes([frame[-2] ^ 0x01]) + frame[-1:]
        return frame

    def _pace(self, n_bytes: int) -> None:
        """Let the time pass that `n_bytes` take on the line; a closing reader does not wait."""
        if not self._pace_baud:
            return
        baud = min(self._pace_baud, self._chip.speed)
        self._line_free_us += n_bytes * UART_BITS_PER_BYTE * 1_000_000 // baud
        while not self._is_closing:
            left_us = self._line_free_us - self._clock.ticks_us()
            if left_us <= 0:
                return
            if left_us > AWAKE_US:
                asleep_us = min(left_us - AWAKE_US, PACE_STEP_US)
                select.select([], [], [], asleep_us / 1_000_000)


def _claimed(link: Path) -> socket.socket:
    """Holds the link for this process, by a name that goes with the process, however it ends. Raises LinkTaken."""
    name = hashlib.sha256(os.fsencode(link.parent.resolve() / link.name)).hexdigest()
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0tapthread-virtual-{name}")
    except OSError as error:
        claim.close()
        raise LinkTaken(error.errno, "a virtual reader that is running has it") from error
    return claim


def _speed_of(terminal: int) -> int:
    """The speed a client set, in baud."""
    code = termios.tcgetattr(terminal)[5]
    known = {getattr(termios, f"B{speed}", None): speed for speed in SPEEDS}
    return known.get(code, 0)
