"""Time, chance and files, as the rest of the product relies on them."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.clock import FixedClock, SystemClock
from hardware.disk import SystemDisk, _error_of
from hardware.entropy import SeededEntropy, SystemEntropy, new_id
from hardware.errors import DiskFault, DiskFull, FolderInUse
from hardware.moments import micros_of, moment_of

START = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001
def test_a_moment_survives_being_stored_as_microseconds(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)

    assert moment_of(micros_of(moment)) == moment


def test_a_fixed_clock_moves_only_when_somebody_sleeps() -> None:
    clock = FixedClock(START)

    clock.sleep_ms(1_500)

    assert clock.now() == START + timedelta(seconds=1.5)
    assert (clock.ticks_ms(), clock.ticks_us()) == (1_500, 1_500_000)


async def test_pausing_on_a_loop_lets_time_pass_on_both_clocks() -> None:
    fixed, system = FixedClock(START), SystemClock()
    before_us = system.ticks_us()

    await fixed.pause_ms(250)
    await system.pause_ms(5)

    assert fixed.ticks_ms() == 250
    assert system.ticks_us() - before_us >= 5_000


def test_the_machine_says_its_time_in_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others() -> None:
    first, second, other = SeededEntropy("a"), SeededEntropy("a"), SeededEntropy("b")

    drawn = [first.draw(16) for _ in range(3)]

    assert drawn == [second.draw(16) for _ in range(3)]
    assert drawn[0] != drawn[1]
    assert other.draw(16) not in drawn


def test_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    clock, entropy = FixedClock(START), SystemEntropy()

    ids = []
    for _ in range(50):
        ids.append(new_id(clock=clock, entropy=entropy))
        clock.sleep_ms(1)

    assert ids == sorted(ids)
    assert all(len(text) == 36 and text[14] == "7" and text[19] in "89ab" for text in ids)
    assert int(ids[0].replace("-", "")[:12], 16) == micros_of(START) // 1_000


def test_a_file_is_replaced_whole_and_a_private_one_is_for_its_owner_alone(
    tmp_path: Path,
) -> None:
    disk, path = SystemDisk(), tmp_path / "folder" / "key"

    disk.write(path, b"old", private=True)
    disk.write(path, b"new", private=True)

    assert disk.read(path) == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["key"]


def test_what_an_administrator_writes_again_stays_whose_it_was(tmp_path: Path) -> None:
    disk, path = SystemDisk(), tmp_path / "notes"
    disk.write(path, b"old", private=True)
    service = 4_711 if os.geteuid() == 0 else os.geteuid()  # who is none can give nothing away
    os.chown(path, service, -1)

    disk.write(path, b"new", private=True)

    assert (path.read_bytes(), path.stat().st_uid) == (b"new", service)


def test_the_room_on_a_disk_is_that_of_whoever_asks_and_nowhere_is_an_error(
    tmp_path: Path,
) -> None:
    found = os.statvfs(tmp_path)

    size = SystemDisk().free_size(tmp_path)

    assert 0 < size <= found.f_frsize * found.f_blocks
    with pytest.raises(DiskFault):
        SystemDisk().free_size(tmp_path / "nowhere")


def test_a_file_that_is_not_there_is_none_and_a_folder_in_its_place_is_an_error(
    tmp_path: Path,
) -> None:
    assert SystemDisk().read(tmp_path / "nothing") is None
    with pytest.raises(DiskFault):
        SystemDisk().read(tmp_path)


def write_through(path: Path) -> None:
    """Write as `SystemDisk.write` does, without the rename that a device file cannot have."""
    try:
        path.write_bytes(b"x")
    except OSError as error:
        raise _error_of(error, path) from error


def test_a_full_disk_is_called_full_and_not_broken() -> None:
    with pytest.raises(DiskFull, match="no room for full"):
        write_through(Path("/dev/full"))


def test_damaged_files_are_moved_aside_one_beside_the_other(tmp_path: Path) -> None:
    disk, path = SystemDisk(), tmp_path / "outbox.db"

    asides = []
    for content in (b"first", b"second"):
        path.write_bytes(content)
        asides.append(disk.move_aside(path, label="damaged"))

    assert [aside.name for aside in asides if aside] == [
        "outbox.db.damaged-1",
        "outbox.db.damaged-2",
    ]
    assert [aside.read_bytes() for aside in asides if aside] == [b"first", b"second"]
    assert disk.move_aside(path, label="damaged") is None


def test_a_folder_has_one_owner_until_it_is_given_back(tmp_path: Path) -> None:
    disk = SystemDisk()
    lock = disk.lock(tmp_path)

    with pytest.raises(FolderInUse):
        disk.lock(tmp_path)
    lock.close()
    lock.close()

    disk.lock(tmp_path).close()


def test_a_folder_is_held_by_one_at_a_time_whoever_owns_it(tmp_path: Path) -> None:
    disk = SystemDisk()
    owner, held = disk.lock(tmp_path), disk.hold(tmp_path)

    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    with pytest.raises(FolderInUse):
        disk.hold(tmp_path)
    after = {path.name for path in Path("/proc/self/fd").iterdir()}
    assert after <= before, "who asks again and again keeps nothing open"
    held.close()

    disk.hold(tmp_path).close()
    owner.close()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"], "it leaves no file"
    with pytest.raises(DiskFault):
        disk.hold(tmp_path / "nowhere")


def test_an_owner_that_was_killed_leaves_the_folder_free(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        locks = SystemDisk().lock(tmp_path), SystemDisk().hold(tmp_path)
        os.kill(os.getpid(), 9 if all(locks) else 0)
    os.waitpid(child, 0)

    SystemDisk().lock(tmp_path).close()
    SystemDisk().hold(tmp_path).close()


def test_a_folder_that_cannot_be_written_can_be_held(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    SystemDisk().hold(tmp_path).close()

    tmp_path.chmod(0o700)
