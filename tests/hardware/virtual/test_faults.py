"""Each fault does what its name says, and nothing else."""

import os
import select
from datetime import UTC, datetime

import nfc.clf.pn532
import nfc.clf.transport
import pytest

from hardware.clock import FixedClock, SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import Garbled, PoweredChip, VirtualBand
from hardware.virtual.faults import MEANINGS, Fault, FaultKind, FaultyBand
from hardware.virtual.field import BAND_COUNT_MAX, Field
from hardware.virtual.iso_dep import Picc
from hardware.virtual.ntag21x import VirtualNtag21x
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.pn532 import LineFault
from hardware.virtual.ultralight_aes import MESSAGING, VirtualUltralightAes
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.hardware.virtual.chips import AID, KEYS, UID, ZERO, ask, cmac, crypt, desfire, turned
from tests.support.virtual_reader import VirtualReader

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


# --- an NTAG 424 and others that lie

NTAG_KEY = bytes(range(16))
RND_A = bytes(range(0x40, 0x50))
START = bytes.fromhex("00A4040C07D276000085010100"), bytes.fromhex("9071000002000000")


def faulty(band: VirtualBand, kind: FaultKind, at: int = 1) -> FaultyBand:
    clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
    return FaultyBand(band, Fault(kind, at), field=Field(), clock=clock)


def ntag424() -> VirtualNtag424:
    return VirtualNtag424(uid=UID, entropy=SeededEntropy("lies"), keys=(NTAG_KEY,) * 5)


def proved(chip: PoweredChip) -> tuple[bytes, bytes, bytes]:
    """Authenticate with key 0: the last answer, and what of it a reader checks."""
    ask(chip, START[0])
    challenge = ask(chip, START[1])
    rnd_b = crypt(NTAG_KEY, ZERO, challenge[:16], is_decrypting=True)
    token = crypt(NTAG_KEY, ZERO, RND_A + turned(rnd_b))
    answer = ask(chip, b"\x90\xaf\x00\x00\x20" + token + b"\x00")
    plain = crypt(NTAG_KEY, ZERO, answer[:32].ljust(32, b"\x00"), is_decrypting=True)
    crossed = bytes(a ^ b for a, b in zip(RND_A[2:8], rnd_b[:6], strict=True))
    vector = b"\x5a\xa5\x00\x01\x00\x80" + RND_A[:2] + crossed + rnd_b[6:] + RND_A[8:]
    return answer, plain, cmac(NTAG_KEY, vector)


def version_asked(mac_key: bytes, transaction: bytes, counter: int) -> bytes:
    """GetKeyVersion of key 1 in a session."""
    place = counter.to_bytes(2, "little") + transaction
    return (
        b"\x90\x64\x00\x00\x09\x01" + cmac(mac_key, b"\x64" + place + b"\x01")[1::2] + b"\x00"
    )


def test_every_fault_has_its_meaning_in_words() -> None:
    assert set(MEANINGS) == set(FaultKind)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.CUT_MAC, slice(0, -4)),
        (FaultKind.NO_MAC, slice(0, -8)),
        (FaultKind.LONG, None),
    ],
)
def test_a_mac_is_cut_or_missing_and_an_answer_too_long(
    kind: FaultKind, expected: slice | None
) -> None:
    good, plain, mac_key = proved(faulty(ntag424(), FaultKind.NONE).power_up())
    command = version_asked(mac_key, plain[:4], 0)
    chips = [faulty(ntag424(), each, 4).power_up() for each in (FaultKind.NONE, kind)]
    for chip in chips:
        assert proved(chip)[0] == good

    whole, spoiled = (ask(chip, command) for chip in chips)

    assert len(whole) == 1 + 8 + 2
    content = whole[:-2][expected] if expected else whole[:-2].ljust(257, b"\x00")
    assert spoiled == content + b"\x91\x00"


def test_a_stale_answer_was_good_when_it_was_given() -> None:
    chip = faulty(ntag424(), FaultKind.STALE_COUNTER, 5).power_up()
    _, plain, mac_key = proved(chip)

    first = ask(chip, version_asked(mac_key, plain[:4], 0))
    second = ask(chip, version_asked(mac_key, plain[:4], 1))

    assert second == first


def test_a_counter_that_was_reset_takes_the_first_command_once_more() -> None:
    chip = faulty(ntag424(), FaultKind.COUNTER_RESET, 5).power_up()
    _, plain, mac_key = proved(chip)
    command = version_asked(mac_key, plain[:4], 0)

    answers = [ask(chip, command)[-2:] for _ in range(3)]

    assert answers == [b"\x91\x00", b"\x91\x00", b"\x91\x1e"]


def test_a_wrong_rotation_is_in_the_proof_and_nowhere_else() -> None:
    _, good, _ = proved(ntag424().power_up())
    _, crooked, _ = proved(faulty(ntag424(), FaultKind.WRONG_ROTATION).power_up())
    _, unturned, _ = proved(faulty(ntag424(), FaultKind.WRONG_ROTATION, 15).power_up())

    assert good[4:20] == turned(RND_A)
    assert crooked[4:20] == turned(turned(RND_A))
    assert unturned[4:20] == RND_A
    assert good[:4] == crooked[:4]


def test_a_reflected_challenge_is_what_the_reader_sent() -> None:
    chip = faulty(ntag424(), FaultKind.REFLECTED, 3).power_up()
    ask(chip, START[0])
    ask(chip, START[1])
    token = bytes(range(32))

    assert ask(chip, b"\x90\xaf\x00\x00\x20" + token + b"\x00") == token + b"\x91\x00"


def test_a_native_answer_keeps_its_status_in_front() -> None:
    turned_bit = faulty(desfire(), FaultKind.WRONG_MAC).power_up()
    bare = faulty(desfire(), FaultKind.CUT_MAC).power_up()
    reflecting = faulty(desfire(), FaultKind.REFLECTED).power_up()
    good = ask(desfire().power_up(), b"\x60")

    assert ask(turned_bit, b"\x60") == good[:-1] + bytes([good[-1] ^ 1])
    assert ask(bare, b"\x60") == good[:-4]
    assert ask(reflecting, b"\x5a" + AID) == b"\x00" + AID


def test_a_type_2_answer_is_content_but_for_the_steps_of_an_authentication() -> None:
    band = VirtualUltralightAes(uid=UID, entropy=SeededEntropy("aes"))
    token = bytes(range(32))

    def spoiled(kind: FaultKind, *commands: bytes) -> bytes:
        chip = faulty(band, kind, len(commands)).power_up()
        return [ask(chip, command) for command in commands][-1]

    assert len(spoiled(FaultKind.LONG, b"\x30\x00")) == 16 + 9
    assert spoiled(FaultKind.NO_MAC, b"\x30\x00") == ask(band.power_up(), b"\x30\x00")[:8]
    assert spoiled(FaultKind.REFUSED, b"\x1a\x00") == b"\x00"
    assert len(spoiled(FaultKind.CUT_MAC, b"\x1a\x00")) == 1 + 12
    assert spoiled(FaultKind.MORE_FOREVER, b"\x60") == ask(band.power_up(), b"\x60")
    # To a wrong proof the chip says NAK; a mirror says what it heard.
    mirrored = spoiled(FaultKind.REFLECTED, b"\x1a\x00", b"\xaf" + token)
    assert mirrored == b"\x00" + token[:16]


def test_more_frames_are_announced_for_ever() -> None:
    chip = faulty(desfire(), FaultKind.MORE_FOREVER, 2).power_up()
    ask(chip, SELECT)

    assert {ask(chip, MORE) for _ in range(50)} == {b"\x91\xaf"}
    native = faulty(desfire(), FaultKind.MORE_FOREVER).power_up()
    assert {ask(native, b"\xaf") for _ in range(50)} == {b"\xaf"}


def test_a_refusal_stands_in_place_of_one_answer() -> None:
    chip = faulty(desfire(), FaultKind.REFUSED, 2).power_up()

    answers = [ask(chip, command) for command in (SELECT, SELECT, SELECT)]

    assert answers == [
        b"\x91\x00",
        b"\x91\xae",
        b"\x91\x00",
    ]
    type_2 = faulty(VirtualNtag21x(uid=UID), FaultKind.REFUSED).power_up()
    assert ask(type_2, b"\x30\x00") == b"\x00"


def test_a_band_that_repeats_itself_knows_nothing_new() -> None:
    band = faulty(ntag424(), FaultKind.REPLAY)
    first, plain, _ = proved(band.power_up())
    chip = band.power_up()

    assert ask(chip, START[0]) == b"\x90\x00"
    challenge = ask(chip, START[1])
    rnd_b = crypt(NTAG_KEY, ZERO, challenge[:16], is_decrypting=True)
    other = crypt(NTAG_KEY, ZERO, RND_A[::-1] + turned(rnd_b))
    assert chip.exchange(b"\x90\xaf\x00\x00\x20" + other + b"\x00") is None
    assert proved(band.power_up())[:2] == (first, plain), "to the same nonce it says the same"


def test_a_damaged_answer_is_told_by_the_reader_as_such(
    virtual_reader: VirtualReader,
) -> None:
    bands = VirtualNtag21x(uid=UID), desfire()
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))
    device.chipset.command(0x12, b"\x14", timeout=1.0)
    answers = []

    pairs: list[tuple[VirtualBand, bytes]] = [(bands[0], b"\x30\x04"), (bands[1], SELECT)]
    for band, command in pairs:
        virtual_reader.field.present(faulty(band, FaultKind.CRC_ERROR, 2))
        device.chipset.command(0x4A, b"\x01\x00", timeout=1.0)
        answers += [
            bytes(device.chipset.command(0x40, b"\x01" + command, timeout=1.0))[:1]
            for _ in range(2)
        ]
    device.close()

    assert answers == [b"\x00", b"\x02", b"\x00", b"\x02"]
    with pytest.raises(Garbled):
        faulty(desfire(), FaultKind.CRC_ERROR).power_up().exchange(SELECT)


def test_faults_of_type_2_chips_with_keys() -> None:
    def opened(band: VirtualBand, at: int) -> list[bytes | None]:
        chip = faulty(band, FaultKind.WRONG_ROTATION, at).power_up()
        return [chip.exchange(b"\x1a\x00")]

    c_band = VirtualUltralightC(uid=UID, entropy=SeededEntropy("c"))
    aes_band = VirtualUltralightAes(uid=UID, entropy=SeededEntropy("aes"), options=MESSAGING)

    assert [(answer or b"")[:1] for answer in opened(c_band, 1) + opened(aes_band, 1)] == [
        b"\xaf",
        b"\xaf",
    ]
    with pytest.raises(ValueError, match="counter-reset"):
        faulty(c_band, FaultKind.COUNTER_RESET)
    with pytest.raises(ValueError, match="wrong-rotation"):
        faulty(VirtualNtag21x(uid=UID), FaultKind.WRONG_ROTATION)


def test_a_crooked_ultralight_aes_turns_the_nonce_too_far() -> None:
    band = VirtualUltralightAes(uid=UID, entropy=SeededEntropy("aes"))
    proofs = []
    for kind in (FaultKind.NONE, FaultKind.WRONG_ROTATION):
        chip = faulty(band, kind).power_up()
        rnd_b = crypt(ZERO, ZERO, ask(chip, b"\x1a\x00")[1:], is_decrypting=True)
        answer = ask(chip, b"\xaf" + crypt(ZERO, ZERO, RND_A + turned(rnd_b)))
        proofs.append(crypt(ZERO, ZERO, answer[1:], is_decrypting=True))

    assert proofs == [turned(RND_A), turned(turned(RND_A))]


# --- the line


@pytest.mark.parametrize("fault", [LineFault.GARBAGE, LineFault.LATE, LineFault.BAD_CHECKSUM])
def test_the_line_fails_once_and_then_works(
    virtual_reader: VirtualReader, fault: LineFault
) -> None:
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))
    clock = SystemClock()
    before = clock.ticks_ms()

    virtual_reader.pn532.hurt(fault, delay_ms=30)
    try:
        first = bytes(device.chipset.command(0x02, b"", timeout=1.0))
    except OSError:
        first = b""
    took_ms = clock.ticks_ms() - before
    second = bytes(device.chipset.command(0x02, b"", timeout=1.0))
    device.close()

    assert second.hex() == "32010607"
    if fault is LineFault.LATE:
        assert (first, took_ms >= 30) == (second, True)
    elif fault is LineFault.BAD_CHECKSUM:
        assert first == b""


def test_a_command_without_its_acknowledgement_is_answered_all_the_same(
    virtual_reader: VirtualReader,
) -> None:
    line = os.open(virtual_reader.path, os.O_RDWR | os.O_NOCTTY)
    heard: list[bytes] = []

    for _ in range(2):
        if not heard:
            virtual_reader.pn532.hurt(LineFault.NO_ACK)
        os.write(line, bytes.fromhex("0000FF02FED4022A00"))
        gathered = b""
        while not gathered.endswith(bytes.fromhex("D503320106 07E800".replace(" ", ""))):
            assert select.select([line], [], [], 5)[0], gathered.hex()
            gathered += os.read(line, 64)
        heard.append(gathered)
    os.close(line)

    assert heard[1] == bytes.fromhex("0000FF00FF00") + heard[0]


def test_a_band_asks_for_more_time_as_often_as_it_is_told(
    virtual_reader: VirtualReader,
) -> None:
    picc = Picc(faulty(desfire(), FaultKind.WAIT, 2).power_up())
    picc.request()
    picc.select()
    picc.receive(b"\xe0\x50")

    frames = [picc.receive(b"\x02" + SELECT)]
    frames += [picc.receive(bytes(frames[-1] or b"")) for _ in range(2)]

    assert [(frame or b"")[:1] for frame in frames] == [b"\xf2", b"\xf2", b"\x02"]
    assert (frames[-1] or b"")[1:] == b"\x91\x00"
    virtual_reader.field.present(faulty(desfire(), FaultKind.WAIT, 2))
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))
    device.chipset.command(0x12, b"\x14", timeout=1.0)
    device.chipset.command(0x4A, b"\x01\x00", timeout=1.0)
    answer = bytes(device.chipset.command(0x40, b"\x01" + SELECT, timeout=1.0))
    device.close()
    assert answer == b"\x00\x91\x00"
