"""From samples to medians, and the two ways they are printed: one JSON object, or a table for people."""

import json
import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


class BenchImpossible(Exception):
    """This machine lacks what a bench needs; the sentence says what, `code` names it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Goal:
    """What a metric is held to.

    Attributes:
        what: floor (at least) | limit (at most) | aim.
        value: As it was set, on another machine.
        here: The same as far as this machine is as fast as that one.
        is_met, is_met_here: Whether each is reached.
    """

    what: str
    value: float
    here: float
    is_met: bool
    is_met_here: bool

    @property
    def words(self) -> str:
        """For people: how it stands against both."""
        met = {True: "met", False: "not met"}
        said = f"{self.what} {self.value:,g} {met[self.is_met]}"
        if self.here == self.value:
            return said
        return f"{said}, scaled to this machine {self.here:,.{0 if self.here >= 100 else 1}f} {met[self.is_met_here]}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric.

    Attributes:
        median, p95: In `unit`.
        unit: ms, us, x (a ratio measured in the same run), ...
        runs: How many samples.
        note: What to know of it, for people.
        vs_sqlite: As a part, or as so many rows, of what plain sqlite3 does in the same run; None where that says nothing.
        goals: What it is held to.
    """

    median: float
    p95: float
    unit: str
    runs: int
    note: str = ""
    vs_sqlite: float | None = None
    goals: tuple[Goal, ...] = ()

    @property
    def words(self) -> str:
        """Note and goals in one line."""
        return "; ".join(
            one for one in (self.note, *(goal.words for goal in self.goals)) if one
        )


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
    return json.dumps(
        {
            "machine": machine(),
            "results": {name: _plain(each) for name, each in results.items()},
        }
    )


def _plain(figure: Figure) -> dict[str, object]:
    """A figure for programs: what is not known of it is left out."""
    return {
        name: value for name, value in asdict(figure).items() if value not in ("", None, ())
    }


def _standing(results: Mapping[str, Figure]) -> list[str]:
    """How it stands with all the goals; no line where there are none."""
    goals = [(name, goal) for name, each in results.items() for goal in each.goals]
    missed = [f"{name} ({goal.what})" for name, goal in goals if not goal.is_met]
    if not goals:
        return []
    if not missed:
        return ["the one goal is met" if len(goals) == 1 else f"all {len(goals)} goals are met"]
    return [f"{len(missed)} of {len(goals)} goals are not met: {', '.join(missed)}"]


def as_table(results: Mapping[str, Figure]) -> str:
    """A line a metric, in columns."""
    width = max((len(name) for name in results), default=6)
    lines = [f"{'metric':<{width}}  {'median':>10}  {'p95':>10}  unit    runs"]
    lines += [
        f"{name:<{width}}  {each.median:>10.3f}  {each.p95:>10.3f}  {each.unit:<6}  {each.runs:<4}  {each.words}".rstrip()
        for name, each in results.items()
    ]
    lines += _standing(results)
    seen = machine()
    lines.append(f"on {seen['system']}, {seen['cores']} cores, Python {seen['python']}")
    return "\n".join(lines)
