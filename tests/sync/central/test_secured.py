"""TLS between a socket and what is said over it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from kiosk.bench.certificate import write_certificate
from sync.central.secured import RECORD_SIZE, Secured
from tests.support.serving import closed

LARGE = bytes(range(256)) * 20_000


class Echo(asyncio.Protocol):
    """Says everything back; `over` is set when it is told that nobody listens any more."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.heard = b""
        self.over = asyncio.Event()
        self.is_silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()

    def data_received(self, data: bytes) -> None:
        self.heard += data
        assert self.transport is not None
        if not self.is_silent:
            self.transport.write(data)


class Impatient(Secured):
    handshake_s = 0.05


@asynccontextmanager
async def listening(
    folder: Path, kind: type[Secured] = Secured
) -> AsyncIterator[tuple[int, ssl.SSLContext, list[Echo]]]:
    """A server that echoes over TLS: its port, who trusts it, and its ends so far."""
    trusting = write_certificate(folder, clock=SystemClock(), entropy=SystemEntropy())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    ends: list[Echo] = []
    open_ones: set[Secured] = set()

    class Watched(kind):  # type: ignore[valid-type, misc]  # each test has its own
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            open_ones.add(self)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            open_ones.discard(self)

    def end() -> Secured:
        ends.append(Echo())
        made: Secured = Watched(ends[-1], context)
        return made

    server = await asyncio.get_running_loop().create_server(end, "127.0.0.1", 0)
    async with closed(server):
        async with asyncio.timeout(20):
            yield server.sockets[0].getsockname()[1], trusting, ends
        while open_ones:  # noqa: ASYNC110  # the other end hears of it in its turn
            await asyncio.sleep(0)


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_what_is_said_arrives_whole_both_ways(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with listening(tmp_path) as (port, trusting, ends):
        trusting.maximum_version = trusting.minimum_version = version
        async with connected(port, trusting) as (reader, writer):
            writer.write(LARGE)

            got = await reader.readexactly(len(LARGE))

    assert got == LARGE == ends[0].heard


async def test_all_that_was_said_before_the_end_arrives_and_then_the_end(
    tmp_path: Path,
) -> None:
    async with (
        listening(tmp_path) as (port, trusting, ends),
        connected(port, trusting) as (reader, writer),
    ):
        writer.write(b"?")
        await reader.readexactly(1)
        (end,) = ends
        assert end.transport is not None

        end.transport.write(LARGE)
        end.transport.close()
        end.transport.write(b"too late")

        assert await reader.read() == LARGE
        assert end.transport.is_closing()


async def test_who_is_left_hears_of_it(tmp_path: Path) -> None:
    async with listening(tmp_path) as (port, trusting, ends):
        async with connected(port, trusting) as (reader, writer):
            writer.write(b"?")
            await reader.readexactly(1)
            writer.close()

            await ends[0].over.wait()

        assert await reader.read() == b""


async def test_what_is_not_wanted_yet_waits_even_if_it_came_already(tmp_path: Path) -> None:
    async with (
        listening(tmp_path) as (port, trusting, ends),
        connected(port, trusting) as (reader, writer),
    ):
        writer.write(b"?")
        await reader.readexactly(1)
        (end,) = ends
        assert end.transport is not None

        end.transport.pause_reading()
        writer.write(LARGE)
        for _ in range(50):
            await asyncio.sleep(0)
        assert end.heard == b"?"
        end.transport.resume_reading()

        assert await reader.readexactly(len(LARGE)) == LARGE


async def test_who_does_not_read_is_noticed(tmp_path: Path) -> None:
    async with (
        listening(tmp_path) as (port, trusting, ends),
        connected(port, trusting) as (reader, writer),
    ):
        writer.write(b"?")
        await reader.readexactly(1)
        (end,) = ends
        assert end.transport is not None
        said: list[str] = []
        end.pause_writing = lambda: said.append("pause")  # type: ignore[method-assign]
        end.resume_writing = lambda: said.append("resume")  # type: ignore[method-assign]

        end.transport.write(LARGE * 4)
        assert said == ["pause"]
        await reader.readexactly(len(LARGE) * 4)

        assert said == ["pause", "resume"]


async def test_what_is_no_tls_is_told_so_and_hears_nothing(tmp_path: Path) -> None:
    async with (
        listening(tmp_path) as (port, _, ends),
        connected(port, None) as (reader, writer),
    ):
        writer.write(b"GET /v1/health HTTP/1.1\r\nhost: here\r\n\r\n")

        answer = await reader.read()

        assert len(answer) < 20  # an alert
        assert ends[0].heard == b""
        assert ends[0].transport is None


async def test_a_record_that_was_changed_on_its_way_ends_the_connection(tmp_path: Path) -> None:
    async with (
        listening(tmp_path) as (port, trusting, ends),
        connected(port, None) as (reader, writer),
    ):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(RECORD_SIZE))
        client.write(b"hello")
        raw = bytearray(outgoing.read())
        raw[-1] ^= 1

        writer.write(raw)
        await ends[0].over.wait()

        assert ends[0].heard == b""


async def test_who_does_not_finish_a_greeting_is_not_waited_for(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, Impatient) as (port, trusting, ends),
        connected(port, None) as (reader, writer),
    ):
        outgoing = ssl.MemoryBIO()
        client = trusting.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()

        writer.write(outgoing.read()[:100])
        try:
            answer = await reader.read()
        except ConnectionError:
            answer = b""

        assert answer == b""
        assert ends[0].transport is None
