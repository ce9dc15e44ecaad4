"""A centre that was set back to an older copy, cursors too old, and the sums by which rows are compared."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central.centre import Centre
from sync.central.housekeeping import FINE_MARKS_US, TOMBSTONES_US
from sync.central.scopes import HOUR_US
from sync.model.records import Product
from sync.model.row import Row, row_of
from sync.model.sums import SUM_MASK, pointer_hash
from sync.model.wire import Cursor, Mark, Page
from tests.support.centre import PlainDevice, new_device, open_centre
from tests.support.shop import LENA, NOON, lenas_rows


def product(name: str, title: str = "Scarf") -> Row:
    return row_of(Product(name, title, "wool"), owner="", as_of=1, source="erp")


@dataclass
class Site:
    """A centre whose database can be set back, and the one device that pulls from it."""

    folder: Path
    clock: FixedClock
    centre: Centre
    device: PlainDevice

    def keep(self) -> None:
        """Keep a copy of the database as it is now."""
        self._reopened(lambda: shutil.copy(self.folder / "centre.db", self.folder / "kept"))

    def set_back(self) -> None:
        """Put the kept copy in place of the database."""
        self._reopened(lambda: shutil.copy(self.folder / "kept", self.folder / "centre.db"))

    def _reopened(self, work: object) -> None:
        self.centre.close()
        work()  # type: ignore[operator]
        self.clock.sleep_ms(1_000)
        self.centre = open_centre(self.folder, clock=self.clock)
        self.device.http._transport = httpx.ASGITransport(app=self.centre.asgi_app)

    def later(self, micros: int) -> None:
        self.clock.sleep_ms(micros // 1_000)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    clock = FixedClock(moment_of(NOON))
    centre = open_centre(tmp_path / "c", clock=clock)
    centre.put_rows([product("p1")])
    centre.put_rows([product("p2")])
    transport = httpx.ASGITransport(app=centre.asgi_app)
    async with httpx.AsyncClient(transport=transport) as http:
        device = PlainDevice(new_device(centre), http, clock=clock)
        await device.hello()
        made = Site(tmp_path / "c", clock, centre, device)
        yield made
        made.centre.close()


def marks_of(device: PlainDevice, scope: str = "g") -> tuple[Mark, ...]:
    return tuple(sorted(device.marks[scope].values(), key=lambda mark: -mark.seq))


async def pulled(site: Site, seq: int, *marks: Mark) -> tuple[int, Page]:
    return await site.device.pulled(Cursor("g", seq, marks))


async def test_a_page_names_the_moment_it_reaches(site: Site) -> None:
    (checkpoint,) = (await site.device.pull({"g": 0})).checkpoints

    assert checkpoint.mark is not None
    assert checkpoint.mark.seq == checkpoint.seq == 2
    assert len(checkpoint.mark.token) == 16


async def test_the_first_mark_of_an_hour_is_kept(site: Site) -> None:
    await site.device.pull({"g": 0}, limit=1)
    await site.device.pull({"g": 0})

    assert [(mark.seq, mark.is_kept) for mark in marks_of(site.device)] == [
        (2, False),
        (1, True),
    ]


async def test_a_centre_set_back_says_up_to_where_the_histories_are_one(site: Site) -> None:
    await site.device.pull({"g": 0})
    site.keep()
    site.centre.put_rows([product("p3")])
    await site.device.pull({"g": 2})
    site.set_back()
    site.centre.put_rows([product("other")])
    site.centre.put_rows(
        [product("another")]
    )  # beyond where the device is: numbers alone say nothing

    status, page = await pulled(site, 3, *marks_of(site.device))

    assert status == 409
    assert [(it.scope, it.seq, it.needs_more) for it in page.partings] == [("g", 2, False)]
    assert page.rows == ()
    assert site.centre.counters["pull.parted"] == 1


async def test_a_device_carries_on_from_where_the_histories_were_one(site: Site) -> None:
    await site.device.pull({"g": 0})
    site.keep()
    site.centre.put_rows([product("p3")])
    await site.device.pull({"g": 2})
    site.set_back()
    site.centre.put_rows([product("other")])

    status, page = await pulled(site, 2, *marks_of(site.device))

    assert status == 200
    assert [row.key for row in page.rows] == ["product/other"]


async def test_a_cursor_beyond_the_head_is_another_history(site: Site) -> None:
    await site.device.pull({"g": 0})
    site.keep()
    site.centre.put_rows([product("p3")])
    await site.device.pull({"g": 2})
    site.set_back()

    status, page = await pulled(site, 3, *marks_of(site.device))

    assert (status, page.partings[0].seq) == (409, 2)


async def test_a_cursor_beyond_the_head_is_another_history_also_where_its_mark_is_known(
    site: Site,
) -> None:
    await site.device.pull({"g": 0})  # what was to follow came in part, before there was a mark

    status, page = await pulled(site, 3, *marks_of(site.device))

    assert (status, page.partings[0].seq) == (409, 2)


async def test_a_poll_that_would_wait_is_told_at_once_that_the_histories_part(
    site: Site,
) -> None:
    strange = Mark(2, "0" * 16)

    status, page = await site.device.pulled(Cursor("g", 2, (strange,)), wait_ms=25_000)

    assert status == 409
    assert page.partings[0].seq == 0


@pytest.mark.parametrize(
    ("n_marks", "needs_more"), [(0, False), (1, True), (2, True), (3, False)]
)
async def test_who_presented_few_marks_is_asked_for_all(
    site: Site, n_marks: int, needs_more: bool
) -> None:
    strange = tuple(Mark(1, f"{number:016}") for number in range(n_marks))

    status, page = await pulled(site, 2, *strange)

    assert status == 409
    assert [(it.seq, it.needs_more) for it in page.partings] == [(0, needs_more)]


async def test_one_of_the_older_marks_is_enough_to_say_from_where(site: Site) -> None:
    await site.device.pull({"g": 0}, limit=1)
    (known,) = marks_of(site.device)

    status, page = await pulled(site, 2, Mark(2, "0" * 16), known)

    assert (status, page.partings[0].seq) == (409, 1)


async def test_a_mark_that_was_thinned_is_not_missed_while_a_kept_one_is_known(
    site: Site,
) -> None:
    site.centre.put_rows([product("p3")])
    await site.device.pull({"g": 0}, limit=1)  # the kept mark
    await site.device.pull({"g": 0}, limit=2)  # one that is not
    fine, kept = marks_of(site.device)
    site.later(FINE_MARKS_US + HOUR_US)
    site.centre.put_rows([product("p4")])
    site.centre.tidy(is_all=True)
    await site.device.hello()

    status, page = await pulled(site, 2, fine, kept)
    alone, _ = await pulled(site, 2, Mark(1, "0" * 16))

    assert status == 200
    assert [row.key for row in page.rows] == ["product/p3", "product/p4"]
    assert alone == 409


async def test_a_device_inside_the_first_commit_of_a_scope_has_no_mark_and_needs_none(
    tmp_path: Path,
) -> None:
    centre = open_centre(tmp_path)
    centre.put_rows([product(f"p{index}") for index in range(5)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        device = PlainDevice(new_device(centre), http)
        await device.hello()

        first = await device.pull({"g": 0}, limit=2)
        second = await device.pull({"g": 2})

    assert first.checkpoints[0].mark is None
    assert len(second.rows) == 3
    centre.close()


async def test_a_mark_beyond_the_cursor_says_nothing(site: Site) -> None:
    await site.device.pull({"g": 0}, limit=1)

    status, _ = await pulled(site, 1, Mark(7, "0" * 16), *marks_of(site.device))

    assert status == 200


async def test_a_cursor_of_before_what_is_remembered_is_too_old(site: Site) -> None:
    site.centre.put_rows([], interest=[("harbour", LENA)])
    site.centre.put_rows(lenas_rows())
    before = await site.device.head("s:harbour")
    site.centre.end_interest("harbour", LENA)
    site.later(TOMBSTONES_US + 1_000_000)
    site.centre.tidy(is_all=True)
    await site.device.hello()

    status, page = await site.device.pulled(site.device.cursor("s:harbour", before))
    anew = await site.device.pull({"s:harbour": 0})

    assert (status, page.too_old, page.partings) == (410, ("s:harbour",), ())
    assert [row.kind for row in anew.rows] == ["peer"]
    assert site.centre.counters["pull.too_old"] == 1


async def test_at_the_head_count_and_sum_are_those_of_the_live_rows(site: Site) -> None:
    site.centre.put_rows(lenas_rows(), interest=[("harbour", LENA), ("harbour", "tom")])
    site.centre.put_rows(
        [msgspec.structs.replace(row, owner="tom") for row in lenas_rows()[-2:]]
    )
    site.centre.end_interest("harbour", "tom")

    page = await site.device.pull({"s:harbour": 0})

    live = [row for row in page.rows if not row.is_gone]
    (checkpoint,) = page.checkpoints
    total = sum(pointer_hash(row.key, row.seq, row.version) for row in live) & SUM_MASK
    assert (checkpoint.count, checkpoint.sum) == (len(live), total)
    assert len(live) < len(page.rows)


async def test_before_the_head_no_sum_is_said(site: Site) -> None:
    (checkpoint,) = (await site.device.pull({"g": 0}, limit=1)).checkpoints

    assert (checkpoint.is_head, checkpoint.count, checkpoint.sum) == (False, -1, -1)
