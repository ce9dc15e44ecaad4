"""A PN532 on a serial port: nfcpy for opening, speed and closing, its only importer; commands and bands by ourselves (`host_line`).

    open       wake, firmware, SAM, 921600 baud where port and chip can, then SetParameters 14: the chip does RATS itself
    find       InListPassiveTarget for two: one is a band, two are a collision
    exchange   InDataExchange: the chip does ISO-DEP itself, one host command for one APDU; a DESFire, which its ATS tells
               before the first command, gets its native commands as they are, everything else gets them wrapped
    raw        InCommunicateThru for bands without ISO-DEP: one frame as it is, CRC added here by the chip; a Type 2 answer
               is checked by us, since the chip takes the four bits of an ACK for a wrong CRC
    presence   R(NAK) or READ without dropping the field, for a random UID would change; two clean silences are a removal
    abort      ACK, when an answer is late
    close      ACK, back to 115200 baud, PowerDown: at another rate the next open would find it dead

A band that was activated or halted is deaf to a search until the field has been off; so the field is switched off and on
before a search that follows one that found something, an exchange that failed, or half a second of finding nothing. Where
nothing is in the field it is switched off ahead of the pause that is made anyway, so that no band that comes waits for it.

A Type 2 band that refuses a command, or does not know it, is deaf as well. It is activated again at once, and the caller
is told whether it is still there (`BandSilent`) or not (`BandLeft`).

FeliCa is looked for in every third search that found nothing else: such a band is only ever known by its number.

A port is ours alone while it is open: an advisory lock, which our own and many other programs ask for, and on a real
port the terminal's own exclusive mode. A program that had it open before and asks for no lock takes half of the answers
away: when none is whole, the programs that have the port open are looked for, and it is a reader in use. An answer that comes late or garbled while nothing is at stake is asked for again.
The chip's other two ways to a host, I2C and SPI, are not done: a board has to be switched to HSU, its serial mode.
Source: NXP UM0701-02 (PN532 user manual), 7.
"""

import contextlib
import errno
import logging
import re
import struct
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from drivers.apdu import clothed, unwrapped
from drivers.connection import Connection, Work
from drivers.errors import (
    BandCollision,
    BandLeft,
    BandMalformed,
    BandSilent,
    Delivery,
    DriverError,
    ReaderAbsent,
    ReaderBusy,
    ReaderError,
    ReaderFault,
)
from drivers.readers.base import WAIT_MS_MAX
from drivers.readers.crc import frame_of
from drivers.readers.host_line import CommandRefused, HostLine
from drivers.readers.pn532_targets import (
    TARGET_MAX,
    cascade_of,
    felicas_of,
    is_random,
    targets_of,
)
from drivers.readers.port_lock import PortLock
from drivers.readers.signals import Signal
from drivers.target import Target, Technology
from hardware.clock import Clock
from hardware.findings import Machine

log = logging.getLogger(__name__)

WRITE_REGISTER = 0x08
RF_CONFIGURATION = 0x32
IN_DATA_EXCHANGE = 0x40
IN_COMMUNICATE_THRU = 0x42
IN_LIST_PASSIVE_TARGET = 0x4A
"""Command codes. Source: UM0701-02, 7.3."""

SET_PARAMETERS = 0x12
AUTOMATIC_RATS = 0x14
"""SetParameters: automatic ATR_RES and automatic RATS. Source: UM0701-02, 7.2.9."""

DESFIRE_ATS = bytes.fromhex("067577810280")
"""What every DESFire with the ATS of its factory answers to RATS, and no other chip of ours: an NTAG 424 has 77 71 in it.

Source: MF3ICD81, MF3D(H)x2 and MF3D(H)x3 data sheets; NXP NT4H2421Gx data sheet rev 3.0, 8.1.1.
"""

TYPE_A_106 = 0x00
FELICA_212 = 0x01
"""What to search for. Source: UM0701-02, 7.3.5."""

FELICA_POLLING = bytes.fromhex("00FFFF0003")
"""Polling for any system, nothing more asked, four time slots, so that a second band is noticed three times of four.

Source: JIS X 6319-4:2016, 4.4.2; UM0701-02, 7.3.5.
"""

FELICA_EVERY = 3
"""Of the searches that found no other band, every third looks for FeliCa: 10 ms of air time, a quarter of a second late."""

TYPE_2_MODES = bytes.fromhex("630280630300")
"""TxMode with CRC, RxMode without, both type A at 106 kbit/s. Source: UM0701-02, 7.2.5; PN532/C1 data sheet, 8.6.23."""

ACK = b"\x0a"
"""Four bits of a Type 2 band: done. Any other four bits: refused. Source: NXP NTAG213/215/216 data sheet, 9.3."""

ASK_MAX = 3
"""Times a search or a look is asked for until its answer is whole; so many frame errors in a row are a fault."""

FIELD = 0x01
FIELD_OFF = b"\x02"
"""RFConfiguration item 1, field off, external field detection kept. Source: UM0701-02, 7.3.1."""

FIELD_OFF_MS = 10
"""A band resets when the field is off for 5 ms. Source: ISO/IEC 14443-3:2018, 5.2, doubled for slow edges."""

POLL_PAUSE_MS = 70
"""Between two searches of an empty field, 10 ms each: within the 100 ms to the first sign, and 0.8 % of a core."""

PRESENCE_PAUSE_MS = 100
"""Between two looks whether the band is still there."""

SILENCES = 2
"""Clean timeouts in a row that make a removal."""

CHANGES_MS = 3_000
"""People do not put three bands on a reader one after the other in this time without it seeing an empty field."""

COMMAND_TIMEOUT_MS = WAIT_MS_MAX
"""How long a host command may take once the chip has taken it over."""

CLEAN_TIMEOUT = 0x01
"""Status: the band did not answer. Source: UM0701-02, 7.1."""

STATUS_MASK = 0x3F
MORE = 0x40
"""Lower bits of a status: the error; bit 6: more follows. Source: UM0701-02, 7.1."""

R_NAK = b"\xb2"
"""R-block asking for a repetition; a band that is there answers. Source: ISO/IEC 14443-4:2018, 7.5.5.2."""

READ_FIRST_PAGE = b"\x30\x00"
"""READ of page 0, which any Type 2 band allows. Source: NXP NTAG213/215/216 data sheet, 10.2."""

SEND_SIZE_MAX = 262
"""Bytes of one InDataExchange. Source: UM0701-02, 7.3.8."""

START_SPEED = 115_200
"""Baud of a PN532 that was switched on. Source: UM0701-02, 6.2.3."""

WAKE_SIZE = 10
"""Zeros that give a chip that sleeps the time to wake. Source: UM0701-02, 7.2.11; nfcpy 1.0.4 sends as many."""

HIGH_SPEEDS = (921_600, 460_800, 230_400)
"""Bauds nfcpy 1.0.4 goes on with, in the order it tries them."""

PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+:@=-]{1,200}")
"""Paths that are safe where nfcpy hands them to a shell (1.0.4 runs `stty` so when it probes the baud rate)."""


_Answer = TypeVar("_Answer")


class Pn532Reader:
    """A PN532 on a serial port, open until closed.

    Attributes:
        generation: The activation that is current; connections to older ones are dead.
        reported_at_us: See `Reader`.
    """

    def __init__(
        self, device: Any, line: HostLine, path: str, clock: Clock, lock: PortLock
    ) -> None:
        self._device = device
        self._line = line
        self._path = path
        self._clock = clock
        self._lock = lock
        self.generation = 0
        self._target: Target | None = None
        self._n_silent = 0
        self._n_empty = 0
        self._changed_ms = -CHANGES_MS
        self._is_field_stale = False
        self._off_since_ms: int | None = None
        self._is_deaf = False
        self._is_raw = False
        self._is_open = True
        self.reported_at_us = 0

    @classmethod
    def opened(cls, path: str, clock: Clock) -> "Pn532Reader":
        """The PN532 on the serial port `path`, from the working folder. Takes 20 ms on a quick port, up to 2 s on a slow USB one.

        Raises:
            ReaderAbsent: no such port, or nothing answers there.
            ReaderBusy: another program holds it, or we may not open it.
        """
        # not resolved: a link may lead elsewhere the next time
        path = str(Path(path).absolute())
        if not PLAIN_PATH.fullmatch(path):
            raise ReaderAbsent("that is no path of a serial port", delivery=Delivery.NOT_SENT)
        if not Path(path).exists():
            raise ReaderAbsent("no such serial port", delivery=Delivery.NOT_SENT)
        # 60 ms: pyserial and usb1 come with it
        from nfc.clf import pn532, transport

        lock = _locked(path)
        tty = None
        try:
            tty = transport.TTY(path)
            device = _woken(tty, path)
            lock.exclude()
            line = HostLine(tty.tty.fileno(), clock)
            line.command(SET_PARAMETERS, bytes((AUTOMATIC_RATS,)), COMMAND_TIMEOUT_MS)
        except (*_TRANSPORT_ERRORS, pn532.Chipset.Error, CommandRefused) as error:
            _hung_up(tty)
            lock.release()
            if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EBUSY):
                raise ReaderBusy(
                    "the port may not be opened", delivery=Delivery.NOT_SENT
                ) from error
            other = _other_program(path)
            if other:
                raise ReaderBusy(other, delivery=Delivery.NOT_SENT) from error
            raise ReaderAbsent("no PN532 answers there", delivery=Delivery.NOT_SENT) from error
        return cls(device, line, path, clock, lock)

    @property
    def name(self) -> str:
        """What it is and where."""
        return f"PN532 on {self._path}"

    def wait_for_target(self, timeout_ms: int) -> Target | None:
        """The band in the field, or None. See `Reader`."""
        deadline_ms = self._clock.ticks_ms() + min(timeout_ms, WAIT_MS_MAX)
        self._n_silent = 0
        is_rested = False
        while True:
            found = self._listed() or self._felica_listed()
            if len(found) > 1:
                raise BandCollision("two bands are in the field", delivery=Delivery.NOT_SENT)
            if found:
                self.reported_at_us = self._clock.ticks_us()
                self._target = found[0]
                return self._target
            left_ms = deadline_ms - self._clock.ticks_ms()
            if left_ms <= 0:
                self._is_field_stale = self._is_field_stale or not is_rested
                return None
            if left_ms <= 2 * POLL_PAUSE_MS and not is_rested:
                # A band whose activation broke off is deaf and looks like none; this wakes it within half a second.
                self._rest()
                is_rested = True
            self._clock.sleep_ms(min(POLL_PAUSE_MS, left_ms))

    def connect(self, target: Target) -> Connection:
        """A connection to the target that was found last. See `Reader`."""
        if target.generation != self.generation:
            raise _another_activation()
        if target.technology is not Technology.ISO_DEP:
            return Pn532Connection(self, target)
        return (Pn532Desfire if target.answer == DESFIRE_ATS else Pn532IsoDep)(self)

    def wait_for_removal(self, timeout_ms: int) -> bool:
        """Is the field empty? See `Reader`."""
        deadline_ms = self._clock.ticks_ms() + min(timeout_ms, WAIT_MS_MAX)
        while True:
            self._n_silent = 0 if self._is_answering() else self._n_silent + 1
            if self._n_silent >= SILENCES:
                if not self._is_lying():
                    self._target = None
                    self._rest()
                    return True
                self._n_silent = 0
            left_ms = deadline_ms - self._clock.ticks_ms()
            if left_ms <= 0:
                return False
            self._clock.sleep_ms(min(PRESENCE_PAUSE_MS, left_ms))

    def signal(self, signal: Signal) -> None:
        """A bare PN532 has neither light nor buzzer. See `Reader`."""

    def __enter__(self) -> Self:
        """Itself. See `Reader`."""
        return self

    def __exit__(self, *_: object) -> None:
        """`close`. See `Reader`."""
        self.close()

    def close(self) -> None:
        """Leave the chip asleep at 115200 baud, and let go of the port."""
        if not self._is_open:
            return
        self._is_open = False
        self.generation += 1
        from nfc.clf.pn53x import Chipset  # already loaded by `opened`

        tty = self._device.chipset.transport
        try:
            self._device.close()
        except (*_TRANSPORT_ERRORS, Chipset.Error):
            _hung_up(tty)
        self._lock.release()

    def exchange(self, command: bytes, work: Work | None = None) -> bytes:
        """One ISO-DEP command to the active band, `work` done meanwhile. Raises BandLeft, BandMalformed, ReaderError."""
        if len(command) > SEND_SIZE_MAX:
            raise ValueError("more than one InDataExchange carries")
        answer = self._banded(IN_DATA_EXCHANGE, b"\x01" + command, work)
        if answer[0] & MORE:
            raise BandMalformed("the answer is longer than any of ours")
        return answer[1:]

    def exchange_frame(self, target: Target, frame: bytes) -> bytes:
        """One frame to the active band as it is, but for the CRC. One byte back is an ACK or a NAK.

        Raises:
            BandSilent: no answer, or a garbled one; the band is still there and activated anew.
            BandLeft: no answer, and it is not there any more, or nobody can tell.
            ReaderError: the machine's side failed.
        """
        if len(frame) > SEND_SIZE_MAX:
            raise ValueError("more than one InCommunicateThru carries")
        is_type_2 = target.technology is not Technology.FELICA
        if self._is_deaf and not self._is_woken(target):
            raise BandLeft("the band is not there any more", delivery=Delivery.NOT_SENT)
        if is_type_2 and not self._is_raw:
            self._command(WRITE_REGISTER, TYPE_2_MODES)
            self._is_raw = True
        try:
            answer = self._banded(IN_COMMUNICATE_THRU, frame)[1:]
            if is_type_2 or not answer:
                answer = frame_of(answer)
        except (BandLeft, BandMalformed) as error:
            if self._is_woken(target):
                raise BandSilent("no answer, and the band is still there") from error
            raise BandLeft("the band did not answer") from error
        if is_type_2 and len(answer) == 1 and answer != ACK:
            # A band that refused hears nothing until it is activated again.
            self._is_deaf = True
        return answer

    def _listed(self) -> tuple[Target, ...]:
        """All type A bands in the field, each activated anew."""
        self._target = None
        self.generation += 1
        found = self._searched(bytes((TARGET_MAX, TYPE_A_106)))
        self._is_field_stale = bool(found)
        return found

    def _searched(self, what: bytes) -> tuple[Target, ...]:
        """What one search of type A bands found, in the generation that is current."""
        attempt = 1
        while True:
            try:
                if self._is_field_stale:
                    self._cycle_field()
                # Until its answer is read whole, a band may have been activated that we know nothing of.
                self._is_field_stale = True
                found = targets_of(self._command(IN_LIST_PASSIVE_TARGET, what), self.generation)
            except (ReaderFault, BandMalformed) as error:
                self._ask_again(error, attempt)
            else:
                self._is_field_stale = self._is_raw = self._is_deaf = False
                return found
            attempt += 1

    def _felica_listed(self) -> tuple[Target, ...]:
        """The FeliCa bands in the field, if it is time to look for them."""
        self._n_empty += 1
        return () if self._n_empty % FELICA_EVERY else self._felicas()

    def _felicas(self) -> tuple[Target, ...]:
        content = bytes((TARGET_MAX, FELICA_212)) + FELICA_POLLING
        return self._asked(
            lambda: felicas_of(self._command(IN_LIST_PASSIVE_TARGET, content), self.generation)
        )

    def _cycle_field(self) -> None:
        """Let bands forget in a field that is off; the next search switches it on."""
        if self._off_since_ms is None:
            self._switch_off()
        off_ms = self._clock.ticks_ms() - (self._off_since_ms or 0)
        if off_ms < FIELD_OFF_MS:
            self._clock.sleep_ms(FIELD_OFF_MS - off_ms)

    def _rest(self) -> None:
        """Switch the field off ahead of a search that has to have it off before; where that fails, the search does it."""
        self._is_field_stale = True
        try:
            self._switch_off()
        except ReaderError as error:
            self._give_up(error, RF_CONFIGURATION, attempt=1)

    def _switch_off(self) -> None:
        self._command(RF_CONFIGURATION, bytes((FIELD,)) + FIELD_OFF)
        self._off_since_ms = self._clock.ticks_ms()

    def _is_woken(self, target: Target) -> bool:
        """Is the band still there, activated anew in the same generation?

        First with the field on, for a random UID stays as it is then; next after the field was off, which wakes a halted one.
        """
        if target.technology is Technology.FELICA:
            return any(found.uid == target.uid for found in self._felicas())
        self._is_field_stale = False
        if self._finds(target):
            return True
        self._is_field_stale = True
        return not is_random(target.uid) and self._finds(target)

    def _finds(self, target: Target) -> bool:
        """Does a search for this UID find it?"""
        again = self._searched(bytes((1, TYPE_A_106)) + cascade_of(target.uid))
        # It goes on without having lost its power; who looks for bands next wants it as it is when it comes.
        self._is_field_stale = bool(again)
        return len(again) == 1 and again[0].uid == target.uid

    def _is_answering(self) -> bool:
        """Does the active band still answer? Only a clean silence says no."""
        target = self._target
        if target is None:
            return bool(self._listed())
        match target.technology:
            case Technology.ISO_DEP:
                status = self._presence(R_NAK)
            case Technology.TYPE_2 if not self._is_deaf:
                status = self._presence(READ_FIRST_PAGE)
            case _:
                return self._is_woken(target)
        if status not in (0, CLEAN_TIMEOUT) and target.technology is Technology.TYPE_2:
            return self._is_woken(target)
        return status != CLEAN_TIMEOUT

    def _is_lying(self) -> bool:
        """Is a band without ISO-DEP that fell silent in the field when it is searched anew?

        One that shows another UID at each search would be another tap each time: the second change within a short time
        counts as the same band, until the field is empty.
        """
        target = self._target
        if target is None or target.technology in (Technology.ISO_DEP, Technology.FELICA):
            return False
        if self._is_woken(target):
            return True  # In the same generation: a connection to it goes on, whatever was agreed with it is gone.
        found = self._listed()
        if len(found) != 1:
            return False
        self._target = found[0]
        now_ms = self._clock.ticks_ms()
        is_alike = is_random(found[0].uid) == is_random(target.uid)
        is_again = is_alike and now_ms - self._changed_ms < CHANGES_MS
        self._changed_ms = now_ms
        return is_again

    def _presence(self, frame: bytes) -> int:
        """The status a frame is answered with."""
        answer = self._asked(lambda: self._command(IN_COMMUNICATE_THRU, frame))
        return answer[0] & STATUS_MASK if answer else CLEAN_TIMEOUT

    def _banded(self, code: int, content: bytes, work: Work | None = None) -> bytes:
        """A host command whose status is the band's; anything but success means that it is out of reach."""
        if not self._is_open:
            raise _closed()
        self._off_since_ms = None  # whatever it is, it may switch the field on
        try:
            answer = self._line.command(code, content, COMMAND_TIMEOUT_MS, work=work)
        except _LINE_ERRORS as error:
            fault = self._fault_of(error, code)
            if isinstance(fault, ReaderAbsent):
                raise fault from error
            # Late or garbled: the band makes it wait, or the line was disturbed. If the reader is broken, the next search says so.
            self._is_field_stale = True
            self._give_up(error, code, attempt=1)
            raise BandLeft("no whole answer came in time") from error
        if not answer:
            raise ReaderFault("the reader answered nothing")
        if answer[0] & STATUS_MASK:
            self._is_field_stale = True
            raise BandLeft(f"the band did not answer ({answer[0] & STATUS_MASK:02X})")
        return answer

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        """What `ask` returns; asked again when the answer was late or garbled, for here nothing is at stake. Raises as `_ask_again`."""
        attempt = 1
        while True:
            try:
                return ask()
            except (ReaderFault, BandMalformed) as error:
                self._ask_again(error, attempt)
            attempt += 1

    def _ask_again(self, error: DriverError, attempt: int) -> None:
        """A search or a look was not answered whole: that many times so far.

        Raises:
            ReaderFault: none of ASK_MAX answers was whole; it says why the last one was not.
            ReaderBusy: and another program is seen to have the port open, so it may have taken them.
        """
        self._give_up(error, IN_LIST_PASSIVE_TARGET, attempt=attempt)
        if attempt == ASK_MAX:
            other = _other_program(self._path)
            if other:
                raise ReaderBusy(other, delivery=Delivery.NOT_SENT) from error
            raise ReaderFault(str(error)) from error

    def _give_up(self, error: Exception, code: int, *, attempt: int) -> None:
        """Log why an answer is not used, and tell the chip to stop at what it may still be busy with."""
        cause = _cause_of(error.__cause__ or error)
        log.warning(
            "an answer of the reader was late or garbled",
            extra={"code": f"{code:02X}", "cause": cause, "attempt": attempt},
        )
        with contextlib.suppress(*_PORT_ERRORS):
            self._line.stop()

    def _command(self, code: int, content: bytes) -> bytes:
        """One host command. Raises ReaderError."""
        if not self._is_open:
            raise _closed()
        self._off_since_ms = None
        try:
            return self._line.command(code, content, COMMAND_TIMEOUT_MS)
        except _LINE_ERRORS as error:
            raise self._fault_of(error, code) from error

    def _fault_of(self, error: Exception, code: int) -> ReaderError:
        """What it means that the line failed at that command: ReaderFault, or ReaderAbsent."""
        if isinstance(error, CommandRefused):
            return ReaderFault(f"the reader refused command {code:02X}")
        if not Path(self._path).exists():
            return ReaderAbsent("the serial port is gone")
        return ReaderFault(f"no whole answer to command {code:02X}: {_cause_of(error)}")


def _closed() -> ReaderAbsent:
    return ReaderAbsent("the reader is closed", delivery=Delivery.NOT_SENT)


_PORT_ERRORS = (OSError, termios.error)
"""What a port raises that breaks, or that answers wrongly."""

_LINE_ERRORS = (CommandRefused, *_PORT_ERRORS)
"""What a command on the line raises."""

_TRANSPORT_ERRORS = (*_PORT_ERRORS, IndexError, struct.error, AttributeError)
"""What nfcpy 1.0.4 and pyserial let through when a port breaks or a frame is cut short."""


def _other_program(path: str) -> str:
    """Who else has the port open and did not ask for the lock, as a reason; "" when nobody is seen. Takes some 20 ms."""
    for each in Machine.this().holders(Path(path)):
        name = "".join(letter for letter in each.name if letter.isascii() and letter.isalnum())
        return f"{name} process {each.pid} has the port open too"
    return ""


def _cause_of(error: BaseException) -> str:
    """What a log may say of an error: the system's name for it, else its type."""
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)


def _locked(path: str) -> PortLock:
    """The port, ours alone. Raises ReaderAbsent, ReaderBusy."""
    try:
        lock = PortLock.taken(path)
    except BlockingIOError as error:
        raise ReaderBusy(
            "another program holds the port", delivery=Delivery.NOT_SENT
        ) from error
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ReaderBusy(
                "the port may not be opened", delivery=Delivery.NOT_SENT
            ) from error
        raise ReaderAbsent("the port does not open", delivery=Delivery.NOT_SENT) from error
    if not lock.is_terminal:
        lock.release()
        raise ReaderAbsent("that is no serial port", delivery=Delivery.NOT_SENT)
    return lock


def _woken(tty: Any, path: str) -> Any:
    """The device nfcpy makes of the chip on this port, at whatever speed its last user left it. Raises as nfcpy does.

    A process that was killed left it at a higher speed, where it hears nothing of what nfcpy tries: it speaks to every
    chip at 115200 baud first. One that does not let its speed be set is spoken to at 115200 baud. A second and a bit for a
    port where nothing answers.
    """
    from nfc.clf import pn532  # already loaded by `opened`

    try:
        return pn532.init(tty)
    except _TRANSPORT_ERRORS:
        if not any(_is_slowed_down(tty, path, baud) for baud in HIGH_SPEEDS):
            return _of_one_speed(tty, path)
    return pn532.init(tty)


def _of_one_speed(tty: Any, path: str) -> Any:
    """The device of a chip that refuses to be set to another speed; nfcpy takes that for no chip. Raises as nfcpy does."""
    from nfc.clf import pn532

    log.warning("the reader keeps to 115200 baud")
    tty.open(path, START_SPEED)
    tty.write(bytearray(WAKE_SIZE))
    chipset = pn532.Chipset(tty, logger=logging.getLogger("nfc.clf.pn532"))
    chipset.sam_configuration("normal")
    chipset.set_serial_baudrate = lambda _: None  # nfcpy sets it back when it closes
    return pn532.Device(chipset, logger=logging.getLogger("nfc.clf.pn532"))


def _is_slowed_down(tty: Any, path: str, baud: int) -> bool:
    """Did a chip at `baud` go back to 115200? The port is left open at 115200 either way, unless it broke."""
    from nfc.clf import pn532

    try:
        tty.open(path, baud)
        chipset = pn532.Chipset(tty, logger=logging.getLogger("nfc.clf.pn532"))
        chipset.send_ack()
        chipset.set_serial_baudrate(START_SPEED)
    except (*_TRANSPORT_ERRORS, pn532.Chipset.Error):
        return False
    finally:
        with contextlib.suppress(*_TRANSPORT_ERRORS):
            tty.open(path, START_SPEED)
    return True


def _hung_up(tty: Any) -> None:
    """Close a port that may be broken already."""
    if tty is None or tty.tty is None:
        return
    try:
        tty.close()
    except _TRANSPORT_ERRORS:
        # The output of a port that is gone cannot be flushed; the descriptor is what matters.
        tty.tty.close()
        tty.tty = None


class Pn532Connection:
    """A connection to one activation through a PN532, of a band that does not speak ISO-DEP: frames as they are."""

    def __init__(self, reader: Pn532Reader, target: Target) -> None:
        self._reader = reader
        self._target = target
        self.generation = reader.generation

    def transmit(self, command: bytes) -> bytes:
        """Send one frame; the answer."""
        if self._reader.generation != self.generation:
            raise _another_activation()
        return self._reader.exchange_frame(self._target, command)


class Pn532IsoDep:
    """A connection to one activation of a band that speaks ISO-DEP."""

    def __init__(self, reader: Pn532Reader) -> None:
        self._reader = reader
        self.generation = reader.generation

    def transmit(self, command: bytes, work: Work | None = None) -> bytes:
        """Send one APDU; the answer, `work` being done meanwhile."""
        if self._reader.generation != self.generation:
            raise _another_activation()
        answer = self._reader.exchange(command, work)
        if len(answer) < 2:
            raise _cut_short()
        return answer

    def transmit_while(self, command: bytes, work: Work) -> bytes:
        """The same."""
        return self.transmit(command, work)


class Pn532Desfire(Pn532IsoDep):
    """The same of a DESFire, whose commands go in its own form: six bytes less each time, on the line and on the air.

    The first command after the activation decides which form the chip takes, so all are sent in this one.
    Source: ACS, ACR1281U reference manual, 5.2.
    """

    def transmit(self, command: bytes, work: Work | None = None) -> bytes:
        """Send one command, without its clothes where it wears those; the answer with them, `work` being done meanwhile."""
        reader = self._reader
        if reader.generation != self.generation:
            raise _another_activation()
        native = unwrapped(command)
        answer = reader.exchange(command if native is None else native, work)
        if native is None and len(answer) > 1:
            return answer  # of an APDU; one byte is a native answer: it takes native commands by now
        if not answer:
            raise _cut_short()
        return clothed(answer)


def _another_activation() -> BandLeft:
    return BandLeft("another activation has begun", delivery=Delivery.NOT_SENT)


def _cut_short() -> BandLeft:
    return BandLeft("the answer ended before its status", delivery=Delivery.UNKNOWN)
