"""Ten digits and a key to begin again, each three rows high: a PIN typed with a finger, a mouse or a keyboard.

Two rows of keys, so that they fit above the four keys of a page on the smallest panel. What is typed is shown as dots, is in
no message before it is asked for, and is gone with `clear`.
"""

from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from sync.model.rules import PIN_DIGITS_MAX

ROWS: Final = (("1", "2", "3", "4", "5", "\u232b"), ("6", "7", "8", "9", "0", ""))
"""As they stand; the sign takes the last digit away."""

KEY_ROWS: Final = 3
STEP_ROWS: Final = KEY_ROWS + 1
"""From one row of keys to the next, with a free row between them."""

TOP_ROWS: Final = 4
"""Heading, line, dots, and a free row."""


class Keypad(Widget, can_focus=True):
    """What somebody types a PIN on."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keypad--key", "keypad--gap", "keypad--head"}

    class Typed(Message):
        """A digit came or went. Which one is not said."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name for it
        super().__init__(id=id)
        self._typed = ""
        self._head = ("", "")

    @property
    def typed(self) -> str:
        """What was typed."""
        return self._typed

    def ask(self, heading: str, line: str) -> None:
        """Ask anew, under these words."""
        self._head, self._typed = (heading, line), ""
        self.refresh()

    def clear(self) -> None:
        """Forget what was typed, and what it was asked for."""
        self.ask("", "")

    def take(self, sign: str) -> None:
        """A key was pressed."""
        if sign.isdigit() and len(self._typed) < PIN_DIGITS_MAX:
            self._typed += sign
        elif sign == ROWS[0][5]:
            self._typed = self._typed[:-1]
        else:
            return
        self.refresh()
        self.post_message(self.Typed())

    def on_key(self, event: events.Key) -> None:
        """Digits and Backspace of a keyboard."""
        if event.key in "0123456789":
            event.stop()
            self.take(event.key)
        elif event.key in ("backspace", "delete"):
            event.stop()
            self.take(ROWS[0][5])

    def on_click(self, event: events.Click) -> None:
        """A finger or the mouse."""
        event.stop()
        row = (event.y - TOP_ROWS) // STEP_ROWS if event.y >= TOP_ROWS else -1
        column = event.x * len(ROWS[0]) // max(self.size.width, 1)
        if 0 <= row < len(ROWS) and 0 <= column < len(ROWS[0]):
            self.take(ROWS[row][column])

    @property
    def words(self) -> tuple[str, ...]:
        """Its lines as text."""
        return tuple(
            self.render_line(y).text.strip() for y in range(TOP_ROWS + 2 * STEP_ROWS - 1)
        )

    def render_line(self, y: int) -> Strip:
        """One row."""
        width = self.size.width
        head = self.get_component_rich_style("keypad--head", partial=False)
        if y < TOP_ROWS:
            dots = "\u25cf " * len(self._typed) or "\u00b7 " * 4
            text = (*self._head, dots.strip(), "")[y]
            return Strip([Segment(text.center(width)[:width], head)], width)
        row, within = divmod(y - TOP_ROWS, STEP_ROWS)
        if row >= len(ROWS) or within == KEY_ROWS:
            return Strip([Segment(" " * width, head)], width)
        return Strip(self._keys_line(row, within, width), width)

    def _keys_line(self, row: int, within: int, width: int) -> list[Segment]:
        key = self.get_component_rich_style("keypad--key", partial=False)
        gap = self.get_component_rich_style("keypad--gap", partial=False)
        n, at, line = len(ROWS[row]), 0, []
        for index, sign in enumerate(ROWS[row]):
            end = (index + 1) * width // n
            label = sign if within == KEY_ROWS // 2 else ""
            style: Style = key if sign else gap
            line += [Segment(label.center(end - at - 1), style), Segment(" ", gap)]
            at = end
        return line
