"""What happened to a device, an agent or a channel that a person should know, kept until they look."""

import msgspec

from sync.central.sql import Connection
from sync.central.transaction import Transaction


class AlertRecord(msgspec.Struct, frozen=True):
    """What happened to a device that a person should know. `code` is fixed."""

    code: str
    device: str
    at: int


def newest(sql: Connection) -> list[AlertRecord]:
    """What a person should know, newest first."""
    found = sql.all(
        "SELECT code, device, at FROM alert ORDER BY at DESC, code, device LIMIT 1000"
    )
    return [AlertRecord(*line) for line in found]


def add(transaction: Transaction, code: str, device: str, *, at: int) -> None:
    """Remember what a person should know about a device."""
    transaction.direct().run(
        "INSERT INTO alert (code, device, at) VALUES (:code, :device, :at)"
        " ON CONFLICT DO NOTHING",
        code=code, device=device, at=at,
    )  # fmt: skip
