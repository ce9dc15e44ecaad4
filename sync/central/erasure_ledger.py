"""The file of a node beside its database that keeps the notes of erasures; nothing personal is in it (`erasure_notes`).

Leave it where it is when a copy of the database is put back: by it the node erases again, before it answers anybody, who was erased
since that copy was made. Lines that do not open are left out. It is written whole, so that a power cut spoils nothing of it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hardware.disk import Disk

FILE: Final = "erased.notes"


class Ledger:
    """One such file."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        """In the folder of a node."""
        self._path = folder / FILE
        self._disk = disk

    def read(self) -> list[str]:
        """Its notes, each once. Raises DiskFault."""
        raw = self._disk.read(self._path)
        return list(dict.fromkeys((raw or b"").decode("ascii", "replace").split()))

    def write(self, notes: Iterable[str]) -> None:
        """Keep these, durably, and no others. Raises DiskFull, DiskFault."""
        content = "".join(f"{note}\n" for note in notes).encode()
        self._disk.write(self._path, content, private=True)
