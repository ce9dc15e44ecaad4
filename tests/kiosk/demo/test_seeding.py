"""The demo's folder: what is made anew, and what is left alone."""

from pathlib import Path

import pytest

from hardware.disk import SystemDisk
from hardware.errors import FolderInUse
from kiosk.demo.seeding import CENTRE_FOLDER, COUNTER_FOLDER, MARK_FILE, prepare_folder


@pytest.mark.parametrize("part", ["", CENTRE_FOLDER, COUNTER_FOLDER])
def test_a_demo_that_runs_is_not_made_anew(tmp_path: Path, part: str) -> None:
    disk = SystemDisk()
    prepare_folder(tmp_path, disk=disk)
    mine = tmp_path / part / "outbox.db"
    running = disk.lock(mine.parent)
    mine.write_text("recorded")

    with pytest.raises(FolderInUse):
        prepare_folder(tmp_path, disk=disk)

    assert mine.read_text() == "recorded"
    running.close()


def test_nothing_of_the_last_demo_is_found_by_the_next(tmp_path: Path) -> None:
    disk = SystemDisk()
    prepare_folder(tmp_path, disk=disk)
    for name in (
        "outbox.db",
        "outbox.db-wal",
        "outbox.commits",
        "cache.db",
        "sync.json",
        "deny.list",
    ):
        (tmp_path / name).write_text("of the last demo")

    prepare_folder(tmp_path, disk=disk)

    assert {path.name for path in tmp_path.iterdir()} == {"lock", MARK_FILE}
