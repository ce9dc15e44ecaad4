"""Bands that tear, fall silent, lie or answer late: what a real one does once in a thousand taps, on demand.

A faulty band wraps another one and counts what passes since its field came. Commands count from 1; bytes count what
the chip receives and sends, both ways, without the protocol's own. Two bands at once need no fault: present two.
What goes wrong between a reader and its host is in `pn532` (LineFault), and in whoever owns the daemon.

An answer has content and a status: before it when the command was native, behind it when it was an APDU, none when the
chip has no ISO 14443-4. A MAC is taken to be the last 8 bytes of the content.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from hardware.clock import Clock
from hardware.virtual.band import (
    Anticollision,
    Garbled,
    Miscounting,
    Misturning,
    PoweredChip,
    Reselectable,
    VirtualBand,
)
from hardware.virtual.field import Field
from hardware.virtual.iso_dep import Slow

DELAY_STEP_MS = 20
"""Between two looks whether a band that answers late is still there."""

MAC_SIZE = 8
"""Bytes at the end of the content that are taken for its MAC."""

LONG_SIZE = 257
"""Content of an answer that is longer than any short Le asks for."""

RECORDED_MAX = 256
"""Answers a band that repeats itself remembers; no tap has so many."""

TYPE_2_NAK = b"\x00"


class FaultKind(Enum):
    """What goes wrong. The values are names people type."""

    NONE = "none"
    TEAR_BYTE = "tear-byte"  # leaves when byte N passes
    TEAR_COMMAND = "tear-command"  # leaves before command N is carried out
    TEAR_ANSWER = "tear-answer"  # leaves after command N was carried out, before its answer
    MUTE = "mute"  # silent from command N on, and stays
    DELAY = "delay"  # every answer comes N milliseconds late
    WAIT = "wait"  # asks for more time N times before every answer, where it speaks ISO 14443-4
    CRC_ERROR = "crc-error"  # answer N reaches the reader damaged
    WRONG_MAC = "wrong-mac"  # one bit of answer N is turned
    CUT_MAC = "cut-mac"  # half of the MAC of answer N is missing
    NO_MAC = "no-mac"  # the whole MAC of answer N is missing
    SHORT = "short"  # answer N is one byte long
    EMPTY = "empty"  # answer N has no byte at all
    LONG = "long"  # answer N is longer than what was asked for
    STALE_COUNTER = (
        "stale-counter"  # answer N is the one before it once more, as good as it was
    )
    COUNTER_RESET = (
        "counter-reset"  # the chip counts its commands from 0 again before command N
    )
    REPLAY = (
        "replay"  # from its second time in the field on it says what it said the first time
    )
    MORE_FOREVER = "more-forever"  # status 91AF from command N on
    REFUSED = "refused"  # status 91AE instead of answer N
    REFLECTED = "reflected"  # answer N is what the reader sent
    WRONG_ROTATION = (
        "wrong-rotation"  # it turns the reader's nonce by N bytes more than it should
    )


MEANINGS = {
    FaultKind.NONE: "nothing goes wrong",
    FaultKind.TEAR_BYTE: "leaves when byte N passes",
    FaultKind.TEAR_COMMAND: "leaves before command N is carried out",
    FaultKind.TEAR_ANSWER: "leaves after command N was carried out, before its answer",
    FaultKind.MUTE: "silent from command N on, and stays",
    FaultKind.DELAY: "every answer comes N milliseconds late",
    FaultKind.WAIT: "asks for more time N times before every answer",
    FaultKind.CRC_ERROR: "answer N reaches the reader damaged",
    FaultKind.WRONG_MAC: "one bit of answer N is turned",
    FaultKind.CUT_MAC: "half of the MAC of answer N is missing",
    FaultKind.NO_MAC: "the MAC of answer N is missing",
    FaultKind.SHORT: "answer N is one byte long",
    FaultKind.EMPTY: "answer N has no byte at all",
    FaultKind.LONG: "answer N is longer than what was asked for",
    FaultKind.STALE_COUNTER: "answer N is the one before it once more",
    FaultKind.COUNTER_RESET: "counts its commands from 0 again before command N",
    FaultKind.REPLAY: "from its second time in the field on says what it said the first time",
    FaultKind.MORE_FOREVER: "status 91AF from command N on",
    FaultKind.REFUSED: "status 91AE instead of answer N",
    FaultKind.REFLECTED: "answer N is what the reader sent",
    FaultKind.WRONG_ROTATION: "turns the reader's nonce by N bytes too many",
}
"""What each does, in words for a list."""

_FROM_THEN_ON = {FaultKind.MUTE, FaultKind.MORE_FOREVER}
"""Faults that last from command N on; the others happen once."""

_INSIDE: dict[FaultKind, type] = {
    FaultKind.COUNTER_RESET: Miscounting,
    FaultKind.WRONG_ROTATION: Misturning,
}
"""Faults of a chip's own cryptography, and what it must be to have them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `at` is the N of its kind, from 1; for DELAY milliseconds."""

    kind: FaultKind
    at: int = 1


class FaultyBand:
    """A band with a fault."""

    def __init__(self, band: VirtualBand, fault: Fault, *, field: Field, clock: Clock) -> None:
        """Wrap `band`; when it tears, it takes everything out of `field`.

        Raises:
            ValueError: The band has no cryptography of its own that could go wrong so.
        """
        needed = _INSIDE.get(fault.kind)
        if needed is not None and not isinstance(band.power_up(), needed):
            raise ValueError(f"this band cannot have the fault {fault.kind.value}")
        self._band = band
        self._fault = fault
        self._field = field
        self._clock = clock
        self._recorded: dict[bytes, bytes | None] = {}
        self._n_times = 0

    def power_up(self) -> "_FaultyChip":
        """A chip freshly powered, with the fault still to come."""
        chip = self._band.power_up()
        self._n_times += 1
        if self._fault.kind is FaultKind.REPLAY:
            chip = _Repeating(chip, self._recorded, is_first=self._n_times == 1)
        return _FaultyChip(chip, self._fault, field=self._field, clock=self._clock)


class _Repeating:
    """A chip that writes down what it says, or only says what was written down."""

    def __init__(
        self, chip: PoweredChip, recorded: dict[bytes, bytes | None], *, is_first: bool
    ) -> None:
        self._chip = chip
        self._recorded = recorded
        self._is_first = is_first

    @property
    def anticollision(self) -> Anticollision:
        return self._chip.anticollision

    def reselected(self) -> None:
        chip = self._chip
        if isinstance(chip, Reselectable):
            chip.reselected()

    def exchange(self, command: bytes) -> bytes | None:
        if not self._is_first:
            return self._recorded.get(command)
        answer = self._chip.exchange(command)
        if len(self._recorded) < RECORDED_MAX:
            self._recorded.setdefault(command, answer)
        return answer


class _FaultyChip:
    def __init__(self, chip: PoweredChip, fault: Fault, *, field: Field, clock: Clock) -> None:
        self._chip = chip
        self._fault = fault
        self._field = field
        self._clock = clock
        self._n_commands = 0
        self._n_bytes = 0
        self._is_gone = False
        self._last: bytes | None = None
        if fault.kind is FaultKind.WRONG_ROTATION and isinstance(chip, Misturning):
            chip.nonce_turn += fault.at

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._chip.anticollision

    @property
    def n_waits(self) -> int:
        """How often it asks for more time before each answer."""
        if self._fault.kind is FaultKind.WAIT:
            return self._fault.at
        return self._chip.n_waits if isinstance(self._chip, Slow) else 0

    def reselected(self) -> None:
        """It was selected anew; the count of its commands goes on."""
        chip = self._chip
        if isinstance(chip, Reselectable):
            chip.reselected()

    def exchange(self, command: bytes) -> bytes | None:
        """Answer as the chip would, but for the fault. Raises Garbled where that is the fault."""
        self._n_commands += 1
        kind = self._fault.kind
        if self._is_torn_before(command):
            self._leave()
            return None
        self._happen_before()
        if kind is FaultKind.MUTE and self._is_due:
            return None
        answer = self._chip.exchange(command)
        last, self._last = self._last, answer
        if answer is None:
            return None
        if (kind is FaultKind.TEAR_ANSWER and self._is_due) or self._is_torn_by(len(answer)):
            self._leave()
            return None
        return self._spoiled(command, answer, last) if self._is_due else answer

    @property
    def _is_due(self) -> bool:
        if self._fault.kind in _FROM_THEN_ON:
            return self._n_commands >= self._fault.at
        return self._n_commands == self._fault.at

    def _is_torn_before(self, command: bytes) -> bool:
        is_torn = self._fault.kind is FaultKind.TEAR_COMMAND and self._is_due
        return self._is_gone or is_torn or self._is_torn_by(len(command))

    def _happen_before(self) -> None:
        """What goes wrong before the command is carried out."""
        chip = self._chip
        if self._fault.kind is FaultKind.DELAY:
            self._dawdle()
        is_reset = self._fault.kind is FaultKind.COUNTER_RESET and self._is_due
        if is_reset and isinstance(chip, Miscounting):
            chip.reset_counter()

    def _dawdle(self) -> None:
        """Let the delay pass, as long as the band lies there."""
        left_ms, generation = self._fault.at, self._field.generation
        while left_ms > 0 and self._field.generation == generation:
            step_ms = min(left_ms, DELAY_STEP_MS)
            self._clock.sleep_ms(step_ms)
            left_ms -= step_ms

    def _is_torn_by(self, n_bytes: int) -> bool:
        self._n_bytes += n_bytes
        return self._fault.kind is FaultKind.TEAR_BYTE and self._n_bytes >= self._fault.at

    def _leave(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._field.remove()

    def _spoiled(self, command: bytes, answer: bytes, last: bytes | None) -> bytes:
        """The answer with its own fault."""
        kind = self._fault.kind
        if kind is FaultKind.CRC_ERROR:
            raise Garbled
        if kind is FaultKind.STALE_COUNTER:
            return answer if last is None else last
        spoil = _SPOILERS.get(kind)
        if spoil is None:
            return answer
        has_status = bool(self._chip.anticollision.ats)
        return spoil(_parts_of(command, answer, has_status=has_status)).whole


@dataclass(frozen=True, slots=True)
class _Parts:
    """An answer taken apart.

    Attributes:
        sent: The content of the command.
        before: Status of a native command.
        content: What it was asked for.
        after: Status word of an APDU.
        is_plain: A chip without ISO 14443-4: there is no status.
    """

    sent: bytes
    before: bytes
    content: bytes
    after: bytes
    is_plain: bool

    @property
    def whole(self) -> bytes:
        return self.before + self.content + self.after

    def with_status(self, status: int) -> "_Parts":
        """No content, and this second status byte of the chip's own."""
        if self.after:
            return replace(self, content=b"", after=bytes([0x91, status]))
        return replace(self, content=b"", before=bytes([status]))


def _parts_of(command: bytes, answer: bytes, *, has_status: bool) -> _Parts:
    if not has_status:
        # The first byte of an authentication's answer, AF or 00, is a status of a kind.
        is_step = command[:1] in {b"\x1a", b"\xaf"} and len(answer) > 1
        cut = 1 if is_step else 0
        return _Parts(command[1:], answer[:cut], answer[cut:], b"", is_plain=True)
    if command[:1] in {b"\x90", b"\x00"} and len(command) > 3:
        size = command[4] if len(command) > 5 else 0
        return _Parts(command[5 : 5 + size], b"", answer[:-2], answer[-2:], is_plain=False)
    return _Parts(command[1:], answer[:1], answer[1:], b"", is_plain=False)


def _turned(parts: _Parts) -> _Parts:
    content = parts.content
    if not content:
        return parts
    return replace(parts, content=content[:-1] + bytes([content[-1] ^ 0x01]))


def _cut(parts: _Parts) -> _Parts:
    return replace(parts, content=parts.content[: -MAC_SIZE // 2])


def _bare(parts: _Parts) -> _Parts:
    return replace(parts, content=parts.content[:-MAC_SIZE])


def _short(parts: _Parts) -> _Parts:
    return replace(parts, before=b"", content=parts.whole[:1], after=b"")


def _empty(parts: _Parts) -> _Parts:
    return replace(parts, before=b"", content=b"", after=b"")


def _long(parts: _Parts) -> _Parts:
    size = len(parts.content) + MAC_SIZE + 1 if parts.is_plain else LONG_SIZE
    return replace(parts, content=parts.content.ljust(size, b"\x00"))


def _more(parts: _Parts) -> _Parts:
    return parts if parts.is_plain else parts.with_status(0xAF)


def _refused(parts: _Parts) -> _Parts:
    if parts.is_plain:
        return replace(parts, before=b"", content=TYPE_2_NAK)
    return parts.with_status(0xAE)


def _reflected(parts: _Parts) -> _Parts:
    if parts.is_plain and len(parts.content) <= 1:
        # The chip refused; a mirror does not. It says half of what it heard: the half that is a nonce.
        return replace(parts, before=b"\x00", content=parts.sent[: len(parts.sent) // 2])
    size = len(parts.content) or len(parts.sent)
    after = b"\x91\x00" if parts.after[:1] == b"\x91" else parts.after
    before = b"\x00" if parts.before else b""
    return replace(parts, before=before, content=parts.sent[:size], after=after)


_SPOILERS: dict[FaultKind, Callable[[_Parts], _Parts]] = {
    FaultKind.WRONG_MAC: _turned,
    FaultKind.CUT_MAC: _cut,
    FaultKind.NO_MAC: _bare,
    FaultKind.SHORT: _short,
    FaultKind.EMPTY: _empty,
    FaultKind.LONG: _long,
    FaultKind.MORE_FOREVER: _more,
    FaultKind.REFUSED: _refused,
    FaultKind.REFLECTED: _reflected,
}
"""What a fault makes of an answer."""
