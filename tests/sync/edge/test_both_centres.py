"""The kiosk against the centre in memory and against the real one: what the one is trusted to do, the other does."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.identity import DeviceIdentity
from sync.central.centre import Centre
from sync.edge.client import CentreClient
from sync.edge.engine import Forked
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.edge.work import Work
from sync.model.errors import CentreRefused, CentreUnreachable
from sync.model.operation import Operation, OperationState
from sync.model.operations.void_operation import VoidOperation
from sync.model.ports import Request, Response, Transport
from sync.model.records import Customer, Pickup
from sync.model.row import Row
from sync.model.wire import DecideRequest, Raw, Want
from tests.support import centre as real
from tests.support import edge, shop
from tests.support import transport as net
from tests.support.transport import AsgiTransport, FakeCentre, FaultyTransport


class Side(Protocol):
    """A centre as these tests need it."""

    clock: FixedClock

    def transport(self) -> Transport: ...
    def device(self, *, role: str = "kiosk") -> DeviceIdentity: ...
    def put(self, *rows: Row) -> None: ...
    def keep_elsewhere(self, row: Row) -> None: ...
    def back_up(self) -> None: ...
    def set_back(self) -> None: ...
    def status(self, op: str) -> str: ...
    def row(self, key: str) -> Row | None: ...


class InMemory:
    """The centre in memory."""

    def __init__(self) -> None:
        self.clock = FixedClock(edge.START)
        self.centre = FakeCentre(clock=self.clock, entropy=SeededEntropy("centre"))
        self.copy = self.centre.copy()

    def transport(self) -> Transport:
        return self.centre

    def device(self, *, role: str = "kiosk") -> DeviceIdentity:
        return self.centre.device()

    def put(self, *rows: Row) -> None:
        self.centre.put(*rows)

    def keep_elsewhere(self, row: Row) -> None:
        self.centre.elsewhere[row.key] = row

    def back_up(self) -> None:
        self.copy = self.centre.copy()

    def set_back(self) -> None:
        self.centre.restore(self.copy)

    def status(self, op: str) -> str:
        return self.centre.ops[op].status if op in self.centre.ops else ""

    def row(self, key: str) -> Row | None:
        return self.centre.rows.get(key)


class Real:
    """The real centre, on SQLite in a folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock(edge.START)
        self._folder = folder
        self.centre = self._opened()

    def _opened(self) -> Centre:
        return real.open_centre(self._folder / "centre", clock=self.clock)

    def transport(self) -> Transport:
        return AsgiTransport(self.centre.asgi_app)

    def device(self, *, role: str = "kiosk") -> DeviceIdentity:
        return real.new_device(self.centre, role=role)

    def put(self, *rows: Row) -> None:
        owners = sorted({row.owner for row in rows if row.owner})
        self.centre.put_rows(rows, interest=[("harbour", owner) for owner in owners])

    def keep_elsewhere(self, row: Row) -> None:
        self.centre.put_rows((row,), interest=[("station", row.owner)])

    def back_up(self) -> None:
        self._move(self._folder / "centre", self._folder / "copy")

    def set_back(self) -> None:
        self._move(self._folder / "copy", self._folder / "centre")

    def _move(self, source: Path, target: Path) -> None:
        self.centre.close()
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        self.centre = self._opened()

    def status(self, op: str) -> str:
        found = self.centre.operation(op)
        return found.status if found is not None else ""

    def row(self, key: str) -> Row | None:
        return self.centre.row(key)

    def close(self) -> None:
        self.centre.close()


@pytest.fixture(params=["in memory", "real"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    if request.param == "in memory":
        yield InMemory()
        return
    made = Real(tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(side: Side, tmp_path: Path) -> Iterator[EdgeStore]:
    side.put(*shop.lenas_rows())
    store = edge.opened(tmp_path / "kiosk", clock=side.clock)
    yield store
    store.close()


def runner_of(
    side: Side, store: EdgeStore, device: DeviceIdentity, transport: Transport | None = None
) -> SyncRunner:
    client = CentreClient(
        transport or side.transport(), identity=device, clock=side.clock,
        entropy=SeededEntropy(f"client {device.device_id} {side.clock.ticks_ms()}"),
    )  # fmt: skip
    side.clock.sleep_ms(1_000)  # another second, another nonce
    return SyncRunner(client, store, clock=side.clock, entropy=SeededEntropy("chance"))


class Latest:
    """Reaches whichever centre is there now."""

    def __init__(self, side: Side) -> None:
        self._side = side

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        transport = self._side.transport()
        return await transport.send(request, deadline_ms=deadline_ms, size_max=size_max)

    async def close(self) -> None:
        """Nothing is held."""


def note(n: int, device: DeviceIdentity, **fields: object) -> Operation:
    op_id = f"0190a1b2-0000-7000-8000-{n:012x}"
    return shop.noted(f"note {n}", op_id=op_id, device=device.device_id, **fields)


def test_what_is_there_comes_and_what_is_done_arrives(side: Side, store: EdgeStore) -> None:
    device = side.device()
    Outbox(store).record(shop.hand_over(device=device.device_id))

    runner_of(side, store, device).sync_once()

    assert side.status(shop.hand_over().id) == "applied"
    theirs = side.row("pickup/pk-1077")
    assert theirs is not None
    ((ours, pickup),) = Lookup(store).profile(shop.LENA).of(Pickup)
    assert pickup == theirs.body
    assert (ours.version, ours.is_unsettled) == (theirs.version, False)
    assert len(Lookup(store).profile(shop.LENA).rows) == len(shop.lenas_rows())


def test_a_lost_answer_is_no_fork_and_does_nothing_twice(side: Side, store: EdgeStore) -> None:
    device = side.device()
    for n in (1, 2):
        Outbox(store).record(note(n, device))
        lossy = FaultyTransport(side.transport(), [net.lost], only="/push")
        with pytest.raises(CentreUnreachable):
            runner_of(side, store, device, lossy).sync_once()
        runner_of(side, store, device).sync_once()

    assert store.notices == ()
    for n in (1, 2):
        row = side.row(f"interaction/{note(n, device).id}")
        assert row is not None
        assert row.version == 1


def test_an_outbox_put_back_from_a_copy_gets_a_new_lineage(
    side: Side, store: EdgeStore, tmp_path: Path
) -> None:
    device = side.device()
    Outbox(store).record(note(1, device))
    runner_of(side, store, device).sync_once()
    store.close()
    shutil.copytree(tmp_path / "kiosk", tmp_path / "kiosk-copy")
    going_on = edge.opened(tmp_path / "kiosk", clock=side.clock)
    for n in (2, 3):
        Outbox(going_on).record(note(n, device))
        runner_of(side, going_on, device).sync_once()
    going_on.close()

    copied = edge.opened(tmp_path / "kiosk-copy", clock=side.clock)
    Outbox(copied).record(note(4, device))
    runner = runner_of(side, copied, device)
    runner.sync_once()

    assert [notice.code for notice in copied.notices] == ["device_forked"]
    assert "device_forked" in runner.status().alerts
    assert {side.status(note(n, device).id) for n in (1, 2, 3, 4)} == {"applied"}
    shown = {row.key for row in Lookup(copied).profile(shop.LENA).rows}
    assert {f"interaction/{note(n, device).id}" for n in (1, 2, 3, 4)} <= shown
    copied.close()


def test_a_centre_that_lost_its_tail_and_moved_on_gets_it_back(
    side: Side, store: EdgeStore
) -> None:
    device = side.device()
    Outbox(store).record(note(1, device))
    runner_of(side, store, device).sync_once()
    side.back_up()
    Outbox(store).record(note(2, device))
    runner_of(side, store, device).sync_once()

    side.set_back()
    lost = side.status(note(2, device).id)
    side.put(
        *(shop.row(Customer(id=f"c{n}", given_name="C"), owner=f"c{n}") for n in range(20))
    )
    runner = runner_of(side, store, device)
    runner.sync_once()

    assert lost == ""
    assert "history_parted" in runner.status().alerts
    for n in (1, 2):
        row = side.row(f"interaction/{note(n, device).id}")
        assert row is not None, n
        assert row.version == 1, n
    assert Lookup(store).profile("c19").customer is not None
    assert Outbox(store).counts().n_waiting == 0


def test_a_centre_that_lost_its_tail_gets_it_back_also_from_a_kiosk_whose_cache_is_gone(
    side: Side, store: EdgeStore, tmp_path: Path
) -> None:
    device = side.device()
    runner_of(side, store, device).sync_once()
    side.back_up()
    Outbox(store).record(note(1, device))
    runner_of(side, store, device).sync_once()
    store.close()

    side.set_back()
    for file in (tmp_path / "kiosk").glob("cache.db*"):
        file.unlink()
    again = edge.opened(tmp_path / "kiosk", clock=side.clock)
    runner_of(side, again, device).sync_once()

    assert side.status(note(1, device).id) == "applied"
    assert Outbox(again).counts().n_waiting == 0
    again.close()


async def test_a_centre_set_back_behind_a_push_is_noticed_by_the_next_pull_of_the_same_session(
    side: Side, store: EdgeStore
) -> None:
    device = side.device()
    client = CentreClient(
        Latest(side), identity=device, clock=side.clock, entropy=SeededEntropy("client")
    )
    work, outbox = Work(client, store, side.clock), Outbox(store)
    await work.say_hello()
    await work.pull(wait_ms=0)
    outbox.record(note(1, device))
    await work.send(work.batch())
    await work.pull(wait_ms=0)
    side.back_up()
    side.clock.sleep_ms(1_000)
    outbox.record(note(2, device))
    await work.send(work.batch())  # and it is never pulled: no mark tells

    side.set_back()
    side.clock.sleep_ms(1_000)
    with pytest.raises(CentreRefused) as refused:
        await work.pull(wait_ms=0)
    await work.say_hello()
    await work.pull(wait_ms=0)  # not refused again, whether something is pushed or not
    waiting = work.batch()
    first = await work.send(waiting)
    await work.send(work.batch())
    await work.pull(wait_ms=0)
    await work.close()

    assert refused.value.problem == "session_over"
    assert [one.id for one in waiting] == [note(1, device).id, note(2, device).id]
    assert isinstance(first, Forked)
    assert {side.status(note(n, device).id) for n in (1, 2)} == {"applied"}


async def test_a_centre_set_back_behind_custody_is_noticed_by_the_next_pull(
    side: Side, store: EdgeStore
) -> None:
    device = side.device()
    client = CentreClient(
        Latest(side), identity=device, clock=side.clock, entropy=SeededEntropy("client")
    )
    work, outbox = Work(client, store, side.clock), Outbox(store)
    await work.say_hello()
    outbox.record(note(1, device))
    await work.send(work.batch())
    await work.pull(wait_ms=0)
    side.back_up()
    side.clock.sleep_ms(1_000)
    outbox.record(note(2, device))
    given = await work.give_away([note(2, device).id])

    side.set_back()
    side.clock.sleep_ms(1_000)
    with pytest.raises(CentreRefused) as refused:
        await work.pull(wait_ms=0)
    await work.say_hello()
    waiting = work.batch()
    await work.close()

    assert (given.n_settled, refused.value.problem) == (1, "session_over")
    assert note(2, device).id in [one.id for one in waiting]


def test_rows_that_drifted_are_found_by_the_sum_and_put_right(
    side: Side, store: EdgeStore
) -> None:
    device = side.device()
    runner_of(side, store, device).sync_once()
    with store.cache.write() as file:
        file.execute("DELETE FROM row WHERE key = 'customer/lena'")
        file.execute(
            "UPDATE cursor SET count = count - 1, sum = sum + 1 WHERE scope LIKE 's:%'"
        )
    before = Lookup(store).profile(shop.LENA).customer

    runner = runner_of(side, store, device)
    runner.sync_once()

    assert before is None
    assert "sum_differed" in runner.status().alerts
    assert Lookup(store).profile(shop.LENA).customer is not None
    runner = runner_of(side, store, device)
    runner.sync_once()
    assert runner.status().alerts == ()


def test_a_customer_of_another_store_is_here_once_wanted(side: Side, store: EdgeStore) -> None:
    device = side.device()
    side.keep_elsewhere(shop.row(Customer(id="tom", given_name="Tom"), owner="tom"))
    runner_of(side, store, device).sync_once()
    before = Lookup(store).profile("tom").customer

    found, nobody = (
        runner_of(side, store, device)
        .want((Want(owner="tom"), Want(order="no")), days=7)
        .result()
    )

    after = Lookup(store).profile("tom").customer
    assert (before, found.owner, nobody.owner) == (None, "tom", "")
    assert after is not None
    runner_of(side, store, device).sync_once()
    assert Lookup(store).profile("tom").customer == after


def test_what_waits_for_a_person_is_decided_at_a_counter_and_settles_where_it_was_recorded(
    side: Side, store: EdgeStore, tmp_path: Path
) -> None:
    device, till = side.device(), side.device(role="counter")
    op = msgspec.structs.replace(note(1, device), kind="levitate")
    Outbox(store).record(op)
    runner_of(side, store, device).sync_once()
    held = Outbox(store).unsettled()
    counter = edge.opened(tmp_path / "counter", clock=side.clock)

    (entry,) = runner_of(side, counter, till).inbox().result()
    asked = DecideRequest(op.id, "void", by="ben", reason="cannot be done")
    result = runner_of(side, counter, till).decide(asked).result()
    runner_of(side, store, device).sync_once()

    assert [(one.op, one.state, one.code) for one in held] == [
        (op.id, OperationState.HELD, "unknown_kind")
    ]
    assert msgspec.json.decode(entry.raw, type=Operation) == op
    assert result is not None
    assert result.status == "void"
    assert side.status(op.id) == "void"
    assert Outbox(store).state_of(op.id) is OperationState.VOID
    (decided,) = Outbox(store).decided()
    assert (decided.by, decided.reason) == ("ben", "cannot be done")
    counter.close()


async def test_what_a_person_here_settles_is_settled_by_the_answer_without_a_pull(
    side: Side, store: EdgeStore
) -> None:
    device = side.device()
    client = CentreClient(
        side.transport(), identity=device, clock=side.clock, entropy=SeededEntropy("client")
    )
    work, outbox = Work(client, store, side.clock), Outbox(store)
    op = msgspec.structs.replace(note(1, device), kind="levitate")
    settled = shop.operation(
        VoidOperation(op=op.id, reason="cannot be done"), op_id=note(2, device).id,
        device=device.device_id, owner="",
    )  # fmt: skip
    await work.say_hello()
    outbox.record(op)
    await work.send(work.batch())
    before = outbox.state_of(op.id)
    outbox.record(settled)

    await work.send(work.batch())
    await work.close()

    assert before is OperationState.HELD
    assert outbox.state_of(op.id) is OperationState.VOID
    assert [one.reason for one in outbox.decided()] == ["cannot be done"]


async def test_what_is_given_into_custody_is_held_as_it_was_recorded(side: Side) -> None:
    device = side.device()
    client = CentreClient(
        side.transport(), identity=device, clock=side.clock, entropy=SeededEntropy("client")
    )
    raw = msgspec.json.encode(note(1, device)) + b" "
    await client.hello(lineage="l1")

    first = await client.custody(lineage="l1", ops=[Raw(note(1, device).id, raw, "failed")])
    again = await client.custody(lineage="l1", ops=[Raw(note(1, device).id, raw, "failed")])
    await client.close()

    assert [(one.op, one.status, one.code) for one in first.results] == [
        (note(1, device).id, "held", "custody")
    ]
    assert again.results == first.results
