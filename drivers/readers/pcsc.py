r"""PC/SC readers through `smartcard.scard`, with our own status-change loop; the only importer of that library.

    open               context, list of readers, the one that was asked for
    wait_for_target    status change of the reader and of `\\?PnP?\Notification`, in slices
    connect            exclusive, T=0 or T=1, left as it is afterwards; programs that look at every card for a moment are waited for
    raw frames         as the reader's profile says, for bands without ISO-DEP
    signal             light and sound, as the profile says; by a control code where no band is connected
    any error          one of ours; the pump closes this reader and opens another, which heals a restarted daemon,
                       a reader that was unplugged, and a context that went stale

One that refuses a signal, because control codes are switched off in its driver, is not asked again: `tapthread doctor` says so.

The reader counts insertions and removals; where the count rose by more than one, a band was taken away and put back
between two looks, and that is another activation.
One context, one thread.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from drivers.apdu import GET_UID, SUCCESS, response_of
from drivers.atr import technology_of_atr
from drivers.errors import (
    BandError,
    BandLeft,
    BandMalformed,
    BandSilent,
    BandUnsupported,
    Delivery,
    DriverError,
    ReaderAbsent,
    ReaderBusy,
    ReaderFault,
    ServiceDown,
)
from drivers.readers.base import WAIT_MS_MAX
from drivers.readers.frames import ACK, exchanged
from drivers.readers.profiles import UNKNOWN, Profile, Quirk, profile_of_name
from drivers.readers.signals import Control, Signal, controls_of
from drivers.target import Target, Technology
from hardware.clock import Clock

log = logging.getLogger(__name__)

PLUG_NOTIFICATION = "\\\\?PnP?\\Notification"
"""Name of the pretend reader that changes when a reader comes or goes. Source: PC/SC Lite API, SCardGetStatusChange."""

OK = 0x00000000
TIMEOUT = 0x8010000A
SHARING_VIOLATION = 0x8010000B
SECURITY_VIOLATION = 0x8010006A
"""What the daemon says to a user whom polkit does not let use a band. Source: PC/SC Lite error codes."""

SHARE_TRIES = 6
SHARE_PAUSE_MS = 40
"""A desktop's own programs open each card for some 50 ms to see what it is; who holds it longer really has it."""

PROD_MS = 100
"""How often the daemon is made to look again after a band it was to reset had left; see `PcscReader.overlook`."""

ESCAPE_CODES = (0x42000001, 0x42000DAC)
"""Control codes that hand bytes to the reader, of libccid and of ACS's own driver: SCARD_CTL_CODE 1 and 3500.

Source: libccid, SCARDCONTROL.txt; PC/SC Lite, reader.h.
"""

BAND_GONE = frozenset(
    {
        0x8010000C,  # no smart card
        0x8010000F,  # protocol mismatch: left while it was activated
        0x80100010,  # not ready
        0x80100016,  # not transacted
        0x80100066,  # unresponsive
        0x80100067,  # unpowered
        0x80100068,  # reset by another program: the session keys are gone
        0x80100069,  # removed
    }
)
"""Source: PC/SC Lite error codes."""

SERVICE_GONE = frozenset(
    {
        0x80100003,  # invalid handle: the daemon that gave it is gone
        0x80100012,  # system cancelled
        0x80100013,  # communication error
        0x8010001D,  # no service
        0x8010001E,  # service stopped
    }
)
"""Source: PC/SC Lite error codes."""

READER_GONE = frozenset(
    {
        0x80100009,  # unknown reader
        0x80100017,  # reader unavailable
        0x8010002E,  # no readers available
    }
)
"""Source: PC/SC Lite error codes."""

NOT_INSTALLED = "the Python package for PC/SC (pyscard) is not installed"
"""What ModuleNotFoundError says when this installation has no PC/SC library: no wait and no daemon mends that."""

STATE_UNAWARE = 0x0000
STATE_UNKNOWN = 0x0004
STATE_UNAVAILABLE = 0x0008
STATE_PRESENT = 0x0020
STATE_EXCLUSIVE = 0x0080
STATE_IN_USE = 0x0100
STATE_MUTE = 0x0200
"""Bits of a reader's state; the upper half counts insertions and removals. Source: PC/SC Lite API."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at the reader. `count` is its own counter of insertions and removals."""

    is_present: bool
    is_mute: bool
    count: int
    atr: bytes


def _error_of(code: int, what: str, *, delivery: Delivery = Delivery.NOT_SENT) -> DriverError:
    code &= 0xFFFFFFFF
    reason = f"{what}: {code:08X}"
    if code in BAND_GONE:
        return BandLeft(reason, delivery=delivery)
    if code in SERVICE_GONE:
        return ServiceDown(reason, delivery=delivery)
    if code in READER_GONE:
        return ReaderAbsent(reason, delivery=delivery)
    if code == SHARING_VIOLATION:
        return ReaderBusy(reason, delivery=delivery)
    if code == SECURITY_VIOLATION:
        return ServiceDown(f"this user may not use bands: {code:08X}", delivery=delivery)
    return ReaderFault(reason, delivery=delivery)


def chosen(names: Sequence[str], wanted: str) -> str | None:
    """The reader to use: the one called `wanted`, else the first whose name holds it, any case.

    No slot without an antenna unless it is asked for by name.
    """
    for name in names:
        if name.lower() == wanted.lower():
            return name
    for name in names:
        if wanted.lower() in name.lower() and (wanted or has_antenna(name)):
            return name
    return None


def has_antenna(name: str) -> bool:
    """Is it a slot for bands? One for an access module looks like a reader with a band that never answers."""
    return not (profile_of_name(name).ignores(name) or UNKNOWN.ignores(name))


@dataclass(frozen=True, slots=True)
class Slot:
    """One PC/SC slot as the daemon sees it, for `tapthread doctor`.

    Attributes:
        name: The name the daemon gave it.
        is_used, is_held: Whether another program has a band in it open, and whether it lets nobody else.
        is_mute: Whether something is in it that does not answer.
    """

    name: str
    is_used: bool
    is_held: bool
    is_mute: bool


def survey() -> tuple[Slot, ...]:
    """All slots of the daemon and how they are, without touching any. Raises ServiceDown, ReaderFault, ModuleNotFoundError."""
    scard = _library()
    context = _context(scard)
    try:
        code, names = scard.SCardListReaders(context, [])
        if code & 0xFFFFFFFF in READER_GONE:
            return ()
        if code != OK:
            raise _error_of(code, "no list of readers")
        code, states = scard.SCardGetStatusChange(
            context, 0, [(name, STATE_UNAWARE) for name in names]
        )
        if code & 0xFFFFFFFF not in (OK, TIMEOUT):
            raise _error_of(code, "no status")
        return tuple(_slot_of(name, state) for name, state, _ in states)
    finally:
        scard.SCardReleaseContext(context)


def probe(name: str) -> None:
    """Open the reader called `name` itself, without a band, and let go of it at once.

    Raises:
        ServiceDown: no daemon, or it does not let this user use bands.
        ReaderBusy: another program lets nobody else in.
        ReaderAbsent, ReaderFault: it is gone, or does not open.
    """
    scard = _library()
    context = _context(scard)
    try:
        code, handle, _ = scard.SCardConnect(context, name, scard.SCARD_SHARE_DIRECT, 0)
        if code != OK:
            raise _error_of(code, "no connection to the reader itself")
        scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
    finally:
        scard.SCardReleaseContext(context)


def _slot_of(name: str, state: int) -> Slot:
    return Slot(
        name,
        is_used=bool(state & STATE_IN_USE),
        is_held=bool(state & STATE_EXCLUSIVE),
        is_mute=bool(state & STATE_MUTE),
    )


def _library() -> Any:
    try:
        from smartcard import scard  # 25 ms and a C library; not needed for other readers
    except ImportError as error:
        raise ModuleNotFoundError(NOT_INSTALLED, name="smartcard") from error
    return scard


def _context(scard: Any) -> Any:
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if code != OK:
        raise _error_of(code, "no context")
    return context


class PcscReader:
    """A PC/SC reader, open until closed."""

    def __init__(self, scard: Any, context: Any, name: str, clock: Clock) -> None:
        self._scard = scard
        self._context = context
        self._name = name
        self._clock = clock
        self._state = STATE_UNAWARE
        self._plug_state = STATE_UNAWARE
        self._generation = 0
        self._count: int | None = None
        self._reset_at: int | None = None
        self._connection: PcscConnection | None = None
        self._is_open = True
        self._is_signal_refused = False
        self._profile = profile_of_name(name)
        self.reported_at_us = 0

    @classmethod
    def opened(cls, wanted: str, clock: Clock) -> "PcscReader":
        """The first reader whose name holds `wanted`; "" for the first that is no SAM slot.

        Raises:
            ServiceDown: no daemon, or it lets nobody in.
            ModuleNotFoundError: this installation has no PC/SC library.
            ReaderAbsent: no such reader.
        """
        scard = _library()
        context = _context(scard)
        code, names = scard.SCardListReaders(context, [])
        name = chosen(names, wanted) if code == OK else None
        if name is None:
            scard.SCardReleaseContext(context)
            if code == OK:
                raise ReaderAbsent("no such reader", delivery=Delivery.NOT_SENT)
            raise _error_of(code, "no list of readers")
        return cls(scard, context, name, clock)

    @property
    def name(self) -> str:
        """The name the daemon gave it."""
        return self._name

    @property
    def profile(self) -> Profile:
        """What is known of its model."""
        return self._profile

    @property
    def generation(self) -> int:
        """The activation that is current; connections to older ones are dead."""
        return self._generation

    def wait_for_target(self, timeout_ms: int) -> Target | None:
        """The band in the field, or None. See `Reader`."""
        self._disconnect()
        is_overlooked = self._reset_at is not None
        seen = self._look(
            min(timeout_ms, PROD_MS) if is_overlooked else timeout_ms, until_present=True
        )
        if not seen.is_present and seen.count == self._reset_at and self._is_prodded():
            seen = self._look(0, until_present=True)
        if seen.is_present or seen.count != self._reset_at:
            self._reset_at = None
        if not seen.is_present:
            return None
        self._generation += 1
        self._count = seen.count
        if seen.is_mute:
            raise BandUnsupported("the band does not answer", delivery=Delivery.NOT_SENT)
        self._connection = self._connected()
        target = Target(
            technology=technology_of_atr(seen.atr),
            uid=self._connection.uid(),
            answer=seen.atr,
            generation=self._generation,
        )
        self._connection.target = target
        return target

    def connect(self, target: Target) -> "PcscConnection":
        """The connection that was made to learn the UID. See `Reader`."""
        if self._connection is None or target.generation != self._generation:
            raise BandLeft("another activation has begun", delivery=Delivery.NOT_SENT)
        return self._connection

    def wait_for_removal(self, timeout_ms: int) -> bool:
        """Is the field empty, or was it in the meantime? See `Reader`.

        The band stays connected while it lies there: it may be spoken to again, and no other program resets it.
        """
        seen = self._look(timeout_ms, until_present=False)
        is_gone = not seen.is_present or self._is_another(seen)
        if is_gone:
            self._disconnect()
        return is_gone

    def signal(self, signal: Signal) -> None:
        """Show and sound it where the profile says how. See `Reader`."""
        if not self._is_open or self._is_signal_refused:
            return
        for control in controls_of(self._profile.signals, signal):
            try:
                self._tell(control)
            except (BandError, ReaderBusy, ServiceDown, ReaderAbsent):
                return  # Whoever asks it for a band next learns that, and says so.
            except ReaderFault as error:
                self._is_signal_refused = True
                log.warning("a reader refused a signal", extra={"cause": str(error)})
                return

    def control(self, command: bytes) -> bytes:
        """Hand bytes to the reader itself, with or without a band in it; what it answers.

        Raises:
            ReaderFault: it does not take them; control codes are switched off in libccid unless somebody changed that.
            ReaderBusy, ReaderAbsent, ServiceDown: as when a band is connected.
        """
        scard = self._scard
        if self._connection is not None:
            return self._controlled(self._connection.handle, command)
        code, handle, _ = scard.SCardConnect(
            self._context, self._name, scard.SCARD_SHARE_DIRECT, 0
        )
        if code != OK:
            raise _error_of(code, "no connection to the reader itself")
        try:
            return self._controlled(handle, command)
        finally:
            scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)

    def _controlled(self, handle: Any, command: bytes) -> bytes:
        for control_code in ESCAPE_CODES:
            code, answer = self._scard.SCardControl(handle, control_code, list(command))
            if code == OK:
                return bytes(answer)
        raise ReaderFault(
            f"control code refused: {code & 0xFFFFFFFF:08X}", delivery=Delivery.REFUSED
        )

    def _tell(self, control: Control) -> None:
        """Raises ReaderFault when the reader does not take it, and what a connection raises."""
        if control.is_apdu and self._connection is not None:
            answer = self._connection.apdu(control.command)
            is_taken = self._is_success(answer)
        elif control.is_apdu:
            is_taken = self._is_success(self.control(control.command))
        else:
            self.control(control.command)
            is_taken = True
        if not is_taken:
            raise ReaderFault("signal refused", delivery=Delivery.REFUSED)

    def _is_success(self, answer: bytes) -> bool:
        if Quirk.STATUS_IS_DATA in self._profile.quirks:
            return len(answer) >= 2 and answer[-2] == SUCCESS >> 8
        return answer[-2:] == SUCCESS.to_bytes(2, "big")

    def close(self) -> None:
        """Let go of the reader and the context."""
        if self._is_open:
            self._is_open = False
            self._generation += 1
            self._disconnect()
            self._scard.SCardReleaseContext(self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self, timeout_ms: int, *, until_present: bool) -> _Seen:
        """The reader's state, when it is the wanted one or the time is over."""
        deadline_ms = self._clock.ticks_ms() + min(timeout_ms, WAIT_MS_MAX)
        # The daemon answers when something changes. What was so at the last look need not change: do not wait for it.
        is_waiting = bool(self._state & STATE_PRESENT) != until_present
        while True:
            left_ms = max(0, deadline_ms - self._clock.ticks_ms())
            code, states = self._scard.SCardGetStatusChange(
                self._context,
                left_ms if is_waiting else 0,
                [(self._name, self._state), (PLUG_NOTIFICATION, self._plug_state)],
            )
            is_waiting = True
            now_us = self._clock.ticks_us()
            if code & 0xFFFFFFFF not in (OK, TIMEOUT):
                raise _error_of(code, "no status")
            _, state, atr = states[0]
            self._plug_state = states[1][1]
            if state & (STATE_UNKNOWN | STATE_UNAVAILABLE):
                raise ReaderAbsent("the reader is gone", delivery=Delivery.NOT_SENT)
            self._state = state
            is_present = bool(state & STATE_PRESENT)
            is_mute = bool(state & STATE_MUTE)
            seen = _Seen(is_present, is_mute, state >> 16 & 0xFFFF, bytes(atr))
            if is_present == until_present or left_ms == 0:
                self.reported_at_us = now_us
                return seen
            if not until_present and self._is_another(seen):
                return seen

    def overlook(self) -> None:
        """A band was to be reset and was not there: the daemon calls the reader empty now, and looks no further.

        Its own watch still takes that band for present, and so the next one for the same where that comes before the watch
        has looked, 0.4 s at most: nobody is told of it as long as it lies there. PC/SC Lite 1.9.9; the test about a band
        that comes right after one that was torn away passes without this once it is mended.
        """
        self._reset_at = self._count

    def _is_prodded(self) -> bool:
        """Have the daemon look whether a band is there by asking for a reset; was one?"""
        scard = self._scard
        code, handle, _ = scard.SCardConnect(
            self._context, self._name, scard.SCARD_SHARE_DIRECT, 0
        )
        if code != OK:
            return False
        code, _ = scard.SCardReconnect(
            handle,
            scard.SCARD_SHARE_SHARED,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
            scard.SCARD_RESET_CARD,
        )
        scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
        return bool(code == OK)

    def _is_another(self, seen: _Seen) -> bool:
        """Was the band taken away and put back between two looks? Then the reader counted both."""
        return self._count is not None and seen.count - self._count & 0xFFFF >= 2

    def _connected(self) -> "PcscConnection":
        scard = self._scard
        for attempt in range(1, SHARE_TRIES + 1):
            code, handle, protocol = scard.SCardConnect(
                self._context,
                self._name,
                scard.SCARD_SHARE_EXCLUSIVE,
                scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
            )
            if code & 0xFFFFFFFF != SHARING_VIOLATION or attempt == SHARE_TRIES:
                break
            self._clock.sleep_ms(SHARE_PAUSE_MS)
        if code != OK:
            raise _error_of(code, "no connection")
        return PcscConnection(scard, handle, protocol, self)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PcscConnection:
    """A connection to one activation through PC/SC.

    Attributes:
        target: The band it belongs to; None until its UID was asked for.
    """

    def __init__(self, scard: Any, handle: Any, protocol: int, reader: PcscReader) -> None:
        self._scard = scard
        self.handle = handle
        self._protocol = protocol
        self._reader = reader
        self._profile = reader.profile
        self._generation = reader.generation
        self._is_open = True
        self._is_deaf = False
        self.target: Target | None = None

    @property
    def generation(self) -> int:
        """The activation it belongs to."""
        return self._generation

    def transmit(self, command: bytes) -> bytes:
        """Send one APDU, or one frame to a band without ISO-DEP."""
        target = self.target
        if target is None or target.technology not in (Technology.TYPE_2, Technology.FELICA):
            return self.apdu(command)
        if self._is_deaf and not self._is_woken(target):
            raise BandLeft("the band is not there any more", delivery=Delivery.NOT_SENT)
        is_type_2 = target.technology is Technology.TYPE_2
        try:
            answer = exchanged(self._profile.raw, self.apdu, command, is_type_2=is_type_2)
        except BandMalformed:
            answer = None  # Garbled on the way: what the band did is not known, as with no answer at all.
        if not answer:
            if self._is_woken(target):
                raise BandSilent("no answer, and the band is still there")
            raise BandLeft("the band did not answer")
        self._is_deaf = is_type_2 and len(answer) == 1 and answer != ACK
        return answer

    def apdu(self, command: bytes) -> bytes:
        """Send one APDU. A band torn away answers with success and nothing at all, which is BandLeft."""
        if not self._is_open or self._reader.generation != self._generation:
            raise BandLeft("another activation has begun", delivery=Delivery.NOT_SENT)
        scard = self._scard
        is_t0 = self._protocol == scard.SCARD_PROTOCOL_T0
        pci = scard.SCARD_PCI_T0 if is_t0 else scard.SCARD_PCI_T1
        code, answer = scard.SCardTransmit(self.handle, pci, list(command))
        if code != OK:
            raise _error_of(code, "not transmitted", delivery=Delivery.UNKNOWN)
        if len(answer) < 2:
            raise BandLeft("the answer ended before its status", delivery=Delivery.UNKNOWN)
        return bytes(answer)

    def uid(self) -> bytes:
        """What the reader says the UID is; empty when it does not say."""
        response = response_of(self.apdu(GET_UID.to_bytes()))
        return response.data if response.status == SUCCESS and len(response.data) <= 10 else b""

    def close(self) -> None:
        """Give the band back to other programs, powered as it is."""
        if self._is_open:
            self._is_open = False
            self._scard.SCardDisconnect(self.handle, self._scard.SCARD_LEAVE_CARD)

    def _is_woken(self, target: Target) -> bool:
        """Is the band that fell silent still there, activated anew?

        A random UID says so where the reader does not switch the field off to activate: it is drawn when the band gets power. Where
        it does, nobody can tell. Source: ISO/IEC 14443-3:2018, 6.5.4.
        """
        self._is_deaf = True  # until it is known to be the same one: another gets no frame that was meant for it
        if not target.uid:
            return False
        if Quirk.UID_ACTIVATES_AGAIN not in self._profile.quirks:
            scard = self._scard
            code, self._protocol = scard.SCardReconnect(
                self.handle,
                scard.SCARD_SHARE_EXCLUSIVE,
                scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
                scard.SCARD_RESET_CARD,
            )
            if code & 0xFFFFFFFF in SERVICE_GONE | READER_GONE:
                raise _error_of(code, "not activated again")
            if code != OK:
                self._reader.overlook()
                return False
        self._is_deaf = self.uid() != target.uid
        return not self._is_deaf
