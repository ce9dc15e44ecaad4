"""One question about two customers who look alike: later, two people, or one person."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from kiosk.core.staff_words import StaffWords
from kiosk.ui.widgets.plain_text import PlainText
from kiosk.ui.widgets.touch_button import TouchButton

LATER = "later"
JOIN = "join"
DECLINE = "decline"


class AlikeQuestion(ModalScreen[str]):
    """Asks once: later | join | decline."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer('later')", show=False),
        Binding("y,Y", "answer('join')", show=False),
        Binding("n,N", "answer('decline')", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, name: str, other: str, why: str, *, words: StaffWords) -> None:
        super().__init__()
        self._who = (name, other)
        self._why = why
        self._words = words

    def compose(self) -> ComposeResult:
        """The question with its reason, and the three answers; back on the left, forward on the right."""
        say, (name, other) = self._words.say, self._who
        with Vertical(id="question"):
            yield PlainText(say("alike.question", name=name, other=other), id="question-first")
            yield PlainText(say("alike.why", why=self._why), id="question-rest")
            with Horizontal(classes="answers"):
                yield TouchButton(say("alike.later"), id=LATER)
                yield TouchButton(say("alike.no"), id=DECLINE)
                yield TouchButton(say("alike.yes"), id=JOIN, classes="-main")
            yield PlainText(say("alike.keys"), classes="question-keys")

    def on_mount(self) -> None:
        """Enter decides nothing: who they are is worth a look."""
        self.query_one(f"#{LATER}", TouchButton).focus()

    @on(TouchButton.Pressed)
    def _pressed(self, event: TouchButton.Pressed) -> None:
        self.dismiss(event.button.id or LATER)

    def action_answer(self, answer: str) -> None:
        """Answer by key."""
        self.dismiss(answer)
