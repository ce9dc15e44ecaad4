"""How sure we are who this is: from evidence to assurance, one table, and nowhere else.

What is not known lowers. What the band alone is worth is the least of four columns:

    what it proved                                                        its row here   its key        deny list
    A2  mutual, DESFire or NTAG 424 of generation 2 or later,             A2 linked      A2 leased      A2 at most 72 h old
        Ultralight AES with its CMAC                                      A0 all others  A2 remote,     A1 older
    A2  cryptogram whose counter is new, and the centre said so                             and online  A0 the band is on it,
    A1  mutual otherwise: EV1, Ultralight C, AES without its CMAC                        A1 otherwise       or there is none
    A1  cryptogram whose counter is new to this device alone
    A1  capsule (signed by us, on a chip that anybody may have copied)
    A0  a counter seen before or not known, originality, nothing,
        a UID alone, Classic, a phone, a chip we do not know

The key says by whose hand the band was proved, and counts for mutual authentication alone: a key that was leased to this
store, or the centre in this very tap. A reader process that says "mutual" of a band for which nobody gave it a key is not
believed. The capsule has one privilege: it names its wearer also where this device has no row of the band, at A1; for that
the deny list must be at most 72 hours old, because nothing else could say that the band was blocked.

An EV1 that authenticated mutually is held at A1 on purpose: it proved that it knows the key, but its protocol lets
somebody between band and reader alter answers that are not enciphered, so what was read may not be what was written.

An identity document seen by a clerk is worth A2 with any band or none. A right PIN lifts A2 to A3, and nothing less; it does
not beside a blocked band, because that is how a stolen band with a watched PIN looks; not while PINs of the band are
locked or nobody knows; and not for a band while the deny list is older than a day.
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


class Listing(Enum):
    """What the deny list says of the band, and how old that word is."""

    UNKNOWN = "unknown"  # there is no list, or none that can be believed
    STALE = "stale"  # clear, on a list of more than 72 hours
    OLD = "old"  # clear, on a list of more than a day
    CLEAR = "clear"
    DENIED = "denied"  # on the list, however old


class BandKey(Enum):
    """By whose key the band was proved."""

    UNKNOWN = "unknown"  # nobody gave one
    EXPIRED = "expired"  # the lease is over
    REMOTE = "remote"  # the centre answered for it in this tap
    LEASED = "leased"


class Network(Enum):
    """Whether the centre can be asked now."""

    UNKNOWN = "unknown"
    OFFLINE = "offline"
    ONLINE = "online"


class Counter(Enum):
    """What is known of the counter in a cryptogram."""

    UNKNOWN = "unknown"  # nobody here remembers one
    SEEN = "seen"  # not above the last one: a copy of an old message
    NEW = "new"


class Pin(Enum):
    """The customer's PIN in this visit."""

    UNKNOWN = "unknown"  # none was asked for
    WRONG = "wrong"
    RIGHT = "right"


class PinLock(Enum):
    """Whether PINs for this band are taken at all."""

    UNKNOWN = "unknown"
    LOCKED = "locked"  # too many were wrong
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Seen:
    """The evidence, whole; what is left out is not known.

    Attributes:
        proof: The strongest thing the exchange established.
        family: Which chip.
        generation: As in `drivers.proof.Proof`: 2 and above protects both directions; 0 not known.
        is_uid_only: The band was identified by its UID alone.
        standing: What this device's files say of the band.
        key: By whose key it was proved.
        listing: What the deny list says of it.
        network: Whether the centre can be asked now.
        counter: Of a cryptogram.
        pin: The PIN in this visit.
        lock: Whether PINs for this band are taken.
        is_id_seen: A clerk saw an identity document in this visit, and it was recorded.
    """

    proof: ProofKind
    family: ChipFamily
    generation: int
    is_uid_only: bool
    standing: BandStanding
    key: BandKey = BandKey.UNKNOWN
    listing: Listing = Listing.UNKNOWN
    network: Network = Network.UNKNOWN
    counter: Counter = Counter.UNKNOWN
    pin: Pin = Pin.UNKNOWN
    lock: PinLock = PinLock.UNKNOWN
    is_id_seen: bool = False


GENERATION_MIN: Final = 2
"""The first generation whose secure messaging covers both directions (EV2First, 0x71)."""

HOUR_US: Final = 3_600_000_000

CLEAR_US: Final = 24 * HOUR_US
"""A list so young is as good as a new one: a band that was lost today is blocked by hand at the counter."""

OLD_US: Final = 72 * HOUR_US
"""As long as a leased key: a long weekend without a network."""

AHEAD_US: Final = HOUR_US
"""A list from further in the future than clocks differ was made by a clock that is wrong, and its age is not known."""

_MUTUAL_A2: Final = frozenset({
    ChipFamily.DESFIRE, ChipFamily.NTAG424, ChipFamily.ULTRALIGHT_AES,
})  # fmt: skip
_NEVER: Final = frozenset({ChipFamily.CLASSIC, ChipFamily.TYPE4, ChipFamily.UNKNOWN})
_BY_LISTING: Final = {
    Listing.CLEAR: Assurance.A2,
    Listing.OLD: Assurance.A2,
    Listing.STALE: Assurance.A1,
    Listing.UNKNOWN: Assurance.A0,
    Listing.DENIED: Assurance.A0,
}


def assurance_of(seen: Seen) -> Assurance:
    """How sure we are."""
    by_band = _by_band(seen)
    if seen.is_id_seen:
        return Assurance.A3 if _is_lifted(seen) else Assurance.A2
    is_lifted = by_band is Assurance.A2 and seen.listing is Listing.CLEAR and _is_lifted(seen)
    return Assurance.A3 if is_lifted else by_band


def _is_lifted(seen: Seen) -> bool:
    """Whether the PIN lifts what there is."""
    is_bad = seen.standing is BandStanding.BLOCKED or seen.listing is Listing.DENIED
    return seen.pin is Pin.RIGHT and seen.lock is PinLock.OPEN and not is_bad


def _by_band(seen: Seen) -> Assurance:
    """What the band alone is worth."""
    if seen.is_uid_only or seen.family in _NEVER:
        return Assurance.A0
    columns = (_by_proof(seen), _by_standing(seen), _by_key(seen), _BY_LISTING[seen.listing])
    return min(columns, key=lambda assurance: assurance.value)


def _by_proof(seen: Seen) -> Assurance:
    match seen.proof:
        case ProofKind.MUTUAL:
            is_covered = seen.generation >= GENERATION_MIN and seen.family in _MUTUAL_A2
            return Assurance.A2 if is_covered else Assurance.A1
        case ProofKind.CRYPTOGRAM if seen.counter is Counter.NEW:
            return Assurance.A2 if seen.network is Network.ONLINE else Assurance.A1
        case ProofKind.CAPSULE:
            return Assurance.A1
        case ProofKind.CRYPTOGRAM | ProofKind.ORIGINALITY | ProofKind.NONE:
            return Assurance.A0


def _by_standing(seen: Seen) -> Assurance:
    if seen.standing is BandStanding.LINKED:
        return Assurance.A2
    is_named = (
        seen.standing is BandStanding.UNKNOWN
        and seen.proof is ProofKind.CAPSULE
        and seen.listing in (Listing.CLEAR, Listing.OLD)
    )
    return Assurance.A1 if is_named else Assurance.A0


def _by_key(seen: Seen) -> Assurance:
    if seen.proof is not ProofKind.MUTUAL or seen.key is BandKey.LEASED:
        return Assurance.A2
    is_vouched = seen.key is BandKey.REMOTE and seen.network is Network.ONLINE
    return Assurance.A2 if is_vouched else Assurance.A1


def listing_of(*, is_listed: bool, made_at: int, now: int) -> Listing:
    """What a deny list says of a band; times in microseconds since 1970, `now` as far as it can be trusted."""
    if is_listed:
        return Listing.DENIED
    age_us = now - made_at
    if age_us < -AHEAD_US:
        return Listing.UNKNOWN
    if age_us <= CLEAR_US:
        return Listing.CLEAR
    return Listing.OLD if age_us <= OLD_US else Listing.STALE


def seen_of(  # noqa: PLR0913  # what the reader said, and what is known besides
    *,
    proof: str,
    family: str,
    generation: int,
    is_uid_only: bool,
    standing: BandStanding,
    key: BandKey = BandKey.UNKNOWN,
    listing: Listing = Listing.UNKNOWN,
) -> Seen:
    """The evidence from the words of the reader process; a word this version does not know counts as the weakest."""
    return Seen(
        proof=_proofs.get(proof, ProofKind.NONE),
        family=_families.get(family, ChipFamily.UNKNOWN),
        generation=generation,
        is_uid_only=is_uid_only,
        standing=standing,
        key=key,
        listing=listing,
        # Only a centre that answered a moment ago can have been the one that proved it.
        network=Network.ONLINE if key is BandKey.REMOTE else Network.UNKNOWN,
    )


_proofs: Final = {kind.value: kind for kind in ProofKind}
_families: Final = {family.value: family for family in ChipFamily}
