"""Our PN532 reader through real nfcpy, against a chip on a pseudo terminal that was written without it."""

import contextlib
import os
import tty
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chips.reading import read_band
from drivers.connection import CountingConnection, Work
from drivers.errors import (
    BandCollision,
    BandError,
    BandLeft,
    BandMalformed,
    BandUntrusted,
    Delivery,
    ReaderAbsent,
    ReaderError,
)
from drivers.proof import ProofKind
from drivers.readers.pn532 import FIELD_OFF_MS, IN_LIST_PASSIVE_TARGET, Pn532Reader
from drivers.readers.pn532_targets import targets_of
from drivers.target import Target, Technology
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.catalogue import sample_band
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from hardware.virtual.pn532 import LineFault, VirtualPn532
from hardware.virtual.uid_bands import VirtualNtag213
from tests.support.bands import ATS, UID, Keys, band
from tests.support.virtual_reader import VirtualReader


@pytest.fixture
def reader(virtual_reader: VirtualReader):  # type: ignore[no-untyped-def]
    opened = Pn532Reader.opened(str(virtual_reader.path), SystemClock())
    yield opened
    opened.close()


def _found(reader: Pn532Reader) -> Target:
    target = reader.wait_for_target(500)
    assert target is not None
    return target


def test_two_bands_at_once_are_a_collision_until_one_is_taken_away(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    mine = band()
    virtual_reader.field.present(mine, VirtualNtag213(uid=b"\x04" + bytes(6)))

    for _ in range(2):
        with pytest.raises(BandCollision):
            reader.wait_for_target(500)
    virtual_reader.field.present(mine)

    target = _found(reader)
    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))
    assert proof.kind is ProofKind.MUTUAL


def test_a_tap_takes_as_few_host_commands_as_the_chip_allows(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(band(ev=2))

    target = _found(reader)
    connection = CountingConnection(reader.connect(target))
    read_band(connection, target, Keys(UID), SeededEntropy("reader"))

    assert connection.count == 4
    assert target.answer == ATS


class SleepLog(SystemClock):
    """The machine's time; remembers how long it was slept."""

    def __init__(self) -> None:
        self.slept: list[int] = []

    def sleep_ms(self, duration_ms: int) -> None:
        self.slept.append(duration_ms)
        super().sleep_ms(duration_ms)


@pytest.mark.parametrize("is_first", [True, False], ids=["empty for long", "one was there"])
def test_a_band_that_comes_to_an_empty_field_does_not_wait_for_it_to_be_switched(
    virtual_reader: VirtualReader, is_first: bool
) -> None:
    clock = SleepLog()
    with contextlib.closing(Pn532Reader.opened(str(virtual_reader.path), clock)) as reader:
        if not is_first:
            virtual_reader.field.present(band())
            _found(reader)
            virtual_reader.field.present()
            assert reader.wait_for_removal(500)
        assert reader.wait_for_target(100) is None
        clock.slept.clear()
        virtual_reader.field.present(band())

        target = reader.wait_for_target(500)

        assert target is not None
        assert clock.slept == []


def test_a_field_is_off_long_enough_before_a_band_that_was_active_is_searched_again(
    virtual_reader: VirtualReader,
) -> None:
    clock = SleepLog()
    with contextlib.closing(Pn532Reader.opened(str(virtual_reader.path), clock)) as reader:
        virtual_reader.field.present(band())
        _found(reader)
        clock.slept.clear()

        again = reader.wait_for_target(500)

        assert again is not None
        assert sum(clock.slept) >= FIELD_OFF_MS - 1


@pytest.mark.parametrize("is_random", [False, True])
def test_a_band_torn_away_at_any_byte_is_failed_and_the_next_one_reads(
    virtual_reader: VirtualReader, reader: Pn532Reader, is_random: bool
) -> None:
    whole = band(is_random=is_random)
    outcomes = []

    for at in range(1, 400, 7):
        torn = FaultyBand(
            whole,
            Fault(FaultKind.TEAR_BYTE, at),
            field=virtual_reader.field,
            clock=SystemClock(),
        )
        virtual_reader.field.present(torn)
        target = _found(reader)
        try:
            read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))
        except BandLeft as left:
            outcomes.append(left.delivery)
            continue
        break
    virtual_reader.field.present(whole)
    target = _found(reader)
    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))

    assert len(outcomes) > 15
    assert set(outcomes) == {Delivery.UNKNOWN}
    assert proof.kind is ProofKind.MUTUAL


@pytest.mark.parametrize(
    ("kind", "at", "error"),
    [
        *(
            (kind, at, BandLeft)
            for kind in (FaultKind.MUTE, FaultKind.EMPTY)
            for at in range(1, 5)
        ),
        # one byte is a status and nothing else; to a selection that is all there is
        (FaultKind.SHORT, 2, BandMalformed),
        (FaultKind.SHORT, 3, BandMalformed),
        (FaultKind.SHORT, 4, BandUntrusted),
    ],
)
def test_a_band_that_answers_wrongly_proves_nothing(
    virtual_reader: VirtualReader,
    reader: Pn532Reader,
    kind: FaultKind,
    at: int,
    error: type[BandError],
) -> None:
    faulty = FaultyBand(
        band(), Fault(kind, at), field=virtual_reader.field, clock=SystemClock()
    )
    virtual_reader.field.present(faulty)
    target = _found(reader)

    with pytest.raises(error):
        read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))


@pytest.mark.slow
def test_a_band_that_makes_the_reader_wait_has_left_and_the_reader_is_well(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    late = FaultyBand(
        band(), Fault(FaultKind.DELAY, 10_000), field=virtual_reader.field, clock=SystemClock()
    )
    virtual_reader.field.present(late)
    target = _found(reader)

    with pytest.raises(BandLeft) as left:
        read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))
    virtual_reader.field.present(band())

    assert left.value.delivery is Delivery.UNKNOWN
    assert any(reader.wait_for_target(100) for _ in range(3))


def test_a_wrong_mac_on_the_reference_is_not_trusted(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    faulty = FaultyBand(
        band(), Fault(FaultKind.WRONG_MAC, 4), field=virtual_reader.field, clock=SystemClock()
    )
    virtual_reader.field.present(faulty)
    target = _found(reader)

    with pytest.raises(BandUntrusted):
        read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))


def test_a_random_uid_does_not_change_while_the_band_is_asked_whether_it_is_there(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(band(is_random=True))
    target = _found(reader)

    for _ in range(3):
        assert not reader.wait_for_removal(10)

    proof = read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))
    assert proof.kind is ProofKind.MUTUAL


def test_a_band_whose_activation_was_not_heard_of_is_found_all_the_same(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(band())
    reader._command(0x4A, b"\x01\x00")

    found = [reader.wait_for_target(100) for _ in range(3)]

    assert any(found)


def test_a_reader_that_was_closed_opens_again_on_a_line_that_takes_speed_seriously(
    tmp_path: Path,
) -> None:
    field = Field()
    virtual = VirtualPn532(
        field=field, clock=SystemClock(), link=tmp_path / "strict", is_speed_strict=True
    )
    virtual.start()
    field.present(band())

    for _ in range(2):
        reader = Pn532Reader.opened(str(virtual.path), SystemClock())
        assert _found(reader).uid == UID
        reader.close()

    virtual.close()


def test_a_chip_left_at_high_speed_by_a_process_that_was_killed_is_found_again(
    tmp_path: Path,
) -> None:
    field = Field()
    virtual = VirtualPn532(
        field=field, clock=SystemClock(), link=tmp_path / "strict", is_speed_strict=True
    )
    virtual.start()
    field.present(band())
    killed = Pn532Reader.opened(str(virtual.path), SystemClock())
    killed._device.chipset.transport.tty.close()
    killed._lock.release()

    reader = Pn532Reader.opened(str(virtual.path), SystemClock())

    assert _found(reader).uid == UID
    reader.close()
    virtual.close()


def test_a_chip_that_keeps_to_its_speed_is_used_at_that_and_left_asleep(
    tmp_path: Path,
) -> None:
    field = Field()
    virtual = VirtualPn532(
        field=field, clock=SystemClock(), link=tmp_path / "strict", is_speed_strict=True
    )
    virtual.hurt(LineFault.ONE_SPEED)
    virtual.start()
    field.present(band())

    for _ in range(2):
        reader = Pn532Reader.opened(str(virtual.path), SystemClock())
        assert _found(reader).uid == UID
        reader.close()

    assert virtual._chip.speed == 115_200
    assert not virtual._chip._antenna.is_on
    virtual.close()


def test_an_unplugged_reader_is_absent_and_can_still_be_closed(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.pn532.close()

    with pytest.raises(ReaderAbsent):
        reader.wait_for_target(500)
    reader.close()

    with pytest.raises(ReaderAbsent):
        reader.wait_for_target(500)


def test_a_band_that_came_to_a_field_that_had_been_off_is_found_by_each_search_thereafter(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    assert reader.wait_for_target(200) is None
    virtual_reader.field.present(band())

    found = [reader.wait_for_target(0) for _ in range(3)]

    assert [target and target.uid for target in found] == [UID] * 3


@pytest.mark.parametrize(
    "shown",
    [
        band(),
        sample_band("ntag424", entropy=SeededEntropy("x")),
        VirtualNtag213(uid=b"\x04" + bytes(6)),
    ],
)
def test_nothing_is_sent_to_a_new_activation_that_was_meant_for_the_one_before(
    virtual_reader: VirtualReader, reader: Pn532Reader, shown: VirtualBand
) -> None:
    virtual_reader.field.present(shown)
    first = _found(reader)
    connection = reader.connect(first)
    _found(reader)

    for late in (lambda: connection.transmit(b"\x30\x00"), lambda: reader.connect(first)):
        with pytest.raises(BandLeft) as dead:
            late()
        assert dead.value.delivery is Delivery.NOT_SENT


def test_a_band_that_refused_is_activated_again_once_and_not_before_each_command(
    virtual_reader: VirtualReader, reader: Pn532Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual_reader.field.present(VirtualNtag213(uid=b"\x04" + bytes(6)))
    connection = reader.connect(_found(reader))
    codes, command = list[int](), reader._line.command

    def counted(
        code: int, content: bytes, timeout_ms: int, *, work: Work | None = None
    ) -> bytes:
        codes.append(code)
        return command(code, content, timeout_ms, work=work)

    monkeypatch.setattr(reader._line, "command", counted)

    refused = connection.transmit(b"\x30\xff")
    pages = [connection.transmit(b"\x30\x00") for _ in range(3)]

    assert len(refused) == 1
    assert [len(page) for page in pages] == [16] * 3
    assert codes.count(IN_LIST_PASSIVE_TARGET) == 1


@pytest.mark.parametrize("shown", [band(), VirtualNtag213(uid=b"\x04" + bytes(6))])
def test_a_reader_unplugged_while_a_band_is_read_is_absent_and_no_band_that_left(
    virtual_reader: VirtualReader, reader: Pn532Reader, shown: VirtualBand
) -> None:
    virtual_reader.field.present(shown)
    connection = reader.connect(_found(reader))
    with contextlib.suppress(BandLeft):
        connection.transmit(b"\x30\x00")
    virtual_reader.pn532.close()

    with pytest.raises(ReaderAbsent):
        connection.transmit(b"\x30\x00")


def test_noise_on_the_line_is_an_error_of_the_reader_or_passes(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    for noise in (
        b"\x00",
        b"\xff" * 3,
        b"\x00\x00\xff",
        b"\x00\x00\xff\x05\xfb\xd5\x4b",
        bytes(range(40)),
    ):
        virtual_reader.pn532.disturb(noise)

        with contextlib.suppress(ReaderError):
            assert reader.wait_for_target(10) is None

    reader.close()
    again = Pn532Reader.opened(str(virtual_reader.path), SystemClock())
    virtual_reader.field.present(band())
    assert _found(again).uid == UID
    again.close()


@pytest.mark.parametrize(
    "path",
    ["/nowhere/at/all", "relative", "/dev/null; touch /tmp/x", "/dev/$(id)", "", "/dev/null"],
)
def test_what_is_no_port_with_a_pn532_is_absent(path: str) -> None:
    with pytest.raises(ReaderAbsent) as absent:
        Pn532Reader.opened(path, SystemClock())

    assert absent.value.delivery is Delivery.NOT_SENT


def test_no_command_is_run_that_hides_in_a_path(
    virtual_reader: VirtualReader, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    port = folder / "port; touch hidden"
    port.symlink_to(virtual_reader.path)

    with contextlib.chdir(folder), pytest.raises(ReaderAbsent):
        Pn532Reader.opened(str(port), SystemClock())

    assert [each.name for each in folder.iterdir()] == [port.name]


def test_a_port_where_nothing_answers_is_absent_and_left_free(tmp_path: Path) -> None:
    outer, inner = os.openpty()
    tty.setraw(inner)

    with pytest.raises(ReaderAbsent):
        Pn532Reader.opened(os.ttyname(inner), SystemClock())

    held = [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    assert held.count(Path(os.ttyname(inner))) == 1
    os.close(inner)
    os.close(outer)


@given(st.binary(max_size=60), st.integers(0, 3))
def test_any_list_of_targets_parses_or_is_malformed(content: bytes, count: int) -> None:
    for answer in (content, bytes((count,)) + content):
        try:
            found = targets_of(answer, 1)
        except BandMalformed:
            continue
        assert len(found) == answer[0]
        assert all(len(each.uid) in (4, 7, 10) for each in found)


@pytest.mark.parametrize("ats", ["", "00", "0175", "0675", "ff7577810280"])
def test_a_band_that_lies_about_its_answer_to_rats_is_a_band_and_no_fault_of_the_reader(
    ats: str,
) -> None:
    answer = bytes.fromhex("01010344200704A1B2C3D4E5F6" + ats)

    (found,) = targets_of(answer, 1)

    assert (found.technology, found.uid) == (Technology.ISO_DEP, UID)
    assert bytes.fromhex(ats).startswith(found.answer)


def test_of_two_bands_one_that_lies_leaves_no_list() -> None:
    with pytest.raises(BandMalformed):
        targets_of(bytes.fromhex("02010344200704A1B2C3D4E5F6FF7502000400"), 1)


def test_a_list_of_two_targets_names_both() -> None:
    answer = bytes.fromhex("02010344200704A1B2C3D4E5F60675778102800200040004DEADBEEF")

    one, two = targets_of(answer, 9)

    assert one == Target(Technology.ISO_DEP, UID, ATS, 9, 0x20)
    assert two == Target(Technology.TYPE_2, bytes.fromhex("DEADBEEF"), b"", 9, 0x00)
