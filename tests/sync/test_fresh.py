"""Databases that tests begin with are those that a new device and a new centre make."""

import sqlite3
import stat
from pathlib import Path

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from sync.central.centre import Centre
from sync.edge.store import EdgeStore, StoreFile
from tests.support import edge
from tests.support.fresh import lay_centre, lay_device

SCHEMA = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master ORDER BY type, name"
PRAGMAS = ("user_version", "page_size", "encoding", "auto_vacuum", "journal_mode", "page_count")


def open_device(folder: Path) -> EdgeStore:
    return EdgeStore.open(
        folder, edge.KEY, disk=SystemDisk(), clock=FixedClock(edge.START),
        entropy=SeededEntropy("fresh"),
    )  # fmt: skip


def content(file: StoreFile) -> object:
    def whole(query: str) -> list[tuple[object, ...]]:
        return list(file.look(lambda one: one.read(query)))

    rows = whole(SCHEMA)
    names = [str(row[1]) for row in rows if row[0] == "table"]
    asked = [f"SELECT * FROM {name}" for name in names] + [f"PRAGMA {name}" for name in PRAGMAS]
    return [rows, *map(whole, asked)]


def test_a_device_opened_over_laid_files_holds_what_a_new_one_holds(tmp_path: Path) -> None:
    lay_device(tmp_path / "laid", edge.KEY)

    laid, new = open_device(tmp_path / "laid"), open_device(tmp_path / "new")

    assert content(laid.outbox) == content(new.outbox)
    assert content(laid.cache) == content(new.cache)
    assert laid.lineage == new.lineage
    assert laid.notices == new.notices == ()
    for store in (laid, new):
        store.close()
    assert_alike(tmp_path)


def test_a_centre_opened_over_a_laid_file_holds_what_a_new_one_holds(tmp_path: Path) -> None:
    lay_centre(tmp_path / "laid")

    for name in ("laid", "new"):
        (tmp_path / name).mkdir(exist_ok=True)
        centre = Centre.open(
            tmp_path / name, disk=SystemDisk(), clock=FixedClock(edge.START),
            entropy=SeededEntropy("fresh"),
        )  # fmt: skip
        centre.close()

    laid, new = (in_file(tmp_path / name / "centre.db") for name in ("laid", "new"))
    assert laid == new
    assert any("epoch" in str(table) for table in laid)
    assert_alike(tmp_path)


def in_file(path: Path) -> list[object]:
    database = sqlite3.connect(path)
    rows = database.execute(SCHEMA).fetchall()
    tables = [
        sorted(database.execute(f"SELECT * FROM {row[1]}").fetchall())
        for row in rows
        if row[0] == "table"
    ]
    found = [database.execute(f"PRAGMA {name}").fetchall() for name in PRAGMAS]
    database.close()
    return [rows, *tables, *found]


def assert_alike(folder: Path) -> None:
    """Files with the same names that the same people may read."""
    laid, new = (
        {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder / name).iterdir()}
        for name in ("laid", "new")
    )
    assert laid == new
