"""What is done with a band after its page is shown, while it is still there: prove it from afar, renew its capsule.

    prove_remotely   select, EV2First K_band (2, the key is elsewhere), reference      4 exchanges, two questions in between
    opened_leased    select or challenge, authenticate with the leased K_band          2 to 4

Each begins with a selection, so it does not matter what was said to the band before.

Not proved from afar, on purpose: a DESFire EV1 (AA). What it can prove is worth A1 (`kiosk/core/policy.py`), as much as the
capsule it carries, so a question to the centre would show nobody more. And an NTAG 424 in LRP mode: its code book follows from
the key in steps that a token cannot do, so whoever answers would need the key itself outside of it; such a band is proved where
its key is leased, and named by its capsule elsewhere. We issue bands in AES mode.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from drivers.chips.capsule_places import (
    Ntag424Capsule,
    UltralightAesCapsule,
    UltralightCCapsule,
)
from drivers.chips.capsules import CapsulePlace, DesfireCapsule
from drivers.chips.desfire import Desfire
from drivers.chips.framing import OK
from drivers.chips.ntag424 import Ntag424
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.ultralight_c import UltralightC
from drivers.connection import Connection
from drivers.credential.handshake import Ev2Opened
from drivers.credential.layout import AID, REFERENCE_FILE, KeySlot
from drivers.credential.places import MFUL_BAND, NTAG424_BAND, NTAG424_REFERENCE
from drivers.errors import BandUnsupported, BandUntrusted, Delivery
from drivers.ports import LeasedKey
from drivers.proof import ChipFamily, Proof, ProofKind
from hardware.entropy import Entropy

GENERATION_MIN = 2
"""The generation whose first authentication somebody else can answer (EV2First, 71)."""

Chip = Desfire | Ntag424 | UltralightAes | UltralightC


@dataclass(frozen=True, slots=True)
class FromAfar:
    """What whoever has the key answered.

    Attributes:
        token: Step 1: what to send to the chip.
        opened: Step 2: keys and identifier of the session.
    """

    token: bytes = field(default=b"", repr=False)
    opened: Ev2Opened | None = field(default=None, repr=False)


Ask = Callable[[int, bytes], FromAfar]
"""Asks whoever has the key, step 1 or 2, with what the chip said. Raises BandUntrusted where there is no answer."""


def is_provable(proof: Proof) -> bool:
    """Is it a band of ours that has a key of its own, which was not here?"""
    has_key = proof.family in (ChipFamily.DESFIRE, ChipFamily.NTAG424)
    is_named = proof.band is not None and proof.uid is not None
    return (
        proof.kind is ProofKind.NONE
        and is_named
        and has_key
        and proof.generation >= GENERATION_MIN
    )


def prove_remotely(
    connection: Connection, known: Proof, ask: Ask, entropy: Entropy
) -> tuple[Proof, Chip]:
    """Prove a band through whoever has its key; what it proved then, and its chip in a session of K_band.

    Args:
        connection: To the same band.
        known: What is known of it, `is_provable`.
        ask: Blocks as long as the answer takes.
        entropy: Not used by the chip: the random numbers are drawn where the key is.

    Raises:
        BandUntrusted: it did not prove itself, or whoever has the key did not say so.
        BandUnsupported: it does not know the command, or speaks LRP, which is not answered from afar.
        DriverError: as the chip raises.
    """
    chip: Desfire | Ntag424
    if known.family is ChipFamily.NTAG424:
        chip = Ntag424(connection, entropy)
        band = _ntag424_opened(chip, ask)
    else:
        chip = Desfire(connection, entropy)
        band = _desfire_opened(chip, ask)
    if band != known.band:
        raise BandUntrusted("it is another band than a moment ago", delivery=Delivery.UNKNOWN)
    return replace(known, kind=ProofKind.MUTUAL, generation=GENERATION_MIN, capsule=None), chip


def _desfire_opened(chip: Desfire, ask: Ask) -> bytes:
    if chip.select_application(AID).status != OK:
        raise BandUnsupported("it has no application of ours", delivery=Delivery.REFUSED)
    challenge = chip.begin_ev2_first(KeySlot.BAND.value)
    if challenge is None:
        raise BandUnsupported("it is older than the command", delivery=Delivery.REFUSED)
    last = chip.answer_challenge(ask(1, challenge).token)
    chip.adopt(_session_of(ask(2, last)), slot=KeySlot.BAND.value)
    return chip.read(REFERENCE_FILE)


def _ntag424_opened(chip: Ntag424, ask: Ask) -> bytes:
    if not chip.select():
        raise BandUnsupported("it has no application of ours", delivery=Delivery.REFUSED)
    challenge = chip.begin_first(NTAG424_BAND)
    if challenge.is_lrp:
        raise BandUnsupported("LRP is not answered from afar", delivery=Delivery.REFUSED)
    last = chip.answer_challenge(ask(1, challenge.random).token)
    chip.adopt(_session_of(ask(2, last)), slot=NTAG424_BAND)
    return chip.read(NTAG424_REFERENCE)


def _session_of(answer: FromAfar) -> Ev2Opened:
    if answer.opened is None:
        raise BandUntrusted("whoever has the key did not prove it", delivery=Delivery.UNKNOWN)
    return answer.opened


def opened_leased(
    connection: Connection, known: Proof, leased: LeasedKey, entropy: Entropy
) -> Chip:
    """The chip of a band, in a session of its leased K_band. Raises DriverError as the chip does."""
    match known.family:
        case ChipFamily.NTAG424:
            ntag = Ntag424(connection, entropy)
            ntag.select()
            ntag.authenticate_first(NTAG424_BAND, leased.value)
            return ntag
        case ChipFamily.ULTRALIGHT_AES:
            of_aes = UltralightAes(connection, entropy)
            of_aes.authenticate(MFUL_BAND, leased.value)
            return of_aes
        case ChipFamily.ULTRALIGHT_C:
            of_c = UltralightC(connection, entropy)
            of_c.authenticate(leased.value)
            return of_c
        case ChipFamily.DESFIRE:
            return _desfire_leased(Desfire(connection, entropy), leased)
        case _:
            raise BandUnsupported("it has no key of its own", delivery=Delivery.NOT_SENT)


def _desfire_leased(chip: Desfire, leased: LeasedKey) -> Desfire:
    if chip.select_application(AID).status != OK:
        raise BandUnsupported("it has no application of ours", delivery=Delivery.REFUSED)
    if not chip.authenticate_ev2_first(KeySlot.BAND.value, leased.value):
        chip.authenticate_aes(KeySlot.BAND.value, leased.value)
    return chip


def capsule_place_of(chip: Chip) -> CapsulePlace:
    """Where this chip keeps its capsule."""
    match chip:
        case Desfire():
            return DesfireCapsule(chip)
        case Ntag424():
            return Ntag424Capsule(chip)
        case UltralightAes():
            return UltralightAesCapsule(chip)
        case UltralightC():
            return UltralightCCapsule(chip)
        case _:
            assert_never(chip)
