"""Starts without packages that another one imports only because they happen to be installed beside it.

sqlite-utils imports pandas and numpy where it finds them, httpcore trio: half of the time until a command does anything,
on a machine that has them for something else. A kiosk does not have them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_out(*packages: str) -> Iterator[None]:
    """In this block importing one of these fails, as where it is not installed; one that is there already stays.

    At the top of a module only: another thread that imports meanwhile is refused too.
    """
    # None is how `sys.modules` says that there is none. Source: docs.python.org/3/reference/import.html, the module cache.
    absent = [name for name in packages if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
