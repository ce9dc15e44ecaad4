"""The two ends as machines that can be started, killed and set back: the real code of both over simulated parts.

A machine that is killed leaves its files as they are at that moment: they are copied for its next life before anything
of the old one can end in an orderly way.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy, new_id
from hardware.identity import DeviceIdentity, create
from hardware.virtual.power import PowerSupply, WatchedDisk
from sync.central.centre import Centre
from sync.central.endpoints import Service
from sync.edge.client import CentreClient
from sync.edge.recorder import Recorder
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.model.errors import CentreUnreachable
from sync.model.ports import Request, Response
from sync.model.wire import Want
from sync.simulate import skew, vendor
from sync.simulate.chance import Chance
from sync.simulate.floor import Floor, OnOneThread, peers_of, relay_of
from sync.simulate.network import Network
from sync.simulate.skew import PROGRAMS
from sync.simulate.timeline import VirtualClock, VirtualLoop

Value = TypeVar("Value")

START: Final = datetime(2026, 1, 7, 8, 0, tzinfo=UTC)
URL: Final = "http://centre.test"
PASSING: Final = ("-shm",)
"""Ends of files that mean nothing to the next process."""


class FixedKeys:
    """Band keys that follow from the UID alone."""

    def group_key(self) -> tuple[bytes, int]:
        """One for all."""
        return b"g" * 16, 1

    def band_key(self, uid: bytes) -> tuple[bytes, int]:
        """One for each."""
        return hashlib.sha256(b"key" + uid).digest()[:16], 1

    def uid_hash(self, uid: bytes) -> str:
        """As a device looks it up."""
        return hashlib.sha256(b"hash" + uid).hexdigest()[:32]


class Machine:
    """One machine: a folder for each of its lives, what it writes there watched where that is possible, and a clock."""

    def __init__(self, site: "Site", name: str) -> None:
        self.site = site
        self.name = name
        self.clock = VirtualClock(site.loop, START)
        self.disk: WatchedDisk | None = None
        self.program = (
            Chance.of(site.seed, f"{name}/program").pick(PROGRAMS) if site.is_skewed else 1
        )
        self.programs: set[int] = set()
        """Versions it ever ran."""
        self._context = copy_context()
        self._life = 0

    @property
    def life(self) -> int:
        """Which life of it this is; another one began with its files as they were then, or older ones."""
        return self._life

    @property
    def folder(self) -> Path:
        """Its files in this life."""
        return self.site.root / f"{self.name}.{self._life}"

    def entropy(self) -> SeededEntropy:
        """Chance of this life."""
        return SeededEntropy(f"{self.site.seed}/{self.name}/{self._life}")

    def switched_on(self) -> None:
        """Watch its files from now on; its clock goes on being as wrong as it was. What is begun now runs its program."""
        self._context = copy_context()
        self._context.run(skew.program.set, self.program)
        self.programs.add(self.program)
        off_us, self.clock = self.clock.off_us, VirtualClock(self.site.loop, START)
        self.clock.off_us = off_us
        if self.site.power is not None:
            self.disk = self.site.power.watch(self.folder)

    def keep(self, copy: Path) -> None:
        """Copy its files while it runs."""
        shutil.rmtree(copy, ignore_errors=True)
        copied(self.folder, copy)

    async def kill(self, *, source: Path | None = None, cut: int | None = None) -> None:
        """Take the machine away. Its next life goes on with its files as they are, without anything tidied.

        Args:
            source: Go on with these files instead.
            cut: The power was cut, and so many percent of the sectors that were not synced survive. None: they all do.
        """
        before = self.folder
        self._life += 1
        disk, self.disk = self.disk, None
        if disk is None:
            copied(source or before, self.folder)
            await self.close()
        else:
            disk.freeze()
            await self.close()
            if cut is not None:
                disk.cut(seed=self.site.seed + self._life, keep_percent=cut)
            copied(source or before, self.folder)
            disk.close()
        shutil.rmtree(before)

    async def end(self) -> None:
        """In an orderly way."""
        await self.close()
        disk, self.disk = self.disk, None
        if disk is not None:
            disk.close()

    def start(self) -> None:
        """Open the files. Raises StoreError, DeviceError."""
        self.switched_on()
        self.within(self.open)

    def within(self, work: Callable[[], Value]) -> Value:
        """Do something as the program does that runs here."""
        return self._context.copy().run(work)

    def open(self) -> None:
        """Open the files and begin. Raises StoreError, DeviceError."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of the files."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Site:
    """What all machines of one run share; `power` is None where disks cannot be made to fail."""

    root: Path
    loop: VirtualLoop
    seed: int
    power: PowerSupply | None
    is_skewed: bool = False
    """Programs of several versions are about."""
    floors: dict[str, Floor] = field(default_factory=dict)
    """The network of each store that has a relay."""


class CentreNode(Machine):
    """The centre's machine."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, "centre")
        self.centre: Centre | None = None
        self.was_older = False
        """Its program was set back to an older one, which sends newer rows as they are."""

    @property
    def up(self) -> Centre:
        """The running centre."""
        assert self.centre is not None, "the centre is down"
        return self.centre

    def open(self) -> None:
        """Open its files. Raises StoreError, DeviceError."""
        self.centre = Centre.open(
            self.folder, disk=SystemDisk(), clock=self.clock, entropy=self.entropy(),
            band_keys=FixedKeys(), channels=(vendor.CHANNEL,),
        )  # fmt: skip

    async def close(self) -> None:
        """Let go of the files."""
        centre, self.centre = self.centre, None
        if centre is not None:
            centre.close()

    async def answer(self, request: Request) -> Response:
        """As the service over this centre answers. Raises CentreUnreachable when it is down or goes down."""
        centre = self.centre
        if centre is None:
            raise CentreUnreachable("connection refused")
        answering = asyncio.get_running_loop().create_task(
            Service(centre).answer(request), context=self._context.copy()
        )
        response = await answering
        if self.centre is not centre:
            raise CentreUnreachable("connection reset")
        return response


class KioskNode(Machine):
    """One kiosk's machine."""

    def __init__(  # what it is made of
        self,
        site: Site,
        name: str,
        *,
        identity: DeviceIdentity,
        network: Network,
        key: bytes,
        lan: Network | None,
    ) -> None:
        """Args: `network` leads to the centre, `lan` to the relay of its store, if there is one."""
        super().__init__(site, name)
        self.identity = identity
        self.key = key
        self.network = network
        self.lan = lan
        self.peers: OnOneThread | None = None
        self.store: EdgeStore | None = None
        self._runner: SyncRunner | None = None
        self._recorder: Recorder | None = None
        self._running: list[asyncio.Task[None]] = []
        self._entropy = self.entropy()

    @property
    def up(self) -> EdgeStore:
        """Its open files."""
        assert self.store is not None, "the kiosk is down"
        return self.store

    def open(self) -> None:
        """Open its files and begin to sync. Raises StoreError, DeviceError."""
        self._entropy = self.entropy()
        self.store = EdgeStore.open(
            self.folder, self.key, disk=SystemDisk(), clock=self.clock, entropy=self._entropy
        )
        client = CentreClient(
            self.network, identity=self.identity, clock=self.clock, entropy=self._entropy
        )
        self.peers = self._join_floor(self.store)
        self._recorder = Recorder(
            self.store, device=self.identity.device_id, place=self.identity.store,
            clock=self.clock, entropy=self._entropy, order=self.peers,
        )  # fmt: skip
        self._runner = SyncRunner(
            client, self.store, clock=self.clock, entropy=self._entropy, near=self.peers,
            on_change=self.peers.wake if self.peers is not None else _nobody,
        )  # fmt: skip
        self._running.append(asyncio.ensure_future(self._runner.run()))

    def _join_floor(self, store: EdgeStore) -> OnOneThread | None:
        """Among the others of its store; and their relay, where it is the one that hosts it."""
        floor = self.site.floors.get(self.identity.store)
        if floor is None or self.lan is None:
            return None
        if floor.host == self.name:
            floor.relay = relay_of(
                store, self.identity, clock=self.clock, entropy=self._entropy
            )
        peers = peers_of(
            store, self.identity, network=self.lan, loop=self.site.loop, clock=self.clock,
            entropy=self._entropy,
        )  # fmt: skip
        self._running.append(asyncio.ensure_future(peers.run()))
        return peers

    async def close(self) -> None:
        """Let go of the files."""
        running, self._running = self._running, []
        store, self.store, self._runner, self._recorder = self.store, None, None, None
        self.peers = None
        floor = self.site.floors.get(self.identity.store)
        if floor is not None and floor.host == self.name and floor.relay is not None:
            relay, floor.relay = floor.relay, None
            relay.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if store is not None:
            store.close()

    def new_op_id(self) -> str:
        """An id as a desk draws it."""
        return new_id(clock=self.clock, entropy=self._entropy)

    @property
    def recorder(self) -> Recorder:
        """What a counter records with, in this life."""
        assert self._recorder is not None, "the kiosk is down"
        return self._recorder

    def wake(self) -> None:
        """Something was recorded."""
        if self._runner is not None:
            self._runner.wake()

    def want(self, who: str, days: int) -> None:
        """Somebody looks for a customer this store does not hold."""
        if self._runner is not None:
            self._runner.want((Want(owner=who),), days=days)

    def hurry(self) -> None:
        """Somebody wants to know now whether the network is back."""
        if self._runner is not None:
            self._runner.hurry()


def new_kiosk(
    site: Site, name: str, store: str, *, centre: CentreNode, note: Callable[[str], None]
) -> KioskNode:
    """A kiosk that the centre knows, not started."""
    entropy = SeededEntropy(f"{site.seed}/{name}/identity")
    identity = create(
        store=store, role="kiosk", centre_url=URL, centre_key=centre.up.public_key_hex,
        entropy=entropy,
    )  # fmt: skip
    centre.up.approve_device(public_key=identity.public_key, store=store, role="kiosk")
    return _node(site, name, identity, centre=centre, note=note, key=entropy.draw(32))


def clone_of(
    kiosk: KioskNode, name: str, *, centre: CentreNode, note: Callable[[str], None]
) -> KioskNode:
    """A second machine with a copy of this one's disk, not started."""
    made = _node(kiosk.site, name, kiosk.identity, centre=centre, note=note, key=kiosk.key)
    made.programs |= kiosk.programs
    copied(kiosk.folder, made.folder)
    return made


def _node(  # what it is made of
    site: Site,
    name: str,
    identity: DeviceIdentity,
    *,
    centre: CentreNode,
    note: Callable[[str], None],
    key: bytes,
) -> KioskNode:
    floor = site.floors.get(identity.store)
    network = Network(centre.answer, Chance.of(site.seed, f"{name}/network"), note)
    lan = None
    if floor is not None:
        chance = Chance.of(site.seed, f"{name}/lan")
        lan = Network(floor.answer, chance, lambda fault: note(f"{fault} of the relay"))
    return KioskNode(site, name, identity=identity, network=network, key=key, lan=lan)


def _nobody() -> None:
    """Nobody is told."""


def copied(folder: Path, target: Path) -> None:
    """The files of a folder and of those in it as they are now, byte for byte."""
    target.mkdir(parents=True)
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            copied(path, target / path.name)
        elif not path.name.endswith(PASSING):
            shutil.copyfile(path, target / path.name)
