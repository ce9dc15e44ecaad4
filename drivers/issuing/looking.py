"""What a band says where nobody has a plan at hand: which chip it is, whether it is ours, what stands where we keep things.

    ask which chip it is -> of a kind we issue: look at it with each ring of keys there is, the shop's own first, until one fits
                         -> of another kind: say so, and who signed its UID where its maker signs

Nothing is written, and no signature is asked for: a chip that is refused elsewhere is read here all the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from drivers.chips.identify import has_true_uid, identify
from drivers.chips.type2 import Type2
from drivers.connection import Connection
from drivers.credential.originality import KEYS, maker_of
from drivers.errors import BandError, BandLeft
from drivers.issuing.desfire import Means
from drivers.issuing.errors import BandRejected
from drivers.issuing.plan import Chip, FactoryKey, Plan
from drivers.issuing.ports import StationKeys
from drivers.issuing.station import BandWork, whole_of, work_of
from drivers.issuing.telling import Lines, Told
from drivers.proof import ChipFamily
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.target import Target, Technology
from hardware.entropy import Entropy

ISSUED_CHIPS: Final = {
    ChipFamily.DESFIRE: Chip.DESFIRE,
    ChipFamily.NTAG424: Chip.NTAG424,
    ChipFamily.ULTRALIGHT_AES: Chip.ULTRALIGHT_AES,
}
"""The kinds of chip that can be issued."""

SIGNED_TYPE_2: Final = (ChipFamily.NTAG21X, ChipFamily.ULTRALIGHT)
"""The kinds that only carry their maker's signature."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Keys a band may be of.

    Attributes:
        keys: The keys.
        words: What a band is that they open.
        is_practice: They are only practised with.
    """

    keys: StationKeys = field(repr=False)
    words: str
    is_practice: bool = False


class Uid(Enum):
    """What kind of UID it showed. The values are printed."""

    FIXED = "fixed"
    IDM = "idm"
    RANDOM = "random"
    NONE = "none"


class Signed(Enum):
    """Who signed its UID, where only its maker could say so. The values are printed."""

    MAKER = "maker"
    UNKNOWN = "unknown"
    NONE = "none"


_SIGNED_WORDS: Final = {
    Signed.MAKER: "of its maker",
    Signed.UNKNOWN: "of nobody we know",
    Signed.NONE: "none",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What is seen of a band.

    Attributes:
        chip: Which chip, in words.
        family: Its kind.
        shows: What kind of UID it shows.
        uid: That UID.
        is_ours: It bears our keys; None where no key that may be its own was at hand.
        ours: The same in words, with the reason.
        is_practice: It was made to practise with.
        signed: Who signed its UID; None where that was not asked.
        true_uid: The UID behind the one it shows; empty where no key told it.
        told: What it said to our keys; None without.
    """

    chip: str
    family: ChipFamily
    shows: Uid
    uid: bytes = field(repr=False)
    is_ours: bool | None
    ours: str
    is_practice: bool = False
    signed: Signed | None = None
    true_uid: bytes = field(default=b"", repr=False)
    told: Told | None = None

    def lines(self, *, is_uid_shown: bool = False) -> Lines:
        """Name by name, in words. `is_uid_shown`: a person asked for the UID, which names the band for ever."""
        signed = () if self.signed is None else (("signature", _SIGNED_WORDS[self.signed]),)
        true_uid = (
            (("true UID", self.true_uid.hex()),) if is_uid_shown and self.true_uid else ()
        )
        told = () if self.told is None else self.told.lines()[1:]
        return (
            ("chip", self.chip),
            ("UID", self._uid_words(is_shown=is_uid_shown)),
            *signed,
            ("ours", self.ours),
            *true_uid,
            *told,
        )

    def fields(self, *, is_uid_shown: bool = False) -> dict[str, object]:
        """The same for a program; null for what was not said, and for UIDs that are not shown."""
        stays = self.shows in (Uid.FIXED, Uid.IDM)
        said = self.told or Told(self.chip, "", has_random_uid=self.shows is Uid.RANDOM)
        return {
            "chip": self.chip,
            "family": self.family.value,
            "uid": {
                "kind": self.shows.value,
                "bytes": len(self.uid),
                "value": self.uid.hex() if is_uid_shown and stays else None,
            },
            "true_uid": self.true_uid.hex() if is_uid_shown and self.true_uid else None,
            "signature": None if self.signed is None else self.signed.value,
            "ours": self.is_ours,
            "practice": self.is_practice,
            "reason": self.ours,
            **said.fields(),
        }

    def _uid_words(self, *, is_shown: bool) -> str:
        if self.shows is Uid.NONE:
            return "none that stays"
        if self.shows is Uid.RANDOM:
            return "random"
        kind = f"{len(self.uid)} bytes" + (" (IDm)" if self.shows is Uid.IDM else "")
        return f"{self.uid.hex()}, {kind}" if is_shown else f"{kind}, not shown"


def looked(
    reader: Reader,
    target: Target,
    rings: Sequence[Ring],
    *,
    entropy: Entropy,
    work: Callable[[Connection, Target, Means], BandWork] = work_of,
) -> Looked:
    """What the band on the reader is, and what it says.

    Args:
        reader: It lies on this one.
        target: As the reader found it.
        rings: Keys to try, in this order.
        entropy: Where random numbers come from.
        work: How a band is worked on.

    Raises:
        DriverError: as reader and band raise.
    """
    connection = reader.connect(target)
    chip = identify(connection, target)
    seen = Looked(
        chip.name, chip.family, _kind_of(target), target.uid,
        is_ours=False, ours="no: bands of this kind are not issued",
    )  # fmt: skip
    issued = ISSUED_CHIPS.get(chip.family)
    if issued is None:
        is_signed = chip.family in SIGNED_TYPE_2
        return replace(seen, signed=_signed(connection, target)) if is_signed else seen
    if not rings:
        words = "not known: the keys of bands are not here (--keys, --token)"
        return replace(seen, is_ours=None, ours=words)
    reasons = []
    for ring in rings:
        for plan in _plans(issued):
            target = _anew(reader)
            means = Means(plan, ring.keys, entropy, is_only_read=True)
            try:
                held = work(reader.connect(target), target, means)
                return _inside(seen, held, ring, plan)
            except BandRejected as error:
                reasons.append(str(error))
    return replace(seen, ours=f"no: {reasons[0]}")


def _plans(chip: Chip) -> tuple[Plan, ...]:
    """A plan for each way the chip may have been delivered."""
    kinds = tuple(FactoryKey) if chip is Chip.DESFIRE else (FactoryKey.DES,)
    return tuple(Plan(chip=chip, generation_min=1, factory_key=kind) for kind in kinds)


def _anew(reader: Reader) -> Target:
    """The band, activated anew: one that refused a key may not speak before."""
    target = reader.wait_for_target(WAIT_MS_MAX)
    if target is None:
        raise BandLeft("it left before it was read")
    return target


def _inside(seen: Looked, work: BandWork, ring: Ring, plan: Plan) -> Looked:
    """What it says to keys that fit. Raises BandRejected where they do not."""
    found = work.survey()
    is_ours = bool(found.reference) or found.steps != whole_of(plan)
    if found.reference:
        ours = ring.words
    elif is_ours:
        ours = f"{ring.words}, by its keys; it has no id: begun and not whole, or retired"
    else:
        ours = "no: nothing of ours is on it, and the key of the factory opens it"
    return replace(
        seen, is_ours=is_ours, ours=ours, is_practice=is_ours and ring.is_practice,
        true_uid=found.uid, told=work.told(),
    )  # fmt: skip


def _kind_of(target: Target) -> Uid:
    if not any(target.uid):
        return Uid.NONE
    if not has_true_uid(target):
        return Uid.RANDOM
    return Uid.IDM if target.technology is Technology.FELICA else Uid.FIXED


def _signed(connection: Connection, target: Target) -> Signed:
    try:
        maker = maker_of(target.uid, Type2(connection).signature(), KEYS)
    except BandError:
        return Signed.NONE
    return Signed.UNKNOWN if maker is None else Signed.MAKER
