"""Virtual time: an event loop whose clock jumps when nothing is ready, and clocks that read it.

No thread, no socket, no sleeping: an hour passes in the time its work takes, and the same work takes the same virtual time
in every run.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from hardware.moments import micros_of, moment_of


class Stalled(Exception):
    """Everybody waits for something that will never happen."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop that owns time; it has no files and no network."""

    _ready: "deque[asyncio.Handle]"

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 0
        self._selector = _Jump(self)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now_us / 1_000_000

    def advance(self, duration_us: int) -> None:
        """Let time pass while something blocks."""
        self.now_us += max(0, duration_us)

    def turn_until(self, is_done: Callable[[], bool], duration_ms: int) -> None:
        """Somebody blocks, in a thread of its own if there were threads: all others take their turns until it is done or too late."""
        end_us, n_due = self.now_us + duration_ms * 1_000, len(self._ready)
        blocked = asyncio.current_task(self)
        timer = self.call_later(duration_ms / 1_000, _nothing)
        if blocked is not None:
            asyncio.tasks._leave_task(self, blocked)  # noqa: SLF001  # as a loop may
        try:
            while not is_done() and self.now_us < end_us:
                self._run_once()  # type: ignore[attr-defined]  # of the base, as `run_forever` calls it
        finally:
            timer.cancel()
            if blocked is not None:
                asyncio.tasks._enter_task(self, blocked)  # noqa: SLF001
            # The turn that was interrupted goes on with as many as it had counted.
            for _ in range(n_due - len(self._ready)):
                self.call_soon(_nothing)

    def run_in_executor(  # type: ignore[override]  # there is no executor
        self, _executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """What another loop does in a thread is done at once."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # told to whoever asks, as a thread's is
            done.set_exception(error)
        return done

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody has to be woken."""


class _Jump:
    """In the place of a selector: where the loop would wait, time passes."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stalled
        self._loop.advance(math.ceil(timeout * 1_000_000))
        return []

    def close(self) -> None:
        """Nothing is open."""


class VirtualClock:
    """A clock of one machine over a virtual loop. Its wall time can be set wrong; its ticks begin when it starts."""

    def __init__(self, loop: VirtualLoop, start: datetime) -> None:
        self._loop = loop
        self._start_us = micros_of(start)
        self._born_us = loop.now_us
        self.off_us = 0
        """How far the wall time is off, in microseconds."""

    def now(self) -> datetime:
        """Wall time, as wrong as it was set."""
        return moment_of(self.now_us())

    def now_us(self) -> int:
        """The same in microseconds since 1970."""
        return self._start_us + self._loop.now_us + self.off_us

    def ticks_ms(self) -> int:
        """Milliseconds since this clock was made."""
        return (self._loop.now_us - self._born_us) // 1_000

    def ticks_us(self) -> int:
        """Microseconds since this clock was made."""
        return self._loop.now_us - self._born_us

    def sleep_ms(self, duration_ms: int) -> None:
        """Everything stands still for so long."""
        self._loop.advance(duration_ms * 1_000)

    async def pause_ms(self, duration_ms: int) -> None:
        """Give the others a turn for so long."""
        waiting = self._loop.create_future()
        timer = self._loop.call_later(max(0, duration_ms) / 1_000, _end, waiting)
        try:
            await waiting
        finally:
            timer.cancel()


def _nothing() -> None:
    """Time has passed."""


def _end(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
