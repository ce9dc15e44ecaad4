"""Very many operations, groups, and operations the centre fails at: in order, whole, once, and in little memory."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from sync.edge.client import CentreClient
from sync.edge.outbox import CHUNK, GROUP_OPS_MAX, Outbox
from sync.edge.progress import Progress
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.model.errors import CentreError, CentreRefused, Malformed
from sync.model.operation import Operation, OperationState
from sync.model.ports import Request, Response, Transport
from sync.model.wire import PUSH_OPS_MAX, PushRequest
from tests.support import edge, shop
from tests.support import transport as net
from tests.support.transport import FakeCentre, FaultyTransport

MANY = 2 * PUSH_OPS_MAX + 50


@pytest.fixture
def centre() -> FakeCentre:
    centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    centre.put(*shop.lenas_rows())
    return centre


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path / "device")
    yield store
    store.close()


def said(n: int, **fields: object) -> Operation:
    return shop.said(f"{n}", op_id=f"0190a1b2-0000-7000-8000-{n:012x}", **fields)


def record_many(store: EdgeStore, count: int = MANY) -> list[str]:
    ops = [said(n, owner=f"c{n % 40}") for n in range(count)]
    for start in range(0, count, GROUP_OPS_MAX):
        Outbox(store).record_all(ops[start : start + GROUP_OPS_MAX])
    return [op.id for op in ops]


def runner_of(
    centre: FakeCentre, store: EdgeStore, transport: Transport | None = None, **options: object
) -> SyncRunner:
    identity = centre.device()
    client = CentreClient(
        transport or centre, identity=identity, clock=FixedClock(edge.START),
        entropy=SeededEntropy("client" + identity.device_id),
    )  # fmt: skip
    return SyncRunner(
        client, store, clock=FixedClock(edge.START), entropy=SeededEntropy("chance"), **options,  # type: ignore[arg-type]
    )  # fmt: skip


class Listening(FaultyTransport):
    """Remembers what each push carried."""

    def __init__(self, inner: FakeCentre) -> None:
        super().__init__(inner)
        self.pushes: list[list[str]] = []

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        if request.url.endswith("/push"):
            push = msgspec.json.decode(request.body, type=PushRequest)
            self.pushes.append([op.id for op in push.ops])
        return await super().send(request, deadline_ms=deadline_ms, size_max=size_max)


def test_very_many_operations_go_in_batches_in_order_and_once(
    centre: FakeCentre, store: EdgeStore
) -> None:
    ids = record_many(store)
    transport = Listening(centre)

    once = runner_of(centre, store, transport).sync_once()

    assert once.n_settled == MANY
    assert [len(one) for one in transport.pushes] == [PUSH_OPS_MAX, PUSH_OPS_MAX, 50]
    assert [op for push in transport.pushes for op in push] == ids == centre.arrivals
    assert Outbox(store).counts().n_waiting == 0
    assert {Outbox(store).state_of(op) for op in ids} == {OperationState.APPLIED}


def test_how_far_a_big_push_is_can_be_seen(centre: FakeCentre, store: EdgeStore) -> None:
    record_many(store)
    seen: list[Progress] = []
    runners: list[SyncRunner] = []
    runners.append(
        runner_of(centre, store, on_change=lambda: seen.extend(runners[0].status().progress))
    )
    runner = runners[0]

    runner.sync_once()

    assert [(one.what, one.n_done, one.n_total) for one in seen] == [
        ("push", PUSH_OPS_MAX, MANY), ("push", 2 * PUSH_OPS_MAX, MANY), ("push", MANY, MANY),
    ]  # fmt: skip
    assert runner.status().progress == ()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    faults=st.lists(
        st.sampled_from([None, None, "before", "twice", net.lost, net.half, net.wrong_status]),
        max_size=8,
    )
)
def test_batches_that_follow_at_once_arrive_once_and_are_no_forks_whatever_is_lost(
    tmp_path_factory: pytest.TempPathFactory, faults: list[object]
) -> None:
    centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    store = edge.opened(tmp_path_factory.mktemp("device"))
    ids = record_many(store)
    transport = FaultyTransport(centre, faults, only="/push")  # type: ignore[arg-type]

    while Outbox(store).counts().n_waiting:
        with contextlib.suppress(CentreError):
            runner_of(centre, store, transport).sync_once()

    assert sorted(centre.ops) == ids
    assert len(centre.rows) == MANY
    assert all(row.version == 1 for row in centre.rows.values())
    assert store.notices == ()
    assert len(centre.lineages) == 1
    store.close()


@pytest.mark.parametrize("at_push", [1, 2, 3])
@pytest.mark.parametrize("is_done", [False, True])
def test_a_plug_pulled_while_one_batch_follows_the_other_is_no_fork(
    centre: FakeCentre, store: EdgeStore, tmp_path: Path, at_push: int, is_done: bool
) -> None:
    ids = record_many(store)
    copy = tmp_path / "copy"

    class Pulling(FaultyTransport):
        async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
            if not request.url.endswith("/push") or copy.exists():
                return await super().send(request, deadline_ms=deadline_ms, size_max=size_max)
            if centre.calls.count("push") < at_push - 1:
                return await super().send(request, deadline_ms=deadline_ms, size_max=size_max)
            if is_done:
                await super().send(request, deadline_ms=deadline_ms, size_max=size_max)
            shutil.copytree(tmp_path / "device", copy)
            return net.lost(Response(0, ()))

    with pytest.raises(CentreError):
        runner_of(centre, store, Pulling(centre)).sync_once()
    restarted = edge.opened(copy)
    runner_of(centre, restarted).sync_once()

    assert sorted(centre.ops) == ids
    assert [notice.code for notice in restarted.notices] == []
    assert len(centre.lineages) == 1
    assert Outbox(restarted).counts().n_waiting == 0
    restarted.close()


# Groups


def test_a_group_is_recorded_and_sent_whole(centre: FakeCentre, store: EdgeStore) -> None:
    outbox = Outbox(store)
    for n in range(3):
        outbox.record(said(n))
    outbox.record_all([said(n, group="g1") for n in range(3, 6)])

    assert [one.id for one in outbox.batch(n_max=4)] == [said(n).id for n in range(3)]
    assert len(outbox.batch(n_max=6)) == 6
    without = outbox.batch(n_max=1, besides=outbox.batch(n_max=3))
    assert [one.id for one in without] == [said(n).id for n in range(3, 6)]


def test_a_group_of_which_one_may_not_be_sent_waits_whole(store: EdgeStore) -> None:
    outbox = Outbox(store)
    outbox.record_all([said(1, group="g1", owner="tom"), said(2, group="g1", owner="lena")])
    outbox.record(said(3, owner="maya"))

    batch = outbox.batch(without=frozenset({"lena"}))

    assert [one.id for one in batch] == [said(3).id]


def test_a_group_too_large_to_travel_is_not_recorded_at_all(store: EdgeStore) -> None:
    ops = [said(n, group="g1") for n in range(GROUP_OPS_MAX + 1)]

    with pytest.raises(Malformed):
        Outbox(store).record_all(ops)

    assert Outbox(store).counts().n_waiting == 0


def test_a_group_the_centre_fails_at_is_left_out_whole_and_the_others_go_on(
    centre: FakeCentre, store: EdgeStore
) -> None:
    outbox = Outbox(store)
    outbox.record(said(0, owner="tom"))
    outbox.record_all([said(n, group="g1", owner=f"g{n}") for n in (1, 2, 3)])
    outbox.record(said(4, owner="maya"))
    centre.poison.add(said(2).id)

    with pytest.raises(CentreRefused):
        runner_of(centre, store).sync_once()

    assert set(centre.ops) == {said(0).id, said(4).id}
    assert outbox.counts().n_waiting == 3


# Lanes


def test_behind_very_many_of_a_customer_who_waits_the_others_are_found(
    store: EdgeStore,
) -> None:
    outbox = Outbox(store)
    for n in range(0, 2 * CHUNK, GROUP_OPS_MAX):
        outbox.record_all([said(n + k, owner="tom") for k in range(GROUP_OPS_MAX)])
    outbox.record(said(9_999, owner="lena"))

    batch = outbox.batch(without=frozenset({"tom"}))

    assert [one.id for one in batch] == [said(9_999).id]


# Refused ones, at the counter


def refused(centre: FakeCentre, store: EdgeStore) -> Operation:
    op = said(1)
    Outbox(store).record(op)
    centre.ops[op.id] = net.Judged("refused", "over_the_limit", "", ())
    runner_of(centre, store).sync_once()
    return op


def test_a_refused_operation_is_settled_otherwise_by_a_person_and_stays_on_record(
    centre: FakeCentre, store: EdgeStore
) -> None:
    op = refused(centre, store)
    outbox = Outbox(store)
    raw = outbox.raws([op.id])

    done = outbox.decide(op.id, decision="void", by="ben", reason="paid in cash")
    again = outbox.decide(op.id, decision="void", by="eve", reason="")

    assert (done, again) == (True, False)
    assert outbox.unsettled() == ()
    (decided,) = outbox.decided()
    assert (decided.op, decided.by, decided.reason) == (op.id, "ben", "paid in cash")
    assert outbox.state_of(op.id) is OperationState.VOID
    assert outbox.raws([op.id]) == raw


def test_a_refused_operation_is_replayed_as_a_new_one_that_names_it(
    centre: FakeCentre, store: EdgeStore
) -> None:
    op = refused(centre, store)
    instead = said(2, replaces=op.id)

    Outbox(store).decide(op.id, decision="replay", by="ben", reason="", instead=instead)
    runner_of(centre, store).sync_once()

    assert Outbox(store).state_of(instead.id) is OperationState.APPLIED
    assert Outbox(store).decided()[0].instead == instead.id
    assert msgspec.json.decode(centre.raws[instead.id], type=Operation).replaces == op.id


def test_what_was_applied_or_waits_cannot_be_settled_at_the_counter(store: EdgeStore) -> None:
    Outbox(store).record(said(1))

    done = Outbox(store).decide(
        said(1).id, decision="replay", by="ben", reason="", instead=said(2)
    )

    assert not done
    assert Outbox(store).state_of(said(2).id) is None
    assert Outbox(store).counts().n_waiting == 1


def test_what_is_settled_of_an_erased_customer_goes_and_what_waits_goes_once_it_is_settled(
    centre: FakeCentre, store: EdgeStore
) -> None:
    outbox = Outbox(store)
    outbox.record(said(1, owner="tom"))
    runner_of(centre, store).sync_once()
    outbox.record(said(2, owner="tom"))
    outbox.record(said(3, owner="lena"))

    gone = outbox.erase_owner("tom")
    waiting = outbox.counts().n_waiting
    runner_of(centre, store).sync_once()
    runner_of(centre, store).sync_once()

    assert (gone, waiting) == (1, 2)
    states = [outbox.state_of(said(n).id) for n in (1, 2, 3)]
    assert states == [None, None, OperationState.APPLIED]
    assert said(2).id in centre.ops
