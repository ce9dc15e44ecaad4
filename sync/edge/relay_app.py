"""The relay on the shop's network: limits before reading, one answer for every input, and the thread it runs in.

Beside the centre's the only importer of the web server, and imported only on the device that hosts the relay. A plain
ASGI application: six addresses, each a question with a sealed body. What a question means is for `relay.Mailbox`.
Who asks is an active device of this store by the row the centre wrote of it, looked at again with every request.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.errors import AddressTaken
from hardware.identity import DeviceIdentity
from hardware.moments import micros_of
from sync.edge.relay import Changes, Mailbox
from sync.edge.relay_wire import (
    BODY_SIZE_MAX,
    HELLO,
    KEEP,
    LISTEN,
    OFFER,
    PART_SIZE_MAX,
    PROTOCOL,
    SEALED,
    SNAP,
    TELL,
    Channel,
    ListenRequest,
    OfferRequest,
    RelayHello,
    TellRequest,
    decoded,
)
from sync.model.errors import Malformed, NotTrusted, StoreError
from sync.model.ports import Request
from sync.model.records import Peer
from sync.model.signatures import answer_share, authentic, is_in_time, public_key_of
from sync.model.wire import PROBLEM, PROBLEMS, HelloAnswer, HelloRequest, Problem

log = logging.getLogger(__name__)

READ_S: Final = 5.0
"""A body that takes longer to come over the shop's own network is given up."""

HEAD_S: Final = 30.0
"""A connection whose next request does not come within that is closed; a device that is well asks every ten seconds."""

HEAD_SIZE_MAX: Final = 16_384
CONNECTIONS_MAX: Final = 128
"""Two or three of each device of a store."""

SESSIONS_MAX: Final = 64
NONCES_MAX: Final = 4_096
LISTEN_ENTRIES: Final = 500
SHUTDOWN_S: Final = 1
WINDOW: Final = 64
"""How far behind the newest number of a session an older one may come."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PeerOf = Callable[[str], Peer | None]
"""From device id to the row of an active device of this store; None for everybody else. May raise StoreError."""


class Parts(Protocol):
    """Parts of snapshots by their hash, as `part_cache` has them; called in worker threads."""

    def get(self, name: str) -> bytes | None:
        """The part; None when it is not here."""
        ...

    def keep(self, content: bytes) -> None:
        """Keep a part under its hash."""
        ...


class _Denied(Exception):
    """A request that gets a problem answer; never leaves this module."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(slots=True)
class _Session:
    """One device's session and the numbers it used."""

    device: str
    channel: Channel
    newest: int = 0
    used: int = 0
    rung: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, seq: int) -> bool:
        """Whether this number was not used before."""
        if seq > self.newest:
            self.used = (self.used << min(seq - self.newest, WINDOW)) & ((1 << WINDOW) - 1) | 1
            self.newest = seq
            return True
        behind = self.newest - seq
        if seq < 1 or behind >= WINDOW or self.used >> behind & 1:
            return False
        self.used |= 1 << behind
        return True


class RelayApp:
    """The relay as an ASGI application; one event loop owns it."""

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        identity: DeviceIdentity,
        peer_of: PeerOf,
        parts: Parts,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Args: `identity` is of the device that hosts it."""
        self.mailbox = mailbox
        self._identity = identity
        self._peer_of = peer_of
        self._parts = parts
        self._clock = clock
        self._entropy = entropy
        self._sessions: dict[str, _Session] = {}
        self._nonces: dict[tuple[str, str], int] = {}
        self._is_closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        try:
            status, kind, body = 200, *(await self._answered(scope, headers, receive))
        except _Denied as denied:
            status, kind, body = _problem(denied.code, denied.detail)
        except StoreError:
            log.exception("store failed")
            status, kind, body = _problem("failed")
        except Exception:
            # The top of a request: one that fails must not take the device with it.
            log.exception("request failed")
            status, kind, body = _problem("failed")
        await send({"type": "http.response.start", "status": status,
                    "headers": self._headers(headers, kind, len(body), is_left=status >= 400)})  # fmt: skip
        await send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Let all who listen go."""
        self._is_closing = True
        for session in self._sessions.values():
            session.rung.set()

    async def _answered(
        self, scope: Scope, headers: dict[str, str], receive: Receive
    ) -> tuple[str, bytes]:
        path: str = scope["path"]
        if path not in (HELLO, OFFER, TELL, LISTEN, KEEP) and not path.startswith(SNAP):
            raise _Denied("not_found")
        if scope["method"] != "POST":
            raise _Denied("wrong_method")
        if headers.get("x-proto") != str(PROTOCOL):
            raise _Denied("incompatible")
        size_max = PART_SIZE_MAX if path == KEEP else BODY_SIZE_MAX
        body = await _body_of(headers, receive, size_max)
        if path == HELLO:
            return "application/json", self._hello(scope, body)
        session, seq, asked = self._opened(path, headers, body)
        if path.startswith(SNAP):
            return SEALED, await self._part(path.removeprefix(SNAP))
        if path == KEEP:
            await asyncio.to_thread(self._parts.keep, asked)
            return SEALED, session.channel.seal(b"{}", path=path, seq=seq, is_answer=True)
        answer = await self._asked(session, path, asked)
        raw = msgspec.json.encode(answer)
        return SEALED, session.channel.seal(raw, path=path, seq=seq, is_answer=True)

    def _opened(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[_Session, int, bytes]:
        session = self._sessions.get(headers.get("x-session", ""))
        number = headers.get("x-seq", "")
        if session is None:
            raise _Denied("session_over")
        if not _NUMBER.fullmatch(number):
            raise _Denied("malformed", "x-seq")
        try:
            asked = session.channel.open(body, path=path, seq=int(number), is_answer=False)
        except Malformed as error:
            raise _Denied("not_trusted") from error
        if not session.take(int(number)):
            raise _Denied("replayed")
        if self._peer_of(session.device) is None:
            self._sessions.pop(session.channel.session, None)
            raise _Denied("not_trusted")
        return session, int(number), asked

    def _hello(self, scope: Scope, body: bytes) -> bytes:
        keys: dict[str, Peer] = {}

        def key_of(_tag: str, key_id: str) -> Any:
            peer = self._peer_of(key_id)
            if peer is None:
                return None
            keys[key_id] = peer
            return public_key_of(peer.public_key)

        request = _request_of(scope, body)
        try:
            verified = authentic(request, key_of=key_of)
        except NotTrusted as error:
            raise _Denied("not_trusted") from error
        if verified.key_id not in keys:
            raise _Denied("not_trusted")
        if not is_in_time(verified, self._clock.now()):
            raise _Denied("wrong_clock")
        if (verified.key_id, verified.nonce) in self._nonces:
            raise _Denied("replayed")
        self._nonces[verified.key_id, verified.nonce] = verified.created
        while len(self._nonces) > NONCES_MAX:
            del self._nonces[next(iter(self._nonces))]
        try:
            hello = decoded(body, HelloRequest)
            return self._greeted(verified.key_id, hello)
        except (Malformed, NotTrusted) as error:
            raise _Denied("malformed") from error

    def _greeted(self, device: str, hello: HelloRequest) -> bytes:
        blank = HelloAnswer(
            session=self._entropy.draw(16).hex(), share="", proof="", store=self._identity.store,
            server_time=micros_of(self._clock.now()), grants=(),
        )  # fmt: skip
        answer, key = answer_share(
            hello.share, device=device, centre=self._identity.private_key, answer=blank,
            entropy=self._entropy,
        )  # fmt: skip
        for old in [one for one in self._sessions.values() if one.device == device]:
            del self._sessions[old.channel.session]
            old.rung.set()
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        channel = Channel(answer.session, key, self._entropy)
        self._sessions[answer.session] = _Session(device, channel)
        said = RelayHello(self._identity.device_id, self.mailbox.life, answer)
        return msgspec.json.encode(said)

    async def _asked(self, session: _Session, path: str, asked: bytes) -> msgspec.Struct:
        now_ms = self._clock.ticks_ms()
        before = self.mailbox.head
        try:
            if path == LISTEN:
                return await self._listened(session, decoded(asked, ListenRequest))
            if path == OFFER:
                offer = decoded(asked, OfferRequest)
                answer: msgspec.Struct = self.mailbox.offer(
                    session.device, offer.items, seen=offer.seen, now_ms=now_ms
                )
            else:
                tell = decoded(asked, TellRequest)
                answer = self.mailbox.tell(session.device, tell.items, now_ms=now_ms)
                if tell.is_all:
                    self.mailbox.present(session.device)
        except Malformed as error:
            raise _Denied("malformed", str(error)) from error
        if self.mailbox.head != before:
            for one in self._sessions.values():
                one.rung.set()
        return answer

    async def _listened(self, session: _Session, asked: ListenRequest) -> msgspec.Struct:
        self.mailbox.expire(self._clock.ticks_ms())
        session.rung.clear()
        changes = self._since(asked)
        if asked.wait_ms and not changes.is_whole and changes.to == asked.since:
            await _rung(session.rung, self._clock, asked.wait_ms)
            if self._is_closing or session.channel.session not in self._sessions:
                raise _Denied("session_over")
            changes = self._since(asked)
        return changes

    def _since(self, asked: ListenRequest) -> Changes:
        return self.mailbox.since(asked.since, limit=LISTEN_ENTRIES, whole_at=asked.whole_at)

    async def _part(self, name: str) -> bytes:
        if not _HASH.fullmatch(name):
            raise _Denied("not_found")
        part = await asyncio.to_thread(self._parts.get, name)
        if part is None or hashlib.sha256(part).hexdigest() != name:
            raise _Denied("not_found")
        return part

    def _headers(
        self, asked: dict[str, str], kind: str, size: int, *, is_left: bool
    ) -> list[tuple[bytes, bytes]]:
        headers = {
            "content-type": kind,
            "content-length": str(size),
            "cache-control": "no-store",
            "x-server-time": str(micros_of(self._clock.now())),
        }
        if _REQUEST_ID.fullmatch(asked.get("x-req", "")):
            headers["x-req"] = asked["x-req"]
        if is_left:
            headers["connection"] = "close"  # what is left of the body is not read
        return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def _problem(code: str, detail: str = "") -> tuple[int, str, bytes]:
    status, title = PROBLEMS[code]
    if status >= 500 or code in ("not_trusted", "replayed"):
        log.warning("request refused", extra={"code": code, "status": status})
    return status, PROBLEM, msgspec.json.encode(Problem(code, title, status, detail=detail))


def _request_of(scope: Scope, body: bytes) -> Request:
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    )
    host = next((value for name, value in headers if name == "host"), "")
    return Request("POST", f"http://{host}{scope['path']}", headers, body)


async def _body_of(headers: dict[str, str], receive: Receive, size_max: int) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isdigit() and (len(declared) > 12 or int(declared) > size_max):
        raise _Denied("too_large")
    if headers.get("content-encoding"):
        raise _Denied("wrong_type")
    parts: list[bytes] = []
    size = 0
    try:
        # The loop's own time: this guards a socket, and must not move a clock that moves when it is waited on.
        async with asyncio.timeout(READ_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise _Denied("malformed", "body")
                part: bytes = message.get("body", b"")
                size += len(part)
                if size > size_max:
                    raise _Denied("too_large")
                parts.append(part)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError as error:
        raise _Denied("malformed", "the body did not come") from error


async def _rung(event: asyncio.Event, clock: Clock, wait_ms: int) -> None:
    """Return when it is rung or the time is up."""
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


# The thread


class BoundedProtocol(H11Protocol):
    """A connection whose requests must begin soon; h11 itself bounds their heads."""

    head_s = HEAD_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **kwargs)
        self.access_log = False  # nobody's address is written down
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for the first request."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.head_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close it when no request is under way; between two looks one may have come and gone."""
        is_between = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if is_between and self._is_same():
            self.transport.abort()
            return
        self._head_timer = self.loop.call_later(self.head_s, self._look)

    def _is_same(self) -> bool:
        before, self._looked_at = getattr(self, "_looked_at", None), self.cycle
        return before is self.cycle


class RelayServer:
    """The relay in a thread of its own. Start it and stop it once."""

    def __init__(self, app: RelayApp, *, host: str, port: int) -> None:
        """Args: port 0 takes any that is free."""
        self._app = app
        self._host, self._port = host, port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_up = threading.Event()
        self.url = ""

    def start(self) -> None:
        """Listen. Raises AddressTaken."""
        listener = self._listening()
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{shown}:{listener.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app, log_config=None, access_log=False, lifespan="off", ws="none",
                http=BoundedProtocol, server_header=False, limit_concurrency=CONNECTIONS_MAX,
                h11_max_incomplete_event_size=HEAD_SIZE_MAX, timeout_graceful_shutdown=SHUTDOWN_S,
                timeout_keep_alive=int(HEAD_S),
            )
        )  # fmt: skip
        self._thread = threading.Thread(
            target=self._main, args=(listener,), name="relay", daemon=True
        )
        self._thread.start()
        self._is_up.wait()

    def stop(self) -> None:
        """Let everybody go; harmless when done twice."""
        thread, self._thread = self._thread, None
        if thread is None or self._server is None:
            return
        self._server.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(self._app.close)
        thread.join(SHUTDOWN_S + 2)
        if thread.is_alive():
            log.error("relay thread did not stop")

    def _listening(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            raise AddressTaken(f"{self._host}:{self._port}: {error.strerror}") from error

    def _main(self, listener: socket.socket) -> None:
        try:
            with listener:
                asyncio.run(self._run(listener))
        finally:
            self._is_up.set()

    async def _run(self, listener: socket.socket) -> None:
        assert self._server is not None
        self._loop = asyncio.get_running_loop()
        self._is_up.set()  # the socket listens already: who comes early waits a moment
        await self._server.serve(sockets=[listener])
