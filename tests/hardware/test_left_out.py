"""Packages that are only there by chance are not imported with those that would use them."""

import subprocess
import sys

import pytest

from hardware.left_out import left_out


def test_what_is_left_out_cannot_be_imported_until_the_block_ends() -> None:
    sys.modules.pop("sched", None)

    with left_out("sched"), pytest.raises(ImportError):
        import sched  # noqa: F401

    assert "sched" not in sys.modules


def test_what_is_there_already_stays() -> None:
    import json

    with left_out("json"):
        import json as again

    assert again is json


def test_nothing_that_a_tap_does_not_use_is_imported_for_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import kiosk.assembly.screens, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    found = {name.partition(".")[0] for name in done.stdout.split()}
    assert "sqlite_utils" in found
    assert "httpx" in found
    assert not found & {"pandas", "numpy", "pyarrow", "trio", "rich", "textual", "pygments"}
