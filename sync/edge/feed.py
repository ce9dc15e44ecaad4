"""A page of changes becomes rows and a cursor, in one transaction: all of it or nothing.

A row may stand in several scopes; it stays as long as one of them holds it. What a page says is used only where it
carries on from the cursor: a page that comes late, twice or after the cache was rebuilt changes nothing and never lowers
a cursor. Rows of kinds this version does not know are kept raw and counted.

A scope whose epoch changed went back in time at the centre. It is pulled again from the beginning over the rows that are
here; what did not come again by the time its head is reached is dropped. Nothing is wiped first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sync.edge import find
from sync.edge.store import EdgeStore, Transaction
from sync.edge.terms import SEARCHED_KINDS
from sync.model.errors import Malformed
from sync.model.row import body_of
from sync.model.wire import Checkpoint, Cursor, Grant, OpResult, Page, WireRow

_PUT_ROW: Final = """
    INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET owner = excluded.owner,
    kind = excluded.kind, version = excluded.version, as_of = excluded.as_of, source = excluded.source,
    body = excluded.body, is_read = excluded.is_read WHERE excluded.version >= row.version"""

_PUT_HELD: Final = """
    INSERT INTO held VALUES (?, ?, ?) ON CONFLICT(scope, key) DO UPDATE SET seq = excluded.seq"""

_DROP_UNHELD: Final = """
    DELETE FROM row WHERE key = ? AND NOT EXISTS (SELECT 1 FROM held WHERE held.key = row.key)"""

_PUT_ANSWERED: Final = """
    INSERT INTO answered VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key, scope) DO UPDATE SET
    seq = excluded.seq, owner = excluded.owner, kind = excluded.kind, version = excluded.version,
    as_of = excluded.as_of, source = excluded.source, body = excluded.body
    WHERE excluded.version >= answered.version"""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a page.

    Attributes:
        n_rows: Rows that were new here, those that left included.
        is_head: Every scope of this device is now held up to the centre's head.
    """

    n_rows: int
    is_head: bool


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

    def grant(self, grants: Iterable[Grant]) -> None:
        """Hold these scopes and no others. Raises StoreError."""
        granted = {grant.id: grant for grant in grants}
        with self._store.cache.write() as file:
            held: dict[str, str] = dict(file.read("SELECT scope, epoch FROM cursor"))
            for scope in held.keys() - granted.keys():
                _drop_scope(file, scope)
            for scope, grant in granted.items():
                if scope not in held:
                    file.execute(
                        "INSERT INTO cursor VALUES (?, 0, ?, 0, 0, 0)", (scope, grant.epoch)
                    )
                elif held[scope] != grant.epoch:
                    _renew_scope(file, grant)

    def cursors(self) -> tuple[Cursor, ...]:
        """How far each scope is held, to ask for what comes after."""
        found = self._store.cache.look(
            lambda file: file.read("SELECT scope, seq FROM cursor ORDER BY scope")
        )
        return tuple(Cursor(scope, seq) for scope, seq in found)

    def apply_page(self, page: Page, *, asked: Iterable[Cursor]) -> Applied:
        """Apply a pull answer to what was asked. Raises StoreError.

        Args:
            page: Complete and the centre's.
            asked: The cursors the question carried.
        """
        since = {cursor.id: cursor.seq for cursor in asked}
        now = self._store.now()
        with self._store.cache.write() as file:
            held: dict[str, int] = dict(file.read("SELECT scope, seq FROM cursor"))
            n_rows = sum(
                _apply_scope(file, page, checkpoint, held[checkpoint.scope], now)
                for checkpoint in page.checkpoints
                if _carries_on(checkpoint, held, since)
            )
            behind = file.read("SELECT 1 FROM cursor WHERE is_head = 0 LIMIT 1")
        return Applied(n_rows, not behind)

    def keep_answers(self, results: Iterable[OpResult]) -> None:
        """Keep the rows that push answers carried until the feed brings them. Durable, so that no answer is ahead of it."""
        rows = [row for result in results for row in result.rows if not row.is_gone]
        with self._store.cache.write(durable=True) as file:
            held: dict[str, int] = dict(file.read("SELECT scope, seq FROM cursor"))
            fresh = [row for row in rows if row.scope in held and row.seq > held[row.scope]]
            file.many(
                _PUT_ANSWERED,
                (
                    (row.key, row.scope, row.seq, row.owner, row.kind, row.version, row.as_of,
                     row.source, row.body)
                    for row in fresh
                ),
            )  # fmt: skip

    def state(self) -> SyncState:
        """How complete the cache is."""

        def reading(file: Transaction) -> SyncState:
            synced = file.read("SELECT coalesce(min(synced_at), 0) FROM cursor")
            unread = file.read("SELECT count(*) FROM row WHERE is_read = 0")
            return SyncState(int(synced[0][0]), int(unread[0][0]))

        return self._store.cache.look(reading)


def _carries_on(
    checkpoint: Checkpoint, held: Mapping[str, int], since: Mapping[str, int]
) -> bool:
    """Whether this block starts at or before our cursor and does not end before it."""
    cursor = held.get(checkpoint.scope)
    if cursor is None or checkpoint.scope not in since:
        return False
    return since[checkpoint.scope] <= cursor <= checkpoint.seq


def _apply_scope(
    file: Transaction, page: Page, checkpoint: Checkpoint, cursor: int, now: int
) -> int:
    scope = checkpoint.scope
    # A row moves to the head when it changes, so of several lines for one key only the last counts.
    rows = {
        row.key: row
        for row in page.rows
        if row.scope == scope and cursor < row.seq <= checkpoint.seq
    }
    there = [row for row in rows.values() if not row.is_gone]
    gone = [row.key for row in rows.values() if row.is_gone]
    find.note_keys(file, (row.key for row in there if row.kind in SEARCHED_KINDS))
    find.note_owners(file, {row.owner for row in there if row.kind in SEARCHED_KINDS})
    file.many(_PUT_ROW, (_stored(row) for row in there))
    file.many(_PUT_HELD, ((scope, row.key, row.seq) for row in there))
    _let_go(file, scope, gone)
    if checkpoint.is_head:
        _finish_renewal(file, scope)
    file.execute(
        """UPDATE cursor SET seq = ?, is_head = ?, synced_at = CASE WHEN ? THEN ? ELSE synced_at END
           WHERE scope = ?""",
        (checkpoint.seq, int(checkpoint.is_head), int(checkpoint.is_head), now, scope),
    )
    file.execute("DELETE FROM answered WHERE scope = ? AND seq <= ?", (scope, checkpoint.seq))
    return len(rows)


def _stored(row: WireRow) -> tuple[object, ...]:
    try:
        body_of(row.kind, row.body)
        is_read = 1
    except Malformed:
        is_read = 0
    return (row.owner, row.kind, row.key, row.version, row.as_of, row.source, row.body, is_read)


def _let_go(file: Transaction, scope: str, keys: Iterable[str]) -> None:
    going = tuple(keys)
    find.note_keys(file, going)
    file.many("DELETE FROM held WHERE scope = ? AND key = ?", ((scope, key) for key in going))
    file.many(_DROP_UNHELD, ((key,) for key in going))


def _drop_scope(file: Transaction, scope: str) -> None:
    keys = [key for (key,) in file.read("SELECT key FROM held WHERE scope = ?", (scope,))]
    _let_go(file, scope, keys)
    file.execute("DELETE FROM answered WHERE scope = ?", (scope,))
    file.execute("DELETE FROM cursor WHERE scope = ?", (scope,))


def _renew_scope(file: Transaction, grant: Grant) -> None:
    file.execute(
        "UPDATE row SET version = 0 WHERE key IN (SELECT key FROM held WHERE scope = ?)",
        (grant.id,),
    )
    file.execute("UPDATE held SET seq = 0 WHERE scope = ?", (grant.id,))
    file.execute("DELETE FROM answered WHERE scope = ?", (grant.id,))
    file.execute(
        "UPDATE cursor SET seq = 0, epoch = ?, is_head = 0, is_renewing = 1 WHERE scope = ?",
        (grant.epoch, grant.id),
    )


def _finish_renewal(file: Transaction, scope: str) -> None:
    if not file.read("SELECT 1 FROM cursor WHERE scope = ? AND is_renewing = 1", (scope,)):
        return
    left = file.read("SELECT key FROM held WHERE scope = ? AND seq = 0", (scope,))
    keys = [key for (key,) in left]
    _let_go(file, scope, keys)
    file.execute("UPDATE cursor SET is_renewing = 0 WHERE scope = ?", (scope,))
