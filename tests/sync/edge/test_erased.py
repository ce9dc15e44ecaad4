"""Somebody was forgotten, and the centre is put back from a copy that still has them: the devices know, and fetch nobody anew."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.identity import DeviceIdentity
from kiosk.commands import central
from sync.central.centre import Centre
from sync.edge import erased
from sync.edge.client import CentreClient
from sync.edge.feed import Feed
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.edge.work import Work
from sync.model.ports import Request, Response, Transport
from sync.model.records import Customer, ErasureNote
from sync.model.row import Row
from sync.model.wire import Cursor, DiffAnswer, Grant
from tests.support import edge, shop
from tests.support.centre import new_device, open_centre
from tests.support.shop import LENA, lenas_rows, said
from tests.support.transport import AsgiTransport, FakeCentre

OP = "0190a1b2-0000-7000-8000-00000000000a"


class Heard:
    """A transport that remembers what was asked, and in whose answers somebody's name stood."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.asked: list[str] = []
        self.named: list[str] = []
        self.is_old = False
        """The centre is of a program that takes no notes."""

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        path = request.url.rpartition("/")[2]
        self.asked.append(path)
        if self.is_old and path == "erased":
            unknown = replace(request, url=request.url + "-s")
            return await self._transport.send(
                unknown, deadline_ms=deadline_ms, size_max=size_max
            )
        plain = Request(
            request.method, request.url,
            tuple(it for it in request.headers if it[0] != "accept-encoding"), request.body,
        )  # fmt: skip
        answer = await self._transport.send(plain, deadline_ms=deadline_ms, size_max=size_max)
        if "Müller".encode() in answer.body:
            self.named.append(path)
        return answer

    async def close(self) -> None:
        await self._transport.close()


class Shop:
    """A centre that a copy can be kept of and put back, and kiosks of one store."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.clock = FixedClock(edge.START)
        self.centre: Centre = open_centre(folder / "centre", clock=self.clock)
        self.stores: dict[str, EdgeStore] = {}
        self.devices: dict[str, DeviceIdentity] = {}
        self.heard = Heard(AsgiTransport(self.centre.asgi_app))

    def kiosk(self, name: str) -> EdgeStore:
        self.devices[name] = new_device(self.centre)
        self.stores[name] = edge.opened(self.root / name, clock=self.clock)
        return self.stores[name]

    def client(self, name: str) -> CentreClient:
        self.clock.sleep_ms(1_000)
        self.heard = Heard(AsgiTransport(self.centre.asgi_app))
        return CentreClient(
            self.heard, identity=self.devices[name], clock=self.clock,
            entropy=SeededEntropy(f"{name} at {self.clock.ticks_ms()}"),
        )  # fmt: skip

    def runner(self, name: str) -> SyncRunner:
        return SyncRunner(
            self.client(name), self.stores[name], clock=self.clock,
            entropy=SeededEntropy("chance"),
        )  # fmt: skip

    def sync(self, name: str) -> None:
        self.runner(name).sync_once()

    def keep(self) -> None:
        self.centre.close()
        shutil.copytree(self.root / "centre", self.root / "copy")
        self._open()

    def put_back(self, *, is_said: bool) -> None:
        self.centre.close()
        shutil.rmtree(self.root / "centre")
        shutil.copytree(self.root / "copy", self.root / "centre")
        if is_said:
            central.run("restored", data=self.root)
        self._open()

    def _open(self) -> None:
        self.clock.sleep_ms(1_000)
        self.centre = open_centre(self.root / "centre", clock=self.clock)


@pytest.fixture
def shopping(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    yield made
    for store in made.stores.values():
        store.close()
    made.centre.close()


@pytest.mark.parametrize("is_said", [True, False])
def test_a_kiosk_says_who_was_forgotten_before_it_fetches_anything(
    shopping: Shop, *, is_said: bool
) -> None:
    store = shopping.kiosk("one")
    shopping.sync("one")
    shopping.keep()
    shopping.centre.erase(LENA)
    shopping.sync("one")
    shopping.put_back(is_said=is_said)
    assert shopping.centre.rows_of(LENA)

    shopping.sync("one")

    assert shopping.centre.rows_of(LENA) == ()
    assert Lookup(store).profile(LENA).rows == ()
    assert shopping.heard.asked.count("erased") == 1
    assert shopping.heard.named == []
    assert erased.untold(store) == {}
    assert len(held_notes(store)) == 1, "held again, for the next time"


def test_a_kiosk_that_never_heard_of_the_erasure_brings_nobody_back(shopping: Shop) -> None:
    shopping.kiosk("one")
    late = shopping.kiosk("late")
    shopping.sync("one")
    shopping.sync("late")
    shopping.keep()
    Outbox(late).record(said("Lena was here", op_id=OP))
    shopping.sync("late")
    shopping.centre.erase(LENA)
    shopping.sync("one")
    shopping.put_back(is_said=False)
    shopping.sync("late")
    assert shopping.centre.row(f"interaction/{OP}") is not None, (
        "given back before it was known"
    )

    shopping.sync("one")
    shopping.sync("late")

    assert shopping.centre.rows_of(LENA) == ()
    assert Lookup(late).profile(LENA).rows == ()
    assert len(held_notes(late)) == 1


def test_a_kiosk_that_was_set_back_itself_hears_of_it_from_the_others(shopping: Shop) -> None:
    shopping.kiosk("one")
    two = shopping.kiosk("two")
    shopping.sync("one")
    shopping.sync("two")
    shopping.keep()
    two.close()
    shutil.copytree(shopping.root / "two", shopping.root / "older")
    shopping.stores["two"] = edge.opened(shopping.root / "two", clock=shopping.clock)
    shopping.centre.erase(LENA)
    shopping.sync("one")
    shopping.sync("two")
    shopping.stores["two"].close()
    shopping.put_back(is_said=False)
    shopping.stores["two"] = edge.opened(shopping.root / "older", clock=shopping.clock)
    shopping.sync("two")
    before = shopping.centre.rows_of(LENA)

    shopping.sync("one")
    shopping.sync("two")

    assert before, "nobody who was there yet knew"
    assert shopping.centre.rows_of(LENA) == ()
    assert Lookup(shopping.stores["two"]).profile(LENA).rows == ()


@pytest.mark.parametrize("what", ["snapshot", "diff"])
def test_a_kiosk_says_it_before_it_fetches_or_repairs_a_scope(
    shopping: Shop, what: str
) -> None:
    store = shopping.kiosk("one")
    shopping.keep()
    shopping.centre.erase(LENA)
    shopping.sync("one")
    shopping.put_back(is_said=True)
    work = Work(shopping.client("one"), store, shopping.clock)

    async def worked() -> None:
        await work.say_hello()
        if what == "snapshot":
            await work.fetch("s:harbour")
        else:
            await work.mend("s:harbour", is_first=False)
        await work.close()

    asyncio.run(worked())

    assert shopping.heard.asked == ["hello", "erased", what]
    assert shopping.centre.rows_of(LENA) == ()


def test_a_centre_that_takes_notes_by_now_is_told_after_the_next_hello(shopping: Shop) -> None:
    store = shopping.kiosk("one")
    shopping.keep()
    shopping.centre.erase(LENA)
    shopping.sync("one")
    shopping.put_back(is_said=True)
    runner = shopping.runner("one")
    shopping.heard.is_old = True
    runner.sync_once()
    n_before, was_there = len(erased.untold(store)), shopping.centre.rows_of(LENA) != ()
    n_asked = shopping.heard.asked.count("erased")

    shopping.heard.is_old = False
    shopping.clock.sleep_ms(1_000)
    runner.sync_once()

    assert (n_before, was_there, n_asked) == (1, True, 1)
    assert shopping.centre.rows_of(LENA) == ()
    assert erased.untold(store) == {}


def test_many_notes_go_in_several_requests(shopping: Shop) -> None:
    people = [f"p{n}" for n in range(130)]
    rows = [shop.row(Customer(id=one, given_name=one), owner=one) for one in people]
    shopping.centre.put_rows(rows, interest=[("harbour", one) for one in people])
    store = shopping.kiosk("one")
    shopping.keep()
    for one in people:
        shopping.clock.sleep_ms(1)
        shopping.centre.erase(one)
    shopping.sync("one")
    shopping.put_back(is_said=True)

    shopping.sync("one")

    assert shopping.heard.asked.count("erased") == 2
    assert [one for one in people if shopping.centre.rows_of(one)] == []
    assert len(held_notes(store)) == 130
    assert Lookup(store).profile(LENA).rows != ()


def held_notes(store: EdgeStore) -> list[str]:
    found = store.cache.look(
        lambda file: file.read("SELECT key FROM row WHERE kind = 'erasure' ORDER BY key")
    )
    return [key for (key,) in found]


# A centre of an older program, and rows that go otherwise


@pytest.fixture
def centre() -> FakeCentre:
    made = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
    made.put(*shop.lenas_rows())
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    opened = edge.opened(tmp_path)
    yield opened
    opened.close()


def runner_of(centre: FakeCentre, store: EdgeStore) -> SyncRunner:
    client = CentreClient(
        centre, identity=centre.device(), clock=FixedClock(edge.START),
        entropy=SeededEntropy("client"),
    )  # fmt: skip
    return SyncRunner(
        client, store, clock=FixedClock(edge.START), entropy=SeededEntropy("chance")
    )


def note_row() -> Row:
    return shop.row(ErasureNote("n1", "sealed"), owner="")


def test_a_centre_that_takes_no_notes_keeps_nobody_from_pulling(
    centre: FakeCentre, store: EdgeStore
) -> None:
    runner_of(centre, store).sync_once()
    copy = centre.copy()
    centre.put(note_row())
    runner_of(centre, store).sync_once()
    centre.restore(copy)
    centre.put(shop.row(Customer(id="ama", given_name="Ama"), owner="ama"))

    runner_of(centre, store).sync_once()

    assert Lookup(store).profile("ama").rows != ()
    assert list(erased.untold(store).values()) == ["sealed"], "for when it is newer"


def test_a_note_that_a_repair_takes_away_is_told(centre: FakeCentre, store: EdgeStore) -> None:
    centre.put(note_row())
    runner_of(centre, store).sync_once()
    buckets = tuple(range(256))
    rows = [centre._wire(key) for key in centre.rows if not key.startswith("erasure/")]

    Feed(store).apply_diff(DiffAnswer(centre.scope, buckets, tuple(rows), 0))

    assert list(erased.untold(store).values()) == ["sealed"]


def test_a_note_that_does_not_come_again_is_told(store: EdgeStore) -> None:
    feed = edge.filled(store, [*lenas_rows(), note_row()])
    feed.part_ways(edge.SCOPE, 0, is_one=True)
    assert erased.untold(store) == {}

    feed.apply_page(edge.page_of(lenas_rows()), asked=(Cursor(edge.SCOPE, 0),))

    assert held_notes(store) == []
    assert list(erased.untold(store).values()) == ["sealed"]


def test_a_note_that_did_not_come_again_yet_is_told_where_the_histories_part_then(
    centre: FakeCentre, store: EdgeStore
) -> None:
    centre.put(note_row())
    runner_of(centre, store).sync_once()
    Feed(store).part_ways(centre.scope, 0, is_one=True)

    Feed(store).part_ways(centre.scope, 0)

    assert list(erased.untold(store).values()) == ["sealed"]


def test_a_note_that_left_because_the_centre_says_so_is_not_told(
    centre: FakeCentre, store: EdgeStore
) -> None:
    centre.put(note_row())
    runner_of(centre, store).sync_once()
    centre.drop("erasure/n1")

    runner_of(centre, store).sync_once()

    assert held_notes(store) == []
    assert erased.untold(store) == {}


def test_a_note_of_a_newer_form_is_left_to_newer_programs(
    store: EdgeStore, centre: FakeCentre
) -> None:
    centre.put(note_row())
    runner_of(centre, store).sync_once()
    with store.cache.write() as file:
        file.execute(
            "UPDATE row SET body = ? WHERE kind = 'erasure'", (json.dumps([1]).encode(),)
        )
    (cursor,) = Feed(store).cursors()

    Feed(store).grant([Grant(cursor.id, "another", 0)])

    assert list(erased.untold(store).values()) == [""]
