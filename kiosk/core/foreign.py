"""Makes text from outside safe to show: a name, a product title, a message of the centre.

What comes out holds no control character, no direction mark, nothing without width, no lone surrogate, no pictograph
whose width terminals disagree about, no pile of accents, and not more than was asked for. It may still look like markup:
it is text, and only `kiosk.ui.widgets.plain_text` shows it.
"""

import unicodedata
from typing import Final

NAME_LENGTH_MAX: Final = 20
"""Longest name on a page: with "Hello, " and a full stop it stays on one line of the smallest grid."""

TITLE_LENGTH_MAX: Final = 28
"""Longest item: with a count and a price it stays on one line of the smallest grid."""

HEADING_LENGTH_MAX: Final = 44
"""Longest title that stands alone on a line of the smallest grid."""

TEXT_LENGTH_MAX: Final = 400
"""Longest message: eight lines of the smallest grid."""

MARKS_MAX: Final = 2
"""Accents kept on one letter; Vietnamese needs two, a pile of forty is an attack on the lines above."""

_RAW_FACTOR: Final = 8
"""How many code points are looked at for one kept: bounds the work on hostile text."""

_SPACES: Final = frozenset({"Zs", "Zl", "Zp"})
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_PICTURES: Final = ((0x2600, 0x27BF), (0x2B00, 0x2BFF), (0x1F000, 0x1FFFF))
_SELECTORS: Final = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")


def safe(text: str, *, limit: int = NAME_LENGTH_MAX) -> str:
    """`text` on one line, at most `limit` letters long, an accent counting with its letter."""
    kept = _kept(text[: limit * _RAW_FACTOR + 1])
    letters = _letters_of(kept)
    if len(letters) > limit:
        return "".join(letters[: limit - 1]).rstrip() + "…"
    if len(text) > limit * _RAW_FACTOR + 1:
        return "".join(letters).rstrip() + "…"
    return "".join(letters)


def shown(text: str) -> str:
    """`text` without anything a terminal could obey, line ends kept, not shortened. The last guard before the screen."""
    return "\n".join(
        "".join(char for char in line if unicodedata.category(char) not in _DROPPED)
        for line in text.split("\n")
    )


def _kept(text: str) -> str:
    """Composed, without what must not be shown, runs of white space as one space."""
    chars = []
    for char in unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode()):
        category = unicodedata.category(char)
        if category in _SPACES or char in "\t\n\r\v\f\x85":
            chars.append(" ")
        elif category not in _DROPPED and not _is_unshowable(char):
            chars.append(char)
    return " ".join("".join(chars).split())


def _is_unshowable(char: str) -> bool:
    code = ord(char)
    return char in _BLANK_LETTERS or any(
        first <= code <= last for first, last in (*_PICTURES, *_SELECTORS)
    )


def _letters_of(text: str) -> list[str]:
    """Letters with their accents, at most MARKS_MAX each; an accent without a letter is dropped."""
    letters: list[str] = []
    n_marks = 0
    for char in text:
        if unicodedata.category(char).startswith("M"):
            n_marks += 1
            if letters and n_marks <= MARKS_MAX:
                letters[-1] += char
        else:
            letters.append(char)
            n_marks = 0
    return letters
