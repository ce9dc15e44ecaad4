"""What a device does for its own files beside the sync: index, lease, erasure, reserve; a short piece at a time.

Whoever runs the sync says when the centre was heard, and gives this a turn whenever something happened: after each answer,
and at least once a minute. A turn is about 50 ms at most and says whether there is more to do at once.
"""

import logging

from sync.edge.erase import Eraser, Rewinds
from sync.edge.find import Finder
from sync.edge.lease import KEEP_MS, lease_of
from sync.edge.store import EdgeStore
from sync.model.errors import StoreFull

log = logging.getLogger(__name__)


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
        """A piece of what is to be done; whether there is more. On a full disk it waits for room. Raises StoreError."""
        try:
            return self._turn()
        except StoreFull:
            log.warning("no room for upkeep")
            return False

    def _turn(self) -> bool:
        if self.is_due():
            self._next_ms = self._store.clock.ticks_ms() + KEEP_MS
            if self._store.ballast is not None:
                self._store.ballast.keep()
            self._lease.beat()
        if self._lease.state().is_erase_due:
            if self._eraser.erase_some():
                return True
            self._lease.note_erased()
        if self._store.cache.tidy() or self._finder.refresh():
            return True
        self._finder.warm()
        self._eraser.sweep()
        return self._eraser.end()
