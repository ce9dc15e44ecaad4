"""`tapthread reader`: owns one reader, says on standard output what it sees, hears on standard input what it is told.

The values are those of `drivers.lines`, one a line. Standard output carries them and nothing else: whatever a library
prints goes to standard error. It ends on `stop` and on SIGTERM, SIGINT or SIGHUP with 0, and leaves the reader as others can use it.
The end of standard input ends it too: nobody is there who could give it keys. It says so in its last line, a `reader` value with
the code `input_over`, and ends with 4.

A C library that never returns cannot be interrupted: a thread watches the loop, and ends the process when it stands
still for ten seconds (exit code 3), or does not end within two seconds of being told to.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Final

import typer

from drivers.errors import BandMalformed, Delivery, ReaderAbsent
from drivers.lines import LINE_SIZE_MAX, ReaderState, Said, line_of, told_of
from drivers.pump import Hearing, Means, Pump
from drivers.readers.base import Reader
from drivers.readers.opening import KINDS, is_known, opened
from hardware.clock import Clock, SystemClock
from hardware.descriptors import hold_standard
from hardware.entropy import SystemEntropy
from kiosk import settings

EXIT_USAGE: Final = 2
EXIT_HUNG: Final = 3
EXIT_INPUT_OVER: Final = 4

INPUT_OVER: Final = "input_over"
"""Code of the last value when standard input ended before `stop` was said."""

INPUT_OVER_WORDS: Final = (
    "standard input ended, so nobody can answer what is asked; keep it open, and write"
    ' {"tell":"stop"} to end'
)
STDIN, STDOUT, STDERR = 0, 1, 2
READ_SIZE: Final = 65_536
"""Bytes taken from standard input at once."""

HANG_MS: Final = 10_000
"""Nothing the loop does takes half as long: eight exchanges and two keys that are waited for, or an opening."""

END_MS: Final = 2_000
"""To finish an exchange and leave the reader asleep."""

LOOK_MS: Final = 500
"""Between two looks whether the loop turns."""

IGNORED_SAID_MAX: Final = 10
"""Lines said to be ignored; who sends more does not read what is said of them, and must not make us wait."""


def watch(
    n_steps: Callable[[], int],
    hearing: Hearing,
    end: Callable[[], None],
    *,
    look_ms: int = LOOK_MS,
    hang_ms: int = HANG_MS,
    end_ms: int = END_MS,
) -> None:
    """Call `end` when the loop stands still for `hang_ms`, or `end_ms` after it was told to stop.

    Blocks; runs on a thread of its own that does not outlive the loop's. It counts looks, not time, so that a process
    that was stopped and continued does not seem to have hung.
    """
    n_seen, still_ms = n_steps(), 0
    while still_ms < hang_ms:
        if hearing.wait_for_end(look_ms):
            threading.Event().wait(end_ms / 1_000)
            break
        n_now = n_steps()
        n_seen, still_ms = n_now, still_ms + look_ms if n_now == n_seen else 0
    end()


def hear(
    descriptor: int, hearing: Hearing, *, when_cut_off: Callable[[], None] = lambda: None
) -> None:
    """Take in lines until the end of file, then tell the pump to stop. Blocks; runs on a thread of its own.

    `when_cut_off` is called first where nobody had told it to.

    A line that is not a value of this protocol, or too long, is ignored; the first few are said so.
    """
    n_ignored = 0
    rest = b""
    is_skipping = False
    while chunk := _read(descriptor):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not is_skipping and line.strip():
                n_ignored += not _is_told(line, hearing, is_said=n_ignored < IGNORED_SAID_MAX)
            is_skipping = False
        if len(rest) > LINE_SIZE_MAX:
            rest, is_skipping = b"", True
    if not hearing.is_over:
        when_cut_off()
    hearing.end()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_SIZE)
    except OSError:
        return b""


def _is_told(line: bytes, hearing: Hearing, *, is_said: bool) -> bool:
    try:
        hearing.tell(told_of(line))
    except BandMalformed as error:
        if is_said:
            with contextlib.suppress(
                OSError
            ):  # Nobody reads what is wrong; that is no reason to stop hearing.
                print(f"ignored a line: {error}", file=sys.stderr, flush=True)
        return False
    return True


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
        typer.Option(
            "--reader", help="pcsc, pcsc:NAME, pn532:PATH, wedge:PATH or wedge-reversed:PATH"
        ),
    ] = None,
) -> None:
    """Own one reader and say what it sees, a value a line; keys are asked for and told over the same pipe."""
    hold_standard()
    try:
        spec = settings.load(reader=reader).reader
    except settings.SettingsError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_USAGE) from error
    if not is_known(spec):
        print(
            f"no reader of the kind {spec!r}; there are pcsc and {', '.join(f'{kind}:...' for kind in KINDS)}",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_USAGE)
    voice = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    hearing = Hearing()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: hearing.end())
    is_cut_off = threading.Event()
    threading.Thread(
        target=hear,
        args=(STDIN, hearing),
        kwargs={"when_cut_off": is_cut_off.set},
        name="hear",
        daemon=True,
    ).start()
    say = Mouth(voice, hearing)
    clock = SystemClock()
    pump = Pump(
        spec,
        lambda: _opened(spec, clock),
        say=say,
        hearing=hearing,
        means=Means(clock, SystemEntropy()),
    )
    threading.Thread(
        target=watch,
        args=(lambda: pump.n_steps, hearing, lambda: os._exit(EXIT_HUNG)),
        name="watch",
        daemon=True,
    ).start()
    pump.run()
    if is_cut_off.is_set():
        say(ReaderState(spec, INPUT_OVER, INPUT_OVER_WORDS))
        raise typer.Exit(EXIT_INPUT_OVER)


def _opened(spec: str, clock: Clock) -> Reader:
    """The reader; one whose library is not installed is not there, and that is said as long as somebody listens."""
    try:
        return opened(spec, clock)
    except ModuleNotFoundError as error:
        raise ReaderAbsent(str(error), delivery=Delivery.NOT_SENT) from error
