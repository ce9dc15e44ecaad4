"""What an exchange with a band established. Values only; how sure that makes us is decided in `kiosk.core.policy`."""

from dataclasses import dataclass, field
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
    ULTRALIGHT_C = "ultralight_c"
    CLASSIC = "classic"
    FELICA = "felica"
    TYPE4 = "type4"  # a phone, or a band of somebody else
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Proof:
    """What one exchange established.

    Attributes:
        kind: The strongest thing established.
        family: Which chip.
        generation: 1 for EV1 and for chips whose answers are not protected against who stands between, 2 for EV2 or
            later and for Ultralight AES with its CMAC, 0 when not known. Proved by the commands it authenticated with,
            not by what it says of itself.
        uid: The true UID, 4, 7 or 10 bytes; None when only a random one was seen. A claim unless `kind` is MUTUAL.
        band: The 16-byte band reference read from the band; None when it was not readable.
        capsule: The signed capsule as it was read, not verified; None when none was read.
        counter: SUN or one-way counter as it was read; None where the chip has none or it was not read.
        uses: How often the band says it was used (`drivers.credential.witness`); None when it was not read.
    """

    kind: ProofKind
    family: ChipFamily
    generation: int
    uid: bytes | None
    band: bytes | None
    capsule: bytes | None = field(default=None, repr=False)
    counter: int | None = None
    uses: int | None = None

    def __repr__(self) -> str:
        uid = "none" if self.uid is None else f"<{len(self.uid)} bytes>"
        band = "none" if self.band is None else "<16 bytes>"
        return f"Proof({self.kind.value}, {self.family.value} {self.generation}, uid={uid}, band={band})"
