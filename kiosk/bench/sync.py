"""Sync of one kiosk with its centre, beside plain SQLite and a raw copy of the same rows, in the same run.

The centre is `tapthread central` in a process of its own, each kiosk another one (`sync_kiosk`); both share this machine.
The kiosk's files are always encrypted (SQLCipher); `plain` below means HTTP without TLS and nothing else. Rows are made-up
profiles of about 0.9 KB (`profiles`), the same in every run. N is how many.

    base.speed               x        plain sqlite3 here over where floors and aims were set (`sync_goals`)
    base.sqlite@N            docs/s   Python's sqlite3, unencrypted: executemany in transactions of 1,000 rows, WAL
    base.copy@N              docs/s   a copy of the kiosk's finished cache.db, synced: what the disk could do
    sync.first.pages@N       docs/s   from hello to the head, all committed: page by page, over TLS
    sync.first.snapshot@N    docs/s   the same by a snapshot and the pages after it
    ....plain@N              docs/s   the same without TLS
    ....vs_sqlite@N          x        over base.sqlite
    sync.wire...@N           B/doc    answers with their heads
    sync.cpu.kiosk...@N, sync.cpu.centre...@N   s   CPU time until the head
    sync.rss.kiosk...@N, sync.rss.centre@N      MB  most memory; of the kiosk until the head
    sync.index@N             s        the search index, made behind the first sync
    base.get                 ms       one GET over a connection that stands, by Python's own HTTP client, as often as:
    sync.idle, sync.idle_requests   ms, requests   nothing to do: one pull
    sync.idle.vs_get         x        over base.get
    sync.idle_bytes, sync.idle_wire   B        its answer without its head, and with
    sync.change_to_commit    ms       from another device's push leaving to its row committed here, by a held poll
    sync.push                ops/s    1,000 recorded operations, durable at both ends

Rates and times are also said as a part, or as so many rows, of plain sqlite3, and beside what they are held to.
A scope under 2,000 rows has no snapshot, so the smallest sizes have no figure for it. Another system can do the same beside
it, with the same rows in the same run (`pouchdb`).
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from hardware import identity
from hardware.clock import Clock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import Entropy, SystemEntropy
from kiosk.band_keys import BandKeyFiles
from kiosk.bench.certificate import write_certificate
from kiosk.bench.figures import BenchImpossible, Figure, figure_of
from kiosk.bench.pouchdb import Pouchdb
from kiosk.bench.profiles import owners_of, profiles
from kiosk.bench.sync_goals import judged
from kiosk.bench.sync_kiosk import FirstSync, Job, Live
from sync.central.centre import Centre
from sync.model.row import raw_of

STORE: Final = "harbour"
WRITTEN_AT_ONCE: Final = 2_000
LIVE_SAMPLES: Final = 60
LIVE_ROWS: Final = 1_000
"""Rows in the cache while idle, change and push are measured."""

START_S: Final = 60.0
RUN_S: Final = 300.0

Found = TypeVar("Found", FirstSync, Live)

_SQLITE: Final = """
import json, os, sqlite3, sys, time
rows = [tuple(json.loads(line)) for line in open(sys.argv[1])]
db = sqlite3.connect(sys.argv[2], isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = NORMAL")
db.execute("CREATE TABLE doc(key TEXT PRIMARY KEY, seq INTEGER, body TEXT)")
started = time.perf_counter()
for at in range(0, len(rows), 1_000):
    db.execute("BEGIN")
    db.executemany("INSERT INTO doc VALUES (?, ?, ?) ON CONFLICT(key) DO UPDATE SET seq = excluded.seq, body = excluded.body", rows[at:at + 1_000])
    db.execute("COMMIT")
print(len(rows) / (time.perf_counter() - started))
"""


def measure(
    sizes: Sequence[int],
    runs: int,
    *,
    tell: Callable[[str], None] = lambda _: None,
    other: Pouchdb | None = None,
) -> Mapping[str, Figure]:
    """All figures for these sizes; five minutes for 200,000 rows and three runs. Raises BenchImpossible."""
    results: dict[str, Figure] = {}
    for size in sizes:
        tell(f"first syncs of {size} profiles, {runs} runs of each")
        with tempfile.TemporaryDirectory(prefix="tapthread-sync-") as folder:
            results |= _Bench(Path(folder), size, runs).first_sync()
        if other:
            results |= other.first_sync(size, runs)
    tell("a kiosk at the head")
    with tempfile.TemporaryDirectory(prefix="tapthread-sync-") as folder:
        results |= _Bench(Path(folder), LIVE_ROWS, runs).live()
    if other:
        results |= other.live(LIVE_ROWS, LIVE_SAMPLES)
    return judged(results)


class _Bench:
    """One centre with so many rows, and the kiosks that come to it."""

    def __init__(self, folder: Path, size: int, runs: int) -> None:
        self._folder = folder
        self._size = size
        self._runs = runs
        self._clock: Clock = SystemClock()
        self._entropy: Entropy = SystemEntropy()
        self._disk = SystemDisk()
        self._n_kiosks = 0

    def first_sync(self) -> dict[str, Figure]:
        """A first sync by pages and by snapshot, with TLS and without, and the baselines."""
        size = self._size
        results = {f"base.sqlite@{size}": self._plain_sqlite()}
        write_certificate(self._folder, clock=self._clock, entropy=self._entropy)
        with self._filled() as centre:
            kiosks = [self._approved(centre) for _ in range(4 * self._runs + 1)]
            is_whole = bool(centre.tidy(is_all=True).get("snapshots"))
        for is_tls, suffix in ((True, ""), (False, ".plain")):
            with self._centre(is_tls=is_tls) as (pid, url):
                for what in ("pages", "snapshot") if is_whole else ("pages",):
                    results |= self._first(what, suffix, url, pid, kiosks)
                if is_tls:
                    peak_mb = _status_kb(pid, "VmHWM") / 1_024
                    results[f"sync.rss.centre@{size}"] = figure_of([peak_mb], "MB")
        sqlite = results[f"base.sqlite@{size}"]
        for name in ("pages", "snapshot"):
            ours = results.get(f"sync.first.{name}@{size}")
            if ours is not None:
                ratio = round(ours.median / sqlite.median, 2)
                results[f"sync.first.{name}.vs_sqlite@{size}"] = Figure(
                    ratio, ratio, "x", min(ours.runs, sqlite.runs)
                )
        return results

    def _first(
        self, what: str, suffix: str, url: str, pid: int, kiosks: list[Path]
    ) -> dict[str, Figure]:
        size, found, centre_s = self._size, [], []
        copies: list[float] = []
        for _ in range(self._runs):
            folder = kiosks.pop()
            before_s = _cpu_s(pid)
            one = self._run_kiosk(
                Job(what, str(folder), url, self._certificate(url)), FirstSync
            )
            centre_s.append(_cpu_s(pid) - before_s)
            if one.n_rows != size + self._n_kiosks:  # each kiosk is a row of its own
                raise BenchImpossible("sync", f"A kiosk held {one.n_rows} rows of {size}.")
            found.append(one)
            copies.append(size / self._copied(folder / "store" / "cache.db"))
            shutil.rmtree(folder)
        name = f"{what}{suffix}@{size}"
        results = {
            f"sync.first.{name}": figure_of([size / one.took_s for one in found], "docs/s"),
            f"sync.cpu.kiosk.{name}": figure_of([one.cpu_s for one in found], "s"),
            f"sync.cpu.centre.{name}": figure_of(centre_s, "s"),
        }
        if not suffix:
            results |= {
                f"sync.wire.{name}": figure_of([one.wire / size for one in found], "B/doc"),
                f"sync.rss.kiosk.{name}": figure_of([one.rss_mb for one in found], "MB"),
            }
        if name == f"pages@{size}":
            results |= {
                f"sync.index@{size}": figure_of([one.index_s for one in found], "s"),
                f"base.copy@{size}": figure_of(copies, "docs/s"),
            }
        return results

    def live(self) -> dict[str, Figure]:
        """A kiosk at the head: nothing to do, a change, a push."""
        write_certificate(self._folder, clock=self._clock, entropy=self._entropy)
        with self._filled() as centre:
            kiosk, teller = self._approved(centre), self._approved(centre)
        owner = owners_of(list(islice(profiles(1), 1)))[0]
        with self._centre(is_tls=True) as (_, url):
            job = Job(
                "live",
                str(kiosk),
                url,
                self._certificate(url),
                str(teller),
                owner,
                LIVE_SAMPLES,
            )
            found = self._run_kiosk(job, Live)
        idle, get = figure_of(found.idle_ms, "ms"), figure_of(found.get_ms, "ms")
        ratio = round(idle.median / get.median, 2)
        return {
            "base.get": get,
            "sync.idle": idle,
            "sync.idle.vs_get": Figure(ratio, ratio, "x", get.runs),
            "sync.idle_requests": figure_of(
                [float(n) for n in found.idle_requests], "requests"
            ),
            "sync.idle_bytes": figure_of([float(n) for n in found.idle_bytes], "B"),
            "sync.idle_wire": figure_of([float(n) for n in found.idle_wire], "B"),
            "sync.change_to_commit": figure_of(found.change_ms, "ms"),
            "sync.push": figure_of(found.push_per_s, "ops/s"),
        }

    # Baselines

    def _plain_sqlite(self) -> Figure:
        rows, samples = self._folder / "rows.jsonl", []
        with rows.open("wb") as lines:
            for seq, row in enumerate(profiles(self._size), start=1):
                lines.write(
                    msgspec.json.encode((row.key, seq, raw_of(row.body).decode())) + b"\n"
                )
        for _ in range(self._runs):
            target = self._folder / "plain"
            target.mkdir()
            said = subprocess.run(  # noqa: S603  # our own few lines
                [sys.executable, "-c", _SQLITE, str(rows), str(target / "plain.db")],
                stdout=subprocess.PIPE, check=True, timeout=RUN_S,
            )  # fmt: skip
            samples.append(float(said.stdout))
            shutil.rmtree(target)
        rows.unlink()
        return figure_of(samples, "docs/s")

    def _copied(self, path: Path) -> float:
        """Seconds for a copy that is on the disk."""
        target = self._folder / "copy"
        started = self._clock.ticks_us()
        shutil.copyfile(path, target)
        with target.open("rb+") as copy:
            os.fsync(copy.fileno())
        took_s = (self._clock.ticks_us() - started) / 1e6
        target.unlink()
        return took_s

    # The other processes

    @contextmanager
    def _filled(self) -> Iterator[Centre]:
        """The centre's store with all rows in it, open."""
        folder = self._folder / "centre"
        keys = BandKeyFiles.open(folder, disk=self._disk, entropy=self._entropy)
        centre = Centre.open(
            folder, disk=self._disk, clock=self._clock, entropy=self._entropy, band_keys=keys
        )
        try:
            made = profiles(self._size)
            while rows := list(islice(made, WRITTEN_AT_ONCE)):
                centre.put_rows(rows, interest=[(STORE, owner) for owner in owners_of(rows)])
            yield centre
        finally:
            centre.close()

    def _approved(self, centre: Centre) -> Path:
        """The folder of a new kiosk that the centre knows."""
        self._n_kiosks += 1
        folder = self._folder / f"kiosk-{self._n_kiosks}"
        one = identity.create(
            store=STORE, role="kiosk", centre_url="https://127.0.0.1", entropy=self._entropy,
            centre_key=centre.public_key_hex,
        )  # fmt: skip
        identity.save(one, folder, disk=self._disk)
        centre.approve_device(public_key=one.public_key, store=STORE, role="kiosk")
        return folder

    def _certificate(self, url: str) -> str:
        return str(self._folder / "tls.crt") if url.startswith("https:") else ""

    @contextmanager
    def _centre(self, *, is_tls: bool) -> Iterator[tuple[int, str]]:
        """Process id and address of a centre over this folder."""
        line = [sys.executable, "-m", "kiosk.cli", "central", "--data", str(self._folder)]
        line += ["--port", "0"]
        if is_tls:
            line += ["--tls-cert", str(self._folder / "tls.crt")]
            line += ["--tls-key", str(self._folder / "tls.key")]
        process = subprocess.Popen(  # noqa: S603  # our own command
            line, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                raise BenchImpossible(
                    "centre", "The centre did not start; its words are above."
                )
            yield process.pid, str(json.loads(ready)["url"])
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(START_S)
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _run_kiosk(self, job: Job, shape: type[Found]) -> Found:
        said = subprocess.run(
            [sys.executable, "-m", "kiosk.bench.sync_kiosk"],
            input=msgspec.json.encode(job), stdout=subprocess.PIPE, check=False, timeout=RUN_S,
        )  # fmt: skip
        if said.returncode:
            raise BenchImpossible("kiosk", "A kiosk did not finish; its words are above.")
        return msgspec.json.decode(said.stdout, type=shape)


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise BenchImpossible("centre", "The centre is gone.")


def _cpu_s(pid: int) -> float:
    """CPU time of a process so far. Source: proc(5), stat, fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
