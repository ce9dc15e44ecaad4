"""Which unanswered operations of this device need to see which rows; beside the operations, in the same file.

Kept in the transaction that records an operation. What came into the file in another way, as out of a damaged one, has no
keys yet: it is read through until the next operations that are recorded give it some.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from sync.edge.store import Transaction
from sync.model.operation import Operation
from sync.model.registry import Readable, read

SLICE: Final = 500
"""Operations that get their keys in one transaction, about 20 ms; usually it is the one just recorded."""

_UNKEYED = "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'keyed'), 0)"
_NEXT = f"SELECT n, raw FROM op WHERE n > {_UNKEYED} ORDER BY n LIMIT {SLICE}"  # noqa: S608  # constants
_TAIL = f"""SELECT n, raw FROM op WHERE state IN ('recorded', 'sending') AND n > {_UNKEYED}"""  # noqa: S608  # constants
_OF_KEY = """SELECT op.n, raw FROM op_key JOIN op ON op.n = op_key.n
    WHERE op_key.key = ? AND state IN ('recorded', 'sending')"""


def keep(file: Transaction) -> None:
    """Give the operations keys that have none yet. Within the transaction in which some were recorded."""
    found = file.read(_NEXT)
    if not found:
        return
    file.many(
        "INSERT OR IGNORE INTO op_key VALUES (?, ?)",
        ((key, n) for n, raw in found for key in _keys_of(raw)),
    )
    file.execute("INSERT OR REPLACE INTO meta VALUES ('keyed', ?)", (str(found[-1][0]),))


def touching(file: Transaction, keys: Iterable[str]) -> dict[int, bytes]:
    """The unanswered operations that need to see one of these rows: number to bytes."""
    wanted = set(keys)
    if not wanted:
        return {}
    found: dict[int, bytes] = {
        n: raw for n, raw in file.read(_TAIL) if wanted & set(_keys_of(raw))
    }
    for key in wanted:
        found.update(file.read(_OF_KEY, (key,)))
    return found


def _keys_of(raw: bytes) -> tuple[str, ...]:
    try:
        readable = read(msgspec.json.decode(raw, type=Operation))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return readable.keys if isinstance(readable, Readable) else ()
