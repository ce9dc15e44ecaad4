"""The list of who waits for us: what presses most first, above it how many in which channel. Says who was chosen."""

from textwrap import wrap
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from kiosk.core.counter_open import Open, title_of
from kiosk.core.entries import MARKS
from kiosk.core.settling import DIGITS_MAX
from kiosk.core.staff_words import StaffWords
from kiosk.ui.widgets.plain_text import PlainText

LIST_INDENT: Final = 10
"""Columns of the list that are no text: its margin, the digit, the scroll bar."""

ROWS_MAX: Final = 2
"""Rows of what it is about; their page has the rest."""


class WaitingPage(Vertical):
    """Who waits, each with a digit while there are digits."""

    class Chosen(Message):
        """This one is to be opened."""

        def __init__(self, one: Open) -> None:
            super().__init__()
            self.one = one

    def __init__(self, words: StaffWords, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name for it
        super().__init__(id=id)
        self._words = words
        self._found: tuple[Open, ...] = ()

    def compose(self) -> ComposeResult:
        """Everything, once."""
        yield PlainText(self._words.say("open.title"), id="waiting-title", classes="title")
        yield PlainText(id="waiting-channels")
        yield OptionList(id="waiting-list", markup=False)

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._found

    def show(self, found: tuple[Open, ...], channels: str) -> None:
        """Show these, and the line about all channels; who was highlighted stays so, and the same costs nothing."""
        said = self.query_one("#waiting-channels", PlainText)
        nothing = self._words.say("open.nothing")
        said.say(channels if found else f"{channels}\n{nothing}".strip())
        said.display = bool(channels) or not found
        if found != self._found:
            self._found = found
            self._list()

    def at(self, index: int) -> Open | None:
        """The one at this place."""
        return self._found[index] if index < len(self._found) else None

    def choose(self, index: int) -> None:
        """Say that the one at this place is to be opened, where there is one."""
        one = self.at(index)
        if one is not None:
            self.post_message(self.Chosen(one))

    def choose_highlighted(self) -> None:
        """The same with the one the arrows are at."""
        self.choose(self.query_one("#waiting-list", OptionList).highlighted or 0)

    def on_resize(self) -> None:
        """Another width: wrapped anew."""
        self._list()

    def _list(self) -> None:
        self.query_one("#waiting-title", PlainText).say(title_of(self._found, self._words))
        waiting = self.query_one("#waiting-list", OptionList)
        at = waiting.highlighted
        waiting.clear_options()
        waiting.add_options(
            [Option(self._line(index, one)) for index, one in enumerate(self._found, start=1)]
        )
        waiting.highlighted = min(at or 0, len(self._found) - 1) if self._found else None

    def _line(self, index: int, one: Open) -> Content:
        digit = f" {index} " if index <= DIGITS_MAX else "   "
        lead = f"{MARKS[one.tone].strip()} {one.lead}".strip()
        width = self.size.width or self.app.size.width  # shown first, it gets a size afterwards
        rows = wrap(
            one.text, max(width - LIST_INDENT, LIST_INDENT), max_lines=ROWS_MAX, placeholder="…"
        )
        text = "".join(f"\n    {row}" for row in rows or [""])
        return Content.assemble((digit, "bold"), (one.name, "bold"), f"  {lead}{text}")

    @on(OptionList.OptionSelected, "#waiting-list")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.choose(event.option_index)
