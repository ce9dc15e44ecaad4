"""The two encrypted files of a device, and the only module that knows their driver; its exceptions end here.

    cache.db    WAL, NORMAL   rows, cursors, leases, search terms; may be dropped and pulled again at any time
    outbox.db   WAL, FULL     operations as raw JSON, whose format never changes, with their state beside them
    store.json                which key made these files (not the key), and which life the outbox is in

Damage. A cache that does not read is removed and pulled again; nothing in it exists only here. An outbox that does not
read is kept aside, every operation that can still be read from it goes into a new one under its old id, and a notice says
so. The new one has a new lineage; it is finished before the old one is moved, so that a plug pulled in between loses
nothing. A log of the outbox with commits that SQLite leaves out is kept aside and said too (`wal`). A file from a newer program is left alone (StoreTooNew), and so is
everything when the key is not the one these files were made with (StoreCorrupt): a wrong key is no damage.

Threads. One process owns the folder (FolderInUse). Within it any thread may read or write at any time: each thread has a
connection of its own to each file, writers of a file take turns by a lock, readers never wait (WAL). The UI thread reads
rows and records operations; the sync thread applies pages and answers. A thread that ends lets its connections go. While
a file is replaced no thread connects to it.

SQLCipher with a raw 256-bit key: its page HMAC notices every flipped bit, and opening costs no key derivation.
"""

import hashlib
import hmac
import logging
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from sqlcipher3 import dbapi2

from hardware.clock import Clock
from hardware.disk import Disk, FolderLock
from hardware.entropy import Entropy, new_id
from hardware.errors import DeviceError, DiskFull
from hardware.left_out import left_out
from hardware.moments import micros_of
from sync.edge import reading, terms
from sync.edge.ballast import Ballast
from sync.edge.pages import SALT_SIZE, Pages
from sync.edge.wal import committed_frames, mended, page_one
from sync.model.errors import StoreCorrupt, StoreError, StoreFull, StoreTooNew

with left_out("pandas", "numpy"):
    import sqlite_utils

dbapi2.register_adapter(bytes, memoryview)
"""Bytes are bound as they are only after the driver looked in three places for how to adapt them: a tenth of a large load."""

log = logging.getLogger(__name__)

KEY_SIZE: Final = 32
BUSY_MS: Final = 5_000
"""How long a connection waits for another one's lock; our own lock makes this rare, a checkpoint can still hold it."""

CACHE_KIB: Final = 16_384
"""Page cache of each connection to cache.db. Encrypted pages cost most when they are read again: 8 to 64 MB pay."""

PAGE_SIZE: Final = 4_096
"""Bytes of a page. Source: zetetic.net/sqlcipher/sqlcipher-api, cipher_page_size, the default since version 4."""

CHECKPOINT_PAGES: Final = 1_000
"""Pages of a log after which a commit brings them into the file. Source: sqlite.org/pragma.html, wal_autocheckpoint."""

DURABLE_CHECKPOINT_PAGES: Final = 256
"""The same of outbox.db: its log stays at 1 MB, so that the ballast holds operations and not copies of their pages."""

BULK_CHECKPOINT_PAGES: Final = 16_000
"""The same while and after much is written at once, 128 MB of cache.db: a page that changes often is brought over once, and
whoever reaches the head does not wait for it."""

BULK_CIPHER: Final = ("cipher_page_size = 8192", "cipher_hmac_algorithm = HMAC_SHA256")
"""How a new cache.db is encrypted. Pages of twice the size with a MAC the processor has instructions for take a third
less time to fill; the key and the cipher are the same. Source: zetetic.net/sqlcipher/sqlcipher-api."""

DEFAULT_CIPHER: Final = ()
"""How outbox.db is encrypted, and a cache.db of an older program."""

MENDED: Final = "outbox.db.mended"
"""A copy of the outbox with all of a damaged log, while operations are salvaged from it."""

FRESH: Final = "outbox.db.fresh"
"""The outbox that will take the place of a damaged one, while it is being made."""

COMMITS: Final = "outbox.commits"
"""How many commits the outbox has had, beside it: an older copy of it or of its log, or none at all, has had fewer."""

_COMMITS_SIZE: Final = 20

SALVAGE_MAX: Final = 100_000
"""Operations looked for in a damaged outbox; 30 days offline are about half of it."""

_SQLITE_FULL, _SQLITE_CORRUPT, _SQLITE_NOTADB = 13, 11, 26
"""Primary result codes. Source: sqlite.org/rescode.html."""

_TOGETHER: Final = (2_000, 1_000, 100, 10, 1)
"""Rows of one statement: of few sizes, for the driver keeps what it made of each."""

_ONE_ROW: Final = re.compile(r"(?<=VALUES )(\([?, 0-9]+\))")

Value = TypeVar("Value")
Params = Sequence[object]
Found = tuple[Any, ...]

_CACHE_SCHEMA: Final = (
    (
        """CREATE TABLE row(owner TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
           as_of INTEGER NOT NULL, source TEXT NOT NULL, body BLOB NOT NULL, is_read INTEGER NOT NULL,
           PRIMARY KEY(owner, kind, key)) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX row_key ON row(key)",
        "CREATE INDEX row_unread ON row(key) WHERE is_read = 0",
        """CREATE TABLE held(scope TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL,
           PRIMARY KEY(scope, key)) WITHOUT ROWID""",
        "CREATE INDEX held_key ON held(key)",
        """CREATE TABLE cursor(scope TEXT PRIMARY KEY, seq INTEGER NOT NULL, epoch TEXT NOT NULL,
           is_head INTEGER NOT NULL, is_renewing INTEGER NOT NULL, synced_at INTEGER NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE answered(key TEXT NOT NULL, scope TEXT NOT NULL, seq INTEGER NOT NULL, owner TEXT NOT NULL,
           kind TEXT NOT NULL, version INTEGER NOT NULL, as_of INTEGER NOT NULL, source TEXT NOT NULL,
           body BLOB NOT NULL, PRIMARY KEY(key, scope)) WITHOUT ROWID""",
        "CREATE INDEX answered_owner ON answered(owner)",
        """CREATE TABLE lease(uid TEXT PRIMARY KEY, key BLOB NOT NULL, version INTEGER NOT NULL,
           until INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE TABLE stale(key TEXT PRIMARY KEY) WITHOUT ROWID",
        """CREATE TABLE term(term TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, how TEXT NOT NULL,
           PRIMARY KEY(term, key, owner)) WITHOUT ROWID""",
        "CREATE INDEX term_key ON term(key)",
        "CREATE INDEX term_owner ON term(owner, term)",
        "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    ),
    (
        "DROP TABLE stale",
        "DROP TABLE term",
        "INSERT INTO meta VALUES ('terms_due', 'all')",
        *terms.SCHEMA,
    ),
    (
        "ALTER TABLE row RENAME TO row_was",
        "ALTER TABLE held RENAME TO held_was",
        "DROP INDEX row_key",
        "DROP INDEX row_unread",
        """CREATE TABLE row(n INTEGER PRIMARY KEY, key TEXT NOT NULL, scope TEXT NOT NULL, seq INTEGER NOT NULL,
           owner TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL, as_of INTEGER NOT NULL,
           source TEXT NOT NULL, form INTEGER NOT NULL, is_read INTEGER NOT NULL, body BLOB NOT NULL)""",
        """INSERT INTO row(key, scope, seq, owner, kind, version, as_of, source, form, is_read, body)
           SELECT row_was.key, held_was.scope, held_was.seq, owner, kind, version, as_of, source, 1, is_read, body
           FROM row_was JOIN held_was ON held_was.key = row_was.key ORDER BY owner, kind, row_was.key""",
        "CREATE UNIQUE INDEX row_key ON row(key, scope)",
        "CREATE INDEX row_owner ON row(owner, kind)",
        "CREATE INDEX row_unread ON row(kind) WHERE is_read = 0",
        "CREATE INDEX row_unsure ON row(scope, key) WHERE seq = 0",
        "CREATE INDEX row_leaving ON row(key) WHERE seq = -1",
        "DROP TABLE row_was",
        "DROP TABLE held_was",
        "CREATE VIEW held AS SELECT scope, key, seq FROM row",
        "ALTER TABLE cursor ADD COLUMN count INTEGER NOT NULL DEFAULT -1",
        "ALTER TABLE cursor ADD COLUMN sum INTEGER NOT NULL DEFAULT -1",
        "ALTER TABLE answered ADD COLUMN form INTEGER NOT NULL DEFAULT 1",
        """CREATE TABLE mark(scope TEXT NOT NULL, seq INTEGER NOT NULL, token TEXT NOT NULL, is_kept INTEGER NOT NULL,
           PRIMARY KEY(scope, seq)) WITHOUT ROWID""",
        """CREATE TABLE peer_op(op TEXT PRIMARY KEY, device TEXT NOT NULL, is_own INTEGER NOT NULL, life INTEGER NOT NULL,
           n INTEGER NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL, raw BLOB NOT NULL, at BLOB NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX peer_op_owner ON peer_op(owner) WHERE is_own = 0",
        "CREATE TABLE peer_key(key TEXT NOT NULL, op TEXT NOT NULL, PRIMARY KEY(key, op)) WITHOUT ROWID",
        "CREATE INDEX peer_key_op ON peer_key(op)",
    ),
    (
        """CREATE TABLE capsule(band TEXT PRIMARY KEY, seq INTEGER NOT NULL, asked_at INTEGER NOT NULL,
           until INTEGER NOT NULL) WITHOUT ROWID""",
    ),
)
"""Numbered migrations of cache.db, oldest first; the file says how many it has had (`user_version`).

    row      one row as one scope holds it, so that a key two scopes hold stands here twice; the newest version is shown
             seq > 0 held; 0 not yet come again since the scope is renewed; -1 has left, and an unanswered operation needs it
    cursor   how far a scope is held; count and sum of its rows with seq > 0, -1 while nobody counted them
    mark     names of moments in the history of a scope: the newest, and the newest kept ones
    capsule  the newest capsule known to be on a band, by a hash of its id, until when that matters
    peer_op  operations of other devices of this store, as its relay handed them out, and places of our own; peer_key: their rows
"""

_OUTBOX_SCHEMA: Final = (
    (
        """CREATE TABLE op(n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, raw BLOB NOT NULL,
           owner TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
           code TEXT NOT NULL DEFAULT '', clash TEXT NOT NULL DEFAULT '', settled_at INTEGER NOT NULL DEFAULT 0)""",
        "CREATE INDEX op_state ON op(state, n)",
        "CREATE INDEX op_owner ON op(owner) WHERE state IN ('recorded', 'sending')",
        "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE notice(at INTEGER NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL)",
    ),
    (
        "ALTER TABLE op ADD COLUMN grp TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE op ADD COLUMN n_failed INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE op ADD COLUMN first_failed_at INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE op ADD COLUMN decision TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE op ADD COLUMN decided_by TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE op ADD COLUMN decided_why TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE op ADD COLUMN decided_at INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE op ADD COLUMN instead TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX op_grp ON op(grp, n) WHERE grp != ''",
        "CREATE TABLE erased(owner TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
        "UPDATE op SET state = 'recorded' WHERE state = 'sending'",
    ),
    ("INSERT OR IGNORE INTO meta VALUES ('commits', '0')",),
    (
        "CREATE TABLE op_key(key TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(key, n)) WITHOUT ROWID",
        "CREATE INDEX op_key_n ON op_key(n)",
        "CREATE TRIGGER op_gone AFTER DELETE ON op BEGIN DELETE FROM op_key WHERE n = old.n; END",
    ),
)
"""Numbered migrations of outbox.db. `op.id` and `op.raw` never change; only columns beside them may be added."""

_OP_FIRST: Final = "n, id, raw, owner, kind, at, CASE state WHEN 'sending' THEN 'recorded' ELSE state END, code, clash, settled_at"
_OP_LATER: Final = (
    "grp, n_failed, first_failed_at, decision, decided_by, decided_why, decided_at, instead"
)

_SALVAGE: Final = tuple(
    f"SELECT {_OP_FIRST}, {later} FROM op ORDER BY n {order} LIMIT ?"  # noqa: S608  # constants
    for later in (_OP_LATER, "'', 0, 0, '', '', '', 0, ''")
    for order in ("ASC", "DESC")
)
"""Reads a damaged outbox from both ends towards the damage, as this program wrote it and as the first one did."""

_TAKE_OVER: Final = (
    "INSERT OR IGNORE INTO op(n, id, raw, owner, kind, at, state, code, clash, settled_at, "  # noqa: S608  # constants
    f"{_OP_LATER}) VALUES ({', '.join('?' * 18)})"
)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the files that a person should know.

    Attributes:
        at: When it was found, microseconds since 1970.
        code: cache_damaged | outbox_damaged | outbox_missing | device_forked. Public, has words in `kiosk.core.wording`.
        detail: Name of the file that was kept and how many operations came over; no personal detail.
    """

    at: int
    code: str
    detail: str


class _Made(msgspec.Struct, frozen=True):
    """What store.json says."""

    check: str
    lineage: str


class Transaction:
    """Statements within one transaction; every error is ours. Raises StoreError."""

    def __init__(self, db: sqlite_utils.Database) -> None:
        self._db = db

    def read(self, sql: str, params: Params = ()) -> list[Found]:
        """All rows of a query. This is the path of a tap: nothing stands between it and the driver."""
        try:
            found: list[Found] = self._db.conn.execute(sql, params).fetchall()
        except dbapi2.Error as error:
            raise _our_error(error) from error
        return found

    def counted(self) -> int:
        """Count this transaction, in a file that counts them; which one it is."""
        self.execute("UPDATE meta SET value = value + 1 WHERE name = 'commits'")
        return int(self.read("SELECT value FROM meta WHERE name = 'commits'")[0][0])

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run one statement; how many rows it changed."""
        with _ours():
            return int(self._db.execute(sql, params).rowcount)

    def many(self, sql: str, rows: Iterable[Params]) -> int:
        """Run one statement for each row of parameters; how many rows they changed together."""
        with _ours():
            return int(self._db.conn.executemany(sql, rows).rowcount)

    def insert(self, sql: str, rows: Sequence[Params]) -> int:
        """Run `INSERT ... VALUES (?, ...) ...` for all these rows, many by one statement; how many rows it changed.

        Other threads run while a statement does. Between two, the driver asks for the interpreter back, and waits up to 5 ms
        where another thread has it: row by row, a load would take turns with what it should run beside.
        """
        n_changed = start = 0
        for size in _TOGETHER:
            while len(rows) - start >= size:
                some = rows[start : start + size]
                n_changed += self.execute(_of_many(sql, size), [*chain.from_iterable(some)])
                start += size
        return n_changed


class StoreFile:
    """One encrypted file, usable from any thread."""

    def __init__(  # noqa: PLR0913  # each is another decision about a file
        self,
        path: Path,
        key: bytes,
        *,
        schema: Sequence[Sequence[str]],
        synchronous: str,
        heal: Callable[["StoreFile"], None],
        ciphers: Sequence[Sequence[str]] = (DEFAULT_CIPHER,),
        on_commit: Callable[[int], None] | None = None,
        is_read_only: bool = False,
    ) -> None:
        """Nothing is opened yet.

        Args:
            path: The file.
            key: 32 bytes.
            schema: Numbered migrations, oldest first.
            synchronous: NORMAL or FULL.
            heal: Replaces the file where it is damaged.
            ciphers: How the file may be encrypted; a new one as the first says.
            on_commit: Told after each commit how many the file has had, for a file that counts them.
            is_read_only: Another process owns it.
        """
        self._is_read_only = is_read_only
        self._on_commit = on_commit
        self._ciphers = ciphers
        self._cipher = ciphers[0]
        self.path = path
        self.key = key
        self._schema = schema
        self._synchronous = synchronous
        self._heal = heal
        self._lock = threading.RLock()
        self._opening = threading.RLock()  # taken after `_lock` where both are
        self._local = threading.local()
        self._open: weakref.WeakSet[sqlite_utils.Database] = weakref.WeakSet()
        self._is_closed = False
        self._is_unmade = False
        self._is_log_long = False
        self.life = 0

    def look(self, reading: Callable[[Transaction], Value]) -> Value:
        """What `reading` finds in one consistent state of the file. A damaged file is healed and read once more."""
        self._make_up()
        life = self.life
        try:
            return self._look(reading)
        except StoreCorrupt:
            self.heal(life)
            return self._look(reading)

    def glance(self, sql: str, params: Params = ()) -> list[Found]:
        """All rows of one query, which is one consistent state by itself: what a tap needs, and nothing around it."""
        self._make_up()
        life = self.life
        try:
            return Transaction(self._database()).read(sql, params)
        except StoreCorrupt:
            self.heal(life)
            return Transaction(self._database()).read(sql, params)

    def _look(self, reading: Callable[[Transaction], Value]) -> Value:
        db = self._database()
        try:
            db.conn.execute("BEGIN")
        except dbapi2.Error as error:
            raise _our_error(error) from error
        try:
            return reading(Transaction(db))
        finally:
            _end(db, "COMMIT")

    @contextmanager
    def write(self, *, durable: bool = False, bulk: bool = False) -> Iterator[Transaction]:
        """One write transaction, all or nothing; durable on return when the file or the caller says so.

        Much at once (`bulk`) is brought from the log into the file later, by `tidy`. A damaged file
        is healed and StoreCorrupt raised all the same: what was to be written was judged on the old one.
        """
        with self._lock:
            self._make_up()
            life = self.life
            count = 0
            try:
                db = self._database()
                with (
                    self._checkpointing(db, bulk=bulk),
                    self._transaction(db, durable=durable) as transaction,
                ):
                    yield transaction
                    if self._on_commit is not None:
                        count = transaction.counted()
            except StoreCorrupt:
                self.heal(life)
                raise
            if self._on_commit is not None:
                self._on_commit(count)

    @contextmanager
    def _checkpointing(self, db: sqlite_utils.Database, *, bulk: bool) -> Iterator[None]:
        self._is_log_long |= bulk
        is_long = self._is_log_long
        if is_long:
            with _ours():
                db.execute(f"PRAGMA wal_autocheckpoint = {BULK_CHECKPOINT_PAGES}")
        try:
            yield
        finally:
            if is_long:
                _end(db, f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")

    def tidy(self) -> bool:
        """After much was written at once, bring the log into the file; whether there was anything to do. Readers go on."""
        if not self._is_log_long:
            return False
        self._is_log_long = False
        with _ours():
            self._database().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return True

    @contextmanager
    def _transaction(
        self, db: sqlite_utils.Database, *, durable: bool
    ) -> Iterator[Transaction]:
        with _ours():
            if durable:
                db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
        try:
            yield Transaction(db)
            with _ours():
                db.execute("COMMIT")
        finally:
            if db.conn.in_transaction:
                _end(db, "ROLLBACK")
            if durable:
                _end(db, f"PRAGMA synchronous = {self._synchronous}")

    def heal(self, life: int) -> None:
        """Have the owner replace this file, unless that was done since `life`."""
        with self._lock, self._opening:
            if life == self.life:
                self._heal(self)

    def _make_up(self) -> None:
        """Have the owner replace this file once more where that failed the last time."""
        if self._is_unmade:
            with self._lock, self._opening:
                if self._is_unmade:  # and not just being made by another thread
                    self._heal(self)

    def begin_again(self) -> None:
        """The file at the path is another one now: every thread connects anew. The caller moved the old one away.

        Where this fails, as on a full disk, whoever reads or writes next has the owner try again.
        """
        with self._lock, self._opening:
            self.life += 1
            self._is_unmade = True
            self.prepare()
            self._is_unmade = False

    def prepare(self) -> None:
        """Connect, and bring the tables up to this program's version. Raises StoreTooNew, StoreCorrupt, StoreError."""
        db = self._first_connected()
        with _ours():
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > len(self._schema):
            raise StoreTooNew(f"{self.path.name} was written by a newer program ({version})")
        if self._is_read_only and version < len(self._schema):
            raise StoreError(f"{self.path.name} belongs to an older program, which runs")
        numbers = range(version + 1, len(self._schema) + 1)
        # A new file has nothing to keep from step to step: all of them at once are quicker.
        for step in [numbers] if numbers and not version else [(number,) for number in numbers]:
            with self._transaction(db, durable=True) as transaction:
                for number in step:
                    for statement in self._schema[number - 1]:
                        transaction.execute(statement)
                transaction.execute(f"PRAGMA user_version = {step[-1]}")

    def _first_connected(self) -> sqlite_utils.Database:
        """Connect in the way the file is encrypted; a new one in the first way."""
        for cipher in self._ciphers:
            self._cipher = cipher
            try:
                return self._database()
            except StoreCorrupt:
                if cipher is self._ciphers[-1]:
                    self._cipher = self._ciphers[0]
                    raise
        raise AssertionError("there is at least one way")

    def is_readable(self) -> bool:
        """Whether its first page is one under this key."""
        try:
            self._database().execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (dbapi2.Error, StoreError):
            return False
        return True

    def verify(self) -> None:
        """Read every page, whose MAC then must hold. About 1 s for 500 MB. Raises StoreCorrupt."""
        with _ours():
            verdict = self._database().execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StoreCorrupt(f"{self.path.name} does not check")

    def n_logged(self) -> int:
        """Frames that SQLite takes from the log; they are in the file itself after this."""
        with _ours():
            return int(self._database().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])

    def empty_log(self) -> bool:
        """Bring the log into the file and cut it to nothing, with what is deleted in it; false while somebody reads it."""
        with self._lock, _ours():
            return not self._database().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def salvaged(self, queries: Sequence[str]) -> list[Found]:
        """All rows that these queries still give before they hit the damage, each once, by their first column."""
        found: dict[int, Found] = {}
        for query in queries:
            self.let_go()  # SQLCipher gives nothing more on a connection that met a bad page
            try:
                for one in self._database().execute(query, (SALVAGE_MAX,)):
                    found.setdefault(one[0], tuple(one))
            except (dbapi2.Error, StoreError):
                continue
        return [found[n] for n in sorted(found)]

    def let_go(self) -> None:
        """Drop this thread's connection without a word to the file, as before it is moved."""
        db = getattr(self._local, "db", None)
        if db is not None:
            del self._local.db
            self._open.discard(db)
            _close(db)

    def close(self) -> None:
        """Close all connections of all threads; no other thread may still be at work."""
        with self._lock, self._opening:
            self.life += 1
            self._is_closed = True
            for db in tuple(self._open):
                _close(db)
            self._open.clear()

    def _database(self) -> sqlite_utils.Database:
        if self._is_closed:
            raise StoreError(f"{self.path.name} is closed")
        db: sqlite_utils.Database | None = getattr(self._local, "db", None)
        if db is not None and self._local.life == self.life:
            return db
        with self._opening:
            if db is not None and db in self._open:
                self._open.discard(db)
                _close(db)
            db = self._connected()
            self._local.db, self._local.life = db, self.life
            self._open.add(db)
            return db

    def _connected(self) -> sqlite_utils.Database:
        with _ours():
            # Used by one thread at a time; only `close` may touch it from another.
            connection = dbapi2.connect(
                str(self.path), isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute(f"PRAGMA key = \"x'{self.key.hex()}'\"")
                connection.execute("PRAGMA cipher_log = off")
                for setting in self._cipher:
                    connection.execute(f"PRAGMA {setting}")
                connection.execute("PRAGMA temp_store = MEMORY")
                connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
                if self._is_read_only:
                    connection.execute("PRAGMA query_only = ON")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(f"PRAGMA synchronous = {self._synchronous}")
                if self._synchronous == "FULL":
                    connection.execute(
                        f"PRAGMA wal_autocheckpoint = {DURABLE_CHECKPOINT_PAGES}"
                    )
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            except dbapi2.Error:
                connection.close()
                raise
            return sqlite_utils.Database(
                connection, recursive_triggers=False, execute_plugins=False
            )


class EdgeStore:
    """Both files of one device. Close it to give the folder back.

    Attributes:
        disk: What its files are on.
        sending: Operations under way to the centre; not on the disk, for after a start nothing is.
        told: The centre's time, microseconds since 1970, as it said it last, and the ticks then; zeros before it did.
        is_beside: Another process owns the files; here they are only read.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes,
        *,
        disk: Disk,
        clock: Clock,
        entropy: Entropy,
        lock: FolderLock | None,
    ) -> None:
        is_beside = self.is_beside = lock is None
        self.folder = folder
        self.disk = disk
        self.clock = clock
        self._entropy = entropy
        self._folder_lock = lock
        self.ballast: Ballast | None = None
        self._check = hmac.new(key, b"tapthread store", hashlib.sha256).hexdigest()
        self._passing: tuple[Notice, ...] = ()
        self.sending: frozenset[str] = frozenset()
        self.told = (0, 0)
        self.cache = StoreFile(
            folder / "cache.db", key, schema=_CACHE_SCHEMA, synchronous="NORMAL",
            heal=_not_ours if is_beside else self._drop_cache, ciphers=(BULK_CIPHER, DEFAULT_CIPHER),
            is_read_only=is_beside,
        )  # fmt: skip
        self.outbox = StoreFile(
            folder / "outbox.db", key, schema=_OUTBOX_SCHEMA, synchronous="FULL",
            heal=_not_ours if is_beside else self._replace_outbox, on_commit=self._note_commit,
            is_read_only=is_beside,
        )  # fmt: skip

    @classmethod
    def open(
        cls, folder: Path, key: bytes, *, disk: Disk, clock: Clock, entropy: Entropy
    ) -> "EdgeStore":
        """Own `folder` and open, make or heal its files.

        Args:
            folder: This device's data folder; made when missing.
            key: 32 bytes, the same as ever.
            disk: Everything that is not SQLite's own file work.
            clock: Wall time of notices.
            entropy: Where a new lineage comes from.

        Raises:
            FolderInUse: another process has it open.
            StoreTooNew: a file was written by a newer program.
            StoreCorrupt: the key is not the one these files were made with.
            StoreFull, StoreError, DeviceError: the disk does not do what it must.
        """
        if len(key) != KEY_SIZE:
            raise StoreCorrupt(f"a store key has {KEY_SIZE} bytes")
        store = cls(
            folder, key, disk=disk, clock=clock, entropy=entropy, lock=disk.lock(folder)
        )
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def beside(
        cls, folder: Path, key: bytes, *, disk: Disk, clock: Clock, entropy: Entropy
    ) -> "EdgeStore":
        """Read the files of `folder` while another process owns it; nothing can be written.

        Raises:
            StoreCorrupt: the key is not the one these files were made with, or they are damaged.
            StoreTooNew, StoreError: they are another program's, or do not open.
        """
        store = cls(folder, key, disk=disk, clock=clock, entropy=entropy, lock=None)
        try:
            store.outbox.prepare()
            store.cache.prepare()
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self) -> None:
        made = self._made()
        self._finish_replacing()
        if made is not None and not hmac.compare_digest(made.check, self._check):
            if not self._is_our_key():
                raise StoreCorrupt("the key is not the one these files were made with")
            made = None  # what it says is damaged: the key opens the outbox
        log_bytes = self.disk.read(self.folder / "outbox.db-wal") or b""
        try:
            self.outbox.prepare()
            is_short = self._is_log_short(log_bytes)
            self.outbox.verify()
        except StoreCorrupt:
            self._replace_outbox(self.outbox)
        else:
            if is_short:
                self._keep_log(log_bytes)
            elif self.lineage and self._n_commits() < self._n_noted():
                self.begin_lineage(
                    "outbox_damaged",
                    "its log is another one: the last operations may be missing",
                )
                log.error("log of the outbox was another one")
        if not self.lineage:
            self.begin_lineage("outbox_missing" if made is not None else "", "")
        elif made is None or made.lineage != self.lineage:
            self._remember()
        try:
            self.cache.prepare()
            self._read_again()
            self._drop_expired()
        except StoreCorrupt:
            self._drop_cache(self.cache)

    def _is_our_key(self) -> bool:
        """Whether the key opens the outbox. One that is not there is opened by none."""
        with disk_errors():
            if not self.disk.read(self.folder / "outbox.db"):
                return False
        try:
            return self.outbox.is_readable()
        finally:
            self.outbox.let_go()

    def _n_commits(self) -> int:
        """Commits the outbox has had."""
        found = self.outbox.look(
            lambda file: file.read("SELECT value FROM meta WHERE name = 'commits'")
        )
        return int(found[0][0])

    def _n_noted(self) -> int:
        """Commits it must have had; 0 when nobody knows. Never more than were durable, however the power went."""
        with disk_errors():
            noted = self.disk.read(self.folder / COMMITS) or b""
        return int(noted) if len(noted) == _COMMITS_SIZE and noted.strip().isdigit() else 0

    def _note_commit(self, count: int) -> None:
        try:
            self.disk.note(self.folder / COMMITS, f"{count:>{_COMMITS_SIZE}}".encode())
        except DeviceError:
            log.warning("commits not noted")

    def _is_log_short(self, log_bytes: bytes) -> bool:
        """Whether SQLite left out commits of the outbox's log. On a full disk nobody can say, and a device must open all the same."""
        try:
            n_logged = self.outbox.n_logged()
        except StoreFull:
            log.warning("no room to bring the log of the outbox into the file")
            return False
        return n_logged < committed_frames(log_bytes, page_size=PAGE_SIZE)

    def _finish_replacing(self) -> None:
        """Where a plug was pulled while a damaged outbox was replaced: put the finished one in its place, or forget a half one."""
        fresh, path = self.folder / FRESH, self.folder / "outbox.db"
        with disk_errors():
            if self.disk.read(fresh) is None:
                return
            if self.disk.read(path) is None:
                self._put_in_place()
            else:
                self._forget(FRESH)

    def _put_in_place(self) -> None:
        """Give the finished outbox its name; first the log of the damaged one goes, which SQLite would play into it."""
        for name in ("outbox.db-wal", "outbox.db-shm"):
            self.disk.move_aside(self.folder / name, label="damaged")
        self.disk.remove(self.folder / COMMITS)
        self.disk.rename(self.folder / FRESH, self.folder / "outbox.db")

    def _forget(self, name: str) -> None:
        for one in (name, f"{name}-wal", f"{name}-shm"):
            self.disk.remove(self.folder / one)

    def close(self) -> None:
        """Close both files and give the folder back; harmless when done twice."""
        self.cache.close()
        self.outbox.close()
        if self._folder_lock is not None:
            self._folder_lock.close()

    def keep_ballast(self) -> None:
        """Reserve room for what people do when the disk is full."""
        self.ballast = Ballast(self.folder, disk=self.disk, entropy=self._entropy)
        self.ballast.keep()

    def with_room(self, work: Callable[[], Value]) -> Value:
        """Do something that must be kept; where the disk is full, once more after the ballast was given up. Raises StoreError."""
        try:
            return work()
        except StoreFull:
            if self.ballast is None or not self.ballast.give_up():
                raise
            return work()

    def check_room(self) -> None:
        """Before anything that can come again later: not while what people do needs the last of the room. Raises StoreFull."""
        if self.ballast is not None and self.ballast.is_spent:
            raise StoreFull("the disk has no room but for what people do")

    def now(self) -> int:
        """Wall time, microseconds since 1970."""
        return micros_of(self.clock.now())

    def now_or_later(self) -> int:
        """What time it is for what is recorded, microseconds since 1970: a clock that is behind makes nothing older than what the centre knows. Raises StoreError."""
        at, ticks_ms = self.told
        if at:  # what it says now counts, also where it was wrong before
            return max(self.now(), at + (self.clock.ticks_ms() - ticks_ms) * 1_000)
        found = self.outbox.glance("SELECT value FROM meta WHERE name = 'time_floor'")
        return max(self.now(), int(found[0][0]) if found else 0)

    @property
    def lineage(self) -> str:
        """Which life of the outbox this is; "" before there is one."""
        found = self.outbox.glance("SELECT value FROM meta WHERE name = 'lineage'")
        return str(found[0][0]) if found else ""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a person should know about the files: of the outbox for ever, of the cache since the start."""
        kept = self.outbox.look(
            lambda file: file.read("SELECT at, code, detail FROM notice ORDER BY rowid")
        )
        return (*(Notice(*one) for one in kept), *self._passing)

    def _made(self) -> _Made | None:
        raw = self.disk.read(self.folder / "store.json")
        if raw is None:
            return None
        try:
            return msgspec.json.decode(raw, type=_Made)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("store description damaged")
            return None

    def _remember(self) -> None:
        made = _Made(check=self._check, lineage=self.lineage)
        with disk_errors():
            self.disk.write(
                self.folder / "store.json", msgspec.json.encode(made) + b"\n", private=True
            )

    def begin_lineage(self, code: str, detail: str = "") -> None:
        """Begin another life of the outbox under the same operation ids, and note why.

        Args:
            code: Of the notice, "" for none.
            detail: Of the notice.
        """
        with self.outbox.write() as file:
            self._note_new_life(file, code, detail)
        self._remember()

    def _note_new_life(self, file: Transaction, code: str, detail: str) -> None:
        lineage = new_id(clock=self.clock, entropy=self._entropy)
        file.execute("INSERT OR REPLACE INTO meta VALUES ('lineage', ?)", (lineage,))
        file.execute("DELETE FROM meta WHERE name = 'token'")
        if code:
            file.execute("INSERT INTO notice VALUES (?, ?, ?)", (self.now(), code, detail))

    def _drop_cache(self, file: StoreFile) -> None:
        file.let_go()
        with disk_errors():
            for name in ("cache.db", "cache.db-wal", "cache.db-shm"):
                self.disk.remove(self.folder / name)
        file.begin_again()
        self._passing = (*self._passing, Notice(self.now(), "cache_damaged", ""))[-16:]
        log.warning("cache removed because it was damaged")

    def _replace_outbox(self, file: StoreFile) -> None:
        """Make a new outbox of what can still be read of the damaged one, then put it in its place and keep the old one."""
        saved = file.salvaged(_SALVAGE)
        with disk_errors():
            self._forget(FRESH)
        fresh = StoreFile(
            self.folder / FRESH, file.key, schema=_OUTBOX_SCHEMA, synchronous="FULL",
            heal=_cannot_heal,
        )  # fmt: skip
        try:
            fresh.prepare()
            with fresh.write() as transaction:
                transaction.many(_TAKE_OVER, saved)
                self._note_new_life(transaction, "outbox_damaged", f"{len(saved)} taken over")
        finally:
            fresh.close()
        file.let_go()
        with disk_errors():
            aside = self.disk.move_aside(self.folder / "outbox.db", label="damaged")
            self._put_in_place()
        file.begin_again()
        if aside is not None:
            with file.write() as transaction:
                transaction.execute(
                    "UPDATE notice SET detail = ? || ': ' || detail WHERE rowid = (SELECT max(rowid) FROM notice)",
                    (aside.name,),
                )
        self._remember()
        log.error("outbox moved aside because it was damaged", extra={"count": len(saved)})

    def _keep_log(self, content: bytes) -> None:
        """SQLite left out commits of the outbox's log: keep the log for whoever wants to look, and say so."""
        name = f"outbox.db-wal.damaged-{self.now()}"
        with disk_errors():
            self.disk.write(self.folder / name, content, private=True)
        count = self._bring_back(content)
        self.begin_lineage(
            "outbox_damaged",
            f"{name}: {count} operations brought back from it; others may be missing",
        )
        log.error("log of the outbox was damaged", extra={"count": count})

    def _bring_back(self, content: bytes) -> int:
        """Take over the operations that stand behind the damage of a log; how many. What they became is asked again."""
        side = self.folder / MENDED
        with disk_errors():
            self._forget(MENDED)
            whole = self.disk.read(self.folder / "outbox.db") or b""
            first = page_one(content, page_size=PAGE_SIZE) or whole
            pages = Pages(self.outbox.key, first[:SALT_SIZE])
            again = mended(content, page_size=PAGE_SIZE, put_right=pages.put_right)
            self.disk.write(side, whole, private=True)
            self.disk.write(side.with_name(f"{MENDED}-wal"), again, private=True)
        copy = StoreFile(
            side, self.outbox.key, schema=_OUTBOX_SCHEMA, synchronous="FULL", heal=_cannot_heal
        )
        try:
            saved = copy.salvaged(_SALVAGE)
        finally:
            copy.close()
        with self.outbox.write() as transaction:
            before = transaction.read("SELECT count(*) FROM op")[0][0]
            transaction.many(_TAKE_OVER, saved)
            after = transaction.read("SELECT count(*) FROM op")[0][0]
        with disk_errors():
            self._forget(MENDED)
        return int(after - before)

    def _read_again(self) -> None:
        """Take in what a program before this one could not read."""
        if self.cache.look(reading.is_read_otherwise):
            with self.cache.write() as file:
                n_read = reading.read_again(file)
            log.info("rows read again", extra={"count": n_read})

    def _drop_expired(self) -> None:
        """Forget keys whose lease is over. They are not used in any case, so a disk that takes nothing keeps no tap waiting."""
        try:
            with self.cache.write() as file:
                file.execute("DELETE FROM lease WHERE until <= ?", (self.now(),))
                file.execute("DELETE FROM capsule WHERE until <= ?", (self.now(),))
        except StoreCorrupt:
            raise
        except StoreError as error:
            log.warning("store failed", extra={"code": error.code})


def _not_ours(file: StoreFile) -> None:
    raise StoreError(f"{file.path.name} is damaged; the program that runs puts it right")


def _cannot_heal(file: StoreFile) -> None:
    raise StoreError(f"{file.path.name} does not keep what was just written")


@cache
def _of_many(sql: str, size: int) -> str:
    """An INSERT of one row as one of so many."""
    head, values, tail = _ONE_ROW.split(sql)
    return f"{head}{', '.join([values] * size)}{tail}"


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the disk says into what a caller of this store expects."""
    try:
        yield
    except DiskFull as error:
        raise StoreFull(str(error)) from error
    except DeviceError as error:
        raise StoreError(str(error)) from error


@contextmanager
def _ours() -> Iterator[None]:
    """Turn the driver's exceptions into ours."""
    try:
        yield
    except dbapi2.Error as error:
        raise _our_error(error) from error


def _our_error(error: dbapi2.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _SQLITE_FULL:
        return StoreFull("the disk has no room")
    if code in (_SQLITE_CORRUPT, _SQLITE_NOTADB):
        return StoreCorrupt(str(error))
    return StoreError(f"{getattr(error, 'sqlite_errorname', 'driver')}: {error}")


def _end(db: sqlite_utils.Database, statement: str) -> None:
    """Leave a transaction whose outcome is already known, even where the file no longer answers."""
    try:
        db.conn.execute(statement)
    except dbapi2.Error:
        log.warning("transaction ended by the file itself")


def _close(db: sqlite_utils.Database) -> None:
    try:
        db.conn.close()
    except dbapi2.Error:
        log.warning("connection did not close")
