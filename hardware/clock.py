"""Time, as a part that can be replaced: wall time for people, ticks for deadlines, and waiting.

Nothing else asks the machine what time it is or sleeps, so that a test or a simulator holds all time in its hands.
Wall time may be wrong and may jump; ticks never go back. Durations are integer milliseconds.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from hardware.moments import micros_of, moment_of


class Clock(Protocol):
    """What time it is, and waiting for it to pass."""

    def now(self) -> datetime:
        """Wall time, aware, UTC. For people and for the centre; it can take rights away but never give them."""
        ...

    def ticks_ms(self) -> int:
        """Milliseconds since some moment; never goes back. For deadlines."""
        ...

    def ticks_us(self) -> int:
        """The same in microseconds, for measuring."""
        ...

    def sleep_ms(self, duration_ms: int) -> None:
        """Block this thread."""
        ...

    async def pause_ms(self, duration_ms: int) -> None:
        """Wait without holding the event loop."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return datetime.now(UTC)

    def ticks_ms(self) -> int:
        """Milliseconds that never go back."""
        return time.monotonic_ns() // 1_000_000

    def ticks_us(self) -> int:
        """Microseconds that never go back."""
        return time.monotonic_ns() // 1_000

    def sleep_ms(self, duration_ms: int) -> None:
        """Block this thread for at least `duration_ms`."""
        time.sleep(duration_ms / 1_000)

    async def pause_ms(self, duration_ms: int) -> None:
        """Wait at least `duration_ms` on the running event loop."""
        await asyncio.sleep(duration_ms / 1_000)


class FixedClock:
    """A clock that moves only when told to; sleeping moves it. For tests, the bench and the simulator."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._passed_us = 0

    def now(self) -> datetime:
        """The start plus what has passed."""
        return moment_of(micros_of(self._start) + self._passed_us)

    def ticks_ms(self) -> int:
        """What has passed, in milliseconds."""
        return self._passed_us // 1_000

    def ticks_us(self) -> int:
        """What has passed, in microseconds."""
        return self._passed_us

    def sleep_ms(self, duration_ms: int) -> None:
        """Let `duration_ms` pass at once."""
        self._passed_us += duration_ms * 1_000

    async def pause_ms(self, duration_ms: int) -> None:
        """Let `duration_ms` pass at once, giving other tasks a turn."""
        self._passed_us += duration_ms * 1_000
        await asyncio.sleep(0)
