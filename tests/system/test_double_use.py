"""Two stores without a network give nothing out twice; what collides all the same becomes a case, and a person settles the rest."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hardware import identity as identities
from hardware.disk import SystemDisk
from hardware.moments import micros_of
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.syncing import Sync
from kiosk.core.ports import Act, Recorded, Refused
from kiosk.demo.in_process import InProcessTransport
from sync.central import device_rows
from sync.central.centre import Centre
from sync.edge.switch import SwitchedTransport
from sync.model.ledger import Loan
from sync.model.operation import Evidence, OperationState
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.redeem import Redeem
from sync.model.records import Account, Allowance, Case, LedgerEntry
from sync.model.wire import DecideRequest
from tests.support.centre import new_device, open_centre
from tests.support.operations import assert_books_balance
from tests.support.shop import LENA, NOON, lenas_rows, row

POINTS = "account/lena:points"
STAFF = Evidence("S1", "found")
DAY_US = 86_400 * 1_000_000


class Till:
    """A counter of one store, with its network cable."""

    def __init__(self, centre: Centre, folder: Path, *, store: str) -> None:
        identities.save(
            new_device(centre, store=store, role="counter"), folder, disk=SystemDisk()
        )
        self.device = Device.open(folder, world=real_world())
        self.cable = SwitchedTransport(InProcessTransport(centre.asgi_app))
        self.sync = Sync(self.device, transport=self.cable)
        self.desk = StoreDesk(self.device, self.sync)

    def close(self) -> None:
        self.sync.stop()
        self.device.close()

    def agree(self) -> None:
        """Exchange with the centre until nothing waits."""
        self.cable.join()
        for _ in range(20):
            code = self.sync.once()
            if code == "ok" and self.desk.standing().n_waiting == 0:
                return
        raise AssertionError(f"no agreement: {code}")

    def redeem(self, amount: int) -> Recorded:
        args = Redeem(of=POINTS, amount=amount)
        return self.desk.record("redeem", args, owner=LENA, actor="ben", evidence=STAFF)

    @property
    def points(self) -> int:
        return sum(one.points for _, one in self.desk.profile_of(LENA).of(Account))

    @property
    def lent(self) -> int:
        return sum(one.n_left for _, one in self.desk.profile_of(LENA).of(Allowance))


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    opened = open_centre(tmp_path / "centre")
    rows = (
        *lenas_rows(),
        row(Account("lena:points", 100, "harbour")),
        row(LedgerEntry("opening", POINTS, 100, "opening", "", NOON)),
    )
    opened.put_rows(rows, interest=[("harbour", LENA), ("station", LENA)])
    yield opened
    opened.close()


@pytest.fixture
def home(centre: Centre, tmp_path: Path) -> Iterator[Till]:
    till = Till(centre, tmp_path / "home", store="harbour")
    till.agree()
    yield till
    till.close()


@pytest.fixture
def other(centre: Centre, tmp_path: Path) -> Iterator[Till]:
    till = Till(centre, tmp_path / "other", store="station")
    till.agree()
    yield till
    till.close()


def books(centre: Centre, *tills: Till) -> None:
    """Every balance at the centre is what its entries sum to, and every till shows the same."""
    keys = {row.key for till in tills for row in till.desk.profile_of(LENA).rows}
    rows = {key: row for key in keys if (row := centre.row(key)) is not None}
    assert_books_balance(rows)
    for till in tills:
        account = centre.row(POINTS)
        assert account is not None
        assert isinstance(account.body, Account)
        assert till.points == account.body.points


def test_without_a_network_only_the_home_store_gives_points_out(
    centre: Centre, home: Till, other: Till
) -> None:
    home.cable.cut()
    other.cable.cut()

    here, there = home.redeem(80), other.redeem(80)

    assert (here.waits, there.waits) == (False, True)
    assert (home.points, other.points) == (20, 100)
    home.agree()
    other.agree()
    home.agree()
    (refused,) = other.desk.unsettled()
    assert (refused.op, refused.code) == (there.op, "not_enough")
    books(centre, home, other)


def test_a_store_gives_out_what_it_was_lent_and_not_more(
    centre: Centre, home: Till, other: Till
) -> None:
    now = micros_of(home.device.world.clock.now())
    assert centre.lend(Loan("loan-1", "station", POINTS, 30, now + DAY_US)) is None
    home.agree()
    other.agree()
    other.cable.cut()

    first, second = other.redeem(20), other.redeem(20)

    assert (first.waits, second.waits, other.lent) == (False, True, 10)
    other.agree()
    home.agree()
    other.agree()
    books(centre, home, other)
    assert (home.points, home.lent) == (50, 10)


def test_what_collides_all_the_same_is_a_case_with_both_sides_at_both_counters(
    centre: Centre, home: Till, other: Till
) -> None:
    home.cable.cut()
    there = other.redeem(80)
    other.agree()
    here = home.redeem(80)
    assert not here.waits

    home.agree()
    other.agree()

    for till in (home, other):
        cases = [case for _, case in till.desk.profile_of(LENA).of(Case) if case.clash]
        assert [[side.op for side in case.sides] for case in cases] == [[there.op, here.op]]
    assert home.points == -60
    books(centre, home, other)


def test_what_was_done_offline_and_taken_back_leaves_everything_as_it_was(
    centre: Centre, home: Till
) -> None:
    home.cable.cut()
    acts = (
        Act("hand_over_pickup", HandOverPickup(pickup="pk-1077", order="W-1077")),
        Act("redeem", Redeem(of=POINTS, amount=60)),
    )
    done = home.desk.record_group(acts, owner=LENA, actor="ben", evidence=STAFF)
    assert home.points == 40

    home.desk.undo(done[0].op, actor="ben", evidence=STAFF)

    assert home.points == 100
    home.agree()
    assert home.desk.unsettled() == ()
    books(centre, home)
    pickup = centre.row("pickup/pk-1077")
    assert pickup is not None
    assert msgspec.to_builtins(pickup.body)["state"] == "ready"
    with pytest.raises(Refused):
        home.desk.undo(done[0].op, actor="ben", evidence=STAFF)


def test_a_refused_one_is_changed_at_the_counter_and_goes_through(
    centre: Centre, home: Till, other: Till
) -> None:
    refused = other.redeem(101)
    other.agree()
    (waiting,) = other.desk.unsettled()
    assert waiting.state is OperationState.REFUSED

    args = Redeem(of=POINTS, amount=10)
    other.desk.replay(
        refused.op, actor="mia", evidence=STAFF, reason="she meant ten", args=args
    )
    other.agree()

    assert other.desk.unsettled() == ()
    assert other.points == 90
    books(centre, other)


def test_a_held_one_leaves_the_counter_when_the_centre_decided(
    centre: Centre, other: Till
) -> None:
    held = _held(centre, other)

    centre.settle(DecideRequest(held, "replay", "sue", "they are the same device"))
    other.agree()

    assert other.desk.unsettled() == ()
    assert other.points == 90


def test_a_held_one_is_settled_from_the_counter_without_a_network(
    centre: Centre, other: Till
) -> None:
    held = _held(centre, other)
    other.cable.cut()

    other.desk.void(held, actor="mia", evidence=STAFF, reason="she left")

    assert [one.is_settling for one in other.desk.unsettled() if one.op == held] == [True]
    other.agree()
    assert other.desk.unsettled() == ()
    record = centre.operation(held)
    assert record is not None
    assert (record.status, record.decided_by, record.reason) == ("void", "mia", "she left")


def test_every_counter_of_the_store_sees_what_is_held_and_can_settle_it(
    centre: Centre, other: Till, tmp_path: Path
) -> None:
    held = _held(centre, other)
    beside = Till(centre, tmp_path / "beside", store="station")
    beside.agree()

    (seen,) = beside.desk.unsettled()
    assert (seen.op, seen.kind, seen.code, seen.is_elsewhere) == (
        held, "redeem", "device_forked", True,
    )  # fmt: skip
    beside.desk.void(held, actor="mia", evidence=STAFF, reason="she left")
    assert [one.is_settling for one in beside.desk.unsettled() if one.op == held] == [True]

    beside.agree()
    other.agree()
    assert (beside.desk.unsettled(), other.desk.unsettled()) == ((), ())
    beside.close()


def test_another_store_does_not_see_what_is_held_here(
    centre: Centre, home: Till, other: Till
) -> None:
    _held(centre, other)

    home.agree()

    assert home.desk.unsettled() == ()


def test_a_held_one_is_tried_again_from_the_counter(centre: Centre, other: Till) -> None:
    held = _held(centre, other)
    with centre._store.writing() as transaction:
        device = device_rows.device(transaction.read.sql, other.device.identity.device_id)
        assert device is not None
        device_rows.put_device(transaction, msgspec.structs.replace(device, is_cloned=False))

    other.desk.replay(held, actor="mia", evidence=STAFF, reason="looked at")
    other.agree()
    other.agree()

    assert other.desk.unsettled() == ()
    assert other.points == 90
    record = centre.operation(held)
    assert record is not None
    assert record.status == "void"


def _held(centre: Centre, till: Till) -> str:
    """A request of a device that was seen twice."""
    with centre._store.writing() as transaction:
        device = device_rows.device(transaction.read.sql, till.device.identity.device_id)
        assert device is not None
        device_rows.put_device(transaction, msgspec.structs.replace(device, is_cloned=True))
    op = till.redeem(10).op
    till.agree()
    (waiting,) = till.desk.unsettled()
    assert (waiting.op, waiting.code) == (op, "device_forked")
    return op
