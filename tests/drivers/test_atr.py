import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.atr import technology_of_atr, technology_of_sak
from drivers.chips.identify import family_of, has_true_uid
from drivers.proof import ChipFamily
from drivers.target import Target, Technology

STORAGE = "3B8F8001804F0CA000000306"


@pytest.mark.parametrize(
    ("atr", "technology", "family"),
    [
        ("3B8180018080", Technology.ISO_DEP, ChipFamily.UNKNOWN),
        (STORAGE + "0300030000000068", Technology.TYPE_2, ChipFamily.ULTRALIGHT),
        (STORAGE + "03003A0000000051", Technology.TYPE_2, ChipFamily.ULTRALIGHT_C),
        (STORAGE + "030001000000006A", Technology.OTHER, ChipFamily.CLASSIC),
        (STORAGE + "0300020000000069", Technology.OTHER, ChipFamily.CLASSIC),
        (STORAGE + "11003B0000000042", Technology.FELICA, ChipFamily.FELICA),
        (STORAGE + "03FFFF0000000068", Technology.OTHER, ChipFamily.UNKNOWN),
        ("3B6500002063CB6800", Technology.OTHER, ChipFamily.UNKNOWN),
        ("", Technology.OTHER, ChipFamily.UNKNOWN),
    ],
)
def test_an_atr_says_how_the_band_spoke_and_which_chip_it_may_be(
    atr: str, technology: Technology, family: ChipFamily
) -> None:
    answer = bytes.fromhex(atr)

    spoke = technology_of_atr(answer)

    assert spoke is technology
    assert family_of(Target(spoke, b"", answer, 1)) is family


@pytest.mark.parametrize(
    ("sak", "technology", "family"),
    [
        (0x20, Technology.ISO_DEP, ChipFamily.UNKNOWN),
        (0x60, Technology.ISO_DEP, ChipFamily.UNKNOWN),
        (0x28, Technology.ISO_DEP, ChipFamily.UNKNOWN),
        (0x00, Technology.TYPE_2, ChipFamily.ULTRALIGHT),
        (0x08, Technology.OTHER, ChipFamily.CLASSIC),
        (0x18, Technology.OTHER, ChipFamily.CLASSIC),
        (0x09, Technology.OTHER, ChipFamily.CLASSIC),
        (0x04, Technology.OTHER, ChipFamily.UNKNOWN),
    ],
)
def test_a_sak_says_how_the_band_spoke_and_which_chip_it_may_be(
    sak: int, technology: Technology, family: ChipFamily
) -> None:
    spoke = technology_of_sak(sak)

    assert spoke is technology
    assert family_of(Target(spoke, b"", b"", 1, sak)) is family


@given(st.binary(max_size=40))
def test_no_atr_breaks_the_guess(atr: bytes) -> None:
    assert technology_of_atr(atr) in Technology


@pytest.mark.parametrize(
    ("uid", "stays"),
    [
        ("04A1B2C3D4E5F6", True),
        ("08A1B2C3", False),
        ("12A1B2C3", True),
        ("", False),
        ("08010203040506", True),
    ],
)
def test_a_random_uid_is_told_from_one_that_stays(uid: str, stays: bool) -> None:
    target = Target(Technology.ISO_DEP, bytes.fromhex(uid), b"", 1)

    assert has_true_uid(target) is stays
