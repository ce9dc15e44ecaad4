"""The Transport both ends talk through: one request out, one response back, or an error of ours."""

from dataclasses import dataclass, field
from typing import Protocol

Headers = tuple[tuple[str, str], ...]


def _value(headers: Headers, name: str) -> str:
    for key, value in headers:
        if key == name:
            return value
    return ""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as a value. `headers` have lower-case names; `url` is absolute."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Value of the first header of that lower-case name, "" when there is none."""
        return _value(self.headers, name)

    def with_headers(self, *added: tuple[str, str]) -> "Request":
        """The same request with more headers."""
        return Request(self.method, self.url, (*self.headers, *added), self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response as a value, decompressed by nobody yet."""

    status: int
    headers: Headers
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Value of the first header of that lower-case name, "" when there is none."""
        return _value(self.headers, name)


class Transport(Protocol):
    """Carries one request to the centre. The whole call ends within `deadline_ms`.

    Raises:
        CentreUnreachable: nothing came back, or not all of it, or more than `size_max` bytes.
    """

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        """Send and wait for the whole response."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...
