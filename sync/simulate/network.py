"""The network between one kiosk and the centre: it is late, loses, repeats, cuts, alters, and sometimes somebody else answers.

A request that left reaches the centre whatever becomes of who asked: cancelling a call does not take it back. Nothing is
sent but values; what a fault does to them is drawn from this kiosk's own chance.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final

import msgspec

from sync.model.errors import CentreUnreachable
from sync.model.ports import Request, Response
from sync.simulate.chance import Chance

LATENCY_MS: Final = (2, 120)
SLOW_MS: Final = (1_000, 90_000)
"""A request or answer that hangs somewhere; most are given up before it comes."""

PORTAL: Final = b"<!doctype html><title>Hotel guests</title><p>Please log in"
KEPT_MAX: Final = 8
"""Old answers a confused cache in between may give again."""

Centre = Callable[[Request], Awaitable[Response]]


class Trouble(Enum):
    """What can become of one call."""

    LOST_REQUEST = "lost request"
    LOST_ANSWER = "lost answer"
    TWICE = "request twice"
    LATE_REQUEST = "late request"
    LATE_ANSWER = "late answer"
    CUT_REQUEST = "cut request"
    ALTERED_REQUEST = "altered request"
    CUT_ANSWER = "cut answer"
    ALTERED_ANSWER = "altered answer"
    PORTAL = "somebody's page"
    GATEWAY = "a gateway's error"
    THROTTLED = "too many requests"
    STALE = "an old answer"
    OTHER_STATUS = "a changed status"


ALL: Final = tuple(Trouble)


class Network:
    """A Transport of one kiosk."""

    def __init__(self, centre: Centre, chance: Chance, note: Callable[[str], None]) -> None:
        """Args: `note` is told each fault."""
        self._centre = centre
        self._chance = chance
        self._note = note
        self._kept: list[Response] = []
        self._under_way: set[asyncio.Task[Response]] = set()
        self.is_cut = False
        self.trouble_percent = 0
        self.poison: set[str] = set()
        """Ids of operations some node of the centre fails at before it looks at them."""
        self.n_calls = self.n_parts = 0
        """Of the calls, those for parts of snapshots."""
        self.n_faults = 0

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        """Carry one request. Raises CentreUnreachable."""
        self.n_calls += 1
        self.n_parts += "/snap/" in request.url
        trouble = self._chance.pick(ALL) if self._chance.hits(self.trouble_percent) else None
        if trouble is not None:
            self.n_faults += 1
            self._note(trouble.value)
        try:
            async with asyncio.timeout(deadline_ms / 1_000):
                response = await self._carried(request, trouble)
        except TimeoutError as error:
            raise CentreUnreachable("no answer in time") from error
        if len(response.body) > size_max:
            raise CentreUnreachable("the answer is too large")
        return response

    async def close(self) -> None:
        """There are no connections."""

    async def end(self) -> None:
        """Drop what is still on its way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _carried(self, request: Request, trouble: Trouble | None) -> Response:
        await self._pass()
        if self._is_gone(trouble, Trouble.LOST_REQUEST):
            raise CentreUnreachable("lost on the way")
        if trouble in _OTHERS:
            return _OTHERS[trouble]
        if trouble is Trouble.STALE and self._kept:
            return self._chance.pick(self._kept)
        answering = self._delivered(self._spoilt(request, trouble), trouble)
        if trouble is Trouble.TWICE:
            again = self._delivered(request, None)
            answering = again if self._chance.hits(50) else answering
        response = await asyncio.shield(answering)
        await self._pass(is_slow=trouble is Trouble.LATE_ANSWER)
        if self._is_gone(trouble, Trouble.LOST_ANSWER):
            raise CentreUnreachable("lost on the way back")
        self._kept = [*self._kept[1 - KEPT_MAX :], response]
        return self._spoilt_answer(response, trouble)

    def _is_gone(self, trouble: Trouble | None, lost: Trouble) -> bool:
        return self.is_cut or trouble is lost

    def _delivered(self, request: Request, trouble: Trouble | None) -> "asyncio.Task[Response]":
        task = asyncio.ensure_future(self._at_the_centre(request, trouble))
        self._under_way.add(task)
        task.add_done_callback(self._arrived)
        return task

    def _arrived(self, task: "asyncio.Task[Response]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # who asked may be gone

    async def _at_the_centre(self, request: Request, trouble: Trouble | None) -> Response:
        if trouble is Trouble.LATE_REQUEST:
            await self._pass(is_slow=True)
        if request.url.endswith("/push") and any(
            op.encode() in request.body for op in self.poison
        ):
            return _failed(request)
        return await self._centre(request)

    def _spoilt(self, request: Request, trouble: Trouble | None) -> Request:
        body = request.body
        if trouble is Trouble.CUT_REQUEST:
            body = body[: self._chance.below(len(body))]
        elif trouble is Trouble.ALTERED_REQUEST:
            body = self._flipped(body)
        return Request(request.method, request.url, request.headers, body)

    def _spoilt_answer(self, response: Response, trouble: Trouble | None) -> Response:
        status, body = response.status, response.body
        if trouble is Trouble.CUT_ANSWER:
            body = body[: self._chance.below(len(body))]
        elif trouble is Trouble.ALTERED_ANSWER:
            body = self._flipped(body)
        elif trouble is Trouble.OTHER_STATUS:
            status = self._chance.pick((200, 204, 304, 409, 410, 500))
        return Response(status, response.headers, body)

    def _flipped(self, body: bytes) -> bytes:
        if not body:
            return body
        spoilt = bytearray(body)
        spoilt[self._chance.below(len(body))] ^= 1 << self._chance.below(8)
        return bytes(spoilt)

    async def _pass(self, *, is_slow: bool = False) -> None:
        await _passed(self._chance.between(*(SLOW_MS if is_slow else LATENCY_MS)))


async def _passed(duration_ms: int) -> None:
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()
    timer = loop.call_later(duration_ms / 1_000, waiting.set_result, None)
    try:
        await waiting
    finally:
        timer.cancel()


def _failed(request: Request) -> Response:
    body = msgspec.json.encode({"code": "failed", "title": "failed", "status": 500})
    headers = (
        ("content-type", "application/problem+json"),
        ("x-req", request.header("x-req")),
    )
    return Response(500, headers, body)


_OTHERS: Final[dict[Trouble | None, Response]] = {
    Trouble.PORTAL: Response(200, (("content-type", "text/html"),), PORTAL),
    Trouble.GATEWAY: Response(502, (("content-type", "text/html"),), b"<h1>Bad Gateway</h1>"),
    Trouble.THROTTLED: Response(
        429, (("content-type", "text/plain"), ("retry-after", "7")), b"slow down"
    ),
}
"""What others answer in the centre's place."""
