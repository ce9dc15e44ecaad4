"""A PostgreSQL for one bench, of the programs this machine has: in a folder of its own, on a socket file, ended with the bench.

What it commits is on disk, as a server's of a shop is. It refuses to run as root, so there it runs as `postgres`, whom its
Debian package brings.
"""

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

from kiosk.bench.figures import BenchImpossible

PROGRAMS: Final = Path("/usr/lib/postgresql")
"""Where Debian keeps them, by version."""

ACCOUNT: Final = "postgres"
USER: Final = "tapthread"
START_S: Final = 60
TRIES: Final = 600


@contextmanager
def server(programs: Path = PROGRAMS) -> Iterator[str]:
    """The address of an empty database of it, until the block is left.

    Raises:
        BenchImpossible: there are no such programs here, or they do not run.
    """
    found = sorted(programs.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise BenchImpossible("postgresql", f"PostgreSQL was not measured: there is no initdb below {programs}.")  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="tapthread-pg-"))
    try:
        owner = _owner(folder)
        data, programs = folder / "data", found[-1].parent
        _run([*owner, f"{programs}/initdb", "-D", f"{data}", "-U", USER, "-A", "trust", "-E", "UTF8",
              "--locale=C.UTF-8", "--no-instructions", "--no-sync"])  # fmt: skip
        line = [
            *owner, f"{programs}/postgres", "-D", f"{data}", "-c", f"unix_socket_directories={folder}",
            "-c", "listen_addresses=", "-c", "log_min_messages=fatal",
        ]  # fmt: skip
        with subprocess.Popen(  # noqa: S603  # the program found above
            line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        ) as process:  # fmt: skip
            try:
                _wait(process, [f"{programs}/pg_isready", "-q", "-h", f"{folder}", "-U", USER])
                yield f"postgresql://{USER}@/postgres?host={folder}"
            finally:
                process.send_signal(signal.SIGQUIT)  # nothing of it is needed any more
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owner(folder: Path) -> list[str]:
    """How a line begins that runs as somebody PostgreSQL accepts, and that dies with us; the folder is theirs."""
    dying = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() != 0:
        return dying
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError as error:
        raise BenchImpossible("postgresql", f"PostgreSQL was not measured: it refuses to run as root, and there is no account {ACCOUNT}.") from error  # fmt: skip
    os.chown(folder, account.pw_uid, account.pw_gid)
    return [*dying, "--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups"]


def _run(line: list[str]) -> None:
    try:
        subprocess.run(line, capture_output=True, check=True, timeout=START_S, cwd="/")  # noqa: S603  # a program found above
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchImpossible("postgresql", f"PostgreSQL was not measured: {Path(line[0]).name} failed ({type(error).__name__}).") from error  # fmt: skip


def _wait(process: subprocess.Popen[bytes], asks: list[str]) -> None:
    """Until it answers."""
    for _ in range(TRIES):
        if subprocess.run(asks, check=False, timeout=START_S, cwd="/").returncode == 0:  # noqa: S603  # a program found above
            return
        try:
            process.wait(START_S / TRIES)
        except subprocess.TimeoutExpired:
            continue
        break
    raise BenchImpossible("postgresql", "PostgreSQL was not measured: its server did not start.")  # fmt: skip
