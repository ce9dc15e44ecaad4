"""Bands that tear, fall silent, answer late or wrongly: what a real one does once in a thousand taps, on demand.

A faulty band wraps another one and counts what passes since its field came. Commands count from 1; bytes count what
the chip receives and sends, both ways, without the protocol's own. Two bands at once need no fault: present two.
"""

from dataclasses import dataclass
from enum import Enum

from hardware.clock import Clock
from hardware.virtual.band import Anticollision, PoweredChip, VirtualBand
from hardware.virtual.field import Field

DELAY_STEP_MS = 20
"""Between two looks whether a band that answers late is still there."""


class FaultKind(Enum):
    """What goes wrong. The values are names people type."""

    NONE = "none"
    TEAR_BYTE = "tear-byte"  # leaves when byte N passes
    TEAR_COMMAND = "tear-command"  # leaves before command N is carried out
    TEAR_ANSWER = "tear-answer"  # leaves after command N was carried out, before its answer
    MUTE = "mute"  # silent from command N on, and stays
    DELAY = "delay"  # every answer comes N milliseconds late
    WRONG_MAC = "wrong-mac"  # one bit of answer N is turned
    SHORT = "short"  # answer N is one byte long
    EMPTY = "empty"  # answer N has no byte at all


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `at` is the N of its kind, from 1; for DELAY milliseconds."""

    kind: FaultKind
    at: int = 1


class FaultyBand:
    """A band with a fault."""

    def __init__(self, band: VirtualBand, fault: Fault, *, field: Field, clock: Clock) -> None:
        """Wrap `band`; when it tears, it takes everything out of `field`."""
        self._band = band
        self._fault = fault
        self._field = field
        self._clock = clock

    def power_up(self) -> "_FaultyChip":
        """A chip freshly powered, with the fault still to come."""
        return _FaultyChip(
            self._band.power_up(), self._fault, field=self._field, clock=self._clock
        )


class _FaultyChip:
    def __init__(self, chip: PoweredChip, fault: Fault, *, field: Field, clock: Clock) -> None:
        self._chip = chip
        self._fault = fault
        self._field = field
        self._clock = clock
        self._n_commands = 0
        self._n_bytes = 0
        self._is_gone = False

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._chip.anticollision

    def exchange(self, command: bytes) -> bytes | None:
        """Answer as the chip would, but for the fault."""
        self._n_commands += 1
        is_due = self._n_commands == self._fault.at
        kind = self._fault.kind
        is_torn = kind is FaultKind.TEAR_COMMAND and is_due
        if self._is_gone or is_torn or self._is_torn_by(len(command)):
            self._leave()
            return None
        if kind is FaultKind.MUTE and self._n_commands >= self._fault.at:
            return None
        if kind is FaultKind.DELAY:
            self._dawdle()
        answer = self._chip.exchange(command)
        if answer is None:
            return None
        if (kind is FaultKind.TEAR_ANSWER and is_due) or self._is_torn_by(len(answer)):
            self._leave()
            return None
        return _spoiled(kind, answer, is_wrapped=command[:1] == b"\x90") if is_due else answer

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


def _spoiled(kind: FaultKind, answer: bytes, *, is_wrapped: bool) -> bytes:
    """The answer with its own fault; a MAC is the end of the content, before the status of a wrapped answer."""
    if kind is FaultKind.SHORT:
        return answer[:1]
    if kind is FaultKind.EMPTY:
        return b""
    if kind is FaultKind.WRONG_MAC and len(answer) > 2:
        at = len(answer) - (3 if is_wrapped else 1)
        return answer[:at] + bytes([answer[at] ^ 0x01]) + answer[at + 1 :]
    return answer
