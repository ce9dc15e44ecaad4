"""Fuzzes the parsers for a given time: `python -m tests.fuzz.run --seconds 60 [--target capsule] [--keep FOLDER]`.

Each target is run by atheris (libFuzzer, guided by coverage of our own code) in a process of its own, beginning with its
seeds and what `--keep` holds from before. Says when a target begins and, in one line, what came of it; ends with 1 when
something was found. Each finding is kept as a file that `--again FILE --target NAME` runs once more. It ends within the time it
was given: where that is too short for all targets, chance says which are run, and the others are named at the end. On a machine
so busy that a target has no time to start the next ones get twice as long each; where nothing was run at all it ends with 2. Where
atheris is not installed a mutation loop without coverage runs in its place, and the line says so.
"""

# ruff: noqa: T201  # a command that prints

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.judging import Finding

ROOT = Path(__file__).parents[2]
WEIGHED_EVERY = 512
"""Of so many inputs the memory of one is looked at: that takes several times as long."""

SLOT_MIN_S = 4.0
"""The shortest time a target gets: a child needs up to two seconds until it runs its first input, on a busy machine more."""

END_S = 0.5
"""Kept at the end of a slot for a child to end in; one that is still there then hangs in what it was given."""

HANG_S = 4.0
"""One that said a moment ago how far it was did not hang: the machine had no time for its end."""

STARTING = "no-time"
"""In place of an engine while there was no time to start one."""

FINDINGS_MAX = 20
"""Different defects of one target that are kept; one with more needs no further search."""


@dataclass(frozen=True)
class Outcome:
    """What came of one target."""

    target: str
    engine: str
    executions: int
    seconds: float
    findings: tuple[tuple[str, str], ...]


def main() -> int:
    """Run as asked; 1 when something was found, 2 when nothing was run."""
    asked = _asked()
    if asked.child:
        return _child(asked)
    from tests.fuzz.judging import judged
    from tests.fuzz.targets import TARGETS

    names = asked.target or sorted(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        print(f"no such target: {', '.join(unknown)}; there are {', '.join(sorted(TARGETS))}")
        return 2
    if asked.again:
        found = judged(
            TARGETS[names[0]], asked.again.read_bytes(), is_timed=True, is_weighed=True
        )
        print("nothing" if found is None else f"{found.kind}: {found.what}")
        return int(found is not None)
    keep = asked.keep or Path(tempfile.mkdtemp(prefix="tapthread-fuzz-"))
    outcomes = _run_all(list(names), asked.seconds, keep)
    _say_sum(outcomes, set(names), keep)
    if any(one.findings for one in outcomes):
        return 1
    return 0 if any(one.executions for one in outcomes) else 2


def _run_all(names: list[str], seconds: int, keep: Path) -> list[Outcome]:
    """One target after the other, each with its part of the time that is left; says how each went."""
    until = time.monotonic() + seconds
    slot_min_s = SLOT_MIN_S
    if seconds < slot_min_s * len(names):
        random.shuffle(names)
    outcomes: list[Outcome] = []
    while names:
        left_s = until - time.monotonic()
        if outcomes and left_s < slot_min_s / 2:
            break
        n_fitting = max(1, min(len(names), int(left_s / slot_min_s)))
        slot_s = left_s / n_fitting
        number = len(outcomes) + 1
        print(
            f"{number} of {number + n_fitting - 1}  {names[0]}, {slot_s:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        outcomes.append(_run_one(names[0], time.monotonic() + slot_s, keep))
        _say(outcomes[-1])
        if outcomes[-1].engine == STARTING:
            slot_min_s = 2 * slot_s
        else:
            del names[0]
    return outcomes


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz the parsers of band and reader bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="shared by all targets")
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--keep", type=Path, help="folder for inputs and findings")
    parser.add_argument("--again", type=Path, help="run this one input again")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, default=0.0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run_one(name: str, until: float, keep: Path) -> Outcome:
    """One target in a process of its own, which a fuzzer may take with it; it is gone at `until`, on the monotonic clock."""
    began = time.monotonic()
    line = (
        sys.executable, "-m", "tests.fuzz.run", "--child", "--target", name,
        "--until", str(until - END_S), "--keep", str(keep),
    )  # fmt: skip
    report = keep / name / "report.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    try:
        ended = subprocess.run(
            line, cwd=ROOT, capture_output=True, timeout=max(until - began, END_S), check=False
        )
        said = ended.stderr.decode(errors="replace")
        has_ended = True
    except subprocess.TimeoutExpired:
        said = "it hung in what it was given"
        has_ended = report.exists() and time.time() - report.stat().st_mtime < HANG_S
    told: dict[str, Any] = (
        json.loads(report.read_text()) if report.exists() else {"engine": STARTING}
    )
    if told["engine"] == STARTING and said.startswith("it hung"):
        return Outcome(name, STARTING, 0, time.monotonic() - began, ())
    if told["engine"] == STARTING or not has_ended:
        (keep / name / "died.txt").write_text(said)
        return Outcome(name, "?", 0, time.monotonic() - began, (("died", said.strip()[-200:]),))
    findings = tuple((kind, what) for kind, what in told["findings"])
    return Outcome(name, told["engine"], told["executions"], told["seconds"], findings)


def _say(one: Outcome) -> None:
    rate = one.executions / max(one.seconds, 0.001)
    print(
        f"{one.target:12} {one.engine:8} {one.executions:>10} executions  {rate:>8.0f} a second  {len(one.findings)} found"
    )
    for kind, what in one.findings:
        print(f"             {kind}: {what}")
    sys.stdout.flush()


def _say_sum(outcomes: list[Outcome], names: set[str], keep: Path) -> None:
    left = sorted(names - {one.target for one in outcomes if one.engine != STARTING})
    if left:
        print(f"not run, there was no time for them: {', '.join(left)}")
    total, found = (
        sum(one.executions for one in outcomes),
        sum(len(one.findings) for one in outcomes),
    )
    print(f"{total} executions, {found} found; kept in {keep}")


class _Hunt:
    """One target, what was found in it so far, and a report that is there whenever the process ends."""

    def __init__(self, name: str, engine: str, folder: Path, until: float) -> None:
        from tests.fuzz.judging import judged
        from tests.fuzz.targets import TARGETS

        self.target = TARGETS[name]
        self._judged = judged
        self._engine = engine
        self._folder = folder
        self._until = until
        self._began = time.monotonic()
        self._told_at = self._began
        self._found: dict[tuple[str, str], Finding] = {}
        self._slow = (
            1 if engine == "mutation" else 4
        )  # instrumented code takes longer than the shop's
        self.executions = 0

    def one(self, data: bytes) -> None:
        """Run one input."""
        self.executions += 1
        is_weighed = self.executions % WEIGHED_EVERY == 0
        found = self._judged(
            self.target, data, is_timed=True, is_weighed=is_weighed, slower=self._slow
        )
        if found is not None and (found.kind, found.what) not in self._found:
            self._found[found.kind, found.what] = found
            (self._folder / f"found-{len(self._found)}").write_bytes(found.data)
            self.tell()
        now = time.monotonic()
        if now - self._told_at > 1:
            self._told_at = now
            self.tell()

    def one_more(self, data: bytes) -> None:
        """Run one input; ends the process when it is over, for a fuzzer's own clock knows whole seconds only."""
        self.one(data)
        if self.is_over:
            self.tell()
            os._exit(0)

    @property
    def is_over(self) -> bool:
        """Is the time over, or are there enough findings?"""
        return time.monotonic() >= self._until or len(self._found) >= FINDINGS_MAX

    def tell(self) -> None:
        """Write down what was done so far."""
        told = {
            "engine": self._engine,
            "executions": self.executions,
            "seconds": time.monotonic() - self._began,
            "findings": [list(one) for one in self._found],
        }
        _write(self._folder, told)


def _write(folder: Path, told: dict[str, Any]) -> None:
    """Leave a report that is whole at any moment: its reader may end us at this one."""
    beside = folder / "report.part"
    beside.write_text(json.dumps(told))
    beside.replace(folder / "report.json")


def _child(asked: argparse.Namespace) -> int:
    name, folder = asked.target[0], asked.keep / asked.target[0]
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    _write(folder, {"engine": STARTING})
    try:
        import atheris  # type: ignore[import-untyped]  # it has no types
    except ImportError:
        return _without_coverage(name, folder, asked.until)
    with atheris.instrument_imports(include=["drivers", "hardware.virtual", "sync.model"]):
        import tests.fuzz.targets  # noqa: F401  # first here: what it imports is to be instrumented
    _quiet()
    hunt = _Hunt(name, "atheris", folder, asked.until)
    for number, seed in enumerate(hunt.target.seeds):
        (inputs / f"seed-{number}").write_bytes(seed)
        hunt.one(seed)
    hunt.tell()
    if hunt.is_over:
        return 0
    arguments = (
        sys.argv[0], f"-max_len={min(hunt.target.largest, 4_096)}",
        "-print_final_stats=0", "-verbosity=0", "-rss_limit_mb=2048", str(inputs),
    )  # fmt: skip
    atheris.Setup(arguments, hunt.one_more)
    atheris.Fuzz()
    return 0


def _without_coverage(name: str, folder: Path, until: float) -> int:
    """Seeds changed at random, for machines without atheris."""
    _quiet()
    hunt = _Hunt(name, "mutation", folder, until)
    chance = random.Random(f"{name}/{time.time_ns()}")
    pool = [*hunt.target.seeds, b""]
    while not hunt.is_over:
        hunt.one(_mutated(chance.choice(pool), chance))
    hunt.tell()
    return 0


def _mutated(raw: bytes, chance: random.Random) -> bytes:
    """Some of it cut, doubled, flipped or overwritten."""
    made = bytearray(raw)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(made))
        match chance.randrange(5):
            case 0 if made:
                made[at % len(made)] ^= 1 << chance.randrange(8)
            case 1:
                made[at:at] = chance.randbytes(chance.randint(1, 8))
            case 2:
                del made[at : at + chance.randint(1, 8)]
            case 3:
                made[at:at] = made[at : at + chance.randint(1, 64)]
            case _:
                made[at : at + 1] = bytes((chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF)),))
    return bytes(made)


def _quiet() -> None:
    """A reader that lies is logged each time; nobody reads that here."""
    import logging

    logging.disable(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
