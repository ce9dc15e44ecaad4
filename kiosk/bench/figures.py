"""From samples to medians, and the two ways they are printed: one JSON object, or a table for people."""

import json
import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class BenchImpossible(Exception):
    """This machine lacks what a bench needs; the sentence says what, `code` names it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric.

    Attributes:
        median, p95: In `unit`.
        unit: ms, us, x (a ratio measured in the same run), ...
        runs: How many samples.
    """

    median: float
    p95: float
    unit: str
    runs: int


def figure_of(samples: Sequence[float], unit: str) -> Figure:
    """Median and 95th percentile (nearest rank) of at least one sample."""
    ordered = sorted(samples)
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return Figure(round(statistics.median(ordered), 4), round(p95, 4), unit, len(ordered))


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
    }


def as_json(results: Mapping[str, Figure]) -> str:
    """One object: `machine` and `results`, metric by metric."""
    figures = {
        name: {"median": each.median, "p95": each.p95, "unit": each.unit, "runs": each.runs}
        for name, each in results.items()
    }
    return json.dumps({"machine": machine(), "results": figures})


def as_table(results: Mapping[str, Figure]) -> str:
    """A line a metric, in columns."""
    width = max((len(name) for name in results), default=6)
    lines = [f"{'metric':<{width}}  {'median':>10}  {'p95':>10}  unit  runs"]
    lines += [
        f"{name:<{width}}  {each.median:>10.3f}  {each.p95:>10.3f}  {each.unit:<4}  {each.runs}"
        for name, each in results.items()
    ]
    seen = machine()
    lines.append(f"on {seen['system']}, {seen['cores']} cores, Python {seen['python']}")
    return "\n".join(lines)
