"""A real PostgreSQL for tests: a server of our own in a folder of its own, reached through a socket file, gone afterwards.

It refuses to run as root, so there it runs as `postgres`, whom its Debian package brings. `Server` is one server, which
can be killed and can have a streaming replica; `database` gives each test an empty database on the one server of this
test process.
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
import pytest

from sync.central.schema import TABLES
from sync.central.store import Store
from tests.support.fresh import CENTRE_FILE, lay_centre

USER: Final = "tapthread"
START_S: Final = 60


def _bin_folder() -> Path:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    assert found, "PostgreSQL is not installed; hardware/bootstrap installs it"
    return found[-1]


def _owner() -> list[str]:
    """How a line begins that runs as somebody PostgreSQL accepts, and that dies with us."""
    if os.geteuid() != 0:
        return ["setpriv", "--pdeathsig", "QUIT"]
    return [
        "setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups",
        "--pdeathsig", "QUIT",
    ]  # fmt: skip


class Server:
    """One PostgreSQL server. Remove it."""

    def __init__(self, *, is_durable: bool = False) -> None:
        """Prepare it; `start` starts it.

        Args:
            is_durable: Sync what is committed; needed only where the whole machine would lose its power.
        """
        self.folder = Path(
            tempfile.mkdtemp(
                prefix="tapthread-pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")
            )
        )
        self.data = self.folder / "data"
        self.is_durable = is_durable
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)

    @classmethod
    def made(cls, *, is_durable: bool = False, settings: tuple[str, ...] = ()) -> "Server":
        """A new server that answers."""
        server = cls(is_durable=is_durable)
        server._run(
            "initdb", "-D", server.data, "-U", USER, "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync", "--no-instructions",
        )  # fmt: skip
        with (server.data / "postgresql.conf").open("a") as conf:
            conf.write("".join(f"{line}\n" for line in settings))
        server.start()
        return server

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [*_owner(), str(_bin_folder() / program), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = {
            "unix_socket_directories": str(self.folder), "listen_addresses": "",
            "fsync": "on" if self.is_durable else "off", "shared_buffers": "32MB",
            "max_connections": "60", "log_min_messages": "fatal", "hot_standby": "on", "deadlock_timeout": "50ms",
            "wal_sender_timeout": "2s", "wal_receiver_timeout": "2s", "wal_retrieve_retry_interval": "100ms",
        }  # fmt: skip
        options = [
            part for name, value in settings.items() for part in ("-c", f"{name}={value}")
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_owner(), str(_bin_folder() / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
            )
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        assert self.process is not None
        for _ in range(START_S * 1_000):
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                with psycopg.connect(self.address("postgres"), connect_timeout=START_S):
                    return
            except psycopg.OperationalError:
                try:
                    self.process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
        raise AssertionError("PostgreSQL did not start")

    def address(self, name: str) -> str:
        """Where a database of it is reached."""
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def run_sql(self, statement: str, *, name: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as its administrator."""
        with psycopg.connect(self.address(name), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT ends connections and writes all, SIGQUIT drops everything as a power cut of this server alone does."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(START_S)
            self.process = None

    def remove(self) -> None:
        """End it and leave nothing."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def replica(self) -> "Server":
        """A streaming replica of it that answers."""
        other = Server(is_durable=self.is_durable)
        self._run(
            "pg_basebackup", "-h", self.folder, "-U", USER, "-D", other.data, "-R",
            "-X", "stream", "-c", "fast", "--no-sync",
        )  # fmt: skip
        other.start()
        return other

    def cut_off(self) -> None:
        """Hear nothing of the primary any more: what it commits from now on is the tail that a failover loses."""
        self.run_sql("ALTER SYSTEM SET primary_conninfo = ''")
        self.run_sql("SELECT pg_reload_conf()")
        for _ in range(START_S * 1_000):
            if not self.run_sql("SELECT 1 FROM pg_stat_wal_receiver"):
                return
        raise AssertionError("the replica still listens")

    def promote(self) -> None:
        """Make this replica the primary; returns when it can be written to."""
        assert self.run_sql("SELECT pg_promote(true, 60)") == [(True,)]


@contextmanager
def server(*, is_durable: bool = False, settings: tuple[str, ...] = ()) -> Iterator[Server]:
    """A server until the block is left."""
    made = Server.made(is_durable=is_durable, settings=settings)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The one server of this test process."""
    with server() as made:
        yield made


_numbers = itertools.count(1)


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """The address of an empty database."""
    # A schema of its own: making a whole database takes a quarter of a second.
    name = f"test_{next(_numbers)}"
    postgres.run_sql(f"CREATE SCHEMA {name}")
    yield f"{postgres.address('postgres')}&options=-csearch_path%3D{name}"
    postgres.run_sql(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(scope="session")
def _made(postgres: Server) -> str:
    """The address of a database with the centre's tables, empty for now."""
    postgres.run_sql("CREATE SCHEMA made")
    address = f"{postgres.address('postgres')}&options=-csearch_path%3Dmade"
    Store(address, fresh_epoch="e-made").close()
    return address


@pytest.fixture
def made_database(_made: str, postgres: Server) -> str:
    """A database of a centre that nothing was written to yet: quicker than making one."""
    # TRUNCATE makes new files for every table and index, which costs twenty times as much.
    emptied = [f"DELETE FROM made.{table}" for table in sorted(TABLES)]
    emptied.append("DELETE FROM made.meta WHERE name <> 'schema'")
    postgres.run_sql("; ".join(emptied))
    return _made


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a centre keeps its data: a file that is not there yet, then an empty database of a server."""
    if request.param == "sqlite":
        return str(tmp_path / "centre.db")
    return str(request.getfixturevalue("database"))


@pytest.fixture(params=["sqlite", "postgresql"])
def laid_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a centre keeps its data: each kind with all tables and no life yet."""
    if request.param == "sqlite":
        lay_centre(tmp_path)
        return str(tmp_path / CENTRE_FILE)
    return str(request.getfixturevalue("made_database"))
