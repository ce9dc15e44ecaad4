"""PINs over a device's real files: set with an ID seen, judged without a network, locked by wrong ones, kept as a hash."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.lines import Proved
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.recognising import LocalRecogniser
from kiosk.core.pin_digits import is_pin
from kiosk.core.ports import BandEvidence, PinStanding, Refused
from kiosk.demo.bands import demo_band
from kiosk.demo.seeding import seed
from sync.edge.outbox import Outbox
from sync.model.operation import Evidence
from sync.model.operations.block_band import BlockBand
from sync.model.operations.request_erasure import RequestErasure
from sync.model.records import Case, Pin
from sync.model.rules import PIN_WRONG_MAX

ID_SEEN = Evidence("S1", "id_seen")
PIN = "2580"


@pytest.fixture(scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeded") / "data"
    seed(folder, world=real_world())
    return folder


@pytest.fixture
def device(_folder: Path, tmp_path: Path) -> Iterator[Device]:
    opened = Device.open(Path(shutil.copytree(_folder, tmp_path / "data")), world=real_world())
    yield opened
    opened.close()


@pytest.fixture
def desk(device: Device) -> StoreDesk:
    return StoreDesk(device, None)


def band_of(device: Device, name: str = "maya", *, kind: str = "mutual") -> BandEvidence:
    band = demo_band(name)
    said = Proved(
        tap=1, kind=kind, family="desfire", generation=2, uid=band.uid.hex(),
        band=band.reference.hex(),
    )  # fmt: skip
    return LocalRecogniser(device).evidence(said)


def with_pin(desk: StoreDesk) -> None:
    desk.set_pin(PIN, owner="maya", actor="mira", evidence=ID_SEEN)


def forgotten(desk: StoreDesk, evidence: Evidence) -> None:
    desk.record(
        "request_erasure", RequestErasure(by="kiosk"), owner="maya", actor="customer",
        evidence=evidence,
    )  # fmt: skip


def test_the_right_pin_beside_her_proved_band_does_what_the_band_alone_may_not(
    device: Device, desk: StoreDesk
) -> None:
    with_pin(desk)
    band = band_of(device)

    tried = desk.try_pin(PIN, owner="maya", band=band)

    assert tried.evidence is not None
    assert (tried.evidence.assurance, tried.is_right) == ("A3", True)
    with pytest.raises(Refused, match="assurance"):
        forgotten(desk, Evidence("A2", "mutual", band.band))
    forgotten(desk, tried.evidence)
    cases = [case for _, case in desk.profile_of("maya").of(Case) if case.topic == "erasure"]
    assert [case.state for case in cases] == ["open"]


def test_nobody_gets_a_pin_without_an_id_seen(desk: StoreDesk) -> None:
    with pytest.raises(Refused, match="id_needed"):
        desk.set_pin(PIN, owner="maya", actor="mira", evidence=Evidence("S1", "found"))

    assert desk.pin_standing("maya") is PinStanding.NONE


def test_wrong_pins_lock_it_and_a_new_one_opens_it(device: Device, desk: StoreDesk) -> None:
    with_pin(desk)
    band = band_of(device)

    tries = [desk.try_pin("2581", owner="maya", band=band) for _ in range(PIN_WRONG_MAX)]
    locked = desk.try_pin(PIN, owner="maya", band=band)
    desk.set_pin("8024", owner="maya", actor="mira", evidence=ID_SEEN)
    opened = desk.try_pin("8024", owner="maya", band=band)

    assert {one.evidence for one in tries} == {None}
    assert [one.standing for one in tries][-2:] == [PinStanding.OPEN, PinStanding.LOCKED]
    assert (locked.evidence, locked.is_right) == (None, False)
    assert opened.evidence is not None


def test_a_right_pin_forgets_the_wrong_ones_and_costs_no_operation_of_its_own(
    device: Device, desk: StoreDesk
) -> None:
    with_pin(desk)
    band = band_of(device)
    n_before = Outbox(device.store).counts().n_waiting

    desk.try_pin(PIN, owner="maya", band=band)
    n_right = Outbox(device.store).counts().n_waiting - n_before
    for pin in ("1379", "1379", PIN):
        desk.try_pin(pin, owner="maya", band=band)

    ((_, pin_row),) = desk.profile_of("maya").of(Pin)
    assert (n_right, pin_row.n_wrong) == (0, 0)


@pytest.mark.parametrize("kind", ["none", "capsule", "originality"])
def test_a_right_pin_lifts_nothing_beside_a_band_that_is_not_proved(
    device: Device, desk: StoreDesk, kind: str
) -> None:
    with_pin(desk)

    tried = desk.try_pin(PIN, owner="maya", band=band_of(device, kind=kind))

    assert (tried.evidence, tried.is_right) == (None, True)


def test_a_right_pin_lifts_nothing_once_the_band_is_blocked(
    device: Device, desk: StoreDesk
) -> None:
    with_pin(desk)
    band = band_of(device)
    args = BlockBand(band=band.band, why="lost")
    desk.record("block_band", args, owner="maya", actor="mira", evidence=ID_SEEN)

    assert desk.try_pin(PIN, owner="maya", band=band).evidence is None


def test_the_pin_stands_nowhere_in_this_devices_files(device: Device, desk: StoreDesk) -> None:
    pin = "73910246"
    desk.set_pin(pin, owner="maya", actor="mira", evidence=ID_SEEN)
    device.store.cache.look(lambda file: file.read("SELECT 1"))

    ((row, held),) = desk.profile_of("maya").of(Pin)
    op = Outbox(device.store).operation(held.ops[-1])

    assert held.hash.startswith("$argon2id$")
    assert pin not in held.hash + repr(row) + repr(op)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("2580", True), ("73910246", True), ("1213", True), ("258", False), ("739102467", False),
        ("1111", False), ("1234", False), ("4321", False), ("7890", False), ("25a0", False),
        ("", False), ("٢٥٨٠", False),
    ],
)  # fmt: skip
def test_what_can_be_a_pin(text: str, *, is_one: bool) -> None:
    assert is_pin(text) is is_one
