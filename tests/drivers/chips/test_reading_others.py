"""Bands of ours that are no DESFire, read with the fewest exchanges: what they prove, and what copies of them do not."""

import pytest

from drivers.chips.reading_ntag424 import read_ntag424
from drivers.chips.reading_pages import read_pages
from drivers.credential.originality import KEYS, Maker
from drivers.credential.places import NTAG424_BAND
from drivers.errors import (
    BandError,
    BandLeft,
    BandRefused,
    BandSilent,
    BandUntrusted,
    Delivery,
    ReaderFault,
)
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.target import Target, Technology
from hardware.entropy import SeededEntropy
from hardware.virtual.ntag21x import VirtualNtag21x
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.originality import NTAG21X_TEST_KEY
from hardware.virtual.phone import VirtualBankCard, VirtualObligingPhone
from tests.support.bands import GROUP_KEY, REFERENCE, UID, ChipConnection, Keys, target_of
from tests.support.chip_bands import (
    CAPSULE,
    Spoil,
    Type2Connection,
    ntag21x,
    ntag424,
    type2_target,
    ultralight_aes,
    ultralight_c,
)

READER = SeededEntropy("reader")
MAKERS = {**KEYS, Maker.NTAG21X: NTAG21X_TEST_KEY.public}
OTHER_KEY = bytes(range(70, 86))

modes = pytest.mark.parametrize("is_lrp", [False, True], ids=["AES", "LRP"])


def _ntag(
    band: VirtualNtag424, keys: Keys, spoil: Spoil | None = None
) -> tuple[Proof | None, int]:
    chip = band.power_up()
    connection = ChipConnection(chip, spoil)
    proof = read_ntag424(connection, target_of(chip), keys, READER)
    return proof, len(connection.sent)


def _pages(band, keys: Keys, spoil: Spoil | None = None) -> tuple[Proof, int]:  # type: ignore[no-untyped-def]
    chip = band.power_up()
    connection = Type2Connection(chip, spoil)
    proof = read_pages(connection, type2_target(chip), keys, READER, makers=MAKERS)
    return proof, len(connection.sent)


@modes
def test_leased_ntag424_is_proved_in_five_exchanges(is_lrp: bool) -> None:
    proof, n_sent = _ntag(ntag424(is_lrp=is_lrp, counter=12), Keys(UID))

    assert n_sent == 5
    assert proof == Proof(
        ProofKind.MUTUAL, ChipFamily.NTAG424, 2, UID, REFERENCE, counter=12, uses=12
    )


@modes
def test_ntag424_with_a_random_uid_is_proved_in_eight(is_lrp: bool) -> None:
    proof, n_sent = _ntag(ntag424(is_lrp=is_lrp, is_random=True), Keys(UID))

    assert n_sent == 8
    assert proof == Proof(
        ProofKind.MUTUAL, ChipFamily.NTAG424, 2, UID, REFERENCE, counter=0, uses=0
    )


@pytest.mark.parametrize(("is_random", "n_expected"), [(False, 4), (True, 5)])
def test_ntag424_without_a_lease_says_whose_it_is_and_proves_nothing(
    is_random: bool, n_expected: int
) -> None:
    proof, n_sent = _ntag(ntag424(is_random=is_random), Keys())

    assert n_sent == n_expected
    assert proof is not None
    assert (proof.kind, proof.uid, proof.band) == (ProofKind.NONE, UID, REFERENCE)
    assert proof.capsule == CAPSULE


def test_ntag424_whose_capsule_is_none_is_still_whose_it_says() -> None:
    band = ntag424()
    band.contents[3][16:] = b"\xff" * 112

    proof, _ = _ntag(band, Keys())

    assert proof is not None
    assert (proof.band, proof.capsule) == (REFERENCE, None)


def test_ntag424_with_another_group_key_is_somebody_elses() -> None:
    proof, n_sent = _ntag(ntag424(group_key=OTHER_KEY), Keys())

    assert n_sent == 3
    assert proof == Proof(ProofKind.NONE, ChipFamily.NTAG424, 0, UID, None)


def test_ntag424_is_only_seen_by_a_kiosk_without_keys() -> None:
    proof, n_sent = _ntag(ntag424(), Keys(group=None))

    assert (n_sent, proof) == (1, Proof(ProofKind.NONE, ChipFamily.NTAG424, 0, UID, None))


def test_copy_of_an_ntag424_that_does_not_hold_the_key_is_not_trusted() -> None:
    with pytest.raises(BandUntrusted):
        _ntag(ntag424(key=OTHER_KEY), Keys(UID))


@pytest.mark.parametrize("is_lrp", [False, True])
@pytest.mark.parametrize(("is_random", "n_exchanges"), [(False, 7), (True, 10)])
def test_ntag424_whose_key_has_another_version_counts_as_one_without_a_lease(
    is_random: bool, n_exchanges: int, is_lrp: bool
) -> None:
    band = ntag424(key=OTHER_KEY, is_random=is_random, is_lrp=is_lrp)
    band.key_versions[2] = 9

    proof, n_sent = _ntag(band, Keys(UID))

    assert proof is not None
    assert (proof.kind, proof.uid, proof.band) == (ProofKind.NONE, UID, REFERENCE)
    assert n_sent == n_exchanges


def test_copy_of_an_ntag424_with_a_random_uid_is_not_trusted() -> None:
    with pytest.raises(BandUntrusted):
        _ntag(ntag424(key=OTHER_KEY, is_random=True), Keys(UID))


def test_ntag424_without_a_link_has_no_counter() -> None:
    band = ntag424()
    band.files[2] = VirtualNtag424(uid=UID, entropy=READER).files[2]

    proof, _ = _ntag(band, Keys(UID))

    assert proof is not None
    assert (proof.kind, proof.uses) == (ProofKind.MUTUAL, None)


@pytest.mark.parametrize("torn_at", range(1, 6))
def test_torn_ntag424_is_a_band_that_left(torn_at: int) -> None:
    with pytest.raises(BandLeft) as caught:
        _ntag(
            ntag424(), Keys(UID), lambda number, answer: None if number == torn_at else answer
        )

    assert caught.value.delivery is Delivery.UNKNOWN


@pytest.mark.parametrize("keys", [Keys(), Keys(UID), Keys(group=None)])
def test_telephone_that_agrees_to_everything_proves_nothing(keys: Keys) -> None:
    chip = VirtualObligingPhone(entropy=SeededEntropy("phone")).power_up()

    proof = read_ntag424(ChipConnection(chip), target_of(chip), keys, READER)

    assert proof is not None
    assert (proof.kind, proof.band) == (ProofKind.NONE, None)


def test_emulator_with_a_leased_uid_that_agrees_to_everything_proves_nothing() -> None:
    class Agreeing:
        generation = 1

        def transmit(self, command: bytes) -> bytes:
            return b"\x90\x00"

    target = Target(Technology.ISO_DEP, UID, b"", 1, 0x20)

    proof = read_ntag424(Agreeing(), target, Keys(UID), READER)

    assert proof == Proof(ProofKind.NONE, ChipFamily.TYPE4, 0, UID, None)


def test_bank_card_is_never_asked_for_its_payment_applications() -> None:
    card = VirtualBankCard(uid=bytes.fromhex("08AABBCC"))
    chip = card.power_up()

    proof = read_ntag424(ChipConnection(chip), target_of(chip), Keys(), READER)

    assert proof is None
    assert card.payment_asked == ()


def test_leased_ultralight_aes_is_proved_in_four_exchanges() -> None:
    proof, n_sent = _pages(ultralight_aes(), Keys(UID))

    assert n_sent == 4
    assert proof == Proof(
        ProofKind.MUTUAL, ChipFamily.ULTRALIGHT_AES, 2, UID, REFERENCE, counter=0, uses=0
    )


def test_ultralight_aes_with_a_random_uid_is_proved_in_seven() -> None:
    proof, n_sent = _pages(ultralight_aes(is_random=True), Keys(UID))

    assert n_sent == 7
    assert proof == Proof(
        ProofKind.MUTUAL, ChipFamily.ULTRALIGHT_AES, 2, UID, REFERENCE, counter=0, uses=0
    )


def test_ultralight_aes_with_a_random_uid_and_no_lease_tells_its_true_one() -> None:
    proof, n_sent = _pages(ultralight_aes(is_random=True), Keys())

    assert (n_sent, proof) == (
        3,
        Proof(ProofKind.NONE, ChipFamily.ULTRALIGHT_AES, 2, UID, None),
    )


def test_leased_ultralight_c_is_proved_in_four_exchanges_and_its_words_are_not_protected() -> (
    None
):
    proof, n_sent = _pages(ultralight_c(), Keys(UID))

    assert n_sent == 4
    assert proof == Proof(
        ProofKind.MUTUAL, ChipFamily.ULTRALIGHT_C, 1, UID, REFERENCE, counter=0, uses=0
    )


@pytest.mark.parametrize("made", [ultralight_aes, ultralight_c])
def test_copy_of_an_ultralight_that_does_not_hold_the_key_is_not_trusted(made) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BandUntrusted):
        _pages(made(key=OTHER_KEY), Keys(UID))


def test_ntag21x_that_bears_a_leased_uid_proves_no_key() -> None:
    proof, n_sent = _pages(ntag21x(), Keys(UID))

    assert (n_sent, proof.kind) == (2, ProofKind.ORIGINALITY)


def test_ntag21x_with_its_makers_signature_is_original() -> None:
    proof, n_sent = _pages(ntag21x(), Keys())

    assert n_sent == 1
    assert proof == Proof(ProofKind.ORIGINALITY, ChipFamily.NTAG21X, 0, UID, None)


def test_imitation_of_an_ntag21x_is_not_original() -> None:
    proof, _ = _pages(VirtualNtag21x(uid=UID, signature=bytes(32)), Keys())

    assert proof == Proof(ProofKind.NONE, ChipFamily.ULTRALIGHT, 0, UID, None)


def test_ultralight_without_a_lease_is_only_seen() -> None:
    of_aes, _ = _pages(ultralight_aes(), Keys())
    of_c, _ = _pages(ultralight_c(), Keys())

    assert of_aes == of_c == Proof(ProofKind.NONE, ChipFamily.ULTRALIGHT, 0, UID, None)


@pytest.mark.parametrize("keys", [Keys(group=None), Keys(group=OTHER_KEY)])
def test_random_uid_of_somebody_elses_ultralight_stays_unknown(keys: Keys) -> None:
    proof, _ = _pages(ultralight_aes(is_random=True), keys)

    assert proof == Proof(ProofKind.NONE, ChipFamily.ULTRALIGHT, 0, None, None)


def test_chip_without_keys_behind_a_random_uid_is_only_seen() -> None:
    class Silent:
        generation = 1

        def transmit(self, command: bytes) -> bytes:
            raise BandSilent("it does not know the command")

    target = Target(Technology.TYPE_2, b"\x08abc", b"", 1, 0)

    proof = read_pages(Silent(), target, Keys(UID), READER)

    assert proof == Proof(ProofKind.NONE, ChipFamily.ULTRALIGHT, 0, None, None)


@pytest.mark.parametrize("uid", [b"", bytes(7), bytes(4)])
def test_uid_that_is_none_is_not_asked_about(uid: bytes) -> None:
    keys = Keys()
    connection = Type2Connection(ntag21x().power_up())

    proof = read_pages(connection, Target(Technology.TYPE_2, uid, b"", 1, 0), keys, READER)

    assert (proof.uid, connection.sent, keys.asked) == (None, [], [])


@pytest.mark.parametrize("torn_at", range(1, 5))
def test_torn_ultralight_proves_nothing(torn_at: int) -> None:
    chip = ultralight_aes().power_up()

    class Torn(Type2Connection):
        def transmit(self, command: bytes) -> bytes:
            if len(self.sent) + 1 >= torn_at:
                raise BandLeft("torn")
            return super().transmit(command)

    with pytest.raises(BandLeft):
        read_pages(Torn(chip), type2_target(chip), Keys(UID), READER)


def test_reader_that_only_reads_pages_says_the_uid() -> None:
    """What a PC/SC reader without raw frames raises for everything but READ and WRITE."""
    from drivers.errors import BandUnsupported

    class Plain:
        generation = 1

        def transmit(self, command: bytes) -> bytes:
            raise BandUnsupported("this reader cannot", delivery=Delivery.NOT_SENT)

    target = Target(Technology.TYPE_2, UID, b"", 1, 0)

    for keys in (Keys(), Keys(UID)):
        proof = read_pages(Plain(), target, keys, READER)
        assert proof == Proof(ProofKind.NONE, ChipFamily.ULTRALIGHT, 0, UID, None)


def test_machine_that_fails_is_no_fault_of_the_band() -> None:
    class Broken:
        generation = 1

        def transmit(self, command: bytes) -> bytes:
            raise ReaderFault("broken")

    target = Target(Technology.TYPE_2, UID, b"", 1, 0)

    with pytest.raises(ReaderFault):
        read_pages(Broken(), target, Keys(UID), READER)


@pytest.mark.parametrize(
    "answer",
    [b"\x91\xaf", b"\x91\xae", b"\x91\xad", b"\x90\x00", b"\x6d\x00", b"\x91\x9d", bytes(300)],
)
@pytest.mark.parametrize("n_good", range(6))
@modes
def test_bad_answer_at_any_exchange_is_an_error_of_ours_or_proves_nothing(
    answer: bytes, n_good: int, is_lrp: bool
) -> None:
    def spoil(number: int, good: bytes | None) -> bytes | None:
        return good if number <= n_good else answer

    try:
        proof, n_sent = _ntag(ntag424(is_lrp=is_lrp), Keys(UID), spoil)
    except BandError:
        return

    assert proof is None or proof.kind is ProofKind.NONE or n_good >= 4
    assert n_sent < 30


def test_status_of_a_delay_is_told() -> None:
    with pytest.raises(BandRefused) as caught:
        _ntag(ntag424(), Keys(UID), lambda n, good: b"\x91\xad" if n > 1 else good)

    assert caught.value.status == 0x91AD


def test_a_band_on_which_wrong_keys_were_tried_is_proved_once_its_delay_is_over() -> None:
    tag = ntag424()
    tag.note_wrong(NTAG424_BAND, 50)

    slow, n_slow = _ntag(tag, Keys(UID))
    well, n_well = _ntag(tag, Keys(UID))

    assert slow == well
    assert slow is not None
    assert slow.kind is ProofKind.MUTUAL
    assert (n_slow, n_well) == (8, 5)


def test_key_of_the_group_reads_no_more_than_it_should() -> None:
    assert Keys().group_key() is not None
    proof, _ = _ntag(ntag424(group_key=GROUP_KEY), Keys())

    assert proof is not None
    assert (proof.counter, proof.uses) == (None, None)
