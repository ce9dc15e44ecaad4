"""Our PC/SC reader against a daemon of the test's own with a virtual slot; and which reader it chooses."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drivers.chips.reading import read_band
from drivers.errors import (
    BandLeft,
    BandSilent,
    BandUnsupported,
    Delivery,
    ReaderAbsent,
    ReaderBusy,
    ServiceDown,
)
from drivers.lines import Failed, Proved, ReaderState, Said
from drivers.proof import ProofKind
from drivers.pump import Hearing, Means, Pump
from drivers.readers.pcsc import PcscReader, chosen
from drivers.readers.profiles import Raw
from drivers.target import Target, Technology
from hardware.clock import FixedClock, SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import Anticollision
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.felica import VirtualFelica
from hardware.virtual.field import Field
from hardware.virtual.private_pcscd import PrivatePcscd
from hardware.virtual.uid_bands import VirtualNtag213
from hardware.virtual.vpcd import VirtualVpcd
from tests.support.bands import UID, Keys, band
from tests.support.chip_bands import ultralight_aes


@pytest.fixture
def field(private_pcscd: PrivatePcscd) -> Iterator[Field]:
    """A field whose band is in the daemon's slot."""
    made = Field()
    slot = VirtualVpcd(field=made, host="127.0.0.1", port=private_pcscd.port)
    slot.start()
    yield made
    made.remove()
    slot.close()
    if private_pcscd.pid is None:
        private_pcscd.start()
    reader = PcscReader.opened("", SystemClock())
    assert any(reader.wait_for_removal(500) for _ in range(10))
    reader.close()


def _arrived(reader: PcscReader) -> Target:
    for _ in range(10):
        target = reader.wait_for_target(500)
        if target is not None:
            return target
    raise AssertionError("the band was not seen")


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        (["ACS ACR1252 [SAM] 01", "ACS ACR1252 PICC 00"], "", "ACS ACR1252 PICC 00"),
        (["ACS ACR1252 PICC 00"], "acr1252", "ACS ACR1252 PICC 00"),
        (["ACS ACR1252 [SAM] 01"], "", None),
        (["ACS ACR1252 [SAM] 01"], "sam", "ACS ACR1252 [SAM] 01"),
        (["One", "Two"], "two", "Two"),
        (["One"], "other", None),
        ([], "", None),
    ],
)
def test_the_first_reader_that_is_meant_is_chosen(
    names: list[str], wanted: str, expected: str | None
) -> None:
    assert chosen(names, wanted) == expected


def test_a_reader_nobody_has_is_absent(private_pcscd: PrivatePcscd) -> None:
    with pytest.raises(ReaderAbsent):
        PcscReader.opened("no such reader", SystemClock())


def test_a_band_another_program_holds_makes_the_reader_busy(field: Field) -> None:
    first = PcscReader.opened("", SystemClock())
    second = PcscReader.opened("", SystemClock())
    field.present(band())
    _arrived(first)

    with pytest.raises(ReaderBusy):
        _arrived(second)
    first.close()

    assert _arrived(second).uid == UID
    second.close()


@pytest.mark.parametrize("at", [3, 4, 5])
def test_a_band_torn_away_in_the_middle_has_left(field: Field, at: int) -> None:
    """The reader asks for the UID first, and answers that itself; the band sees one command less."""
    torn = FaultyBand(
        band(), Fault(FaultKind.TEAR_ANSWER, at - 1), field=field, clock=SystemClock()
    )
    field.present(torn)
    reader = PcscReader.opened("", SystemClock())
    target = _arrived(reader)

    with pytest.raises(BandLeft):
        read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))

    reader.close()


class _CutOnce:
    """A band whose answer to its `at`-th command is cut to a byte, once in its life, whenever it is powered."""

    def __init__(self, at: int) -> None:
        self._band = band()
        self._n_left = at

    def power_up(self) -> "_CutOnce":
        self._chip = self._band.power_up()
        return self

    @property
    def anticollision(self) -> Anticollision:
        return self._chip.anticollision

    def exchange(self, command: bytes) -> bytes | None:
        self._n_left -= 1
        answer = self._chip.exchange(command)
        return answer[:1] if answer and not self._n_left else answer


@pytest.mark.parametrize("at", range(1, 5))
@pytest.mark.parametrize("is_closed", [False, True])
def test_a_band_whose_answer_was_cut_short_is_read_from_the_start_the_next_time(
    field: Field, at: int, *, is_closed: bool
) -> None:
    """It still waits for the second half of the handshake that was broken off, unless it is reset."""
    clock = SystemClock()
    field.present(_CutOnce(at))
    reader = PcscReader.opened("", clock)
    target = _arrived(reader)
    with pytest.raises(BandLeft):
        read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))

    if is_closed:
        reader.close()
        reader = PcscReader.opened("", clock)
    target = _arrived(reader)
    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))
    reader.close()

    assert (proof.kind, proof.uid) == (ProofKind.MUTUAL, UID)


@pytest.mark.parametrize("after_ms", [0, 100, 300])
def test_a_band_that_comes_right_after_one_was_torn_away_is_seen(
    field: Field, after_ms: int
) -> None:
    clock = SystemClock()
    torn = VirtualNtag213(uid=UID)
    field.present(FaultyBand(torn, Fault(FaultKind.TEAR_ANSWER), field=field, clock=clock))
    reader = PcscReader.opened("", clock)
    target = _arrived(reader)
    with pytest.raises(BandLeft):
        read_band(reader.connect(target), target, Keys(), SeededEntropy("reader"))

    clock.sleep_ms(after_ms)
    field.present(band())
    target = _arrived(reader)
    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))
    field.remove()
    has_left = any(reader.wait_for_removal(500) for _ in range(10))
    reader.close()

    assert (proof.kind, proof.uid) == (ProofKind.MUTUAL, UID)
    assert has_left


def test_a_daemon_that_ends_is_said_and_found_again_by_the_pump(
    field: Field, private_pcscd: PrivatePcscd
) -> None:
    hearing = Hearing()
    said: list[Said] = []

    def say(value: Said) -> None:
        said.append(value)
        n_failures = sum(isinstance(each, ReaderState) and bool(each.code) for each in said)
        if value == ReaderState("Virtual PCD 00 00") and n_failures == 0:
            private_pcscd.kill()
        elif isinstance(value, ReaderState) and value.code == "service_down":
            private_pcscd.start()
            field.present(band())
        elif isinstance(value, Proved | Failed):
            hearing.end()

    means = Means(SystemClock(), SeededEntropy("reader"), reopen_ms=(50,), key_wait_ms=10)
    Pump(
        "pcsc",
        lambda: PcscReader.opened("", SystemClock()),
        say=say,
        hearing=hearing,
        means=means,
    ).run()

    states = [value.code for value in said if isinstance(value, ReaderState)]
    assert states == ["", "service_down", ""]
    assert [value.uid for value in said if isinstance(value, Proved)] == [UID.hex()]


def test_a_daemon_that_ends_while_a_band_is_read_is_a_service_that_is_down(
    field: Field, private_pcscd: PrivatePcscd
) -> None:
    field.present(band())
    reader = PcscReader.opened("", SystemClock())
    target = _arrived(reader)
    connection = reader.connect(target)
    private_pcscd.kill()

    with pytest.raises(ServiceDown):
        read_band(connection, target, Keys(UID), SeededEntropy("reader"))

    with pytest.raises(ServiceDown):
        PcscReader.opened("", SystemClock())
    reader.close()


def test_a_proof_needs_the_band_to_stay_powered_between_commands(field: Field) -> None:
    field.present(band(is_random=True))
    reader = PcscReader.opened("", SystemClock())

    target = _arrived(reader)
    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))

    assert proof.kind is ProofKind.MUTUAL
    reader.close()


@pytest.mark.parametrize("raw", [Raw.DIRECT, Raw.PN53X, Raw.TRANSPARENT])
def test_a_type_2_band_answers_frames_through_a_real_daemon(field: Field, raw: Raw) -> None:
    field.present(VirtualNtag213(uid=UID))
    reader = PcscReader.opened("", SystemClock())
    reader._profile = replace(reader.profile, raw=raw)
    connection = reader.connect(_arrived(reader))

    version = connection.transmit(b"\x60")
    written = connection.transmit(b"\xa2\x05wxyz")
    pages = connection.transmit(b"\x30\x04")
    reader.close()

    assert version == bytes.fromhex("0004040201000F03")
    assert (written, pages[4:8], len(pages)) == (b"\x0a", b"wxyz", 16)


def test_a_silent_type_2_band_behind_a_real_daemon_is_activated_anew(field: Field) -> None:
    field.present(VirtualNtag213(uid=UID))
    reader = PcscReader.opened("", SystemClock())
    connection = reader.connect(_arrived(reader))

    with pytest.raises(BandSilent):
        connection.transmit(b"\x1a\x00")

    assert connection.transmit(b"\x60") == bytes.fromhex("0004040201000F03")
    reader.close()


def test_a_silent_band_with_a_new_random_uid_behind_a_real_daemon_has_left_and_is_found_again(
    field: Field,
) -> None:
    field.present(ultralight_aes(is_random=True))
    with PcscReader.opened("", SystemClock()) as reader:
        target = _arrived(reader)
        connection = reader.connect(target)

        with pytest.raises(BandLeft) as left:
            connection.transmit(b"\x1b\x00\x00\x00\x00")
        with pytest.raises(BandLeft) as unsent:
            connection.transmit(b"\x60")
        again = _arrived(reader)
        version = reader.connect(again).transmit(b"\x60")

    assert not isinstance(left.value, BandSilent)
    assert unsent.value.delivery is Delivery.NOT_SENT
    assert (target.uid[0], again.uid[0], again.uid == target.uid) == (0x08, 0x08, False)
    assert version[:2] == bytes.fromhex("0004")


def test_a_felica_band_answers_frames_through_a_real_daemon(field: Field) -> None:
    idm = bytes.fromhex("0102030405060708")
    field.present(VirtualFelica(idm=idm))
    reader = PcscReader.opened("", SystemClock())
    target = _arrived(reader)

    answer = reader.connect(target).transmit(
        bytes.fromhex("1006") + idm + bytes.fromhex("010B00018000")
    )
    reader.close()

    assert (target.technology, target.uid) == (Technology.FELICA, idm)
    assert (answer[0], answer[1], answer[2:10]) == (len(answer), 0x07, idm)


class FakeDaemon:
    """The few calls of `smartcard.scard` that a look at the field makes, with states as they are told."""

    SCARD_SHARE_EXCLUSIVE = SCARD_PROTOCOL_T0 = SCARD_PROTOCOL_T1 = SCARD_PCI_T0 = (
        SCARD_PCI_T1
    ) = 1
    SCARD_LEAVE_CARD = 0
    SCARD_RESET_CARD = 1

    def __init__(self, *states: int) -> None:
        self._states = list(states)

    def SCardGetStatusChange(self, context, timeout, readers):  # type: ignore[no-untyped-def]  # noqa: N802
        state = self._states.pop(0)
        return 0, [
            (readers[0][0], state, [0x3B, 0x81, 0x80, 0x01, 0x80, 0x80]),
            (readers[1][0], 0, []),
        ]

    def SCardConnect(self, context, name, share, protocol):  # type: ignore[no-untyped-def]  # noqa: N802
        return 0, object(), 1

    def SCardTransmit(self, handle, pci, command):  # type: ignore[no-untyped-def]  # noqa: N802
        return 0, [*UID, 0x90, 0x00]

    def SCardDisconnect(self, handle, disposition):  # type: ignore[no-untyped-def]  # noqa: N802
        return 0

    def SCardReleaseContext(self, context):  # type: ignore[no-untyped-def]  # noqa: N802
        return 0


class WaitingDaemon(FakeDaemon):
    """Answers a look at once only when the field is not as it was said to be; else lets the whole wait pass."""

    def __init__(self, clock: FixedClock, *states: int) -> None:
        super().__init__(*states)
        self._clock = clock

    def SCardGetStatusChange(self, context, timeout, readers):  # type: ignore[no-untyped-def]  # noqa: N802
        if readers[0][1] == self._states[0]:
            self._clock.sleep_ms(timeout)
        if len(self._states) == 1:
            self._states *= 2
        return super().SCardGetStatusChange(context, timeout, readers)  # type: ignore[no-untyped-call]


PRESENT, EMPTY, MUTE, UNKNOWN = 0x0022, 0x0012, 0x0222, 0x0006


def test_a_band_that_is_there_already_is_not_waited_for() -> None:
    clock = FixedClock(datetime(2026, 11, 21, tzinfo=UTC))
    daemon = WaitingDaemon(clock, 1 << 16 | PRESENT)
    reader = PcscReader(daemon, object(), "one", clock)
    assert reader.wait_for_target(500) is not None
    assert not reader.wait_for_removal(0)

    again = [reader.wait_for_target(500) for _ in range(2)]

    assert None not in again
    assert clock.ticks_ms() == 0


def test_a_field_that_is_empty_already_is_not_waited_for() -> None:
    clock = FixedClock(datetime(2026, 11, 21, tzinfo=UTC))
    reader = PcscReader(WaitingDaemon(clock, 1 << 16 | EMPTY), object(), "one", clock)

    assert reader.wait_for_target(500) is None
    waited_ms = clock.ticks_ms()

    assert reader.wait_for_removal(500)
    assert (waited_ms, clock.ticks_ms()) == (500, 500)


@pytest.mark.parametrize("count", [5, 0xFFFF])
def test_a_band_taken_away_and_put_back_between_two_looks_is_another_activation(
    count: int,
) -> None:
    later = count + 2 & 0xFFFF
    daemon = FakeDaemon(count << 16 | PRESENT, later << 16 | PRESENT, later << 16 | PRESENT)
    reader = PcscReader(daemon, object(), "one", SystemClock())
    first = reader.wait_for_target(500)

    was_removed = reader.wait_for_removal(500)
    second = reader.wait_for_target(500)

    assert first is not None
    assert second is not None
    assert was_removed
    assert second.generation == first.generation + 1


def test_a_band_that_only_went_to_sleep_is_still_the_same() -> None:
    daemon = FakeDaemon(5 << 16 | PRESENT, 5 << 16 | PRESENT | 0x0400)
    reader = PcscReader(daemon, object(), "one", SystemClock())
    assert reader.wait_for_target(500) is not None

    assert not reader.wait_for_removal(0)


def test_a_band_that_does_not_answer_at_all_is_not_supported() -> None:
    reader = PcscReader(FakeDaemon(1 << 16 | MUTE), object(), "one", SystemClock())

    with pytest.raises(BandUnsupported):
        reader.wait_for_target(500)


def test_a_reader_that_is_unplugged_is_absent() -> None:
    reader = PcscReader(FakeDaemon(UNKNOWN), object(), "one", SystemClock())

    with pytest.raises(ReaderAbsent):
        reader.wait_for_target(500)
