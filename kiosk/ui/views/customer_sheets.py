"""How each face of the customer's side looks on a grid: pure, from words and a size to a sheet.

The smallest grid is 53 x 17, of which twelve rows are words and five are keys: a line of greeting, an empty one, three
items of three rows, an empty line. From ROOMY_ROWS on items stand apart and the margins are wider.
"""

from dataclasses import dataclass
from typing import Final

from kiosk.core import foreign
from kiosk.core.page import Block, BlockKind
from kiosk.ui.widgets.canvas import NOWHERE, Line, Piece, Sheet, wrapped

ITEM_ROWS: Final = 3
"""Rows of an item: a heading and two lines. Source: 20 mm on the panels we support are three rows."""

COLUMNS_MIN: Final = 53
"""The smallest panel; below it one sentence says so."""

ROWS_MIN: Final = 17
"""The smallest panel, keys included."""

ITEMS_MAX: Final = 9
"""Items on one sheet: each has a digit."""

ROOMY_ROWS: Final = 19
"""From this many rows of words items stand apart and the margins are wider."""

COLUMNS_MAX: Final = 96
"""Lines longer than this are hard to read from where a customer stands; wider panels have wider margins."""

EDGE: Final = "▌  "
EDGE_FOCUS: Final = "█  "
DIGIT_COLUMNS: Final = 4

PICTURE: Final = (
    "  ▄▄████▄▄       ▄▄ ▀█ ",
    " ██▀    ▀██    ▄  █▄ ██",
    "██        ██   ██ ██  █",
    "██        ██   ██ ██  █",
    " ██▄    ▄██    ▀  █▀ ██",
    "  ▀▀████▀▀       ▀▀ ▄█ ",
)
"""A band, and the waves of a reader."""

_INKS: Final = {
    BlockKind.WAITING: "waiting",
    BlockKind.OWED: "owed",
    BlockKind.HELP: "help",
    BlockKind.POINTS: "points",
    BlockKind.OFFER: "offer",
    BlockKind.NOTICE: "help",
    BlockKind.NOT_POSSIBLE: "owed",
    BlockKind.GREETING: "main",
}
"""Edge of an item, beside the words that say the same."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells there are for words."""

    columns: int
    rows: int

    @property
    def is_roomy(self) -> bool:
        """Whether items stand apart."""
        return self.rows >= ROOMY_ROWS

    @property
    def margin(self) -> int:
        """Columns left free on both sides."""
        least = 3 if self.is_roomy else 1
        return max(least, (self.columns - COLUMNS_MAX) // 2)

    @property
    def width(self) -> int:
        """Columns for words."""
        return max(self.columns - 2 * self.margin, 1)

    @property
    def items(self) -> int:
        """Items on one sheet."""
        top = 4 if self.is_roomy else 2
        each = ITEM_ROWS + 1 if self.is_roomy else ITEM_ROWS
        return max(1, min(ITEMS_MAX, (self.rows - top) // each))


def is_open(block: Block) -> bool:
    """Whether there is more to see of a block after a touch."""
    return bool(block.details or block.actions)


def open_items(blocks: tuple[Block, ...]) -> tuple[int, ...]:
    """Which of the blocks of a sheet can be touched; the first has the digit 1, and none is skipped."""
    return tuple(index for index, block in enumerate(blocks) if is_open(block))


def attract_sheet(grid: Grid, *, title: str, where: str, arrow: str) -> Sheet:
    """Nobody is here: what to do, and where the reader is."""
    lines = (
        *_picture("main", "ground"),
        Line(),
        _centred(title, "ink", is_bold=True),
        Line(),
        _centred(f"{arrow} {where} {arrow}", "quiet"),
    )
    return _middle(grid, lines, "ground")


def reading_sheet(grid: Grid, *, words: str) -> Sheet:
    """The light: the whole face in one colour, and words after a while."""
    lines = (
        *_picture("on-light", "light"),
        Line(ground="light"),
        _centred(words, "on-light", is_bold=True, ground="light"),
    )
    return _middle(grid, lines, "light")


def told_sheet(grid: Grid, *, heading: str, line: str) -> Sheet:
    """A heading and a line."""
    columns = max(grid.width - 2, 1)
    lines = (
        *(_centred(row, "ink", is_bold=True) for row in wrapped(heading, columns)),
        Line(),
        *(_centred(row, "quiet") for row in wrapped(line, columns)),
    )
    return _middle(grid, lines, "ground")


def page_sheet(
    grid: Grid, *, greeting: str, as_of: str, note: str, blocks: tuple[Block, ...], focus: int
) -> Sheet:
    """A customer's page: greeting, age, and one item a block. `focus` is the item that has it, NOWHERE for none."""
    width = grid.width
    hello, age = foreign.shown(greeting), foreign.shown(as_of)
    lines = [_blank()] * (1 if grid.is_roomy else 0)
    lines.append(
        Line(
            (Piece(hello, "main", is_bold=True),),
            right=(Piece(age, "quiet"),),
            margin=grid.margin,
        )
    )
    lines.append(Line((Piece(foreign.shown(note), "quiet"),), margin=grid.margin))
    if grid.is_roomy:
        lines.append(_blank())
    is_cut = len(hello) + len(age) >= width or len(blocks) > grid.items
    digits = {item: n for n, item in enumerate(open_items(blocks), start=1)}
    for index, block in enumerate(blocks[: grid.items]):
        drawn, is_item_cut = _item(
            grid,
            block,
            index,
            digit=digits.get(index, 0),
            has_focus=index == focus and index in digits,
        )
        lines.extend(drawn)
        if grid.is_roomy:
            lines.append(_blank())
        is_cut = is_cut or is_item_cut
    return Sheet(tuple(lines), is_cut=is_cut)


def detail_sheet(grid: Grid, block: Block) -> Sheet:
    """What is behind an item: its lines once more, and its details."""
    details = tuple(line for line in block.details if line not in block.lines)
    rows: list[Line] = [_blank()] * (1 if grid.is_roomy else 0)
    rows.extend(
        Line((Piece(row, "main", is_bold=True),), margin=grid.margin)
        for row in wrapped(foreign.shown(block.lines[0]), grid.width)
    )
    for part in (block.lines[1:], details):
        if part:
            rows.append(_blank())
        for line in part:
            rows.extend(
                Line((Piece(row),), margin=grid.margin)
                for row in wrapped(foreign.shown(line), grid.width)
            )
    return Sheet(tuple(rows[: grid.rows]), is_cut=len(rows) > grid.rows)


def _item(
    grid: Grid, block: Block, index: int, *, digit: int, has_focus: bool
) -> tuple[list[Line], bool]:
    """The rows of one item, and whether something of it is missing."""
    ink = _INKS[block.kind]
    columns = max(grid.width - len(EDGE) - DIGIT_COLUMNS, 8)
    headings = wrapped(foreign.shown(block.lines[0]), columns) if block.lines else ()
    words = [(row, "ink", True) for row in headings[:1]]
    for line in block.lines[1:]:
        words.extend((row, "quiet", False) for row in wrapped(foreign.shown(line), columns))
    is_cut = len(headings) > 1 or len(words) > ITEM_ROWS
    if len(words) > ITEM_ROWS:  # no words of ours are that long; if they ever are, it is seen
        row, row_ink, is_bold = words[ITEM_ROWS - 1]
        words = [*words[: ITEM_ROWS - 1], (f"{row[: columns - 1]}…", row_ink, is_bold)]
    edge = EDGE_FOCUS if has_focus else EDGE
    ground = "card-focus" if has_focus else "card"
    item = index if digit else NOWHERE
    key = (Piece(f"{digit} ", ink, is_bold=True),) if digit else ()
    lines = [
        Line(
            (Piece(edge, ink), Piece(row, row_ink, is_bold=is_bold)),
            right=key if place == 0 else (),
            ground=ground,
            margin=grid.margin,
            item=item,
        )
        for place, (row, row_ink, is_bold) in enumerate(words)
    ]
    empty = Line(ground=ground, margin=grid.margin, item=item)
    return [*lines, *[empty] * (ITEM_ROWS - len(lines))], is_cut


def _picture(ink: str, ground: str) -> tuple[Line, ...]:
    return tuple(Line((Piece(row, ink),), ground=ground, is_centred=True) for row in PICTURE)


def _centred(text: str, ink: str, *, is_bold: bool = False, ground: str = "ground") -> Line:
    words = foreign.shown(text)
    return Line((Piece(words, ink, is_bold=is_bold),), ground=ground, is_centred=True)


def _blank() -> Line:
    return Line()


def _middle(grid: Grid, lines: tuple[Line, ...], ground: str) -> Sheet:
    """The lines half-way down; the blank lines above take the ground of the sheet."""
    above = max(0, (grid.rows - len(lines) + 1) // 2)
    is_cut = len(lines) > grid.rows or any(
        sum(len(piece.text) for piece in line.pieces) > grid.columns for line in lines
    )
    return Sheet((*[Line(ground=ground)] * above, *lines), ground=ground, is_cut=is_cut)
