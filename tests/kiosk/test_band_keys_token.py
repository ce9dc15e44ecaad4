"""The brand's band keys in a PKCS#11 token, held against the same keys in files and against a chip."""

import logging
import threading
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import AttributeSensitive, PKCS11Error

from drivers.chips.desfire import Desfire
from drivers.chips.ntag424 import Ntag424
from drivers.credential.afar import Dialect, OneSession
from drivers.credential.capsule import verified
from drivers.credential.handshake import Ev2Opened
from drivers.credential.kdf import SessionKeys
from drivers.credential.layout import AID, REFERENCE_FILE, KeySlot
from drivers.credential.lrp_session import LrpOpened, LrpSession
from drivers.credential.places import NTAG424_BAND, NTAG424_REFERENCE
from hardware.entropy import SeededEntropy
from hardware.errors import EnrolmentError
from kiosk.band_keys import BandKeyFiles
from kiosk.band_keys_token import (
    CAPSULE_LABEL,
    GROUP_LABEL,
    MASTER_LABEL,
    TokenBandKeys,
    _found,
)
from kiosk.capsule_signing import CapsuleKeyFile
from sync.central.errors import BandKeysAway, BandNotProved
from sync.central.ports import CapsuleSigner, CapsuleWords
from tests.support import softhsm
from tests.support.bands import GROUP_KEY, ISSUING_KEY, REFERENCE, UID, ChipConnection, band
from tests.support.capsules import ISSUED
from tests.support.chip_bands import ntag424

RND_A = bytes(range(0x50, 0x60))
FILES = BandKeyFiles(ISSUING_KEY, GROUP_KEY)
UIDS = (UID, UID[:4], UID + b"\x01\x02\x03", bytes(7))


def opened(label: str, **more: object) -> TokenBandKeys:
    return TokenBandKeys.open(softhsm.module(), label=label, pin=softhsm.PIN, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def keys() -> Iterator[TokenBandKeys]:
    token = opened(softhsm.new_token(), bring=(ISSUING_KEY, GROUP_KEY))
    yield token
    token.close()


@pytest.mark.parametrize("uid", UIDS)
def test_a_key_derived_in_the_token_is_the_one_the_files_give(
    keys: TokenBandKeys, uid: bytes
) -> None:
    """Two ways in the token, AES-CMAC and derivation by encryption, and one outside."""
    with keys._cipher(uid) as cipher:
        there = cipher.encrypted(RND_A * 3, RND_A), cipher.block(RND_A)

    ours = FILES._cipher(uid)
    assert keys.band_key(uid) == FILES.band_key(uid)
    assert there == (ours.encrypted(RND_A * 3, RND_A), ours.block(RND_A))
    assert keys.group_key() == FILES.group_key()
    assert keys.uid_hash(uid) == FILES.uid_hash(uid)


def test_a_chip_is_proved_by_a_key_that_never_left_the_token(keys: TokenBandKeys) -> None:
    chip = Desfire(ChipConnection(band().power_up()), SeededEntropy("reader"))
    assert chip.select_application(AID).status == 0
    challenge = chip.begin_ev2_first(KeySlot.BAND.value)
    assert challenge is not None

    token, rnd_b = keys.answer_chip(UID, challenge, RND_A, dialect="ev2")
    last = chip.answer_challenge(token)
    session = keys.open_chip(UID, last, rnd_a=RND_A, rnd_b=rnd_b, dialect="ev2")
    both = SessionKeys(session.keys[:16], session.keys[16:])
    chip.adopt(Ev2Opened(both, session.ti), slot=KeySlot.BAND.value)

    assert chip.read(REFERENCE_FILE) == REFERENCE


def test_an_older_chip_is_proved_by_it_too(keys: TokenBandKeys) -> None:
    chip = Desfire(ChipConnection(band(ev=1).power_up()), SeededEntropy("reader"))
    assert chip.select_application(AID).status == 0

    asked = chip.begin_aes(KeySlot.BAND.value)
    token, rnd_b = keys.answer_chip(UID, asked, RND_A, dialect="ev1")
    last = chip.answer_challenge(token)
    session = keys.open_chip(UID, last, rnd_a=RND_A, rnd_b=rnd_b, dialect="ev1")
    chip.adopt_ev1(session.keys, slot=KeySlot.BAND.value)

    assert session.ti == b""
    assert chip.read(REFERENCE_FILE) == REFERENCE


def test_a_chip_that_speaks_lrp_is_proved_by_a_key_that_came_out_as_it_is_lent(
    keys: TokenBandKeys,
) -> None:
    chip = Ntag424(ChipConnection(ntag424(is_lrp=True).power_up()), SeededEntropy("reader"))
    assert chip.select()

    asked = chip.begin_first(NTAG424_BAND).random
    token, rnd_b = keys.answer_chip(UID, asked, RND_A, dialect="lrp")
    last = chip.answer_challenge(token)
    session = keys.open_chip(UID, last, rnd_a=RND_A, rnd_b=rnd_b, dialect="lrp")
    chip.adopt_lrp(LrpSession.of(LrpOpened(session.keys, session.ti)), slot=NTAG424_BAND)

    assert chip.read(NTAG424_REFERENCE) == REFERENCE
    assert keys.band_key(UID)[0] not in (session.keys, token[:16], token[16:])


@pytest.mark.parametrize("dialect", [one.value for one in Dialect])
def test_a_chip_without_the_key_is_not_proved(keys: TokenBandKeys, dialect: str) -> None:
    token, rnd_b = keys.answer_chip(UID, bytes(16), RND_A, dialect=dialect)

    assert len(token) == 32
    for size in (16, 31, 32):
        with pytest.raises(BandNotProved):
            keys.open_chip(UID, bytes(size), rnd_a=RND_A, rnd_b=rnd_b, dialect=dialect)
    with pytest.raises(BandNotProved):
        keys.answer_chip(UID, bytes(15), RND_A, dialect=dialect)
    with pytest.raises(BandNotProved):
        keys.answer_chip(UID[:5], bytes(16), RND_A, dialect=dialect)


@pytest.mark.parametrize("dialect", [one.value for one in Dialect])
def test_the_token_answers_a_chip_as_the_files_do(keys: TokenBandKeys, dialect: str) -> None:
    assert keys.answer_chip(UID, RND_A, RND_A, dialect=dialect) == FILES.answer_chip(
        UID, RND_A, RND_A, dialect=dialect
    )


def test_neither_whoever_keeps_keys_nor_what_opens_a_session_shows_them() -> None:
    key = FILES.band_key(UID)[0]

    said = repr((FILES._keeper(UID), OneSession(key, key[:4]), LrpOpened(key, key[:4])))

    assert key.hex() not in said
    assert repr(key)[2:-1] not in said


def test_the_token_gives_neither_the_master_key_nor_one_derived_from_it(
    keys: TokenBandKeys,
) -> None:
    with keys._used() as master:
        rights = {
            name: master[name]
            for name in (
                Attribute.SENSITIVE,
                Attribute.EXTRACTABLE,
                Attribute.PRIVATE,
                Attribute.WRAP,
            )
        }
        with pytest.raises(AttributeSensitive):
            master[Attribute.VALUE]
    with keys._cipher(UID) as cipher, pytest.raises(AttributeSensitive):
        cipher._key[Attribute.VALUE]

    assert list(rights.values()) == [True, False, True, False]


def test_a_derived_key_is_in_the_token_only_while_it_is_used(keys: TokenBandKeys) -> None:
    keys.answer_chip(UID, bytes(16), RND_A, dialect="ev2")

    with keys._used() as master:
        found = master.session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})
        labels = sorted(str(one[Attribute.LABEL]) for one in found)
    assert labels == sorted((MASTER_LABEL, GROUP_LABEL))


def test_a_fresh_token_draws_keys_of_its_own_and_keeps_them() -> None:
    label = softhsm.new_token()
    first = opened(label)
    before = first.band_key(UID), first.group_key()
    first.close()
    again = opened(label)
    after = again.band_key(UID), again.group_key()
    again.close()

    assert before == after
    assert before[0] != FILES.band_key(UID)


def test_keys_that_are_brought_to_a_token_with_others_are_refused() -> None:
    label = softhsm.new_token()
    opened(label).close()

    with pytest.raises(EnrolmentError, match="other keys"):
        opened(label, bring=(ISSUING_KEY, GROUP_KEY))


def test_the_same_keys_may_be_brought_again() -> None:
    label = softhsm.new_token()
    opened(label, bring=(ISSUING_KEY, GROUP_KEY)).close()

    again = opened(label, bring=(ISSUING_KEY, GROUP_KEY))

    assert again.band_key(UID) == FILES.band_key(UID)
    again.close()


def test_a_wrong_pin_or_token_is_said_in_words() -> None:
    label = softhsm.new_token()

    with pytest.raises(EnrolmentError, match="PIN"):
        TokenBandKeys.open(softhsm.module(), label=label, pin="0000")
    with pytest.raises(EnrolmentError, match="cannot be used"):
        opened("no such token")
    with pytest.raises(EnrolmentError, match="cannot be used"):
        TokenBandKeys.open(softhsm.module().with_name("none.so"), label=label, pin=softhsm.PIN)


def test_a_token_that_went_away_is_an_error_of_its_own_and_is_found_again() -> None:
    keys = opened(softhsm.new_token(), bring=(ISSUING_KEY, GROUP_KEY))
    keys.band_key(UID)
    token, rnd_b = keys.answer_chip(UID, bytes(16), RND_A, dialect="ev2")

    class Gone:
        def __getattr__(self, name: str) -> object:
            raise PKCS11Error("the device was removed")

    keys._master = Gone()
    with pytest.raises(BandKeysAway):
        keys.band_key(UID)
    assert keys._session is None
    assert keys.band_key(UID) == FILES.band_key(UID)
    assert keys.answer_chip(UID, bytes(16), RND_A, dialect="ev2") == (token, rnd_b)
    keys.close()


def test_many_threads_prove_bands_at_once(keys: TokenBandKeys) -> None:
    """A module is called by one thread at a time, or the process dies."""
    wrong: list[bytes] = []

    def prove(number: int) -> None:
        uid = bytes((4, number)) + bytes(5)
        for _ in range(20):
            expected = FILES.answer_chip(uid, RND_A, RND_A, dialect="ev2")
            if keys.answer_chip(uid, RND_A, RND_A, dialect="ev2") != expected:
                wrong.append(uid)

    threads = [threading.Thread(target=prove, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_neither_pin_nor_keys_are_in_what_is_printed_or_logged(
    keys: TokenBandKeys, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fresh = opened(softhsm.new_token(), bring=(ISSUING_KEY, GROUP_KEY))
    token, rnd_b = fresh.answer_chip(UID, RND_A, RND_A, dialect="ev2")
    said = [repr(fresh), repr(fresh._cipher(UID)), repr(FILES), caplog.text]
    with fresh._cipher(UID) as cipher:
        said.append(repr(cipher))
    fresh.close()

    for secret in (ISSUING_KEY, GROUP_KEY, FILES.band_key(UID)[0], rnd_b, token):
        assert secret.hex() not in "".join(said)
        assert repr(secret)[2:-1] not in "".join(said)
    assert softhsm.PIN not in "".join(said)


WORDS = CapsuleWords(
    issued_at=ISSUED, days=90, seq=3, is_waiting=True, is_owed=False, language="en", name="Lena",
    parts=b"\x31\x01",
)  # fmt: skip


def test_a_capsule_is_signed_in_the_token_as_by_the_file_that_was_brought() -> None:
    seed = bytes(range(32))
    file = CapsuleKeyFile(Ed25519PrivateKey.from_private_bytes(seed))
    token = opened(softhsm.new_token())

    signer: CapsuleSigner = token.capsule_key(seed)
    raw = signer.signed(WORDS, uid=UID, band=REFERENCE, size=128)
    again = token.capsule_key()

    assert signer.public_keys() == file.public_keys() == again.public_keys()
    assert raw == file.signed(WORDS, uid=UID, band=REFERENCE, size=128)
    with token._used():
        private = _found(token._session, CAPSULE_LABEL, ObjectClass.PRIVATE_KEY)
        with pytest.raises(AttributeSensitive):
            private[Attribute.VALUE]
    with pytest.raises(EnrolmentError, match="another key for capsules"):
        token.capsule_key(bytes(32))
    token.close()


def test_a_token_draws_a_key_for_capsules_and_keeps_it() -> None:
    label = softhsm.new_token()
    first = opened(label)
    had, knows = first.has_capsule_key, first.knows_capsules
    signer = first.capsule_key()
    first.close()

    second = opened(label)
    raw = second.capsule_key().signed(WORDS, uid=UID, band=REFERENCE, size=128)
    second.close()

    found = verified(raw, keys=signer.public_keys(), uid=UID, band=REFERENCE, now=ISSUED)
    assert (had, knows, found.seq) == (False, True, 3)
