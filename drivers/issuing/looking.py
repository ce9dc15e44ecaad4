"""What a band says to a person who has no plan at hand: which chip it is, whether it is ours, what stands where we keep things.

    ask which chip it is -> of a kind we issue: look at it with each ring of keys there is, the shop's own first, until one fits
                         -> of another kind: say so, and who signed its UID where its maker signs

Nothing is written, and no signature is asked for: a chip that is refused elsewhere is read here all the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
from drivers.proof import ChipFamily
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.target import Target, Technology
from hardware.entropy import Entropy

Lines = tuple[tuple[str, str], ...]

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
    """

    keys: StationKeys = field(repr=False)
    words: str


def told(
    reader: Reader,
    target: Target,
    rings: Sequence[Ring],
    *,
    entropy: Entropy,
    is_uid_shown: bool = False,
    work: Callable[[Connection, Target, Means], BandWork] = work_of,
) -> Lines:
    """What the band on the reader says, name by name.

    Args:
        reader: It lies on this one.
        target: As the reader found it.
        rings: Keys to try, in this order.
        entropy: Where random numbers come from.
        is_uid_shown: Say its UID; a person asked for it.
        work: How a band is worked on.

    Raises:
        DriverError: as reader and band raise.
    """
    connection = reader.connect(target)
    chip = identify(connection, target)
    head = (("chip", chip.name), ("UID", _uid(target, is_shown=is_uid_shown)))
    issued = ISSUED_CHIPS.get(chip.family)
    if issued is None:
        signed = _signed(connection, target) if chip.family in SIGNED_TYPE_2 else ()
        return (*head, *signed, ("ours", "no: bands of this kind are not issued"))
    if not rings:
        return (*head, ("ours", "not known: the keys of bands are not here (--keys, --token)"))
    reasons = []
    for ring in rings:
        for plan in _plans(issued):
            target = _anew(reader)
            means = Means(plan, ring.keys, entropy, is_only_read=True)
            try:
                held = work(reader.connect(target), target, means)
                return (*head, *_inside(held, ring, plan, is_uid_shown=is_uid_shown))
            except BandRejected as error:
                reasons.append(str(error))
    return (*head, ("ours", f"no: {reasons[0]}"))


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


def _inside(work: BandWork, ring: Ring, plan: Plan, *, is_uid_shown: bool) -> Lines:
    """What it says to keys that fit. Raises BandRejected where they do not."""
    found = work.survey()
    if found.reference:
        ours = ring.words
    elif found.steps == whole_of(plan):
        ours = "no: nothing of ours is on it, and the key of the factory opens it"
    else:
        ours = f"{ring.words}, by its keys; it has no id: begun and not whole, or retired"
    lines = tuple((name, value) for name, value in work.told() if name != "chip")
    uid = (("true UID", found.uid.hex()),) if is_uid_shown else ()
    return (("ours", ours), *uid, *lines)


def _uid(target: Target, *, is_shown: bool) -> str:
    if not any(target.uid):
        return "none that stays"
    if not has_true_uid(target):
        return "random"
    if target.technology is Technology.FELICA:
        kind = f"{len(target.uid)} bytes (IDm)"
    else:
        kind = f"{len(target.uid)} bytes"
    return f"{target.uid.hex()}, {kind}" if is_shown else f"{kind}, not shown"


def _signed(connection: Connection, target: Target) -> Lines:
    try:
        maker = maker_of(target.uid, Type2(connection).signature(), KEYS)
    except BandError:
        return (("signature", "none"),)
    return (("signature", "of its maker" if maker is not None else "of nobody we know"),)
