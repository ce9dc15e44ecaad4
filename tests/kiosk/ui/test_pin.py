"""A PIN asked for at the kiosk and set at the counter: keys a finger finds, nothing left behind, nobody sent away in the dark."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from kiosk.core import page as pages
from kiosk.core.entries import Opened
from kiosk.core.policy import Assurance
from kiosk.core.ports import BandEvidence, PinStanding, PinTried, Recorded
from kiosk.core.visit import FORM_MS, IDLE_MS, Face
from kiosk.demo.brand import demo_rows
from kiosk.demo.people import people_rows
from kiosk.ui.app import KioskApp
from kiosk.ui.bridge import HELP_MS
from kiosk.ui.counter_app import CounterApp
from kiosk.ui.messages import CounterRung, ReaderSaid, StaffTold
from kiosk.ui.screens.set_pin import PinQuestion
from kiosk.ui.views.counter import CounterView
from kiosk.ui.widgets.keypad import KEY_ROWS, Keypad
from kiosk.ui.widgets.notice import Notice
from sync.model.errors import StoreFull
from sync.model.operation import Evidence, OperationState
from sync.model.operations.request_erasure import RequestErasure
from sync.model.profile import Profile
from tests.support import demo_side
from tests.support.customer_side import NOW, House, ListDesk, proved, seen, shop_at
from tests.support.desk import MemoryDesk
from tests.support.pictures import clipped, text_of

SMALL = (53, 17)
PIN = "2580"


class PinDesk(ListDesk):
    """A desk that knows one PIN."""

    def __init__(self) -> None:
        super().__init__()
        self.standing_of = PinStanding.OPEN
        self.tried: list[tuple[str, str]] = []

    def pin_standing(self, owner: str) -> PinStanding:
        return self.standing_of

    def try_pin(self, pin: str, *, owner: str, band: BandEvidence) -> PinTried:
        if self.fails is not None:
            raise self.fails
        self.tried.append((owner, band.band))
        if pin == PIN:
            return PinTried(Evidence("A3", band.proof, band.band), PinStanding.OPEN, True)
        return PinTried(None, self.standing_of)

    def set_pin(self, pin: str, *, owner: str, actor: str, evidence: Evidence) -> Recorded:
        raise AssertionError("a kiosk sets none")


class Listening(KioskApp):
    """The kiosk, and what it tells the rest of the house."""

    def __init__(self, house: House) -> None:
        super().__init__(house.parts)
        self.told: list[Any] = []

    def on_counter_rung(self, event: CounterRung) -> None:
        self.told.append((event.action, event.owner))

    def on_staff_told(self, event: StaffTold) -> None:
        self.told.append(event.code)


class Kiosk:
    def __init__(self, house: House, desk: PinDesk, app: Listening, pilot: Pilot[int]) -> None:
        self.house, self.desk, self.app, self.pilot = house, desk, app, pilot

    @property
    def text(self) -> str:
        return text_of(self.app)

    @property
    def keypad(self) -> Keypad:
        return self.app.pane.query_one(Keypad)

    async def settle(self) -> None:
        await self.pilot.pause()
        while not self.app.pane.view.is_settled:
            await self.pilot.pause()

    async def click(self, selector: str) -> None:
        await self.pilot.click(selector)
        await self.settle()

    async def type(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def touch(self, digits: str) -> None:
        """As a finger does: in the middle of each key."""
        for digit in digits:
            row = next(y for y in range(4, 11) if digit in self.keypad.render_line(y).text)
            at = (self.keypad.render_line(row).text.index(digit), row)
            await self.pilot.click(self.keypad, offset=at)
        await self.settle()


@asynccontextmanager
async def asked(
    standing: PinStanding = PinStanding.OPEN, *, size: tuple[int, int] = SMALL
) -> AsyncIterator[Kiosk]:
    """Maya at the kiosk, who pressed help and then what stands there."""
    rows = tuple(row for row in people_rows(NOW) if row.owner == "maya")
    house, desk = House(), PinDesk()
    desk.standing_of = standing
    object.__setattr__(house.parts, "desk", desk)
    page = pages.decide(Profile("maya", rows), assurance=Assurance.A2, shop=shop_at())
    house.put("maya", page)
    app = Listening(house)
    async with app.run_test(size=size) as pilot:
        it = Kiosk(house, desk, app, pilot)
        await it.settle()
        for said in (seen(1), proved(1, "maya")):
            app.post_message(ReaderSaid(said))
            await it.settle()
        await it.click("#help")
        assert app.pane.view._keys["forward"].text == "Forget me"
        await it.click("#forward")
        yield it


async def test_the_keypad_fits_the_smallest_panel_with_keys_of_three_rows() -> None:
    async with asked() as it:
        await it.settle()

        assert KEY_ROWS == 3
        assert "Your PIN, please" in it.text
        assert it.keypad.size.height >= 4 + 2 * KEY_ROWS + 1
        assert all(digit in "".join(it.keypad.words) for digit in "0123456789")
        assert not clipped(it.app)


async def test_the_right_pin_by_finger_records_the_wish_with_a3_and_says_so() -> None:
    async with asked() as it:
        await it.touch(PIN)
        shown = it.text
        await it.click("#forward")

        ((kind, args, owner, actor),) = it.desk.recorded
        assert PIN not in shown
        assert "● ● ● ●" in shown
        assert (kind, owner, actor) == ("request_erasure", "maya", "customer")
        assert isinstance(args, RequestErasure)
        assert "We will delete it" in it.text
        assert it.keypad.typed == ""


async def test_the_same_by_keyboard_and_a_digit_can_be_taken_back() -> None:
    async with asked() as it:
        await it.type("2", "5", "9", "backspace", "8", "0", "enter")

        assert it.desk.tried == [("maya", "maya")]
        assert [kind for kind, *_ in it.desk.recorded] == ["request_erasure"]


async def test_too_few_digits_ask_nobody() -> None:
    async with asked() as it:
        await it.type("2", "5", "8", "enter")

        assert it.app.pane.view._keys["forward"].text == ""
        assert it.desk.tried == []


async def test_from_help_the_customer_comes_back_to_the_keypad_and_types_anew() -> None:
    async with asked() as it:
        await it.type("2", "5")
        await it.click("#help")
        helped = it.text
        await it.click("#help")
        await it.click("#back")

        assert "Your PIN, please" not in helped
        assert "Your PIN, please" in it.text
        assert it.keypad.typed == ""
        await it.type(*PIN, "enter")
        assert [kind for kind, *_ in it.desk.recorded] == ["request_erasure"]
        assert "We will delete it" in it.text


async def test_the_keypad_speaks_another_language_and_stays() -> None:
    async with asked() as it:
        await it.click("#language")
        german = it.text
        it.house.clock.sleep_ms(IDLE_MS + 1_000)
        it.app.pane.tick()
        is_asked = it.keypad.display
        await it.type(*PIN, "enter")

        assert "Your PIN, please" not in german
        assert is_asked
        assert [kind for kind, *_ in it.desk.recorded] == ["request_erasure"]
        assert "Wir löschen es" in it.text


async def test_from_help_the_customer_comes_back_to_what_was_told_and_then_to_the_page() -> (
    None
):
    async with asked(PinStanding.NONE) as it:
        told = it.text
        await it.click("#help")
        helped = it.text
        await it.click("#back")
        again = it.text
        await it.click("#back")

        assert "For this you need a PIN" in told
        assert "For this you need a PIN" not in helped
        assert again == told
        assert "Hello, Maya." in it.text


async def test_what_was_told_before_help_closes_by_itself_as_well() -> None:
    async with asked(PinStanding.NONE) as it:
        await it.click("#help")
        await it.click("#back")
        it.house.clock.sleep_ms(HELP_MS)
        it.app.pane.tick()
        await it.settle()

        assert "For this you need a PIN" not in it.text


async def test_a_wrong_pin_is_asked_for_once_more_and_records_nothing() -> None:
    async with asked() as it:
        await it.type("9", "9", "9", "9", "enter")

        assert "That was not it. Once more." in it.text
        assert (it.desk.recorded, it.keypad.typed) == ([], "")


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (PinStanding.NONE, "For this you need a PIN"),
        (PinStanding.LOCKED, "Your PIN is locked"),
    ],
)
async def test_who_has_none_or_a_locked_one_is_sent_to_the_counter_which_is_told(
    standing: PinStanding, words: str
) -> None:
    async with asked(standing) as it:
        assert words in it.text
        assert ("forget_me", "maya") in it.app.told
        assert not it.keypad.display


async def test_the_last_wrong_one_tells_staff_that_it_is_locked() -> None:
    async with asked() as it:
        it.desk.standing_of = PinStanding.LOCKED
        await it.type("9", "9", "9", "9", "enter")

        assert "Your PIN is locked" in it.text
        assert "pin_locked" in it.app.told


async def test_files_that_take_nothing_let_no_pin_through() -> None:
    async with asked() as it:
        it.desk.fails = StoreFull("full")
        await it.type(*PIN, "enter")

        assert it.desk.recorded == []
        assert "Please see our team" in it.text


async def test_back_leaves_the_page_as_it_was_and_nothing_typed() -> None:
    async with asked() as it:
        await it.type("2", "5")
        await it.click("#back")

        assert "Hello, Maya." in it.text
        assert it.keypad.typed == ""


async def test_who_walks_away_leaves_nothing_typed_but_has_a_minute_for_it() -> None:
    async with asked() as it:
        await it.type("2", "5")
        it.house.clock.sleep_ms(IDLE_MS + 1_000)
        it.app.pane.tick()
        kept = it.keypad.typed
        it.house.clock.sleep_ms(FORM_MS)
        it.app.pane.tick()
        await it.settle()

        assert kept == "25"
        assert (it.app.face, it.keypad.typed) == (Face.MASKED, "")
        assert not it.keypad.display


# At the counter


class CounterPins(MemoryDesk):
    """A counter's desk that can set a PIN."""

    pins: list[tuple[str, str, Evidence]]

    def pin_standing(self, owner: str) -> PinStanding:
        return PinStanding.NONE

    def try_pin(self, pin: str, *, owner: str, band: BandEvidence) -> PinTried:
        raise AssertionError("a counter tries none")

    def set_pin(self, pin: str, *, owner: str, actor: str, evidence: Evidence) -> Recorded:
        self.pins.append((owner, pin, evidence))
        return Recorded("op-pin", OperationState.RECORDED)


def view_of(app: CounterApp) -> CounterView:
    """The counter, also below a question."""
    return app.screen_stack[0].query_one(CounterView)


@asynccontextmanager
async def counter(
    size: tuple[int, int] = (80, 24),
) -> AsyncIterator[tuple[CounterPins, Any, Pilot[Any]]]:
    desk = CounterPins(demo_rows(demo_side.NOW), now=demo_side.NOW_US)
    desk.pins = []
    app = CounterApp(desk, post=demo_side.POST, words=demo_side.WORDS)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        view_of(app).open("maya", Opened(Evidence("A2", "mutual", "b1")))
        await pilot.pause()
        await pilot.press("p")
        await pilot.pause()
        yield desk, app, pilot


@pytest.mark.parametrize("size", [SMALL, (80, 24)])
async def test_a_clerk_who_saw_an_id_has_the_customer_type_a_pin_twice(
    size: tuple[int, int],
) -> None:
    async with counter(size) as (desk, app, pilot):
        assert isinstance(app.screen, PinQuestion)
        await pilot.press(*PIN, "enter", *PIN, "enter")
        shown = text_of(app)
        await pilot.press("enter")
        await pilot.pause()

        ((owner, pin, evidence),) = desk.pins
        assert PIN not in shown
        assert (owner, pin, evidence.proof) == ("maya", PIN, "id_seen")
        assert "PIN set for Maya" in view_of(app).query_one("#message", Notice).text


@pytest.mark.parametrize("size", [SMALL, (80, 24)])
async def test_one_that_anybody_guesses_is_asked_for_anew_at_once(
    size: tuple[int, int],
) -> None:
    async with counter(size) as (desk, app, pilot):
        await pilot.press(*"1234", "enter", *"1234", "enter", "enter")
        await pilot.pause()
        again = " ".join(text_of(app).split())
        await pilot.press(*PIN, "enter", *PIN, "enter", "enter")
        await pilot.pause()

        assert "4 to 8 digits, not all the same" in again
        assert not clipped(app)
        assert [pin for _, pin, _ in desk.pins] == [PIN]


async def test_what_cannot_be_taken_back_offers_no_key_to() -> None:
    async with counter() as (_, app, pilot):
        await pilot.press(*PIN, "enter", *PIN, "enter", "enter")
        await pilot.pause()

        assert "undo" not in {name for _, _, name in view_of(app)._keys()}


async def test_two_that_differ_set_nothing_and_escape_leaves_it_as_it_is() -> None:
    async with counter() as (desk, app, pilot):
        await pilot.press(*PIN, "enter", "2", "5", "8", "1", "enter", "enter")
        await pilot.pause()
        differs = text_of(app)
        left = app.screen.query_one("#first", Input).value
        await pilot.press("escape")
        await pilot.pause()

        assert "The two are not the same." in differs
        assert (left, desk.pins) == ("", [])
