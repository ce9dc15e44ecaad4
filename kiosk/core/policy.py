"""How sure we are who this is: from evidence to assurance, one table, and nowhere else.

What is not known lowers. The table, best first; every row needs a band that is linked:

    mutual, DESFire or NTAG 424 that proved generation 2 or later      A2
    mutual otherwise (EV1, Ultralight AES without its CMAC known)      A1
    cryptogram (a signed message whose counter nobody here has seen)   A1
    capsule (signed by us, on a chip that anybody may have copied)     A1
    originality, nothing, a UID alone, Classic, a chip we do not know  A0

An EV1 that authenticated mutually is held at A1 on purpose: it proved that it knows the key, but its protocol lets
somebody between band and reader alter answers that are not enciphered, so what was read may not be what was written.
An identity document seen by a clerk is worth A2 with any band or none. A right PIN lifts A2 to A3, never anything less,
and never beside a blocked band, because that is how a stolen band with a watched PIN looks.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.proof import ChipFamily, ProofKind


class Assurance(Enum):
    """How sure we are who this is. The values are public: `tapthread tap --json` prints them."""

    A0 = "A0"
    A1 = "A1"
    A2 = "A2"
    A3 = "A3"

    def covers(self, needed: "Assurance") -> bool:
        """Whether this is at least what is needed."""
        return self.value >= needed.value


class BandStanding(Enum):
    """What this device's files say of the band."""

    UNKNOWN = "unknown"  # nobody told us of it
    UNLINKED = "unlinked"  # ours, belongs to nobody yet or any more
    LINKED = "linked"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Seen:
    """The evidence, whole.

    Attributes:
        proof: The strongest thing the exchange established.
        family: Which chip.
        generation: 1 EV1, 2 EV2 or later, 0 not known.
        is_uid_only: The band was identified by its UID alone.
        standing: What this device's files say of the band.
        is_pin_right: The customer entered the right PIN in this visit.
        is_id_seen: A clerk saw an identity document in this visit, and it was recorded.
    """

    proof: ProofKind
    family: ChipFamily
    generation: int
    is_uid_only: bool
    standing: BandStanding
    is_pin_right: bool = False
    is_id_seen: bool = False


GENERATION_MIN: Final = 2
"""The first generation whose secure messaging covers both directions (EV2First, 0x71)."""

_MUTUAL_A2: Final = frozenset({ChipFamily.DESFIRE, ChipFamily.NTAG424})
_NEVER: Final = frozenset({ChipFamily.CLASSIC, ChipFamily.UNKNOWN})


def assurance_of(seen: Seen) -> Assurance:
    """How sure we are."""
    by_band = _by_band(seen)
    by_person = Assurance.A2 if seen.is_id_seen else Assurance.A0
    sure = by_band if by_band.covers(by_person) else by_person
    if sure is Assurance.A2 and seen.is_pin_right and seen.standing is not BandStanding.BLOCKED:
        return Assurance.A3
    return sure


def _by_band(seen: Seen) -> Assurance:
    """What the band alone is worth."""
    if seen.standing is not BandStanding.LINKED or seen.is_uid_only or seen.family in _NEVER:
        return Assurance.A0
    match seen.proof:
        case ProofKind.MUTUAL:
            is_new = seen.generation >= GENERATION_MIN and seen.family in _MUTUAL_A2
            return Assurance.A2 if is_new else Assurance.A1
        case ProofKind.CRYPTOGRAM | ProofKind.CAPSULE:
            return Assurance.A1
        case ProofKind.ORIGINALITY | ProofKind.NONE:
            return Assurance.A0


def seen_of(
    *, proof: str, family: str, generation: int, is_uid_only: bool, standing: BandStanding
) -> Seen:
    """The evidence from the words of the reader process; a word this version does not know counts as the weakest."""
    return Seen(
        proof=_proofs.get(proof, ProofKind.NONE),
        family=_families.get(family, ChipFamily.UNKNOWN),
        generation=generation,
        is_uid_only=is_uid_only,
        standing=standing,
    )


_proofs: Final = {kind.value: kind for kind in ProofKind}
_families: Final = {family.value: family for family in ChipFamily}
