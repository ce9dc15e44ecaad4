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


def test_a_short_run_says_what_it_does_and_what_it_had_no_time_for(tmp_path: Path) -> None:
    both = {"apdu", "tlv"}

    done = fuzzed("--seconds", "3", "--target", "apdu", "--target", "tlv", "--keep", tmp_path)

    name, engine, count, *_ = done.stdout.split()
    (left,) = both - {name}
    assert done.returncode == 0
    assert (engine == "atheris") == (int(count) > 0)
    assert f"1 of 1  {name}" in done.stderr
    assert f"no time for them: {left}\n" in done.stdout
    assert "0 found" in done.stdout


def test_one_input_is_run_again_and_an_unknown_target_is_said(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"\x90\x00")

    again = fuzzed("--again", tmp_path / "one", "--target", "apdu")
    unknown = fuzzed("--target", "nothing")

    assert (again.returncode, again.stdout.strip()) == (0, "nothing")
    assert unknown.returncode == 2
    assert "apdu" in unknown.stdout
