"""A reader without a device: the bands of a virtual field, straight to their chips, and a script of what happens next.

Whenever a real reader would wait, one step of the script is done and the wait's time passes at once.
"""

from collections.abc import Callable
from typing import Any, Self

from drivers.atr import technology_of_sak
from drivers.errors import (
    BandCollision,
    BandLeft,
    BandSilent,
    Delivery,
    ReaderAbsent,
    ReaderError,
)
from drivers.readers.signals import Signal
from drivers.target import Target
from hardware.clock import FixedClock
from hardware.virtual.field import Field
from tests.support.bands import ChipConnection

Step = Callable[[], Any]


class Script:
    """What happens while readers wait, in order; after the last step `at_end` is done at every wait."""

    def __init__(self, *steps: Step, at_end: Step) -> None:
        self._steps = list(steps)
        self._at_end = at_end

    def go_on(self) -> None:
        (self._steps.pop(0) if self._steps else self._at_end)()


class FakeReader:
    """Behaves as `drivers.readers.base.Reader` says; can be told to tear, to falsify, and to be unplugged.

    `spoil` is that of ChipConnection; `fault` is raised by the next call.
    """

    name = "fake"

    def __init__(self, field: Field, clock: FixedClock, script: Script | None = None) -> None:
        self._field = field
        self._clock = clock
        self._script = script
        self._generation = 0
        self._reported: int | None = None
        self._target_at: int | None = None
        self._chip: Any = None
        self.reported_at_us = 0
        self.spoil: Callable[[int, bytes], bytes | None] | None = None
        self.fault: ReaderError | None = None
        self.signals: list[Signal] = []
        self.looks_ms: list[int] = []
        self.is_open = True
        self._connection: ChipConnection | None = None

    def wait_for_target(self, timeout_ms: int) -> Target | None:
        self._check()
        if not self._field.bands or self._reported == self._field.generation:
            self._wait(timeout_ms)
        at, bands = self._field.look()
        if not bands:
            return None
        if len(bands) > 1:
            self._reported = at
            raise BandCollision("two", delivery=Delivery.NOT_SENT)
        self._generation += 1
        if self._connection is not None:
            self._connection.is_dead = True
        self._target_at = at
        self._chip = bands[0].power_up()
        self.reported_at_us = self._clock.ticks_us()
        seen = self._chip.anticollision
        return Target(
            technology_of_sak(seen.sak), seen.uid, seen.ats, self._generation, seen.sak
        )

    def connect(self, target: Target) -> ChipConnection:
        self._check()
        if target.generation != self._generation:
            raise BandLeft("another activation has begun", delivery=Delivery.NOT_SENT)
        connection = ChipConnection(self._chip, self._spoiled)
        connection.generation = target.generation
        self._connection = connection
        return connection

    def wait_for_removal(self, timeout_ms: int) -> bool:
        self.looks_ms.append(timeout_ms)
        self._check()
        if self._is_still_there():
            self._wait(timeout_ms)
        return not self._is_still_there()

    def signal(self, signal: Signal) -> None:
        self.signals.append(signal)

    def close(self) -> None:
        self.is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_still_there(self) -> bool:
        at, bands = self._field.look()
        return bool(bands) and at == self._target_at

    def _spoiled(self, number: int, answer: bytes | None) -> bytes | None:
        self._check()
        if not self._is_still_there():
            return None
        if answer is None and not self._chip.anticollision.ats:
            raise BandSilent("no answer, and the band is still there")
        if self.spoil is None or answer is None:
            return answer
        return self.spoil(number, answer)

    def _wait(self, timeout_ms: int) -> None:
        self._clock.sleep_ms(timeout_ms)
        if self._script is not None:
            self._script.go_on()
        self._check()

    def _check(self) -> None:
        if not self.is_open:
            raise ReaderAbsent("closed", delivery=Delivery.NOT_SENT)
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
