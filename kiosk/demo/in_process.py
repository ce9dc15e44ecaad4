"""A Transport that calls a web application in this process: the same bytes both ways, no socket between.

Source: ASGI specification 3.0, HTTP connection scope.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from sync.model.errors import CentreUnreachable
from sync.model.ports import Request, Response

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

DEFAULT_PORT: Final = 80


class InProcessTransport:
    """One application, called for each request."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        """The application's whole answer. Raises CentreUnreachable when it is late or too large."""
        inbox: list[Message] = [
            {"type": "http.request", "body": request.body, "more_body": False}
        ]
        never = asyncio.Event()
        said: list[Message] = []

        async def receive() -> Message:
            if inbox:
                return inbox.pop()
            await never.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            said.append(message)

        try:
            async with asyncio.timeout(deadline_ms / 1_000):
                await self._app(_scope_of(request), receive, send)
        except TimeoutError as error:
            raise CentreUnreachable("no answer in time") from error
        start = next((part for part in said if part["type"] == "http.response.start"), None)
        body = b"".join(part.get("body", b"") for part in said if "body" in part)
        if start is None or len(body) > size_max:
            raise CentreUnreachable("no answer" if start is None else "the answer is too large")
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in start.get("headers", ())
        )
        return Response(start["status"], headers, body)

    async def close(self) -> None:
        """Nothing is held."""


def _scope_of(request: Request) -> Message:
    parts = urlsplit(request.url)
    sent = (
        ("host", parts.netloc),
        ("content-length", str(len(request.body))),
        *request.headers,
    )
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent],
        "client": ("127.0.0.1", 0),
        "server": (parts.hostname, parts.port or DEFAULT_PORT),
    }
