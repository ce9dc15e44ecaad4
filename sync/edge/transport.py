"""HTTP over the machine's network; the only importer of the HTTP library here, but for its connections (`stream`).

One deadline for all of a call, a size cap, no redirects, no proxy from the environment, no cookies; nothing is sent twice by
itself.
"""

import asyncio
import importlib.util
import ssl
import sys
from functools import lru_cache
from typing import Final

from hardware.left_out import left_out
from sync.model.errors import CentreCertificate, CentreUnreachable
from sync.model.ports import Request, Response

with left_out(
    "trio", "httpx._main"
):  # the latter is a command line of its own, with click and rich
    import httpcore
    import httpx

    from sync.edge.stream import Network

if importlib.util.find_spec("sniffio") is None:
    # httpcore 1.0 looks for it four times a call, each time in every folder; so it is told once that there is none.
    sys.modules["sniffio"] = None  # type: ignore[assignment]

CONNECT_S: Final = 5.0
"""Deadline of the connection alone, so that a dead address is known sooner than a slow one."""

KEEP_S: Final = 25.0
"""How long an idle connection is kept, less than a centre does: while there is a queue, a band need not wait for a new one."""

CONNECTIONS_MAX: Final = 8
"""Calls under way at once; others wait for their turn."""

KEPT_MAX: Final = 4
"""Connections that are kept while nobody calls."""

_TIMEOUT: Final = {"connect": CONNECT_S, "read": None, "write": None, "pool": None}


_FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    OSError,
    UnicodeError,
)


class HttpTransport:
    """HTTP over the machine's network. Use it on one event loop at a time; after `close` it connects anew."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Args: `tls` says which certificates count (`edge.tls`); without it, those this machine knows."""
        self._tls = tls
        self._connections: httpcore.AsyncConnectionPool | None = None

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        """Send and wait for the whole response, within `deadline_ms`. Raises CentreUnreachable."""
        try:
            # The loop's own time: this guards a socket, and must not move a clock that moves when it is waited on.
            async with asyncio.timeout(deadline_ms / 1_000):
                return await self._sent(request, size_max)
        except TimeoutError as error:
            raise CentreUnreachable("no answer in time") from error
        except _FAILURES as error:
            bad = _certificate_error(error)
            if bad is not None:
                raise CentreCertificate(bad.verify_message or str(bad)) from error
            raise CentreUnreachable(type(error).__name__) from error

    async def _sent(self, request: Request, size_max: int) -> Response:
        # What httpx keeps connections with, without httpx's client around it: we follow nothing, keep no cookies and ask no
        # proxy, and a request that changes nothing spends half of its time there.
        if self._connections is None:
            self._connections = httpcore.AsyncConnectionPool(
                ssl_context=self._tls or ssl.create_default_context(),
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=KEPT_MAX,
                keepalive_expiry=KEEP_S,
                network_backend=Network(),
            )
        url, host = _target(request.url)
        said = [("host", host), *request.headers]
        if request.body:
            said.append(("content-length", str(len(request.body))))
        asked = httpcore.Request(
            request.method,
            url,
            headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in said],
            content=request.body,
            extensions={"timeout": _TIMEOUT},
        )
        answer = await self._connections.handle_async_request(asked)
        try:
            parts: list[bytes] = []
            size = 0
            async for part in answer.aiter_stream():
                size += len(part)
                if size > size_max:
                    raise CentreUnreachable("the answer is too large")
                parts.append(part)
        finally:
            await answer.aclose()
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in answer.headers
        )
        return Response(answer.status, headers, b"".join(parts))

    async def close(self) -> None:
        """Let go of all connections."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.aclose()


@lru_cache(64)
def _target(url: str) -> tuple[httpcore.URL, str]:
    """An address as the connections take it, and as its server is named. Raises httpx.InvalidURL."""
    read = httpx.URL(url)
    target = httpcore.URL(
        scheme=read.raw_scheme, host=read.raw_host, port=read.port, target=read.raw_path
    )
    return target, read.netloc.decode("ascii")


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The certificate error this one came from, if it did."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
