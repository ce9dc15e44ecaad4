"""Shows the hand-over card in the room there is: what does not fit is left out by weight, and the last row says how many."""

from typing import ClassVar

from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

from kiosk.core import foreign
from sync.model.card import HEIGHT, Card, CardLine, card_rows, whole_lines

TONES = ("head", "plain", "alert", "ask", "struck", "muted", "foot")

WIDTH_MIN = 20
"""Narrowest card; a terminal is wider."""


class CardRows(Widget):
    """A card. Nothing in it is markup."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"card--{tone}" for tone in TONES}

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._card: Card | None = None
        self._rows_max = HEIGHT

    @property
    def text(self) -> str:
        """What it shows at its width."""
        return "\n".join(text for text, _ in self._rows(self.content_size.width))

    def whole_lines(self, width: int) -> tuple[CardLine, ...]:
        """The lines it shows with all their words, where it has so many columns, its own margins among them."""
        if self._card is None:
            return ()
        room = max(width - self.styles.gutter.width, WIDTH_MIN)
        return whole_lines(self._card, room, self._rows_max)

    def show(self, card: Card, rows_max: int) -> None:
        """Show this card in at most so many rows; the same costs nothing."""
        if (card, rows_max) != (self._card, self._rows_max):
            self._card, self._rows_max = card, rows_max
            self.refresh(layout=True)

    def notify_style_update(self) -> None:
        """Draw again in the colours of a new theme."""
        super().notify_style_update()
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002  # Textual's own
        """As many rows as it has at this width."""
        return max(len(self._rows(width)), 1)

    def render(self) -> Text:
        """The rows, each in its tone."""
        text = Text(no_wrap=True)
        for index, (row, tone) in enumerate(self._rows(self.content_size.width)):
            text.append("\n" if index else "")
            style = f"card--{tone if tone in TONES else 'plain'}"
            text.append(row, self.get_component_rich_style(style, partial=True))
        return text

    def _rows(self, width: int) -> list[tuple[str, str]]:
        if self._card is None:
            return []
        rows = card_rows(self._card, max(width, WIDTH_MIN), self._rows_max)
        return [(foreign.shown(row.text), row.tone) for row in rows]
