"""Calls of many in few pieces of work, and waits that end by one look at the clock."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from hardware.clock import FixedClock
from sync.central.waiting import SIZE_MAX, Alarm, Gathered, at_once, each

Value = TypeVar("Value")
START = datetime(2026, 1, 7, tzinfo=UTC)


class Doorman:
    """Blocking work that begins when it is let in, in a thread as the centre has it."""

    def __init__(self) -> None:
        self.door = threading.Event()
        self.pieces: list[int] = []

    async def run(self, work: Callable[[], Value], /) -> Value:
        return await asyncio.to_thread(work)

    def doubled(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.door.wait(20)
        self.pieces.append(len(numbers))
        return [2 * number if number >= 0 else ValueError(str(number)) for number in numbers]


async def asked(gathered: Gathered[int, int], numbers: range) -> list["asyncio.Task[int]"]:
    tasks = [asyncio.ensure_future(gathered.done(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_calls_that_come_while_others_are_done_are_done_together() -> None:
    doorman = Doorman()
    gathered = Gathered(doorman.doubled, doorman.run, pieces=1)

    tasks = await asked(gathered, range(SIZE_MAX + 10))
    doorman.door.set()
    results = await asyncio.gather(*tasks)

    assert results == [2 * number for number in range(SIZE_MAX + 10)]
    assert doorman.pieces == [1, SIZE_MAX, 9]


async def test_several_pieces_share_what_waits() -> None:
    doorman = Doorman()
    gathered = Gathered(doorman.doubled, doorman.run, pieces=3)

    tasks = await asked(gathered, range(33))
    doorman.door.set()
    results = await asyncio.gather(*tasks)

    assert results == [2 * number for number in range(33)]
    assert max(doorman.pieces) <= 10  # a third of the 30 that had to wait


async def test_one_that_fails_fails_alone() -> None:
    doorman = Doorman()
    gathered = Gathered(doorman.doubled, doorman.run, pieces=1)

    tasks = await asked(gathered, range(-2, 3))
    doorman.door.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [str(it) for it in results] == ["-2", "-1", "0", "2", "4"]


async def test_work_that_fails_whole_fails_for_each_and_for_no_later_one() -> None:
    doorman, is_broken = Doorman(), True

    def fragile(numbers: Sequence[int]) -> Sequence[int | Exception]:
        if is_broken:
            doorman.door.wait(20)
            raise OSError("away")
        return doorman.doubled(numbers)

    gathered = Gathered(fragile, doorman.run, pieces=1)
    tasks = await asked(gathered, range(3))
    doorman.door.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    is_broken = False

    assert [str(it) for it in results] == ["away"] * 3
    assert await gathered.done(4) == 8


async def test_work_that_does_only_some_is_given_the_others_again_before_later_ones() -> None:
    doorman = Doorman()

    def two_at_most(numbers: Sequence[int]) -> Sequence[int | Exception]:
        return doorman.doubled(numbers[:2])

    gathered = Gathered(two_at_most, doorman.run, pieces=1)
    tasks = await asked(gathered, range(6))
    doorman.door.set()
    results = await asyncio.gather(*tasks)

    assert results == [0, 2, 4, 6, 8, 10]
    assert doorman.pieces == [1, 2, 2, 1]


async def test_who_does_not_wait_any_more_costs_no_work() -> None:
    doorman = Doorman()
    gathered = Gathered(doorman.doubled, doorman.run, pieces=1)
    first, gone, last = await asked(gathered, range(3))

    gone.cancel()
    await asyncio.sleep(0)
    doorman.door.set()

    assert [await first, await last] == [0, 4]
    assert sum(doorman.pieces) == 2


async def test_what_is_asked_after_one_left_in_the_middle_of_its_work_is_done() -> None:
    doorman = Doorman()
    gathered = Gathered(doorman.doubled, doorman.run, pieces=1)
    gone, waits = await asked(gathered, range(2))

    gone.cancel()
    doorman.door.set()

    assert await waits == 2


async def test_each_call_has_its_own_outcome() -> None:
    def twelve_by(number: int) -> int:
        return 12 // number

    halves = Gathered(each(twelve_by), at_once, pieces=1)

    assert await halves.done(5) == 2
    with pytest.raises(ZeroDivisionError):
        await halves.done(0)
    assert await halves.done(6) == 2


class Stopped(FixedClock):
    """A clock whose waits end when the test says so."""

    def __init__(self) -> None:
        super().__init__(START)
        self.pauses: list[tuple[int, asyncio.Future[None]]] = []

    async def pause_ms(self, duration_ms: int) -> None:
        future = asyncio.get_running_loop().create_future()
        self.pauses.append((self.ticks_ms() + duration_ms, future))
        await future

    async def pass_ms(self, duration_ms: int) -> None:
        self.sleep_ms(duration_ms)
        for until, future in self.pauses:
            if until <= self.ticks_ms() and not future.done():
                future.set_result(None)
        for _ in range(3):
            await asyncio.sleep(0)

    @property
    def n_waited_on(self) -> int:
        return sum(not future.done() for _, future in self.pauses)


async def waited(alarm: Alarm, wait_ms: int) -> None:
    future = asyncio.get_running_loop().create_future()
    with alarm.rings(future, wait_ms):
        await future


async def started(alarm: Alarm, *waits_ms: int) -> list["asyncio.Task[None]"]:
    tasks = [asyncio.ensure_future(waited(alarm, wait_ms)) for wait_ms in waits_ms]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_each_wait_ends_in_its_time_and_the_clock_is_asked_once_for_all() -> None:
    clock = Stopped()
    alarm = Alarm(clock)
    long, short, middle = await started(alarm, 25_000, 50, 1_000)

    assert clock.n_waited_on == 1
    await clock.pass_ms(49)
    assert not short.done()
    await clock.pass_ms(1)
    assert short.done()
    assert not middle.done()
    await clock.pass_ms(950)
    assert middle.done()
    assert not long.done()
    await clock.pass_ms(24_000)
    assert long.done()
    assert clock.n_waited_on == 0


async def test_long_waits_that_begin_within_a_moment_end_together_and_hardly_early() -> None:
    clock = Stopped()
    alarm = Alarm(clock)
    (first,) = await started(alarm, 25_000)
    await clock.pass_ms(100)
    (second,) = await started(alarm, 25_000)

    await clock.pass_ms(24_500)
    assert not first.done()
    assert not second.done()
    await clock.pass_ms(400)

    assert first.done()
    assert second.done()


async def test_no_wait_leaves_anything_behind() -> None:
    clock = Stopped()
    alarm = Alarm(clock)
    tasks = await started(alarm, 1_000, 2_000)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)

    assert [it for it in asyncio.all_tasks() if it is not asyncio.current_task()] == []
    (later,) = await started(alarm, 10)
    await clock.pass_ms(10)
    assert later.done()
