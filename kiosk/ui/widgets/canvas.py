"""One widget that draws whole pages itself, line by line: what is filled on every tap and must cost nothing to lay out.

A page is a `Sheet`: lines of pieces of text, each in an ink of the theme. Replacing the sheet repaints the widget and lays
out nothing. Text in a sheet is text: no markup is ever read in it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

NOWHERE: Final = -1
"""No item is on that line."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words in one ink, a name of `kiosk.ui.themes`."""

    text: str
    ink: str = "ink"
    is_bold: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One row.

    Attributes:
        pieces: From the left; or in the middle, where `is_centred`.
        right: From the right edge.
        ground: Ink of the ground.
        margin: Columns left free on both sides, in the ground of the sheet.
        item: Which item a touch on this line means, NOWHERE for none.
    """

    pieces: tuple[Piece, ...] = ()
    right: tuple[Piece, ...] = ()
    ground: str = "ground"
    margin: int = 0
    is_centred: bool = False
    item: int = NOWHERE


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole page. `is_cut` says that something did not fit and is missing; a test sees that it never does."""

    lines: tuple[Line, ...] = ()
    ground: str = "ground"
    is_cut: bool = False


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
    if cell_len(word) <= columns:
        return [word]
    pieces = [""]
    for char in word:
        if pieces[-1] and cell_len(pieces[-1] + char) > columns:
            pieces.append("")
        pieces[-1] += char
    return pieces


class Canvas(Widget, can_focus=True):
    """Draws the sheet it was given."""

    class Touched(Message):
        """An item was touched with a finger or the mouse."""

        def __init__(self, item: int) -> None:
            super().__init__()
            self.item = item

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name for it
        super().__init__(id=id)
        self._sheet = Sheet()

    @property
    def sheet(self) -> Sheet:
        """What it shows."""
        return self._sheet

    @property
    def words(self) -> tuple[str, ...]:
        """Its lines as text, from the first to the last."""
        return tuple(
            " ".join(piece.text.strip() for piece in (*line.pieces, *line.right)).strip()
            for line in self._sheet.lines
        )

    def draw(self, sheet: Sheet) -> None:
        """Show another sheet."""
        if sheet != self._sheet:
            self._sheet = sheet
            self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Its rows, past Textual's own styling of each: they come styled, and styling them again doubles the cost."""
        strips = [self.render_line(y) for y in crop.line_range]
        for line_filter in self.get_line_filters():
            if not isinstance(line_filter, ANSIToTruecolor):
                ground = self.background_colors[1]
                strips = [strip.apply_filter(line_filter, ground) for strip in strips]
        if crop.x == 0 and crop.width == self.size.width:
            return strips
        return [strip.crop(crop.x, crop.right) for strip in strips]

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        lines = self._sheet.lines
        line = lines[y] if y < len(lines) else Line(ground=self._sheet.ground)
        inks = self.app.theme_variables
        return Strip(
            _segments_of(line, self.size.width, inks, self._sheet.ground), self.size.width
        )

    def on_click(self, event: events.Click) -> None:
        """A finger or the mouse on an item."""
        event.stop()
        lines = self._sheet.lines
        if event.y < len(lines) and lines[event.y].item != NOWHERE:
            self.post_message(self.Touched(lines[event.y].item))


def _segments_of(
    line: Line, width: int, inks: dict[str, str], sheet_ground: str
) -> list[Segment]:
    ground = inks[line.ground]
    room = max(width - 2 * line.margin, 0)
    left = [_segment(piece, inks, ground) for piece in line.pieces]
    right = [_segment(piece, inks, ground) for piece in line.right]
    used = sum(segment.cell_length for segment in (*left, *right))
    free = room - used
    blank = _style(inks["ink"], ground, is_bold=False)
    before = free // 2 if line.is_centred and free > 0 else 0
    middle = max(free - before, 0)
    margin = Segment(" " * line.margin, _style(inks["ink"], inks[sheet_ground], is_bold=False))
    drawn = [
        margin, Segment(" " * before, blank), *left, Segment(" " * middle, blank), *right, margin,
    ]  # fmt: skip
    if free < 0:
        return list(Strip(drawn).crop(0, width).adjust_cell_length(width))
    return [segment for segment in drawn if segment.text]


def _segment(piece: Piece, inks: dict[str, str], ground: str) -> Segment:
    return Segment(piece.text, _style(inks[piece.ink], ground, is_bold=piece.is_bold))


@lru_cache(maxsize=256)
def _style(ink: str, ground: str, *, is_bold: bool) -> Style:
    return Style(color=ink, bgcolor=ground, bold=is_bold)
