"""The command that fuzzes runs each target in a process of its own and says what came of it."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fuzz import run

ROOT = Path(__file__).parents[2]


def fuzzed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = (sys.executable, "-m", "tests.fuzz.run", *map(str, arguments))
    return subprocess.run(
        line, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )


def test_a_short_run_says_what_it_does_and_what_it_had_no_time_for(tmp_path: Path) -> None:
    both = {"apdu", "tlv"}

    done = fuzzed("--seconds", "3", "--target", "apdu", "--target", "tlv", "--keep", tmp_path)

    name, engine, count, *_ = done.stdout.split()
    left = both - {name} if int(count) else both
    assert done.returncode == (0 if int(count) else 2)
    assert (engine == "atheris") == (int(count) > 0)
    assert f"1 of 1  {name}" in done.stderr
    assert f"no time for them: {', '.join(sorted(left))}\n" in done.stdout
    assert "0 found" in done.stdout


def test_a_machine_too_busy_to_start_a_target_gives_the_next_ones_longer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock stands still but for what a target takes; one starts in no less than 10 s."""
    now, slots = [0.0], []

    def run_one(name: str, until: float, keep: Path) -> run.Outcome:
        slot_s = until - now[0]
        slots.append(slot_s)
        now[0] = until
        if slot_s < 10:
            return run.Outcome(name, run.STARTING, 0, slot_s, ())
        return run.Outcome(name, "atheris", 5, slot_s, ())

    monkeypatch.setattr(run, "_run_one", run_one)
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: now[0]))

    outcomes = run._run_all([f"target {number}" for number in range(13)], 52, tmp_path)

    assert slots == [4, 8, 20, 20]
    assert [one.executions for one in outcomes] == [0, 0, 5, 5]
    assert len({one.target for one in outcomes if one.executions}) == 2
    assert "4 of 4" in capsys.readouterr().err


def test_one_input_is_run_again_and_an_unknown_target_is_said(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"\x90\x00")

    again = fuzzed("--again", tmp_path / "one", "--target", "apdu")
    unknown = fuzzed("--target", "nothing")

    assert (again.returncode, again.stdout.strip()) == (0, "nothing")
    assert unknown.returncode == 2
    assert "apdu" in unknown.stdout
