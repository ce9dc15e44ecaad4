"""Which digits can be a PIN; pure."""

from itertools import pairwise

from sync.model.rules import PIN_DIGITS_MAX, PIN_DIGITS_MIN


def is_pin(text: str) -> bool:
    """Whether a text can be a PIN at all: digits, neither too few nor too many, not all the same, not a run."""
    if not (
        text.isascii() and text.isdigit() and PIN_DIGITS_MIN <= len(text) <= PIN_DIGITS_MAX
    ):
        return False
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(text)}
    return steps not in ({0}, {1}, {9})
