"""The brand's own band keys in two files beside the centre: what fills `sync.central.ports.BandKeys` on one machine.

    band-master.key   16 bytes: every K_band is derived from it (AN10922); it never leaves this folder
    band-group.key    16 bytes: K_uid, the same on every kiosk

Both are mode 0600 and drawn when they are not there. A brand with a hardware module fills the port with that instead.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drivers.credential.kdf import diversified
from drivers.credential.layout import KEY_SIZE, band_id_of_uid, diversification_input
from hardware.disk import Disk
from hardware.entropy import Entropy
from hardware.identity import lasting_bytes

MASTER_FILE: Final = "band-master.key"
GROUP_FILE: Final = "band-group.key"
KEY_VERSION: Final = 1
"""Version both keys are written to bands with; a second one comes with the first re-keying. 0 is what a factory leaves."""


@dataclass(frozen=True, slots=True)
class BandKeyFiles:
    """Keys of bands from two 16-byte keys; its `repr` shows neither."""

    master: bytes = field(repr=False)
    group: bytes = field(repr=False)

    @classmethod
    def open(cls, folder: Path, *, disk: Disk, entropy: Entropy) -> "BandKeyFiles":
        """The keys kept in `folder`, drawn on the first call. Raises EnrolmentError, DiskFull, DiskFault."""
        master, group = (
            lasting_bytes(folder / name, size=KEY_SIZE, disk=disk, entropy=entropy)
            for name in (MASTER_FILE, GROUP_FILE)
        )
        return cls(master, group)

    def group_key(self) -> tuple[bytes, int]:
        """`K_uid` and its version."""
        return self.group, KEY_VERSION

    def band_key(self, uid: bytes) -> tuple[bytes, int]:
        """`K_band` of the band with this true UID, and its version. Raises BandMalformed for a UID that is none."""
        return diversified(self.master, diversification_input(uid)), KEY_VERSION

    def uid_hash(self, uid: bytes) -> str:
        """The name a leased key is filed under. Raises BandMalformed for a UID that is none."""
        return band_id_of_uid(self.group, uid)
