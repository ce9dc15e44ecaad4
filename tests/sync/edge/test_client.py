"""Calls over real sockets: a hostile server byte by byte, and the real centre in its own process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import zstandard

from hardware.clock import FixedClock, SystemClock
from hardware.entropy import SeededEntropy, SystemEntropy
from hardware.identity import DeviceIdentity
from sync.edge.client import CentreClient
from sync.edge.leases import BandLease, Leases
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.edge.transport import HttpTransport
from sync.model.errors import (
    CentreBusy,
    CentreIncompatible,
    CentreRefused,
    CentreUnreachable,
    NotTrusted,
)
from sync.model.operation import OperationState
from sync.model.ports import Request, Response
from sync.model.records import Pickup
from sync.model.wire import ANSWER_SIZE_MAX, Cursor
from tests.support import centre as real
from tests.support import edge, shop
from tests.support.serving import closed
from tests.support.transport import FakeCentre, FaultyTransport, Spoil

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def served(answer: bytes, *, then_hang: bool = False) -> AsyncIterator[str]:
    """The address of a server that answers everything with these bytes and hangs up, or hangs."""
    hanging = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            if then_hang:
                await hanging.wait()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with closed(server):
        try:
            yield f"http://{host}:{port}"
        finally:
            hanging.set()


async def call(url: str, *, deadline_ms: int = 5_000, size_max: int = 10_000) -> Response:
    transport = HttpTransport()
    try:
        request = Request("POST", url + "/v1/pull", (("x-req", "r1"),), b"{}")
        return await transport.send(request, deadline_ms=deadline_ms, size_max=size_max)
    finally:
        await transport.close()


async def test_a_whole_answer_comes_as_it_is_with_names_in_lower_case() -> None:
    raw = b"HTTP/1.1 503 Busy\r\nX-Req: r1\r\nContent-Encoding: zstd\r\nContent-Length: 3\r\n\r\nabc"

    async with served(raw) as url:
        response = await call(url)

    assert (response.status, response.header("x-req"), response.body) == (503, "r1", b"abc")
    assert response.header("content-encoding") == "zstd"


async def test_a_proxy_of_this_machine_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async with served(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as url:
        response = await call(url)

    assert response.body == b"ok"


async def test_a_redirect_is_not_followed() -> None:
    raw = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"

    async with served(raw) as url:
        response = await call(url)

    assert response.status == 302


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x01\x02 garbage \xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000,
    ],
)
async def test_whatever_is_no_whole_answer_is_nobody_there(raw: bytes) -> None:
    async with served(raw) as url:
        with pytest.raises(CentreUnreachable):
            await call(url)


async def test_a_server_that_trickles_or_hangs_is_given_up_after_the_deadline() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"

    async with served(raw, then_hang=True) as url:
        with pytest.raises(CentreUnreachable):
            await call(url, deadline_ms=150)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "http://no-such-host.invalid",
        "http://[::bad",
        "ftp://x",
        "nonsense",
    ],
)
async def test_an_address_nobody_answers_at_is_nobody_there(url: str) -> None:
    with pytest.raises(CentreUnreachable):
        await call(url)


# What the client believes


def client_of(
    centre: FakeCentre, transport: FaultyTransport | FakeCentre, identity: DeviceIdentity | None = None,
    clock: FixedClock | None = None,
) -> CentreClient:  # fmt: skip
    return CentreClient(
        transport, identity=identity or centre.device(), clock=clock or FixedClock(edge.START),
        entropy=SeededEntropy("client"),
    )  # fmt: skip


@pytest.fixture
def centre() -> FakeCentre:
    centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    centre.put(*shop.lenas_rows())
    return centre


async def test_a_call_before_hello_says_that_there_is_no_session(centre: FakeCentre) -> None:
    with pytest.raises(CentreRefused) as refused:
        await client_of(centre, centre).pull(cursors=())

    assert refused.value.problem == "session_over"
    assert centre.calls == []


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        ("not_trusted", NotTrusted),
        ("busy", CentreBusy),
        ("incompatible", CentreIncompatible),
        ("not_allowed", CentreRefused),
        ("failed", CentreRefused),
        ("wrong_clock", CentreRefused),
    ],
)
async def test_a_problem_answer_is_an_error_of_its_own_kind(
    centre: FakeCentre, problem: str, error: type[Exception]
) -> None:
    client = client_of(centre, centre)
    await client.hello(lineage="l1")
    centre.problem = problem

    with pytest.raises(error):
        await client.pull(cursors=())


@pytest.mark.parametrize("is_status", [True, False], ids=["status", "id"])
async def test_a_problem_that_was_changed_on_its_way_or_is_of_another_question_is_nobodys(
    centre: FakeCentre, is_status: bool
) -> None:
    def changed(response: Response) -> Response:
        if is_status:
            return Response(502, response.headers, response.body)
        others = tuple(it for it in response.headers if it[0] != "x-req")
        return Response(response.status, (*others, ("x-req", "another")), response.body)

    client = client_of(centre, FaultyTransport(centre, [changed], only="push"))
    await client.hello(lineage="l1")
    centre.problem = "failed"

    with pytest.raises(CentreUnreachable):
        await client.push(lineage="l1", ops=[b"{}"])


async def test_an_answer_to_another_question_is_not_believed(centre: FakeCentre) -> None:
    recorded: list[Response] = []

    def replay(response: Response) -> Response:
        recorded.append(response)
        return recorded[0]

    client = client_of(centre, transport := FaultyTransport(centre, only="pull"))
    transport.always = replay
    await client.hello(lineage="l1")
    await client.pull(cursors=(Cursor("s:harbour", 0),))

    with pytest.raises(CentreUnreachable):
        await client.pull(cursors=(Cursor("s:harbour", 0),))


async def test_an_old_answer_relabelled_as_the_new_one_is_not_believed(
    centre: FakeCentre,
) -> None:
    recorded: list[Response] = []

    def relabelled(response: Response) -> Response:
        recorded.append(response)
        return Response(200, response.headers, recorded[0].body)

    client = client_of(centre, transport := FaultyTransport(centre, only="pull"))
    transport.always = relabelled
    await client.hello(lineage="l1")
    await client.pull(cursors=(Cursor("s:harbour", 0),))

    with pytest.raises(CentreUnreachable):
        await client.pull(cursors=(Cursor("s:harbour", 0),))


async def test_a_packed_answer_is_unpacked_and_a_bomb_is_not(centre: FakeCentre) -> None:
    def packed(response: Response) -> Response:
        body = zstandard.ZstdCompressor().compress(response.body)
        return Response(200, (*response.headers, ("content-encoding", "zstd")), body)

    def bomb(response: Response) -> Response:
        body = zstandard.ZstdCompressor().compress(b"\n" * (ANSWER_SIZE_MAX + 1))
        assert len(body) < 10_000
        return Response(200, (*response.headers, ("content-encoding", "zstd")), body)

    def wide(response: Response) -> Response:
        shape = zstandard.ZstdCompressionParameters(window_log=27)
        packer = zstandard.ZstdCompressor(compression_params=shape).compressobj()
        body = packer.compress(response.body) + packer.flush()
        return Response(200, (*response.headers, ("content-encoding", "zstd")), body)

    client = client_of(centre, FaultyTransport(centre, [packed, packed, bomb, wide]))
    await client.hello(lineage="l1")
    page = await client.pull(cursors=(Cursor("s:harbour", 0),))

    assert len(page.rows) == len(shop.lenas_rows())
    for words in ("too large", "does not unpack"):
        with pytest.raises(CentreUnreachable, match=words):
            await client.pull(cursors=(Cursor("s:harbour", 0),))


async def test_an_operation_is_sent_as_the_bytes_it_was_recorded_as(centre: FakeCentre) -> None:
    sent: list[bytes] = []

    class Listening(FaultyTransport):
        async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
            sent.append(request.body)
            return await super().send(request, deadline_ms=deadline_ms, size_max=size_max)

    raw = msgspec.json.encode(shop.said("with a field of tomorrow"))[:-1] + b',"tomorrow":1}'
    client = client_of(centre, Listening(centre))
    await client.hello(lineage="l1")

    (result,) = (await client.push(lineage="l1", ops=[raw])).results

    assert raw in sent[-1]
    assert (result.op, result.status) == (shop.said().id, "applied")


# The real centre, over HTTP


def device_of(
    folder: Path, url: str, identity: DeviceIdentity, clock: object = None
) -> SyncRunner:
    store = edge.opened(folder)
    client = CentreClient(
        HttpTransport(), identity=identity, centre_url=url, entropy=SystemEntropy(),
        clock=clock or SystemClock(),  # type: ignore[arg-type]
    )  # fmt: skip
    return SyncRunner(client, store, clock=SystemClock(), entropy=SystemEntropy())


def store_of(runner: SyncRunner) -> EdgeStore:
    return runner._store


def test_the_real_centre_and_this_device_agree(tmp_path: Path) -> None:
    uid = bytes.fromhex("04aabbccddeeff")
    identity = real.seeded(tmp_path, shop.lenas_rows(), chips=[(shop.BAND, uid)])
    with real.running_centre(tmp_path) as centre:
        runner = device_of(tmp_path / "kiosk", centre.url, identity)
        store = store_of(runner)
        Outbox(store).record(shop.hand_over(device=identity.device_id))

        once = runner.sync_once()
        again = runner.sync_once()

    assert once.n_leases == 1
    assert Leases(store).group_key() is not None
    assert Outbox(store).state_of(shop.hand_over().id) is OperationState.APPLIED
    ((row, pickup),) = Lookup(store).profile(shop.LENA).of(Pickup)
    assert (pickup.state, row.is_unsettled, row.version) == ("handed_over", False, 2)
    assert (again.n_rows, again.n_settled) == (0, 0)
    store.close()


def test_a_device_whose_clock_is_years_off_still_syncs(tmp_path: Path) -> None:
    identity = real.seeded(tmp_path, shop.lenas_rows())
    wrong = FixedClock(SystemClock().now() - timedelta(days=4_000))
    with real.running_centre(tmp_path) as centre:
        runner = device_of(tmp_path / "kiosk", centre.url, identity, clock=wrong)

        runner.sync_once()

    assert Lookup(store_of(runner)).by_band(shop.BAND) is not None
    store_of(runner).close()


def test_a_centre_that_was_killed_is_unreachable_and_nothing_is_lost(tmp_path: Path) -> None:
    identity = real.seeded(tmp_path, shop.lenas_rows())
    with real.running_centre(tmp_path) as centre:
        runner = device_of(tmp_path / "kiosk", centre.url, identity)
        store = store_of(runner)
        runner.sync_once()
        centre.kill()
        Outbox(store).record(shop.hand_over(device=identity.device_id))
        with pytest.raises(CentreUnreachable):
            runner.sync_once()
        assert Outbox(store).counts().n_waiting == 1
        port = centre.port

    with real.running_centre(tmp_path, port=port):
        runner.sync_once()

    assert Outbox(store).state_of(shop.hand_over().id) is OperationState.APPLIED
    store.close()


def test_another_centre_at_the_same_address_is_not_believed(tmp_path: Path) -> None:
    identity = real.seeded(tmp_path / "one", shop.lenas_rows())
    real.seeded(tmp_path / "two", shop.lenas_rows())
    with real.running_centre(tmp_path / "two") as other:
        runner = device_of(tmp_path / "kiosk", other.url, replace(identity))

        with pytest.raises(NotTrusted):
            runner.sync_once()

    store_of(runner).close()


def without_a_lease(response: Response) -> Response:
    """One sealed key less, and everything else as the centre said it."""
    lines = response.body.splitlines(keepends=True)
    return Response(response.status, response.headers, b"".join((lines[0], *lines[2:])))


class Repeating:
    """Gives an older answer again, with the id of the question that is asked now."""

    def __init__(self) -> None:
        self._older: Response | None = None

    def __call__(self, response: Response) -> Response:
        self._older = self._older or response
        echo = ("x-req", response.header("x-req"))
        others = [line for line in self._older.headers if line[0] != "x-req"]
        return Response(self._older.status, (*others, echo), self._older.body)


async def leases_through(*spoils: Spoil) -> tuple[BandLease, ...]:
    """What a device takes for its leases when the answers are changed like that; one band is taken back after the first."""
    centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    centre.band_keys |= dict.fromkeys(("aa", "bb"), (b"k" * 16, 2, shop.NOON * 2))
    client = CentreClient(
        FaultyTransport(centre, spoils, only="/leases"),
        identity=centre.device(),
        clock=FixedClock(edge.START),
        entropy=SeededEntropy("client"),
    )
    await client.hello(lineage="l")
    found: tuple[BandLease, ...] = ()
    for _ in spoils:
        found = (await client.leases()).leases
        centre.band_keys.pop("aa", None)
    return found


async def test_a_list_of_leases_with_one_left_out_is_not_believed() -> None:
    assert len(await leases_through(lambda response: response)) == 2

    with pytest.raises(CentreUnreachable):
        await leases_through(without_a_lease)


async def test_an_older_list_of_leases_is_not_believed_again() -> None:
    repeating = Repeating()

    with pytest.raises(CentreUnreachable):
        await leases_through(repeating, repeating)
