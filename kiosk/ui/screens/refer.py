"""Sends a customer on to another store, with the card: where to, and what is to be done there."""

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
"""Characters of what is to be done: the card has the rest."""

Store = tuple[str, str]
"""Id of a store, and what people call it."""


@dataclass(frozen=True, slots=True)
class SentOn:
    """Where a customer is sent, and why."""

    store: str
    text: str


class ReferQuestion(ModalScreen[SentOn | None]):
    """Asks once. None when they stay. Up and Down choose the store."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up", "store(-1)", show=False),
        Binding("down", "store(1)", show=False),
    ]

    def __init__(self, name: str, stores: tuple[Store, ...], *, words: StaffWords) -> None:
        """Args: `stores` are those they can be sent to, at least one."""
        super().__init__()
        self._whose = name
        self._stores = stores
        self._words = words
        self._at = 0

    def compose(self) -> ComposeResult:
        """Where, what, and the two answers in their places."""
        say = self._words.say
        with Vertical(id="question"):
            yield PlainText(say("refer.title", name=self._whose), id="question-first")
            yield PlainText(self._where(), id="question-rest")
            with Horizontal(classes="line"):
                yield PlainText(say("refer.what"), classes="label")
                yield Input(id="what", max_length=TEXT_LENGTH_MAX)
            with Horizontal(classes="answers"):
                yield TouchButton(say("hand.no"), id="no")
                yield TouchButton(say("refer.yes"), id="yes", classes="-main")
            yield PlainText(say("refer.keys"), classes="question-keys")

    def on_mount(self) -> None:
        """Begin with what is to be done."""
        self.query_one("#what", Input).focus()

    def _where(self) -> str:
        return self._words.say("refer.where", store=self._stores[self._at][1])

    def action_leave(self) -> None:
        """They stay."""
        self.dismiss(None)

    def action_store(self, step: int) -> None:
        """The next store."""
        self._at = (self._at + step) % len(self._stores)
        self.query_one("#question-rest", PlainText).say(self._where())

    @on(Input.Submitted, "#what")
    def _to_yes(self) -> None:
        self.query_one("#yes", TouchButton).focus()

    @on(TouchButton.Pressed)
    def _pressed(self, event: TouchButton.Pressed) -> None:
        text = self.query_one("#what", Input).value.strip()
        if event.button.id != "yes":
            self.dismiss(None)
        elif text:
            self.dismiss(SentOn(self._stores[self._at][0], text))
        else:
            where = self._words.say("refer.what.needed")
            self.query_one("#question-rest", PlainText).say(where)
            self.query_one("#what", Input).focus()
