"""Hello, push, pull and leases with real signatures."""

import asyncio

import httpx
import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central.centre import Centre
from sync.central.leases import LEASE_US
from sync.model.errors import Malformed
from sync.model.records import Case, Customer, Interaction, Pickup, Product
from sync.model.row import body_of, row_of
from sync.model.signatures import Agreement, group_label, lease_label, unseal
from tests.support.centre import PlainDevice, code_of, new_device, until_held
from tests.support.shop import BAND, NOON, hand_over, lenas_rows, noted, said

UID = bytes.fromhex("04a1b2c3d4e5f6")


def op_id(index: int) -> str:
    return f"0190a1b2-0000-7000-8000-{index:012x}"


async def test_a_device_that_says_hello_learns_what_it_may_hold(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    device = PlainDevice(new_device(centre), http)

    answer = await device.hello()

    assert answer.store == "harbour"
    assert set(device.grants) == {"s:harbour", "g"}
    n_rows = len(lenas_rows()) + 1  # and this device itself
    assert (device.grants["s:harbour"].head, device.grants["s:harbour"].count) == (
        n_rows,
        n_rows,
    )


async def test_a_pulled_scope_holds_every_row_of_the_customers_the_store_is_interested_in(
    kiosk: PlainDevice,
) -> None:
    page = await kiosk.pull({"s:harbour": 0, "g": 0})

    peer = f"peer/{kiosk.identity.device_id}"
    assert {row.key for row in page.rows} == {row.key for row in lenas_rows()} | {peer}
    customer = next(row for row in page.rows if row.kind == "customer")
    assert body_of("customer", customer.body) == lenas_rows()[0].body
    assert (customer.version, customer.as_of, customer.source) == (1, NOON, "web")
    assert [(ckpt.scope, ckpt.seq, ckpt.is_head) for ckpt in page.checkpoints] == [
        ("s:harbour", len(lenas_rows()) + 1, True),
        ("g", 0, True),
    ]


async def test_a_customer_no_store_asked_for_is_in_no_scope(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows(
        [row_of(Customer(id="tom", given_name="Tom"), owner="tom", as_of=1, source="web")]
    )

    page = await kiosk.pull({"s:harbour": 0, "g": 0})

    assert "customer/tom" not in {row.key for row in page.rows}


async def test_rows_without_an_owner_reach_every_device(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows([row_of(Product("p1", "Scarf", "wool"), owner="", as_of=1, source="erp")])

    page = await kiosk.pull({"g": 0})

    assert [row.key for row in page.rows] == ["product/p1"]


async def test_a_handed_over_parcel_comes_back_with_the_push_and_with_the_pull(
    kiosk: PlainDevice,
) -> None:
    cursor = await kiosk.head("s:harbour")

    (result,) = await kiosk.push(hand_over())
    page = await kiosk.pull({"s:harbour": cursor})

    assert (result.status, result.code, result.clash) == ("applied", "", "")
    assert {row.key for row in result.rows} >= {"pickup/pk-1077", "order/W-1077"}
    pickup = next(row for row in result.rows if row.kind == "pickup")
    parcel = body_of("pickup", pickup.body)
    assert isinstance(parcel, Pickup)
    assert parcel.state == "handed_over"
    assert pickup.version == 2
    assert [row for row in page.rows if row.key == pickup.key] == [pickup]
    assert page.checkpoints[0].is_head


async def test_an_operation_is_applied_once_however_often_it_is_sent(
    centre: Centre, kiosk: PlainDevice
) -> None:
    operation = said("the scarf is wet")

    first = await kiosk.push(operation)
    second = await kiosk.push(operation)
    await kiosk.hello()
    (third, fourth) = await kiosk.push(operation, operation)

    assert first == second == (third,) == (fourth,)
    page = await kiosk.pull({"s:harbour": 0})
    texts = [
        body.text
        for row in page.rows
        if isinstance(body := body_of(row.kind, row.body), Interaction)
    ]
    assert texts.count("the scarf is wet") == 1
    assert centre.count("op") == 1


async def test_an_operation_whose_answer_was_lost_is_answered_again_with_the_rows_of_now(
    centre: Centre, kiosk: PlainDevice, http: httpx.AsyncClient
) -> None:
    other = PlainDevice(new_device(centre), http)
    await other.hello()
    await kiosk.send(kiosk.signed(kiosk.push_request(hand_over())))  # the answer is lost
    await other.push(hand_over(op_id=op_id(2)))  # the same parcel, a second time

    first, second = await kiosk.push(hand_over(), noted(op_id=op_id(3)))

    assert (first.status, second.status) == ("applied", "applied")
    assert next(row for row in first.rows if row.kind == "pickup").version >= 2
    assert centre.count("op") == 3


async def test_a_parcel_handed_over_twice_is_applied_with_a_case_that_shows_both_sides(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(hand_over())

    (result,) = await kiosk.push(hand_over(op_id=op_id(7), actor="mira"))

    assert result.status == "applied"
    assert result.clash
    case = next(row for row in result.rows if row.kind == "case")
    body = body_of("case", case.body)
    assert isinstance(body, Case)
    assert body.clash == result.clash
    assert centre.row(case.key) is not None


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (
            msgspec.structs.replace(said(), kind="levitate"),
            "unknown_kind",
        ),
        (msgspec.structs.replace(said(), v=99), "unknown_version"),
        (msgspec.structs.replace(said(), args=msgspec.Raw(b'{"no":1}')), "malformed_args"),
        (msgspec.structs.replace(said(), args=msgspec.Raw(b"[[[]]]")), "malformed_args"),
        (msgspec.structs.replace(said(), store="lakeside"), "other_store"),
    ],
)
async def test_an_operation_the_centre_cannot_judge_is_held_and_blocks_no_other(
    centre: Centre, kiosk: PlainDevice, operation: object, code: str
) -> None:
    strange = msgspec.structs.replace(operation, id=op_id(8))  # type: ignore[type-var]

    results = await kiosk.push(strange, hand_over())  # type: ignore[arg-type]

    assert [(result.status, result.code) for result in results] == [
        ("held", code),
        ("applied", ""),
    ]
    assert [record.id for record in centre.held()] == [op_id(8)]


async def test_an_operation_without_a_single_row_to_work_on_blocks_no_other(
    kiosk: PlainDevice,
) -> None:
    lost = noted(op_id=op_id(9))
    lost = msgspec.structs.replace(
        lost, args=msgspec.Raw(b'{"case":"gone","by":"Ben","text":"x"}')
    )

    first, second = await kiosk.push(lost, hand_over())

    assert first.status in ("applied", "held", "refused")
    assert second.status == "applied"


async def test_the_other_kiosks_of_a_store_are_woken_by_a_change(
    centre: Centre, http: httpx.AsyncClient, kiosk: PlainDevice
) -> None:
    other = PlainDevice(new_device(centre), http)
    await other.hello()
    cursor = await other.head("s:harbour")

    waiting = asyncio.create_task(other.pull({"s:harbour": cursor}, wait_ms=25_000))
    await until_held(centre)
    await kiosk.push(hand_over())
    page = await waiting

    assert "pickup/pk-1077" in {row.key for row in page.rows}


async def test_a_poll_that_nothing_wakes_ends_with_an_empty_page_at_the_head(
    kiosk: PlainDevice,
) -> None:
    cursor = await kiosk.head("s:harbour")

    page = await kiosk.pull({"s:harbour": cursor}, wait_ms=1)

    assert page.rows == ()
    assert page.checkpoints[0].is_head


async def test_a_centre_that_goes_down_ends_the_polls_it_holds(
    centre: Centre, kiosk: PlainDevice
) -> None:
    cursor = await kiosk.head("s:harbour")
    waiting = asyncio.create_task(kiosk.pull({"s:harbour": cursor}, wait_ms=25_000))
    await until_held(centre)

    centre.bell.close()

    assert (await waiting).rows == ()


async def test_the_keys_of_bands_are_leased_to_the_store_that_holds_their_owner(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.link_chip(BAND, UID)

    answer = await kiosk.leases()

    keys = centre._band_keys
    assert keys is not None
    group = unseal(answer.group, kiosk.session_key, group_label(answer.group_version))
    assert group == keys.group_key()[0]
    (lease,) = answer.leases
    label = lease_label(uid=lease.uid, version=lease.version, until=lease.until)
    assert unseal(lease.sealed, kiosk.session_key, label) == keys.band_key(UID)[0]
    assert lease.uid == keys.uid_hash(UID)
    assert UID.hex() not in msgspec.json.encode(answer).decode()


async def test_no_key_is_leased_to_a_store_that_does_not_hold_the_owner(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    centre.link_chip(BAND, UID)
    device = PlainDevice(new_device(centre, store="lakeside"), http)
    await device.hello()

    answer = await device.leases()

    assert answer.leases == ()


async def test_the_key_of_a_blocked_band_is_leased_no_more(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.link_chip(BAND, UID)
    band = centre.row(f"band/{BAND}")
    assert band is not None
    blocked = msgspec.structs.replace(band.body, state="blocked")
    centre.put_rows([msgspec.structs.replace(band, body=blocked)])

    answer = await kiosk.leases()

    assert answer.leases == ()


async def test_a_device_with_a_wrong_clock_is_told_the_time_and_heals(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    slow = FixedClock(moment_of(NOON))
    device = PlainDevice(new_device(centre), http, clock=slow)
    agreement = Agreement.begin(device=device.identity.device_id, entropy=device.entropy)
    body = device.hello_body(agreement)
    refused = await device.send(device.signed_as_device(device.request("/v1/hello", body)))
    skew_ms = (int(refused.header("x-server-time")) - NOON) // 1_000
    healed = await device.send(
        device.signed_as_device(device.request("/v1/hello", body), skew_ms=skew_ms)
    )

    assert code_of(refused) == "wrong_clock"
    assert healed.status == 200


def test_a_lease_outlives_a_long_weekend() -> None:
    assert LEASE_US >= 72 * 3_600 * 1_000_000


async def test_a_small_answer_is_sent_as_it_is_and_a_large_one_compressed(
    centre: Centre, http: httpx.AsyncClient, kiosk: PlainDevice
) -> None:
    centre.put_rows(
        [
            row_of(Product(f"p{index}", "Scarf", "wool"), owner="", as_of=1, source="erp")
            for index in range(200)
        ]
    )
    body = b'{"scopes":[{"id":"g","seq":0}]}'
    small = b'{"scopes":[{"id":"g","seq":200}]}'

    zstd = [("accept-encoding", "zstd")]
    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", body, *zstd)))
    plain = await kiosk.send(
        kiosk.signed(kiosk.request("/v1/pull", body, ("accept-encoding", "identity")))
    )
    few = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", small, *zstd)))

    assert got.header("content-encoding") == "zstd"
    assert got.body.count(b"\n") == plain.body.count(b"\n") == 202
    assert plain.header("content-encoding") == few.header("content-encoding") == ""


@pytest.mark.parametrize("uid", [b"", b"123", b"12345678", b"1" * 11])
def test_a_chip_whose_uid_is_none_is_not_linked(centre: Centre, uid: bytes) -> None:
    with pytest.raises(Malformed):
        centre.link_chip(BAND, uid)

    assert centre.count("band_chip") == 0
