"""Versions of the program, as hello says them, and which is older. Pure."""

import re
from typing import Final

_VERSION: Final = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")


def is_version(text: str) -> bool:
    """Whether this is one to four numbers with dots between them."""
    return text.isascii() and _VERSION.fullmatch(text) is not None


def is_older(version: str, than: str) -> bool:
    """Whether a program of `version` is older; what is no version, or begins with none, is older than all."""
    return _numbers(version) < _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    found = _VERSION.match(version) if version.isascii() else None
    if found is None:
        return ()
    numbers = [int(one) for one in found[0].split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))
