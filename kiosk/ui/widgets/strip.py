"""The staff strip, one line: reader, network, age of the data, what is not settled. Never shown to customers.

One widget that is drawn again: a day of updates leaves nothing behind.
"""

from typing import ClassVar

from rich.text import Text
from textual.widget import Widget

from kiosk.core.entries import Tone
from kiosk.core.ports import Standing
from kiosk.core.staff_words import StaffWords
from kiosk.core.strip import GAP, Piece, fitted, pieces_of


class StaffStrip(Widget):
    """How this device stands with the world."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"strip--muted", "strip--alert"}

    def __init__(self, words: StaffWords, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._words = words
        self._pieces: tuple[Piece, ...] = ()

    @property
    def text(self) -> str:
        """What it shows at its width."""
        return GAP.join(piece.text for piece in fitted(self._pieces, self._width()))

    def show(self, standing: Standing, *, n_late: int = 0) -> None:
        """Show how the device stands now and how many wait too long; the same words cost nothing."""
        pieces = pieces_of(standing, self._words, n_late=n_late)
        if pieces != self._pieces:
            self._pieces = pieces
            self.refresh()

    def render(self) -> Text:
        """The pieces that fit, what is wrong in its own style."""
        muted = self.get_component_rich_style("strip--muted", partial=True)
        alert = self.get_component_rich_style("strip--alert", partial=True)
        text = Text(no_wrap=True, overflow="ellipsis")
        for index, piece in enumerate(fitted(self._pieces, self._width())):
            text.append(GAP if index else "", muted)
            is_wrong = piece.tone is Tone.ALERT
            text.append(piece.text, alert if is_wrong else muted)
        return text

    def _width(self) -> int:
        return self.content_size.width
