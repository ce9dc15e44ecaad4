"""The customer's side, driven as the reader, a finger, a keyboard and time drive it."""

import gc
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from drivers.lines import Failed, Left, Proved, ReaderState
from hardware.errors import DiskFull
from kiosk.core import page as pages
from kiosk.core import visit
from kiosk.core.policy import Assurance
from kiosk.core.ports import Recognition, Refused
from kiosk.core.visit import CueKind, Face
from kiosk.core.wording.catalogue import SENTENCES
from kiosk.demo.catalogue import catalogue_rows
from kiosk.demo.people import PEOPLE, people_rows
from kiosk.ui.app import KioskApp
from kiosk.ui.bridge import _RUNG, CALM_MS
from kiosk.ui.messages import (
    CounterRung,
    CustomerGone,
    CustomerHere,
    ReaderSaid,
    Spoken,
    StaffTold,
)
from kiosk.ui.themes import (
    CONTRAST_MIN,
    EDGE_CONTRAST_MIN,
    EDGES,
    PAIRS,
    THEMES,
    contrast,
)
from kiosk.ui.views.customer_sheets import PICTURE
from kiosk.ui.widgets.canvas import Sheet
from kiosk.ui.widgets.touch_button import TouchButton
from sync.model.errors import StoreCorrupt, StoreFull
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.profile import Profile
from sync.model.records import Account, Case, Customer, Order, OrderLine, Pickup, Promise
from sync.model.row import row_of
from tests.support.customer_side import NOW, NOW_US, House, proved, seen
from tests.support.hostile import NAMES, hostile_profile
from tests.support.pictures import clipped, rows_of, text_of
from tests.support.screens import GLYPHS, assert_screen

SMALL, MIDDLE, LARGE = (53, 17), (80, 24), (120, 34)
DEMO_ROWS = people_rows(NOW)
SHOP_ROWS = {row.key: row for row in catalogue_rows(NOW)}


def demo_shop() -> pages.Shop:
    return pages.Shop(
        store="harbour", now_us=NOW_US, synced_at=NOW_US - 60_000_000, held=SHOP_ROWS.get
    )


def demo_page(owner: str, level: Assurance = Assurance.A2) -> pages.Page:
    rows = tuple(row for row in DEMO_ROWS if row.owner == owner)
    return pages.decide(Profile(owner, rows), assurance=level, shop=demo_shop())


def page_with(*bodies: Any, name: str = "Canary7") -> pages.Page:
    me = Customer(id="me", given_name=name)
    rows = tuple(row_of(b, owner="me", as_of=NOW_US, source="web") for b in (me, *bodies))
    return pages.decide(Profile("me", rows), assurance=Assurance.A2, shop=demo_shop())


class Listening(KioskApp):
    """The kiosk, and what it tells the rest of the house."""

    def __init__(self, house: House, **given: Any) -> None:
        super().__init__(house.parts, **given)
        self.told: list[Any] = []

    def on_customer_here(self, event: CustomerHere) -> None:
        self.told.append(event)

    def on_customer_gone(self, event: CustomerGone) -> None:
        self.told.append(event)

    def on_counter_rung(self, event: CounterRung) -> None:
        self.told.append(event)

    def on_staff_told(self, event: StaffTold) -> None:
        self.told.append(event)

    def on_spoken(self, event: Spoken) -> None:
        self.told.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


class Kiosk:
    """A running kiosk in a test's hands."""

    def __init__(self, house: House, app: Listening, pilot: Pilot[int]) -> None:
        self.house, self.app, self.pilot = house, app, pilot
        self._tap = 0

    @property
    def text(self) -> str:
        return text_of(self.app)

    @property
    def face(self) -> Face:
        return self.app.face

    async def settle(self) -> None:
        """Wait until what is shown is painted and the focus is where it belongs."""
        await self.pilot.pause()
        while not self.app.pane.view.is_settled:
            await self.pilot.pause()

    async def reach(self) -> None:
        """A band enters the field."""
        self._tap += 1
        self.app.post_message(ReaderSaid(seen(self._tap)))
        await self.settle()

    async def prove(self, band: str) -> None:
        """And proves itself."""
        self.app.post_message(ReaderSaid(proved(self._tap, band)))
        await self.settle()

    async def tap(self, band: str) -> None:
        """A whole tap; the wrist leaves at once."""
        await self.reach()
        await self.prove(band)
        self.app.post_message(ReaderSaid(Left(tap=self._tap)))
        await self.settle()

    async def fail(self, code: str) -> None:
        """A tap that goes wrong."""
        await self.reach()
        self.app.post_message(ReaderSaid(Failed(tap=self._tap, code=code)))
        await self.settle()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def click(self, words: str) -> None:
        """Click where these words are on the screen."""
        for row, line in enumerate(rows_of(self.app)):
            if words in line:
                await self.pilot.click(offset=(line.index(words) + 1, row))
                await self.settle()
                return
        raise AssertionError(f"{words!r} is not on the screen:\n{self.text}")

    async def click_forward(self, label: str) -> None:
        """Click the key on the right, whose label may stand in a sentence, too."""
        assert self.app.pane.view._keys["forward"].text == label
        await self.pilot.click("#forward")
        await self.settle()

    async def pass_ms(self, duration_ms: int) -> None:
        """Let time pass."""
        self.house.clock.sleep_ms(duration_ms)
        self.app.pane.tick()
        await self.settle()


@asynccontextmanager
async def kiosk(
    *, size: tuple[int, int] = SMALL, theme: str = "day", language: str = "en"
) -> AsyncIterator[Kiosk]:
    house = House(shop=demo_shop, language=language)
    for owner in PEOPLE:
        house.put(owner, demo_page(owner))
    app = Listening(house, theme=theme)
    async with app.run_test(size=size) as pilot:
        running = Kiosk(house, app, pilot)
        await running.settle()
        yield running


# A tap


async def test_attract_says_what_to_do_and_where_the_reader_is() -> None:
    async with kiosk() as it:
        assert "Hold your band to the reader" in it.text
        assert "The reader is below this screen" in it.text
        assert it.app.pane.is_attract


async def test_a_tap_shows_light_without_words_then_the_page() -> None:
    async with kiosk() as it:
        await it.reach()
        light, cues = it.text, list(it.house.cues)
        await it.prove("lena")

        assert it.app.pane.view.face is Face.PAGE
        assert not any(word in light for word in ("moment", "Hold", "Lena"))
        assert cues == [CueKind.SEEN]
        assert it.house.cues == [CueKind.SEEN, CueKind.WELCOME]
        assert "Hello, Lena." in it.text
        assert "Order W-1077, 2 items." in it.text
        assert "As of 14:01" in it.text


async def test_one_moment_is_said_after_a_quarter_of_a_second() -> None:
    async with kiosk() as it:
        await it.reach()
        await it.pass_ms(249)
        before = it.text
        await it.pass_ms(1)

        assert "One moment" not in before
        assert "One moment" in it.text


async def test_on_the_way_from_tap_to_page_nothing_is_mounted_or_removed() -> None:
    async with kiosk() as it:
        before = list(it.app.screen.walk_children())
        await it.tap("maya")
        await it.press("1")
        await it.press("escape", "escape")
        await it.tap("nobody")

        assert list(it.app.screen.walk_children()) == before
        assert len(it.app.screen_stack) == 1


async def test_the_page_stays_when_the_wrist_leaves() -> None:
    async with kiosk() as it:
        await it.tap("maya")

        assert "Hello, Maya." in it.text


async def test_lines_of_an_older_tap_are_dropped() -> None:
    async with kiosk() as it:
        await it.reach()
        await it.reach()
        it.app.post_message(ReaderSaid(proved(1, "maya")))
        await it.settle()

        assert it.face is Face.READING
        assert it.house.recogniser.asked == []


# Privacy


async def test_a_stranger_who_taps_next_sees_nothing_of_the_one_before() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.reach()
        between = it.text
        await it.prove("tom")

        assert "Maya" not in between
        assert "Maya" not in it.text
        assert "Hello, Tom." in it.text


async def test_after_done_nothing_of_the_customer_is_left_on_screen_or_in_memory() -> None:
    async with kiosk() as it:
        it.house.put("band", page_with(Pickup("p", "Canary7-order", "harbour", "ready")))
        await it.tap("band")
        shown = it.text
        await it.press("1", "escape", "escape")
        it.house.recogniser.answers.clear()
        it.app.told.clear()
        await it.settle()
        gc.collect()

        assert "Canary7-order" in shown
        assert it.face is Face.ATTRACT
        assert "Canary7" not in it.text
        kept = [
            thing
            for thing in gc.get_objects()
            if isinstance(
                thing, pages.Page | pages.Block | Recognition | Sheet | visit.Open | Strip
            )
            and "Canary7" in repr(thing)
        ]
        assert kept == []


async def test_an_open_page_changes_quietly_where_she_is_answered_elsewhere() -> None:
    async with kiosk() as it:
        await it.tap("priya")
        assert "We have not answered" in it.text
        n_spoken = len(it.app.of(Spoken))
        it.house.put("priya", page_with(name="Priya"))
        page = it.house.recogniser.answers["priya"]
        assert isinstance(page, pages.Page)
        it.house.put("priya", replace(page, owner="priya", owners=("priya",)))

        it.app.pane.look()
        await it.settle()
        assert "We have not answered" in it.text  # a finger may be on its way
        it.house.clock.sleep_ms(CALM_MS)
        it.app.pane.look()
        await it.settle()

        assert "Hello, Priya." in it.text
        assert "We have not answered" not in it.text
        assert len(it.app.of(Spoken)) == n_spoken
        await it.pass_ms(visit.IDLE_MS - CALM_MS)
        assert it.face is Face.MASKED


async def test_a_page_that_is_somebody_elses_now_stays() -> None:
    async with kiosk() as it:
        await it.tap("priya")
        before = it.text
        it.house.put("priya", demo_page("maya"))
        it.house.clock.sleep_ms(CALM_MS)
        it.app.pane.look()
        await it.settle()

        assert it.text == before


@pytest.mark.parametrize("is_help", [False, True])
async def test_nothing_changes_under_help_or_an_item_that_is_open(*, is_help: bool) -> None:
    async with kiosk() as it:
        await it.tap("priya")
        list_before = it.text
        if is_help:
            await it.click("Help")
        else:
            await it.press("1")
        before = it.text
        page = demo_page("priya")
        it.house.put("priya", replace(page, blocks=page.blocks[:1]))
        it.house.clock.sleep_ms(CALM_MS)
        it.app.pane.look()
        await it.settle()

        assert before != list_before
        assert it.text == before


async def test_a_page_that_became_shorter_says_which_of_its_sheets_is_seen() -> None:
    async with kiosk(size=SMALL) as it:
        page = demo_page("maya")
        first, second = page.blocks[0], page.blocks[1]
        it.house.put("maya", replace(page, blocks=(first, *(second,) * 9)))
        await it.tap("maya")
        while "More" in it.text:
            await it.click("More")
        n_before = re.search(r"(\d) / (\d)", it.text)
        it.house.put("maya", replace(page, blocks=(first, *(second,) * 4)))
        it.house.clock.sleep_ms(CALM_MS)
        it.app.pane.look()
        await it.settle()
        n_now = re.search(r"(\d) / (\d)", it.text)

        assert n_before is not None
        assert n_now is not None
        assert n_before[1] == n_before[2]
        assert n_now[1] == n_now[2] < n_before[2]


async def test_thirty_seconds_without_a_touch_hide_the_page_and_ask() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.pass_ms(30_000)
        hidden = it.text
        await it.press("enter")

        assert "Are you still here?" in hidden
        assert "Maya" not in hidden
        assert "Hello, Maya." in it.text


async def test_a_finger_on_done_wipes_the_hidden_page_without_showing_it_again() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.pass_ms(30_000)
        shown: list[str] = []
        show_page = it.app.pane.view.show_page

        def show_and_note(page: pages.Page) -> None:
            shown.append(page.owner)
            show_page(page)

        it.app.pane.view.show_page = show_and_note  # type: ignore[method-assign]  # to see a flash
        await it.click("Done")

        assert it.face is Face.ATTRACT
        assert shown == []


async def test_twenty_seconds_more_wipe() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.pass_ms(30_000)
        await it.pass_ms(20_000)

        assert it.face is Face.ATTRACT
        assert len(it.app.of(CustomerGone)) == 1


async def test_every_touch_restarts_the_clock() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        it.house.clock.sleep_ms(29_000)
        await it.press("down")
        await it.pass_ms(29_000)
        by_key = it.face
        await it.click("240 points")
        await it.pass_ms(29_000)

        assert by_key is it.face is Face.PAGE


async def test_unknown_unlinked_and_blocked_bands_see_the_very_same_screen() -> None:
    screens = []
    for reason in ("unknown_band", "unlinked", "blocked"):
        async with kiosk() as it:
            it.house.recogniser.reasons["x"] = reason
            await it.tap("x")
            screens.append(rows_of(it.app))

            assert [told.code for told in it.app.of(StaffTold)] == [reason]
            assert reason not in it.text

    assert screens[0] == screens[1] == screens[2]
    assert any("Please see our team" in row for row in screens[0])


async def test_what_is_spoken_is_never_more_than_what_is_shown() -> None:
    async with kiosk() as it:
        await it.tap("sam")
        await it.pass_ms(30_000)

        said = [told.sentence for told in it.app.of(Spoken)]
        assert said[-2] == "Hello, Sam. Something is waiting for you."
        assert said[-1] == "Are you still here? Touch the screen or press any key."


async def test_a_band_of_the_household_joins_and_one_page_has_all_tickets() -> None:
    async with kiosk() as it:
        await it.tap("sam")
        await it.tap("ama")
        await it.tap("kofi")

        assert "Hello, Sam and family." in it.text
        assert "3 tickets: Sam, Comet, Otter." in it.text


async def test_the_tickets_of_a_family_are_confirmed_at_once_in_the_name_of_the_grown_up() -> (
    None
):
    async with kiosk() as it:
        await it.tap("sam")
        await it.tap("ama")
        await it.tap("kofi")
        await it.press("1")
        opened = it.text
        await it.click_forward("Confirm")

        ((kind, args, owner, actor),) = it.house.desk.recorded
        assert (kind, owner, actor) == ("record_interaction", "sam", "customer")
        assert isinstance(args, RecordInteraction)
        assert (args.about, args.direction) == ("entitlement/sam:ticket", "note")
        (rung,) = it.app.of(CounterRung)
        assert (rung.action, rung.owner) == ("tickets", "sam")
        assert "Confirm all 3 at once" in opened
        assert "Nothing is used up yet." in " ".join(it.text.split())


async def test_after_a_family_a_stranger_acts_in_their_own_name() -> None:
    async with kiosk() as it:
        await it.tap("sam")
        await it.tap("ama")
        await it.tap("lena")
        await it.press("1")
        await it.click("Collect")

        assert [owner for _, _, owner, _ in it.house.desk.recorded] == ["lena"]
        assert list(it.app.pane._recognised) == ["lena"]


async def test_who_joined_is_forgotten_with_the_visit() -> None:
    async with kiosk() as it:
        await it.tap("sam")
        await it.tap("ama")
        together = set(it.app.pane._recognised)
        await it.press("escape")

        assert together == {"sam", "ama"}
        assert it.app.pane._recognised == {}


# When something is wrong


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("band_left", "Please hold your band to the reader again"),
        ("band_collision", "One band at a time, please"),
        ("band_untrusted", "Please see our team"),
        ("band_unsupported", "Please see our team"),
        ("band_malformed", "Please see our team"),
    ],
)
async def test_a_tap_that_goes_wrong_says_what_to_do_and_then_goes_home(
    code: str, words: str
) -> None:
    async with kiosk() as it:
        await it.fail(code)
        said = it.text
        await it.pass_ms(visit.TOLD_MS)

        assert words in " ".join(said.split())
        assert it.face is Face.ATTRACT
        assert [told.code for told in it.app.of(StaffTold)] == [code]


@pytest.mark.parametrize("error", [StoreCorrupt(), StoreFull(), DiskFull()])
async def test_files_that_do_not_answer_are_said_as_not_possible_here_today(
    error: Exception,
) -> None:
    async with kiosk() as it:
        it.house.put("band", error)
        await it.tap("band")

        assert "Today not possible here: opening your page." in " ".join(it.text.split())
        assert it.app.is_running


async def test_a_reader_that_goes_is_said_and_one_that_comes_back_is_welcome() -> None:
    async with kiosk() as it:
        it.app.post_message(ReaderSaid(ReaderState(name="r", code="reader_absent")))
        await it.settle()
        gone = it.text
        it.app.post_message(ReaderSaid(ReaderState(name="r")))
        await it.settle()

        assert "Bands cannot be read here at the moment." in gone
        assert "Hold your band to the reader" in it.text


async def test_out_of_order_ends_the_program_with_a_status_that_starts_it_again() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        it.app.pane.break_down("crash")
        await it.settle()
        shown = it.text
        it.house.clock.sleep_ms(visit.OUT_OF_ORDER_MS)
        it.app.pane.tick()
        await it.pilot.pause()

        assert "This screen is out of order." in shown
        assert "Maya" not in shown
        assert it.app.return_code == 1


# Text from outside


async def test_hostile_text_in_every_slot_is_shown_as_text() -> None:
    async with kiosk() as it:
        for name in NAMES:
            page = pages.decide(hostile_profile(name), assurance=Assurance.A2, shop=demo_shop())
            it.house.put("band", page)
            await it.tap("band")
            for key in ("1", "escape", "right", "enter", "escape"):
                await it.pilot.press(key)
                shown = "".join(rows_of(it.app))
                assert all(char.isprintable() for char in shown), name

            assert it.face is Face.PAGE
            assert it.app.is_running


async def test_a_name_that_is_markup_is_read_letter_by_letter_and_quits_nothing() -> None:
    async with kiosk() as it:
        name = "[@click=app.quit]Sam"
        it.house.put("band", page_with(name=name))
        await it.tap("band")
        await it.click("Sam")

        assert f"Hello, {name}." in it.text
        assert it.app.is_running


# Fingers and keys


async def test_what_is_behind_an_offer_that_is_not_here_rings_the_counter_about_the_product() -> (
    None
):
    async with kiosk() as it:
        await it.tap("jonas")
        before = it.text
        await it.press("2")
        opened = it.text
        await it.click_forward("Ask us")

        ((_, args, owner, _),) = it.house.desk.recorded
        assert "None here" in before
        assert "€" not in before
        assert "€41.00 on the web, €45.00 here" in opened
        assert (owner, args.about) == ("jonas", "product/rain-jacket")  # type: ignore[attr-defined]
        assert [rung.action for rung in it.app.of(CounterRung)] == ["find"]


@pytest.mark.parametrize("owner", PEOPLE)
async def test_digits_count_what_can_be_touched_from_one_and_open_it(owner: str) -> None:
    async with kiosk(size=LARGE) as it:
        await it.tap(owner)
        lines = it.app.pane.view._canvas.sheet.lines
        drawn = [
            line.right[0].text.strip()
            for line in lines
            if line.right and line.ground != "ground"
        ]
        blocks = [
            block for block in demo_page(owner).blocks[1:] if block.actions or block.details
        ]
        await it.press(str(len(blocks) + 1))
        at_list = it.app.pane.view._detail

        assert drawn == [str(n) for n in range(1, len(blocks) + 1)]
        assert at_list is None
        if blocks:
            await it.press(str(len(blocks)))
            assert it.app.pane.view._detail == blocks[-1]


@pytest.mark.parametrize("owner", PEOPLE)
async def test_only_what_can_be_touched_is_ever_drawn_as_chosen(owner: str) -> None:
    async with kiosk() as it:
        await it.press("tab")
        it.app.pane.view._canvas.focus()
        it.app.post_message(ReaderSaid(seen(9)))
        it.app.post_message(ReaderSaid(proved(9, owner)))
        await it.pilot.pause()
        first = it.app.pane.view._canvas.sheet
        await it.settle()

        for sheet in (first, it.app.pane.view._canvas.sheet):
            chosen = {line.item for line in sheet.lines if line.ground == "card-focus"}
            assert -1 not in chosen


@pytest.mark.parametrize("size", [(40, 12), (52, 17), (53, 16)], ids=str)
async def test_a_screen_that_is_too_small_says_so_and_nothing_else_until_it_grows(
    size: tuple[int, int],
) -> None:
    async with kiosk() as it:
        await it.tap("lena")
        await it.pilot.resize_terminal(*size)
        await it.settle()
        small = it.text
        await it.press("1", "enter")
        still = it.text
        await it.pilot.resize_terminal(*SMALL)
        await it.settle()
        grown = it.text
        await it.press("1")

        assert " ".join(small.split()) == "This screen is too small: 53 x 17 at least"
        assert still == small
        assert "Hello, Lena." in grown
        assert "Done" in grown
        assert "Rain hat" in it.text


@pytest.mark.parametrize("way", ["digit", "enter", "mouse"])
async def test_items_are_shown_after_a_touch_a_key_or_a_digit(way: str) -> None:
    async with kiosk() as it:
        await it.tap("lena")
        before = it.text
        if way == "mouse":
            await it.click("Order W-1077")
        else:
            await it.press("1" if way == "digit" else "enter")
        opened = it.text
        await it.click("Back")

        assert "Rain hat" not in before
        assert "1 x Rain hat, €24.90" in opened
        assert "Hello, Lena." in it.text


async def test_collecting_is_recorded_first_and_said_then_and_rings_the_counter() -> None:
    async with kiosk() as it:
        await it.tap("lena")
        await it.press("1")
        await it.click("Collect")

        ((kind, args, owner, actor),) = it.house.desk.recorded
        assert (kind, owner, actor) == ("record_interaction", "lena", "customer")
        assert isinstance(args, RecordInteraction)
        assert (args.about, args.direction) == ("order/W-1077", "note")
        (rung,) = it.app.of(CounterRung)
        assert (rung.action, rung.owner, rung.is_recorded) == ("ring_counter", "lena", True)
        assert "We told the counter you are here" in it.text
        assert "being fetched" not in it.text


@pytest.mark.parametrize("error", [StoreFull(), DiskFull(), Refused("not_allowed")])
async def test_what_could_not_be_recorded_is_never_said_as_done(error: Exception) -> None:
    async with kiosk() as it:
        it.house.desk.fails = error
        await it.tap("lena")
        await it.press("1")
        await it.click("Collect")

        assert "We told the counter" not in it.text
        assert "Today not possible here" in it.text
        assert it.app.of(CounterRung) == []


async def test_what_does_not_fit_is_on_the_next_sheet_and_done_is_at_its_end() -> None:
    async with kiosk() as it:
        parcels = [Pickup(f"p{n}", f"W-{n}", "harbour", "ready", ready_at=n) for n in range(4)]
        it.house.put("band", page_with(*parcels))
        await it.tap("band")
        first = it.text
        await it.click("More")
        second = it.text
        await it.click("Back")
        back = it.text
        await it.click("More")
        await it.pilot.click("#forward")
        await it.settle()

        assert "1 / 2" in first
        assert "W-2" in first
        assert "W-3" not in first
        assert "W-3" in second
        assert back == first
        assert it.face is Face.ATTRACT


async def test_a_larger_panel_shows_more_at_once() -> None:
    async with kiosk(size=LARGE) as it:
        parcels = [Pickup(f"p{n}", f"W-{n}", "harbour", "ready", ready_at=n) for n in range(6)]
        it.house.put("band", page_with(*parcels))
        await it.tap("band")

        assert "W-5" in it.text
        assert "More" not in it.text


async def test_everything_is_reached_with_tab_alone_and_the_focus_is_always_somewhere() -> None:
    async with kiosk() as it:
        await it.tap("lena")
        places = []
        for _ in range(6):
            focused = it.app.focused
            assert focused is not None
            places.append((focused.id, it.app.pane.view._cursor))
            await it.press("tab")

        assert places == [
            ("canvas", 0), ("canvas", 2), ("back", 2), ("help", 2), ("language", 2), ("canvas", 0),
        ]  # fmt: skip


async def test_the_focused_item_is_told_by_its_shape() -> None:
    async with kiosk() as it:
        await it.tap("lena")
        item, other = it.text, ""
        await it.press("tab", "tab")
        other = it.text

        assert "█  Ready for you here" in item
        assert "▌  Ready for you here" in other
        assert "┏" in other


@pytest.mark.parametrize(
    "keys", ["ctrl+q", "ctrl+c", "ctrl+p", "ctrl+z", "f1", "ctrl+backslash"]
)
async def test_no_key_leaves_the_kiosk(keys: str) -> None:
    async with kiosk() as it:
        await it.press(keys)
        await it.tap("maya")
        await it.press(keys)

        assert it.app.is_running
        assert len(it.app.screen_stack) == 1


async def test_digits_on_the_attract_page_are_left_to_the_house() -> None:
    heard = []

    class Shell(Listening):
        def on_key(self, event: Any) -> None:
            heard.append(event.key)

    house = House(shop=demo_shop)
    house.put("lena", demo_page("lena"))
    app = Shell(house)
    async with app.run_test(size=SMALL) as pilot:
        it = Kiosk(house, app, pilot)
        await it.press("3")
        await it.tap("lena")
        await it.press("1")

    assert heard == ["3"]


async def test_the_language_key_says_the_open_page_again_and_the_visit_goes_on() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.click("Deutsch")
        german = it.text
        await it.click("English")
        await it.press("escape")

        assert "Hallo, Maya." in german
        assert "Ihre Bestellung W-1042" in german
        assert it.house.recogniser.asked == ["maya"]
        assert it.face is Face.ATTRACT


async def test_the_language_key_leaves_open_what_is_open() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.press("1")
        await it.click("Deutsch")
        item = it.text
        await it.click("Hilfe")
        await it.click("English")
        helped = it.text
        await it.click("Back")
        await it.click("Back")

        assert "Ihre Bestellung W-1042" in item
        assert "Hallo, Maya." not in item
        assert "Our team is here for you" in " ".join(helped.split())
        assert "Hello, Maya." in it.text


async def test_help_in_another_language_closes_by_itself_as_well() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.click("Help")
        await it.click("Deutsch")
        helped = it.text
        await it.pass_ms(29_000)

        assert "Hallo, Maya." not in helped
        assert "Hallo, Maya." not in it.text
        await it.pass_ms(1_000)
        assert "Hallo, Maya." in it.text or it.face is Face.MASKED


async def test_the_next_customer_is_greeted_in_the_shops_language_again() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.click("Deutsch")
        await it.click("Fertig")

        assert "Hold your band to the reader" in it.text


async def test_help_is_on_every_page_and_closes_by_itself() -> None:
    async with kiosk() as it:
        await it.click("Help")
        helped = it.text
        await it.pass_ms(30_000)

        assert "Our team is here for you" in helped
        assert "Hold your band to the reader" in it.text
        assert [rung.action for rung in it.app.of(CounterRung)] == ["help"]
        assert "What you told us" not in helped


async def test_help_beside_an_open_page_says_that_nothing_must_be_repeated() -> None:
    async with kiosk() as it:
        await it.tap("maya")
        await it.click("Help")

        assert "What you told us is there already." in " ".join(it.text.split())


async def test_a_tap_while_help_is_open_opens_the_page() -> None:
    async with kiosk() as it:
        await it.click("Help")
        await it.tap("maya")

        assert "Hello, Maya." in it.text


# Size, colour, characters


def longest_page() -> pages.Page:
    """Every kind of block with the longest words it can have."""
    wide = "Wolfeschlegelsteinhausen-Bergerdorff Wolfeschlegelsteinhausen"
    at = NOW_US - 400 * pages.DAY_US
    recent = NOW_US - 2 * pages.DAY_US
    line = OrderLine(product="x", title=wide, variant="XXXL", count=99, paid_minor=9_999_999)
    return page_with(
        Pickup("p1", wide, "harbour", "ready", n_items=9),
        Pickup("p2", wide, "nowhere", "ready", n_items=9),
        Pickup("p3", wide, "nowhere", "expected", n_items=9),
        Case(
            id="c", number=wide, state="open", topic="", opened_at=at, channel="pigeon",
            promise=Promise(by=wide, text=wide * 3, due_at=at),
        ),
        Case(
            id="again", number=wide, state="open", topic="", opened_at=at, channel="pigeon",
            earlier=(Promise(by=wide, text=wide, due_at=at, op="a", at=at - 1),),
            promise=Promise(wide, wide, NOW_US + 200 * pages.DAY_US, op="b", at=NOW_US),
        ),
        Order(
            id="W-12345678901234567890", at=recent, channel="web", state="delivered",
            lines=(line,) * 9, total_minor=1, code="X",
        ),
        Account("a", 1_234_567_890),
        name=wide,
    )  # fmt: skip


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=str)
@pytest.mark.parametrize("language", ["en", "de"])
async def test_nothing_is_cut_on_any_page_in_any_language(
    size: tuple[int, int], language: str
) -> None:
    async with kiosk(size=size, language=language) as it:
        view = it.app.pane.view
        shown = [demo_page(owner) for owner in PEOPLE]
        shown += [demo_page(owner, Assurance.A1) for owner in PEOPLE]
        family = pages.joined(demo_page("sam"), demo_page("ama"), demo_shop())
        shown += [family, pages.joined(family, demo_page("kofi"), demo_shop())]
        shown += [longest_page(), page_with(name="W" * 60)]
        cut = []

        async def look(what: str) -> None:
            view._follow()
            await it.pilot.pause()
            labels = [
                key.text
                for key in view.query(TouchButton)
                if len(key.text) > key.content_size.width
            ]
            if view._canvas.sheet.is_cut or clipped(it.app) or labels:
                cut.append((what, it.text, labels))

        for face in Face:
            if face is not Face.PAGE:
                view.show(face)
                await look(face.value)
        for heading, words in (("help.heading", "help.line"), ("help.heading", "help.line-nobody"),
                               *_RUNG.values(),
                               ("neutral.see-team", "not-possible.action")):  # fmt: skip
            view.tell(heading, words)
            await look(heading)
        for page in shown:
            view.show_page(pages.spoken_in(page, language, demo_shop()))
            for sheet in range(view._n_sheets()):
                view._sheet, view._detail = sheet, None
                view._draw()
                await look(f"{page.owner} sheet {sheet}")
                for item in view._open_items():
                    view._detail = view._blocks_of_sheet()[item]
                    view._draw()
                    await look(f"{page.owner} item {item}")
                    view._detail = None

        assert cut == []


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_every_text_is_readable_in_every_theme(theme: Any, ink: str, ground: str) -> None:
    ratio = contrast(theme.variables[ink], theme.variables[ground])

    assert ratio >= CONTRAST_MIN[theme.name]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize(("edge", "beside"), EDGES)
def test_the_border_of_a_key_is_seen_in_every_theme(theme: Any, edge: str, beside: str) -> None:
    ratio = contrast(theme.variables[edge], theme.variables[beside])

    assert ratio >= EDGE_CONTRAST_MIN


def test_contrast_is_computed_as_the_guideline_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


async def test_no_page_uses_a_pair_of_colours_that_was_not_checked() -> None:
    used = set()
    async with kiosk() as it:
        view = it.app.pane.view

        def look() -> None:
            for line in view._canvas.sheet.lines:
                for piece in (*line.pieces, *line.right):
                    if piece.text.strip():
                        used.add((piece.ink, line.ground))

        for face in Face:
            view.show(face)
            look()
        view.show_page(longest_page())
        for sheet in range(view._n_sheets()):
            for cursor in range(3):
                view._sheet, view._cursor, view._detail = sheet, cursor, None
                view._canvas.focus()
                await it.settle()
                view._draw()
                look()
        view._detail = view._blocks()[0]
        view._draw()
        look()

    assert used <= set(PAIRS)
    assert len(used) > 10


def test_our_own_words_and_shapes_use_only_characters_every_panel_has() -> None:
    ours = "".join(PICTURE) + "▼►◄█▌" + "".join("".join(row) for row in SENTENCES.values())

    assert set(ours) - GLYPHS == set()


# Pictures


@pytest.mark.parametrize(
    ("name", "size", "theme", "language", "steps"),
    [
        ("attract", SMALL, "day", "en", ()),
        ("lena", SMALL, "day", "en", ("tap lena",)),
        ("maya-german", SMALL, "night", "de", ("tap maya", "language")),
        ("tom", MIDDLE, "night", "en", ("tap tom",)),
        ("parcel", SMALL, "high-contrast", "en", ("tap lena", "press 1")),
        ("neutral", SMALL, "day", "en", ("tap nobody",)),
        ("masked", SMALL, "day", "de", ("tap maya", "wait")),
    ],
)
async def test_pages_look_as_approved(
    name: str, size: tuple[int, int], theme: str, language: str, steps: tuple[str, ...]
) -> None:
    async with kiosk(size=size, theme=theme, language=language) as it:
        for step in steps:
            match step.split():
                case ["tap", band]:
                    await it.tap(band)
                case ["press", key]:
                    await it.press(key)
                case ["wait"]:
                    await it.pass_ms(30_000)
                case _:
                    await it.pilot.click("#language")
                    await it.settle()

        assert_screen(it.app, name)


def test_a_proof_does_not_print_what_it_read() -> None:
    said = Proved(tap=1, kind="mutual", family="desfire", generation=2, uid="04aa", band="b1")

    assert "04aa" not in repr(said)


async def test_what_has_no_room_in_an_item_is_seen_to_go_on() -> None:
    async with kiosk() as it:
        page = demo_page("tom")
        lines = (page.blocks[1].lines[0], "word " * 40)
        it.house.put(
            "tom", replace(page, blocks=(page.blocks[0], replace(page.blocks[1], lines=lines)))
        )

        await it.tap("tom")

        assert sum(row.rstrip().endswith("…") for row in it.text.splitlines()) == 1
