"""The database under the centre as one port: SQLite in a file of its own, or PostgreSQL that several nodes share.

Statements are written once, in what both databases know: named parameters (`:name`), upserts with `ON CONFLICT`, `RETURNING`,
JSON as text that is never looked into, integers for time. Three things are written our way and translated once:

    :name            a parameter             `%(name)s` for psycopg
    IN [:names]      one of a list           `IN (SELECT value FROM json_each(:names))`, `= ANY(%(names)s)`
    TEXT, BLOB       column types            `TEXT COLLATE "C"`, `BYTEA`: both databases sort text by its bytes

A writer is alone in SQLite (`BEGIN IMMEDIATE`). In PostgreSQL it is READ COMMITTED and holds an advisory lock on each
name it works on until it commits, so that what it reads under the lock stays true; a reader sees one moment on both.
The only importer of sqlite3 and psycopg here; a library's exception never leaves this module.
"""

import itertools
import re
import select
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from sync.central.errors import StoreConflict, StoreUnreachable
from sync.model.errors import Malformed, StoreCorrupt, StoreError, StoreFull

if TYPE_CHECKING:
    import psycopg

READERS_MAX: Final = 16
"""Idle read connections of a file that are kept; one more is opened when all are busy, and closed after."""

CONNECTIONS_MAX: Final = 16
"""Connections one node has to PostgreSQL, which takes 100 as it is installed."""

LOCKS_MAX: Final = 2_000
"""Names one transaction locks one by one; for more it locks all. PostgreSQL keeps 6,400 locks as it is installed."""

CONNECT_S: Final = 5
"""How long one host of PostgreSQL may take to be reached, and a request may wait for a connection that others use."""

BUSY_S: Final = 5
"""How long a write waits for another program in the same file, which should not be there."""

BULK_MIN: Final = 4
"""Rows from which a list a column is quicker than a statement a row."""

IDLE_S: Final = 30
"""A transaction that does nothing for so long is undone by PostgreSQL: its node froze."""

ALL_NAMES: Final = 0x7461707468726561
"""Advisory lock a writer shares while it locks names one by one, and has alone when it locks all."""

Values = Mapping[str, object]


class Connection(Protocol):
    """One transaction."""

    def all(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """All rows of an answer."""
        ...

    def run(self, sql: str, **values: object) -> int:
        """How many rows a statement changed."""
        ...

    def many(self, sql: str, values: Sequence[Values]) -> int:
        """The same statement with each of these; how many rows were changed in all."""
        ...

    def several(
        self, asked: Sequence[tuple[str, Values]], *, lock: Iterable[str] = ()
    ) -> list[list[tuple[Any, ...]]]:
        """All rows of each of these answers, in one round trip; these names are held first."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """What is run in this block goes in one round trip; how many rows it changed is not known."""
        ...

    def lock(self, names: Iterable[str]) -> None:
        """Hold these names until the end; nobody else writes what they stand for. Waits for who holds them."""
        ...

    def lock_all(self) -> None:
        """Hold every name until the end."""
        ...

    def back_to(self, savepoint: str) -> None:
        """Undo what was done since, and let go of every name that was locked since; the savepoint is no more."""
        ...


class Engine(Protocol):
    """A database."""

    is_shared: bool
    """Other processes write to it too."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that is durable when the block is left, and undone when it raises."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """One moment, which others may write beside."""
        ...

    def scrub(self) -> None:
        """Leave nothing of what was deleted in the files of this process. Raises StoreError."""
        ...

    def close(self) -> None:
        """Let go of it; harmless when done twice."""
        ...


def open_engine(database: str | Path) -> Engine:
    """The database behind an address `postgresql://...`, or in a file.

    Raises:
        StoreUnreachable: nothing answers at that address.
        StoreCorrupt: the file is no database.
        StoreError: it cannot be opened.
    """
    if isinstance(database, str) and is_address(database):
        return PostgresEngine(database)
    return SqliteEngine(Path(database))


def is_address(database: str) -> bool:
    """Whether this is the address of a server and no file."""
    return database.startswith(("postgresql://", "postgres://"))


# SQLite

_AMONG = re.compile(r"IN \[:(\w+)\]")
_PARAMETER = re.compile(r":(\w+)")


@lru_cache(maxsize=512)
def _for_sqlite(sql: str) -> str:
    return _AMONG.sub(r"IN (SELECT value FROM json_each(:\1))", sql)


@contextmanager
def _sqlite_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(error) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise Malformed("a value no database can hold") from error


def _of_sqlite(error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull("the disk of the centre has no room")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorrupt("the file of the centre is damaged")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreConflict("another program writes to the file of the centre")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return StoreUnreachable("the disk of the centre does not take what is written")
    return StoreError(f"the store of the centre failed: {type(error).__name__}")


class _SqliteConnection:
    """One SQLite connection that speaks in our errors. Locks are nothing to it: who writes is alone."""

    def __init__(self, path: Path, *, is_read_only: bool, busy_s: float = BUSY_S) -> None:
        with _sqlite_errors():
            # The transaction statements are ours; a connection wanders between threads, one at a time.
            self._raw = sqlite3.connect(
                path,
                isolation_level=None,
                check_same_thread=False,
                timeout=busy_s,
                cached_statements=256,
            )
            self._raw.execute("PRAGMA journal_mode=WAL")
            self._raw.execute("PRAGMA synchronous=FULL")
            self._raw.execute("PRAGMA secure_delete=ON")  # who is erased leaves no bytes behind
            self._raw.execute(f"PRAGMA query_only={int(is_read_only)}")

    def all(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        with _sqlite_errors():
            return self._raw.execute(_for_sqlite(sql), _with_lists(values)).fetchall()

    def run(self, sql: str, **values: object) -> int:
        with _sqlite_errors():
            return self._raw.execute(_for_sqlite(sql), _with_lists(values)).rowcount

    def many(self, sql: str, values: Sequence[Values]) -> int:
        with _sqlite_errors():
            return self._raw.executemany(_for_sqlite(sql), values).rowcount if values else 0

    def several(
        self, asked: Sequence[tuple[str, Values]], *, lock: Iterable[str] = ()
    ) -> list[list[tuple[Any, ...]]]:
        self.lock(lock)
        return [self.all(sql, **values) for sql, values in asked]

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def lock(self, names: Iterable[str]) -> None:
        """Nothing: who writes is alone."""

    def lock_all(self) -> None:
        """Nothing: who writes is alone."""

    def back_to(self, savepoint: str) -> None:
        self.run(f"ROLLBACK TO SAVEPOINT {savepoint}")
        self.run(f"RELEASE SAVEPOINT {savepoint}")

    @contextmanager
    def transaction(self, begin: str) -> Iterator[None]:
        self.run(begin)
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self._raw.in_transaction:  # a full disk may have ended it already
                self._raw.rollback()
            raise

    def close(self) -> None:
        with _sqlite_errors():
            self._raw.close()


def _with_lists(values: Values) -> Values:
    if any(isinstance(value, list) for value in values.values()):
        return {
            name: msgspec.json.encode(value).decode() if isinstance(value, list) else value
            for name, value in values.items()
        }
    return values


class SqliteEngine:
    """A file of this process alone. Commits are durable (WAL, FULL)."""

    is_shared: bool = False

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        """Open it or create it. Raises StoreCorrupt, StoreError."""
        self._path = path
        self._writer = _SqliteConnection(path, is_read_only=False, busy_s=busy_s)
        self._writer_lock = Lock()
        self._idle: list[_SqliteConnection] = []
        self._idle_lock = Lock()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The one writer."""
        with self._writer_lock, self._writer.transaction("BEGIN IMMEDIATE"):
            yield self._writer

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One moment, from any thread, beside the writer."""
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or _SqliteConnection(self._path, is_read_only=True)
        is_sound = False
        try:
            with connection.transaction("BEGIN"):
                yield connection
            is_sound = True
        finally:
            with self._idle_lock:
                is_kept = is_sound and len(self._idle) < READERS_MAX
                if is_kept:
                    self._idle.append(connection)
            if not is_kept:
                connection.close()

    def scrub(self) -> None:
        """Write all back into the file and empty the log beside it, which still has what was deleted."""
        with self._writer_lock:
            self._writer.all("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file."""
        with self._idle_lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()
        with (
            self._writer_lock
        ):  # a thread may still be writing; closed under its hands it would take the process
            self._writer.close()


# PostgreSQL


@lru_cache(maxsize=512)
def _for_postgres(sql: str) -> str:
    # Its own percent signs first: after this each that stands alone names a parameter.
    translated = _PARAMETER.sub(r"%(\1)s", _AMONG.sub(r"= ANY(:\1)", sql.replace("%", "%%")))
    if translated.lstrip().startswith(("CREATE TABLE", "ALTER TABLE")):
        translated = re.sub(r"\bTEXT\b", 'TEXT COLLATE "C"', translated)
        translated = re.sub(r"\bBLOB\b", "BYTEA", translated)
    return translated


_INSERT: Final = re.compile(r"(INSERT INTO \w+ \([^)]*\)) VALUES \(([^)]*)\)(.*)", re.DOTALL)
_LIST_OF: Final[Mapping[type, str]] = {str: "text[]", int: "bigint[]", bytes: "bytea[]"}


@lru_cache(maxsize=64)
def _names_in(insert: str) -> tuple[str, ...]:
    """The parameters of a plain INSERT; none for another statement."""
    found = _INSERT.fullmatch(insert)
    return tuple(_PARAMETER.findall(found[2])) if found else ()


def _type_in(values: Iterable[object]) -> type:
    """The type of a column's values; nothing but bytes may be missing."""
    return next((type(value) for value in values if value is not None), bytes)


@lru_cache(maxsize=64)
def _in_bulk(insert: str, types: tuple[type, ...]) -> str:
    """An INSERT of many rows as one statement over a list a column: three times as fast as one a row."""
    lists = ", ".join(
        f"%({name})s::{_LIST_OF[of]}" for name, of in zip(_names_in(insert), types, strict=True)
    )
    return _INSERT.sub(rf"\1 SELECT * FROM unnest({lists})\3", insert)  # noqa: S608  # of our own statements


def lock_number(name: str) -> int:
    """The advisory lock that stands for a name: a signed 64-bit number. Two names with one number only wait for each other."""
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


_CONFLICTS: Final = frozenset({"40P01", "40001", "55P03"})
"""Deadlock, serialization failure, lock not available. Source: PostgreSQL 15, appendix A."""

_LOST: Final = ("08", "53", "57", "58", "25006")
"""Connections, resources, operators, the system under it, and a server that became read-only: a replica now. None is the
fault of what was written. Source: PostgreSQL 15, appendix A."""


@contextmanager
def _postgres_errors() -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise _of_postgres(error, type(error).__name__) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise Malformed("a value no database can hold") from error


def _of_postgres(error: "psycopg.Error", name: str) -> Exception:
    import psycopg

    state = error.sqlstate or ""
    if state in _CONFLICTS:
        return StoreConflict("two writers of the centre were in each other's way")
    if state in _SENTENCES:
        of_state, sentence = _SENTENCES[state]
        return of_state(sentence)
    if state.startswith(_LOST) or (not state and isinstance(error, psycopg.OperationalError)):
        return StoreUnreachable("the database server went away")
    if isinstance(error, psycopg.DataError):
        return Malformed("a value no database can hold")
    return StoreError(f"the store of the centre failed: {name} {state}".rstrip())


_SENTENCES: Final[Mapping[str, tuple[type[StoreError], str]]] = {
    "53100": (StoreFull, "the disk of the centre's database has no room"),
    "53200": (
        StoreConflict,  # fewer at once may fit
        "the database server has no room for locks: raise max_locks_per_transaction",
    ),
    "53300": (
        StoreUnreachable,
        "the database server has no connection left: raise max_connections",
    ),
    "XX001": (StoreCorrupt, "the centre's database is damaged"),
    "XX002": (StoreCorrupt, "the centre's database is damaged"),
}
"""Source: PostgreSQL 15, appendix A."""


def _why_not(error: StoreUnreachable) -> str:
    """Why the first connection was not made, for who gave the address: the server's or its library's own first line."""
    said = str(error.__cause__ or "").strip().partition("\n")[0]
    return f"no connection to the database server: {said}" if said else str(error)


_NUMBERS: Final = itertools.count()


class _PostgresConnection:
    """One transaction of PostgreSQL that speaks in our errors."""

    def __init__(self, raw: "psycopg.Connection[tuple[Any, ...]]", begin: str) -> None:
        self._raw = raw
        self._begin = begin  # until the first statement, which it goes with
        self._has_all = self._has_some = False

    def _execute(self, sql: str, values: Values) -> "psycopg.Cursor[tuple[Any, ...]]":
        with self.together() if self._begin else nullcontext():
            return self._raw.execute(sql, values)

    def all(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        with _postgres_errors():
            return self._execute(_for_postgres(sql), values).fetchall()

    def run(self, sql: str, **values: object) -> int:
        with _postgres_errors():
            return self._execute(_for_postgres(sql), values).rowcount

    def many(self, sql: str, values: Sequence[Values]) -> int:
        if not values:
            return 0
        names = _names_in(sql) if len(values) >= BULK_MIN else ()
        if not names:
            return sum(self.run(sql, **line) for line in values)
        columns = {name: [line[name] for line in values] for name in names}
        bulk = _in_bulk(sql, tuple(map(_type_in, columns.values())))
        with _postgres_errors():
            return self._execute(bulk, columns).rowcount

    def several(
        self, asked: Sequence[tuple[str, Values]], *, lock: Iterable[str] = ()
    ) -> list[list[tuple[Any, ...]]]:
        with self.together():
            self._hold(lock)
            answers = [self._execute(_for_postgres(sql), values) for sql, values in asked]
            return [answer.fetchall() for answer in answers]

    @contextmanager
    def together(self) -> Iterator[None]:
        with _postgres_errors(), self._raw.pipeline():
            begin, self._begin = self._begin, ""
            if begin:
                self._raw.execute(begin)
            yield

    def lock(self, names: Iterable[str]) -> None:
        with self.together():
            self._hold(names)

    def _hold(self, names: Iterable[str]) -> None:
        numbers = sorted({lock_number(name) for name in names})
        if self._has_all or not numbers:
            return
        if len(numbers) > LOCKS_MAX:
            self.lock_all()
            return
        if not self._has_some:
            self.run("SELECT pg_advisory_xact_lock_shared(:all)", all=ALL_NAMES)
            self._has_some = True
        # A list is unrolled in its order, so that two writers take what they share in the same order.
        self.run(
            "SELECT pg_advisory_xact_lock(name) FROM unnest(:names) AS name", names=numbers
        )

    def commit(self) -> None:
        """Make it durable. Raises StoreError where a statement of it had failed: then nothing of it stands."""
        with _postgres_errors():
            if self._begin:
                return  # nothing was done
            if self._raw.execute("COMMIT").statusmessage != "COMMIT":
                raise StoreError("the store of the centre undid a transaction")

    def lock_all(self) -> None:
        if not self._has_all:
            self.run("SELECT pg_advisory_xact_lock(:all)", all=ALL_NAMES)
            self._has_all = True

    def back_to(self, savepoint: str) -> None:
        # Only after an undoing it never saw does the library forget what a failed pipeline did not prepare.
        self.run(f"ROLLBACK TO SAVEPOINT {savepoint} -- {next(_NUMBERS)}")
        self.run(f"RELEASE SAVEPOINT {savepoint}")
        # Locks go with what is undone; one that was taken before it is only taken once more.
        self._has_all = self._has_some = False


class PostgresEngine:
    """A PostgreSQL server, or several of which one is the primary: `postgresql://a,b/name`.

    A connection that breaks is thrown away and the next one is made to whichever host can be written to. A write whose end was
    not heard raises StoreUnreachable: the device sends the same ids again, and what stood is answered from what is known.
    """

    is_shared: bool = True

    def __init__(self, address: str) -> None:
        """Connect. Raises StoreUnreachable, StoreError."""
        import psycopg  # 60 ms; not for who keeps a file
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        try:
            known = conninfo_to_dict(address)
        except psycopg.Error as error:
            raise StoreError("the address of the database does not parse") from error
        known.setdefault("target_session_attrs", "read-write")
        known.setdefault("connect_timeout", str(CONNECT_S))
        known.setdefault("tcp_user_timeout", str(CONNECT_S * 1_000))
        known.setdefault("application_name", "tapthread central")
        self._conninfo = make_conninfo("", **known)
        self._slots = BoundedSemaphore(CONNECTIONS_MAX)
        self._idle: list[psycopg.Connection[tuple[Any, ...]]] = []
        self._idle_lock = Lock()
        self._is_closed = False
        try:
            self._keep(self._connected())
        except StoreUnreachable as error:
            raise StoreUnreachable(_why_not(error)) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A writer; others, here and on other nodes, write beside it what they locked."""
        with self._transaction("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One moment."""
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        if self._is_closed:
            raise StoreError("the store of the centre is closed")
        if not self._slots.acquire(timeout=CONNECT_S):
            raise StoreUnreachable("all connections to the database server are busy")
        try:
            raw = self._idle_or_new()
            try:
                connection = _PostgresConnection(raw, begin)
                yield connection
                connection.commit()
            except BaseException as error:
                self._undo(raw, is_lost=isinstance(error, StoreUnreachable))
                raise
            self._keep(raw)
        finally:
            self._slots.release()

    def _idle_or_new(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """An idle connection, unless its server went away meanwhile; or a new one."""
        while True:
            with self._idle_lock:
                raw = self._idle.pop() if self._idle else None
            if raw is None:
                return self._connected()
            if not select.select([raw], [], [], 0)[0]:
                return raw
            raw.close()  # nobody asked it anything: it says goodbye

    def _connected(self) -> "psycopg.Connection[tuple[Any, ...]]":
        import psycopg

        with _postgres_errors():
            raw = psycopg.connect(self._conninfo, autocommit=True)
            try:
                _configured(raw)
            except BaseException:
                raw.close()
                raise
            return raw

    def _undo(self, raw: "psycopg.Connection[tuple[Any, ...]]", *, is_lost: bool) -> None:
        import psycopg

        try:
            if not is_lost:
                raw.rollback()  # not our own statement: this one also forgets what a failed pipeline did not prepare
                self._keep(raw)
                return
        except psycopg.Error:
            pass  # the server undoes what its client left
        raw.close()

    def _keep(self, raw: "psycopg.Connection[tuple[Any, ...]]") -> None:
        with self._idle_lock:
            if not self._is_closed:
                self._idle.append(raw)
                return
        raw.close()

    def scrub(self) -> None:
        """Nothing: a server looks after its own files (VACUUM, and its archive)."""

    def close(self) -> None:
        """Give the connections back."""
        with self._idle_lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for raw in idle:
            raw.close()


def _configured(raw: "psycopg.Connection[tuple[Any, ...]]") -> None:
    from psycopg.types.numeric import Int8Dumper

    # One type for all whole numbers: one prepared statement, and sums of 62 bits fit.
    raw.adapters.register_dumper(int, Int8Dumper)
    # What is acknowledged is on disk, whatever the server was told for its other clients.
    raw.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    )
    # A statement is planned once for a connection, maybe while its tables are empty: it is to use its index all the same.
    raw.execute("SET enable_seqscan = off")
    # One that reads a whole table all the same counts as very expensive then, and would be compiled for longer than it runs.
    raw.execute("SET jit = off")
    # A node that froze in the middle of a write must not hold its locks for ever.
    raw.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_S}s'")
