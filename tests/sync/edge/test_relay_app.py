"""Who may speak to the relay, who it is believed to be, and what it does with anything else."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from hardware.identity import DeviceIdentity
from kiosk.demo.in_process import InProcessTransport
from sync.edge.part_cache import PartCache
from sync.edge.relay import Item, Mailbox
from sync.edge.relay_app import SESSIONS_MAX, RelayApp
from sync.edge.relay_client import RelayClient
from sync.edge.relay_wire import BODY_SIZE_MAX, RelayLost, RelayNotTrusted, SessionOver
from sync.model.ports import Request, Response, Transport
from sync.model.records import Peer
from sync.model.wire import PROBLEMS, Problem
from tests.support.edge import START
from tests.support.shop_floor import identity_of

URL = "http://relay.test"
CANARY = "Zephyrine Quillfeather"


class Wire:
    """The shop's network: keeps what passes, and can bend it."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.passed: list[Request | Response] = []
        self.bend: Callable[[Request], Request] = lambda request: request

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        request = self.bend(request)
        answer = await self.inner.send(request, deadline_ms=deadline_ms, size_max=size_max)
        self.passed += [request, answer]
        return answer

    async def close(self) -> None:
        await self.inner.close()


@dataclass
class Shop:
    """A relay and the devices that know each other."""

    parts: PartCache
    host: DeviceIdentity = field(default_factory=identity_of)
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    peers: dict[str, Peer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.know(self.host)
        self.app = RelayApp(
            Mailbox("life"), identity=self.host, peer_of=self.peers.get,
            parts=self.parts, clock=self.clock, entropy=SeededEntropy("relay"),
        )  # fmt: skip
        self.wire = Wire(InProcessTransport(self.app))

    def know(self, device: DeviceIdentity) -> DeviceIdentity:
        self.peers[device.device_id] = Peer(
            device.device_id, device.public_key, "harbour", "kiosk", "active"
        )
        return device

    def client(
        self,
        device: DeviceIdentity | None = None,
        *,
        believes: Iterable[DeviceIdentity] | None = None,
        clock: FixedClock | None = None,
    ) -> RelayClient:
        known = self.peers if believes is None else {
            one.device_id: self.peers[one.device_id] for one in believes
        }  # fmt: skip
        return RelayClient(
            self.wire, identity=device or self.know(identity_of()), peer_of=known.get, url=URL,
            clock=clock or self.clock, entropy=SeededEntropy("client"),
        )  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(PartCache(tmp_path, disk=SystemDisk()))


def item(op: str = "op-1") -> Item:
    return Item(op, "recorded", CANARY.encode(), ("customer/lena",))


async def test_a_device_of_the_store_is_heard_and_hears(shop: Shop) -> None:
    one, two = shop.client(), shop.client()
    await one.hello(lineage="l1")
    await two.hello(lineage="l2")

    await one.tell([item()])
    changes = await two.listen(since=0, wait_ms=0)

    assert [(entry.op, entry.raw) for entry in changes.entries] == [("op-1", CANARY.encode())]


async def test_nothing_anybody_did_can_be_read_on_the_shops_network(shop: Shop) -> None:
    one = shop.client()
    await one.hello(lineage="l1")

    await one.tell([item()])
    await one.listen(since=0, wait_ms=0)

    passed = b"".join(each.body + repr(each.headers).encode() for each in shop.wire.passed)
    for secret in (CANARY, "customer/lena", "op-1"):
        assert secret.encode() not in passed
        assert msgspec.json.encode(secret.encode()).strip(b'"') not in passed, "nor in base64"


async def test_a_stranger_is_not_answered(shop: Shop) -> None:
    stranger = shop.client(identity_of())

    with pytest.raises(RelayNotTrusted):
        await stranger.hello(lineage="l1")


async def test_a_device_whose_trust_was_taken_back_loses_its_session(shop: Shop) -> None:
    lost = shop.know(identity_of())
    client = shop.client(lost)
    await client.hello(lineage="l1")

    del shop.peers[lost.device_id]

    with pytest.raises(RelayNotTrusted):
        await client.listen(since=0, wait_ms=0)


async def test_a_relay_on_a_device_of_no_store_is_not_believed(shop: Shop) -> None:
    device = shop.know(identity_of())
    client = shop.client(device, believes=[device])

    with pytest.raises(RelayNotTrusted):
        await client.hello(lineage="l1")


async def test_a_relay_that_says_it_is_another_device_is_not_believed(shop: Shop) -> None:
    device, other = shop.know(identity_of()), shop.know(identity_of())
    client = shop.client(device)
    shop.app._identity = replace(shop.host, device_id=other.device_id)

    with pytest.raises(RelayNotTrusted):
        await client.hello(lineage="l1")


async def test_a_device_with_a_wrong_clock_is_heard_all_the_same(shop: Shop) -> None:
    late = FixedClock(START + timedelta(hours=7))
    client = shop.client(clock=late)

    assert await client.hello(lineage="l1") == "life"


async def test_a_question_that_comes_again_is_refused(shop: Shop) -> None:
    client = shop.client()
    await client.hello(lineage="l1")
    await client.tell([item()])
    again = shop.wire.passed[-2]
    assert isinstance(again, Request)

    answer = await shop.wire.inner.send(again, deadline_ms=1_000, size_max=100_000)

    assert code_of(answer) == "replayed"


async def test_a_hello_that_comes_again_is_refused(shop: Shop) -> None:
    client = shop.client()
    await client.hello(lineage="l1")
    again = shop.wire.passed[0]
    assert isinstance(again, Request)

    answer = await shop.wire.inner.send(again, deadline_ms=1_000, size_max=100_000)

    assert code_of(answer) == "replayed"


@pytest.mark.parametrize("change", ["body", "path", "number"])
async def test_a_question_that_was_bent_on_the_way_is_refused(shop: Shop, change: str) -> None:
    client = shop.client()
    await client.hello(lineage="l1")

    def bent(request: Request) -> Request:
        match change:
            case "body":
                return replace(request, body=request.body[:-1] + b"\0")
            case "path":
                return replace(request, url=request.url.replace("tell", "offer"))
            case _:
                headers = dict(request.headers) | {"x-seq": "77"}
                return replace(request, headers=tuple(headers.items()))

    shop.wire.bend = bent

    with pytest.raises(RelayNotTrusted):
        await client.tell([item()])
    assert shop.app.mailbox.head == 0


async def test_an_answer_to_another_question_is_not_believed(shop: Shop) -> None:
    client = shop.client()
    await client.hello(lineage="l1")
    await client.listen(since=0, wait_ms=0)
    old = shop.wire.passed[-1]
    assert isinstance(old, Response)
    said: Response = old

    class Parrot:
        async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
            headers = dict(said.headers) | {"x-req": request.header("x-req")}
            return replace(said, headers=tuple(headers.items()))

        async def close(self) -> None: ...

    client._transport = Parrot()

    with pytest.raises(RelayLost):
        await client.listen(since=0, wait_ms=0)


async def test_a_relay_that_was_started_anew_asks_for_another_hello(shop: Shop) -> None:
    client = shop.client()
    await client.hello(lineage="l1")
    shop.app._sessions.clear()

    with pytest.raises(SessionOver):
        await client.listen(since=0, wait_ms=0)


async def test_sessions_are_bounded_and_the_oldest_says_hello_again(shop: Shop) -> None:
    first = shop.client()
    await first.hello(lineage="l1")

    for _ in range(SESSIONS_MAX):
        await shop.client().hello(lineage="l1")

    assert len(shop.app._sessions) == SESSIONS_MAX
    with pytest.raises(SessionOver):
        await first.listen(since=0, wait_ms=0)


async def test_who_listens_is_woken_by_what_another_tells(shop: Shop) -> None:
    one, two = shop.client(), shop.client()
    await one.hello(lineage="l1")
    await two.hello(lineage="l2")
    shop.app._clock = Never(START)

    listening = asyncio.ensure_future(two.listen(since=0, wait_ms=10_000))
    await one.tell([item()])

    changes = await asyncio.wait_for(listening, 20)
    assert [entry.op for entry in changes.entries] == ["op-1"]


class Never(FixedClock):
    """A clock on which nothing is ever due."""

    async def pause_ms(self, duration_ms: int) -> None:
        await asyncio.Event().wait()


async def test_a_part_of_a_snapshot_is_handed_out_by_its_hash_alone(shop: Shop) -> None:
    part = b"ciphertext" * 1_000
    name = hashlib.sha256(part).hexdigest()
    one, two = shop.client(), shop.client()
    await one.hello(lineage="l1")
    await two.hello(lineage="l2")

    await one.keep(part)

    assert await two.part(name) == part
    assert await two.part("1" * 64) is None


async def test_a_part_is_no_small_body(shop: Shop) -> None:
    client = shop.client()
    await client.hello(lineage="l1")
    part = bytes(2 * BODY_SIZE_MAX)

    await client.keep(part)

    assert await client.part(hashlib.sha256(part).hexdigest()) == part


def code_of(answer: Response) -> str:
    problem = msgspec.json.decode(answer.body, type=Problem)
    assert (answer.status, problem.title) == PROBLEMS[problem.code]
    return problem.code


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another address": ({"url": "/r1/else"}, "not_found"),
    "a way out of the folder": ({"url": "/r1/snap/../../device.key"}, "not_found"),
    "another method": ({"method": "GET"}, "wrong_method"),
    "another protocol": ({"headers": {"x-proto": "2"}}, "incompatible"),
    "no protocol": ({"headers": {}}, "incompatible"),
    "too large": ({"content": b"x" * (BODY_SIZE_MAX + 1)}, "too_large"),
    "packed": ({"headers": {"x-proto": "1", "content-encoding": "zstd"}}, "wrong_type"),
    "no session": ({}, "session_over"),
    "another session": ({"headers": {"x-proto": "1", "x-session": "x"}}, "session_over"),
    "no signature": ({"url": "/r1/hello", "content": b"{}"}, "not_trusted"),
    "no JSON": ({"url": "/r1/hello", "content": b"\xff[NaN"}, "not_trusted"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_anything_else_gets_the_same_kind_of_answer(shop: Shop, bad: str) -> None:
    values, code = BAD[bad]
    asked = {"method": "POST", "url": "/r1/tell", "headers": {"x-proto": "1"}, **values}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=shop.app), base_url=URL
    ) as http:
        got = await http.request(**asked)

    assert code_of(Response(got.status_code, (), got.content)) == code
    assert got.headers["content-type"] == "application/problem+json"
    assert got.headers["cache-control"] == "no-store"


async def test_a_sealed_body_that_does_not_parse_is_malformed(shop: Shop) -> None:
    client = shop.client()
    await client.hello(lineage="l1")
    _, request = client._sealed("/r1/tell", b'{"items":[{"op":""}]}')

    answer = await shop.wire.inner.send(request, deadline_ms=1_000, size_max=100_000)

    assert code_of(answer) == "malformed"
