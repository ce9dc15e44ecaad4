"""A new kiosk against a real centre: the whole scope by snapshot or page by page, and what is wrong in its cache mended."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from hardware.identity import DeviceIdentity
from kiosk.bench.profiles import owners_of, profiles
from sync.central.centre import Centre
from sync.edge.client import CentreClient
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.model.ports import Request, Response
from tests.support import edge
from tests.support.centre import LOCAL_URL, new_device, open_centre
from tests.support.transport import AsgiTransport

N_ROWS = 9_000
"""More than are written in one transaction, and enough for a snapshot in several parts."""

SCOPE = "s:harbour"


class Recording(AsgiTransport):
    """Remembers which addresses were asked."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre.asgi_app)
        self.asked: list[str] = []

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        self.asked.append(request.url.removeprefix(LOCAL_URL).split("/")[2])
        return await super().send(request, deadline_ms=deadline_ms, size_max=size_max)


@dataclass
class Shop:
    """A centre with many rows, and a kiosk that was never there."""

    centre: Centre
    device: DeviceIdentity
    store: EdgeStore
    transport: Recording

    def sync(self) -> int:
        clock, entropy = SystemClock(), SystemEntropy()
        client = CentreClient(
            self.transport, identity=self.device, clock=clock, entropy=entropy
        )
        return SyncRunner(client, self.store, clock=clock, entropy=entropy).sync_once().n_rows

    def held(self) -> dict[str, tuple[int, int]]:
        found = self.store.cache.look(
            lambda file: file.read(
                "SELECT key, seq, version FROM row WHERE scope = ?", (SCOPE,)
            )
        )
        return {key: (seq, version) for key, seq, version in found}

    def truth(self) -> dict[str, tuple[int, int]]:
        with self.centre._store.reading() as snapshot:
            rows = snapshot.rows_since(SCOPE, 0, limit=1_000_000)
        return {row.key: (row.seq, row.version) for row in rows if not row.is_gone}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    centre = open_centre(tmp_path_factory.mktemp("centre"))
    rows = list(profiles(N_ROWS))
    centre.put_rows(rows, interest=[("harbour", owner) for owner in owners_of(rows)])
    yield centre
    centre.close()


@pytest.fixture
def shop(filled: Centre, tmp_path: Path) -> Iterator[Shop]:
    store = edge.opened(tmp_path)
    yield Shop(filled, new_device(filled), store, Recording(filled))
    store.close()


def test_a_new_kiosk_holds_the_scope_page_by_page_where_there_is_no_snapshot(
    shop: Shop,
) -> None:
    shop.sync()

    assert shop.held() == shop.truth()
    assert shop.transport.asked.count("pull") >= N_ROWS // 1_000
    assert "diff" not in shop.transport.asked, "count and sum are the centre's"


def test_a_new_kiosk_holds_the_scope_by_its_snapshot_and_what_came_after(shop: Shop) -> None:
    shop.centre.tidy(is_all=True)
    late = list(profiles(N_ROWS + 40))[N_ROWS:]
    shop.centre.put_rows(late, interest=[("harbour", owner) for owner in owners_of(late)])

    shop.sync()

    assert shop.held() == shop.truth()
    assert shop.transport.asked.count("snap") >= 2
    assert shop.transport.asked.count("pull") <= 3
    assert "diff" not in shop.transport.asked


def test_rows_that_went_wrong_in_a_cache_are_found_by_the_sum_and_mended(shop: Shop) -> None:
    shop.sync()
    with shop.store.cache.write() as file:
        n_lost = file.execute("DELETE FROM row WHERE n % 2500 = 7")
        n_old = file.execute("UPDATE row SET version = version + 7 WHERE n % 3000 = 11")
        file.execute("UPDATE cursor SET count = -1, sum = -1")
    assert n_lost + n_old >= 6

    shop.sync()

    assert shop.held() == shop.truth()
    assert "diff" in shop.transport.asked
