"""The shop's own network: the relay that one kiosk of a store hosts, and each kiosk of it as one among the others.

The relay is the real application, called without a web server. A kiosk that waits for its place blocks nobody: time passes
and all others take their turns, as if it had a thread of its own.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from hardware.clock import Clock
from hardware.disk import SystemDisk
from hardware.entropy import Entropy
from hardware.identity import DeviceIdentity
from sync.edge.lookup import Lookup
from sync.edge.part_cache import PartCache
from sync.edge.peers import Peers
from sync.edge.relay import Mailbox
from sync.edge.relay_app import RelayApp
from sync.edge.relay_client import RelayClient
from sync.edge.store import EdgeStore
from sync.model.errors import CentreUnreachable
from sync.model.ports import Request, Response, Transport
from sync.model.records import Peer, key_of
from sync.simulate.timeline import VirtualLoop

Value = TypeVar("Value")

URL: Final = "http://relay.test"


class Floor:
    """The network of one store; who hosts its relay is set up once."""

    def __init__(self, host: str) -> None:
        """Args: `host` is the name of the machine."""
        self.host = host
        self.relay: RelayApp | None = None

    async def answer(self, request: Request) -> Response:
        """As the relay answers. Raises CentreUnreachable where it is down or goes down."""
        relay = self.relay
        if relay is None:
            raise CentreUnreachable("connection refused")
        response = await _asked(relay, request)
        if self.relay is not relay:
            raise CentreUnreachable("connection reset")
        return response


class OnOneThread(Peers):
    """Peers on the loop that whoever records is on as well."""

    loop: VirtualLoop

    def _waited_for(self, asked: "Future[Value]", deadline_ms: int) -> Value:
        self.loop.turn_until(asked.done, deadline_ms)
        return asked.result(0)


def relay_of(
    store: EdgeStore, identity: DeviceIdentity, *, clock: Clock, entropy: Entropy
) -> RelayApp:
    """The relay as a kiosk hosts it."""
    return RelayApp(
        Mailbox(entropy.draw(16).hex()), identity=identity, peer_of=_peer_of(store, identity),
        parts=PartCache(store.folder / "relay", disk=SystemDisk()), clock=clock, entropy=entropy,
    )  # fmt: skip


def peers_of(  # what a kiosk has
    store: EdgeStore,
    identity: DeviceIdentity,
    *,
    network: Transport,
    loop: VirtualLoop,
    clock: Clock,
    entropy: Entropy,
) -> OnOneThread:
    """A kiosk among the others of its store."""
    client = RelayClient(
        network, identity=identity, peer_of=_peer_of(store, identity), url=URL, clock=clock,
        entropy=entropy,
    )  # fmt: skip
    made = OnOneThread(client, store, device=identity.device_id, clock=clock, entropy=entropy)
    made.loop = loop
    return made


def _peer_of(store: EdgeStore, identity: DeviceIdentity) -> Callable[[str], Peer | None]:
    lookup = Lookup(store)

    def peer_of(device_id: str) -> Peer | None:
        row = lookup.row(key_of("peer", device_id))
        body = None if row is None else row.body
        is_one = isinstance(body, Peer) and body.state == "active"
        return body if is_one and body.store == identity.store else None  # type: ignore[union-attr,return-value]

    return peer_of


async def _asked(relay: RelayApp, request: Request) -> Response:
    """What a web server does: the request as its application takes it, and the answer it sends."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body}

    async def send(message: Any) -> None:
        said.append(message)

    path = "/" + request.url.split("/", 3)[3]
    host = request.url.split("/", 3)[2]
    headers = [(b"host", host.encode())]
    headers += [(name.encode(), value.encode("latin-1")) for name, value in request.headers]
    scope = {"type": "http", "method": request.method, "path": path, "headers": headers}
    await relay(scope, receive, send)
    start, body = said
    kept = tuple((name.decode(), value.decode("latin-1")) for name, value in start["headers"])
    return Response(start["status"], kept, body["body"])
