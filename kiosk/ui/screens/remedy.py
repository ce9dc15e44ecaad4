"""What was tried for a case, and whether it helped; what failed twice before needs a reason to be offered again."""

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
from sync.model.checklist import is_struck, remedy_of
from sync.model.records import Case

TEXT_LENGTH_MAX: Final = 80
"""Characters of a remedy, and of a reason: a line or two of the smallest terminal."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What somebody tried."""

    text: str
    has_failed: bool
    reason: str


class RemedyQuestion(ModalScreen[Tried | None]):
    """Asks once. None when nothing was tried. Up and Down go through what was tried before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up", "known(-1)", show=False),
        Binding("down", "known(1)", show=False),
    ]

    def __init__(self, name: str, case: Case, *, words: StaffWords) -> None:
        super().__init__()
        self._whose = name
        self._case = case
        self._words = words
        self._at = -1

    def compose(self) -> ComposeResult:
        """What, why again, and the three answers in their places."""
        say = self._words.say
        number = self._words.name(self._case.number)
        with Vertical(id="question"):
            yield PlainText(
                say("remedy.title", name=self._whose, case=number), id="question-first"
            )
            yield PlainText(self._known_line(), id="question-rest")
            for part in ("what", "reason"):
                with Horizontal(classes="line"):
                    yield PlainText(say(f"remedy.{part}"), classes="label")
                    yield Input(id=part, max_length=TEXT_LENGTH_MAX)
            with Horizontal(classes="answers"):
                yield TouchButton(say("hand.no"), id="no")
                yield TouchButton(say("remedy.failed"), id="failed")
                yield TouchButton(say("remedy.helped"), id="helped", classes="-main")
            yield PlainText(say("remedy.keys"), classes="question-keys")

    def _known_line(self) -> str:
        struck = [self._words.name(one.text) for one in self._case.tried if is_struck(one)]
        if not struck:
            return self._words.say("remedy.some" if self._case.tried else "remedy.none")
        return self._words.say("remedy.struck", remedies=", ".join(struck))

    def on_mount(self) -> None:
        """Begin with what."""
        self.query_one("#what", Input).focus()

    def action_leave(self) -> None:
        """Nothing was tried."""
        self.dismiss(None)

    def action_known(self, step: int) -> None:
        """What was tried before, one after another."""
        known = [one.text for one in self._case.tried]
        if known:
            self._at = (self._at + step) % len(known) if self._at >= 0 else 0
            self.query_one("#what", Input).value = self._words.name(known[self._at])

    @on(Input.Submitted, "#what")
    def _to_reason(self) -> None:
        self.query_one("#reason", Input).focus()

    @on(Input.Submitted, "#reason")
    def _to_answers(self) -> None:
        self.query_one("#failed", TouchButton).focus()

    @on(TouchButton.Pressed)
    def _pressed(self, event: TouchButton.Pressed) -> None:
        if event.button.id == "no":
            self.dismiss(None)
            return
        what, reason = (
            self.query_one(f"#{part}", Input).value.strip() for part in ("what", "reason")
        )
        known = remedy_of(self._case, what)
        rest = self.query_one("#question-rest", PlainText)
        if not what:
            rest.say(self._words.say("remedy.what.needed"))
            self.query_one("#what", Input).focus()
        elif known is not None and is_struck(known) and not reason:
            times = {"failed": known.n_failed, "tried": known.n_tried}
            rest.say(self._words.say("remedy.reason.needed", **times))
            self.query_one("#reason", Input).focus()
        else:
            self.dismiss(Tried(what, event.button.id == "failed", reason))
