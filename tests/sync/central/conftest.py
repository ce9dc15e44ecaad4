"""A centre of a small shop in this process, over each of the databases it can have, and devices of it."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from hardware.log import started
from sync.central.centre import Centre
from tests.support.centre import LOCAL_URL, PlainDevice, new_device, open_centre
from tests.support.postgres import (  # noqa: F401  # fixtures
    _made,
    any_database,
    database,
    laid_database,
    made_database,
    postgres,
)
from tests.support.shop import LENA, lenas_rows

DATABASES = ("sqlite", "postgresql")
"""What a test of a centre runs on, unless its module says otherwise under this name."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a centre, over each database."""
    if "centre_on" in metafunc.fixturenames:
        metafunc.parametrize("centre_on", getattr(metafunc.module, "DATABASES", DATABASES))


@pytest.fixture
def centre(centre_on: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    address = "" if centre_on == "sqlite" else request.getfixturevalue("made_database")
    opened = open_centre(tmp_path / "centre", database=address)
    opened.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    yield opened
    opened.close()


@pytest.fixture
async def http(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=centre.asgi_app)
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL_URL) as client:
        yield client


@pytest.fixture
async def kiosk(centre: Centre, http: httpx.AsyncClient) -> PlainDevice:
    device = PlainDevice(new_device(centre), http)
    await device.hello()
    return device


@pytest.fixture(autouse=True)
def _strict_log() -> Iterator[None]:
    """A line that says what it may not fails the test that made it."""
    with started(io.StringIO(), is_strict=True, level=logging.DEBUG):
        yield
