"""A kiosk and a centre whose programs are not of one age: both say so before anything is refused, and nothing is lost."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import micros_of
from sync.central import device_rows
from sync.central.brand import NO_BRAND
from sync.central.centre import Centre
from sync.edge.client import CentreClient, Program
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.edge.told import Update
from sync.model import registry
from sync.model.errors import CentreIncompatible
from sync.model.operation import OperationState
from tests.support import edge
from tests.support.centre import new_device, open_centre
from tests.support.shop import LENA, lenas_rows, said
from tests.support.transport import AsgiTransport

OP = "0190a1b2-0000-7000-8000-00000000000a"
RULE = 'least_program = "0.2.0"\nleast_program_from = {day}\n'

Opened = Callable[[Program], tuple[EdgeStore, SyncRunner]]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(edge.START)


@pytest.fixture
def centre(tmp_path: Path, clock: FixedClock) -> Iterator[Centre]:
    folder = tmp_path / "centre"
    folder.mkdir()
    day = (edge.START + timedelta(days=10)).date()
    (folder / "brand.toml").write_text(RULE.format(day=day))
    opened = open_centre(folder, clock=clock)
    opened.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    yield opened
    opened.close()


@pytest.fixture
def kiosk(centre: Centre, tmp_path: Path, clock: FixedClock) -> Iterator[Opened]:
    stores: list[EdgeStore] = []

    def opened(program: Program) -> tuple[EdgeStore, SyncRunner]:
        store = edge.opened(tmp_path / f"kiosk-{len(stores)}", clock=clock)
        stores.append(store)
        client = CentreClient(
            AsgiTransport(centre.asgi_app), identity=new_device(centre), clock=clock,
            entropy=SeededEntropy(f"client-{len(stores)}"), program=program,
        )  # fmt: skip
        return store, SyncRunner(client, store, clock=clock, entropy=SeededEntropy("chance"))

    yield opened
    for store in stores:
        store.close()


def test_an_old_program_says_when_it_must_be_newer_and_keeps_what_it_recorded_when_it_is_not(
    kiosk: Opened, clock: FixedClock
) -> None:
    store, runner = kiosk(Program(version="0.1.0"))

    runner.sync_once()

    update = runner.status().update
    assert update == Update("0.2.0", update.at if update else 0)
    assert update is not None
    assert update.at > micros_of(clock.now())
    clock.sleep_ms(11 * 86_400_000)
    Outbox(store).record(said("Lena was here", op_id=OP, owner=LENA))
    with pytest.raises(CentreIncompatible):
        runner.sync_once()
    assert Outbox(store).state_of(OP) is OperationState.RECORDED


def after_a_restart(store: EdgeStore, centre: Centre, program: Program) -> SyncRunner:
    """The program of a device started anew; nobody answered it yet."""
    client = CentreClient(
        AsgiTransport(centre.asgi_app), identity=new_device(centre), clock=store.clock,
        entropy=SeededEntropy("again"), program=program,
    )  # fmt: skip
    return SyncRunner(client, store, clock=store.clock, entropy=SeededEntropy("chance"))


def test_what_a_hello_said_of_a_program_is_said_after_a_restart_before_anybody_answers(
    kiosk: Opened, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, runner = kiosk(Program(version="0.1.0"))
    monkeypatch.setattr(
        "sync.edge.client.registry.writes",
        lambda: {kind.name: kind.v for kind in registry.KINDS.values()} | {"stamp_passport": 1},
    )
    runner.sync_once()
    said = runner.status()

    same = after_a_restart(store, centre, Program(version="0.1.0")).status()
    newer = after_a_restart(store, centre, Program(version="0.1.1")).status()
    newest = after_a_restart(store, centre, Program(version="0.2.0")).status()

    assert said.update is not None
    assert (same.update, same.unread) == (said.update, ("stamp_passport",))
    assert (newer.update, newer.unread) == (said.update, ())
    assert (newest.update, newest.unread) == (None, ())


def test_a_rule_that_was_taken_back_is_forgotten_with_the_next_hello(
    kiosk: Opened, centre: Centre
) -> None:
    store, runner = kiosk(Program(version="0.1.0"))
    runner.sync_once()
    centre._hellos._brand = NO_BRAND

    runner.sync_once()

    assert runner.status().update is None
    assert after_a_restart(store, centre, Program(version="0.1.0")).status().update is None


def test_a_program_that_is_new_enough_is_told_nothing(kiosk: Opened) -> None:
    _, runner = kiosk(Program(version="0.2.0"))

    runner.sync_once()

    assert (runner.status().update, runner.status().unread) == (None, ())


def test_a_kind_the_centre_cannot_read_yet_is_said_before_it_is_recorded_and_then_held(
    kiosk: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, runner = kiosk(Program(version="0.2.0"))
    monkeypatch.setattr(
        "sync.edge.client.registry.writes",
        lambda: {kind.name: kind.v for kind in registry.KINDS.values()} | {"stamp_passport": 1},
    )

    runner.sync_once()
    assert runner.status().unread == ("stamp_passport",)
    op = said("Lena was here", op_id=OP, owner=LENA)
    Outbox(store).record(msgspec.structs.replace(op, kind="stamp_passport"))
    runner.sync_once()

    assert Outbox(store).state_of(OP) is OperationState.HELD


def test_the_centre_hears_how_much_room_there_is_each_time(
    centre: Centre, kiosk: Opened
) -> None:
    sizes = iter((900_000_000, 100_000_000))
    _, runner = kiosk(Program(version="0.2.0", free_size=lambda: next(sizes)))

    runner.sync_once()
    runner.sync_once()

    with centre._store.reading() as snapshot:
        (device,) = device_rows.devices(snapshot.sql)
    assert (device.version, device.free_size) == ("0.2.0", 100_000_000)
    assert [it.code for it in centre.alerts()] == ["device_disk_low"]
