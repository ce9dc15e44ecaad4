"""The file of a node beside its database that keeps the notes of erasures; nothing personal is in it (`erasure_notes`).

Leave it where it is when a copy of the database is put back: by it the node erases again, before it answers anybody, who was erased
since that copy was made. Lines that do not open are left out. It is written whole, so that a power cut spoils nothing of it, and by one at a time, so
that nobody who read it before takes another's line away: the service and a command may both erase somebody.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hardware.clock import Clock
from hardware.disk import Disk, FolderLock
from hardware.errors import FolderInUse

FILE: Final = "erased.notes"

TRIES_MAX: Final = 100
TRY_MS: Final = 20
"""Who writes it is done within milliseconds; after two seconds it is left for later."""


class Ledger:
    """One such file."""

    def __init__(self, folder: Path, disk: Disk, clock: Clock) -> None:
        """In the folder of a node."""
        self._path = folder / FILE
        self._disk = disk
        self._clock = clock

    def read(self) -> list[str]:
        """Its notes, each once. Raises DiskFault."""
        raw = self._disk.read(self._path)
        return list(dict.fromkeys((raw or b"").decode("ascii", "replace").split()))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes it meanwhile, who asks this too. Raises FolderInUse, DiskFault."""
        held = self._held()
        try:
            yield
        finally:
            held.close()

    def _held(self) -> FolderLock:
        for _ in range(TRIES_MAX - 1):
            try:
                return self._disk.hold(self._path.parent)
            except FolderInUse:
                self._clock.sleep_ms(TRY_MS)
        return self._disk.hold(self._path.parent)

    def write(self, notes: Iterable[str]) -> None:
        """Keep these, durably, and no others. Raises DiskFull, DiskFault."""
        content = "".join(f"{note}\n" for note in notes).encode()
        self._disk.write(self._path, content, private=True)
