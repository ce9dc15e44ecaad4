import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BandLeft, BandMalformed, BandSilent, Delivery, ReaderFault
from drivers.transcript import (
    Exchange,
    RecordingConnection,
    ReplayConnection,
    Transcript,
    text_of,
    transcript_of,
)
from hardware.entropy import SeededEntropy
from tests.support.bands import ChipConnection, band
from tests.support.transcripts import FOLDER, SCENES, SEED, played

TEXT = """\
# reader: made up / band: made up
= 3B 8F 80 01                     answer to reset; be a band ad
> FF CA 00 00 00                  sent
< 04 A1 B2 C3 D4 E5 F6 90 00      received
> 90 5A 00 00 03 54 54 01 00
! left                            the band was taken away
"""


def test_a_transcript_is_read_as_a_person_reads_it() -> None:
    transcript = transcript_of(TEXT)

    assert transcript == Transcript(
        ("reader: made up / band: made up",),
        bytes.fromhex("3B8F8001"),
        (
            Exchange(bytes.fromhex("FFCA000000"), bytes.fromhex("04A1B2C3D4E5F69000")),
            Exchange(bytes.fromhex("905A00000354540100"), None),
        ),
    )


def test_a_replay_answers_as_recorded_and_then_the_band_leaves() -> None:
    connection = ReplayConnection(transcript_of(TEXT))

    answer = connection.transmit(bytes.fromhex("FFCA000000"))
    with pytest.raises(BandLeft) as left:
        connection.transmit(bytes.fromhex("905A00000354540100"))

    assert answer == bytes.fromhex("04A1B2C3D4E5F69000")
    assert left.value.delivery is Delivery.UNKNOWN
    assert connection.is_used_up


def test_a_band_that_is_silent_is_still_there_for_the_next_command() -> None:
    text = "> 1A 00\n! silent              it is no Ultralight C\n> 30 00\n< 04 11\n"
    transcript = transcript_of(text)
    connection = ReplayConnection(transcript)

    with pytest.raises(BandSilent):
        connection.transmit(b"\x1a\x00")
    answer = connection.transmit(b"\x30\x00")

    assert answer == b"\x04\x11"
    assert transcript_of(text_of(transcript)) == transcript


@given(st.binary(max_size=8))
def test_a_replay_refuses_every_byte_that_was_not_recorded(command: bytes) -> None:
    connection = ReplayConnection(transcript_of(TEXT))

    if command == bytes.fromhex("FFCA000000"):
        return
    with pytest.raises(ReaderFault) as refused:
        connection.transmit(command)

    assert refused.value.delivery is Delivery.NOT_SENT


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("> 90\n", "no answer"),
        ("< 90 00\n", "line 1: an answer without a command"),
        ("> 90\n> 60\n", "line 2: out of order"),
        ("> 9\n", "line 1: no bytes"),
        ("> 90\n! left\n< 90 00\n", "line 3: nothing may follow"),
        ("! silent\n", "line 1: an answer without a command"),
        ("> 90\n! silently\n", "line 2: no bytes"),
        ("= 3B\n= 3B\n", "line 2: out of order"),
        ("hello\n", "line 1: no bytes"),
        ("x" * 70_000, "too long"),
        ("> 90\n< 90 00\n" * 300, "nothing may follow"),
    ],
)
def test_a_transcript_that_is_none_is_refused_with_the_line(text: str, says: str) -> None:
    with pytest.raises(BandMalformed, match=says):
        transcript_of(text)


@given(st.text(alphabet="=><!# 0AFg\nleftsin", max_size=80) | st.text(max_size=40))
def test_any_text_is_a_transcript_or_malformed(text: str) -> None:
    try:
        transcript = transcript_of(text)
    except BandMalformed:
        return
    assert transcript_of(text_of(transcript)).exchanges == transcript.exchanges


def test_what_is_recorded_replays_with_stand_ins_for_what_is_true() -> None:
    chip = band(uid=bytes.fromhex("04112233445566")).power_up()
    true, stand_in = bytes.fromhex("04112233445566"), bytes.fromhex("04A1B2C3D4E5F6")
    recording = RecordingConnection(ChipConnection(chip), stand_ins={true: stand_in})
    for command in ("9060000000", "90AF000000", "90AF000000"):
        recording.transmit(bytes.fromhex(command))
    chip_left = ChipConnection(chip, lambda number, answer: None)
    torn = RecordingConnection(chip_left)
    with pytest.raises(BandLeft):
        torn.transmit(b"\x90\x60\x00\x00\x00")

    text = text_of(recording.transcript(title=("virtual DESFire EV2",), answer=b"\x75"))

    assert true.hex(" ").upper() not in text
    assert stand_in.hex(" ").upper() in text
    assert ReplayConnection(transcript_of(text)).transmit(bytes.fromhex("9060000000"))
    assert torn.transcript(title=(), answer=b"").exchanges[0].received is None


def test_every_kept_transcript_reads() -> None:
    kept = sorted(FOLDER.glob("*.txt"))

    names = {path.stem for path in kept}
    assert names == {*SCENES, "desfire-ev1-no-lease", "desfire-ev2-random-uid"}
    for path in kept:
        assert transcript_of(path.read_text()).exchanges


@pytest.mark.parametrize("name", SCENES)
def test_chip_and_driver_still_say_what_was_recorded(name: str) -> None:
    """When the bytes were meant to change: python -m tests.support.transcripts, read what it wrote, commit it."""
    text, _ = played(SCENES[name])

    assert text == (FOLDER / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", SCENES)
def test_a_driver_reads_from_the_recording_what_it_read_from_the_band(name: str) -> None:
    scene = SCENES[name]
    connection = ReplayConnection(transcript_of((FOLDER / f"{name}.txt").read_text()))

    replayed = scene.act(connection, SeededEntropy(SEED))

    assert replayed == played(scene)[1]
    assert replayed
    assert connection.is_used_up


@pytest.mark.parametrize("name", sorted(set(SCENES) - {"tap-ntag213", "ntag424-message"}))
def test_a_reader_with_other_random_numbers_is_refused_by_the_recording(name: str) -> None:
    connection = ReplayConnection(transcript_of((FOLDER / f"{name}.txt").read_text()))

    with pytest.raises(ReaderFault) as refused:
        SCENES[name].act(connection, SeededEntropy("another reader"))

    assert refused.value.delivery is Delivery.NOT_SENT
    assert not connection.is_used_up


@given(st.data())
def test_no_bit_of_a_recorded_command_may_differ(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SCENES)))
    transcript = transcript_of((FOLDER / f"{name}.txt").read_text())
    at = data.draw(st.integers(0, len(transcript.exchanges) - 1))
    connection = ReplayConnection(transcript)
    for exchange in transcript.exchanges[:at]:
        with contextlib.suppress(BandSilent):
            connection.transmit(exchange.sent)
    sent = transcript.exchanges[at].sent
    bit = data.draw(st.integers(0, 8 * len(sent) - 1))

    changed = bytearray(sent)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ReaderFault):
        connection.transmit(bytes(changed))

    assert not connection.is_used_up
