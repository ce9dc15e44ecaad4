"""Pushes whose answers were lost, and what goes on without the operations that were in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from sync.edge.client import CentreClient
from sync.edge.engine import Pushed
from sync.edge.outbox import Outbox
from sync.edge.store import EdgeStore
from sync.edge.work import Work
from sync.model.errors import CentreUnreachable
from tests.support import edge, shop
from tests.support.transport import FakeCentre, FaultyTransport, lost


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    opened = edge.opened(tmp_path)
    yield opened
    opened.close()


def work_of(centre: FakeCentre, store: EdgeStore, transport: FaultyTransport) -> Work:
    clock = FixedClock(edge.START)
    client = CentreClient(
        transport, identity=centre.device(), clock=clock, entropy=SeededEntropy("client")
    )
    return Work(client, store, clock)


async def test_other_lanes_go_on_while_one_that_got_no_answer_is_held_back(
    store: EdgeStore,
) -> None:
    centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    work = work_of(centre, store, FaultyTransport(centre, [lost, lost, None], only="/v1/push"))
    await work.say_hello()
    outbox = Outbox(store)
    outbox.record(shop.said("first", op_id="op-1"))
    first = work.batch(n_max=1, without=frozenset())
    with pytest.raises(CentreUnreachable):
        await work.send(first)
    outbox.record(shop.said("second", op_id="op-2", owner="tom"))
    others = work.batch(n_max=9, without=frozenset({first[0].lane}))
    with pytest.raises(CentreUnreachable):
        await work.send(others)

    sent = await work.send(work.batch(n_max=9, without=frozenset({first[0].lane})))
    late = await work.send(work.batch(n_max=9, without=frozenset()))

    assert [one.id for one in others] == ["op-2"]
    assert sent == Pushed(1, 1)
    assert late == Pushed(1, 1)
    assert sorted(centre.ops) == ["op-1", "op-2"]
    await work.close()
