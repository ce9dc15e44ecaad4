"""How far each channel was read that we read ourselves: files that are imported, mailboxes; a JSON object a channel.

Written in the transaction that takes what was read, so that nothing is read twice or left out by a process that ends anywhere.
"""

from typing import Any

import msgspec

from sync.central.sql import Connection
from sync.central.transaction import Transaction


def position_of(sql: Connection, channel: str, what: str) -> dict[str, Any]:
    """Where reading `what` of a channel stands; {} before it began, or where what stands there is none."""
    return _whole(sql, channel).get(what, {})


def set_position(
    transaction: Transaction, channel: str, what: str, position: dict[str, Any], *, now: int
) -> None:
    """Remember where reading `what` stands."""
    sql = transaction.direct()
    whole = _whole(sql, channel) | {what: position}
    sql.run(
        "INSERT INTO channel (name, state, reason, changed_at, position) VALUES (:name, 'open', '', :now, :position)"
        " ON CONFLICT (name) DO UPDATE SET position = excluded.position",
        name=channel, now=now, position=msgspec.json.encode(whole).decode(),
    )  # fmt: skip


def _whole(sql: Connection, channel: str) -> dict[str, dict[str, Any]]:
    found = sql.all("SELECT position FROM channel WHERE name = :name", name=channel)
    try:
        return msgspec.json.decode(
            str(found[0][0]) if found else "", type=dict[str, dict[str, Any]]
        )
    except msgspec.DecodeError:
        return {}
