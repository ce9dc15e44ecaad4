"""The counter as a screen of its own: nothing but its view."""

from pathlib import Path
from typing import Final

from textual.app import ComposeResult
from textual.screen import Screen

from kiosk.core.entries import Post
from kiosk.core.ports import CounterDesk
from kiosk.core.staff_words import StaffWords
from kiosk.ui.views.counter import CounterView

COUNTER_STYLES: Final = Path(__file__).parent.parent / "styles" / "counter.tcss"
"""Style sheet of the counter, for every screen that shows it."""


class CounterScreen(Screen[None]):
    """A counter that fills the terminal."""

    CSS_PATH = COUNTER_STYLES

    def __init__(
        self, desk: CounterDesk, *, post: Post, words: StaffWords, told: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self._view = CounterView(desk, post=post, words=words, told=told, id="counter")

    @property
    def view(self) -> CounterView:
        """The counter itself, to tell it of taps."""
        return self._view

    def compose(self) -> ComposeResult:
        """The view."""
        yield self._view

    def on_mount(self) -> None:
        """Begin where a search begins."""
        self._view.take_focus()
