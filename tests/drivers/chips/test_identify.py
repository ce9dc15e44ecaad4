"""Which chip a band is: guessed from what the reader saw, and asked."""

import pytest

from drivers.chips.identify import (
    Chip,
    family_of,
    has_true_uid,
    identify,
    leasable_uid,
    may_be_ntag424,
)
from drivers.errors import BandLeft
from drivers.proof import ChipFamily
from drivers.target import Target, Technology
from hardware.entropy import SeededEntropy
from hardware.virtual.ntag21x import Ntag21xModel, VirtualNtag21x
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.uid_bands import VirtualPhone
from tests.support.bands import UID, ChipConnection, band, target_of
from tests.support.chip_bands import (
    Type2Connection,
    ntag21x,
    ntag424,
    type2_target,
    ultralight_aes,
    ultralight_c,
)


class _Fixed:
    """Answers the same to everything."""

    generation = 1

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.n_sent = 0

    def transmit(self, command: bytes) -> bytes:
        self.n_sent += 1
        return self._answer


def _iso_dep(uid: bytes = UID, answer: bytes = b"") -> Target:
    return Target(Technology.ISO_DEP, uid, answer, 1, 0x20)


@pytest.mark.parametrize(("ev", "name"), [(1, "DESFire EV1"), (2, "DESFire EV2")])
def test_desfire_says_its_generation(ev: int, name: str) -> None:
    chip = band(ev=ev).power_up()
    connection = ChipConnection(chip)

    found = identify(connection, target_of(chip))

    assert found == Chip(ChipFamily.DESFIRE, ev, name, is_asked=True)
    assert len(connection.sent) == 3


@pytest.mark.parametrize("is_lrp", [False, True])
def test_ntag424_says_that_it_is_one(is_lrp: bool) -> None:
    chip = ntag424(is_lrp=is_lrp).power_up()

    found = identify(ChipConnection(chip), target_of(chip))

    assert (found.family, found.name) == (ChipFamily.NTAG424, "NTAG 424 DNA")


def test_ntag424_is_guessed_from_its_ats_and_a_desfire_is_not() -> None:
    ntag = target_of(ntag424().power_up())
    desfire = target_of(band().power_up())

    assert may_be_ntag424(ntag)
    assert not may_be_ntag424(desfire)


@pytest.mark.parametrize(
    "ats",
    [
        "",
        "02",
        "0330",
        "033071",
        "067733",
        "06757771",
        "0378807102",
        "057880B002",
        "0558807102",
        "3B8180018080",
    ],
)
def test_other_answers_are_no_ats_of_an_ntag424(ats: str) -> None:
    assert not may_be_ntag424(_iso_dep(answer=bytes.fromhex(ats)))


def test_telephone_is_known_as_somebody_elses() -> None:
    chip = VirtualPhone(uid=bytes.fromhex("08AABBCC")).power_up()

    found = identify(ChipConnection(chip), target_of(chip))

    assert found.family is ChipFamily.TYPE4


@pytest.mark.parametrize("answer", [b"\x90\x00", b"\x91\x00", b"\x00\x00\x91\x00"])
def test_telephone_that_agrees_to_everything_is_known_as_somebody_elses(answer: bytes) -> None:
    connection = _Fixed(answer)

    found = identify(connection, _iso_dep(b"\x08abc"))

    assert found.family is ChipFamily.TYPE4
    assert connection.n_sent <= 2


def test_chip_that_promises_more_for_ever_is_given_up() -> None:
    connection = _Fixed(b"\x91\xaf")

    found = identify(connection, _iso_dep())

    assert found.family is ChipFamily.TYPE4
    assert connection.n_sent < 20


@pytest.mark.parametrize(
    ("virtual", "family", "n_sent"),
    [
        (ntag21x(), ChipFamily.NTAG21X, 1),
        (VirtualNtag21x(uid=UID, model=Ntag21xModel.NTAG216), ChipFamily.NTAG21X, 1),
        (ultralight_aes(), ChipFamily.ULTRALIGHT_AES, 1),
        (ultralight_aes(is_random=True), ChipFamily.ULTRALIGHT_AES, 1),
        (ultralight_c(), ChipFamily.ULTRALIGHT_C, 2),
    ],
    ids=["NTAG 213", "NTAG 216", "AES", "AES with a random UID", "C"],
)
def test_type_2_chip_is_asked(virtual, family: ChipFamily, n_sent: int) -> None:  # type: ignore[no-untyped-def]
    chip = virtual.power_up()
    connection = Type2Connection(chip)

    found = identify(connection, type2_target(chip))

    assert found.family is family
    assert found.is_asked
    assert len(connection.sent) == n_sent


def test_chip_that_knows_neither_is_the_first_ultralight() -> None:
    chip = ultralight_c().power_up()
    connection = Type2Connection(chip, lambda number, answer: None)

    found = identify(connection, type2_target(chip))

    assert (found.family, found.name) == (ChipFamily.ULTRALIGHT, "MIFARE Ultralight")


@pytest.mark.parametrize(
    "version", [b"\x00\x04\x09\x02\x01\x00\x0f\x03", bytes(8), b"\x01" * 8]
)
def test_type_2_chip_with_an_unknown_version_is_unknown(version: bytes) -> None:
    target = Target(Technology.TYPE_2, UID, b"", 1, 0x00)

    assert identify(_Fixed(version), target).family is ChipFamily.UNKNOWN


def test_band_that_leaves_while_it_is_asked_has_left() -> None:
    chip = ntag424().power_up()
    connection = ChipConnection(chip, lambda number, answer: None)

    with pytest.raises(BandLeft):
        identify(connection, target_of(chip))


@pytest.mark.parametrize(
    ("target", "family"),
    [
        (Target(Technology.OTHER, UID[:4], b"", 1, 0x08), ChipFamily.CLASSIC),
        (Target(Technology.OTHER, UID[:4], b"", 1, 0x18), ChipFamily.CLASSIC),
        (Target(Technology.FELICA, UID + b"\x01", b"", 1), ChipFamily.FELICA),
        (Target(Technology.OTHER, UID, b"", 1, 0x04), ChipFamily.UNKNOWN),
    ],
)
def test_band_that_allows_no_question_is_not_asked(target: Target, family: ChipFamily) -> None:
    connection = _Fixed(b"")

    found = identify(connection, target)

    assert (found.family, found.is_asked, connection.n_sent) == (family, False, 0)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("0001", ChipFamily.CLASSIC),
        ("0002", ChipFamily.CLASSIC),
        ("0026", ChipFamily.CLASSIC),
        ("0003", ChipFamily.ULTRALIGHT),
        ("003A", ChipFamily.ULTRALIGHT_C),
        ("003B", ChipFamily.FELICA),
        ("FFFF", ChipFamily.UNKNOWN),
    ],
)
def test_family_is_guessed_from_the_answer_a_pcsc_reader_makes_up(
    name: str, family: ChipFamily
) -> None:
    atr = bytes.fromhex("3B8F8001804F0CA00000030603" + name + "0000000068")

    assert family_of(Target(Technology.OTHER, UID, atr, 1)) is family


@pytest.mark.parametrize(
    ("technology", "uid", "stays"),
    [
        (Technology.TYPE_2, UID, True),
        (Technology.TYPE_2, b"\x08abc", False),
        (Technology.TYPE_2, b"", False),
        (Technology.TYPE_2, bytes(7), False),
        (Technology.ISO_DEP, bytes(7), False),
        (Technology.ISO_DEP, UID, True),
        (Technology.ISO_DEP, UID + UID[:3], True),
        (Technology.ISO_DEP, UID[:4], True),
        (Technology.ISO_DEP, b"\x08abc", False),
        (Technology.ISO_DEP, b"\x80abc", False),
        (Technology.FELICA, b"\x01\x14abcdef", True),
        (Technology.FELICA, b"\x01\xfeabcdef", False),
        (Technology.FELICA, bytes(8), False),
    ],
)
def test_uid_that_is_random_or_nothing_does_not_stay(
    technology: Technology, uid: bytes, stays: bool
) -> None:
    assert has_true_uid(Target(technology, uid, b"", 1)) is stays


def test_no_key_is_leased_for_a_uid_of_zeros_or_of_four_bytes() -> None:
    assert leasable_uid(_iso_dep(bytes(7))) is None
    assert leasable_uid(_iso_dep(UID[:4])) is None
    assert leasable_uid(_iso_dep(UID)) == UID
    assert leasable_uid(Target(Technology.TYPE_2, UID, b"", 1, 0)) is None


def test_fresh_ntag424_is_no_band_of_ours_but_is_known() -> None:
    chip = VirtualNtag424(uid=UID, entropy=SeededEntropy("fresh")).power_up()

    assert identify(ChipConnection(chip), target_of(chip)).family is ChipFamily.NTAG424
