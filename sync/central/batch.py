"""Many writers, one transaction: who comes while another writes is written together with all who wait, and synced once.

One thread leads: it writes for everybody waiting (up to BATCH_MAX), wakes whom it wrote for, and hands over to the first who
came meanwhile. The names all of them said they need are locked
and read at once, in sorted order, so that no two nodes wait for each other; each works in a part of its own that can
fail alone; then the heads are taken, then one commit; then each gets its answer. What fails whole is tried again in halves, so that
one of them cannot take the others along; who was in another node's way locks at once all it turned out to need.
No thread of its own, nothing to stop.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from threading import Event, Lock
from typing import Any, Final, Generic, TypeVar, cast

from hardware.clock import Clock, SystemClock
from hardware.moments import micros_of
from sync.central.errors import StoreConflict, StoreUnreachable
from sync.central.lines import Wanted, is_text
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.errors import StoreCorrupt, StoreError, StoreFull

BATCH_MAX: Final = 64
"""Requests in one transaction; bounds how long the first of them waits for its commit."""

BATCH_KEYS_MAX: Final = 1_000
"""Names in one transaction, unless one request has more; what a node locks at once keeps the others waiting."""

CONFLICTS_MAX: Final = 8
"""How often one request is tried that others are in the way of."""

Answer = TypeVar("Answer")
Work = Callable[[Transaction], Callable[[], Answer]]
"""Makes its changes, and returns what reads its answer once the heads are taken."""

log = logging.getLogger(__name__)


class _Job(Generic[Answer]):
    def __init__(
        self,
        work: Work[Answer],
        keys: tuple[str, ...],
        ops: tuple[str, ...],
        lines: tuple[Wanted, ...],
    ) -> None:
        self.work = work
        self.keys = keys
        self.ops = ops
        self.lines = lines
        self.finish: Callable[[], Answer] | None = None
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.is_done = False
        self.turn = Event()  # it is done, or it is to lead

    @property
    def n_keys(self) -> int:
        """About how many names it locks."""
        return len(self.keys) + len(self.lines)


class Batch:
    """The one writer of a store in this process."""

    def __init__(
        self,
        store: Store,
        *,
        on_commit: Callable[[tuple[str, ...]], None],
        clock: Clock | None = None,
    ) -> None:
        """Write to `store`; `on_commit` is told which scopes moved, on the thread that wrote."""
        self._store = store
        self._on_commit = on_commit
        self._clock = clock or SystemClock()
        self._waiting: deque[_Job[Any]] = deque()
        self._is_led = False
        self._lock = Lock()

    def run(
        self,
        work: Work[Answer],
        *,
        keys: Iterable[str] = (),
        ops: Iterable[str] = (),
        lines: Iterable[Wanted] = (),
    ) -> Answer:
        """Do this work durably; blocks until it is committed.

        Args:
            work: Called in the transaction, maybe more than once: what it did before was undone.
            keys: Rows it will ask for, locked and read before it begins; what it leaves out is locked when it asks.
            ops: Ids of operations it will ask for.
            lines: Of other tables, what it will ask for.

        Raises:
            StoreError: nothing was written; or for StoreUnreachable, nobody knows.
            Exception: whatever the work raises.
        """
        job = _Job(work, tuple(keys), tuple(ops), tuple(lines))
        with self._lock:
            self._waiting.append(job)
            is_leader, self._is_led = not self._is_led, True
        if not is_leader:
            job.turn.wait()
        if not job.is_done:
            self._lead(job)
        if job.error is not None:
            raise job.error
        return cast("Answer", job.answer)

    def _lead(self, own: _Job[Any]) -> None:
        """Write for who waits until our own job is done, then let the next of them lead."""
        try:
            while not own.is_done:
                jobs = self._next()
                try:
                    self._commit(jobs)
                finally:  # also when this thread is interrupted: nobody waits for ever
                    for job in jobs:
                        if not job.is_done:
                            job.error, job.is_done = StoreError("interrupted"), True
                        job.turn.set()
        finally:
            with self._lock:
                self._is_led = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].turn.set()

    def _next(self) -> list[_Job[Any]]:
        jobs = [self._waiting.popleft()]
        n_keys = jobs[0].n_keys
        while self._waiting and len(jobs) < BATCH_MAX:
            n_keys += self._waiting[0].n_keys
            if n_keys > BATCH_KEYS_MAX:
                break
            jobs.append(self._waiting.popleft())
        return jobs

    def _commit(self, jobs: list[_Job[Any]], n_tried: int = 1) -> None:
        error = self._attempt(jobs)
        if error is None:
            return
        if len(jobs) > 1 and not isinstance(error, _OF_ALL):
            log.warning("batch tried in halves", extra={"count": len(jobs)})
            half = len(jobs) // 2
            self._commit(jobs[:half])
            self._commit(jobs[half:])
        elif isinstance(error, StoreConflict) and n_tried < CONFLICTS_MAX:
            self._commit(jobs, n_tried + 1)
        else:
            # Nothing of this transaction stands, so nobody in it may believe that it does.
            for job in jobs:
                job.error = job.error or error
                job.is_done = True

    def _attempt(self, jobs: list[_Job[Any]]) -> Exception | None:
        """Write these together; why nothing of it stands, or None when it does."""
        for job in jobs:
            job.finish = job.error = None
        begun: Transaction | None = None
        try:
            with self._store.writing() as transaction:
                begun = transaction
                transaction.load(
                    (key for job in jobs for key in job.keys),
                    ops=(op for job in jobs for op in job.ops),
                    lines=(one for job in jobs for one in job.lines),
                )
                for job in jobs:
                    self._work(job, transaction)
                scopes = transaction.take_heads(micros_of(self._clock.now()))
                for job in jobs:
                    if job.finish is not None:
                        job.answer = job.finish()
        except Exception as error:  # noqa: BLE001  # carried to every thread that asked, which raises it
            if isinstance(error, StoreConflict) and begun is not None:
                for job in (jobs[0], jobs[len(jobs) // 2]):  # the first of each half
                    job.keys = tuple(filter(is_text, begun.locked.union(job.keys)))
            return error
        for job in jobs:
            job.is_done = True
        if scopes:
            self._on_commit(scopes)
        return None

    def _work(self, job: _Job[Any], transaction: Transaction) -> None:
        try:
            with transaction.part():
                job.finish = job.work(transaction)
        except StoreError:
            raise  # the disk, not the work: the whole transaction is lost
        except Exception as error:  # noqa: BLE001  # carried to the thread that asked, which raises it
            job.error = error


_OF_ALL: Final = (StoreFull, StoreCorrupt, StoreUnreachable)
"""What no smaller transaction would escape."""
