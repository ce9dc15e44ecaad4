"""Customers on demand, repair by bucket, snapshots handed out, forms made older, and erasing a customer."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central import op_rows, snapshot_rows
from sync.central.centre import Centre
from sync.central.pulls import Held
from sync.central.snapshots import ROWS_MIN
from sync.central.wants import DAY_US, GUESSES_MAX
from sync.model import forms
from sync.model.forms import Form
from sync.model.operations.correct_stock import CorrectStock
from sync.model.operations.link_band import LinkBand
from sync.model.ports import Request
from sync.model.records import Band, Product, Store
from sync.model.row import Row, row_of
from sync.model.signatures import snapshot_label, unseal
from sync.model.snapshot import KEY_SIZE
from sync.model.sums import SUM_MASK, bucket_of, pointer_hash
from sync.model.wire import (
    Cursor,
    DecideRequest,
    PullRequest,
    SnapshotRequest,
    Want,
    WantRequest,
    WireRow,
)
from tests.support.centre import PlainDevice, code_of, new_device, open_centre
from tests.support.shop import BAND, LENA, NOON, hand_over, lenas_rows, noted, operation, said


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(moment_of(NOON))


@pytest.fixture
async def away(tmp_path: Path, clock: FixedClock) -> AsyncIterator[tuple[Centre, PlainDevice]]:
    """A centre, and a device of a store that does not hold Lena."""
    centre = open_centre(tmp_path / "c", clock=clock)
    centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        device = PlainDevice(new_device(centre, store="lakeside"), http, clock=clock)
        await device.hello()
        yield centre, device
    centre.close()


def products(count: int) -> list[Row]:
    return [
        row_of(Product(f"p{index}", "Scarf", "wool"), owner="", as_of=1, source="erp")
        for index in range(count)
    ]


LENAS_KEYS = {row.key for row in lenas_rows()}


@pytest.mark.parametrize(
    "want",
    [
        Want(owner=LENA),
        Want(band=BAND),
        Want(order="W-1077"),
        Want(contact="+49 171 2345678"),
        Want(contact="0049 171/234-5678"),
        Want(contact="LENA@example.ORG "),
    ],
)
async def test_a_customer_is_found_by_what_they_can_show_or_say(
    away: tuple[Centre, PlainDevice], want: Want
) -> None:
    _, device = away

    (found,) = await device.want(want)
    page = await device.pull({"s:lakeside": 0})

    assert found.owner == LENA
    assert {row.key for row in found.rows} == LENAS_KEYS
    assert set(found.rows) <= set(page.rows)


@pytest.mark.parametrize(
    "want", [Want(), Want(owner="tom"), Want(band="00" * 16), Want(contact="+49")]
)
async def test_nobody_is_found_by_what_nobody_has(
    away: tuple[Centre, PlainDevice], want: Want
) -> None:
    centre, device = away

    (found,) = await device.want(want)

    assert (found.owner, found.rows) == ("", ())
    assert centre.counters["want.nobody"] == 1
    assert len((await device.pull({"s:lakeside": 0})).rows) == 1  # the device itself


async def test_those_asked_for_together_are_answered_in_their_order(
    away: tuple[Centre, PlainDevice],
) -> None:
    _, device = away

    found = await device.want(Want(owner="tom"), Want(owner=LENA), Want(order="W-1077"))

    assert [one.owner for one in found] == ["", LENA, LENA]


async def test_whom_a_store_asked_for_leaves_it_when_the_days_are_over(
    away: tuple[Centre, PlainDevice], clock: FixedClock
) -> None:
    centre, device = away
    await device.want(Want(owner=LENA), days=2)
    cursor = await device.head("s:lakeside")

    clock.sleep_ms(2 * DAY_US // 1_000 - 1)
    centre.tidy()
    await device.hello()
    before = await device.pull({"s:lakeside": cursor})
    clock.sleep_ms(2)
    centre.tidy()
    after = await device.pull({"s:lakeside": cursor})

    assert before.rows == ()
    assert {row.key for row in after.rows if row.is_gone} == LENAS_KEYS


async def test_a_store_that_wants_a_customer_no_more_keeps_whom_it_holds_for_another_reason(
    away: tuple[Centre, PlainDevice], centre: Centre, kiosk: PlainDevice
) -> None:
    _, device = away
    await device.want(Want(owner=LENA))

    await device.want(drop=(LENA,))
    await kiosk.want(drop=(LENA,))

    there = (await device.pull({"s:lakeside": 0})).rows
    assert {row.key for row in there if row.is_gone} == LENAS_KEYS
    assert {row.key for row in (await kiosk.pull({"s:harbour": 0})).rows} >= LENAS_KEYS


async def test_wanting_for_a_day_does_not_shorten_what_was_for_ever(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.want(Want(owner=LENA))
    await kiosk.want(drop=(LENA,))

    assert {row.key for row in (await kiosk.pull({"s:harbour": 0})).rows} >= LENAS_KEYS


async def test_a_device_that_tries_numbers_is_stopped_for_the_day_and_a_person_is_told(
    away: tuple[Centre, PlainDevice], clock: FixedClock
) -> None:
    centre, device = away
    guesses = tuple(Want(contact=f"+49171{number:07}") for number in range(100))
    for _ in range(GUESSES_MAX // len(guesses)):
        await device.want(*guesses)

    for _ in range(2):
        got, _ = await device.post("/v1/want", WantRequest((Want(owner=LENA),)))
        assert code_of(got) == "not_allowed"
    clock.sleep_ms(DAY_US // 1_000)
    await device.hello()

    assert [alert.code for alert in centre.alerts()] == ["device_guesses"]
    (found,) = await device.want(Want(owner=LENA))
    assert found.owner == LENA


# Diff


def sums_of(rows: tuple[WireRow, ...]) -> list[int]:
    sums = [0] * 256
    for row in rows:
        h = pointer_hash(row.key, row.seq, row.version)
        sums[bucket_of(row.key)] = (sums[bucket_of(row.key)] + h) & SUM_MASK
    return sums


async def test_a_device_that_holds_the_same_is_told_that_nothing_differs(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows(products(50))
    rows = (await kiosk.pull({"g": 0})).rows

    answer = await kiosk.diff("g", sums_of(rows))

    assert (answer.buckets, answer.rows, answer.n_more) == ((), (), 0)


async def test_a_row_that_is_missing_changed_or_too_many_is_repaired_with_its_whole_bucket(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows(products(50))
    rows = (await kiosk.pull({"g": 0})).rows
    missing, changed, *others = rows
    wrong = msgspec.structs.replace(changed, version=9)
    extra = msgspec.structs.replace(changed, key="product/none")

    answer = await kiosk.diff("g", sums_of((*others, wrong, extra)))

    differ = sorted({bucket_of(it.key) for it in (missing, changed, extra)})
    assert answer.buckets == tuple(differ)
    assert set(answer.rows) == {row for row in rows if bucket_of(row.key) in differ}


async def test_a_device_that_holds_nothing_is_repaired_some_buckets_at_a_time(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows(products(300))
    rows = (await kiosk.pull({"g": 0})).rows
    held: dict[str, WireRow] = {}
    left = None
    for _ in range(100):
        answer = await kiosk.diff("g", sums_of(tuple(held.values())))
        assert left is None or answer.n_more < left
        held |= {row.key: row for row in answer.rows}
        left = answer.n_more
        if not answer.n_more:
            break

    assert set(held.values()) == set(rows)


async def test_what_left_a_scope_is_no_part_of_a_diff(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.end_interest("harbour", LENA)

    answer = await kiosk.diff("s:harbour", [0] * 256)

    assert [row.kind for row in answer.rows] == ["peer"]


@pytest.mark.parametrize("path", ["/v1/diff", "/v1/snapshot"])
async def test_of_a_scope_of_another_store_nothing_is_said(
    kiosk: PlainDevice, path: str
) -> None:
    sums = ["0" * 16] * 256
    body = msgspec.json.encode({"scope": "s:lakeside", "buckets": sums, "format": 1})

    got = await kiosk.send(kiosk.signed(kiosk.request(path, body)))

    assert code_of(got) == "not_allowed"


# Snapshots


async def test_a_large_scope_can_be_had_whole_from_parts_that_may_be_cached(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows(products(ROWS_MIN))
    centre.tidy()

    answer = await kiosk.snapshot("g")
    grant = {it.id: it for it in (await kiosk.hello()).grants}["g"]
    answer = await kiosk.snapshot("g")
    page = await kiosk.pull({"g": 0}, limit=1)

    assert (answer.seq, answer.count, grant.snapshot) == (ROWS_MIN, ROWS_MIN, ROWS_MIN)
    assert grant.count == ROWS_MIN + 1  # who waits was counted after the parts were made
    label = snapshot_label(scope="g", seq=answer.seq)
    assert len(unseal(answer.key, kiosk.session_key, label)) == KEY_SIZE
    assert sum(part.rows for part in answer.parts) == ROWS_MIN
    for part in answer.parts:
        got = await kiosk.send(kiosk.signed(kiosk.get_request(f"/v1/snap/{part.part}")))
        assert hashlib.sha256(got.body).hexdigest() == part.part
        assert len(got.body) == part.size
        assert "immutable" in got.header("cache-control")
        assert page.rows[0].body not in got.body


async def test_a_scope_without_a_snapshot_has_no_parts(kiosk: PlainDevice) -> None:
    answer = await kiosk.snapshot("g")

    assert (answer.seq, answer.parts) == (0, ())


async def test_a_part_of_another_store_or_of_nothing_is_not_found(
    away: tuple[Centre, PlainDevice], http: httpx.AsyncClient
) -> None:
    centre, device = away
    rows = [
        row_of(Store(f"st-{index}", "Harbour"), owner="", as_of=1, source="erp")
        for index in range(ROWS_MIN)
    ]
    centre.put_rows(rows, scope="s:harbour")
    centre.tidy()
    with centre._store.reading() as snapshot:
        made = snapshot_rows.newest(snapshot.sql, "s:harbour")
        assert made is not None
        (part, *_) = snapshot_rows.parts(snapshot.sql, "s:harbour", made.format, made.seq)

    for name in (part.hash, "0" * 64):
        got = await device.send(device.signed(device.get_request(f"/v1/snap/{name}")))
        assert code_of(got) == "not_found"


async def test_a_part_is_given_to_nobody_who_did_not_sign(kiosk: PlainDevice) -> None:
    got = await kiosk.send(kiosk.get_request(f"/v1/snap/{'0' * 64}"))

    assert code_of(got) == "not_trusted"


# Forms


async def test_a_device_of_an_older_version_gets_older_bodies_and_is_told_what_it_cannot_read(
    centre: Centre, kiosk: PlainDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(body: dict[str, object]) -> dict[str, object]:
        return {**body, "title": f"old {body['title']}"}

    known = {"product": Form(2, {2: older}), "order": Form(4, {3: dict, 4: dict})}
    monkeypatch.setattr(forms, "FORMS", known)

    def put(transaction: object) -> None:
        transaction.put(products(1)[0], form=2)  # type: ignore[attr-defined]

    centre._parts.write(put)

    old = await kiosk.hello()
    (as_old,) = (await kiosk.pull({"g": 0})).rows
    kiosk.reads = {"product": 2, "order": 4}
    new = await kiosk.hello()
    (as_new,) = (await kiosk.pull({"g": 0})).rows

    assert (old.degraded, new.degraded) == (("order",), ())
    assert (as_old.form, as_new.form) == (1, 2)
    assert b"old Scarf" in as_old.body
    assert b"old" not in as_new.body
    assert forms.behind({"product": 2}) == {"order": 1}
    whole = await kiosk.answered("/v1/snapshot", SnapshotRequest("g"))
    assert whole


async def test_of_pulls_begun_together_each_gets_the_forms_it_reads(
    centre: Centre, kiosk: PlainDevice, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"product": Form(2, {2: lambda body: {**body, "title": "old"}})}
    monkeypatch.setattr(forms, "FORMS", known)
    centre._parts.write(lambda it: it.put(products(1)[0], form=2))
    newer = PlainDevice(new_device(centre), http)
    newer.reads = {"product": 2}
    for device in (kiosk, newer):
        await device.hello()

    def asked(device: PlainDevice) -> Request:
        body = msgspec.json.encode(PullRequest((Cursor("g", 0),)))
        return device.signed(device.request("/v1/pull", body))

    held = centre.begin_pulls([asked(kiosk), asked(newer), asked(kiosk)])

    is_old = [b'"old"' in (it.page or b"") for it in held if isinstance(it, Held)]
    assert is_old == [True, False, True]


async def test_a_session_of_an_older_node_gets_older_bodies_from_a_newer_one(
    centre: Centre, kiosk: PlainDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kiosk.hello()

    monkeypatch.setattr(forms, "FORMS", {"product": Form(2, {2: lambda body: body})})
    centre._parts.write(lambda it: it.put(products(1)[0], form=2))
    centre._parts.sessions._open.clear()  # as in the next process
    (row,) = (await kiosk.pull({"g": 0})).rows

    assert row.form == 1


# Erasing


async def test_an_erased_customer_leaves_every_store_and_it_is_known_who_has_not_heard(
    away: tuple[Centre, PlainDevice], clock: FixedClock, http: httpx.AsyncClient
) -> None:
    centre, device = away
    other = PlainDevice(new_device(centre), device.http, clock=clock)
    await other.hello()
    await device.want(Want(owner=LENA))
    cursors = {}
    for one, scope in ((device, "s:lakeside"), (other, "s:harbour")):
        cursors[scope] = await one.head(scope)
        await one.pull({scope: cursors[scope]})

    n_rows = centre.erase(LENA)
    at_first = centre.erasure(LENA)
    page = await device.pull({"s:lakeside": cursors["s:lakeside"]})
    await device.pull({"s:lakeside": page.checkpoints[0].seq})
    later = centre.erasure(LENA)

    assert n_rows == len(lenas_rows())
    assert {row.key for row in page.rows if row.is_gone} == LENAS_KEYS
    ours, others = device.identity.device_id, other.identity.device_id
    assert at_first is not None
    assert later is not None
    assert (set(at_first.waiting), at_first.passed) == ({ours, others}, ())
    assert (later.waiting, later.passed) == ((others,), (ours,))
    assert centre.erasure("tom") is None


async def test_what_was_recorded_about_an_erased_customer_is_kept_as_settled_without_its_words(
    centre: Centre, kiosk: PlainDevice
) -> None:
    operation = said("I live at Quay 7")
    await kiosk.push(operation)

    centre.erase(LENA)
    (again,) = await kiosk.push(operation)

    assert (again.status, again.rows) == ("applied", ())
    with centre._store.reading() as snapshot:
        assert op_rows.raw_of(snapshot.sql, operation.id) == b""


def op_id(number: int) -> str:
    return f"0190a1b2-0000-7000-8000-{number:012x}"


async def test_what_was_recorded_before_a_device_heard_of_an_erasure_brings_nothing_back(
    centre: Centre, kiosk: PlainDevice
) -> None:
    words = said("I live at Quay 7", op_id=op_id(1))
    shelf = operation(CorrectStock(product="p1", place="harbour", count=4), op_id=op_id(4))
    centre.erase(LENA)

    results = await kiosk.push(words, noted(op_id=op_id(2)), hand_over(op_id=op_id(3)), shelf)
    (again,) = await kiosk.push(words)
    page = await kiosk.pull({"s:harbour": 0})

    assert {(it.status, it.code, it.clash) for it in (*results, again)} == {("applied", "", "")}
    assert centre.rows_of(LENA) == ()
    assert not [row.key for row in page.rows if row.owner == LENA]
    assert centre.row("stock/p1@harbour") is not None, "of the shop, not of hers"
    with centre._store.reading() as snapshot:
        assert snapshot.row("case/" + op_id(3)) is None
        assert {op_rows.raw_of(snapshot.sql, it.op) for it in results} == {b""}
        assert not snapshot.sql.all("SELECT 1 FROM interest WHERE owner = :it", it=LENA)


async def test_what_is_asked_for_a_customer_who_was_erased_is_refused(
    centre: Centre, kiosk: PlainDevice
) -> None:
    spare = "5a" * 16
    centre.put_rows([row_of(Band(spare, "unlinked"), owner="", as_of=1, source="web")])
    centre.erase(LENA)

    (result,) = await kiosk.push(operation(LinkBand(band=spare)))

    assert (result.status, result.code) == ("refused", "unknown_customer")
    band = centre.row(f"band/{spare}")
    assert band is not None
    assert (band.owner, getattr(band.body, "state", "")) == ("", "unlinked")


async def test_who_is_a_customer_again_after_an_erasure_is_one(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.erase(LENA)
    centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])

    await kiosk.push(said("I am back"))

    assert "interaction/0190a1b2-0000-7000-8000-00000000000a" in {
        row.key for row in centre.rows_of(LENA)
    }


async def test_what_waits_for_a_person_loses_its_bytes_with_the_decision_where_they_were_erased(
    centre: Centre, kiosk: PlainDevice
) -> None:
    unknown = msgspec.structs.replace(said("I live at Quay 7"), kind="polish_shoes")
    centre.erase(LENA)
    (held,) = await kiosk.push(unknown)
    with centre._store.reading() as snapshot:
        before = op_rows.raw_of(snapshot.sql, unknown.id)

    centre.settle(DecideRequest(unknown.id, "void", by="ana", reason="she is gone"))

    assert (held.status, b"Quay 7" in before) == ("held", True)
    with centre._store.reading() as snapshot:
        assert op_rows.raw_of(snapshot.sql, unknown.id) == b""
