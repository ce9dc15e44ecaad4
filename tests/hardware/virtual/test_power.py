"""The failing disk itself, held against SQLite: a commit that was synced survives a power cut, one that was not does not."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hardware.virtual.power import Act, DiskFault, PowerSupply, What, built, environment

COMMITS = """
import sys
from {driver} import dbapi2 as driver
db = driver.connect(sys.argv[1], isolation_level=None)
{key}
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = FULL")
db.execute("CREATE TABLE IF NOT EXISTS said(n INTEGER)")
db.execute("PRAGMA synchronous = {synchronous}")
for n in range(20):
    db.execute("INSERT INTO said VALUES (?)", (n,))
    print(n, flush=True)
"""
READS = """
import sys
from {driver} import dbapi2 as driver
db = driver.connect(sys.argv[1], isolation_level=None)
{key}
assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
print(db.execute("SELECT count(*) FROM said").fetchone()[0])
"""
KEY = "db.execute(\"PRAGMA key = 'words'\")"


@pytest.fixture(scope="module")
def library() -> Path:
    return built()


def ran(
    code: str, *arguments: object, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(more or {})},
    )  # fmt: skip


def survivors(
    library: Path,
    folder: Path,
    *,
    driver: str,
    synchronous: str,
    at: int,
    keep_percent: int = 0,
) -> tuple[int, int]:
    """How many commits were said to be done before the power cut, and how many are there after it."""
    key = KEY if driver == "sqlcipher3" else ""
    fault = DiskFault(Act.CUT, at, keep_percent=keep_percent)
    code = COMMITS.format(driver=driver, key=key, synchronous=synchronous)
    done = ran(code, folder / "db", more=environment(library, folder, fault))
    assert done.returncode == -signal.SIGKILL, done.stderr
    after = ran(READS.format(driver=driver, key=key), folder / "db")
    assert after.returncode == 0, after.stderr
    return len(done.stdout.split()), int(after.stdout)


@pytest.mark.parametrize("driver", ["sqlcipher3", "sqlite3"])
@pytest.mark.parametrize("keep_percent", [0, 50])
def test_a_commit_that_was_synced_survives_a_power_cut(
    driver: str, keep_percent: int, library: Path, tmp_path: Path
) -> None:
    said, there = survivors(
        library, tmp_path, driver=driver, synchronous="FULL", at=60, keep_percent=keep_percent
    )

    assert said >= 3
    assert there >= said


@pytest.mark.parametrize("driver", ["sqlcipher3", "sqlite3"])
def test_a_commit_that_was_not_synced_is_lost_in_a_power_cut(
    driver: str, library: Path, tmp_path: Path
) -> None:
    said, there = survivors(library, tmp_path, driver=driver, synchronous="NORMAL", at=60)

    assert said >= 3
    assert there == 0


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_the_chosen_write_says_the_error_and_the_next_one_does_not(
    error: int, library: Path, tmp_path: Path
) -> None:
    code = (
        "import os, sys\n"
        "fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)\n"
        "for n in range(4):\n"
        "    try: print(os.write(fd, b'abcd'))\n"
        "    except OSError as error: print(-error.errno)\n"
    )
    fault = DiskFault(Act.FAIL, 3, what=What.CHANGES, error=error)

    done = ran(code, tmp_path / "file", more=environment(library, tmp_path, fault))

    assert done.stdout.split() == ["4", str(-error), "4", "4"]


def test_a_write_can_be_short(library: Path, tmp_path: Path) -> None:
    code = "import os, sys\nfd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)\nprint(os.write(fd, b'abcd'))"

    done = ran(
        code, tmp_path / "file", more=environment(library, tmp_path, DiskFault(Act.SHORT, 2))
    )

    assert done.stdout.split() == ["2"]


IN_PROCESS = """
import json, os, sys
from pathlib import Path
from hardware.disk import SystemDisk
from hardware.virtual.power import PowerSupply

folder = Path(sys.argv[1])
disk = PowerSupply.here().watch(folder)
kept = SystemDisk()
kept.write(folder / "durable", b"one")
kept.write(folder / "durable", b"two")
(folder / "durable").write_bytes(b"three, not synced")
(folder / "named").write_bytes(b"never synced, but its folder will be")
kept.write(folder / "gone", b"was there")
(folder / "new").write_bytes(b"never synced")
os.unlink(folder / "gone")
os.rename(folder / "durable", folder / "renamed")
before = sorted(path.name for path in folder.iterdir())
disk.cut()
print(json.dumps([before, {path.name: path.read_text() for path in sorted(folder.iterdir())}]))
"""


def test_names_and_contents_come_back_as_they_were_at_the_last_sync(
    library: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()

    done = ran(IN_PROCESS, folder, more={"LD_PRELOAD": str(library)})

    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    assert before == ["named", "new", "renamed"]
    assert after == {"durable": "two", "gone": "was there", "named": ""}
    assert list(tmp_path.iterdir()) == [folder]


def test_a_process_without_it_says_so() -> None:
    assert PowerSupply.here() is None
