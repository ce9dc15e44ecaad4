"""One question before a parcel goes out: to whom, from which shelf, and whether an identity document was seen."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from kiosk.ui.widgets.plain_text import PlainText
from kiosk.ui.widgets.touch_button import TouchButton


class HandOverQuestion(ModalScreen[bool]):
    """Asks once. True means that the parcel was handed over."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", show=False),
        Binding("y,Y", "answer(True)", show=False),
        Binding("left,right", "other", show=False),
    ]

    def __init__(self, question: tuple[str, ...], *, yes: str, no: str, keys: str) -> None:
        super().__init__()
        self._keys = keys
        self._question = question
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        """The question, and the two answers in their places: back on the left, forward on the right."""
        first, *rest = self._question
        with Vertical(id="question"):
            yield PlainText(first, id="question-first")
            yield PlainText("\n".join(rest), id="question-rest")
            with Horizontal(id="answers"):
                yield TouchButton(self._no, id="no")
                yield TouchButton(self._yes, id="yes", classes="-main")
            yield PlainText(self._keys, id="question-keys")

    def on_mount(self) -> None:
        """Enter says no: a parcel that was handed over is not called back, so yes has a key of its own."""
        self.query_one("#no", TouchButton).focus()

    @on(TouchButton.Pressed)
    def _pressed(self, event: TouchButton.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:  # noqa: FBT001  # Textual passes what the binding says
        """Answer by key."""
        self.dismiss(answer)

    def action_other(self) -> None:
        """Arrows go to the other answer."""
        self.focus_next()
