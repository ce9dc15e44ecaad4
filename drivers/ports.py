"""What drivers need from others, as Protocols over bytes and values; `kiosk.assembly` plugs them."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from drivers.credential.kdf import Aes


@dataclass(frozen=True)
class LeasedKey:
    """The key of one band, lent to this store. It is bytes for the chip driver and nothing for anybody else.

    Attributes:
        value: 16 bytes of AES-128.
        version: Key version the band was encoded with, 0 to 255.
    """

    value: bytes = field(repr=False)
    version: int = 0

    @cached_property
    def aes(self) -> Aes:
        """The cipher with it, made once: the group key opens tap after tap. Used by one thread."""
        return Aes(self.value)


class KeyProvider(Protocol):
    """Where the reader process gets keys from: the kiosk's cache, over the pipe."""

    def group_key(self) -> LeasedKey | None:
        """`K_uid`, the low-value group key; None when this device has none."""
        ...

    def band_key(self, uid: bytes) -> LeasedKey | None:
        """`K_band` of the band with this true UID; None when it is not leased to this store."""
        ...
