"""Two customers are made one at the centre while a kiosk has operations on both: nothing is lost, its cache follows."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.identity import DeviceIdentity
from sync.central import joining
from sync.central.centre import Centre
from sync.central.joins import JOINS_MAX
from sync.edge.client import CentreClient
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.model.operation import OperationState
from sync.model.records import Band, Customer, Interaction, Join
from sync.model.row import row_of
from tests.support import edge
from tests.support.centre import new_device, open_centre
from tests.support.channels import changed
from tests.support.shop import said
from tests.support.transport import AsgiTransport

ANN, BO = "ann", "bo"
BANDS = {ANN: "a1" * 16, BO: "b2" * 16}
OPS = {ANN: "0190a1b2-0000-7000-8000-00000000000a", BO: "0190a1b2-0000-7000-8000-00000000000b"}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(edge.START)


@pytest.fixture
def centre(tmp_path: Path, clock: FixedClock) -> Iterator[Centre]:
    opened = open_centre(tmp_path / "centre", clock=clock)
    put_both(opened)
    yield opened
    opened.close()


def put_both(centre: Centre) -> None:
    for owner, band in BANDS.items():
        centre.put_rows(
            [
                row_of(
                    Customer(owner, owner.title()),
                    owner=owner,
                    as_of=1 + (owner == BO),
                    source="crm",
                ),
                row_of(Band(band, "active"), owner=owner, as_of=1, source="store"),
            ],
            interest=[("harbour", owner)],
        )


@pytest.fixture
def kiosk(
    centre: Centre, tmp_path: Path, clock: FixedClock
) -> Iterator[tuple[EdgeStore, SyncRunner]]:
    store = edge.opened(tmp_path / "kiosk", clock=clock)
    runner = runner_of(store, centre, new_device(centre), clock)
    runner.sync_once()
    yield store, runner
    store.close()


def runner_of(
    store: EdgeStore, centre: Centre, device: DeviceIdentity, clock: FixedClock
) -> SyncRunner:
    client = CentreClient(
        AsgiTransport(centre.asgi_app), identity=device, clock=clock,
        entropy=SeededEntropy(f"client at {clock.ticks_ms()}"),
    )  # fmt: skip
    return SyncRunner(client, store, clock=clock, entropy=SeededEntropy("chance"))


def owner_by_band(store: EdgeStore, owner: str) -> str:
    found = Lookup(store).by_band(BANDS[owner])
    assert found is not None
    return found.owner


def join(centre: Centre) -> str:
    made = changed(
        centre,
        lambda it: joining.join(it, BO, ANN, why="an ID seen", risk_ppm=1, by="ben", at=1),
    )
    assert isinstance(made, str)
    return made


def test_operations_on_both_arrive_and_both_bands_open_the_one_who_is_kept(
    centre: Centre, kiosk: tuple[EdgeStore, SyncRunner]
) -> None:
    store, runner = kiosk
    for owner, op_id in OPS.items():
        Outbox(store).record(said(f"{owner} was here", op_id=op_id, owner=owner))
    join(centre)

    runner.sync_once()
    runner.sync_once()

    assert [Outbox(store).state_of(op) for op in OPS.values()] == [OperationState.APPLIED] * 2
    assert [owner_by_band(store, owner) for owner in BANDS] == [BO, BO]
    profile = Lookup(store).profile(BO)
    assert {body.text for _, body in profile.of(Interaction)} == {"ann was here", "bo was here"}
    assert [body.given_name for _, body in profile.of(Customer)] == ["Bo"]
    assert Lookup(store).profile(ANN).rows == ()


def test_taken_apart_again_each_band_opens_its_own_with_what_was_said_there(
    centre: Centre, kiosk: tuple[EdgeStore, SyncRunner]
) -> None:
    store, runner = kiosk
    made = join(centre)
    for owner, op_id in OPS.items():
        Outbox(store).record(said(f"{owner} was here", op_id=op_id, owner=owner))
    runner.sync_once()

    changed(centre, lambda it: joining.unjoin(it, made, "ben", at=2))
    runner.sync_once()

    for owner in BANDS:
        assert owner_by_band(store, owner) == owner
        profile = Lookup(store).profile(owner)
        assert [body.text for _, body in profile.of(Interaction)] == [f"{owner} was here"]
        assert profile.customer is not None


def done_for_both(store: EdgeStore, runner: SyncRunner) -> None:
    for owner, op_id in OPS.items():
        Outbox(store).record(said(f"{owner} was here", op_id=op_id, owner=owner))
    runner.sync_once()


def kept(store: EdgeStore) -> list[str]:
    """Whose operations are still here."""
    return [owner for owner, op in OPS.items() if Outbox(store).state_of(op) is not None]


def test_what_was_done_for_who_was_joined_since_comes_back_to_a_centre_that_is_set_back(
    tmp_path: Path, clock: FixedClock
) -> None:
    folder, copy = tmp_path / "centre", tmp_path / "copy"
    centre = open_centre(folder, clock=clock)
    put_both(centre)
    device = new_device(centre)
    store = edge.opened(tmp_path / "kiosk", clock=clock)
    runner_of(store, centre, device, clock).sync_once()
    centre.close()
    shutil.copytree(folder, copy)
    centre = open_centre(folder, clock=clock)
    clock.sleep_ms(1_000)
    runner = runner_of(store, centre, device, clock)
    done_for_both(store, runner)
    join(centre)
    runner.sync_once()
    joined = Lookup(store).profile(ANN).customer is None
    centre.close()
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)

    centre = open_centre(folder, clock=clock)
    clock.sleep_ms(1_000)
    lacked = [centre.operation(op) for op in OPS.values()]
    again = runner_of(store, centre, device, clock)
    again.sync_once()
    again.sync_once()

    assert joined
    assert lacked == [None, None]
    assert [centre.operation(op) is not None for op in OPS.values()] == [True, True]
    for owner in BANDS:
        profile = Lookup(store).profile(owner)
        assert [body.text for _, body in profile.of(Interaction)] == [f"{owner} was here"]
    centre.close()
    store.close()


def test_what_was_done_for_who_was_joined_goes_when_the_one_who_is_kept_is_erased(
    centre: Centre, kiosk: tuple[EdgeStore, SyncRunner]
) -> None:
    store, runner = kiosk
    done_for_both(store, runner)
    join(centre)
    runner.sync_once()
    before = kept(store)

    centre.erase(BO)
    runner.sync_once()

    assert (before, kept(store)) == ([ANN, BO], [])


def test_what_was_done_for_who_was_joined_goes_when_the_one_who_is_kept_leaves_the_store(
    centre: Centre, kiosk: tuple[EdgeStore, SyncRunner]
) -> None:
    store, runner = kiosk
    done_for_both(store, runner)
    join(centre)
    runner.sync_once()
    before = kept(store)

    centre.end_interest("harbour", BO)
    runner.sync_once()

    assert (before, kept(store)) == ([ANN, BO], [])


def test_who_was_taken_apart_again_and_leaves_takes_along_what_was_theirs_alone(
    centre: Centre, kiosk: tuple[EdgeStore, SyncRunner]
) -> None:
    store, runner = kiosk
    done_for_both(store, runner)
    made = join(centre)
    runner.sync_once()
    changed(centre, lambda it: joining.unjoin(it, made, "ben", at=2))
    runner.sync_once()
    before = kept(store)

    centre.end_interest("harbour", ANN)
    runner.sync_once()

    assert (before, kept(store)) == ([ANN, BO], [BO])


def test_who_was_joined_before_more_joins_than_are_told_is_still_here_as_another(
    centre: Centre, kiosk: tuple[EdgeStore, SyncRunner]
) -> None:
    store, runner = kiosk
    done_for_both(store, runner)
    made = join(centre)
    others = [
        f"other-{n}" for n in range(JOINS_MAX + 2)
    ]  # two of them are told no more, nor is the first
    for n, other in enumerate(others):
        centre.put_rows(
            [row_of(Customer(other, other.title()), owner=other, as_of=1, source="crm")]
        )
        changed(
            centre,
            lambda it, n=n, other=other: joining.join(
                it, BO, other, why="an ID seen", risk_ppm=1, by="ben", at=10 + n
            ),
        )

    runner.sync_once()

    joins = sorted(Lookup(store).profile(BO).of(Join), key=lambda it: it[1].at)
    assert made not in {body.id for _, body in joins}
    assert kept(store) == [ANN, BO]
    assert joins[0][1].records[2:] == tuple(sorted({ANN, BO, *others[:2]}))
    assert all(len(body.records) == 2 for _, body in joins[1:])
    centre.erase(BO)
    runner.sync_once()
    assert kept(store) == []
