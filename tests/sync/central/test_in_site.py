"""What other systems get for an answer over HTTP, and that nothing gets in there that is not theirs."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from sync.central import events
from sync.central.centre import Centre
from sync.central.in_site import InSite
from sync.central.intake import Intake
from sync.model.errors import StoreError
from sync.model.wire import BODY_SIZE_MAX
from tests.support.centre import LOCAL_URL, open_centre
from tests.support.channels import SHOP, all_rows, bought, delivery, event, intake_of, who

DATABASES = ("sqlite",)
"""What is kept of events, and how, is tested over both in `test_intake`."""


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    opened = open_centre(tmp_path / "centre")
    opened.sites[InSite.path] = InSite(opened._parts, intake_of(opened))
    yield opened
    opened.close()


@pytest.fixture
async def http(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=centre.asgi_app)
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL_URL) as client:
        yield client


def states(centre: Centre) -> list[tuple[str, str]]:
    with centre._parts.store.reading() as snapshot:
        return [(it.state, it.reason) for it in events.listed(snapshot.sql)]


BODY = delivery(event("e1", bought("W-1", who("17", "Maya")))).body
SIGNED = {"x-word": SHOP.secrets["word"]}


async def test_a_delivery_is_answered_once_it_is_durable(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    got = await http.post("/in/shop", content=BODY, headers=SIGNED)

    assert (got.status_code, got.json()) == (200, {"taken": 1})
    assert "order/W-1" in all_rows(centre)
    assert got.headers["cache-control"] == "no-store"


async def test_the_secret_of_a_request_is_not_kept_with_it(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    headers = {**SIGNED, "Authorization": "Basic c2VjcmV0", "Cookie": "a=b"}

    await http.post("/in/shop?key=hidden", content=BODY, headers=headers)

    with centre._parts.store.reading() as snapshot:
        ((head,),) = snapshot.sql.all("SELECT head FROM event")
    assert "c2VjcmV0" not in head
    assert "hidden" not in head
    assert "a=b" not in head


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/in/nowhere", 404), ("POST", "/in", 404), ("POST", "/in/", 404), ("POST", "/in/shop/more", 404),
        ("POST", "/in/shop", 401), ("DELETE", "/in/shop", 405), ("GET", "/in/shop", 401),
    ],
)  # fmt: skip
async def test_who_is_no_vendor_is_told_nothing(
    centre: Centre, http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    got = await http.request(method, path, content=BODY)

    assert got.status_code == status
    assert len(got.content) < 100
    assert all_rows(centre) == {}


async def test_a_greeting_is_answered_as_the_vendor_wants_it(http: httpx.AsyncClient) -> None:
    got = await http.get("/in/shop?hello=4711")

    assert (got.status_code, got.text) == (200, "4711")


@pytest.mark.parametrize("is_declared", [True, False])
async def test_ten_megabytes_are_refused_and_noted(
    centre: Centre, http: httpx.AsyncClient, *, is_declared: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1_048_576

    got = await http.post(
        "/in/shop", content=b"x" * 10_485_760 if is_declared else chunks(), headers=SIGNED
    )

    assert (got.status_code, got.json()["code"]) == (413, "too_large")
    size = 10_485_760 if is_declared else BODY_SIZE_MAX
    assert states(centre) == [("forged", f"larger than may be: {size} bytes")]
    assert [it.code for it in centre.alerts()] == ["channel_forged"]


async def test_a_store_that_fails_asks_the_vendor_to_come_again(
    centre: Centre, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise StoreError("the disk")

    monkeypatch.setattr(Intake, "deliver", failing)

    got = await http.post("/in/shop", content=BODY, headers=SIGNED)

    assert got.status_code == 503
    assert "retry-after" in got.headers
