"""One line above or below a page that says what just happened; gone while there is nothing to say."""

from textual import events
from textual.message import Message

from kiosk.core.entries import MARKS, Tone
from kiosk.ui.widgets.plain_text import PlainText


class Notice(PlainText):
    """A line with a tone. With a name it can be clicked, which reports the name."""

    class Pressed(Message):
        """A notice with a name was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name for it
        super().__init__(id=id)
        self._name_pressed = ""
        self.display = False

    def announce(self, text: str, *, tone: Tone = Tone.PLAIN, name: str = "") -> None:
        """Show `text` with the sign of its tone.

        Args:
            text: What happened; safe to show.
            tone: How it is meant.
            name: What a click reports; "" for nothing.
        """
        for one in Tone:
            self.set_class(one is tone, f"-{one.value}")
        self._name_pressed = name
        self.say(f"{MARKS[tone]} {text}".strip())
        self.display = True

    def clear(self) -> None:
        """Say nothing and take no room."""
        self.say("")
        self._name_pressed = ""
        self.display = False

    def on_click(self, event: events.Click) -> None:
        """A click reports the name."""
        if self._name_pressed:
            event.stop()
            self.post_message(self.Pressed(self._name_pressed))
