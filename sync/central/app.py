"""The centre on the network: limits before reading, one answer for every input, and the server process.

The only importer of the web framework. It turns HTTP into `ports.Request` and errors into problem+json; what a request
means is for `centre`. Database work runs in worker threads; a held poll costs a task and no thread.
Order of refusing: address, method, protocol, unsigned, size, content type, then `gate`, then the body's form.
"""

import asyncio
import logging
import re
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import uvicorn
import zstandard
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hardware.clock import Clock
from hardware.errors import AddressTaken
from hardware.moments import micros_of
from sync.central.centre import Centre
from sync.central.gate import denied
from sync.model.errors import CentreRefused, StoreError, StoreFull
from sync.model.ports import Request
from sync.model.wire import BODY_SIZE_MAX, NDJSON, PROBLEM, PROBLEMS, PROTOCOL, Problem

log = logging.getLogger(__name__)

READ_MS: Final = 10_000
"""A body that takes longer to come is given up; 1 MB in that time is a line of 1 Mbit/s."""

HEAD_S: Final = 10.0
"""A connection whose next request's head takes longer to come is closed: an idle one costs a descriptor."""

HEAD_SIZE_MAX: Final = 16_384
"""Bytes of line and headers of a request; ours have about 900. The parser itself would take any number."""

COMPRESS_SIZE_MIN: Final = 1_024
"""Smaller answers are sent as they are: they fit one packet."""

RETRY_AFTER_S: Final = 5
"""What a busy centre asks for."""

SHUTDOWN_S: Final = 3
"""How long requests may take to end when the centre goes down; held polls end at once."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")

Answer = tuple[bytes, str]
"""Body and content type."""
Endpoint = Callable[[WebRequest], Coroutine[Any, Any, WebResponse]]


def asgi_app(centre: Centre, *, public_url: str = "") -> Starlette:
    """The service over an open centre.

    Args:
        centre: Not closed by this.
        public_url: How devices reach it, for example "https://centre.example", when something in front ends TLS: what
            they sign is this address. "" when they reach it directly.
    """
    service = _Service(centre, public_url.rstrip("/"))
    app = Starlette(
        routes=[
            Route("/v1/hello", service.endpoint("hello", service.hello), methods=["POST"]),
            Route("/v1/push", service.endpoint("push", service.push), methods=["POST"]),
            Route("/v1/pull", service.endpoint("pull", service.pull), methods=["POST"]),
            Route("/v1/leases", service.endpoint("leases", service.leases), methods=["POST"]),
            Route("/v1/health", service.health, methods=["GET"]),
        ],
        exception_handlers={404: service.lost, 405: service.lost},
    )
    app.router.redirect_slashes = False
    return app


class _Service:
    def __init__(self, centre: Centre, public_url: str) -> None:
        self._centre = centre
        self._public_url = public_url

    def endpoint(
        self, name: str, answer: Callable[[Request], Coroutine[Any, Any, Answer]]
    ) -> Endpoint:
        """One address: whatever happens in it, the caller gets an answer and the log no names."""

        async def handle(web: WebRequest) -> WebResponse:
            try:
                request = await self._request_of(web)
                body, content_type = await answer(request)
                return await self._response(web, body, content_type)
            except CentreRefused as error:
                return self._problem(web, error.problem, str(error))
            except ClientDisconnect:
                return self._problem(web, "malformed", "body")  # nobody is there to read it
            except StoreFull:
                log.error("disk was full", extra={"endpoint": name})  # noqa: TRY400  # the trace says nothing more
                return self._problem(web, "busy")
            except StoreError:
                log.exception("store failed", extra={"endpoint": name})
                return self._problem(web, "failed")
            except Exception:
                # The top of a request: one that fails must not take the process, nor its text the log.
                log.exception("request failed", extra={"endpoint": name})
                return self._problem(web, "failed")

        return handle

    async def hello(self, request: Request) -> Answer:
        return await run_in_threadpool(self._centre.hello, request), "application/json"

    async def push(self, request: Request) -> Answer:
        return await run_in_threadpool(self._centre.push, request), NDJSON

    async def leases(self, request: Request) -> Answer:
        return await run_in_threadpool(self._centre.leases, request), NDJSON

    async def pull(self, request: Request) -> Answer:
        centre = self._centre
        caller, pull, page = await run_in_threadpool(centre.begin_pull, request)
        if page is not None:
            return page, NDJSON
        with centre.bell.heard(tuple(cursor.id for cursor in pull.scopes)) as rung:
            # Once more, now that the bell is listened to: a change in between would not ring for us.
            page = await run_in_threadpool(centre.page, caller, pull, is_last=False)
            if page is not None:
                return page, NDJSON
            await _rung(rung, centre.clock, pull.wait_ms)
        return await run_in_threadpool(centre.end_pull, caller, pull), NDJSON

    async def health(self, web: WebRequest) -> WebResponse:
        return await self._response(web, b'{"is_up":true}', "application/json")

    async def lost(self, web: WebRequest, error: Exception) -> WebResponse:
        is_method = isinstance(error, HTTPException) and error.status_code == 405
        return self._problem(web, "wrong_method" if is_method else "not_found")

    async def _request_of(self, web: WebRequest) -> Request:
        """The whole request as a value, if it is one we would read. Raises CentreRefused."""
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in web.headers.raw
        )
        request = Request(web.method, self._url_of(web), headers)
        if request.header("x-proto") != str(PROTOCOL):
            raise denied("incompatible")
        if not request.header("signature") or not request.header("signature-input"):
            raise denied("not_trusted")
        declared = request.header("content-length")
        if declared.isdigit() and (len(declared) > 12 or int(declared) > BODY_SIZE_MAX):
            raise denied("too_large")
        media_type = request.header("content-type").partition(";")[0].strip().lower()
        if media_type != "application/json" or request.header("content-encoding"):
            raise denied("wrong_type")
        try:
            # The loop's own time: this guards a socket, and must not move a clock that moves when it is waited on.
            async with asyncio.timeout(READ_MS / 1_000):
                body = await _body_of(web)
        except TimeoutError as error:
            raise denied("malformed", "the body did not come") from error
        return Request(request.method, request.url, headers, body)

    def _url_of(self, web: WebRequest) -> str:
        raw: bytes = web.scope.get("raw_path") or web.scope["path"].encode()
        query: bytes = web.scope.get("query_string", b"")
        target = raw.decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
        base = self._public_url or f"{web.scope['scheme']}://{web.headers.get('host', '')}"
        return base + target

    async def _response(self, web: WebRequest, body: bytes, content_type: str) -> WebResponse:
        headers = self._headers(web) | {"content-type": content_type}
        if len(body) >= COMPRESS_SIZE_MIN and _takes_zstd(web):
            body = await run_in_threadpool(zstandard.ZstdCompressor(level=3).compress, body)
            headers["content-encoding"] = "zstd"
        return WebResponse(body, headers=headers)

    def _problem(self, web: WebRequest, code: str, detail: str = "") -> WebResponse:
        status, title = PROBLEMS[code]
        if status >= 500 or code in ("not_trusted", "replayed", "not_allowed"):
            log.warning("request refused", extra={"code": code, "status": status})
        headers = self._headers(web) | {"content-type": PROBLEM}
        if status == 503:
            headers["retry-after"] = str(RETRY_AFTER_S)
        if status == 405:
            headers["allow"] = "GET" if web.url.path == "/v1/health" else "POST"
        if status == 413 or code == "malformed":
            headers["connection"] = "close"  # what is left of the body is not read
        body = msgspec.json.encode(Problem(code, title, status, detail=detail))
        return WebResponse(body, status, headers)

    def _headers(self, web: WebRequest) -> dict[str, str]:
        headers = {
            "cache-control": "no-store",
            "x-server-time": str(micros_of(self._centre.clock.now())),
        }
        request_id = web.headers.get("x-req", "")
        if _REQUEST_ID.fullmatch(request_id):
            headers["x-req"] = request_id
        return headers


async def _body_of(web: WebRequest) -> bytes:
    """The body, as long as it is no larger than may be. Raises CentreRefused."""
    parts: list[bytes] = []
    size = 0
    async for part in web.stream():
        size += len(part)
        if size > BODY_SIZE_MAX:
            raise denied("too_large")
        parts.append(part)
    return b"".join(parts)


async def _rung(event: asyncio.Event, clock: Clock, wait_ms: int) -> None:
    """Return when the bell is rung or the time is up."""
    tasks = (
        asyncio.ensure_future(event.wait()),
        asyncio.ensure_future(clock.pause_ms(wait_ms)),
    )
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _takes_zstd(web: WebRequest) -> bool:
    offered = web.headers.get("accept-encoding", "").lower().split(",")
    return any(part.split(";")[0].strip() == "zstd" for part in offered)


# The server process


HEAD_END: Final = b"\r\n\r\n"


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
) -> None:
    """Answer devices until SIGTERM or SIGINT; call it in the main thread. Closes nothing but its socket.

    Args:
        centre: An open centre.
        host: Address to listen on.
        port: Port, 0 for any that is free.
        on_ready: Told the address once it is listened on.
        public_url: As in `asgi_app`.

    Raises:
        AddressTaken: another program listens there, or it is not an address of this machine.
    """
    with _listening(host, port) as listener:
        bound = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{bound}"
        config = uvicorn.Config(
            asgi_app(centre, public_url=public_url),
            log_config=None,
            access_log=False,
            lifespan="off",
            http=BoundedProtocol,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        asyncio.run(_served(_Server(config, lambda: on_ready(url)), listener, centre))


async def _served(server: _Server, listener: socket.socket, centre: Centre) -> None:
    def stop() -> None:
        server.should_exit = True
        centre.bell.close()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    await server._serve(sockets=[listener])  # noqa: SLF001  # `serve` is this within its own signal handlers


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048)
    except (OSError, OverflowError) as error:
        raise AddressTaken(f"cannot listen on {host} port {port}") from error
