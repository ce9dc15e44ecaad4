"""A fleet of kiosks against one centre: held polls, waking them all, and all of them coming back at once.

The centre is `tapthread central` in a process of its own, over TLS with a certificate made for the run. The kiosks are
connections of this process that speak the protocol and keep nothing: each has its own key, session and poll. They check
every answer as a kiosk does, in one process: where the machine is busy, times say as much of that as of the centre.

    fleet.memory@N      memory of the centre's process while N polls are held, all of it (MB)
    fleet.held@N        the same beyond what it had before the first of them came (MB)
    fleet.held_each@N   the same for one poll (KB)
    fleet.hello@N       N kiosks connect, say hello and pull, 64 at a time (s)
    fleet.cut@N         how many of them were cut off while they held a poll, and came back
    fleet.wake@N        from one operation pushed to the last of N polls answered and checked (s)
    fleet.wake_p50@N    the same to half of them (s)
    fleet.wake_cpu@N    processor time of the centre meanwhile; the kiosks' own, on the other core, is not in it (s)
    fleet.bare_wake@N   the baseline: N connections of a server that only waits and writes one line, over TLS (s)
    fleet.wake_vs_bare@N  ours over the baseline (x)
    fleet.storm@N       N kiosks connect, say hello and pull at the same moment, to the last of them done (s)
    fleet.storm_retries@N  how often one of them was cut off and tried again
"""

import asyncio
import json
import os
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from hardware.clock import Clock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import Entropy, SystemEntropy, new_id
from hardware.identity import DeviceIdentity, create
from hardware.moments import micros_of
from kiosk.band_keys import BandKeyFiles
from kiosk.bench.certificate import write_certificate
from kiosk.bench.figures import BenchImpossible, Figure, figure_of
from sync.central.centre import Centre
from sync.edge.schedule import pause_ms
from sync.model.answers import push_of
from sync.model.operation import Evidence, Operation
from sync.model.operations.correct_stock import CorrectStock
from sync.model.ports import Request
from sync.model.records import Product
from sync.model.registry import raw_args
from sync.model.row import row_of
from sync.model.signatures import Agreement, sign_as_device, sign_in_session
from sync.model.wire import (
    WAIT_MS_MAX,
    Checkpoint,
    Cursor,
    HelloAnswer,
    HelloRequest,
    PullRequest,
    PushRequest,
    page_of,
)

KIOSKS_A_STORE: Final = 5
"""Devices of one store."""

SCOPE: Final = "g"
"""What every kiosk holds besides its store: prices, stock. A count in one store wakes all."""

SPARE_FILES: Final = 200
"""Descriptors a process needs beside its connections."""

CONNECTING: Final = 64
"""Kiosks that connect at the same time, except in a storm."""

CLOSE_MS: Final = 100
"""What was cut off is let go of by the loop, which needs a turn for it."""

SETTLE_MS: Final = 3_000
"""After this long every kiosk holds a poll again."""

TRIES_MAX: Final = 50
"""How often a kiosk in a storm tries before it is called a failure."""

START_S: Final = 30.0
WAIT_S: Final = 120.0
"""Nothing here takes longer unless it hangs."""

COME_S: Final = 0.06
"""The same for each kiosk that comes for the first time: a TLS handshake, a signature and an agreement, at both ends."""


@dataclass(slots=True)
class _Kiosk:
    """One connection that speaks the protocol."""

    identity: DeviceIdentity
    clock: Clock
    entropy: Entropy
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    session: str = ""
    key: bytes = b""
    cursors: tuple[Cursor, ...] = ()
    token: str = ""
    number: int = 0

    async def connect(self, context: ssl.SSLContext) -> None:
        parts = urlsplit(self.identity.centre_url)
        self.reader, self.writer = await asyncio.open_connection(
            parts.hostname, parts.port, ssl=context if parts.scheme == "https" else None
        )

    def _request(self, name: str, body: bytes) -> Request:
        self.number += 1
        return Request(
            "POST",
            f"{self.identity.centre_url}/v1/{name}",
            (
                ("content-type", "application/json"),
                ("x-proto", "1"),
                ("x-req", f"fleet-{self.number}"),
                ("device-seq", str(self.number)),
            ),
            body,
        )

    async def _sent(self, request: Request) -> None:
        assert self.writer is not None
        parts = urlsplit(request.url)
        lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        lines += [f"content-length: {len(request.body)}", "", ""]
        self.writer.write("\r\n".join(lines).encode() + request.body)
        await self.writer.drain()

    async def _answered(self) -> bytes:
        assert self.reader is not None
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = head.split(" ", 2)[1]
        size = int(head.partition("content-length:")[2].split("\r\n", 1)[0])
        body = await self.reader.readexactly(size)
        if status != "200":
            raise BenchImpossible("fleet", f"The centre answered {status}: {body[:200]!r}.")
        return body

    async def hello(self) -> None:
        agreement = Agreement.begin(device=self.identity.device_id, entropy=self.entropy)
        asked = HelloRequest(self.identity.device_id, "fleet", "bench", agreement.share)
        await self._sent(
            sign_as_device(
                self._request("hello", msgspec.json.encode(asked)),
                identity=self.identity, clock=self.clock, entropy=self.entropy,
            )
        )  # fmt: skip
        answer = msgspec.json.decode(await self._answered(), type=HelloAnswer)
        self.key = agreement.finish(answer, centre_key=self.identity.centre_key)
        self.session = answer.session
        self.cursors = self.cursors or (Cursor(f"s:{self.identity.store}", 0), Cursor(SCOPE, 0))

    def _signed(self, name: str, body: bytes) -> Request:
        return sign_in_session(
            self._request(name, body), session=self.session, session_key=self.key,
            clock=self.clock, entropy=self.entropy,
        )  # fmt: skip

    async def ask(self, *, wait_ms: int) -> str:
        """Send a pull; its request id."""
        pull = PullRequest(self.cursors, wait_ms=wait_ms)
        request = self._signed("pull", msgspec.json.encode(pull))
        await self._sent(request)
        return request.header("x-req")

    async def told(self, request_id: str) -> int:
        """Wait for the answer of that pull and check it; how many rows of what all hold it had."""
        page = page_of(await self._answered(), session_key=self.key, request_id=request_id)
        self.cursors = tuple(_cursor_at(it) for it in page.checkpoints)
        return sum(row.scope == SCOPE for row in page.rows)

    async def push(self, op: Operation) -> None:
        body = msgspec.json.encode(PushRequest("fleet", (op,), self.token))
        request = self._signed("push", body)
        await self._sent(request)
        answer = push_of(
            await self._answered(), session_key=self.key, request_id=request.header("x-req")
        )
        self.token = answer.token
        if answer.results[0].status != "applied":
            raise BenchImpossible("fleet", f"The operation was {answer.results[0].status}.")

    def close(self) -> None:
        if self.writer is not None:
            self.writer.transport.abort()
            self.writer = None


def _cursor_at(reached: Checkpoint) -> Cursor:
    return Cursor(reached.scope, reached.seq, (reached.mark,) if reached.mark else ())


def measure(n_kiosks: int, n_storm: int, runs: int) -> Mapping[str, Figure]:
    """All figures for so many held polls and so many kiosks that come back at once. Raises BenchImpossible."""
    _need_files(max(n_kiosks, n_storm) + SPARE_FILES)
    with tempfile.TemporaryDirectory(prefix="tapthread-fleet-") as folder:
        return asyncio.run(_measured(Path(folder), n_kiosks, n_storm, runs))


def _need_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchImpossible(
            "descriptors", f"This machine allows {hard} open files; {count} are needed."
        )
    if soft < count:  # what we start inherits it
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


async def _measured(
    folder: Path, n_kiosks: int, n_storm: int, runs: int
) -> Mapping[str, Figure]:
    clock, entropy = SystemClock(), SystemEntropy()
    context = write_certificate(folder, clock=clock, entropy=entropy)
    fleet = _enrolled(folder, n_kiosks + 1, clock, entropy)
    results: dict[str, Figure] = {}
    with _centre(folder) as (pid, url):
        kiosks = [_Kiosk(_at(one, url), clock, entropy) for one in fleet]
        try:
            results |= await _held(pid, kiosks, context, runs)
        finally:
            for one in kiosks:
                one.close()
        results |= await _storms(kiosks[:n_storm], context, runs)
    results |= await _bare(folder, n_kiosks, context, runs)
    ours, bare = results[f"fleet.wake@{n_kiosks}"], results[f"fleet.bare_wake@{n_kiosks}"]
    await clock.pause_ms(CLOSE_MS)
    ratio = round(ours.median / bare.median, 2)
    results[f"fleet.wake_vs_bare@{n_kiosks}"] = Figure(
        ratio, ratio, "x", min(ours.runs, bare.runs)
    )
    return results


class _Round:
    """One change on its way to all: when each of so many kiosks was told, ticks in microseconds."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.times: list[int] = []
        self.is_over = asyncio.Event()

    def heard(self, at: int) -> None:
        self.times.append(at)
        if len(self.times) == self.count:
            self.is_over.set()


class _Polls:
    """So many kiosks that hold one poll after another, and what becomes of each change."""

    def __init__(self, kiosks: list[_Kiosk], context: ssl.SSLContext) -> None:
        self.here = _Round(len(kiosks))
        self.rounds: list[_Round] = []
        self.n_cut = 0
        self._kiosks = kiosks
        self._context = context
        self._clock = kiosks[0].clock
        self._gate = asyncio.Semaphore(CONNECTING)

    def begin(self) -> "asyncio.Future[list[None]]":
        """All of them, for ever."""
        return asyncio.gather(*(self._live(one) for one in self._kiosks))

    async def _come(self, kiosk: _Kiosk) -> int:
        """Connect, say hello and pull; how many rows there were."""
        async with self._gate:
            await kiosk.connect(self._context)
            await kiosk.hello()
            return await kiosk.told(await kiosk.ask(wait_ms=0))

    async def _live(self, kiosk: _Kiosk) -> None:
        """Come, and hold one poll after another; who is cut off comes back, as a kiosk does."""
        await self._come(kiosk)
        self.here.heard(self._clock.ticks_us())
        while True:
            try:
                n_rows = await kiosk.told(await kiosk.ask(wait_ms=WAIT_MS_MAX))
            except (OSError, EOFError):
                self.n_cut += 1
                kiosk.close()
                n_rows = await self._come(kiosk)
            if n_rows and self.rounds and not self.rounds[-1].is_over.is_set():
                self.rounds[-1].heard(self._clock.ticks_us())
                # All kiosks share this process: who asked again now would take the others' turn to hear.
                await self.rounds[-1].is_over.wait()


async def _held(
    pid: int, kiosks: list[_Kiosk], context: ssl.SSLContext, runs: int
) -> dict[str, Figure]:
    clock = kiosks[0].clock
    teller, count = kiosks[0], len(kiosks) - 1
    before_kb = _rss_kb(pid)
    started = clock.ticks_us()
    polls = _Polls(kiosks[1:], context)
    living = polls.begin()
    try:
        await _first(polls.here.is_over, living, limit_s=WAIT_S + COME_S * count)
        hello_s = (clock.ticks_us() - started) / 1e6
        await teller.connect(context)
        await teller.hello()
        lasts, halves, held_mb, all_mb, cpus = [], [], [], [], []
        for _ in range(runs):
            await clock.pause_ms(SETTLE_MS)
            all_mb.append(_rss_kb(pid) / 1_024)
            held_mb.append(all_mb[-1] - before_kb / 1_024)
            polls.rounds.append(_Round(count))
            teller.close()  # a quiet connection is not kept open
            await teller.connect(context)
            spent, started = _cpu_s(pid), clock.ticks_us()
            await teller.push(_count_of(teller, clock))
            await _first(polls.rounds[-1].is_over, living)
            cpus.append(_cpu_s(pid) - spent)
            times = polls.rounds[-1].times
            lasts.append((times[-1] - started) / 1e6)
            halves.append((statistics.median(times) - started) / 1e6)
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
    return {
        f"fleet.memory@{count}": figure_of(all_mb, "MB"),
        f"fleet.held@{count}": figure_of(held_mb, "MB"),
        f"fleet.held_each@{count}": figure_of([mb * 1_024 / count for mb in held_mb], "KB"),
        f"fleet.hello@{count}": figure_of([hello_s], "s"),
        f"fleet.cut@{count}": figure_of([float(polls.n_cut)], "kiosks"),
        f"fleet.wake@{count}": figure_of(lasts, "s"),
        f"fleet.wake_p50@{count}": figure_of(halves, "s"),
        f"fleet.wake_cpu@{count}": figure_of(cpus, "s"),
    }


async def _first(
    event: asyncio.Event, living: "asyncio.Future[list[None]]", *, limit_s: float = WAIT_S
) -> None:
    """Wait for the event; a kiosk that fails meanwhile ends the bench with its own error."""
    waiting = asyncio.ensure_future(event.wait())
    done, _ = await asyncio.wait(
        (waiting, living), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
    )
    waiting.cancel()
    if living in done:
        try:
            living.result()
        except (OSError, EOFError) as error:
            raise BenchImpossible("fleet", "The centre cut a kiosk off.") from error
    if not event.is_set():
        raise BenchImpossible("fleet", f"Not all kiosks were served within {limit_s:.0f} s.")


async def _storms(
    kiosks: list[_Kiosk], context: ssl.SSLContext, runs: int
) -> dict[str, Figure]:
    async def come_back(kiosk: _Kiosk) -> None:
        """As a kiosk does: what is cut off tries again, after a wait that is drawn."""
        for _ in range(TRIES_MAX):
            try:
                await kiosk.connect(context)
                await kiosk.hello()
                await kiosk.told(await kiosk.ask(wait_ms=0))
            except (OSError, EOFError):
                retries.append(1)
                kiosk.close()
                await clock.pause_ms(pause_ms(1, int.from_bytes(kiosk.entropy.draw(2), "big")))
            else:
                return
        raise BenchImpossible("fleet", "A kiosk was cut off again and again.")

    clock, times, again = kiosks[0].clock, [], []
    retries: list[int] = []
    for _ in range(runs):
        started = clock.ticks_us()
        try:
            await asyncio.wait_for(asyncio.gather(*map(come_back, kiosks)), WAIT_S)
            times.append((clock.ticks_us() - started) / 1e6)
            again.append(len(retries))
            retries.clear()
        finally:
            for one in kiosks:
                one.close()
    count = len(kiosks)
    return {
        f"fleet.storm@{count}": figure_of(times, "s"),
        f"fleet.storm_retries@{count}": figure_of(again, "retries"),
    }


async def _bare(
    folder: Path, count: int, context: ssl.SSLContext, runs: int
) -> dict[str, Figure]:
    """The same number of connections at a server that does nothing but wait and write."""
    clock, times = SystemClock(), []
    async with _bare_server(folder) as (port, process):
        pairs: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        try:
            for _ in range(count):
                pair = await asyncio.open_connection("127.0.0.1", port, ssl=context)
                pairs.append(pair)
            for _ in range(runs):
                waiting = [asyncio.ensure_future(reader.readline()) for reader, _ in pairs]
                await asyncio.sleep(0)  # noqa: TID251  # as above
                started = clock.ticks_us()
                assert process.stdin is not None
                process.stdin.write(b"go\n")
                process.stdin.flush()
                await asyncio.wait_for(asyncio.gather(*waiting), WAIT_S)
                times.append((clock.ticks_us() - started) / 1e6)
        finally:
            for _, writer in pairs:
                writer.transport.abort()
    return {f"fleet.bare_wake@{count}": figure_of(times, "s")}


_BARE: Final = """
import asyncio, ssl, sys
import uvloop
async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    writers = []
    def heard():
        if not sys.stdin.readline():
            over.set()
        for writer in writers:
            writer.write(b"go\\n")
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0, ssl=context, backlog=1024)
    loop.add_reader(0, heard)
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()
uvloop.run(main())
"""


@asynccontextmanager
async def _bare_server(folder: Path) -> AsyncIterator[tuple[int, subprocess.Popen[bytes]]]:
    process = subprocess.Popen(  # noqa: ASYNC220, S603  # our own few lines, once
        [sys.executable, "-c", _BARE, str(folder / "tls.crt"), str(folder / "tls.key")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
    finally:
        process.terminate()
        process.communicate(timeout=START_S)


@contextmanager
def _centre(folder: Path) -> Iterator[tuple[int, str]]:
    """Process id and address of a centre over that folder."""
    command = [
        sys.executable,
        "-m",
        "kiosk.cli",
        "central",
        "--data",
        str(folder),
        "--port",
        "0",
    ]
    command += ["--tls-cert", str(folder / "tls.crt"), "--tls-key", str(folder / "tls.key")]
    process = subprocess.Popen(  # noqa: S603  # our own command
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BenchImpossible("centre", "The centre did not start; its words are above.")
        yield process.pid, str(json.loads(line)["url"])
    finally:
        process.terminate()
        try:
            process.communicate(timeout=START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _enrolled(folder: Path, count: int, clock: Clock, entropy: Entropy) -> list[DeviceIdentity]:
    """So many approved kiosks of one store, which holds one customer."""
    disk = SystemDisk()
    keys = BandKeyFiles.open(folder / "centre", disk=disk, entropy=entropy)
    centre = Centre.open(
        folder / "centre", disk=disk, clock=clock, entropy=entropy, band_keys=keys
    )
    try:
        soap = Product(id="soap", title="Soap", category="bath")
        centre.put_rows([row_of(soap, owner="", as_of=micros_of(clock.now()), source="bench")])
        made = []
        for number in range(count):
            store = f"store-{number // KIOSKS_A_STORE}"
            one = create(
                store=store, role="kiosk", centre_url="", centre_key=centre.public_key_hex,
                entropy=entropy,
            )  # fmt: skip
            centre.approve_device(public_key=one.public_key, store=store, role="kiosk")
            made.append(one)
        return made
    finally:
        centre.close()


def _at(identity: DeviceIdentity, url: str) -> DeviceIdentity:
    return DeviceIdentity(
        device_id=identity.device_id, store=identity.store, role=identity.role, centre_url=url,
        centre_key=identity.centre_key, private_key=identity.private_key,
    )  # fmt: skip


def _count_of(kiosk: _Kiosk, clock: Clock) -> Operation:
    store = kiosk.identity.store
    counted = CorrectStock(product="soap", place=store, count=kiosk.number)
    return Operation(
        id=new_id(clock=clock, entropy=kiosk.entropy), kind="correct_stock",
        at=micros_of(clock.now()), device=kiosk.identity.device_id, store=store, actor="bench",
        owner="", evidence=Evidence("S1", "found"), args=raw_args(counted),
    )  # fmt: skip


def _cpu_s(pid: int) -> float:
    """Processor time a process has taken so far, its own and the system's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise BenchImpossible(
        "fleet",
        f"Process {pid} is gone.",
    )
