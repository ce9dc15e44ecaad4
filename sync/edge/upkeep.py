"""What a device does for its own files beside the sync: index, lease, erasure, reserve; a short piece at a time.

Whoever runs the sync says when the centre was heard, and gives this a turn whenever something happened: after each answer,
and at least once a minute. A turn is about 50 ms at most and says whether there is more to do at once.
"""

from sync.edge.erase import Eraser, Rewinds
from sync.edge.find import Finder
from sync.edge.lease import KEEP_MS, lease_of
from sync.edge.store import EdgeStore


class Upkeep:
    """The housekeeping of one device; on the sync thread."""

    def __init__(self, store: EdgeStore, *, feed: Rewinds) -> None:
        self._store = store
        self._lease = lease_of(store)
        self._finder = Finder(store)
        self._eraser = Eraser(store, feed=feed)
        self._next_ms = 0

    def heard(self) -> None:
        """The centre answered, provably. Raises StoreError."""
        self._lease.heard()

    def is_due(self) -> bool:
        """Whether the minute is over: then a turn also without an answer."""
        return self._store.clock.ticks_ms() >= self._next_ms

    def turn(self) -> bool:
        """A piece of what is to be done; whether there is more. Raises StoreError."""
        if self._beat():
            return True
        if self._finder.refresh():
            return True
        self._finder.warm()
        self._eraser.sweep()
        return False

    def _beat(self) -> bool:
        """What is done once a minute; whether it is not finished."""
        if not self.is_due():
            return False
        if self._lease.beat().is_erase_due:
            if self._eraser.erase_some():
                return True
            self._lease.note_erased()
        if self._store.ballast is not None:
            self._store.ballast.keep()
        self._next_ms = self._store.clock.ticks_ms() + KEEP_MS
        return False
