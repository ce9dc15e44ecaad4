"""The counter's app: one counter screen, for a device of its own behind the till."""

from typing import Any, ClassVar, Final

from textual import on

from kiosk.core.entries import Post
from kiosk.core.ports import CounterDesk
from kiosk.core.staff_words import StaffWords
from kiosk.ui.crash import CrashSafeApp
from kiosk.ui.messages import CustomerHere, StaffTold
from kiosk.ui.screens.counter import COUNTER_STYLES, CounterScreen
from kiosk.ui.themes import NIGHT, THEMES


class CounterApp(CrashSafeApp, inherit_bindings=False):
    """A clerk's counter. A tap at its own reader is posted to it as `CustomerHere`, from any thread."""

    CSS_PATH: ClassVar[Any] = COUNTER_STYLES
    BINDINGS: ClassVar[Any] = [("ctrl+q", "leave", "")]

    def __init__(
        self,
        desk: CounterDesk,
        *,
        post: Post,
        words: StaffWords,
        told: tuple[str, ...] = (),
        theme: str = NIGHT.name,
    ) -> None:
        """Args: `told` are codes of what staff should know from the start."""
        super().__init__()
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme
        self._counter: Final = CounterScreen(desk, post=post, words=words, told=told)

    def get_default_screen(self) -> CounterScreen:
        """The one screen."""
        return self._counter

    @property
    def counter(self) -> CounterScreen:
        """The counter."""
        return self._counter

    @on(CustomerHere)
    def _customer_here(self, event: CustomerHere) -> None:
        event.stop()
        self._counter.view.customer_here(event.recognition)

    @on(StaffTold)
    def _staff_told(self, event: StaffTold) -> None:
        event.stop()
        self._counter.view.staff_told(event.code)

    def action_leave(self) -> None:
        """Close the counter; whoever started it is staff."""
        self.exit(0)
