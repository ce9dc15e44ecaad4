"""What a clerk was writing and has not recorded: kept in the cache, so that it outlives a lock, a crash and a pulled plug.

One a customer and sort, under `draft/<owner>/<sort>` in `meta`. It never leaves this device. It goes when it is recorded, when
the customer's row leaves or is erased, and with all personal rows when the lease is long over.
"""

from typing import Final

from sync.edge.store import EdgeStore, Transaction

_DRAFT: Final = "draft/"
_ALL: Final = ("draft/", "draft0")
_KEPT: Final = "SELECT name, value FROM meta WHERE name >= ? AND name < ? ORDER BY name"
_FORGET: Final = "DELETE FROM meta WHERE name >= ? AND name < ?"

_UNSWEPT: Final = "INSERT OR IGNORE INTO meta VALUES ('unswept', 1)"
"""A draft went: `erase` empties the log it is still in."""

ANY_DRAFT: Final = "SELECT 1 FROM meta WHERE name >= 'draft/' AND name < 'draft0'"
"""For a question of `erase`: whether there is one of anybody."""


class Drafts:
    """The drafts of one device. Any thread."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    def keep(self, owner: str, sort: str, body: bytes) -> None:
        """Keep it in the place of the one before; b"" forgets that. Raises StoreError."""
        name = f"{_DRAFT}{owner}/{sort}"
        with self._store.cache.write() as file:
            if body:
                file.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, body))
            else:
                file.execute("DELETE FROM meta WHERE name = ?", (name,))
                file.execute(_UNSWEPT)

    def kept(self) -> tuple[bytes, ...]:
        """Every draft there is. Raises StoreError."""
        found = self._store.cache.look(lambda file: file.read(_KEPT, _ALL))
        return tuple(bytes(body) for _, body in found)


def forget(file: Transaction, owner: str) -> None:
    """Within the transaction in which a customer goes."""
    file.execute(_FORGET, (f"{_DRAFT}{owner}/", f"{_DRAFT}{owner}0"))


def forget_all(file: Transaction) -> None:
    """Within the transaction in which the last personal rows go."""
    file.execute(_FORGET, _ALL)
