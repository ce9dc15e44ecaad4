"""A keyboard reader: real `input_event` bytes on a pipe in place of the device, and the device itself where the kernel makes one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chips.reading import read_band
from drivers.errors import BandLeft, BandUnsupported, Delivery, ReaderAbsent
from drivers.proof import ChipFamily, ProofKind
from drivers.readers.profiles import ByteOrder
from drivers.readers.wedge import DIGITS, EVENT, Typing, WedgeReader, uid_of
from drivers.target import Target, Technology
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from tests.support.bands import Keys

UID = bytes.fromhex("04A1B2C3D4E5F6")
ENTER = 28
CODES = {digit: code for code, digit in reversed(DIGITS.items())}


def _event(kind: int, code: int, value: int) -> bytes:
    return EVENT.pack(1_700_000_000, 0, kind, code, value)


def _key(code: int) -> bytes:
    """A key going down and up, each with the report that follows it."""
    return b"".join(_event(1, code, value) + _event(0, 0, 0) for value in (1, 0))


def _typed(text: str) -> bytes:
    return b"".join(_key(CODES[digit]) for digit in text) + _key(ENTER)


class Keyboard:
    """The device's side of a pipe."""

    def __init__(self, gone_ms: int = 60) -> None:
        self._inner, self.outer = os.pipe()
        self.reader = WedgeReader(self._inner, "RFID Reader", SystemClock(), gone_ms=gone_ms)

    def types(self, text: str) -> None:
        os.write(self.outer, _typed(text))

    def unplug(self) -> None:
        os.close(self.outer)
        self.outer = -1


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    made = Keyboard()
    yield made
    made.reader.close()
    if made.outer >= 0:
        made.unplug()


def _found(reader: WedgeReader) -> Target:
    target = reader.wait_for_target(500)
    assert target is not None
    return target


def test_a_typed_number_is_a_band_known_by_its_uid_alone(keyboard: Keyboard) -> None:
    keyboard.types(UID.hex().upper())

    target = _found(keyboard.reader)
    proof = read_band(keyboard.reader.connect(target), target, Keys(UID), SeededEntropy("w"))

    assert (target.technology, target.uid) == (Technology.OTHER, UID)
    assert (proof.kind, proof.family, proof.uid) == (ProofKind.NONE, ChipFamily.UNKNOWN, UID)


def test_nothing_typed_is_no_band(keyboard: Keyboard) -> None:
    assert keyboard.reader.wait_for_target(10) is None


def test_a_number_in_two_parts_is_one_band(keyboard: Keyboard) -> None:
    whole = _typed(UID.hex().upper())
    os.write(keyboard.outer, whole[:101])

    first = keyboard.reader.wait_for_target(10)
    os.write(keyboard.outer, whole[101:])

    assert first is None
    assert _found(keyboard.reader).uid == UID


def test_a_number_typed_over_and_over_is_one_band_until_it_stops(keyboard: Keyboard) -> None:
    keyboard.types(UID.hex().upper())
    target = _found(keyboard.reader)
    keyboard.types(UID.hex().upper())

    still_there = not keyboard.reader.wait_for_removal(5)

    assert still_there
    assert keyboard.reader.wait_for_removal(500)
    assert keyboard.reader.wait_for_target(10) is None
    assert keyboard.reader.generation == target.generation


def test_another_number_says_that_the_first_band_left_and_is_the_next(
    keyboard: Keyboard,
) -> None:
    keyboard.types(UID.hex().upper())
    first = _found(keyboard.reader)
    old = keyboard.reader.connect(first)
    keyboard.types("01020304")

    assert keyboard.reader.wait_for_removal(500)
    second = _found(keyboard.reader)

    assert second.uid == bytes.fromhex("01020304")
    assert second.generation > old.generation
    with pytest.raises(BandLeft):
        keyboard.reader.connect(first)


def test_a_band_that_was_typed_cannot_be_spoken_to(keyboard: Keyboard) -> None:
    keyboard.types("01020304")
    target = _found(keyboard.reader)

    with pytest.raises(BandUnsupported) as unsupported:
        keyboard.reader.connect(target).transmit(b"\x60")

    assert unsupported.value.delivery is Delivery.NOT_SENT


def test_an_unplugged_keyboard_is_absent_and_can_be_closed_twice(keyboard: Keyboard) -> None:
    keyboard.unplug()

    with pytest.raises(ReaderAbsent):
        keyboard.reader.wait_for_target(100)
    keyboard.reader.close()
    keyboard.reader.close()

    with pytest.raises(ReaderAbsent):
        keyboard.reader.wait_for_target(10)


def test_a_keyboard_is_given_back_where_its_block_ends(keyboard: Keyboard) -> None:
    with keyboard.reader as reader:
        assert reader is keyboard.reader
        reader.wait_for_target(10)

    with pytest.raises(ReaderAbsent):
        reader.wait_for_target(10)


@pytest.mark.parametrize("wanted", ["/nowhere/event0", "/dev/null", "no such keyboard at all"])
def test_what_is_no_keyboard_is_absent(wanted: str) -> None:
    with pytest.raises(ReaderAbsent) as absent:
        WedgeReader.opened(wanted, SystemClock())

    assert absent.value.delivery is Delivery.NOT_SENT


@pytest.mark.parametrize(
    ("typed", "order", "uid"),
    [
        ("04A1B2C3", ByteOrder.AS_READ, "04A1B2C3"),
        ("04A1B2C3", ByteOrder.REVERSED, "C3B2A104"),
        ("0077703875", ByteOrder.AS_READ, "04A1AAC3"),
        ("4294967296", ByteOrder.AS_READ, None),
        ("04A1B2C3D4E5F6", ByteOrder.AS_READ, "04A1B2C3D4E5F6"),
        ("0102030405060708", ByteOrder.AS_READ, "0102030405060708"),
        ("04A1B2C3D4E5F6070809", ByteOrder.AS_READ, "04A1B2C3D4E5F6070809"),
        ("04A1B2C", ByteOrder.AS_READ, None),
        ("04A1B2C?", ByteOrder.AS_READ, None),
        ("", ByteOrder.AS_READ, None),
    ],
)
def test_a_number_is_the_uid_it_was_printed_from(
    typed: str, order: ByteOrder, uid: str | None
) -> None:
    assert uid_of(typed, order) == (None if uid is None else bytes.fromhex(uid))


def test_digits_with_a_pause_between_them_are_two_numbers() -> None:
    typing = Typing()

    lines = [*typing.feed(_key(CODES["1"]), 0), *typing.feed(_typed("01020304"), 2_000)]

    assert lines == ["01020304"]


@pytest.mark.parametrize("kept", range(15))
def test_a_number_of_which_the_kernel_lost_keys_is_no_shorter_number(kept: int) -> None:
    number = UID.hex().upper()
    lost = b"".join(_key(CODES[digit]) for digit in number[:kept]) + _event(0, 3, 0)

    typing = Typing()
    lines = list(typing.feed(lost + _typed(number[-8:]) + _typed(number), 0))

    assert [uid_of(line, ByteOrder.AS_READ) for line in lines] == [None, UID]


def test_a_line_of_other_keys_is_no_number() -> None:
    lines = list(Typing().feed(_key(16) + _key(17) + _key(ENTER), 0))

    assert [uid_of(line, ByteOrder.AS_READ) for line in lines] == [None]


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_any_bytes_of_a_device_give_numbers_of_bands_or_nothing(chunks: list[bytes]) -> None:
    typing = Typing()

    for chunk in chunks:
        for line in typing.feed(chunk, 0):
            uid = uid_of(line, ByteOrder.AS_READ)

            assert len(line) <= 20
            assert uid is None or len(uid) in (4, 7, 8, 10)


@given(st.text(alphabet="0123456789ABCDEF", min_size=0, max_size=30))
def test_what_is_typed_comes_out_as_one_line(text: str) -> None:
    lines = list(Typing().feed(_typed(text), 0))

    assert lines == [text if len(text) <= 20 else ""]


if Path("/dev/uinput").exists():

    def test_a_real_input_device_is_grabbed_and_read() -> None:
        import evdev

        device = evdev.UInput(name="RFID Reader")
        reader = WedgeReader.opened("rfid reader", SystemClock())
        for digit in "01020304":
            device.write(1, CODES[digit], 1)
            device.write(1, CODES[digit], 0)
        device.write(1, ENTER, 1)
        device.write(1, ENTER, 0)
        device.syn()

        found = _found(reader)
        reader.close()
        device.close()

        assert found.uid == bytes.fromhex("01020304")
