"""One band, read with the fewest exchanges security allows.

    UID that stays, key leased      select, EV2First K_band (2), read                             4   MUTUAL
    UID that stays, no lease        select, EV2First K_uid (2), read                              4   NONE, with band
    random UID, key leased          select, EV2First K_uid (2), true UID, NonFirst K_band (2), read   7   MUTUAL
    random UID, no lease            select, EV2First K_uid (2), true UID, read                    5   NONE, with band
    older chip (EV1)                the same with AuthenticateAES, one exchange more, generation 1
    no application of ours          select                                                        1   NONE
    no ISO-DEP                      nothing                                                       0   NONE

What the chip says of its generation is not asked: it is what it authenticated with.
"""

from drivers.chips.desfire import Desfire, KeyRefused
from drivers.chips.framing import APPLICATION_NOT_FOUND, ILLEGAL_COMMAND, OK
from drivers.chips.identify import family_of, leasable_uid, speaks_iso_dep
from drivers.chips.uid_only import proof_of_uid
from drivers.connection import Connection
from drivers.credential.layout import AID, REFERENCE_FILE, KeySlot
from drivers.errors import BandMalformed, BandRefused, BandUnsupported
from drivers.ports import KeyProvider
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.target import Target
from hardware.entropy import Entropy

NTAG_HARDWARE = 0x04
"""Hardware type of NTAG chips in GetVersion. Source: NXP NT4H2421Gx data sheet."""


def read_band(
    connection: Connection, target: Target, keys: KeyProvider, entropy: Entropy
) -> Proof:
    """What the band in the field proves. Blocks as long as the exchanges and `keys` take.

    Raises:
        BandLeft: taken away before the last byte; nothing is known.
        BandUntrusted: it refuses a key it should hold, or a cryptogram or MAC is wrong.
        BandRefused, BandMalformed: a band of ours that is not as it should be.
        ReaderError: the machine's side failed.
    """
    if not speaks_iso_dep(target):
        return proof_of_uid(target, family_of(target))
    chip = Desfire(connection, entropy)
    try:
        status = chip.select_application(AID).status
    except BandUnsupported:
        return proof_of_uid(target, ChipFamily.UNKNOWN)
    if status == OK:
        return _read_ours(chip, target, keys)
    return proof_of_uid(target, _foreign_family(chip, status))


def _foreign_family(chip: Desfire, status: int) -> ChipFamily:
    """Which chip speaks DESFire and does not have our application."""
    if status == APPLICATION_NOT_FOUND:
        return ChipFamily.DESFIRE
    if status != ILLEGAL_COMMAND:
        return ChipFamily.UNKNOWN
    try:
        is_ntag = chip.version().hardware_type == NTAG_HARDWARE
    except (BandRefused, BandMalformed, BandUnsupported):
        return ChipFamily.UNKNOWN
    return ChipFamily.NTAG424 if is_ntag else ChipFamily.UNKNOWN


def _read_ours(chip: Desfire, target: Target, keys: KeyProvider) -> Proof:
    uid = leasable_uid(target)
    if uid is not None:
        leased = keys.band_key(uid)
        if leased is not None:
            generation = _opened(chip, KeySlot.BAND, leased.value)
            return _proof(ProofKind.MUTUAL, generation, uid, chip.read(REFERENCE_FILE))
    group = keys.group_key()
    if group is None:
        return proof_of_uid(target, ChipFamily.DESFIRE)
    try:
        generation = _opened(chip, KeySlot.UID, group.value)
    except KeyRefused:
        # Another epoch's band, or another shop's: not an attack on a key that was lent for this very band.
        return proof_of_uid(target, ChipFamily.DESFIRE)
    if uid is not None:
        return _proof(ProofKind.NONE, generation, uid, chip.read(REFERENCE_FILE))
    return _read_random(chip, generation, keys)


def _read_random(chip: Desfire, generation: int, keys: KeyProvider) -> Proof:
    uid = chip.card_uid()
    leased = keys.band_key(uid)
    if leased is None:
        return _proof(ProofKind.NONE, generation, uid, chip.read(REFERENCE_FILE))
    if generation > 1:
        chip.authenticate_ev2_non_first(KeySlot.BAND.value, leased.value)
    else:
        chip.authenticate_aes(KeySlot.BAND.value, leased.value)
    return _proof(ProofKind.MUTUAL, generation, uid, chip.read(REFERENCE_FILE))


def _opened(chip: Desfire, slot: KeySlot, key: bytes) -> int:
    """Authenticate with the newest command the chip knows; the generation that proves."""
    if chip.authenticate_ev2_first(slot.value, key):
        return 2
    chip.authenticate_aes(slot.value, key)
    return 1


def _proof(kind: ProofKind, generation: int, uid: bytes, band: bytes) -> Proof:
    return Proof(
        kind=kind, family=ChipFamily.DESFIRE, generation=generation, uid=uid, band=band
    )
