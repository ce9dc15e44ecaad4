"""What is done with a band after its page is shown, while it is still there: prove it from afar, renew its capsule.

    prove_remotely   select, authenticate with K_band (2, the key is elsewhere), reference    4 exchanges, two questions in between
                     Ultralight AES: nothing to select                                      3
    opened_leased    select or challenge, authenticate with the leased K_band                 2 to 4

Each begins with a selection or a new authentication, so it does not matter what was said to the band before. How a chip proves
itself from afar is its dialect (`drivers.credential.afar`). A DESFire is asked in the one it already spoke: whoever stands
between and refuses the newer command makes a proof fail, not a weaker one.

An EV1 that proved itself is worth A1 (`kiosk/core/policy.py`): more than a band without a capsule that holds, and it is no
copy. Of an Ultralight AES nothing can be read without K_band, so without a lease this is the only way to know whose it is.
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
from drivers.chips.unissued import needed
from drivers.connection import Connection
from drivers.credential.afar import Dialect, OneSession
from drivers.credential.handshake import Ev2Opened
from drivers.credential.kdf import SessionKeys
from drivers.credential.layout import AID, KEY_SIZE, REFERENCE_FILE, KeySlot
from drivers.credential.lrp_session import LrpOpened, LrpSession
from drivers.credential.mful import MfulSession
from drivers.credential.places import (
    MFUL_BAND,
    NTAG424_BAND,
    NTAG424_REFERENCE,
    REFERENCE_PAGE,
)
from drivers.errors import BandUnsupported, BandUntrusted, Delivery
from drivers.ports import LeasedKey
from drivers.proof import ChipFamily, Proof, ProofKind
from hardware.entropy import Entropy

EV2 = 2
"""The first generation that knows EV2First (71)."""

_NAMED = frozenset({ChipFamily.DESFIRE, ChipFamily.NTAG424})
"""Chips whose reference can be read with the key every kiosk has."""

Chip = Desfire | Ntag424 | UltralightAes | UltralightC


@dataclass(frozen=True, slots=True)
class FromAfar:
    """What whoever has the key answered.

    Attributes:
        token: Step 1: what to send to the chip.
        session: Step 2: what opens the session.
    """

    token: bytes = field(default=b"", repr=False)
    session: OneSession | None = field(default=None, repr=False)


Ask = Callable[[Dialect, int, bytes], FromAfar]
"""Asks whoever has the key, step 1 or 2, with what the chip said. Raises BandUntrusted where there is no answer."""


def is_provable(proof: Proof) -> bool:
    """Is it a band of ours, or may it be one, that has a key of its own, which was not here?"""
    if proof.uid is None or proof.kind in (ProofKind.MUTUAL, ProofKind.CRYPTOGRAM):
        return False
    if proof.family is ChipFamily.ULTRALIGHT_AES:
        return True
    return proof.family in _NAMED and proof.band is not None


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
        BandUnsupported: it does not know the command.
        DriverError: as the chip raises.
    """
    chip: Desfire | Ntag424 | UltralightAes
    generation = EV2
    match known.family:
        case ChipFamily.NTAG424:
            chip = Ntag424(connection, entropy)
            band = _ntag424_opened(chip, ask)
        case ChipFamily.ULTRALIGHT_AES:
            chip = UltralightAes(connection, entropy)
            band = _ultralight_aes_opened(chip, ask)
        case _:
            chip = Desfire(connection, entropy)
            generation = min(known.generation, EV2)
            band = _desfire_opened(chip, ask, is_ev2=generation == EV2)
    if known.band not in (None, band):
        raise BandUntrusted("it is another band than a moment ago", delivery=Delivery.UNKNOWN)
    proved = replace(
        known, kind=ProofKind.MUTUAL, generation=generation, band=band, capsule=None
    )
    return proved, chip


def _desfire_opened(chip: Desfire, ask: Ask, *, is_ev2: bool) -> bytes:
    if chip.select_application(AID).status != OK:
        raise BandUnsupported("it has no application of ours", delivery=Delivery.REFUSED)
    slot = KeySlot.BAND.value
    challenge = chip.begin_ev2_first(slot) if is_ev2 else chip.begin_aes(slot)
    if challenge is None:
        raise BandUnsupported("it knew the command a moment ago", delivery=Delivery.REFUSED)
    dialect = Dialect.EV2 if is_ev2 else Dialect.EV1
    session = _agreed(dialect, challenge, chip.answer_challenge, ask)
    if is_ev2:
        chip.adopt(_ev2_of(session), slot=slot)
    else:
        chip.adopt_ev1(session.keys, slot=slot)
    return chip.read(REFERENCE_FILE)


def _ntag424_opened(chip: Ntag424, ask: Ask) -> bytes:
    if not chip.select():
        raise BandUnsupported("it has no application of ours", delivery=Delivery.REFUSED)
    challenge = chip.begin_first(NTAG424_BAND)
    dialect = Dialect.LRP if challenge.is_lrp else Dialect.EV2
    session = _agreed(dialect, challenge.random, chip.answer_challenge, ask)
    if challenge.is_lrp:
        opened = LrpSession.of(LrpOpened(session.keys, session.ti))
        chip.adopt_lrp(opened, slot=NTAG424_BAND)
    else:
        chip.adopt(_ev2_of(session), slot=NTAG424_BAND)
    return needed(chip.read(NTAG424_REFERENCE))


def _ultralight_aes_opened(chip: UltralightAes, ask: Ask) -> bytes:
    session = _agreed(Dialect.MFUL, chip.begin(MFUL_BAND), chip.answer_challenge, ask)
    chip.adopt(MfulSession(session.keys))
    return needed(chip.read(REFERENCE_PAGE))


def _agreed(
    dialect: Dialect, challenge: bytes, answer: Callable[[bytes], bytes], ask: Ask
) -> OneSession:
    """Both questions, with the chip's answer in between. Raises BandUntrusted."""
    last = answer(ask(dialect, 1, challenge).token)
    session = ask(dialect, 2, last).session
    if session is None:
        raise BandUntrusted("whoever has the key did not prove it", delivery=Delivery.UNKNOWN)
    return session


def _ev2_of(session: OneSession) -> Ev2Opened:
    keys = SessionKeys(session.keys[:KEY_SIZE], session.keys[KEY_SIZE:])
    return Ev2Opened(keys, session.ti)


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
    chip.authenticate(KeySlot.BAND.value, leased.value)
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
