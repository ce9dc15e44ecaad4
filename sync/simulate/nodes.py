"""The two ends as machines that can be started, killed and set back: the real code of both over simulated parts.

A machine that is killed leaves its files as they are at that moment: they are copied for its next life before anything
of the old one can end in an orderly way.
"""

import asyncio
import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy, new_id
from hardware.identity import DeviceIdentity, create
from hardware.moments import micros_of
from sync.central.centre import Centre
from sync.edge.client import CentreClient
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.model.errors import CentreRefused, CentreUnreachable, StoreError
from sync.model.operation import Operation
from sync.model.ports import Request, Response
from sync.model.wire import NDJSON, PROBLEM, PROBLEMS, Problem
from sync.simulate.chance import Chance
from sync.simulate.network import Network
from sync.simulate.timeline import VirtualClock, VirtualLoop

log = logging.getLogger(__name__)

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


class CentreNode:
    """The centre's machine."""

    def __init__(self, folder: Path, *, loop: VirtualLoop, seed: int) -> None:
        self._root = folder
        self._seed = seed
        self._life = 0
        self.clock = VirtualClock(loop, START)
        self.centre: Centre | None = None

    @property
    def folder(self) -> Path:
        """Its files in this life."""
        return self._root / f"centre.{self._life}"

    @property
    def up(self) -> Centre:
        """The running centre."""
        assert self.centre is not None, "the centre is down"
        return self.centre

    def start(self) -> None:
        """Open its files."""
        self.centre = Centre.open(
            self.folder, disk=SystemDisk(), clock=self.clock,
            entropy=SeededEntropy(f"{self._seed}/centre/{self._life}"), band_keys=FixedKeys(),
        )  # fmt: skip

    def kill(self) -> None:
        """Stop it as a power supply does that keeps the disk's cache: everything written stands, nothing is tidied."""
        before = self.folder
        self._life += 1
        copied(before, self.folder)
        self._close()
        shutil.rmtree(before)

    def keep(self, copy: Path) -> None:
        """Make a backup beside the running centre."""
        shutil.rmtree(copy, ignore_errors=True)
        copied(self.folder, copy)

    def set_back(self, copy: Path) -> None:
        """Kill it, and go on from a backup."""
        before = self.folder
        self._life += 1
        self._close()
        copied(copy, self.folder)
        shutil.rmtree(before)

    def end(self) -> None:
        """In an orderly way."""
        self._close()

    def _close(self) -> None:
        if self.centre is not None:
            centre, self.centre = self.centre, None
            centre.close()

    async def answer(self, request: Request) -> Response:
        """As the service over this centre answers. Raises CentreUnreachable when it is down or goes down."""
        centre = self.centre
        if centre is None:
            raise CentreUnreachable("connection refused")
        response = await answered(centre, request)
        if self.centre is not centre:
            raise CentreUnreachable("connection reset")
        return response


class KioskNode:
    """One kiosk's machine."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        loop: VirtualLoop,
        seed: int,
        identity: DeviceIdentity,
        network: Network,
        key: bytes,
    ) -> None:
        self.name = name
        self._root = folder
        self._loop = loop
        self._seed = seed
        self._life = 0
        self.identity = identity
        self.key = key
        self.network = network
        self.clock = VirtualClock(loop, START)
        self.entropy = SeededEntropy(f"{seed}/{name}/0")
        self.store: EdgeStore | None = None
        self.runner: SyncRunner | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def folder(self) -> Path:
        """Its files in this life."""
        return self._root / f"{self.name}.{self._life}"

    @property
    def up(self) -> EdgeStore:
        """Its open files."""
        assert self.store is not None, "the kiosk is down"
        return self.store

    def start(self) -> None:
        """Open its files and begin to sync."""
        self.entropy = SeededEntropy(f"{self._seed}/{self.name}/{self._life}")
        off_us, self.clock = self.clock.off_us, VirtualClock(self._loop, START)
        self.clock.off_us = off_us
        self.store = EdgeStore.open(
            self.folder, self.key, disk=SystemDisk(), clock=self.clock, entropy=self.entropy
        )
        client = CentreClient(
            self.network, identity=self.identity, clock=self.clock, entropy=self.entropy
        )
        self.runner = SyncRunner(client, self.store, clock=self.clock, entropy=self.entropy)
        self._running = asyncio.ensure_future(self.runner.run())

    async def kill(self) -> None:
        """Everything written stands, nothing is tidied."""
        before = self.folder
        self._life += 1
        copied(before, self.folder)
        await self._close()
        shutil.rmtree(before)

    def keep(self, copy: Path) -> None:
        """Copy its disk while it runs."""
        shutil.rmtree(copy, ignore_errors=True)
        copied(self.folder, copy)

    async def set_back(self, copy: Path) -> None:
        """Kill it, and go on from a copy of its disk."""
        before = self.folder
        self._life += 1
        await self._close()
        copied(copy, self.folder)
        shutil.rmtree(before)

    async def end(self) -> None:
        """In an orderly way."""
        await self._close()

    async def _close(self) -> None:
        running, self._running = self._running, None
        store, self.store, self.runner = self.store, None, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if store is not None:
            store.close()

    def new_op_id(self) -> str:
        """An id as a desk draws it."""
        return new_id(clock=self.clock, entropy=self.entropy)

    def record(self, op: Operation) -> bool:
        """Whether the kiosk said that it is done."""
        try:
            Outbox(self.up).record(op)
        except StoreError:
            return False
        if self.runner is not None:
            self.runner.wake()
        return True


def new_kiosk(
    name: str, store: str, folder: Path, *, loop: VirtualLoop, seed: int, centre: CentreNode,
    note: Callable[[str], None],
) -> KioskNode:  # fmt: skip
    """A kiosk that the centre knows, not started."""
    entropy = SeededEntropy(f"{seed}/{name}/identity")
    identity = create(
        store=store, role="kiosk", centre_url=URL, centre_key=centre.up.public_key_hex,
        entropy=entropy,
    )  # fmt: skip
    centre.up.approve_device(public_key=identity.public_key, store=store, role="kiosk")
    network = Network(centre.answer, Chance.of(seed, f"{name}/network"), note)
    return KioskNode(
        name,
        folder,
        loop=loop,
        seed=seed,
        identity=identity,
        network=network,
        key=entropy.draw(32),
    )


def cloned(kiosk: KioskNode, name: str, *, network: Network) -> KioskNode:
    """A second machine with the identity of this one; its files are the caller's."""
    return KioskNode(
        name, kiosk._root, loop=kiosk._loop, seed=kiosk._seed, identity=replace(kiosk.identity),
        network=network, key=kiosk.key,
    )  # fmt: skip


def copied(folder: Path, target: Path) -> None:
    """The files of a folder as they are now, byte for byte."""
    target.mkdir(parents=True)
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.endswith(PASSING):
            shutil.copyfile(path, target / path.name)


# The centre's service without a web server


async def answered(centre: Centre, request: Request) -> Response:
    """One request, as `sync.central.app` answers it, without threads."""
    name = request.url.removeprefix(f"{URL}/v1/")
    try:
        match name:
            case "hello":
                return _response(centre, request, centre.hello(request), "application/json")
            case "push":
                return _response(centre, request, centre.push(request), NDJSON)
            case "leases":
                return _response(centre, request, centre.leases(request), NDJSON)
            case "pull":
                return _response(centre, request, await _pulled(centre, request), NDJSON)
            case _:
                return _problem(centre, request, "not_found")
    except CentreRefused as error:
        return _problem(centre, request, error.problem)


async def _pulled(centre: Centre, request: Request) -> bytes:
    caller, pull, page = centre.begin_pull(request)
    if page is not None:
        return page
    with centre.bell.heard(tuple(cursor.id for cursor in pull.scopes)) as rung:
        waits = (
            asyncio.ensure_future(rung.wait()),
            asyncio.ensure_future(centre.clock.pause_ms(pull.wait_ms)),
        )
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    return centre.end_pull(caller, pull)


def _response(
    centre: Centre, request: Request, body: bytes, kind: str, status: int = 200
) -> Response:
    headers = (
        ("content-type", kind),
        ("x-req", request.header("x-req")),
        ("x-server-time", str(micros_of(centre.clock.now()))),
    )
    return Response(status, headers, body)


def _problem(centre: Centre, request: Request, code: str) -> Response:
    status, title = PROBLEMS[code]
    body = msgspec.json.encode(Problem(code, title, status))
    return _response(centre, request, body, PROBLEM, status)
