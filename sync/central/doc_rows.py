"""Rows of the model as they are stored, and as a device is sent them."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from sync.central.lines import DOC
from sync.central.sql import Connection
from sync.model.contacts import term_of
from sync.model.errors import Malformed
from sync.model.records import Record
from sync.model.row import Row, body_of, raw_of
from sync.model.wire import WireRow

ROW_SIZE_MAX: Final = 2 * 1_048_576
"""Bytes of a row's body; with it a page is still far from the largest answer a device takes, so that no row stops it."""

COLUMNS: Final = ", ".join(DOC)
OF_KEYS: Final = f"SELECT {COLUMNS} FROM doc WHERE key IN [:keys]"  # noqa: S608  # a constant
WIRE: Final = "ptr.key, ptr.seq, ptr.is_gone, doc.kind, doc.owner, doc.version, doc.as_of, doc.source, doc.body, doc.form"
"""Columns of a row where a scope points at it."""

_VALUES: Final = ", ".join(f":{name}" for name in DOC)
_ANEW: Final = ", ".join(f"{name} = excluded.{name}" for name in DOC[1:])
_UPSERT: Final = (
    f"INSERT INTO doc ({COLUMNS}) VALUES ({_VALUES}) ON CONFLICT (key) DO UPDATE SET {_ANEW}"  # noqa: S608  # constants
)


class Doc(NamedTuple):
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


def by_key(lines: Iterable[Sequence[Any]]) -> dict[str, Doc]:
    """What a statement with these columns found."""
    return {line[0]: Doc(*line[1:]) for line in lines}


def row_of(key: str, doc: Doc) -> Row:
    """A row with its decoded body. Raises Malformed for one this version cannot read."""
    body = doc.record or body_of(doc.kind, doc.body.encode())
    return Row(key, doc.kind, doc.owner, doc.version, doc.as_of, doc.source, body)


def readable(lines: Iterable[Sequence[Any]]) -> list[Row]:
    """Those of them that this version can read."""
    rows = []
    for line in lines:
        with suppress(Malformed):
            rows.append(row_of(line[0], Doc(*line[1:])))
    return rows


def next_of(known: Doc | None, row: Row, *, scope: str, form: int) -> Doc:
    """What is stored of a row over what is known of it.

    Raises:
        Malformed: a time no database can hold, or a body larger than ROW_SIZE_MAX.
    """
    body = raw_of(row.body)
    if len(body) > ROW_SIZE_MAX:
        raise Malformed("a row no device could be sent")
    if not -(2**63) <= row.as_of < 2**63:
        raise Malformed("a time no database can hold")
    return Doc(
        kind=row.kind, owner=row.owner, scope=scope or (known.scope if known else ""),
        version=known.version + 1 if known else 1, as_of=row.as_of, source=row.source,
        body=body.decode(), term=term_of(row.body).replace("\0", ""), form=form, record=row.body,
    )  # fmt: skip


def write(sql: Connection, written: Iterable[tuple[str, Doc | None]]) -> None:
    """Write rows; those that are None are no more."""
    docs, gone = [], []
    for key, doc in written:
        if doc is None:
            gone.append({"key": key})
        else:
            docs.append(dict(zip(DOC, (key, *doc), strict=False)))  # all but its record
    sql.many(_UPSERT, docs)
    sql.many("DELETE FROM doc WHERE key = :key", gone)


def wire_row(scope: str, line: Sequence[Any]) -> WireRow:
    """A row as a device is sent it, from a line of an answer."""
    key, seq, is_gone, kind, owner, version, as_of, source, body, form = line
    if is_gone or kind is None:
        return gone_row(scope, key, seq)
    return WireRow(
        scope, seq, key, kind, owner, version, as_of, source, body.encode(), False, form  # noqa: FBT003  # in its order: a page has 1,000
    )  # fmt: skip


def wire_of(scope: str, key: str, seq: int, doc: Doc) -> WireRow:
    """The same of a row as it is stored."""
    return WireRow(
        scope=scope, seq=seq, key=key, kind=doc.kind, owner=doc.owner, version=doc.version,
        as_of=doc.as_of, source=doc.source, body=doc.body.encode(), is_gone=False, form=doc.form,
    )  # fmt: skip


def gone_row(scope: str, key: str, seq: int) -> WireRow:
    """A row that left a scope."""
    return WireRow(
        scope=scope, seq=seq, key=key, kind="", owner="", version=0, as_of=0, source="",
        body=b"", is_gone=True,
    )  # fmt: skip
