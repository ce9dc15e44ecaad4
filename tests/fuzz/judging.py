"""What is wrong with how a target took one input: another error than its own, too much time, too much memory."""

import time
import traceback
import tracemalloc
from dataclasses import dataclass

from tests.fuzz.targets import Target

MEMORY_MAX = 1_048_576
"""Bytes any input may make a parser hold."""

AGAIN = 5
"""How often a slow input is timed; the quickest counts, so that a busy machine finds nothing."""


@dataclass(frozen=True)
class Finding:
    """Something wrong.

    Attributes:
        kind: error | slow | memory.
        what: One line, the same for the same defect.
    """

    target: str
    kind: str
    what: str
    data: bytes


def judged(
    target: Target,
    data: bytes,
    *,
    is_timed: bool = False,
    is_weighed: bool = False,
    slower: int = 1,
) -> Finding | None:
    """Run one input; what is wrong, if anything.

    Args:
        target: What eats it.
        data: At most `target.largest` bytes; more are cut off.
        is_timed: Look at the clock as well.
        is_weighed: Look at the memory as well; slow.
        slower: How many times slower code runs here than in a shop: under instrumentation.
    """
    data = data[: target.largest]
    began = time.thread_time_ns()
    found = _run(target, data)
    if found is not None:
        return found
    limit_us = None if target.cpu_us is None else target.cpu_us * slower
    took_us = (time.thread_time_ns() - began) // 1_000
    if is_timed and limit_us is not None and took_us > limit_us:
        took_us = min(_timed_us(target, data) for _ in range(AGAIN))
        if took_us > limit_us:
            return Finding(target.name, "slow", f"more than {limit_us} us", data)
    if is_weighed and limit_us is not None:
        peak = _weighed(target, data)
        if peak > MEMORY_MAX:
            return Finding(target.name, "memory", f"more than {MEMORY_MAX} bytes", data)
    return None


def _run(target: Target, data: bytes) -> Finding | None:
    try:
        target.run(data)
    except target.errors:
        return None
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
        return Finding(target.name, "error", f"{type(error).__name__} at {where}", data)
    return None


def _timed_us(target: Target, data: bytes) -> int:
    began = time.thread_time_ns()
    _run(target, data)
    return (time.thread_time_ns() - began) // 1_000


def _weighed(target: Target, data: bytes) -> int:
    tracemalloc.start()
    try:
        _run(target, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
