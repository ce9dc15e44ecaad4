"""The centre's tables and every statement on them; the only importer of sqlite3 here.

    scope     (id, head, floor, epoch)               one row a part of the data a device may hold: "s:<store>", "g"
    ptr       (scope, key, seq, is_gone)             where a row stands in a scope; a change moves it to the head
    doc       (key, kind, owner, version, as_of, source, body)   each row once
    interest  (scope, owner)                         which scopes hold a customer
    op        (id, device, kind, status, code, clash, keys, at, raw)   every operation ever, with its result
    device    (id, public_key, store, role, state, lineage, seen_at)
    nonce     (device, nonce, at)                    hellos already answered
    band_chip (band, uid)                            which chip is in which band; nowhere but here
    meta      (name, value)

Statements keep to what SQLite and PostgreSQL both know, with named parameters; JSON is text and never
looked into. Writing is one transaction at a time; the heads of its scopes are taken once, last, in sorted order, so that
a reader never sees a number without all numbers before it. A library's exception never leaves this module.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

import msgspec

from sync.model.errors import StoreCorrupt, StoreError, StoreFull, StoreTooNew
from sync.model.row import Row, body_of, raw_of
from sync.model.wire import WireRow

GLOBAL: Final = "g"
"""Scope of rows without an owner; every device holds it."""

MIGRATIONS: Final = (
    """
    CREATE TABLE scope (id TEXT PRIMARY KEY, head BIGINT NOT NULL, floor BIGINT NOT NULL, epoch TEXT NOT NULL);
    CREATE TABLE ptr (
      scope TEXT NOT NULL, key TEXT NOT NULL, seq BIGINT NOT NULL, is_gone BIGINT NOT NULL,
      PRIMARY KEY (scope, key)
    );
    CREATE UNIQUE INDEX ptr_seq ON ptr (scope, seq);
    CREATE INDEX ptr_key ON ptr (key);
    CREATE TABLE doc (
      key TEXT PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, version BIGINT NOT NULL, as_of BIGINT NOT NULL,
      source TEXT NOT NULL, body TEXT NOT NULL
    );
    CREATE INDEX doc_owner ON doc (owner, kind);
    CREATE TABLE interest (scope TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (scope, owner));
    CREATE INDEX interest_owner ON interest (owner);
    CREATE TABLE op (
      id TEXT PRIMARY KEY, device TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL,
      clash TEXT NOT NULL, keys TEXT NOT NULL, at BIGINT NOT NULL, raw TEXT NOT NULL
    );
    CREATE TABLE device (
      id TEXT PRIMARY KEY, public_key TEXT NOT NULL, store TEXT NOT NULL, role TEXT NOT NULL, state TEXT NOT NULL,
      lineage TEXT NOT NULL, seen_at BIGINT NOT NULL
    );
    CREATE TABLE nonce (device TEXT NOT NULL, nonce TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (device, nonce));
    CREATE INDEX nonce_at ON nonce (at);
    CREATE TABLE band_chip (band TEXT PRIMARY KEY, uid TEXT NOT NULL);
    """,
)
"""Numbered from 1; a released one never changes."""

READERS_MAX: Final = 16
"""Idle read connections kept; one more is opened when all are busy, and closed after."""

_OP = "id, device, kind, status, code, clash, keys, at"
_DOC = "doc.kind, doc.owner, doc.version, doc.as_of, doc.source, doc.body"


class OpRecord(msgspec.Struct, frozen=True):
    """An operation that has its result for ever."""

    id: str
    device: str
    kind: str
    status: str
    code: str
    clash: str
    keys: tuple[str, ...]
    at: int


class DeviceRecord(msgspec.Struct, frozen=True):
    """A device as the centre knows it; `state` is one of `enrolment.State`."""

    id: str
    public_key: str
    store: str
    role: str
    state: str
    lineage: str = ""
    seen_at: int = 0


class _Connection:
    """One SQLite connection that speaks in our errors."""

    def __init__(self, path: Path, *, is_read_only: bool) -> None:
        with _our_errors():
            # The transaction statements are ours; a connection wanders between threads, one at a time.
            self._raw = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=5
            )
            self._raw.execute("PRAGMA journal_mode=WAL")
            self._raw.execute("PRAGMA synchronous=FULL")
            self._raw.execute(f"PRAGMA query_only={int(is_read_only)}")

    def all(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        with _our_errors():
            return self._raw.execute(sql, values).fetchall()

    def run(self, sql: str, **values: object) -> int:
        with _our_errors():
            return self._raw.execute(sql, values).rowcount

    def many(self, sql: str, values: Iterable[Mapping[str, object]]) -> None:
        with _our_errors():
            self._raw.executemany(sql, values)

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
        with _our_errors():
            self._raw.close()


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise StoreFull("the disk of the centre has no room") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreCorrupt("the file of the centre is damaged") from error
        raise StoreError(f"the store of the centre failed: {type(error).__name__}") from error


class Snapshot:
    """Reads, all of one moment."""

    def __init__(self, connection: _Connection) -> None:
        self._sql = connection

    def head(self, scope: str) -> int:
        """The newest seq of a scope; 0 for one nobody wrote to."""
        found = self._sql.all("SELECT head FROM scope WHERE id = :scope", scope=scope)
        return int(found[0][0]) if found else 0

    def epoch(self, scope: str) -> str:
        """Name of the history a scope's numbers belong to; "" for a scope nobody wrote to."""
        found = self._sql.all("SELECT epoch FROM scope WHERE id = :scope", scope=scope)
        return str(found[0][0]) if found else ""

    def meta(self, name: str) -> str:
        """A value of the centre's own, "" when it was never set."""
        found = self._sql.all("SELECT value FROM meta WHERE name = :name", name=name)
        return str(found[0][0]) if found else ""

    def rows_since(self, scope: str, seq: int, *, limit: int) -> list[WireRow]:
        """Rows of a scope after `seq`, in order."""
        found = self._sql.all(
            f"SELECT ptr.key, ptr.seq, ptr.is_gone, {_DOC} FROM ptr JOIN doc ON doc.key = ptr.key"  # noqa: S608  # a constant
            " WHERE ptr.scope = :scope AND ptr.seq > :seq ORDER BY ptr.seq LIMIT :limit",
            scope=scope, seq=seq, limit=limit,
        )  # fmt: skip
        return [_wire_row(scope, key, at, is_gone, doc) for key, at, is_gone, *doc in found]

    def rows_at(self, key: str, scopes: Sequence[str]) -> Iterator[WireRow]:
        """One row as it stands in each of these scopes that points at it."""
        for scope in scopes:
            for at, is_gone, *doc in self._sql.all(
                f"SELECT ptr.seq, ptr.is_gone, {_DOC} FROM ptr JOIN doc ON doc.key = ptr.key"  # noqa: S608  # a constant
                " WHERE ptr.scope = :scope AND ptr.key = :key",
                scope=scope, key=key,
            ):  # fmt: skip
                yield _wire_row(scope, key, at, is_gone, doc)

    def row(self, key: str) -> Row | None:
        """A row with its decoded body. Raises Malformed for one this version cannot read."""
        found = self._sql.all(
            "SELECT kind, owner, version, as_of, source, body FROM doc WHERE key = :key",
            key=key,
        )
        if not found:
            return None
        kind, owner, version, as_of, source, body = found[0]
        return Row(key, kind, owner, version, as_of, source, body_of(kind, body.encode()))

    def op(self, op_id: str) -> OpRecord | None:
        """An operation the centre already knows."""
        found = self._sql.all(f"SELECT {_OP} FROM op WHERE id = :id", id=op_id)  # noqa: S608  # a constant
        return _op_record(found[0]) if found else None

    def held(self) -> list[OpRecord]:
        """Operations that wait for a person, oldest first."""
        found = self._sql.all(f"SELECT {_OP} FROM op WHERE status = 'held' ORDER BY at, id")  # noqa: S608  # a constant
        return [_op_record(line) for line in found]

    def device(self, device_id: str) -> DeviceRecord | None:
        """A device by its id."""
        found = self._sql.all(
            "SELECT id, public_key, store, role, state, lineage, seen_at FROM device"
            " WHERE id = :id",
            id=device_id,
        )
        return DeviceRecord(*found[0]) if found else None

    def leasable(self, scope: str) -> list[tuple[bytes, bytes]]:
        """UID and body of each band with a known chip whose owner the scope holds."""
        found = self._sql.all(
            "SELECT band_chip.uid, doc.body FROM interest"
            " JOIN doc ON doc.owner = interest.owner AND doc.kind = 'band'"
            " JOIN band_chip ON 'band/' || band_chip.band = doc.key"
            " WHERE interest.scope = :scope ORDER BY doc.key",
            scope=scope,
        )
        return [(bytes.fromhex(uid), body.encode()) for uid, body in found]

    def count(self, table: str) -> int:
        """Rows in one of our tables; for checks and tests."""
        if table not in ("doc", "op", "ptr", "device", "interest", "band_chip", "nonce"):
            raise StoreError("there is no such table")
        return int(self._sql.all(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608  # of the list above


def _op_record(line: Sequence[Any]) -> OpRecord:
    op, device, kind, status, code, clash, keys, at = line
    known = msgspec.json.decode(keys, type=tuple[str, ...])
    return OpRecord(op, device, kind, status, code, clash, known, at)


def _wire_row(scope: str, key: str, seq: int, is_gone: int, doc: Sequence[Any]) -> WireRow:
    kind, owner, version, as_of, source, body = doc
    return WireRow(
        scope=scope, seq=seq, key=key, kind=kind, owner=owner, version=version, as_of=as_of,
        source=source, body=body.encode(), is_gone=bool(is_gone),
    )  # fmt: skip


class Transaction:
    """Writes, all or nothing. Pointers are moved at its end, by `take_heads`."""

    def __init__(self, connection: _Connection, epoch: str) -> None:
        self._sql = connection
        self._epoch = epoch
        self.read = Snapshot(connection)
        self._touched: dict[
            str, bool
        ] = {}  # key -> its content changed, in order of first touch

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part that fails alone: what it did is undone and its error goes on."""
        touched = dict(self._touched)
        self._sql.run("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._touched = touched
            self._sql.run("ROLLBACK TO part")
            self._sql.run("RELEASE part")
            raise
        self._sql.run("RELEASE part")

    def put(self, row: Row) -> None:
        """Write a row; its version is one more than before."""
        self._sql.run(
            "INSERT INTO doc (key, kind, owner, version, as_of, source, body)"
            " VALUES (:key, :kind, :owner, 1, :as_of, :source, :body)"
            " ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, owner = excluded.owner,"
            " version = doc.version + 1, as_of = excluded.as_of, source = excluded.source,"
            " body = excluded.body",
            key=row.key, kind=row.kind, owner=row.owner, as_of=row.as_of, source=row.source,
            body=raw_of(row.body).decode(),
        )  # fmt: skip
        self._touched[row.key] = True

    def add_interest(self, scope: str, owner: str) -> None:
        """From now on the scope holds this customer; what it lacks of them is pointed in."""
        self._ensure_scope(scope)
        is_new = self._sql.run(
            "INSERT INTO interest (scope, owner) VALUES (:scope, :owner) ON CONFLICT DO NOTHING",
            scope=scope, owner=owner,
        )  # fmt: skip
        if is_new:
            self._touch_owner(owner)

    def end_interest(self, scope: str, owner: str) -> None:
        """The scope holds this customer no more; their rows leave it."""
        if self._sql.run(
            "DELETE FROM interest WHERE scope = :scope AND owner = :owner",
            scope=scope,
            owner=owner,
        ):
            self._touch_owner(owner)

    def _touch_owner(self, owner: str) -> None:
        for (key,) in self._sql.all(
            "SELECT key FROM doc WHERE owner = :owner ORDER BY key", owner=owner
        ):
            self._touched.setdefault(key, False)

    def _ensure_scope(self, scope: str) -> None:
        self._sql.run(
            "INSERT INTO scope (id, head, floor, epoch) VALUES (:id, 0, 0, :epoch)"
            " ON CONFLICT (id) DO NOTHING",
            id=scope, epoch=self._epoch,
        )  # fmt: skip

    def renew_epoch(self, scope: str, epoch: str) -> None:
        """From now on the numbers of this scope are another history: devices pull it again over what they hold."""
        self._ensure_scope(scope)
        self._sql.run("UPDATE scope SET epoch = :epoch WHERE id = :id", epoch=epoch, id=scope)

    def add_op(self, record: OpRecord, *, raw: bytes) -> None:
        """Remember an operation and its result, for ever."""
        self._sql.run(
            "INSERT INTO op (id, device, kind, status, code, clash, keys, at, raw)"
            " VALUES (:id, :device, :kind, :status, :code, :clash, :keys, :at, :raw)",
            id=record.id, device=record.device, kind=record.kind, status=record.status,
            code=record.code, clash=record.clash, keys=msgspec.json.encode(record.keys).decode(),
            at=record.at, raw=raw.decode(),
        )  # fmt: skip

    def put_device(self, record: DeviceRecord) -> None:
        """Write a device; its key never changes once it is known."""
        self._sql.run(
            "INSERT INTO device (id, public_key, store, role, state, lineage, seen_at)"
            " VALUES (:id, :public_key, :store, :role, :state, :lineage, :seen_at)"
            " ON CONFLICT (id) DO UPDATE SET store = excluded.store, role = excluded.role,"
            " state = excluded.state, lineage = excluded.lineage, seen_at = excluded.seen_at",
            **msgspec.structs.asdict(record),
        )
        self._ensure_scope(GLOBAL)

    def see_nonce(self, device: str, nonce: str, *, at: int, forget_before: int) -> bool:
        """Whether this nonce is new; old ones are forgotten. Times in microseconds since 1970."""
        self._sql.run("DELETE FROM nonce WHERE at < :before", before=forget_before)
        return bool(
            self._sql.run(
                "INSERT INTO nonce (device, nonce, at) VALUES (:device, :nonce, :at)"
                " ON CONFLICT DO NOTHING",
                device=device, nonce=nonce, at=at,
            )
        )  # fmt: skip

    def link_chip(self, band: str, uid: bytes) -> None:
        """Remember which chip is in a band."""
        self._sql.run(
            "INSERT INTO band_chip (band, uid) VALUES (:band, :uid)"
            " ON CONFLICT (band) DO UPDATE SET uid = excluded.uid",
            band=band, uid=uid.hex(),
        )  # fmt: skip

    def take_heads(self) -> tuple[str, ...]:
        """Point every touched row into the scopes that hold it, and out of the others; the scopes that moved."""
        moves: dict[str, list[tuple[str, bool]]] = {}
        for key, is_changed in self._touched.items():
            for scope, is_gone in self._moves_of(key, is_changed=is_changed):
                moves.setdefault(scope, []).append((key, is_gone))
        for scope in sorted(moves):
            self._ensure_scope(scope)
            head = self._sql.all(
                "UPDATE scope SET head = head + :n WHERE id = :id RETURNING head",
                n=len(moves[scope]), id=scope,
            )[0][0]  # fmt: skip
            first = head - len(moves[scope]) + 1
            self._sql.many(
                "INSERT INTO ptr (scope, key, seq, is_gone) VALUES (:scope, :key, :seq, :gone)"
                " ON CONFLICT (scope, key) DO UPDATE SET seq = excluded.seq,"
                " is_gone = excluded.is_gone",
                [
                    {"scope": scope, "key": key, "seq": seq, "gone": int(is_gone)}
                    for seq, (key, is_gone) in enumerate(moves[scope], first)
                ],
            )
        self._touched.clear()
        return tuple(sorted(moves))

    def _moves_of(self, key: str, *, is_changed: bool) -> Iterator[tuple[str, bool]]:
        owner = self._sql.all("SELECT owner FROM doc WHERE key = :key", key=key)[0][0]
        holders = [GLOBAL]
        if owner:
            found = self._sql.all(
                "SELECT scope FROM interest WHERE owner = :owner", owner=owner
            )
            holders = [scope for (scope,) in found]
        pointers = dict(
            self._sql.all("SELECT scope, is_gone FROM ptr WHERE key = :key", key=key)
        )
        for scope in holders:
            if is_changed or pointers.get(scope, 1):
                yield scope, False
        for scope, is_gone in pointers.items():
            if scope not in holders and not is_gone:
                yield scope, True


class Store:
    """The centre's database file. Close it."""

    def __init__(self, path: Path, *, fresh_epoch: str) -> None:
        """Open or create it.

        Args:
            path: The file.
            fresh_epoch: Random name of this life of the data, used when the file is new.

        Raises:
            StoreTooNew: a newer version of this program wrote it.
            StoreCorrupt: it is damaged.
            StoreError: it cannot be opened or written.
        """
        self._path = path
        self._writer = _Connection(path, is_read_only=False)
        self._idle: list[_Connection] = []
        self._idle_lock = Lock()
        self._migrate(fresh_epoch)
        self.epoch = Snapshot(self._writer).meta("epoch")

    def _migrate(self, fresh_epoch: str) -> None:
        sql = self._writer
        sql.run("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        schema = int(Snapshot(sql).meta("schema") or 0)
        if schema > len(MIGRATIONS):
            self.close()
            raise StoreTooNew(
                f"the centre's file has schema {schema}; this knows {len(MIGRATIONS)}"
            )
        for number, script in enumerate(MIGRATIONS[schema:], schema + 1):
            with sql.transaction("BEGIN IMMEDIATE"):
                for statement in script.split(";"):
                    sql.run(statement)
                self._set_meta("schema", str(number))
                if number == 1:
                    self._set_meta("epoch", fresh_epoch)

    def _set_meta(self, name: str, value: str) -> None:
        self._writer.run(
            "INSERT INTO meta (name, value) VALUES (:name, :value)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            name=name, value=value,
        )  # fmt: skip

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """Read one moment, from any thread, beside the writer."""
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or _Connection(self._path, is_read_only=True)
        is_sound = False
        try:
            with connection.transaction("BEGIN"):
                yield Snapshot(connection)
            is_sound = True
        finally:
            with self._idle_lock:
                is_kept = is_sound and len(self._idle) < READERS_MAX
                if is_kept:
                    self._idle.append(connection)
            if not is_kept:
                connection.close()

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Write; durable when the block is left. One at a time: `batch` is the only caller."""
        with self._writer.transaction("BEGIN IMMEDIATE"):
            yield Transaction(self._writer, self.epoch)

    def close(self) -> None:
        """Let go of the file; harmless when done twice."""
        with self._idle_lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()
        self._writer.close()
