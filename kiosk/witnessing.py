"""Using something with the customer's band as witness: judged here, told to the band, recorded under the same id.

    foreseen here -- refused ------------------------------------------------> refused, nothing is recorded
        |   the band that was proved left, no network, no right to act alone -> refused once: hold the band there again
        |   no band of the customer's on the reader -------------------------> recorded as ever: by right, or it waits
        v
    told to the band -- recorded, there -> recorded, and given: the band says it to every other shop
                     -- used ------------> refused: another shop gave it, and we had not heard
                     -- unsure ----------> recorded as ever
                     -- torn ------------> refused: hold the band there again; a right to act alone gives the second time
                     -- undone ----------> a right to act alone: recorded as ever; else refused: hold the band there again

A right to act alone needs no band, and yet asks once for one that was torn: nobody can say later whether the use stands on
it, and a chip that only counts would then witness nothing any more.

A use keeps the id of its operation until it is settled, so what was torn is found on the band at the next try and not
written twice. It is written down before the band is asked (`sync.edge.torn`): one that nobody tries again, or that a crash
cut off, stands among what is not settled until somebody does or says that nothing more is to be done. The centre counts
it only then; meanwhile the band makes shops without a network refuse.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from drivers.credential.witness import Kind, operation_tag, store_tag
from drivers.lines import Left, Proved, ReaderState, Said, Told, Use, Used
from drivers.proof import ProofKind
from hardware.clock import Clock
from hardware.moments import micros_of
from sync.edge.lookup import Lookup
from sync.edge.recorder import Act, Doer, Kept, Recorder
from sync.edge.store import EdgeStore
from sync.edge.torn import TornUse, TornUses
from sync.model import ledger
from sync.model.operation import Evidence, Operation, Refusal
from sync.model.operations.redeem import Redeem
from sync.model.records import LedgerEntry, Store
from sync.model.row import Row

ANSWER_MS: Final = 1_500
"""How long the reader process may take: opening the band, reading its witness, one transaction; ten times what it needs."""

HEARD_MAX: Final = 64
"""Operations named to the band as heard of, the newest; it remembers seven."""

PLENTY: Final = 1 << 40
"""Left of what does not run out, or of what this store was lent for itself alone."""

AGAIN_MS: Final = 60_000
"""How long it counts that somebody was asked to hold the band there again."""

STOOD_US: Final = 30_000_000
"""So long after a use was torn a band that only counts is believed to have counted this one: nobody was in another shop meanwhile."""

USED: Final = "used"
TORN: Final = "torn"
UNDONE: Final = "undone"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another shop gave it, by the band's own word.

    Attributes:
        at: When, microseconds since 1970; 0 when the band cannot say.
        where: Id of the store; "" for one this device does not know, or when the band cannot say.
    """

    at: int
    where: str


@dataclass(frozen=True, slots=True)
class _There:
    tap: int
    band: str


class BandWitness:
    """Which proved band lies on the reader, and what it said to the uses it was told. Used on the event loop."""

    def __init__(self) -> None:
        self._tell: Callable[[Told], None] | None = None
        self._there: _There | None = None
        self._asked: dict[str, asyncio.Future[str]] = {}
        self._elsewhere: dict[str, Used] = {}
        self._stood: dict[str, int] = {}

    def connect(self, tell: Callable[[Told], None]) -> None:
        """Speak to this reader process from now on."""
        self._tell = tell

    def heard(self, said: Said) -> None:
        """What the reader process said."""
        match said:
            case Proved(kind=kind, band=str(band)) if kind == ProofKind.MUTUAL.value:
                self._there = _There(said.tap, band)
            case Proved():
                self._there = None
            case Left(tap=tap) if self._there is not None and self._there.tap == tap:
                self._go()
            case ReaderState(code=code) if code:
                self._go()
            case Used(operation=operation, outcome=outcome):
                asked = self._asked.pop(operation, None)
                if asked is not None and outcome == USED:
                    self._elsewhere[operation] = said
                if asked is not None and said.stood is not None:
                    self._stood[operation] = said.stood
                if asked is not None and not asked.done():
                    asked.set_result(outcome)
            case _:
                pass

    def _go(self) -> None:
        """The band left, or the reader: what was asked may be done or not. Its answer would have come before."""
        self._there = None
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(TORN)
        self._asked.clear()

    def elsewhere(self, operation: str) -> tuple[int, str]:
        """When and where, as a tag, somebody else gave what was asked for; 0 and "" when the band cannot say."""
        said = self._elsewhere.pop(operation, None)
        return (0, "") if said is None else (said.at, said.store)

    def stood(self, operation: str) -> int | None:
        """How often the band had been used before a use of it was torn; None when it did not say."""
        return self._stood.pop(operation, None)

    def is_there(self, band: str) -> bool:
        """Does this band lie on the reader, proved?"""
        there = self._there
        return self._tell is not None and there is not None and there.band == band != ""

    async def asked(self, order: Use) -> str:
        """What becomes of a use told to the band that is there; `torn` when nothing is said in time. `order.tap` is filled in."""
        if self._tell is None or self._there is None:
            return UNDONE
        told = Use(
            tap=self._there.tap,
            operation=order.operation,
            of=order.of,
            kind=order.kind,
            amount=order.amount,
            free=order.free,
            at=order.at,
            store=order.store,
            heard=order.heard,
            n_heard=order.n_heard,
            stood=order.stood,
        )
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[order.operation] = answer
        self._tell(told)
        try:
            async with asyncio.timeout(ANSWER_MS / 1_000):
                return await answer
        except TimeoutError:
            return TORN
        finally:
            self._asked.pop(order.operation, None)


class Witnessing:
    """Redemptions of one device, witnessed by the band where it is there. Used on one thread, with a running loop."""

    def __init__(
        self,
        store: EdgeStore,
        recorder: Recorder,
        witness: BandWitness,
        *,
        place: str,
        clock: Clock,
        is_online: Callable[[], bool] = lambda: False,
    ) -> None:
        """Args: `place` is the id of this device's store; `is_online` says whether the centre answered the last time."""
        self._lookup = Lookup(store)
        self._recorder = recorder
        self._witness = witness
        self._place = place
        self._clock = clock
        self._torn = TornUses(store)
        self._is_online = is_online
        self._asked_again: dict[tuple[str, str], int] = {}

    async def use(self, of: str, doer: Doer, *, amount: int = 1) -> Kept | Refusal | Elsewhere:
        """Use something of a customer's; durable when this returns.

        Args:
            of: Key of the account or entitlement.
            doer: Who, for whom; the band of its evidence is the one that witnesses.
            amount: How much.

        Returns:
            Elsewhere when the band says so, Refusal `hold_again` when it was torn and nothing may be given yet, or what a
            rule here forbids.

        Raises:
            StoreError: nothing was recorded; what stands on the band is found there at the next try.
        """
        plain = Act("redeem", Redeem(of=of, amount=amount))
        foreseen = self._recorder.foreseen(plain, doer)
        if isinstance(foreseen, Refusal):
            return foreseen
        band = doer.evidence.band
        first, op = self._torn.of(band, of), foreseen.ops[0]
        if not self._witness.is_there(band):
            if foreseen.waits and self._can_come_back(doer.evidence, of):
                return Refusal("hold_again")
            if foreseen.waits or first is None:
                return self._recorder.record(plain, doer)
            return self._kept(plain, first, doer)
        torn = first or TornUse(op.id, of, doer.owner, band, micros_of(self._clock.now()))
        self._torn.note(torn)
        outcome = await self._witness.asked(self._order(torn, op, of, amount))
        stood = self._witness.stood(torn.op)
        if stood is not None:
            now = micros_of(self._clock.now())
            self._torn.note(msgspec.structs.replace(torn, stood=stood, stood_at=now))
        if outcome == UNDONE and first is None and foreseen.waits:
            self._torn.settle(torn.op)  # for certain: there is nothing to be heard of
        if (outcome == TORN and first is None) or (
            outcome in (TORN, UNDONE) and foreseen.waits
        ):
            return Refusal("hold_again")
        return self._settled(outcome, torn, doer, amount)

    def _can_come_back(self, evidence: Evidence, of: str) -> bool:
        """Whether to ask for the band once more: it could witness, and without a network nobody else can say yes.

        Asked once: who presses again within a minute has no band to hold there, and the use is recorded and waits.
        """
        key, now_ms = (evidence.band, of), self._clock.ticks_ms()
        if evidence.proof != ProofKind.MUTUAL.value or not evidence.band or self._is_online():
            return False
        asked_ms = self._asked_again.pop(key, None)
        if asked_ms is not None and now_ms - asked_ms < AGAIN_MS:
            return False
        self._asked_again = {key: now_ms}
        return True

    def _settled(
        self, outcome: str, torn: TornUse, doer: Doer, amount: int
    ) -> Kept | Refusal | Elsewhere:
        if outcome == USED:
            self._torn.settle(torn.op)
            at, tag = self._witness.elsewhere(torn.op)
            return Elsewhere(at * 1_000_000, self._store_of(tag))
        stands = torn.band if outcome in ("recorded", "there") else ""
        return self._kept(
            Act("redeem", Redeem(of=torn.of, amount=amount, band=stands)), torn, doer
        )

    def _kept(self, act: Act, torn: TornUse, doer: Doer) -> Kept | Refusal:
        """Recorded under the id the band was asked with, and settled by it."""
        kept = self._recorder.record_as(torn.op, act, doer)
        self._torn.settle(torn.op)
        return kept

    def _store_of(self, tag: str) -> str:
        """The store with this tag; "" where this device knows none, or more than one."""
        stores = (row.body for row in self._lookup.rows("store"))
        found = [
            one.id
            for one in stores
            if isinstance(one, Store) and store_tag(one.id).hex() == tag
        ]
        return found[0] if len(found) == 1 else ""

    def _order(self, torn: TornUse, op: Operation, of: str, amount: int) -> Use:
        heard = self._heard(op.owner, op.evidence.band)
        now = micros_of(self._clock.now())
        return Use(
            tap=0,
            operation=torn.op,
            of=of,
            kind=Kind.REDEEMED.value,
            amount=amount,
            free=self._free(of, op.owner),
            at=now // 1_000_000,
            store=self._place,
            heard=heard[:HEARD_MAX],
            n_heard=len(heard),
            stood=torn.stood if 0 <= now - torn.stood_at < STOOD_US else None,
        )

    def _free(self, of: str, owner: str) -> int:
        """What is left by all that was heard of; what was lent to this store is nobody else's to use."""
        lent = ledger.allowance_key(self._place, of)
        cells = self._lookup.cells((of, lent), owner=owner)
        if ledger.allowance_of(cells.get(lent)) is not None:
            return PLENTY
        row = cells.get(of)
        subject = ledger.subject_of(row) if isinstance(row, Row) else None
        free = None if subject is None else ledger.free_of(subject)
        return PLENTY if free is None else max(free, 0)

    def _heard(self, owner: str, band: str) -> tuple[str, ...]:
        """Tags of the operations this device has heard of that stand on the band, the newest first."""
        entries = [
            entry
            for _, entry in self._lookup.profile(owner).of(LedgerEntry)
            if entry.band == band and entry.delta < 0
        ]
        newest_first = sorted(entries, key=lambda entry: (-entry.at, entry.id))
        return tuple(operation_tag(entry.id).hex() for entry in newest_first)
