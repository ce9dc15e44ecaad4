"""Capsules on this side of the reader process: which are believed, and which bands are brought a younger one.

    proved (nothing, with a capsule)  ->  believed?  ->  proof "capsule", and what it carries        `checked`
    proved (mutual)  ->  due?  ->  the centre is asked  ->  it holds?  ->  told to the reader process, which writes it
                                                                          `CapsuleRefresher`, on the event loop

A capsule is due when this device does not know that the centre was asked for it within RENEW_US. The page never waits for any
of this, and nothing that goes wrong with it is shown to anybody: the next tap tries again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from drivers.credential.capsule import (
    FULL_SIZE,
    MINIMAL_SIZE,
    Capsule,
    CapsuleRefused,
    verified,
)
from drivers.credential.layout import band_id_of_reference
from drivers.credential.places import CAPSULE_SIZE_NTAG424
from drivers.errors import BandMalformed
from drivers.lines import Left, Proved, Refresh, Refreshed, Said, Seen, Told
from drivers.proof import ChipFamily, ProofKind
from kiosk.core.carried import Carried
from sync.edge.capsules import CapsuleSeen, CapsulesSeen
from sync.edge.lease import trusted_now
from sync.edge.leases import Leases
from sync.edge.store import EdgeStore
from sync.model.errors import CentreError, StoreError
from sync.model.thread_parts import parts_of

log = logging.getLogger(__name__)

RENEW_US: Final = 20 * 3_600 * 1_000_000
"""How old a capsule grows before a tap renews it: once a shop's day, so that what it says is of yesterday at worst."""

ANSWER_S: Final = 2.0
"""How long the centre is waited for; the wrist is gone sooner, and the answer is the same next time."""

WRITTEN: Final = frozenset({"written", "kept"})
"""Outcomes after which the band carries the capsule that was asked for, or a newer one."""

SIZES: Final = {
    ChipFamily.DESFIRE.value: FULL_SIZE,
    ChipFamily.NTAG424.value: CAPSULE_SIZE_NTAG424,
    ChipFamily.ULTRALIGHT_AES.value: MINIMAL_SIZE,
    ChipFamily.ULTRALIGHT_C.value: MINIMAL_SIZE,
}
"""Bytes each family has for a capsule; a family that is not here carries none."""


def checked(
    proved: Proved, *, keys: Iterable[bytes], now: int, seen: CapsulesSeen | None = None
) -> Carried | None:
    """What the band of a tap carries; None when it carries nothing, or nothing that holds.

    Args:
        proved: As the reader process said it.
        keys: What capsules are believed by.
        now: A time that never goes back, microseconds since 1970.
        seen: What this device knows to be on bands: an older capsule than that is a copy.

    Raises:
        StoreError: this device's files, where `seen` is given.
    """
    capsule = _held(proved, keys=keys, now=now, seen=seen)
    if capsule is None:
        return None
    return Carried(
        issued_at=capsule.issued_at,
        name=capsule.name,
        language=capsule.language,
        is_waiting=capsule.is_waiting,
        is_owed=capsule.is_owed,
        parts=parts_of(capsule.parts),
        line=capsule.line,
    )


def _held(
    proved: Proved, *, keys: Iterable[bytes], now: int, seen: CapsulesSeen | None
) -> Capsule | None:
    if not (proved.capsule and proved.uid and proved.band):
        return None
    try:
        raw, uid = bytes.fromhex(proved.capsule), bytes.fromhex(proved.uid)
        reference = bytes.fromhex(proved.band)
        band = band_id_of_reference(reference)
        known = CapsuleSeen() if seen is None else seen.of(band)
        capsule = verified(raw, keys=keys, uid=uid, band=reference, now=now, seq_min=known.seq)
    except CapsuleRefused as refused:
        log.warning("capsule not believed", extra={"cause": refused.why.value})
        return None
    except (BandMalformed, ValueError):
        log.warning("capsule not believed", extra={"cause": "malformed"})
        return None
    if seen is not None and capsule.seq > known.seq:
        try:
            seen.note(band, seq=capsule.seq, until=capsule.until)
        except StoreError as error:  # the page stands without it
            log.warning("store failed", extra={"code": error.code})
    return capsule


@dataclass(frozen=True, slots=True)
class _Asked:
    """A capsule on its way to the band of one tap."""

    tap: int
    band: str
    capsule: Capsule


class CapsuleRefresher:
    """Brings bands younger capsules; on one event loop, beside the reader link.

    Args:
        store: Of this device.
        ask: The centre's capsule of a band, in at most so many bytes; never waits.
        tell: Says something to the reader process.
    """

    def __init__(
        self,
        store: EdgeStore,
        *,
        ask: Callable[[str, int], "Future[bytes]"],
        tell: Callable[[Told], None],
    ) -> None:
        self._store = store
        self._leases = Leases(store)
        self._seen = CapsulesSeen(store)
        self._ask = ask
        self._tell = tell
        self._tap = 0
        self._is_there = False
        self._asking: set[asyncio.Task[None]] = set()
        self._told: _Asked | None = None

    def heard(self, said: Said) -> None:
        """Take in a line of the reader process; returns at once."""
        match said:
            case Seen(tap=tap):
                self._tap, self._is_there = tap, True
            case Left():
                self._is_there = False
            case Proved(kind=ProofKind.MUTUAL.value) if said.tap == self._tap:
                self._is_there = True  # it may have been held there again
                task = asyncio.ensure_future(self._refresh(said))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            case Refreshed():
                self._settle(said)
            case _:
                pass

    def close(self) -> None:
        """Ask for nothing more; harmless when done twice."""
        self._is_there = False
        for task in self._asking:
            task.cancel()

    async def wait(self) -> None:
        """Until nothing is on its way any more; for who ends, and for tests."""
        while self._asking:
            await asyncio.gather(*self._asking)

    async def _refresh(self, proved: Proved) -> None:
        try:
            asked = await self._fetched(proved)
        except (CentreError, TimeoutError):
            return  # offline: the band keeps what it carries
        except (BandMalformed, CapsuleRefused, StoreError, ValueError) as error:
            log.warning("capsule not brought", extra={"cause": type(error).__name__})
            return
        if asked is None or asked[0].tap != self._tap or not self._is_there:
            return
        self._told, raw = asked
        self._tell(Refresh(self._told.tap, raw.hex()))

    async def _fetched(self, proved: Proved) -> tuple[_Asked, bytes] | None:
        """A capsule for this band that holds; None when it needs none, or can have none."""
        size = SIZES.get(proved.family)
        if size is None or not (proved.band and proved.uid):
            return None
        reference, uid = bytes.fromhex(proved.band), bytes.fromhex(proved.uid)
        band = band_id_of_reference(reference)
        keys, now = self._leases.capsule_keys(), trusted_now(self._store)
        known = self._seen.of(band)
        if not keys or 0 <= now - known.asked_at < RENEW_US:
            return None
        async with asyncio.timeout(ANSWER_S):
            raw = await asyncio.wrap_future(self._ask(band, size))
        if len(raw) > size:
            raise BandMalformed("the capsule is longer than its place")
        capsule = verified(raw, keys=keys, uid=uid, band=reference, now=now)
        return _Asked(proved.tap, band, capsule), raw

    def _settle(self, said: Refreshed) -> None:
        told, self._told = self._told, None
        if told is None or told.tap != said.tap or said.outcome not in WRITTEN:
            return
        try:
            self._seen.note(
                told.band,
                seq=told.capsule.seq,
                until=told.capsule.until,
                asked_at=trusted_now(self._store),
            )
        except StoreError as error:
            log.warning("store failed", extra={"code": error.code})
