"""The centre under what other systems send it: events in, out to a store, a customer's page, and who is who.

    base.DB.events             events/s  plain sqlite3, plain psycopg: the bytes of the same deliveries, a durable transaction each
    centre.events.DB@N         events/s  signed WhatsApp deliveries, one after another, verified, kept, taken and durable; the last of
                                         N, so that growth shows
    centre.events.8.DB@N       events/s  the same from eight at once, after N
    centre.vs_DB@N             x         centre.events.DB@N to base.DB.events
    centre.feed                ms        from a delivery leaving to its rows here in a store's device, by a held poll, without a socket
    centre.page@N              ms        a customer with N contacts read, and the agents' sheet with its card made
    identity.time@N            s         who is probably who among N records, in a process of its own, its model trained on them
    identity.rss@N             MB        its most memory
    identity.pairs@N           x         pairs found, per record

DB is sqlite, and postgresql: a server started for the bench, or the one --database names. Sizes are records for identity;
events and contacts have their own.
"""

import asyncio
import hmac
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC
from pathlib import Path
from typing import Final

from hardware import identity
from hardware.clock import Clock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import Entropy, SystemEntropy
from hardware.moments import micros_of
from kiosk.bench import postgres
from kiosk.bench.figures import BenchImpossible, Figure, figure_of
from kiosk.demo.in_process import InProcessTransport
from sync.central.centre import Centre
from sync.central.channels.adapter import Delivery, Settings
from sync.central.pages.showing import sheet_of
from sync.edge.client import CentreClient
from sync.edge.store import EdgeStore
from sync.edge.work import Work
from sync.model.ports import Request
from sync.model.records import Case, Customer, Interaction, Promise, Record, key_of
from sync.model.row import row_of

IDENTITY_SIZES: Final = (10_000, 100_000, 1_000_000)
EVENT_SIZES: Final = (1_000, 10_000)
SAMPLE: Final = 1_000
"""Events a rate is taken from: the last so many."""

CHUNKS: Final = 5
"""Samples these are measured as."""

ONCE_MIN: Final = 100_000
"""Records from which identity is measured once: it takes minutes."""

AT_ONCE: Final = 8
CONTACTS: Final = (10, 100, 1_000)
FEED_SAMPLES: Final = 40
WARM_UP: Final = 3
SECRET: Final = "bench secret"  # noqa: S105  # of a channel that is nobody's
CHANNEL: Final = Settings(
    name="wa", adapter="whatsapp", channel="whatsapp", secrets={"app": SECRET}
)
STORE: Final = "harbour"
URL: Final = "http://centre.bench"
RUN_S: Final = 3_600.0
DAY_US: Final = 86_400 * 1_000_000

_SQLITE: Final = """
import sqlite3, sys, time
bodies = [line.encode() for line in open(sys.argv[1])]
db = sqlite3.connect(sys.argv[2], isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = FULL")
db.execute("CREATE TABLE event(id TEXT PRIMARY KEY, body BLOB)")
started = time.perf_counter()
for n, body in enumerate(bodies):
    db.execute("INSERT INTO event VALUES (?, ?)", (str(n), body))
print(len(bodies) / (time.perf_counter() - started))
"""

_POSTGRES: Final = """
import sys, time, psycopg
bodies = [line.encode() for line in open(sys.argv[1])]
db = psycopg.connect(sys.argv[2], autocommit=True)
db.execute("DROP TABLE IF EXISTS plain_event")
db.execute("CREATE TABLE plain_event(id TEXT PRIMARY KEY, body BYTEA)")
started = time.perf_counter()
for n, body in enumerate(bodies):
    db.execute("INSERT INTO plain_event VALUES (%s, %s)", (str(n), body))
print(len(bodies) / (time.perf_counter() - started))
db.execute("DROP TABLE plain_event")
"""

_IDENTITY: Final = """
import json, sys, time
from kiosk.bench.known_people import known_people
from sync.central.likeness.model import likely_pairs
people = [it.record for it in known_people(int(sys.argv[1]), name="measured")]
started = time.perf_counter()
pairs = likely_pairs(people)
took = time.perf_counter() - started
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([took, peak / 1024, len(pairs)]))
"""


def measure(
    sizes: Sequence[int],
    runs: int,
    *,
    database: str = "",
    report_missing: Callable[[BenchImpossible], None],
    tell: Callable[[str], None] = lambda _: None,
) -> Mapping[str, Figure]:
    """All figures.

    Args:
        sizes: Records for identity.
        runs: Runs of identity, and of each baseline.
        database: An empty PostgreSQL database to measure; "" for a server of our own.
        report_missing: Told where there is no PostgreSQL; the rest is measured.
        tell: Told what is being measured.

    Raises:
        BenchImpossible: something could not be measured here.
    """
    results = events(runs, database=database, report_missing=report_missing, tell=tell)
    with tempfile.TemporaryDirectory(prefix="tapthread-centre-") as folder:
        tell("a change to a store")
        results["centre.feed"] = asyncio.run(_feed(Path(folder)))
    tell("pages")
    results |= {f"centre.page@{count}": _page(count, max(runs, 20)) for count in CONTACTS}
    for size in sizes:
        tell(f"identity of {size} records")
        results |= _identity(size, runs if size < ONCE_MIN else 1)
    return results


# Deliveries


def events(  # what is measured, and how much of it
    runs: int,
    *,
    database: str = "",
    counts: Sequence[int] = EVENT_SIZES,
    sample: int = SAMPLE,
    report_missing: Callable[[BenchImpossible], None],
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Figure]:
    """What comes in, into both databases, each beside its baseline.

    Args:
        runs: Runs of each baseline.
        database: An empty PostgreSQL database; "" for a server of our own.
        counts: Up to how many events; a rate is taken at each.
        sample: Events each rate is taken from, in CHUNKS.
        report_missing: Told where there is no PostgreSQL.
        tell: Told what is being measured.

    Raises:
        BenchImpossible: a delivery was not taken.
    """
    results: dict[str, Figure] = {}
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="tapthread-centre-"))
        )
        addresses = {"sqlite": ""}
        try:
            addresses["postgresql"] = database or stack.enter_context(postgres.server())
        except BenchImpossible as error:
            report_missing(error)
        for name, address in addresses.items():
            tell(f"plain {name}")
            base = _plain(folder, name, address, runs, sample)
            results[f"base.{name}.events"] = base
            tell(f"events into {name}")
            found = _events(folder / name, name, address, counts, sample)
            results |= found
            for count in counts:
                ours = found[f"centre.events.{name}@{count}"]
                ratio = round(ours.median / base.median, 3)
                results[f"centre.vs_{name}@{count}"] = Figure(ratio, ratio, "x", ours.runs)
    return results


def _delivery(number: int, now_s: int) -> Delivery:
    """One message of one of a thousand customers."""
    sender = f"4915100{number % 1_000:06}"
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "4930000", "phone_number_id": "1"},
        "contacts": [{"profile": {"name": f"Customer {number % 1_000}"}, "wa_id": sender}],
        "messages": [
            {
                "from": sender, "id": f"wamid.{number}", "timestamp": str(now_s), "type": "text",
                "text": {"body": f"Where is my order W-{number}? It should be here since Friday."},
            }
        ],
    }  # fmt: skip
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    mac = hmac.digest(SECRET.encode(), body, "sha256").hex()
    headers = {"x-hub-signature-256": f"sha256={mac}"}
    return Delivery(body=body, headers=headers, url=f"{URL}/in/wa", now=now_s)


def _opened(folder: Path, address: str = "") -> Centre:
    return Centre.open(
        folder, disk=SystemDisk(), clock=SystemClock(), entropy=SystemEntropy(), database=address,
        channels=(CHANNEL,),
    )  # fmt: skip


def _plain(folder: Path, name: str, address: str, runs: int, sample: int) -> Figure:
    now_s = micros_of(SystemClock().now()) // 1_000_000
    lines = folder / "bodies"
    lines.write_bytes(b"".join(_delivery(n, now_s).body + b"\n" for n in range(sample)))
    samples = []
    for run in range(runs):
        script = _POSTGRES if address else _SQLITE
        said = subprocess.run(  # noqa: S603  # our own few lines
            [sys.executable, "-c", script, str(lines), address or str(folder / f"{run}.db")],
            stdout=subprocess.PIPE, check=False, timeout=RUN_S,
        )  # fmt: skip
        if said.returncode:
            raise BenchImpossible(
                "baseline", f"Plain inserts into {name} could not be measured."
            )
        samples.append(float(said.stdout))
    return figure_of(samples, "events/s")


def _events(
    folder: Path, name: str, address: str, counts: Sequence[int], sample: int
) -> dict[str, Figure]:
    """One after another at each count, those between them and then as many again from eight at once."""
    clock: Clock = SystemClock()
    rates: dict[str, Figure] = {}
    n_sent = 0
    centre = _opened(folder, address)

    def send(at_once: int, upto: int) -> float:
        nonlocal n_sent
        numbers, n_sent = range(n_sent, upto), upto
        started = clock.ticks_us()
        if at_once == 1:
            for number in numbers:
                _take(centre, number, clock)
        else:
            with ThreadPoolExecutor(at_once) as vendors:
                for _ in vendors.map(lambda number: _take(centre, number, clock), numbers):
                    pass
        return len(numbers) / ((clock.ticks_us() - started) / 1e6)

    try:
        chunk = sample // CHUNKS
        for count in counts:
            if count - sample > n_sent:
                send(AT_ONCE, count - sample)
            samples = [send(1, n_sent + chunk) for _ in range(CHUNKS)]
            rates[f"centre.events.{name}@{count}"] = figure_of(samples, "events/s")
        at_once = [send(AT_ONCE, n_sent + chunk) for _ in range(CHUNKS)]
        rates[f"centre.events.8.{name}@{counts[-1]}"] = figure_of(at_once, "events/s")
    finally:
        centre.close()
    return rates


def _take(centre: Centre, number: int, clock: Clock) -> None:
    taken = centre.channels.deliver(
        "wa", _delivery(number, micros_of(clock.now()) // 1_000_000)
    )
    if taken.status != 200 or taken.n_new != 1:
        raise BenchImpossible("events", f"A delivery was answered {taken.status} {taken.code}.")


# Out to a store


async def _feed(folder: Path) -> Figure:
    """From a delivery leaving to its rows committed in a device of a store that holds the customer."""
    clock: Clock = SystemClock()
    entropy: Entropy = SystemEntropy()
    disk = SystemDisk()
    centre = _opened(folder / "centre")
    who = identity.create(
        store=STORE,
        role="kiosk",
        centre_url=URL,
        centre_key=centre.public_key_hex,
        entropy=entropy,
    )
    centre.approve_device(public_key=who.public_key, store=STORE, role="kiosk")
    _take(centre, 0, clock)
    with centre._store.reading() as snapshot:  # noqa: SLF001  # whom the first delivery made
        (owner,) = {row.owner for row in snapshot.rows_of_kind("customer")}
    centre.put_rows((), interest=[(STORE, owner)])
    key = identity.store_key(folder, disk=disk, entropy=entropy)
    store = EdgeStore.open(folder / "store", key, disk=disk, clock=clock, entropy=entropy)
    transport = InProcessTransport(centre.asgi_app)
    client = CentreClient(transport, identity=who, clock=clock, entropy=entropy, centre_url=URL)
    work = Work(client, store, clock)
    await work.say_hello()
    while not (await work.pull(wait_ms=0)).is_head:
        pass
    samples = []
    for number in range(FEED_SAMPLES + WARM_UP):
        poll = asyncio.ensure_future(work.pull(wait_ms=20_000))
        await clock.pause_ms(20)  # the poll is being held
        came = _delivery(1_000 * (number + 1), micros_of(clock.now()) // 1_000_000)
        asked = Request("POST", came.url, tuple(came.headers.items()), came.body)
        started = clock.ticks_us()
        sent = asyncio.ensure_future(transport.send(asked, deadline_ms=20_000, size_max=10_000))
        pulled = await poll
        took_ms = (clock.ticks_us() - started) / 1_000
        if not pulled.n_rows or (await sent).status != 200:
            raise BenchImpossible("feed", "A poll ended without the change.")
        if number >= WARM_UP:
            samples.append(took_ms)
    await work.close()
    store.close()
    centre.close()
    return figure_of(samples, "ms")


# A page


def _page(n_contacts: int, runs: int) -> Figure:
    """A customer's rows read from the centre's database, and the sheet with its card made of them."""
    clock: Clock = SystemClock()
    now = micros_of(clock.now())
    with tempfile.TemporaryDirectory(prefix="tapthread-centre-") as folder:
        centre = _opened(Path(folder))
        centre.put_rows(
            row_of(body, owner="tom", as_of=now, source="phone")
            for body in _thread(n_contacts, now)
        )
        samples = []
        for _ in range(runs):
            started = clock.ticks_us()
            with centre._store.reading() as snapshot:  # noqa: SLF001  # as the agents' site reads
                rows = snapshot.all_of_owner("tom")
            sheet_of("tom", rows, (), now=now, zone=UTC, viewer="bench")
            samples.append((clock.ticks_us() - started) / 1_000)
        centre.close()
    return figure_of(samples, "ms")


def _thread(n_contacts: int, now: int) -> list[Record]:
    """Tom, as often as that."""
    case = Case(
        id="c1", number="C-4711", state="open", topic="bill to the employer", opened_at=now - DAY_US,
        channel="phone", promise=Promise("Ana", "call back", now - 1),
    )  # fmt: skip
    said = [
        Interaction(
            id=f"i{number}", at=now - (n_contacts - number) * 3_600_000_000,
            channel=("phone", "x", "email")[number % 3],
            direction="in" if number % 2 else "out", by="Tom", text=f"It does not work, {number}.",
            topic="password reset" if number % 7 == 0 else "", about=key_of("case", "c1"),
        )
        for number in range(n_contacts)
    ]  # fmt: skip
    return [Customer(id="tom", given_name="Tom"), case, *said]


# Identity


def _identity(size: int, runs: int) -> dict[str, Figure]:
    found = []
    for _ in range(runs):
        said = subprocess.run(  # noqa: S603  # our own few lines
            [sys.executable, "-c", _IDENTITY, str(size)],
            stdout=subprocess.PIPE, check=False, timeout=RUN_S,
        )  # fmt: skip
        if said.returncode:
            raise BenchImpossible("identity", f"{size} records were too many for this machine.")
        found.append(json.loads(said.stdout.splitlines()[-1]))
    return {
        f"identity.time@{size}": figure_of([it[0] for it in found], "s"),
        f"identity.rss@{size}": figure_of([it[1] for it in found], "MB"),
        f"identity.pairs@{size}": figure_of([it[2] / size for it in found], "x"),
    }
