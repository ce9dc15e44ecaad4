"""What is installed on a kiosk can neither issue bands nor be a centre nor pretend to be hardware, and says so."""

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardware.kiosk_wheel import LEFT_OUT, build

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Kiosk:
    """An environment with nothing in it but the kiosk's wheel; other people's packages are reached, never ours."""

    folder: Path
    wheel: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "bin/python"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            # A path that is not a site folder: the links of an editable installation in it are not followed.
            env={"PYTHONPATH": sysconfig.get_path("purelib"), "HOME": str(self.folder)},
        )

    def imported(self, module: str) -> str:
        """Where a module was imported from; what was missing otherwise."""
        done = self.run("-c", f"import {module} as it; print(it.__file__)")
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Kiosk:
    folder = tmp_path_factory.mktemp("kiosk")
    wheel = build(CHECKOUT, folder / "out")
    venv.EnvBuilder(with_pip=False).create(folder / "env")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", str(folder / "env/bin/python"), "install",
            "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel),
        ],
        check=True,
        timeout=60,
    )  # fmt: skip
    return Kiosk(folder / "env", wheel)


def test_the_wheel_lacks_exactly_the_folders_a_kiosk_does_without(kiosk: Kiosk) -> None:
    with zipfile.ZipFile(kiosk.wheel) as wheel:
        names = wheel.namelist()

    modules = {name for name in names if name.endswith(".py")}
    expected = {
        path.relative_to(CHECKOUT).as_posix()
        for package in ("drivers", "hardware", "kiosk", "sync")
        for path in (CHECKOUT / package).rglob("*.py")
    }
    assert {name for name in expected if name.startswith(tuple(f"{it}/" for it in LEFT_OUT))}
    assert modules == {
        name for name in expected if not name.startswith(tuple(f"{it}/" for it in LEFT_OUT))
    }
    assert re.search(r"tapthread-[0-9.]+\+kiosk-", kiosk.wheel.name)


@pytest.mark.parametrize(
    "module", ["drivers.issuing", "drivers.issuing.desfire", "sync.central", "hardware.virtual"]
)
def test_a_kiosk_cannot_import_what_it_must_not_hold(kiosk: Kiosk, module: str) -> None:
    said = kiosk.imported(module)

    top = ".".join(module.split(".")[:2])
    assert said == f"ModuleNotFoundError: No module named '{top}'"


def test_a_kiosk_imports_everything_it_runs_on_from_its_own_wheel(kiosk: Kiosk) -> None:
    modules = (
        "kiosk.assembly.screens", "kiosk.commands.kiosk", "kiosk.commands.counter", "kiosk.commands.tap",
        "kiosk.commands.reader", "kiosk.commands.sync", "kiosk.commands.doctor", "drivers.pump",
        "drivers.chips.reading", "sync.edge.engine", "kiosk.ui.app", "kiosk.ui.counter_app",
    )  # fmt: skip

    done = kiosk.run(
        "-c",
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    print(importlib.import_module(name).__file__)\n",
    )

    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == len(modules)
    assert all(line.startswith(str(kiosk.folder)) for line in lines)


@pytest.mark.parametrize("what", ["issue", "plan", "retire"])
def test_a_kiosk_says_in_words_that_it_is_no_encoder_station(kiosk: Kiosk, what: str) -> None:
    said = kiosk.run("-m", "kiosk.cli", "band", what)

    assert said.returncode == 1
    assert "this is no encoder station" in said.stderr
    assert "Traceback" not in said.stderr
