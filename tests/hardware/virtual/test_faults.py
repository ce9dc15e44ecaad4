"""Each fault does what its name says, and nothing else."""

from datetime import UTC, datetime

import pytest

from hardware.clock import FixedClock
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import BAND_COUNT_MAX, Field
from tests.hardware.virtual.chips import AID, KEYS, UID, ZERO, crypt, desfire

SELECT = b"\x90\x5a\x00\x00\x03" + AID + b"\x00"
VERSION = bytes.fromhex("9060000000")
MORE = bytes.fromhex("90AF000000")


def run(fault: Fault) -> tuple[list[bytes | None], Field, FixedClock]:
    """Answers to selecting and a whole GetVersion under `fault`."""
    field = Field()
    clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
    band = FaultyBand(desfire(), fault, field=field, clock=clock)
    field.present(band)
    chip = band.power_up()
    answers = [chip.exchange(command) for command in (SELECT, VERSION, MORE, MORE)]
    return answers, field, clock


def whole() -> list[bytes | None]:
    return run(Fault(FaultKind.NONE))[0]


def test_no_fault_changes_nothing() -> None:
    answers, field, _ = run(Fault(FaultKind.NONE))

    assert answers[0] == b"\x91\x00"
    assert UID in (answers[3] or b"")
    assert len(field.bands) == 1


@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_torn_band_leaves_at_its_command_and_stays_silent(kind: FaultKind, at: int) -> None:
    answers, field, _ = run(Fault(kind, at))

    assert answers == [*whole()[: at - 1], *[None] * (5 - at)]
    assert field.bands == ()


def test_a_band_torn_before_its_answer_has_done_what_it_was_told() -> None:
    written = []
    for kind in (FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER):
        band = desfire(1)
        clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
        chip = FaultyBand(band, Fault(kind, 4), field=Field(), clock=clock).power_up()
        chip.exchange(b"\x5a" + AID)
        challenge = (chip.exchange(b"\xaa\x02") or b"")[1:]
        rnd_b = crypt(KEYS[2], ZERO, challenge, is_decrypting=True)
        token = crypt(KEYS[2], challenge, ZERO + rnd_b[1:] + rnd_b[:1])
        chip.exchange(b"\xaf" + token)
        chip.exchange(b"\x3d\x01\x00\x00\x00\x03\x00\x00new")
        written.append(bytes(band.contents[AID, 1][:3]))

    assert written == [bytes(range(3)), b"new"]


def test_every_torn_byte_is_a_silence_and_never_half_an_answer() -> None:
    good = whole()
    total = sum(len(answer or b"") for answer in good) + len(SELECT + VERSION + MORE + MORE)

    for at in range(1, total + 1):
        answers, field, _ = run(Fault(FaultKind.TEAR_BYTE, at))
        n_good = answers.index(None)
        assert answers[:n_good] == good[:n_good]
        assert set(answers[n_good:]) == {None}
        assert field.bands == ()
    assert run(Fault(FaultKind.TEAR_BYTE, total + 1))[0] == good


def test_a_mute_band_stays_in_the_field() -> None:
    answers, field, _ = run(Fault(FaultKind.MUTE, 2))

    assert answers == [b"\x91\x00", None, None, None]
    assert len(field.bands) == 1


def test_a_late_band_takes_its_time_for_every_answer() -> None:
    answers, _, clock = run(Fault(FaultKind.DELAY, 300))

    assert answers == whole()
    assert clock.ticks_ms() == 1_200


def test_a_wrong_mac_is_one_bit_before_the_status() -> None:
    answers, _, _ = run(Fault(FaultKind.WRONG_MAC, 4))

    good = whole()[3] or b""
    assert answers[3] == good[:-3] + bytes([good[-3] ^ 1]) + good[-2:]
    assert answers[:3] == whole()[:3]


@pytest.mark.parametrize(("kind", "left"), [(FaultKind.SHORT, b"\x04"), (FaultKind.EMPTY, b"")])
def test_a_short_answer_has_no_status(kind: FaultKind, left: bytes) -> None:
    answers, _, _ = run(Fault(kind, 2))

    assert answers[1] == left


def test_a_field_holds_a_few_bands_and_tells_of_every_change() -> None:
    field = Field()
    told: list[int] = []
    stop = field.listen(lambda: told.append(field.generation))

    field.present(desfire(), desfire())
    field.remove()
    stop()
    field.present(desfire())

    assert told == [1, 2]
    with pytest.raises(ValueError, match="at most"):
        field.present(*[desfire()] * (BAND_COUNT_MAX + 1))
