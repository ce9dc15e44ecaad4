"""Writes of the centre's database, all or nothing.

A transaction keeps rows, operations and interests it changes in memory and writes them in few statements: before it asks the
database something else, and at its end. A `part` that fails is undone there as well; only who writes directly within
one costs a savepoint. Last of all `take_heads` moves the pointers of every row that was touched, takes the head of each
scope once, in sorted order, so that a reader never sees a number without all numbers before it, and leaves a mark.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Protocol

from hardware.entropy import Entropy
from sync.central import doc_rows, op_rows, scopes
from sync.central.doc_rows import Doc
from sync.central.errors import StoreConflict
from sync.central.lines import OWNER, Line, Lines, Table, Wanted, check_texts, docs_of, wanted
from sync.central.moment import Snapshot
from sync.central.op_rows import OpRecord
from sync.central.schema import Life
from sync.central.scopes import GLOBAL, HOUR_US, Move, Moving, Pointer, Pointers
from sync.central.sql import Connection
from sync.central.undo import Undo
from sync.model.errors import Malformed
from sync.model.row import Row
from sync.model.wire import WireRow

INTEREST_STEP_US: Final = HOUR_US
"""An interest that would end less than this later is left as it is: it is not worth a write with every operation."""

Writer = Callable[[Connection, list[Any]], None]
"""Writes values of one kind to a table of some part's own."""

_INTERESTS_OF: Final = "SELECT scope, owner, until, why FROM interest WHERE owner IN [:owners]"


class Listener(Protocol):
    """Hears of rows that are written, while anybody wants to know."""

    @property
    def kinds(self) -> Collection[str]:
        """Of which kinds."""
        ...

    def is_listening(self, transaction: "Transaction") -> bool:
        """Whether anybody wants to know."""
        ...

    def hear(self, transaction: "Transaction", row: Row, before: str, after: Doc) -> None:
        """A row is written; `before` is the body that stood there, "" for none."""
        ...


def owner_lock(owner: str) -> str:
    """The name to lock for everything of a customer: who changes one of their rows and who changes who holds them agree."""
    return OWNER + owner


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
        return doc_rows.row_of(key, doc) if doc else None

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
                seq, is_gone, _ = places[scope]
                yield (
                    doc_rows.gone_row(scope, key, seq)
                    if is_gone or doc is None
                    else doc_rows.wire_of(scope, key, seq, doc)
                )


class _Part:
    """A part that is open: where its changes begin, and its savepoint once it has one, with the names that were held before."""

    def __init__(self, begins: int) -> None:
        self.begins = begins
        self.savepoint = ""
        self.locked = frozenset[str]()


class Transaction:
    """Writes, all or nothing. Pointers are moved at its end, by `take_heads`."""

    def __init__(
        self, connection: Connection, *, life: Life, entropy: Entropy, listener: Listener
    ) -> None:
        """Write through `connection`, which the caller commits."""
        self._sql = connection
        self.epoch = life.epoch
        self.secret = life.secret
        self.erasure_key = life.erasure_key
        self._entropy = entropy
        self._listener = listener
        self._flushing = _Flushing(self)
        self.read: Snapshot = _Own(self, self._flushing)
        # What is known or changed, by name; `_undo` says how each was before, so that a part can be taken back.
        self._undo = Undo()
        self._docs: dict[str, Doc | None] = {}
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
        self._lines = Lines(self._undo.set)
        self._is_listening: bool | None = None  # until somebody asks
        self._parts: list[_Part] = []
        self._locked: set[str] = set()
        self._places: Pointers = {}

    # Changes in memory, and taking them back

    def _note(self, table: dict[str, bool], name: str) -> None:
        self._undo.set(table, name, value=True)

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part that fails alone: what it did is undone and its error goes on."""
        part = _Part(len(self._undo))
        self._parts.append(part)
        self._undo.is_noting = True
        try:
            yield
        except BaseException:
            self._undo.back_to(part.begins)
            self._closed()
            if part.savepoint:
                self._sql.back_to(part.savepoint)
                self._held = None  # it may have been read from what is gone now
                self._is_listening = None
                self._lines.forget()
                self._let_go(part.locked)
            raise
        self._closed()
        if part.savepoint:
            self._sql.run(f"RELEASE SAVEPOINT {part.savepoint}")

    def _closed(self) -> None:
        """The innermost part is over."""
        self._parts.pop()
        if not self._parts:
            self._undo.is_noting = False
            self._undo.forget()

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
        self._is_listening = None

    def _write(self) -> None:
        """Write all there is in memory; each open part has its savepoint from now on."""
        for depth, part in enumerate(self._parts):
            if not part.savepoint:
                again = self._undo.back_to(part.begins)
                self._flush()
                part.savepoint, part.locked = f"part_{depth}", self.locked
                self._sql.run(f"SAVEPOINT {part.savepoint}")
                self._undo.make(again)
        self._flush()

    def _flush(self) -> None:
        docs = list(self._unwritten_docs)
        self._unwritten_docs.clear()
        written = [(key, self._docs[key]) for key in docs]
        if docs or self._lines or self._unwritten_holders:
            with self._sql.together():
                doc_rows.write(self._sql, written)
                self._lines.write(self._sql)
                self._flush_holders()
        self._lines.forget()
        self._flush_ops()
        later = list(self._later.values())
        self._later.clear()
        for write, values in groupby(later, key=itemgetter(0)):
            write(self._sql, [value for _, value in values])

    def _flush_ops(self) -> None:
        ids = list(self._unwritten_ops)
        if not ids:
            return
        self._unwritten_ops.clear()
        found = ((self._ops[op], self._raws[op]) for op in ids)
        n_new = op_rows.add(self._sql, [(record, raw) for record, raw in found if record])
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
        self._undo.set(self._later, str(self._n_later), (write, value))

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
        check_texts(*(text for one in unknown for text in one.of))
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
            questions.append((doc_rows.OF_KEYS, {"keys": rows}))
        if owners:
            questions.append((_INTERESTS_OF, {"owners": owners}))
        if new:
            questions.append((op_rows.OF_IDS, {"ids": new}))
        self._locked |= names
        answers = iter(self._sql.several(questions, lock=names) if questions or names else ())
        for them, *_ in asked:
            self._lines.learn(them, next(answers))
        if rows:
            found = doc_rows.by_key(next(answers))
            self._docs.update((key, found.get(key)) for key in rows)
        if owners:
            self._holders.update((owner, {}) for owner in owners)
            for scope, owner, until, why in next(answers):
                self._holders[owner][scope] = (until, why)
        if new:
            known = op_rows.by_id(next(answers))
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

    def docs_of(self, owner: str, *kinds: str) -> dict[str, Doc]:
        """All rows of a customer of some kinds as they are stored, with what this transaction made of them, by key."""
        asked = docs_of(owner, *kinds)
        self.load((), lines=asked)
        found = {
            line[0]: Doc(*line[1:])
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

    def doc(self, key: str) -> Doc | None:
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
            self._held = dict(op_rows.by_id(self._sql.all(op_rows.HELD)))
            for op_id in self._unwritten_ops:
                self._held[op_id] = self._ops[op_id]
        held = (record for record in self._held.values() if record and record.status == "held")
        return sorted(held, key=lambda record: (record.at, record.id))

    def places(self, key: str) -> Mapping[str, Pointer] | None:
        """Where a row stands, by scope; None for one whose places were not read."""
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
        check_texts(row.key, row.kind, row.owner, row.source, scope)
        known = self.doc(row.key)
        doc = doc_rows.next_of(known, row, scope=scope, form=form)
        self._undo.set(self._docs, row.key, doc)
        self._note(self._unwritten_docs, row.key)
        self._note(self._touched, row.key)
        if known and known.owner and known.owner != row.owner:
            self.lock_keys((owner_lock(known.owner),))
        if row.kind in self._listener.kinds and self._is_heard():
            self._listener.hear(self, row, known.body if known else "", doc)

    def _is_heard(self) -> bool:
        if self._is_listening is None:
            self._is_listening = self._listener.is_listening(self)
        return self._is_listening

    def give(self, key: str, owner: str) -> None:
        """Make a row another customer's, as it stands, also one this version cannot read; nothing for one there is not."""
        known = self.doc(key)
        if known is None or known.owner == owner:
            return
        self.lock_keys(owner_lock(one) for one in (known.owner, owner) if one)
        self._undo.set(self._docs, key, known._replace(owner=owner, version=known.version + 1))
        self._note(self._unwritten_docs, key)
        self._note(self._touched, key)

    def remove(self, key: str) -> None:
        """A row is no more; it leaves every scope."""
        known = self.doc(key)
        if known is None:
            return
        if known.owner:
            self.lock_keys((owner_lock(known.owner),))
        self._undo.set(self._docs, key, None)
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
        self._undo.set(self._holders, owner, {})
        self._note(self._unwritten_holders, owner)
        return keys

    # Who holds whom

    def holders_of(self, owner: str) -> Mapping[str, tuple[int, str]]:
        """By scope until when it holds this customer, and why; their rows and holders are locked."""
        self.load_owners((owner,))
        return self._holders[owner]

    def add_interest(self, scope: str, owner: str, *, until: int = 0, why: str = "") -> None:
        """From now on the scope holds this customer, until then or for ever; what it lacks of them is pointed in."""
        check_texts(scope, owner, why)
        self.load_owners((owner,))
        holders = self._holders[owner]
        known = holders.get(scope)
        if known is not None:
            is_enough = known[0] == 0 or (until and until - known[0] < INTEREST_STEP_US)
            if is_enough:
                return
        self._undo.set(self._holders, owner, {**holders, scope: (until, why)})
        self._note(self._unwritten_holders, owner)
        if known is None:
            self._note(self._touched_owners, owner)

    def end_interest(self, scope: str, owner: str) -> None:
        """The scope holds this customer no more; their rows leave it."""
        self.load_owners((owner,))
        holders = dict(self._holders[owner])
        if holders.pop(scope, None) is not None:
            self._undo.set(self._holders, owner, holders)
            self._note(self._unwritten_holders, owner)
            self._note(self._touched_owners, owner)

    # Operations

    def reserve_op(self, op_id: str) -> bool:
        """Whether this operation is new. Two nodes that both hear yes do not both commit: the second begins again."""
        return self.known_op(op_id) is None

    def add_op(self, record: OpRecord, *, raw: bytes) -> None:
        """Remember an operation and its result, for ever."""
        op_rows.check(record)
        self._undo.set(self._ops, record.id, record)
        self._undo.set(self._raws, record.id, raw)
        self._note(self._unwritten_ops, record.id)
        self._hold(record)

    def settle_op(self, record: OpRecord) -> None:
        """Write the result and the decision of an operation.

        Raises:
            Malformed: nobody knows it.
            StoreConflict: another node settled it since this transaction looked.
        """
        op_rows.check(record)
        known = self.known_op(record.id)
        if known is None:
            raise Malformed("nobody knows this operation")
        if not op_rows.settle(self.direct(), record, before=known.status):
            raise StoreConflict("another node settled this operation meanwhile")
        self._undo.set(self._ops, record.id, record)
        self._hold(record)

    def _hold(self, record: OpRecord) -> None:
        if self._held is not None:
            self._undo.set(self._held, record.id, record)

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
        others = (key for key in self._docs if key not in self._touched)
        pointers = scopes.pointers_of(self._sql, [*keys, *others])
        moves: dict[str, list[Move]] = {}
        for key, is_changed in self._touched.items():
            doc = self._docs[key]
            version = doc.version if doc else 0
            found = scopes.moves_of(self._scopes_of(doc), pointers[key], is_changed=is_changed)
            for scope, is_gone in found:
                moves.setdefault(scope, []).append(Move(key, is_gone, version))
        for scope in sorted(moves):
            moving = Moving(scope, self.epoch, self._entropy.draw(8).hex(), now)
            scopes.move(self._sql, moving, moves[scope], pointers)
        self._touched.clear()
        self._places.update(pointers)
        return tuple(sorted(moves))

    def _scopes_of(self, doc: Doc | None) -> Collection[str]:
        """Which scopes hold a row."""
        if doc is None:
            return ()
        if doc.scope:
            return (doc.scope,)
        return self._holders[doc.owner] if doc.owner else (GLOBAL,)

    def _touch_owners(self) -> None:
        """What is to be looked at of the customers whose holders changed: all their rows."""
        if not self._touched_owners:
            return
        self._flush()
        found = self._sql.all(
            f"SELECT {doc_rows.COLUMNS} FROM doc WHERE owner IN [:owners] ORDER BY key",  # noqa: S608  # a constant
            owners=list(self._touched_owners),
        )
        for key, doc in doc_rows.by_key(found).items():
            self._docs.setdefault(key, doc)
            self._touched.setdefault(key, False)
        self._touched_owners.clear()
