"""Copies of the centre and of the kiosk: histories that part, forks, sums that differ, what nobody can settle but a person."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from sync.edge.client import CentreClient
from sync.edge.feed import Feed
from sync.edge.lookup import Lookup
from sync.edge.outbox import FAILURES_MAX, Outbox
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.model.errors import CentreRefused, CentreUnreachable, StoreFull
from sync.model.operation import Operation, OperationState
from sync.model.ports import Transport
from sync.model.records import Customer, Interaction
from sync.model.wire import DecideRequest, Want
from tests.support import edge, shop
from tests.support import transport as net
from tests.support.transport import FakeCentre, FaultyTransport


@pytest.fixture
def centre() -> FakeCentre:
    centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    centre.put(*shop.lenas_rows())
    return centre


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(edge.START)


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path, clock=clock)
    yield store
    store.close()


def runner_of(
    centre: FakeCentre, store: EdgeStore, transport: Transport | None = None
) -> SyncRunner:
    identity = centre.device()
    client = CentreClient(
        transport or centre, identity=identity, clock=FixedClock(edge.START),
        entropy=SeededEntropy("client" + identity.device_id),
    )  # fmt: skip
    return SyncRunner(
        client, store, clock=FixedClock(edge.START), entropy=SeededEntropy("chance")
    )


def note(n: int, **fields: object) -> Operation:
    return shop.noted(f"note {n}", op_id=f"0190a1b2-0000-7000-8000-{n:012x}", **fields)


def held_rows(store: EdgeStore) -> dict[str, object]:
    return {row.key: row for row in Lookup(store).profile(shop.LENA).rows}


def agrees(centre: FakeCentre, store: EdgeStore) -> bool:
    ours = {row.key: row for row in Lookup(store).profile(shop.LENA).rows}
    return ours == {key: row for key, row in centre.rows.items() if row.owner == shop.LENA}


# A centre that went back in time


def test_a_centre_that_lost_its_tail_and_moved_on_gets_it_back_from_the_kiosk(
    centre: FakeCentre, store: EdgeStore
) -> None:
    Outbox(store).record(note(1))
    runner_of(centre, store).sync_once()
    copy = centre.copy()
    Outbox(store).record(note(2))
    runner_of(centre, store).sync_once()

    centre.restore(copy)
    centre.put(
        *(shop.row(Customer(id=f"c{n}", given_name="C"), owner=f"c{n}") for n in range(9))
    )
    runner = runner_of(centre, store)
    runner.sync_once()

    assert "history_parted" in runner.status().alerts
    assert {note(1).id, note(2).id} == set(centre.ops)
    assert centre.rows[f"interaction/{note(2).id}"].version == 1
    assert centre.arrivals.count(note(1).id) == 2, "offered again, and known"
    assert agrees(centre, store)
    assert Outbox(store).counts().n_waiting == 0


def test_a_row_of_the_lost_tail_that_nobody_brings_back_is_gone_at_the_head(
    centre: FakeCentre, store: EdgeStore
) -> None:
    copy = centre.copy()
    centre.put(
        shop.row(Interaction(id="lost", at=1, channel="web", direction="in", by="L", text="x"))
    )
    runner_of(centre, store).sync_once()
    before = "interaction/lost" in held_rows(store)

    centre.restore(copy)
    centre.put(
        shop.row(Interaction(id="new", at=1, channel="web", direction="in", by="L", text="x"))
    )
    runner_of(centre, store).sync_once()

    assert before
    assert "interaction/lost" not in held_rows(store)
    assert agrees(centre, store)


def test_marks_nobody_knows_lead_back_to_the_beginning_once_all_were_shown(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner_of(centre, store).sync_once()
    centre.marks = [msgspec.structs.replace(one, token="0" * 16) for one in centre.marks]

    runner = runner_of(centre, store)
    runner.sync_once()

    assert "history_parted" in runner.status().alerts
    assert agrees(centre, store)
    runner = runner_of(centre, store)
    runner.sync_once()
    assert runner.status().alerts == (), "its marks are known again"


def test_a_cursor_below_the_floor_begins_again_over_what_is_here(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner_of(centre, store).sync_once()
    centre.drop("case/case-1")
    del centre.seqs["case/case-1"]
    centre.put(shop.row(Customer(id="tom", given_name="Tom"), owner="tom"))
    centre.floor = centre.head

    runner_of(centre, store).sync_once()

    assert "case/case-1" not in held_rows(store)
    assert agrees(centre, store)


# A kiosk that went back in time


def test_an_outbox_put_back_from_a_copy_gets_a_new_lineage_and_loses_nothing(
    centre: FakeCentre, store: EdgeStore
) -> None:
    Outbox(store).record(note(1))
    runner_of(centre, store).sync_once()
    old_token = Outbox(store).token
    for n in (2, 3):
        Outbox(store).record(note(n))
        runner_of(centre, store).sync_once()
    lineage = store.lineage
    with store.outbox.write() as file:  # the state a copy of two pushes ago had
        file.execute("UPDATE meta SET value = ? WHERE name = 'token'", (old_token,))
        file.execute("DELETE FROM op WHERE id != ?", (note(1).id,))
    Outbox(store).record(note(4))

    runner = runner_of(centre, store)
    runner.sync_once()

    assert store.lineage != lineage
    assert "device_forked" in runner.status().alerts
    assert [notice.code for notice in store.notices] == ["device_forked"]
    assert set(centre.ops) == {note(n).id for n in (1, 2, 3, 4)}
    assert all(centre.rows[f"interaction/{note(n).id}"].version == 1 for n in (1, 2, 3, 4))
    assert Outbox(store).state_of(note(4).id) is OperationState.APPLIED
    assert agrees(centre, store)


def test_a_lost_answer_is_no_fork(centre: FakeCentre, store: EdgeStore) -> None:
    for n in (1, 2):
        Outbox(store).record(note(n))
        with pytest.raises(CentreUnreachable):
            runner_of(
                centre, store, FaultyTransport(centre, [net.lost], only="push")
            ).sync_once()
        runner_of(centre, store).sync_once()

    assert store.notices == ()
    assert len(centre.lineages) == 1
    assert centre.arrivals == [note(1).id, note(1).id, note(2).id, note(2).id]


# Sums


def test_rows_that_are_not_the_centres_are_put_right_bucket_by_bucket(
    centre: FakeCentre, store: EdgeStore
) -> None:
    rows = [shop.row(Customer(id=f"c{n}", given_name="C"), owner=f"c{n}") for n in range(60)]
    centre.put(*rows)
    runner_of(centre, store).sync_once()
    for n in range(0, 60, 2):
        centre.spoil(f"customer/c{n}")
    del centre.seqs["customer/c1"], centre.rows["customer/c1"]

    runner = runner_of(centre, store)
    runner.sync_once()

    assert "sum_differed" in runner.status().alerts
    assert centre.calls.count("diff") >= 4, "at most 8 buckets a time"
    row = Lookup(store).profile("c0").customer
    assert row is not None
    assert Lookup(store).profile("c0").rows[0].version == 2
    assert Lookup(store).profile("c1").rows == ()
    calls = len(centre.calls)
    runner_of(centre, store).sync_once()
    assert "diff" not in centre.calls[calls:]


def test_the_third_wrong_sum_in_a_day_pulls_the_scope_again(
    centre: FakeCentre, store: EdgeStore
) -> None:
    alerts: list[tuple[str, ...]] = []
    for n in range(3):
        runner_of(centre, store).sync_once()
        centre.spoil("customer/lena")
        runner = runner_of(centre, store)
        runner.sync_once()
        alerts.append(runner.status().alerts)
        assert agrees(centre, store), n

    assert alerts[1:] == [("sum_differed",), ("sum_differed", "scope_renewed")]


# What only a person settles


def test_what_the_centre_fails_at_five_times_over_ten_minutes_goes_into_custody(
    centre: FakeCentre, store: EdgeStore, clock: FixedClock
) -> None:
    bad, good = shop.said("poison"), note(1, owner="tom")
    centre.poison.add(bad.id)
    Outbox(store).record(bad)
    for _ in range(FAILURES_MAX + 1):
        with pytest.raises(CentreRefused):
            runner_of(centre, store).sync_once()
    before = centre.calls.count("custody")

    clock.sleep_ms(600_000)
    Outbox(store).record(good)
    runner = runner_of(centre, store)
    runner.sync_once()

    assert before == 0, "not within ten minutes"
    assert (centre.ops[bad.id].status, centre.ops[bad.id].code) == ("held", "custody")
    assert msgspec.json.decode(centre.raws[bad.id], type=Operation).id == bad.id
    (waiting,) = Outbox(store).unsettled()
    assert (waiting.state, waiting.code) == (OperationState.HELD, "custody")
    assert "custody" in runner.status().alerts
    assert (runner.status().n_waiting, runner.status().n_held) == (0, 1)
    runner_of(centre, store).sync_once()


def held_at(centre: FakeCentre, store: EdgeStore) -> Operation:
    op = msgspec.structs.replace(shop.said(), kind="levitate")
    Outbox(store).record(op)
    runner_of(centre, store).sync_once()
    return op


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("applied", OperationState.APPLIED),
        ("refused", OperationState.REFUSED),
        ("void", OperationState.VOID),
    ],
)
def test_what_a_person_at_the_centre_decided_comes_down_and_settles(
    centre: FakeCentre, store: EdgeStore, status: str, state: OperationState
) -> None:
    op = held_at(centre, store)
    raw = Outbox(store).raws([op.id])

    centre.decide(op.id, status, "void", by="ana", reason="seen on video")
    runner_of(centre, store).sync_once()

    assert Outbox(store).state_of(op.id) is state
    (decided,) = Outbox(store).decided()
    assert (decided.by, decided.reason, decided.decision) == ("ana", "seen on video", "void")
    assert Outbox(store).raws([op.id]) == raw


def test_a_decision_that_comes_down_before_the_answer_it_is_about_settles_all_the_same(
    centre: FakeCentre, store: EdgeStore
) -> None:
    op = msgspec.structs.replace(shop.said(), kind="levitate")
    Outbox(store).record(op)
    with pytest.raises(CentreUnreachable):
        runner_of(centre, store, FaultyTransport(centre, [net.lost], only="push")).sync_once()
    late = centre.ops[op.id]
    centre.decide(op.id, "void", "void", by="ana", reason="seen on video")
    centre.ops[op.id] = late

    runner_of(centre, store).sync_once()

    assert late.status == "held"
    assert Outbox(store).state_of(op.id) is OperationState.VOID


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_decision_that_could_not_be_written_down_is_written_when_there_is_room(
    is_restarted: bool, centre: FakeCentre, store: EdgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    op = held_at(centre, store)
    centre.decide(op.id, "void", "void", by="ana", reason="seen on video")
    full = runner_of(centre, store)

    def no_room(*_: object) -> int:
        raise StoreFull("the disk has no room")

    with monkeypatch.context() as disk:
        disk.setattr(Outbox, "note_decisions", no_room)
        with pytest.raises(StoreFull):
            full.sync_once()
    (runner_of(centre, store) if is_restarted else full).sync_once()

    assert Outbox(store).state_of(op.id) is OperationState.VOID


def test_the_inbox_is_seen_and_decided_from_the_counter(
    centre: FakeCentre, store: EdgeStore
) -> None:
    op = held_at(centre, store)

    (entry,) = runner_of(centre, store).inbox().result()
    result = (
        runner_of(centre, store)
        .decide(DecideRequest(op.id, "void", by="ben", reason="twice"))
        .result()
    )

    assert (entry.op, entry.code) == (op.id, "unknown_kind")
    assert msgspec.json.decode(entry.raw, type=Operation).id == op.id
    assert result is not None
    assert result.status == "void"
    assert Outbox(store).state_of(op.id) is OperationState.VOID
    assert runner_of(centre, store).inbox().result() == ()


def test_a_question_nobody_answers_says_so(centre: FakeCentre, store: EdgeStore) -> None:
    transport = FaultyTransport(centre)
    transport.always = net.portal

    asked = runner_of(centre, store, transport).inbox()

    with pytest.raises(CentreUnreachable):
        asked.result()


def test_a_customer_this_store_does_not_hold_is_there_as_soon_as_they_are_wanted(
    centre: FakeCentre, store: EdgeStore
) -> None:
    tom = shop.row(Customer(id="tom", given_name="Tom"), owner="tom")
    centre.elsewhere[tom.key] = tom
    runner = runner_of(centre, store)
    runner.sync_once()

    found, nobody = runner.want((Want(owner="tom"), Want(band="ff"))).result()

    assert (found.owner, nobody.owner, nobody.rows) == ("tom", "", ())
    held = Lookup(store).profile("tom").customer
    assert held is not None
    assert held.given_name == "Tom"
    assert Feed(store).cursors()[0].seq < centre.head, "before the feed brought it"
    runner_of(centre, store).sync_once()
    assert Lookup(store).profile("tom").customer == held
