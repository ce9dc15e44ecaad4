"""Two devices of one store and its relay, over real HTTP: what happens at one is seen at the other, with no centre at all."""

import asyncio
import hashlib
import random
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from sync.edge.feed import Feed
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.peers import Peers
from sync.edge.recorder import Kept
from sync.edge.relay import Item, Mailbox
from sync.edge.relay_app import RelayServer
from sync.edge.relay_wire import HELLO
from sync.edge.store import EdgeStore
from sync.model.errors import StoreFull
from sync.model.operation import Refusal
from sync.model.operations.block_band import BlockBand
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.note_case import NoteCase
from sync.model.operations.redeem import Redeem
from sync.model.ports import Request, Response
from sync.model.records import Band, Entitlement, Peer, Pickup
from sync.model.row import Row
from sync.model.wire import Checkpoint, Cursor, OpResult, Page
from sync.simulate import floor as virtual
from sync.simulate.timeline import VirtualClock, VirtualLoop
from tests.support import shop
from tests.support.edge import SCOPE, START, filled, wire_row
from tests.support.shop_floor import BadLine, Till, identity_of, peer_row, server_of, till

VOUCHER = "entitlement/v1"
N_VOUCHERS = 8


@dataclass
class Floor:
    """Two tills and what they were made of; `line` is the second one's."""

    folder: Path
    rows: tuple[Row, ...]
    server: RelayServer
    one: Till
    two: Till
    line: BadLine
    stack: ExitStack

    @property
    def box(self) -> Mailbox:
        return self.server._app.mailbox

    def relay_again(self, life: str) -> None:
        """The same relay after it lost its power."""
        port = int(self.server.url.rpartition(":")[2])
        known = {row.body.id: row.body for row in self.rows if isinstance(row.body, Peer)}
        self.server = server_of(self.one.identity, known.get, life=life, port=port)
        self.server.start()
        self.stack.callback(self.server.stop)

    def again(self, which: Till, name: str) -> Till:
        """A till after its program was started anew."""
        which.close()
        made = till(self.folder / name, which.identity, self.rows, relay=self.server.url)
        self.stack.callback(made.close)
        return made


def is_up(one: Till) -> bool:
    return one.peers.status().code == "ok"


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    devices = identity_of(), identity_of()
    vouchers = (
        shop.row(Entitlement(f"v{n}", "A coffee", "voucher", n_left=1, home_store="harbour"))
        for n in range(1, N_VOUCHERS + 1)
    )
    rows = (*shop.lenas_rows(), *vouchers, *map(peer_row, devices))
    known = {row.body.id: row.body for row in rows if isinstance(row.body, Peer)}
    with ExitStack() as stack:
        server = server_of(devices[0], known.get, folder=tmp_path / "relay")
        server.start()
        stack.callback(server.stop)
        lines = BadLine(), BadLine()
        tills = [
            till(tmp_path / name, device, rows, relay=server.url, transport=line)
            for name, device, line in zip(("one", "two"), devices, lines, strict=True)
        ]
        for each in tills:
            stack.callback(each.close)
            each.until(lambda each=each: is_up(each))  # type: ignore[misc]  # bound now
        yield Floor(tmp_path, rows, server, tills[0], tills[1], lines[1], stack)


def test_a_parcel_handed_over_at_one_till_is_gone_at_the_other(floor: Floor) -> None:
    floor.one.record("hand_over_pickup", HandOverPickup(pickup="pk-1077", to="Lena"))

    floor.two.until(lambda: floor.two.body("pickup/pk-1077").state == "handed_over")

    pickup = floor.two.body("pickup/pk-1077")
    assert isinstance(pickup, Pickup)
    assert pickup.handed_over_to == "Lena"
    ((row, _),) = Lookup(floor.two.store).profile("lena").of(Pickup)
    assert (row.source, row.is_unsettled) == ("peer", True)


def test_a_band_blocked_at_one_till_opens_nothing_at_the_other(floor: Floor) -> None:
    floor.one.record("block_band", BlockBand(band=shop.BAND, why="lost"))

    def state() -> str:
        sighting = Lookup(floor.two.store).by_band(shop.BAND)
        assert sighting is not None
        assert isinstance(sighting.band.body, Band)
        return sighting.band.body.state

    floor.two.until(lambda: state() == "blocked")


def test_a_voucher_redeemed_at_one_till_is_refused_at_the_other(floor: Floor) -> None:
    first = floor.one.record("redeem", Redeem(of=VOUCHER))

    second = floor.two.record("redeem", Redeem(of=VOUCHER))

    assert isinstance(first, Kept)
    assert not first.waits
    assert second == Refusal("not_enough")
    assert floor.two.body(VOUCHER).n_left == 0


def test_of_two_who_press_at_the_same_time_one_gets_it(floor: Floor) -> None:
    for number in range(1, N_VOUCHERS + 1):
        start = threading.Barrier(2)
        kept: list[Kept | Refusal] = []

        def press(
            each: Till, of: str, start: threading.Barrier, kept: list[Kept | Refusal]
        ) -> None:
            start.wait()
            kept.append(each.record("redeem", Redeem(of=of)))

        pressing = [
            threading.Thread(target=press, args=(each, f"entitlement/v{number}", start, kept))
            for each in (floor.one, floor.two)
        ]
        for thread in pressing:
            thread.start()
        for thread in pressing:
            thread.join()

        given = [one for one in kept if isinstance(one, Kept) and not one.waits]
        assert len(given) == 1
        assert Refusal("not_enough") in kept
        assert {is_up(floor.one), is_up(floor.two)} == {True}, "each had its place"


def test_without_the_relay_a_till_carries_on_alone_and_says_so(floor: Floor) -> None:
    floor.server.stop()

    kept = floor.two.record("redeem", Redeem(of=VOUCHER))

    assert isinstance(kept, Kept)
    assert not kept.waits
    floor.two.until(lambda: floor.two.peers.status().code == "relay_lost")


def test_what_was_done_alone_is_told_when_the_relay_is_back(floor: Floor) -> None:
    floor.server.stop()
    floor.two.until(lambda: not is_up(floor.two))
    floor.two.record("block_band", BlockBand(band=shop.BAND))

    floor.relay_again("life-2")

    floor.one.until(lambda: floor.one.body(f"band/{shop.BAND}").state == "blocked")


def test_what_others_did_is_still_known_when_the_relay_is_gone_and_the_till_starts_anew(
    floor: Floor,
) -> None:
    floor.one.record("block_band", BlockBand(band=shop.BAND))
    floor.two.until(lambda: floor.two.body(f"band/{shop.BAND}").state == "blocked")

    floor.server.stop()
    two = floor.again(floor.two, "two")

    assert two.body(f"band/{shop.BAND}").state == "blocked"


def test_a_place_that_was_taken_and_never_used_is_given_back_when_the_till_is_back(
    floor: Floor,
) -> None:
    # given: the till lost its power between its place and its disk
    op = shop.operation(Redeem(of=VOUCHER, alone="home"), device=floor.one.identity.device_id)
    box = floor.box
    box.offer(
        floor.one.identity.device_id,
        [Item(op.id, "offered", msgspec.json.encode(op), (VOUCHER,))],
        seen=box.head, now_ms=0,
    )  # fmt: skip

    one = floor.again(floor.one, "one")
    one.until(lambda: is_up(one))

    assert box.since(0, limit=10).entries[-1].state == "withdrawn"
    second = floor.two.record("redeem", Redeem(of=VOUCHER))
    assert isinstance(second, Kept)
    assert not second.waits


def test_a_full_disk_gives_the_place_back(floor: Floor) -> None:
    op = shop.operation(Redeem(of=VOUCHER, alone="home"))

    with (
        pytest.raises(StoreFull),
        floor.one.peers.ordered(lambda: Kept((op,))),
    ):
        raise StoreFull("no room")

    floor.two.until(lambda: floor.box.since(0, limit=9).entries[-1].state == "withdrawn")
    floor.two.until(lambda: not floor.two.peers.ops.theirs())
    second = floor.two.record("redeem", Redeem(of=VOUCHER))
    assert isinstance(second, Kept)
    assert not second.waits


def test_what_a_full_mailbox_did_not_take_is_told_again_when_there_is_room(
    floor: Floor,
) -> None:
    floor.box._n_max = 1
    floor.one.record("hand_over_pickup", HandOverPickup(pickup="pk-1077", to="Lena"))
    floor.two.until(lambda: floor.two.body("pickup/pk-1077").state == "handed_over")

    floor.one.record("block_band", BlockBand(band=shop.BAND, why="lost"))
    floor.one.until(lambda: floor.one.peers.status().code == "relay_full")
    floor.box._n_max = 100
    floor.one.peers.wake()

    floor.two.until(lambda: floor.two.body(f"band/{shop.BAND}").state == "blocked")
    floor.one.until(lambda: is_up(floor.one))


def test_a_till_without_news_tells_a_full_mailbox_again_by_itself(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.edge.peers.HEARD_WAIT_MS", 50)
    floor.box._n_max = 0
    assert isinstance(
        floor.one.record("block_band", BlockBand(band=shop.BAND, why="lost")), Kept
    )
    floor.one.until(lambda: floor.one.peers.status().code == "relay_full")

    floor.box._n_max = 100

    floor.one.until(lambda: is_up(floor.one))


def test_what_a_full_mailbox_did_not_know_any_more_is_told_again_when_there_is_room(
    floor: Floor,
) -> None:
    # given: told, and settled when the mailbox has it no more and has no room either
    kept = floor.one.record("block_band", BlockBand(band=shop.BAND, why="lost"))
    assert isinstance(kept, Kept)
    floor.two.until(lambda: floor.two.body(f"band/{shop.BAND}").state == "blocked")
    band = shop.row(Band(id=shop.BAND, state="blocked"), version=2)
    result = OpResult(kept.ops[0].id, "applied", "", "", (wire_row(band, 101),))
    floor.box._drop(kept.ops[0].id)
    floor.box._n_max = 0

    Feed(floor.one.store).keep_answers((result,))
    Outbox(floor.one.store).settle((result,))
    floor.one.peers.wake()
    floor.one.until(lambda: floor.one.peers.status().code == "relay_full")
    floor.box._n_max = 100
    floor.one.peers.wake()

    floor.one.until(lambda: is_up(floor.one))
    assert floor.box.since(0, limit=9).entries[-1].state == "settled"


def test_a_parcel_that_reached_the_feed_is_no_longer_folded(floor: Floor) -> None:
    kept = floor.one.record("hand_over_pickup", HandOverPickup(pickup="pk-1077", to="Lena"))
    assert isinstance(kept, Kept)
    floor.two.until(lambda: bool(floor.two.peers.ops.theirs()))

    # when: the centre applied it at seq 101 and answered the first till; the second one's feed is behind
    pickup = replace(floor.two.body("pickup/pk-1077"), handed_over_by="the centre")
    row = shop.row(pickup, version=2)
    result = OpResult(kept.ops[0].id, "applied", "", "", (wire_row(row, 101),))
    Feed(floor.one.store).keep_answers((result,))
    Outbox(floor.one.store).settle((result,))
    floor.one.peers.wake()
    floor.two.until(lambda: floor.box.since(0, limit=9).entries[-1].state == "settled")
    assert floor.two.peers.ops.theirs(), "not before the feed brought it"

    Feed(floor.two.store).apply_page(
        Page((wire_row(row, 101),), (Checkpoint(SCOPE, 101, is_head=True),)),
        asked=(Cursor(SCOPE, len(floor.rows)),),
    )

    # What the box says may come to the second till after its feed did.
    floor.two.peers.wake()
    floor.two.until(lambda: not floor.two.peers.ops.theirs())
    assert floor.two.body("pickup/pk-1077").handed_over_by == "the centre"


@pytest.mark.parametrize(
    ("is_told_between", "is_same"), [(True, False), (False, False), (False, True)]
)
def test_a_place_in_a_history_the_centre_lost_is_told_anew(
    floor: Floor, *, is_told_between: bool, is_same: bool
) -> None:
    kept = floor.one.record("hand_over_pickup", HandOverPickup(pickup="pk-1077", to="Lena"))
    assert isinstance(kept, Kept)
    pickup = replace(floor.one.body("pickup/pk-1077"), handed_over_by="the centre")
    row, head = shop.row(pickup, version=2), len(floor.rows)
    place = 900 if is_same else head + 1

    def settle(seq: int) -> None:
        result = OpResult(kept.ops[0].id, "applied", "", "", (wire_row(row, seq),))
        Feed(floor.one.store).keep_answers((result,))
        Outbox(floor.one.store).settle((result,))
        floor.one.peers.wake()

    def told() -> tuple[str, dict[str, int]]:
        entries = floor.box.since(0, limit=9).entries
        found = (one for one in entries if one.op == kept.ops[0].id)
        return next(((one.state, one.at) for one in found), ("", {}))

    floor.two.until(lambda: told()[0] == "recorded" and bool(floor.two.peers.ops.theirs()))
    settle(900)
    floor.two.until(lambda: told() == ("settled", {SCOPE: 900}))
    floor.two.record("redeem", Redeem(of=VOUCHER))
    floor.one.until(lambda: floor.one.body(VOUCHER).n_left == 0)  # and heard of its own before

    # when: the centre was set back, its histories part, and it applies once more what it lost
    Outbox(floor.one.store).offer_again()
    Feed(floor.one.store).part_ways(SCOPE, head)
    if is_told_between:
        floor.one.peers.wake()
        floor.two.until(lambda: told()[0] == "recorded")
    Feed(floor.one.store).apply_page(
        Page((), (Checkpoint(SCOPE, head, is_head=True),)), asked=(Cursor(SCOPE, head),)
    )
    settle(place)

    floor.two.until(lambda: told() == ("settled", {SCOPE: place}))
    floor.one.record("redeem", Redeem(of="entitlement/v2"))
    floor.two.until(lambda: floor.two.body("entitlement/v2").n_left == 0)
    assert floor.one.peers.ops.lost() == set(), "it is told once"
    Feed(floor.two.store).apply_page(
        Page((wire_row(row, place),), (Checkpoint(SCOPE, place, is_head=True),)),
        asked=(Cursor(SCOPE, head),),
    )
    floor.two.peers.wake()
    floor.two.until(lambda: [op.kind for op in floor.two.peers.ops.theirs()] == ["redeem"])


def test_what_the_centre_refused_is_taken_back(floor: Floor) -> None:
    kept = floor.one.record("redeem", Redeem(of=VOUCHER))
    assert isinstance(kept, Kept)
    floor.two.until(lambda: floor.two.body(VOUCHER).n_left == 0)

    Outbox(floor.one.store).settle((OpResult(kept.ops[0].id, "refused", "over", "", ()),))
    floor.one.peers.wake()

    floor.two.until(lambda: floor.two.body(VOUCHER).n_left == 1)


def test_what_a_till_without_a_centre_missed_is_told_again_by_a_new_mailbox(
    floor: Floor,
) -> None:
    # given: applied at the centre, and the relay lost its memory before the second till's feed had it
    kept = floor.one.record("block_band", BlockBand(band=shop.BAND))
    assert isinstance(kept, Kept)
    band = shop.row(Band(id=shop.BAND, state="blocked"), version=2)
    result = OpResult(kept.ops[0].id, "applied", "", "", (wire_row(band, 101),))
    Feed(floor.one.store).keep_answers((result,))
    Outbox(floor.one.store).settle((result,))
    floor.server.stop()
    floor.two.close()

    floor.relay_again("life-2")
    floor.one.until(lambda: floor.box.head > 0)
    two = floor.again(floor.two, "two")

    two.until(lambda: two.body(f"band/{shop.BAND}").state == "blocked")


def test_a_place_whose_answer_was_lost_is_used_all_the_same(floor: Floor) -> None:
    floor.line.loses.add("offer")

    kept = floor.two.record("redeem", Redeem(of=VOUCHER))

    assert isinstance(kept, Kept)
    assert not kept.waits, "alone it is its right"
    floor.line.loses.clear()
    floor.two.until(lambda: is_up(floor.two))
    (entry,) = floor.box.since(0, limit=9).entries
    assert (entry.op, entry.state) == (kept.ops[0].id, "recorded")
    assert floor.one.record("redeem", Redeem(of=VOUCHER)) == Refusal("not_enough")


def test_a_place_whose_answer_was_lost_and_that_was_not_used_is_given_back(
    floor: Floor,
) -> None:
    op = shop.operation(Redeem(of=VOUCHER, alone="home"))
    floor.line.loses.add("offer")

    def record() -> None:
        with floor.two.peers.ordered(lambda: Kept((op,))):
            floor.line.loses.clear()
            raise StoreFull("no room")

    with pytest.raises(StoreFull):
        record()

    floor.one.until(lambda: floor.box.since(0, limit=9).entries[-1].state == "withdrawn")


def test_a_relay_that_does_not_answer_in_time_makes_one_customer_wait_and_not_the_next(
    floor: Floor,
) -> None:
    floor.line.loses |= {"offer", "hello"}

    kept = [floor.two.record("redeem", Redeem(of=f"entitlement/v{n}")) for n in (1, 2, 3)]

    given = [one.ops[0].id for one in kept if isinstance(one, Kept) and not one.waits]
    assert len(given) == 3, "alone it is its right"
    assert [one.op for one in floor.box.since(0, limit=9).entries] == given[:1]
    assert floor.two.peers.status().code == "relay_lost"


async def test_a_part_one_till_fetched_from_the_centre_is_at_hand_for_the_other(
    floor: Floor,
) -> None:
    part = b"ciphertext" * 10_000
    name = hashlib.sha256(part).hexdigest()
    assert await floor.two.peers.part(name) is None

    floor.one.peers.keep(part)

    for _ in range(10_000):
        if (found := await floor.two.peers.part(name)) is not None:
            break
        await asyncio.sleep(0.001)
    assert found == part


async def test_without_the_relay_nobody_has_a_part(floor: Floor) -> None:
    floor.two.peers.stop()
    floor.one.close()

    floor.two.peers.keep(b"part")

    assert await floor.two.peers.part("0" * 64) is None
    assert await floor.one.peers.part("0" * 64) is None


# Whatever happens


class Counted:
    """The network of a floor; when each session was begun, in virtual milliseconds."""

    def __init__(self, floor: virtual.Floor, loop: VirtualLoop) -> None:
        self._floor, self._loop = floor, loop
        self.begun: list[int] = []
        self.n_refused = 0

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        if request.url.endswith(HELLO):
            self.begun.append(self._loop.now_us // 1_000)
        response = await self._floor.answer(request)
        self.n_refused += response.status == 401
        return response

    async def close(self) -> None:
        """Nothing is held."""


class Copies:
    """One relay, and machines with the keys of one device."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.loop = VirtualLoop()
        stack.callback(self.loop.close)
        self.clock = VirtualClock(self.loop, START)
        self._device, self._host = identity_of(), identity_of()
        self.floor = virtual.Floor("host")
        self._at_host = self._opened("host")
        self.floor.relay = virtual.relay_of(
            self._at_host, self._host, clock=self.clock, entropy=SeededEntropy("relay")
        )
        self.network = Counted(self.floor, self.loop)

    def _opened(self, name: str) -> EdgeStore:
        entropy = SeededEntropy(name)
        made = EdgeStore.open(
            self._folder / name, b"k" * 32, disk=SystemDisk(), clock=self.clock, entropy=entropy
        )
        self._stack.callback(made.close)
        filled(made, map(peer_row, (self._device, self._host)))
        return made

    def distrust(self) -> None:
        """The relay's machine hears that this device is out."""
        with self._at_host.cache.write() as file:
            file.execute("DELETE FROM row WHERE key = ?", (f"peer/{self._device.device_id}",))

    def among(self, name: str) -> Peers:
        return virtual.peers_of(
            self._opened(name), self._device, network=self.network, loop=self.loop,
            clock=self.clock, entropy=SeededEntropy(name),
        )  # fmt: skip


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Copies]:
    with ExitStack() as stack:
        yield Copies(tmp_path, stack)


async def ended(running: Iterable["asyncio.Future[None]"]) -> None:
    running = tuple(running)
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def test_copies_of_a_device_take_each_others_session_ever_more_seldom_and_one_alone_comes_back(
    copies: Copies,
) -> None:
    async def hours() -> str:
        running = [asyncio.ensure_future(copies.among(it).run()) for it in ("one", "two")]
        await copies.clock.pause_ms(3_600_000)
        last = copies.among("three")
        await ended(running)
        alone = asyncio.ensure_future(last.run())
        await copies.clock.pause_ms(5_000)
        await ended([alone])
        return last.status().code

    code = copies.loop.run_until_complete(hours())

    last_hour = [at for at in copies.network.begun if at < 3_600_000]
    assert 20 < len(last_hour) < 200, "both are here now and then, neither all the time"
    first_minute = [at for at in last_hour if at < 60_000]
    assert len(first_minute) < 20
    assert code == "ok"


def test_a_device_whose_copy_is_gone_is_back_at_once_after_the_relay_was_away_for_a_moment(
    copies: Copies,
) -> None:
    one, two = copies.among("one"), copies.among("two")
    relay = copies.floor.relay

    async def day() -> list[str]:
        running, copy = asyncio.ensure_future(one.run()), asyncio.ensure_future(two.run())
        await copies.clock.pause_ms(180_000)
        await ended([copy])
        await copies.clock.pause_ms(3_600_000)
        seen = [one.status().code]
        copies.floor.relay = None
        await copies.clock.pause_ms(15_000)
        seen.append(one.status().code)
        copies.floor.relay = relay
        await copies.clock.pause_ms(3_000)
        seen.append(one.status().code)
        await ended([running])
        return seen

    seen = copies.loop.run_until_complete(day())

    assert seen == ["ok", "relay_lost", "ok"]


def test_a_till_says_at_once_that_the_relay_trusts_it_no_more(copies: Copies) -> None:
    one = copies.among("one")

    async def refused() -> tuple[str, str]:
        running = asyncio.ensure_future(one.run())
        await copies.clock.pause_ms(5_000)
        before = one.status().code
        copies.distrust()
        for _ in range(200):
            if copies.network.n_refused:
                break
            await copies.clock.pause_ms(100)
        code = one.status().code
        await ended([running])
        return before, code

    seen = copies.loop.run_until_complete(refused())

    assert seen == ("ok", "relay_not_trusted")


def test_a_relay_that_ended_a_session_is_greeted_at_once_and_the_second_time_said_to_be_lost(
    copies: Copies,
) -> None:
    one = copies.among("one")

    async def ended_by_the_relay() -> tuple[int, str]:
        """Hellos and status a moment after the till heard that its session is over."""
        assert copies.floor.relay is not None
        copies.floor.relay._sessions.clear()
        n_before, copies.network.n_refused = len(copies.network.begun), 0
        for _ in range(200):
            if copies.network.n_refused:
                break
            await copies.clock.pause_ms(100)
        return len(copies.network.begun) - n_before, one.status().code

    async def twice() -> list[tuple[int, str]]:
        running = asyncio.ensure_future(one.run())
        await copies.clock.pause_ms(5_000)
        seen = [await ended_by_the_relay(), await ended_by_the_relay()]
        await copies.clock.pause_ms(5_000)
        seen.append((0, one.status().code))
        await ended([running])
        return seen

    seen = copies.loop.run_until_complete(twice())

    assert seen == [(1, "ok"), (0, "relay_lost"), (0, "ok")]


class Day:
    """A day of two tills by a seed: work, answers of the centre, lost answers, tills and relay that lose their power."""

    def __init__(self, floor: Floor, seed: int) -> None:
        self.floor = floor
        self.tills = {"one": floor.one, "two": floor.two}
        self.chance = random.Random(seed)
        self.n_lives = 1
        self.is_up = True

    def step(self) -> None:
        name = self.chance.choice(sorted(self.tills))
        match self.chance.choice("aaaaaabbbcdefg"):
            case "a":
                self.work(self.tills[name])
            case "b":
                self.answer(self.tills[name])
            case "c" if self.is_up:
                self.floor.server.stop()
                self.is_up = False
            case "d" if not self.is_up:
                self.start_relay()
            case "e":
                self.tills[name] = self.floor.again(self.tills[name], name)
            case "f":
                self.floor.line.loses.add(
                    self.chance.choice(("offer", "tell", "listen", "hello"))
                )
            case _:
                self.floor.line.loses.clear()

    def start_relay(self) -> None:
        self.n_lives += 1
        self.floor.relay_again(f"life-{self.n_lives}")
        self.is_up = True

    def work(self, each: Till) -> None:
        each.peers.offer_ms = 200
        number = self.chance.randint(1, N_VOUCHERS)
        match self.chance.choice("rrbs"):
            case "r":
                each.record("redeem", Redeem(of=f"entitlement/v{number}"))
            case "b":
                each.record("block_band", BlockBand(band=shop.BAND))
            case _:
                each.record("note_case", NoteCase(case="case-1", by="Ben", text="called"))

    def answer(self, each: Till) -> None:
        waiting = Outbox(each.store).batch(n_max=1)
        Outbox(each.store).take_back()
        status = self.chance.choice(("applied", "refused", "held"))
        Outbox(each.store).settle([OpResult(one.id, status, "", "", ()) for one in waiting])
        each.peers.wake()

    def heal(self) -> None:
        self.floor.line.loses.clear()
        if not self.is_up:
            self.start_relay()
        for each in self.tills.values():
            each.until(lambda each=each: is_up(each))  # type: ignore[misc]  # bound now
            each.peers.wake()

    def unanswered(self, name: str) -> set[str]:
        return {one.id for one in Outbox(self.tills[name].store).batch(n_max=200)}

    def seen(self, name: str) -> set[str]:
        return {op.id for op in self.tills[name].peers.ops.theirs()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happened_each_till_ends_with_what_the_other_still_waits_for(
    floor: Floor, seed: int
) -> None:
    day = Day(floor, seed)

    for _ in range(40):
        day.step()
    day.heal()

    for name, other in (("one", "two"), ("two", "one")):
        day.tills[name].until(lambda n=name, o=other: day.seen(n) == day.unanswered(o))  # type: ignore[misc]
