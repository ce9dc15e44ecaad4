"""The bootstrap as somebody without root meets it, and what the locks may say."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOOTSTRAP = ROOT / "hardware" / "bootstrap"
LOCKS = sorted((ROOT / "hardware" / "locks").glob("*.txt"))


def bootstrap(*arguments: str, tools: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.environ["PATH"] if tools is None else f"{tools}:{os.environ['PATH']}"
    return subprocess.run(
        [str(BOOTSTRAP), *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PATH": path},
    )  # fmt: skip


def pretend(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("tapthread demo", "swig"),
        ("pytest", "tmux"),
        ("tapthread bench tap", "vsmartcard-vpcd"),
    ],
)
def test_without_root_it_prints_the_one_line_an_administrator_must_run(
    command: str, package: str, tmp_path: Path
) -> None:
    pretend(tmp_path, "dpkg-query", "exit 1")
    pretend(tmp_path, "id", "echo 1000")
    pretend(tmp_path, "apt-get", "echo must not be called; exit 1")

    done = bootstrap(*command.split(), tools=tmp_path)

    (line,) = done.stdout.splitlines()
    assert done.returncode == 3
    assert line.startswith("sudo sh -c 'apt-get update && ")
    assert f" {package}" in line
    assert "libpcsclite-dev" in line


def test_a_kiosk_gets_no_virtual_slots_in_its_own_pcsc_service(tmp_path: Path) -> None:
    pretend(tmp_path, "dpkg-query", "exit 1")
    pretend(tmp_path, "id", "echo 1000")

    assert "vpcd" not in bootstrap("tapthread", "demo", tools=tmp_path).stdout


def test_as_root_a_failing_apt_is_said_and_nothing_is_run(tmp_path: Path) -> None:
    pretend(tmp_path, "dpkg-query", "exit 1")
    pretend(tmp_path, "id", "echo 0")
    pretend(tmp_path, "apt-get", "echo no network >&2; exit 100")

    done = bootstrap("tapthread", "--version", tools=tmp_path)

    assert (done.returncode, done.stdout) == (4, "")
    assert "no network" in done.stderr
    assert "apt-get failed" in done.stderr


def test_a_package_that_was_removed_but_left_its_configuration_counts_as_missing(
    tmp_path: Path,
) -> None:
    pretend(tmp_path, "dpkg-query", "echo config-files")
    pretend(tmp_path, "id", "echo 1000")

    assert bootstrap("tapthread", "--version", tools=tmp_path).returncode == 3


def test_without_a_command_it_says_how_it_is_used() -> None:
    done = bootstrap()

    assert done.returncode == 4
    assert "hardware/bootstrap tapthread demo" in done.stderr


def test_prepared_it_runs_the_rest_of_its_line_and_gives_back_its_exit_code() -> None:
    bootstrap("tapthread", "--version")  # prepared now, also right after a lock was changed
    version, wrong = bootstrap("tapthread", "--version"), bootstrap("tapthread", "nonsense")

    assert (version.returncode, version.stdout.partition(" ")[0]) == (0, "tapthread")
    assert version.stderr == ""
    assert wrong.returncode == 2


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_no_lock_names_an_address(lock: Path) -> None:
    text = lock.read_text()
    lines = text.replace("\\\n", " ").splitlines()

    requirements = [line for line in lines if line.strip() and not line.startswith("#")]
    assert requirements
    assert all("==" in line and "--hash=sha256:" in line for line in requirements)
    assert "://" not in text
    assert "--index-url" not in text


def test_the_locks_are_the_three_sets() -> None:
    assert [path.stem for path in LOCKS] == ["build", "run", "test"]


def test_an_environment_that_could_not_be_made_is_said_and_nothing_is_run(
    tmp_path: Path,
) -> None:
    """A copy of the bootstrap whose lock names a package nobody can have: no stamp, no command."""
    root = tmp_path / "copy"
    (root / "hardware").mkdir(parents=True)
    shutil.copytree(ROOT / "hardware" / "locks", root / "hardware" / "locks")
    shutil.copy(BOOTSTRAP, root / "hardware" / "bootstrap")
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "hardware" / "locks" / "build.txt").write_text("setuptools==1 --hash=sha256:00\n")

    done = subprocess.run(
        [str(root / "hardware" / "bootstrap"), "pytest", "--version"],
        capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PIP_NO_INDEX": "1"},
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (4, "")
    assert "could not be made" in done.stderr
    assert not list((root / ".venv").glob("stamp-*"))
