"""The deny list this device holds: one file in its folder, signed by the centre, believed only as long as that holds.

It is beside the encrypted files and not in them: whoever drops the cache drops no list, and its marks say nothing to anybody
without the group key. It is looked up in memory; the sync thread puts a newer one there.
"""

import logging
import threading
from typing import Final
from weakref import WeakKeyDictionary, proxy

from hardware.errors import DeviceError
from sync.edge.store import EdgeStore
from sync.model.deny import DenyList, deny_list_of
from sync.model.errors import Malformed, NotTrusted

log = logging.getLogger(__name__)

FILE: Final = "deny.list"


class DenyFile:
    """The list of one device. Take it with `deny_of`; any thread reads, the sync thread writes."""

    def __init__(self, store: EdgeStore) -> None:
        self._store: EdgeStore = proxy(
            store
        )  # kept by its store in `_FILES`; it must not keep it
        self._lock = threading.Lock()
        self._held: tuple[str, DenyList | None] | None = None

    def newest(self, *, centre_key: str) -> DenyList | None:
        """The list this device holds; None when there is none that this centre signed. Reads the file the first time only."""
        held = self._held  # replaced as a whole, so that no reader waits for a writer
        if held is None or held[0] != centre_key:
            with self._lock:
                held = self._held = (centre_key, self._read(centre_key))
        return held[1]

    def keep(self, raw: bytes, *, centre_key: str) -> None:
        """Hold this list, unless the one held is newer. One that cannot be written down is held until the program ends.

        Raises:
            Malformed, NotTrusted: it is no list of this centre; the one held stays.
        """
        fresh = deny_list_of(raw, centre_key=centre_key)
        held = self.newest(centre_key=centre_key)
        if held is not None and held.made_at > fresh.made_at:
            return
        with self._lock:
            self._held = (centre_key, fresh)
        try:
            self._store.disk.write(self._store.folder / FILE, raw)
        except DeviceError:
            log.warning("deny list not written")

    def _read(self, centre_key: str) -> DenyList | None:
        try:
            raw = self._store.disk.read(self._store.folder / FILE)
            return None if raw is None else deny_list_of(raw, centre_key=centre_key)
        except (DeviceError, Malformed, NotTrusted) as error:
            log.warning("deny list not believed", extra={"cause": type(error).__name__})
            return None


_FILES: Final[WeakKeyDictionary[EdgeStore, DenyFile]] = WeakKeyDictionary()
_FILES_LOCK: Final = threading.Lock()


def deny_of(store: EdgeStore) -> DenyFile:
    """The one list of a store, shared by whoever reads and whoever hears the centre."""
    with _FILES_LOCK:
        return _FILES.setdefault(store, DenyFile(store))
