"""A scope whole, from the parts of a snapshot: fetched one ahead of another, kept as ciphertext until all are in, then forgotten.

    nothing -> loading (part by part, each in one transaction) -> at the snapshot's seq -> pages as ever

While a scope is loading its cursor stays at 0 and it counts as renewing: what is in the file already is shown, and nothing
says that it is complete. A load that was cut off goes on where it was; where the centre has another snapshot meanwhile, or
pages come instead, the rows loaded so far stand as not yet come again. The cursor moves only when all rows are in and their
count and sum are what the centre said.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

import msgspec

from sync.edge import reading
from sync.edge.erase import joined_by, note_doubtful
from sync.edge.feed import forget_loading, index_anew, keep_mark
from sync.edge.store import EdgeStore, Transaction, disk_errors
from sync.model.errors import CentreUnreachable, Malformed
from sync.model.snapshot import FORMAT, StoredRow, opened
from sync.model.sums import SUM_MASK, sum_of
from sync.model.wire import SnapshotAnswer, SnapshotPart

log = logging.getLogger(__name__)

ROWS_MIN: Final = 2_000
"""A scope with fewer rows is there in two pages."""

TOGETHER_ROWS: Final = 8_000
"""Rows that wait to be written at most, about 10 MB; the more at once the better, for an index page that many of them touch
is encrypted once."""

AHEAD_PARTS: Final = 2
"""Parts that come or are opened while others are written: memory does not grow with the scope."""

FOLDER: Final = "snap"
"""Where parts lie, beside the cache."""

_ANY_LOADING: Final = "SELECT 1 FROM meta WHERE name LIKE 'loading/%' LIMIT 1"
_INTO: Final = """
    INTO row(key, scope, seq, owner, kind, version, as_of, source, form, body, is_read)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT(key, scope) """
_PUT_NEW: Final = f"INSERT OR FAIL {_INTO} DO NOTHING"
"""Whatever fails undoes the transaction, so that one statement need not be undone alone; keeping that open costs a tenth."""

_PUT: Final = f"""INSERT {_INTO} DO UPDATE SET
    seq = excluded.seq, owner = excluded.owner, kind = excluded.kind, version = excluded.version, as_of = excluded.as_of,
    source = excluded.source, form = excluded.form, body = excluded.body, is_read = 1"""


class Centre(Protocol):
    """What a load asks the centre for."""

    async def snapshot(self, scope: str) -> tuple[SnapshotAnswer, bytes]:
        """Of which parts a scope can be had whole, and the key that opens them."""
        ...

    async def part(self, part: SnapshotPart) -> bytes:
        """One part, whose hash holds."""
        ...


class _Loading(msgspec.Struct, frozen=True):
    """How far a load is: of which snapshot, how many parts, and count and sum of their rows."""

    id: str
    n_parts: int = 0
    count: int = 0
    sum: int = 0


class SnapshotLoader:
    """Loads snapshots into the cache; on one event loop."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store
        self._is_loading = self._is_swept = False

    def sweep(self) -> None:
        """Remove parts of a load that was cut off and did not go on: the scope came otherwise. Raises StoreError."""
        if self._is_loading or self._is_swept:
            return
        if self._store.cache.look(lambda file: file.read(_ANY_LOADING)):
            return  # it goes on with them
        with disk_errors():
            for path in (self._store.folder / FOLDER).glob("*"):
                self._store.disk.remove(path)
        self._is_swept = True

    async def load(
        self,
        client: Centre,
        scope: str,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> bool:
        """Load a scope that is held from the beginning on.

        Args:
            client: Where the parts come from.
            scope: One whose cursor is at 0.
            on_progress: Told how many rows are in, and of how many.

        Returns:
            Whether the scope is here whole now, up to the snapshot's seq; where it is not, it comes page by page.

        Raises:
            CentreError: a part did not come; what came stays, and the next load goes on from there.
            StoreError: this device's files.
        """
        self._is_loading, self._is_swept = True, False
        try:
            return await self._load(client, scope, on_progress)
        finally:
            self._is_loading = False

    async def _load(
        self, client: Centre, scope: str, on_progress: Callable[[int, int], None]
    ) -> bool:
        answer, key = await client.snapshot(scope)
        if answer.seq <= 0 or answer.count < ROWS_MIN:
            return False
        loading = self._begin(answer)
        if loading is None:
            return False
        on_progress(loading.count, answer.count)
        source = _Parts(client, self._store, answer, key)
        writer = ThreadPoolExecutor(1, thread_name_prefix="feed")
        try:
            done = await self._load_parts(source, answer, loading, writer, on_progress)
            if done is None or not self._finish(answer, done):
                return False
            await source.forget()
        finally:
            writer.shutdown()
            await source.close()
        return True

    async def _load_parts(
        self,
        source: "_Parts",
        answer: SnapshotAnswer,
        loading: _Loading,
        writer: ThreadPoolExecutor,
        on_progress: Callable[[int, int], None],
    ) -> _Loading | None:
        first, following = loading.n_parts, loading
        several: list[StoredRow] = []
        putting: Future[bool] | None = None
        source.begin(first)
        for number in range(first, len(answer.parts)):
            rows, total = await source.rows(number)
            several += rows
            following = _Loading(
                id=loading.id,
                n_parts=number + 1,
                count=following.count + len(rows),
                sum=(following.sum + total) & SUM_MASK,
            )
            is_idle = putting is None or putting.done()
            if not is_idle and len(several) < TOGETHER_ROWS:
                continue
            if putting is not None and not await asyncio.wrap_future(putting):
                return None
            on_progress(loading.count, answer.count)
            putting = writer.submit(self._put, answer.scope, several, loading, following)
            loading, several = following, []
        if putting is not None and not await asyncio.wrap_future(putting):
            return None
        if several and not self._put(answer.scope, several, loading, following):
            return None
        on_progress(following.count, answer.count)
        return following

    def _begin(self, answer: SnapshotAnswer) -> _Loading | None:
        """How far this very snapshot is loaded already; None where the scope is not held from the beginning on."""
        name = _id_of(answer)
        with self._store.cache.write() as file:
            found = file.read("SELECT seq, epoch FROM cursor WHERE scope = ?", (answer.scope,))
            if found != [(0, answer.epoch)]:
                return None
            loading = _loading(file, answer.scope)
            if loading is not None and loading.id == name:
                return loading
            forget_loading(file, answer.scope)
            _note(file, answer.scope, _Loading(name))
            file.execute(
                "UPDATE cursor SET is_renewing = 1, is_head = 0, count = -1, sum = -1 WHERE scope = ?",
                (answer.scope,),
            )
        return _Loading(name)

    def _put(
        self, scope: str, rows: Sequence[StoredRow], loading: _Loading, following: _Loading
    ) -> bool:
        """Write one part; whether the load was still where it was."""
        with self._store.cache.write(bulk=True) as file:
            if _loading(file, scope) != loading:
                return False
            if file.insert(_PUT_NEW, rows) < len(rows):  # some are there already
                note_doubtful(file, joined_by(file, (str(row[0]) for row in rows)))
                file.insert(_PUT, rows)
            forms = {(row[4], row[8]) for row in rows}
            unread = {one for one in forms if not reading.is_known(kind=one[0], form=one[1])}
            file.many(
                "UPDATE row SET is_read = 0 WHERE key = ? AND scope = ?",
                ((row[0], scope) for row in rows if (row[4], row[8]) in unread),
            )
            _note(file, scope, following)
        return True

    def _finish(self, answer: SnapshotAnswer, loading: _Loading) -> bool:
        scope = answer.scope
        is_sound = (loading.count, loading.sum) == (answer.count, answer.sum)
        with self._store.cache.write() as file:
            if _loading(file, scope) != loading:
                return False
            if not is_sound:
                forget_loading(file, scope)
                log.error("snapshot did not sum", extra={"rows": loading.count})
                return False
            file.execute("DELETE FROM meta WHERE name = ?", (f"loading/{scope}",))
            index_anew(file)
            file.execute(
                "UPDATE cursor SET seq = ?, count = ?, sum = ? WHERE scope = ?",
                (answer.seq, loading.count, loading.sum, scope),
            )
            file.execute(
                "DELETE FROM answered WHERE scope = ? AND seq <= ?", (scope, answer.seq)
            )
            if answer.mark is not None:
                keep_mark(file, scope, answer.mark)
        log.info("snapshot loaded", extra={"rows": loading.count})
        return True


class _Parts:
    """The parts of one snapshot: the next one comes, and the one before it is opened, while one is written."""

    def __init__(
        self, client: Centre, store: EdgeStore, answer: SnapshotAnswer, key: bytes
    ) -> None:
        self._client = client
        self._disk = store.disk
        self._folder = store.folder / FOLDER
        self._answer = answer
        self._key = key
        self._coming: dict[int, asyncio.Task[Future[tuple[list[StoredRow], int]]]] = {}
        self._keeping: list[Future[None]] = []
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="parts")
        self._room = asyncio.Semaphore(AHEAD_PARTS)

    def begin(self, first: int) -> None:
        """Ask for the first part that is not in yet."""
        self._ask(first)

    def _ask(self, number: int) -> None:
        if number < len(self._answer.parts):
            self._coming[number] = asyncio.ensure_future(self._come(number))

    async def _come(self, number: int) -> Future[tuple[list[StoredRow], int]]:
        """Have a part, and have it opened on another core."""
        await self._room.acquire()
        part = self._answer.parts[number]
        path = self._path(part)
        with disk_errors():
            content = self._disk.read(path)
        if content is None or hashlib.sha256(content).hexdigest() != part.part:
            content = await self._client.part(part)
            self._keeping.append(self._keeper.submit(self._keep, path, content))
        self._ask(number + 1)
        return self._opener.submit(self._open, number, content)

    def _keep(self, path: Path, content: bytes) -> None:
        with disk_errors():
            self._disk.write(path, content, private=True)

    async def _kept(self, *, is_all: bool) -> None:
        """Those parts that are on the disk by now, or all. Raises StoreError where one is not."""
        while self._keeping and (is_all or self._keeping[0].done()):
            await asyncio.wrap_future(self._keeping.pop(0))

    def _open(self, number: int, content: bytes) -> tuple[list[StoredRow], int]:
        answer = self._answer
        rows = opened(content, key=self._key, scope=answer.scope, seq=answer.seq, number=number)
        return rows, sum_of((row[0], row[2], row[5]) for row in rows)

    async def rows(self, number: int) -> tuple[list[StoredRow], int]:
        """The rows of a part and the sum of their hashes. Raises CentreError, and StoreError where one before was not kept."""
        opening = await self._coming.pop(number)
        try:
            rows, total = await asyncio.wrap_future(opening)
        except Malformed as error:
            await self._kept(is_all=True)
            with disk_errors():
                self._disk.remove(self._path(self._answer.parts[number]))
            raise CentreUnreachable(str(error)) from error
        self._room.release()
        await self._kept(is_all=False)
        return rows, total

    def _path(self, part: SnapshotPart) -> Path:
        return self._folder / part.part[:64]

    async def forget(self) -> None:
        """The parts are in the cache now. Raises StoreError."""
        await self._kept(is_all=True)
        with disk_errors():
            for part in self._answer.parts:
                self._disk.remove(self._path(part))

    async def close(self) -> None:
        """Nothing more is wanted of them."""
        for task in self._coming.values():
            task.cancel()
        await asyncio.gather(*self._coming.values(), return_exceptions=True)
        self._opener.shutdown(wait=True, cancel_futures=True)
        self._keeper.shutdown(wait=True)  # what came stays


def _id_of(answer: SnapshotAnswer) -> str:
    parts = " ".join(part.part for part in answer.parts)
    return hashlib.sha256(f"{FORMAT} {answer.seq} {parts}".encode()).hexdigest()[:32]


def _loading(file: Transaction, scope: str) -> _Loading | None:
    found = file.read("SELECT value FROM meta WHERE name = ?", (f"loading/{scope}",))
    return msgspec.json.decode(found[0][0], type=_Loading) if found else None


def _note(file: Transaction, scope: str, loading: _Loading) -> None:
    file.execute(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        (f"loading/{scope}", msgspec.json.encode(loading)),
    )
