"""What the virtual DESFire does and refuses, asked by plain arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.virtual.band import PoweredChip
from tests.hardware.virtual.chips import (
    AID,
    KEYS,
    TEXT,
    UID,
    ZERO,
    Ev1Reader,
    Ev2Reader,
    ask,
    crypt,
    desfire,
    padded,
)

WRONG_KEY = b"\x55" * 16


def selected(ev: int = 2, *, is_random: bool = False) -> PoweredChip:
    chip = desfire(ev, is_random=is_random).power_up()
    assert ask(chip, b"\x5a" + AID) == b"\x00"
    return chip


@pytest.mark.parametrize("start", [b"\x71\x01\x00", b"\xaa\x01"])
def test_a_wrong_key_is_refused_and_opens_nothing(start: bytes) -> None:
    chip = selected()

    challenge = ask(chip, start)
    answer = ask(chip, b"\xaf" + crypt(WRONG_KEY, ZERO, bytes(32)))

    assert (challenge[0], answer) == (0xAF, b"\xae")
    assert ask(chip, b"\xbd\x01" + bytes(6)) == b"\xae"


def test_an_ev1_does_not_know_the_ev2_authentication() -> None:
    chip = selected(ev=1)

    answer = ask(chip, b"\x71\x01\x00")

    assert answer == b"\x1c"


def test_version_comes_in_three_frames_and_says_the_generation() -> None:
    generations = {}
    for ev in (1, 2, 3):
        chip = desfire(ev).power_up()
        frames = [ask(chip, b"\x60"), ask(chip, b"\xaf"), ask(chip, b"\xaf")]
        assert [frame[0] for frame in frames] == [0xAF, 0xAF, 0x00]
        assert frames[2][1:8] == UID
        generations[ev] = frames[0][4]

    assert generations == {1: 0x01, 2: 0x12, 3: 0x33}


def test_a_random_uid_changes_with_every_field_and_hides_the_true_one() -> None:
    band = desfire(is_random=True)

    chips = [band.power_up() for _ in range(8)]
    uids = {chip.anticollision.uid for chip in chips}
    ask(chips[0], b"\x60")
    ask(chips[0], b"\xaf")
    production = ask(chips[0], b"\xaf")

    assert len(uids) == 8
    assert all(len(uid) == 4 and uid[0] == 0x08 for uid in uids)
    assert UID not in production


def test_the_true_uid_is_told_enciphered_after_ev2_authentication() -> None:
    reader = Ev2Reader(selected(is_random=True), 1, KEYS[1])

    uid = reader.run(b"\x51", is_full=True)

    assert uid == UID


def test_the_true_uid_is_told_enciphered_after_ev1_authentication() -> None:
    reader = Ev1Reader(selected(ev=1, is_random=True), 1, KEYS[1])

    assert reader.read(b"\x51", size=7, is_full=True) == UID


@pytest.mark.parametrize(("number", "is_full"), [(1, False), (2, False), (3, True)])
@pytest.mark.parametrize("size", [0, 16, 100])
def test_an_ev1_session_reads_and_its_chain_goes_on(
    number: int, *, is_full: bool, size: int
) -> None:
    reader = Ev1Reader(selected(ev=1), 1, KEYS[1])
    command = bytes([0xBD, number]) + bytes(3) + size.to_bytes(3, "little")

    contents = [reader.read(command, size=size, is_full=is_full) for _ in range(3)]

    assert contents == [TEXT[: size or len(TEXT)]] * 3


@pytest.mark.parametrize(("number", "is_full"), [(2, False), (3, True)])
@given(content=st.binary(min_size=1, max_size=32))
def test_an_ev1_session_writes_what_was_meant(
    number: int, content: bytes, *, is_full: bool
) -> None:
    band = desfire(1)
    chip = band.power_up()
    ask(chip, b"\x5a" + AID)
    reader = Ev1Reader(chip, 2, KEYS[2])
    command = bytes([0x3D, number]) + b"\x02\x00\x00" + len(content).to_bytes(3, "little")

    answers = [reader.write(command, content, is_full=is_full)[0] for _ in range(2)]

    assert answers == [0x00, 0x00]
    assert band.contents[AID, number] == TEXT[:2] + content + TEXT[2 + len(content) :]


@pytest.mark.parametrize(("number", "is_full"), [(2, False), (3, True)])
def test_an_ev1_session_takes_no_tampered_write(number: int, *, is_full: bool) -> None:
    band = desfire(1)
    chip = band.power_up()
    ask(chip, b"\x5a" + AID)
    reader = Ev1Reader(chip, 2, KEYS[2])
    command = bytes([0x3D, number]) + b"\x02\x00\x00\x03\x00\x00"
    reader.iv = bytes(15) + b"\x01"  # What is sent belongs to another place in the chain.

    answer = reader.write(command, b"new", is_full=is_full)

    assert answer == b"\x1e"
    assert band.contents[AID, number] == TEXT


def test_the_uid_is_not_told_to_a_stranger() -> None:
    assert ask(selected(), b"\x51") == b"\xae"


@pytest.mark.parametrize(("number", "is_full"), [(2, False), (3, True)])
def test_a_protected_file_is_read_whole_at_once(number: int, *, is_full: bool) -> None:
    reader = Ev2Reader(selected(), 1, KEYS[1])

    content = reader.run(bytes([0xAD, number]) + bytes(6), is_full=is_full)

    assert content == TEXT


def test_a_plain_file_comes_in_frames() -> None:
    reader = Ev2Reader(selected(), 1, KEYS[1])

    frames = [ask(reader.chip, b"\xbd\x01" + bytes(6))]
    while frames[-1][0] == 0xAF:
        frames.append(ask(reader.chip, b"\xaf"))

    assert b"".join(frame[1:] for frame in frames) == TEXT
    assert [len(frame) for frame in frames] == [60, 60, 60, 24]


def test_a_file_free_to_read_is_read_by_anybody_plainly() -> None:
    assert ask(selected(), b"\xbd\x04" + bytes(6)) == b"\x00" + TEXT[:16]


def test_a_second_key_of_the_same_transaction_writes_what_the_first_may_only_read() -> None:
    reader = Ev2Reader(selected(), 1, KEYS[1])
    reader.run(b"\xad\x03\x00\x00\x00\x10\x00\x00", is_full=True)

    reader.reauthenticate(2, KEYS[2])
    reader.run(b"\x8d\x03\x05\x00\x00\x03\x00\x00", b"new", is_full=True)

    content = reader.run(b"\xad\x03" + bytes(6), is_full=True)
    assert content == TEXT[:5] + b"new" + TEXT[8:]


def test_a_key_without_the_right_is_refused() -> None:
    reader = Ev2Reader(selected(), 1, KEYS[1])

    answer = ask(reader.chip, b"\x8d\x03" + bytes(3) + b"\x03\x00\x00" + bytes(24))

    assert answer == b"\xae"


def test_a_right_nobody_has_is_refused_to_everybody() -> None:
    reader = Ev2Reader(selected(), 0, KEYS[0])

    assert ask(reader.chip, b"\x8d\x04" + bytes(3) + b"\x01\x00\x00\x00") == b"\x9d"


def test_a_wrong_command_mac_ends_the_session() -> None:
    reader = Ev2Reader(selected(), 1, KEYS[1])

    refused = ask(reader.chip, b"\xad\x03" + bytes(6) + bytes(8))
    after = ask(reader.chip, b"\xad\x03" + bytes(6))

    assert (refused, after) == (b"\x1e", b"\xae")


def test_a_torn_chained_write_changes_nothing() -> None:
    band = desfire()
    chip = band.power_up()
    ask(chip, b"\x5a" + AID)
    reader = Ev2Reader(chip, 2, KEYS[2])
    command = b"\x3d\x02" + bytes(3) + len(TEXT).to_bytes(3, "little")
    body = bytes(len(TEXT)) + reader.maced(0x3D, command[1:] + bytes(len(TEXT)))

    first = ask(chip, command + body[:48])
    whole = ask(chip, b"\xaf" + body[48:])
    torn_band = desfire()
    torn = torn_band.power_up()
    ask(torn, b"\x5a" + AID)
    Ev2Reader(torn, 2, KEYS[2])
    ask(torn, command + body[:48])

    assert (first[0], whole[0]) == (0xAF, 0x00)
    assert band.contents[AID, 2] == bytes(len(TEXT))
    assert torn_band.contents[AID, 2] == TEXT


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"\x09" + bytes(6), 0xF0),
        (b"\x01\xc8" + bytes(5), 0xBE),
        (b"\x01\x00\x00\x00\xc9\x00\x00", 0xBE),
        (b"\x01", 0x7E),
    ],
)
def test_reading_what_is_not_there_is_refused_by_its_own_status(
    header: bytes, status: int
) -> None:
    chip = selected()
    Ev1Reader(chip, 1, KEYS[1])

    assert ask(chip, b"\xbd" + header) == bytes([status])


def test_an_unknown_application_is_refused_and_the_old_session_is_gone() -> None:
    reader = Ev2Reader(selected(), 1, KEYS[1])

    refused = ask(reader.chip, b"\x5a\x99\x99\x99")

    assert refused == b"\xa0"
    assert ask(reader.chip, b"\x51") == b"\xae"


def test_another_command_in_the_middle_of_one_aborts_it() -> None:
    chip = desfire().power_up()
    ask(chip, b"\x60")

    aborted = ask(chip, b"\x5a" + AID)

    assert aborted == b"\xca"
    assert ask(chip, b"\xaf") == b"\x1c"


def test_wrapped_and_native_commands_say_the_same() -> None:
    native, wrapped = selected(), desfire().power_up()
    assert ask(wrapped, b"\x90\x5a\x00\x00\x03" + AID + b"\x00") == b"\x91\x00"

    plain = ask(native, b"\xf5\x03")
    framed = ask(wrapped, b"\x90\xf5\x00\x00\x01\x03\x00")

    assert framed == plain[1:] + b"\x91" + plain[:1]
    assert plain == b"\x00\x00\x03\x20\x12\xc8\x00\x00"


def test_the_first_command_after_the_activation_decides_which_form_is_taken() -> None:
    native, wrapped = selected(), desfire().power_up()
    ask(wrapped, b"\x90\x60\x00\x00\x00")

    assert ask(native, b"\x90\x60\x00\x00\x00") == b"\x1c"
    assert ask(native, bytes.fromhex("00A4040007D276000085010100")) == b"\x1c"
    assert ask(wrapped, b"\x60") == b"\x67\x00"


def test_applications_are_listed_on_the_chip_itself() -> None:
    chip = desfire().power_up()

    assert ask(chip, b"\x6a") == b"\x00" + AID


@given(st.lists(st.binary(max_size=80), max_size=12))
def test_any_bytes_get_a_status_or_silence(commands: list[bytes]) -> None:
    chip = desfire(3).power_up()

    answers = [chip.exchange(command) for command in commands]

    assert all(
        (answer is None) == (not command)
        for command, answer in zip(commands, answers, strict=True)
    )


@given(st.integers(1, 47), st.integers(0, 7))
def test_no_tampered_command_is_taken(at: int, bit: int) -> None:
    reader = Ev2Reader(selected(), 2, KEYS[2])
    command = b"\x8d\x03\x00\x00\x00\x10\x00\x00"
    body = crypt(reader.enc, reader.iv(b"\xa5\x5a"), padded(bytes(16)))
    good = command + body + reader.maced(0x8D, command[1:] + body)
    bad = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]

    answer = ask(reader.chip, bad)

    assert len(good) == 48
    assert answer[0] != 0x00
