"""Shows lines of the counter: a sign, a label, and a text that wraps beside it, the word that matters first.

One widget however many lines there are: filling it again mounts nothing.
"""

from typing import ClassVar

from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from kiosk.core import foreign
from kiosk.core.entries import MARKS, Entry, Tone

LABEL_WIDTH = 15
"""Columns of the label: the longest of ours ("Do not offer"), and a moment ("13 May 14:02"), with a gap after them."""

LABEL_GAP = 1
"""Columns between the longest label and its text; a longer one breaks."""

_META = "entry-digit"


class EntryList(Widget):
    """Lines of the counter. Nothing in them is markup."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "entry--label",
        "entry--age",
        "entry--digit",
        *(f"entry--{tone.value}" for tone in Tone),
    }

    class Chosen(Message):
        """A line that has a digit was clicked."""

        def __init__(self, digit: str) -> None:
            super().__init__()
            self.digit = digit

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id, classes=classes)
        self._entries: tuple[Entry, ...] = ()
        self._shows_ages = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What it shows."""
        return self._entries

    def show(self, entries: tuple[Entry, ...], *, ages: bool = False) -> None:
        """Show these lines; the same ones cost nothing.

        Args:
            entries: The lines.
            ages: With the age and source of each.
        """
        if (entries, ages) != (self._entries, self._shows_ages):
            self._entries, self._shows_ages = entries, ages
            self.refresh(layout=True)

    def notify_style_update(self) -> None:
        """Draw again in the colours of a new theme."""
        super().notify_style_update()
        self.refresh(layout=True)

    def on_click(self, event: events.Click) -> None:
        """A click on a line with a digit chooses it."""
        digit = event.style.meta.get(_META)
        if isinstance(digit, str):
            event.stop()
            self.post_message(self.Chosen(digit))

    def render(self) -> Table:
        """The lines as a table of three columns."""
        table = Table.grid(expand=True)
        table.add_column(width=3, no_wrap=True)
        table.add_column(width=LABEL_WIDTH)
        table.add_column(ratio=1)
        for entry in self._entries:
            tone = self.get_component_rich_style(f"entry--{entry.tone.value}", partial=True)
            meta = Style.from_meta({_META: entry.digit}) if entry.digit else Style()
            table.add_row(
                self._sign(entry, tone), self._label(entry), self._text(entry, tone), style=meta
            )
        return table

    def _sign(self, entry: Entry, tone: Style) -> Text:
        if entry.digit:
            return Text(
                f" {entry.digit} ", self.get_component_rich_style("entry--digit", partial=True)
            )
        return Text(f" {MARKS[entry.tone]} ", tone)

    def _label(self, entry: Entry) -> Padding:
        style = self.get_component_rich_style("entry--label", partial=True)
        return Padding(Text(foreign.shown(entry.label), style), (0, LABEL_GAP, 0, 0))

    def _text(self, entry: Entry, tone: Style) -> Text:
        text = Text()
        if entry.lead:
            text.append(foreign.shown(entry.lead), tone + Style(bold=True))
            text.append("  " if entry.text else "")
        text.append(foreign.shown(entry.text), Style() if entry.lead else tone)
        if self._shows_ages and entry.age:
            text.append(
                f"\n{foreign.shown(entry.age)}",
                self.get_component_rich_style("entry--age", partial=True),
            )
        return text
