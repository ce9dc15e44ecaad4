"""A PN532 on a pseudo terminal: what is plugged into a serial port, for nfcpy, libnfc and our own driver alike.

    client <-- pty --> line (frames, ACK, pace) --> chip (commands, registers) --> antenna (powered chips)

The chip runs in one thread of its own, which owns everything here; other threads only start, close, and hurt it.
A band that lies there when the radio field comes is powered then; it loses its session when the field goes.
A chip that was deselected or is inside ISO 14443-4 does not answer a request until the field was off, as in reality.

Source: NXP UM0701-02 (PN532 user manual), 7.
"""

import os
import select
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware.clock import Clock
from hardware.virtual.band import VirtualBand
from hardware.virtual.field import Field
from hardware.virtual.hsu import ACK, ERROR, Command, Frame, Mark, Receiver, answer_frame
from hardware.virtual.iso_dep import Pcd, Picc, Silent, State, crc_a

FIRMWARE = bytes.fromhex("32010607")
"""PN532, firmware 1.6, supports ISO 14443 A and B and ISO 18092."""

POLL_TRY_MS = 5
"""How long one try of InListPassiveTarget takes when nobody answers."""

TRY_FOREVER = 0xFF
"""Number of retries that means: until the host gives up."""

UART_BITS_PER_BYTE = 10
"""Start bit, eight, stop bit."""

AWAKE_US = 1_500
"""The end of a paced wait is passed awake: a sleep ends up to a millisecond late, many times a tap."""

PACE_STEP_US = 50_000
"""Between two looks whether the reader is closing."""

TX_MODE, RX_MODE, FIFO_DATA = 0x6302, 0x6303, 0x6339
"""Registers that change what the chip does here; the rest is only remembered."""

CRC_ON = 0x80
"""Bit of TX_MODE and RX_MODE: the chip adds, or checks and strips, the CRC."""

FRAMING_MASK = 0x03
"""Bits of TX_MODE that choose the modulation; 0 is type A."""

AUTO_RATS = 0x10
"""Bit of SetParameters: a chip with ISO 14443-4 gets RATS while it is listed."""

DONE, TIMED_OUT, CRC_WRONG, FORMAT_WRONG, REFUSED_AUTH, NOT_IN_THIS_STATE = (
    0x00,
    0x01,
    0x02,
    0x13,
    0x14,
    0x27,
)
"""Status bytes. Source: UM0701-02, 7.1."""

SPEEDS = (9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 1_288_000)
"""Bauds by the number SetSerialBaudRate takes. Source: UM0701-02, 7.2.8."""


class _Antenna:
    """The radio field and the chips it powers."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._generation = -1
        self.is_on = False
        self.chips: tuple[Picc, ...] = ()

    def look(self) -> None:
        """Take notice of bands that came or went."""
        generation, bands = self._field.look()
        if generation != self._generation:
            self._generation = generation
            self._power(bands)

    def switch(self, *, is_on: bool) -> None:
        """Switch the field; every chip starts anew when it comes."""
        if is_on != self.is_on:
            self.is_on = is_on
            self._generation, bands = self._field.look()
            self._power(bands)

    def _power(self, bands: tuple[VirtualBand, ...]) -> None:
        self.chips = tuple(Picc(band.power_up()) for band in bands) if self.is_on else ()


@dataclass(frozen=True, slots=True)
class _Listed:
    """A chip with a target number. `pcd` drives ISO 14443-4 where the PN532 started it."""

    picc: Picc
    pcd: Pcd | None


@dataclass(frozen=True, slots=True)
class _Poll:
    """An InListPassiveTarget that has not found anything yet. `until_ms` None: until the host gives up."""

    count_max: int
    uid: bytes
    is_type_a: bool
    until_ms: int | None


class _SyntaxWrong(Exception):
    """The command is answered with the error frame."""


class _Pn532Chip:
    """Commands in, answers out; no line, no thread."""

    def __init__(self, *, field: Field, clock: Clock) -> None:
        self._clock = clock
        self._antenna = _Antenna(field)
        self._registers: dict[int, int] = {TX_MODE: CRC_ON, RX_MODE: CRC_ON}
        self._parameters = AUTO_RATS | 0x04
        self._n_retries = TRY_FOREVER
        self._targets: dict[int, _Listed] = {}
        self._selected = 0
        self._chain = b""
        self._has_request_in_fifo = True
        self.poll: _Poll | None = None
        self.speed = 115_200
        self._commands: dict[int, Callable[[bytes], bytes | None]] = {
            0x00: self._diagnose,
            0x02: lambda _: FIRMWARE,
            0x04: self._general_status,
            0x06: self._read_register,
            0x08: self._write_register,
            0x0C: lambda _: bytes(3),
            0x0E: lambda _: b"",
            0x10: self._set_speed,
            0x12: self._set_parameters,
            0x14: lambda _: b"",
            0x16: self._power_down,
            0x32: self._rf_configuration,
            0x40: self._data_exchange,
            0x42: self._communicate_thru,
            0x44: self._deselect,
            0x46: lambda _: bytes([TIMED_OUT]),
            0x4A: self._list_passive_target,
            0x4E: lambda _: bytes([DONE]),
            0x50: lambda _: bytes([TIMED_OUT]),
            0x52: self._release,
            0x54: self._select,
            0x56: lambda _: bytes([TIMED_OUT]),
            0x8C: lambda _: None,
        }

    def answer(self, command: Command) -> bytes | None:
        """The answer's data; None when it comes later, or never. Raises _SyntaxWrong."""
        self.poll = None
        self._antenna.look()
        handler = self._commands.get(command.code)
        if handler is None:
            raise _SyntaxWrong
        try:
            return handler(command.data)
        except IndexError as error:
            raise _SyntaxWrong from error

    def abort(self) -> None:
        """The host gave up on the command under way."""
        self.poll = None

    # --- the chip itself

    def _diagnose(self, data: bytes) -> bytes:
        match data[0]:
            case 0x00:
                return data
            case 0x01 | 0x02:
                return bytes([DONE])
            case 0x06:
                return bytes([DONE if self._is_selected_present() else TIMED_OUT])
            case _:
                raise _SyntaxWrong

    def _general_status(self, _: bytes) -> bytes:
        targets = b"".join(bytes([number, 0, 0, 0x10]) for number in self._targets)
        return bytes([0, int(self._antenna.is_on), len(self._targets)]) + targets + b"\x00"

    def _read_register(self, data: bytes) -> bytes:
        addresses = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        return bytes(self._register(address) for address in addresses)

    def _register(self, address: int) -> int:
        if address == FIFO_DATA:
            return 0x26 if self._has_request_in_fifo else 0x00
        return self._registers.get(address, 0)

    def _write_register(self, data: bytes) -> bytes:
        for at in range(0, len(data) - 2, 3):
            self._registers[int.from_bytes(data[at : at + 2], "big")] = data[at + 2]
        return b""

    def _set_speed(self, data: bytes) -> bytes:
        self.speed = SPEEDS[data[0]]
        return b""

    def _set_parameters(self, data: bytes) -> bytes:
        self._parameters = data[0]
        return b""

    def _power_down(self, _: bytes) -> bytes:
        self._targets.clear()
        self._antenna.switch(is_on=False)
        return bytes([DONE])

    def _rf_configuration(self, data: bytes) -> bytes:
        match data[0]:
            case 0x01:
                self._antenna.switch(is_on=bool(data[1] & 0x01))
            case 0x05:
                self._n_retries = data[3]
            case _:
                pass  # Timings and analogue settings change nothing on a virtual antenna.
        return b""

    # --- finding chips

    def _list_passive_target(self, data: bytes) -> bytes | None:
        count_max, modulation = data[0], data[1]
        if count_max not in {1, 2}:
            raise _SyntaxWrong
        self._targets.clear()
        self._antenna.switch(is_on=True)
        until_ms = None
        if self._n_retries != TRY_FOREVER:
            until_ms = self._clock.ticks_ms() + POLL_TRY_MS * (self._n_retries + 1)
        uid = _uid_of_cascade(data[2:])
        self.poll = _Poll(count_max, uid, modulation == 0, until_ms)
        return self.poll_again()

    def poll_again(self) -> bytes | None:
        """The answer of the poll under way, or None while nobody answered and there is time."""
        poll = self.poll
        if poll is None:
            return None
        self._antenna.look()
        found = self._answering(poll) if poll.is_type_a else []
        listed = b"".join(self._listed(picc) for picc in found)
        if not self._targets:
            self._has_request_in_fifo = True
            if poll.until_ms is None or self._clock.ticks_ms() < poll.until_ms:
                return None
        self.poll = None
        return bytes([len(self._targets)]) + listed

    def _answering(self, poll: _Poll) -> list[Picc]:
        """A chip whose UID the host named is woken, a halted one too: libfreefare lists, lets go and selects again."""
        chips = [
            picc
            for picc in self._antenna.chips
            if not poll.uid or picc.anticollision.uid == poll.uid
        ]
        is_named = bool(poll.uid)
        found = [picc for picc in chips if picc.request(is_wake_up=is_named)]
        if not found and self._n_retries:
            found = [picc for picc in chips if picc.request(is_wake_up=is_named)]
        return found[: poll.count_max]

    def _listed(self, picc: Picc) -> bytes:
        """Number, SENS_RES, SEL_RES, UID with its length, ATS with its length where RATS was sent."""
        picc.select()
        self._has_request_in_fifo = False
        self._registers |= {TX_MODE: CRC_ON, RX_MODE: CRC_ON}
        seen = picc.anticollision
        pcd, ats = None, b""
        if seen.ats and self._parameters & AUTO_RATS:
            pcd = Pcd(picc)
            try:
                ats = pcd.activate()
            except Silent:
                return b""
        number = len(self._targets) + 1
        self._targets[number] = _Listed(picc, pcd)
        self._selected = self._selected if number > 1 else 1
        return bytes([number]) + seen.atqa + bytes([seen.sak, len(seen.uid)]) + seen.uid + ats

    # --- talking to them

    def _in_field(self, number: int) -> _Listed | None:
        listed = self._targets.get(number)
        if listed is None or listed.picc not in self._antenna.chips:
            return None
        return listed

    def _is_selected_present(self) -> bool:
        listed = self._in_field(self._selected)
        return listed is not None and (listed.pcd is None or listed.pcd.is_present())

    def _data_exchange(self, data: bytes) -> bytes:
        number, content = data[0] & 0x0F, data[1:]
        if number not in self._targets:
            return bytes([NOT_IN_THIS_STATE])
        self._selected = number
        if data[0] & 0x40:
            self._chain += content
            return bytes([DONE])
        content, self._chain = self._chain + content, b""
        listed = self._in_field(number)
        if listed is None:
            return bytes([TIMED_OUT])
        answer = _exchange_with(listed, content)
        self._antenna.look()
        return answer if self._in_field(number) is listed else bytes([TIMED_OUT])

    def _communicate_thru(self, data: bytes) -> bytes:
        listed = self._in_field(self._selected)
        is_type_a = self._registers[TX_MODE] & FRAMING_MASK == 0
        if listed is None or not is_type_a:
            return bytes([TIMED_OUT])
        frame = data
        if not self._registers[TX_MODE] & CRC_ON:
            frame, crc = data[:-2], data[-2:]
            if crc != crc_a(frame):
                return bytes([TIMED_OUT])
        answer = listed.picc.receive(frame)
        self._antenna.look()
        if answer is None or listed.picc not in self._antenna.chips:
            return bytes([TIMED_OUT])
        is_stripped = self._registers[RX_MODE] & CRC_ON
        if len(answer) == 1 and not listed.picc.anticollision.ats:
            return bytes([CRC_WRONG]) if is_stripped else bytes([DONE]) + answer
        return bytes([DONE]) + answer + (b"" if is_stripped else crc_a(answer))

    def _deselect(self, data: bytes) -> bytes:
        for number in [data[0]] if data[0] else list(self._targets):
            listed = self._in_field(number)
            if listed is not None and listed.picc.state is State.PROTOCOL:
                listed.picc.receive(b"\xc2")
            elif listed is not None:
                listed.picc.receive(b"\x50\x00")
        return bytes([DONE])

    def _release(self, data: bytes) -> bytes:
        answer = self._deselect(data)
        for number in [data[0]] if data[0] else list(self._targets):
            self._targets.pop(number, None)
        return answer

    def _select(self, data: bytes) -> bytes:
        if data[0] not in self._targets:
            return bytes([NOT_IN_THIS_STATE])
        self._selected = data[0]
        return bytes([DONE])


def _exchange_with(listed: _Listed, content: bytes) -> bytes:
    if listed.pcd is None:
        return _exchange_plain(listed.picc, content)
    try:
        return bytes([DONE]) + listed.pcd.exchange(content)
    except Silent:
        return bytes([TIMED_OUT])


def _exchange_plain(picc: Picc, content: bytes) -> bytes:
    """InDataExchange without ISO 14443-4: the PN532 takes 60 and 61 for Classic authentication, and hides ACKs."""
    if content[:1] in {b"\x60", b"\x61"}:
        return bytes([REFUSED_AUTH])
    answer = picc.receive(content)
    if answer is None:
        return bytes([TIMED_OUT])
    if len(answer) == 1:
        return bytes([DONE if answer == b"\x0a" else FORMAT_WRONG])
    return bytes([DONE]) + answer


def _uid_of_cascade(data: bytes) -> bytes:
    """A UID from the form with cascade tags: 88 before the first three bytes of each part but the last."""
    if len(data) == 8 and data[0] == 0x88:
        return data[1:]
    if len(data) == 12 and data[0] == data[4] == 0x88:
        return data[1:4] + data[5:]
    return data


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
            pace_baud: Hold every byte back as a line of this speed would; 0 for no pace.
            is_speed_strict: What a client sends at another speed than the chip's is noise.
        """
        self._field = field
        self._clock = clock
        self._link = link
        self._byte_ns = UART_BITS_PER_BYTE * 1_000_000_000 // pace_baud if pace_baud else 0
        self._is_speed_strict = is_speed_strict
        self._line_speed = 115_200
        self._chip = _Pn532Chip(field=field, clock=clock)
        self._receiver = Receiver()
        self._frames: deque[Frame] = deque()
        self._last_answer = b""
        self._noise = b""
        self._is_closing = False
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
        """Make the link and answer. Raises OSError when the link cannot be made."""
        if self._link is not None:
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

    def disturb(self, noise: bytes) -> None:
        """Put these bytes on the line before the next answer."""
        self._noise = noise

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
                self._send(ACK)
                self._execute(frame)

    def _execute(self, command: Command) -> None:
        try:
            answer = self._chip.answer(command)
        except _SyntaxWrong:
            self._send(ERROR)
            return
        if answer is not None and not self._is_given_up():
            self._send(answer_frame(command.code, answer))

    def _is_given_up(self) -> bool:
        """Did the host tell to abort while the command was carried out? Then there is no answer."""
        if select.select([self._outer], [], [], 0)[0]:
            self._frames += self._receiver.feed(self._heard())
        return Mark.ACK in self._frames

    def _send(self, frame: bytes) -> None:
        if frame != ACK:
            self._last_answer = frame
            frame, self._noise = self._noise + frame, b""
        self._pace(len(frame))
        try:
            os.write(self._outer, frame)
        except BlockingIOError:
            return  # Nobody reads the line; the bytes are lost, as on a real one.

    def _pace(self, n_bytes: int) -> None:
        """Let the time pass that `n_bytes` take on the line; a closing reader does not wait."""
        if not self._byte_ns:
            return
        self._line_free_us += n_bytes * self._byte_ns // 1_000
        while not self._is_closing:
            left_us = self._line_free_us - self._clock.ticks_us()
            if left_us <= 0:
                return
            if left_us > AWAKE_US:
                asleep_us = min(left_us - AWAKE_US, PACE_STEP_US)
                select.select([], [], [], asleep_us / 1_000_000)


def _speed_of(terminal: int) -> int:
    """The speed a client set, in baud."""
    code = termios.tcgetattr(terminal)[5]
    known = {getattr(termios, f"B{speed}", None): speed for speed in SPEEDS}
    return known.get(code, 0)
