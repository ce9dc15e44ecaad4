"""What commands with a reader or a screen share: the reader of a spec, and an app on this terminal until it is told to end."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from kiosk.ui.crash import CrashSafeApp

VIRTUAL_BAND: Final = "maya"
"""The band in the field of `--reader virtual`."""

EXIT_USAGE: Final = 2


@asynccontextmanager
async def reader_spec(spec: str) -> AsyncIterator[str]:
    """The spec for the reader process; for `virtual`, of a virtual reader that lives as long as the block."""
    from kiosk.links import VirtualLink

    if spec != "virtual":
        yield spec
        return
    with tempfile.TemporaryDirectory(prefix="tapthread-") as folder:
        device = VirtualLink(link=Path(folder) / "pn532")
        await device.start(band=VIRTUAL_BAND)
        try:
            yield device.spec
        finally:
            await device.close()


def need_terminal(name: str, *, instead: str = "") -> None:
    """End the command in words when there is no terminal to show a screen on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        hint = f"; for programs there is {instead}" if instead else ""
        print(f"tapthread {name}: it needs a terminal{hint}", file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)


async def run_on_terminal(app: "CrashSafeApp") -> int:
    """Run an app until it ends, the process is told to end, or its terminal is gone; its exit code."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, app.exit, 0)
    # Not the loop's own handler: that would run after Textual's for the SIGCONT that follows.
    signal.signal(
        signal.SIGHUP, lambda _number, _frame: loop.call_soon_threadsafe(_hung_up(app))
    )
    with _drawn_on_terminal():
        await app.run_async()
    return app.return_code or 0


@contextmanager
def _drawn_on_terminal() -> Iterator[None]:
    """Where standard error goes to a file, have the screen drawn on standard output all the same: Textual 8.2 draws on the former."""
    if os.isatty(2):
        yield
        return
    kept = os.dup(2)
    os.dup2(1, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _hung_up(app: "CrashSafeApp") -> Callable[[], None]:
    """The terminal is gone: write to nowhere from now on; what ends the app as if it had been asked to.

    The kernel sends SIGCONT after SIGHUP, and Textual 8.2 then starts its terminal again, on one that is not there, and
    waits for ever to end it. Can go when it no longer resumes after a hang-up; `tests/system/test_demo.py` closes a terminal.
    """
    for number in (signal.SIGCONT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return lambda: app.exit(0)
