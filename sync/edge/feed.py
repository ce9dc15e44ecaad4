"""What the centre says becomes rows and a cursor, in one transaction: all of it or nothing.

    fresh     -> pages or a snapshot                        -> at head
    at head   -> page after page                            -> at head, sums compared
    renewing  -> from `seq` again over the rows that are here -> at head; what did not come again is dropped
    a scope is renewed when its epoch changed, our histories parted, we were away too long, or its sum was wrong thrice a day

A key may stand in several scopes; it stays as long as one of them holds it. What a page says is used only where it carries
on from the cursor: a page that comes late, twice or after the cache was rebuilt changes nothing and never lowers a cursor.
Rows of kinds or forms this version does not know are kept raw and counted. Nothing is ever wiped first.

A row that leaves while an operation nobody answered needs it (`pinned`) stays until that is settled.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import msgspec

from sync.edge import erase, erased, find, peer_ops
from sync.edge.reading import is_known, is_readable
from sync.edge.store import EdgeStore, Found, Transaction
from sync.edge.terms import SEARCHED_KINDS
from sync.model.errors import Malformed, StoreError
from sync.model.records import Decision, key_of
from sync.model.row import body_of
from sync.model.sums import BUCKETS, SUM_MASK, bucket_of, pointer_hash, sum_of, sum_text
from sync.model.wire import (
    MARKS_MAX,
    Checkpoint,
    Cursor,
    DiffAnswer,
    Grant,
    Mark,
    OpResult,
    Page,
    Wanted,
    WireRow,
)

MISMATCHES_MAX: Final = 3
"""So many wrong sums of a scope within a day, and it is pulled again from the beginning."""

DAY_US: Final = 86_400_000_000

FULL_ROWS: Final = 500
"""A page of so many rows is one of many."""

SOON_ROWS: Final = 4_000
"""Rows of full pages that are written while nothing else is being written."""

TOGETHER_ROWS: Final = 12_000
"""Rows of full pages that wait to be written at most, about 12 MB; the more at once the better, for an index page that many
of them touch is encrypted once."""

_COLUMNS: Final = "key, scope, seq, owner, kind, version, as_of, source, form, is_read, body"
_INSERT: Final = f"INSERT INTO row({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # constants
_PUT_ROW: Final = (
    _INSERT
    + """ ON CONFLICT(key, scope) DO UPDATE SET seq = excluded.seq, owner = excluded.owner, kind = excluded.kind,
    version = excluded.version, as_of = excluded.as_of, source = excluded.source, form = excluded.form,
    is_read = excluded.is_read, body = excluded.body"""
)
_PUT_NEW: Final = (
    _INSERT.replace("INSERT", "INSERT OR FAIL") + " ON CONFLICT(key, scope) DO NOTHING"
)
"""Whatever fails undoes the transaction, so that one statement need not be undone alone; keeping that open costs a tenth."""

_DECISION: Final = """
    SELECT body FROM (SELECT body, version FROM row WHERE key = ?1
    UNION ALL SELECT body, version FROM answered WHERE key = ?1) ORDER BY version DESC LIMIT 1"""

_HELD_OF: Final = """
    SELECT key, seq, version FROM row WHERE key IN (SELECT value FROM json_each(?)) AND scope = ? AND seq > 0"""

_PUT_ANSWERED: Final = """
    INSERT INTO answered(key, scope, seq, owner, kind, version, as_of, source, body, form)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key, scope) DO UPDATE SET
    seq = excluded.seq, owner = excluded.owner, kind = excluded.kind, version = excluded.version,
    as_of = excluded.as_of, source = excluded.source, body = excluded.body, form = excluded.form
    WHERE excluded.version >= answered.version"""

_MOVE: Final = """
    UPDATE cursor SET seq = ?, is_head = ?, synced_at = CASE WHEN ? THEN ? ELSE synced_at END, count = ?, sum = ?
    WHERE scope = ?"""

_CURSORS: Final = """
    SELECT cursor.scope, cursor.seq, mark.seq, token, is_kept FROM cursor
    LEFT JOIN mark ON mark.scope = cursor.scope ORDER BY cursor.scope, mark.seq DESC"""

_STANDING: Final = """
    SELECT scope, synced_at, seq, count, sum, is_head AND NOT is_renewing
    AND NOT EXISTS (SELECT 1 FROM meta WHERE name = 'loading/' || scope)
    AND NOT EXISTS (SELECT 1 FROM row WHERE seq = -1) FROM cursor"""

NOTED_US: Final = 1_000_000
"""How old the time of the last answer may be as it is kept: a disk need not write it more often."""

_encoder = msgspec.json.Encoder()
_Held = tuple[str, int, int]
Asked = tuple[Page, tuple[Cursor, ...]]
"""A page, and the cursors the question for it carried."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a page.

    Attributes:
        n_rows: Rows that were new here, those that left included.
        is_head: Every scope of this device is now held up to the centre's head.
        differing: Scopes whose rows do not sum to what the centre says.
    """

    n_rows: int
    is_head: bool
    differing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncState:
    """How complete the cache is.

    Attributes:
        synced_at: When it was last complete, microseconds since 1970; 0 for never.
        n_unread: Rows this version cannot read, kept raw.
    """

    synced_at: int
    n_unread: int


class Feed:
    """The cache as the centre fills it."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store
        self._life = store.cache.life
        self._kept: list[Asked] = []
        self._behind: _Behind | None = None

    def grant(self, grants: Iterable[Grant], *, pinned: frozenset[str] = frozenset()) -> None:
        """Hold these scopes and no others; one with another epoch is renewed from the beginning. Raises StoreError.

        Args:
            grants: What the centre grants now.
            pinned: Keys that unanswered operations need.
        """
        self._forget_kept()  # what was not written yet is asked for again
        granted = {grant.id: grant for grant in grants}
        with self._store.cache.write() as file:
            held: dict[str, str] = dict(file.read("SELECT scope, epoch FROM cursor"))
            for scope in held.keys() - granted.keys():
                _drop_scope(file, scope, pinned)
            for scope, grant in granted.items():
                if scope not in held:
                    file.execute(
                        "INSERT INTO cursor VALUES (?, 0, ?, 0, 0, 0, 0, 0)",
                        (scope, grant.epoch),
                    )
                elif held[scope] != grant.epoch:
                    _part_ways(file, scope, 0)
                    file.execute(
                        "UPDATE cursor SET epoch = ? WHERE scope = ?", (grant.epoch, scope)
                    )

    def purge(self, pinned: Callable[[], frozenset[str]]) -> None:
        """Let rows go that left while an operation needed them, where it is settled. Raises StoreError.

        A page does the same; a device that may hold nothing any more gets none.

        Args:
            pinned: Says, when there are such rows, which keys unanswered operations need.
        """
        if self._store.cache.glance("SELECT 1 FROM row WHERE seq = -1 LIMIT 1"):
            keys = pinned()
            with self._store.cache.write() as file:
                _purge_settled(file, keys)

    def cursors(self) -> tuple[Cursor, ...]:
        """How far each scope is held, with the newest mark and the newest kept one, to ask for what comes after.

        Pages that are kept back to be written together count as held here, and nowhere else.
        """
        marks: dict[tuple[str, int], list[Mark]] = {}
        for scope, seq, at, token, is_kept in self._store.cache.glance(_CURSORS):
            known = marks.setdefault((scope, seq), [])
            if at is not None:
                known.append(Mark(at, token, bool(is_kept)))
        held = tuple(Cursor(*place, _presented(known)) for place, known in marks.items())
        for page, _ in self._unwritten():
            held = tuple(_after(cursor, page.checkpoints) for cursor in held)
        return held

    def all_marks(self, scope: str) -> tuple[Mark, ...]:
        """All names this device knows of moments in the history of a scope, newest first; at most MARKS_MAX."""
        return self._store.cache.look(lambda file: _marks(file, scope))

    def apply_page(
        self, page: Page, *, asked: Iterable[Cursor], pinned: frozenset[str] = frozenset()
    ) -> Applied:
        """Apply a pull answer to what was asked, at once or with some that follow. Raises StoreError.

        While page after full page comes, a few are kept back and written in one transaction, which costs half, by a thread
        of its own, while others come. Whatever else is asked of this feed waits for them, and so does the last page.

        Args:
            page: Complete and the centre's.
            asked: The cursors the question carried.
            pinned: Keys that unanswered operations need: their rows are kept until that is settled.
        """
        asked = tuple(asked)
        held = self.as_held(page, asked=asked)
        if held is not None:
            return held
        self._check_life()
        self._kept.append((page, asked))
        if len(page.rows) >= FULL_ROWS and not all(one.is_head for one in page.checkpoints):
            n_kept = sum(len(one.rows) for one, _ in self._kept)
            is_idle = self._behind is None or self._behind.is_idle
            if n_kept >= (SOON_ROWS if is_idle else TOGETHER_ROWS):
                self._write_behind(pinned)
            return Applied(len(page.rows), is_head=False)
        n_told = sum(len(one.rows) for one, _ in self._kept[:-1])
        applied, earlier = self._write_kept(pinned)
        differing = dict.fromkeys((*earlier, *applied.differing))
        return Applied(max(0, applied.n_rows - n_told), applied.is_head, tuple(differing))

    def as_held(self, page: Page, *, asked: Iterable[Cursor]) -> Applied | None:
        """What a page comes to that says that all is held already, as most do: only the time of it is written. None for another."""
        if page.rows or self._unwritten() or not self._is_as_held(page, tuple(asked)):
            return None
        return Applied(0, is_head=True)

    def _is_as_held(self, page: Page, asked: Sequence[Cursor]) -> bool:
        since = {cursor.id: cursor for cursor in asked}
        if not all(_tells_nothing(one, since.get(one.scope)) for one in page.checkpoints):
            return False
        told = {one.scope: [one.seq, one.count, one.sum, 1] for one in page.checkpoints}

        def noted(found: list[Found]) -> int | None:
            """When it was written last; None where another place than told is held."""
            held = {scope: place for scope, _, *place in found}
            return min((at for _, at, *_ in found), default=0) if held == told else None

        self._store.check_room()
        now, at = self._store.now(), noted(self._store.cache.glance(_STANDING))
        if at is None or abs(now - at) < NOTED_US:
            return at is not None
        with self._store.cache.write() as file:
            if noted(file.read(_STANDING)) is None:
                return False
            file.execute("UPDATE cursor SET synced_at = ?", (now,))
        return True

    def flush(self, *, pinned: frozenset[str] = frozenset()) -> None:
        """Write the pages that were kept back, as when no other follows. Raises StoreError."""
        self._check_life()
        if self._unwritten():
            self._write_kept(pinned)

    def _unwritten(self) -> list[Asked]:
        """Pages that count as held here, and may not be written yet."""
        self._check_life()
        return [*(self._behind.pages if self._behind else ()), *self._kept]

    def _check_life(self) -> None:
        if self._life != self._store.cache.life:
            self._forget_kept()  # of a cache that is no more

    def _forget_kept(self) -> None:
        self._life = self._store.cache.life
        self._kept.clear()
        behind, self._behind = self._behind, None
        if behind is not None:
            with contextlib.suppress(StoreError):
                behind.end()

    def _write_behind(self, pinned: frozenset[str]) -> None:
        """Begin to write what is kept back. Raises StoreError where what was begun before failed."""
        pages, self._kept = tuple(self._kept), []
        if self._behind is None:
            self._behind = _Behind()
        try:
            self._behind.begin(pages, lambda: self.apply_pages(pages, pinned=pinned))
        except StoreError:
            self._forget_kept()
            raise

    def _write_kept(self, pinned: frozenset[str]) -> tuple[Applied, tuple[str, ...]]:
        """Write all that is kept back; what came of it, and what of the pages before was found to differ."""
        pages, self._kept = tuple(self._kept), []
        behind, self._behind = self._behind, None
        differing = behind.end() if behind is not None else ()
        return self.apply_pages(pages, pinned=pinned), differing

    def apply_pages(
        self,
        pages: Sequence[Asked],
        *,
        pinned: frozenset[str] = frozenset(),
    ) -> Applied:
        """Apply several pull answers in one transaction, oldest first, each to what was asked. Raises StoreError."""
        self._store.check_room()
        now = self._store.now()
        n_rows = 0
        differing: dict[str, None] = {}
        with self._store.cache.write(bulk=len(pages) > 1) as file:
            for page, asked in pages:
                since = {cursor.id: cursor.seq for cursor in asked}
                held: dict[str, int] = dict(file.read("SELECT scope, seq FROM cursor"))
                for checkpoint in page.checkpoints:
                    if _carries_on(checkpoint, held, since):
                        n_rows += _apply_scope(file, page, checkpoint, pinned, now)
                        differing.pop(checkpoint.scope, None)
                        if _differs(file, checkpoint):
                            differing[checkpoint.scope] = None
            _purge_settled(file, pinned)
            behind = file.read("SELECT 1 FROM cursor WHERE is_head = 0 LIMIT 1")
        return Applied(n_rows, not behind, tuple(differing))

    def part_ways(self, scope: str, seq: int, *, is_one: bool = False) -> None:
        """Our history of a scope holds up to `seq` and no further: pull again from there over what is here. Raises StoreError.

        Where the history `is_one` with the centre's, what it answered stays until it comes again.
        """
        self.flush()
        with self._store.cache.write() as file:
            _part_ways(file, scope, seq, is_one=is_one)

    def bucket_sums(self, scope: str) -> tuple[str, ...]:
        """The sum of each bucket of a scope, of the rows as they are stored. Reads all of it: about 0.2 s for 50,000 rows."""
        self.flush()
        sums = [0] * BUCKETS
        for key, seq, version in self._store.cache.look(lambda file: _all_held(file, scope)):
            bucket = bucket_of(key)
            sums[bucket] = (sums[bucket] + pointer_hash(key, seq, version)) & SUM_MASK
        return tuple(map(sum_text, sums))

    def apply_diff(self, answer: DiffAnswer, *, pinned: frozenset[str] = frozenset()) -> int:
        """Make the buckets that differ as the centre has them; how many rows came or went. Raises StoreError."""
        self.flush(pinned=pinned)
        buckets = frozenset(answer.buckets)
        rows = {
            row.key: row
            for row in answer.rows
            if row.scope == answer.scope and not row.is_gone and bucket_of(row.key) in buckets
        }
        with self._store.cache.write() as file:
            if not file.read("SELECT 1 FROM cursor WHERE scope = ?", (answer.scope,)):
                return 0
            there = {key: (seq, version) for key, seq, version in _all_held(file, answer.scope)}
            new = [row for row in rows.values() if there.get(row.key) != (row.seq, row.version)]
            gone = [key for key in there if bucket_of(key) in buckets and key not in rows]
            _note_terms(file, new)
            erase.note_doubtful(file, erase.joined_by(file, (row.key for row in new)))
            file.many(_PUT_ROW, map(_stored, new))
            erased.set_aside(file, answer.scope, gone)
            _let_go(file, answer.scope, gone, pinned)
            _count_anew(file, answer.scope)
        return len(new) + len(gone)

    def note_mismatch(self, scope: str) -> bool:
        """Remember that a sum was wrong; the third time within a day the scope is renewed from the beginning, and this is true."""
        self.flush()
        now = self._store.now()
        name = f"mismatch/{scope}"
        with self._store.cache.write() as file:
            found = file.read("SELECT value FROM meta WHERE name = ?", (name,))
            times = msgspec.json.decode(found[0][0], type=list[int]) if found else []
            times = [at for at in times if now - DAY_US < at <= now] + [now]
            is_third = len(times) >= MISMATCHES_MAX
            if is_third:
                _part_ways(file, scope, 0, is_one=True)
                times = []
            file.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, _encoder.encode(times))
            )
        return is_third

    def keep_answers(self, results: Iterable[OpResult]) -> None:
        """Keep the rows that push answers carried until the feed brings them. Durable, so that no answer is ahead of it."""
        self._keep(row for result in results for row in result.rows)

    def keep_wanted(self, wanted: Iterable[Wanted]) -> None:
        """Keep the rows of customers that were asked for until the feed brings them."""
        self._keep(row for one in wanted for row in one.rows)

    def _keep(self, rows: Iterable[WireRow]) -> None:
        self.flush()
        there = [row for row in rows if not row.is_gone]
        with self._store.cache.write(durable=True) as file:
            held: dict[str, int] = dict(file.read("SELECT scope, seq FROM cursor"))
            file.many(
                _PUT_ANSWERED,
                (
                    (row.key, row.scope, row.seq, row.owner, row.kind, row.version, row.as_of,
                     row.source, row.body, row.form)
                    for row in there
                    if row.scope in held and row.seq > held[row.scope]
                ),
            )  # fmt: skip

    def decisions(self, ops: Iterable[str]) -> dict[str, Decision]:
        """By operation id what a person decided, of those of these operations that the feed or an answer brought a decision for."""
        self.flush()
        found: dict[str, Decision] = {}

        def reading(file: Transaction) -> None:
            for op in ops:
                for (body,) in file.read(_DECISION, (key_of("decision", op),)):
                    record = _decision_of(body)
                    if record is not None:
                        found[op] = record

        self._store.cache.look(reading)
        return found

    def state(self) -> SyncState:
        """How complete the cache is."""

        def reading(file: Transaction) -> SyncState:
            synced = file.read("SELECT coalesce(min(synced_at), 0) FROM cursor")
            unread = file.read("SELECT count(*) FROM row WHERE is_read = 0")
            return SyncState(int(synced[0][0]), int(unread[0][0]))

        return self._store.cache.look(reading)


class _Behind:
    """A thread that writes pages while others come: one transaction at a time, the errors of one told by the next."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._writing: Future[Applied] | None = None
        self._differing: tuple[str, ...] = ()
        self.pages: tuple[Asked, ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being written."""
        return self._writing is None or self._writing.done()

    def begin(self, pages: tuple[Asked, ...], write: Callable[[], Applied]) -> None:
        """Write these once those before are written. Raises StoreError where those were not."""
        self._wait()
        self.pages = pages
        self._writing = self._thread.submit(write)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        self.pages = ()
        if writing is not None:
            self._differing += writing.result().differing

    def end(self) -> tuple[str, ...]:
        """Wait for the last; scopes that were found to differ in all. Raises StoreError."""
        try:
            self._wait()
        finally:
            self._thread.shutdown()
        return self._differing


# Pages


def _after(cursor: Cursor, checkpoints: Iterable[Checkpoint]) -> Cursor:
    """The cursor as it is once a page with these checkpoints is written."""
    for checkpoint in checkpoints:
        if checkpoint.scope == cursor.id and checkpoint.seq >= cursor.seq:
            marks = cursor.marks
            if checkpoint.mark is not None:
                kept = [mark for mark in marks if mark.is_kept][:1]
                marks = (checkpoint.mark, *kept)
            return Cursor(cursor.id, checkpoint.seq, marks)
    return cursor


def _tells_nothing(checkpoint: Checkpoint, asked: Cursor | None) -> bool:
    """Whether this block without rows ends at the head, where who asked stood already."""
    return (
        asked is not None
        and checkpoint.is_head
        and checkpoint.seq == asked.seq
        and checkpoint.mark in (None, *asked.marks[:1])
    )


def _carries_on(
    checkpoint: Checkpoint, held: Mapping[str, int], since: Mapping[str, int]
) -> bool:
    """Whether this block starts at or before our cursor and does not end before it."""
    cursor = held.get(checkpoint.scope)
    if cursor is None or checkpoint.scope not in since:
        return False
    return since[checkpoint.scope] <= cursor <= checkpoint.seq


def _apply_scope(
    file: Transaction, page: Page, checkpoint: Checkpoint, pinned: frozenset[str], now: int
) -> int:
    scope = checkpoint.scope
    forget_loading(file, scope)
    cursor, was_whole, count, total = file.read(
        "SELECT seq, is_renewing OR synced_at, count, sum FROM cursor WHERE scope = ?", (scope,)
    )[0]
    # A row moves to the head when it changes, so of several lines for one key only the last counts.
    rows = {
        row.key: row
        for row in page.rows
        if row.scope == scope and cursor < row.seq <= checkpoint.seq
    }
    there = [row for row in rows.values() if not row.is_gone]
    gone = [row.key for row in rows.values() if row.is_gone]
    left = _put(file, scope, there, is_first=not was_whole)
    left += _let_go(file, scope, gone, pinned)
    if count >= 0:
        count += len(there) - len(left)
        total = (
            total + sum_of((row.key, row.seq, row.version) for row in there) - sum_of(left)
        ) & SUM_MASK
    file.execute(
        _MOVE,
        (checkpoint.seq, int(checkpoint.is_head), int(checkpoint.is_head), now, count, total, scope),
    )  # fmt: skip
    if checkpoint.is_head:
        _finish_renewal(file, scope, pinned)
    if checkpoint.mark is not None and checkpoint.mark.seq <= checkpoint.seq:
        keep_mark(file, scope, checkpoint.mark)
    file.execute("DELETE FROM answered WHERE scope = ? AND seq <= ?", (scope, checkpoint.seq))
    return len(rows)


def _put(
    file: Transaction, scope: str, rows: Sequence[WireRow], *, is_first: bool
) -> list[_Held]:
    """Write rows; what was held under their keys before."""
    if not rows:
        return []
    _note_terms(file, rows)
    if is_first:
        # The first time nothing is there, and asking for it would cost more than writing.
        file.execute("SAVEPOINT first")
        stored = _stored if len(rows) < FULL_ROWS else _stored_unjudged
        if file.insert(_PUT_NEW, [*map(stored, rows)]) == len(rows):
            file.execute("RELEASE first")
            return []
        file.execute("ROLLBACK TO first")
        file.execute("RELEASE first")
    keys = [row.key for row in rows]
    left = _held_of(file, scope, keys)
    erase.note_doubtful(file, erase.joined_by(file, keys))
    file.insert(_PUT_ROW, [*map(_stored, rows)])
    return left


def _held_of(file: Transaction, scope: str, keys: Sequence[str]) -> list[_Held]:
    found = file.read(_HELD_OF, (_encoder.encode(keys).decode(), scope))
    return [(key, seq, version) for key, seq, version in found]


def _all_held(file: Transaction, scope: str) -> list[_Held]:
    found = file.read("SELECT key, seq, version FROM row WHERE scope = ? AND seq > 0", (scope,))
    return [(key, seq, version) for key, seq, version in found]


def _stored_unjudged(row: WireRow) -> tuple[object, ...]:
    """As `_stored`, but of a form that is known taken at its word: the centre read it when it wrote it, and reading costs a third."""
    return (
        row.key, row.scope, row.seq, row.owner, row.kind, row.version, row.as_of, row.source, row.form,
        is_known(kind=row.kind, form=row.form), row.body,
    )  # fmt: skip


def _stored(row: WireRow) -> tuple[object, ...]:
    return (
        row.key, row.scope, row.seq, row.owner, row.kind, row.version, row.as_of, row.source, row.form,
        is_readable(row.kind, row.form, row.body), row.body,
    )  # fmt: skip


def _note_terms(file: Transaction, rows: Sequence[WireRow]) -> None:
    find.note_keys(file, (row.key for row in rows if row.kind in SEARCHED_KINDS))
    find.note_owners(file, (row.owner for row in rows if row.kind in SEARCHED_KINDS))


def _let_go(
    file: Transaction, scope: str, keys: Sequence[str], pinned: frozenset[str]
) -> list[_Held]:
    """These rows left the scope; what was held of them. Those an operation needs stay for it."""
    if not keys:
        return []
    left = _held_of(file, scope, keys)
    find.note_keys(file, keys)
    file.many(
        "UPDATE row SET seq = -1 WHERE key = ? AND scope = ?",
        ((key, scope) for key in keys if key in pinned),
    )
    _delete(file, [(key, scope) for key in keys if key not in pinned])
    return left


def _delete(file: Transaction, places: Sequence[tuple[str, str]]) -> None:
    """Delete rows by key and scope, and remember whose last row that was."""
    if not places:
        return
    keys = [key for key, _ in places]
    joined = erase.joined_by(file, keys)
    file.many("DELETE FROM row WHERE key = ? AND scope = ?", places)
    found = file.read(
        "SELECT DISTINCT key FROM row WHERE key IN (SELECT value FROM json_each(?))",
        (_encoder.encode(keys).decode(),),
    )
    still = {key for (key,) in found}
    erase.note_gone(file, (key for key in keys if key not in still), joined=joined)


def _purge_settled(file: Transaction, pinned: frozenset[str]) -> None:
    """Rows that left while an operation needed them go once it is settled."""
    leaving = [key for (key,) in file.read("SELECT key FROM row WHERE seq = -1")]
    going = [key for key in leaving if key not in pinned]
    if going:
        find.note_keys(file, going)
        erase.note_gone(file, going, joined=erase.joined_by(file, going))
        file.many("DELETE FROM row WHERE key = ? AND seq = -1", ((key,) for key in going))


# Scopes


def _drop_scope(file: Transaction, scope: str, pinned: frozenset[str]) -> None:
    keys = [key for (key,) in file.read("SELECT key FROM row WHERE scope = ?", (scope,))]
    _let_go(file, scope, keys, pinned)
    for table in ("answered", "mark", "cursor"):
        file.execute(f"DELETE FROM {table} WHERE scope = ?", (scope,))  # noqa: S608  # of the line above
    file.many(
        "DELETE FROM meta WHERE name = ?",
        ((f"{what}/{scope}",) for what in ("mismatch", "loading")),
    )


def _part_ways(file: Transaction, scope: str, seq: int, *, is_one: bool = False) -> None:
    found = file.read("SELECT seq FROM cursor WHERE scope = ?", (scope,))
    if not found:
        return
    seq = min(seq, int(found[0][0]))
    file.execute("DELETE FROM meta WHERE name = ?", (f"loading/{scope}",))
    if not is_one:
        erased.set_aside_after(file, scope, seq)
        peer_ops.lose(file, scope, seq)
    file.execute(
        "UPDATE row SET seq = 0, version = 0 WHERE scope = ? AND seq > ?", (scope, seq)
    )
    if not is_one:  # the places of answers are of the other history
        file.execute("DELETE FROM answered WHERE scope = ?", (scope,))
    file.execute("DELETE FROM mark WHERE scope = ? AND seq > ?", (scope, seq))
    file.execute(
        "UPDATE cursor SET seq = ?, is_head = 0, is_renewing = 1, count = ?, sum = ? WHERE scope = ?",
        (seq, *((-1, -1) if seq else (0, 0)), scope),
    )


def forget_loading(file: Transaction, scope: str) -> None:
    """A snapshot that was being loaded is not gone on with: what came of it counts as not yet come again."""
    if file.execute("DELETE FROM meta WHERE name = ?", (f"loading/{scope}",)):
        file.execute(
            "UPDATE row SET seq = 0, version = 0 WHERE scope = ? AND seq > 0", (scope,)
        )
        file.execute("UPDATE cursor SET count = 0, sum = 0 WHERE scope = ?", (scope,))
        index_anew(file)


def index_anew(file: Transaction) -> None:
    """So many rows came at once that the search index is made anew at the head; until then the old one serves."""
    file.execute("INSERT OR REPLACE INTO meta VALUES ('terms_due', 'all')")


def _finish_renewal(file: Transaction, scope: str, pinned: frozenset[str]) -> None:
    if not file.read("SELECT 1 FROM cursor WHERE scope = ? AND is_renewing = 1", (scope,)):
        return
    left = [
        key for (key,) in file.read("SELECT key FROM row WHERE scope = ? AND seq = 0", (scope,))
    ]
    erased.set_aside(file, scope, left)
    _let_go(file, scope, left, pinned)
    file.execute("UPDATE cursor SET is_renewing = 0 WHERE scope = ?", (scope,))


def _count_anew(file: Transaction, scope: str) -> tuple[int, int]:
    """Count and sum of the rows as they are stored, kept beside the cursor from now on."""
    rows = _all_held(file, scope)
    count, total = len(rows), sum_of(rows)
    file.execute("UPDATE cursor SET count = ?, sum = ? WHERE scope = ?", (count, total, scope))
    return count, total


def _differs(file: Transaction, checkpoint: Checkpoint) -> bool:
    """Whether the rows of a scope at its head are others than the centre's."""
    if not checkpoint.is_head or checkpoint.count < 0 or checkpoint.sum < 0:
        return False
    count, total = file.read(
        "SELECT count, sum FROM cursor WHERE scope = ?", (checkpoint.scope,)
    )[0]
    if count < 0:
        count, total = _count_anew(file, checkpoint.scope)
    return bool((count, total) != (checkpoint.count, checkpoint.sum))


# Marks


def _marks(file: Transaction, scope: str) -> tuple[Mark, ...]:
    found = file.read(
        "SELECT seq, token, is_kept FROM mark WHERE scope = ? ORDER BY seq DESC LIMIT ?",
        (scope, MARKS_MAX),
    )
    return tuple(Mark(seq, token, bool(is_kept)) for seq, token, is_kept in found)


def _presented(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """The newest, and the newest kept one behind it."""
    kept = [mark for mark in marks[1:] if mark.is_kept]
    return (*marks[:1], *kept[:1])


def keep_mark(file: Transaction, scope: str, mark: Mark) -> None:
    """Remember the newest mark; of those before it only kept ones stay, and of them the newest."""
    file.execute(
        "INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)",
        (scope, mark.seq, mark.token, int(mark.is_kept)),
    )
    file.execute(
        "DELETE FROM mark WHERE scope = ? AND seq < ? AND (is_kept = 0 OR seq < (SELECT min(seq) FROM"
        " (SELECT seq FROM mark WHERE scope = ? AND is_kept = 1 ORDER BY seq DESC LIMIT ?)))",
        (scope, mark.seq, scope, MARKS_MAX),
    )


def _decision_of(body: bytes) -> Decision | None:
    try:
        record = body_of("decision", body)
    except Malformed:
        return None
    return record if isinstance(record, Decision) else None
