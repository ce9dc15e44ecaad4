"""A centre with two agents and a customer, over each database, at a clock that moves when told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.clock import FixedClock
from hardware.moments import micros_of
from sync.central.centre import Centre
from tests.support import pages
from tests.support.centre import open_centre
from tests.support.pages import START, Browser
from tests.support.shop import LENA, lenas_rows


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def centre(
    centre_on: str, request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock
) -> Iterator[Centre]:
    address = "" if centre_on == "sqlite" else request.getfixturevalue("made_database")
    opened = open_centre(tmp_path / "centre", database=address, clock=clock)
    opened.put_rows(
        (*lenas_rows(), *pages.toms_rows(micros_of(START)), *pages.stores()),
        interest=[("harbour", LENA)],
    )
    pages.add_agent(opened, "ana", "Ana (call centre)")
    pages.add_agent(opened, "leo", "Leo (social team)", channel="x")
    yield opened
    opened.close()


@pytest.fixture
def browser(centre: Centre) -> Browser:
    return Browser(centre.sites["agent"].answer)


@pytest.fixture
def ana(browser: Browser) -> Browser:
    """Ana signed in."""
    browser.sign_in()
    return browser


@pytest.fixture
def leo(centre: Centre) -> Browser:
    """Leo signed in, at another browser."""
    other = Browser(centre.sites["agent"].answer)
    other.sign_in("leo")
    return other
