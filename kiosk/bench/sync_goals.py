"""What the figures of the sync bench are held to, and how this machine compares with the one that was set on. Pure.

Each figure is set beside plain sqlite3 of the same run, which both machines can do: a slow machine is seen to be slow, and a
slow program cannot hide behind it. A floor, a limit or an aim is said twice: as it is, and as far as this machine is as fast as the
other. What does not depend on the machine, bytes and memory, is said once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from kiosk.bench.figures import Figure, Goal

PLAIN: Final = "base.sqlite@"
PLAIN_WHERE_SET: Final = 152_000.0
"""Rows a second of plain sqlite3 on the machine that floors and aims were set on."""

SET_AT: Final = 50_000
"""Profiles that floors and aims were set at; they are said from a fifth of it on."""

GOALS: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    "sync.first.pages": (("floor", 25_000), ("aim", 40_000)),
    "sync.first.snapshot": (("floor", 80_000), ("aim", 90_000)),
    "sync.wire.pages": (("limit", 200),),
    "sync.wire.snapshot": (("limit", 200),),
    "sync.rss.kiosk.pages": (("limit", 150),),
    "sync.idle": (("limit", 3),),
    "sync.idle_bytes": (("limit", 300),),
    "sync.change_to_commit": (("limit", 15),),
    "sync.push": (("floor", 3_000), ("aim", 10_000)),
}
"""By metric what is to be reached: at least, for what is counted by the second; at most, for all else."""

_A_SECOND: Final = ("docs/s", "ops/s")


def judged(results: Mapping[str, Figure]) -> dict[str, Figure]:
    """The figures with what they are held to, and how fast this machine is, as `base.speed`."""
    plain = {
        int(name.removeprefix(PLAIN)): figure.median
        for name, figure in results.items()
        if name.startswith(PLAIN)
    }
    if not plain:
        return dict(results)
    usual = plain[min(plain, key=lambda size: abs(size - SET_AT))]
    said = {
        name: _beside(name, figure, plain.get(_size_of(name), usual))
        for name, figure in results.items()
    }
    speed = round(usual / PLAIN_WHERE_SET, 2)
    note = f"of the machine floors and aims were set on: {usual:,.0f} rows/s of plain sqlite3, there {PLAIN_WHERE_SET:,.0f}"
    return {"base.speed": Figure(speed, speed, "x", 1, note=note), **said}


def _beside(name: str, figure: Figure, plain: float) -> Figure:
    if name.startswith(PLAIN) or (figure.unit not in _A_SECOND and not _is_held(name)):
        return figure
    ratio = note = None
    if figure.unit in _A_SECOND:
        ratio = figure.median / plain
        note = f"{ratio:.2f} of plain sqlite3"
    elif figure.unit == "ms":
        ratio = figure.median / 1_000 * plain
        note = f"the time of {ratio:,.0f} rows of plain sqlite3"
    goals = tuple(
        _goal(what, value, figure, plain / PLAIN_WHERE_SET)
        for what, value in (GOALS[name.partition("@")[0]] if _is_held(name) else ())
    )
    rounded = None if ratio is None else round(ratio, 4)
    return replace(figure, note=note or "", vs_sqlite=rounded, goals=goals)


def _is_held(name: str) -> bool:
    size = _size_of(name)
    return name.partition("@")[0] in GOALS and (not size or 5 * size >= SET_AT)


def _size_of(name: str) -> int:
    """How many profiles a metric is of; 0 for one that is of none."""
    size = name.partition("@")[2]
    return int(size) if size else 0


def _goal(what: str, value: float, figure: Figure, speed: float) -> Goal:
    if figure.unit in _A_SECOND:
        here = value * speed
        return Goal(what, value, here, figure.median >= value, figure.median >= here)
    here = value / speed if figure.unit == "ms" else value
    return Goal(what, value, here, figure.median <= value, figure.median <= here)
