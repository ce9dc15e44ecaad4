"""What an encoder station made is known to the centre, and a sealed spare to the one store that may link it."""

import httpx
import pytest

from sync.central.centre import Centre
from sync.central.spares import Entered, MadeBand
from sync.model.errors import Malformed
from sync.model.operations.link_band import LinkBand
from sync.model.records import Band, Customer
from sync.model.row import row_of
from tests.support.centre import PlainDevice, new_device
from tests.support.shop import BAND, LENA, operation

SPARE = MadeBand(
    band="5a" * 16, uid=bytes.fromhex("04010203040506"), label="S", store="harbour"
)
OTHER = MadeBand(band="5b" * 16, uid=bytes.fromhex("04010203040507"), store="station")
LOOSE = MadeBand(band="5c" * 16, uid=bytes.fromhex("04010203040508"))


def state(centre: Centre, band: str) -> tuple[str, str]:
    row = centre.row(f"band/{band}")
    assert row is not None
    assert isinstance(row.body, Band)
    return row.body.state, row.owner


async def test_a_sealed_spare_is_known_and_leased_in_its_store_and_in_no_other(
    centre: Centre, http: httpx.AsyncClient, kiosk: PlainDevice
) -> None:
    centre.enter_bands([SPARE, OTHER])
    elsewhere = PlainDevice(new_device(centre, store="station"), http)
    await elsewhere.hello()

    here = await kiosk.pull({"s:harbour": 0, "g": 0})
    leased = await kiosk.leases()
    there = await elsewhere.pull({"s:station": 0, "g": 0})
    leased_there = await elsewhere.leases()

    assert f"band/{SPARE.band}" in {row.key for row in here.rows}
    assert f"band/{OTHER.band}" not in {row.key for row in here.rows}
    assert f"band/{OTHER.band}" in {row.key for row in there.rows}
    assert len(leased.leases) == len(leased_there.leases) == 1
    assert leased.leases[0].uid != leased_there.leases[0].uid


async def test_a_linked_spare_stays_leased_where_its_owner_is_held(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.enter_bands([SPARE])
    device = kiosk.identity.device_id

    await kiosk.push(operation(LinkBand(band=SPARE.band), device=device))

    assert state(centre, SPARE.band) == ("active", LENA)
    assert len((await kiosk.leases()).leases) == 1


def test_a_report_that_is_entered_twice_changes_nothing(centre: Centre) -> None:
    first = centre.enter_bands([SPARE, LOOSE])
    before = centre.row(f"band/{SPARE.band}")

    second = centre.enter_bands([SPARE, LOOSE])

    assert (first, second) == (Entered(n_new=2), Entered(n_known=2))
    assert centre.row(f"band/{SPARE.band}") == before


def test_the_band_that_is_replaced_is_retired_and_stays_its_owners(centre: Centre) -> None:
    new = MadeBand(band="5d" * 16, uid=bytes.fromhex("04010203040509"), replaces=BAND)

    done = centre.enter_bands([new])

    assert done == Entered(n_new=1, n_retired=1)
    assert state(centre, BAND) == ("retired", LENA)
    assert state(centre, new.band) == ("unlinked", "")


def test_what_is_no_band_enters_nothing(centre: Centre) -> None:
    centre.put_rows(
        [row_of(Customer(id="t", given_name="T"), owner="t", as_of=1, source="web")]
    )

    for wrong in (MadeBand("xyz", SPARE.uid), MadeBand(SPARE.band, b"12")):
        with pytest.raises(Malformed):
            centre.enter_bands([LOOSE, wrong])

    assert centre.row(f"band/{LOOSE.band}") is None
