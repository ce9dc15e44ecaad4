"""`tapthread picture`: exports a screen of the demo as SVG, drawn by the real app on a seeded folder of its own.

The band's proof is told to the screen as the reader process would tell it; everything behind it is real.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from drivers.lines import Proved, Said, Seen

if TYPE_CHECKING:
    from kiosk.assembly.device import Device
    from kiosk.assembly.syncing import Sync
    from kiosk.demo.bands import DemoBand

SCREENS: Final = ("attract", "counter")
"""Besides these, the name of a band of the demo: the page of whoever wears it."""

COUNTER_OPENS: Final = "tom"
"""Whose page the counter's picture shows."""

COLUMNS_MIN, ROWS_MIN = 20, 5
COLUMNS_MAX, ROWS_MAX = 400, 200
"""Larger than any terminal this was tried on; a picture of it would be megabytes."""

EXIT_USAGE: Final = 2


def run(
    name: Annotated[str, typer.Argument(help="attract, counter, or a band of the demo.")],
    size: Annotated[str, typer.Option("--size", help="Columns x rows.")] = "80x24",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; standard output without it.")
    ] = None,
) -> None:
    """Export a screen of the demo as SVG."""
    from kiosk.assembly.device import Device, real_world
    from kiosk.assembly.syncing import Sync
    from kiosk.band_keys import BandKeyFiles
    from kiosk.demo.bands import demo_bands
    from kiosk.demo.in_process import InProcessTransport
    from kiosk.demo.seeding import CENTRE_FOLDER, seed
    from sync.central.centre import Centre

    bands = {band.name: band for band in demo_bands()}
    if name not in (*SCREENS, *bands):
        _fail(f"there is no screen {name}; there are {', '.join((*SCREENS, *bands))}")
    cells = _cells_of(size)
    if out is not None and not out.parent.is_dir():
        _fail(f"there is no folder {out.parent}")
    world = real_world()
    with tempfile.TemporaryDirectory(prefix="tapthread-picture-") as folder:
        seed(Path(folder), world=world)
        centre = Centre.open(
            Path(folder) / CENTRE_FOLDER, disk=world.disk, clock=world.clock,
            entropy=world.entropy, band_keys=BandKeyFiles.open(
                Path(folder) / CENTRE_FOLDER, disk=world.disk, entropy=world.entropy
            ),
        )  # fmt: skip
        device = Device.open(Path(folder), world=world)
        sync = Sync(device, transport=InProcessTransport(centre.asgi_app))
        try:
            sync.once()
            picture = asyncio.run(_drawn(device, sync, bands.get(name), name=name, cells=cells))
        finally:
            device.close()
            centre.close()
    if out is None:
        print(picture)
    else:
        out.write_text(picture, "utf-8")


def _cells_of(size: str) -> tuple[int, int]:
    """Columns and rows; ends the command when it is not a size a terminal can have."""
    columns, _, rows = size.partition("x")
    if not (columns.isdecimal() and rows.isdecimal() and len(size) <= len("400x200")):
        _fail(f"{size[:20]} is no size; write 80x24")
    cells = int(columns), int(rows)
    if not (COLUMNS_MIN <= cells[0] <= COLUMNS_MAX and ROWS_MIN <= cells[1] <= ROWS_MAX):
        _fail(f"a size is between {COLUMNS_MIN}x{ROWS_MIN} and {COLUMNS_MAX}x{ROWS_MAX}")
    return cells


async def _drawn(
    device: "Device",
    sync: "Sync",
    band: "DemoBand | None",
    *,
    name: str,
    cells: tuple[int, int],
) -> str:
    from kiosk.assembly.desk import StoreDesk
    from kiosk.assembly.device import local_zone
    from kiosk.assembly.screens import customer_parts, post_of
    from kiosk.core.entries import found
    from kiosk.core.staff_words import StaffWords
    from kiosk.ui.app import KioskApp
    from kiosk.ui.counter_app import CounterApp
    from kiosk.ui.messages import ReaderSaid
    from kiosk.ui.picture import picture_of

    desk = StoreDesk(device, sync)
    if name == "counter":
        zone = local_zone(device.world.clock)
        counter = CounterApp(desk, post=post_of(device, clerk="mira"), words=StaffWords(zone))
        async with counter.run_test(size=cells) as pilot:
            await pilot.pause()
            counter.counter.view.open(COUNTER_OPENS, found("phone"))
            await pilot.pause()
            return picture_of(counter, title="Tapthread: the counter")
    kiosk = KioskApp(customer_parts(device, desk))
    async with kiosk.run_test(size=cells) as pilot:
        if band is not None:
            for said in _said_of(band):
                kiosk.post_message(ReaderSaid(said))
        await pilot.pause()
        await pilot.pause()
        return picture_of(kiosk, title="Tapthread")


def _said_of(band: "DemoBand") -> tuple[Said, ...]:
    """What the reader process says of a band of ours that proved itself."""
    proved = Proved(
        tap=1, kind="mutual", family="desfire", generation=2, uid=band.uid.hex(),
        band=band.reference.hex() or None,
    )  # fmt: skip
    return Seen(tap=1, technology="iso_dep", at_ticks_us=0), proved


def _fail(sentence: str) -> NoReturn:
    print(f"tapthread picture: {sentence}", file=sys.stderr)
    raise typer.Exit(EXIT_USAGE)
