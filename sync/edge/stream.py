"""A connection as the HTTP library uses one, straight over the event loop's own: its usual layers between cost a quarter of a call.

The HTTP library speaks HTTP and keeps connections; this gives it bytes (`httpcore.AsyncNetworkBackend`). What it writes
leaves together once it reads, so that the head and the body of a question are one packet.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from itertools import zip_longest
from typing import Any, Final, cast

import httpcore

READ_AHEAD: Final = 262_144
"""Bytes that may come before they are asked for; then the other end waits."""

NEXT_ADDRESS_S: Final = 0.25
"""After how long a second address of a name is tried beside the first. Source: RFC 8305, 5."""


class Stream(httpcore.AsyncNetworkStream, asyncio.Protocol):
    """One connection. Reading may be cancelled; whoever cancels closes it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._came = bytearray()
        self._unsent = bytearray()
        self._more: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._is_over = self._is_paused = False
        self._lost: asyncio.Future[None] = loop.create_future()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._came += data
        if len(self._came) > READ_AHEAD and not self._is_paused and self._transport:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """No more will come."""
        self._is_over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._is_over, self._error = True, exc
        self._wake()
        if not self._lost.done():
            self._lost.set_result(None)

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    # What the HTTP library calls

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109  # its signature
        """What came, b"" at the end. The deadline of a whole call is its caller's. Raises httpcore.ReadError."""
        assert self._transport is not None  # it is connected when anybody has it
        if self._unsent:
            self._transport.write(self._unsent)
            self._unsent = bytearray()
        while not self._came and not self._is_over:
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        if not self._came and self._error is not None:
            raise httpcore.ReadError from self._error
        part = bytes(self._came[:max_bytes])
        del self._came[:max_bytes]
        if self._is_paused and len(self._came) <= READ_AHEAD:
            self._is_paused = False
            self._transport.resume_reading()
        return part

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109  # its signature
        """Have this sent with the next read. Raises httpcore.WriteError."""
        if self._is_over:
            raise httpcore.WriteError from self._error
        self._unsent += buffer

    def drop(self) -> None:
        """Let go of it at once, without waiting until it is gone."""
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self) -> None:
        """Let go of it at once; nothing that was sent is still to leave."""
        if self._transport is not None:
            self._transport.abort()
            await self._lost

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # its signature
    ) -> httpcore.AsyncNetworkStream:
        """The same with TLS. Raises httpcore.ConnectError, from the certificate's error where it is that."""
        plain, self._transport = self._transport, None
        assert plain is not None  # as above
        try:
            async with asyncio.timeout(timeout):
                self._transport = await asyncio.get_running_loop().start_tls(
                    plain, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        finally:
            if self._transport is None:
                plain.abort()
        if self._transport is None:  # hung up just then
            raise httpcore.ConnectError("no TLS")
        return self

    def get_extra_info(self, info: str) -> Any:
        """What the library asks of a connection before it uses it again: whether anything came, or it is over."""
        if info == "is_readable":
            return bool(self._came) or self._is_over
        if info == "ssl_object" and self._transport is not None:
            return self._transport.get_extra_info("ssl_object")
        return None


async def _resolved(host: str, port: int) -> list[str]:
    """The addresses of a name, as they are to be tried. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    of_family: dict[int, list[str]] = {}
    for family, _, _, _, place in found:
        zone = f"%{place[3]}" if len(place) == 4 and place[3] else ""
        of_family.setdefault(family, []).append(f"{place[0]}{zone}")
    # One of each family in turn. Source: RFC 8305, 4.
    turns = zip_longest(*(dict.fromkeys(them) for them in of_family.values()))
    return [address for turn in turns for address in turn if address]


async def _one_of(addresses: Iterable[str], port: int) -> Stream:
    """The first connection that stands, each address tried a little after the one before; of the others nothing stays.

    Not the event loop's own race: cancelled, that leaves the socket that won until it is collected.

    Raises:
        OSError: none could be reached; what became of the last.
    """
    left, tried = list(addresses)[::-1], list[asyncio.Task[Stream]]()
    error: BaseException = OSError("no address")
    try:
        while left or any(not one.done() for one in tried):
            if left:
                tried.append(asyncio.create_task(_connected(left.pop(), port)))
            done, _ = await asyncio.wait(
                [one for one in tried if not one.done()],
                timeout=NEXT_ADDRESS_S if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for one in done:
                failed = one.exception()
                if failed is None:
                    tried.remove(one)
                    return one.result()
                error = failed
    finally:
        for one in tried:
            one.cancel()
            one.add_done_callback(_dropped)
    raise error


async def _connected(host: str, port: int) -> Stream:
    _, stream = await asyncio.get_running_loop().create_connection(Stream, host, port)
    return stream


def _dropped(tried: "asyncio.Future[Stream]") -> None:
    """Nobody waits for this connection any more."""
    if not tried.cancelled() and tried.exception() is None:
        tried.result().drop()


Resolve = Callable[[str, int], Awaitable[list[str]]]


class Network(httpcore.AsyncNetworkBackend):
    """Makes connections on the running event loop."""

    def __init__(self, resolve: Resolve = _resolved) -> None:
        """Args: `resolve` gives the addresses of a name, and raises OSError."""
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # its signature
        local_address: str | None = None,  # noqa: ARG002  # its signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  # its signature
    ) -> httpcore.AsyncNetworkStream:
        """A connection to one of the addresses of `host`. Raises httpcore.ConnectTimeout, httpcore.ConnectError."""
        try:
            async with asyncio.timeout(timeout):
                if _is_address(host):
                    return await _connected(host, port)
                return await _one_of(await self._resolve(host, port), port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error


def _is_address(host: str) -> bool:
    """Whether a host is one address already, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
