"""What the centre needs from others, as Protocols over bytes and values, which `kiosk` plugs; and what it is to a server."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

AsgiApp = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]
"""An HTTP service as servers and in-process transports call it: scope, receive, send. Source: ASGI 3.0."""


class BandKeys(Protocol):
    """The keys of bands, made from the brand's own keys, which never leave whoever fills this."""

    def group_key(self) -> tuple[bytes, int]:
        """`K_uid`, 16 bytes, and its version."""
        ...

    def band_key(self, uid: bytes) -> tuple[bytes, int]:
        """`K_band` of the band with this true UID, 16 bytes, and its version."""
        ...

    def uid_hash(self, uid: bytes) -> str:
        """The keyed hash a kiosk looks a leased key up by, in hex."""
        ...
