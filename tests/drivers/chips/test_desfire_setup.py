"""An issuing station's half of a DESFire, against virtual chips fresh from their factory."""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chips.desfire import PICC_AID, Desfire
from drivers.chips.desfire_setup import (
    DesfireSetup,
    FileSettings,
    KeyKind,
    KeySettings,
    settings_of,
)
from drivers.chips.framing import APPLICATION_EXISTS
from drivers.credential.layout import (
    AID,
    ALL_FILES,
    APPLICATION_KEY_SETTINGS,
    CAPSULE_FILE,
    BandFile,
    CommMode,
    RecordFile,
    ValueFile,
)
from drivers.errors import (
    BandError,
    BandLeft,
    BandMalformed,
    BandRefused,
    BandUnsupported,
    BandUntrusted,
    Delivery,
)
from hardware.entropy import SeededEntropy
from hardware.virtual.desfire import VirtualDesfire
from tests.support.bands import UID
from tests.support.desfire_bench import SpoiledConnection

MASTER, NEW, OTHER = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
THREE = bytes(range(24))
EVS = pytest.mark.parametrize("ev", [1, 2, 3])


class Station:
    """A fresh chip, and the station's hands on it."""

    def __init__(self, ev: int = 2) -> None:
        self.band = VirtualDesfire.fresh(uid=UID, ev=ev, entropy=SeededEntropy("chip"))
        self._entropy = SeededEntropy("station")
        self.enter()

    def enter(self) -> None:
        """The band is put down again."""
        self.connection = SpoiledConnection(self.band.power_up())
        self.chip = Desfire(self.connection, self._entropy)
        self.setup = DesfireSetup(self.chip)

    def select(self, aid: bytes = PICC_AID) -> None:
        assert self.chip.select_application(aid).status == 0

    def open(self, slot: int = 0, key: bytes = MASTER) -> None:
        if not self.chip.authenticate_ev2_first(slot, key):
            self.chip.authenticate_aes(slot, key)

    def take_over(self) -> None:
        """Give the chip an AES key of its own, and open it."""
        self.select()
        self.chip.authenticate_iso(0, bytes(16))
        self.setup.change_key(0, MASTER, version=1)
        self.open()

    def make_application(self) -> None:
        self.take_over()
        self.setup.create_application(AID, rights=APPLICATION_KEY_SETTINGS, key_count=3)
        self.select(AID)
        self.open(key=bytes(16))


@EVS
def test_a_fresh_chip_is_opened_with_the_key_of_the_factory_and_taken_over(ev: int) -> None:
    station = Station(ev)
    station.select()
    station.chip.authenticate_iso(0, bytes(16))

    before = station.setup.key_settings()
    station.setup.change_key(0, MASTER, version=5)

    assert not station.chip.is_open
    station.open()
    assert before == KeySettings(0x0F, 1, KeyKind.DES)
    assert station.setup.key_settings() == KeySettings(0x0F, 1, KeyKind.AES)
    assert station.chip.key_version(0) == 5
    assert station.band.picc.keys == (MASTER,)


@EVS
def test_a_band_of_ours_is_made_and_looks_as_the_layout_says(ev: int) -> None:
    station = Station(ev)
    station.make_application()

    for file in ALL_FILES:
        station.setup.create_file(file)

    assert station.setup.file_ids() == tuple(file.number for file in ALL_FILES)
    for file in ALL_FILES:
        expected = dataclasses.replace(file, start=0) if isinstance(file, ValueFile) else file
        assert station.setup.file_settings(file.number) == FileSettings(expected)
    station.select()
    station.open()
    assert station.setup.application_ids() == (AID,)
    assert 0 < station.setup.free_memory() < 8_192


@EVS
def test_keys_are_changed_by_key_0_and_key_0_by_itself(ev: int) -> None:
    station = Station(ev)
    station.make_application()

    station.setup.change_key(1, NEW, version=11, old=bytes(16))
    station.setup.change_key(2, OTHER, version=12, old=bytes(16))
    is_still_open = station.chip.is_open
    station.setup.change_key(0, MASTER, version=10)

    assert is_still_open
    assert not station.chip.is_open
    assert station.band.applications[AID].keys == (MASTER, NEW, OTHER)
    assert [station.chip.key_version(slot) for slot in range(3)] == [10, 11, 12]
    for slot, key in enumerate((MASTER, NEW, OTHER)):
        station.open(slot, key)


@EVS
def test_a_key_is_not_changed_by_whoever_does_not_know_the_old_one(ev: int) -> None:
    station = Station(ev)
    station.make_application()

    with pytest.raises(BandRefused) as caught:
        station.setup.change_key(1, NEW, version=1, old=OTHER)

    assert caught.value.status == 0x911E
    assert station.band.applications[AID].keys[1] == bytes(16)


@EVS
def test_the_chip_takes_every_kind_of_key_and_gives_it_up_again(ev: int) -> None:
    station = Station(ev)
    station.select()
    station.chip.authenticate_iso(0, bytes(16))

    station.setup.change_key(0, THREE, version=0x55, kind=KeyKind.THREE_KEY)
    station.chip.authenticate_iso(0, THREE)
    three = (station.chip.key_version(0), station.setup.key_settings().kind)
    station.setup.change_key(0, NEW, version=0xAA, kind=KeyKind.DES)
    station.chip.authenticate_iso(0, NEW)
    two = (station.chip.key_version(0), station.setup.key_settings().kind)
    station.setup.change_key(0, MASTER, version=3)
    station.chip.authenticate_aes(0, MASTER)
    station.setup.change_key(0, bytes(8), kind=KeyKind.DES)
    station.chip.authenticate_iso(0, bytes(16))

    assert three == (0x55, KeyKind.THREE_KEY)
    assert two == (0xAA, KeyKind.DES)
    assert station.chip.key_version(0) == 0


@EVS
def test_des_keys_of_an_application_are_changed_by_its_key_0(ev: int) -> None:
    station = Station(ev)
    station.take_over()
    for aid, kind, key in ((b"DES", KeyKind.DES, NEW), (b"3K3", KeyKind.THREE_KEY, THREE)):
        station.select()
        station.open()
        station.setup.create_application(aid, rights=0x0F, key_count=2, kind=kind)
        station.select(aid)
        station.chip.authenticate_iso(0, bytes(len(key)))

        station.setup.change_key(1, key, version=7, old=bytes(len(key)), kind=kind)

        station.chip.authenticate_iso(1, key)
        assert station.chip.key_version(1) == 7


@EVS
def test_what_is_there_already_is_refused_and_can_be_seen(ev: int) -> None:
    station = Station(ev)
    station.make_application()
    station.setup.create_file(CAPSULE_FILE)

    with pytest.raises(BandRefused) as of_file:
        station.setup.create_file(CAPSULE_FILE)
    station.select()
    station.open()
    with pytest.raises(BandRefused) as of_application:
        station.setup.create_application(AID, rights=0x09, key_count=3)

    assert of_file.value.status & 0xFF == APPLICATION_EXISTS
    assert of_application.value.status & 0xFF == APPLICATION_EXISTS
    station.open()
    assert station.setup.application_ids() == (AID,)


@EVS
def test_files_and_applications_go_and_the_chip_is_formatted(ev: int) -> None:
    station = Station(ev)
    station.make_application()
    station.setup.create_file(CAPSULE_FILE)

    station.setup.delete_file(CAPSULE_FILE.number)
    files = station.setup.file_ids()
    station.select()
    station.open()
    station.setup.create_application(b"ABC", rights=0x0F, key_count=1)
    station.setup.delete_application(AID)
    applications = station.setup.application_ids()
    station.setup.format_picc()

    assert files == ()
    assert applications == (b"ABC",)
    assert not station.chip.is_open
    station.select()
    assert station.setup.application_ids() == ()


@EVS
def test_rights_are_changed_once_the_files_are_filled(ev: int) -> None:
    station = Station(ev)
    station.make_application()
    station.setup.create_file(CAPSULE_FILE)
    plain = dataclasses.replace(CAPSULE_FILE, mode=CommMode.MAC, read=2)

    station.setup.change_file_settings(plain)
    station.setup.change_key_settings(0x08)

    assert station.setup.file_settings(CAPSULE_FILE.number).file == plain
    assert station.setup.key_settings().rights == 0x08


@EVS
def test_a_chip_shows_another_uid_each_time_from_then_on(ev: int) -> None:
    station = Station(ev)
    station.take_over()

    station.setup.set_configuration(has_random_uid=True)

    shown = {station.band.power_up().anticollision.uid for _ in range(3)}
    assert len(shown) == 3
    assert all(len(uid) == 4 for uid in shown)
    assert station.chip.card_uid() == UID


@EVS
def test_a_chip_that_must_never_be_formatted_is_not(ev: int) -> None:
    station = Station(ev)
    station.take_over()

    station.setup.set_configuration(is_format_disabled=True)

    with pytest.raises(BandRefused):
        station.setup.format_picc()
    assert not station.band.has_random_uid


def test_many_applications_are_listed_over_several_frames() -> None:
    station = Station()
    station.take_over()
    aids = tuple(bytes((number, 1, 1)) for number in range(1, 28))

    for aid in aids:
        station.setup.create_application(aid, rights=0x0F, key_count=1)

    assert station.setup.application_ids() == aids


@EVS
@pytest.mark.parametrize("is_heard", [True, False])
def test_a_torn_key_change_is_seen_by_which_key_opens(ev: int, is_heard: bool) -> None:
    station = Station(ev)
    station.make_application()
    station.connection.spoil_from_here(1, lambda answer: None, is_heard=is_heard)

    with pytest.raises(BandLeft) as caught:
        station.setup.change_key(2, NEW, version=9, old=bytes(16))

    assert caught.value.delivery is Delivery.UNKNOWN
    station.enter()
    station.select(AID)
    assert station.chip.key_version(2) == (9 if is_heard else 0)
    station.open(2, NEW if is_heard else bytes(16))


def test_a_good_answer_to_the_change_of_the_sessions_own_key_is_not_believed() -> None:
    station = Station()
    station.make_application()
    station.connection.spoil_from_here(1, lambda answer: b"\x91\x00", is_heard=False)

    station.setup.change_key(0, NEW)

    assert not station.chip.is_open
    with pytest.raises(BandUntrusted):
        station.open(0, NEW)


def test_what_does_not_fit_is_our_mistake_and_not_sent() -> None:
    station = Station()
    station.make_application()
    n_sent = len(station.connection.sent)

    for new, old, kind in (
        (bytes(15), bytes(16), KeyKind.AES),
        (NEW, b"", KeyKind.AES),
        (NEW, bytes(24), KeyKind.AES),
        (bytes(16), bytes(16), KeyKind.THREE_KEY),
        (bytes(24), bytes(24), KeyKind.DES),
    ):
        with pytest.raises(ValueError, match="key"):
            station.setup.change_key(1, new, old=old, kind=kind)
    with pytest.raises(TypeError, match="chip itself"):
        station.setup.delete_application(AID)

    assert len(station.connection.sent) == n_sent
    assert station.chip.is_open


@given(st.binary(max_size=24))
def test_any_settings_are_those_of_a_file_or_our_own_error(content: bytes) -> None:
    try:
        found = settings_of(5, content)
    except (BandMalformed, BandUnsupported):
        return

    assert found.file.number == 5
    assert found.file.access_rights == content[2:4]
    assert isinstance(found.file, BandFile | ValueFile | RecordFile)


@pytest.mark.parametrize("size", range(18))
def test_settings_cut_anywhere_are_malformed(size: int) -> None:
    whole = bytes.fromhex("0203ff2f00000000ffffff7f0000000001")

    if size < len(whole):
        with pytest.raises(BandMalformed):
            settings_of(3, whole[:size])
    else:
        file = settings_of(3, whole).file
        assert isinstance(file, ValueFile)
        assert (file.upper, file.has_limited_credit) == ((1 << 31) - 1, True)


@pytest.mark.parametrize("answer", ["", "01", "0102030405"])
def test_answers_of_a_wrong_size_are_malformed(answer: str) -> None:
    station = Station()
    station.select()

    for ask in (
        station.setup.free_memory,
        station.setup.key_settings,
        lambda: (
            station.chip.key_version(0) if len(answer) != 2 else station.setup.free_memory()
        ),
        station.chip.version,
    ):
        station.connection.spoil_from_here(1, lambda _: bytes.fromhex(answer) + b"\x91\x00")
        with pytest.raises(BandMalformed):
            ask()


def test_keys_of_an_unknown_kind_and_halves_of_identifiers_are_told() -> None:
    station = Station()
    station.select()

    station.connection.spoil_from_here(1, lambda _: b"\x0f\xc1\x91\x00")
    with pytest.raises(BandUnsupported):
        station.setup.key_settings()
    station.connection.spoil_from_here(1, lambda _: b"\x01\x02\x91\x00")
    with pytest.raises(BandMalformed):
        station.setup.application_ids()


@EVS
def test_every_step_of_making_a_band_can_be_torn_and_is_done_or_not(ev: int) -> None:
    """Seen from the chip's side: after a torn command there is all of it or nothing."""
    steps: tuple[Callable[[Station], None], ...] = (
        lambda at: at.setup.create_application(b"NEW", rights=0x09, key_count=3),
        lambda at: at.setup.change_key_settings(0x09),
        lambda at: at.setup.set_configuration(has_random_uid=True),
        lambda at: at.setup.change_key(0, NEW, version=2),
        lambda at: at.setup.delete_application(AID),
        lambda at: at.setup.format_picc(),
    )
    for step in steps:
        for is_heard in (True, False):
            done, torn = Station(ev), Station(ev)
            for station in (done, torn):
                station.make_application()
                station.select()
                station.open()
            before = _seen(torn)
            step(done)
            torn.connection.spoil_from_here(1, lambda answer: None, is_heard=is_heard)

            with pytest.raises(BandError) as caught:
                step(torn)

            assert caught.value.delivery is Delivery.UNKNOWN
            assert not torn.chip.is_open
            assert _seen(torn) == (_seen(done) if is_heard else before)


def _seen(station: Station) -> tuple[object, ...]:
    band = station.band
    return band.picc, band.applications, band.has_random_uid
