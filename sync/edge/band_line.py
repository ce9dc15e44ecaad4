"""The way to the centre that proofs of bands have for themselves: a thread, a session and a connection of their own.

A proof has 400 ms. What the sync thread does meanwhile, a held poll, a page being written, somebody's question, must not be
before it; so nothing of it is shared but the device's name. A session is agreed on when the first band is at the reader, while
that is being read, and again when the centre does not know it any more: then within the same 400 ms.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Final

from sync.edge.band_auth import BAND_MS, BandStep
from sync.edge.client import CentreClient
from sync.edge.engine import GREET_AGAIN
from sync.model.errors import CentreRefused, CentreUnreachable, SyncError
from sync.model.wire import BandRequest

log = logging.getLogger(__name__)

HELLO_MS: Final = 2_000
"""A hello that takes longer is given up: whoever tapped is served from what is here, and the next tap greets anew."""

STOP_S: Final = 1.0
"""How long `stop` waits for the thread; it has nothing to finish."""


class BandLine:
    """Asks the centre about bands. Start it and stop it once; without its thread nobody answers."""

    def __init__(self, client: CentreClient, *, lineage: Callable[[], str]) -> None:
        """Args: `client` is not shared with anybody; `lineage` is the one of the outbox now."""
        self._client = client
        self._lineage = lineage
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over: asyncio.Event | None = None
        self._is_ready = threading.Event()
        self._greeting: asyncio.Task[None] | None = None
        self._is_greeted = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin in a thread of its own; nothing is asked before somebody is here."""
        assert self._thread is None, "a line is started once"
        self._thread = threading.Thread(target=self._main, name="bands", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """End the thread; who still waits is told that nobody answers. Harmless when done twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._is_over is not None:
            with contextlib.suppress(RuntimeError):  # the loop ended by itself
                self._loop.call_soon_threadsafe(self._is_over.set)
        thread.join(STOP_S)

    def ready(self) -> None:
        """A band is at the reader: have a session, should it be asked about. From any thread; returns at once."""

        def begin() -> None:
            if not self._is_greeted:
                self._keep(asyncio.ensure_future(self._greeted_or_not()))

        self._on_loop(begin)

    def prove(self, request: BandRequest) -> "Future[BandStep]":
        """One step of the proof of a band whose key is not lent to this store; a CentreError in it. From any thread."""
        answer: Future[BandStep] = Future()

        def begin() -> None:
            self._keep(asyncio.ensure_future(self._answer(answer, request)))

        if not self._on_loop(begin):
            answer.set_exception(CentreUnreachable("nobody asks about bands"))
        return answer

    def _on_loop(self, begin: Callable[[], None]) -> bool:
        loop = self._loop if self._thread is not None else None
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:  # the loop ended by itself
            return False
        return True

    # On its thread

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        finally:
            self._is_ready.set()

    async def _run(self) -> None:
        self._loop, self._is_over = asyncio.get_running_loop(), asyncio.Event()
        self._is_ready.set()
        try:
            await self._is_over.wait()
        finally:
            waiting = [*self._tasks, *([self._greeting] if self._greeting else [])]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await self._client.close()

    def _greet(self) -> "asyncio.Task[None]":
        """The greeting under way, or a new one: however many ask, the centre is greeted once."""
        if self._greeting is None or self._greeting.done():
            self._greeting = asyncio.ensure_future(self._greeted())
        return self._greeting

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _greeted_or_not(self) -> None:
        with contextlib.suppress(SyncError):  # greeted when it is needed
            await asyncio.shield(self._greet())

    async def _greeted(self) -> None:
        self._is_greeted = False
        try:
            async with asyncio.timeout(HELLO_MS / 1_000):
                await self._client.hello(lineage=self._lineage())
        except TimeoutError as error:
            raise CentreUnreachable("no answer to a hello in time") from error
        self._is_greeted = True

    async def _answer(self, answer: "Future[BandStep]", request: BandRequest) -> None:
        try:
            async with asyncio.timeout(BAND_MS / 1_000):
                result = await self._asked(request)
        except TimeoutError:
            self._fail(answer, CentreUnreachable("no answer in time"))
        except SyncError as error:
            self._fail(answer, error)
        except asyncio.CancelledError:
            self._fail(answer, CentreUnreachable("the line ended"))
            raise
        else:
            with contextlib.suppress(InvalidStateError):  # whoever asked went away
                answer.set_result(result)

    @staticmethod
    def _fail(answer: "Future[BandStep]", error: SyncError) -> None:
        with contextlib.suppress(InvalidStateError):
            answer.set_exception(error)

    async def _asked(self, request: BandRequest) -> BandStep:
        if not self._is_greeted:
            await asyncio.shield(self._greet())
        try:
            return await self._client.band(request)
        except CentreRefused as error:
            if error.problem not in GREET_AGAIN:
                raise
        log.info("greeted again for a band")
        self._is_greeted = False
        await asyncio.shield(self._greet())
        return await self._client.band(request)
