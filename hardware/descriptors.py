"""Standard input, output and error of a process whose parent may have closed them.

A number that is free is given to whatever is opened next: a pipe, a serial port. Lines meant for standard output would
then go into that port, and its bytes be taken for standard input.
"""

import os

STANDARD = (0, 1, 2)
"""Input, output, error."""


def hold_standard() -> None:
    """Open the null device in place of each one that is closed; call it before anything else is opened."""
    for descriptor in STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            _hold(descriptor)


def _hold(descriptor: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    os.dup2(opened, descriptor)
    if opened != descriptor:
        os.close(opened)
