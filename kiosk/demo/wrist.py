"""Holds virtual bands to the demo's reader as a wrist does: until something happens, not for a fixed moment."""

import asyncio
from typing import Final, Protocol

from drivers.lines import Failed, Proved, Said
from hardware.clock import Clock
from kiosk.assembly.reading import ReaderWatch
from kiosk.core.ports import HERE

HOLD_MS: Final = 900
"""How long a band stays at the reader at least: about as long as a wrist does."""

AFTER_READ_MS: Final = 500
"""How long it stays after it was read, for what is written to it then."""

READY_MS: Final = 10_000
"""How long a band is kept back while the reader process comes up on a slow machine, and held while it is not read."""

LOOK_MS: Final = 50


class Field(Protocol):
    """The field of a virtual reader."""

    async def present(self, *bands: str) -> str:
        """Bring bands into it."""
        ...

    async def remove(self) -> str:
        """Take them out."""
        ...


class Wrist:
    """One band at a time; the next one ends the one before. Used on the screen's loop."""

    def __init__(self, field: Field, *, watch: ReaderWatch, clock: Clock) -> None:
        self._field = field
        self._watch = watch
        self._clock = clock
        self._n_read = 0
        self._holding: asyncio.Task[None] | None = None

    def heard(self, said: Said) -> None:
        """A line of the reader process."""
        self._n_read += isinstance(said, Proved | Failed)

    def hold(self, band: str) -> None:
        """Hold the band of this name to the reader."""
        if self._holding is not None:
            self._holding.cancel()
        self._holding = asyncio.create_task(self.held(band))

    async def held(self, band: str) -> None:
        """Hold it until it is read, but not for ever, and take it away."""
        await self._field.remove()
        until_ms = self._clock.ticks_ms() + READY_MS
        while self._watch.code != HERE and self._clock.ticks_ms() < until_ms:
            await self._clock.pause_ms(LOOK_MS)  # who is quicker than the reader process
        n_before = self._n_read
        await self._field.present(band)
        from_ms = self._clock.ticks_ms()
        while self._n_read == n_before and self._clock.ticks_ms() - from_ms < READY_MS:
            await self._clock.pause_ms(LOOK_MS)
        rest_ms = from_ms + HOLD_MS - self._clock.ticks_ms()
        await self._clock.pause_ms(max(rest_ms, AFTER_READ_MS))
        await self._field.remove()

    async def close(self) -> None:
        """Let go of a band that is still held."""
        if self._holding is not None:
            self._holding.cancel()
            await asyncio.gather(self._holding, return_exceptions=True)
