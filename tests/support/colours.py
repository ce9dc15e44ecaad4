"""Contrast of what is drawn, segment by segment, whatever style it came from."""

from typing import Any

from textual.app import App

from kiosk.ui.themes import contrast

MARKS = frozenset(" ▁▂▃▄▅▆▇█▏▎▍▌▋▊▉▕▐━─│╭╮╰╯┃┏┓┗┛▔▀⎯")
"""Not words: borders, bars and scroll bars."""


def faint(app: App[Any], *, least: float, left: int = 0, right: int = 10_000) -> list[str]:
    """Words between two columns that stand out from their ground less than `least` to 1."""
    found = []
    for strip in app.screen._compositor.render_strips()[: app.size.height]:
        column = 0
        for text, style, control in strip:
            is_inside = left <= column < right
            column += 0 if control else len(text)
            if control or style is None or not is_inside or set(text) <= MARKS:
                continue
            assert style.color is not None
            assert style.bgcolor is not None
            ink, ground = style.color.get_truecolor(), style.bgcolor.get_truecolor()
            if style.reverse:
                ink, ground = ground, ink
            ratio = contrast(ink.hex, ground.hex)
            if ratio < least:
                found.append(f"{text.strip()!r} {ink.hex} on {ground.hex}: {ratio:.1f}")
    return found
