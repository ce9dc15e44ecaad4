"""Does what the engine says, in its own thread with its own event loop; and the same once, for a program without a loop.

The UI thread talks to it by `wake`, `status` and questions, all of which return at once. Everything else, the network and the
writing of pages and answers, happens on the sync thread, in `work`.
"""

import asyncio
import contextlib
import logging
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from hardware.clock import Clock
from hardware.entropy import Entropy
from sync.edge.client import CentreClient
from sync.edge.engine import (
    BATCH_FAULTS,
    GREET_AGAIN,
    LOST,
    Answer,
    Answered,
    Asked,
    CacheRenewed,
    Effect,
    Event,
    Failed,
    Fetch,
    Fetched,
    FetchLeases,
    Forked,
    GiveAway,
    GivenAway,
    Job,
    Leased,
    Mend,
    Mended,
    Pull,
    Pulled,
    Push,
    Pushed,
    SayHello,
    Started,
    State,
    Ticked,
    Woken,
    job_of,
    next_due_ms,
    step,
)
from sync.edge.near_parts import Near
from sync.edge.outbox import Pending
from sync.edge.progress import Progress
from sync.edge.schedule import CHANCES
from sync.edge.store import EdgeStore
from sync.edge.told import Update
from sync.edge.work import CacheIsNew, Work
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
from sync.model.wire import (
    PUSH_OPS_MAX,
    DecideRequest,
    InboxEntry,
    OpResult,
    Want,
    Wanted,
)

log = logging.getLogger(__name__)

STOP_S: Final = 2.0
"""How long `stop` waits for the thread; it has nothing to finish that is not on the disk."""

LOOK_MS: Final = 1_000
"""While nobody answers, how often it is looked whether this machine's own network changed. It costs 0.3 ms."""

COUNT_MS: Final = 100
"""While very much waits, how often it is counted; a count of 50,000 costs 3 ms."""

QUESTIONS_MAX: Final = 100
"""People's questions that wait at once; one more is answered that nobody is there."""

FORKS_MAX: Final = 3
"""New lineages of one `sync_once`; a centre that calls every one a copy is not asked for ever."""

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
        n_held: Of `n_refused`, those that wait for a decision of the centre.
        leased_at: When the keys of bands were renewed last, microseconds since 1970; 0 for not since the start.
        progress: What takes long now: rows, snapshot, push.
        alerts: What was found since the start and a person should know: device_forked | history_parted | sum_differed |
            scope_renewed | custody | device_revoked | device_retired.
        degraded: Kinds of rows that come in a newer form than this program reads.
        unread: Kinds of operation recorded here that the centre cannot read yet: it holds them, and loses none.
        update: Which program the centre will ask for, and from when on; None where this one will do.
        failures: What kept jobs from being done since the start, by code of the error or of the centre's problem, and how often.
    """

    network: str = "centre_unreachable"
    synced_at: int = 0
    n_waiting: int = 0
    n_refused: int = 0
    n_unread: int = 0
    store_code: str = "ok"
    is_asked: bool = False
    n_held: int = 0
    leased_at: int = 0
    progress: tuple[Progress, ...] = ()
    alerts: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    update: Update | None = None
    failures: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Once:
    """What one `sync_once` did."""

    n_rows: int
    n_settled: int
    n_leases: int


class _Question:
    """Something a person wants of the centre, and where the answer goes."""

    def __init__(self, ask: Callable[[Work], Awaitable[object]]) -> None:
        self._ask = ask
        self.future: Future[Any] = Future()
        self.n_tried = 0

    async def put(self, work: Work) -> None:
        """Ask, and give the answer to whoever waits. Raises SyncError."""
        self.n_tried += 1
        answer = await self._ask(work)
        with contextlib.suppress(InvalidStateError):  # whoever asked went away
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """There is no answer."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


class SyncRunner:
    """The sync of one device. Start it and stop it once."""

    def __init__(  # noqa: PLR0913  # what it talks to, and who hears of it
        self,
        client: CentreClient,
        store: EdgeStore,
        *,
        clock: Clock,
        entropy: Entropy,
        on_change: Callable[[], None] = lambda: None,
        network_mark: Callable[[], object] = lambda: None,
        near: Near | None = None,
    ) -> None:
        """Put it together.

        Args:
            client: Not shared with another runner.
            store: Of the same device.
            clock: Deadlines and waiting.
            entropy: How waits are drawn.
            on_change: Called on the sync thread after the status or any row changed; it must return at once.
            network_mark: Another value once this machine's own network changed; then nothing waits any longer.
            near: Where parts of snapshots may be had without the centre.
        """
        self._work = Work(client, store, clock, on_progress=self._progressed, near=near)
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
        self._failures: Counter[str] = Counter()
        self._questions: deque[_Question] = deque()
        self._counted_ms: int | None = None
        self._is_tried = False
        self._guarded(self._work.recall)
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

    def want(self, wants: Sequence[Want], *, days: int = 1) -> "Future[tuple[Wanted, ...]]":
        """Have these customers held here for so long; their rows are in the cache when this is done. From any thread."""
        return self._asked(lambda work: work.want(tuple(wants), days=days))

    def inbox(self, *, after: str = "") -> "Future[tuple[InboxEntry, ...]]":
        """Operations of this store that wait for a person, as the centre has them. From any thread."""
        return self._asked(lambda work: work.inbox(after))

    def fetch_deny(self) -> "Future[None]":
        """Have the newest deny list. From any thread."""
        return self._asked(lambda work: work.fetch_deny())

    def capsule(self, band: str, *, size: int) -> "Future[bytes]":
        """What this band is to carry now, in at most `size` bytes, as the centre signed it. From any thread."""
        return self._asked(lambda work: work.capsule(band, size))

    def decide(self, request: DecideRequest) -> "Future[OpResult | None]":
        """Tell the centre what a person decided about a held operation; what became of it. From any thread."""
        return self._asked(lambda work: work.decide(request))

    def _asked(self, ask: Callable[[Work], Awaitable[object]]) -> "Future[Any]":
        """The answer to come; a CentreError where nobody is there to give it. Without a running thread it is asked at once."""
        question = _Question(ask)
        if self._loop is None or self._loop.is_closed():
            asyncio.run(self._alone(question))
        elif len(self._questions) >= QUESTIONS_MAX:
            question.fail(CentreUnreachable("too many questions"))
        else:
            self._questions.append(question)
            self._tell(Asked())
        return question.future

    async def _alone(self, question: _Question) -> None:
        try:
            await self._work.say_hello()
            await question.put(self._work)
        except (CentreError, StoreError) as error:
            question.fail(error)
        except CacheIsNew:
            question.fail(StoreCorrupt("the cache broke meanwhile"))
        finally:
            await self._work.close()

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

    def sync_once(self, *, pulls: bool = True, pushes: bool = True) -> Once:
        """Hello, leases, pull to the head, push everything, pull what that changed. Not beside a started runner.

        What can be done is done: leases or an operation the centre fails at keep nothing else from going through.

        Args:
            pulls: Pull and fetch the leases.
            pushes: Push what waits.

        Raises:
            CentreError: it could not all be done; what was done stands.
            StoreError: this device's files.
        """
        return asyncio.run(self._once(pulls=pulls, pushes=pushes))

    async def _once(self, *, pulls: bool, pushes: bool) -> Once:
        work = self._work
        try:
            try:
                done, failed = await self._exchanged(pulls=pulls, pushes=pushes)
            except CacheIsNew:
                done, failed = await self._exchanged(pulls=pulls, pushes=pushes)
            await work.index()
        except CacheIsNew as error:
            raise StoreCorrupt("the cache breaks again and again") from error
        finally:
            work.outbox.take_back()
            await work.close()
        if failed is not None:
            raise failed
        self._status = replace(self._seen(self._status), network="ok", is_asked=True)
        return done

    async def _exchanged(self, *, pulls: bool, pushes: bool) -> tuple[Once, CentreError | None]:
        """One exchange in a new session, and what of it the centre did not do."""
        work = self._work
        greeted = await work.say_hello()
        self._guarded(work.outbox.forget_old)
        n_leases, n_rows, failed = 0, 0, None
        n_settled, refused = 0, None
        if pulls and not greeted.is_shut:
            try:
                n_leases = await work.fetch_leases()
            except (CentreRefused, CentreBusy) as error:
                failed = error
            n_rows = await self._pull_all(greeted.snapshots)
        if pushes:
            n_settled, refused = await self._push_all()
        if pulls and n_settled and not greeted.is_shut:
            n_rows += await self._pull_all()
        return Once(n_rows, n_settled, n_leases), failed or refused

    async def _push_all(self) -> tuple[int, CentreError | None]:
        """Push until nothing is left but lanes with an operation the centre fails at; how many were settled."""
        work, n_settled, n_max, n_forks = self._work, 0, PUSH_OPS_MAX, 0
        failed: CentreError | None = None
        without: frozenset[str] = frozenset()
        while batch := work.batch(n_max=n_max, without=without):
            try:
                sent = await work.send(batch)
            except CentreRefused as error:
                if error.problem not in BATCH_FAULTS:
                    raise
                n_units = _n_units(batch)
                if n_units > 1:
                    n_max = n_units // 2
                    continue
                settled = 0
                if work.outbox.note_failed(batch):
                    settled = (await work.give_away([one.id for one in batch])).n_settled
                failed = failed if settled else error
            else:
                if isinstance(sent, Forked):
                    n_forks += 1
                    if n_forks > FORKS_MAX:
                        raise CentreIncompatible("the centre takes every lineage for a copy")
                    await work.say_hello()
                    continue
                settled = sent.n_settled
            if not settled:
                failed = failed or CentreBusy("the centre settled nothing of what was sent")
                without |= {one.lane for one in batch}
            n_settled, n_max = n_settled + settled, min(PUSH_OPS_MAX, n_max * 2)
            self._progressed()
        work.all_sent()
        return n_settled, failed

    async def _pull_all(self, snapshots: Sequence[str] = ()) -> int:
        """Pull until the head is reached; how many rows changed."""
        work, n_rows = self._work, 0
        for scope in snapshots:
            with contextlib.suppress(CentreRefused, CentreBusy):  # it comes page by page then
                await work.fetch(scope)
        mended: set[str] = set()
        for _ in range(PAGES_MAX):
            pulled = await work.pull(wait_ms=0)
            n_rows += pulled.n_rows
            self._progressed()
            differing = [scope for scope in pulled.differing if scope not in mended]
            for scope in differing:
                mended.add(scope)
                await self._mend_all(scope)
            if pulled.is_head and not differing:
                return n_rows
        raise CentreIncompatible("the centre never comes to its head")

    async def _mend_all(self, scope: str) -> None:
        n_more, is_first = 1, True
        while n_more:
            left = (await self._work.mend(scope, is_first=is_first)).n_more
            if not is_first and left >= n_more:
                raise CentreIncompatible("the rows of the centre do not sum up to what it says")
            n_more, is_first = left, False

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
        self._work.outbox.take_back()
        self._mark = self._network_mark()
        state = State(spread_ms=self._spread_ms())
        event: Event = Started()
        try:
            while not stopping.done():
                state, effects = step(state, event, self._clock.ticks_ms())
                for effect in effects:
                    tasks[asyncio.ensure_future(self._performed(effect))] = job_of(effect)
                self._publish(state, event)
                if self._work.upkeep.is_due():
                    self._work.keep_up()
                event = await self._next_event(state, tasks, stopping)
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
            self._work.outbox.take_back()
            self._fail_questions(CentreUnreachable("the sync ended"))
            await self._work.close()

    async def _next_event(
        self, state: State, tasks: dict[asyncio.Task[Event], Job], stopping: asyncio.Future[Any]
    ) -> Event:
        """What happens first: a job ends, somebody tells something, something is due, or we stop."""
        assert self._events is not None
        waiting: set[asyncio.Future[Any]] = {stopping, *tasks}
        telling = asyncio.ensure_future(self._events.get())
        waiting.add(telling)
        due_ms, pausing = next_due_ms(state), None
        is_lost = state.code in LOST
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
        self._failures[SyncError.code] += 1
        if job in (Job.ASK, Job.HELLO):
            self._fail_questions(SyncError("a defect of this program"))
        return Failed(job, SyncError.code, self._chance())

    async def _performed(self, effect: Effect) -> Event:
        job = job_of(effect)
        batch: tuple[Pending, ...] = ()
        try:
            if isinstance(effect, Push):
                batch = self._work.batch(n_max=effect.n_max, without=effect.without)
                event: Event = await self._work.send(batch) if batch else self._work.all_sent()
            else:
                event = await self._done(effect)
        except CacheIsNew:
            return CacheRenewed(job)
        except CentreError as error:
            return self._failure(effect, error, batch)
        except StoreError as error:
            self._store_code = error.code
            self._failures[error.code] += 1
            log.warning("store failed", extra={"job": job.value, "code": error.code})
            if job is Job.HELLO:
                self._fail_questions(error)
            return Failed(job, "", self._chance(), scope=_scope_of(effect))
        self._store_code = "ok"
        return event

    async def _done(  # noqa: PLR0911  # one an effect
        self, effect: SayHello | FetchLeases | Pull | Fetch | Mend | GiveAway | Answer
    ) -> Event:
        work = self._work
        match effect:
            case SayHello():
                greeted = await work.say_hello()
                # A session is over after half a day, so this comes again.
                self._guarded(work.outbox.forget_old)
                return greeted
            case FetchLeases():
                await work.fetch_leases()
                return Leased()
            case Pull(wait_ms):
                return await work.pull(wait_ms=wait_ms)
            case Fetch(scope):
                return await work.fetch(scope)
            case Mend(scope, is_first):
                return await work.mend(scope, is_first=is_first)
            case GiveAway(ops):
                return await work.give_away(ops)
            case Answer():
                return await self._answer_people()
            case _:
                assert_never(effect)

    async def _answer_people(self) -> Event:
        """Ask what people want to know, one after the other. What is asked for while somebody waits fails at once."""
        while self._questions:
            question = self._questions[0]
            try:
                await question.put(self._work)
            except (CentreError, StoreError) as error:
                problem = error.problem if isinstance(error, CentreRefused) else ""
                if problem in GREET_AGAIN and question.n_tried == 1:
                    raise
                question.fail(error)
            # A hello that failed meanwhile may have answered all of them already.
            if self._questions and self._questions[0] is question:
                self._questions.popleft()
        return Answered()

    def _fail_questions(self, error: SyncError) -> None:
        while self._questions:
            self._questions.popleft().fail(error)

    def _failure(
        self, effect: Effect, error: CentreError, batch: tuple[Pending, ...]
    ) -> Failed:
        job = job_of(effect)
        log.info("sync job failed", extra={"job": job.value, "code": error.code})
        if job is Job.HELLO:
            self._fail_questions(error)
        problem = error.problem if isinstance(error, CentreRefused) else ""
        self._failures[problem or error.code] += 1
        n_units, hopeless = _n_units(batch), False
        is_odd = isinstance(effect, Push) and effect.is_odd and error.code in LOST
        if n_units == 1 and (problem in BATCH_FAULTS or is_odd):
            hopeless = self._is_hopeless(batch)
        return Failed(
            job,
            error.code,
            self._chance(),
            problem=problem,
            retry_after_ms=error.retry_after_ms if isinstance(error, CentreBusy) else 0,
            n_sent=n_units,
            lanes=tuple(sorted({one.lane for one in batch})) if n_units == 1 else (),
            hopeless=tuple(one.id for one in batch) if hopeless else (),
            scope=_scope_of(effect),
        )

    def _is_hopeless(self, batch: tuple[Pending, ...]) -> bool:
        """Count that the centre failed at these alone."""
        try:
            return self._work.outbox.note_failed(batch)
        except StoreError as error:
            self._store_code = error.code
            return False

    def _chance(self) -> int:
        return int.from_bytes(self._entropy.draw(2), "big") % CHANCES

    def _publish(self, state: State, event: Event) -> None:
        was = self._status
        self._is_tried = self._is_tried or state.is_greeted or state.hello.n_failed > 0
        # Until the first hello has ended nothing newer is known than what stood before.
        network = state.code if self._is_tried else was.network
        status = replace(was, network=network, is_asked=was.is_asked or self._is_tried)
        if not self._is_counted_enough(state, event):
            status = self._seen(status)
        failures = tuple(sorted(self._failures.items()))
        status = replace(status, progress=self._work.progress(), failures=failures)
        self._status = status
        if _has_news(event) or status != was:
            self._tell_listener()

    def _is_counted_enough(self, state: State, event: Event) -> bool:
        """Whether batch follows batch, and the last count was a moment ago; what comes after them counts again."""
        now_ms = self._clock.ticks_ms()
        is_midway = isinstance(event, Pushed | Pulled) and (
            state.push.is_busy or not getattr(event, "is_head", True)
        )
        is_fresh = self._counted_ms is not None and now_ms - self._counted_ms < COUNT_MS
        if is_midway and is_fresh and self._status.progress:
            return True
        self._counted_ms = now_ms
        return False

    def _progressed(self) -> None:
        """Something long went on a little."""
        progress = self._work.progress()
        if progress != self._status.progress:
            self._status = replace(self._status, progress=progress)
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
            n_held=counts.n_held,
            leased_at=self._work.leased_at,
            alerts=self._work.alerts,
            degraded=self._work.told.degraded,
            unread=self._work.told.unread,
            update=self._work.told.update,
        )

    def _spread_ms(self) -> int:
        try:
            return self._work.spread_ms()
        except StoreError:
            return 0  # it is a hint, and the files are said to be wrong elsewhere

    def _guarded(self, work: Callable[[], object]) -> None:
        """Housekeeping that must not keep the sync from starting or ending."""
        try:
            work()
        except StoreError as error:
            self._store_code = error.code
            log.warning("store failed", extra={"code": error.code})


def _n_units(batch: Sequence[Pending]) -> int:
    """How many can be sent apart: a group counts as one."""
    return len({one.group or one.id for one in batch})


def _scope_of(effect: Effect) -> str:
    return effect.scope if isinstance(effect, Fetch | Mend) else ""


def _has_news(event: Event) -> bool:
    """Whether rows or operations are not what they were."""
    match event:
        case Pulled(n_rows=count) | Pushed(n_settled=count) | GivenAway(n_settled=count):
            return count > 0
        case Fetched() | Mended() | Forked() | Answered():
            return True
        case _:
            return False
