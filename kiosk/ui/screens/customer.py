"""The customer's screen: the pane, whole, and nothing else."""

from textual.app import ComposeResult
from textual.screen import Screen

from kiosk.ui.bridge import CustomerPane, Parts


class CustomerScreen(Screen[None]):
    """Mounted once at the start and never left."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts

    def compose(self) -> ComposeResult:
        """The pane."""
        yield CustomerPane(self._parts, id="customer")
