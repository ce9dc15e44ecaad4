"""What the engine's effects do: calls to the centre, and what their answers write here. Each gives back what happened.

An answer is kept in the cache before it settles its operation. While a page is applied the next one is already asked for.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from hardware.clock import Clock
from hardware.moments import micros_of
from sync.edge import erased, told
from sync.edge.client import CentreClient, page_in
from sync.edge.deny import deny_of
from sync.edge.engine import Fetched, Forked, GivenAway, Greeted, Mended, Pulled, Pushed
from sync.edge.erase import note_shut
from sync.edge.feed import Feed
from sync.edge.leases import Leases
from sync.edge.near_parts import Near, NearParts
from sync.edge.outbox import Outbox, Pending
from sync.edge.progress import Meter, Progress
from sync.edge.snapshot import ROWS_MIN, SnapshotLoader
from sync.edge.store import EdgeStore
from sync.edge.told import Told
from sync.edge.upkeep import Upkeep
from sync.model.errors import CentreError, CentreRefused, StoreError
from sync.model.wire import (
    CUSTODY_OPS_MAX,
    PUSH_OPS_MAX,
    SAID_MAX,
    Cursor,
    DecideRequest,
    Grant,
    HelloAnswer,
    InboxEntry,
    OpResult,
    Parting,
    PushAnswer,
    Raw,
    Unread,
    Want,
    Wanted,
    WantRequest,
)

log = logging.getLogger(__name__)

LONG_ROWS: Final = 2_000
"""A first sync of more rows than this shows how far it is."""

SENT_TURNS: Final = 12
"""Turns of the event loop in which the question for the next page gets onto the network."""

MANY: Final = 100
"""A push of so many operations is followed by the next one before its answer is written."""

PINS_MS: Final = 5_000
"""How often the keys that waiting operations need are counted anew while very many wait."""

FEW: Final = 1_000
"""So many waiting operations are looked through each time."""


UNHEARD: Final = ("not_found", "failed", "malformed", "too_large")
"""Problems for which notes of erasures wait until the next hello, and nothing else waits for them."""


class CacheIsNew(Exception):
    """The cache was made anew since hello: scopes, cursors and leases have to come again."""


class Work:
    """The jobs of one device; on one event loop."""

    def __init__(
        self,
        client: CentreClient,
        store: EdgeStore,
        clock: Clock,
        *,
        on_progress: Callable[[], None] = lambda: None,
        near: Near | None = None,
    ) -> None:
        """Args: `on_progress` is called where one job takes long; it must return at once. `near` may have parts of snapshots."""
        self._near = near
        self.client = client
        self.outbox = Outbox(store)
        self.feed = Feed(store)
        self.leased_at = 0
        self.told = Told()
        self.alerts: tuple[str, ...] = ()
        self._store = store
        self._clock = clock
        self._on_progress = on_progress
        self._leases = Leases(store)
        self.upkeep = Upkeep(store, feed=self.feed)
        self._keeping: asyncio.Task[None] | None = None
        self._snapshots = SnapshotLoader(store)
        self._life = store.cache.life
        self._grants: dict[str, Grant] = {}
        self._choice: tuple[int, frozenset[str]] | None = None
        self._sent_ahead: tuple[tuple[Pending, ...], asyncio.Task[PushAnswer]] | None = None
        self._said: tuple[str, ...] = ()  # last of each push without an answer, under this name
        self._said_as = ("", "")
        self._unknown = ""  # a token that the centre said at hello it does not know
        self._owed: tuple[OpResult, ...] = ()  # answered, and settled with the next token
        self._owed_ops: tuple[Pending, ...] = ()
        self._ahead: tuple[tuple[Cursor, ...], asyncio.Task[Unread]] | None = None
        self._decided: set[str] = set()
        self._is_unheard = False  # the centre does not take notes of erasures
        self._pins = _Pins(self.outbox, clock)
        self._rows, self._parts, self._ops = Meter("rows"), Meter("snapshot"), Meter("push")

    def progress(self) -> tuple[Progress, ...]:
        """What takes long now, and how far it is."""
        meters = (self._parts, self._rows, self._ops)
        return tuple(one for meter in meters if (one := meter.progress()) is not None)

    # Hello and leases

    async def say_hello(self) -> Greeted:
        """A session, the scopes, the centre's time."""
        await self._forget_ahead()
        await self._forget_sent()
        # A cache that was dropped forgot what time it is at least; certificates and leases are judged by that.
        self._leases.note_time(self.outbox.time_floor)
        token = self.outbox.token
        answer = await self.client.hello(lineage=self._store.lineage, token=token)
        self._life = self._store.cache.life
        self._is_unheard = False
        # First what must be sent again, then the scopes: cut in between, both are done by the next hello.
        self._unknown = "" if answer.knows_token else token
        if self.outbox.note_history(answer.grants):
            self._note("history_parted")
            self._pins.forget(is_more=True)
        elif not answer.knows_token and self.outbox.offer_again():
            log.warning("token not known")
            self._pins.forget(is_more=True)
        self.feed.grant(answer.grants, pinned=self._pins.keys())
        self.feed.purge(self._pins.keys)
        self._leases.note_time(answer.server_time)
        self.outbox.note_time(answer.server_time)
        self._decided.update(self.outbox.held())  # cut off before what was decided was noted
        self.told = Told.of(answer, to=self.client.program.version)
        told.keep(self._store, self.told)
        self._keep_spread(answer.spread_ms)
        self._grants = {grant.id: grant for grant in answer.grants}
        is_shut = self._is_shut(answer)
        note_shut(self._store, is_shut=is_shut, server_time=answer.server_time)
        if is_shut:
            self._leases.replace((), group=None)
            self.keep_up()
        else:
            self.upkeep.heard()
        empty = [cursor.id for cursor in self.feed.cursors() if not cursor.seq]
        n_rows = sum(self._grants[scope].count for scope in empty if scope in self._grants)
        if n_rows > LONG_ROWS:
            self._rows.begin(n_rows, now_ms=self._clock.ticks_ms())
        return Greeted(self._whole(empty), answer.spread_ms, is_shut)

    def recall(self) -> None:
        """What the last hello said of this program, maybe to one before it; until the next one says it anew. Raises StoreError."""
        self.told = told.kept(self._store).heard_by(self.client.program.version)

    def spread_ms(self) -> int:
        """Over how long the fleet comes back, as the centre said last, maybe to a program before this one. Raises StoreError."""
        found = self._store.cache.look(
            lambda file: file.read("SELECT value FROM meta WHERE name = 'spread_ms'")
        )
        return int(found[0][0]) if found else 0

    def _keep_spread(self, spread_ms: int) -> None:
        if spread_ms != self.spread_ms():
            with self._store.cache.write() as file:
                file.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('spread_ms', ?)", (str(spread_ms),)
                )

    def _is_shut(self, answer: HelloAnswer) -> bool:
        """Whether the centre itself says that this device may hold nothing any more."""
        if not answer.state or not self.client.is_stated(answer):
            return False
        self._note(f"device_{answer.state}")
        return True

    def _whole(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Those of these scopes that can be had whole, and are worth it."""
        granted = (self._grants[scope] for scope in scopes if scope in self._grants)
        return tuple(one.id for one in granted if one.snapshot and one.count >= ROWS_MIN)

    async def fetch_leases(self) -> int:
        """The keys lent to this store; how many."""
        self._check_cache()
        lent = await self.client.leases()
        self._check_cache()
        # The list first: cut in between, a band on it is refused with the key that was lent before.
        if lent.deny:
            deny_of(self._store).keep(lent.deny, centre_key=self.client.centre_key)
        self._leases.replace(lent.leases, group=lent.group, capsule_keys=lent.capsule_keys)
        self.leased_at = micros_of(self._clock.now())
        return len(lent.leases)

    async def capsule(self, band: str, size: int) -> bytes:
        """What this band is to carry, as the centre signed it."""
        return await self.client.capsule(band, size=size)

    async def fetch_deny(self) -> None:
        """The newest deny list."""
        raw = await self.client.deny()
        deny_of(self._store).keep(raw, centre_key=self.client.centre_key)

    # Rows

    async def pull(self, *, wait_ms: int) -> Pulled:
        """One page, applied; and the next one asked for while it is."""
        self._check_cache()
        started_ms = self._clock.ticks_ms()
        cursors = self.feed.cursors()
        try:
            await self._bring_notes()
            answer = await self._page(cursors, wait_ms)
            self._check_cache()
            self.upkeep.heard()
            answer = await self._with_all_marks(answer, cursors)
            took_ms = self._clock.ticks_ms() - started_ms
            parted, n_offered = self._part_ways(answer)
            if not parted:
                await self._ask_ahead(answer, cursors)
            page = page_in(answer)
        except CentreError:
            await self._forget_ahead()
            self.feed.flush(pinned=self._pins.keys())
            raise
        applied = self.feed.as_held(page, asked=cursors) or self.feed.apply_page(
            page, asked=cursors, pinned=self._pins.keys()
        )
        self._note_decisions(row.key for row in page.rows if row.kind == "decision")
        if applied.is_head:
            self._rows.end()
            self.keep_up()
        self._rows.add(applied.n_rows, now_ms=self._clock.ticks_ms())
        return Pulled(
            applied.n_rows,
            applied.is_head and not parted,
            took_ms,
            has_bands=any(row.kind == "band" for row in page.rows),
            differing=applied.differing,
            n_parted=len(parted),
            n_offered=n_offered,
            whole=self._whole(scope for scope, seq in parted.items() if not seq),
        )

    async def _bring_notes(self) -> None:
        """Say who was forgotten, as far as the centre may not know it any more; before anything is fetched from it."""
        while not self._is_unheard and (notes := erased.untold(self._store)):
            try:
                n_erased = await self.client.erased(tuple(filter(None, notes.values())))
            except CentreRefused as error:
                if error.problem not in UNHEARD:
                    raise
                log.warning("notes of erasures not taken", extra={"code": error.problem})
                self._is_unheard = True  # an older centre; again after the next hello
                return
            self._check_cache()
            erased.told(self._store, notes)
            log.warning("notes of erasures brought", extra={"count": n_erased})

    async def _page(self, cursors: tuple[Cursor, ...], wait_ms: int) -> Unread:
        """The answer to these cursors, which may have been asked for already."""
        ahead = self._ahead
        if ahead is not None and _places(ahead[0]) == _places(cursors):
            self._ahead = None
            try:
                return await ahead[1]
            finally:
                ahead[1].cancel()
        await self._forget_ahead()
        return await self._asked_for(cursors, wait_ms)

    async def _asked_for(self, cursors: tuple[Cursor, ...], wait_ms: int = 0) -> Unread:
        """A page; asked for with our token, so that a centre that was set back behind our last push sends us to hello."""
        token, lineage = self.outbox.token, self._store.lineage
        if token == self._unknown:  # the next push heals that, if there is one
            token = ""
        return await self.client.pull_unread(
            cursors=cursors, wait_ms=wait_ms, lineage=lineage, token=token
        )

    async def _ask_ahead(self, page: Unread, cursors: tuple[Cursor, ...]) -> None:
        """Ask for what follows this page, unless it ends at the head."""
        if not page.checkpoints or all(one.is_head for one in page.checkpoints):
            return
        following = _after(page, cursors)
        if _places(following) == _places(cursors):
            return
        asking = asyncio.ensure_future(self._asked_for(following))
        self._ahead = (following, asking)
        for _ in range(SENT_TURNS):
            await self._clock.pause_ms(0)

    async def _forget_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead[1].cancel()
            await asyncio.gather(ahead[1], return_exceptions=True)

    async def _with_all_marks(self, page: Unread, cursors: tuple[Cursor, ...]) -> Unread:
        """The page, asked for again with all marks where the centre knew none of those presented."""
        more = {one.scope for one in page.partings if one.needs_more}
        if not more:
            return page
        every = tuple(
            Cursor(one.id, one.seq, self.feed.all_marks(one.id)) if one.id in more else one
            for one in cursors
        )
        page = await self._asked_for(every)
        self._check_cache()
        return page

    def _part_ways(self, page: Unread) -> tuple[dict[str, int], int]:
        """Go back to where the histories are one, by scope; and how many operations are offered again for it."""
        parted = {one.scope: _shared(one) for one in page.partings}
        parted.update(dict.fromkeys(page.too_old, 0))
        if not parted:
            return parted, 0
        if page.partings:
            self._note("history_parted")
        # First what must be sent again: cut in between, the histories are found to part once more.
        n_offered = self.outbox.offer_again() if page.partings else 0
        self._pins.forget(is_more=True)
        for scope, seq in parted.items():
            self.feed.part_ways(scope, seq, is_one=scope in page.too_old)
        log.warning("history parted", extra={"count": n_offered})
        return parted, n_offered

    async def fetch(self, scope: str) -> Fetched:
        """A scope whole, part by part."""
        self._check_cache()
        await self._bring_notes()
        n_rows = self._grants[scope].count if scope in self._grants else 0
        self._parts.begin(max(n_rows, 1), now_ms=self._clock.ticks_ms())
        try:
            source = self.client if self._near is None else NearParts(self.client, self._near)
            is_whole = await self._snapshots.load(source, scope, self._reached)
        finally:
            self._parts.end()
        self._check_cache()
        if is_whole:
            self._rows.add(n_rows, now_ms=self._clock.ticks_ms())
            self._note_decisions(f"decision/{op}" for op in self.outbox.held())
        return Fetched(scope)

    def _reached(self, n_done: int, n_total: int) -> None:
        if not n_done:
            self._parts.begin(max(n_total, 1), now_ms=self._clock.ticks_ms())
        self._parts.reach(n_done, now_ms=self._clock.ticks_ms())
        self._on_progress()

    async def mend(self, scope: str, *, is_first: bool) -> Mended:
        """Put right the buckets of a scope that differ; for the third time in a day it is pulled again instead."""
        self._check_cache()
        await self._bring_notes()
        if is_first:
            self._note("sum_differed")
            log.warning("sum differed")
            if self.feed.note_mismatch(scope):
                self._note("scope_renewed")
                return Mended(scope, 0)
        answer = await self.client.diff(scope, self.feed.bucket_sums(scope))
        self._check_cache()
        n_rows = self.feed.apply_diff(answer, pinned=self._pins.keys())
        log.warning("rows repaired", extra={"count": n_rows})
        self._note_decisions(row.key for row in answer.rows if row.kind == "decision")
        return Mended(scope, answer.n_more)

    async def index(self) -> None:
        """Make the search terms of what changed, and what else there is to do for our own files, with turns for the others in between."""
        while self.upkeep.turn():
            await self._clock.pause_ms(0)
        self._snapshots.sweep()

    def keep_up(self) -> None:
        """The same beside everything else: the first index of a large cache takes seconds, and nobody waits for it."""
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.ensure_future(self._kept_up())

    async def _kept_up(self) -> None:
        try:
            await self.index()
        except StoreError as error:
            log.warning("upkeep failed", extra={"code": error.code})

    # Operations

    def batch(
        self, *, n_max: int = PUSH_OPS_MAX, without: frozenset[str] = frozenset()
    ) -> tuple[Pending, ...]:
        """What to send next; it may be under way already. As `Outbox.batch`."""
        if self._sent_ahead is not None:
            return self._sent_ahead[0]
        self._choice = (n_max, without)
        return self.outbox.batch(n_max=n_max, without=without)

    async def send(self, batch: tuple[Pending, ...]) -> Pushed | Forked:
        """Send these operations and settle what is answered.

        Where many wait, the next ones leave as soon as the token is durable, and this answer is written while the centre
        works on them; it is settled with the next token.
        """
        try:
            answer = await self._pushed(batch)
            if answer.is_forked:
                return self._forked(is_lost=answer.is_lost)
            sent = {one.id for one in batch}
            ours = tuple(one for one in answer.results if one.op in sent)
            await self._send_ahead(batch, ours, answer.token)
            if any(one.rows for one in ours):
                self.feed.keep_answers(ours)
            self._owed, self._owed_ops = self._owed + ours, self._owed_ops + batch
            if self._sent_ahead is None:
                self._settle_owed(answer.token)
        finally:
            if self._sent_ahead is None:
                self._settle_owed()
            self._take_back()
        self._pins.forget()
        self.feed.purge(self._pins.keys)
        n_settled = self.outbox.n_settling(ours)
        self._ops.add(n_settled, now_ms=self._clock.ticks_ms())
        return Pushed(len(batch), n_settled)

    async def _pushed(self, batch: tuple[Pending, ...]) -> PushAnswer:
        """The answer to this batch, which may have been sent already."""
        ahead, self._sent_ahead = self._sent_ahead, None
        if ahead is not None and ahead[0] is batch:
            try:
                return await ahead[1]
            finally:
                ahead[1].cancel()
        self._begin_counting(len(batch))
        return await self._push(batch, self.outbox.token)

    async def _push(self, batch: Sequence[Pending], token: str) -> PushAnswer:
        ops, said = [one.raw for one in batch], self._saying(batch[-1].id, token)
        lineage = self._store.lineage
        return await self.client.push(lineage=lineage, ops=ops, token=token, said=said)

    def _saying(self, last: str, token: str) -> tuple[str, ...]:
        """What was said with this token so far and got no answer; `last` is the next."""
        named = (self._store.lineage, token)
        if self._said_as != named:
            self._said_as, self._said = named, ()
        said = self._said
        self._said = (*(one for one in said if one != last), last)[-SAID_MAX:]
        return said

    async def _send_ahead(
        self, batch: Sequence[Pending], ours: Sequence[OpResult], token: str
    ) -> None:
        """Let the next batch leave while this one's answer is written, where many wait."""
        choice = self._choice
        if choice is None or not token or len(batch) < MANY or len(ours) < len(batch):
            return
        following = self.outbox.batch(
            n_max=choice[0], without=choice[1], besides=(*batch, *self._owed_ops)
        )
        if not following:
            return
        self._settle_owed(token)
        self._sent_ahead = (following, asyncio.ensure_future(self._push(following, token)))
        for _ in range(SENT_TURNS):
            await self._clock.pause_ms(0)

    def _settle_owed(self, token: str = "") -> None:
        """Settle what was answered and is written, with the token of the last answer."""
        owed, self._owed, self._owed_ops = self._owed, (), ()
        if owed or token:
            self.outbox.settle(owed, token=token)
            self._note_decisions_on(owed)

    def _take_back(self) -> None:
        ahead = self._sent_ahead[0] if self._sent_ahead is not None else ()
        under_way = frozenset(one.id for one in ahead) | {one.op for one in self._owed}
        self.outbox.take_back(but=under_way)

    async def _forget_sent(self) -> None:
        """What was sent ahead is of no interest any more; it waits again, and the centre knows every id."""
        ahead, self._sent_ahead = self._sent_ahead, None
        if ahead is not None:
            ahead[1].cancel()
            await asyncio.gather(ahead[1], return_exceptions=True)
        self._settle_owed()
        self._take_back()

    def _forked(self, *, is_lost: bool) -> Forked:
        if is_lost:
            log.warning("the centre was set back")
            self._note("history_parted")
        else:
            log.error("outbox is a copy")
            self._note("device_forked")
        self.outbox.fork("" if is_lost else "device_forked")
        self._pins.forget(is_more=True)
        return Forked()

    def _settle(self, answer: PushAnswer, sent: set[str]) -> int:
        ours: tuple[OpResult, ...] = tuple(one for one in answer.results if one.op in sent)
        if any(one.rows for one in ours):
            self.feed.keep_answers(ours)
        self._pins.forget()
        n_settled = self.outbox.settle(ours, token=answer.token)
        self._note_decisions_on(ours)
        self._pins.forget()
        self.feed.purge(self._pins.keys)
        return n_settled

    def _note_decisions_on(self, results: Iterable[OpResult]) -> None:
        """What a person decided here is in the answer; one that was slow says held, and the decision may have come down before it."""
        told = [row.key for one in results for row in one.rows if row.kind == "decision"]
        held = (f"decision/{one.op}" for one in results if one.status == "held")
        self._note_decisions((*told, *held))

    def _begin_counting(self, n_sent: int) -> None:
        if n_sent < MANY or self._ops.is_on:
            return
        n_waiting = self.outbox.counts().n_waiting
        if n_waiting > PUSH_OPS_MAX:
            self._ops.begin(n_waiting, now_ms=self._clock.ticks_ms())

    def all_sent(self) -> Pushed:
        """Nothing waits that may be sent now."""
        self._ops.end()
        return Pushed(0, 0)

    async def give_away(self, ops: Sequence[str]) -> GivenAway:
        """Give these into the centre's custody."""
        n_settled = 0
        raws = self.outbox.raws(ops)
        for start in range(0, len(raws), CUSTODY_OPS_MAX):
            some = raws[start : start + CUSTODY_OPS_MAX]
            token = self.outbox.token
            answer = await self.client.custody(
                lineage=self._store.lineage,
                ops=[Raw(op, raw, "failed") for op, raw in some],
                token=token,
                said=self._saying(some[-1][0], token),
            )
            n_settled += self._settle(answer, {op for op, _ in some})
        if n_settled:
            self._note("custody")
            log.error("operations given into custody", extra={"count": n_settled})
        return GivenAway(n_settled)

    def _note_decisions(self, keys: Iterable[str] = ()) -> None:
        """Settle what these rows decided, and what could not be written down the last time: the rows do not come again."""
        self._decided.update(key.partition("/")[2] for key in keys)
        if not self._decided:
            return
        decisions = self.feed.decisions(sorted(self._decided)).values()
        if self.outbox.note_decisions(decisions):
            self._pins.forget()
        self._decided.clear()

    # What people ask for

    async def want(self, wants: Sequence[Want], *, days: int) -> tuple[Wanted, ...]:
        """Have these customers held here; their rows are in the cache when this returns."""
        self._check_cache()
        found = await self.client.want(WantRequest(tuple(wants), (), days))
        self._check_cache()
        self.feed.keep_wanted(found)
        return found

    async def inbox(self, after: str) -> tuple[InboxEntry, ...]:
        """Operations of this store that wait for a person."""
        return await self.client.inbox(after=after)

    async def decide(self, request: DecideRequest) -> OpResult | None:
        """Say what a person decided; what became of the operation."""
        answer = await self.client.decide(request)
        self._settle(answer, {request.op})
        return next((one for one in answer.results if one.op == request.op), None)

    async def close(self) -> None:
        """Let go of the centre."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        await self._forget_ahead()
        try:
            await self._forget_sent()
        except StoreError as error:
            log.warning("store failed", extra={"code": error.code})
        await self.client.close()

    def _note(self, code: str) -> None:
        if code not in self.alerts:
            self.alerts = (*self.alerts, code)

    def _check_cache(self) -> None:
        if self._store.cache.life != self._life:
            raise CacheIsNew


class _Pins:
    """The keys that unanswered operations need. Never too few; with very many operations for a while too many."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._keys: set[str] = set()
        self._frozen: frozenset[str] = frozenset()
        self._n = 0
        self._n_ops = 0
        self._is_stale = True
        self._counted_ms = 0

    def forget(self, *, is_more: bool = False) -> None:
        """Something was settled, or more is waiting again that was recorded earlier."""
        self._is_stale = True
        if is_more:
            self._n_ops = 0

    def keys(self) -> frozenset[str]:
        """The keys now."""
        now_ms = self._clock.ticks_ms()
        if self._is_stale and (self._n_ops < FEW or now_ms - self._counted_ms > PINS_MS):
            self._keys, self._n, self._n_ops = set(), 0, 0
            self._is_stale, self._counted_ms, self._frozen = False, now_ms, frozenset()
        is_more = False
        while found := self._outbox.needed_after(self._n):
            self._n = found[-1][0]
            self._n_ops += len(found)
            for _, keys in found:
                self._keys.update(keys)
            is_more = True
        if is_more:
            self._frozen = frozenset(self._keys)
        return self._frozen


def _shared(parting: Parting) -> int:
    """Up to where both histories are one; 0 where no mark is shared."""
    return 0 if parting.needs_more else parting.seq


def _places(cursors: Iterable[Cursor]) -> list[tuple[str, int]]:
    return [(one.id, one.seq) for one in cursors]


def _after(page: Unread, cursors: Iterable[Cursor]) -> tuple[Cursor, ...]:
    """The cursors as they will be once this page is applied."""
    reached = {one.scope: one for one in page.checkpoints}
    following: list[Cursor] = []
    for cursor in cursors:
        checkpoint = reached.get(cursor.id)
        if checkpoint is None or checkpoint.seq < cursor.seq:
            following.append(cursor)
        elif checkpoint.mark is None:
            following.append(Cursor(cursor.id, checkpoint.seq, cursor.marks))
        else:
            kept = [mark for mark in cursor.marks if mark.is_kept][:1]
            following.append(Cursor(cursor.id, checkpoint.seq, (checkpoint.mark, *kept)))
    return tuple(following)
