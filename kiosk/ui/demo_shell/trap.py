"""The same tap where channels are not connected: every question they ask there, beside what we know here."""

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget

from kiosk.core import foreign
from kiosk.core.staff_words import StaffWords
from kiosk.core.trap import Trap
from kiosk.ui.widgets.plain_text import PlainText


class TrapPairs(Widget):
    """Questions on the left, what we know on the right; one widget however many there are."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"trap--head", "trap--asked", "trap--known"}

    def __init__(self, words: StaffWords, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._words = words
        self._trap: Trap | None = None
        self._is_tapped = False

    @property
    def trap(self) -> Trap | None:
        """What it shows; None before anybody we know tapped."""
        return self._trap

    def show(self, trap: Trap | None, *, is_tapped: bool) -> None:
        """Show this customer's trap; without one, whether nobody tapped or nobody we know."""
        if (trap, is_tapped) != (self._trap, self._is_tapped):
            self._trap, self._is_tapped = trap, is_tapped
            self.refresh(layout=True)

    def notify_style_update(self) -> None:
        """Draw again in the colours of a new theme."""
        super().notify_style_update()
        self.refresh(layout=True)

    def render(self) -> Table | Text:
        """A table of pairs with the sums below."""
        words = self._words
        if self._trap is None:
            return Text(words.say("trap.unknown" if self._is_tapped else "trap.nobody"))
        head, asked, known = (
            self.get_component_rich_style(f"trap--{name}", partial=True)
            for name in ("head", "asked", "known")
        )
        table = Table.grid(expand=True, padding=(0, 2, 0, 0))
        table.leading = 1
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        table.add_row(Text(words.say("trap.theirs"), head), Text(words.say("trap.ours"), head))
        for pair in self._trap.pairs:
            table.add_row(
                Text(foreign.shown(pair.question), asked),
                Text(foreign.shown(pair.known), known),
            )
        table.add_row(
            Text(words.questions(self._trap.n_asked), head),
            Text(words.say("trap.ours.sum"), head),
        )
        return table


class TrapPane(VerticalScroll):
    """The trap, in the place of the counter."""

    def __init__(self, words: StaffWords, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._words = words

    def compose(self) -> ComposeResult:
        """A title, whose tap it is and how to leave, the pairs."""
        yield PlainText(self._words.say("trap.title"), id="trap-title")
        yield PlainText(id="trap-name")
        yield TrapPairs(self._words, id="pairs")

    def show(self, trap: Trap) -> None:
        """Show this customer's trap."""
        self.query_one(TrapPairs).show(trap, is_tapped=True)
        self.query_one("#trap-name", PlainText).say(
            self._words.say("trap.name", name=trap.name, leave=self._words.say("trap.leave"))
        )

    def show_nobody(self, *, is_tapped: bool) -> None:
        """Nobody's trap: nobody tapped, or nobody we know."""
        self.query_one(TrapPairs).show(None, is_tapped=is_tapped)
        self.query_one("#trap-name", PlainText).say(self._words.say("trap.leave"))
