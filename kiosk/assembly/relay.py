"""This device among the others of its store."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from hardware.errors import AddressTaken
from kiosk.settings import SettingsError, address_of
from sync.edge.lookup import Lookup
from sync.edge.part_cache import PartCache
from sync.edge.peers import Peers
from sync.edge.relay import Mailbox
from sync.edge.relay_client import RelayClient
from sync.edge.transport import HttpTransport
from sync.model.records import (
    Peer,
    key_of,
)

if TYPE_CHECKING:
    from sync.edge.relay_app import RelayServer
from kiosk.assembly.device import Device

log = logging.getLogger(__name__)


class StoreRelay:
    """This device among the others of its store: the relay it listens to, and the one it hosts if it is the one that does."""

    def __init__(
        self, device: Device, *, url: str, listen: str, on_change: Callable[[], None]
    ) -> None:
        """Put it together.

        Args:
            device: An open device.
            url: Address of the relay, "" for the one hosted here.
            listen: HOST:PORT to host it at, "" not to.
            on_change: Called on the relay's thread when its state, or what others did, changed.

        Raises:
            SettingsError: this installation cannot host a relay.
        """
        self._device = device
        self._lookup = Lookup(device.store)
        self._server = self._hosted(listen) if listen else None
        world, identity = device.world, device.identity
        client = RelayClient(
            HttpTransport(),
            identity=identity,
            peer_of=self._peer_of,
            url=url or _own_address(listen),
            clock=world.clock,
            entropy=world.entropy,
        )
        self.peers = Peers(
            client,
            device.store,
            device=identity.device_id,
            clock=world.clock,
            entropy=world.entropy,
            on_change=on_change,
        )

    def start(self) -> None:
        """Host it, if that is ours to do, and listen to it. An address that is taken is said as a relay that is lost."""
        if self._server is not None:
            try:
                self._server.start()
            except AddressTaken:
                log.error("address of the relay was taken")  # noqa: TRY400  # the trace says nothing more
        self.peers.start()

    def stop(self) -> None:
        """End both; harmless when done twice."""
        self.peers.stop()
        if self._server is not None:
            self._server.stop()

    def _hosted(self, listen: str) -> "RelayServer":
        try:
            # The web server: 0.1 s, on one device of a store.
            from sync.edge.relay_app import RelayApp, RelayServer
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"relay_listen needs the package {error.name}; install the extra `relay`"
            ) from error
        world = self._device.world
        app = RelayApp(
            Mailbox(world.entropy.draw(16).hex()),
            identity=self._device.identity,
            peer_of=self._peer_of,
            parts=PartCache(self._device.store.folder / "relay", disk=world.disk),
            clock=world.clock,
            entropy=world.entropy,
        )
        host, port = address_of(listen)
        return RelayServer(app, host=host, port=port)

    def _peer_of(self, device_id: str) -> Peer | None:
        """The row the centre wrote of an active device of this store."""
        row = self._lookup.row(key_of("peer", device_id))
        body = None if row is None else row.body
        if not isinstance(body, Peer) or body.state != "active":
            return None
        return body if body.store == self._device.identity.store else None


def _own_address(listen: str) -> str:
    """How this device reaches what it hosts itself."""
    host, port = address_of(listen)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # as the setting says
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
