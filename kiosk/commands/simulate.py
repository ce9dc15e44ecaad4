"""`tapthread simulate`: both ends in one process under random faults that a seed decides, checked after every step.

The last line is the hash of all events: the same seed, the same hash. A seed that breaks something says what, prints the
command that runs it again, and ends with exit code 1; an action that `--without` names and nobody knows, with 2.
"""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from kiosk.commands.counting import counted

EXIT_BROKEN: Final = 1
EXIT_USAGE: Final = 2
MEMORY: Final = Path("/dev/shm")  # noqa: S108  # files that are gone with the run belong into memory
TAIL: Final = 30
"""Events shown of a run that broke."""

HASHED: Final = "PYTHONHASHSEED"
"""Sets and dictionaries of text come in the same order only where this is fixed."""


def run(  # noqa: PLR0913, PLR0917  # the options of one command
    seed: Annotated[int, typer.Option("--seed", help="The first seed.")] = 1,
    kiosks: Annotated[int, typer.Option("--kiosks", help="Kiosks.", min=1, max=50)] = 3,
    steps: Annotated[int, typer.Option("--steps", help="Steps a run.", min=1)] = 40,
    seeds: Annotated[int, typer.Option("--seeds", help="How many seeds.", min=1)] = 1,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="Leave an action out; may be repeated."),
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print every event.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """Run both ends under random faults and check that nothing is lost, doubled or different."""
    _begin_again()
    from sync.simulate.actions import ALL
    from sync.simulate.report import Report, replay_line, runs
    from sync.simulate.world import Plan, name_of

    names = [name_of(action) for action, _ in ALL]
    for unknown in frozenset(without or ()).difference(names):
        sentence = f"there is no action {unknown[:60]!a}; there are {', '.join(names)}"
        print(f"tapthread simulate: {sentence}", file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)
    quiet = logging.getLogger("sync")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    plan = Plan(seed, kiosks, steps, frozenset(without or ()))
    report = Report()
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="tapthread-simulate-", dir=where) as folder:
        for verdict in runs(plan, seeds, Path(folder)):
            report.add(verdict)
            if trace:
                print("\n".join(verdict.events))
            if verdict.broken:
                replay = replay_line(Plan(verdict.seed, kiosks, steps, plan.without))
                events = [] if trace else verdict.events[-TAIL:]
                words = [*events, f"seed {verdict.seed}: {verdict.broken}", f"again: {replay}"]
                print("\n".join(words), file=sys.stderr, flush=True)
            elif seeds > 1 and not as_json and report.n_seeds % 100 == 0:
                print(f"{report.n_seeds:,} seeds, {len(report.failed)} failed", flush=True)
    said = {
        "seeds": report.n_seeds, "steps": report.n_steps, "operations": report.n_ops,
        "calls": report.n_calls, "faults": report.n_faults, "virtual_s": report.virtual_s,
        "failed": [verdict.seed for verdict in report.failed], "by_fault": report.faults, "seen": report.seen,
        "hash": report.hash,
    }  # fmt: skip
    if as_json:
        print(json.dumps(said))
    else:
        print(
            f"{counted(report.n_seeds, 'seed')}, {counted(report.n_steps, 'step')}, {counted(report.n_ops, 'operation')},"
            f" {counted(report.n_calls, 'call')}, {counted(report.n_faults, 'fault')}, {len(report.failed)} failed"
        )
        print(report.hash)
    if report.failed:
        raise typer.Exit(EXIT_BROKEN)


def _begin_again() -> None:
    """Start once more with a disk that can fail and a fixed order of sets, where this process has them not."""
    from hardware.virtual.power import PRELOAD, PowerUnavailable, built

    if os.environ.get(HASHED) == "0":
        return
    changed = {**os.environ, HASHED: "0"}
    try:
        changed[PRELOAD] = str(built())
    except PowerUnavailable as error:
        print(f"Disks do not fail in this run: {error}", file=sys.stderr)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], changed)  # noqa: S606
