"""Many writers, one transaction: who comes while another writes is written together with all who wait, and synced once.

The thread that gets the lock writes for everybody waiting (up to BATCH_MAX), each in a part of its own that can fail
alone; then the heads are taken, then one commit; then each gets its answer. No thread of its own, nothing to stop.
"""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, Final, Generic, TypeVar, cast

from sync.central.store import Store, Transaction
from sync.model.errors import StoreError

BATCH_MAX: Final = 64
"""Requests in one transaction; bounds how long the first of them waits for its commit."""

Answer = TypeVar("Answer")
Work = Callable[[Transaction], Callable[[], Answer]]
"""Makes its changes, and returns what reads its answer once the heads are taken."""


class _Job(Generic[Answer]):
    def __init__(self, work: Work[Answer]) -> None:
        self.work = work
        self.finish: Callable[[], Answer] | None = None
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.is_done = False


class Batch:
    """The one writer of a store."""

    def __init__(self, store: Store, *, on_commit: Callable[[tuple[str, ...]], None]) -> None:
        """Write to `store`; `on_commit` is told which scopes moved, on the thread that wrote."""
        self._store = store
        self._on_commit = on_commit
        self._waiting: deque[_Job[Any]] = deque()
        self._lock = Lock()

    def run(self, work: Work[Answer]) -> Answer:
        """Do this work durably; blocks until it is committed. Raises what the work raises, or StoreError."""
        job = _Job(work)
        self._waiting.append(job)
        with self._lock:
            while not job.is_done:
                count = min(len(self._waiting), BATCH_MAX)
                self._commit([self._waiting.popleft() for _ in range(count)])
        if job.error is not None:
            raise job.error
        return cast("Answer", job.answer)

    def _commit(self, jobs: list[_Job[Any]]) -> None:
        scopes: tuple[str, ...] = ()
        try:
            with self._store.writing() as transaction:
                for job in jobs:
                    self._work(job, transaction)
                scopes = transaction.take_heads()
                for job in jobs:
                    if job.finish is not None:
                        job.answer = job.finish()
        except Exception as error:  # noqa: BLE001  # carried to every thread that asked, which raises it
            # Nothing of this transaction stands, so nobody in it may believe that it does.
            for job in jobs:
                job.error = job.error or error
        finally:
            for job in jobs:
                job.is_done = True
        if scopes:
            self._on_commit(scopes)

    def _work(self, job: _Job[Any], transaction: Transaction) -> None:
        try:
            with transaction.part():
                job.finish = job.work(transaction)
        except StoreError:
            raise  # the disk, not the work: the whole transaction is lost
        except Exception as error:  # noqa: BLE001  # carried to the thread that asked, which raises it
            job.error = error
