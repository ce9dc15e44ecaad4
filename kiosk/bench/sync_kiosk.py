"""One kiosk of the sync bench, in a process of its own, so that its memory and CPU time are its own: told by one line of JSON, answers with one.

It is the product's own client, store and jobs (`sync.edge.work`), without a screen and without the loop around them. What
the HTTP client imports at its first request is imported before the clock runs, as in a kiosk that is on.
"""

import asyncio
import http.client
import json
import os
import resource
import ssl
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio._backends._asyncio  # noqa: F401  # so that the first request does not
import httpcore  # noqa: F401
import msgspec

from hardware import identity
from hardware.clock import Clock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import Entropy, SystemEntropy, new_id
from hardware.identity import DeviceIdentity
from hardware.moments import micros_of
from sync.edge.client import CentreClient
from sync.edge.store import EdgeStore
from sync.edge.transport import HttpTransport
from sync.edge.work import Work
from sync.model.operation import Evidence, Operation
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.ports import Request, Response
from sync.model.registry import raw_args

PUSH_OPS: Final = 1_000
WARM_UP: Final = 3
"""Changes and idle pulls that are not counted: the first use of connections and caches."""


class Job(msgspec.Struct, frozen=True):
    """What to measure.

    Attributes:
        what: pages | snapshot | live.
        folder: Data folder, empty but for the identity.
        url: Of the centre.
        certificate: File with the authority to trust; "" for plain HTTP.
        teller: Folder with the identity of a second device of the store, for `live`.
        owner: A customer the store holds, for `live`.
        runs: Samples, for `live`.
    """

    what: str
    folder: str
    url: str
    certificate: str = ""
    teller: str = ""
    owner: str = ""
    runs: int = 1


class FirstSync(msgspec.Struct, frozen=True):
    """What a first sync took.

    Attributes:
        took_s: From hello to the head, rows and cursors committed.
        index_s: The search index after that.
        n_rows: Rows it holds then.
        wire: Bytes of the answers, heads included, TLS not.
        cpu_s: Of this process, to the head.
        rss_mb: Most memory of this process until the head; before it began.
    """

    took_s: float
    index_s: float
    n_rows: int
    wire: int
    cpu_s: float
    rss_mb: float
    rss_before_mb: float


class Live(msgspec.Struct, frozen=True):
    """What a kiosk at the head takes: milliseconds, requests, bytes of an answer without its head and with, operations a second."""

    idle_ms: list[float]
    idle_requests: list[int]
    idle_bytes: list[int]
    idle_wire: list[int]
    change_ms: list[float]
    get_ms: list[float]
    push_per_s: list[float]


class Counting:
    """The product's transport, with its answers counted."""

    def __init__(self, inner: HttpTransport) -> None:
        self._inner = inner
        self.n_requests = 0
        self.n_body = 0
        self.n_head = 0

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        """Send it, and count what came."""
        response = await self._inner.send(request, deadline_ms=deadline_ms, size_max=size_max)
        self.n_requests += 1
        self.n_body += len(response.body)
        self.n_head += 17 + sum(len(name) + len(value) + 4 for name, value in response.headers)
        return response

    async def close(self) -> None:
        """Let go of all connections."""
        await self._inner.close()


class _Kiosk:
    def __init__(self, job: Job) -> None:
        self.folder = Path(job.folder)
        self.clock: Clock = SystemClock()
        self.entropy: Entropy = SystemEntropy()
        disk = SystemDisk()
        self.tls = (
            ssl.create_default_context(cafile=job.certificate) if job.certificate else None
        )
        self.url = job.url
        self.transport = Counting(HttpTransport(self.tls))
        self.identity = identity.load(self.folder, disk=disk)
        key = identity.store_key(self.folder, disk=disk, entropy=self.entropy)
        self.store = EdgeStore.open(
            self.folder / "store", key, disk=disk, clock=self.clock, entropy=self.entropy
        )
        self.work = Work(self.client(self.identity, self.transport), self.store, self.clock)

    def client(self, who: DeviceIdentity, transport: Counting | HttpTransport) -> CentreClient:
        """A client for one device."""
        return CentreClient(
            transport, identity=who, clock=self.clock, entropy=self.entropy, centre_url=self.url
        )

    async def to_head(self, *, by_snapshot: bool) -> None:
        """Hello, and everything the centre has."""
        greeted = await self.work.say_hello()
        if by_snapshot:
            if not greeted.snapshots:
                raise SystemExit("the centre offers no snapshot")
            for scope in greeted.snapshots:
                await self.work.fetch(scope)
        while not (await self.work.pull(wait_ms=0)).is_head:
            pass

    def operation(self, owner: str, text: str) -> Operation:
        """Something to push."""
        said = RecordInteraction(channel="store", direction="in", by="Lena", text=text)
        return Operation(
            id=new_id(clock=self.clock, entropy=self.entropy), kind="record_interaction",
            at=micros_of(self.clock.now()), device=self.identity.device_id, store=self.identity.store,
            actor="bench", owner=owner, evidence=Evidence("S1", "found"), args=raw_args(said),
        )  # fmt: skip


async def _first(job: Job) -> FirstSync:
    kiosk = _Kiosk(job)
    before_mb = _peak_mb()
    started, cpu = kiosk.clock.ticks_us(), _cpu_s()
    await kiosk.to_head(by_snapshot=job.what == "snapshot")
    took_s, cpu_s, rss_mb = (kiosk.clock.ticks_us() - started) / 1e6, _cpu_s() - cpu, _peak_mb()
    wire = kiosk.transport.n_body + kiosk.transport.n_head
    counted = kiosk.store.cache.look(lambda file: file.read("SELECT count(*) FROM row"))
    started = kiosk.clock.ticks_us()
    while kiosk.work.upkeep.turn():
        pass
    index_s = (kiosk.clock.ticks_us() - started) / 1e6
    await kiosk.work.close()
    kiosk.store.close()
    return FirstSync(took_s, index_s, int(counted[0][0]), wire, cpu_s, rss_mb, before_mb)


class _Bare:
    """Python's own HTTP client over one connection that stands: what a question and an answer cost this machine at least."""

    def __init__(self, kiosk: _Kiosk) -> None:
        self._clock = kiosk.clock
        host = urlsplit(kiosk.url).netloc
        self._connection = (
            http.client.HTTPConnection(host)
            if kiosk.tls is None
            else http.client.HTTPSConnection(host, context=kiosk.tls)
        )
        self.get_ms()

    def get_ms(self) -> float:
        """One question that asks nothing."""
        started = self._clock.ticks_us()
        self._connection.request("GET", "/v1/health")
        self._connection.getresponse().read()
        return (self._clock.ticks_us() - started) / 1_000


async def _live(job: Job) -> Live:
    kiosk = _Kiosk(job)
    await kiosk.to_head(by_snapshot=False)
    while kiosk.work.upkeep.turn():
        pass
    teller = kiosk.client(
        identity.load(Path(job.teller), disk=SystemDisk()), HttpTransport(kiosk.tls)
    )
    await teller.hello(lineage="teller")
    found = Live([], [], [], [], [], [], [])
    bare = _Bare(kiosk)
    for number in range(job.runs + WARM_UP):
        counted = kiosk.transport
        requests, body, head = counted.n_requests, counted.n_body, counted.n_head
        started = kiosk.clock.ticks_us()
        await kiosk.work.pull(wait_ms=0)
        idle_ms = (kiosk.clock.ticks_us() - started) / 1_000
        requests = counted.n_requests - requests
        body, head = counted.n_body - body, counted.n_head - head
        change_ms = await _change(kiosk, teller, job.owner, number)
        if number >= WARM_UP:
            found.idle_ms.append(idle_ms)
            found.idle_requests.append(requests)
            found.idle_bytes.append(body)
            found.idle_wire.append(body + head)
            found.change_ms.append(change_ms)
            found.get_ms.append(bare.get_ms())
    for _ in range(max(3, job.runs // 20)):
        found.push_per_s.append(await _push(kiosk, job.owner))
    await teller.close()
    await kiosk.work.close()
    kiosk.store.close()
    return found


async def _change(kiosk: _Kiosk, teller: CentreClient, owner: str, number: int) -> float:
    """From a second device's push leaving to its row committed here, milliseconds."""
    poll = asyncio.ensure_future(kiosk.work.pull(wait_ms=20_000))
    await kiosk.clock.pause_ms(20)  # the poll is being held
    raw = msgspec.json.encode(kiosk.operation(owner, f"change {number}"))
    started = kiosk.clock.ticks_us()
    pushed = asyncio.ensure_future(teller.push(lineage="teller", ops=[raw], token=_token))
    pulled = await poll
    took_ms = (kiosk.clock.ticks_us() - started) / 1_000
    _remember((await pushed).token)
    if not pulled.n_rows:
        raise SystemExit("a poll ended without the change")
    return took_ms


_token = ""


def _remember(token: str) -> None:
    global _token  # noqa: PLW0603  # one teller in this process
    _token = token


async def _push(kiosk: _Kiosk, owner: str) -> float:
    """Operations a second, of PUSH_OPS recorded before and durable at both ends after."""
    for number in range(PUSH_OPS):
        kiosk.work.outbox.record(kiosk.operation(owner, f"note {number}"))
    n_settled = 0
    started = kiosk.clock.ticks_us()
    while batch := kiosk.work.batch():
        sent = await kiosk.work.send(batch)
        n_settled += getattr(sent, "n_settled", 0)
    took_s = (kiosk.clock.ticks_us() - started) / 1e6
    if n_settled != PUSH_OPS:
        raise SystemExit(f"only {n_settled} operations were settled")
    while not (await kiosk.work.pull(wait_ms=0)).is_head:
        pass
    while kiosk.work.upkeep.turn():
        pass
    return PUSH_OPS / took_s


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    """Most resident memory so far; on Linux from the kernel's own count."""
    for line in Path(f"/proc/{os.getpid()}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1_024
    return 0.0


def main() -> None:
    """Read one job from standard input, do it, write what came of it."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    found = asyncio.run(_live(job)) if job.what == "live" else asyncio.run(_first(job))
    sys.stdout.write(json.dumps(msgspec.to_builtins(found)) + "\n")


if __name__ == "__main__":
    main()
