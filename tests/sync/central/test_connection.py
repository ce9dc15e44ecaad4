"""One connection: what comes over it becomes requests, in order and within bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sync.central.connection import Connection
from sync.model.ports import Request, Response
from sync.model.wire import BODY_SIZE_MAX
from tests.support.serving import closed


class Teller:
    """Answers with what was asked; a request to `/hold` waits until it is let go."""

    def __init__(self) -> None:
        self.heard: list[Request] = []
        self.is_let_go = asyncio.Event()
        self.came = asyncio.Event()
        self.left = asyncio.Event()

    def refused(self, request: Request) -> Response | None:
        return Response(404, (), b"no") if request.url.endswith("/no") else None

    async def answer(self, request: Request) -> Response:
        self.heard.append(request)
        self.came.set()
        if request.url.endswith("/hold"):
            try:
                await self.is_let_go.wait()
            except asyncio.CancelledError:
                self.left.set()
                raise
        return Response(200, (("x-for", request.url),), request.body)

    def problem(self, request: Request, code: str, detail: str = "") -> Response:
        return Response(400, (("connection", "close"),), f"{code}: {detail}".encode())


class Hasty(Connection):
    read_s = 0.05
    keep_alive_s = 0.05


@asynccontextmanager
async def connected(
    kind: type[Connection] = Connection, *, base: str = ""
) -> AsyncIterator[tuple[Teller, asyncio.StreamReader, asyncio.StreamWriter, set[Connection]]]:
    teller, host = Teller(), set[Connection]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: kind(teller, base=base, host=host), "127.0.0.1", 0
    )
    async with closed(server):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        try:
            async with asyncio.timeout(20):
                yield teller, reader, writer, host
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            while host:  # noqa: ASYNC110  # the other end hears of it in its turn
                await asyncio.sleep(0)


def asking(path: str, body: bytes = b"", *more: str, method: str = "POST") -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: here:1", f"content-length: {len(body)}", *more)
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def answer_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
    return head, await reader.readexactly(size)


async def test_a_request_comes_as_it_was_sent_however_it_is_cut() -> None:
    raw = asking("/v1/pull?a=b", b"hello", "X-Req: one", "X-Req: two")
    async with connected() as (teller, reader, writer, _):
        for index in range(len(raw)):
            writer.write(raw[index : index + 1])
            await asyncio.sleep(0)

        _, body = await answer_of(reader)

    (heard,) = teller.heard
    assert (heard.method, heard.url) == ("POST", "http://here:1/v1/pull?a=b")
    assert [value for name, value in heard.headers if name == "x-req"] == ["one", "two"]
    assert heard.body == body == b"hello"


async def test_a_body_in_chunks_is_one_body() -> None:
    async with connected(base="https://centre.example") as (teller, reader, writer, _):
        writer.write(
            b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n"
        )

        assert (await answer_of(reader))[1] == b"abcde"

    assert teller.heard[0].url == "https://centre.example/a"
    assert teller.heard[0].header("x-trailer") == ""


async def test_requests_sent_ahead_are_answered_in_their_order() -> None:
    async with connected() as (teller, reader, writer, _):
        paths = [f"/{number}" for number in range(30)]
        writer.write(asking("/hold") + b"".join(map(asking, paths[:20])))
        await teller.came.wait()
        for path in paths[20:]:
            writer.write(asking(path))
            await writer.drain()
            await asyncio.sleep(0)
        n_heard = len(teller.heard)
        teller.is_let_go.set()

        heads = [(await answer_of(reader))[0] for _ in range(31)]

    assert n_heard == 1
    for path, head in zip(["/hold", *paths], heads, strict=True):
        assert f"x-for: http://here:1{path}\r\n".encode() in head


async def test_what_is_refused_by_its_head_keeps_the_connection_for_the_next() -> None:
    async with connected() as (teller, reader, writer, _):
        writer.write(asking("/no", b"x" * 2 * BODY_SIZE_MAX))
        refused = await answer_of(reader)
        writer.write(asking("/yes", b"y"))
        answered = await answer_of(reader)

    assert refused[1] == b"no"
    assert answered[1] == b"y"
    assert len(teller.heard) == 1


async def test_a_body_larger_than_it_may_be_is_not_kept() -> None:
    async with connected() as (teller, reader, writer, _):
        writer.write(b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with suppress(ConnectionError):
            for _ in range(BODY_SIZE_MAX // 0x10000 + 1):
                writer.write(chunk)
                await writer.drain()

        head, body = await answer_of(reader)

    assert head.startswith(b"HTTP/1.1 400 ")
    assert body.startswith(b"too_large")
    assert teller.heard == []


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async with connected(Hasty) as (teller, reader, writer, _):
        writer.write(asking("/a", b"hello")[:-1])

        _, body = await answer_of(reader)

        assert body.startswith(b"malformed")
        assert await reader.read() == b""
    assert teller.heard == []


async def test_a_connection_nobody_asks_on_any_more_is_closed() -> None:
    async with connected(Hasty) as (_, reader, writer, host):
        writer.write(asking("/a"))

        await answer_of(reader)

        assert await reader.read() == b""
        assert host == set()


async def test_a_held_request_is_not_cut_off_however_long_it_is_held() -> None:
    async with connected(Hasty) as (teller, reader, writer, _):
        writer.write(asking("/hold"))
        await teller.came.wait()
        async with connected(Hasty) as (_, other, asks, _):
            asks.write(asking("/a"))
            await other.read()  # until it was closed, because nothing was asked for as long

        teller.is_let_go.set()

        assert (await answer_of(reader))[0].startswith(b"HTTP/1.1 200 OK\r\n")


async def test_for_who_left_nothing_is_held_any_more() -> None:
    async with connected() as (teller, _, writer, host):
        writer.write(asking("/hold"))
        await teller.came.wait()

        writer.close()
        await teller.left.wait()

        assert host == set()


async def test_the_answer_to_head_has_no_body_and_the_next_one_has() -> None:
    async with connected() as (_, reader, writer, _):
        writer.write(asking("/a", b"12345", method="HEAD") + asking("/b", b"next"))

        head = await reader.readuntil(b"\r\n\r\n")
        _, body = await answer_of(reader)

    assert b"content-length: 5\r\n" in head
    assert body == b"next"


async def test_who_wants_no_more_is_told_goodbye() -> None:
    for raw in (asking("/a", b"", "Connection: close"), b"GET /a HTTP/1.0\r\nhost: x\r\n\r\n"):
        async with connected() as (_, reader, writer, _):
            writer.write(raw + asking("/never"))

            answer = await reader.read()

        assert b"connection: close\r\n" in answer
        assert answer.count(b"HTTP/1.1 200") == 1


async def test_who_asks_first_whether_to_go_on_is_told_to() -> None:
    async with connected() as (_, reader, writer, _):
        writer.write(asking("/a", b"x", "Expect: 100-continue")[:-1])
        told = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x")

        assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await answer_of(reader))[1] == b"x"


async def test_who_wants_to_speak_something_else_is_answered_and_heard_no_more() -> None:
    async with connected() as (teller, reader, writer, _):
        writer.write(
            b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        )

        answer = await reader.read()
        writer.write(asking("/b"))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(teller.heard) == 1


async def test_a_connection_told_to_end_ends_after_the_answer_it_owes() -> None:
    async with connected() as (teller, reader, writer, host):
        writer.write(asking("/hold") + asking("/never"))
        await teller.came.wait()
        (connection,) = host

        connection.shutdown()
        teller.is_let_go.set()
        answer = await reader.read()

    assert answer.count(b"HTTP/1.1 200") == 1
    assert len(teller.heard) == 1


async def test_an_address_in_full_is_as_good_as_its_path() -> None:
    async with connected() as (teller, reader, writer, _):
        writer.write(b"GET http://here:1/v1/health?x=1 HTTP/1.1\r\nhost: here:1\r\n\r\n")

        await answer_of(reader)

    assert teller.heard[0].url == "http://here:1/v1/health?x=1"
