"""PC/SC models that behave differently, with the same virtual band in each: frames, light and sound, other programs."""

from datetime import UTC, datetime

import pytest

from drivers.errors import (
    BandLeft,
    BandSilent,
    BandUnsupported,
    Delivery,
    ReaderBusy,
    ServiceDown,
)
from drivers.readers.pcsc import PcscConnection, PcscReader, chosen, has_antenna
from drivers.readers.signals import Signal
from drivers.target import Technology
from hardware.clock import FixedClock
from hardware.virtual.field import Field
from hardware.virtual.uid_bands import VirtualNtag213
from tests.support.bands import UID
from tests.support.chip_bands import ultralight_aes
from tests.support.scard import FakeScard

VERSION = bytes.fromhex("0004040201000F03")
MODELS = {
    "ACS ACR122U PICC Interface 00 00": ("pn53x", True),
    "ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 00 00": ("direct", False),
    "HID Global OMNIKEY 5022 Smart Card Reader 00 00": ("transparent", False),
}
"""Name, how it lets frames through, whether a band that refused is dropped until its UID is asked for."""

ACR122U, ACR1252U, OMNIKEY = MODELS
PLAIN = "Somebody's Reader 00 00"


def _plugged(name: str) -> tuple[Field, FakeScard, PcscReader]:
    field = Field()
    raw, is_dropping = MODELS.get(name, ("none", False))
    scard = FakeScard(field, raw=raw, is_dropping=is_dropping)
    reader = PcscReader(scard, object(), name, FixedClock(datetime(2026, 5, 4, tzinfo=UTC)))
    return field, scard, reader


def _connected(reader: PcscReader) -> PcscConnection:
    target = reader.wait_for_target(10)
    assert target is not None
    assert (target.technology, target.uid) == (Technology.TYPE_2, UID)
    return reader.connect(target)


@pytest.mark.parametrize("name", list(MODELS))
def test_frames_reach_a_type_2_band_through_every_model_that_lets_them(name: str) -> None:
    field, _, reader = _plugged(name)
    field.present(VirtualNtag213(uid=UID))
    connection = _connected(reader)

    version = connection.transmit(b"\x60")
    written = connection.transmit(b"\xa2\x05wxyz")
    pages = connection.transmit(b"\x30\x04")

    assert (version, written, pages[4:8], len(pages)) == (VERSION, b"\x0a", b"wxyz", 16)


@pytest.mark.parametrize("name", list(MODELS))
def test_a_frame_the_band_does_not_know_leaves_it_there_and_activated_anew(name: str) -> None:
    field, _, reader = _plugged(name)
    field.present(VirtualNtag213(uid=UID))
    connection = _connected(reader)

    with pytest.raises(BandSilent) as silent:
        connection.transmit(b"\x1a\x00")

    assert silent.value.delivery is Delivery.UNKNOWN
    assert connection.transmit(b"\x60") == VERSION


@pytest.mark.parametrize("name", list(MODELS))
def test_a_refusal_is_one_byte_and_the_next_frame_reaches_the_band(name: str) -> None:
    field, _, reader = _plugged(name)
    field.present(VirtualNtag213(uid=UID))
    connection = _connected(reader)

    refusal = connection.transmit(b"\x30\xf0")

    assert refusal == b"\x00"
    assert connection.transmit(b"\x60") == VERSION


@pytest.mark.parametrize("name", [*MODELS, PLAIN])
def test_a_band_that_is_gone_has_left_and_is_not_said_to_be_silent(name: str) -> None:
    field, _, reader = _plugged(name)
    field.present(VirtualNtag213(uid=UID))
    connection = _connected(reader)
    field.remove()

    with pytest.raises(BandLeft) as left:
        connection.transmit(b"\x30\x04")

    assert not isinstance(left.value, BandSilent)


def test_another_band_in_its_place_is_not_taken_for_the_silent_one() -> None:
    field, _, reader = _plugged(ACR1252U)
    field.present(VirtualNtag213(uid=UID))
    connection = _connected(reader)
    field.present(VirtualNtag213(uid=UID[:6] + b"\x00"))

    with pytest.raises(BandLeft) as left:
        connection.transmit(b"\x1a\x00")

    assert not isinstance(left.value, BandSilent)


def test_a_silent_bands_connection_sends_nothing_to_the_one_in_its_place() -> None:
    field, scard, reader = _plugged(ACR1252U)
    field.present(VirtualNtag213(uid=UID))
    connection = _connected(reader)
    field.present(VirtualNtag213(uid=UID[:6] + b"\x00"))
    with pytest.raises(BandLeft):
        connection.transmit(b"\x1a\x00")
    scard.apdus.clear()

    with pytest.raises(BandLeft) as left:
        connection.transmit(b"\xa2\x05wxyz")

    assert left.value.delivery is Delivery.NOT_SENT
    assert {apdu[:2] for apdu in scard.apdus} == {b"\xff\xca"}


@pytest.mark.parametrize("is_warm", [True, False], ids=["field stays on", "field goes off"])
def test_a_random_uid_that_stayed_says_that_the_silent_band_is_there_and_a_new_one_says_nothing(
    is_warm: bool,
) -> None:
    field, scard, reader = _plugged(ACR1252U)
    scard.is_warm = is_warm
    field.present(ultralight_aes(is_random=True))
    target = reader.wait_for_target(10)
    assert target is not None
    connection = reader.connect(target)

    with pytest.raises(BandLeft) as silent:
        connection.transmit(b"\x1b\x00\x00\x00\x00")

    assert (len(target.uid), target.uid[0]) == (4, 0x08)
    assert isinstance(silent.value, BandSilent) == is_warm
    if is_warm:
        assert connection.transmit(b"\x60")[:2] == bytes.fromhex("0004")


def test_a_reader_nobody_described_reads_and_writes_pages_and_refuses_the_rest() -> None:
    field, scard, reader = _plugged(PLAIN)
    field.present(VirtualNtag213(uid=UID))
    connection = _connected(reader)
    n_before = len(scard.apdus)

    with pytest.raises(BandUnsupported):
        connection.transmit(b"\x60")
    n_after = len(scard.apdus)
    written = connection.transmit(b"\xa2\x05wxyz")

    assert n_after == n_before
    assert written == b"\x0a"
    assert connection.transmit(b"\x30\x04")[4:8] == b"wxyz"


def test_an_acr122_with_a_band_is_told_as_the_band_would_be() -> None:
    field, scard, reader = _plugged(ACR122U)
    field.present(VirtualNtag213(uid=UID))
    _connected(reader)

    reader.signal(Signal.ACCEPT)

    assert scard.apdus[-1] == bytes.fromhex("FF00400E0401000101")
    assert scard.controls == []


def test_an_acr122_without_a_band_is_told_by_control_code() -> None:
    _, scard, reader = _plugged(ACR122U)
    scard.control_answer = bytes.fromhex("9000")

    reader.signal(Signal.IDLE)

    assert scard.controls == [bytes.fromhex("FF00400C0400000000")]


def test_the_state_an_acr122_answers_with_is_no_failure() -> None:
    _, scard, reader = _plugged(ACR122U)
    scard.control_answer = bytes.fromhex("9002")

    for _ in range(2):
        reader.signal(Signal.ACCEPT)

    assert len(scard.controls) == 2


def test_a_newer_acs_reader_is_told_by_control_code_with_and_without_a_band() -> None:
    field, scard, reader = _plugged(ACR1252U)
    field.present(VirtualNtag213(uid=UID))
    _connected(reader)

    reader.signal(Signal.DENY)
    field.remove()
    reader.wait_for_removal(10)
    reader.signal(Signal.IDLE)

    assert [each.hex().upper() for each in scard.controls] == [
        "E0000029" + "0101",
        "E0000028" + "011E",
        "E0000029" + "0100",
    ]


def test_a_reader_whose_control_codes_are_switched_off_is_told_once_and_never_fails() -> None:
    _, scard, reader = _plugged(ACR1252U)
    scard.control_error = 0x8010001F

    for signal in Signal:
        reader.signal(signal)

    assert len(scard.controls) == 2  # one command by each of the two codes there are


def test_a_reader_without_light_and_sound_is_told_nothing() -> None:
    _, scard, reader = _plugged(OMNIKEY)

    for signal in Signal:
        reader.signal(signal)

    assert scard.controls == scard.apdus == []
    assert scard.n_connected == 0


def test_a_program_that_looks_at_each_card_for_a_moment_is_waited_for() -> None:
    field, scard, reader = _plugged(ACR1252U)
    field.present(VirtualNtag213(uid=UID))
    scard.n_busy = 3

    target = reader.wait_for_target(500)

    assert target is not None
    assert scard.n_connected == 4


def test_a_program_that_keeps_the_card_makes_the_reader_busy_within_its_time() -> None:
    field, scard, reader = _plugged(ACR1252U)
    field.present(VirtualNtag213(uid=UID))
    scard.n_busy = 1_000

    with pytest.raises(ReaderBusy):
        reader.wait_for_target(500)

    assert scard.n_connected <= 10


def test_a_daemon_that_keeps_this_user_from_bands_is_no_reader_in_use() -> None:
    field, scard, reader = _plugged(ACR1252U)
    field.present(VirtualNtag213(uid=UID))
    scard.share_error = 0x8010006A

    with pytest.raises(ServiceDown) as down:
        reader.wait_for_target(500)

    assert "may not use bands" in str(down.value)


TWO = (
    "ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 00 00",
    "ACS ACR1252 Dual Reader [ACR1252 Dual Reader SAM] 00 01",
    "ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 01 00",
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("", TWO[0]),
        ("acr1252", TWO[0]),
        ("01 00", TWO[2]),
        (TWO[2].lower(), TWO[2]),
        ("x", None),
    ],
)
def test_of_two_readers_of_one_model_the_number_says_which(
    wanted: str, expected: str | None
) -> None:
    assert chosen(TWO, wanted) == expected


def test_the_name_in_full_beats_one_that_only_holds_it() -> None:
    assert chosen(["Reader 1 PICC", "Reader 1"], "reader 1") == "Reader 1"


def test_a_slot_for_cards_with_contacts_has_no_antenna() -> None:
    assert not has_antenna("ACS ACR1281U [ACR1281 Dual Reader ICC] 00 00")
    assert has_antenna("ACS ACR1281U [ACR1281 Dual Reader PICC] 00 01")
    assert not has_antenna(TWO[1])
