"""`tapthread reader`: owns one reader, says on standard output what it sees, hears on standard input what it is told.

The values are those of `drivers.lines`, one a line. Standard output carries them and nothing else: whatever a library
prints goes to standard error. It ends on `stop`, on the end of standard input, and on SIGTERM or SIGINT, and leaves the
reader as others can use it.
"""

import os
import signal
import sys
import threading
from typing import Annotated, Final

import typer

from drivers.errors import BandMalformed
from drivers.lines import LINE_SIZE_MAX, Said, line_of, told_of
from drivers.pump import Hearing, Means, Pump
from drivers.readers.opening import is_known, opened
from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from kiosk import settings

EXIT_USAGE: Final = 2
STDIN, STDOUT, STDERR = 0, 1, 2
READ_SIZE: Final = 65_536
"""Bytes taken from standard input at once."""


def hear(descriptor: int, hearing: Hearing) -> None:
    """Take in lines until the end of file, then tell the pump to stop. Blocks; runs on a thread of its own.

    A line that is not a value of this protocol, or too long, is ignored.
    """
    rest = b""
    is_skipping = False
    while chunk := _read(descriptor):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not is_skipping:
                _tell(line, hearing)
            is_skipping = False
        if len(rest) > LINE_SIZE_MAX:
            rest, is_skipping = b"", True
    hearing.end()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_SIZE)
    except OSError:
        return b""


def _tell(line: bytes, hearing: Hearing) -> None:
    if not line.strip():
        return
    try:
        hearing.tell(told_of(line))
    except BandMalformed as error:
        print(f"ignored a line: {error}", file=sys.stderr)


class Mouth:
    """Says values on a descriptor; when nobody listens any more, the pump is told to stop."""

    def __init__(self, descriptor: int, hearing: Hearing) -> None:
        self._descriptor = descriptor
        self._hearing = hearing

    def __call__(self, value: Said) -> None:
        """Say one value as one line, at once."""
        rest = memoryview(line_of(value))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._hearing.end()


def run(
    reader: Annotated[
        str | None,
        typer.Option("--reader", help="pcsc, pcsc:NAME or pn532:PATH"),
    ] = None,
) -> None:
    """Own one reader and say what it sees, a value a line; keys are asked for and told over the same pipe."""
    try:
        spec = settings.load(reader=reader).reader
    except settings.SettingsError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_USAGE) from error
    if not is_known(spec):
        print(
            f"no reader of the kind {spec!r}; there are pcsc, pcsc:NAME, pn532:PATH",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_USAGE)
    voice = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    hearing = Hearing()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: hearing.end())
    threading.Thread(target=hear, args=(STDIN, hearing), name="hear", daemon=True).start()
    clock = SystemClock()
    Pump(
        spec,
        lambda: opened(spec, clock),
        say=Mouth(voice, hearing),
        hearing=hearing,
        means=Means(clock, SystemEntropy()),
    ).run()
