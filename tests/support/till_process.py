"""One till in a process of its own: the product's own parts without a screen. Says how it stands, does what a line asks.

    {"do": "redeem", "of": KEY} | {"do": "block", "band": ID} | {"do": "hand_over", "pickup": ID}
    {"do": "see", "key": KEY, "owner": ID} | {"do": "tap", "band": ID} | {"do": "stop"}

Every answer and every change is one line: {"state": {...}} or {"did": ...}.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.syncing import Sync
from kiosk.core.ports import Refused
from sync.edge.lookup import Lookup
from sync.model.operation import Evidence
from sync.model.operations.block_band import BlockBand
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.redeem import Redeem
from sync.model.records import Band
from sync.model.row import Row

OWNER = "lena"


class Till:
    def __init__(self, folder: str, relay: str, listen: str) -> None:
        self._lock = threading.Lock()
        self._device = Device.open(Path(folder), world=real_world())
        self._sync = Sync(
            self._device, relay=relay, relay_listen=listen, on_change=self.say_state
        )
        assert self._sync.relay is not None
        self._sync.relay.peers.offer_ms = 20_000  # a loaded machine is no dead relay
        self._desk = StoreDesk(self._device, self._sync)
        self._lookup = Lookup(self._device.store)

    def run(self) -> None:
        self._sync.start()
        try:
            self.say_state()
            for line in sys.stdin:
                asked = json.loads(line)
                if asked["do"] == "stop":
                    break
                self._say({"did": self._done(asked)})
        finally:
            self._sync.stop()
            self._device.close()

    def say_state(self) -> None:
        standing = self._desk.standing() if hasattr(self, "_desk") else None
        if standing is not None:
            relay = self._sync.relay
            n_theirs = relay.peers.status().n_theirs if relay is not None else 0
            self._say(
                {
                    "state": {
                        "relay": standing.relay, "network": standing.network,
                        "synced": standing.synced_at > 0, "waiting": standing.n_waiting,
                        "theirs": n_theirs,
                    }
                }
            )  # fmt: skip

    def _say(self, what: dict[str, Any]) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(what) + "\n")
            sys.stdout.flush()

    def _done(self, asked: dict[str, str]) -> Any:
        match asked["do"]:
            case "redeem":
                return self._recorded("redeem", Redeem(of=asked["of"]))
            case "block":
                return self._recorded("block_band", BlockBand(band=asked["band"], why="lost"))
            case "hand_over":
                args = HandOverPickup(pickup=asked["pickup"], to="Lena")
                return self._recorded("hand_over_pickup", args)
            case "see":
                cell = self._lookup.cells((asked["key"],), owner=OWNER)[asked["key"]]
                return msgspec.to_builtins(cell.body) if isinstance(cell, Row) else None
            case "tap":
                sighting = self._lookup.by_band(asked["band"])
                body = None if sighting is None else sighting.band.body
                return body.state if isinstance(body, Band) else "unknown"
            case other:
                raise AssertionError(other)

    def _recorded(self, kind: str, args: msgspec.Struct) -> str:
        try:
            kept = self._desk.record(
                kind, args, owner=OWNER, actor="ben", evidence=Evidence("S1", "found")
            )
        except Refused as refused:
            return f"refused {refused.code}"
        return "waits" if kept.waits else "given"


if __name__ == "__main__":
    Till(*sys.argv[1:]).run()
