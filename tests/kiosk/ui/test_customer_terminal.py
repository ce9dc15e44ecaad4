"""The kiosk in a real terminal: what a crash leaves there, and how long a tap takes to it."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from kiosk.bench import screen
from kiosk.ui.crash import CRASH_STATUS, out_of_order_lines
from tests.support.crashing_kiosk import CANARY


def run_in_terminal(*arguments: str, size: tuple[int, int] = (80, 24)) -> tuple[int, bytes]:
    """Exit status, and every byte the terminal got."""
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=inner, stdout=inner, stderr=inner,
        start_new_session=True, env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )  # fmt: skip
    os.close(inner)
    seen = b""
    while True:
        try:
            got = os.read(terminal, 65_536)
        except OSError:
            break
        if not got:
            break
        seen += got
    os.close(terminal)
    return process.wait(timeout=30), seen


@pytest.mark.slow
def test_a_crash_shows_no_name_says_out_of_order_and_ends_with_a_status(tmp_path: Path) -> None:
    log = tmp_path / "log"

    status, seen = run_in_terminal("-m", "tests.support.crashing_kiosk", str(log))

    page, _, after = seen.partition(b"\x1b[?1049l")
    assert CANARY.encode() in page, "the page was never shown, so the test proves nothing"
    assert status == CRASH_STATUS
    assert CANARY.encode() not in after
    assert b"Traceback" not in seen
    assert all(line.encode() in after for line in out_of_order_lines())
    assert CANARY not in log.read_text()
    (line,) = [json.loads(text) for text in log.read_text().splitlines()]
    assert (line["event"], line["error"][0]) == ("screen crashed", "RuntimeError")
    assert any("on_fail" in place for place in line["error"])


@pytest.mark.slow
def test_the_bench_measures_page_light_and_baseline_in_one_run() -> None:
    found = screen.measure(runs=3)

    assert set(found) == {
        "screen.tap_to_bytes", "screen.tap_to_light", "screen.bare_update", "screen.vs_bare",
    }  # fmt: skip
    for metric, figures in found.items():
        assert figures["runs"] == 3
        assert figures["unit"] == ("x" if metric.endswith("vs_bare") else "ms")
        assert 0 < float(figures["median"]) <= float(figures["p95"]) or metric.endswith(
            "vs_bare"
        )
