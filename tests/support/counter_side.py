"""A counter alone on a screen, over a desk in memory with the people of the demo."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from kiosk.ui.crash import CrashSafeApp
from kiosk.ui.screens.counter import COUNTER_STYLES, CounterScreen
from kiosk.ui.themes import THEMES
from kiosk.ui.views.counter import CounterView
from kiosk.ui.widgets.entry_list import EntryList
from kiosk.ui.widgets.notice import Notice
from kiosk.ui.widgets.strip import StaffStrip
from sync.model.row import Row
from tests.support import keys as keys_of
from tests.support.demo_side import NOW_US, POST, WORDS, brand_rows
from tests.support.desk import MemoryDesk
from tests.support.pictures import rows_of


class CounterApp(CrashSafeApp, inherit_bindings=False):
    """Nothing but the counter."""

    CSS_PATH = COUNTER_STYLES

    def __init__(self, desk: MemoryDesk, *, theme: str = "night") -> None:
        super().__init__()
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme
        self._screen = CounterScreen(desk, post=POST, words=WORDS)

    def get_default_screen(self) -> CounterScreen:
        return self._screen

    @property
    def view(self) -> CounterView:
        return self._screen.view


class Counter:
    """A running counter and the hands of a clerk."""

    def __init__(self, app: CounterApp, desk: MemoryDesk, pilot: Pilot[Any]) -> None:
        self.app = app
        self.desk = desk
        self.pilot = pilot
        self.view = app.view

    async def press(self, *keys: str) -> None:
        """Keys, and whatever they set going."""
        await keys_of.press(self.pilot, *keys)

    async def type(self, text: str) -> None:
        """Letters into whatever has the focus."""
        await self.press(*keys_of.names_of(text))

    async def find(self, text: str) -> None:
        """Search, and open who was found; pasted, because typing takes a test half a second."""
        self.view.query_one("#query", Input).value = text
        await self.pilot.pause()
        await self.press("enter")

    async def write(self, text: str) -> None:
        """Begin a note and paste this into it."""
        await self.press("n")
        self.view.query_one(TextArea).insert(text)
        await self.pilot.pause()

    def notice(self, name: str) -> str:
        """What a notice says, "" while it says nothing."""
        notice = self.app.screen_stack[0].query_one(f"#{name}", Notice)
        return notice.text if notice.display else ""

    @property
    def strip(self) -> str:
        """What the strip says."""
        return self.view.query_one(StaffStrip).text

    def entries(self, part: str) -> str:
        """Lines of a part of the page."""
        entries = self.view.query_one(f"#{part}", EntryList).entries
        return "\n".join(f"{one.label}|{one.lead}|{one.text}" for one in entries)

    @property
    def screen(self) -> str:
        """What is on the terminal."""
        return "\n".join(rows_of(self.app))


@asynccontextmanager
async def counter(
    *,
    size: tuple[int, int] = (80, 24),
    rows: Iterable[Row] = (),
    theme: str = "night",
    desk: MemoryDesk | None = None,
) -> AsyncIterator[Counter]:
    """A counter in a terminal of that size, over the demo's people, these rows or a desk that stood before."""
    desk = desk or MemoryDesk(tuple(rows) or brand_rows(), now=NOW_US)
    app = CounterApp(desk, theme=theme)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Counter(app, desk, pilot)
