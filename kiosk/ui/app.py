"""The kiosk's app: one customer screen, mounted once; no key or gesture leaves it.

A program without a keyboard of its own to quit with is stopped by a signal or by `app.exit()`; a demo brings its own keys.
"""

import gc
from pathlib import Path
from typing import Final

from textual import on

from hardware.moments import micros_of
from kiosk.core.visit import Face
from kiosk.core.wording import voice
from kiosk.ui.bridge import CustomerPane, Parts
from kiosk.ui.crash import CrashSafeApp
from kiosk.ui.messages import ReaderSaid
from kiosk.ui.screens.customer import CustomerScreen
from kiosk.ui.themes import DAY, THEMES

CUSTOMER_STYLES: Final = Path(__file__).parent / "styles" / "customer.tcss"
"""Style sheet of the customer's side, for every app that shows it."""


class KioskApp(CrashSafeApp, inherit_bindings=False):
    """A customer's kiosk.

    What the reader process says is posted to it as `ReaderSaid`, from any thread.
    """

    CSS_PATH = CUSTOMER_STYLES

    def __init__(self, parts: Parts, *, theme: str = DAY.name) -> None:
        super().__init__()
        self._parts = parts
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme
        self._screen = CustomerScreen(parts)

    @property
    def pane(self) -> CustomerPane:
        """The customer's side."""
        return self._screen.query_one(CustomerPane)

    def get_default_screen(self) -> CustomerScreen:
        """The one screen."""
        return self._screen

    def on_mount(self) -> None:
        """Once the first picture is out: load what the first page needs, and let the collector forget what stays."""
        self.call_after_refresh(self._settle)

    def _settle(self) -> None:
        voice.warm(micros_of(self._parts.clock.now()))
        gc.collect()
        gc.freeze()

    @on(ReaderSaid)
    def _reader_said(self, event: ReaderSaid) -> None:
        event.stop()
        self.pane.hear(event.said)

    @property
    def face(self) -> Face:
        """What the customer sees."""
        return self.pane.view.face
