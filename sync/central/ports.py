"""What the centre needs from others, as Protocols over bytes and values, which `kiosk` plugs; and what it is to a server."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class CapsuleWords:
    """What a capsule is to say; shortened by whoever signs it until it fits. Its `repr` shows none of the words.

    Attributes:
        issued_at: Whole seconds, as microseconds since 1970.
        days: How long it holds.
        seq: Counts the capsules of a band, from 1.
    """

    issued_at: int
    days: int
    seq: int
    is_waiting: bool
    is_owed: bool
    language: str = field(repr=False)
    name: str = field(repr=False)
    line: str = field(repr=False)


class CapsuleSigner(Protocol):
    """Signs capsules with the brand's own key, which never leaves whoever fills this."""

    def public_keys(self) -> tuple[bytes, ...]:
        """What they are believed by, 32 bytes each: the key that signs first, then older ones that still count."""
        ...

    def signed(self, words: CapsuleWords, *, uid: bytes, band: bytes, size: int) -> bytes:
        """The capsule of the band with this true UID and reference, in at most `size` bytes."""
        ...
