"""A Transport that can be cut and joined again, like a network cable: for the demo's N key and for tests."""

import asyncio
from typing import Final

from sync.model.errors import CentreUnreachable
from sync.model.ports import Request, Response, Transport

CUT: Final = "the network is cut"


class SwitchedTransport:
    """Another transport behind a switch; cutting ends what is under way. Any thread may switch."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._is_cut = False
        self._under_way: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def is_cut(self) -> bool:
        """Whether nothing gets through."""
        return self._is_cut

    def cut(self) -> None:
        """Let nothing through, and end what is under way."""
        self._is_cut = True
        for loop, is_over in tuple(self._under_way):
            if not loop.is_closed():
                loop.call_soon_threadsafe(is_over.set)

    def join(self) -> None:
        """Let requests through again."""
        self._is_cut = False

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        """As the inner transport. Raises CentreUnreachable, at once while it is cut."""
        if self._is_cut:
            raise CentreUnreachable(CUT)
        mark = (asyncio.get_running_loop(), asyncio.Event())
        self._under_way.add(mark)
        sending = asyncio.ensure_future(
            self._inner.send(request, deadline_ms=deadline_ms, size_max=size_max)
        )
        cutting = asyncio.ensure_future(mark[1].wait())
        try:
            await asyncio.wait((sending, cutting), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise CentreUnreachable(CUT)
            return sending.result()
        finally:
            self._under_way.discard(mark)
            for task in (sending, cutting):
                task.cancel()
            await asyncio.gather(sending, cutting, return_exceptions=True)

    async def close(self) -> None:
        """Let go of the inner transport's connections."""
        await self._inner.close()
