"""A button a finger finds: three rows and a border, at least twelve columns, focus told by shape."""

from textual import events
from textual.message import Message

from kiosk.ui.widgets.plain_text import PlainText


class TouchButton(PlainText, can_focus=True):
    """A touch target of 20 mm. Enter, space, a digit given to it by its view, mouse and finger press it.

    An empty label hides the words but keeps the place, so that its neighbours never move.
    """

    DEFAULT_CSS = """
    TouchButton {
        height: 5;
        min-width: 12;
        width: 1fr;
        content-align: center middle;
        text-align: center;
        text-style: bold;
        background: $panel;
        color: $foreground;
        border: round $panel;
    }
    TouchButton:focus { border: heavy $accent; }
    TouchButton.-main { background: $primary; color: $button-color-foreground; border: round $primary; }
    TouchButton.-main:focus { border: heavy $accent; }
    TouchButton.-away { visibility: hidden; }
    """

    class Pressed(Message):
        """The button was pressed."""

        def __init__(self, button: "TouchButton") -> None:
            super().__init__()
            self.button = button

        @property
        def control(self) -> "TouchButton":
            """For `@on(TouchButton.Pressed, "#id")`."""
            return self.button

    def __init__(
        self,
        label: str = "",
        *,
        id: str | None = None,  # noqa: A002  # Textual's own name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(label, id=id, classes=classes)
        self._place_if_empty()

    def say(self, text: str) -> None:
        """Give it another label; an empty one takes it away but keeps its place."""
        super().say(text)
        self._place_if_empty()

    def press(self) -> None:
        """Press it, as a finger would; nothing happens while it is away."""
        if self.text and not self.disabled:
            self.post_message(self.Pressed(self))

    def _place_if_empty(self) -> None:
        self.set_class(not self.text, "-away")
        self.can_focus = bool(self.text)

    def on_key(self, event: events.Key) -> None:
        """Enter and space press."""
        if event.key in {"enter", "space"}:
            event.stop()
            self.press()

    def on_click(self, event: events.Click) -> None:
        """Mouse and finger press."""
        event.stop()
        self.press()
