"""The devices of one store on one network: each with its own files, one of them with the relay, over real HTTP on loopback."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hardware.clock import Clock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import Entropy, SystemEntropy
from hardware.identity import DeviceIdentity, create
from sync.edge.feed import Feed
from sync.edge.lookup import Lookup
from sync.edge.part_cache import PartCache
from sync.edge.peers import Peers
from sync.edge.recorder import Act, Doer, Kept, Recorder
from sync.edge.relay import Mailbox
from sync.edge.relay_app import RelayApp, RelayServer
from sync.edge.relay_client import RelayClient
from sync.edge.store import EdgeStore
from sync.edge.transport import HttpTransport
from sync.model.errors import CentreUnreachable
from sync.model.operation import Evidence, Refusal
from sync.model.ports import Request, Response, Transport
from sync.model.records import Peer, key_of
from sync.model.row import Row, row_of
from tests.support.edge import filled

STORE = "harbour"
WAIT_S = 60.0


def identity_of(*, store: str = STORE) -> DeviceIdentity:
    return create(
        store=store, role="kiosk", centre_url="http://centre.test", centre_key="",
        entropy=SystemEntropy(),
    )  # fmt: skip


def peer_row(device: DeviceIdentity, *, state: str = "active", store: str = STORE) -> Row:
    body = Peer(device.device_id, device.public_key, store, "kiosk", state)
    return row_of(body, owner="", as_of=1, source="centre", version=1)


def peer_of(store: EdgeStore) -> Callable[[str], Peer | None]:
    """From this device's own rows, as the product has it."""

    def found(device: str) -> Peer | None:
        row = Lookup(store).row(key_of("peer", device))
        body = None if row is None else row.body
        is_one = isinstance(body, Peer) and body.state == "active" and body.store == STORE
        return body if is_one else None  # type: ignore[return-value]  # is_one

    return found


def server_of(
    device: DeviceIdentity,
    peers: Callable[[str], Peer | None],
    *,
    life: str = "life-1",
    port: int = 0,
    clock: Clock | None = None,
    folder: Path | None = None,
) -> RelayServer:
    """A relay that is not started yet."""
    app = RelayApp(
        Mailbox(life), identity=device, peer_of=peers,
        parts=PartCache(folder or Path("/nonexistent"), disk=SystemDisk()),
        clock=clock or SystemClock(), entropy=SystemEntropy(),
    )  # fmt: skip
    return RelayServer(app, host="127.0.0.1", port=port)


class BadLine:
    """Another transport, on which answers from some addresses never come; the relay did its work."""

    def __init__(self) -> None:
        self._inner = HttpTransport()
        self.loses: set[str] = set()
        self.n_lost = 0

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        answer = await self._inner.send(request, deadline_ms=deadline_ms, size_max=size_max)
        if request.url.rpartition("/")[2] in self.loses:
            self.n_lost += 1
            raise CentreUnreachable("no answer in time")
        return answer

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class Till:
    """One device."""

    store: EdgeStore
    identity: DeviceIdentity
    peers: Peers
    recorder: Recorder
    changed: threading.Condition = field(default_factory=threading.Condition)

    def record(self, kind: str, args: msgspec.Struct, *, owner: str = "lena") -> Kept | Refusal:
        doer = Doer("ben", owner, Evidence("S1", "found"))
        return self.recorder.record(Act(kind, args), doer)

    def body(self, key: str, *, owner: str = "lena") -> Any:
        """The body of a row as this device sees it now."""
        cell = Lookup(self.store).cells((key,), owner=owner)[key]
        return cell.body if isinstance(cell, Row) else None

    def until(self, is_so: Callable[[], bool]) -> None:
        """Return when it is so; looked at whenever the relay's thread says that something changed."""
        with self.changed:
            assert self.changed.wait_for(is_so, WAIT_S), self.peers.status()

    def close(self) -> None:
        self.peers.stop()
        self.store.close()


def till(
    folder: Path,
    device: DeviceIdentity,
    rows: Iterable[Row],
    *,
    relay: str,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    transport: Transport | None = None,
    is_started: bool = True,
) -> Till:
    """A device whose cache holds these rows and which listens to that relay."""
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    store = EdgeStore.open(folder, b"k" * 32, disk=SystemDisk(), clock=clock, entropy=entropy)
    if not Feed(store).cursors():
        filled(store, rows)
    changed = threading.Condition()

    def on_change() -> None:
        with changed:
            changed.notify_all()

    client = RelayClient(
        transport or HttpTransport(), identity=device, peer_of=peer_of(store), url=relay,
        clock=clock, entropy=entropy,
    )  # fmt: skip
    peers = Peers(
        client, store, device=device.device_id, clock=clock, entropy=entropy,
        on_change=on_change,
    )  # fmt: skip
    peers.offer_ms, peers.again_ms = 20_000, 50  # a loaded machine is no dead relay
    recorder = Recorder(
        store, device=device.device_id, place=STORE, clock=clock, entropy=entropy, order=peers
    )
    made = Till(store, device, peers, recorder, changed)
    if is_started:
        peers.start()
    return made
