"""A screen as SVG, the same for the same screen: for the README and for tests."""

import re
from html import unescape
from typing import Any, Final

from rich.cells import cell_len
from textual.app import App

_RANDOM_ID: Final = re.compile(r"terminal-\d+")
_FONT_FACE: Final = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
_TEXT: Final = re.compile(
    r'<text class="(?P<style>terminal-r\d+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" '
    r'textLength="(?P<width>[\d.]+)" clip-path="(?P<clip>[^"]+)">(?P<words>[^<]*)</text>'
)
_BLANKS: Final = "\xa0 \n"


def picture_of(app: App[Any], *, title: str = "") -> str:
    """What the app shows now, as SVG without its random id, without fonts from elsewhere and without blank text.

    Words begin where they are seen, because some renderers drop blanks at the beginning of a text.
    """
    drawn = app.export_screenshot(title=title)
    drawn = _FONT_FACE.sub("\n", _RANDOM_ID.sub("terminal", drawn))
    return _TEXT.sub(_without_blanks, drawn)


def _without_blanks(found: re.Match[str]) -> str:
    words = unescape(found["words"])
    bare = words.strip(_BLANKS)
    if not bare:
        return ""
    cell_width = float(found["width"]) / cell_len(words.replace("\n", " "))
    n_before = len(words) - len(words.lstrip(_BLANKS))
    x = float(found["x"]) + n_before * cell_width
    kept = found["words"][n_before * len("&#160;") :] if n_before else found["words"]
    while kept.endswith(("&#160;", "\n", " ")):
        kept = kept.removesuffix("&#160;").rstrip()
    return (
        f'<text class="{found["style"]}" x="{x:.1f}" y="{found["y"]}" '
        f'textLength="{cell_len(bare) * cell_width:.1f}" clip-path="{found["clip"]}">{kept}</text>'
    )
