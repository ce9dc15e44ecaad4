"""A code at the kiosk: shown after a touch, kept only as a digest, to be sent to us where the customer writes."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from kiosk.core import page as pages
from kiosk.core.policy import Assurance
from kiosk.core.ports import Standing
from kiosk.ui.app import KioskApp
from kiosk.ui.messages import CounterRung, ReaderSaid, Spoken
from sync.model.errors import StoreFull
from sync.model.operations.prove_handle import ProveHandle, code_digest
from sync.model.profile import Profile
from sync.model.records import ContactPoint, Customer, HandleCode, Likeness, Record
from sync.model.row import row_of
from tests.support.customer_side import NOW_US, House, ListDesk, proved, seen, shop_at
from tests.support.pictures import clipped, text_of

SMALL = (53, 17)
HANDLE = ContactPoint("p-1", "x", "tommy_b")
ALIKE = Likeness("tom~x-9", "x-9", "tommy_b", "same name", 9_000, NOW_US)


class CutDesk(ListDesk):
    """The centre does not answer."""

    def standing(self) -> Standing:
        return replace(super().standing(), network="cut")


class Listening(KioskApp):
    """The kiosk, and what it tells the rest of the house."""

    def __init__(self, house: House) -> None:
        super().__init__(house.parts)
        self.spoken: list[str] = []
        self.n_rung = 0

    def on_spoken(self, event: Spoken) -> None:
        self.spoken.append(event.sentence)

    def on_counter_rung(self, _event: CounterRung) -> None:
        self.n_rung += 1


def page_with(*bodies: Record, language: str = "en") -> pages.Page:
    tom = Customer(id="tom", given_name="Tom", language=language)
    rows = tuple(row_of(one, owner="tom", as_of=NOW_US, source="web") for one in (tom, *bodies))
    return pages.decide(Profile("tom", rows), assurance=Assurance.A2, shop=shop_at())


@asynccontextmanager
async def asked(
    desk: ListDesk, *, language: str = "en"
) -> AsyncIterator[tuple[Listening, Pilot[int]]]:
    """Tom at the kiosk, who touched what is offered and then its key."""
    house = House()
    object.__setattr__(house.parts, "desk", desk)
    house.put("tom", page_with(HANDLE, language=language))
    app = Listening(house)
    async with app.run_test(size=SMALL) as pilot:
        await settle(app, pilot)
        for said in (seen(1), proved(1, "tom")):
            app.post_message(ReaderSaid(said))
            await settle(app, pilot)
        await pilot.press("1")
        await settle(app, pilot)
        await pilot.click("#forward")
        await settle(app, pilot)
        yield app, pilot


async def settle(app: Listening, pilot: Pilot[int]) -> None:
    await pilot.pause()
    while not app.pane.view.is_settled:
        await pilot.pause()


@pytest.mark.parametrize(
    ("language", "heading", "line"),
    [("en", "Your code: ", "within 10 minutes"), ("de", "Ihr Code: ", "Binnen 10 Minuten")],
)
async def test_six_digits_are_shown_and_only_their_digest_is_recorded(
    language: str, heading: str, line: str
) -> None:
    desk = ListDesk()
    async with asked(desk, language=language) as (app, pilot):
        found = re.search(rf"{heading}(\d{{3}}) (\d{{3}})", text_of(app))
        assert found is not None
        code = found[1] + found[2]
        assert line in text_of(app)
        assert clipped(app) == []

        ((kind, args, owner, actor),) = desk.recorded
        assert (kind, owner, actor) == ("prove_handle", "tom", "customer")
        assert args == ProveHandle(digest=code_digest("tom", code))

        await pilot.pause()
        assert " ".join(code) in app.spoken[-1]
        assert app.n_rung == 0

        app.pane.finish()
        await settle(app, pilot)
        assert found[0] not in text_of(app)


async def test_without_the_centre_no_code_is_shown() -> None:
    desk = CutDesk()
    async with asked(desk) as (app, _):
        assert "Today not possible here: showing a code." in text_of(app)
        assert desk.recorded == []


async def test_a_code_that_could_not_be_recorded_is_not_shown() -> None:
    desk = ListDesk()
    desk.fails = StoreFull()
    async with asked(desk) as (app, _):
        assert "Today not possible here: showing a code." in text_of(app)
        assert "Your code" not in text_of(app)


def offered(page: pages.Page) -> bool:
    return pages.PROVE_HANDLE in pages.actions_of(page)


def test_a_code_is_offered_where_a_handle_is_not_proved_or_two_may_be_one() -> None:
    assert offered(page_with(HANDLE))
    assert offered(page_with(ALIKE))


def test_no_code_is_offered_where_there_is_nothing_to_prove() -> None:
    verified = ContactPoint("p-1", "x", "tommy_b", is_verified=True)
    mail = ContactPoint("p-2", "email", "tom@example.org")

    assert not offered(page_with(verified, mail))


def test_the_handle_itself_stands_nowhere_on_a_public_panel() -> None:
    page = page_with(HANDLE, ALIKE)

    assert not [
        line
        for block in page.blocks
        for line in (*block.lines, *block.details)
        if "tommy" in line
    ]


def test_once_the_code_came_the_page_says_so_for_a_while() -> None:
    proved_now = HandleCode("tom", digest="", until=NOW_US, channel="x", proved_at=NOW_US)
    long_ago = replace_at(proved_now, NOW_US - pages.PROVED_SAID_US)

    now, later = page_with(HANDLE, proved_now), page_with(HANDLE, long_ago)

    assert "We know you on X now" in [line for block in now.blocks for line in block.lines]
    assert not offered(now)
    assert offered(later)


def replace_at(code: HandleCode, at: int) -> HandleCode:
    return HandleCode(code.id, code.digest, code.until, code.channel, at)
