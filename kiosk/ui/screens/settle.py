"""One question about something that is not settled: later, nothing more, or try again; then why, and with what.

choose    later | nothing more | try again
confirm   the value that can be changed, and the reason; only this does it
"""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import ContentSwitcher, Input

from kiosk.core.settling import REASON_LENGTH_MAX, Settled, Settling
from kiosk.core.staff_words import StaffWords
from kiosk.ui.widgets.plain_text import PlainText
from kiosk.ui.widgets.touch_button import TouchButton


class SettleQuestion(ModalScreen[Settled | None]):
    """Asks once. None means that it stays as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", show=False),
        Binding("t,T", "try_again", show=False),
        Binding("n,N", "nothing_more", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, settling: Settling, *, words: StaffWords) -> None:
        super().__init__()
        self._settling = settling
        self._words = words
        self._is_void = False

    def compose(self) -> ComposeResult:
        """Both pages, once; back on the left, forward on the right."""
        say, settling = self._words.say, self._settling
        with Vertical(id="question"):
            yield PlainText(settling.title, id="question-first")
            yield PlainText(settling.text, id="question-rest")
            with ContentSwitcher(initial="choose", id="settle"):
                with Vertical(id="choose"):
                    with Horizontal(classes="answers"):
                        yield TouchButton(say("settle.later"), id="later")
                        yield TouchButton(say("settle.void"), id="void")
                        again = say("settle.again") if settling.can_try else ""
                        yield TouchButton(again, id="again", classes="-main")
                    yield PlainText(
                        say("settle.keys" if settling.can_try else "settle.keys.void"),
                        classes="question-keys",
                    )
                with Vertical(id="confirm"):
                    with Horizontal(id="value-line", classes="line"):
                        yield PlainText(settling.label, classes="label")
                        yield Input(settling.value, id="value")
                    with Horizontal(classes="line"):
                        yield PlainText(say("settle.reason"), classes="label")
                        yield Input(id="reason", max_length=REASON_LENGTH_MAX)
                    with Horizontal(classes="answers"):
                        yield TouchButton(say("settle.back"), id="back")
                        yield TouchButton(id="do", classes="-main")
                    yield PlainText(say("settle.confirm.keys"), classes="question-keys")

    def on_mount(self) -> None:
        """Enter changes nothing: what is decided is kept for ever."""
        self.query_one("#later", TouchButton).focus()

    @property
    def _page(self) -> str:
        return self.query_one(ContentSwitcher).current or "choose"

    def _confirm(self, *, is_void: bool) -> None:
        self._is_void = is_void
        has_value = bool(self._settling.label) and not is_void
        self.query_one("#value-line").display = has_value
        do = self.query_one("#do", TouchButton)
        do.say(self._words.say("settle.void" if is_void else "settle.again"), is_fixed=False)
        do.can_focus = True
        self.query_one(ContentSwitcher).current = "confirm"
        self.query_one("#value" if has_value else "#reason", Input).focus()

    def action_try_again(self) -> None:
        """Go on to try it again."""
        if self._page == "choose" and self._settling.can_try:
            self._confirm(is_void=False)

    def action_nothing_more(self) -> None:
        """Go on to settle it as nothing more to be done."""
        if self._page == "choose":
            self._confirm(is_void=True)

    def action_back(self) -> None:
        """One page back; from the first, leave it as it is."""
        if self._page == "choose":
            self.dismiss(None)
        else:
            self.query_one(ContentSwitcher).current = "choose"
            self.query_one("#later", TouchButton).focus()

    @on(Input.Submitted, "#value")
    def _to_reason(self) -> None:
        self.query_one("#reason", Input).focus()

    @on(Input.Submitted, "#reason")
    def _done(self) -> None:
        reason = self.query_one("#reason", Input).value.strip()
        if self._is_void and not reason:
            text = self._words.say("settle.reason.needed")
            self.query_one("#question-rest", PlainText).say(text)
            self.query_one("#reason", Input).focus()
            return
        value = self._settling.value if self._is_void else self.query_one("#value", Input).value
        self.dismiss(Settled(self._is_void, reason, value))

    @on(TouchButton.Pressed)
    def _pressed(self, event: TouchButton.Pressed) -> None:
        actions = {
            "later": self.action_back,
            "back": self.action_back,
            "void": self.action_nothing_more,
            "again": self.action_try_again,
            "do": self._done,
        }
        actions[event.button.id or "later"]()
