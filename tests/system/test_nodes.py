"""Several nodes of a centre on one PostgreSQL: any of them answers any device, and one that dies loses nothing it acknowledged."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import typer

from drivers.issuing.sheet import Outcome, Reported, heading, line_of_report
from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.identity import DeviceIdentity, lasting_key
from kiosk.band_keys import BandKeyFiles
from kiosk.bench.certificate import write_certificate
from kiosk.commands import band_station
from sync.central.centre import Centre
from sync.model.operation import Operation
from tests.support import commands
from tests.support.centre import PlainDevice, RunningCentre, new_device, running_centre
from tests.support.shop import LENA, lenas_rows, said

pytestmark = pytest.mark.slow

N_NODES = 3
N_DEVICES = 4
N_PUSHES = 12
PUSH_OPS = 5

Place = tuple[str, Path]
"""Address of the database, and the file of the centre's key."""


@pytest.fixture
def place(database: str, tmp_path: Path) -> Place:
    key = tmp_path / "keys" / "centre.key"
    BandKeyFiles.open(key.parent, disk=SystemDisk(), entropy=SystemEntropy())
    lasting_key(key, disk=SystemDisk(), entropy=SystemEntropy())
    return database, key


def opened(place: Place, folder: Path) -> Centre:
    """One more node, in this process."""
    disk, entropy = SystemDisk(), SystemEntropy()
    address, key = place
    band_keys = BandKeyFiles.open(key.parent, disk=disk, entropy=entropy)
    return Centre.open(
        folder, disk=disk, clock=SystemClock(), entropy=entropy, band_keys=band_keys,
        database=address, key=key,
    )  # fmt: skip


@pytest.fixture
def here(place: Place, tmp_path: Path) -> Iterator[Centre]:
    """A node in this process, with a shop in it."""
    centre = opened(place, tmp_path / "here")
    centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    yield centre
    centre.close()


def options(place: Place) -> tuple[str | Path, ...]:
    return "--database", place[0], "--key", place[1]


@contextmanager
def started(place: Place, folder: Path, count: int) -> Iterator[list[RunningCentre]]:
    """So many nodes, begun at once."""
    with ThreadPoolExecutor(count) as pool:
        begun = [
            pool.submit(RunningCentre, folder / f"node-{index}", *options(place))
            for index in range(count)
        ]
    try:
        yield [one.result() for one in begun]
    finally:
        for one in begun:
            if one.exception() is None:
                one.result().stop()


@pytest.fixture
def nodes(place: Place, here: Centre, tmp_path: Path) -> Iterator[list[RunningCentre]]:
    with started(place, tmp_path, N_NODES) as running:
        yield running


def at(device: DeviceIdentity, node: RunningCentre) -> DeviceIdentity:
    return replace(device, centre_url=node.url)


def op_id(device: int, index: int) -> str:
    return f"0190a1b2-{device:04x}-7000-8000-{index:012x}"


async def test_a_session_that_one_node_began_goes_on_at_the_others(
    here: Centre, nodes: list[RunningCentre]
) -> None:
    identity = new_device(here)
    async with httpx.AsyncClient() as http:
        device = PlainDevice(at(identity, nodes[0]), http)
        await device.hello()
        heads = []

        for node in nodes:
            device.identity = at(identity, node)
            heads.append(await device.head("s:harbour"))

    assert heads[0] > 0
    assert len(set(heads)) == 1


async def test_what_one_node_is_told_wakes_who_waits_at_another(
    here: Centre, nodes: list[RunningCentre]
) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        waiting = PlainDevice(at(new_device(here), nodes[0]), http)
        telling = PlainDevice(at(new_device(here), nodes[1]), http)
        for device in (waiting, telling):
            await device.hello()
        head = await waiting.head("s:harbour")

        # The first poll of all is answered once for nothing: the node only then begins to look what others write.
        await waiting.pull({"s:harbour": head}, wait_ms=20_000)
        poll = asyncio.create_task(waiting.pull({"s:harbour": head}, wait_ms=20_000))
        (result,) = await telling.push(said("Hello", op_id=op_id(1, 1)))
        page = await poll

    assert result.status == "applied"
    assert {row.key for row in result.rows} <= {row.key for row in page.rows}


async def test_a_node_killed_under_load_loses_nothing_it_acknowledged_and_doubles_nothing(
    here: Centre, nodes: list[RunningCentre]
) -> None:
    acknowledged: set[str] = set()
    n_moved = 0

    async def shop(index: int) -> None:
        """Pushes to one node; where that is gone, the same again to the next."""
        nonlocal n_moved
        identity = new_device(here)
        turn = index
        async with httpx.AsyncClient(timeout=30) as http:
            device = PlainDevice(
                at(identity, nodes[turn % N_NODES]), http, lineage=f"l-{index}"
            )
            await device.hello()
            for push in range(N_PUSHES):
                ops = _ops(index, push)
                while True:
                    try:
                        results = await device.push(*ops)
                        break
                    except httpx.TransportError:
                        n_moved += 1
                        turn += 1
                        device.identity = at(identity, nodes[turn % N_NODES])
                acknowledged.update(it.op for it in results if it.status == "applied")
                if len(acknowledged) >= N_DEVICES * N_PUSHES * PUSH_OPS // 3:
                    nodes[0].process.send_signal(signal.SIGKILL)

    await asyncio.gather(*(shop(index) for index in range(N_DEVICES)))

    sent = {
        op.id
        for index in range(N_DEVICES)
        for push in range(N_PUSHES)
        for op in _ops(index, push)
    }
    assert n_moved > 0
    assert acknowledged == sent
    assert {here.operation(op).status for op in sent if here.operation(op)} == {"applied"}  # type: ignore[union-attr]  # looked
    written = Counter(_interactions(here))
    assert set(written.values()) == {1}
    assert set(written) >= sent


def _ops(device: int, push: int) -> list[Operation]:
    return [
        said(f"{device} {push} {index}", op_id=op_id(device, push * PUSH_OPS + index))
        for index in range(PUSH_OPS)
    ]


def _interactions(centre: Centre) -> list[str]:
    with centre._store.reading() as snapshot:
        rows = snapshot.rows_since("s:harbour", 0, limit=100_000)
    return [row.key.partition("/")[2] for row in rows if row.kind == "interaction"]


def test_nodes_that_start_at_once_on_an_empty_database_are_one_centre(
    place: Place, tmp_path: Path
) -> None:
    with started(place, tmp_path, N_NODES) as running:
        keys = {node.key for node in running}

    assert len(keys) == 1


def test_a_node_with_another_key_than_the_others_does_not_start(
    here: Centre, place: Place, tmp_path: Path
) -> None:
    done = commands.run(
        "central", "--data", tmp_path / "other", "--port", "0", "--database", place[0]
    )

    assert done.returncode == 1
    assert "another key" in done.stderr


def test_a_database_that_cannot_be_reached_is_said_in_a_sentence_without_its_password(
    tmp_path: Path,
) -> None:
    address = f"postgresql://clerk:hunter2@/shop?host={tmp_path}"

    done = commands.run("central", "--data", tmp_path, "--port", "0", "--database", address)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "database" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "given",
    [("--database", "centre.db"), ("--database", "mysql://here/x"), ("--tls-cert", "cert.pem")],
)
def test_options_that_say_nothing_are_said(tmp_path: Path, given: tuple[str, str]) -> None:
    done = commands.run("central", "--data", tmp_path, "--port", "0", *given)

    assert done.returncode == 1
    assert given[0] in done.stderr


def test_a_node_with_a_certificate_of_its_own_is_reached_by_tls(
    place: Place, tmp_path: Path
) -> None:
    trusted = write_certificate(tmp_path, clock=SystemClock(), entropy=SystemEntropy())
    own = ("--tls-cert", tmp_path / "tls.crt", "--tls-key", tmp_path / "tls.key")

    with running_centre(tmp_path / "node", *options(place), *own) as node:
        answer = httpx.get(f"{node.url}/v1/health", verify=trusted)

    assert node.url.startswith("https://127.0.0.1:")
    assert answer.status_code == 200


def test_a_certificate_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    own = ("--tls-cert", tmp_path / "none.crt", "--tls-key", tmp_path / "none.key")

    done = commands.run("central", "--data", tmp_path, "--port", "0", *own)

    assert done.returncode == 1
    assert "certificate" in done.stderr
    assert "Traceback" not in done.stderr


def test_bands_of_a_report_are_entered_while_the_nodes_run(
    here: Centre, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    band, report = "5a" * 16, tmp_path / "r.csv"
    made = Reported(1, Outcome.ISSUED, "Spare 1", "C", band, bytes.fromhex("04010203040506"))
    report.write_bytes(heading() + line_of_report(made))
    asked = band_station.Asked(
        data=tmp_path / "desk", reader="pcsc", report=report, database=place[0]
    )

    band_station.run("enter", replace(asked, key=place[1]))
    with pytest.raises(typer.Exit):
        band_station.run("enter", asked)

    said = capsys.readouterr()
    assert said.out == "1 band is new, 0 were known, 0 others are retired.\n"
    assert "give --data the folder above it, or --key its key" in said.err
    assert here.row(f"band/{band}") is not None
