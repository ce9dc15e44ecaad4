"""One connection of a device: HTTP/1.1 in, requests as values to the service, answers as bytes back.

Ten thousand of these wait at one node, so what a waiting one keeps is little: no head, no body, no timer, one task. Bounded
are how long a head and a body may take to come, how large they may be, and how long nothing may be asked. Requests that are
sent ahead wait for their turn. Who left is not answered; what already was in the database's hands is done all the same.
"""

import asyncio
import enum
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final, Protocol

import httptools

from sync.model.ports import Request, Response
from sync.model.wire import BODY_SIZE_MAX

READ_S: Final = 10.0
"""A body that takes longer to come is given up; 1 MB in that time is a line of 1 Mbit/s."""

HEAD_S: Final = 10.0
"""A connection whose next request's head takes longer to come is closed: an idle one costs a descriptor."""

KEEP_ALIVE_S: Final = 30.0
"""How long a connection is kept after an answer: a kiosk asks again at once, one of a fleet on a busy line soon."""

HEAD_SIZE_MAX: Final = 16_384
"""Bytes of line and headers of a request; ours have about 1,200. The parser itself would take any number."""

_HEAD_END: Final = b"\r\n\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES: Final = {
    int(it): f"HTTP/1.1 {int(it)} {it.phrase}\r\n".encode() for it in HTTPStatus
}
_NAMES: Final = {
    name.encode(): name
    for name in (
        "accept", "accept-encoding", "connection", "content-digest", "content-length", "content-type", "device-seq", "host",
        "signature", "signature-input", "user-agent", "x-proto", "x-req",
    )
}  # fmt: skip
"""What every request has is kept once."""


class Answering(Protocol):
    """Who answers requests: `endpoints.Service`."""

    def refused(self, request: Request) -> Response | None:
        """The problem of a request by its line and headers alone."""
        ...

    def answer(self, request: Request) -> Coroutine[Any, Any, Response]:
        """The response to a whole request."""
        ...

    def problem(self, request: Request, code: str, detail: str = "") -> Response:
        """An error as it is answered."""
        ...


class _Phase(enum.Enum):
    """What of a request is being read."""

    NOTHING = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


_Turn = tuple[Request | Response, bool, bool]
"""A request to answer, or the answer to one that was refused; whether without a body; whether the connection ends with it."""


class Connection(asyncio.Protocol):
    """A connection whose requests must begin soon and be small. `httptools` calls the methods `on_...`."""

    __slots__ = (
        "_base", "_body", "_head", "_head_size", "_headers", "_host", "_is_clogged", "_is_deaf", "_is_last", "_is_paused",
        "_loop", "_parser", "_phase", "_service", "_task", "_timer", "_transport", "_turns", "_url",
    )  # fmt: skip

    head_s, read_s, keep_alive_s = HEAD_S, READ_S, KEEP_ALIVE_S

    def __init__(self, service: Answering, *, base: str, host: set["Connection"]) -> None:
        """Not connected yet.

        Args:
            service: Who answers.
            base: The address devices sign, "https://centre.example"; "" when it is the one they connected to.
            host: Holds the connection as long as it is open.
        """
        self._service = service
        self._base = base
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._parser: httptools.HttpRequestParser | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._turns: list[_Turn] = []
        self._is_clogged = False  # the other end does not read what it asked for
        self._is_deaf = False  # what comes is not read any more
        self._is_last = False
        self._is_paused = False
        self._forget()

    def _forget(self) -> None:
        """Nothing of a request is here."""
        self._phase = _Phase.NOTHING
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._head_size = 0
        self._head: Request | None = None  # when it is whole and was not refused
        self._body: bytearray | None = None

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self._transport = transport  # type: ignore[assignment]  # a stream, since this is no datagram
        self._parser = httptools.HttpRequestParser(self)
        self._host.add(self)
        self._wait(self.head_s, self._abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Nobody waits for anything any more."""
        self._wait_no_more()
        self._host.discard(self)
        self._transport = self._parser = None
        self._turns.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """More bytes of requests."""
        if self._parser is None or self._is_deaf:
            return
        end = data.find(_HEAD_END)
        is_in_body = self._phase is _Phase.BODY
        if not is_in_body and end >= 0 and self._head_size + end > HEAD_SIZE_MAX:
            self._abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_deaf = True  # its sender goes on in something we do not speak
        except httptools.HttpParserError:
            self._is_deaf = True
            bad = self._service.problem(Request("", ""), "malformed", "this is not HTTP")
            self._put(bad, is_last=True)
            return
        if self._phase is _Phase.HEAD:
            self._head_size += len(data)
            if self._head_size > HEAD_SIZE_MAX:
                self._abort()
        self._wait_for_next()

    def pause_writing(self) -> None:
        """The other end does not read: it is answered nothing more until it does."""
        self._is_clogged = True

    def resume_writing(self) -> None:
        """It reads again."""
        self._is_clogged = False
        self._go_on()

    def shutdown(self) -> None:
        """Close, after the answer that is being made."""
        self._is_last = self._is_deaf = True
        self._turns.clear()
        if self._task is None and self._transport is not None:
            self._transport.close()

    # What the parser calls

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._wait_no_more()
        self._forget()
        self._phase = _Phase.HEAD

    def on_url(self, url: bytes) -> None:
        """A part of its target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what follows a body is none of ours."""
        if self._phase is not _Phase.HEAD:
            return
        known = _NAMES.get(name) or name.decode("latin-1").lower()
        self._headers.append((known, value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """From here on its body is read, unless it is refused by its head."""
        assert self._parser is not None  # it is what calls
        self._wait_no_more()
        self._phase = _Phase.BODY
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, self._base_url() + _target(self._url), tuple(self._headers))
        refused = self._service.refused(request)
        if refused is not None:
            self._put(refused, is_bare=method == "HEAD", is_last=self._is_to_close())
            return
        self._head = request
        is_next = self._task is None and not self._turns
        if is_next and request.header("expect").lower() == "100-continue":
            self._write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        if self._head is None:
            return
        if self._body is None:
            self._body = bytearray()
        self._body += body
        if len(self._body) > BODY_SIZE_MAX:
            self._is_deaf = True
            self._put(self._service.problem(self._head, "too_large"), is_last=True)
            self._forget()

    def on_message_complete(self) -> None:
        """It is whole."""
        self._wait_no_more()
        head, body = self._head, bytes(self._body or b"")
        is_last = self._is_to_close()
        self._forget()
        if head is not None:
            whole = Request(head.method, head.url, head.headers, body)
            self._put(whole, is_bare=head.method == "HEAD", is_last=is_last)

    def _base_url(self) -> str:
        if self._base:
            return self._base
        assert self._transport is not None  # something came over it
        is_tls = self._transport.get_extra_info("ssl_object") is not None
        host = next((value for name, value in self._headers if name == "host"), "")
        return f"http{'s' if is_tls else ''}://{host}"

    def _is_to_close(self) -> bool:
        parser = self._parser
        if parser is None or parser.get_http_version() == "1.0":
            return True
        return parser.should_upgrade() or not parser.should_keep_alive()

    # Whose turn it is

    def _put(
        self, asked: Request | Response, *, is_bare: bool = False, is_last: bool = False
    ) -> None:
        self._turns.append((asked, is_bare, is_last))
        if self._task is None:
            self._go_on()
        elif self._transport is not None and not self._is_paused:
            self._is_paused = True  # who asks ahead of time is read when it is time
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Answer those whose turn it is, as far as that can be done now."""
        while self._turns and self._task is None and not self._is_clogged:
            asked, is_bare, is_last = self._turns.pop(0)
            if isinstance(asked, Response):
                self._send(asked, is_bare=is_bare, is_last=is_last)
            else:
                answering = self._answered([asked], is_bare=is_bare, is_last=is_last)
                self._task = self._loop.create_task(answering)
        if self._is_paused and not self._turns and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        self._wait_for_next()

    async def _answered(self, asked: list[Request], *, is_bare: bool, is_last: bool) -> None:
        try:
            response = await self._service.answer(asked.pop())  # which is all that keeps it
        finally:
            self._task = None
        self._send(response, is_bare=is_bare, is_last=is_last)
        self._go_on()

    def _send(self, response: Response, *, is_bare: bool, is_last: bool) -> None:
        is_last = is_last or self._is_last or response.header("connection") == "close"
        lines = [f"{name}: {value}\r\n" for name, value in response.headers]
        lines.append(f"content-length: {len(response.body)}\r\n")
        if is_last and not response.header("connection"):
            lines.append("connection: close\r\n")
        head = _STATUS_LINES[response.status] + "".join(lines).encode("latin-1") + b"\r\n"
        # All at once: with TLS each write is a record, a packet and a turn of the system.
        self._write(head if is_bare else head + response.body)
        if is_last and self._transport is not None:
            self._is_deaf = True
            self._turns.clear()
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    # What is not waited for any longer

    def _wait_for_next(self) -> None:
        """Unless something is answered meanwhile, a request must come; of one that has begun the rest, soon."""
        if self._timer is not None or self._task is not None or self._transport is None:
            return
        if self._phase is _Phase.HEAD:
            self._wait(self.head_s, self._abort)
        elif self._phase is _Phase.BODY:
            self._wait(self.read_s, self._give_body_up)
        else:
            self._wait(self.keep_alive_s, self._transport.close)

    def _give_body_up(self) -> None:
        self._is_deaf = True
        if self._head is None:
            self._abort()
        else:
            late = self._service.problem(self._head, "malformed", "the body did not come")
            self._put(late, is_last=True)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._wait_no_more()
        self._timer = self._loop.call_later(seconds, then)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _target(url: bytes) -> str:
    """What a request is for, as it is signed: from the path on. Raises httptools.HttpParserInvalidURLError."""
    if url.startswith(b"/") and b"#" not in url:
        return url.decode("latin-1")
    parts = httptools.parse_url(url)
    query = b"?" + parts.query if parts.query else b""
    return ((parts.path or b"/") + query).decode("latin-1")
