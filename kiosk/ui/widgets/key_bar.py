"""The keys that do something now, each with its word; a click does the same as the key.

One widget that is drawn again, not Textual's Footer, which keeps every label it ever drew.
"""

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

Key = tuple[str, str, str]
"""What the key is called on screen, its word, and the name the press is reported under."""

_META = "key-bar"
_GAP = 2


class KeyBar(Widget):
    """Keys and their words, wrapped between keys only."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--word", "keys--active"}

    class Pressed(Message):
        """A key was clicked. `name` is what its row reports."""

        def __init__(self, bar: "KeyBar", name: str) -> None:
            super().__init__()
            self.bar = bar
            self.name = name

        @property
        def control(self) -> "KeyBar":
            """For `@on(KeyBar.Pressed, "#id")`."""
            return self.bar

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name for it
        super().__init__(id=id)
        self._keys: tuple[Key, ...] = ()
        self._active = ""
        self._is_tight = False
        self._tails: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        """What it shows."""
        return self._keys

    def show(
        self,
        keys: tuple[Key, ...],
        *,
        active: str = "",
        is_tight: bool = False,
        tails: tuple[str, ...] = (),
    ) -> None:
        """Show these keys; the same ones cost nothing.

        Args:
            keys: The keys.
            active: Name of the one whose place is open, underlined; "" for none.
            is_tight: With as little room around them as can be, for the smallest terminal.
            tails: What stands at the right end of the last row: the first of these there is room for.
        """
        shown = (keys, active, is_tight, tails)
        if shown != (self._keys, self._active, self._is_tight, self._tails):
            self._keys, self._active, self._is_tight, self._tails = shown
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002  # Textual's own
        """As many rows as the keys need at this width."""
        return max(len(self._lines(width)), 1)

    def render(self) -> Text:
        """The keys."""
        text = Text(no_wrap=True)
        key_style = self.get_component_rich_style("keys--key", partial=True)
        active_style = self.get_component_rich_style("keys--active", partial=True)
        word_style = self.get_component_rich_style("keys--word", partial=True)
        for index, line in enumerate(self._lines(self.content_size.width)):
            text.append("\n" if index else "")
            for key, word, name in line:
                meta = Style.from_meta({_META: name})
                text.append(self._chip(key), key_style + meta)
                is_active = bool(self._active) and name == self._active
                text.append(f" {word}", (active_style if is_active else word_style) + meta)
                text.append(" " * self._gap)
        room = self.content_size.width - sum(self._need(key) + self._gap for key in line)
        tail = next((each for each in self._tails if len(each) <= room), "")
        text.append(tail.rjust(room) if tail else "", word_style)
        return text

    def on_click(self, event: events.Click) -> None:
        """A click on a key or its word is the key."""
        name = event.style.meta.get(_META)
        if isinstance(name, str):
            event.stop()
            self.post_message(self.Pressed(self, name))

    def _lines(self, width: int) -> list[list[Key]]:
        lines: list[list[Key]] = [[]]
        used = 0
        for key, word, name in self._keys:
            need = self._need((key, word, name))
            if lines[-1] and used + need > width:
                lines.append([])
                used = 0
            lines[-1].append((key, word, name))
            used += need + self._gap
        return lines

    def _need(self, key: Key) -> int:
        return len(self._chip(key[0])) + 1 + len(key[1])

    @property
    def _gap(self) -> int:
        return 1 if self._is_tight else _GAP

    def _chip(self, key: str) -> str:
        return key if self._is_tight else f" {key} "
