"""The demo's house: centre, virtual reader, kiosk and counter, all real parts, started and stopped together.

tapthread central (child) <-- SwitchedTransport (N cuts it) <-- sync thread of the kiosk, of the counter
the other channels (letters) --HTTP--> tapthread central --HTTP--> played vendors (thread), which tell what became of it
tapthread virtual (child) --pty-- tapthread reader (child) --lines--> the screen
tapthread reader --reader pcsc (child), where a real reader may be plugged in --lines--> the screen
"""

import asyncio
import contextlib
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from drivers.lines import (
    Challenge,
    Failed,
    KeyWanted,
    Left,
    Proved,
    ReaderState,
    Refreshed,
    Said,
    Seen,
    Used,
)
from hardware.clock import Clock
from hardware.disk import Disk
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, World, local_zone
from kiosk.assembly.reading import BandReader, ReaderWatch
from kiosk.assembly.screens import customer_parts, post_of
from kiosk.assembly.syncing import Sync
from kiosk.core.staff_words import StaffWords
from kiosk.demo.bands import demo_bands
from kiosk.demo.catalogue import HOME_STORE, STAFF, products
from kiosk.demo.channels import CHANNELS_FILE, demo_channels, write_channels
from kiosk.demo.guide import Guide, LiveShop
from kiosk.demo.letters import Letter, item_of
from kiosk.demo.live import DAY_SPEED, PastDay, Wire, tell_live
from kiosk.demo.seeding import CENTRE_FOLDER, COUNTER_FOLDER
from kiosk.demo.vendors import Vendors
from kiosk.demo.wrist import Wrist
from kiosk.links import VirtualLink, command_line
from kiosk.ui.demo_shell.app import DemoApp
from kiosk.ui.demo_shell.controls import Day
from kiosk.ui.messages import ReaderSaid
from kiosk.witnessing import BandWitness
from sync.edge.lookup import Lookup
from sync.edge.switch import SwitchedTransport
from sync.edge.transport import HttpTransport
from sync.model.row import Row

VISITOR: Final = "visitor"
"""Her band has no lease here: it is proved through the centre."""

SPARE: Final = "spare"
"""A sealed band that is nobody's yet: the counter links it to whose page is open."""

PCSC_TAPS: Final = 1_000_000
"""Added to the taps of the second reader, so that the two never count the same."""

TOLD_LOOK_MS: Final = 200
"""How soon what a played vendor tells is carried."""

CENTRE_READY_S: Final = 30
"""How long the centre may take to listen on a slow machine."""


CLERK: Final = next(person.id for person in STAFF if person.store == HOME_STORE)
"""Who serves at the demo's counter."""


class CentreDown(Exception):
    """The demo's centre did not start; the sentence says what it said."""


ADDRESS_FILE: Final = "address"
"""Where the centre answers while the demo runs, for who wants its page /agent: the port is another each time."""


@asynccontextmanager
async def running_centre(folder: Path, *, channels: Path) -> AsyncIterator[str]:
    """The demo's centre as a child process; its address. It ends when the block or this process does."""
    arguments = (
        "--data",
        str(folder),
        "--port",
        "0",
        "--until-eof",
        "--channels",
        str(channels),
    )
    child = await asyncio.create_subprocess_exec(
        *command_line("central", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        async with asyncio.timeout(CENTRE_READY_S):
            line = await child.stdout.readline()
            if not line:
                raise CentreDown((await child.stderr.read()).decode(errors="replace").strip())
        yield msgspec.json.decode(line)["url"]
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
        await child.wait()


@contextmanager
def named(url: str, file: Path, *, disk: Disk) -> Iterator[None]:
    """Keep the address of the centre in a file as long as the block lasts."""
    disk.write(file, f"{url}\n".encode())
    try:
        yield
    finally:
        disk.remove(file)


class House:
    """What the demo's keys do, and what its ticker reads. Used on the screen's loop."""

    def __init__(
        self,
        kiosk: Device,
        wrist: Wrist,
        switches: tuple[SwitchedTransport, ...],
        day: PastDay | None = None,
    ) -> None:
        self._day = day
        self._lookup = Lookup(kiosk.store)
        self._wrist = wrist
        self._switches = switches
        self._syncs: tuple[Sync, ...] = ()
        self._names = {int(band.digit): band.name for band in demo_bands() if band.digit}
        self._revision = 0

    def watch(self, *syncs: Sync) -> None:
        """The sync threads to wake when the network is back."""
        self._syncs = syncs

    def changed(self) -> None:
        """Rows or standing changed; called on a sync thread."""
        self._revision += 1

    def tap(self, digit: int) -> None:
        """Hold the band with this key to the virtual reader for a moment."""
        self._wrist.hold(self._names[digit])

    def tap_visitor(self) -> None:
        """Hold the band of a customer of another store to the virtual reader."""
        self._wrist.hold(VISITOR)

    def tap_spare(self) -> None:
        """Hold a sealed spare to the virtual reader."""
        self._wrist.hold(SPARE)

    @property
    def is_cut(self) -> bool:
        """Whether the store's network is cut."""
        return self._switches[0].is_cut

    def toggle_network(self) -> bool:
        """Cut the network, or restore it; whether it is up now."""
        was_cut = self._switches[0].is_cut
        for switch in self._switches:
            if was_cut:
                switch.join()
            else:
                switch.cut()
        for sync in self._syncs:
            sync.runner.hurry()
        return was_cut

    def day(self) -> Day | None:
        """The day that passes in the other channels; None while they live in the present."""
        at = self._day.at if self._day is not None else 0
        return Day(at, DAY_SPEED) if at else None

    def revision(self) -> int:
        """Changes whenever `rows` would answer otherwise."""
        return self._revision

    def rows(self) -> tuple[Row, ...]:
        """Everything this store holds of the brand."""
        return self._lookup.everything()


def second_reader(said: Said, *, was_there: bool) -> Said | None:
    """A line of the PC/SC reader beside the virtual one, its taps renumbered; None for what nobody needs to know.

    A reader that was never plugged in is no fault of the demo's.
    """
    match said:
        case ReaderState():
            return None if said.code and not was_there else said
        case (
            Seen()
            | Proved()
            | Failed()
            | Left()
            | KeyWanted()
            | Challenge()
            | Refreshed()
            | Used()
        ):
            return msgspec.structs.replace(said, tap=said.tap + PCSC_TAPS)


async def run_demo(
    folder: Path,
    *,
    world: World,
    run_app: Callable[[DemoApp], Awaitable[int]],
    is_day: bool = False,
    is_tour: bool = False,
) -> int:
    """Run the demo on a seeded folder until `run_app` ends; its exit code. Leaves no process.

    Args:
        folder: As `seeding.seed` left it.
        world: What it runs in.
        run_app: Shows the app until it ends.
        is_day: Let yesterday pass in the other channels at 60 times its pace first, instead of a few events a minute.
        is_tour: Lead through the scenes.
    """
    async with contextlib.AsyncExitStack() as stack:
        told: deque[Letter] = deque()
        vendors = Vendors(
            clock=world.clock, products={item_of(it.id): it.id for it in products()}, tell=told.append
        )  # fmt: skip
        vendors.start()
        stack.callback(vendors.stop)
        channels = folder / CENTRE_FOLDER / CHANNELS_FILE
        write_channels(channels, demo_channels(vendors=vendors.addresses), disk=world.disk)
        url = await stack.enter_async_context(running_centre(folder, channels=channels))
        stack.enter_context(named(url, folder / CENTRE_FOLDER / ADDRESS_FILE, disk=world.disk))
        wire = Wire(url)
        stack.push_async_callback(wire.close)
        for job in (wire.run(), passed_on(told, wire, clock=world.clock)):
            stack.push_async_callback(_ended, asyncio.create_task(job))
        kiosk = Device.open(folder, world=world, centre_url=url)
        stack.callback(kiosk.close)
        counter = Device.open(folder / COUNTER_FOLDER, world=world, centre_url=url)
        stack.callback(counter.close)
        virtual = VirtualLink(link=folder / "pn532")
        await virtual.start()
        stack.push_async_callback(virtual.close)
        switches = tuple(SwitchedTransport(HttpTransport()) for _ in range(4))
        watch, witness = ReaderWatch(world.clock), BandWitness()
        wrist = Wrist(virtual, watch=watch, clock=world.clock)
        stack.push_async_callback(wrist.close)
        day = PastDay.begun(world.clock, local_zone(world.clock)) if is_day else None
        run = world.entropy.draw(3).hex()
        live = asyncio.create_task(tell_live(wire, clock=world.clock, run=run, day=day))
        stack.push_async_callback(_ended, live)
        house = House(kiosk, wrist, switches, day)
        kiosk_sync = Sync(
            kiosk, transport=switches[0], band_transport=switches[1], on_change=house.changed
        )
        counter_sync = Sync(
            counter, transport=switches[2], band_transport=switches[3], on_change=house.changed
        )
        house.watch(kiosk_sync, counter_sync)
        desk = StoreDesk(counter, counter_sync, watch=watch, witness=witness)
        shop = LiveShop(
            desk=desk, clock=world.clock, wire=wire, hold=wrist.hold,
            switch=house.toggle_network, is_cut=lambda: house.is_cut,
        )  # fmt: skip
        app = DemoApp(
            customer_parts(kiosk, StoreDesk(kiosk, kiosk_sync, watch=watch, witness=witness)),
            desk=desk,
            controls=house,
            post=post_of(counter, clerk=CLERK),
            words=StaffWords(local_zone(world.clock)),
            told=tuple(notice.code for notice in counter.store.notices),
            tour=Guide(shop) if is_tour else None,
        )
        for sync in (kiosk_sync, counter_sync):
            sync.start()
            stack.callback(sync.stop)
        for reader in _readers(app, kiosk, kiosk_sync, virtual.spec, (watch, wrist), witness):
            task = asyncio.create_task(reader.run())
            stack.push_async_callback(_ended, task)
        return await run_app(app)


def _readers(
    app: DemoApp,
    kiosk: Device,
    sync: Sync,
    spec: str,
    ears: tuple[ReaderWatch, Wrist],
    witness: BandWitness,
) -> tuple[BandReader, BandReader]:
    """The virtual reader, and a real one where there is one; bands on the real one witness nothing."""
    was_there = False

    def hear(said: Said) -> None:
        for ear in ears:
            ear.heard(said)
        app.post_message(ReaderSaid(said))

    def hear_second(said: Said) -> None:
        nonlocal was_there
        line = second_reader(said, was_there=was_there)
        was_there = was_there or (isinstance(said, ReaderState) and not said.code)
        if line is not None and not isinstance(line, ReaderState):
            app.post_message(ReaderSaid(line))

    return (
        BandReader(kiosk, sync, spec=spec, heard=hear, witness=witness),
        BandReader(kiosk, sync, spec="pcsc", heard=hear_second),
    )


async def passed_on(told: deque[Letter], wire: Wire, *, clock: Clock) -> None:
    """Carry what the played vendors tell, until this is cancelled: they tell it on threads of their own."""
    while True:
        while told:
            wire.put(told.popleft())
        await clock.pause_ms(TOLD_LOOK_MS)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
