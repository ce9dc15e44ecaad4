"""Promises a customer something on a case: until when, and what they will hear."""

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
"""Characters of what is promised, as the operation takes them."""


@dataclass(frozen=True, slots=True)
class Promised:
    """What is promised, and until when, microseconds since 1970."""

    due_at: int
    text: str


class PromiseQuestion(ModalScreen[Promised | None]):
    """Asks once. None when nothing is promised. Up and Down choose until when."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up", "until(-1)", show=False),
        Binding("down", "until(1)", show=False),
    ]

    def __init__(
        self, name: str, case: str, dues: tuple[int, ...], *, words: StaffWords, now: int
    ) -> None:
        """Ask about one case.

        Args:
            name: Of the customer, safe to show.
            case: What people call the case.
            dues: Until when it can be promised, at least one.
            words: Of staff.
            now: Microseconds since 1970.
        """
        super().__init__()
        self._title = words.say("promise.title", name=name, case=case)
        self._dues = dues
        self._words = words
        self._now = now
        self._at = 0

    def compose(self) -> ComposeResult:
        """Until when, what, and the two answers in their places."""
        say = self._words.say
        with Vertical(id="question"):
            yield PlainText(self._title, id="question-first")
            yield PlainText(self._until(), id="question-rest")
            with Horizontal(classes="line"):
                yield PlainText(say("promise.what"), classes="label")
                yield Input(id="what", max_length=TEXT_LENGTH_MAX)
            with Horizontal(classes="answers"):
                yield TouchButton(say("hand.no"), id="no")
                yield TouchButton(say("promise.yes"), id="yes", classes="-main")
            yield PlainText(say("refer.keys"), classes="question-keys")

    def on_mount(self) -> None:
        """Begin with what is promised."""
        self.query_one("#what", Input).focus()

    def _until(self) -> str:
        due = self._words.moment(self._dues[self._at], now=self._now)
        return self._words.say("promise.until", due=due)

    def action_leave(self) -> None:
        """Nothing is promised."""
        self.dismiss(None)

    def action_until(self, step: int) -> None:
        """The next moment."""
        self._at = (self._at + step) % len(self._dues)
        self.query_one("#question-rest", PlainText).say(self._until())

    @on(Input.Submitted, "#what")
    def _to_yes(self) -> None:
        self.query_one("#yes", TouchButton).focus()

    @on(TouchButton.Pressed)
    def _pressed(self, event: TouchButton.Pressed) -> None:
        text = self.query_one("#what", Input).value.strip()
        if event.button.id != "yes":
            self.dismiss(None)
        elif text:
            self.dismiss(Promised(self._dues[self._at], text))
        else:
            needed = self._words.say("promise.what.needed")
            self.query_one("#question-rest", PlainText).say(needed)
            self.query_one("#what", Input).focus()
