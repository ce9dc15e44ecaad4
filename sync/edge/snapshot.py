"""A scope whole, from the parts of a snapshot."""

from collections.abc import Callable

from sync.edge.client import CentreClient
from sync.edge.store import EdgeStore


class SnapshotLoader:
    """Loads snapshots into the cache."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    async def load(
        self, client: CentreClient, scope: str, on_progress: Callable[[int, int], None]
    ) -> bool:
        """Whether the scope is here whole now; where it is not, it comes page by page."""
        return False
