"""A button a finger finds: three rows and a border, at least twelve columns, focus told by shape."""

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

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
        self.can_focus = bool(label)

    def say(self, text: str, *, is_fixed: bool = True) -> None:
        """Give it another label; an empty one takes it away but keeps its place."""
        if text != self.text:
            super().say(text, is_fixed=is_fixed)
            self.can_focus = bool(text)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Its rows; the ground behind it while it is away, without a change of style or layout."""
        if self.text:
            return super().render_lines(crop)
        ground = self.background_colors[0].rich_color
        return [Strip.blank(crop.width, Style(bgcolor=ground))] * crop.height

    def press(self) -> None:
        """Press it, as a finger would; nothing happens while it is away."""
        if self.text and not self.disabled:
            self.post_message(self.Pressed(self))

    def on_key(self, event: events.Key) -> None:
        """Enter and space press."""
        if event.key in {"enter", "space"}:
            event.stop()
            self.press()

    def on_click(self, event: events.Click) -> None:
        """Mouse and finger press."""
        event.stop()
        self.press()
