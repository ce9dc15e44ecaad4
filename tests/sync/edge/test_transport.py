"""Connections that are kept: used again, never with the answer to another question, and let go of."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpcore
import pytest

from sync.edge.stream import Network, Stream
from sync.edge.transport import CONNECTIONS_MAX, HttpTransport
from sync.model.errors import CentreUnreachable
from sync.model.ports import Request, Response
from tests.support.serving import closed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """Answers each request with what `answers` has next, `OK` after that; an empty one hangs up."""

    url: str = ""
    answers: list[bytes] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    n_connections: int = 0
    n_at_once: int = 0
    n_most_at_once: int = 0
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def hang_up(self) -> None:
        """Close what is open, in the midst of whatever is said."""
        for writer in self.writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        self.writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answered(reader, writer):
                pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answered(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        await reader.readexactly(2)
        self.n_at_once += 1
        self.n_most_at_once = max(self.n_most_at_once, self.n_at_once)
        await self.may_go_on.wait()
        self.n_at_once -= 1
        answer = self.answers.pop(0) if self.answers else OK
        writer.write(answer)
        await writer.drain()
        return bool(answer)


@asynccontextmanager
async def serving(*answers: bytes, holds: bool = False) -> AsyncIterator[Server]:
    """A server, and what it saw; with `holds` it answers nothing until it may go on."""
    made = Server(answers=list(answers))
    if not holds:
        made.may_go_on.set()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
    async with closed(server):
        try:
            yield made
        finally:
            made.may_go_on.set()


@asynccontextmanager
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport()
    try:
        yield made
    finally:
        await made.close()


async def ask(made: HttpTransport, server: Server, path: str = "/v1/pull?x=1") -> Response:
    request = Request("POST", server.url + path, (("x-req", "r1"),), b"{}")
    return await made.send(request, deadline_ms=5_000, size_max=1_000)


async def test_call_after_call_goes_over_one_connection() -> None:
    async with serving() as server, transport() as made:
        bodies = [(await ask(made, server)).body for _ in range(3)]

    assert bodies == [b"ok"] * 3
    assert server.n_connections == 1
    assert server.heads[0].startswith(b"POST /v1/pull?x=1 HTTP/1.1\r\n")
    assert b"host: " + server.url.removeprefix("http://").encode() in server.heads[0].lower()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_after_an_answer_that_is_the_last_it_connects_anew(
    answer: bytes,
) -> None:
    async with serving(answer) as server, transport() as made:
        bodies = [(await ask(made, server)).body for _ in range(2)]

    assert bodies == [b"ok", b"ok"]
    assert server.n_connections == 2


async def test_an_answer_in_pieces_and_after_a_word_in_between_is_whole() -> None:
    pieces = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"

    async with serving(pieces) as server, transport() as made:
        answers = [await ask(made, server), await ask(made, server)]

    assert [(one.status, one.body) for one in answers] == [(200, b"ok")] * 2
    assert server.n_connections == 1


async def test_the_answer_to_a_call_that_was_given_up_is_not_the_next_ones() -> None:
    async with serving(holds=True) as server, transport() as made:
        given_up = asyncio.ensure_future(ask(made, server))
        while not server.n_at_once:  # noqa: ASYNC110  # a turn of the loop, no time
            await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        server.may_go_on.set()
        await ask(made, server)

    assert server.n_connections == 2, "what comes over the first one is nobody's"


async def test_a_server_that_hung_up_meanwhile_is_asked_over_another_connection() -> None:
    async with serving() as server, transport() as made:
        await ask(made, server)
        server.answers = [b""]
        with pytest.raises(CentreUnreachable):
            await ask(made, server)  # it had it: who asked decides whether it is sent again
        body = (await ask(made, server)).body

    assert body == b"ok"
    assert (server.n_connections, len(server.heads)) == (2, 3)


async def test_a_server_that_speaks_no_tls_or_hangs_up_in_its_midst_is_unreachable() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    hanging_up = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = "https://{}:{}".format(*hanging_up.sockets[0].getsockname()[:2])
    async with closed(hanging_up), serving() as server, transport() as made:
        for base in (url, server.url.replace("http:", "https:")):
            with pytest.raises(CentreUnreachable):
                await ask(made, Server(url=base))


async def test_a_long_answer_comes_whole_though_it_is_read_slowly() -> None:
    long = b"x" * 3_000_000
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(long)}\r\n\r\n".encode()
    async with serving(head + long) as server, transport() as made:
        request = Request("POST", server.url, (), b"{}")
        answer = await made.send(request, deadline_ms=5_000, size_max=len(long))

    assert answer.body == long


async def test_an_answer_that_breaks_off_is_nobodys() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok") as server:
        server.answers.append(b"")
        async with transport() as made:
            asking = asyncio.ensure_future(ask(made, server))
            while not server.heads:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0)
            server.hang_up()
            with pytest.raises(CentreUnreachable):
                await asking


async def test_more_calls_than_connections_wait_for_their_turn() -> None:
    async with serving(holds=True) as server, transport() as made:
        asking = [asyncio.ensure_future(ask(made, server)) for _ in range(CONNECTIONS_MAX + 3)]
        while server.n_at_once < CONNECTIONS_MAX:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
        server.may_go_on.set()
        answers = await asyncio.gather(*asking)

    assert len(answers) == CONNECTIONS_MAX + 3
    assert server.n_most_at_once == CONNECTIONS_MAX


async def test_after_it_was_closed_it_connects_anew() -> None:
    async with serving() as server, transport() as made:
        await ask(made, server)
        await made.close()
        body = (await ask(made, server)).body

    assert body == b"ok"
    assert server.n_connections == 2


# Names with several addresses


def open_sockets() -> int:
    """How many sockets this process has open."""
    return sum(map(_is_socket, Path("/proc/self/fd").iterdir()))


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except FileNotFoundError:  # the folder itself, as it was looked at
        return False


def network_to(*addresses: str) -> Network:
    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return Network(resolve)


async def test_a_connection_that_is_given_up_at_any_moment_leaves_no_socket_open() -> None:
    gc.collect()
    gc.disable()  # a socket that only the collector closes counts
    try:
        async with serving() as server:
            port = int(server.url.rpartition(":")[2])
            before = open_sockets()
            network = network_to("127.0.0.1", "127.0.0.2")
            for n_turns in range(40):
                given_up = asyncio.ensure_future(network.connect_tcp("many.test", port))
                for _ in range(n_turns):
                    await asyncio.sleep(0)
                given_up.cancel()
                (outcome,) = await asyncio.gather(given_up, return_exceptions=True)
                if isinstance(outcome, Stream):  # it stood before it was given up
                    await outcome.aclose()
            server.hang_up()
            for _ in range(200):
                await asyncio.sleep(0)
            after = open_sockets()
    finally:
        gc.enable()

    assert server.n_connections > 0
    assert after == before


async def test_the_address_that_answers_is_taken_and_nothing_stays_of_the_others() -> None:
    async with serving() as server:
        port = int(server.url.rpartition(":")[2])
        before = open_sockets()

        stream = await network_to("127.0.0.3", "127.0.0.1").connect_tcp("many.test", port)
        there = open_sockets()
        await stream.aclose()

    assert there - before == 2, "both ends of the one"


async def test_where_no_address_answers_it_is_unreachable() -> None:
    async with serving() as server:
        port = int(server.url.rpartition(":")[2])

    for addresses in (("127.0.0.1", "127.0.0.2"), ()):
        with pytest.raises(httpcore.ConnectError):
            await network_to(*addresses).connect_tcp("many.test", port)


async def test_a_name_is_looked_up() -> None:
    async with serving() as server:
        port = int(server.url.rpartition(":")[2])

        stream = await Network().connect_tcp("localhost", port)
        await stream.aclose()


async def test_a_name_nobody_knows_is_unreachable() -> None:
    async def resolve(host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, host)

    with pytest.raises(httpcore.ConnectError):
        await Network(resolve).connect_tcp("nobody.test", 80)
