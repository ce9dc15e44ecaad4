"""Many runs, one seed after another, and what is said of them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from sync.simulate.world import Plan, Verdict, simulated


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
