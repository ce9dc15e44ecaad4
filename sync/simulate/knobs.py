"""What is made small while a run lasts, so that forty rows do what forty thousand do; and threads that are none.

A snapshot is worth it from some rows on, and its parts have thousands: here a few are enough, so that one is cut off in the
middle in every second run. Rows and operations have more forms than today (`skew`). Whoever wants a thread of its own gets one that does the work at once: its turns are then the
same in every run, and a run has no other thread.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, TypeVar

from sync.central import snapshots
from sync.edge import recorder, snapshot, work
from sync.model import forms, registry
from sync.simulate import skew

Value = TypeVar("Value")


class Inline(Executor):
    """Does at once what another would do in a thread."""

    def __init__(self, *_: object, **__: object) -> None:
        """As a pool of threads is made."""

    def submit(self, fn: Callable[..., Value], /, *args: Any, **kwargs: Any) -> Future[Value]:
        """What it returned or raised, in a future that is done."""
        future: Future[Value] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # told to whoever asks, as a thread's is
            future.set_exception(error)
        return future


KNOBS: Final[tuple[tuple[ModuleType, str, object], ...]] = (
    (snapshots, "ROWS_MIN", 20),
    (snapshots, "PART_ROWS_MAX", 7),
    (snapshot, "ROWS_MIN", 20),
    (work, "ROWS_MIN", 20),
    (snapshot, "ThreadPoolExecutor", Inline),
    (forms, "FORMS", skew.FORMS),
    (registry, "KINDS", skew.KINDS),
    (recorder, "KINDS", skew.KINDS),
)


@contextmanager
def turned() -> Iterator[None]:
    """All of them, for one run."""
    before = [(module, name, getattr(module, name)) for module, name, _ in KNOBS]
    for module, name, value in KNOBS:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
