"""Approved pictures of screens: words are compared before pixels, so that a failure reads like a sentence.

To approve anew after looking at them: APPROVE_SCREENS=1 pytest tests/kiosk/ui
"""

import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from textual.app import App

from kiosk.ui.picture import picture_of

APPROVED = Path(__file__).parent.parent / "kiosk" / "ui" / "approved"
GLYPHS = frozenset(
    "".join(
        line.split("  #")[0]
        for line in (Path(__file__).parent / "glyphs.txt").read_text().splitlines()
        if not line.startswith("# ")
    )
    + " \xa0\n"
)
"""Every character a screen of ours may use by itself; foreign names may use more."""


def words_of(picture: str) -> list[str]:
    """The words of a picture, row by row from top to bottom."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for text in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        words = "".join(text.itertext()).replace("\xa0", " ").strip()
        if words:
            row = rows.setdefault(float(text.get("y", "0")), [])
            row.append((float(text.get("x", "0")), words))
    return ["  ".join(words for _, words in sorted(rows[y])) for y in sorted(rows)]


def assert_screen(app: App[Any], name: str) -> None:
    """Compare with the approved picture of that name, or write it when APPROVE_SCREENS is set."""
    approved = APPROVED / f"{name}.svg"
    picture = picture_of(app, title="Tapthread")
    if os.environ.get("APPROVE_SCREENS"):
        approved.parent.mkdir(parents=True, exist_ok=True)
        approved.write_text(picture)
    assert approved.exists(), f"{name} was not approved yet; look at it, then commit it"
    assert words_of(approved.read_text()) == words_of(picture)
    assert _tidy(approved.read_text()) == _tidy(picture), "same words, other colours or layout"


def _tidy(picture: str) -> str:
    return re.sub(r"\s+", " ", picture)
