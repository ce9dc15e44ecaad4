"""Bands whose key is not lent to this store, proved through the centre while they are on the reader.

    proved (nothing, but provable)  ->  the page of what is known is shown  ->  told: prove
    challenge 1  ->  the centre  ->  response 1  ->  challenge 2  ->  the centre  ->  response 2, keys of this one session
    proved (mutual)  ->  its page; where this store does not hold its wearer yet: asked for, and the page once more

A band that was not proved so and is held there again at once is said again by the reader process, in the same tap: its proof is
tried again. Nobody waits for any of it: an answer that does not come within PROVE_MS is told as none, and the page stands as it is.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Literal

from drivers.credential.layout import band_id_of_reference
from drivers.errors import BandMalformed
from drivers.lines import Challenge, Left, Prove, Proved, Response, Said, Seen, Told
from drivers.proof import ProofKind
from kiosk.vouched import Vouched
from sync.edge.band_auth import BandStep
from sync.model.errors import CentreError, StoreError
from sync.model.wire import BandRequest, Want, Wanted

log = logging.getLogger(__name__)

PROVE_MS: Final = 400
"""How long one answer is waited for; the reader process gives the whole proof no more than that."""

WANT_S: Final = 5.0
"""How long a wearer this store did not hold is waited for: the page is refined as long as they may stand there."""

AskBand = Callable[[BandRequest], "Future[BandStep]"]
"""One step, with what the chip said and the state of the step before."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the proof of a band talks to.

    Attributes:
        ready: A band is at the reader, which the centre may be asked about; never waits.
        ask: One step at the centre; never waits.
        want: Has the wearer of a band held here; never waits.
        is_held: Whether this device has the wearer of a band. Raises StoreError.
        is_online: Whether the centre answered the last time, or was not asked yet.
        tell: Says something to the reader process.
        again: Takes a band that was proved once more, now that its wearer is held.
    """

    ready: Callable[[], None]
    ask: AskBand
    want: Callable[[Want], "Future[tuple[Wanted, ...]]"]
    is_held: Callable[[str], bool]
    is_online: Callable[[], bool]
    tell: Callable[[Told], None]
    again: Callable[[Said], None]


class RemoteProver:
    """Proves bands through the centre; on one event loop, beside the reader link."""

    def __init__(self, around: Around, *, vouched: Vouched) -> None:
        self._around = around
        self._vouched = vouched
        self._tap = 0
        self._is_there = False
        self._state = ""
        self._uid = ""
        self._n_tried = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, said: Said) -> None:
        """Take in a line of the reader process; returns at once. Call it after the page is shown."""
        match said:
            case Seen(tap=tap):
                self._tap, self._is_there, self._state, self._uid = tap, True, "", ""
                if self._around.is_online():
                    self._around.ready()
            case Left():
                self._is_there = False
            case Proved(is_provable=True) if said.tap == self._tap:
                self._prove(said)
            case Proved(kind=ProofKind.MUTUAL.value) if self._is_current(said.tap):
                self._start(self._fetch_wearer(said))
            case Challenge():
                self._start(self._answer(said))
            case _:
                pass

    def _prove(self, said: Proved) -> None:
        """Have it proved; where it is held there again after it had left, though the centre was silent a moment ago."""
        is_again, self._is_there = not self._is_there, True
        if is_again or self._around.is_online():
            self._uid, self._state = said.uid or "", ""
            self._n_tried += 1
            self._around.tell(Prove(said.tap))

    def close(self) -> None:
        """Ask for nothing more; harmless when done twice."""
        self._tap, self._is_there = 0, False
        for task in self._tasks:
            task.cancel()

    def _is_current(self, tap: int) -> bool:
        """Is it of the band that is there?"""
        return self._is_there and tap == self._tap

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, challenge: Challenge) -> None:
        """Ask the centre, and tell its answer or that there is none; nothing once the band is tried anew."""
        response, n_tried = Response(challenge.tap, challenge.step), self._n_tried
        if self._is_current(challenge.tap) and challenge.uid == self._uid:
            try:
                response = await self._response_to(challenge, n_tried)
            except (CentreError, TimeoutError, ValueError) as error:
                log.info("band not proved by the centre", extra={"cause": type(error).__name__})
        if n_tried == self._n_tried:
            self._around.tell(response)

    async def _response_to(self, challenge: Challenge, n_tried: int) -> Response:
        step: Literal[1, 2] = 1 if challenge.step == 1 else 2
        asked = self._around.ask(
            BandRequest(challenge.uid, step, challenge.data, self._state, challenge.dialect)
        )
        async with asyncio.timeout(PROVE_MS / 1_000):
            answer = await asyncio.wrap_future(asked)
        if step == 1:
            if n_tried == self._n_tried:
                self._state = answer.state
            return Response(challenge.tap, 1, data=answer.data.hex())
        self._vouched.note(bytes.fromhex(challenge.uid))
        return Response(challenge.tap, 2, keys=answer.keys.hex(), ti=answer.ti.hex())

    async def _fetch_wearer(self, said: Proved) -> None:
        """A band the centre proved belongs to somebody: have them here, and show their page."""
        try:
            if not said.uid or not said.band or not self._vouched.has(bytes.fromhex(said.uid)):
                return
            band = band_id_of_reference(bytes.fromhex(said.band))
            if self._around.is_held(band):
                return
            async with asyncio.timeout(WANT_S):
                await asyncio.wrap_future(self._around.want(Want(band=band)))
        except (CentreError, StoreError, TimeoutError, BandMalformed, ValueError) as error:
            log.info("wearer not fetched", extra={"cause": type(error).__name__})
            return
        if self._is_current(said.tap):
            self._vouched.note(bytes.fromhex(said.uid))
            self._around.again(said)
