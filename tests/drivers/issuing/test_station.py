"""A station retires a band as it issues one: what was begun stands in its journal, and the next run goes on from there."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.chips.reading import read_band
from drivers.chips.unissued import NotIssued
from drivers.errors import BandLeft
from drivers.issuing.desfire import Means
from drivers.issuing.errors import BandOfAnother, WrongBand
from drivers.issuing.journal import RETIRE, Journal, State
from drivers.issuing.plan import Chip, Plan
from drivers.issuing.sheet import Outcome, Wanted
from drivers.issuing.station import STILL_RETIRING, Errand, Job, Said, Station
from drivers.ports import LeasedKey
from drivers.proof import Proof
from drivers.readers.pn532 import Pn532Reader
from drivers.target import Target
from hardware.clock import FixedClock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.originality import (
    DESFIRE_TEST_KEY,
    NTAG424_TEST_KEY,
    ULTRALIGHT_AES_TEST_KEY,
)
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from tests.support.issuing import UID, TestStationKeys, fresh
from tests.support.virtual_reader import VirtualReader, virtual_reader

USED = (virtual_reader,)
KEYS = {
    Chip.DESFIRE: DESFIRE_TEST_KEY,
    Chip.NTAG424: NTAG424_TEST_KEY,
    Chip.ULTRALIGHT_AES: ULTRALIGHT_AES_TEST_KEY,
}
OTHER_UID = bytes.fromhex("04A1B2C3D4E5F7")


def desfire() -> VirtualDesfire:
    return fresh()


def ntag424() -> VirtualNtag424:
    entropy, signature = SeededEntropy("chip"), NTAG424_TEST_KEY.sign(UID)
    return VirtualNtag424(uid=UID, entropy=entropy, signature=signature)


def ultralight_aes(uid: bytes = UID) -> VirtualUltralightAes:
    entropy, signature = SeededEntropy("chip"), ULTRALIGHT_AES_TEST_KEY.sign(uid)
    return VirtualUltralightAes(uid=uid, entropy=entropy, signature=signature)


def used(band: VirtualBand) -> VirtualBand:
    """After five uses, which no chip but this takes back."""
    if isinstance(band, VirtualUltralightAes):
        band.counters[2] = 5
    return band


class Runs:
    """Runs of one station, one after the other, on its reader and its files."""

    def __init__(self, chip: Chip, folder: Path, virtual: VirtualReader) -> None:
        self.chip = chip
        self.folder = folder
        self.virtual = virtual
        self.reader = Pn532Reader.opened(str(virtual.path), SystemClock())
        self.begin()

    def begin(self) -> None:
        """Another run: it knows what its journal knows."""
        self.journal = Journal(
            self.folder / "bands.journal",
            disk=SystemDisk(),
            clock=FixedClock(datetime(2026, 5, 4, tzinfo=UTC)),
            entropy=SeededEntropy("journal"),
        )
        public = KEYS[self.chip].public
        means = Means(
            Plan(chip=self.chip), TestStationKeys(), SeededEntropy("ids"), lambda _: (public,)
        )
        self.station = Station(self.reader, means, self.journal)

    def held(self, band: VirtualBand) -> Target:
        self.virtual.field.present(band)
        for _ in range(10):
            target = self.reader.wait_for_target(500)
            if target is not None:
                return target
        raise AssertionError("the reader does not see the band")

    def torn(self, band: VirtualBand, at: int) -> VirtualBand:
        fault = Fault(FaultKind.TEAR_ANSWER, at)
        return FaultyBand(band, fault, field=self.virtual.field, clock=SystemClock())

    def issue(self, band: VirtualBand, name: str = "first") -> Said:
        report = self.folder / f"{name}.csv"
        wanted = (Wanted(1, label=name), Wanted(2, label="another"))
        disk = SystemDisk()
        job = Job(wanted, name=name, journal=self.journal, report=report, disk=disk)
        return self.station.issue(self.held(band), job, Errand())


@pytest.fixture
def runs(tmp_path: Path, virtual_reader: VirtualReader):  # type: ignore[no-untyped-def]
    made: list[Runs] = []

    def make(chip: Chip) -> Runs:
        made.append(Runs(chip, tmp_path, virtual_reader))
        return made[0]

    yield make
    for each in made:
        each.reader.close()


Make = Callable[[Chip], Runs]

chips = pytest.mark.parametrize(
    ("chip", "new"),
    [
        (Chip.DESFIRE, desfire),
        (Chip.NTAG424, ntag424),
        (Chip.ULTRALIGHT_AES, ultralight_aes),
    ],
    ids=["DESFire", "NTAG 424", "Ultralight AES"],
)


def bands_id(said: Said) -> str:
    assert said.reported is not None
    return said.reported.band


@chips
def test_a_retirement_torn_at_any_answer_is_gone_on_with_by_the_next_run_and_knows_the_id(
    chip: Chip, new: Callable[[], VirtualBand], runs: Make
) -> None:
    station = runs(chip)
    n_torn = n_begun = 0
    for at in range(12, 200, 9 if chip is Chip.DESFIRE else 2):
        band = new()
        said = station.issue(band, f"run-{at}")
        used(band)

        station.begin()
        try:
            station.station.retire(station.held(station.torn(band, at)), band_id="")
        except BandLeft:
            n_torn += 1
            n_begun += len(station.journal.unfinished(RETIRE))
        else:
            break
        station.begin()
        gone = station.station.retire(station.held(band), band_id="")

        assert gone.reference.hex() == bands_id(said), at
        assert station.station.look(station.held(band)).reference == b"", at
        assert station.journal.unfinished(RETIRE) == ()
    assert n_torn > 1
    assert n_begun > 0


@chips
def test_a_band_whose_retirement_is_not_over_is_not_issued_under_the_id_it_had(
    chip: Chip, new: Callable[[], VirtualBand], runs: Make
) -> None:
    station, band = runs(chip), new()
    first = station.issue(band)
    # The band says that it is nobody's, and the power goes before the journal does.
    station.station.retire(station.held(band), band_id="")
    journal = station.folder / "bands.journal"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    station.begin()

    refused = station.issue(band, "second")
    station.station.retire(station.held(band), band_id=bands_id(first))
    second = station.issue(band, "second")

    assert refused == Said(0, f"{STILL_RETIRING}.")
    assert second.reported is not None
    assert second.reported.outcome is Outcome.ISSUED
    assert second.reported.band != bands_id(first)


@chips
def test_a_band_that_is_none_of_ours_is_issued_though_somebody_tried_to_retire_it(
    chip: Chip, new: Callable[[], VirtualBand], runs: Make
) -> None:
    station, band = runs(chip), new()
    with pytest.raises(BandOfAnother):
        station.station.retire(station.held(band), band_id="")
    is_begun = station.journal.unfinished(RETIRE)
    # A journal of before, which said begun before it was known whose band it is.
    name = TestStationKeys().uid_hash(UID)
    station.journal.write(name, RETIRE, State.BEGUN)
    station.begin()
    with pytest.raises(BandOfAnother):
        station.station.retire(station.held(band), band_id="")
    is_bound = station.station.is_bound

    said = station.issue(band)

    assert (is_begun, is_bound) == ((), False)
    assert said.reported is not None
    assert said.reported.outcome is Outcome.ISSUED


def test_once_a_band_was_begun_no_other_is_retired_in_its_place(runs: Make) -> None:
    station = runs(Chip.ULTRALIGHT_AES)
    band, other = ultralight_aes(), ultralight_aes(OTHER_UID)
    station.issue(band)
    reference = bands_id(station.issue(other))
    station.begin()
    at = 30
    while not station.station.has_begun_to_retire:
        with pytest.raises(BandLeft):
            station.station.retire(station.held(station.torn(band, at)), band_id="")
        at += 2

    with pytest.raises(WrongBand, match="another band than the one that was held first"):
        station.station.retire(station.held(other), band_id="")
    station.station.retire(station.held(band), band_id="")

    assert station.journal.unfinished(RETIRE) == ()
    assert station.station.look(station.held(other)).reference.hex() == reference


@chips
def test_a_band_is_let_go_once_it_is_retired_and_each_stands_in_the_journal_as_begun_once(
    chip: Chip, new: Callable[[], VirtualBand], runs: Make
) -> None:
    station, band = runs(chip), new()
    for name in ("first", "second"):
        station.issue(band, name)

        station.station.retire(station.held(band), band_id="")

        assert not station.station.is_bound
    states = [each.state for each in station.journal.entries if each.step == RETIRE]
    assert states == [State.BEGUN, State.DONE] * 2


def test_of_a_chip_that_must_not_be_issued_nothing_is_begun(runs: Make) -> None:
    station, chip = runs(Chip.ULTRALIGHT_AES), used(ultralight_aes())

    said = station.issue(chip)

    assert said.reported is not None
    assert (said.reported.outcome, said.reported.uid) == (Outcome.FAILED, UID)
    assert "its counter has moved" in said.words
    assert [each.state for each in station.journal.entries] == [State.FAILED]


class Leased:
    """A store that was lent every band, or none but the group."""

    def __init__(self, *, is_leased: bool) -> None:
        self._keys, self._is_leased = TestStationKeys(), is_leased

    def group_key(self) -> LeasedKey:
        return LeasedKey(self._keys.group_key().value)

    def band_key(self, uid: bytes) -> LeasedKey | None:
        return LeasedKey(self._keys.band_key(uid).value) if self._is_leased else None


@chips
@pytest.mark.parametrize("is_leased", [True, False])
def test_a_retired_band_is_nobodys_and_said_to_be_so_where_it_is_read(
    runs: Make, chip: Chip, new: Callable[[], VirtualBand], is_leased: bool
) -> None:
    at, band = runs(chip), new()
    at.issue(band)
    at.station.retire(at.held(band), band_id="")
    target = at.held(band)

    def read() -> Proof:
        keys = Leased(is_leased=is_leased)
        return read_band(at.reader.connect(target), target, keys, SeededEntropy("kiosk"))

    if chip is Chip.ULTRALIGHT_AES and not is_leased:
        # Only K_band reads its id: it does not say whose it is.
        assert read().band is None
        return
    with pytest.raises(NotIssued, match="has no id: it was retired"):
        read()
