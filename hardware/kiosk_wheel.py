"""Builds the kiosk's wheel: the same build as the whole product's, of a tree that lacks what a kiosk must not hold.

    python -m hardware.kiosk_wheel OUT     run in a checkout; the wheel is in the folder OUT afterwards

Left out are what issues bands, what the centre is made of, and what only pretends to be hardware. Its version ends in
"+kiosk", so that a list of what is installed tells the two apart. Nothing is fetched: setuptools and wheel of the environment build it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

PACKAGES: Final = ("drivers", "hardware", "kiosk", "sync")
"""What a wheel is made of."""

LEFT_OUT: Final = ("drivers/issuing", "sync/central", "hardware/virtual")
"""Folders a kiosk does without."""

FILES: Final = ("pyproject.toml", "README.md")

_VERSION: Final = re.compile(r'^version = "([0-9.]+)"$', re.MULTILINE)


class WheelNotBuilt(Exception):
    """The build failed; the sentence is the end of what it said."""


def build(checkout: Path, out: Path) -> Path:
    """Build the wheel of a checkout into `out`; its path. Takes a few seconds.

    Raises:
        WheelNotBuilt: it could not be built.
        OSError: a folder cannot be read or written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tapthread-wheel-") as folder:
        tree = Path(folder) / "tapthread"
        tree.mkdir()
        _copy(checkout, tree)
        made = Path(folder) / "made"
        done = subprocess.run(  # noqa: S603  # this Python's own pip, on a tree made here
            [
                sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
                "--no-index", "--disable-pip-version-check", "--wheel-dir", str(made), str(tree),
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        wheels = sorted(made.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise WheelNotBuilt(done.stderr[-2_000:])
        return Path(shutil.copy(wheels[0], out))


def _copy(checkout: Path, tree: Path) -> None:
    for name in FILES:
        shutil.copy(checkout / name, tree / name)
    said = (tree / "pyproject.toml").read_text("utf-8")
    marked, count = _VERSION.subn(r'version = "\1+kiosk"', said, count=1)
    if count != 1:
        raise WheelNotBuilt("pyproject.toml says no version")
    (tree / "pyproject.toml").write_text(marked, "utf-8")

    def left_out(folder: str, names: list[str]) -> set[str]:
        within = Path(folder).relative_to(checkout).as_posix()
        return {
            name for name in names if name == "__pycache__" or f"{within}/{name}" in LEFT_OUT
        }

    for package in PACKAGES:
        shutil.copytree(checkout / package, tree / package, ignore=left_out)


def main() -> int:
    """Build it as the command line says; the exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("give one folder the wheel is put into\n")
        return 2
    try:
        wheel = build(Path.cwd(), Path(sys.argv[1]))
    except (WheelNotBuilt, OSError) as error:
        sys.stderr.write(f"the kiosk's wheel was not built: {error}\n")
        return 1
    sys.stdout.write(f"{wheel}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
