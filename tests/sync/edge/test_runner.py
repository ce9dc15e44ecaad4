"""The sync of a device against a centre in memory: what arrives, what stays, what the strip says."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware.clock import FixedClock, SystemClock
from hardware.entropy import SeededEntropy, SystemEntropy
from hardware.moments import micros_of
from sync.central.enrolment import State
from sync.edge import engine
from sync.edge.client import CentreClient
from sync.edge.erase import is_wipe_due
from sync.edge.feed import Feed
from sync.edge.find import Finder
from sync.edge.lease import trusted_now
from sync.edge.leases import Leases
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.report import report_of
from sync.edge.runner import LOOK_MS, SyncRunner
from sync.edge.store import EdgeStore
from sync.edge.switch import SwitchedTransport
from sync.model.errors import (
    CentreBusy,
    CentreError,
    CentreRefused,
    CentreUnreachable,
    NotTrusted,
    StoreFull,
)
from sync.model.operation import OperationState
from sync.model.ports import Request, Response, Transport
from sync.model.records import Band, Case, Customer, Pickup
from sync.model.wire import PROBLEM, Cursor, PullRequest, Want
from tests.support import centre as real
from tests.support import edge, shop
from tests.support import transport as net
from tests.support.transport import AsgiTransport, FakeCentre, FaultyTransport


@pytest.fixture
def centre() -> FakeCentre:
    centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    centre.put(*shop.lenas_rows())
    return centre


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path)
    yield store
    store.close()


def runner_of(
    centre: FakeCentre, store: EdgeStore, transport: Transport | None = None, **options: object
) -> SyncRunner:
    identity = centre.device()
    client = CentreClient(
        transport or centre, identity=identity, clock=FixedClock(edge.START),
        entropy=SeededEntropy("client" + identity.device_id),
    )  # fmt: skip
    clock = options.pop("clock", None) or FixedClock(edge.START)
    return SyncRunner(
        client, store, clock=clock, entropy=SeededEntropy("chance"), **options,  # type: ignore[arg-type]
    )  # fmt: skip


def pickup_of(store: EdgeStore) -> Pickup:
    ((_, pickup),) = Lookup(store).profile(shop.LENA).of(Pickup)
    return pickup


def test_one_sync_brings_everything_a_tap_needs(centre: FakeCentre, store: EdgeStore) -> None:
    centre.band_keys["aa"] = (b"k" * 16, 2, shop.NOON * 2)

    once = runner_of(centre, store).sync_once()

    sighting = Lookup(store).by_band(shop.BAND)
    assert sighting is not None
    assert sighting.owner == shop.LENA
    assert sighting.profile.customer is not None
    assert len(sighting.profile.rows) == len(shop.lenas_rows())
    leased, group = Leases(store).key_of("aa"), Leases(store).group_key()
    assert leased is not None
    assert group is not None
    assert (leased.value, leased.version) == (b"k" * 16, 2)
    assert (group.value, group.version) == (net.GROUP_KEY, 3)
    assert Finder(store).find("1077")[0].owner == shop.LENA
    assert once.n_rows == len(shop.lenas_rows())


def test_many_pages_end_at_the_head(centre: FakeCentre, store: EdgeStore) -> None:
    centre.page_max = 3

    runner_of(centre, store).sync_once()

    assert len(Lookup(store).profile(shop.LENA).rows) == len(shop.lenas_rows())
    assert Feed(store).state().synced_at > 0


def test_what_was_done_offline_arrives_and_is_settled(
    centre: FakeCentre, store: EdgeStore
) -> None:
    outbox = Outbox(store)
    outbox.record(shop.hand_over())

    runner = runner_of(centre, store)
    runner.sync_once()

    assert outbox.state_of(shop.hand_over().id) is OperationState.APPLIED
    theirs = centre.rows["pickup/pk-1077"].body
    assert isinstance(theirs, Pickup)
    assert theirs.state == pickup_of(store).state == "handed_over"
    assert not any(row.is_unsettled for row in Lookup(store).profile(shop.LENA).rows)
    assert (runner.status().network, runner.status().n_waiting) == ("ok", 0)


def test_what_the_centre_answered_is_shown_before_the_feed_brings_it(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner_of(centre, store).sync_once()
    Outbox(store).record(shop.hand_over())
    transport = FaultyTransport(centre, [None, net.lost], only="pull")

    with pytest.raises(CentreUnreachable):
        runner_of(centre, store, transport).sync_once()

    assert Outbox(store).counts().n_waiting == 0
    ((row, pickup),) = Lookup(store).profile(shop.LENA).of(Pickup)
    assert (pickup.state, row.is_unsettled, row.version) == ("handed_over", False, 2)


async def test_cutting_the_network_ends_a_held_poll_at_once(centre: FakeCentre) -> None:
    switch = SwitchedTransport(centre)
    client = CentreClient(
        switch, identity=centre.device(), clock=FixedClock(edge.START),
        entropy=SeededEntropy("client"),
    )  # fmt: skip
    await client.hello(lineage="l1")
    cursor = Cursor(centre.scope, centre.head)
    polling = asyncio.ensure_future(client.pull(cursors=(cursor,), wait_ms=25_000))
    await centre.holding.wait()

    switch.cut()

    with pytest.raises(CentreUnreachable):
        await asyncio.wait_for(polling, 20)


def test_a_collision_comes_back_as_a_case(centre: FakeCentre, store: EdgeStore) -> None:
    runner = runner_of(centre, store)
    runner.sync_once()
    Outbox(store).record(shop.hand_over())
    taken = centre.rows["pickup/pk-1077"]
    elsewhere = msgspec.structs.replace(
        taken.body, state="handed_over", handed_over_store="station"
    )
    centre.put(msgspec.structs.replace(taken, body=elsewhere))

    runner.sync_once()

    cases = [case for _, case in Lookup(store).profile(shop.LENA).of(Case) if case.clash]
    assert [case.clash for case in cases] == ["handed_over_twice"]
    assert [side.store for side in cases[0].sides] == ["station", "harbour"]


def test_an_operation_this_centre_cannot_read_waits_for_a_person(
    centre: FakeCentre, store: EdgeStore
) -> None:
    newer = msgspec.structs.replace(shop.said(), kind="levitate")
    Outbox(store).record(newer)

    runner = runner_of(centre, store)
    runner.sync_once()

    (waiting,) = Outbox(store).unsettled()
    assert (waiting.state, waiting.code) == (OperationState.HELD, "unknown_kind")
    assert (runner.status().n_waiting, runner.status().n_refused) == (0, 1)


@pytest.mark.parametrize("spoil", net.HOSTILE)
@pytest.mark.parametrize("call", ["hello", "leases", "pull", "push"])
def test_an_answer_that_is_not_the_centres_changes_nothing(
    centre: FakeCentre, store: EdgeStore, spoil: net.Spoil, call: str
) -> None:
    runner_of(centre, store).sync_once()
    before = Lookup(store).profile(shop.LENA)
    Outbox(store).record(shop.said())
    centre.put(shop.row(Band(id=shop.BAND, state="blocked")))
    transport = FaultyTransport(centre, only=call)
    transport.always = spoil

    with pytest.raises((CentreUnreachable, NotTrusted)):
        runner_of(centre, store, transport).sync_once()

    after = Lookup(store).profile(shop.LENA)
    settled = {row.key: row for row in after.rows if row.kind != "band"}
    assert {
        row.key: row for row in before.rows if row.kind != "band"
    }.items() <= settled.items()
    assert Outbox(store).counts().n_waiting == 1


def test_a_device_the_centre_does_not_know_is_told_so(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner = runner_of(centre, store)
    centre.devices.clear()

    with pytest.raises(NotTrusted):
        runner.sync_once()


def test_a_centre_with_another_key_is_not_believed(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner = runner_of(centre, store)
    impostor = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("impostor"))
    centre.key = impostor.key

    with pytest.raises(NotTrusted):
        runner.sync_once()

    assert Feed(store).cursors() == ()


FAULTS = st.lists(
    st.sampled_from([None, None, "before", "twice", net.lost, net.half, net.portal]),
    max_size=12,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(faults=FAULTS, n_ops=st.integers(1, 6), restarts=st.booleans())
def test_whatever_the_network_does_every_operation_arrives_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, faults: list[object], n_ops: int, restarts: bool
) -> None:
    folder = tmp_path_factory.mktemp("device")
    centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    centre.put(*shop.lenas_rows())
    transport = FaultyTransport(centre, faults)  # type: ignore[arg-type]
    store = edge.opened(folder)
    ops = [
        shop.noted(f"note {n}", op_id=f"0190a1b2-0000-7000-8000-00000000010{n}")
        for n in range(n_ops)
    ]
    for op in ops:
        Outbox(store).record(op)
        with contextlib.suppress(CentreError):
            runner_of(centre, store, transport).sync_once()
        if restarts:
            store.close()
            store = edge.opened(folder)
        shown = {row.key for row in Lookup(store).profile(shop.LENA).rows}
        assert {f"interaction/{done.id}" for done in ops[: ops.index(op) + 1]} <= shown

    transport.faults.clear()
    runner_of(centre, store, transport).sync_once()

    assert set(centre.ops) == {op.id for op in ops}
    for op in ops:
        assert f"interaction/{op.id}" in centre.rows
        assert centre.rows[f"interaction/{op.id}"].version == 1
        assert Outbox(store).state_of(op.id) is OperationState.APPLIED
    assert {row.key: row for row in Lookup(store).profile(shop.LENA).rows} == centre.rows
    store.close()


def test_a_device_whose_cache_and_clock_are_gone_still_knows_what_time_it_is_at_least(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner_of(centre, store).sync_once()
    store.cache.heal(store.cache.life)
    store.clock = FixedClock(datetime(1970, 1, 2, tzinfo=UTC))
    without = trusted_now(store)
    transport = FaultyTransport(centre, ["before"])

    with pytest.raises(CentreUnreachable):
        runner_of(centre, store, transport).sync_once()

    assert without == store.now(), "the clock alone"
    assert trusted_now(store) == micros_of(edge.START)


def test_leases_the_centre_does_not_give_keep_nothing_from_arriving(
    centre: FakeCentre, store: EdgeStore
) -> None:
    Outbox(store).record(shop.hand_over())
    transport = FaultyTransport(centre, only="/leases")
    transport.always = busy

    with pytest.raises(CentreBusy):
        runner_of(centre, store, transport).sync_once()

    assert shop.hand_over().id in centre.ops
    assert pickup_of(store).state == "handed_over"


def test_one_sync_brings_all_but_the_operation_the_centre_fails_at(
    centre: FakeCentre, store: EdgeStore
) -> None:
    bad = shop.said("poison", op_id="0190a1b2-0000-7000-8000-0000000000ff")
    good = [
        shop.said(f"{n}", op_id=f"0190a1b2-0000-7000-8000-00000000020{n}", owner="tom")
        for n in range(5)
    ]
    centre.poison.add(bad.id)
    for op in (*good[:2], bad, *good[2:]):
        Outbox(store).record(op)

    with pytest.raises(CentreRefused):
        runner_of(centre, store).sync_once()

    assert set(centre.ops) == {op.id for op in good}
    assert [waiting.op for waiting in Outbox(store).unsettled()] == [bad.id]


def test_a_cache_that_breaks_during_one_sync_is_pulled_from_the_beginning(
    centre: FakeCentre, store: EdgeStore
) -> None:
    def breaking(response: Response) -> Response:
        store.cache.heal(store.cache.life)
        return response

    runner_of(centre, store, FaultyTransport(centre, [breaking], only="/pull")).sync_once()

    assert Lookup(store).by_band(shop.BAND) is not None


def test_a_centre_set_back_to_an_older_copy_is_offered_again_what_it_lost(
    centre: FakeCentre, store: EdgeStore
) -> None:
    kept, lost = shop.hand_over(), shop.noted(op_id="0190a1b2-0000-7000-8000-00000000000b")
    Outbox(store).record(kept)
    runner_of(centre, store).sync_once()
    copy = (dict(centre.rows), dict(centre.seqs), dict(centre.ops), centre.head)
    Outbox(store).record(lost)
    runner_of(centre, store).sync_once()

    centre.rows, centre.seqs, centre.ops, centre.head = copy
    centre.epoch = "e2"
    shown = runner_of(centre, store, FaultyTransport(centre, ["before"] * 9, only="/push"))
    with pytest.raises(CentreUnreachable):
        shown.sync_once()
    in_between = {row.key for row in Lookup(store).profile(shop.LENA).rows}
    runner_of(centre, store).sync_once()

    assert f"interaction/{lost.id}" in in_between, "what was done stays shown"
    assert set(centre.ops) == {kept.id, lost.id}
    assert centre.rows[f"interaction/{lost.id}"].version == 1
    assert centre.rows["pickup/pk-1077"].version == 2, "what it knew was not done again"
    assert Outbox(store).counts().n_waiting == 0
    arrivals = len(centre.arrivals)
    runner_of(centre, store).sync_once()
    assert len(centre.arrivals) == arrivals, "offered once"


def busy(response: Response) -> Response:
    """As a centre answers that cannot now."""
    body = msgspec.json.encode({"code": "busy", "title": "", "status": 503})
    echo = (("x-req", response.header("x-req")), ("content-type", PROBLEM))
    return Response(503, echo, body)


# In its own thread


class Changes:
    """Wait for what the strip says, not for time."""

    def __init__(self) -> None:
        self._told: queue.Queue[None] = queue.Queue()

    def told(self) -> None:
        self._told.put(None)

    def until(self, runner: SyncRunner, wanted: object) -> None:
        while not wanted(runner.status()):  # type: ignore[operator]
            self._told.get(timeout=20)


def test_a_running_sync_pushes_what_is_recorded_and_pulls_what_changed(
    centre: FakeCentre, store: EdgeStore
) -> None:
    changes = Changes()
    runner = runner_of(centre, store, clock=SystemClock(), on_change=changes.told)
    runner.start()
    changes.until(runner, lambda status: status.synced_at > 0)

    Outbox(store).record(shop.hand_over())
    runner.wake()
    changes.until(
        runner, lambda status: status.n_waiting == 0 and shop.hand_over().id in centre.ops
    )
    runner.stop()

    assert runner.status().network == "ok"
    assert pickup_of(store).state == "handed_over"


def test_a_cut_network_is_said_at_once_and_joined_again_on_request(
    centre: FakeCentre, store: EdgeStore
) -> None:
    changes, switch = Changes(), SwitchedTransport(centre)
    runner = runner_of(centre, store, switch, clock=SystemClock(), on_change=changes.told)
    runner.start()
    changes.until(runner, lambda status: status.network == "ok" and status.synced_at)

    switch.cut()
    changes.until(runner, lambda status: status.network == "centre_unreachable")
    Outbox(store).record(shop.said())
    runner.wake()
    changes.until(runner, lambda status: status.n_waiting == 1)
    switch.join()
    runner.hurry()
    changes.until(runner, lambda status: status.network == "ok" and not status.n_waiting)
    runner.stop()

    assert shop.said().id in centre.ops


class Standing(SystemClock):
    """Time stands: nothing that waits is ever due. Looking around costs a moment, a longer wait never ends."""

    def ticks_ms(self) -> int:
        return 0

    async def pause_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(0.001 if duration_ms <= LOOK_MS else 3_600)


def test_a_network_that_is_back_is_used_at_once_without_waiting_for_the_next_try(
    centre: FakeCentre, store: EdgeStore
) -> None:
    changes, switch, marks = Changes(), SwitchedTransport(centre), ["no cable"]
    switch.cut()
    runner = runner_of(
        centre, store, switch, clock=Standing(), on_change=changes.told,
        network_mark=lambda: marks[-1],
    )  # fmt: skip
    runner.start()
    changes.until(runner, lambda status: status.is_asked)

    switch.join()
    marks.append("cable")
    changes.until(runner, lambda status: status.network == "ok" and status.synced_at)
    runner.stop()

    assert Lookup(store).by_band(shop.BAND) is not None


def test_a_centre_that_restarted_is_greeted_again(centre: FakeCentre, store: EdgeStore) -> None:
    changes = Changes()
    runner = runner_of(centre, store, clock=SystemClock(), on_change=changes.told)
    runner.start()
    changes.until(runner, lambda status: status.synced_at > 0)

    centre.forget_sessions()
    Outbox(store).record(shop.said())
    runner.wake()
    changes.until(runner, lambda status: not status.n_waiting and shop.said().id in centre.ops)
    runner.stop()

    assert centre.calls.count("hello") >= 2


def test_one_operation_the_centre_fails_at_blocks_only_its_own_customer(
    centre: FakeCentre, store: EdgeStore
) -> None:
    bad = shop.said("poison", op_id="0190a1b2-0000-7000-8000-0000000000ff")
    good = [
        shop.said(f"{n}", op_id=f"0190a1b2-0000-7000-8000-00000000020{n}", owner="tom")
        for n in range(5)
    ]
    centre.poison.add(bad.id)
    for op in (*good[:2], bad, *good[2:]):
        Outbox(store).record(op)
    changes = Changes()
    runner = runner_of(centre, store, clock=SystemClock(), on_change=changes.told)

    runner.start()
    changes.until(runner, lambda status: status.n_waiting == 1 and status.synced_at)
    runner.stop()

    assert set(centre.ops) == {op.id for op in good}
    assert [waiting.op for waiting in Outbox(store).unsettled()] == [bad.id]


def test_a_cache_that_breaks_while_running_is_pulled_again(
    centre: FakeCentre, store: EdgeStore
) -> None:
    changes = Changes()
    runner = runner_of(centre, store, clock=SystemClock(), on_change=changes.told)
    runner.start()
    changes.until(runner, lambda status: status.synced_at > 0)

    store.cache.heal(store.cache.life)
    centre.put(shop.row(Band(id="b2" * 16, state="active")))
    changes.until(runner, lambda status: Lookup(store).by_band("b2" * 16) is not None)
    runner.stop()

    assert Lookup(store).by_band(shop.BAND) is not None

    assert [notice.code for notice in store.notices] == ["cache_damaged"]


def test_a_listener_that_fails_does_not_end_the_sync(
    centre: FakeCentre, store: EdgeStore
) -> None:
    told: queue.Queue[None] = queue.Queue()

    def failing() -> None:
        told.put(None)
        raise RuntimeError("the screen is gone")

    runner = runner_of(centre, store, clock=SystemClock(), on_change=failing)
    runner.start()
    told.get(timeout=20)

    Outbox(store).record(shop.said())
    runner.wake()
    while Outbox(store).counts().n_waiting:
        told.get(timeout=20)
    runner.stop()

    assert shop.said().id in centre.ops


def test_that_nobody_answers_is_known_as_soon_as_nobody_did(
    centre: FakeCentre, store: EdgeStore
) -> None:
    changes, switch = Changes(), SwitchedTransport(centre)
    switch.cut()
    runner = runner_of(centre, store, switch, clock=SystemClock(), on_change=changes.told)
    before = runner.status()

    runner.start()
    changes.until(runner, lambda status: status.is_asked)
    runner.stop()

    assert not before.is_asked
    assert runner.status().network == "centre_unreachable"


class Holding:
    """A network on which what is asked gets no answer until it is let go, and then none at all."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._letting_go: Callable[[], object] | None = None
        self.is_holding = False
        self.asked = threading.Event()

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        if self.is_holding:
            loop, gone = asyncio.get_running_loop(), asyncio.Event()
            self._letting_go = lambda: loop.call_soon_threadsafe(gone.set)
            self.asked.set()
            await gone.wait()
            raise CentreUnreachable("nobody")
        return await self._inner.send(request, deadline_ms=deadline_ms, size_max=size_max)

    async def close(self) -> None:
        await self._inner.close()

    def let_go(self) -> None:
        assert self._letting_go is not None
        self._letting_go()


def test_what_is_known_of_the_network_stands_until_the_first_hello_has_ended(
    centre: FakeCentre, store: EdgeStore
) -> None:
    changes, network = Changes(), Holding(centre)
    runner = runner_of(centre, store, network, clock=SystemClock(), on_change=changes.told)
    runner.sync_once()
    network.is_holding = True

    runner.start()
    assert network.asked.wait(20)
    meanwhile = runner.status()
    network.let_go()
    changes.until(runner, lambda status: status.network != "ok")
    runner.stop()

    assert (meanwhile.network, meanwhile.is_asked) == ("ok", True)
    assert runner.status().network == "centre_unreachable"


def test_over_how_long_a_fleet_comes_back_is_known_after_a_restart(
    centre: FakeCentre, store: EdgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre.spread_ms = 300_000
    runner_of(centre, store).sync_once()
    states: list[engine.State] = []

    def seen(state: engine.State, event: engine.Event, now_ms: int) -> object:
        states.append(state)
        return engine.step(state, event, now_ms)

    monkeypatch.setattr("sync.edge.runner.step", seen)
    runner = runner_of(centre, store, clock=SystemClock())
    runner.start()
    runner.stop()

    assert states[0].spread_ms == 300_000


def test_stopping_twice_or_before_starting_is_harmless(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner = runner_of(centre, store)

    runner.stop()
    runner.start()
    runner.stop()
    runner.stop()
    runner.wake()

    assert runner.status().n_waiting == 0


# Questions of people, beside the sync


def test_a_question_is_answered_while_the_sync_runs(
    centre: FakeCentre, store: EdgeStore
) -> None:
    tom = shop.row(Customer(id="tom", given_name="Tom"), owner="tom")
    centre.elsewhere[tom.key] = tom
    changes = Changes()
    runner = runner_of(centre, store, clock=SystemClock(), on_change=changes.told)
    runner.start()
    changes.until(runner, lambda status: status.synced_at > 0)

    (found,) = runner.want([Want(owner="tom")]).result(20)
    shown = Lookup(store).profile("tom").customer
    entries = runner.inbox().result(20)
    runner.stop()

    assert found.owner == "tom"
    assert shown is not None
    assert entries == ()


def test_a_question_outlives_a_session_that_is_over(
    centre: FakeCentre, store: EdgeStore
) -> None:
    changes = Changes()
    runner = runner_of(centre, store, clock=SystemClock(), on_change=changes.told)
    runner.start()
    changes.until(runner, lambda status: status.synced_at > 0)
    centre.forget_sessions()

    entries = runner.inbox().result(20)
    runner.stop()

    assert entries == ()
    assert centre.calls.count("hello") == 2


def test_a_question_without_a_network_says_so_and_leaves_nobody_waiting(
    centre: FakeCentre, store: EdgeStore
) -> None:
    changes, switch = Changes(), SwitchedTransport(centre)
    switch.cut()
    runner = runner_of(centre, store, switch, clock=SystemClock(), on_change=changes.told)
    runner.start()

    asked = [runner.inbox() for _ in range(3)]

    for one in asked:
        with pytest.raises(CentreUnreachable):
            one.result(20)
    runner.stop()
    with pytest.raises(CentreUnreachable):
        runner.want([Want(owner="tom")]).result(20)


def test_a_question_at_a_device_whose_disk_is_full_is_answered_that_it_is(
    centre: FakeCentre, store: EdgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise StoreFull("the disk has no room")

    monkeypatch.setattr(Outbox, "note_history", full)
    changes = Changes()
    runner = runner_of(centre, store, clock=SystemClock(), on_change=changes.told)
    runner.start()

    with pytest.raises(StoreFull):
        runner.inbox().result(20)
    runner.stop()


def test_what_kept_it_from_syncing_is_counted(centre: FakeCentre, store: EdgeStore) -> None:
    changes, switch = Changes(), SwitchedTransport(centre)
    centre.poison.add(shop.said().id)
    Outbox(store).record(shop.said())
    runner = runner_of(centre, store, switch, clock=SystemClock(), on_change=changes.told)
    runner.start()

    changes.until(runner, lambda status: dict(status.failures).get("failed", 0) > 0)
    switch.cut()
    changes.until(runner, lambda status: dict(status.failures).get("centre_unreachable", 0) > 0)
    report = report_of(store, runner.status())
    runner.stop()

    assert {"failed", "centre_unreachable"} <= report.failures.keys()


def test_it_is_known_when_the_keys_of_bands_were_renewed(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner = runner_of(centre, store)
    before = runner.status().leased_at

    runner.sync_once()

    assert (before, runner.status().leased_at) == (0, micros_of(edge.START))


def test_a_first_sync_says_how_far_it_is(centre: FakeCentre, store: EdgeStore) -> None:
    rows = [shop.row(Customer(id=f"c{n}", given_name="C"), owner=f"c{n}") for n in range(2_500)]
    centre.put(*rows)
    seen: list[tuple[str, int, int]] = []
    runners: list[SyncRunner] = []

    def look() -> None:
        progress = runners[0].status().progress
        seen.extend((one.what, one.n_done, one.n_total) for one in progress)

    runners.append(runner_of(centre, store, on_change=look))
    runners[0].sync_once()

    total = len(rows) + len(shop.lenas_rows())
    assert seen == [("rows", 1_000, total), ("rows", 2_000, total)]
    assert runners[0].status().progress == ()


def test_the_next_page_is_asked_for_before_the_last_one_is_applied(
    centre: FakeCentre, store: EdgeStore
) -> None:
    centre.page_max = 3
    asked: list[tuple[int, int]] = []

    class Looking(FaultyTransport):
        async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
            if request.url.endswith("/pull"):
                pull = msgspec.json.decode(request.body, type=PullRequest)
                asked.append((pull.scopes[0].seq, Feed(store).cursors()[0].seq))
            return await super().send(request, deadline_ms=deadline_ms, size_max=size_max)

    runner_of(centre, store, Looking(centre)).sync_once()

    assert asked == [(0, 0), (3, 0), (6, 3)], "what it asks from, and what is applied then"


def test_a_revoked_device_keeps_nothing_it_was_lent_and_still_tells_what_it_did(
    tmp_path: Path,
) -> None:
    centre = real.open_centre(tmp_path / "centre")
    device = real.new_device(centre)
    centre.put_rows(shop.lenas_rows(), interest=[("harbour", shop.LENA)])
    store = edge.opened(tmp_path / "kiosk", clock=None)

    def synced() -> SyncRunner:
        client = CentreClient(
            AsgiTransport(centre.asgi_app), identity=device, clock=SystemClock(),
            entropy=SystemEntropy(),
        )  # fmt: skip
        runner = SyncRunner(client, store, clock=SystemClock(), entropy=SystemEntropy())
        runner.sync_once()
        return runner

    synced()
    before = Lookup(store).by_band(shop.BAND)
    op = shop.said(device=device.device_id)
    Outbox(store).record(op)
    centre.set_device_state(device.device_id, State.REVOKED)
    runner = synced()

    assert before is not None
    assert "device_revoked" in runner.status().alerts
    assert Lookup(store).by_band(shop.BAND) is None
    assert Feed(store).cursors() == ()
    assert store.cache.glance("SELECT key FROM row") == []
    found = centre.operation(op.id)
    assert found is not None
    assert found.status in ("held", "applied")
    store.close()
    centre.close()


def test_a_hello_answer_that_only_says_a_device_is_out_takes_nothing_from_it(
    centre: FakeCentre, store: EdgeStore
) -> None:
    def forged(response: Response) -> Response:
        said = msgspec.json.decode(response.body)
        body = msgspec.json.encode({**said, "state": "revoked", "statement": "00" * 32})
        return Response(response.status, response.headers, body)

    transport = FaultyTransport(centre, only="hello")
    transport.always = forged
    runner = runner_of(centre, store, transport)

    runner.sync_once()

    assert Lookup(store).by_band(shop.BAND) is not None
    assert Leases(store).group_key() is not None
    assert "device_revoked" not in runner.status().alerts
    assert not is_wipe_due(store)


async def test_a_hello_that_fails_while_somebody_is_answered_ends_no_lane(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner = runner_of(centre, store)
    goes_on = asyncio.Event()

    async def slow(_: object) -> str:
        await goes_on.wait()
        return "late"

    runner._loop, runner._events = asyncio.get_running_loop(), asyncio.Queue()
    first, second = runner._asked(slow), runner._asked(slow)
    answering = asyncio.ensure_future(runner._answer_people())
    await asyncio.sleep(0)

    runner._fail_questions(CentreUnreachable("nobody answered hello"))
    goes_on.set()

    assert await answering is not None
    assert isinstance(first.exception(), CentreUnreachable)
    assert isinstance(second.exception(), CentreUnreachable)
