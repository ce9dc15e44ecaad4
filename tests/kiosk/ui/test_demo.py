"""The demo: ticker, kiosk and counter side by side or one at a time, its keys, the trap."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from kiosk.core.staff_words import HOUR_US, MINUTE_US
from kiosk.core.visit import Face
from kiosk.ui.bridge import CustomerPane
from kiosk.ui.demo_shell.alt_keys import DIGITS, tell_alt_digits_apart
from kiosk.ui.demo_shell.app import DemoApp
from kiosk.ui.demo_shell.controls import Day
from kiosk.ui.demo_shell.ticker import ScoreBoard, TickerLines
from kiosk.ui.demo_shell.trap import TrapPairs, TrapPane
from kiosk.ui.screens.hand_over import HandOverQuestion
from kiosk.ui.themes import CONTRAST_MIN, THEMES
from kiosk.ui.views.counter import CounterView
from kiosk.ui.widgets.key_bar import KeyBar
from kiosk.ui.widgets.notice import Notice
from sync.model.records import Customer, Interaction
from sync.model.row import row_of
from sync.model.sins import scoreboard_of
from tests.support import hostile
from tests.support import keys as keys_of
from tests.support.colours import faint
from tests.support.demo_side import NOW_US, DemoRig
from tests.support.pictures import clipped, rows_of

SMALL, MIDDLE, WIDE = (53, 17), (80, 24), (160, 45)
SIZES = (SMALL, MIDDLE, WIDE)


class Demo:
    """A running demo and the hands before it."""

    def __init__(self, rig: DemoRig, pilot: Pilot[Any]) -> None:
        self.rig = rig
        self.app: DemoApp = rig.app
        self.shell = rig.app.shell
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        await keys_of.press(self.pilot, *keys)

    async def click_key(self, bar_id: str, name: str) -> None:
        """Click a key in one of the bars."""
        bar = self.shell.query_one(f"#{bar_id}", KeyBar)
        for row, line in enumerate(bar._lines(bar.content_size.width)):
            column = 1
            for key, word, its_name in line:
                if its_name == name:
                    await self.pilot.click(bar, offset=(column + 1, row))
                    await self.pilot.pause()
                    return
                column += len(key) + 3 + len(word) + 2
        raise AssertionError(f"no key {name} among {bar.keys}")

    @property
    def screen(self) -> str:
        return "\n".join(rows_of(self.app))

    @property
    def shown(self) -> set[str]:
        """Which of the three columns are on screen."""
        return {
            place
            for place in ("ticker", "kiosk", "counter")
            if self.shell.query_one(f"#{place}").display
        }

    @property
    def here(self) -> str:
        """What the counter announces."""
        return self.shell.query_one("#here", Notice).text

    @property
    def questions(self) -> list[str]:
        """What the trap asks."""
        trap = self.shell.query_one(TrapPairs).trap
        return [pair.question for pair in trap.pairs] if trap else []


@asynccontextmanager
async def demo(size: tuple[int, int] = WIDE, rig: DemoRig | None = None) -> AsyncIterator[Demo]:
    rig = rig or DemoRig()
    async with rig.app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Demo(rig, pilot)


# The first twenty seconds


@pytest.mark.parametrize("size", SIZES)
async def test_it_opens_with_press_1_and_that_key_taps_maya(size: tuple[int, int]) -> None:
    async with demo(size) as at:
        assert "Press 1" in at.screen
        await at.press("1")

        assert at.rig.taps == [1]
        assert at.app.face is Face.PAGE
        assert "Hello, Maya." in at.screen


@pytest.mark.parametrize("key", ["2", "q", "x", "alt+c", "f3", "space"])
async def test_a_key_typed_before_there_is_a_page_does_nothing_and_breaks_nothing(
    key: str,
) -> None:
    rig = DemoRig()
    compose = rig.app.shell.compose

    def composed_after_the_key() -> Iterator[Any]:
        typed.append(rig.app.shell.check_action("plain", ("tap", 2)))
        rig.app.shell.on_key(events.Key(key, None))
        rig.app.post_message(events.Key(key, None))
        yield from compose()

    typed: list[bool | None] = []
    rig.app.shell.compose = composed_after_the_key  # type: ignore[method-assign]  # the moment before it
    async with demo(WIDE, rig) as at:
        await at.press("1")

        assert typed == [False]
        assert at.rig.taps[-1] == 1
        assert "Hello, Maya." in at.screen


async def test_from_160_columns_all_three_stand_side_by_side() -> None:
    async with demo(WIDE) as at:
        assert at.shown == {"ticker", "kiosk", "counter"}
        await at.press("1")

        assert "Every channel, as it comes" in at.screen
        assert "Hello, Maya." in at.screen
        assert "+ Maya Lindqvist is here. F4 opens the page." in at.screen


@pytest.mark.parametrize("size", [SMALL, MIDDLE, (159, 45)])
async def test_below_that_one_stands_there_at_a_time(size: tuple[int, int]) -> None:
    async with demo(size) as at:
        seen = [at.shown]
        for key in ("f1", "f3", "f2"):
            await at.press(key)
            seen.append(at.shown)

        assert seen == [{"kiosk"}, {"ticker"}, {"counter"}, {"kiosk"}]


async def test_a_window_that_grows_shows_all_three_and_keeps_the_page() -> None:
    async with demo(MIDDLE) as at:
        await at.press("1")
        await at.pilot.resize_terminal(*WIDE)
        await at.pilot.pause()

        assert at.shown == {"ticker", "kiosk", "counter"}
        assert "Hello, Maya." in at.screen


# Keys


async def test_on_a_customers_page_digits_are_the_customers() -> None:
    async with demo() as at:
        await at.press("2", "1")

        assert at.rig.taps == [2]


@pytest.mark.parametrize("key", ["alt+3", "alt+n", "alt+shift+n", "alt+c", "alt+t"])
async def test_with_alt_the_demos_keys_act_while_a_clerk_types_and_type_nothing(
    key: str,
) -> None:
    async with demo() as at:
        await at.press("c", "m", "a", key)

        assert at.shell.query_one("#query", Input).value == "ma"
        done = {
            "alt+3": at.rig.taps == [3],
            "alt+n": not at.rig.is_up,
            "alt+shift+n": not at.rig.is_up,
            "alt+c": at.shell.place == "counter",
            "alt+t": at.shell.query_one(TrapPane).display,
        }
        assert done[key]


async def test_at_the_counter_letters_and_digits_are_the_clerks() -> None:
    async with demo() as at:
        await at.press("c", "n", "1", "t", "q", "c")

        assert at.shell.query_one("#query", Input).value == "n1tqc"
        assert (at.rig.taps, at.rig.is_up, at.app.is_running) == ([], True, True)


@pytest.mark.parametrize("size", SIZES)
async def test_in_the_ticker_plain_keys_act_even_while_a_page_is_open(
    size: tuple[int, int],
) -> None:
    async with demo(size) as at:
        await at.press("2", "f1", "3", "f1", "n")

        assert at.rig.taps == [2, 3]
        assert not at.rig.is_up


async def test_a_tap_from_the_ticker_of_a_small_terminal_shows_the_kiosk() -> None:
    async with demo(SMALL) as at:
        await at.press("f1", "1")

        assert at.shown == {"kiosk"}
        assert "Hello, Maya." in at.screen


async def test_n_cuts_the_network_and_restores_it_and_the_strip_says_so() -> None:
    async with demo() as at:
        await at.press("n")
        at.shell.counter.look()
        await at.pilot.pause()
        cut = at.screen
        await at.press("n")
        at.shell.counter.look()
        await at.pilot.pause()

        assert "The network is cut. Tap on." in cut
        assert "! Network cut" in cut
        assert "The network is back." in at.screen
        assert "Network ok" in at.screen


async def test_what_was_done_stands_beside_the_keys_and_takes_no_label_away() -> None:
    async with demo((80, 24)) as at:
        await at.press("n")

        rows = at.screen.splitlines()
        assert [row for row in rows if row.strip() == "The network is cut. Tap on."]
        assert [row for row in rows if "0-9  tap a band" in row]


async def test_v_taps_the_band_of_a_customer_of_another_store() -> None:
    async with demo() as at:
        await at.press("v")

        assert (at.rig.visitors, at.rig.taps) == (1, [])
        assert "Daniel, of another store" in at.screen


async def test_s_taps_a_sealed_spare_and_stays_where_the_clerk_is() -> None:
    async with demo() as at:
        await at.press("f3", "alt+s")

        assert (at.rig.spares, at.rig.taps) == (1, [])
        assert at.shell.place == "counter"
        assert "Band S: a sealed spare" in at.screen


async def test_press_1_is_said_only_where_that_key_alone_taps() -> None:
    async with demo(MIDDLE) as at:
        first = at.screen
        await at.press("f3")

        assert "0-9  Press 1" in first
        assert "Alt+0-9  tap a band" in at.screen


async def test_a_digit_without_alt_on_a_customers_page_says_which_key_taps() -> None:
    async with demo((80, 24)) as at:
        await at.press("1", "2")

        assert at.rig.taps == [1]
        assert "On a customer's page Alt+2 taps a band." in at.screen


async def test_on_the_smallest_terminal_that_is_said_too_and_then_the_keys_stand_there_again() -> (
    None
):
    async with demo(SMALL) as at:
        await at.press("1", "5")
        said = at.screen.splitlines()[1]
        at.shell._end_hint()  # as its timer does
        await at.pilot.pause()

        assert at.rig.taps == [1]
        assert said.rstrip().endswith("Alt+5 taps a band. F1: keys")
        assert at.screen.splitlines()[1].rstrip().endswith("F1 F4  Alt+ 0-9 V N C T Q")
        assert clipped(at.app) == []


async def test_with_the_network_cut_a_tap_answers_all_the_same() -> None:
    async with demo() as at:
        await at.press("n", "3")

        assert "Hello, Lena." in at.screen


async def test_alt_and_a_digit_arrive_as_that_from_a_terminal() -> None:
    tell_alt_digits_apart()

    keys = []
    for digit in DIGITS:
        parser = XTermParser()
        events_of = (*parser.feed(f"\x1b{digit}"), *parser.feed(""))
        keys += [event.key for event in events_of if isinstance(event, events.Key)]

    assert keys == [f"alt+{digit}" for digit in DIGITS]


@pytest.mark.parametrize(
    "keys",
    [
        ("q",), ("Q",), ("f1", "q"), ("1", "alt+q"), ("c", "x", "alt+q"), ("3", "alt+c", "f4", "h", "alt+q"),
        ("ctrl+c",), ("1", "ctrl+c"), ("c", "x", "ctrl+c"), ("3", "alt+c", "f4", "h", "ctrl+c"),
    ],
)  # fmt: skip
async def test_q_quits_cleanly_and_asks_nothing(keys: tuple[str, ...]) -> None:
    rig = DemoRig()
    async with demo(MIDDLE, rig) as at:
        await at.press(*keys)

    assert (rig.app.return_value, rig.app.return_code) == (0, 0)


@pytest.mark.parametrize(
    ("key", "place"),
    [("f1", "ticker"), ("f2", "kiosk"), ("f3", "counter"), ("alt+c", "counter"), ("alt+t", "trap")],
)  # fmt: skip
@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_a_key_that_leads_away_from_the_question_answers_it_with_no(
    key: str, place: str, size: tuple[int, int]
) -> None:
    async with demo(size) as at:
        await at.press("3", "alt+c", "f4", "h")
        assert isinstance(at.app.screen, HandOverQuestion)
        await at.press(key)

        assert at.app.screen_stack == [at.shell]
        assert at.rig.desk.done == []
        assert at.shell.query_one(f"#{place}").display
        assert at.shell.place == ("counter" if place == "trap" else place)


async def test_behind_the_question_a_tap_is_announced_and_the_network_is_cut() -> None:
    async with demo() as at:
        await at.press("3", "alt+c", "f4", "h", "alt+2", "alt+n")

        assert isinstance(at.app.screen, HandOverQuestion)
        assert at.here == "+ Tom Becker is here. F4 opens the page."
        assert not at.rig.is_up
        await at.press("y")
        assert [done.owner for done in at.rig.desk.done] == ["lena"]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("f2", "0-9 Press 1 N net C counter T trap Q quit"),
        ("f1", "0-9 Press 1 V visitor N net C counter T trap Q quit"),
    ],
)
async def test_the_smallest_terminal_tells_every_key_in_one_line(key: str, line: str) -> None:
    async with demo(SMALL) as at:
        await at.press(key)

        assert [row for row in at.screen.splitlines() if line in row]


async def test_the_smallest_terminal_tells_where_the_keys_need_alt() -> None:
    async with demo(SMALL) as at:
        await at.press("f1")
        assert "On other pages: with Alt. F4: who is here." in at.screen
        await at.press("f3")

        assert "Alt+ 0-9 V N C T Q" in at.screen


async def test_the_smallest_terminal_says_that_the_network_is_cut() -> None:
    async with demo(SMALL) as at:
        await at.press("n")
        cut = at.screen
        await at.press("n")

        assert "N net cut" in cut
        assert "N net C" in at.screen


async def test_the_smallest_terminal_tells_the_keys_beside_a_customers_page_too() -> None:
    async with demo(SMALL) as at:
        await at.press("2")
        page = at.screen.splitlines()
        await at.press("alt+n")
        cut = at.screen.splitlines()

        assert page[0].startswith(" Hello, Tom.")
        assert page[1].split() == [
            "1",
            "/",
            "2",
            "F1",
            "F4",
            "Alt+",
            "0-9",
            "V",
            "N",
            "C",
            "T",
            "Q",
        ]
        assert cut[1].rstrip().endswith("net cut  F1 F4  Alt+ 0-9 V N C T Q")
        assert clipped(at.app) == []


@pytest.mark.parametrize("place", ["kiosk", "counter", "ticker"])
async def test_tab_and_arrows_stay_within_their_column(place: str) -> None:
    async with demo() as at:
        await at.press({"ticker": "f1", "kiosk": "f2", "counter": "f3"}[place])
        column = at.shell.query_one(f"#{place}")
        for key in ("tab",) * 6 + ("shift+tab",) * 3:
            await at.press(key)
            assert at.app.focused is not None
            assert column in at.app.focused.ancestors_with_self


# The mouse


async def test_the_mouse_does_what_the_keys_do() -> None:
    async with demo(MIDDLE) as at:
        await at.click_key("demo-keys", "tap 1")
        assert at.rig.taps == [1]
        await at.click_key("demo-keys", "network")
        assert not at.rig.is_up
        await at.click_key("tabs", "ticker")
        assert at.shown == {"ticker"}
        await at.click_key("demo-keys", "counter")
        assert at.shown == {"counter"}
        await at.click_key("demo-keys", "trap")
        assert at.shell.query_one(TrapPane).display
        await at.click_key("tabs", "kiosk")
        assert at.shown == {"kiosk"}
        await at.click_key("demo-keys", "quit")

    assert at.app.return_value == 0


async def test_a_click_into_a_column_makes_the_keys_go_there() -> None:
    async with demo() as at:
        await at.pilot.click("#query")
        await at.press("l", "e")
        assert at.shell.place == "counter"
        assert at.shell.query_one("#query", Input).value == "le"

        await at.pilot.click(TickerLines)
        await at.press("4")

        assert at.rig.taps == [4]


# The counter beside it


async def test_a_tap_while_the_clerk_types_is_announced_and_leaves_the_draft() -> None:
    async with demo() as at:
        await at.press("2", "alt+c", "f4", "n", "h", "e", "y", "alt+3")

        assert at.here == "+ Lena Hoffmann is here. F4 opens the page."
        assert at.shell.counter.owner == "tom"
        assert at.shell.query_one(TextArea).text == "hey"
        assert "Hello, Lena." in at.screen
        assert isinstance(at.app.focused, TextArea)


async def test_why_nobodys_band_opens_nothing_is_for_staff_alone() -> None:
    async with demo() as at:
        await at.press("0")

        kiosk = at.shell.query_one(CustomerPane).view
        assert kiosk.face is Face.NEUTRAL
        assert at.here == "? A band was tapped that we do not know. Find the customer by name."


async def test_a_parcel_rung_for_at_the_kiosk_goes_out_at_the_counter_and_the_kiosk_knows() -> (
    None
):
    async with demo() as at:
        await at.press("3", "alt+c", "f4", "1", "y")
        assert [done.kind for done in at.rig.desk.done] == ["hand_over_pickup"]

        await at.press("alt+3")

        assert "C7" not in at.screen
        assert "Recorded: order W-1077 handed over." in at.screen


# Ticker and scoreboard


async def test_the_scoreboard_counts_the_rows_there_are() -> None:
    async with demo() as at:
        score = scoreboard_of(at.rig.rows(), home="harbour", now=NOW_US)

        assert at.shell.query_one(ScoreBoard).score == score
        assert f"{score.unanswered} Unanswered" in at.screen
        assert f"{score.asked_twice} Asked twice" in at.screen
        assert f"{score.contradictions} Contradictions" in at.screen


async def test_what_comes_in_another_channel_is_marked_and_counted() -> None:
    async with demo() as at:
        before = scoreboard_of(at.rig.rows(), home="harbour", now=NOW_US).unanswered
        news = Interaction(
            id="n", at=NOW_US, channel="tiktok", direction="in", by="Jonas", text="hello there", due_at=NOW_US - 1
        )  # fmt: skip
        plain = Interaction(
            id="m", at=NOW_US, channel="x", direction="in", by="Jonas", text="and here"
        )
        at.rig.happens(
            *(row_of(one, owner="jonas", as_of=NOW_US, source="x") for one in (news, plain))
        )
        at.shell.listen()
        await at.pilot.pause()

        assert "+ X  14:02" in at.screen
        assert "! TikTok  14:02" in at.screen
        assert f"{before + 1} Unanswered (was {before})" in at.screen


async def test_news_leave_no_widget_behind() -> None:
    async with demo() as at:
        before = len(at.shell.query("*"))
        for number in range(50):
            news = Interaction(
                id=f"n{number}", at=NOW_US, channel="x", direction="in", by="J", text="hello"
            )
            at.rig.happens(row_of(news, owner="jonas", as_of=NOW_US, source="x"))
            at.shell.listen()
        await at.pilot.pause()

        assert len(at.shell.query("*")) == before


# The trap


@pytest.mark.parametrize("size", SIZES)
async def test_the_trap_shows_the_same_tap_unconnected(size: tuple[int, int]) -> None:
    async with demo(size) as at:
        await at.press("1", "alt+t")

        assert at.questions[:3] == [
            "What is your name, please?", "Your order number, please?", "Bought online? Please mail it back.",
        ]  # fmt: skip
        assert "What is your name" in at.screen
        assert "W-1042, bought in" in at.screen


@pytest.mark.parametrize("size", SIZES)
async def test_the_trap_says_how_to_leave_it(size: tuple[int, int]) -> None:
    async with demo(size) as at:
        await at.press("t")
        before = at.screen
        await at.press("escape", "1", "alt+t")

        assert "Esc or Alt+T: back" in before
        assert "Maya Lindqvist taps there. Esc or Alt+T: back" in at.screen
        assert clipped(at.app) == []


async def test_beside_the_trap_our_own_page_still_stands() -> None:
    async with demo() as at:
        await at.press("1", "alt+t")

        assert "Hello, Maya." in at.screen
        assert "Maya Lindqvist taps there" in at.screen


async def test_the_next_tap_springs_the_trap_again() -> None:
    async with demo() as at:
        await at.press("1", "alt+t", "alt+2")

        assert "Who pays?" in at.questions


@pytest.mark.parametrize("key", ["alt+t", "escape"])
async def test_the_trap_closes_and_the_counter_is_as_it_was(key: str) -> None:
    async with demo() as at:
        await at.press("2", "alt+c", "f4", "alt+t")
        assert not at.shell.query_one(CounterView).display
        await at.press(key)

        assert not at.shell.query_one(TrapPane).display
        assert at.shell.counter.owner == "tom"
        assert "21 h late" in at.screen


@pytest.mark.parametrize("key", ["alt+t", "escape"])
async def test_the_trap_goes_back_to_the_page_it_was_opened_from(key: str) -> None:
    async with demo(MIDDLE) as at:
        await at.press("1", "alt+t", key)

        assert at.shell.place == "kiosk"
        assert "Hello, Maya." in at.screen


async def test_c_leads_from_the_trap_to_the_counter() -> None:
    async with demo(MIDDLE) as at:
        await at.press("1", "alt+t", "alt+c")

        assert at.shell.query_one(CounterView).display
        assert at.shell.place == "counter"


async def test_a_tap_of_nobody_we_know_does_not_leave_the_one_before_in_the_trap() -> None:
    async with demo() as at:
        await at.press("1", "alt+t", "alt+0")

        assert at.questions == []
        assert "Maya Lindqvist taps there" not in at.screen
        assert "Nobody we know tapped." in at.screen


async def test_before_any_tap_the_trap_says_what_to_do() -> None:
    async with demo() as at:
        await at.press("t")

        assert "Tap a band first" in at.screen
        assert at.questions == []


# Whatever stands in the rows, whatever the terminal


async def test_names_from_outside_are_text_in_every_column() -> None:
    rig = DemoRig()
    for number, name in enumerate(hostile.NAMES):
        owner = f"hostile-{number}"
        person = Customer(id=owner, given_name=name, family_name=name)
        said = Interaction(
            id=owner, at=NOW_US, channel="x", direction="in", by=name, text=name, topic=name
        )
        rig.happens(
            *(row_of(one, owner=owner, as_of=NOW_US, source="x") for one in (person, said))
        )
    person = Customer(id="maya", given_name="[@click=app.quit]Sam[/]", language="en")
    rig.desk.learn(row_of(person, owner="maya", as_of=NOW_US, source="x"))
    async with demo(WIDE, rig) as at:
        await at.press("1")
        shown = at.screen
        lines = at.shell.query_one(TickerLines).lines
        await at.press("alt+t")
        await at.pilot.click(TickerLines, offset=(6, 1))
        await at.pilot.click(TrapPane, offset=(4, 1))

        assert "[@click=app.quit]Sam[/]" in lines[0].text
        assert "[@click=app.quit]Sam[/] is here." in shown
        assert "[@click=app.quit]Sam[/] taps there" in at.screen
        assert at.app.is_running


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_is_cut_off_in_any_place(size: tuple[int, int]) -> None:
    async with demo(size) as at:
        bad = {"attract": clipped(at.app)}
        for digit in DIGITS:
            await at.press(f"alt+{digit}")
            bad[f"band {digit}"] = clipped(at.app)
        await at.press("alt+n", "f1")
        bad["ticker"] = clipped(at.app)
        await at.press("alt+2", "f3", "f4")
        bad["counter"] = clipped(at.app)
        await at.press("alt+t")
        bad["trap"] = clipped(at.app)

        assert {place: found for place, found in bad.items() if found} == {}


async def test_every_word_of_ticker_and_trap_stands_out_from_its_ground() -> None:
    async with demo() as at:
        for theme in THEMES:
            at.app.theme = theme.name
            await at.press("alt+2", "alt+t")
            least = CONTRAST_MIN[theme.name]
            kiosk = at.shell.query_one("#kiosk").region
            bad = faint(at.app, least=least, right=kiosk.x) + faint(
                at.app, least=least, left=kiosk.right
            )
            await at.press("alt+t")

            assert bad == []


# A day that passes


@pytest.mark.parametrize("size", SIZES)
async def test_a_day_that_passes_is_opened_at_the_channels_and_says_its_time_and_pace(
    size: tuple[int, int],
) -> None:
    rig = DemoRig()
    rig.passing = Day(at=NOW_US - 24 * HOUR_US + 34 * MINUTE_US, speed=60)
    async with demo(size, rig) as at:
        assert at.shell.place == "ticker"
        assert "Yesterday 14:36, 60 times as fast" in at.screen
        assert ("14:36 60x" in at.screen) == (size == SMALL)


async def test_only_what_had_happened_by_then_is_in_the_channels_and_later_it_is_now_again() -> (
    None
):
    rig = DemoRig()
    rig.passing = Day(at=NOW_US - 100 * HOUR_US, speed=60)
    async with demo(WIDE, rig) as at:
        lines = at.shell.query_one(TickerLines)
        then = lines.lines[0].key

        rig.passing = None
        at.shell.listen()
        await at.pilot.pause()

        assert "Every channel, as it comes" in at.screen
        assert "The day is over" in at.screen
        assert lines.lines[0].key != then


@pytest.mark.parametrize("size", [SMALL, MIDDLE, WIDE])
async def test_the_numbers_in_the_bar_say_that_they_are_of_this_store(
    size: tuple[int, int],
) -> None:
    async with demo(size) as at:
        await at.press("f1")
        score = at.shell.query_one(ScoreBoard).score
        assert score is not None
        late = score.unanswered

        first = at.screen.splitlines()[0]
        assert {
            SMALL: f"Unanswered here {late}",
            MIDDLE: f"Here: Twice 6, Unanswered {late}, Contradictions 4",
            WIDE: f"Here: Asked twice 6 · Unanswered {late} · Contradictions 4",
        }[size] in first


@pytest.mark.parametrize("size", [SMALL, MIDDLE, WIDE])
async def test_the_bar_and_the_page_of_f1_call_the_three_sins_the_same(
    size: tuple[int, int],
) -> None:
    async with demo(size) as at:
        await at.press("f1")

        bar, *page = at.screen.splitlines()
        names = [row.split(maxsplit=1)[1] for row in page if re.match(r" +\d+ [A-Z]", row)]
        words = bar[bar.index("Counter") + len("Counter") :].replace("Here:", "")
        said = re.findall(r"([A-Z][a-z ]+?) (?:here )?\d", words)
        assert names[:3]
        assert said
        assert all(
            any(word.casefold() in name.casefold() for name in names) for word in said
        ), (said, names)


# F4


@pytest.mark.parametrize("size", [SMALL, MIDDLE, WIDE])
@pytest.mark.parametrize("place", ["f1", "f2", "alt+t"])
async def test_f4_opens_at_the_counter_the_page_of_who_tapped_from_wherever_it_is_pressed(
    size: tuple[int, int], place: str
) -> None:
    async with demo(size) as at:
        await at.press("2", place, "f4")

        assert at.shell.place == "counter"
        assert at.shell.counter.owner == "tom"
        assert at.shell.query_one(CounterView).display

        await at.press("f2", "f4")
        assert (at.shell.place, at.shell.counter.owner) == ("counter", "tom")


@pytest.mark.parametrize("size", [SMALL, MIDDLE, WIDE])
async def test_f4_says_what_it_is_for_where_nobody_tapped(size: tuple[int, int]) -> None:
    async with demo(size) as at:
        await at.press("0", "f4")

        assert at.shell.place == "kiosk"
        assert "F4" in at.screen
        assert "obody" in at.screen


@pytest.mark.parametrize("size", [MIDDLE, WIDE])
async def test_f4_stands_among_the_keys_while_there_is_somebody_to_open(
    size: tuple[int, int],
) -> None:
    async with demo(size) as at:
        assert "F4  who is here" not in at.screen

        await at.press("1")
        assert "F4  who is here" in at.screen

        await at.click_key("demo-keys", "here")
        assert at.shell.counter.owner == "maya"
        assert "F4  who is here" not in at.screen
