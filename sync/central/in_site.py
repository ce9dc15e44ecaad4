"""The addresses other systems deliver to: `/in/<channel>`, one a channel, each proved by its vendor's own signature."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from sync.central.channels.adapter import Delivery
from sync.central.intake import Intake
from sync.central.parts import Parts
from sync.model.ports import Request, Response

PATH: Final = "in"
METHODS: Final = ("GET", "HEAD", "POST", "PUT")

_JSON: Final = (("content-type", "application/json"), ("cache-control", "no-store"))
_TEXT: Final = (("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store"))


class InSite:
    """Takes deliveries in."""

    path = PATH

    def __init__(self, parts: Parts, intake: Intake) -> None:
        """Over the parts and the channels of one centre."""
        self._parts = parts
        self._intake = intake

    def answer(self, request: Request) -> Response:
        """What a vendor is answered: 200 once all is durable, its greeting, or why not. Raises StoreError."""
        channel = channel_of(request.url)
        if not channel:
            return _problem(404, "there is no such channel")
        if request.method not in METHODS:
            return Response(
                405, (*_JSON, ("allow", ", ".join(METHODS))), b'{"problem":"method"}'
            )
        delivery = Delivery(
            body=request.body, headers=_joined(request), url=request.url, method=request.method,
            now=self._parts.now // 1_000_000,
        )  # fmt: skip
        taken = self._intake.deliver(channel, delivery)
        self._parts.counters.add(f"in.{taken.code}")
        if taken.code == "greeted":
            return Response(200, _TEXT, taken.body)
        if taken.status == 200:
            return Response(200, _JSON, msgspec.json.encode({"taken": len(taken.ids)}))
        return _problem(
            taken.status, "there is no such channel" if taken.status == 404 else "not believed"
        )

    def note_too_large(self, request: Request, size: int) -> None:
        """A body was larger than may be and was refused unread. Raises StoreError."""
        self._intake.note_too_large(channel_of(request.url), size)


def channel_of(url: str) -> str:
    """The channel an address is for; "" for none."""
    parts = urlsplit(url).path.strip("/").split("/")
    return parts[1] if len(parts) == 2 and parts[0] == PATH else ""


def _joined(request: Request) -> dict[str, str]:
    """Headers by name; of one that came several times all values. Source: RFC 9110, 5.3."""
    found: dict[str, str] = {}
    for name, value in request.headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _problem(status: int, text: str) -> Response:
    return Response(status, _JSON, msgspec.json.encode({"problem": text}))
