"""Does what the engine says, in its own thread with its own event loop; and the same once, for a program without a loop.

The UI thread talks to it by `wake` and `status`, both of which return at once. Everything else, the network and the writing
of pages and answers, happens on the sync thread. An answer is kept in the cache before it settles its operation.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from hardware.clock import Clock
from hardware.entropy import Entropy
from sync.edge.client import CentreClient
from sync.edge.engine import (
    BATCH_FAULTS,
    CacheRenewed,
    Effect,
    Event,
    Failed,
    FetchLeases,
    Greeted,
    Job,
    Leased,
    Pull,
    Pulled,
    Push,
    Pushed,
    SayHello,
    Started,
    State,
    Ticked,
    Woken,
    next_due_ms,
    step,
)
from sync.edge.feed import Applied, Feed
from sync.edge.find import Finder
from sync.edge.leases import Leases
from sync.edge.outbox import Outbox, Pending
from sync.edge.schedule import CHANCES
from sync.edge.store import EdgeStore
from sync.model.errors import (
    CentreBusy,
    CentreError,
    CentreIncompatible,
    CentreRefused,
    CentreUnreachable,
    StoreCorrupt,
    StoreError,
    SyncError,
)
from sync.model.wire import PUSH_OPS_MAX, Page

log = logging.getLogger(__name__)

STOP_S: Final = 2.0
"""How long `stop` waits for the thread; it has nothing to finish that is not on the disk."""

LOOK_MS: Final = 1_000
"""While nobody answers, how often it is looked whether this machine's own network changed. It costs 0.3 ms."""

PAGES_MAX: Final = 100_000
"""Pages of one `sync_once`; a centre that never comes to its head is not asked for ever."""


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """How this device and its centre stand.

    Attributes:
        network: "ok", or an error code of `sync.model.errors`.
        synced_at: When the cache was last complete, microseconds since 1970; 0 for never.
        n_waiting: Operations the centre has not answered.
        n_refused: Operations refused or held, which wait for a person.
        n_unread: Rows this version cannot read.
        store_code: "ok", or what is wrong with this device's files.
        is_asked: The centre was asked since the start, and answered or did not; before that `network` is a guess.
    """

    network: str = "centre_unreachable"
    synced_at: int = 0
    n_waiting: int = 0
    n_refused: int = 0
    n_unread: int = 0
    store_code: str = "ok"
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """What one `sync_once` did."""

    n_rows: int
    n_settled: int
    n_leases: int


class _CacheIsNew(Exception):
    """The cache was made anew since hello: scopes, cursors and leases have to come again. Never leaves this module."""


class SyncRunner:
    """The sync of one device. Start it and stop it once."""

    def __init__(
        self,
        client: CentreClient,
        store: EdgeStore,
        *,
        clock: Clock,
        entropy: Entropy,
        on_change: Callable[[], None] = lambda: None,
        network_mark: Callable[[], object] = lambda: None,
    ) -> None:
        """Put it together.

        Args:
            client: Not shared with another runner.
            store: Of the same device.
            clock: Deadlines and waiting.
            entropy: How waits are drawn.
            on_change: Called on the sync thread after the status or any row changed; it must return at once.
            network_mark: Another value once this machine's own network changed; then nothing waits any longer.
        """
        self._work = _Work(client, store, clock)
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._on_change = on_change
        self._network_mark = network_mark
        self._mark: object = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: asyncio.Queue[Event] | None = None
        self._stopping: asyncio.Event | None = None
        self._is_ready = threading.Event()
        self._store_code = "ok"
        self._status = self._seen(SyncStatus())

    def start(self) -> None:
        """Begin in a thread of its own."""
        assert self._thread is None, "a runner is started once"
        self._thread = threading.Thread(target=self._main, name="sync", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def wake(self) -> None:
        """An operation was recorded. From any thread, also before `start` and after `stop`."""
        self._tell(Woken())

    def hurry(self) -> None:
        """Try again now what waits after a failure. From any thread."""
        self._tell(Woken(is_hurry=True))

    def stop(self) -> None:
        """End the thread within STOP_S; harmless when done twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop ended by itself
                loop.call_soon_threadsafe(stopping.set)
        thread.join(STOP_S)
        if thread.is_alive():
            log.error("sync thread did not stop")

    def status(self) -> SyncStatus:
        """How things stand, as of the last change. From any thread."""
        return self._status

    def sync_once(self) -> Once:
        """Hello, leases, pull to the head, push everything, pull what that changed. Not beside a started runner.

        What can be done is done: leases or an operation the centre fails at keep nothing else from going through.

        Raises:
            CentreError: it could not all be done; what was done stands.
            StoreError: this device's files.
        """
        return asyncio.run(self._once())

    async def _once(self) -> Once:
        work = self._work
        try:
            try:
                done, failed = await self._exchanged()
            except _CacheIsNew:
                done, failed = await self._exchanged()
            await work.index()
        except _CacheIsNew as error:
            raise StoreCorrupt("the cache breaks again and again") from error
        finally:
            work.outbox.take_back()
            await work.client.close()
        if failed is not None:
            raise failed
        self._status = replace(self._seen(self._status), network="ok", is_asked=True)
        return done

    async def _exchanged(self) -> tuple[Once, CentreError | None]:
        """One exchange in a new session, and what of it the centre did not do."""
        work = self._work
        await work.say_hello()
        n_leases, failed = 0, None
        try:
            n_leases = await work.fetch_leases()
        except (CentreRefused, CentreBusy) as error:
            failed = error
        n_rows = await self._pull_all()
        n_settled, refused = await self._push_all()
        if n_settled:
            n_rows += await self._pull_all()
        return Once(n_rows, n_settled, n_leases), failed or refused

    async def _push_all(self) -> tuple[int, CentreError | None]:
        """Push until nothing is left but owners with an operation the centre fails at; how many were settled."""
        work, n_settled, n_max = self._work, 0, PUSH_OPS_MAX
        failed: CentreError | None = None
        without: frozenset[str] = frozenset()
        while batch := work.outbox.batch(n_max=n_max, without=without):
            try:
                settled = (await work.send(batch)).n_settled
            except CentreRefused as error:
                if error.problem not in BATCH_FAULTS:
                    raise
                if len(batch) > 1:
                    n_max = len(batch) // 2
                    continue
                failed, settled = error, 0
            if not settled:
                failed = failed or CentreBusy("the centre settled nothing of what was sent")
                without |= {one.owner for one in batch}
            n_settled, n_max = n_settled + settled, min(PUSH_OPS_MAX, n_max * 2)
        return n_settled, failed

    async def _pull_all(self) -> int:
        n_rows = 0
        for _ in range(PAGES_MAX):
            _, applied = await self._work.pull(wait_ms=0)
            n_rows += applied.n_rows
            if applied.is_head:
                return n_rows
        raise CentreIncompatible("the centre never comes to its head")

    # The sync thread

    def _tell(self, event: Event) -> None:
        loop, events = self._loop, self._events
        if loop is not None and events is not None:
            with contextlib.suppress(
                RuntimeError
            ):  # the loop is closed: nobody is left to hear it
                loop.call_soon_threadsafe(events.put_nowait, event)

    def _main(self) -> None:
        try:
            asyncio.run(self.run())
        finally:
            self._is_ready.set()

    async def run(self) -> None:
        """Sync on the running event loop until `stop` or until cancelled: for a program that has a loop of its own."""
        self._loop, self._events = asyncio.get_running_loop(), asyncio.Queue()
        self._stopping = asyncio.Event()
        self._is_ready.set()
        tasks: dict[asyncio.Task[Event], Job] = {}
        stopping = asyncio.ensure_future(self._stopping.wait())
        self._guarded(self._work.outbox.take_back)
        self._mark = self._network_mark()
        state = State()
        event: Event = Started()
        try:
            while not stopping.done():
                state, effects = step(state, event, self._clock.ticks_ms())
                for effect in effects:
                    tasks[asyncio.ensure_future(self._performed(effect))] = _job_of(effect)
                self._publish(state, has_news=_has_news(event))
                event = await self._next_event(state, tasks, stopping)
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
            self._guarded(self._work.outbox.take_back)
            await self._work.client.close()

    async def _next_event(
        self, state: State, tasks: dict[asyncio.Task[Event], Job], stopping: asyncio.Future[Any]
    ) -> Event:
        """What happens first: a job ends, somebody tells something, something is due, or we stop."""
        assert self._events is not None
        waiting: set[asyncio.Future[Any]] = {stopping, *tasks}
        telling = asyncio.ensure_future(self._events.get())
        waiting.add(telling)
        due_ms, pausing = next_due_ms(state), None
        is_lost = state.code == CentreUnreachable.code
        if due_ms is not None:
            wait_ms = max(0, due_ms - self._clock.ticks_ms())
            wait_ms = min(wait_ms, LOOK_MS) if is_lost else wait_ms
            pausing = asyncio.ensure_future(self._clock.pause_ms(wait_ms))
            waiting.add(pausing)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for extra in (telling, pausing):
                if extra is not None and not extra.done():
                    extra.cancel()
        event: Event = Ticked()
        ended = next((task for task in tasks if task.done()), None)
        if telling.done():
            event = telling.result()
        elif ended is not None:
            event = self._event_of(ended, tasks.pop(ended))
        elif is_lost and self._has_another_network():
            event = Woken(is_hurry=True)
        return event

    def _has_another_network(self) -> bool:
        before, self._mark = self._mark, self._network_mark()
        return self._mark != before

    def _event_of(self, task: asyncio.Task[Event], job: Job) -> Event:
        """What a job came to. A defect in one lane must neither end the thread nor hold the lane for ever."""
        error = task.exception()
        if error is None:
            return task.result()
        log.error("sync job raised", extra={"job": job.value}, exc_info=error)
        return Failed(job, SyncError.code, self._chance())

    async def _performed(self, effect: Effect) -> Event:
        job = _job_of(effect)
        batch: tuple[Pending, ...] = ()
        try:
            if isinstance(effect, Push):
                batch = self._work.outbox.batch(n_max=effect.n_max, without=effect.without)
                event: Event = await self._pushed(batch)
            else:
                event = await self._asked(effect)
        except _CacheIsNew:
            return CacheRenewed(job)
        except CentreError as error:
            return self._failure(job, error, batch)
        except StoreError as error:
            self._store_code = error.code
            log.warning("store failed", extra={"job": job.value, "code": error.code})
            return Failed(job, "", self._chance())
        self._store_code = "ok"
        return event

    async def _asked(self, effect: SayHello | FetchLeases | Pull) -> Event:
        match effect:
            case SayHello():
                await self._work.say_hello()
                self._guarded(
                    self._work.outbox.forget_old
                )  # a session is over after a day, so this comes again
                return Greeted()
            case FetchLeases():
                await self._work.fetch_leases()
                return Leased()
            case Pull(wait_ms):
                return await self._pulled(wait_ms)
            case _:
                assert_never(effect)

    async def _pulled(self, wait_ms: int) -> Event:
        started_ms = self._clock.ticks_ms()
        page, applied = await self._work.pull(wait_ms=wait_ms)
        took_ms = self._clock.ticks_ms() - started_ms
        if applied.is_head:
            await self._work.index()
        has_bands = any(row.kind == "band" for row in page.rows)
        return Pulled(applied.n_rows, applied.is_head, took_ms, has_bands)

    async def _pushed(self, batch: tuple[Pending, ...]) -> Event:
        return await self._work.send(batch) if batch else Pushed(0, 0)

    def _failure(self, job: Job, error: CentreError, batch: tuple[Pending, ...]) -> Failed:
        log.info("sync job failed", extra={"job": job.value, "code": error.code})
        return Failed(
            job,
            error.code,
            self._chance(),
            problem=error.problem if isinstance(error, CentreRefused) else "",
            retry_after_ms=error.retry_after_ms if isinstance(error, CentreBusy) else 0,
            n_sent=len(batch),
            owner=batch[0].owner if batch else "",
        )

    def _chance(self) -> int:
        return int.from_bytes(self._entropy.draw(2), "big") % CHANCES

    def _publish(self, state: State, *, has_news: bool) -> None:
        was = self._status
        is_asked = was.is_asked or state.is_greeted or state.hello.n_failed > 0
        status = self._seen(replace(was, network=state.code, is_asked=is_asked))
        self._status = status
        if has_news or status != was:
            self._tell_listener()

    def _tell_listener(self) -> None:
        try:
            self._on_change()
        except Exception:
            # Whoever listens is not ours; a screen that is gone must not end the sync.
            log.exception("listener raised")

    def _seen(self, status: SyncStatus) -> SyncStatus:
        """The status with what the files say now; as it was where they say nothing."""
        try:
            counts, held = self._work.outbox.counts(), self._work.feed.state()
        except StoreError as error:
            return replace(status, store_code=error.code)
        return replace(
            status,
            synced_at=held.synced_at,
            n_waiting=counts.n_waiting,
            n_refused=counts.n_refused,
            n_unread=held.n_unread,
            store_code=self._store_code,
        )

    def _guarded(self, work: Callable[[], object]) -> None:
        """Housekeeping that must not keep the sync from starting or ending."""
        try:
            work()
        except StoreError as error:
            self._store_code = error.code
            log.warning("store failed", extra={"code": error.code})


class _Work:
    """The jobs themselves: a call to the centre and what it writes here."""

    def __init__(self, client: CentreClient, store: EdgeStore, clock: Clock) -> None:
        self.client = client
        self.outbox = Outbox(store)
        self.feed = Feed(store)
        self._store = store
        self._clock = clock
        self._leases = Leases(store)
        self._finder = Finder(store)
        self._life = store.cache.life

    async def say_hello(self) -> None:
        """A session, the scopes, the centre's time."""
        answer = await self.client.hello(lineage=self._store.lineage)
        self._life = self._store.cache.life
        # First what must be sent again, then the scopes: cut in between, both are done by the next hello.
        self.outbox.note_history(answer.grants)
        self.feed.grant(answer.grants)
        self._leases.note_time(answer.server_time)

    async def fetch_leases(self) -> int:
        """The keys lent to this store; how many."""
        self._check_cache()
        leases, group = await self.client.leases()
        self._check_cache()
        self._leases.replace(leases, group=group)
        return len(leases)

    async def pull(self, *, wait_ms: int) -> tuple[Page, Applied]:
        """One page, applied."""
        self._check_cache()
        cursors = self.feed.cursors()
        page = await self.client.pull(cursors=cursors, wait_ms=wait_ms)
        self._check_cache()
        return page, self.feed.apply_page(page, asked=cursors)

    async def send(self, batch: tuple[Pending, ...]) -> Pushed:
        """Send these operations and settle what is answered."""
        try:
            results = await self.client.push(
                lineage=self._store.lineage, ops=[one.raw for one in batch]
            )
            sent = {one.id for one in batch}
            ours = tuple(result for result in results if result.op in sent)
            self.feed.keep_answers(ours)
            n_settled = self.outbox.settle(ours)
        finally:
            self.outbox.take_back()
        return Pushed(len(batch), n_settled)

    async def index(self) -> None:
        """Make the search terms of what changed, in slices with turns for the others in between."""
        while self._finder.refresh():
            await self._clock.pause_ms(0)

    def _check_cache(self) -> None:
        if self._store.cache.life != self._life:
            raise _CacheIsNew


def _has_news(event: Event) -> bool:
    """Whether rows or operations are not what they were."""
    match event:
        case Pulled(n_rows=count) | Pushed(n_settled=count):
            return count > 0
        case _:
            return False


def _job_of(effect: Effect) -> Job:
    match effect:
        case SayHello():
            return Job.HELLO
        case FetchLeases():
            return Job.LEASES
        case Pull():
            return Job.PULL
        case Push():
            return Job.PUSH
        case _:
            assert_never(effect)
