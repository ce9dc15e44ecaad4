"""Notes of erasures (rows `erasure/...`) that this device holds and its centre may lack, because it was set back to an older copy.

They are set aside in the transaction that finds the histories part, or that lets such a row go without the centre having said so, and
brought to the centre before anything is pulled from it: nobody who was forgotten is fetched anew. What is in a note only the centre can read.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from sync.edge.store import EdgeStore, Transaction
from sync.model.records import ErasureNote
from sync.model.wire import NOTES_MAX

KIND: Final = "erasure"

_PUT: Final = "INSERT OR REPLACE INTO meta SELECT 'untold/' || key, body FROM row WHERE kind = 'erasure' AND scope = ?"
"""Under `untold/<key>` in `meta`."""

_UNTOLD_NOTES: Final = "SELECT name, value FROM meta WHERE name >= 'untold/' AND name < 'untold0' ORDER BY name LIMIT ?"


def set_aside_after(file: Transaction, scope: str, seq: int) -> None:
    """Our history of a scope is the centre's up to `seq`: what we hold beyond, or did not get again since, it may lack."""
    file.execute(f"{_PUT} AND (seq > ? OR seq = 0)", (scope, seq))


def set_aside(file: Transaction, scope: str, keys: Iterable[str]) -> None:
    """These rows go, and the centre did not say that they left."""
    for key in keys:
        if key.startswith(f"{KIND}/"):
            file.execute(f"{_PUT} AND key = ?", (scope, key))


def untold(store: EdgeStore) -> dict[str, str]:
    """Notes to bring to the centre next, by their name here; at most NOTES_MAX. Raises StoreError."""
    found = store.cache.glance(_UNTOLD_NOTES, (NOTES_MAX,))
    return {str(name): _note_of(bytes(value)) for name, value in found}


def _note_of(body: bytes) -> str:
    """The note of a row; "" for what a newer centre wrote in another form."""
    try:
        return msgspec.json.decode(body, type=ErasureNote).note
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def told(store: EdgeStore, names: Iterable[str]) -> None:
    """The centre has these. Raises StoreError."""
    with store.cache.write() as file:
        file.many("DELETE FROM meta WHERE name = ?", ((name,) for name in names))
