"""`tapthread counter`: the counter screen of this device: find a customer, see their thread, hand over, note."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from drivers.lines import Proved, Said
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
    clerk: Annotated[
        str, typer.Option("--clerk", help="Id of who serves; what is recorded carries it.")
    ] = "counter",
) -> None:
    """Run the counter screen of this device; Ctrl+Q closes it."""
    from kiosk.assembly.device import real_world

    chosen = settings.load(
        data=data, centre=centre, reader=reader, relay=relay, relay_listen=relay_listen
    )
    need_terminal("counter")
    with OwnFiles(chosen, world=real_world(), as_json=False) as device:
        code = asyncio.run(_run(device, chosen, clerk=clerk))
    raise typer.Exit(code)


async def _run(device: "Device", chosen: settings.Settings, *, clerk: str) -> int:
    from kiosk.assembly.desk import StoreDesk
    from kiosk.assembly.device import local_zone
    from kiosk.assembly.reading import ReaderWatch, living
    from kiosk.assembly.recognising import LocalRecogniser
    from kiosk.assembly.screens import post_of
    from kiosk.assembly.syncing import Sync
    from kiosk.core.staff_words import StaffWords
    from kiosk.ui.counter_app import CounterApp
    from kiosk.ui.messages import CustomerHere, StaffTold
    from kiosk.witnessing import BandWitness
    from sync.model.errors import StoreError

    sync, watch = (
        Sync(device, relay=chosen.relay, relay_listen=chosen.relay_listen),
        ReaderWatch(device.world.clock),
    )
    recogniser = LocalRecogniser(device)
    witness = BandWitness()
    app = CounterApp(
        StoreDesk(device, sync, watch=watch, witness=witness),
        post=post_of(device, clerk=clerk),
        words=StaffWords(local_zone(device.world.clock)),
        told=tuple(notice.code for notice in device.store.notices),
    )

    def hear(said: Said) -> None:
        watch.heard(said)
        if isinstance(said, Proved):
            try:
                found = recogniser.recognise(recogniser.evidence(said))
            except StoreError as error:
                app.post_message(StaffTold(error.code))
            else:
                app.post_message(CustomerHere(found))

    async with (
        reader_spec(chosen.reader) as real_spec,
        living(device, sync, spec=real_spec, heard=hear, witness=witness),
    ):
        return await run_on_terminal(app)
