"""What the centre's database holds, as values: reads of one moment (`Snapshot`) and writes that are all or nothing (`Transaction`).

A transaction keeps rows, operations and interests it changes in memory and writes them in few statements: before it asks the
database something else, and at its end. A `part` that fails is undone there as well; only who writes directly within
one costs a savepoint. Last of all `take_heads` moves the pointers of every row that was touched, takes the head of each
scope once, in sorted order, so that a reader never sees a number without all numbers before it, and leaves a mark.

Tables are in `schema`, databases in `sql`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from hardware.entropy import Entropy, SystemEntropy
from sync.central import changes
from sync.central.errors import StoreConflict
from sync.central.lines import OWNER, Line, Lines, Table, Wanted, docs_of, is_text, wanted
from sync.central.schema import TABLES, migrate
from sync.central.sql import Connection, Engine, open_engine
from sync.model.contacts import term_of
from sync.model.errors import Malformed, StoreError
from sync.model.records import Record
from sync.model.row import Row, body_of, raw_of
from sync.model.sums import SUM_MASK, pointer_hash
from sync.model.wire import InboxEntry, Mark, WireRow

GLOBAL: Final = "g"
"""Scope of rows without an owner; every device holds it."""

HOUR_US: Final = 3_600 * 1_000_000

ROW_SIZE_MAX: Final = 2 * 1_048_576
"""Bytes of a row's body; with it a page is still far from the largest answer a device takes, so that no row stops it."""

INTEREST_STEP_US: Final = HOUR_US
"""An interest that would end less than this later is left as it is: it is not worth a write with every operation."""

Writer = Callable[[Connection, list[Any]], None]
"""Writes values of one kind to a table of some part's own."""

_OP: Final = (
    "id, device, kind, status, code, clash, keys, at, store, owner, lineage, decision, decided_by, reason,"
    " decided_at"
)
_DOC: Final = "kind, owner, scope, version, as_of, source, body, term, form"
_WIRE: Final = "ptr.key, ptr.seq, ptr.is_gone, doc.kind, doc.owner, doc.version, doc.as_of, doc.source, doc.body, doc.form"


class OpRecord(msgspec.Struct, frozen=True):
    """An operation with its result.

    Attributes:
        store, owner: Where it was recorded and whom it is about, as it says itself.
        decision, decided_by, reason, decided_at: What a person decided about it when it was held.
    """

    id: str
    device: str
    kind: str
    status: str
    code: str
    clash: str
    keys: tuple[str, ...]
    at: int
    store: str = ""
    owner: str = ""
    lineage: str = ""
    decision: str = ""
    decided_by: str = ""
    reason: str = ""
    decided_at: int = 0


class ScopeRecord(msgspec.Struct, frozen=True):
    """A scope: its newest number, the one below which it forgot what left it, and count and sum of its live rows.

    Attributes:
        mark: The name of this moment; None where it was not asked for.
    """

    id: str
    head: int
    floor: int
    epoch: str
    count: int
    sum: int
    mark: Mark | None = None


class _Doc(NamedTuple):
    """A row as it is stored. `record` is set where it was written by this transaction."""

    kind: str
    owner: str
    scope: str
    version: int
    as_of: int
    source: str
    body: str
    term: str
    form: int
    record: Record | None = None


def _readable(lines: Iterable[tuple[Any, ...]]) -> list[Row]:
    """Those of them that this version can read."""
    rows = []
    for line in lines:
        with suppress(Malformed):
            rows.append(_row(line[0], _Doc(*line[1:])))
    return rows


def owner_lock(owner: str) -> str:
    """The name to lock for everything of a customer: who changes one of their rows and who changes who holds them agree."""
    return OWNER + owner


class Snapshot:
    """Reads, all of one moment."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @property
    def sql(self) -> Connection:
        """The database itself, for parts that keep tables of their own."""
        return self._sql

    def head(self, scope: str) -> int:
        """The newest seq of a scope; 0 for one nobody wrote to."""
        found = self._sql.all("SELECT head FROM scope WHERE id = :scope", scope=scope)
        return int(found[0][0]) if found else 0

    def heads(self, scopes: Iterable[str]) -> dict[str, int]:
        """The newest seq of each of these that was written to."""
        found = self._sql.all("SELECT id, head FROM scope WHERE id IN [:ids]", ids=list(scopes))
        return dict(found)

    def epoch(self, scope: str) -> str:
        """Name of the history a scope's numbers belong to; "" for a scope nobody wrote to."""
        found = self.scope(scope)
        return found.epoch if found else ""

    def scope(self, scope: str) -> ScopeRecord | None:
        """A scope; None for one nobody wrote to."""
        found = self.scopes((scope,))
        return found.get(scope)

    def scopes(self, scopes: Iterable[str]) -> dict[str, ScopeRecord]:
        """Those of these scopes that were written to."""
        found = self._sql.all(
            "SELECT scope.id, scope.head, scope.floor, scope.epoch, scope.cnt, scope.sum, mark.token,"
            " mark.is_kept FROM scope LEFT JOIN mark ON mark.scope = scope.id AND mark.seq = scope.head"
            " WHERE scope.id IN [:ids]",
            ids=list(scopes),
        )
        return {line[0]: _scope_record(line) for line in found}

    def every_scope(self) -> list[ScopeRecord]:
        """All scopes, by id."""
        found = self._sql.all("SELECT id, head, floor, epoch, cnt, sum FROM scope ORDER BY id")
        return [ScopeRecord(*line) for line in found]

    def meta(self, name: str) -> str:
        """A value of the centre's own, "" when it was never set."""
        found = self._sql.all("SELECT value FROM meta WHERE name = :name", name=name)
        return str(found[0][0]) if found else ""

    def rows_since(self, scope: str, seq: int, *, limit: int) -> list[WireRow]:
        """Rows of a scope after `seq`, in order."""
        found = self._sql.all(
            f"SELECT {_WIRE} FROM ptr LEFT JOIN doc ON doc.key = ptr.key"  # noqa: S608  # a constant
            " WHERE ptr.scope = :scope AND ptr.seq > :seq ORDER BY ptr.seq LIMIT :limit",
            scope=scope, seq=seq, limit=limit,
        )  # fmt: skip
        return [_wire_row(scope, line) for line in found]

    def rows_at(self, key: str, scopes: Sequence[str]) -> Iterator[WireRow]:
        """One row as it stands in each of these scopes that points at it."""
        for scope in scopes:
            yield from self.rows_of_keys(scope, (key,))

    def rows_of_keys(self, scope: str, keys: Iterable[str]) -> list[WireRow]:
        """Those of these rows that the scope points at, also the gone, by key."""
        found = self._sql.all(
            f"SELECT {_WIRE} FROM ptr LEFT JOIN doc ON doc.key = ptr.key"  # noqa: S608  # a constant
            " WHERE ptr.scope = :scope AND ptr.key IN [:keys] ORDER BY ptr.key",
            scope=scope, keys=list(keys),
        )  # fmt: skip
        return [_wire_row(scope, line) for line in found]

    def rows_of_owner(self, owner: str, scope: str) -> list[WireRow]:
        """All rows of a customer that the scope holds, by key."""
        found = self._sql.all(
            f"SELECT {_WIRE} FROM doc JOIN ptr ON ptr.key = doc.key AND ptr.scope = :scope"  # noqa: S608  # a constant
            " WHERE doc.owner = :owner AND ptr.is_gone = 0 ORDER BY doc.key",
            owner=owner, scope=scope,
        )  # fmt: skip
        return [_wire_row(scope, line) for line in found]

    def row(self, key: str) -> Row | None:
        """A row with its decoded body. Raises Malformed for one this version cannot read."""
        doc = _docs(self._sql, (key,)).get(key)
        return _row(key, doc) if doc else None

    def op(self, op_id: str) -> OpRecord | None:
        """An operation the centre already knows."""
        return _ops(self._sql, (op_id,)).get(op_id)

    def raw_of_op(self, op_id: str) -> bytes:
        """An operation as it was recorded; b"" for one nobody knows, or whose owner was erased."""
        found = self._sql.all("SELECT raw FROM op WHERE id = :id", id=op_id)
        return bytes(found[0][0] or b"") if found else b""

    def held(self) -> list[OpRecord]:
        """Operations that wait for a person, oldest first."""
        found = self._sql.all(f"SELECT {_OP} FROM op WHERE status = 'held' ORDER BY at, id")  # noqa: S608  # a constant
        return [_op_record(line) for line in found]

    def inbox(self, store: str = "", *, after: str = "", limit: int = 200) -> list[InboxEntry]:
        """Operations that wait for a person, of one store or of all, by id, with their own bytes."""
        whose = "store = :store AND " if store else ""
        found = self._sql.all(
            "SELECT id, kind, code, owner, store, device, at, raw FROM op"  # noqa: S608  # constants
            f" WHERE {whose}status = 'held' AND id > :after ORDER BY id LIMIT :limit",
            after=after, limit=limit, **({"store": store} if store else {}),
        )  # fmt: skip
        return [InboxEntry(*_with(line, 7, bytes(line[7] or b""))) for line in found]

    def n_held(self, store: str = "") -> int:
        """How many operations wait for a person, of one store or of all."""
        whose = "store = :store AND " if store else ""
        found = self._sql.all(
            f"SELECT COUNT(*) FROM op WHERE {whose}status = 'held'",  # noqa: S608  # constants
            **({"store": store} if store else {}),
        )
        return int(found[0][0])

    def newest_mark(self, scope: str, upto: int) -> Mark | None:
        """The newest mark of a scope's history up to a seq."""
        found = self._sql.all(
            "SELECT seq, token, is_kept FROM mark WHERE scope = :scope AND seq <= :upto"
            " ORDER BY seq DESC LIMIT 1",
            scope=scope, upto=upto,
        )  # fmt: skip
        return Mark(found[0][0], found[0][1], bool(found[0][2])) if found else None

    def knows_mark(self, scope: str, mark: Mark) -> bool:
        """Whether this moment, by this name, is in the history of the scope."""
        return bool(
            self._sql.all(
                "SELECT 1 FROM mark WHERE scope = :scope AND seq = :seq AND token = :token",
                scope=scope, seq=mark.seq, token=mark.token,
            )
        )  # fmt: skip

    def oldest_fine_mark(self, scope: str) -> int:
        """From this seq on no mark was thinned; one that is not known there was never ours."""
        found = self._sql.all(
            "SELECT MAX(seq), MIN(CASE WHEN is_kept = 0 THEN seq END) FROM mark WHERE scope = :scope",
            scope=scope,
        )
        newest, finest = found[0]
        return int((finest if finest is not None else newest) or 0)

    def all_of_owner(self, owner: str) -> list[Row]:
        """Every row of a customer that this version can read, by key."""
        found = self._sql.all(
            f"SELECT key, {_DOC} FROM doc WHERE owner = :owner ORDER BY key",  # noqa: S608  # a constant
            owner=owner,
        )
        return _readable(found)

    def rows_of_kind(self, kind: str, *, since: int = 0) -> list[Row]:
        """Every row of a kind as of `since` or later that this version can read."""
        found = self._sql.all(
            f"SELECT key, {_DOC} FROM doc WHERE kind = :kind AND as_of >= :since",  # noqa: S608  # a constant
            kind=kind, since=since,
        )  # fmt: skip
        return _readable(found)

    def contacts_owed(self, *, before: int) -> list[Row]:
        """Contacts as of before `before` to which an answer is owed that nobody gave, however old."""
        # What stands at its default is not written, so the text of a body says it; an index has just these.
        found = self._sql.all(
            f"SELECT key, {_DOC} FROM doc WHERE kind = 'interaction' AND body LIKE '%\"due_at\":%'"  # noqa: S608  # a constant
            " AND body NOT LIKE '%\"answered_at\":%' AND as_of < :before",
            before=before,
        )
        return _readable(found)

    def count(self, table: str) -> int:
        """Rows in one of our tables; for checks and tests."""
        if table not in TABLES:
            raise StoreError("there is no such table")
        return int(self._sql.all(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608  # of the list above


_DOCS_OF: Final = f"SELECT key, {_DOC} FROM doc WHERE key IN [:keys]"  # noqa: S608  # a constant
_OPS_OF: Final = f"SELECT {_OP} FROM op WHERE id IN [:ids]"  # noqa: S608  # a constant
_INTERESTS_OF: Final = "SELECT scope, owner, until, why FROM interest WHERE owner IN [:owners]"


def _docs(sql: Connection, keys: Sequence[str]) -> dict[str, _Doc]:
    found = sql.all(_DOCS_OF, keys=list(keys))
    return {line[0]: _Doc(*line[1:]) for line in found}


def _ops(sql: Connection, ids: Sequence[str]) -> dict[str, OpRecord]:
    found = sql.all(_OPS_OF, ids=list(ids))
    return {line[0]: _op_record(line) for line in found}


_keys = msgspec.json.Decoder(tuple[str, ...])


def _op_record(line: Sequence[Any]) -> OpRecord:
    return OpRecord(*_with(line, 6, _keys.decode(line[6])))


def _scope_record(line: Sequence[Any]) -> ScopeRecord:
    scope, head, floor, epoch, count, total, token, is_kept = line
    mark = None if token is None else Mark(head, token, bool(is_kept))
    return ScopeRecord(scope, head, floor, epoch, count, total, mark)


def _with(line: Sequence[Any], index: int, value: object) -> list[Any]:
    """A line of an answer with another value in one column."""
    return [*line[:index], value, *line[index + 1 :]]


def _row(key: str, doc: _Doc) -> Row:
    body = doc.record or body_of(doc.kind, doc.body.encode())
    return Row(key, doc.kind, doc.owner, doc.version, doc.as_of, doc.source, body)


def _wire_row(scope: str, line: Sequence[Any]) -> WireRow:
    key, seq, is_gone, kind, owner, version, as_of, source, body, form = line
    if is_gone or kind is None:
        return _gone(scope, key, seq)
    return WireRow(
        scope, seq, key, kind, owner, version, as_of, source, body.encode(), False, form  # noqa: FBT003  # in its order: a page has 1,000
    )  # fmt: skip


def _gone(scope: str, key: str, seq: int) -> WireRow:
    return WireRow(
        scope=scope, seq=seq, key=key, kind="", owner="", version=0, as_of=0, source="",
        body=b"", is_gone=True,
    )  # fmt: skip


class _Absent:
    """What a name in one of our tables in memory had before it had anything."""


_ABSENT: Final = _Absent()
_Table = dict[Any, Any]
_Change = tuple[_Table, Any, Any]


class _Flushing:
    """The connection of a transaction: what is still in memory is written first, and what a statement changes is read anew."""

    def __init__(self, transaction: "Transaction") -> None:
        self._transaction = transaction

    def all(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        return self._transaction.written().all(sql, **values)

    def run(self, sql: str, **values: object) -> int:
        with self._transaction.changing() as connection:
            return connection.run(sql, **values)

    def many(self, sql: str, values: Sequence[Mapping[str, object]]) -> int:
        with self._transaction.changing() as connection:
            return connection.many(sql, values)

    def several(
        self, asked: Sequence[tuple[str, Mapping[str, object]]], *, lock: Iterable[str] = ()
    ) -> list[list[tuple[Any, ...]]]:
        self._transaction.lock_keys(lock)
        return self._transaction.written().several(asked)

    def together(self) -> AbstractContextManager[None]:
        return self._transaction.beside.together()

    def lock(self, names: Iterable[str]) -> None:
        self._transaction.lock_keys(names)

    def lock_all(self) -> None:
        self._transaction.lock_all()

    def back_to(self, savepoint: str) -> None:
        """Nothing: a part is taken back by the transaction itself."""


class _Own(Snapshot):
    """What a transaction reads: the database with its own changes."""

    def __init__(self, transaction: "Transaction", connection: Connection) -> None:
        super().__init__(connection)
        self._transaction = transaction

    def row(self, key: str) -> Row | None:
        """A row as this transaction leaves it so far; nobody else changes it until the end."""
        doc = self._transaction.doc(key)
        return _row(key, doc) if doc else None

    def op(self, op_id: str) -> OpRecord | None:
        """An operation the centre already knows, or this transaction added."""
        return self._transaction.known_op(op_id)

    def held(self) -> list[OpRecord]:
        """Operations that wait for a person, oldest first."""
        return self._transaction.held()

    def rows_at(self, key: str, scopes: Sequence[str]) -> Iterator[WireRow]:
        """One row as it stands in each of these scopes that points at it, once the heads are taken."""
        places = self._transaction.places(key)
        if places is None:
            yield from super().rows_at(key, scopes)
            return
        doc = self._transaction.doc(key)
        for scope in scopes:
            if scope in places:
                seq, is_gone = places[scope]
                yield (
                    _gone(scope, key, seq)
                    if is_gone or doc is None
                    else _wire_of(scope, key, seq, doc)
                )


def _wire_of(scope: str, key: str, seq: int, doc: _Doc) -> WireRow:
    return WireRow(
        scope=scope, seq=seq, key=key, kind=doc.kind, owner=doc.owner, version=doc.version,
        as_of=doc.as_of, source=doc.source, body=doc.body.encode(), is_gone=False, form=doc.form,
    )  # fmt: skip


class _Part:
    """A part that is open: where its changes begin, and its savepoint once it has one, with the names that were held before."""

    def __init__(self, begins: int) -> None:
        self.begins = begins
        self.savepoint = ""
        self.locked = frozenset[str]()


class Transaction:
    """Writes, all or nothing. Pointers are moved at its end, by `take_heads`."""

    def __init__(self, connection: Connection, epoch: str, entropy: Entropy) -> None:
        """Write through `connection`, which the caller commits."""
        self._sql = connection
        self.epoch = epoch
        self._entropy = entropy
        self._flushing = _Flushing(self)
        self.read: Snapshot = _Own(self, self._flushing)
        # What is known or changed, by name; `_undo` says how each was before, so that a part can be taken back.
        self._docs: dict[str, _Doc | None] = {}
        self._ops: dict[str, OpRecord | None] = {}
        self._raws: dict[str, bytes] = {}
        self._held: dict[str, OpRecord | None] | None = None  # None until somebody asks
        self._holders: dict[
            str, dict[str, tuple[int, str]]
        ] = {}  # owner -> scope -> until, why
        self._touched: dict[
            str, bool
        ] = {}  # key -> its content changed, in order of first touch
        self._touched_owners: dict[str, bool] = {}
        self._unwritten_docs: dict[str, bool] = {}
        self._unwritten_ops: dict[str, bool] = {}
        self._unwritten_holders: dict[str, bool] = {}
        self._later: dict[str, tuple[Writer, Any]] = {}
        self._n_later = 0
        self._lines = Lines(self._set)
        self._has_listeners: bool | None = None  # until somebody asks
        self._undo: list[_Change] = []
        self._parts: list[_Part] = []
        self._locked: set[str] = set()
        self._places: dict[str, dict[str, tuple[int, bool]]] = {}

    # Changes in memory, and taking them back

    def _set(self, table: _Table, name: Any, value: object) -> None:
        if self._parts:
            self._undo.append((table, name, table.get(name, _ABSENT)))
        table[name] = value

    def _note(self, table: dict[str, bool], name: str) -> None:
        self._set(table, name, value=True)

    def _back_to(self, begins: int) -> list[_Change]:
        """Undo what was done since; what it takes to do it again, oldest first."""
        again: list[_Change] = []
        while len(self._undo) > begins:
            table, name, before = self._undo.pop()
            again.append((table, name, table.get(name, _ABSENT)))
            _put_back(table, name, before)
        again.reverse()
        return again

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part that fails alone: what it did is undone and its error goes on."""
        part = _Part(len(self._undo))
        self._parts.append(part)
        try:
            yield
        except BaseException:
            self._parts.pop()
            self._back_to(part.begins)
            if part.savepoint:
                self._sql.back_to(part.savepoint)
                self._held = None  # it may have been read from what is gone now
                self._has_listeners = None
                self._lines.forget()
                self._let_go(part.locked)
            raise
        self._parts.pop()
        if part.savepoint:
            self._sql.run(f"RELEASE SAVEPOINT {part.savepoint}")
        if not self._parts:
            self._undo.clear()

    def _let_go(self, locked: frozenset[str]) -> None:
        """Only these names are held: what was read under the others may be changed by others now."""
        for name in self._locked - locked:
            self._docs.pop(name, None)
            if name.startswith(OWNER):
                self._holders.pop(name[len(OWNER) :], None)
        self._locked = set(locked)

    def written(self) -> Connection:
        """The database itself, to read what this transaction wrote."""
        has_more = (
            self._unwritten_docs
            or self._unwritten_ops
            or self._unwritten_holders
            or self._later
            or self._lines
        )
        if has_more:
            self._write()
        return self._sql

    @property
    def beside(self) -> Connection:
        """The database as it was written so far, to read what nothing in memory changes."""
        return self._sql

    def direct(self) -> Connection:
        """The database itself, for what is not kept in memory: everything before a statement is written first."""
        self._write()
        return self._flushing

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """The database for one statement that changes what lines may have been read of."""
        self._write()
        yield self._sql
        self._lines.forget()
        self._has_listeners = None

    def _write(self) -> None:
        """Write all there is in memory; each open part has its savepoint from now on."""
        for depth, part in enumerate(self._parts):
            if not part.savepoint:
                again = self._back_to(part.begins)
                self._flush()
                part.savepoint, part.locked = f"part_{depth}", self.locked
                self._sql.run(f"SAVEPOINT {part.savepoint}")
                for table, name, after in again:
                    self._undo.append((table, name, table.get(name, _ABSENT)))
                    _put_back(table, name, after)
        self._flush()

    def _flush(self) -> None:
        docs = list(self._unwritten_docs)
        self._unwritten_docs.clear()
        written = [(key, self._docs[key]) for key in docs]
        if docs or self._lines or self._unwritten_holders:
            with self._sql.together():
                self._flush_docs(written)
                self._lines.write(self._sql)
                self._flush_holders()
        self._lines.forget()
        self._flush_ops()
        later = list(self._later.values())
        self._later.clear()
        for write, values in groupby(later, key=itemgetter(0)):
            write(self._sql, [value for _, value in values])

    def _flush_docs(self, written: Sequence[tuple[str, _Doc | None]]) -> None:
        self._sql.many(
            f"INSERT INTO doc (key, {_DOC}) VALUES (:key, :kind, :owner, :scope, :version, :as_of,"  # noqa: S608  # a constant
            " :source, :body, :term, :form) ON CONFLICT (key) DO UPDATE SET kind = excluded.kind,"
            " owner = excluded.owner, scope = excluded.scope, version = excluded.version,"
            " as_of = excluded.as_of, source = excluded.source, body = excluded.body,"
            " term = excluded.term, form = excluded.form",
            [_doc_values(key, doc) for key, doc in written if doc is not None],
        )
        self._sql.many(
            "DELETE FROM doc WHERE key = :key",
            [{"key": key} for key, doc in written if not doc],
        )

    def _flush_ops(self) -> None:
        ids = list(self._unwritten_ops)
        if not ids:
            return
        self._unwritten_ops.clear()
        found = [(self._ops[op], self._raws[op]) for op in ids]
        n_new = self._sql.many(
            f"INSERT INTO op ({_OP}, raw) VALUES (:id, :device, :kind, :status, :code, :clash, :keys,"  # noqa: S608  # a constant
            " :at, :store, :owner, :lineage, :decision, :decided_by, :reason, :decided_at, :raw)"
            " ON CONFLICT (id) DO NOTHING",
            [_op_values(record, raw) for record, raw in found if record is not None],
        )
        if n_new != len(ids):
            raise StoreConflict("another node applied one of these operations meanwhile")

    def _flush_holders(self) -> None:
        owners = list(self._unwritten_holders)
        self._unwritten_holders.clear()
        if not owners:
            return
        self._sql.run("DELETE FROM interest WHERE owner IN [:owners]", owners=owners)
        self._sql.many(
            "INSERT INTO interest (scope, owner, until, why) VALUES (:scope, :owner, :until, :why)",
            [
                {"scope": scope, "owner": owner, "until": until, "why": why}
                for owner in owners
                for scope, (until, why) in self._holders[owner].items()
            ],
        )

    def later(self, write: Writer, value: object) -> None:
        """Have a part's own rows written with the others, not one by one; undone with the part of the transaction it is in.

        Args:
            write: Called with the database and its values in their order; those of neighbours together.
            value: What it is to write.
        """
        self._n_later += 1
        self._set(self._later, str(self._n_later), (write, value))

    # Locks, and what is known under them

    @property
    def locked(self) -> frozenset[str]:
        """The names it holds by now, and those it waits for."""
        return frozenset(self._locked)

    def lock_keys(self, keys: Iterable[str]) -> None:
        """Hold these names until the end: rows by their key, customers by `owner_lock`."""
        fresh = set(keys) - self._locked
        if fresh:
            self._locked |= fresh
            self._sql.lock(fresh)

    def lock_all(self) -> None:
        """Nobody else writes until the end; for housekeeping over whole tables."""
        self._sql.lock_all()

    def load(
        self,
        keys: Iterable[str],
        *,
        ops: Iterable[str] = (),
        lines: Iterable[Wanted] = (),
    ) -> None:
        """Lock these names and read what they stand for in one round trip, so that asking for it is free.

        Args:
            keys: Rows by their key, customers by `owner_lock`, and names that only are to be locked.
            ops: Ids of operations.
            lines: Of other tables.

        Raises:
            Malformed: lines are asked for by a text no database can hold.
        """
        unknown = self._lines.unknown(lines)
        _check(*(text for one in unknown for text in one.of))
        fresh = [key for key in dict.fromkeys(keys) if key not in self._docs]
        rows = [key for key in fresh if not key.startswith(OWNER)]
        owners = [
            key[len(OWNER) :]
            for key in fresh
            if key.startswith(OWNER) and key[len(OWNER) :] not in self._holders
        ]
        new = [op for op in dict.fromkeys(ops) if op not in self._ops]
        asked = self._lines.questions(unknown)
        names = (
            {*fresh, *(one.lock for them, *_ in asked for one in them)} - self._locked - {""}
        )
        questions: list[tuple[str, Mapping[str, object]]] = [
            (statement, values) for _, statement, values in asked
        ]
        if rows:
            questions.append((_DOCS_OF, {"keys": rows}))
        if owners:
            questions.append((_INTERESTS_OF, {"owners": owners}))
        if new:
            questions.append((_OPS_OF, {"ids": new}))
        self._locked |= names
        answers = iter(self._sql.several(questions, lock=names) if questions or names else ())
        for them, *_ in asked:
            self._lines.learn(them, next(answers))
        if rows:
            found = {line[0]: _Doc(*line[1:]) for line in next(answers)}
            self._docs.update((key, found.get(key)) for key in rows)
        if owners:
            self._holders.update((owner, {}) for owner in owners)
            for scope, owner, until, why in next(answers):
                self._holders[owner][scope] = (until, why)
        if new:
            known = {line[0]: _op_record(line) for line in next(answers)}
            self._ops.update((op, known.get(op)) for op in new)

    def load_owners(self, owners: Iterable[str]) -> None:
        """Lock these customers and read who holds them in one statement."""
        self.load(owner_lock(owner) for owner in owners)

    def lines(self, table: Table, **of: str) -> list[Line]:
        """The lines of a table that have these values, as this transaction leaves them so far; guarded as the table says.

        Raises:
            Malformed: one is a text no database can hold.
        """
        return self.lines_of(wanted(table, **of))

    def lines_of(self, asked: Wanted) -> list[Line]:
        """The same for what is asked for already."""
        if not self._lines.knows(asked):
            self.load((), lines=(asked,))
        return self._lines.known(asked)

    def know_none(self, lines: Iterable[Wanted]) -> None:
        """There are none of these, as the caller knows: they are not looked for."""
        for asked in self._lines.unknown(lines):
            self._lines.learn((asked,), ())

    def put_line(self, table: Table, line: Line) -> None:
        """Write a line of a table, over what has its key. Raises Malformed for a value no database can hold."""
        self._lines.put(table, line)

    def unwritten(self, table: Table) -> Iterable[Line]:
        """Lines of a table that were changed here, and that the database does not have yet."""
        return self._lines.unwritten(table)

    def docs_of(self, owner: str, *kinds: str) -> dict[str, _Doc]:
        """All rows of a customer of some kinds as they are stored, with what this transaction made of them, by key."""
        asked = docs_of(owner, *kinds)
        self.load((), lines=asked)
        found = {
            line[0]: _Doc(*line[1:])
            for one in asked
            for line in self.lines_of(one)
            if line[1] in kinds  # those of MADE come together
        }
        for key in self._unwritten_docs:
            found.pop(key, None)
            doc = self._docs[key]
            if doc is not None and doc.owner == owner and doc.kind in kinds:
                found[key] = doc
        return dict(sorted(found.items()))

    def doc(self, key: str) -> _Doc | None:
        """A row as it is stored, with what this transaction made of it."""
        if key not in self._docs:
            self.load((key,))
        return self._docs[key]

    def known_op(self, op_id: str) -> OpRecord | None:
        """An operation the centre already knows, or this transaction added."""
        if op_id not in self._ops:
            self.load((), ops=(op_id,))
        return self._ops[op_id]

    def held(self) -> list[OpRecord]:
        """Operations that wait for a person, with what this transaction made of them, oldest first."""
        if self._held is None:
            found = self._sql.all(f"SELECT {_OP} FROM op WHERE status = 'held'")  # noqa: S608  # a constant
            self._held = {line[0]: _op_record(line) for line in found}
            for op_id in self._unwritten_ops:
                self._held[op_id] = self._ops[op_id]
        held = (record for record in self._held.values() if record and record.status == "held")
        return sorted(held, key=lambda record: (record.at, record.id))

    def places(self, key: str) -> dict[str, tuple[int, bool]] | None:
        """Seq and whether it is gone, by scope; None for a row whose places were not read."""
        return self._places.get(key)

    # Rows

    def put(self, row: Row, *, scope: str = "", form: int = 1) -> None:
        """Write a row; its version is one more than before.

        Args:
            row: Its own version does not count.
            scope: The one scope it goes to, "" to leave that as it is: where its owner is held, or everywhere.
            form: Version of its body's form.

        Raises:
            Malformed: a value no database can hold, or a body larger than ROW_SIZE_MAX.
        """
        _check(row.key, row.kind, row.owner, row.source, scope)
        body = raw_of(row.body)
        if len(body) > ROW_SIZE_MAX:
            raise Malformed("a row no device could be sent")
        if not -(2**63) <= row.as_of < 2**63:
            raise Malformed("a time no database can hold")
        known = self.doc(row.key)
        doc = _Doc(
            kind=row.kind, owner=row.owner, scope=scope or (known.scope if known else ""),
            version=known.version + 1 if known else 1, as_of=row.as_of, source=row.source,
            body=body.decode(), term=_plain(term_of(row.body)), form=form, record=row.body,
        )  # fmt: skip
        self._set(self._docs, row.key, doc)
        self._note(self._unwritten_docs, row.key)
        self._note(self._touched, row.key)
        if known and known.owner and known.owner != row.owner:
            self.lock_keys((owner_lock(known.owner),))
        if row.kind in changes.KINDS and self._are_heard():
            before = known.body if known else ""
            watched = changes.Watched(
                row.key,
                row.kind,
                row.owner,
                row.source,
                doc.version,
                row.as_of,
                before,
                doc.body,
            )
            self.later(changes.write, watched)

    def _are_heard(self) -> bool:
        if self._has_listeners is None:
            self._has_listeners = changes.are_heard(self)
        return self._has_listeners

    def give(self, key: str, owner: str) -> None:
        """Make a row another customer's, as it stands, also one this version cannot read; nothing for one there is not."""
        known = self.doc(key)
        if known is None or known.owner == owner:
            return
        self.lock_keys(owner_lock(one) for one in (known.owner, owner) if one)
        self._set(self._docs, key, known._replace(owner=owner, version=known.version + 1))
        self._note(self._unwritten_docs, key)
        self._note(self._touched, key)

    def remove(self, key: str) -> None:
        """A row is no more; it leaves every scope."""
        known = self.doc(key)
        if known is None:
            return
        if known.owner:
            self.lock_keys((owner_lock(known.owner),))
        self._set(self._docs, key, None)
        self._note(self._unwritten_docs, key)
        self._note(self._touched, key)

    def remove_owner(self, owner: str) -> list[str]:
        """All rows of a customer are no more, and nobody holds them; keys of those rows."""
        self.load_owners((owner,))
        found = self.direct().all("SELECT key FROM doc WHERE owner = :owner", owner=owner)
        keys = [key for (key,) in found]
        self.load(keys)
        for key in keys:
            self.remove(key)
        self._set(self._holders, owner, {})
        self._note(self._unwritten_holders, owner)
        return keys

    # Who holds whom

    def holders_of(self, owner: str) -> Mapping[str, tuple[int, str]]:
        """By scope until when it holds this customer, and why; their rows and holders are locked."""
        self.load_owners((owner,))
        return self._holders[owner]

    def add_interest(self, scope: str, owner: str, *, until: int = 0, why: str = "") -> None:
        """From now on the scope holds this customer, until then or for ever; what it lacks of them is pointed in."""
        _check(scope, owner, why)
        self.load_owners((owner,))
        holders = self._holders[owner]
        known = holders.get(scope)
        if known is not None:
            is_enough = known[0] == 0 or (until and until - known[0] < INTEREST_STEP_US)
            if is_enough:
                return
        self._set(self._holders, owner, {**holders, scope: (until, why)})
        self._note(self._unwritten_holders, owner)
        if known is None:
            self._note(self._touched_owners, owner)

    def end_interest(self, scope: str, owner: str) -> None:
        """The scope holds this customer no more; their rows leave it."""
        self.load_owners((owner,))
        holders = dict(self._holders[owner])
        if holders.pop(scope, None) is not None:
            self._set(self._holders, owner, holders)
            self._note(self._unwritten_holders, owner)
            self._note(self._touched_owners, owner)

    # Operations

    def reserve_op(self, op_id: str) -> bool:
        """Whether this operation is new. Two nodes that both hear yes do not both commit: the second begins again."""
        return self.known_op(op_id) is None

    def add_op(self, record: OpRecord, *, raw: bytes) -> None:
        """Remember an operation and its result, for ever."""
        _check(
            record.id, record.device, record.kind, record.code, record.store, record.owner,
            record.lineage, *record.keys,
        )  # fmt: skip
        self._set(self._ops, record.id, record)
        self._set(self._raws, record.id, raw)
        self._note(self._unwritten_ops, record.id)
        self._hold(record)

    def settle_op(self, record: OpRecord) -> None:
        """Write the result and the decision of an operation.

        Raises:
            Malformed: nobody knows it.
            StoreConflict: another node settled it since this transaction looked.
        """
        _check(record.decided_by, record.reason, record.code, *record.keys)
        known = self.known_op(record.id)
        if known is None:
            raise Malformed("nobody knows this operation")
        changed = self.direct().run(
            "UPDATE op SET status = :status, code = :code, clash = :clash, keys = :keys,"
            " decision = :decision, decided_by = :decided_by, reason = :reason,"
            " decided_at = :decided_at WHERE id = :id AND status = :before",
            id=record.id, status=record.status, code=record.code, clash=record.clash,
            keys=msgspec.json.encode(record.keys).decode(), decision=record.decision,
            decided_by=record.decided_by, reason=record.reason, decided_at=record.decided_at,
            before=known.status,
        )  # fmt: skip
        if not changed:
            raise StoreConflict("another node settled this operation meanwhile")
        self._set(self._ops, record.id, record)
        self._hold(record)

    def _hold(self, record: OpRecord) -> None:
        if self._held is not None:
            self._set(self._held, record.id, record)

    # Scopes

    def ensure_scope(self, scope: str) -> None:
        """There is this scope, even if nobody wrote to it yet."""
        self.direct().run(
            "INSERT INTO scope (id, head, floor, epoch) VALUES (:id, 0, 0, :epoch)"
            " ON CONFLICT (id) DO NOTHING",
            id=scope, epoch=self.epoch,
        )  # fmt: skip

    # The end

    def take_heads(self, now: int = 0) -> tuple[str, ...]:
        """Point every touched row into the scopes that hold it, and out of the others; the scopes that moved.

        Args:
            now: Microseconds since 1970; what moved and its mark carry it.
        """
        self._touch_owners()
        self._flush()
        keys = list(self._touched)
        self.load_owners({doc.owner for key in keys if (doc := self._docs[key]) and doc.owner})
        old = self._pointers([*keys, *(key for key in self._docs if key not in self._touched)])
        moves: dict[str, list[tuple[str, bool]]] = {}
        for key, is_changed in self._touched.items():
            for scope, is_gone in self._moves_of(key, old.get(key, {}), is_changed=is_changed):
                moves.setdefault(scope, []).append((key, is_gone))
        for scope in sorted(moves):
            self._move(scope, moves[scope], old, now)
        self._touched.clear()
        return tuple(sorted(moves))

    def _touch_owners(self) -> None:
        """What is to be looked at of the customers whose holders changed: all their rows."""
        if not self._touched_owners:
            return
        self._flush()
        found = self._sql.all(
            f"SELECT key, {_DOC} FROM doc WHERE owner IN [:owners] ORDER BY key",  # noqa: S608  # a constant
            owners=list(self._touched_owners),
        )
        for key, *doc in found:
            self._docs.setdefault(key, _Doc(*doc))
            self._touched.setdefault(key, False)
        self._touched_owners.clear()

    def _pointers(self, keys: list[str]) -> dict[str, dict[str, tuple[bool, int]]]:
        """By key and scope: is it gone, and what it adds to the sum."""
        old: dict[str, dict[str, tuple[bool, int]]] = {}
        self._places.update((key, {}) for key in keys)
        for scope, key, seq, is_gone, h in self._sql.all(
            "SELECT scope, key, seq, is_gone, h FROM ptr WHERE key IN [:keys]", keys=keys
        ):
            old.setdefault(key, {})[scope] = (bool(is_gone), h)
            self._places[key][scope] = (seq, bool(is_gone))
        return old

    def _moves_of(
        self, key: str, pointers: Mapping[str, tuple[bool, int]], *, is_changed: bool
    ) -> Iterator[tuple[str, bool]]:
        doc = self._docs[key]
        holders: Iterable[str]
        if doc is None:
            holders = ()
        elif doc.scope:
            holders = (doc.scope,)
        else:
            holders = self._holders[doc.owner] if doc.owner else (GLOBAL,)
        for scope in holders:
            if is_changed or pointers.get(scope, (True, 0))[0]:
                yield scope, False
        for scope, (is_gone, _) in pointers.items():
            if scope not in holders and not is_gone:
                yield scope, True

    def _advance(self, scope: str, n: int) -> tuple[int, int]:
        """The head after so many numbers were taken, and the hour of the last kept mark."""
        for _ in range(2):
            found = self._sql.all(
                "UPDATE scope SET head = head + :n WHERE id = :id RETURNING head, hour",
                n=n, id=scope,
            )  # fmt: skip
            if found:
                return found[0][0], found[0][1]
            self.ensure_scope(scope)
        raise StoreError("a scope cannot be made")

    def _move(
        self,
        scope: str,
        moves: list[tuple[str, bool]],
        old: Mapping[str, Mapping[str, tuple[bool, int]]],
        now: int,
    ) -> None:
        head, hour = self._advance(scope, len(moves))
        count = total = 0
        values = []
        for seq, (key, is_gone) in enumerate(moves, head - len(moves) + 1):
            was_gone, before = old.get(key, {}).get(scope, (True, 0))
            doc = self._docs[key]
            h = 0 if is_gone or doc is None else pointer_hash(key, seq, doc.version)
            count += int(was_gone) - int(is_gone)
            total += h - (0 if was_gone else before)
            self._places[key][scope] = (seq, is_gone)
            values.append(
                {
                    "scope": scope,
                    "key": key,
                    "seq": seq,
                    "gone": int(is_gone),
                    "h": h,
                    "at": now,
                }
            )
        self._sql.many(
            "INSERT INTO ptr (scope, key, seq, is_gone, h, at) VALUES (:scope, :key, :seq, :gone, :h, :at)"
            " ON CONFLICT (scope, key) DO UPDATE SET seq = excluded.seq,"
            " is_gone = excluded.is_gone, h = excluded.h, at = excluded.at",
            values,
        )
        is_kept = now // HOUR_US != hour
        self._sql.run(
            f"UPDATE scope SET cnt = cnt + :count, sum = (sum + :total) & {SUM_MASK}, hour = :hour"  # noqa: S608  # a constant
            " WHERE id = :id",
            count=count, total=total & SUM_MASK, hour=now // HOUR_US, id=scope,
        )  # fmt: skip
        self._sql.run(
            "INSERT INTO mark (scope, seq, token, is_kept, at) VALUES (:scope, :seq, :token, :kept, :at)",
            scope=scope, seq=head, token=self._entropy.draw(8).hex(), kept=int(is_kept), at=now,
        )  # fmt: skip


def _put_back(table: _Table, name: Any, value: object) -> None:
    if isinstance(value, _Absent):
        table.pop(name, None)
    else:
        table[name] = value


def _plain(text: str) -> str:
    return text.replace("\0", "")


def _check(*texts: str) -> None:
    for text in texts:
        if not is_text(text):
            raise Malformed("a text no database can hold")


def _doc_values(key: str, doc: _Doc) -> dict[str, object]:
    return {
        "key": key, "kind": doc.kind, "owner": doc.owner, "scope": doc.scope, "version": doc.version,
        "as_of": doc.as_of, "source": doc.source, "body": doc.body, "term": doc.term, "form": doc.form,
    }  # fmt: skip


def _op_values(record: OpRecord, raw: bytes) -> dict[str, object]:
    values = msgspec.structs.asdict(record)
    values["keys"] = msgspec.json.encode(record.keys).decode()
    values["raw"] = raw
    return values


class Store:
    """The centre's database. Close it."""

    def __init__(
        self,
        database: Path | str | Engine,
        *,
        fresh_epoch: str,
        entropy: Entropy | None = None,
    ) -> None:
        """Open or create it.

        Args:
            database: A file, an address `postgresql://...`, or an engine, which is closed with this.
            fresh_epoch: Random name of this life of the data, used when it is new.
            entropy: Where the names of moments come from.

        Raises:
            StoreTooNew: a newer version of this program wrote it.
            StoreCorrupt: it is damaged.
            StoreUnreachable: its server does not answer.
            StoreError: it cannot be opened or written.
        """
        self._engine = open_engine(database) if isinstance(database, (str, Path)) else database
        self._entropy = entropy or SystemEntropy()
        try:
            self.epoch = migrate(self._engine, fresh_epoch=fresh_epoch)
        except BaseException:
            self._engine.close()
            raise

    def bind(self, name: str, value: str) -> str:
        """Keep a value under a name for ever, unless there is one already; what is kept. Raises StoreError."""
        with self._engine.writing() as sql:
            sql.run(
                "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING",
                name=name, value=value,
            )  # fmt: skip
            return Snapshot(sql).meta(name)

    @property
    def is_shared(self) -> bool:
        """Whether other nodes write to it too, so that its heads move without our doing."""
        return self._engine.is_shared

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """Read one moment, from any thread, beside the writers."""
        with self._engine.reading() as connection:
            yield Snapshot(connection)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Write; durable when the block is left. `batch` is the only caller."""
        with self._engine.writing() as connection:
            transaction = Transaction(connection, self.epoch, self._entropy)
            yield transaction
            transaction.direct()  # nothing is left in memory

    def scrub(self) -> None:
        """Leave nothing of what was deleted in our own files; after an erasure. Raises StoreError."""
        self._engine.scrub()

    def close(self) -> None:
        """Let go of the database; harmless when done twice."""
        self._engine.close()
