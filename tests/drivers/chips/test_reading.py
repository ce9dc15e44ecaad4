"""Reading a band, against virtual chips that were written without our drivers, and against recorded ones."""

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.reading import FIRST_SIZE, read_band
from drivers.credential.capsule import HEAD_SIZE
from drivers.errors import (
    BandLeft,
    BandMalformed,
    BandRefused,
    BandUntrusted,
    Delivery,
    DriverError,
    ReaderFault,
)
from drivers.ports import LeasedKey
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.target import Target, Technology
from drivers.transcript import ReplayConnection, transcript_of
from hardware.entropy import SeededEntropy
from hardware.virtual.desfire import VirtualApplication, VirtualDesfire
from hardware.virtual.uid_bands import VirtualPhone
from tests.support.bands import (
    ATS,
    REFERENCE,
    UID,
    ChipConnection,
    Keys,
    band,
    band_key,
    target_of,
)
from tests.support.capsules import LENA, LENA_BEFORE, made
from tests.support.chip_bands import Type2Connection, ntag424, type2_target, ultralight_aes

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"


def _read(virtual, keys, spoil=None) -> tuple[Proof, ChipConnection]:  # type: ignore[no-untyped-def]
    chip = virtual.power_up()
    connection = ChipConnection(chip, spoil)
    proof = read_band(connection, target_of(chip), keys, SeededEntropy("reader"))
    return proof, connection


def _answer_sizes(virtual, keys) -> list[int]:  # type: ignore[no-untyped-def]
    """How many bytes each answer of a whole reading has."""
    sizes = []

    def measured(number: int, answer: bytes) -> bytes:
        sizes.append(len(answer))
        return answer

    _read(virtual, keys, measured)
    return sizes


@pytest.mark.parametrize(
    ("ev", "is_random", "n_exchanges", "generation"),
    [(2, False, 4, 2), (3, False, 4, 2), (1, False, 5, 1), (2, True, 7, 2), (1, True, 8, 1)],
)
def test_a_band_with_a_leased_key_proves_itself_in_the_fewest_exchanges(
    ev: int, is_random: bool, n_exchanges: int, generation: int
) -> None:
    proof, connection = _read(band(ev=ev, is_random=is_random), Keys(UID))

    assert proof == Proof(ProofKind.MUTUAL, ChipFamily.DESFIRE, generation, UID, REFERENCE)
    assert len(connection.sent) == n_exchanges


@pytest.mark.parametrize(
    ("ev", "is_random", "n_exchanges", "generation"),
    [(2, False, 5, 2), (1, False, 8, 1), (2, True, 6, 2), (1, True, 9, 1)],
)
def test_a_band_without_a_lease_is_named_but_proves_nothing(
    ev: int, is_random: bool, n_exchanges: int, generation: int
) -> None:
    proof, connection = _read(band(ev=ev, is_random=is_random), Keys())

    assert proof == Proof(ProofKind.NONE, ChipFamily.DESFIRE, generation, UID, REFERENCE)
    assert len(connection.sent) == n_exchanges


def test_a_random_uid_is_never_taken_for_the_uid_a_key_is_leased_for() -> None:
    keys = Keys(UID)

    _read(band(is_random=True), keys)

    assert keys.asked == [UID]


@pytest.mark.parametrize("shown", ["80112233", "1D112233", "08112233", "", "0411223344556677"])
@pytest.mark.parametrize(("ev", "n_exchanges"), [(1, 8), (2, 7)])
def test_a_band_of_ours_that_shows_another_uid_is_asked_for_its_true_one(
    shown: str, ev: int, n_exchanges: int
) -> None:
    chip, keys = band(ev=ev).power_up(), Keys(UID)
    target = dataclasses.replace(target_of(chip), uid=bytes.fromhex(shown))
    connection = ChipConnection(chip)

    proof = read_band(connection, target, keys, SeededEntropy("reader"))

    assert proof == Proof(ProofKind.MUTUAL, ChipFamily.DESFIRE, ev, UID, REFERENCE)
    assert keys.asked == [UID]
    assert len(connection.sent) == n_exchanges


@pytest.mark.parametrize("shown", ["80112233", "08112233", "", "0411223344556677"])
def test_a_uid_that_may_be_another_next_time_is_not_passed_on(shown: str) -> None:
    chip = VirtualPhone(uid=bytes.fromhex("08112233")).power_up()
    target = Target(Technology.ISO_DEP, bytes.fromhex(shown), ATS, 1)

    proof = read_band(ChipConnection(chip), target, Keys(), SeededEntropy("reader"))

    assert (proof.kind, proof.uid) == (ProofKind.NONE, None)


def test_without_any_key_only_the_uid_is_known() -> None:
    stays, _ = _read(band(), Keys(group=None))
    is_random, _ = _read(band(is_random=True), Keys(UID, group=None))

    assert stays == Proof(ProofKind.NONE, ChipFamily.DESFIRE, 0, UID, None)
    assert is_random == Proof(ProofKind.NONE, ChipFamily.DESFIRE, 0, None, None)


def test_a_copy_of_a_band_that_does_not_hold_its_key_is_not_trusted() -> None:
    with pytest.raises(BandUntrusted):
        _read(band(key=bytes(16)), Keys(UID))
    with pytest.raises(BandUntrusted):
        _read(band(ev=1, key=bytes(16)), Keys(UID))
    with pytest.raises(BandUntrusted):
        _read(band(is_random=True, key=bytes(16)), Keys(UID))


def test_a_band_of_another_group_is_a_band_with_a_uid_and_nothing_more() -> None:
    proof, _ = _read(band(group_key=b"\xee" * 16), Keys())

    assert proof == Proof(ProofKind.NONE, ChipFamily.DESFIRE, 0, UID, None)


def test_a_band_without_our_application_is_known_by_its_uid_alone() -> None:
    foreign = VirtualDesfire(
        uid=UID,
        ev=2,
        applications=(VirtualApplication(b"\x12\x34\x56", (bytes(16),)),),
        entropy=SeededEntropy("foreign"),
    )

    proof, connection = _read(foreign, Keys(UID))

    assert proof == Proof(ProofKind.NONE, ChipFamily.DESFIRE, 0, UID, None)
    assert len(connection.sent) == 1


def test_a_telephone_is_known_by_nothing() -> None:
    proof, connection = _read(VirtualPhone(uid=b"\x08\x01\x02\x03"), Keys(UID))

    assert proof == Proof(ProofKind.NONE, ChipFamily.UNKNOWN, 0, None, None)
    assert len(connection.sent) == 2


@pytest.mark.parametrize(
    ("technology", "sak", "family"),
    [
        (Technology.OTHER, 0x08, ChipFamily.CLASSIC),
        (Technology.OTHER, None, ChipFamily.UNKNOWN),
        (Technology.FELICA, None, ChipFamily.FELICA),
    ],
)
def test_a_band_without_iso_dep_is_not_spoken_to(
    technology: Technology, sak: int | None, family: ChipFamily
) -> None:
    target = Target(technology, UID, b"", 1, sak)
    connection = ChipConnection(None)

    proof = read_band(connection, target, Keys(UID), SeededEntropy("reader"))

    assert proof == Proof(ProofKind.NONE, family, 0, UID, None)
    assert connection.sent == []


@pytest.mark.parametrize(("answer", "n_exchanges"), [(None, 5), (ATS, 6)])
@pytest.mark.parametrize("is_lrp", [False, True])
def test_an_ntag_424_is_found_by_its_ats_and_without_it_one_exchange_later(
    answer: bytes | None, n_exchanges: int, is_lrp: bool
) -> None:
    chip = ntag424(is_lrp=is_lrp).power_up()
    target = (
        target_of(chip)
        if answer is None
        else dataclasses.replace(target_of(chip), answer=answer)
    )
    connection = ChipConnection(chip)

    proof = read_band(connection, target, Keys(UID), SeededEntropy("reader"))

    assert (proof.kind, proof.family, proof.band) == (
        ProofKind.MUTUAL, ChipFamily.NTAG424, REFERENCE
    )  # fmt: skip
    assert len(connection.sent) == n_exchanges


def test_an_ultralight_aes_is_read_where_it_is_tapped() -> None:
    chip = ultralight_aes().power_up()

    proof = read_band(
        Type2Connection(chip), type2_target(chip), Keys(UID), SeededEntropy("reader")
    )

    assert (proof.kind, proof.family, proof.generation) == (
        ProofKind.MUTUAL, ChipFamily.ULTRALIGHT_AES, 2
    )  # fmt: skip


def _of_size(size: int) -> bytes:
    """Bytes of the shape of a capsule."""
    n_around = len(made()) - made()[14]
    content = b"\x5a" * (size - n_around)
    return made()[:14] + bytes((len(content),)) + content + b"\x58\x40" + b"\xa5" * 64


CAPSULES = {size: _of_size(size) for size in (100, 134, 135, 136, 200, 256)}


@pytest.mark.parametrize("size", CAPSULES)
@pytest.mark.parametrize("ev", [1, 2])
def test_the_capsule_is_read_whole_where_it_is_all_that_says_who_this_is(
    ev: int, size: int
) -> None:
    capsule = CAPSULES[size]

    proof, connection = _read(band(ev=ev, capsule=capsule), Keys())
    proved, _ = _read(band(ev=ev, capsule=capsule), Keys(UID))

    assert len(capsule) == size
    assert proof.capsule == capsule
    assert proved.capsule is None
    n_missing = size - HEAD_SIZE - FIRST_SIZE
    assert len(connection.sent) <= (14 if ev == 1 else 6 if n_missing > 0 else 5)
    asked = bytes((HEAD_SIZE + FIRST_SIZE, 0, 0, max(n_missing, 0), 0, 0))
    assert any(asked in sent for sent in connection.sent) == (n_missing > 0)


@pytest.mark.parametrize("ev", [1, 2])
def test_a_capsule_of_before_that_names_its_band_is_read_as_well(ev: int) -> None:
    before = made(dataclasses.replace(LENA_BEFORE, band=REFERENCE))

    proof, _ = _read(band(ev=ev, capsule=before), Keys())

    assert (proof.band, proof.capsule) == (REFERENCE, before)


@pytest.mark.parametrize(("is_random", "n_exchanges"), [(False, 4), (True, 5)])
def test_a_capsule_that_names_its_band_is_all_that_is_read(
    is_random: bool, n_exchanges: int
) -> None:
    capsule = made(dataclasses.replace(LENA, band=REFERENCE))

    proof, connection = _read(band(capsule=capsule, is_random=is_random), Keys())

    assert (proof.band, proof.capsule) == (REFERENCE, capsule)
    assert len(connection.sent) == n_exchanges


def test_a_band_that_does_not_let_its_capsule_be_read_is_named_all_the_same() -> None:
    def refusing(number: int, answer: bytes) -> bytes:
        return b"\x91\x9d" if number == 4 else answer

    proof, _ = _read(band(), Keys(), refusing)

    assert (proof.kind, proof.band, proof.capsule) == (ProofKind.NONE, REFERENCE, None)


def test_a_place_with_something_else_than_a_capsule_leaves_the_band_named() -> None:
    proof, _ = _read(band(capsule=b"\x01\x02\x03"), Keys())

    assert (proof.band, proof.capsule) == (REFERENCE, None)


@pytest.mark.parametrize(
    ("ev", "is_random", "n_exchanges"),
    [(2, False, 8), (1, False, 12), (2, True, 11), (1, True, 15)],
)
def test_a_band_whose_key_is_of_a_later_version_is_one_without_a_lease(
    ev: int, n_exchanges: int, *, is_random: bool
) -> None:
    class Old(Keys):  # lent before the band was given another key
        def band_key(self, uid: bytes) -> LeasedKey | None:
            return LeasedKey(bytes(16), version=7)

    proof, connection = _read(band(ev=ev, is_random=is_random), Old())

    assert (proof.kind, proof.uid, proof.band) == (ProofKind.NONE, UID, REFERENCE)
    assert len(connection.sent) == n_exchanges


@pytest.mark.parametrize("ev", [1, 2])
def test_a_copy_with_a_random_uid_that_says_its_key_is_the_lent_one_is_not_trusted(
    ev: int,
) -> None:
    copy = band(ev=ev, key=b"what a copy has!", is_random=True)

    with pytest.raises(BandUntrusted):
        _read(copy, Keys(UID))


@pytest.mark.parametrize("ev", [1, 2])
@pytest.mark.parametrize("is_random", [False, True])
@pytest.mark.parametrize("leases", [(), (UID,)])
def test_a_band_torn_away_at_any_byte_of_the_exchange_proves_nothing(
    ev: int, is_random: bool, leases: tuple[bytes, ...]
) -> None:
    sizes = _answer_sizes(band(ev=ev, is_random=is_random), Keys(*leases))
    assert len(sizes) >= 4

    for at, size in enumerate(sizes, start=1):
        for kept in range(size):

            def torn(number: int, answer: bytes, at: int = at, kept: int = kept) -> bytes:
                return answer[:kept] if number == at else answer

            # A chain of frames that ends early leaves nothing; one that ends in two bytes that look like a status is
            # taken for another answer: refused, malformed, not trusted, or not a chip of ours. Never a proof.
            with contextlib.suppress(DriverError):
                proof, _ = _read(band(ev=ev, is_random=is_random), Keys(*leases), torn)
                assert proof.kind is ProofKind.NONE
                # Without its capsule the band is still whose it said it is.
                assert proof.band in (None, REFERENCE)
                assert proof.capsule is None


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("kept", [0, 1])
def test_an_answer_without_a_status_means_that_the_band_left(at: int, kept: int) -> None:
    def torn(number: int, answer: bytes) -> bytes:
        return answer[:kept] if number == at else answer

    with pytest.raises(BandLeft) as left:
        _read(band(is_random=True), Keys(UID), torn)

    assert left.value.delivery is Delivery.UNKNOWN


@pytest.mark.parametrize("ev", [1, 2])
def test_one_flipped_bit_anywhere_after_the_selection_proves_nothing(ev: int) -> None:
    sizes = _answer_sizes(band(ev=ev), Keys(UID))
    assert len(sizes) >= 4

    for at, size in enumerate(sizes[1:], start=2):
        for bit in range(size * 8):

            def flipped(number: int, answer: bytes, at: int = at, bit: int = bit) -> bytes:
                if number != at:
                    return answer
                changed = bytearray(answer)
                changed[bit // 8] ^= 1 << bit % 8
                return bytes(changed)

            with pytest.raises(DriverError):
                _read(band(ev=ev), Keys(UID), flipped)


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=48), min_size=1, max_size=8), st.booleans())
def test_a_chip_that_answers_anything_at_all_raises_only_our_errors(
    answers: list[bytes], is_ending: bool
) -> None:
    endings = (b"", b"\x91\xaf", b"\x91\x00")

    def babbled(number: int, answer: bytes) -> bytes:
        return answers[number % len(answers)] + endings[number % 3 if is_ending else 0]

    for keys in (Keys(UID), Keys(), Keys(group=None)):
        with contextlib.suppress(DriverError):
            proof, _ = _read(band(), keys, babbled)
            assert proof.kind is ProofKind.NONE
            assert proof.band is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("frame", [b"", b"more" * 10])
def test_a_chip_that_never_ends_its_answer_is_given_up(frame: bytes) -> None:
    def endless(number: int, answer: bytes) -> bytes:
        return answer if number < 4 else frame + b"\x91\xaf"

    with pytest.raises(BandMalformed):
        _read(band(), Keys(UID), endless)


def test_a_file_that_is_missing_is_refused_with_the_status() -> None:
    def missing(number: int, answer: bytes) -> bytes:
        return answer if number < 4 else b"\x91\xf0"

    with pytest.raises(BandRefused) as refused:
        _read(band(), Keys(UID), missing)

    assert refused.value.status == 0x91F0
    assert refused.value.delivery is Delivery.REFUSED


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        (
            "desfire-ev2-random-uid",
            Keys(UID),
            Proof(ProofKind.MUTUAL, ChipFamily.DESFIRE, 2, UID, REFERENCE),
        ),
        (
            "desfire-ev1-no-lease",
            Keys(),
            Proof(ProofKind.NONE, ChipFamily.DESFIRE, 1, UID, REFERENCE),
        ),
    ],
)
def test_a_recorded_band_reads_as_it_did(name: str, keys: Keys, expected: Proof) -> None:
    transcript = transcript_of((TRANSCRIPTS / f"{name}.txt").read_text())
    connection = ReplayConnection(transcript)
    uid = bytes.fromhex("081F03F8") if "random" in name else UID
    target = Target(Technology.ISO_DEP, uid, ATS, 1, 0x20)

    proof = read_band(connection, target, keys, SeededEntropy("reader"))

    assert proof == expected
    assert connection.is_used_up


def test_the_random_number_of_the_reader_is_new_each_time() -> None:
    transcript = transcript_of((TRANSCRIPTS / "desfire-ev1-no-lease.txt").read_text())
    target = Target(Technology.ISO_DEP, UID, ATS, 1, 0x20)
    entropy = SeededEntropy("reader")

    read_band(ReplayConnection(transcript), target, Keys(), entropy)

    with pytest.raises(ReaderFault):
        read_band(ReplayConnection(transcript), target, Keys(), entropy)


def test_no_key_leaves_the_drivers_in_words() -> None:
    secrets = (band_key(UID), bytes(range(16)))
    said = []

    for virtual, keys in ((band(key=bytes(16)), Keys(UID)), (band(), Keys(UID))):
        try:
            said.append(repr(_read(virtual, keys)[0]))
        except BandUntrusted as error:
            said.append(repr(error) + str(error.__traceback__))
        said.append(repr(keys.band_key(UID)))
        said.append(repr(keys.group_key()))

    for secret in secrets:
        assert secret.hex() not in "".join(said)
        assert repr(secret)[2:-1] not in "".join(said)
    assert UID.hex() not in "".join(said)
