"""Frames as they are through a PN532: bands without ISO-DEP, what they refuse, what they do not know."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BandCollision, BandLeft, BandMalformed, BandSilent, Delivery
from drivers.readers.crc import crc_a, frame_of
from drivers.readers.pn532 import Pn532Reader
from drivers.readers.pn532_targets import cascade_of, felicas_of
from drivers.target import Target, Technology
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.felica import VirtualFelica
from hardware.virtual.uid_bands import UidBand, UidKind, VirtualNtag213
from tests.support.bands import UID
from tests.support.chip_bands import ultralight_aes
from tests.support.virtual_reader import VirtualReader

GET_VERSION = b"\x60"
NTAG213_VERSION = bytes.fromhex("0004040201000F03")
READ_PAGE_4 = b"\x30\x04"
READ_BEYOND = b"\x30\xf0"
WRITE_PAGE_5 = b"\xa2\x05wxyz"
UNKNOWN = b"\x1a\x00"


@pytest.fixture
def reader(virtual_reader: VirtualReader) -> Iterator[Pn532Reader]:
    opened = Pn532Reader.opened(str(virtual_reader.path), SystemClock())
    yield opened
    opened.close()


def _found(reader: Pn532Reader) -> Target:
    target = reader.wait_for_target(500)
    assert target is not None
    return target


def test_a_type_2_band_answers_frames_that_have_no_crc_here(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    ntag = VirtualNtag213(uid=UID)
    virtual_reader.field.present(ntag)
    connection = reader.connect(_found(reader))

    version = connection.transmit(GET_VERSION)
    written = connection.transmit(WRITE_PAGE_5)
    pages = connection.transmit(READ_PAGE_4)

    assert version == NTAG213_VERSION
    assert written == b"\x0a"
    assert pages[4:8] == b"wxyz"
    assert len(pages) == 16


def test_a_command_the_band_does_not_know_leaves_it_there_and_activated_anew(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualNtag213(uid=UID))
    target = _found(reader)
    connection = reader.connect(target)

    with pytest.raises(BandSilent) as silent:
        connection.transmit(UNKNOWN)

    assert silent.value.delivery is Delivery.UNKNOWN
    assert connection.generation == reader.generation == target.generation
    assert connection.transmit(GET_VERSION) == NTAG213_VERSION


def test_a_refusal_is_one_byte_and_the_next_command_reaches_the_band(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualNtag213(uid=UID))
    connection = reader.connect(_found(reader))

    refusal = connection.transmit(READ_BEYOND)

    assert refusal == b"\x00"
    assert connection.transmit(GET_VERSION) == NTAG213_VERSION


def test_a_type_2_band_that_is_gone_has_left_and_is_not_said_to_be_silent(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualNtag213(uid=UID))
    connection = reader.connect(_found(reader))
    virtual_reader.field.remove()

    with pytest.raises(BandLeft) as left:
        connection.transmit(GET_VERSION)

    assert not isinstance(left.value, BandSilent)
    assert left.value.delivery is Delivery.UNKNOWN


def test_another_band_in_its_place_is_not_taken_for_the_silent_one(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualNtag213(uid=UID))
    connection = reader.connect(_found(reader))
    virtual_reader.field.present(VirtualNtag213(uid=UID[:6] + b"\x00"))

    with pytest.raises(BandLeft) as left:
        connection.transmit(GET_VERSION)

    assert not isinstance(left.value, BandSilent)


def test_a_band_with_a_random_uid_that_falls_silent_is_known_while_the_field_stays_on(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(ultralight_aes(is_random=True))
    target = _found(reader)
    connection = reader.connect(target)

    with pytest.raises(BandSilent):
        connection.transmit(b"\x1b\x00\x00\x00\x00")

    assert target.uid[0] == 0x08
    assert connection.transmit(GET_VERSION)[:2] == bytes.fromhex("0004")


def test_a_band_with_another_random_uid_is_not_taken_for_the_silent_one(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    lifted = ultralight_aes(is_random=True)
    virtual_reader.field.present(lifted)
    connection = reader.connect(_found(reader))
    virtual_reader.field.present(lifted)  # lifted and put back: another UID

    with pytest.raises(BandLeft) as left:
        connection.transmit(GET_VERSION)

    assert not isinstance(left.value, BandSilent)


def test_a_band_that_is_mute_while_it_lies_there_is_one_that_lies_there(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(UidBand(UidKind.SEVEN, entropy=SeededEntropy("band")))
    target = _found(reader)

    looks = [reader.wait_for_removal(150) for _ in range(3)]

    assert looks == [False] * 3
    assert reader.generation == target.generation


@pytest.mark.parametrize("last", [GET_VERSION, READ_BEYOND, UNKNOWN])
def test_a_type_2_band_lies_there_until_it_is_taken_away_whatever_it_was_asked(
    virtual_reader: VirtualReader, reader: Pn532Reader, last: bytes
) -> None:
    virtual_reader.field.present(VirtualNtag213(uid=UID))
    connection = reader.connect(_found(reader))
    try:
        connection.transmit(last)
    except BandSilent:
        assert last == UNKNOWN

    looks = [reader.wait_for_removal(150) for _ in range(3)]
    version = connection.transmit(GET_VERSION)
    virtual_reader.field.remove()

    assert looks == [False] * 3
    assert version == NTAG213_VERSION
    assert any(reader.wait_for_removal(500) for _ in range(3))


def test_a_frame_of_a_type_2_band_is_taken_without_its_crc() -> None:
    # Source: ISO/IEC 14443-3:2018, annex B.3: CRC_A of 00 00 is A0 1E, of 12 34 is 26 CF.
    assert crc_a(bytes(2)) == bytes.fromhex("A01E")
    assert crc_a(bytes.fromhex("1234")) == bytes.fromhex("26CF")
    assert frame_of(bytes.fromhex("123426CF")) == bytes.fromhex("1234")
    assert frame_of(b"\x0a") == b"\x0a"


@given(st.binary(max_size=40))
def test_a_frame_parses_or_is_malformed(answer: bytes) -> None:
    try:
        frame = frame_of(answer)
    except BandMalformed:
        return

    assert len(answer) == 1 or answer == frame + crc_a(frame)


def test_an_answer_to_polling_names_the_band() -> None:
    answer = bytes.fromhex("0101 12 01 0102030405060708 F0F1F2F3F4F5F6F7")

    (target,) = felicas_of(answer, 4)

    assert target == Target(
        Technology.FELICA, bytes(range(1, 9)), bytes(range(0xF0, 0xF8)), 4, None
    )
    assert felicas_of(b"\x02" + answer[1:] + answer[1:], 4) == (target, target)
    assert felicas_of(b"\x00", 4) == ()


@given(st.binary(max_size=30), st.sampled_from([b"", b"\x01", b"\x01\x01\x12\x01"]))
def test_any_answer_to_polling_parses_or_is_malformed(content: bytes, start: bytes) -> None:
    try:
        targets = felicas_of(start + content, 1)
    except BandMalformed:
        return

    assert all((len(target.uid), len(target.answer)) == (8, 8) for target in targets)


@pytest.mark.parametrize(
    ("uid", "cascade"),
    [
        ("01020304", "01020304"),
        ("04010203040506", "8804010203040506"),
        ("04010203040506070809", "88040102 88 03040506070809"),
    ],
)
def test_a_uid_is_searched_for_by_its_parts(uid: str, cascade: str) -> None:
    assert cascade_of(bytes.fromhex(uid)) == bytes.fromhex(cascade)


IDM, PMM = bytes.fromhex("0102030405060708"), bytes.fromhex("F0F1F2F3F4F5F6F7")
READ_BLOCK_0 = bytes.fromhex("1006") + IDM + bytes.fromhex("010B00018000")


def _felica_found(reader: Pn532Reader) -> Target:
    """It is looked for in every third search, so it may take two waits."""
    found = reader.wait_for_target(500) or reader.wait_for_target(500)
    assert found is not None
    return found


def test_a_felica_band_is_found_by_its_number_and_answers_frames_with_their_length(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualFelica(idm=IDM))

    target = _felica_found(reader)
    answer = reader.connect(target).transmit(READ_BLOCK_0)

    assert (target.technology, target.uid, len(target.answer)) == (Technology.FELICA, IDM, 8)
    assert (answer[0], answer[1], answer[2:10]) == (len(answer), 0x07, IDM)


def test_two_felica_bands_at_once_are_not_read_as_one(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    other = bytes.fromhex("0102030405060709")
    virtual_reader.field.present(VirtualFelica(idm=IDM), VirtualFelica(idm=other))

    with pytest.raises(BandCollision):
        _felica_found(reader)


def test_a_felica_band_lies_there_until_it_is_taken_away(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualFelica(idm=IDM))
    _felica_found(reader)

    looks = [reader.wait_for_removal(50) for _ in range(3)]
    virtual_reader.field.remove()

    assert looks == [False] * 3
    assert any(reader.wait_for_removal(500) for _ in range(3))
    assert reader.wait_for_target(20) is None


def test_a_felica_band_that_does_not_know_a_command_is_silent_and_there(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualFelica(idm=IDM))
    connection = reader.connect(_felica_found(reader))

    with pytest.raises(BandSilent):
        connection.transmit(bytes.fromhex("0AF0") + IDM)

    assert connection.transmit(READ_BLOCK_0)[1] == 0x07


def test_a_felica_band_that_is_gone_has_left(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualFelica(idm=IDM))
    connection = reader.connect(_felica_found(reader))
    virtual_reader.field.remove()

    with pytest.raises(BandLeft) as left:
        connection.transmit(READ_BLOCK_0)

    assert not isinstance(left.value, BandSilent)


def test_a_band_of_type_a_beside_a_felica_one_is_the_one_that_is_read(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(VirtualFelica(idm=IDM), VirtualNtag213(uid=UID))

    assert [_found(reader).uid for _ in range(3)] == [UID] * 3
