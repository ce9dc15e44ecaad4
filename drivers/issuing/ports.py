"""What issuing needs from others: the keys of one band, and a place to append to; `kiosk.commands.band` plugs them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key as it is put on a band.

    Attributes:
        value: 16 bytes of AES-128.
        version: 1 to 255; 0 is what a factory leaves, and would hide how far an issue came.
    """

    value: bytes = field(repr=False)
    version: int


class StationKeys(Protocol):
    """The keys of bands at an encoder station. What they are derived from stays with whoever fills this."""

    def group_key(self) -> IssuedKey:
        """`K_uid`, the same on every band and kiosk."""
        ...

    def band_key(self, uid: bytes) -> IssuedKey:
        """`K_band` of the band with this true UID; what stores are leased."""
        ...

    def application_key(self, uid: bytes) -> IssuedKey:
        """`K_app` of this band; encoder stations only."""
        ...

    def chip_key(self, uid: bytes) -> IssuedKey:
        """The chip's own key, above all applications; encoder stations only."""
        ...

    def uid_hash(self, uid: bytes) -> str:
        """The keyed hash a band is filed under where its UID must not stand."""
        ...


class Appender(Protocol):
    """Files that only grow."""

    def read(self, path: Path) -> bytes | None:
        """The whole content, None when there is no such file. Raises DiskFault."""
        ...

    def append(self, path: Path, content: bytes) -> None:
        """Add `content` at the end, durably, mode 0600. Raises DiskFull, DiskFault."""
        ...

    def cut(self, path: Path, size: int) -> None:
        """Keep the first `size` bytes, durably. Raises DiskFault."""
        ...
