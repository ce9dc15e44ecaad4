"""How thousands wait at little cost: calls gathered into few pieces of work, and one look at the clock for all.

Everything here belongs to one event loop at a time, and leaves no task behind when nobody waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Final, Generic, Protocol, TypeVar

from hardware.clock import Clock

SIZE_MAX: Final = 64
"""Calls in one piece of work; bounds how long the first of them waits for the last."""

GRAINS: Final = 100
"""Waits end up to this part early, so that those that end at about the same time end together."""

Value = TypeVar("Value")
One = TypeVar("One")
Outcome = TypeVar("Outcome")


class Run(Protocol):
    """Does blocking work without holding the event loop."""

    async def __call__(self, work: Callable[[], Value], /) -> Value:
        """What the work returns or raises."""
        ...


async def at_once(work: Callable[[], Value], /) -> Value:
    """Blocking work right here, for a caller that has nothing else to do meanwhile."""
    return work()


def each(
    call: Callable[[One], Outcome],
) -> Callable[[Sequence[One]], Sequence[Outcome | Exception]]:
    """The same call for many: what it returned or raised for each of them."""

    def outcome(one: One) -> Outcome | Exception:
        try:
            return call(one)
        except Exception as error:  # noqa: BLE001  # carried to who asked, where it is raised
            return error

    return lambda many: [outcome(one) for one in many]


class Gathered(Generic[One, Outcome]):
    """Does calls in few pieces of blocking work: at once where few come, and those that meanwhile come together.

    A fleet that asks at the same moment would otherwise fight for the interpreter in as many threads. Work may do only the
    first few of what it is given, one at least; it is given the others again.
    """

    def __init__(
        self,
        work: Callable[[Sequence[One]], Sequence[Outcome | Exception]],
        run: Run,
        *,
        pieces: int,
    ) -> None:
        """Do `work` by `run`, at most so many `pieces` at the same time."""
        self._work = work
        self._run = run
        self._n_free = pieces
        self._pieces = pieces
        self._waiting: deque[tuple[One, asyncio.Future[Outcome]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def done(self, one: One) -> Outcome:
        """What came of this one. Raises what its work raises."""
        if self._n_free and not self._waiting:
            return await self._alone(one)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        self._hire()
        return await future

    async def _alone(self, one: One) -> Outcome:
        self._n_free -= 1
        try:
            (outcome,) = await self._run(lambda: self._work((one,)))
        finally:
            self._n_free += 1
            self._hire()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _hire(self) -> None:
        if self._waiting and self._n_free:
            self._n_free -= 1
            worker = asyncio.ensure_future(self._serve())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                share = -(-len(self._waiting) // self._pieces)
                count = min(share, SIZE_MAX)
                await self._do([self._waiting.popleft() for _ in range(count)])
        finally:
            self._n_free += 1

    async def _do(self, some: list[tuple[One, "asyncio.Future[Outcome]"]]) -> None:
        ones = [one for one, future in some if not future.done()]  # others wait no more
        waiting = [future for _, future in some if not future.done()]
        if not ones:
            return
        outcomes: Sequence[Outcome | Exception]
        try:
            outcomes = await self._run(lambda: self._work(ones))
        except Exception as error:  # noqa: BLE001  # carried to everybody who asked, where it is raised
            outcomes = [error for _ in ones]
        undone = zip(ones[len(outcomes) :], waiting[len(outcomes) :], strict=True)
        self._waiting.extendleft(reversed(tuple(undone)))
        for future, outcome in zip(waiting, outcomes, strict=False):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


class Alarm:
    """Ends waits whose time is up: one wait of the clock for all of them."""

    def __init__(self, clock: Clock) -> None:
        """By the ticks of `clock`."""
        self._clock = clock
        self._due: dict[int, set[asyncio.Future[None]]] = {}
        self._moments: list[int] = []  # a heap; some of them nobody waits for any more
        self._watch: asyncio.Task[None] | None = None

    @contextmanager
    def rings(self, future: "asyncio.Future[None]", wait_ms: int) -> Iterator[None]:
        """Within the block `future` is done once the time is up, up to a hundredth early."""
        grain = max(wait_ms // GRAINS, 1)
        moment = (self._clock.ticks_ms() + wait_ms) // grain * grain
        if moment not in self._due:
            self._due[moment] = set()
            self._look_out_for(moment)
        self._due[moment].add(future)
        try:
            yield
        finally:
            self._forget(future, moment)

    def _look_out_for(self, moment: int) -> None:
        is_first = not self._moments or moment < self._moments[0]
        heappush(self._moments, moment)
        if is_first or self._watch is None:
            self._stop()
            self._watch = asyncio.ensure_future(self._watched())

    def _forget(self, future: "asyncio.Future[None]", moment: int) -> None:
        waiting = self._due.get(moment)
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._due[moment]
        if not self._due:
            self._moments.clear()
            self._stop()

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _watched(self) -> None:
        while self._moments:
            left_ms = self._moments[0] - self._clock.ticks_ms()
            if left_ms > 0:
                await self._clock.pause_ms(left_ms)
                continue
            for future in self._due.pop(heappop(self._moments), ()):
                if not future.done():
                    future.set_result(None)
        self._watch = None
