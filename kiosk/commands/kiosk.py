"""`tapthread kiosk`: the customer screen of this device, with its own reader and its own way to the centre."""

import asyncio
from typing import TYPE_CHECKING

import typer

from drivers.lines import Said
from kiosk import settings
from kiosk.commands.options import Centre, Data, Reader, Relay, RelayListen
from kiosk.commands.own_files import OwnFiles
from kiosk.commands.running import need_terminal, reader_spec, run_on_terminal

if TYPE_CHECKING:
    from kiosk.assembly.device import Device


def run(
    data: Data = None,
    centre: Centre = None,
    reader: Reader = None,
    relay: Relay = None,
    relay_listen: RelayListen = None,
) -> None:
    """Run the customer screen of this device; SIGTERM ends it."""
    from kiosk.assembly.device import real_world

    chosen = settings.load(
        data=data, centre=centre, reader=reader, relay=relay, relay_listen=relay_listen
    )
    need_terminal("kiosk", instead="tapthread tap --json")
    with OwnFiles(chosen, world=real_world(), as_json=False) as device:
        code = asyncio.run(_run(device, chosen))
    raise typer.Exit(code)


async def _run(device: "Device", chosen: settings.Settings) -> int:
    from kiosk.assembly.desk import StoreDesk
    from kiosk.assembly.reading import ReaderWatch, living
    from kiosk.assembly.screens import customer_parts
    from kiosk.assembly.syncing import Sync
    from kiosk.ui.app import KioskApp
    from kiosk.ui.messages import ReaderSaid
    from kiosk.witnessing import BandWitness

    sync, watch = (
        Sync(device, relay=chosen.relay, relay_listen=chosen.relay_listen),
        ReaderWatch(device.world.clock),
    )
    witness = BandWitness()
    desk = StoreDesk(device, sync, watch=watch, witness=witness)
    app = KioskApp(customer_parts(device, desk))

    def hear(said: Said) -> None:
        watch.heard(said)
        app.post_message(ReaderSaid(said))

    async with (
        reader_spec(chosen.reader) as real_spec,
        living(device, sync, spec=real_spec, heard=hear, witness=witness),
    ):
        return await run_on_terminal(app)
