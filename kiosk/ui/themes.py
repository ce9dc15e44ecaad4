"""Day, night and high contrast: our own colours, because the built-in ones fail the contrast a public screen needs.

Styles name these variables and nothing else. Every pair of text and ground in `PAIRS` is held to its ratio by a test.
"""

from typing import Final

from textual.theme import Theme

_NAMES: Final = (
    "ground", "ink", "quiet", "card", "light", "on-light", "key", "on-key", "main", "on-main", "focus",
    "waiting", "owed", "help", "points", "offer", "card-focus", "edge",
)  # fmt: skip
"""What our styles use, beside Textual's own names."""


def _theme(name: str, *, dark: bool, colours: tuple[str, ...]) -> Theme:
    ours = dict(zip(_NAMES, colours, strict=True))
    return Theme(
        name=name,
        primary=ours["main"],
        accent=ours["focus"],
        warning=ours["owed"],
        error=ours["owed"],
        success=ours["waiting"],
        foreground=ours["ink"],
        background=ours["ground"],
        surface=ours["card"],
        panel=ours["key"],
        dark=dark,
        text_alpha=1.0,
        variables=ours,
    )


DAY: Final = _theme(
    "day",
    dark=False,
    colours=(
        "#f7f3ea", "#1d2b33", "#56646b", "#fffdf8", "#0f5b63", "#ffffff", "#e9e2d3", "#1d2b33",
        "#0f5b63", "#ffffff", "#a8480f", "#0f6b4f", "#a03612", "#1f5f8f", "#6a5410", "#6a3f86",
        "#f3e6cf", "#857a64",
    ),
)  # fmt: skip
NIGHT: Final = _theme(
    "night",
    dark=True,
    colours=(
        "#10191f", "#f1ece0", "#a6b3b9", "#18242c", "#7fd3c6", "#0b1418", "#22323c", "#f1ece0",
        "#7fd3c6", "#0b1418", "#f4b26a", "#86d9a8", "#ff9d7a", "#8cc4f2", "#e3c66b", "#d3aaf0",
        "#2b3a44", "#76909e",
    ),
)  # fmt: skip
HIGH_CONTRAST: Final = _theme(
    "high-contrast",
    dark=True,
    colours=(
        "#000000", "#ffffff", "#ffffff", "#000000", "#ffff00", "#000000", "#000000", "#ffffff",
        "#ffff00", "#000000", "#00ffff", "#80ff80", "#ffb080", "#a0d0ff", "#ffe060", "#f0b0ff",
        "#202020", "#ffffff",
    ),
)  # fmt: skip

THEMES: Final = (DAY, NIGHT, HIGH_CONTRAST)

PAIRS: Final = (
    ("ink", "ground"),
    ("quiet", "ground"),
    ("ink", "card"),
    ("quiet", "card"),
    ("ink", "card-focus"),
    ("quiet", "card-focus"),
    ("main", "ground"),
    ("on-light", "light"),
    ("on-key", "key"),
    ("on-main", "main"),
    ("focus", "ground"),
    ("focus", "key"),
    ("waiting", "card"),
    ("owed", "card"),
    ("help", "card"),
    ("points", "card"),
    ("offer", "card"),
    ("waiting", "card-focus"),
    ("owed", "card-focus"),
    ("help", "card-focus"),
    ("points", "card-focus"),
    ("offer", "card-focus"),
)
"""Text and the ground it stands on, by variable."""

EDGES: Final = (
    ("edge", "ground"),
    ("edge", "key"),
    ("main", "ground"),
    ("focus", "ground"),
    ("focus", "key"),
    ("on-main", "main"),
)
"""Border of a key, at rest, as the main one and focused, and what is beside it."""

EDGE_CONTRAST_MIN: Final = 3.0
"""Least contrast of a border and what is beside it. Source: WCAG 2.2, 1.4.11."""

CONTRAST_MIN: Final = {"day": 4.5, "night": 4.5, "high-contrast": 7.0}
"""Least contrast ratio of every pair. Source: WCAG 2.2, 1.4.3 and 1.4.6."""


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours "#rrggbb", 1 to 21. Source: WCAG 2.2, definition of relative luminance."""
    bright, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        _linear(int(colour[index : index + 2], 16) / 255) for index in (1, 3, 5)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
