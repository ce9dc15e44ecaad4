"""The link a band shows to a telephone: what is believed, what is written down, and that nobody learns anything."""

import httpx
import pytest

from drivers.credential.kdf import Aes
from drivers.credential.places import sun_key_of
from drivers.credential.sdm import BOTH_MIRRORED, DEFAULT_POLICY, file_mac
from kiosk.band_keys import BandKeyFiles
from sync.central import touches
from sync.central.centre import Centre
from sync.model.records import Band
from sync.model.row import row_of
from tests.support.bands import UID
from tests.support.shop import BAND, LENA

DATABASES = ("sqlite", "postgresql")


def link_of(keys: BandKeyFiles, counter: int, *, uid: bytes = UID) -> str:
    """What the chip of a band writes into its link at that reading."""
    number = counter.to_bytes(3, "little")
    who = Aes(keys.group).encrypted(bytes((BOTH_MIRRORED,)) + uid + number + bytes(5))
    mac = file_mac(sun_key_of(keys.band_key(uid)[0]), uid, counter, b"")
    return f"/t?e={who.hex()}&c={mac.hex()}"


@pytest.fixture
def keys(centre: Centre) -> BandKeyFiles:
    centre.link_chip(BAND, UID)
    found = centre._band_keys
    assert isinstance(found, BandKeyFiles)
    return found


def count(centre: Centre, word: str) -> int:
    return centre.counters.all().get(f"touch.{word}", 0)


def kept(centre: Centre) -> list[tuple[object, ...]]:
    """All that is kept of touches."""
    with centre._store.reading() as snapshot:
        return [tuple(row) for row in snapshot.sql.all("SELECT * FROM touch")]


async def page_of(http: httpx.AsyncClient, link: str) -> bytes:
    got = await http.get(link)
    assert got.status_code == 200
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["content-type"].startswith("text/html")
    return got.content


async def test_a_band_shown_anew_is_believed_once_and_the_page_says_nothing_of_anybody(
    centre: Centre, keys: BandKeyFiles, http: httpx.AsyncClient
) -> None:
    first = await page_of(http, link_of(keys, 5))
    second = await page_of(http, link_of(keys, 6))
    again = await page_of(http, link_of(keys, 6))

    assert kept(centre) == [(BAND, 6)]
    assert first == second == again
    assert b"Lena" not in first
    assert b"Tap it in the store." in first
    assert [count(centre, word) for word in ("unknown", "fresh", "repeated")] == [1, 1, 1]


async def test_a_link_kept_and_shown_late_is_not_believed(
    centre: Centre, keys: BandKeyFiles, http: httpx.AsyncClient
) -> None:
    for counter in (5, 9, 7, 8, 9):
        await page_of(http, link_of(keys, counter))

    assert (count(centre, "fresh"), count(centre, "stale"), count(centre, "repeated")) == (
        1,
        2,
        1,
    )


async def test_a_counter_that_leapt_is_written_down_and_proves_nothing(
    centre: Centre, keys: BandKeyFiles, http: httpx.AsyncClient
) -> None:
    await page_of(http, link_of(keys, 1))
    await page_of(http, link_of(keys, 2 + DEFAULT_POLICY.leap_max))
    leapt = kept(centre)
    await page_of(http, link_of(keys, 2))

    assert leapt == [(BAND, 2 + DEFAULT_POLICY.leap_max)]
    assert (count(centre, "leapt"), count(centre, "stale")) == (1, 1)


@pytest.mark.parametrize(
    "query",
    [
        "", "?", "?e=&c=", "?e=00&c=00", "?c=0011223344556677", "?e=" + "0" * 10_000 + "&c=0011223344556677",
        "?u=04010203040506&n=000001&c=0011223344556677", "?e=%00%ff&c=%00", "?x=1&y=2",
    ],
)  # fmt: skip
async def test_what_is_no_link_of_ours_gets_the_same_page_and_is_counted(
    centre: Centre, keys: BandKeyFiles, http: httpx.AsyncClient, query: str
) -> None:
    genuine = await page_of(http, link_of(keys, 5))

    assert await page_of(http, f"/t{query}") == genuine
    assert count(centre, "nothing") + count(centre, "forged") == 1


async def test_a_forged_and_a_cut_link_get_the_same_page_and_write_nothing(
    centre: Centre, keys: BandKeyFiles, http: httpx.AsyncClient
) -> None:
    genuine = link_of(keys, 5)
    other = BandKeyFiles(bytes(16), keys.group)
    pages = {
        await page_of(http, one)
        for one in (genuine[:-2], genuine[:-16] + "0" * 16, link_of(other, 5))
    }

    assert len(pages) == 1
    assert count(centre, "forged") == 3
    with centre._store.reading() as snapshot:
        assert touches.touched(snapshot.sql, BAND) is None


@pytest.mark.parametrize("state", ["blocked", "unlinked", "retired"])
async def test_a_band_out_of_use_gets_the_same_page_and_is_not_remembered(
    centre: Centre, keys: BandKeyFiles, http: httpx.AsyncClient, state: str
) -> None:
    genuine = await page_of(http, link_of(keys, 5))
    centre.put_rows([row_of(Band(id=BAND, state=state), owner=LENA, as_of=1, source="desk")])

    assert await page_of(http, link_of(keys, 6)) == genuine
    assert count(centre, "out_of_use") == 1
    with centre._store.reading() as snapshot:
        assert touches.touched(snapshot.sql, BAND) == 5


async def test_only_looking_is_answered_and_a_preview_is_nobodys_tap(
    centre: Centre, keys: BandKeyFiles, http: httpx.AsyncClient
) -> None:
    await page_of(http, link_of(keys, 5))
    posted = await http.post(link_of(keys, 6), content=b"x" * 1_000)
    preview = await http.head(link_of(keys, 6))

    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    assert (preview.status_code, preview.content) == (200, b"")
    assert kept(centre) == [(BAND, 5)]
