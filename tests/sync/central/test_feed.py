"""Cursors, pages and pointers: nothing is skipped, nothing comes twice, whoever writes in between."""

import threading
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.central.centre import Centre
from sync.central.feed import PAGE_SIZE_MAX
from sync.model.records import Customer, Interaction, Product
from sync.model.row import Row, row_of
from sync.model.wire import Page
from tests.support.centre import PlainDevice, new_device, open_centre
from tests.support.shop import LENA, lenas_rows


def product(index: int, title: str = "Scarf") -> Row:
    return row_of(Product(f"p{index}", title, "wool"), owner="", as_of=1, source="erp")


def customer(owner: str) -> Row:
    return row_of(Customer(id=owner, given_name=owner), owner=owner, as_of=1, source="web")


class Held:
    """What a device holds of a scope that applies page by page."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.seq = 0
        self.versions: dict[str, int] = {}
        self.n_rows = 0

    def apply(self, page: Page) -> bool:
        """Whether this was all there is."""
        for row in page.rows:
            assert row.seq > self.seq
            self.n_rows += row.kind != "peer"
            if row.is_gone:
                self.versions.pop(row.key, None)
            elif (
                row.kind != "peer"
            ):  # the devices of the store, which these tests are not about
                self.versions[row.key] = row.version
        (checkpoint,) = page.checkpoints
        assert checkpoint.seq >= self.seq
        self.seq = checkpoint.seq
        return checkpoint.is_head

    async def catch_up(self, device: PlainDevice, *, limit: int) -> int:
        """Pull to the head; how many pages that took."""
        n_pages = 1
        while not self.apply(await device.pull({self.scope: self.seq}, limit=limit)):
            n_pages += 1
        return n_pages


async def test_many_rows_come_in_pages_each_row_once(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows(product(index) for index in range(250))
    held = Held("g")

    n_pages = await held.catch_up(kiosk, limit=100)

    assert n_pages == 3
    assert held.n_rows == len(held.versions) == 250
    assert held.seq == 250


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200])
async def test_a_page_that_just_fits_says_that_this_was_all(
    centre: Centre, kiosk: PlainDevice, count: int
) -> None:
    centre.put_rows(product(index) for index in range(count))
    held = Held("g")

    n_pages = await held.catch_up(kiosk, limit=100)

    assert n_pages == max(1, -(-count // 100))
    assert held.n_rows == count


async def test_rows_changed_between_pages_come_as_they_are_now_and_only_once_more(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows(product(index) for index in range(200))
    held = Held("g")

    held.apply(await kiosk.pull({"g": 0}, limit=100))
    centre.put_rows([product(3, "Hat"), product(150, "Hat")])  # one already sent, one not yet
    await held.catch_up(kiosk, limit=100)

    assert held.n_rows == 201
    assert held.versions["product/p3"] == held.versions["product/p150"] == 2
    assert held.seq == 202


async def test_a_page_ends_where_it_becomes_too_large(
    centre: Centre, kiosk: PlainDevice
) -> None:
    big = "x" * (PAGE_SIZE_MAX // 4)
    centre.put_rows(product(index, big) for index in range(10))
    held = Held("g")

    n_pages = await held.catch_up(kiosk, limit=1_000)

    assert n_pages == 3
    assert held.n_rows == 10


async def test_pages_pulled_while_others_write_miss_nothing(
    centre: Centre, kiosk: PlainDevice
) -> None:
    n_writers, n_writes = 4, 25
    held = Held("g")

    def write(writer: int) -> None:
        for index in range(n_writes):
            centre.put_rows([product(writer * 1_000 + index), product(index)])

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(n_writers)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        await held.catch_up(kiosk, limit=7)
    for thread in threads:
        thread.join()
    await held.catch_up(kiosk, limit=7)

    fresh = Held("g")
    await fresh.catch_up(kiosk, limit=1_000)
    assert held.versions == fresh.versions
    assert sum(fresh.versions.values()) == n_writers * n_writes * 2
    assert held.seq == fresh.seq


async def test_a_customer_a_store_holds_from_now_on_comes_whole(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    device = PlainDevice(new_device(centre, store="lakeside"), http)
    await device.hello()
    held = Held("s:lakeside")
    await held.catch_up(device, limit=100)
    assert held.versions == {}

    centre.put_rows([], interest=[("lakeside", LENA)])
    await held.catch_up(device, limit=100)

    assert set(held.versions) == {row.key for row in lenas_rows()}


async def test_a_customer_a_store_holds_no_more_leaves_it_and_stays_elsewhere(
    centre: Centre, kiosk: PlainDevice, http: httpx.AsyncClient
) -> None:
    centre.put_rows([], interest=[("lakeside", LENA)])
    device = PlainDevice(new_device(centre, store="lakeside"), http)
    await device.hello()
    held, here = Held("s:lakeside"), Held("s:harbour")
    await held.catch_up(device, limit=100)

    centre.end_interest("lakeside", LENA)
    await held.catch_up(device, limit=3)
    await here.catch_up(kiosk, limit=100)

    assert held.versions == {}
    assert held.n_rows == 2 * len(lenas_rows())
    assert set(here.versions) == {row.key for row in lenas_rows()}


async def test_a_row_that_changes_its_owner_moves_with_it(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows([customer("tom")])
    note = row_of(
        Interaction("in-9", at=1, channel="web", direction="in", by="?", text="hi"),
        owner=LENA, as_of=1, source="web",
    )  # fmt: skip
    centre.put_rows([note])
    held = Held("s:harbour")
    await held.catch_up(kiosk, limit=100)
    assert note.key in held.versions

    centre.put_rows([msgspec.structs.replace(note, owner="tom")])
    await held.catch_up(kiosk, limit=100)

    assert note.key not in held.versions


async def test_asking_again_from_the_head_gives_nothing(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows([product(1)])
    held = Held("g")
    await held.catch_up(kiosk, limit=10)

    page = await kiosk.pull({"g": held.seq})

    assert page.rows == ()


async def test_the_limit_counts_over_all_scopes_and_a_scope_not_reached_has_no_checkpoint(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.put_rows(product(index) for index in range(5))

    page = await kiosk.pull({"g": 0, "s:harbour": 0}, limit=5)

    assert len(page.rows) == 5
    assert [(it.scope, it.is_head) for it in page.checkpoints] == [("g", True)]


async def test_a_write_that_fails_takes_no_number_and_leaves_nothing(
    centre: Centre, kiosk: PlainDevice
) -> None:
    def broken() -> object:
        yield product(1)
        raise KeyError("broken")

    with pytest.raises(KeyError):
        centre.put_rows(broken())  # type: ignore[arg-type]
    centre.put_rows([product(2)])

    page = await kiosk.pull({"g": 0})
    assert [(row.seq, row.key) for row in page.rows] == [(1, "product/p2")]


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "own", "hold", "drop", "pull"]), st.integers(0, 5)),
    max_size=40,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, limit=st.integers(1, 4))
async def test_after_any_history_a_device_that_pulled_along_holds_what_a_new_one_pulls(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step], limit: int
) -> None:
    folder: Path = tmp_path_factory.mktemp("history")
    centre = open_centre(folder)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        device = PlainDevice(new_device(centre), http)
        await device.hello()
        along = Held("s:harbour")
        for verb, index in steps:
            match verb:
                case "write":
                    centre.put_rows([customer(f"c{index}")])
                case "own":
                    row = customer(f"c{index}")
                    centre.put_rows([msgspec.structs.replace(row, owner=f"c{(index + 1) % 6}")])
                case "hold":
                    centre.put_rows([], interest=[("harbour", f"c{index}")])
                case "drop":
                    centre.end_interest("harbour", f"c{index}")
                case _:
                    along.apply(await device.pull({"s:harbour": along.seq}, limit=limit))
        await along.catch_up(device, limit=limit)
        anew = Held("s:harbour")
        await anew.catch_up(device, limit=1_000)

        assert along.versions == anew.versions
        assert along.seq == anew.seq
    centre.close()
