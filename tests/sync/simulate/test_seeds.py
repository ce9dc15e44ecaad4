"""A few hundred short runs under all faults, as `tapthread simulate` makes them, on disks that can fail."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.support.commands import line_of

SEEDS, STEPS, AT_ONCE = 100, 6, 2


def started(*arguments: object) -> subprocess.Popen[str]:
    # Without the fixed order of sets that the command gives itself, as a person calls it.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    return subprocess.Popen(
        line_of("simulate", *map(str, arguments)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    said, wrong = process.communicate(timeout=900)
    return process.returncode, said, wrong


@pytest.mark.timeout(900)
def test_two_hundred_runs_lose_nothing_double_nothing_and_end_in_agreement() -> None:
    processes = [
        started("--seed", 1 + n * SEEDS, "--seeds", SEEDS, "--steps", STEPS, "--json")
        for n in range(AT_ONCE)
    ]

    found = [ended(process) for process in processes]

    for code, said, wrong in found:
        assert code == 0, wrong
        report: dict[str, Any] = json.loads(said)
        assert (report["seeds"], report["failed"]) == (SEEDS, [])
        assert report["operations"] > 4 * SEEDS
        assert len(report["by_fault"]) > 25, "nearly every fault there is"
    assert "Disks do not fail" not in found[0][2]


def test_the_same_seeds_end_in_the_same_hash_in_another_process() -> None:
    processes = [started("--seed", 7, "--seeds", 3, "--steps", 20) for _ in range(2)]

    (code, first, wrong), (_, second, _) = (ended(process) for process in processes)

    assert code == 0, wrong
    assert first == second
    assert len(first.splitlines()[-1]) == 32


def test_an_event_at_a_time_can_be_looked_at() -> None:
    code, said, wrong = ended(started("--seed", 3, "--steps", 5, "--trace"))

    assert code == 0, wrong
    assert "step 4 " in said
    assert " heal\n" in said


FOUND = (
    (313080, 3, 8),  # the centre set back behind the only push of a kiosk that was loading
    (1200351, 3, 8),  # notes of erasures could not be written to a disk that failed
    (1004594, 3, 8),  # all uses lent to a store, which gave them out
    (1005686, 3, 8),  # a kiosk that heard before another that the other is quarantined
    (410067, 2, 40),  # a push that came so late that its kiosk was called a copy
    (
        420111,
        2,
        40,
    ),  # a kiosk that settled something and was moved before the decision came down
    (1200442, 3, 8),  # what was done for who was joined into another, and the centre set back
    (1250021, 3, 30),  # a revoked kiosk that was to show what another did
)
"""Seed, kiosks and steps of runs that once failed."""


@pytest.mark.parametrize(("seed", "kiosks", "steps"), FOUND)
def test_what_once_failed_does_not_fail_again(seed: int, kiosks: int, steps: int) -> None:
    code, _, wrong = ended(started("--seed", seed, "--kiosks", kiosks, "--steps", steps))

    assert code == 0, wrong
