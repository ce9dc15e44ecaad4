"""Type 4 bands and telephones, read without a key."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.type4 import PIECE_COUNT_MAX, Type4
from drivers.errors import BandError, BandMalformed, BandRefused, BandUnsupported
from drivers.ndef import Record, TypeName, message_of, records_of, uri_message, uri_of
from hardware.entropy import SeededEntropy
from hardware.virtual.ntag424 import VirtualNtag424, delivered_files
from hardware.virtual.uid_bands import VirtualPhone
from tests.support.bands import UID, ChipConnection

LINK = "https://tap.example/b"


def _band(message: bytes) -> VirtualNtag424:
    files = delivered_files(len(message).to_bytes(2, "big") + message)
    return VirtualNtag424(uid=UID, entropy=SeededEntropy("t4"), files=files)


def test_link_of_a_type_4_band_is_read() -> None:
    connection = ChipConnection(_band(uri_message(LINK)).power_up())
    band = Type4(connection)

    assert band.select()
    (record,) = band.ndef()

    assert uri_of(record) == LINK
    assert len(connection.sent) == 7


def test_message_is_written_so_that_it_can_be_read() -> None:
    connection = ChipConnection(_band(b"").power_up())
    band = Type4(connection)
    band.select()
    message = uri_message(LINK)

    band.write_ndef(message)

    assert band.ndef() == records_of(message)


@pytest.mark.parametrize("n_written", range(1, 8))
def test_torn_writing_leaves_an_old_a_new_or_an_empty_message(n_written: int) -> None:
    old, new = uri_message(LINK), uri_message("https://tap.example/" + "n" * 200)
    virtual = _band(old)
    connection = ChipConnection(
        virtual.power_up(), lambda number, answer: None if number > n_written else answer
    )
    band = Type4(connection)
    with contextlib.suppress(BandError):
        band.select()
        band.write_ndef(new)

    again = Type4(ChipConnection(virtual.power_up()))
    again.select()

    assert again.ndef() in (records_of(old), records_of(new), ())


def test_message_that_does_not_fit_is_not_written() -> None:
    band = Type4(ChipConnection(_band(b"").power_up()))
    band.select()
    message = message_of((Record(TypeName.MEDIA, b"x", b"", bytes(255)),))

    with pytest.raises(BandUnsupported):
        band.write_ndef(message)


def test_message_that_just_fits_is_written() -> None:
    """The file of 256 bytes keeps two for the length."""
    band = Type4(ChipConnection(_band(b"").power_up()))
    band.select()
    head = len(message_of((Record(TypeName.MEDIA, b"x", b"", b""),)))
    fitting, longer = (
        message_of((Record(TypeName.MEDIA, b"x", b"", bytes(254 - head + more)),))
        for more in (0, 1)
    )

    with pytest.raises(BandUnsupported):
        band.write_ndef(longer)
    band.write_ndef(fitting)

    assert len(fitting) == 254
    assert band.ndef() == records_of(fitting)


def test_telephone_has_no_ndef_application() -> None:
    phone = VirtualPhone(uid=bytes.fromhex("08AABBCC"))

    assert not Type4(ChipConnection(phone.power_up())).select()


class _Scripted:
    """Answers by the first bytes of a command."""

    generation = 1

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers
        self.sent: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        for start, answer in self._answers.items():
            if command.hex().upper().startswith(start):
                return bytes.fromhex(answer)
        return b"\x90\x00"


CONTAINER = "000F20003B00340406E104003E0000"


def test_telephone_that_agrees_to_everything_has_no_message() -> None:
    connection = _Scripted({})
    band = Type4(connection)

    assert band.select()
    with pytest.raises(BandMalformed):
        band.ndef()

    assert not any(b"2PAY" in command for command in connection.sent)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"00B000000F": CONTAINER[:-4] + "80009000"}, BandUnsupported),
        ({"00B000000F": CONTAINER + "9000", "00B0000002": "003D9000"}, BandMalformed),
        ({"00B000000F": CONTAINER + "9000", "00B0000002": "009000"}, BandMalformed),
        ({"00B000000F": CONTAINER + "009000"}, BandMalformed),
        ({"00B000000F": CONTAINER + "9000", "00A4000C02E104": "6A82"}, BandRefused),
        (
            {"00B000000F": CONTAINER + "9000", "00B0000002": "00059000", "00B00002": "D19000"},
            BandMalformed,
        ),
        ({"00B000000F": CONTAINER + "6282"}, BandRefused),
    ],
    ids=["key", "past the file", "no length", "too long", "no file", "too short", "warning"],
)  # fmt: skip
def test_band_that_does_not_hold_what_it_promises_is_an_error(
    answers: dict[str, str], error: type[Exception]
) -> None:
    band = Type4(_Scripted(answers))
    band.select()

    with pytest.raises(error):
        band.ndef()


def test_band_that_gives_little_at_a_time_does_not_hold_the_reader() -> None:
    """It promises 8 KiB, hands out 15 bytes at once, and would keep its promise."""
    container = bytes.fromhex("000F20000F000F0406E10420000000")

    class Slow:
        generation = 1
        n_sent = 0

        def transmit(self, command: bytes) -> bytes:
            self.n_sent += 1
            if command[1] != 0xB0:
                return b"\x90\x00"
            is_container = command == bytes.fromhex("00B000000F") and self.n_sent < 4
            is_length = command == bytes.fromhex("00B0000002")
            content = container if is_container else b"\x1f\xf0" if is_length else bytes(15)
            return content[: command[4]] + b"\x90\x00"

    connection = Slow()
    band = Type4(connection)
    band.select()

    with pytest.raises(BandMalformed, match="pieces"):
        band.ndef()

    assert connection.n_sent < 10


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20).map(lambda content: content + b"\x90\x00"),
            st.binary(max_size=20),
            st.just(bytes.fromhex(CONTAINER + "9000")),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_a_band_answers_only_errors_of_ours_are_raised(answers: list[bytes]) -> None:
    class Foreign:
        generation = 1
        n_sent = 0

        def transmit(self, command: bytes) -> bytes:
            self.n_sent += 1
            return answers[self.n_sent % len(answers)]

    connection = Foreign()
    band = Type4(connection)

    for ask in (band.select, band.ndef, lambda: band.write_ndef(uri_message(LINK))):
        try:
            ask()
        except BandError:
            continue

    assert connection.n_sent < 3 * PIECE_COUNT_MAX


def test_length_past_the_file_is_not_read_up_to_its_end() -> None:
    connection = _Scripted({"00B000000F": CONTAINER + "9000", "00B0000002": "003D9000"})
    band = Type4(connection)
    band.select()

    with pytest.raises(BandMalformed):
        band.ndef()

    assert connection.sent[-1] == bytes.fromhex("00B0000002")


def test_empty_message_has_no_records() -> None:
    band = Type4(_Scripted({"00B000000F": CONTAINER + "9000", "00B0000002": "00009000"}))
    band.select()

    assert band.ndef() == ()
