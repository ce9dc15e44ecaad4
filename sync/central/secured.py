"""TLS of one connection, between the socket and what is said over it, with little memory for each that waits.

The loop's own TLS has 256 KB to read into for each connection, and keeps room for the largest answer that ever went over it.
This one reads into one place for all of them and encrypts an answer record by record: what is kept is what OpenSSL keeps.
"""

import asyncio
import contextlib
import ssl
from typing import Any, Final

RECORD_SIZE: Final = 16_384
"""Bytes of plain text in the largest record. Source: RFC 8446, 5.1."""

HANDSHAKE_S: Final = 60.0
"""A connection that is not agreed on by then is closed; thousands may come at the same moment."""

_PLAIN: Final = bytearray(RECORD_SIZE)
"""Where a record is decrypted to before it is handed on; one for all, since nothing waits meanwhile."""


class Secured(asyncio.Protocol, asyncio.Transport):
    """To the socket a protocol; to the protocol within it, a transport."""

    __slots__ = (
        "_incoming", "_inner", "_is_closed", "_is_open", "_is_paused", "_loop", "_outgoing", "_ssl", "_timer", "_transport",
    )  # fmt: skip

    handshake_s = HANDSHAKE_S

    def __init__(self, inner: asyncio.Protocol, context: ssl.SSLContext) -> None:
        """What `inner` says and hears is encrypted as a server of `context`."""
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False
        self._is_closed = False
        self._is_paused = False

    # What the socket calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the other end's greeting."""
        self._transport = transport  # type: ignore[assignment]  # a stream, since this is no datagram
        self._timer = self._loop.call_later(self.handshake_s, self.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._agreed()
        self._is_closed = True
        self._transport = None
        if self._is_open:
            self._is_open = False
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of records."""
        self._incoming.write(data)
        if self._is_open or self._shake_hands():
            self._hand_on()

    def pause_writing(self) -> None:
        """The other end does not read."""
        if self._is_open:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._is_open:
            self._inner.resume_writing()

    def _shake_hands(self) -> bool:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError:
            self._flush()  # tells why
            self._end()
            return False
        self._agreed()
        self._flush()
        self._is_open = True
        self._inner.connection_made(self)
        return True

    def _agreed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hand_on(self) -> None:
        """Hand on what is here, as long as it is wanted."""
        while not self._is_paused and not self._is_closed:
            try:
                size = self._ssl.read(RECORD_SIZE, _PLAIN)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:
                self._flush()
                self._end()
                return
            if not size:  # the other end said goodbye
                self.close()
                return
            self._inner.data_received(bytes(memoryview(_PLAIN)[: int(size)]))
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending and self._transport is not None:
            self._transport.write(self._outgoing.read())

    def _end(self) -> None:
        self._is_closed = True
        if self._transport is not None:
            self._transport.close()

    # What the protocol within calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send this, once it can be sent."""
        view = memoryview(data)
        for start in range(0, len(view), RECORD_SIZE):
            if self._is_closed:
                return
            try:
                self._ssl.write(view[start : start + RECORD_SIZE])
            except ssl.SSLError:
                self.abort()
                return
            self._flush()

    def close(self) -> None:
        """Say goodbye, and close when all is sent."""
        if self._is_closed:
            return
        with contextlib.suppress(ssl.SSLError):  # an answer to it is not waited for
            self._ssl.unwrap()
        self._flush()
        self._end()

    def abort(self) -> None:
        """Close now."""
        self._is_closed = True
        if self._transport is not None:
            self._transport.abort()

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._is_closed

    def pause_reading(self) -> None:
        """Hand nothing on until further notice."""
        self._is_paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Hand on what is here and what comes."""
        self._is_paused = False
        if self._transport is not None:
            self._transport.resume_reading()
            self._loop.call_soon(self._hand_on)  # something may have been decrypted already

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object`, or what the socket says."""
        if name == "ssl_object":
            return self._ssl
        if self._transport is None:
            return default
        return self._transport.get_extra_info(name, default)
