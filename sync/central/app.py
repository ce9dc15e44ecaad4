"""The centre on the network: the server process with TLS, and the service as an application for callers in this process.

The only importer of the web framework. `endpoints` says what is answered, `connection` what may come over a socket.
Database work runs in worker threads; a held poll costs a task and no thread.
"""

import asyncio
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import uvicorn
import uvloop
from starlette.concurrency import run_in_threadpool
from uvicorn.server import ServerState

from hardware.errors import AddressTaken, EnrolmentError
from sync.central.centre import Centre
from sync.central.connection import READ_S, Connection
from sync.central.endpoints import Service
from sync.central.secured import Secured
from sync.model.errors import StoreError
from sync.model.ports import Request, Response
from sync.model.wire import BODY_SIZE_MAX

log = logging.getLogger(__name__)

SHUTDOWN_S: Final = 3
"""How long requests may take to end when the centre goes down; held polls end at once."""

HEADS_MS: Final = 150
"""How often a node that shares its database looks what the others wrote, while somebody waits for it."""

TIDY_MS: Final = 60_000
"""How often the centre tidies up; what it does each time is bounded."""

COLLECT_AFTER: Final = (50_000, 20, 20)
"""How many new objects make Python look for cycles among them, and how often it looks at older ones. Ten thousand held
polls are a million objects, hardly any of them in a cycle: by Python's own numbers a third of each wake went into looking."""

Value = TypeVar("Value")
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's own certificate, with its chain, and key: PEM files."""

    certificate: Path
    key: Path


class CentreApp:
    """The service over an open centre, as an application of ASGI: for callers in this process, and what `serve` serves."""

    def __init__(self, centre: Centre, *, public_url: str = "") -> None:
        """Arguments as `asgi_app`."""
        self.service = Service(centre, run=_in_a_thread)
        self.base = public_url.rstrip("/")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return  # there is nothing else here
        head = _head_of(scope, self.base)
        response = self.service.refused(head)
        if response is None:
            response = await _answered(self.service, head, receive)
        await _sent(response, send)


def asgi_app(centre: Centre, *, public_url: str = "") -> CentreApp:
    """The service over an open centre.

    Args:
        centre: Not closed by this.
        public_url: How devices reach it, for example "https://centre.example", when something in front ends TLS: what
            they sign is this address. "" when they reach it directly.
    """
    return CentreApp(centre, public_url=public_url)


async def _in_a_thread(work: Callable[[], Value], /) -> Value:
    return await run_in_threadpool(work)


async def _answered(service: Service, head: Request, receive: Receive) -> Response:
    try:
        # The loop's own time: this guards a socket, and must not move a clock that moves when it is waited on.
        async with asyncio.timeout(READ_S):
            body = await _body_of(receive)
    except TimeoutError:
        return service.problem(head, "malformed", "the body did not come")
    if body is None:
        return await service.too_large(head)
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


BACKLOG: Final = 2_048
"""Connections that wait to be taken: a fleet that comes back together."""


class BoundedProtocol(Connection):
    """Our connection as uvicorn makes one; its application is a `CentreApp`."""

    __slots__ = ()

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002  # uvicorn's signature
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """As uvicorn calls it."""
        app = config.app
        assert isinstance(app, CentreApp)
        host = cast("set[Connection]", server_state.connections)
        super().__init__(app.service, base=app.base, host=host)


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
    context = None if tls is None else _context_of(tls)
    with _listening(host, port) as listener:
        bound = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        url = f"http{'s' if tls else ''}://{shown}:{bound}"
        config = uvicorn.Config(
            asgi_app(centre, public_url=public_url),
            log_config=None,
            access_log=False,
            lifespan="off",
            http=BoundedProtocol if context is None else partial(_secured, context),  # type: ignore[arg-type]  # makes one
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
            backlog=BACKLOG,
        )
        uvloop.run(_served(_Server(config, lambda: on_ready(url)), listener, centre))


async def _served(server: _Server, listener: socket.socket, centre: Centre) -> None:
    def stop() -> None:
        server.should_exit = True
        centre.bell.close()

    gc.collect()
    gc.freeze()  # what is here now stays
    gc.set_threshold(*COLLECT_AFTER)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    beside = [loop.create_task(_tidied(centre))]
    centre.outward.start()
    centre.fetching.start()
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


def _context_of(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise EnrolmentError(f"the certificate {tls.certificate} cannot be used") from error
    context.num_tickets = (
        0  # a device asks for none, and they are made and sent at the busiest moment
    )
    return context


def _secured(context: ssl.SSLContext, **made_with: Any) -> asyncio.Protocol:
    """A connection with TLS, as uvicorn makes one."""
    return Secured(BoundedProtocol(**made_with), context)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise AddressTaken(f"cannot listen on {host} port {port}") from error
    # What it accepts has this too: else the body of an answer waits 40 ms for a device to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
