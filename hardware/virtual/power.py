"""A disk that loses power, fills up, fails and is slow: for this process, or for one that is started with it.

A small C library (`power.c`, beside this) is preloaded before the C library and keeps, for each file below a watched folder,
what was there before each change since its last sync. A power cut puts that back. At the n-th change or sync it can also
fail, write short, be slow, stop all changes, or kill the process. It is compiled on first use.

    for another process    environment(library, folder, fault) beside its own environment
    for this one           PowerSupply.here(), where it was preloaded; else None
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("power.c")
PRELOAD: Final = "LD_PRELOAD"
ORDER: Final = "TAPTHREAD_POWER"
"""Environment variable in which a process that is started finds its fault."""

BUILD_S: Final = 60.0
_KEEP_ALL: Final = 100


class PowerUnavailable(Exception):
    """There is no compiler here, or it does not take the source."""


class What(Enum):
    """Which steps count."""

    ANY = 0
    CHANGES = 1
    SYNCS = 2


class Act(Enum):
    """What happens at the step that was chosen, instead of it or to it.

    FAIL says the error, SHORT writes half, KILL ends the process (everything written stands), CUT puts back what was not
    synced and ends the process, FREEZE lets nothing change any more, SLOW waits first.
    """

    NOTHING = 0
    FAIL = 1
    SHORT = 2
    KILL = 3
    CUT = 4
    FREEZE = 5
    SLOW = 6


@dataclass(frozen=True, slots=True)
class DiskFault:
    """One fault.

    Attributes:
        at: Number of the step, from 1; 0 for never.
        error: `errno` of FAIL.
        is_lasting: That step and all after it.
        keep_percent: How many of the unsynced 512-byte sectors survive a CUT; `seed` says which.
    """

    act: Act
    at: int
    what: What = What.ANY
    error: int = 0
    is_lasting: bool = False
    slow_ms: int = 0
    seed: int = 1
    keep_percent: int = 0


def built(cache: Path | None = None) -> Path:
    """The library, compiled when this source was not yet. Takes seconds the first time.

    Args:
        cache: Folder to keep it in; one of this user's in the temporary folder when not given.

    Raises:
        PowerUnavailable: it cannot be compiled here.
    """
    source = SOURCE.read_bytes()
    folder = cache or Path(tempfile.gettempdir()) / f"tapthread-power-{os.getuid()}"
    target = folder / f"power-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if target.exists():
        return target
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise PowerUnavailable("there is no C compiler")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = folder / f"{target.name}.{os.getpid()}"
    done = subprocess.run(  # noqa: S603  # a compiler, on our own source
        [compiler, "-O2", "-shared", "-fPIC", "-o", str(beside), str(SOURCE), "-ldl", "-lpthread"],
        capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PowerUnavailable(done.stderr[-400:])
    beside.replace(target)
    return target


def environment(library: Path, folder: Path, fault: DiskFault) -> dict[str, str]:
    """What a process has to find in its environment to live with this fault below `folder`."""
    order = (
        f"{fault.what.value} {fault.at} {fault.act.value} {fault.error} {int(fault.is_lasting)}"
        f" {fault.slow_ms} {fault.seed} {fault.keep_percent} {folder.resolve()}"
    )
    return {PRELOAD: str(library), ORDER: order}


class WatchedDisk:
    """The files below one folder, as this process changes them. Close it."""

    def __init__(self, library: ctypes.CDLL, number: int) -> None:
        self._library = library
        self._number = number

    @property
    def n_steps(self) -> int:
        """Steps since the last plan."""
        return int(self._library.tapthread_steps(self._number))

    @property
    def n_faults(self) -> int:
        """How often the planned fault happened."""
        return int(self._library.tapthread_done(self._number))

    @property
    def is_frozen(self) -> bool:
        """Nothing changes any more."""
        return bool(self._library.tapthread_is_frozen(self._number))

    def plan(self, fault: DiskFault | None) -> None:
        """From now on this fault and no other; steps are counted anew."""
        fault = fault or DiskFault(Act.NOTHING, 0)
        self._library.tapthread_plan(
            self._number, fault.what.value, ctypes.c_long(fault.at), fault.act.value, fault.error,
            int(fault.is_lasting), ctypes.c_long(fault.slow_ms), ctypes.c_uint64(fault.seed),
            fault.keep_percent,
        )  # fmt: skip

    def freeze(self, *, is_frozen: bool = True) -> None:
        """Let nothing change any more, as before the machine is taken away; or again."""
        self._library.tapthread_freeze(self._number, int(is_frozen))

    def cut(self, *, seed: int = 1, keep_percent: int = 0) -> None:
        """Put back what was not synced. Nobody may have the files open any more."""
        self._library.tapthread_cut(self._number, ctypes.c_uint64(seed), keep_percent)

    def close(self) -> None:
        """Watch it no longer."""
        self._library.tapthread_forget(self._number)


class PowerSupply:
    """The library as it was preloaded into this process."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    @classmethod
    def here(cls) -> "PowerSupply | None":
        """None where this process was started without it."""
        library = ctypes.CDLL(None)
        try:
            library.tapthread_steps.restype = ctypes.c_long
            library.tapthread_done.restype = ctypes.c_long
        except AttributeError:
            return None
        return cls(library)

    def watch(self, folder: Path) -> WatchedDisk:
        """Keep an eye on the files below this folder, opened from now on. Raises PowerUnavailable for too many."""
        number = int(self._library.tapthread_watch(str(folder.resolve()).encode()))
        if number < 0:
            raise PowerUnavailable("too many folders are watched")
        return WatchedDisk(self._library, number)
