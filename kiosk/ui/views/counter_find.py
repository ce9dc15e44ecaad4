"""The counter's search: one input, who was found with a digit each, whose notes were begun. Says who was chosen."""

from collections.abc import Callable
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from kiosk.core.ports import Found
from kiosk.core.staff_words import StaffWords
from kiosk.ui.widgets.plain_text import PlainText

FOUND_MAX: Final = 20
"""Customers listed; with more, typing on is quicker than reading."""

QUERY_LENGTH_MAX: Final = 80
"""Longest search; an e-mail address of that length is rare and its beginning finds it."""

DIGITS_MAX: Final = 9
"""Of those found so many have a digit."""


class FindPage(Vertical):
    """Finds a customer by what they say of themselves."""

    class Searched(Message):
        """Others are found now, or nobody."""

    class Chosen(Message):
        """The page of this customer is to be opened."""

        def __init__(self, one: Found) -> None:
            super().__init__()
            self.one = one

    def __init__(
        self,
        search: Callable[[str], tuple[Found, ...]],
        words: StaffWords,
        *,
        id: str | None = None,  # noqa: A002  # Textual's own name for it
    ) -> None:
        """Args: `search` answers from this device's files in milliseconds and raises nothing."""
        super().__init__(id=id)
        self._search = search
        self._words = words
        self._found: tuple[Found, ...] = ()

    def compose(self) -> ComposeResult:
        """Everything, once."""
        words = self._words
        yield Input(
            placeholder=words.say("find.prompt"), max_length=QUERY_LENGTH_MAX, id="query"
        )
        yield PlainText(words.say("find.hint"), id="find-hint")
        yield OptionList(id="results", markup=False)
        yield PlainText(id="drafts")

    @property
    def is_empty(self) -> bool:
        """Whether nobody is found."""
        return not self._found

    def clear(self) -> None:
        """Begin with nothing typed."""
        self.query_one("#query", Input).value = ""

    def name_drafts(self, line: str) -> None:
        """Say below whose notes were begun."""
        self.query_one("#drafts", PlainText).say(line)

    def at(self, index: int) -> Found | None:
        """The one at this place."""
        return self._found[index] if index < len(self._found) else None

    def choose(self, index: int) -> None:
        """Say that the one at this place is to be opened, where there is one."""
        one = self.at(index)
        if one is not None:
            self.post_message(self.Chosen(one))

    @on(Input.Submitted, "#query")
    def submit(self) -> None:
        """Open the only one found; of several, go to the list."""
        if len(self._found) == 1:
            self.choose(0)
        elif self._found:
            results = self.query_one("#results", OptionList)
            results.focus()
            if results.highlighted is None:
                results.highlighted = 0

    @on(Input.Changed, "#query")
    def _typed(self, event: Input.Changed) -> None:
        text = event.value.strip()
        self._found = self._search(text) if text else ()
        results = self.query_one("#results", OptionList)
        results.clear_options()
        results.add_options(
            [Option(self._option(index, one)) for index, one in enumerate(self._found, start=1)]
        )
        self.query_one("#find-hint", PlainText).say(self._found_line(text))
        self.post_message(self.Searched())

    def _option(self, index: int, one: Found) -> Content:
        words = self._words
        digit = f" {index} " if index <= DIGITS_MAX else "   "
        how = words.either(f"how.{one.how}", "how.name")
        below = ", ".join(part for part in (words.text(one.hint), how) if part)
        return Content.assemble(
            (digit, "bold"), (words.name(one.title), "bold"), f"\n    {below}"
        )

    def _found_line(self, text: str) -> str:
        words, count = self._words, len(self._found)
        if not text:
            return words.say("find.hint")
        if count == 0:
            return words.say("find.none")
        if count == 1:
            return words.say("find.one")
        return words.say("find.many" if count >= FOUND_MAX else "find.some", count=count)

    @on(OptionList.OptionSelected, "#results")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.choose(event.option_index)
