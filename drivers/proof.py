"""What an exchange with a band established. Values only; how sure that makes us is decided in `kiosk.core.policy`."""

from dataclasses import dataclass
from enum import Enum


class ProofKind(Enum):
    """From weakest to strongest. The values are public: `tapthread tap --json` prints them."""

    NONE = "none"
    CAPSULE = "capsule"
    ORIGINALITY = "originality"
    CRYPTOGRAM = "cryptogram"
    MUTUAL = "mutual"


class ChipFamily(Enum):
    """Which chip, as far as its answers tell."""

    DESFIRE = "desfire"
    NTAG424 = "ntag424"
    NTAG21X = "ntag21x"
    ULTRALIGHT = "ultralight"
    ULTRALIGHT_AES = "ultralight_aes"
    CLASSIC = "classic"
    FELICA = "felica"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Proof:
    """What one exchange established.

    Attributes:
        kind: The strongest thing established.
        family: Which chip.
        generation: 1 for EV1, 2 for EV2 or later, 0 when not known. Proved by the command set it authenticated with,
            not by what it says of itself.
        uid: The true UID, 4, 7 or 10 bytes; None when only a random one was seen. A claim unless `kind` is MUTUAL.
        band: The 16-byte band reference read from the band; None when it was not readable.
    """

    kind: ProofKind
    family: ChipFamily
    generation: int
    uid: bytes | None
    band: bytes | None

    def __repr__(self) -> str:
        uid = "none" if self.uid is None else f"<{len(self.uid)} bytes>"
        band = "none" if self.band is None else "<16 bytes>"
        return f"Proof({self.kind.value}, {self.family.value} {self.generation}, uid={uid}, band={band})"
