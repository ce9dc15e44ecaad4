"""Operations that wait for a person: seen and decided at the counter of their store and at the centre, lost nowhere."""

import threading
from collections.abc import Callable

import httpx
import msgspec
import pytest

from sync.central import erasure, op_rows
from sync.central.apply import decide_operation
from sync.central.batch import Batch
from sync.central.centre import Centre
from sync.central.op_rows import OpRecord
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.errors import CentreRefused
from sync.model.operation import Operation
from sync.model.records import Decision
from sync.model.row import body_of
from sync.model.wire import CUSTODY_OPS_MAX, DecideRequest, InboxRequest, OpResult, Raw
from tests.support.centre import PlainDevice, code_of, new_device
from tests.support.shop import LENA, NOON, lenas_rows, noted, said


def op_id(index: int) -> str:
    return f"0190a1b2-0000-7000-8000-{index:012x}"


def broken(index: int = 8) -> Operation:
    """An operation the centre can keep and not judge."""
    return msgspec.structs.replace(noted(op_id=op_id(index)), args=msgspec.Raw(b'{"no":1}'))


@pytest.fixture
async def counter(centre: Centre, http: httpx.AsyncClient) -> PlainDevice:
    device = PlainDevice(new_device(centre, role="counter"), http)
    await device.hello()
    return device


async def test_the_counter_sees_what_waits_in_its_store_with_its_own_bytes(
    kiosk: PlainDevice, counter: PlainDevice
) -> None:
    await kiosk.push(broken(9), broken(8), said())

    first, second = await counter.inbox()
    (after,) = await counter.inbox(after=first.op)

    assert (first.op, second.op, after.op) == (op_id(8), op_id(9), op_id(9))
    assert (first.kind, first.code, first.owner) == ("note_case", "malformed_args", "lena")
    assert first.device == kiosk.identity.device_id
    assert msgspec.json.decode(first.raw, type=Operation) == broken(8)


async def test_what_a_newer_device_adds_to_an_operation_is_kept_with_it(
    kiosk: PlainDevice, counter: PlainDevice
) -> None:
    known = msgspec.json.encode(broken()).removesuffix(b"}")
    raw = known + b', "hinted_by": {"model": [3, 1]}, "v": 1}'
    body = b'{"lineage": "lineage-1", "ops": [' + raw + b"]}"

    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/push", body)))
    (entry,) = await counter.inbox()

    assert got.status == 200
    assert entry.raw == raw


async def test_the_counter_of_another_store_sees_and_decides_nothing_of_it(
    centre: Centre, kiosk: PlainDevice, http: httpx.AsyncClient
) -> None:
    await kiosk.push(broken())
    other = PlainDevice(new_device(centre, store="lakeside", role="counter"), http)
    await other.hello()

    seen = await other.inbox()
    got, _ = await other.post("/v1/decide", DecideRequest(op_id(8), "void", "mira"))

    assert seen == ()
    assert code_of(got) == "not_allowed"
    assert [record.status for record in centre.held()] == ["held"]


async def test_a_voided_operation_is_kept_with_who_and_why_and_waits_no_more(
    centre: Centre, kiosk: PlainDevice, counter: PlainDevice
) -> None:
    await kiosk.push(broken())
    cursor = await kiosk.head("s:harbour")

    result = await counter.decide(DecideRequest(op_id(8), "void", "ben", "told her myself"))
    page = await kiosk.pull({"s:harbour": cursor})

    assert (result.op, result.status) == (op_id(8), "void")
    row = next(row for row in page.rows if row.key == f"decision/{op_id(8)}")
    decision = body_of("decision", row.body)
    assert isinstance(decision, Decision)
    assert (decision.status, decision.by, decision.reason) == ("void", "ben", "told her myself")
    assert await counter.inbox() == ()
    record = centre.operation(op_id(8))
    assert record is not None
    assert (record.decided_by, record.reason) == ("ben", "told her myself")
    with centre._store.reading() as snapshot:
        assert op_rows.raw_of(snapshot.sql, op_id(8)) == msgspec.json.encode(broken())


async def test_an_operation_is_tried_again_with_other_arguments(
    kiosk: PlainDevice, counter: PlainDevice
) -> None:
    await kiosk.push(broken())

    result = await counter.decide(
        DecideRequest(op_id(8), "edit", "ben", "a typo", args=noted().args)
    )
    (known,) = await kiosk.push(broken())

    assert result.status == known.status == "applied"
    assert "case/case-1" in {row.key for row in result.rows}
    assert await counter.inbox() == ()


async def test_an_operation_tried_again_in_vain_goes_on_waiting(
    centre: Centre, kiosk: PlainDevice, counter: PlainDevice
) -> None:
    await kiosk.push(broken())

    result = await counter.decide(DecideRequest(op_id(8), "replay", "ben"))

    assert (result.status, result.code) == ("held", "malformed_args")
    assert [entry.op for entry in await counter.inbox()] == [op_id(8)]
    assert centre.counters["decided.replay"] == 1


async def test_what_was_decided_is_answered_again_as_it_was(
    counter: PlainDevice, kiosk: PlainDevice
) -> None:
    await kiosk.push(broken())
    asked = DecideRequest(op_id(8), "void", "ben")

    first = await counter.decide(asked)
    second = await counter.decide(DecideRequest(op_id(8), "edit", "mira", args=noted().args))

    assert [plain(first)] == [plain(second)]


def plain(result: OpResult) -> tuple[str, str, str]:
    return (result.op, result.status, result.code)


async def test_a_decision_about_nothing_is_refused(counter: PlainDevice) -> None:
    got, _ = await counter.post("/v1/decide", DecideRequest("none", "void", "ben"))

    assert code_of(got) == "not_allowed"


@pytest.mark.parametrize(
    "body",
    [
        b'{"op":"a","decision":"burn","by":"b"}',
        b'{"op":"","decision":"void","by":"b"}',
        b'{"op":"a","by":"b"}',
        b'{"op":"a","decision":"void","by":"b","args":{"x":1,"x":2}}',
    ],
)
async def test_a_decision_that_is_none_is_malformed(counter: PlainDevice, body: bytes) -> None:
    got = await counter.send(counter.signed(counter.request("/v1/decide", body)))

    assert code_of(got) == "malformed"


async def test_the_centre_sees_all_stores_and_decides(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(broken())

    seen = centre.waiting()
    record = centre.settle(DecideRequest(op_id(8), "void", "head office", "spoke to the store"))

    assert [entry.op for entry in seen] == [op_id(8)]
    assert (record.status, record.decided_by) == ("void", "head office")
    assert centre.waiting() == []
    with pytest.raises(CentreRefused):
        centre.settle(DecideRequest("none", "void", "head office"))


# Custody


async def test_what_does_not_get_through_is_kept_as_the_bytes_it_is(
    centre: Centre, kiosk: PlainDevice, counter: PlainDevice
) -> None:
    raws = (
        msgspec.json.encode(said(op_id=op_id(1))),
        b"\x00\xff no operation",
        b'{"kind":"note\\u0000","store":5}',
        b"",
    )

    results = await kiosk.custody(
        *(Raw(op_id(index), raw, "failed") for index, raw in enumerate(raws, 1))
    )

    assert {(it.status, it.code) for it in results} == {("held", "custody")}
    entries = {entry.op: entry for entry in await counter.inbox()}
    assert [entries[op_id(index)].raw for index in (1, 2, 3, 4)] == list(raws)
    assert (entries[op_id(1)].kind, entries[op_id(1)].owner) == (said().kind, "lena")
    assert entries[op_id(2)].kind == "unknown"
    assert {entry.store for entry in entries.values()} == {"harbour"}


async def test_what_was_given_into_custody_can_be_tried_again(
    kiosk: PlainDevice, counter: PlainDevice
) -> None:
    await kiosk.custody(Raw(op_id(1), msgspec.json.encode(said(op_id=op_id(1)))))

    result = await counter.decide(DecideRequest(op_id(1), "replay", "ben"))

    assert result.status == "applied"


async def test_an_operation_the_centre_knows_is_answered_as_it_was_and_not_taken_again(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(said(op_id=op_id(1)))

    for _ in range(2):
        (known,) = await kiosk.custody(Raw(op_id(1), b"other bytes"))

    assert known.status == "applied"
    assert centre.held() == []


async def test_custody_is_bounded(kiosk: PlainDevice) -> None:
    ops = [{"id": f"a{index}", "raw": ""} for index in range(CUSTODY_OPS_MAX + 1)]
    body = msgspec.json.encode({"lineage": "l", "ops": ops})

    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/custody", body)))

    assert code_of(got) == "malformed"


async def test_a_kiosk_neither_sees_nor_decides_what_waits(kiosk: PlainDevice) -> None:
    for path, asked in (
        ("/v1/inbox", InboxRequest()),
        ("/v1/decide", DecideRequest("a", "void", "b")),
    ):
        got, _ = await kiosk.post(path, asked)
        assert code_of(got) == "not_allowed"


def test_what_is_decided_beside_an_erasure_on_another_node_brings_nothing_back(
    database: str,
) -> None:
    here, there, third = stores = [Store(database, fresh_epoch="e-1") for _ in range(3)]
    decides, erases = (Batch(it, on_commit=lambda _scopes: None) for it in (here, there))
    op = said("I live at Quay 7")
    held = OpRecord(op.id, "d1", op.kind, "held", "failed", "", (), NOON, op.store, owner=LENA)
    is_erased, is_decided = threading.Event(), threading.Event()

    def prepare(transaction: Transaction) -> Callable[[], None]:
        for row in lenas_rows():
            transaction.put(row)
        transaction.add_op(held, raw=msgspec.json.encode(op))
        return lambda: None

    def waits() -> int:
        with third.reading() as snapshot:
            locks = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
            return int(snapshot.sql.all(locks)[0][0])

    def erase(transaction: Transaction) -> Callable[[], None]:
        erasure.erase_rows(transaction, LENA, at=NOON)
        is_erased.set()
        while not is_decided.wait(timeout=0.001) and not waits():
            pass
        return lambda: None

    def decide(transaction: Transaction) -> Callable[[], OpRecord]:
        asked = DecideRequest(op.id, "replay", by="ana", reason="again")
        record = decide_operation(transaction, asked, held, now=NOON)
        return lambda: record

    decides.run(prepare)
    eraser = threading.Thread(target=erases.run, args=(erase,))
    eraser.start()
    assert is_erased.wait(timeout=30)
    try:
        record = decides.run(decide, ops=(op.id,))
    finally:
        is_decided.set()
        eraser.join(timeout=30)

    with third.reading() as snapshot:
        assert (record.status, snapshot.all_of_owner(LENA)) == ("applied", [])
        assert op_rows.raw_of(snapshot.sql, op.id) == b""
    for it in stores:
        it.close()
