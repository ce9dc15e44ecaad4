"""HTTP/1.1 to one place over a few connections that are kept; the only importer of the HTTP library.

A library reads and writes the messages, asyncio carries them. One deadline for all of a call, a size cap, no redirects, no
proxy from the environment, no cookies; nothing is sent twice by itself. A request is one piece of writing, head and body
together: with TLS each piece is a record and a packet.
"""

import asyncio
import ssl
from collections.abc import Iterator
from typing import Final, cast
from urllib.parse import urlsplit

import h11

from sync.model.errors import CentreCertificate, CentreUnreachable
from sync.model.ports import Request, Response

CONNECT_S: Final = 5.0
"""Deadline of the connection alone, and of agreeing on TLS, so that a dead address is known sooner than a slow one."""

KEEP_S: Final = 25.0
"""How long an idle connection is kept, less than a centre does: while there is a queue, a band need not wait for a new one."""

CONNECTIONS_MAX: Final = 8
"""Calls under way at once; others wait for their turn."""

HEAD_SIZE_MAX: Final = 65_536
"""Bytes of line and headers of an answer; ours have about 300, a proxy adds its own."""

STAGGER_S: Final = 0.25
"""When the next address of a name is tried beside the one that does not answer yet. Source: RFC 8305, 5."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class HttpTransport:
    """HTTP over the machine's network. Use it on one event loop at a time; after `close` it connects anew."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Args: `tls` says which certificates count (`edge.tls`); without it, those this machine knows."""
        self._tls = tls
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._turns: asyncio.Semaphore | None = None

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        """Send and wait for the whole response, within `deadline_ms`. Raises CentreUnreachable."""
        try:
            # The loop's own time: this guards a socket, and must not move a clock that moves when it is waited on.
            async with asyncio.timeout(deadline_ms / 1_000):
                return await self._sent(request, size_max)
        except TimeoutError as error:
            raise CentreUnreachable("no answer in time") from error
        except ssl.SSLCertVerificationError as error:
            raise CentreCertificate(error.verify_message or str(error)) from error
        except (h11.ProtocolError, OSError, ValueError) as error:
            raise CentreUnreachable(type(error).__name__) from error

    async def _sent(self, request: Request, size_max: int) -> Response:
        self._turns = self._turns or asyncio.Semaphore(CONNECTIONS_MAX)
        async with self._turns:
            place = _Place(request.url)
            connection = self._kept(place) or await self._connected(place)
            try:
                response = await connection.asked(request, place, size_max)
            except BaseException:
                connection.abort()  # what comes over it now would be the answer to this
                raise
            if connection.is_fresh:
                self._idle.append(connection)
            else:
                connection.abort()
            return response

    def _kept(self, place: "_Place") -> "_Connection | None":
        """A connection to this place that is idle, the last one used first; those that are too old or closed go."""
        now = asyncio.get_running_loop().time()
        usable = [one for one in self._idle if one.is_open and now - one.used_s <= KEEP_S]
        for one in set(self._idle).difference(usable):
            one.abort()
        self._idle = usable
        fitting = (one for one in reversed(usable) if one.place.origin == place.origin)
        found = next(fitting, None)
        if found is not None:
            usable.remove(found)
        return found

    async def _connected(self, place: "_Place") -> "_Connection":
        async with asyncio.timeout(CONNECT_S):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(place, self._open),
                place.host,
                place.port,
                happy_eyeballs_delay=STAGGER_S,
            )
        if place.is_tls:
            self._tls = self._tls or ssl.create_default_context()
            await connection.secure(self._tls)
        return connection

    async def close(self) -> None:
        """Let go of all connections."""
        self._idle, self._turns = [], None
        gone = [one.gone for one in self._open]
        for one in tuple(self._open):
            one.abort()
        await asyncio.gather(*gone)


class _Place:
    """Where a request goes. Raises ValueError for an address that is none."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not url.isascii():
            raise ValueError("not an address")
        self.is_tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or _DEFAULT_PORTS[parts.scheme]
        self.origin = (self.is_tls, self.host, self.port)
        self.named = parts.netloc.rpartition("@")[2].lower()
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class _Connection(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, place: _Place, host: set["_Connection"]) -> None:
        """Not connected yet; `host` holds it as long as it is open."""
        self.place = place
        self.used_s = 0.0
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_SIZE_MAX)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._head: h11.Response | None = None
        self._body: list[bytes | bytearray] = []
        self._size = self._size_max = 0
        self.gone: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_open(self) -> bool:
        """Whether something can be asked over it."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_fresh(self) -> bool:
        """Whether both ends are done with what was asked, and take another question."""
        is_done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not is_done or not self.is_open or self._http.trailing_data != (b"", False):
            return False
        self._http.start_next_cycle()
        self.used_s = self._loop.time()
        return True

    async def secure(self, tls: ssl.SSLContext) -> None:
        """Agree on TLS. Raises SSLError, OSError, TimeoutError."""
        plain = self._transport
        assert plain is not None
        try:
            secured = await self._loop.start_tls(
                plain,
                self,
                tls,
                server_hostname=self.place.host,
                ssl_handshake_timeout=CONNECT_S,
            )
        except BaseException:
            plain.abort()
            self.connection_lost(None)  # nobody else says so: it is not ours yet
            raise
        self._transport = secured

    async def asked(self, request: Request, place: _Place, size_max: int) -> Response:
        """The answer to a request. Raises CentreUnreachable, ProtocolError, OSError."""
        if not self.is_open:
            raise ConnectionResetError("it was closed")
        self._head, self._body, self._size, self._size_max = None, [], 0, size_max
        self._answer = self._loop.create_future()
        headers = [("host", place.named), *request.headers]
        if request.method != "GET" or request.body:
            headers.append(("content-length", str(len(request.body))))
        head = h11.Request(method=request.method, target=place.target, headers=headers)
        said = [self._http.send(head)]
        if request.body:
            said.append(self._http.send(h11.Data(data=request.body)))
        said.append(self._http.send(h11.EndOfMessage()))
        assert self._transport is not None
        self._transport.write(b"".join(one for one in said if one))
        try:
            return await self._answer
        finally:
            self._answer = None

    def abort(self) -> None:
        """Let go of it at once."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._host.add(self)

    def data_received(self, data: bytes) -> None:
        """More of an answer."""
        if self._answer is None:
            self.abort()  # nobody asked
            return
        self._hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes; an answer that has no length ends with it."""
        self._transport = None
        self._host.discard(self)
        if not self.gone.done():
            self.gone.set_result(None)
        if self._answer is not None and not self._answer.done():
            if exc is None:
                self._hear(b"")
            if not self._answer.done():
                self._answer.set_exception(exc or ConnectionResetError("it was closed"))

    def _hear(self, data: bytes) -> None:
        answer = self._answer
        assert answer is not None
        if answer.done():
            return
        try:
            self._http.receive_data(data)
            for event in self._events():
                if isinstance(event, h11.EndOfMessage):
                    answer.set_result(self._response())
                    return
        except (h11.ProtocolError, CentreUnreachable) as error:
            answer.set_exception(error)

    def _events(self) -> Iterator[h11.Event]:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Response):
                self._head = event
            elif isinstance(event, h11.Data):
                self._size += len(event.data)
                if self._size > self._size_max:
                    raise CentreUnreachable("the answer is too large")
                self._body.append(event.data)
            yield cast("h11.Event", event)
            if isinstance(event, h11.EndOfMessage):
                return

    def _response(self) -> Response:
        assert self._head is not None
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._head.headers
        )
        return Response(self._head.status_code, headers, b"".join(self._body))
