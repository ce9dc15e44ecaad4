"""Runs `tapthread` as people and programs run it: a process, its lines, its exit code."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.warm import WarmPopen
from tests.support.warm import is_for as is_warm

ANSWER_S = 30.0
"""Longest wait for one line; a loaded machine imports slowly."""


def line_of(*arguments: str | Path) -> list[str]:
    """The command line of this checkout's `tapthread`."""
    return [sys.executable, "-m", "kiosk.cli", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """This environment without settings and terminal size of whoever runs the tests, and with `more`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TAPTHREAD_") and name not in ("COLUMNS", "LINES")
    }
    return {**kept, **more}


def started(
    *arguments: str | Path, env: dict[str, str] | None = None, **streams: Any
) -> subprocess.Popen[Any]:
    """One that runs, started in the quick way of `tests.support.warm` where that is the same."""
    env = env or environment()
    if is_warm(env):
        return WarmPopen(list(map(str, arguments)), env=env, **streams)
    return subprocess.Popen(line_of(*arguments), env=env, **streams)


def run(
    *arguments: str | Path, timeout_s: float = 60, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    with started(
        *arguments, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        try:
            said, wrong = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, said, wrong)


class Running:
    """A `tapthread` process that answers in lines."""

    def __init__(self, *arguments: str | Path, env: dict[str, str] | None = None) -> None:
        self.process = started(
            *arguments, env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._held = b""

    def tell(self, line: str) -> None:
        """Write one line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def line(self, *, timeout_s: float = ANSWER_S) -> str:
        """Its next line; fails the test when none comes."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._held:
            ready, _, _ = select.select([descriptor], [], [], timeout_s)
            assert ready, f"no line within {timeout_s} s"
            chunk = os.read(descriptor, 65_536)
            assert chunk, (
                f"it ended: {self.process.stderr.read() if self.process.stderr else b''!r}"
            )
            self._held += chunk
        line, self._held = self._held.split(b"\n", 1)
        return line.decode()

    def ask(self, line: str) -> str:
        """Tell it a line and return its answer."""
        self.tell(line)
        return self.line()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self, *, timeout_s: float = 10) -> int:
        """SIGTERM, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        finally:
            self.process.kill()
            for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()


@contextmanager
def running(*arguments: str | Path, env: dict[str, str] | None = None) -> Iterator[Running]:
    """A process that is gone when the block ends."""
    process = Running(*arguments, env=env)
    try:
        yield process
    finally:
        process.stop()
