"""The keys an encoder station puts on bands: those every kiosk and store is lent, and those nobody else ever holds.

    whatever gives `BandKeys`   K_uid and K_band: files beside the centre in development, else a PKCS#11 token
    band-issuer.key             16 bytes: K_app and the chip's own key are derived from it (AN10922); mode 0600, here alone

Losing the last one means that no band of it can be changed or retired any more; a copy belongs in the brand's safe.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from drivers.credential.kdf import diversified
from drivers.credential.layout import KEY_SIZE, SYSTEM_ID, diversification_input
from drivers.errors import BandMalformed
from drivers.issuing.ports import IssuedKey
from hardware.disk import Disk
from hardware.entropy import Entropy
from hardware.errors import EnrolmentError
from hardware.identity import lasting_bytes

ISSUER_FILE: Final = "band-issuer.key"

CHIP_AID: Final = bytes(3)
"""Stands for the chip itself where a key is derived. Source: MF3ICD81 data sheet: PICC level is AID 000000."""

_DES_UID_SIZE: Final = 7


class LentKeys(Protocol):
    """The keys that are lent to kiosks and stores, as the centre makes them: key and version."""

    def group_key(self) -> tuple[bytes, int]:
        """`K_uid`."""
        ...

    def band_key(self, uid: bytes) -> tuple[bytes, int]:
        """`K_band` of the band with this true UID."""
        ...

    def uid_hash(self, uid: bytes) -> str:
        """The keyed hash a band is filed under."""
        ...


@dataclass(frozen=True, slots=True)
class StationKeyFiles:
    """Keys of bands at one encoder station; its `repr` shows none."""

    lent: LentKeys = field(repr=False)
    issuer: bytes = field(repr=False)

    @classmethod
    def open(
        cls, folder: Path, lent: LentKeys, *, disk: Disk, entropy: Entropy
    ) -> "StationKeyFiles":
        """With the issuer's key kept in `folder`, drawn on the first call. Raises EnrolmentError, DiskFull, DiskFault."""
        made = lasting_bytes(folder / ISSUER_FILE, size=KEY_SIZE, disk=disk, entropy=entropy)
        return cls(lent, made)

    def group_key(self) -> IssuedKey:
        """`K_uid`, the same on every band and kiosk. Raises EnrolmentError."""
        return _issued(*self.lent.group_key())

    def band_key(self, uid: bytes) -> IssuedKey:
        """`K_band` of the band with this true UID. Raises BandMalformed, EnrolmentError."""
        return _issued(*self.lent.band_key(uid))

    def application_key(self, uid: bytes) -> IssuedKey:
        """`K_app` of this band. Raises BandMalformed, EnrolmentError."""
        return self._derived(diversification_input(uid))

    def chip_key(self, uid: bytes) -> IssuedKey:
        """The chip's own key. Raises BandMalformed, EnrolmentError."""
        if len(uid) != _DES_UID_SIZE:
            raise BandMalformed("a chip with a key of its own has a UID of 7 bytes")
        return self._derived(uid + CHIP_AID + SYSTEM_ID)

    def uid_hash(self, uid: bytes) -> str:
        """The keyed hash a band is filed under. Raises BandMalformed."""
        return self.lent.uid_hash(uid)

    def _derived(self, diversification: bytes) -> IssuedKey:
        _, version = self.lent.group_key()
        return _issued(diversified(self.issuer, diversification), version)


def _issued(value: bytes, version: int) -> IssuedKey:
    if not 1 <= version <= 255:
        raise EnrolmentError(
            "The key source gives version 0, which is what a factory leaves on a band. Give the keys a version of 1 to 255."
        )
    return IssuedKey(value, version)
