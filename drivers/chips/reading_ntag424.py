"""One NTAG 424 DNA, read with the fewest exchanges security allows; the same in AES and in LRP mode.

    UID that stays, key leased   select, first K_band (2), reference, counter                              5   MUTUAL
    UID that stays, no lease     select, first K_uid (2), reference and capsule                            4   NONE, with band
    random UID, key leased       select, first K_uid (2), true UID, following K_band (2), reference, counter  8   MUTUAL
    random UID, no lease         select, first K_uid (2), true UID, reference and capsule                  5   NONE, with band
    key of another version       three more, then as without a lease; with a random UID five more
    no group key, or not its     select, first K_uid (2)                                                   1 to 3   NONE
    no such application          select                                                                    1   None

The counter is what the chip can witness of its use, see `counting`.
"""

import contextlib

from drivers.chips.counting import Ntag424Uses
from drivers.chips.desfire import KeyRefused
from drivers.chips.identify import leasable_uid
from drivers.chips.ntag424 import Ntag424
from drivers.chips.uid_only import proof_of_uid
from drivers.chips.unissued import needed
from drivers.connection import Connection
from drivers.credential.capsule import contained
from drivers.credential.places import (
    CAPSULE_OFFSET,
    CONTENT_FILE,
    NTAG424_BAND,
    NTAG424_REFERENCE,
    NTAG424_UID,
)
from drivers.errors import BandMalformed, BandRefused, BandUnsupported, KeyUnknown
from drivers.ports import KeyProvider, LeasedKey
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.target import Target
from hardware.entropy import Entropy

GENERATION = 2
"""Its messaging is that of EV2."""

NO_COUNTER = 0x919D
"""Status of a chip that was encoded without a link, so without a counter. Source: NXP NT4H2421Gx data sheet, table 77."""


def read_ntag424(
    connection: Connection, target: Target, keys: KeyProvider, entropy: Entropy
) -> Proof | None:
    """What an NTAG 424 in the field proves; None when it has no NDEF application, so is none.

    Blocks as long as the exchanges and `keys` take.

    Raises:
        BandLeft: taken away before the last byte; nothing is known.
        BandUntrusted: it refuses a key it should hold, or a cryptogram or MAC is wrong.
        BandRefused, BandMalformed: a band of ours that is not as it should be.
        ReaderError: the machine's side failed.
    """
    chip = Ntag424(connection, entropy)
    if not chip.select():
        return None
    try:
        return _read(chip, target, keys)
    except BandUnsupported:
        # A telephone that agreed to be selected, or somebody else's band with NDEF.
        return proof_of_uid(target, ChipFamily.TYPE4)


def _read(chip: Ntag424, target: Target, keys: KeyProvider) -> Proof:
    uid = leasable_uid(target)
    leased = None if uid is None else keys.band_key(uid)
    if uid is not None and leased is not None:
        try:
            _open(chip, leased)
        except KeyUnknown:
            pass
        else:
            return _proved(chip, uid)
    return _read_with_group_key(chip, target, keys)


def _open(chip: Ntag424, leased: LeasedKey) -> None:
    """Open with the leased key. Raises KeyUnknown when the chip holds another version of it, else KeyRefused."""
    try:
        if chip.is_open:
            chip.authenticate_following(NTAG424_BAND, leased.value)
        else:
            chip.authenticate_first(NTAG424_BAND, leased.value)
    except KeyRefused:
        with contextlib.suppress(BandRefused, BandMalformed):
            chip.check_key_version(NTAG424_BAND, leased.version)
        raise


def _read_with_group_key(chip: Ntag424, target: Target, keys: KeyProvider) -> Proof:
    group = keys.group_key()
    if group is None:
        return proof_of_uid(target, ChipFamily.NTAG424)
    try:
        chip.authenticate_first(NTAG424_UID, group.value)
    except (KeyRefused, BandRefused):
        # Somebody else's: no attack on a key that was lent for this very band.
        return proof_of_uid(target, ChipFamily.NTAG424)
    uid = leasable_uid(target)
    if uid is not None:
        return _known(chip, uid)
    uid = chip.card_uid()
    leased = keys.band_key(uid)
    if leased is None:
        return _known(chip, uid)
    try:
        _open(chip, leased)
    except KeyUnknown:
        chip.authenticate_first(NTAG424_UID, group.value)
        return _known(chip, uid)
    return _proved(chip, uid)


def _known(chip: Ntag424, uid: bytes) -> Proof:
    """Reference and capsule, read with the key every kiosk has: whose band it says it is."""
    content = chip.read(CONTENT_FILE)
    try:
        capsule = contained(content[CAPSULE_OFFSET:])
    except BandMalformed:
        capsule = None  # it says nothing, and the band is still whose it says
    return Proof(
        kind=ProofKind.NONE,
        family=ChipFamily.NTAG424,
        generation=GENERATION,
        uid=uid,
        band=needed(content[:CAPSULE_OFFSET]),
        capsule=capsule,
    )


def _proved(chip: Ntag424, uid: bytes) -> Proof:
    reference = needed(chip.read(NTAG424_REFERENCE))
    try:
        uses = Ntag424Uses(chip).uses()
    except BandRefused as error:
        if error.status != NO_COUNTER:
            raise
        uses = None
    return Proof(
        kind=ProofKind.MUTUAL,
        family=ChipFamily.NTAG424,
        generation=GENERATION,
        uid=uid,
        band=reference,
        counter=uses,
        uses=uses,
    )
