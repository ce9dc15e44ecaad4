"""Shows text as text, whatever it looks like: the one widget for words from outside."""

from textual.content import Content
from textual.widgets import Static

from kiosk.core import foreign


class PlainText(Static):
    """Words on the screen. Nothing in them is markup, an action or a control character."""

    def __init__(
        self,
        text: str = "",
        *,
        id: str | None = None,  # noqa: A002  # Textual's own name for it
        classes: str | None = None,
    ) -> None:
        self._text = foreign.shown(text)
        super().__init__(Content(self._text), markup=False, id=id, classes=classes)

    @property
    def text(self) -> str:
        """What it shows."""
        return self._text

    def say(self, text: str, *, is_fixed: bool = False) -> None:
        """Show `text` instead; the same text costs nothing.

        Args:
            text: What to show.
            is_fixed: The size does not follow from the text, so that nothing needs to be laid out again.
        """
        text = foreign.shown(text)
        if text != self._text:
            self._text = text
            self.update(Content(text), layout=not is_fixed)
