"""What commands with a reader or a screen share: the reader of a spec, and an app on this terminal until it is told to end."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from textual.app import App

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


async def run_on_terminal(app: "App[int]") -> int:
    """Run an app until it ends or the process is told to; its exit code."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, app.exit, 0)
    await app.run_async()
    return app.return_code or 0
