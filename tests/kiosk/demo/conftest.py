"""One seeded centre for all tests of what came in, and comes in, through the demo's channels."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from kiosk.assembly.device import World
from kiosk.demo.seeding import open_demo_centre
from sync.central.centre import Centre

NOW = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
"""A Saturday afternoon; tests move the clock on, never back."""


@pytest.fixture(scope="session")
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture(scope="session")
def centre(tmp_path_factory: pytest.TempPathFactory, clock: FixedClock) -> Iterator[Centre]:
    world = World(clock=clock, entropy=SeededEntropy("demo"), disk=SystemDisk())
    opened = open_demo_centre(tmp_path_factory.mktemp("told") / "centre", world=world)
    yield opened
    opened.close()
