"""A run by its seed, many runs one after another, and what is said of them."""

import asyncio
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from sync.model.errors import StoreError
from sync.simulate import knobs
from sync.simulate.actions import chosen
from sync.simulate.checks import Broken
from sync.simulate.timeline import Stalled, VirtualLoop
from sync.simulate.world import Plan, Verdict, World


@dataclass(slots=True)
class Report:
    """What became of many runs; `hash` is over the hashes of all of them, in order."""

    n_seeds: int = 0
    n_steps: int = 0
    n_ops: int = 0
    n_calls: int = 0
    n_faults: int = 0
    virtual_s: int = 0
    failed: list[Verdict] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    hash: str = ""

    def add(self, verdict: Verdict) -> None:
        """Count one more run."""
        self.n_seeds += 1
        self.n_steps += verdict.n_steps
        self.n_ops += verdict.n_ops
        self.n_calls += verdict.n_calls
        self.n_faults += sum(verdict.faults.values())
        self.virtual_s += verdict.virtual_s
        for fault, count in verdict.faults.items():
            self.faults[fault] = self.faults.get(fault, 0) + count
        for name, count in verdict.seen.items():
            self.seen[name] = self.seen.get(name, 0) + count
        if verdict.broken:
            self.failed.append(verdict)
        both = f"{self.hash}{verdict.hash}" if self.hash else ""
        self.hash = blake2b(both.encode(), digest_size=16).hexdigest() if both else verdict.hash


def replay_line(plan: Plan) -> str:
    """The command that runs this one again."""
    without = "".join(f" --without {name}" for name in sorted(plan.without))
    return f"tapthread simulate --seed {plan.seed} --kiosks {plan.n_kiosks} --steps {plan.n_steps}{without}"


def runs(plan: Plan, n_seeds: int, folder: Path) -> Iterator[Verdict]:
    """This seed and those after it, each in a folder of its own that is removed again."""
    for seed in range(plan.seed, plan.seed + n_seeds):
        own = folder / str(seed)
        own.mkdir()
        try:
            yield simulated(Plan(seed, plan.n_kiosks, plan.n_steps, plan.without), own)
        finally:
            shutil.rmtree(own)


class _Defects(logging.Handler):
    """Remembers what the code of both ends caught and logged although it should never happen."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Only errors with a trace are defects; others are what a person must act on."""
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            if not isinstance(error, StoreError):
                self.found.append(f"{record.name}: {record.getMessage()}: {error!r}")


def simulated(plan: Plan, folder: Path) -> Verdict:
    """One run in an empty folder, which it leaves behind."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(plan, folder, loop)
    defects = _Defects()
    logging.getLogger("sync").addHandler(defects)
    try:
        with knobs.turned():
            loop.run_until_complete(world.run(chosen(plan.without)))
    except Broken as error:
        world.verdict.broken = str(error)
    except Stalled:
        world.verdict.broken = "everybody waits for something that will never happen"
    finally:
        logging.getLogger("sync").removeHandler(defects)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
    if defects.found:
        words = f"{len(defects.found)} defects, first {defects.found[0]}"
        world.verdict.broken = f"{words}; {world.verdict.broken}".removesuffix("; ")
    return world.verdict
