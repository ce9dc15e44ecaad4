"""The command that fuzzes runs each target in a process of its own and says what came of it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def fuzzed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = (sys.executable, "-m", "tests.fuzz.run", *map(str, arguments))
    return subprocess.run(
        line, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )


def test_a_short_run_counts_what_it_did_and_finds_nothing(tmp_path: Path) -> None:
    done = fuzzed("--seconds", "1", "--target", "apdu", "--keep", tmp_path)

    name, engine, count, *_ = done.stdout.split()
    assert done.returncode == 0
    assert (name, engine) == ("apdu", "atheris")
    assert int(count) > 1_000
    assert "0 found" in done.stdout


def test_one_input_is_run_again_and_an_unknown_target_is_said(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"\x90\x00")

    again = fuzzed("--again", tmp_path / "one", "--target", "apdu")
    unknown = fuzzed("--target", "nothing")

    assert (again.returncode, again.stdout.strip()) == (0, "nothing")
    assert unknown.returncode == 2
    assert "apdu" in unknown.stdout
