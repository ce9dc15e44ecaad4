"""One band, read with the fewest exchanges security allows.

    DESFire, UID that stays, key leased   select, EV2First K_band (2), reference                              4   MUTUAL
             UID that stays, no lease     select, EV2First K_uid (2), capsule, which names its band           4   NONE, with band
             random UID, key leased       select, EV2First K_uid (2), true UID, NonFirst K_band (2), reference   7   MUTUAL
             random UID, no lease         select, EV2First K_uid (2), true UID, capsule                       5   NONE, with band
             older chip (EV1)             the same with AuthenticateAES, one exchange more, generation 1; capsule (3)
             a long capsule               one more
             no capsule that names it     one more, for the reference
             key of another version       three more, then as without a lease; with a random UID five more
             no application of ours       select                                                              1   NONE
    it was broken off before     select once more
    NTAG 424                              see `reading_ntag424`; where its ATS does not say so, one more      1 to 9
    Type 2                                see `reading_pages`                                                 0 to 7
    telephone, Type 4 of somebody else    select, select NDEF                                                 2   NONE
    FeliCa, Classic, others               nothing                                                             0   NONE

What the chip says of its generation is not asked: it is what it authenticated with. The capsule is read only where it is all
there will be to say who this is; a band whose key is here is known by its reference.
"""

import contextlib
from collections.abc import Iterator

from drivers.chips.desfire import Desfire, KeyRefused
from drivers.chips.framing import APPLICATION_NOT_FOUND, ILLEGAL_COMMAND, NATIVE_SW1, OK
from drivers.chips.identify import family_of, leasable_uid, may_be_ntag424
from drivers.chips.reading_ntag424 import read_ntag424
from drivers.chips.reading_pages import read_pages
from drivers.chips.uid_only import proof_of_uid
from drivers.chips.unissued import NO_ID, NotIssued, needed
from drivers.connection import Connection
from drivers.credential.capsule import HEAD_SIZE, contained_behind, n_missing_behind, named
from drivers.credential.layout import AID, CAPSULE_FILE, REFERENCE_FILE, KeySlot
from drivers.errors import BandMalformed, BandRefused, BandUnsupported, KeyUnknown
from drivers.ports import KeyProvider, LeasedKey
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.target import Target, Technology
from hardware.entropy import Entropy


def read_band(
    connection: Connection, target: Target, keys: KeyProvider, entropy: Entropy
) -> Proof:
    """What the band in the field proves. Blocks as long as the exchanges and `keys` take.

    Raises:
        BandLeft: taken away before the last byte; nothing is known.
        BandUntrusted: it refuses a key it should hold, or a cryptogram or MAC is wrong.
        NotIssued: a band of ours without an id: retired, or begun and not whole.
        BandRefused, BandMalformed: a band of ours that is not as it should be.
        ReaderError: the machine's side failed.
    """
    if target.technology is Technology.ISO_DEP:
        if may_be_ntag424(target):
            proof = read_ntag424(connection, target, keys, entropy)
            if proof is not None:
                return proof
        return _read_iso_dep(connection, target, keys, entropy)
    if target.technology is Technology.TYPE_2:
        return read_pages(connection, target, keys, entropy)
    return proof_of_uid(target, family_of(target))


FILE_NOT_FOUND = 0xF0

COMMAND_ABORTED = 0xCA
"""The chip still waited for the rest of an earlier command, and drops that now. Source: MF3ICD81 data sheet, status codes.

Not every reader activates a band anew that broke an exchange off and is still there.
"""


def _read_iso_dep(
    connection: Connection, target: Target, keys: KeyProvider, entropy: Entropy
) -> Proof:
    chip = Desfire(connection, entropy)
    try:
        status = chip.select_application(AID).status
        if status == COMMAND_ABORTED:
            status = chip.select_application(AID).status
    except BandUnsupported:
        status = ILLEGAL_COMMAND
    if status == OK:
        return _read_ours(chip, target, keys)
    if status == APPLICATION_NOT_FOUND:
        return proof_of_uid(target, ChipFamily.DESFIRE)
    # No DESFire: an NTAG 424 on a reader that does not tell the ATS, a telephone, or somebody else's.
    proof = None if may_be_ntag424(target) else read_ntag424(connection, target, keys, entropy)
    return proof_of_uid(target, ChipFamily.UNKNOWN) if proof is None else proof


def _read_ours(chip: Desfire, target: Target, keys: KeyProvider) -> Proof:
    uid = leasable_uid(target)
    if uid is not None:
        leased = keys.band_key(uid)
        if leased is not None:
            with contextlib.suppress(KeyUnknown):
                return _proved(chip, _opened_leased(chip, leased), uid)
    group = keys.group_key()
    if group is None:
        return proof_of_uid(target, ChipFamily.DESFIRE)
    try:
        generation = _opened(chip, KeySlot.UID, group)
    except KeyRefused:
        # Another epoch's band, or another shop's: not an attack on a key that was lent for this very band.
        return proof_of_uid(target, ChipFamily.DESFIRE)
    if uid is not None:
        return _known(chip, generation, uid, group)
    return _read_random(chip, generation, keys, group)


def _read_random(chip: Desfire, generation: int, keys: KeyProvider, group: LeasedKey) -> Proof:
    uid = chip.card_uid()
    leased = keys.band_key(uid)
    if leased is not None:
        with contextlib.suppress(KeyUnknown):
            return _proved(chip, _opened_next(chip, generation, leased), uid)
        _opened(chip, KeySlot.UID, group)
    return _known(chip, generation, uid, group)


def _opened_leased(chip: Desfire, leased: LeasedKey) -> int:
    """Authenticate with the leased key. Raises KeyUnknown when the chip holds another version of it, else KeyRefused."""
    with _telling_versions(chip, leased):
        return _opened(chip, KeySlot.BAND, leased)


def _opened_next(chip: Desfire, generation: int, leased: LeasedKey) -> int:
    """The same in the transaction that the group key began, by the command of that generation."""
    with _telling_versions(chip, leased):
        if generation > 1:
            chip.authenticate_ev2_non_first(KeySlot.BAND, leased.value)
        else:
            chip.authenticate_aes(KeySlot.BAND, leased.value)
    return generation


@contextlib.contextmanager
def _telling_versions(chip: Desfire, leased: LeasedKey) -> Iterator[None]:
    """Tell a key the chip does not hold any more, KeyUnknown, from one it should hold."""
    try:
        yield
    except KeyRefused:
        with contextlib.suppress(BandRefused, BandMalformed):
            chip.check_key_version(KeySlot.BAND, leased.version)
        raise


def _opened(chip: Desfire, slot: KeySlot, key: LeasedKey) -> int:
    """Authenticate with the newest command the chip knows; the generation that proves."""
    if chip.authenticate_ev2_first(slot, key.aes):
        return 2
    chip.authenticate_aes(slot, key.value)
    return 1


def _proved(chip: Desfire, generation: int, uid: bytes) -> Proof:
    band = _reference(chip)
    return Proof(ProofKind.MUTUAL, ChipFamily.DESFIRE, generation, uid, band)


def _reference(chip: Desfire) -> bytes:
    """The band's id. Raises NotIssued where the file of it is gone, or empty."""
    try:
        return needed(chip.read(REFERENCE_FILE))
    except BandRefused as error:
        if error.status != NATIVE_SW1 << 8 | FILE_NOT_FOUND:
            raise
        raise NotIssued(NO_ID, status=error.status) from error


def _known(chip: Desfire, generation: int, uid: bytes, group: LeasedKey) -> Proof:
    """Whose band it says it is, read with the key every kiosk has: capsule, and reference where that does not name it."""
    try:
        capsule = _capsule(chip)
    except (BandMalformed, BandRefused):
        capsule = None  # it says nothing, and the band is still whose it says
    band = None if capsule is None else named(capsule)
    if band is None:
        if not chip.is_open:
            _opened(chip, KeySlot.UID, group)
        band = _reference(chip)
    return Proof(ProofKind.NONE, ChipFamily.DESFIRE, generation, uid, band, capsule=capsule)


FIRST_SIZE = 127
"""Bytes of a capsule that are read first: a name and the parts of a common thread fit, and enciphered they are whole blocks, eight.

They begin behind the head, which is known. A byte takes 85 us on the air and 87 on a line at 115200 baud; a second read, for
longer ones, 51 bytes and what is missing.
"""


def _capsule(chip: Desfire) -> bytes | None:
    """The capsule, read as far as it goes: it says itself where it ends. Raises BandMalformed, BandRefused."""
    content = chip.read(CAPSULE_FILE, offset=HEAD_SIZE, size=FIRST_SIZE)
    n_missing = n_missing_behind(content)
    if n_missing:
        content += chip.read(CAPSULE_FILE, offset=HEAD_SIZE + FIRST_SIZE, size=n_missing)
    return contained_behind(content)
