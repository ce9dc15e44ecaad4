"""One of several things, and a line about it: where a customer is sent and for what, until when something is promised."""

from dataclasses import dataclass
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from kiosk.core.staff_words import StaffWords
from kiosk.ui.widgets.plain_text import PlainText
from kiosk.ui.widgets.touch_button import TouchButton

TEXT_LENGTH_MAX: Final = 200
"""Characters of the line, as the operations take them; the card has the rest."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of the choices, counted from 0, and what was written."""

    index: int
    text: str


class ChoiceQuestion(ModalScreen[Chosen | None]):
    """Asks once. None when nothing is to be done. Up and Down choose."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up", "choose(-1)", show=False),
        Binding("down", "choose(1)", show=False),
    ]

    def __init__(
        self, about: str, title: str, choices: tuple[str, ...], *, words: StaffWords
    ) -> None:
        """Ask about one customer.

        Args:
            about: Beginning of the sentences it says: ABOUT.what, ABOUT.what.needed, ABOUT.yes, and ABOUT.another where
                there can be several choices.
            title: The question.
            choices: Each as a sentence, the first one chosen; at least one.
            words: Of staff.
        """
        super().__init__()
        self._about = about
        self._title = title
        self._choices = choices
        self._words = words
        self._at = 0

    def compose(self) -> ComposeResult:
        """The choice, the line, and the two answers in their places."""
        say = self._words.say
        with Vertical(id="question"):
            yield PlainText(self._title, id="question-first")
            yield PlainText(self._choice, id="question-rest")
            with Horizontal(classes="line"):
                yield PlainText(say(f"{self._about}.what"), classes="label")
                yield Input(id="what", max_length=TEXT_LENGTH_MAX)
            with Horizontal(classes="answers"):
                yield TouchButton(say("hand.no"), id="no")
                yield TouchButton(say(f"{self._about}.yes"), id="yes", classes="-main")
            yield PlainText(say("choice.keys"), classes="question-keys")

    @property
    def _choice(self) -> str:
        """The choice as it stands, and how to come to another where there is one."""
        choice = self._choices[self._at]
        if len(self._choices) == 1:
            return choice
        return self._words.say(f"{self._about}.another", choice=choice)

    def on_mount(self) -> None:
        """Begin with the line."""
        self.query_one("#what", Input).focus()

    def action_leave(self) -> None:
        """Nothing is to be done."""
        self.dismiss(None)

    def action_choose(self, step: int) -> None:
        """The next choice."""
        self._at = (self._at + step) % len(self._choices)
        self.query_one("#question-rest", PlainText).say(self._choice)

    @on(Input.Submitted, "#what")
    def _to_yes(self) -> None:
        self.query_one("#yes", TouchButton).focus()

    @on(TouchButton.Pressed)
    def _pressed(self, event: TouchButton.Pressed) -> None:
        text = self.query_one("#what", Input).value.strip()
        if event.button.id != "yes":
            self.dismiss(None)
        elif text:
            self.dismiss(Chosen(self._at, text))
        else:
            needed = self._words.say(f"{self._about}.what.needed")
            self.query_one("#question-rest", PlainText).say(needed)
            self.query_one("#what", Input).focus()
