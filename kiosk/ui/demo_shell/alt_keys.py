"""Makes Alt with a digit arrive as that, in every terminal.

Textual 8.2 takes ESC 1 ... ESC 0 for what a Mac types with Option and those digits (¡ ™ £ ...), so that Alt+3 and a pound sign
look the same. Its table is a private name; a test says when it changes.
"""

from typing import Final

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

DIGITS: Final = "0123456789"


def tell_alt_digits_apart() -> None:
    """From now on ESC and a digit is `alt+` and that digit in this process."""
    for digit in DIGITS:
        ANSI_SEQUENCES_KEYS.pop(f"\x1b{digit}", None)  # type: ignore[attr-defined]  # typed Mapping, is a dict
