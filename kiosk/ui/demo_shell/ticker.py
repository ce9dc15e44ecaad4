"""The other channels as they come, newest first, below the scoreboard of the three sins."""

from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget

from kiosk.core import foreign
from kiosk.core.staff_words import StaffWords
from kiosk.core.ticker import TickerLine
from kiosk.ui.widgets.plain_text import PlainText
from sync.model.sins import Scoreboard

SINS: Final = ("asked_twice", "unanswered", "contradictions")
"""In the order they are shown; names of Scoreboard's fields."""


WHY_ROWS: Final = 20
"""Below this there is no room to say what each of them means."""


class ScoreBoard(Widget):
    """Three numbers with their names and what they mean; one that changed shows what it was."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "score--count",
        "score--name",
        "score--was",
        "score--why",
    }

    def __init__(self, words: StaffWords, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._words = words
        self._now: Scoreboard | None = None
        self._first: Scoreboard | None = None

    @property
    def score(self) -> Scoreboard | None:
        """What it shows; None before anything was counted."""
        return self._now

    def show(self, score: Scoreboard) -> None:
        """Show these counts; the first ones are remembered, to show what became of them."""
        if self._first is None:
            self._first = score
        if score != self._now:
            self._now = score
            self.refresh()

    def render(self) -> Table:
        """A number, its name and what it means, for each sin."""
        table = Table.grid(padding=(0, 1))
        table.add_column(justify="right", min_width=3)
        table.add_column()
        name_style = self.get_component_rich_style("score--name", partial=True)
        why_style = self.get_component_rich_style("score--why", partial=True)
        for sin in SINS:
            count, was = self._count(sin)
            name = Text(self._words.say(f"score.{sin}"), name_style)
            table.add_row(count, name.append(" " if was else "").append_text(was))
            if self.app.size.height >= WHY_ROWS:
                table.add_row("", Text(self._words.say(f"score.why.{sin}"), why_style))
        return table

    def _count(self, sin: str) -> tuple[Text, Text]:
        """How many, and how many there were at first where that is another number."""
        if self._now is None or self._first is None:
            return Text("-"), Text("")
        now, first = getattr(self._now, sin), getattr(self._first, sin)
        was = "" if now == first else self._words.say("score.was", count=first)
        return (
            Text(str(now), self.get_component_rich_style("score--count", partial=True)),
            Text(was, self.get_component_rich_style("score--was", partial=True)),
        )


class TickerLines(Widget):
    """The lines, one widget however many there are; what came since the start is marked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "ticker--head",
        "ticker--text",
        "ticker--late",
        "ticker--new",
    }

    def __init__(self, words: StaffWords, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._words = words
        self._lines: tuple[TickerLine, ...] = ()
        self._known: frozenset[str] | None = None

    @property
    def lines(self) -> tuple[TickerLine, ...]:
        """What it shows."""
        return self._lines

    def show(self, lines: tuple[TickerLine, ...]) -> None:
        """Show these lines; the first ones are what was there before."""
        if self._known is None:
            self._known = frozenset(line.key for line in lines)
        if lines != self._lines:
            self._lines = lines
            self.refresh(layout=True)

    def notify_style_update(self) -> None:
        """Draw again in the colours of a new theme."""
        super().notify_style_update()
        self.refresh(layout=True)

    def render(self) -> Table | Text:
        """A head, then what was said, then the next."""
        if not self._lines:
            return Text(self._words.say("ticker.quiet"))
        text_style = self.get_component_rich_style("ticker--text", partial=True)
        table = Table.grid(expand=True)
        table.add_column(width=2)
        table.add_column(ratio=1)
        for line in self._lines:
            mark, name = self._sign(line)
            head_style = self.get_component_rich_style(f"ticker--{name}", partial=True)
            table.add_row(Text(mark, head_style), Text(foreign.shown(line.head), head_style))
            table.add_row("", Text(foreign.shown(line.text), text_style))
        return table

    def _sign(self, line: TickerLine) -> tuple[str, str]:
        if line.is_late:
            return "!", "late"
        is_new = self._known is not None and line.key not in self._known
        return ("+", "new") if is_new else (" ", "head")


class Ticker(VerticalScroll):
    """The first column."""

    def __init__(self, words: StaffWords, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._words = words

    def compose(self) -> ComposeResult:
        """Scoreboard above, lines below."""
        yield PlainText(self._words.say("score.title"), classes="title")
        yield ScoreBoard(self._words, id="score")
        yield PlainText(self._words.say("ticker.title"), id="heard", classes="title")
        yield TickerLines(self._words, id="lines")

    def show(self, lines: tuple[TickerLine, ...], score: Scoreboard, *, title: str) -> None:
        """Show what was heard, and the counts."""
        self.query_one("#heard", PlainText).say(title)
        self.query_one(TickerLines).show(lines)
        self.query_one(ScoreBoard).show(score)
