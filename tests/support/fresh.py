"""Databases as a program leaves them that has just made their tables: made once in a test process, then written as they are.

What a new file goes through is tested where new files are the subject; elsewhere it is most of what opening one costs. A
program that a test starts opens its own: nothing is laid there.
"""

import functools
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Final

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from sync.central.store import Store
from sync.edge.store import EdgeStore

PRIVATE: Final = 0o600
CENTRE_FILE: Final = "centre.db"


def lay_device(folder: Path, key: bytes) -> None:
    """Put both files of a device into a folder that has neither, with all tables and no life yet."""
    if not _is_test_process():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.db*")):
        for name, content in _of_a_device(key).items():
            (folder / name).write_bytes(content)


def lay_centre(folder: Path) -> None:
    """Put the file of a centre into a folder that has none, with all tables and no life yet."""
    if not _is_test_process():
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CENTRE_FILE
    if not path.exists():
        path.touch(PRIVATE)
        path.write_bytes(_of_a_centre())


def _is_test_process() -> bool:
    return "pytest" in sys.modules


@functools.cache
def _of_a_device(key: bytes) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as made:
        folder, disk = Path(made), SystemDisk()
        store = EdgeStore(
            folder, key, disk=disk, clock=SystemClock(), entropy=SystemEntropy(), lock=disk.lock(folder)
        )  # fmt: skip
        try:
            store.outbox.prepare()
            store.cache.prepare()
        finally:
            store.close()
        return {path.name: path.read_bytes() for path in folder.glob("*.db*")}


@functools.cache
def _of_a_centre() -> bytes:
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / CENTRE_FILE
        Store(path, fresh_epoch="none yet").close()
        database = sqlite3.connect(path)
        database.execute("DELETE FROM meta WHERE name = 'epoch'")
        database.commit()
        database.close()
        assert [one.name for one in Path(made).iterdir()] == [path.name], "all is in the file"
        return path.read_bytes()
