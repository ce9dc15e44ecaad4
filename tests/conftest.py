"""What holds for every test: random data is the same in every run, and nothing is judged by how long it took."""

import gc
import io
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from hardware import log

if sys.dont_write_bytecode:
    # Hundreds of processes would compile every module anew. Whoever set this keeps a clean checkout: it goes elsewhere.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(tempfile.gettempdir()) / f"tapthread-pycache-{os.getuid()}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

MEMORY: Path = Path("/dev/shm")
"""Where files are in memory: thousands of small databases are made and synced there in a third of the time."""

ROOM_BYTES: int = 4_000_000_000


def _has_room() -> bool:
    """Whether tests can keep all their files in memory and run what they build there."""
    if not os.access(MEMORY, os.W_OK):
        return False
    there = os.statvfs(MEMORY)
    is_open = not there.f_flag & os.ST_NOEXEC
    return is_open and there.f_bavail * there.f_frsize >= ROOM_BYTES


if _has_room():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, max_examples=2_000)
"""For a hunt: HYPOTHESIS_PROFILE=search draws other data in every run."""

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


LONG: tuple[str, ...] = ("simulate/test_seeds.py", "/system/", "/ui/", "/bench/")
"""Where the tests are that take seconds each; they begin first, so that no worker is left with one at the end."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Whatever is collected stays to the end: nothing of it is looked at as garbage, now or in the tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Runs of many minutes only where they are asked for, with `-m soak`; and of the others the long ones first."""
    items.sort(
        key=lambda item: next(
            (n for n, of in enumerate(LONG) if of in str(item.path)), len(LONG)
        )
    )
    if "soak" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture(autouse=True)
def _strict_log() -> Iterator[None]:
    """A log line that could say something about a person fails the test it happens in."""
    with log.started(io.StringIO(), is_strict=True):
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_settings() -> Iterator[None]:
    """No test sees the settings of whoever runs it."""
    kept = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith("TAPTHREAD_")
    }
    yield
    os.environ.update(kept)
