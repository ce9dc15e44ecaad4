"""A scope from a snapshot: all of it or as if it had not begun, whatever is cut off, altered or changed meanwhile."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.errors import DiskFull
from sync.central import snapshots
from sync.edge import snapshot
from sync.edge.client import CentreClient
from sync.edge.feed import Feed
from sync.edge.lookup import Lookup
from sync.edge.snapshot import ROWS_MIN, SnapshotLoader
from sync.edge.store import EdgeStore
from sync.model.errors import CentreUnreachable, StoreFull
from sync.model.ports import Request, Response
from sync.model.records import Customer
from sync.model.row import raw_of
from sync.model.snapshot import StoredRow, packed
from sync.model.sums import SUM_MASK, pointer_hash
from sync.model.wire import Checkpoint, Cursor, Grant, Mark, Page, SnapshotAnswer, SnapshotPart
from tests.support import edge, shop
from tests.support.centre import new_device, open_centre
from tests.support.edge import SCOPE
from tests.support.transport import AsgiTransport

KEY = b"s" * 32
MARK = Mark(90_000, "abcd")

MANY_ROWS = 15_000
"""Rows in 15 parts; more than are written at once."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path)
    yield store
    store.close()


def rows_of(count: int, *, name: str = "Ann") -> list[StoredRow]:
    return [
        (f"customer/p{n:06}", SCOPE, n + 1, f"p{n:06}", "customer", 1, 7, "web", 1,
         raw_of(Customer(id=f"p{n:06}", given_name=name)))
        for n in range(count)
    ]  # fmt: skip


class Shelf:
    """A centre with one snapshot. Parts in `missing` do not come."""

    def __init__(
        self, rows: Sequence[StoredRow], *, part_rows: int = 1_000, seq: int = 0
    ) -> None:
        self.asked: list[str] = []
        self.missing: set[int] = set()
        self._contents: dict[str, bytes] = {}
        seq = seq or 90_000
        parts = []
        for number, at in enumerate(range(0, len(rows), part_rows)):
            part, content = packed(
                rows[at : at + part_rows], key=KEY, scope=SCOPE, seq=seq, number=number
            )
            parts.append(part)
            self._contents[part.part] = content
        total = sum(pointer_hash(row[0], row[2], row[5]) for row in rows) & SUM_MASK
        self.answer = SnapshotAnswer(SCOPE, seq, "e1", MARK, len(rows), total, "", tuple(parts))

    async def snapshot(self, scope: str) -> tuple[SnapshotAnswer, bytes]:
        assert scope == SCOPE
        return self.answer, KEY

    async def part(self, part: SnapshotPart) -> bytes:
        if self.answer.parts.index(part) in self.missing:
            raise CentreUnreachable("the line was cut")
        self.asked.append(part.part)
        return self._contents[part.part]

    def alter(self, number: int) -> None:
        """Another content under the name of a part, as a broken proxy serves it."""
        name = self.answer.parts[number].part
        self._contents[name] = self._contents[name][:-1] + b"\x00"


def load(store: EdgeStore, shelf: Shelf) -> bool:
    return asyncio.run(SnapshotLoader(store).load(shelf, SCOPE))


def held(store: EdgeStore) -> int:
    found = store.cache.look(
        lambda file: file.read("SELECT count(*) FROM row WHERE scope = ? AND seq > 0", (SCOPE,))
    )
    return int(found[0][0])


def test_a_scope_is_here_whole_and_goes_on_from_the_snapshots_seq(store: EdgeStore) -> None:
    shelf = Shelf(rows_of(ROWS_MIN + 500))
    feed = edge.granted(store)
    told: list[tuple[int, int]] = []

    is_whole = asyncio.run(
        SnapshotLoader(store).load(shelf, SCOPE, lambda done, total: told.append((done, total)))
    )

    assert is_whole
    assert feed.cursors() == (Cursor(SCOPE, 90_000, (MARK,)),)
    assert held(store) == ROWS_MIN + 500
    row = Lookup(store).row("customer/p000007")
    assert row is not None
    assert row.body == Customer(id="p000007", given_name="Ann")
    assert (told[0], told[-1]) == ((0, ROWS_MIN + 500), (ROWS_MIN + 500, ROWS_MIN + 500))
    answer = shelf.answer
    at_head = Checkpoint(SCOPE, 90_000, True, None, answer.count, answer.sum)
    applied = feed.apply_page(Page((), (at_head,)), asked=(Cursor(SCOPE, 90_000),))
    assert (applied.is_head, applied.differing) == (True, ())
    assert not list((store.folder / "snap").iterdir()), (
        "parts are kept only while they are needed"
    )


def test_nothing_personal_is_readable_in_the_parts_that_are_kept(store: EdgeStore) -> None:
    shelf = Shelf(rows_of(ROWS_MIN, name="canary"))
    shelf.missing = {1}
    edge.granted(store)

    with pytest.raises(CentreUnreachable):
        load(store, shelf)

    kept = [path.read_bytes() for path in (store.folder / "snap").iterdir()]
    assert kept
    assert all(b"canary" not in one for one in kept)


def test_a_load_that_was_cut_off_goes_on_with_the_parts_it_has(
    store: EdgeStore, tmp_path: Path
) -> None:
    shelf = Shelf(rows_of(MANY_ROWS))
    shelf.missing = {13}
    edge.granted(store)
    with pytest.raises(CentreUnreachable):
        load(store, shelf)
    assert Feed(store).cursors() == (Cursor(SCOPE, 0),), "nothing says it is complete"
    assert 0 < held(store) < MANY_ROWS
    store.close()
    store = edge.opened(tmp_path)
    shelf.missing, first = set(), list(shelf.asked)

    assert load(store, shelf)

    assert not set(first) & set(shelf.asked[len(first) :]), "no part comes twice"
    assert held(store) == MANY_ROWS
    store.close()


def test_a_part_that_was_altered_is_nobodys_and_is_asked_for_again(store: EdgeStore) -> None:
    shelf = Shelf(rows_of(ROWS_MIN))
    sound = dict(shelf._contents)
    shelf.alter(1)
    edge.granted(store)

    with pytest.raises(CentreUnreachable):
        load(store, shelf)

    assert Feed(store).cursors() == (Cursor(SCOPE, 0),)
    shelf._contents = sound
    assert load(store, shelf)
    assert held(store) == ROWS_MIN


def test_a_disk_that_keeps_no_part_ends_the_load_and_is_said(
    store: EdgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(rows_of(ROWS_MIN))
    edge.granted(store)

    def full(path: Path, content: bytes, *, private: bool) -> None:
        raise DiskFull(f"{path} {len(content)} {private}")

    monkeypatch.setattr(store.disk, "write", full)

    with pytest.raises(StoreFull):
        load(store, shelf)


def test_parts_in_another_order_do_not_open(store: EdgeStore) -> None:
    shelf = Shelf(rows_of(ROWS_MIN))
    shelf.answer = msgspec.structs.replace(
        shelf.answer, parts=tuple(reversed(shelf.answer.parts))
    )
    edge.granted(store)

    with pytest.raises(CentreUnreachable):
        load(store, shelf)

    assert held(store) == 0


@pytest.mark.parametrize("wrong", ["count", "sum"])
def test_rows_that_are_not_what_the_centre_counted_are_not_taken_for_the_scope(
    store: EdgeStore, wrong: str
) -> None:
    shelf = Shelf(rows_of(ROWS_MIN))
    more = {"count": shelf.answer.count + 1} if wrong == "count" else {"sum": 1}
    shelf.answer = msgspec.structs.replace(shelf.answer, **more)
    feed = edge.granted(store)

    assert not load(store, shelf)

    assert feed.cursors() == (Cursor(SCOPE, 0),)
    feed.apply_page(edge.page_of(shop.lenas_rows()), asked=(Cursor(SCOPE, 0),))
    assert held(store) == len(shop.lenas_rows()), "pages come over it, and the rest goes"
    assert Lookup(store).row("customer/p000007") is None


def test_where_pages_come_instead_what_a_load_left_is_not_kept_unless_it_comes_again(
    store: EdgeStore,
) -> None:
    shelf = Shelf(rows_of(MANY_ROWS))
    shelf.missing = {13}
    feed = edge.granted(store)
    with pytest.raises(CentreUnreachable):
        load(store, shelf)

    feed.apply_page(edge.page_of(shop.lenas_rows()), asked=(Cursor(SCOPE, 0),))

    assert Lookup(store).row("customer/p000007") is None
    assert held(store) == len(shop.lenas_rows())


def test_parts_do_not_all_come_while_the_first_is_still_being_written(
    store: EdgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(rows_of(MANY_ROWS))
    edge.granted(store)
    all_came, seen = Event(), list[bool]()
    put, part = SnapshotLoader._put, shelf.part

    async def counted(one: SnapshotPart) -> bytes:
        content = await part(one)
        if len(shelf.asked) == len(shelf.answer.parts):
            all_came.set()
        return content

    def first_is_slow(self: SnapshotLoader, *parts: Any) -> bool:
        if not seen:
            seen.append(all_came.wait(0.3))
        return put(self, *parts)

    monkeypatch.setattr(shelf, "part", counted)
    monkeypatch.setattr(snapshot, "TOGETHER_ROWS", 2_000)
    monkeypatch.setattr(SnapshotLoader, "_put", first_is_slow)

    assert load(store, shelf)

    assert seen == [False], "memory does not grow with the scope"
    assert held(store) == MANY_ROWS


def test_another_snapshot_than_the_one_begun_starts_over(store: EdgeStore) -> None:
    shelf = Shelf(rows_of(MANY_ROWS))
    shelf.missing = {13}
    edge.granted(store)
    with pytest.raises(CentreUnreachable):
        load(store, shelf)
    newer = Shelf(rows_of(ROWS_MIN), seq=95_000)

    assert load(store, newer)
    Feed(store).apply_page(
        Page((), (Checkpoint(SCOPE, 95_000, is_head=True),)), asked=(Cursor(SCOPE, 95_000),)
    )

    assert held(store) == ROWS_MIN
    assert Lookup(store).row(f"customer/p{ROWS_MIN + 7:06}") is None


def test_a_renewal_by_snapshot_shows_the_old_rows_until_the_head(store: EdgeStore) -> None:
    feed = edge.filled(store, shop.lenas_rows())
    feed.part_ways(SCOPE, 0)

    assert load(store, Shelf(rows_of(ROWS_MIN)))
    assert Lookup(store).by_band(shop.BAND) is not None
    feed.apply_page(
        Page((), (Checkpoint(SCOPE, 90_000, is_head=True),)), asked=(Cursor(SCOPE, 90_000),)
    )

    assert Lookup(store).by_band(shop.BAND) is None
    assert held(store) == ROWS_MIN


@pytest.mark.parametrize("why", ["small", "none", "other history", "not from the beginning"])
def test_a_scope_that_cannot_be_had_whole_is_left_to_pages(store: EdgeStore, why: str) -> None:
    shelf = Shelf(rows_of(ROWS_MIN - 1 if why == "small" else ROWS_MIN))
    feed = edge.granted(store)
    match why:
        case "none":
            shelf.answer = msgspec.structs.replace(shelf.answer, seq=0)
        case "other history":
            feed.grant([Grant(SCOPE, "e2", 0)])
        case "not from the beginning":
            feed.apply_page(edge.page_of(shop.lenas_rows()), asked=(Cursor(SCOPE, 0),))
        case _:
            pass
    before = held(store)

    assert not load(store, shelf)

    assert (held(store), shelf.asked) == (before, [])


def test_a_row_of_a_form_this_program_does_not_read_is_kept_raw_and_counted(
    store: EdgeStore,
) -> None:
    rows = rows_of(ROWS_MIN)
    key, scope, seq, owner, kind, version, as_of, source, _form, body = rows[7]
    rows[7] = (key, scope, seq, owner, kind, version, as_of, source, 9, body)
    edge.granted(store)

    assert load(store, Shelf(rows))

    assert Feed(store).state().n_unread == 1
    assert Lookup(store).row(key) is None


def test_parts_of_a_load_that_was_cut_off_stay_until_the_scope_came_otherwise(
    store: EdgeStore,
) -> None:
    shelf = Shelf(rows_of(ROWS_MIN + 500))
    feed = edge.granted(store)
    shelf.missing = {2}
    loader = SnapshotLoader(store)
    with pytest.raises(CentreUnreachable):
        asyncio.run(loader.load(shelf, SCOPE))

    loader.sweep()
    n_while_loading = len(list((store.folder / "snap").iterdir()))
    feed.part_ways(SCOPE, 0)
    SnapshotLoader(store).sweep()

    assert n_while_loading > 0
    assert list((store.folder / "snap").iterdir()) == []


class Interrupted:
    """A network on which another lane says hello, in vain, while the answer about a snapshot is on its way."""

    def __init__(self, inner: AsgiTransport) -> None:
        self._inner = inner
        self.client: CentreClient | None = None
        self._is_cut = False

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        if self._is_cut:
            raise CentreUnreachable("the line was cut")
        answer = await self._inner.send(request, deadline_ms=deadline_ms, size_max=size_max)
        if request.url.endswith("/snapshot") and self.client is not None:
            self._is_cut = True
            with pytest.raises(CentreUnreachable):
                await self.client.hello(lineage="l1", token="")
            self._is_cut = False
        return answer

    async def close(self) -> None:
        await self._inner.close()


async def test_the_key_of_a_snapshot_opens_in_the_session_it_was_asked_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "ROWS_MIN", 1)
    clock = FixedClock(edge.START)
    centre = open_centre(tmp_path / "centre", clock=clock)
    centre.put_rows(shop.lenas_rows(), interest=[("harbour", shop.LENA)])
    centre.tidy()
    network = Interrupted(AsgiTransport(centre.asgi_app))
    client = CentreClient(
        network, identity=new_device(centre), clock=clock, entropy=SeededEntropy("client")
    )
    await client.hello(lineage="l1", token="")

    network.client = client
    answer, key = await client.snapshot(SCOPE)

    assert (answer.seq > 0, len(key)) == (True, 32)
    await client.close()
    centre.close()
