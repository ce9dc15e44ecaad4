"""One band of pages, Type 2, read with the fewest exchanges security allows.

    UID that stays, key leased   challenge, its answer, reference, counter                     4   MUTUAL      Ultralight AES, C
                                 challenge that is refused, signature                          2   ORIGINALITY no keys: NTAG 21x
    UID that stays, no lease     signature                                                     1   ORIGINALITY or NONE
    random UID, key leased       K_uid (2), true UID, K_band (2), reference, counter           7   MUTUAL      Ultralight AES
    random UID, no lease         K_uid (2), true UID                                           3   NONE
    reader that only reads       nothing                                                       0   NONE

The size of a challenge says which Ultralight it is. Where no key is lent nothing of it can be read: only K_band reads a band
of pages. A chip without keys whose key is lent is no attack: its band may be an NTAG 21x, and it counts for no more than that.
"""

from collections.abc import Mapping

from drivers.chips.counting import UltralightAesUses, UltralightCUses, UseCounter
from drivers.chips.desfire import KeyRefused
from drivers.chips.identify import (
    RANDOM_UID_FIRST,
    RANDOM_UID_SIZE,
    family_of,
    has_true_uid,
)
from drivers.chips.type2 import Type2, challenge
from drivers.chips.uid_only import proof_of_uid
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.ultralight_c import UltralightC
from drivers.chips.unissued import needed
from drivers.connection import Connection
from drivers.credential.kdf import BLOCK
from drivers.credential.originality import KEYS, Maker, maker_of
from drivers.credential.places import MFUL_BAND, MFUL_UID, REFERENCE_PAGE
from drivers.errors import BandMalformed, BandRefused, BandSilent, BandUnsupported
from drivers.ports import KeyProvider, LeasedKey
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.target import Target
from hardware.entropy import Entropy

SIGNED_FAMILIES = {
    Maker.NTAG21X: ChipFamily.NTAG21X,
    Maker.ULTRALIGHT_EV1: ChipFamily.ULTRALIGHT,
    Maker.ULTRALIGHT_AES: ChipFamily.ULTRALIGHT_AES,
}
"""Which chip it is whose UID a maker's key signed."""


def read_pages(
    connection: Connection,
    target: Target,
    keys: KeyProvider,
    entropy: Entropy,
    *,
    makers: Mapping[Maker, bytes] = KEYS,
) -> Proof:
    """What a Type 2 band in the field proves. Blocks as long as the exchanges and `keys` take.

    Args:
        connection: The way to the band.
        target: What the reader saw.
        keys: Keys lent to this shop.
        entropy: Our random numbers.
        makers: Public keys signatures are held against; others than the makers' only where chips are virtual.

    Raises:
        BandLeft: taken away before the last byte; nothing is known.
        BandUntrusted: it refuses a key it should hold, or a cryptogram or MAC is wrong.
        BandRefused, BandMalformed: a band of ours that is not as it should be.
        ReaderError: the machine's side failed.
    """
    if not has_true_uid(target):
        return _read_random(connection, target, keys, entropy)
    leased = keys.band_key(target.uid)
    if leased is not None:
        try:
            asked = challenge(connection, MFUL_BAND)
        except BandUnsupported:
            return proof_of_uid(target, family_of(target))
        except (BandSilent, BandRefused):
            pass
        else:
            return _read_leased(connection, entropy, asked, leased, target.uid)
    return _read_signed(Type2(connection), target, makers)


def _read_leased(
    connection: Connection, entropy: Entropy, asked: bytes, leased: LeasedKey, uid: bytes
) -> Proof:
    """The rest of a chip that has a key, and its key is lent."""
    if len(asked) == BLOCK:
        of_aes = UltralightAes(connection, entropy)
        of_aes.authenticate(MFUL_BAND, leased.value, asked=asked)
        return _proved(of_aes, UltralightAesUses(of_aes), ChipFamily.ULTRALIGHT_AES, uid)
    of_c = UltralightC(connection, entropy)
    of_c.authenticate(leased.value, asked=asked)
    return _proved(of_c, UltralightCUses(of_c), ChipFamily.ULTRALIGHT_C, uid)


def _read_random(
    connection: Connection, target: Target, keys: KeyProvider, entropy: Entropy
) -> Proof:
    """A chip that shows a random UID: of the chips with pages only an Ultralight AES does."""
    group = keys.group_key()
    is_random = len(target.uid) == RANDOM_UID_SIZE and target.uid[0] == RANDOM_UID_FIRST
    if group is None or not is_random:
        return proof_of_uid(target, family_of(target))
    chip = UltralightAes(connection, entropy)
    try:
        asked = challenge(connection, MFUL_UID)
    except (BandSilent, BandRefused, BandUnsupported):
        return proof_of_uid(target, family_of(target))
    try:
        chip.authenticate(MFUL_UID, group.value, asked=asked)
    except (KeyRefused, BandUnsupported):
        # Somebody else's: no attack on a key that was lent for this very band.
        return proof_of_uid(target, family_of(target))
    uid = chip.uid()
    leased = keys.band_key(uid)
    if leased is None:
        return Proof(ProofKind.NONE, ChipFamily.ULTRALIGHT_AES, 2, uid, None)
    chip.authenticate(MFUL_BAND, leased.value)
    return _proved(chip, UltralightAesUses(chip), ChipFamily.ULTRALIGHT_AES, uid)


def _proved(
    chip: UltralightAes | UltralightC, counter: UseCounter, family: ChipFamily, uid: bytes
) -> Proof:
    """Reference and counter of a chip that proved itself.

    Generation 1 says that what it answers is not protected against who stands between.
    """
    reference = needed(chip.read(REFERENCE_PAGE))
    uses = counter.uses()
    return Proof(
        kind=ProofKind.MUTUAL,
        family=family,
        generation=2 if family is ChipFamily.ULTRALIGHT_AES else 1,
        uid=uid,
        band=reference,
        counter=uses,
        uses=uses,
    )


def _read_signed(chip: Type2, target: Target, makers: Mapping[Maker, bytes]) -> Proof:
    """A chip with nothing but its maker's signature, or not even that."""
    try:
        maker = maker_of(target.uid, chip.signature(), makers)
    except (BandSilent, BandRefused, BandUnsupported, BandMalformed):
        return proof_of_uid(target, family_of(target))
    family = None if maker is None else SIGNED_FAMILIES.get(maker)
    if family is None:
        return proof_of_uid(target, family_of(target))
    return Proof(ProofKind.ORIGINALITY, family, 0, target.uid, None)
