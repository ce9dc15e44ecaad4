"""Plays the vendors on loopback for what the demo sends out: messages by Meta, Chatwoot, Twilio and a mail server; stock by Shopify.

What a vendor would then tell us comes back as letters, signed and delivered like all others; a mail server tells nothing of a
mail it took. Nothing leaves this machine.
"""

import json
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as mail_policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

from hardware.clock import Clock
from hardware.moments import micros_of
from kiosk.demo import letters
from kiosk.demo.channels import Addresses
from kiosk.demo.letters import Letter

BODY_MAX: Final = 1_000_000
LINE_MAX: Final = 1_000
"""Bytes of a line of a mail. Source: RFC 5321, 4.5.3.1.6."""
HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as a vendor was asked to send it.

    Attributes:
        to: Number or address; of a message in Chatwoot its conversation.
        by: meta | chatwoot | twilio | mail.
    """

    to: str
    text: str
    by: str = "meta"


@dataclass(frozen=True, slots=True)
class StockSet:
    """A number the web shop was told."""

    product: str
    count: int


def _http_handler(vendors: "Vendors") -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self) -> None:  # the library's own name
            """A sender asks whether a message of ours is there already."""
            self._answer({"payload": vendors.held(self.path)})

        def do_POST(self) -> None:  # the library's own name
            """Answer as the vendor at this address would."""
            size = min(int(self.headers.get("content-length") or 0), BODY_MAX)
            self._answer(vendors.answered(self.path, self.rfile.read(size)))

        def _answer(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's own name
            """Nothing is printed over a screen."""

    return Handler


def _mail_handler(vendors: "Vendors") -> type[socketserver.StreamRequestHandler]:
    class MailHandler(socketserver.StreamRequestHandler):
        """One connection of a mail program."""

        def handle(self) -> None:
            """Take its mails."""
            self.wfile.write(b"220 mx.tidemark.example\r\n")
            while line := self.rfile.readline(LINE_MAX):
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    vendors.took_mail(self._mail())
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

        def _mail(self) -> bytes:
            lines: list[bytes] = []
            while (line := self.rfile.readline(LINE_MAX)) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b"."))
            return b"".join(lines)

    return MailHandler


class Vendors:
    """All of them, as far as the demo writes to them. Start it, and stop it."""

    def __init__(
        self, *, clock: Clock, products: dict[int, str], tell: Callable[[Letter], None]
    ) -> None:
        """Args: number of an inventory item to product; `tell` hears what they tell us, on a thread of this server."""
        self._clock = clock
        self._products = products
        self._tell = tell
        self._lock = threading.Lock()
        self._talks: dict[str, list[dict[str, Any]]] = {}
        self.messages: list[SentMessage] = []
        self.stock: list[StockSet] = []
        self._http = ThreadingHTTPServer((HOST, 0), _http_handler(self))
        self._mail = socketserver.ThreadingTCPServer((HOST, 0), _mail_handler(self))
        self._servers: tuple[socketserver.TCPServer, ...] = (self._http, self._mail)
        self._http.daemon_threads = self._mail.daemon_threads = True
        self._threads = [
            threading.Thread(target=each.serve_forever, name="vendors", daemon=True)
            for each in self._servers
        ]

    @property
    def addresses(self) -> Addresses:
        """Where they are."""
        http, mail = (each.server_address[1] for each in self._servers)
        return Addresses(f"http://{HOST}:{http}", int(mail))

    def start(self) -> None:
        """Listen."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let go of the ports."""
        for each, thread in zip(self._servers, self._threads, strict=True):
            each.shutdown()
            each.server_close()
            thread.join()

    def answered(self, path: str, body: bytes) -> dict[str, Any]:
        """What the vendor at this path answers to a POST."""
        _, vendor, *rest = path.split("/")
        if vendor == "twilio":
            return self._text({key: one[0] for key, one in parse_qs(body.decode()).items()})
        said = json.loads(body or b"{}")
        if vendor == "chatwoot":
            return self._talk(rest[rest.index("conversations") + 1], said)
        return self._message(said) if vendor == "meta" else self._graphql(said)

    def held(self, path: str) -> list[dict[str, Any]]:
        """The messages of ours in the conversation at this path of Chatwoot's."""
        with self._lock:
            return list(self._talks.get(path.split("/")[-2], ()))

    def _sent(self, to: str, text: str, by: str) -> int:
        """Remember a message; how many that are now."""
        with self._lock:
            self.messages.append(SentMessage(to, text, by))
            return len(self.messages)

    def took_mail(self, body: bytes) -> None:
        """The mail server has a mail."""
        mail = message_from_bytes(body, policy=mail_policy)
        assert isinstance(mail, EmailMessage)
        self._sent(mail["To"].addresses[0].addr_spec, mail.get_content().strip(), "mail")

    def _text(self, fields: dict[str, str]) -> dict[str, Any]:
        """Twilio takes a text message."""
        at = micros_of(self._clock.now())
        ref = f"SM{at}{self._sent(fields['To'], fields['Body'], 'twilio')}"
        for state in ("sent", "delivered"):
            self._tell(letters.text_status(ref, fields["To"], state, at=at))
        return {"sid": ref, "status": "queued", "to": fields["To"]}

    def _talk(self, thread: str, body: dict[str, Any]) -> dict[str, Any]:
        """Chatwoot puts a message into a conversation."""
        at, text = micros_of(self._clock.now()), str(body.get("content", ""))
        # Past every message the demo was seeded with; another run has another time.
        ref = at // letters.SECOND_US * 1_000 + self._sent(thread, text, "chatwoot")
        made = {"id": ref, "content": text, "content_attributes": body["content_attributes"]}
        with self._lock:
            self._talks.setdefault(thread, []).append(made)
        for state in ("delivered", "read"):
            self._tell(letters.talk_status(ref, state, at=at))
        return made

    def _message(self, body: dict[str, Any]) -> dict[str, Any]:
        """Meta takes a message."""
        to, at = str(body.get("to", "")), micros_of(self._clock.now())
        template = body.get("template") or {}
        places = [
            one for part in template.get("components", ()) for one in part.get("parameters", ())
        ]
        filled = " ".join(str(one.get("text", "")) for one in places)
        free = (body.get("text") or {}).get("body")
        text = str(free) if free else f"[template {template.get('name', '')}] {filled}"
        ref = f"wamid.sent-{at}-{self._sent(to, text, 'meta')}"
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
