r"""PC/SC readers through `smartcard.scard`, with our own status-change loop; the only importer of that library.

    open               context, list of readers, the one that was asked for
    wait_for_target    status change of the reader and of `\\?PnP?\Notification`, in slices
    connect            exclusive, T=0 or T=1, left as it is afterwards
    any error          one of ours; the pump closes this reader and opens another, which heals a restarted daemon,
                       a reader that was unplugged, and a context that went stale

The reader counts insertions and removals; where the count rose by more than one, a band was taken away and put back
between two looks, and that is another activation.
One context, one thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drivers.apdu import GET_UID, SUCCESS, response_of
from drivers.atr import technology_of_atr
from drivers.errors import (
    BandLeft,
    BandUnsupported,
    Delivery,
    DriverError,
    ReaderAbsent,
    ReaderBusy,
    ReaderFault,
    ServiceDown,
)
from drivers.readers.base import WAIT_MS_MAX
from drivers.readers.signals import Signal
from drivers.target import Target
from hardware.clock import Clock

PLUG_NOTIFICATION = "\\\\?PnP?\\Notification"
"""Name of the pretend reader that changes when a reader comes or goes. Source: PC/SC Lite API, SCardGetStatusChange."""

SAM_NAMES = ("SAM",)
"""A slot for an access module looks like a reader with a band that never answers; its name says so."""

OK = 0x00000000
TIMEOUT = 0x8010000A
SHARING_VIOLATION = 0x8010000B

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

STATE_UNAWARE = 0x0000
STATE_UNKNOWN = 0x0004
STATE_UNAVAILABLE = 0x0008
STATE_PRESENT = 0x0020
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
    return ReaderFault(reason, delivery=delivery)


def chosen(names: Sequence[str], wanted: str) -> str | None:
    """The reader to use: the first whose name holds `wanted`, any case; no SAM slot unless asked for by name."""
    for name in names:
        is_sam = any(mark in name.upper() for mark in SAM_NAMES)
        if wanted.lower() in name.lower() and (wanted or not is_sam):
            return name
    return None


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
        self._connection: PcscConnection | None = None
        self._is_open = True
        self.reported_at_us = 0

    @classmethod
    def opened(cls, wanted: str, clock: Clock) -> "PcscReader":
        """The first reader whose name holds `wanted`; "" for the first that is no SAM slot.

        Raises:
            ServiceDown: no daemon, or this machine has no PC/SC library.
            ReaderAbsent: no such reader.
        """
        try:
            from smartcard import scard  # 25 ms and a C library; not needed for other readers
        except ImportError as error:
            raise ServiceDown("PC/SC is not installed", delivery=Delivery.NOT_SENT) from error
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        if code != OK:
            raise _error_of(code, "no context")
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
    def generation(self) -> int:
        """The activation that is current; connections to older ones are dead."""
        return self._generation

    def wait_for_target(self, timeout_ms: int) -> Target | None:
        """The band in the field, or None. See `Reader`."""
        self._disconnect()
        seen = self._look(timeout_ms, until_present=True)
        if not seen.is_present:
            return None
        self._generation += 1
        self._count = seen.count
        if seen.is_mute:
            raise BandUnsupported("the band does not answer", delivery=Delivery.NOT_SENT)
        self._connection = self._connected()
        uid = self._uid(self._connection)
        return Target(
            technology=technology_of_atr(seen.atr),
            uid=uid,
            answer=seen.atr,
            generation=self._generation,
        )

    def connect(self, target: Target) -> "PcscConnection":
        """The connection that was made to learn the UID. See `Reader`."""
        if self._connection is None or target.generation != self._generation:
            raise BandLeft("another activation has begun", delivery=Delivery.NOT_SENT)
        return self._connection

    def wait_for_removal(self, timeout_ms: int) -> bool:
        """Is the field empty, or was it in the meantime? See `Reader`."""
        self._disconnect()
        seen = self._look(timeout_ms, until_present=False)
        return not seen.is_present or self._is_another(seen)

    def signal(self, signal: Signal) -> None:
        """Nothing yet. See `Reader`."""

    def close(self) -> None:
        """Let go of the reader and the context."""
        if self._is_open:
            self._is_open = False
            self._generation += 1
            self._disconnect()
            self._scard.SCardReleaseContext(self._context)

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

    def _is_another(self, seen: _Seen) -> bool:
        """Was the band taken away and put back between two looks? Then the reader counted both."""
        return self._count is not None and seen.count - self._count & 0xFFFF >= 2

    def _connected(self) -> "PcscConnection":
        scard = self._scard
        code, handle, protocol = scard.SCardConnect(
            self._context,
            self._name,
            scard.SCARD_SHARE_EXCLUSIVE,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
        )
        if code != OK:
            raise _error_of(code, "no connection")
        return PcscConnection(scard, handle, protocol, self)

    @staticmethod
    def _uid(connection: "PcscConnection") -> bytes:
        """What the reader says the UID is; empty when it does not say."""
        response = response_of(connection.transmit(GET_UID.to_bytes()))
        return response.data if response.status == SUCCESS and len(response.data) <= 10 else b""

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PcscConnection:
    """A connection to one activation through PC/SC."""

    def __init__(self, scard: Any, handle: Any, protocol: int, reader: PcscReader) -> None:
        self._scard = scard
        self._handle = handle
        self._pci = (
            scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
        )
        self._reader = reader
        self._generation = reader.generation
        self._is_open = True

    @property
    def generation(self) -> int:
        """The activation it belongs to."""
        return self._generation

    def transmit(self, command: bytes) -> bytes:
        """Send one APDU. A band torn away answers with success and nothing at all, which is BandLeft."""
        if not self._is_open or self._reader.generation != self._generation:
            raise BandLeft("another activation has begun", delivery=Delivery.NOT_SENT)
        code, answer = self._scard.SCardTransmit(self._handle, self._pci, list(command))
        if code != OK:
            raise _error_of(code, "not transmitted", delivery=Delivery.UNKNOWN)
        if len(answer) < 2:
            raise BandLeft("the answer ended before its status", delivery=Delivery.UNKNOWN)
        return bytes(answer)

    def close(self) -> None:
        """Give the band back to other programs, powered as it is."""
        if self._is_open:
            self._is_open = False
            self._scard.SCardDisconnect(self._handle, self._scard.SCARD_LEAVE_CARD)
