"""The bands of the demo are possible chips, and each belongs where the stories say."""

from kiosk.demo.bands import (
    CHIPS,
    DEMO_TEST_GROUP_KEY,
    DEMO_TEST_MASTER_KEY,
    ENCODED_CHIPS,
    DemoBand,
    demo_band,
    demo_bands,
)


def test_the_first_band_is_a_desfire_ev2_of_a_demo_person() -> None:
    first = demo_bands()[0]

    assert (first.name, first.chip, first.customer) == ("maya", "desfire_ev2", "maya")


def test_the_digits_tap_the_people_in_the_order_of_the_stories() -> None:
    by_digit = {band.digit: band.name for band in demo_bands() if band.digit}

    assert [by_digit[digit] for digit in "1234567890"] == [
        "maya", "tom", "lena", "jonas", "priya", "sam", "ama", "kofi", "ruth", "nobody",
    ]  # fmt: skip


def test_the_note_of_a_band_promises_only_what_its_tap_shows() -> None:
    assert "blocked" in demo_band("ruth").note
    assert "gets lost" not in demo_band("ruth").note


def test_no_name_and_no_reference_is_there_twice() -> None:
    bands = demo_bands()
    references = [band.reference for band in bands if band.reference]

    assert len({band.name for band in bands}) == len(bands)
    assert len(set(references)) == len(references)


def test_only_the_copied_band_shares_a_uid() -> None:
    bands = demo_bands()

    assert demo_band("copied").uid == demo_band("maya").uid
    assert len({band.uid for band in bands}) == len(bands) - 1


def test_every_uid_is_one_a_real_chip_could_have() -> None:
    for band in demo_bands():
        if len(band.uid) == 7:
            assert band.uid[0] == 0x04
            assert band.uid[3] != 0x88, "the cascade tag"
        else:
            assert len(band.uid) == 4
            assert band.uid[0] != 0x88, "the cascade tag"


def test_exactly_the_encoded_chips_carry_a_reference() -> None:
    for band in demo_bands():
        assert band.chip in CHIPS
        assert len(band.reference) == (16 if band.chip in ENCODED_CHIPS else 0), band.name


def test_every_kind_of_chip_is_there_and_some_people_have_a_random_uid() -> None:
    bands = demo_bands()

    assert {band.chip for band in bands} == set(CHIPS)
    assert [band.name for band in bands if band.chip == "desfire_ev2_random" and band.customer]


def test_the_test_keys_are_two_keys_of_16_bytes() -> None:
    assert len(DEMO_TEST_MASTER_KEY) == len(DEMO_TEST_GROUP_KEY) == 16
    assert DEMO_TEST_MASTER_KEY != DEMO_TEST_GROUP_KEY


def test_a_band_does_not_print_its_uid_or_reference() -> None:
    for band in demo_bands():
        printed = repr(band)

        assert repr(band.uid) not in printed
        assert not band.reference or repr(band.reference) not in printed


def test_asking_twice_gives_the_same_bands() -> None:
    first: tuple[DemoBand, ...] = demo_bands()

    assert demo_bands() == first
