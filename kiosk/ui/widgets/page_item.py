"""One block of a customer's page as a choice: three rows, a coloured edge, a digit when there is more to see."""

from typing import Final

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from kiosk.core import foreign

ROWS: Final = 3
"""Rows of an item: a heading and two lines. Source: 20 mm on the panels we support are three rows."""

EDGE_COLUMNS: Final = 3
DIGIT_COLUMNS: Final = 4

_EDGE: Final = "▌"
_EDGE_FOCUS: Final = "█"


def wrapped(text: str, columns: int) -> tuple[str, ...]:
    """`text` in lines of at most `columns` cells, broken between words where possible."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        for part in _pieces(word, columns):
            if not line:
                line = part
            elif cell_len(line) + 1 + cell_len(part) <= columns:
                line = f"{line} {part}"
            else:
                lines.append(line)
                line = part
    return (*lines, line) if line else tuple(lines)


def _pieces(word: str, columns: int) -> list[str]:
    """A word cut where it is longer than a line."""
    pieces = [""]
    for char in word:
        if pieces[-1] and cell_len(pieces[-1] + char) > columns:
            pieces.append("")
        pieces[-1] += char
    return pieces


class PageItem(Static, can_focus=True):
    """What one block says. Touch, Enter and its digit open what is behind it, when there is something."""

    DEFAULT_CSS = """
    PageItem { height: 3; width: 1fr; background: $card; color: $ink; }
    PageItem:focus { background: $card-focus; }
    """

    class Chosen(Message):
        """The item was touched."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, index: int) -> None:
        """`index` is its place on the sheet, from 0; its digit is one more."""
        super().__init__(markup=False)
        self.index = index
        self._lines: tuple[str, ...] = ()
        self._colour = "$ink"
        self._is_open = False

    @property
    def words(self) -> tuple[str, ...]:
        """What it says, heading first; empty when it stands for nothing."""
        return self._lines

    def fill(self, lines: tuple[str, ...], *, colour: str, is_open: bool) -> None:
        """Say these lines.

        Args:
            lines: Heading, then one or two sentences.
            colour: Theme variable of the edge.
            is_open: Whether there is more to see after a touch.
        """
        self._lines = tuple(foreign.shown(line) for line in lines)
        self._colour = colour
        self._is_open = is_open
        self.can_focus = is_open
        self._draw()

    def clear(self) -> None:
        """Stand for nothing."""
        self._lines = ()
        self.can_focus = False
        self.update("", layout=False)

    def _draw(self) -> None:
        columns = max(self.size.width - EDGE_COLUMNS - DIGIT_COLUMNS, 8)
        rows: list[tuple[str, str]] = []
        if self._lines:
            rows.extend((row, "bold") for row in wrapped(self._lines[0], columns)[:1])
        for line in self._lines[1:]:
            rows.extend((row, "$quiet") for row in wrapped(line, columns))
        rows = [*rows[:ROWS], *[("", "")] * (ROWS - len(rows))]
        edge = f"{_EDGE_FOCUS if self.has_focus else _EDGE}  "
        parts: list[str | tuple[str, str]] = []
        for place, (row, style) in enumerate(rows):
            parts.append((edge, self._colour) if row else " " * EDGE_COLUMNS)
            parts.append((row, style) if style else row)
            if place == 0 and self._is_open:
                gap = columns - cell_len(row) + 1
                parts.append((" " * gap + f"{self.index + 1} ", f"bold {self._colour}"))
            if place < ROWS - 1:
                parts.append("\n")
        self.update(Content.assemble(*parts), layout=False)

    def press(self) -> None:
        """Open what is behind it, as a finger would."""
        if self._is_open and self.display:
            self.post_message(self.Chosen(self.index))

    def on_resize(self) -> None:
        """Wrap again."""
        if self._lines:
            self._draw()

    def on_focus(self) -> None:
        """Focus shows by shape."""
        self._draw()

    def on_blur(self) -> None:
        """And so does its end."""
        if self._lines:
            self._draw()

    def on_key(self, event: events.Key) -> None:
        """Enter and space open it."""
        if event.key in {"enter", "space"}:
            event.stop()
            self.press()

    def on_click(self, event: events.Click) -> None:
        """Mouse and finger open it."""
        event.stop()
        self.press()
