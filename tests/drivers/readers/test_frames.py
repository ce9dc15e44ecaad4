"""Frames through each kind of PC/SC reader, byte by byte, and what any answer of such a reader leads to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BandLeft, BandMalformed, BandUnsupported, Delivery
from drivers.readers.crc import crc_a
from drivers.readers.frames import answer_object, exchanged
from drivers.readers.profiles import Raw

VERSION = bytes.fromhex("0004040201000F03")


class Reader:
    """Answers in the order it was told to, and keeps what it was sent."""

    def __init__(self, *answers: str) -> None:
        self._answers = [bytes.fromhex(answer) for answer in answers]
        self.sent: list[str] = []

    def __call__(self, command: bytes) -> bytes:
        self.sent.append(command.hex().upper())
        return self._answers.pop(0)


def test_a_frame_goes_out_behind_the_readers_own_head() -> None:
    reader = Reader(VERSION.hex() + "9000")

    answer = exchanged(Raw.DIRECT, reader, b"\x60", is_type_2=True)

    assert answer == VERSION
    assert reader.sent == ["FF0000000160"]


def test_a_reader_that_hides_an_ack_reports_success_and_nothing() -> None:
    reader = Reader("9000")

    answer = exchanged(Raw.DIRECT, reader, b"\xa2\x04wxyz", is_type_2=True)

    assert answer == b"\x0a"
    assert reader.sent == ["FF00000006A2047778797A"]


@pytest.mark.parametrize("answer", ["6300", "6F00", "6401", "01026300"])
def test_a_failed_exchange_has_no_answer(answer: str) -> None:
    assert exchanged(Raw.DIRECT, Reader(answer), b"\x60", is_type_2=True) is None


def test_the_chip_inside_is_told_to_leave_the_crc_to_us_each_time() -> None:
    crc = crc_a(VERSION).hex()
    reader = Reader("D5099000", f"D54300{VERSION.hex()}{crc}9000")

    answer = exchanged(Raw.PN53X, reader, b"\x60", is_type_2=True)

    assert answer == VERSION
    assert reader.sent == ["FF00000008D408630280630300", "FF00000003D44260"]


def test_a_longer_answer_is_fetched_where_the_reader_says_so() -> None:
    crc = crc_a(VERSION).hex()
    reader = Reader("6104", "D5099000", "610F", f"D54300{VERSION.hex()}{crc}9000")

    answer = exchanged(Raw.PN53X, reader, b"\x60", is_type_2=True)

    assert answer == VERSION
    assert reader.sent[1] == "FFC0000004"
    assert reader.sent[3] == "FFC000000F"


def test_four_bits_come_through_the_chip_inside_as_one_byte() -> None:
    reader = Reader("D5099000", "D543000A9000")

    assert exchanged(Raw.PN53X, reader, b"\xa2\x04wxyz", is_type_2=True) == b"\x0a"


@pytest.mark.parametrize("answer", ["D543019000", "6300"])
def test_silence_through_the_chip_inside_is_no_answer(answer: str) -> None:
    assert exchanged(Raw.PN53X, Reader("D5099000", answer), b"\x60", is_type_2=True) is None


@pytest.mark.parametrize("answer", ["9000", "D5419000", f"D54300{VERSION.hex()}00009000"])
def test_an_answer_of_the_chip_inside_that_is_none_is_malformed(answer: str) -> None:
    with pytest.raises(BandMalformed):
        exchanged(Raw.PN53X, Reader("D5099000", answer), b"\x60", is_type_2=True)


def test_felica_gets_through_the_chip_inside_without_registers() -> None:
    reader = Reader("D54300031234569000")

    answer = exchanged(Raw.PN53X, reader, b"\x06\x00\xff\xff\x00\x00", is_type_2=False)

    assert answer == bytes.fromhex("03123456")
    assert reader.sent == ["FF00000008D4420600FFFF0000"]


def test_a_transparent_exchange_has_objects_on_both_ways() -> None:
    reader = Reader(f"C0030090009201009602000097 08{VERSION.hex()}9000")

    answer = exchanged(Raw.TRANSPARENT, reader, b"\x60", is_type_2=True)

    assert answer == VERSION
    assert reader.sent == ["FFC200010395016000"]


def test_a_long_answer_in_a_transparent_exchange_has_its_size_behind_81() -> None:
    reader = Reader(f"C003009000 9781C8 {bytes(200).hex()} 9000")

    assert exchanged(Raw.TRANSPARENT, reader, b"\x3a\x00\x30", is_type_2=True) == bytes(200)


@pytest.mark.parametrize("answer", ["C003016401 9000", "C003006401 9000", "6A81"])
def test_an_error_object_is_no_answer(answer: str) -> None:
    assert exchanged(Raw.TRANSPARENT, Reader(answer), b"\x60", is_type_2=True) is None


@pytest.mark.parametrize(
    "content",
    ["", "97", "9705", "970501", "978101", "97820001FF", "9781", "C003009000", "FF00"],
)
def test_objects_that_do_not_parse_are_malformed(content: str) -> None:
    with pytest.raises(BandMalformed):
        answer_object(bytes.fromhex(content))


def test_a_reader_without_frames_has_words_for_read_and_write() -> None:
    reader = Reader("00112233445566778899AABBCCDDEEFF9000", "9000")

    pages = exchanged(Raw.NONE, reader, b"\x30\x04", is_type_2=True)
    written = exchanged(Raw.NONE, reader, b"\xa2\x05wxyz", is_type_2=True)

    assert pages is not None
    assert (len(pages), written) == (16, b"\x0a")
    assert reader.sent == ["FFB0000410", "FFD6000504" + b"wxyz".hex().upper()]


@pytest.mark.parametrize("frame", [b"\x60", b"\x1a\x00", b"\x30", b"\xa2\x05wx"])
def test_a_reader_without_frames_sends_nothing_else(frame: bytes) -> None:
    reader = Reader()

    with pytest.raises(BandUnsupported) as unsupported:
        exchanged(Raw.NONE, reader, frame, is_type_2=True)

    assert unsupported.value.delivery is Delivery.NOT_SENT
    assert reader.sent == []


@given(
    st.sampled_from(list(Raw)),
    st.binary(min_size=1, max_size=20),
    st.lists(st.binary(max_size=40), min_size=4, max_size=4),
    st.booleans(),
)
def test_any_answer_of_a_reader_is_an_answer_none_or_our_own_error(
    raw: Raw, frame: bytes, answers: list[bytes], is_type_2: bool
) -> None:
    waiting = list(answers)

    try:
        answer = exchanged(raw, lambda _: waiting.pop(0), frame, is_type_2=is_type_2)
    except (BandLeft, BandMalformed, BandUnsupported):
        return

    assert answer is None or len(answer) <= 40


@pytest.mark.parametrize("size", [0, 251])
def test_a_frame_that_no_reader_carries_is_our_own_mistake(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 250"):
        exchanged(Raw.DIRECT, Reader(), bytes(size), is_type_2=True)
