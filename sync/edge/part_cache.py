"""Parts of snapshots that a relay keeps for the other devices of its store: ciphertext, named by its hash, bounded.

Nobody can open one without the key that the centre gives to devices of the store, and a part that is not what its name
says is not handed out. A disk that takes nothing keeps nothing; nobody but a new device misses it.
"""

import hashlib
import logging
import threading
from pathlib import Path
from typing import Final

from hardware.disk import Disk
from hardware.errors import DeviceError

log = logging.getLogger(__name__)

SIZE_MAX: Final = 256 * 1_048_576
"""Bytes on the disk; 200,000 profiles are about 40 MB."""


class PartCache:
    """The parts in one folder; from any thread."""

    def __init__(self, folder: Path, *, disk: Disk, size_max: int = SIZE_MAX) -> None:
        """Args: the folder is made when something is kept."""
        self._folder = folder
        self._disk = disk
        self._size_max = size_max
        self._lock = threading.Lock()
        self._sizes = self._found()  # by name, the longest unused first

    def _found(self) -> dict[str, int]:
        try:
            found = [(path.stat(), path.name) for path in self._folder.glob("?" * 64)]
        except OSError:
            return {}
        return {
            name: stat.st_size for stat, name in sorted(found, key=lambda one: one[0].st_mtime)
        }

    def get(self, name: str) -> bytes | None:
        """The part with this hash; None when it is not here, or not any more what it was."""
        with self._lock:
            if name not in self._sizes:
                return None
            try:
                content = self._disk.read(self._folder / name)
            except DeviceError:
                return None
            if content is None or hashlib.sha256(content).hexdigest() != name:
                self._drop(name)
                return None
            self._sizes[name] = self._sizes.pop(name)
            return content

    def keep(self, content: bytes) -> None:
        """Keep a part, and forget the longest unused ones that it has no room beside."""
        name = hashlib.sha256(content).hexdigest()
        with self._lock:
            if name in self._sizes or len(content) > self._size_max:
                return
            try:
                while self._sizes and sum(self._sizes.values()) + len(content) > self._size_max:
                    self._drop(next(iter(self._sizes)))
                self._disk.write(self._folder / name, content, private=True)
                self._sizes[name] = len(content)
            except DeviceError:
                log.warning("part was not kept", extra={"size": len(content)})

    def _drop(self, name: str) -> None:
        self._sizes.pop(name, None)
        try:
            self._disk.remove(self._folder / name)
        except DeviceError:
            log.warning("part was not removed")
