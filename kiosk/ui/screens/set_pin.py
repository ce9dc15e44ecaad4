"""A PIN for a customer whose ID was seen: typed twice by themselves, shown to nobody."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from kiosk.core.pin_digits import is_pin
from kiosk.core.staff_words import StaffWords
from kiosk.ui.widgets.plain_text import PlainText
from kiosk.ui.widgets.touch_button import TouchButton
from sync.model.rules import PIN_DIGITS_MAX


class PinQuestion(ModalScreen[str]):
    """Asks once. The PIN, with the clerk's word that an ID was seen; "" when it stays as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, name: str, *, words: StaffWords) -> None:
        super().__init__()
        self._whose = name
        self._words = words

    def compose(self) -> ComposeResult:
        """Both fields, and the two answers in their places."""
        say = self._words.say
        with Vertical(id="question"):
            yield PlainText(say("pin.title", name=self._whose), id="question-first")
            yield PlainText(say("pin.line"), id="question-rest")
            for part in ("first", "second"):
                with Horizontal(classes="line"):
                    yield PlainText(say(f"pin.{part}"), classes="label")
                    yield Input(
                        id=part, password=True, max_length=PIN_DIGITS_MAX, type="integer"
                    )
            with Horizontal(classes="answers"):
                yield TouchButton(say("pin.no"), id="no")
                yield TouchButton(say("pin.yes"), id="yes", classes="-main")
            yield PlainText(say("pin.keys"), classes="question-keys")

    def on_mount(self) -> None:
        """Begin at the first."""
        self.query_one("#first", Input).focus()

    def action_leave(self) -> None:
        """Leave it as it is."""
        self.dismiss("")

    @on(Input.Submitted, "#first")
    def _to_second(self) -> None:
        self.query_one("#second", Input).focus()

    @on(Input.Submitted, "#second")
    def _to_yes(self) -> None:
        self.query_one("#yes", TouchButton).focus()

    @on(TouchButton.Pressed)
    def _pressed(self, event: TouchButton.Pressed) -> None:
        if event.button.id != "yes":
            self.dismiss("")
            return
        first, second = self.query_one("#first", Input), self.query_one("#second", Input)
        is_same, is_fit = first.value == second.value, is_pin(first.value)
        if is_same and is_fit:
            self.dismiss(first.value)
            return
        first.value = second.value = ""
        wrong = self._words.say("pin.weak" if is_same else "pin.differ")
        self.query_one("#question-rest", PlainText).say(wrong)
        first.focus()
