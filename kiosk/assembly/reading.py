"""A reader process, and what is done with a band on it after its page is shown."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from drivers.errors import ReaderAbsent
from drivers.lines import ReaderState, Said, Seen
from hardware.clock import Clock
from hardware.moments import micros_of
from kiosk.assembly.device import Device
from kiosk.assembly.evidence import CacheKeys
from kiosk.assembly.syncing import Sync, keep_denied
from kiosk.capsules import CapsuleRefresher
from kiosk.core.ports import HERE
from kiosk.links import ReaderLink
from kiosk.proving import Around, RemoteProver
from kiosk.witnessing import BandWitness
from sync.edge.lookup import Lookup
from sync.edge.runner import SyncStatus


class ReaderWatch:
    """How the reader is, from what its process says: "ok" or an error code, and since when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.code = ReaderAbsent.code
        self.since = micros_of(clock.now())

    def heard(self, said: Said) -> None:
        """Take in a line of the reader process."""
        if isinstance(said, ReaderState) and (said.code or HERE) != self.code:
            self.code, self.since = said.code or HERE, micros_of(self._clock.now())


class BandReader:
    """A reader process with all that is done with a band beside reading it: proved from afar, renewed, asked to witness."""

    def __init__(
        self,
        device: Device,
        sync: Sync,
        *,
        spec: str,
        heard: Callable[[Said], None],
        witness: BandWitness | None = None,
    ) -> None:
        """Put it together; used on one event loop.

        Args:
            device: An open device.
            sync: Of the same device.
            spec: Reader as `tapthread reader --reader` takes it.
            heard: Called on the event loop with everything the reader process says.
            witness: Hears it too, and tells the reader process of uses.
        """
        self._sync = sync
        self._heard = heard
        self._witness = witness
        self._link = ReaderLink(
            spec=spec, keys=CacheKeys(device.store), heard=self._hear, clock=device.world.clock
        )
        self._refresher = CapsuleRefresher(
            device.store,
            ask=lambda band, size: sync.runner.capsule(band, size=size),
            tell=self._link.tell,
        )
        lookup = Lookup(device.store)
        self._prover = RemoteProver(
            Around(
                ready=sync.bands.ready,
                ask=sync.bands.prove,
                want=lambda want: sync.runner.want((want,)),
                is_held=lambda band: _is_wearer_held(lookup, band),
                is_online=lambda: _is_askable(sync.runner.status()),
                tell=self._link.tell,
                again=heard,
            ),
            vouched=device.vouched,
        )
        if witness is not None:
            witness.connect(self._link.tell)

    async def run(self) -> None:
        """Keep the reader process until this task is cancelled."""
        try:
            await self._link.run()
        finally:
            self._refresher.close()
            self._prover.close()

    def _hear(self, said: Said) -> None:
        if self._witness is not None:
            self._witness.heard(said)
        # Somebody is here: a good moment to look whether the centre answers again.
        if isinstance(said, Seen) and self._sync.runner.status().network != HERE:
            self._sync.runner.hurry()
        self._heard(said)
        self._refresher.heard(said)  # last: the page comes first
        self._prover.heard(said)


@asynccontextmanager
async def living(
    device: Device,
    sync: Sync,
    *,
    spec: str,
    heard: Callable[[Said], None],
    witness: BandWitness | None = None,
) -> AsyncIterator[None]:
    """The device with its sync thread and its reader process running, until the block ends.

    Args:
        device: An open device; its owner closes it.
        sync: Of the same device, not started yet.
        spec: Reader as `tapthread reader --reader` takes it.
        heard: Called on the event loop with everything the reader process says.
        witness: Hears it too, and tells the reader process of uses.
    """
    reader = BandReader(device, sync, spec=spec, heard=heard, witness=witness)
    sync.start()
    reading = asyncio.create_task(reader.run())
    listing = asyncio.create_task(keep_denied(sync, device.world.clock))
    try:
        yield
    finally:
        reading.cancel()
        listing.cancel()
        await asyncio.gather(
            reading, listing, asyncio.to_thread(sync.stop), return_exceptions=True
        )


def _is_wearer_held(lookup: Lookup, band: str) -> bool:
    """Whether this device knows who wears a band. That it knows the band is not enough: all stores know all bands."""
    sighting = lookup.by_band(band)
    return sighting is not None and sighting.profile.customer is not None


def _is_askable(status: SyncStatus) -> bool:
    """Whether the centre answered the last time, or nobody asked it yet."""
    return status.network == HERE or not status.is_asked
