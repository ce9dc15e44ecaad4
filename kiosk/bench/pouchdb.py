"""The jobs of the sync bench by PouchDB 9 and its own server (express-pouchdb), in the same run, with the same made-up rows.

npm installs both at the first use, without running any of their scripts, into a folder of the user's cache; nothing of them is
part of this program. Server and client are processes of their own, as ours are, and talk plain HTTP on this machine. Ours
speaks TLS, encrypts its files and waits for the disk; PouchDB does none of that here, its LevelDB being left as it comes. Its
batches are ten times its default, which makes it faster. N is how many rows.

    pouchdb.first@N                        docs/s   an empty PouchDB replicates all of them
    pouchdb.wire@N                         B/doc    answers with their heads
    pouchdb.cpu.client@N, .cpu.server@N    s        CPU time of it
    pouchdb.rss.client@N, .rss.server@N    MB       most memory
    pouchdb.idle, pouchdb.idle_requests, pouchdb.idle_wire   ms, requests, B   a replication with nothing to do
    pouchdb.change                         ms       from another client's put leaving to the document in this one, live
    pouchdb.push                           docs/s   1,000 small documents, after a first push that is not counted
    sync....vs_pouchdb                     x        how many times better ours is at it; under 1 where ours is worse
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from kiosk.bench.figures import BenchImpossible, Figure, figure_of
from kiosk.bench.profiles import profiles
from sync.model.row import Row, raw_of

PROGRAM: Final = Path(__file__).with_suffix(".js")
PACKAGES: Final = Path(__file__).with_suffix(".json")
INSTALL_S: Final = 300
RUN_S: Final = 600
END_S: Final = 10

PAIRS: Final = {
    "sync.first.pages": "pouchdb.first",
    "sync.first.pages.plain": "pouchdb.first",
    "sync.first.snapshot": "pouchdb.first",
    "sync.first.snapshot.plain": "pouchdb.first",
    "sync.wire.pages": "pouchdb.wire",
    "sync.wire.snapshot": "pouchdb.wire",
    "sync.cpu.kiosk.pages": "pouchdb.cpu.client",
    "sync.cpu.centre.pages": "pouchdb.cpu.server",
    "sync.rss.kiosk.pages": "pouchdb.rss.client",
    "sync.rss.centre": "pouchdb.rss.server",
    "sync.idle": "pouchdb.idle",
    "sync.idle_requests": "pouchdb.idle_requests",
    "sync.idle_wire": "pouchdb.idle_wire",
    "sync.change_to_commit": "pouchdb.change",
    "sync.push": "pouchdb.push",
}
"""Our metrics, and what they are compared with."""


class First(msgspec.Struct, frozen=True):
    """What a first replication took: seconds, bytes of the answers with their heads, CPU seconds, most memory."""

    took_s: float
    n_rows: int
    wire: int
    cpu_s: float
    rss_mb: float
    server_cpu_s: float
    server_rss_mb: float


class Live(msgspec.Struct, frozen=True):
    """What a client that has everything takes."""

    idle_ms: list[float]
    idle_requests: list[int]
    idle_wire: list[int]
    change_ms: list[float]
    push_per_s: list[float]


class Server(msgspec.Struct, frozen=True):
    """Addresses of the database and of what its server has counted."""

    url: str
    counts: str


class Filled(msgspec.Struct, frozen=True):
    """Documents a database holds."""

    n_rows: int


Found = TypeVar("Found", First, Live, Filled)


class Pouchdb:
    """PouchDB as npm installed it, run by this node.

    What it cannot do is reported, so that ours is measured all the same.
    """

    def __init__(
        self, node: str, modules: Path, report_missing: Callable[[BenchImpossible], None]
    ) -> None:
        self._node = node
        self._env = {**os.environ, "NODE_PATH": f"{modules}", "NODE_ENV": "production"}
        self._report_missing = report_missing

    def first_sync(self, size: int, runs: int) -> dict[str, Figure]:
        """So many first replications of so many rows; nothing where one fails."""
        return self._tried(lambda: self._first_sync(size, runs))

    def live(self, rows: int, samples: int) -> dict[str, Figure]:
        """A client with all of so many rows: nothing to do, a change, a push; nothing where one fails."""
        return self._tried(lambda: self._live(rows, samples))

    def _tried(self, work: Callable[[], dict[str, Figure]]) -> dict[str, Figure]:
        try:
            return work()
        except BenchImpossible as error:
            self._report_missing(error)
            return {}

    def _first_sync(self, size: int, runs: int) -> dict[str, Figure]:
        with self._served(size) as (folder, server):
            found = [
                self._run(First, "first", folder=f"{folder}/client-{n}", **_of(server))
                for n in range(runs)
            ]
        if any(one.n_rows != size for one in found):
            raise _failed(f"a client of it did not hold all {size} rows")
        return {
            f"pouchdb.first@{size}": figure_of([size / one.took_s for one in found], "docs/s"),
            f"pouchdb.wire@{size}": figure_of([one.wire / size for one in found], "B/doc"),
            f"pouchdb.cpu.client@{size}": figure_of([one.cpu_s for one in found], "s"),
            f"pouchdb.cpu.server@{size}": figure_of([one.server_cpu_s for one in found], "s"),
            f"pouchdb.rss.client@{size}": figure_of([one.rss_mb for one in found], "MB"),
            f"pouchdb.rss.server@{size}": figure_of([found[-1].server_rss_mb], "MB"),
        }

    def _live(self, rows: int, samples: int) -> dict[str, Figure]:
        with self._served(rows) as (folder, server):
            found = self._run(
                Live, "live", folder=f"{folder}/client", runs=samples, **_of(server)
            )
        requests = [float(n) for n in found.idle_requests]
        return {
            "pouchdb.idle": figure_of(found.idle_ms, "ms"),
            "pouchdb.idle_requests": figure_of(requests, "requests"),
            "pouchdb.idle_wire": figure_of([float(n) for n in found.idle_wire], "B"),
            "pouchdb.change": figure_of(found.change_ms, "ms"),
            "pouchdb.push": figure_of(found.push_per_s, "docs/s"),
        }

    @contextmanager
    def _served(self, size: int) -> Iterator[tuple[Path, Server]]:
        """A folder, and a server in it that holds so many rows."""
        with tempfile.TemporaryDirectory(prefix="tapthread-pouchdb-") as name:
            folder = Path(name)
            data, rows = folder / "server", folder / "rows.jsonl"
            data.mkdir()
            with rows.open("wb") as lines:
                lines.writelines(_document(row) for row in profiles(size))
            if self._run(Filled, "fill", folder=f"{data}", rows=f"{rows}").n_rows != size:
                raise _failed(f"its server did not hold all {size} rows")
            with subprocess.Popen(  # noqa: S603  # the node that was found
                [self._node, PROGRAM], env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as process:  # fmt: skip
                assert process.stdin is not None
                assert process.stdout is not None
                try:
                    process.stdin.write(_job("serve", folder=f"{data}"))
                    process.stdin.flush()
                    yield folder, _read(process.stdout.readline(), Server)
                finally:
                    process.kill()  # nothing of it is needed any more

    def _run(self, shape: type[Found], what: str, **job: str | int) -> Found:
        try:
            said = subprocess.run(  # noqa: S603  # the node that was found
                [self._node, PROGRAM], env=self._env, input=_job(what, **job), stdout=subprocess.PIPE,
                check=True, timeout=RUN_S,
            )  # fmt: skip
        except subprocess.SubprocessError as error:
            raise _failed("it did not finish; its words are above") from error
        return _read(said.stdout, shape)


def installed(
    *, report_missing: Callable[[BenchImpossible], None], cache: Path | None = None
) -> Pouchdb:
    """PouchDB, installed by npm if it was not before: some 40 MB in the user's cache.

    Raises:
        BenchImpossible: there is no node or no npm here, or npm could not install it.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise _failed(f"there is no {'npm' if node else 'node'} here", code="node")
    wanted = PACKAGES.read_bytes()
    home = cache or Path(
        os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "tapthread"
    )
    folder = home / f"pouchdb-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if not folder.exists():
        try:
            home.mkdir(parents=True, exist_ok=True)
            _install(npm, wanted, home, folder)
        except (OSError, subprocess.SubprocessError) as error:
            raise _failed(
                f"npm could not install it ({type(error).__name__})", code="npm"
            ) from error
    return Pouchdb(node, folder / "node_modules", report_missing)


def _install(npm: str, wanted: bytes, home: Path, folder: Path) -> None:
    """All of it or nothing, and none of its scripts."""
    with tempfile.TemporaryDirectory(prefix="installing-", dir=home) as name:
        whole = Path(name, "whole")
        whole.mkdir()
        (whole / "package.json").write_bytes(wanted)
        subprocess.run(  # noqa: S603  # the npm that was found
            [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"],
            cwd=whole, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=INSTALL_S,
        )  # fmt: skip
        whole.rename(folder)


def compared(results: Mapping[str, Figure]) -> dict[str, Figure]:
    """The figures, each of ours followed by how many times better than PouchDB's it is, where there is one."""
    said: dict[str, Figure] = {}
    for name, ours in results.items():
        said[name] = ours
        metric, at, size = name.partition("@")
        theirs = results.get(f"{PAIRS.get(metric, '')}{at}{size}")
        if theirs is None or not ours.median or not theirs.median:
            continue
        times = theirs.median / ours.median
        times = 1 / times if ours.unit.endswith("/s") else times
        ratio, note = round(times, 4), f"PouchDB {theirs.median:,.1f} {theirs.unit}"
        runs = min(ours.runs, theirs.runs)
        said[f"{metric}.vs_pouchdb{at}{size}"] = Figure(ratio, ratio, "x", runs, note)
    return said


def _document(row: Row) -> bytes:
    """A row as PouchDB holds it, in a line."""
    said = {
        "_id": row.key, "kind": row.kind, "owner": row.owner, "as_of": row.as_of, "source": row.source,
        "body": msgspec.Raw(raw_of(row.body)),
    }  # fmt: skip
    return msgspec.json.encode(said) + b"\n"


def _job(what: str, **fields: str | int) -> bytes:
    return json.dumps({"what": what, **fields}).encode() + b"\n"


def _of(server: Server) -> dict[str, str]:
    return {"url": server.url, "counts": server.counts}


Shape = TypeVar("Shape", bound=msgspec.Struct)


def _read(line: bytes, shape: type[Shape]) -> Shape:
    """What a process of it answered. Raises BenchImpossible for one that did not."""
    try:
        return msgspec.json.decode(line, type=shape)
    except msgspec.DecodeError as error:
        raise _failed("it answered something else") from error


def _failed(why: str, *, code: str = "pouchdb") -> BenchImpossible:
    return BenchImpossible(code, f"PouchDB was not measured: {why}.")
