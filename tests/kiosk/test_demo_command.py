"""What the demo does around itself: terminals it needs, folders that were left behind."""

from pathlib import Path

from hardware.disk import SystemDisk
from kiosk.commands.demo import FOLDER_PREFIX, remove_left_behind
from tests.support.commands import run


def test_without_a_terminal_it_says_what_to_use_instead() -> None:
    done = run("demo")

    assert done.returncode == 2
    assert "it needs a terminal; for programs there is tapthread tap --json" in done.stderr


def test_demos_that_were_killed_are_removed_and_a_running_one_is_left_alone(
    tmp_path: Path,
) -> None:
    disk = SystemDisk()
    killed, alive, other = (
        tmp_path / name for name in (f"{FOLDER_PREFIX}a", f"{FOLDER_PREFIX}b", "somebody-elses")
    )
    for folder in (killed, alive, other):
        folder.mkdir()
        (folder / "cache.db").write_bytes(b"x")
    running = disk.lock(alive)

    n_removed = remove_left_behind(tmp_path, disk=disk)

    assert n_removed == 1
    assert {folder.name for folder in tmp_path.iterdir()} == {other.name, alive.name}
    running.close()
