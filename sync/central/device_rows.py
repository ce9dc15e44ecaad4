"""Devices as they are stored: keys and states, lives of their outboxes, and how far each said it holds a scope."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sync.central import scopes
from sync.central.scopes import GLOBAL
from sync.central.sql import Connection
from sync.central.transaction import Transaction

_DEVICE: Final = "id, public_key, store, role, state, lineage, seen_at, region, state_at, is_cloned, version, free_size"
_LINEAGE: Final = "device, lineage, token, previous, last_op, state, seen_at"


class DeviceRecord(msgspec.Struct, frozen=True):
    """A device as the centre knows it; `state` is one of `enrolment.State`.

    Attributes:
        region: Whose rows it holds besides its store's, "" for none.
        state_at: When it came into that state, microseconds since 1970.
        is_cloned: Two of it were seen; its requests wait for a person.
        version: Of its program, as it said last; "" for one that does not say.
        free_size: Bytes free on its disk, as it said last; -1 where it did not.
    """

    id: str
    public_key: str
    store: str
    role: str
    state: str
    lineage: str = ""
    seen_at: int = 0
    region: str = ""
    state_at: int = 0
    is_cloned: bool = False
    version: str = ""
    free_size: int = -1


class LineageRecord(msgspec.Struct, frozen=True):
    """One life of a device's outbox.

    Attributes:
        token: What its next push presents; `previous` what the one before did.
        last_op: The last operation it brought.
        state: live | doubted, as `pushes` has it.
    """

    device: str
    lineage: str
    token: str
    previous: str
    last_op: str
    state: str
    seen_at: int


class DeviceCursor(msgspec.Struct, frozen=True):
    """How far a device said it holds a scope."""

    device: str
    scope: str
    seq: int
    at: int


def device(sql: Connection, device_id: str) -> DeviceRecord | None:
    """A device by its id."""
    found = sql.all(
        f"SELECT {_DEVICE} FROM device WHERE id = :id",  # noqa: S608  # a constant
        id=device_id,
    )
    return _record(found[0]) if found else None


def asking(sql: Connection, device_id: str) -> tuple[DeviceRecord, str | None] | None:
    """A device, and the token of the life of it that spoke last, in one question; None for a life that is not known."""
    columns = ", ".join(f"device.{name}" for name in _DEVICE.split(", "))
    found = sql.all(
        f"SELECT {columns}, lineage.token FROM device LEFT JOIN lineage"  # noqa: S608  # a constant
        " ON lineage.device = device.id AND lineage.lineage = device.lineage WHERE device.id = :id",
        id=device_id,
    )
    return (_record(found[0][:-1]), found[0][-1]) if found else None


def devices(sql: Connection) -> list[DeviceRecord]:
    """All devices, by id."""
    found = sql.all(f"SELECT {_DEVICE} FROM device ORDER BY id")  # noqa: S608  # a constant
    return [_record(line) for line in found]


def lineage(sql: Connection, device: str, lineage: str) -> LineageRecord | None:
    """One life of a device's outbox."""
    found = sql.all(
        f"SELECT {_LINEAGE} FROM lineage WHERE device = :device AND lineage = :lineage",  # noqa: S608  # a constant
        device=device,
        lineage=lineage,
    )
    return LineageRecord(*found[0]) if found else None


def cursors(sql: Connection, scope: str = "") -> list[DeviceCursor]:
    """How far devices said they hold a scope, or all, by device."""
    whose = " WHERE scope = :scope" if scope else ""
    found = sql.all(
        f"SELECT device, scope, seq, at FROM device_cursor{whose} ORDER BY device, scope",  # noqa: S608  # constants
        **({"scope": scope} if scope else {}),
    )
    return [DeviceCursor(*line) for line in found]


def put_device(transaction: Transaction, record: DeviceRecord) -> None:
    """Write a device; its key never changes once it is known."""
    values = msgspec.structs.asdict(record) | {"is_cloned": int(record.is_cloned)}
    transaction.direct().run(
        f"INSERT INTO device ({_DEVICE}) VALUES (:id, :public_key, :store, :role, :state, :lineage,"  # noqa: S608  # a constant
        " :seen_at, :region, :state_at, :is_cloned, :version, :free_size)"
        " ON CONFLICT (id) DO UPDATE SET store = excluded.store, role = excluded.role,"
        " state = excluded.state, lineage = excluded.lineage, seen_at = excluded.seen_at,"
        " region = excluded.region, state_at = excluded.state_at, is_cloned = excluded.is_cloned,"
        " version = excluded.version, free_size = excluded.free_size",
        **values,
    )
    scopes.ensure(transaction.direct(), GLOBAL, epoch=transaction.epoch)


def put_lineage(transaction: Transaction, record: LineageRecord) -> None:
    """Write one life of a device's outbox."""
    transaction.direct().run(
        "INSERT INTO lineage (device, lineage, token, previous, last_op, state, seen_at)"
        " VALUES (:device, :lineage, :token, :previous, :last_op, :state, :seen_at)"
        " ON CONFLICT (device, lineage) DO UPDATE SET token = excluded.token,"
        " previous = excluded.previous, last_op = excluded.last_op, state = excluded.state,"
        " seen_at = excluded.seen_at",
        **msgspec.structs.asdict(record),
    )


def note_cursor(
    transaction: Transaction, device: str, scope: str, *, seq: int, at: int
) -> None:
    """Remember how far a device said it holds a scope."""
    transaction.direct().run(
        "INSERT INTO device_cursor (device, scope, seq, at) VALUES (:device, :scope, :seq, :at)"
        " ON CONFLICT (device, scope) DO UPDATE SET seq = excluded.seq, at = excluded.at",
        device=device, scope=scope, seq=seq, at=at,
    )  # fmt: skip


def _record(line: Sequence[Any]) -> DeviceRecord:
    values = [*line[:-3], bool(line[-3]), *line[-2:]]
    return DeviceRecord(*values)
