"""Plays the vendors on loopback for what the demo sends out: Meta takes a message and tells that it was read, Shopify sets stock.

What a vendor would then tell us comes back as letters, signed and delivered like all others. Nothing leaves this machine.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from hardware.clock import Clock
from hardware.moments import micros_of
from kiosk.demo import letters
from kiosk.demo.letters import Letter

BODY_MAX: Final = 1_000_000
HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as Meta was asked to send it."""

    to: str
    text: str


@dataclass(frozen=True, slots=True)
class StockSet:
    """A number the web shop was told."""

    product: str
    count: int


class Vendors:
    """Meta and Shopify, as far as the demo writes to them. Start it, and stop it."""

    def __init__(
        self, *, clock: Clock, products: dict[int, str], tell: Callable[[Letter], None]
    ) -> None:
        """Args: number of an inventory item to product; `tell` hears what they tell us, on a thread of this server."""
        self._clock = clock
        self._products = products
        self._tell = tell
        self._lock = threading.Lock()
        self.messages: list[SentMessage] = []
        self.stock: list[StockSet] = []
        vendors = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self) -> None:  # the library's own name
                """Answer as the vendor at this address would."""
                size = min(int(self.headers.get("content-length") or 0), BODY_MAX)
                answer = vendors.answered(self.path, json.loads(self.rfile.read(size) or b"{}"))
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's own name
                """Nothing is printed over a screen."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="vendors", daemon=True
        )

    @property
    def url(self) -> str:
        """Where they are."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answered(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the vendor at this path answers."""
        return self._message(body) if path.startswith("/meta/") else self._graphql(body)

    def _message(self, body: dict[str, Any]) -> dict[str, Any]:
        to, at = str(body.get("to", "")), micros_of(self._clock.now())
        template = body.get("template") or {}
        places = [
            one for part in template.get("components", ()) for one in part.get("parameters", ())
        ]
        filled = " ".join(str(one.get("text", "")) for one in places)
        free = (body.get("text") or {}).get("body")
        text = str(free) if free else f"[template {template.get('name', '')}] {filled}"
        with self._lock:
            self.messages.append(SentMessage(to, text))
            ref = f"wamid.sent-{len(self.messages)}"
        ours = str(body.get("biz_opaque_callback_data", ""))
        for state in ("sent", "delivered", "read"):
            self._tell(letters.whatsapp_status(ref, ours, to, state, at=at))
        return {"messaging_product": "whatsapp", "messages": [{"id": ref}]}

    def _graphql(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = str(body.get("query", ""))
        if "inventorySetQuantities" in asked:
            for one in body["variables"]["input"]["quantities"]:
                self._set(
                    int(str(one["inventoryItemId"]).rpartition("/")[2]), int(one["quantity"])
                )
            return {"data": {"inventorySetQuantities": {"userErrors": []}}}
        if "fulfillmentOrders" in asked:
            return {"data": {"order": {"fulfillmentOrders": {"nodes": []}}}}
        return {"errors": [{"message": "the demo's web shop knows no such question"}]}

    def _set(self, item: int, count: int) -> None:
        """The web shop sells from the home store: what it shows follows, and it tells so."""
        product = self._products.get(item)
        if product is None:
            return
        with self._lock:
            self.stock.append(StockSet(product, count))
        at = micros_of(self._clock.now())
        self._tell(letters.web_stock(product, count, at=at, now=at))
