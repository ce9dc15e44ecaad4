import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.credential.layout import (
    AID,
    ALL_FILES,
    CAPSULE_FILE,
    FILES,
    NEVER,
    REFERENCE_FILE,
    SYSTEM_ID,
    USES_FILE,
    USES_MAX,
    WITNESS_FILE,
    CommMode,
    KeySlot,
    RecordFile,
    band_id_of_reference,
    band_id_of_uid,
    diversification_input,
)
from drivers.errors import BandMalformed


def test_both_files_are_enciphered_read_with_the_group_key_and_written_with_the_band_key() -> (
    None
):
    rights = {file.number: file.access_rights for file in FILES}

    assert rights == {1: b"\x20\x1f", 2: b"\x20\x1f"}
    assert all(file.mode is CommMode.FULL for file in FILES)
    assert (REFERENCE_FILE.size, CAPSULE_FILE.size) == (16, 256)
    assert (KeySlot.APP.value, KeySlot.UID.value, KeySlot.BAND.value) == (0, 1, 2)


def test_the_witness_is_the_band_keys_alone_and_can_only_grow() -> None:
    rights = {file.number: file.access_rights for file in ALL_FILES}

    # Value: K_band reads, and so may debit; nobody may credit. Records: K_band reads and adds; nobody may clear.
    assert rights == {1: b"\x20\x1f", 2: b"\x20\x1f", 3: b"\xf0\x2f", 4: b"\xf0\x22"}
    assert USES_FILE.write == USES_FILE.read_write == WITNESS_FILE.read_write == NEVER
    assert (USES_FILE.start, USES_FILE.lower, USES_FILE.upper) == (USES_MAX, 0, USES_MAX)
    assert not USES_FILE.has_limited_credit
    assert all(file.mode is CommMode.FULL for file in ALL_FILES)
    assert len({file.number for file in ALL_FILES}) == len(ALL_FILES)


def test_a_cyclic_file_keeps_one_record_for_itself() -> None:
    linear = RecordFile(5, 4, 8, CommMode.FULL, 1, 1, 1, 0, is_cyclic=False)

    assert WITNESS_FILE.n_readable == 7
    assert linear.n_readable == 8


@pytest.mark.parametrize("size", [4, 7, 10])
def test_the_key_of_a_band_is_derived_from_its_uid_the_application_and_this_system(
    size: int,
) -> None:
    uid = bytes(range(size))

    made = diversification_input(uid)

    assert made == uid + AID + SYSTEM_ID
    assert len(made) <= 31


def test_a_band_is_known_by_its_reference_in_hex() -> None:
    assert band_id_of_reference(b"\xab" * 16) == "ab" * 16


def test_a_band_known_by_its_uid_is_stored_under_a_keyed_hash() -> None:
    uid = bytes.fromhex("04A1B2C3D4E5F6")

    one, again = band_id_of_uid(bytes(16), uid), band_id_of_uid(bytes(16), uid)
    elsewhere = band_id_of_uid(b"\x01" * 16, uid)

    assert one == again
    assert one != elsewhere
    assert one.startswith("uid-")
    assert len(one) == 36
    assert uid.hex() not in one


def test_a_felica_band_has_an_id_and_never_a_key() -> None:
    assert band_id_of_uid(bytes(16), bytes(8)).startswith("uid-")

    with pytest.raises(BandMalformed):
        diversification_input(bytes(8))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_ids_of_bytes_that_are_no_uid_or_reference_are_refused(key: bytes, some: bytes) -> None:
    for make in (
        lambda: band_id_of_reference(some),
        lambda: band_id_of_uid(key, some),
        lambda: diversification_input(some),
    ):
        try:
            made = make()
        except BandMalformed:
            continue
        assert len(some) in (4, 7, 8, 10, 16)
        assert made
