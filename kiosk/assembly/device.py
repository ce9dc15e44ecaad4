"""One data folder opened: identity, files, keys, and where and when its pages are decided."""

import contextlib
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from hardware import identity as identities
from hardware.clock import Clock, SystemClock
from hardware.disk import Disk, SystemDisk
from hardware.entropy import Entropy, SystemEntropy
from hardware.identity import DeviceIdentity
from hardware.moments import micros_of
from kiosk.core.page import (
    Shop,
)
from kiosk.vouched import Vouched
from sync.edge.erase import is_wipe_due
from sync.edge.feed import Feed
from sync.edge.lease import lease_of
from sync.edge.lookup import Lookup
from sync.edge.store import EdgeStore
from sync.model.errors import StoreError


@dataclass(frozen=True, slots=True)
class World:
    """The parts that touch the machine, real or simulated."""

    clock: Clock
    entropy: Entropy
    disk: Disk


def real_world() -> World:
    """The machine's own time, chance and files."""
    return World(SystemClock(), SystemEntropy(), SystemDisk())


@dataclass(frozen=True, slots=True)
class Device:
    """One data folder, opened and owned. Close it.

    Attributes:
        centre_url: Where its centre is: the settings' address, else the one it was enrolled with.
        centre_ca: Files of the authorities its certificate may be of; none for those this machine knows.
        vouched: Bands the centre proved a moment ago.
    """

    world: World
    identity: DeviceIdentity
    store: EdgeStore
    centre_url: str
    language: str
    centre_ca: tuple[Path, ...]
    vouched: Vouched

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        world: World,
        centre_url: str = "",
        language: str = "en",
        centre_ca: tuple[Path, ...] = (),
    ) -> "Device":
        """Own the folder and open its files.

        Raises:
            EnrolmentError: there is no device in this folder, or its key is damaged.
            FolderInUse: another process owns it.
            StoreError, DiskFull, DiskFault: its files do not open.
        """
        identity = identities.load(folder, disk=world.disk)
        key = identities.store_key(folder, disk=world.disk, entropy=world.entropy)
        store = EdgeStore.open(
            folder, key, disk=world.disk, clock=world.clock, entropy=world.entropy
        )
        store.keep_ballast()
        with contextlib.suppress(StoreError):  # a file that takes nothing shows what it holds
            lease_of(store).beat()
        url = centre_url or identity.centre_url
        vouched = Vouched(world.clock)
        return cls(world, identity, store, url, language, centre_ca, vouched)

    def close(self) -> None:
        """Close the files and give the folder back; harmless when done twice."""
        self.store.close()

    def is_over(self) -> bool:
        """Whether the centre said that it may hold nothing any more, and has all that was recorded: it is to be wiped."""
        try:
            return is_wipe_due(self.store)
        except StoreError:
            return False

    def shop(self, lookup: Lookup) -> Shop:
        """Where and when a page is decided, now."""
        return Shop(
            store=self.identity.store,
            now_us=micros_of(self.world.clock.now()),
            synced_at=Feed(self.store).state().synced_at,
            language=self.language,
            timezone=local_zone(self.world.clock),
            held=lookup.row,
        )


def local_zone(clock: Clock) -> tzinfo:
    """The time zone of this machine."""
    zone = clock.now().astimezone().tzinfo
    assert zone is not None
    return zone
