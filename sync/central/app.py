"""The centre on the network: bytes of HTTP to requests as values and back, and the server process.

The only importer of the web framework. `endpoints` says what is answered; here is how long a body may take to come, that
nothing larger than may be is read, and TLS. Database work runs in worker threads; a held poll costs a task and no thread.
"""

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import uvicorn
import uvloop
from starlette.concurrency import run_in_threadpool
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hardware.errors import AddressTaken, EnrolmentError
from sync.central.centre import Centre
from sync.central.endpoints import Service
from sync.central.ports import AsgiApp
from sync.model.errors import StoreError
from sync.model.ports import Request, Response
from sync.model.wire import BODY_SIZE_MAX, PROBLEM, PROBLEMS, Problem

log = logging.getLogger(__name__)

READ_MS: Final = 10_000
"""A body that takes longer to come is given up; 1 MB in that time is a line of 1 Mbit/s."""

HEAD_S: Final = 10.0
"""A connection whose next request's head takes longer to come is closed: an idle one costs a descriptor."""

KEEP_ALIVE_S: Final = 30
"""How long a connection is kept after an answer: a kiosk asks again at once, one of a fleet on a busy line soon."""

HEAD_SIZE_MAX: Final = 16_384
"""Bytes of line and headers of a request; ours have about 1,200. The parser itself would take any number."""

SHUTDOWN_S: Final = 3
"""How long requests may take to end when the centre goes down; held polls end at once."""

HEADS_MS: Final = 150
"""How often a node that shares its database looks what the others wrote, while somebody waits for it."""

TIDY_MS: Final = 60_000
"""How often the centre tidies up; what it does each time is bounded."""

Value = TypeVar("Value")
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's own certificate, with its chain, and key: PEM files."""

    certificate: Path
    key: Path


def asgi_app(centre: Centre, *, public_url: str = "") -> AsgiApp:
    """The service over an open centre.

    Args:
        centre: Not closed by this.
        public_url: How devices reach it, for example "https://centre.example", when something in front ends TLS: what
            they sign is this address. "" when they reach it directly.
    """
    service = Service(centre, run=_in_a_thread)
    base = public_url.rstrip("/")

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there is nothing else here
        head = _head_of(scope, base)
        response = service.refused(head)
        if response is None:
            response = await _answered(service, head, receive)
        await _sent(response, send)

    return app


async def _in_a_thread(work: Callable[[], Value], /) -> Value:
    return await run_in_threadpool(work)


async def _answered(service: Service, head: Request, receive: Receive) -> Response:
    try:
        # The loop's own time: this guards a socket, and must not move a clock that moves when it is waited on.
        async with asyncio.timeout(READ_MS / 1_000):
            body = await _body_of(receive)
    except TimeoutError:
        return service.problem(head, "malformed", "the body did not come")
    if body is None:
        return service.problem(head, "too_large")
    return await service.answer(Request(head.method, head.url, head.headers, body))


async def _body_of(receive: Receive) -> bytes | None:
    """The body; None for one that is larger than may be. One whose sender left is what came of it: no signature holds."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_SIZE_MAX:
            return None
        parts.append(part)
        if message["type"] != "http.request" or not message.get("more_body", False):
            return b"".join(parts)


def _head_of(scope: Any, base: str) -> Request:
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    )
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    target = raw.decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
    host = next((value for name, value in headers if name == "host"), "")
    base = base or f"{scope['scheme']}://{host}"
    return Request(scope["method"], base + target, headers)


async def _sent(response: Response, send: Send) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


# The server process


HEAD_END: Final = b"\r\n\r\n"

BACKLOG: Final = 2_048
"""Connections that wait to be taken: a fleet that comes back together."""


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose requests must begin soon and have a small head; the body is bounded where it is read."""

    head_s = HEAD_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **kwargs)
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is not yet a whole head."""
        is_between = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if self._head_timer is None and is_between:
            self._await_head()
        end = data.find(HEAD_END)
        if self._head_timer is not None and end >= 0 and self._head_size + end > HEAD_SIZE_MAX:
            self.transport.abort()
            return
        super().data_received(data)
        if self._head_timer is not None:
            self._head_size += len(data)
            if self._head_size > HEAD_SIZE_MAX:
                self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all gets the same kind of answer as any other bad input."""
        status, title = PROBLEMS["malformed"]
        body = msgspec.json.encode(Problem("malformed", title, status, detail=msg))
        head = (
            f"HTTP/1.1 {status} Bad Request\r\ncontent-type: {PROBLEM}\r\ncontent-length: {len(body)}\r\n"
            "cache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def on_headers_complete(self) -> None:
        """From here on the request is the service's."""
        self._head_is_here()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_size = 0
        self._head_timer = self.loop.call_later(self.head_s, self.transport.abort)

    def _head_is_here(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Server(uvicorn.Server):
    """Says when it listens. Signals are ours: uvicorn's own way ends a stopped process as if it had been killed."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()


def serve(
    centre: Centre,
    *,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    public_url: str = "",
    tls: Tls | None = None,
) -> None:
    """Answer devices until SIGTERM or SIGINT; call it in the main thread. Closes nothing but its socket.

    Args:
        centre: An open centre.
        host: Address to listen on.
        port: Port, 0 for any that is free.
        on_ready: Told the address once it is listened on.
        public_url: As in `asgi_app`.
        tls: Certificate and key to answer with; None leaves TLS to something in front.

    Raises:
        AddressTaken: another program listens there, or it is not an address of this machine.
        EnrolmentError: the certificate or its key cannot be used.
    """
    if tls is not None:
        _check_certificate(tls)
    with _listening(host, port) as listener:
        bound = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        url = f"http{'s' if tls else ''}://{shown}:{bound}"
        config = uvicorn.Config(
            asgi_app(centre, public_url=public_url),
            log_config=None,
            access_log=False,
            lifespan="off",
            http=BoundedProtocol,
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_S,
            backlog=BACKLOG,
            ssl_certfile=str(tls.certificate) if tls else None,
            ssl_keyfile=str(tls.key) if tls else None,
        )
        # Not asyncio's own loop: with TLS that one writes 256 KB of memory for each connection, this one what it needs.
        uvloop.run(_served(_Server(config, lambda: on_ready(url)), listener, centre))


async def _served(server: _Server, listener: socket.socket, centre: Centre) -> None:
    def stop() -> None:
        server.should_exit = True
        centre.bell.close()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    beside = [loop.create_task(_tidied(centre))]
    if centre.is_shared:
        beside.append(loop.create_task(_heads_watched(centre)))
    try:
        await server._serve(sockets=[listener])  # noqa: SLF001  # `serve` is this within its own signal handlers
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _heads_watched(centre: Centre) -> None:
    """Ring for what other nodes wrote."""
    while True:
        await centre.clock.pause_ms(HEADS_MS)
        try:
            await run_in_threadpool(centre.look_at_heads)
        except StoreError:
            log.warning(
                "the heads could not be read"
            )  # the database is away; polls end by themselves


async def _tidied(centre: Centre) -> None:
    """Tidy up, now and then."""
    while True:
        try:
            await run_in_threadpool(centre.tidy)
        except StoreError:
            log.warning("could not tidy up")
        except Exception:
            # The top of a task nobody waits for: it must go on, and a person must hear of it.
            log.exception("tidying failed")
        await centre.clock.pause_ms(TIDY_MS)


def _check_certificate(tls: Tls) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            tls.certificate, tls.key
        )
    except (OSError, ssl.SSLError) as error:
        raise EnrolmentError(f"the certificate {tls.certificate} cannot be used") from error


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise AddressTaken(f"cannot listen on {host} port {port}") from error
    # What it accepts has this too: else the body of an answer waits 40 ms for a device to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
