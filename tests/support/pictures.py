"""What is on a screen, as rows of text, and which widgets do not fit."""

from typing import Any

from textual.app import App
from textual.widget import Widget


def rows_of(app: App[Any]) -> list[str]:
    """The rows of the terminal as they would be read."""
    width, height = app.size
    screen = app.screen
    return (
        [
            "".join(segment.text for segment in strip).rstrip()
            for strip in screen._compositor.render_strips()[:height]
        ]
        if width
        else []
    )


def text_of(app: App[Any]) -> str:
    """All rows, one below the other."""
    return "\n".join(rows_of(app))


def clipped(app: App[Any]) -> list[str]:
    """Widgets that are on screen but not wholly inside what contains them; what scrolls may be cut by its own container."""
    bad = []
    for widget in app.screen.walk_children(Widget):
        is_in_scroll = any(
            isinstance(one, Widget)
            and one.is_scrollable
            and one is not app.screen
            and one.show_vertical_scrollbar
            for one in widget.ancestors
        )
        if widget.display and widget.region.area and not is_in_scroll and _is_shown(widget):
            place = app.screen.find_widget(widget)
            if place.clip.intersection(place.region) != place.region:
                bad.append(f"{widget.css_identifier} {place.region} in {place.clip}")
    return bad


def _is_shown(widget: Widget) -> bool:
    return all(one.display for one in widget.ancestors if isinstance(one, Widget))
