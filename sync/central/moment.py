"""Reads of the centre's database, all of one moment."""

from collections.abc import Iterable, Iterator, Sequence

from sync.central import doc_rows, op_rows
from sync.central.op_rows import OpRecord
from sync.central.schema import TABLES
from sync.central.scopes import ScopeRecord, scope_record
from sync.central.sql import Connection
from sync.model.errors import StoreError
from sync.model.row import Row
from sync.model.wire import Mark, WireRow


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
        return {line[0]: scope_record(line) for line in found}

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
            f"SELECT {doc_rows.WIRE} FROM ptr LEFT JOIN doc ON doc.key = ptr.key"  # noqa: S608  # a constant
            " WHERE ptr.scope = :scope AND ptr.seq > :seq ORDER BY ptr.seq LIMIT :limit",
            scope=scope, seq=seq, limit=limit,
        )  # fmt: skip
        return [doc_rows.wire_row(scope, line) for line in found]

    def rows_at(self, key: str, scopes: Sequence[str]) -> Iterator[WireRow]:
        """One row as it stands in each of these scopes that points at it."""
        for scope in scopes:
            yield from self.rows_of_keys(scope, (key,))

    def rows_of_keys(self, scope: str, keys: Iterable[str]) -> list[WireRow]:
        """Those of these rows that the scope points at, also the gone, by key."""
        found = self._sql.all(
            f"SELECT {doc_rows.WIRE} FROM ptr LEFT JOIN doc ON doc.key = ptr.key"  # noqa: S608  # a constant
            " WHERE ptr.scope = :scope AND ptr.key IN [:keys] ORDER BY ptr.key",
            scope=scope, keys=list(keys),
        )  # fmt: skip
        return [doc_rows.wire_row(scope, line) for line in found]

    def rows_of_owner(self, owner: str, scope: str) -> list[WireRow]:
        """All rows of a customer that the scope holds, by key."""
        found = self._sql.all(
            f"SELECT {doc_rows.WIRE} FROM doc JOIN ptr ON ptr.key = doc.key AND ptr.scope = :scope"  # noqa: S608  # a constant
            " WHERE doc.owner = :owner AND ptr.is_gone = 0 ORDER BY doc.key",
            owner=owner, scope=scope,
        )  # fmt: skip
        return [doc_rows.wire_row(scope, line) for line in found]

    def row(self, key: str) -> Row | None:
        """A row with its decoded body. Raises Malformed for one this version cannot read."""
        doc = doc_rows.by_key(self._sql.all(doc_rows.OF_KEYS, keys=[key])).get(key)
        return doc_rows.row_of(key, doc) if doc else None

    def op(self, op_id: str) -> OpRecord | None:
        """An operation the centre already knows."""
        return op_rows.by_id(self._sql.all(op_rows.OF_IDS, ids=[op_id])).get(op_id)

    def held(self) -> list[OpRecord]:
        """Operations that wait for a person, oldest first."""
        return list(op_rows.by_id(self._sql.all(f"{op_rows.HELD} ORDER BY at, id")).values())

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
            f"SELECT {doc_rows.COLUMNS} FROM doc WHERE owner = :owner ORDER BY key",  # noqa: S608  # a constant
            owner=owner,
        )
        return doc_rows.readable(found)

    def rows_of_kind(self, kind: str, *, since: int = 0) -> list[Row]:
        """Every row of a kind as of `since` or later that this version can read."""
        found = self._sql.all(
            f"SELECT {doc_rows.COLUMNS} FROM doc WHERE kind = :kind AND as_of >= :since",  # noqa: S608  # a constant
            kind=kind, since=since,
        )  # fmt: skip
        return doc_rows.readable(found)

    def contacts_owed(self, *, before: int) -> list[Row]:
        """Contacts as of before `before` to which an answer is owed that nobody gave, however old."""
        # What stands at its default is not written, so the text of a body says it; an index has just these.
        found = self._sql.all(
            f"SELECT {doc_rows.COLUMNS} FROM doc WHERE kind = 'interaction' AND body LIKE '%\"due_at\":%'"  # noqa: S608  # a constant
            " AND body NOT LIKE '%\"answered_at\":%' AND as_of < :before",
            before=before,
        )
        return doc_rows.readable(found)

    def count(self, table: str) -> int:
        """Rows in one of our tables; for checks and tests."""
        if table not in TABLES:
            raise StoreError("there is no such table")
        return int(self._sql.all(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608  # of the list above
