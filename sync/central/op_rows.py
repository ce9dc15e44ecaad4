"""Operations as they are stored: each with its result, what was decided about it, and the bytes it came in."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from sync.central.lines import check_texts
from sync.central.sql import Connection
from sync.model.wire import InboxEntry

_COLUMNS: Final = (
    "id, device, kind, status, code, clash, keys, at, store, owner, lineage, decision, decided_by, reason,"
    " decided_at"
)
OF_IDS: Final = f"SELECT {_COLUMNS} FROM op WHERE id IN [:ids]"  # noqa: S608  # a constant
HELD: Final = f"SELECT {_COLUMNS} FROM op WHERE status = 'held'"  # noqa: S608  # a constant


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


def raw_of(sql: Connection, op_id: str) -> bytes:
    """An operation as it was recorded; b"" for one nobody knows, or whose owner was erased."""
    found = sql.all("SELECT raw FROM op WHERE id = :id", id=op_id)
    return bytes(found[0][0] or b"") if found else b""


def inbox(
    sql: Connection, store: str = "", *, after: str = "", limit: int = 200
) -> list[InboxEntry]:
    """Operations that wait for a person, of one store or of all, by id, with their own bytes."""
    whose = "store = :store AND " if store else ""
    found = sql.all(
        "SELECT id, kind, code, owner, store, device, at, raw FROM op"  # noqa: S608  # constants
        f" WHERE {whose}status = 'held' AND id > :after ORDER BY id LIMIT :limit",
        after=after, limit=limit, **({"store": store} if store else {}),
    )  # fmt: skip
    return [
        InboxEntry(op, kind, code, owner, where, device, at, bytes(raw or b""))
        for op, kind, code, owner, where, device, at, raw in found
    ]


def by_id(lines: Iterable[Sequence[Any]]) -> dict[str, OpRecord]:
    """What one of the statements above found."""
    return {line[0]: _record(line) for line in lines}


def check(record: OpRecord) -> None:
    """Raises Malformed for an operation no database can hold."""
    check_texts(
        record.id, record.device, record.kind, record.code, record.store, record.owner,
        record.lineage, record.decided_by, record.reason, *record.keys,
    )  # fmt: skip


def add(sql: Connection, ops: Iterable[tuple[OpRecord, bytes]]) -> int:
    """Write operations with their bytes; how many nobody wrote before."""
    return sql.many(
        f"INSERT INTO op ({_COLUMNS}, raw) VALUES (:id, :device, :kind, :status, :code, :clash, :keys,"  # noqa: S608  # a constant
        " :at, :store, :owner, :lineage, :decision, :decided_by, :reason, :decided_at, :raw)"
        " ON CONFLICT (id) DO NOTHING",
        [{**_values(record), "raw": raw} for record, raw in ops],
    )


def settle(sql: Connection, record: OpRecord, *, before: str) -> bool:
    """Write the result and the decision of an operation; whether it was still as `before` says.

    Bytes that waited for a person go with the decision where their customer was erased meanwhile.
    """
    return bool(
        sql.run(
            "UPDATE op SET raw = CASE WHEN :status <> 'held' AND owner IN (SELECT owner FROM erasure) THEN NULL"
            " ELSE raw END, status = :status, code = :code, clash = :clash, keys = :keys,"
            " decision = :decision, decided_by = :decided_by, reason = :reason,"
            " decided_at = :decided_at WHERE id = :id AND status = :before",
            id=record.id, status=record.status, code=record.code, clash=record.clash,
            keys=_raw_keys(record), decision=record.decision, decided_by=record.decided_by,
            reason=record.reason, decided_at=record.decided_at, before=before,
        )
    )  # fmt: skip


_keys = msgspec.json.Decoder(tuple[str, ...])


def _record(line: Sequence[Any]) -> OpRecord:
    values = [*line[:6], _keys.decode(line[6]), *line[7:]]
    return OpRecord(*values)


def _raw_keys(record: OpRecord) -> str:
    return msgspec.json.encode(record.keys).decode()


def _values(record: OpRecord) -> dict[str, object]:
    return {**msgspec.structs.asdict(record), "keys": _raw_keys(record)}
