"""The sync of a device with its centre, in threads of their own, and what it says of itself."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from datetime import datetime
from importlib import metadata
from typing import Final

from hardware.clock import Clock
from hardware.errors import DeviceError
from hardware.moments import micros_of, moment_of
from hardware.network import network_mark
from kiosk.assembly.device import Device
from kiosk.assembly.relay import StoreRelay
from kiosk.core.ports import HERE
from sync.edge.band_line import BandLine
from sync.edge.client import CentreClient, Program
from sync.edge.lease import trusted_now
from sync.edge.peers import RelayStatus
from sync.edge.report import ReportFile
from sync.edge.runner import Once, SyncRunner
from sync.edge.tls import pinned
from sync.edge.transport import HttpTransport
from sync.model.errors import CentreError, StoreError
from sync.model.ports import Transport

DENY_EVERY_MS: Final = 15 * 60_000
"""How long a band that was blocked elsewhere may go unnoticed at a device that is online."""


def centre_transport(device: Device) -> HttpTransport:
    """The network to this device's centre, which must have a certificate of the right authority for now.

    Raises:
        CertificateFileError: a pinned file does not do any more.
    """
    if not device.centre_url.startswith("https://"):
        return HttpTransport()

    def now() -> datetime:
        with contextlib.suppress(StoreError):  # then the clock alone has to do
            return moment_of(trusted_now(device.store))
        return device.world.clock.now()

    return HttpTransport(pinned(device.centre_ca, trusted_now=now))


def program_version() -> str:
    """As `tapthread --version` says; "" where it was not installed."""
    try:
        return metadata.version("tapthread")
    except metadata.PackageNotFoundError:
        return ""


def free_size_of(device: Device) -> int:
    """Bytes free where a device keeps its files; -1 where the disk does not say."""
    try:
        return device.store.disk.free_size(device.store.folder)
    except DeviceError:
        return -1


class Sync:
    """The sync thread of one device, and since when its way to the centre is as it is.

    Attributes:
        relay: This device among the others of its store; None where no relay is set.
        bands: Its way to the centre for proofs of bands.
    """

    def __init__(  # what it talks to, and who hears of it
        self,
        device: Device,
        *,
        transport: Transport | None = None,
        band_transport: Transport | None = None,
        on_change: Callable[[], None] = lambda: None,
        relay: str = "",
        relay_listen: str = "",
    ) -> None:
        """Put it together.

        Args:
            device: An open device.
            transport: The real one unless given.
            band_transport: For proofs of bands, on a thread of its own; the real one unless given.
            on_change: Called on the sync thread and on the relay's.
            relay: Address of the store's relay.
            relay_listen: Where to host it.
        """
        world = device.world
        self.relay = (
            StoreRelay(device, url=relay, listen=relay_listen, on_change=self._relay_changed)
            if relay or relay_listen
            else None
        )
        self._clock = world.clock
        self._on_change = on_change
        self.network_since = micros_of(world.clock.now())

        def client_over(given: Transport | None) -> CentreClient:
            return CentreClient(
                given or centre_transport(device),
                identity=device.identity,
                centre_url=device.centre_url,
                clock=world.clock,
                entropy=world.entropy,
                program=Program(
                    version=program_version(), free_size=lambda: free_size_of(device)
                ),
            )

        self.bands = BandLine(client_over(band_transport), lineage=lambda: device.store.lineage)
        self.runner = SyncRunner(
            client_over(transport),
            device.store,
            clock=world.clock,
            entropy=world.entropy,
            on_change=self._changed,
            network_mark=network_mark,
            near=None if self.relay is None else self.relay.peers,
        )
        self._network = self.runner.status().network
        self._report = ReportFile(device.store)
        self._reporting = threading.Lock()
        self._late: threading.Timer | None = None

    def _changed(self) -> None:
        status = self.runner.status()
        if status.network != self._network:
            self._network, self.network_since = status.network, micros_of(self._clock.now())
        if self.relay is not None:
            self.relay.peers.wake()  # something may be settled
        self._report_it()
        self._on_change()

    def _relay_changed(self) -> None:
        self._report_it()
        self._on_change()

    def _report_it(self) -> None:
        relay = RelayStatus() if self.relay is None else self.relay.peers.status()
        # The sync thread and the relay's both come here.
        with self._reporting, contextlib.suppress(StoreError):  # the status says what is wrong
            left_ms = self._report.write(self.runner.status(), relay=relay.code)
            if left_ms and self._late is None:
                self._late = threading.Timer(left_ms / 1_000, self._report_late)
                self._late.daemon = True
                self._late.start()

    def _report_late(self) -> None:
        """What was said too soon after another report, and nothing was said since."""
        with self._reporting:
            if self._late is None:
                return  # stopped meanwhile
            self._late = None
        self._report_it()

    def start(self) -> None:
        """Begin, in threads of their own."""
        self.runner.start()
        self.bands.start()
        if self.relay is not None:
            self.relay.start()

    def stop(self) -> None:
        """End all threads; harmless when done twice."""
        if self.relay is not None:
            self.relay.stop()
        self.bands.stop()
        self.runner.stop()
        with self._reporting:
            late, self._late = self._late, None
        if late is not None:
            late.cancel()
            late.join()

    def once(self) -> str:
        """Exchange with the centre once, without the thread; "ok", or the code of what kept it from being done.

        Raises:
            StoreError: this device's own files.
        """
        return self.exchange()[0]

    def exchange(self, *, pulls: bool = True, pushes: bool = True) -> tuple[str, Once]:
        """The same, or one half of it; and what was done, nothing where the centre kept some of it from being done.

        Raises:
            StoreError: this device's own files.
        """
        try:
            return HERE, self.runner.sync_once(pulls=pulls, pushes=pushes)
        except CentreError as error:
            return error.code, Once(0, 0, 0)


async def keep_denied(sync: Sync, clock: Clock) -> None:
    """Have the newest deny list now and then, while the centre answers: leases bring it far less often."""
    while True:
        await clock.pause_ms(DENY_EVERY_MS)
        if sync.runner.status().network != HERE:
            continue
        with contextlib.suppress(CentreError, StoreError):  # the next one comes soon enough
            await asyncio.wrap_future(sync.runner.fetch_deny())
