"""A screen as SVG, the same for the same screen: for the README and for tests."""

import re
from typing import Any

from textual.app import App

_RANDOM_ID = re.compile(r"terminal-\d+")
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)


def picture_of(app: App[Any], *, title: str = "") -> str:
    """What the app shows now, as SVG without its random id and without fonts from elsewhere."""
    drawn = app.export_screenshot(title=title)
    return _FONT_FACE.sub("\n", _RANDOM_ID.sub("terminal", drawn))
