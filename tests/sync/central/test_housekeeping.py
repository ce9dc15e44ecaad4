"""What the centre does by itself now and then."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central import device_rows, erasure
from sync.central.centre import Centre
from sync.central.enrolment import scope_of
from sync.central.housekeeping import INTERESTS_MAX, SLOW_MS, TOMBSTONES_US
from sync.model import ledger
from sync.model.records import Account, Customer, LedgerEntry
from sync.model.row import row_of
from tests.support import shop
from tests.support.centre import PlainDevice, new_device, open_centre
from tests.support.shop import LENA, NOON, lenas_rows

HOUR_US = 3_600 * 1_000_000


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(moment_of(NOON))


@pytest.fixture
async def shop_floor(
    tmp_path: Path, clock: FixedClock
) -> AsyncIterator[tuple[Centre, PlainDevice]]:
    """A centre, and a kiosk of the store that holds Lena."""
    centre = open_centre(tmp_path / "c", clock=clock)
    centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        device = PlainDevice(new_device(centre), http, clock=clock)
        await device.hello()
        yield centre, device
    centre.close()


async def test_how_far_a_device_is_is_written_down_when_it_moved_and_not_otherwise(
    shop_floor: tuple[Centre, PlainDevice],
) -> None:
    centre, device = shop_floor
    cursor = await device.head("s:harbour")
    await device.pull({"s:harbour": cursor, "g": 0})

    first = centre.tidy()["cursors"]
    await device.pull({"s:harbour": cursor})
    second = centre.tidy()["cursors"]

    assert (first, second) == (2, 0)
    with centre._store.reading() as snapshot:
        (said,) = device_rows.cursors(snapshot.sql, "s:harbour")
    assert (said.device, said.seq) == (device.identity.device_id, cursor)


def end_of_interest(centre: Centre, owners: list[str], until: int) -> None:
    def change(transaction: object) -> None:
        for owner in owners:
            transaction.add_interest(scope_of("harbour"), owner, until=until)  # type: ignore[attr-defined]

    centre._parts.write(change)


async def test_however_many_interests_end_at_once_all_do(
    shop_floor: tuple[Centre, PlainDevice], clock: FixedClock
) -> None:
    centre, _ = shop_floor
    owners = [f"c{index}" for index in range(2 * INTERESTS_MAX + 1)]
    end_of_interest(centre, owners, NOON + HOUR_US)

    before = centre.tidy()["interests"]
    clock.sleep_ms(HOUR_US // 1_000)
    after = centre.tidy()["interests"]

    assert (before, after) == (0, len(owners))
    assert centre.count("interest") == 1


async def test_what_was_lent_comes_back_when_its_time_is_over(
    shop_floor: tuple[Centre, PlainDevice], clock: FixedClock
) -> None:
    centre, _ = shop_floor
    points = "account/lena:points"
    centre.put_rows(
        [
            shop.row(Account("lena:points", 100)),
            shop.row(LedgerEntry("opening", points, 100, "opening", "", NOON)),
        ]
    )
    loan = ledger.Loan("loan-1", "station", points, 40, NOON + HOUR_US)

    refusal = centre.lend(loan)
    clock.sleep_ms((HOUR_US + ledger.GRACE_US) // 1_000 + 1)
    n_back = centre.tidy()["allowances"]

    assert refusal is None
    assert n_back == 1
    account = centre.row(points)
    assert account is not None
    assert isinstance(account.body, Account)
    assert account.body.points == 100


async def test_what_left_is_forgotten_after_its_time_and_not_looked_for_all_the_time(
    shop_floor: tuple[Centre, PlainDevice], clock: FixedClock
) -> None:
    centre, _ = shop_floor
    centre.tidy()
    centre.end_interest("harbour", LENA)
    clock.sleep_ms(SLOW_MS - 1)

    too_soon = centre.tidy()
    clock.sleep_ms(TOMBSTONES_US // 1_000 - 2 * SLOW_MS)
    still_known = centre.tidy()
    clock.sleep_ms(2 * SLOW_MS)
    in_time = centre.tidy()

    assert "tombstones" not in too_soon
    assert still_known["tombstones"] == 0
    assert in_time["tombstones"] == len(lenas_rows())
    assert centre.metrics().counts["tidied.tombstones"] == len(lenas_rows())


async def test_nothing_to_do_writes_nothing(shop_floor: tuple[Centre, PlainDevice]) -> None:
    centre, device = shop_floor
    before = await device.head("s:harbour")
    centre.tidy(is_all=True)

    done = centre.tidy(is_all=True)

    assert set(done.values()) == {0}
    assert await device.head("s:harbour") == before


async def test_a_row_of_one_store_alone_goes_nowhere_else(
    shop_floor: tuple[Centre, PlainDevice],
) -> None:
    centre, device = shop_floor
    other = PlainDevice(new_device(centre, store="lakeside"), device.http, clock=device.clock)
    await other.hello()
    entry = LedgerEntry("e1", "stock/p1", 1, "count", "harbour", NOON)

    centre.put_rows([row_of(entry, owner="", as_of=NOON, source="erp")], scope="s:harbour")

    ours = await device.pull({"s:harbour": 0, "g": 0})
    theirs = await other.pull({"s:lakeside": 0, "g": 0})
    assert "ledger/e1" in {row.key for row in ours.rows}
    assert "ledger/e1" not in {row.key for row in theirs.rows}


async def test_a_device_of_a_region_holds_what_is_the_regions(
    shop_floor: tuple[Centre, PlainDevice],
) -> None:
    centre, device = shop_floor
    centre.approve_device(
        public_key=device.identity.public_key, store="harbour", role="kiosk", region="north"
    )
    (product,) = (row_of(Account("north:pool", 5), owner="", as_of=1, source="erp"),)
    centre.put_rows([product], scope="r:north")

    answer = await device.hello()
    page = await device.pull({"r:north": 0})

    assert [grant.id for grant in answer.grants] == ["s:harbour", "r:north", "g"]
    assert [row.key for row in page.rows] == [product.key]


def test_what_was_erased_leaves_the_files_also_where_the_eraser_was_ended_too_early(
    tmp_path: Path,
) -> None:
    canary = b"Zwentibold"
    centre = open_centre(tmp_path / "c")
    centre.put_rows([row_of(Customer("z", "Zwentibold"), owner="z", as_of=1, source="web")])
    centre._parts.write(lambda it: erasure.erase_rows(it, "z", at=2))

    def holding() -> list[str]:
        found = sorted((tmp_path / "c").glob("centre.db*"))
        return [file.name for file in found if canary in file.read_bytes()]

    before = holding()
    centre.tidy(is_all=True)
    after = holding()
    centre.close()

    assert before != []
    assert after == []
