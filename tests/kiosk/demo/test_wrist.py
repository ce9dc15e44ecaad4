"""A virtual band is held to the reader until it was read, as a wrist is."""

import asyncio
from datetime import UTC, datetime

from drivers.lines import Failed, ReaderState, Said, Seen
from hardware.clock import FixedClock
from kiosk.assembly.reading import ReaderWatch
from kiosk.demo.wrist import AFTER_READ_MS, HOLD_MS, READY_MS, Wrist

FAILED = Failed(tap=1, code="tag_lost")


class SlowReader:
    """A field that writes down when bands come and go, and a reader that takes its time."""

    def __init__(self, clock: FixedClock, *, reads_after_ms: int | None) -> None:
        self.clock = clock
        self.told: list[tuple[str, int]] = []
        self._reads_after_ms = reads_after_ms
        self.watch = ReaderWatch(clock)
        self.watch.heard(ReaderState(name="virtual", code=""))
        self.wrist = Wrist(self, watch=self.watch, clock=clock)

    async def present(self, *bands: str) -> str:
        self.told.append((bands[0], self.clock.ticks_ms()))
        return ""

    async def remove(self) -> str:
        self.told.append(("-", self.clock.ticks_ms()))
        return ""

    async def held_for_ms(self, *said: Said) -> int:
        """How long a band stays; what the reader says of it comes when it is due."""
        task = asyncio.create_task(self.wrist.held("maya"))
        began = self.clock.ticks_ms()
        while not task.done():
            await asyncio.sleep(0)
            is_due = self._reads_after_ms is not None and (
                self.clock.ticks_ms() - began >= self._reads_after_ms
            )
            if is_due and said:
                self.wrist.heard(said[0])
                said = said[1:]
        (_, came), (_, went) = self.told[1:]
        return went - came


def reader(*, reads_after_ms: int | None) -> SlowReader:
    return SlowReader(
        FixedClock(datetime(2026, 11, 21, tzinfo=UTC)), reads_after_ms=reads_after_ms
    )


async def test_a_band_stays_about_as_long_as_a_wrist_does() -> None:
    held_ms = await reader(reads_after_ms=100).held_for_ms(FAILED)

    assert HOLD_MS <= held_ms < HOLD_MS + 200


async def test_on_a_slow_machine_it_stays_until_it_was_read_and_a_moment_longer() -> None:
    held_ms = await reader(reads_after_ms=4_000).held_for_ms(FAILED)

    assert 4_000 + AFTER_READ_MS <= held_ms < 5_000


async def test_that_a_band_was_seen_is_not_that_it_was_read() -> None:
    seen = Seen(tap=1, technology="iso_dep", at_ticks_us=0)

    held_ms = await reader(reads_after_ms=100).held_for_ms(seen)

    assert held_ms >= READY_MS


async def test_a_reader_that_never_reads_is_left_in_the_end() -> None:
    held_ms = await reader(reads_after_ms=None).held_for_ms()

    assert READY_MS <= held_ms < READY_MS + 1_000
