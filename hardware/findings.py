"""What a check of this machine found, in one line, with the command that mends it; and the machine as checks see it."""

import os
import pwd
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final


class Standing(Enum):
    """How bad it is."""

    WELL = "well"
    NOTE = "note"  # nothing to mend; a technician may want to know
    WARNING = "warning"  # works, and may stop doing so
    BROKEN = "broken"  # does not work until somebody mends it


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        code: Fixed name of what was looked at, for scripts; never renamed.
        standing: How it is.
        line: The fact in one sentence, for a technician.
        fix: The command that mends it, or what to do with one's hands; "" when there is nothing to mend.
    """

    code: str
    standing: Standing
    line: str
    fix: str = ""


ASSETS: Final = Path(__file__).parent / "assets"
"""Files a technician installs: rules for udev, modprobe, polkit, systemd."""


PSEUDO_MAKERS: Final = frozenset({"/dev/ptmx", "/dev/pts/ptmx"})
"""What a program has open that made a pseudo terminal. Source: pts(4)."""


@dataclass(frozen=True, slots=True)
class Process:
    """Another program of this machine."""

    pid: int
    name: str
    words: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_ours(self) -> bool:
        """Is it a reader process of this product?"""
        return "reader" in self.words and any(
            "tapthread" in word or "kiosk" in word for word in self.words
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine as checks see it: its files under `root`, and who asks.

    Attributes:
        root: "/" but in tests, where a folder has the files that matter.
        user: Name of the user who asks.
        is_root: Whether that is the superuser.
    """

    root: Path = Path("/")
    user: str = "root"
    is_root: bool = True

    @classmethod
    def this(cls) -> "Machine":
        """The machine this runs on."""
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            user = str(os.geteuid())
        return cls(user=user, is_root=os.geteuid() == 0)

    def path(self, absolute: str) -> Path:
        """Where the file with this absolute name is."""
        return self.root / absolute.lstrip("/")

    def text(self, absolute: str) -> str:
        """The text of a file; "" when it is not there or may not be read."""
        try:
            return self.path(absolute).read_text("utf-8", errors="replace").strip("\0\n ")
        except OSError:
            return ""

    def processes(self) -> tuple[Process, ...]:
        """All programs that run, by number."""
        found = []
        for folder in self.path("/proc").glob("[0-9]*"):
            name = self.text(f"/proc/{folder.name}/comm")
            words = tuple(self.text(f"/proc/{folder.name}/cmdline").split("\0"))
            if name:
                found.append(Process(int(folder.name), name, words))
        return tuple(sorted(found, key=lambda each: each.pid))

    def holders(self, path: Path) -> tuple[Process, ...]:
        """Programs that have the file open, this one not. Of others' programs only the superuser sees it.

        Of a pseudo terminal the program on its other side is none of them: it is the device.
        """
        wanted = str(path.resolve())
        is_pseudo = wanted.startswith("/dev/pts/")
        found = []
        for process in self.processes():
            names = self._open_files(process) if process.pid != os.getpid() else frozenset()
            is_other_side = is_pseudo and not names.isdisjoint(PSEUDO_MAKERS)
            if wanted in names and not is_other_side:
                found.append(process)
        return tuple(found)

    def _open_files(self, process: Process) -> frozenset[str]:
        found = set()
        try:
            for each in self.path(f"/proc/{process.pid}/fd").iterdir():
                found.add(str(each.readlink()))
        except OSError:
            pass  # It ended meanwhile, or is not ours to look at.
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at.

    Attributes:
        machine: The machine.
        data: The device's data folder.
        reader: The reader as the settings name it.
    """

    machine: Machine
    data: Path
    reader: str


def sudo(machine: Machine, command: str) -> str:
    """The command as this user has to type it."""
    return command if machine.is_root else f"sudo {command}"
