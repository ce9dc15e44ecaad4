"""A real terminal: tmux, driven as a person would, on a server of its own."""

import re
import shlex
import subprocess
import time
from pathlib import Path

from tests.support.commands import environment, line_of

WAIT_S = 40.0
"""Longest wait for words on the screen; a loaded machine starts slowly."""


class Terminal:
    """One tmux window of a given size running one command, its standard error there too, or in a file."""

    def __init__(
        self,
        folder: Path,
        *arguments: str | Path,
        size: tuple[int, int],
        errors: Path | None = None,
    ) -> None:
        self._socket = folder / "tmux"
        columns, rows = size
        command = shlex.join(line_of(*arguments))
        if errors is not None:
            command += f" 2>{shlex.quote(str(errors))}"
        status = folder / "status"
        self._status = status
        script = f"{command}; echo $? >{shlex.quote(str(status))}; exec sleep 600"
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", "-c", script)
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments],
            capture_output=True, text=True, timeout=20, check=False,
            env=environment(TERM="xterm-256color", LC_ALL="C.UTF-8"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def text(self) -> str:
        """What is on the screen, row by row."""
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: "1", "M-n" for Alt+N, "F3", "Enter"."""
        self._tmux("send-keys", *keys)

    def click(self, column: int, row: int) -> None:
        """A mouse click at a cell, counted from 1, as a terminal reports it (SGR)."""
        for end in "Mm":
            self._tmux("send-keys", "-l", f"\x1b[<0;{column};{row}{end}")

    def until(self, *words: str, timeout_s: float = WAIT_S) -> str:
        """Wait until the screen says all these words at once, line breaks aside; what it shows then."""
        until = time.monotonic() + timeout_s
        while True:
            shown = self.text
            flowing = " ".join(shown.split())
            if all(one in shown or one in flowing for one in words):
                return shown
            assert time.monotonic() < until, f"never said {words!r}:\n{shown}"
            time.sleep(0.05)

    def place_of(self, words: str) -> tuple[int, int]:
        """Column and row of the middle of `words`, counted from 1."""
        for row, line in enumerate(self.text.splitlines(), start=1):
            if (found := line.find(words)) >= 0:
                return found + len(words) // 2 + 1, row
        raise AssertionError(f"{words!r} is not on the screen:\n{self.text}")

    def pid_of(self, pattern: str) -> int:
        """Process id of the command in this window whose command line matches."""
        (found,) = [pid for pid, line in processes().items() if re.search(pattern, line)]
        return found

    def exit_code(self, *, timeout_s: float = WAIT_S) -> int:
        """Wait for the command to end."""
        until = time.monotonic() + timeout_s
        while not (self._status.exists() and self._status.read_text().strip()):
            assert time.monotonic() < until, f"it did not end:\n{self.text}"
            time.sleep(0.05)
        return int(self._status.read_text())

    def close(self) -> None:
        """End the window and everything in it."""
        subprocess.run(
            ["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False
        )


def processes() -> dict[int, str]:
    """All processes of this machine with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                line = (
                    (folder / "cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode(errors="replace")
                )
            except OSError:
                continue
            found[int(folder.name)] = line.strip()
    return found


def processes_of(folder: Path) -> dict[int, str]:
    """Processes that name a folder on their command line."""
    return {
        pid: line
        for pid, line in processes().items()
        if str(folder) in line and "tmux" not in line
    }


def until_none(folder: Path, *, timeout_s: float = 15) -> None:
    """Wait until no process names the folder any more."""
    until = time.monotonic() + timeout_s
    while left := {
        pid: line for pid, line in processes_of(folder).items() if "sleep 600" not in line
    }:
        assert time.monotonic() < until, left
        time.sleep(0.05)
