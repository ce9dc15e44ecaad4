"""Vendors for tests: real HTTP servers on loopback that answer as the vendors document, and fail as they do.

Written without our senders, so that they can disagree: each checks what its vendor requires and refuses the rest. `fail_next`
answers once with a status; `lose_next` does what was asked and breaks the line; `stall_next` does it and answers too late.
"""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Vendor:
    """A vendor's service while its block is open. `answer` is what it does."""

    name: ClassVar[str] = "vendor"

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._next: list[Said | str] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                size = int(self.headers.get("content-length", 0))
                headers = {key.lower(): value for key, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(size))
                said = vendor.served(asked)
                if said is None:
                    self.close_connection = True
                    return
                content = b"" if said.body is None else json.dumps(said.body).encode()
                self.send_response(said.status)
                for key, value in ({"content-type": "application/json"} | said.headers).items():
                    self.send_header(key, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = _serve  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nothing: a test's output is its own."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Nothing: a client that left too early is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def pause(self) -> None:
        """Give others a moment."""
        self._released.wait(0.01)

    # How it fails

    def fail_next(self, status: int, body: Any = None, **headers: str) -> None:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self._next.append(Said(status, body, named))

    def lose_next(self) -> None:
        self._next.append("lose")

    def stall_next(self) -> None:
        self._next.append("stall")

    def served(self, asked: Asked) -> Said | None:
        with self._lock:
            self.asked.append(asked)
            how = self._next.pop(0) if self._next else ""
            if isinstance(how, Said):
                return how
            said = self.answer(asked)
        if how == "stall":
            self._released.wait(20)
        return None if how else said

    def answer(self, asked: Asked) -> Said:
        raise NotImplementedError


@contextmanager
def running(*vendors: Vendor) -> Iterator[None]:
    """Close them at the end."""
    try:
        yield
    finally:
        for vendor in vendors:
            vendor.close()


class WhatsAppCloud(Vendor):
    """Meta's Cloud API, as far as one phone number sends text and templates."""

    PHONE, ACCESS = "1067", "EAAG-test"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, Any]] = []
        self.open_windows: set[str] = set()
        self.templates = {("parcel_ready", "en"): 2, ("news", "de"): 1}

    def settings(self) -> dict[str, dict[str, str]]:
        return {
            "options": {"phone_id": self.PHONE, "api_url": f"{self.url}/v22.0"},
            "secrets": {"access": self.ACCESS},
        }

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {self.ACCESS}":
            return self._error(401, 190, "Error validating access token")
        if (asked.method, asked.path) != ("POST", f"/v22.0/{self.PHONE}/messages"):
            return self._error(400, 100, "Unsupported request")
        body = asked.json
        to = body.get("to", "")
        if body.get("messaging_product") != "whatsapp" or not to.isdigit():
            return self._error(400, 100, "Invalid parameter")
        wrong = self._wrong(body, to)
        if wrong is not None:
            return wrong
        self.sent.append(body)
        return Said(
            200,
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": to, "wa_id": to}],
                "messages": [{"id": f"wamid.{len(self.sent)}"}],
            },
        )

    def _wrong(self, body: dict[str, Any], to: str) -> Said | None:
        if body.get("type") == "text" and isinstance(body["text"].get("body"), str):
            is_open = to in self.open_windows
            return None if is_open else self._error(400, 131047, "Re-engagement message")
        if body.get("type") != "template":
            return self._error(400, 100, "Invalid parameter")
        template = body["template"]
        known = (template["name"], template["language"]["code"])
        if known not in self.templates:
            return self._error(404, 132001, "Template name does not exist")
        places = [one for part in template.get("components", []) for one in part["parameters"]]
        if len(places) != self.templates[known]:
            return self._error(400, 132000, "Number of parameters does not match")
        return None

    @staticmethod
    def _error(status: int, code: int, message: str) -> Said:
        error = {
            "message": f"(#{code}) {message}", "type": "OAuthException", "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": message}, "fbtrace_id": "A1",
        }  # fmt: skip
        return Said(status, {"error": error})


class Chatwoot(Vendor):
    """Chatwoot's application API: the messages of conversations."""

    ACCOUNT, ACCESS = "1", "cw-test"

    def __init__(self) -> None:
        super().__init__()
        self.conversations: dict[str, list[dict[str, Any]]] = {"77": []}

    def settings(self) -> dict[str, dict[str, str]]:
        return {
            "options": {"account": self.ACCOUNT, "api_url": self.url},
            "secrets": {"api_access": self.ACCESS},
        }

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("api_access_token") != self.ACCESS:
            return Said(401, {"error": "You need to sign in or sign up before continuing."})
        head, _, rest = asked.path.partition("/conversations/")
        thread, _, what = rest.partition("/")
        if head != f"/api/v1/accounts/{self.ACCOUNT}" or thread not in self.conversations:
            return Said(404, {"error": "Resource could not be found"})
        if what != "messages":
            return Said(404, {"error": "Resource could not be found"})
        messages = self.conversations[thread]
        if asked.method == "GET":
            return Said(200, {"meta": {}, "payload": messages[-20:]})
        body = asked.json
        made = {
            "id": 900 + len(messages), "content": body["content"], "private": body.get("private", False),
            "message_type": {"incoming": 0, "outgoing": 1}[body.get("message_type", "outgoing")],
            "content_attributes": body.get("content_attributes", {}), "conversation_id": int(thread),
            "template_params": body.get("template_params"),
        }  # fmt: skip
        messages.append(made)
        return Said(200, made)


class Twilio(Vendor):
    """Twilio's messages, for one account."""

    ACCOUNT, AUTH = "AC1", "tw-test"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, str]] = []
        self.listed: list[dict[str, str]] = []
        self.now_s = 0

    def settings(self) -> dict[str, dict[str, str]]:
        return {
            "options": {"account": self.ACCOUNT, "from": "+441632960000", "api_url": self.url},
            "secrets": {"auth": self.AUTH},
        }

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != "Basic QUMxOnR3LXRlc3Q=":
            return Said(401, {"code": 20003, "message": "Authenticate", "status": 401})
        if urlsplit(asked.path).path != f"/2010-04-01/Accounts/{self.ACCOUNT}/Messages.json":
            return Said(404, {"code": 20404, "message": "not found", "status": 404})
        if asked.method == "GET":
            to = parse_qs(urlsplit(asked.path).query)["To"]
            found = [one for one in reversed(self.listed) if [one["to"]] == to]
            return Said(200, {"messages": found, "page": 0, "page_size": 50})
        fields = {key: value[0] for key, value in parse_qs(asked.body.decode()).items()}
        if not fields.get("To", "").startswith("+"):
            return Said(
                400, {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}
            )
        self.sent.append(fields)
        self.listed.append(
            {
                "sid": f"SM{len(self.sent)}", "direction": "outbound-api", "status": "queued", "to": fields["To"],
                "from": fields.get("From", ""), "body": fields["Body"],
                "date_created": format_datetime(datetime.fromtimestamp(self.now_s, UTC)),
            }
        )  # fmt: skip
        return Said(201, {"sid": f"SM{len(self.sent)}", "status": "queued", "to": fields["To"]})


class Subscriber(Vendor):
    """A system that takes our CloudEvents, as their specification and our own signature ask of it."""

    SECRET = "a secret of sixteen"

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.now_s: int | None = None

    def settings(self, **options: str) -> dict[str, dict[str, str]]:
        return {
            "options": {"send_url": f"{self.url}/events", **options},
            "secrets": {"signing": self.SECRET},
        }

    def answer(self, asked: Asked) -> Said:
        if not asked.headers.get("content-type", "").startswith("application/cloudevents+json"):
            return Said(415, {"error": "not an event"})
        told = dict(
            part.split("=", 1) for part in asked.headers["tapthread-signature"].split(",")
        )
        signed = f"{told['t']}.".encode() + asked.body
        if told["v1"] != hmac.new(self.SECRET.encode(), signed, hashlib.sha256).hexdigest():
            return Said(401, {"error": "signature"})
        if self.now_s is not None and abs(int(told["t"]) - self.now_s) > 300:
            return Said(401, {"error": "too old"})
        event = asked.json
        missing = {"specversion", "id", "source", "type"} - set(event)
        if missing:
            return Said(400, {"error": f"without {missing}"})
        self.events.append(event)
        return Said(204)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


class ShopifyAdmin(Vendor):
    """One shop's GraphQL Admin API, as far as stock, fulfilments and returns go."""

    ACCESS = "shpat_test"

    def __init__(self) -> None:
        super().__init__()
        self.available: dict[tuple[str, str], int] = {}
        self.fulfilment_orders = {"5001": {"1": "OPEN", "2": "CLOSED"}}
        self.returns: dict[str, list[dict[str, Any]]] = {}
        self.fulfilled = {"9": ("LS-M", 2)}
        """By the number of a fulfilment's line: its SKU, and how many of it went out."""
        self.mutations: list[str] = []

    def settings(self, **options: str) -> dict[str, dict[str, str]]:
        return {
            "options": {
                "api_url": self.url, "write_back": "yes", "stores": "65432=harbour", **options,
            },
            "secrets": {"access": self.ACCESS},
        }  # fmt: skip

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("x-shopify-access-token") != self.ACCESS:
            return Said(401, {"errors": "[API] Invalid API key or access token"})
        if (asked.method, asked.path) != ("POST", "/admin/api/2025-04/graphql.json"):
            return Said(404, {"errors": "Not Found"})
        query, variables = asked.json["query"], asked.json["variables"]
        for name, done in (
            ("inventorySetQuantities", self._set),
            ("fulfillmentCreate", self._fulfil),
            ("returnCreate", self._return),
        ):
            if query.startswith("mutation") and name in query:
                self.mutations.append(name)
                return Said(200, {"data": {name: done(variables)}})
        order = variables["id"].rpartition("/")[2]
        if "returnableFulfillments" in query:
            return Said(200, {"data": self._returnable(order)})
        known = self.fulfilment_orders.get(order)
        nodes = [
            {"id": f"gid://shopify/FulfillmentOrder/{number}", "status": status}
            for number, status in (known or {}).items()
        ]
        found = {"fulfillmentOrders": {"nodes": nodes}} if known is not None else None
        return Said(200, {"data": {"order": found}})

    def throttle_next(self) -> None:
        error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
        self.fail_next(200, {"errors": [error]})

    def _set(self, variables: dict[str, Any]) -> dict[str, Any]:
        told = variables["input"]
        if told["name"] not in ("available", "on_hand") or not told["ignoreCompareQuantity"]:
            return {"userErrors": [{"field": ["input"], "message": "invalid"}]}
        for one in told["quantities"]:
            if not one["inventoryItemId"].startswith("gid://shopify/InventoryItem/"):
                return {"userErrors": [{"field": ["quantities"], "message": "invalid id"}]}
            self.available[one["inventoryItemId"], one["locationId"]] = one["quantity"]
        return {"userErrors": []}

    def _fulfil(self, variables: dict[str, Any]) -> dict[str, Any]:
        for part in variables["fulfillment"]["lineItemsByFulfillmentOrder"]:
            number = part["fulfillmentOrderId"].rpartition("/")[2]
            for known in self.fulfilment_orders.values():
                if known.get(number) == "CLOSED":
                    return {"userErrors": [{"field": [], "message": "already closed"}]}
                if number in known:
                    known[number] = "CLOSED"
        return {"fulfillment": {"id": "f", "status": "SUCCESS"}, "userErrors": []}

    def _left(self, order: str) -> dict[str, int]:
        """What can be returned still: what went out, less what is in a return."""
        left = {number: count for number, (_, count) in self.fulfilled.items()}
        for line in self.returns.get(order, []):
            left[line["fulfillmentLineItemId"].rpartition("/")[2]] -= line["quantity"]
        return left

    def _returnable(self, order: str) -> dict[str, Any]:
        nodes = [
            {
                "node": {
                    "quantity": count,
                    "fulfillmentLineItem": {
                        "id": f"gid://shopify/FulfillmentLineItem/{number}",
                        "lineItem": {"sku": self.fulfilled[number][0] or None},
                    },
                }
            }
            for number, count in self._left(order).items()
            if count
        ]
        lines = {"edges": nodes}
        edges = [{"node": {"returnableFulfillmentLineItems": lines}}] if nodes else []
        status = "IN_PROGRESS" if order in self.returns else "NO_RETURN"
        return {
            "order": {"returnStatus": status}, "returnableFulfillments": {"edges": edges},
        }  # fmt: skip

    def _return(self, variables: dict[str, Any]) -> dict[str, Any]:
        told = variables["returnInput"]
        order = told["orderId"].rpartition("/")[2]
        left = self._left(order)
        for line in told["returnLineItems"]:
            if not line["returnReason"]:
                return {"userErrors": [{"field": [], "message": "a reason is needed"}]}
            number = line["fulfillmentLineItemId"].rpartition("/")[2]
            if not 0 < line["quantity"] <= left.get(number, 0):
                return {"userErrors": [{"field": [], "message": "more than can be returned"}]}
        self.returns.setdefault(order, []).extend(told["returnLineItems"])
        return {"return": {"id": "gid://shopify/Return/1"}, "userErrors": []}
