"""What is gone leaves no byte: rows that left, customers who were erased, a cache whose lease ended, a device that was revoked.

Rows, terms and operations are overwritten where they stood (`secure_delete` in every file, and in the index); then the
logs are emptied into the files, which is when the old pages go. What was found gone is written down in the transaction in
which it goes, so that a pulled plug only delays the rest.

    a row left              -> its terms, its answered rows                   -> logs emptied
    a customer's row left   -> also their operations that the centre has, what the store's other devices did for them, and drafts
    the lease is long over  -> every personal row, slice by slice             -> pulled again once the centre answers
    the device is revoked   -> its keys first, then its files; what the centre does not have yet goes before (see `wipe`)

Operations the centre does not have stay whoever they are about: the centre decides about them.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from hardware.disk import Disk
from hardware.errors import DiskFault
from sync.edge import drafts, find
from sync.edge.store import EdgeStore, Transaction
from sync.model.wire import Cursor

log = logging.getLogger(__name__)

ROWS_SLICE: Final = 1_000
"""Personal rows erased in one transaction, about 20 ms."""

_GONE: Final = "gone/"
"""Before the id of a customer in `meta`: their row left and the rest of them is to follow."""

_UNSWEPT: Final = "unswept"
"""In `meta`: something left, and the logs are not emptied yet."""

_CUSTOMER: Final = "customer/"


def note_gone(file: Transaction, keys: Iterable[str]) -> None:
    """Rows leave: remember what is to follow. Within the transaction in which they go."""
    keys = tuple(keys)
    if not keys:
        return
    customers = [key.removeprefix(_CUSTOMER) for key in keys if key.startswith(_CUSTOMER)]
    file.many("INSERT OR IGNORE INTO meta VALUES (?, 1)", ((_GONE + one,) for one in customers))
    file.execute("INSERT OR IGNORE INTO meta VALUES (?, 1)", (_UNSWEPT,))


class Rewinds(Protocol):
    """What this needs of the feed, which itself notes here what leaves."""

    def cursors(self) -> tuple[Cursor, ...]:
        """How far each scope is held."""
        ...

    def part_ways(self, scope: str, seq: int) -> None:
        """Pull the scope again from there, over what is here."""
        ...


class Eraser:
    """Erases in the files of one device; on the sync thread."""

    def __init__(self, store: EdgeStore, *, feed: Rewinds) -> None:
        """Args: feed tells the centre's pages from the beginning again."""
        self._store = store
        self._feed = feed

    def sweep(self) -> bool:
        """Finish what left, once its terms are gone; whether there was anything. Raises StoreError."""
        found = self._store.cache.glance(
            "SELECT name FROM meta WHERE name = ? OR name GLOB ?", (_UNSWEPT, _GONE + "*")
        )
        if not found:
            return False
        owners = [name.removeprefix(_GONE) for (name,) in found if name != _UNSWEPT]
        gone = [owner for owner in owners if not self._is_held(owner)]
        if gone:
            self._forget_operations(gone)
        is_empty = self._store.outbox.empty_log() if gone else True
        with self._store.cache.write() as file:
            for owner in gone:
                file.execute("DELETE FROM answered WHERE owner = ?", (owner,))
                file.execute(_FORGET_PEER_KEYS, (owner,))
                file.execute("DELETE FROM peer_op WHERE owner = ?", (owner,))
                drafts.forget(file, owner)
            if is_empty:
                file.many(
                    "DELETE FROM meta WHERE name = ?", ((_GONE + owner,) for owner in owners)
                )
        # The mark goes last: it is in the file for as long as anything else may be.
        if self._store.cache.empty_log() and is_empty:
            with self._store.cache.write() as file:
                file.execute("DELETE FROM meta WHERE name = ?", (_UNSWEPT,))
        if gone:
            log.info("customers erased", extra={"count": len(gone)})
        return True

    def erase_some(self) -> bool:
        """Erase some personal rows of a cache whose lease is long over; whether there may be more. Raises StoreError."""
        # First what makes the centre send them again: a plug pulled in between must not leave a hole.
        for cursor in self._feed.cursors():
            if cursor.seq:
                self._feed.part_ways(cursor.id, 0)
        with self._store.cache.write() as file:
            found = file.read("SELECT n FROM row WHERE owner > '' LIMIT ?", (ROWS_SLICE,))
            file.many("DELETE FROM row WHERE n = ?", found)
            if not found:
                find.forget_all(file)
                drafts.forget_all(file)
                for table in ("answered", "peer_op", "peer_key", "lease"):
                    file.execute(f"DELETE FROM {table}")  # noqa: S608  # of the line above
        if found:
            return True
        self._store.cache.empty_log()
        log.warning("personal rows erased, the centre was not heard for too long")
        return False

    def end(self) -> bool:
        """Where this device may hold nothing any more and has nothing left to say: forget that too; whether there is more to forget. Raises StoreError."""
        if not is_wipe_due(self._store):
            return False
        # Rows that operations needed stayed until these were answered, and no page comes any more that takes them away.
        if self._store.cache.glance(_ANY_PERSONAL):
            self.erase_some()
            return True
        with self._store.outbox.write() as file:
            n_ops = file.execute("DELETE FROM op")
        if n_ops:
            self._store.outbox.empty_log()
            log.warning("operations of a revoked device erased", extra={"count": n_ops})
        return False

    def _is_held(self, owner: str) -> bool:
        found = self._store.cache.look(
            lambda file: file.read(
                "SELECT 1 FROM row WHERE key = ? LIMIT 1", (_CUSTOMER + owner,)
            )
        )
        return bool(found)

    def _forget_operations(self, owners: Iterable[str]) -> None:
        """What the centre has of them it keeps or has erased; the copy here only serves a centre that lost its tail."""
        with self._store.outbox.write() as file:
            file.many(
                "DELETE FROM op WHERE owner = ? AND state IN ('applied', 'void')",
                ((owner,) for owner in owners),
            )


_ANY_PERSONAL: Final = f"""SELECT 1 FROM row WHERE owner > '' UNION ALL SELECT 1 FROM answered
    UNION ALL SELECT 1 FROM peer_op UNION ALL SELECT 1 FROM found UNION ALL {drafts.ANY_DRAFT} LIMIT 1"""  # noqa: S608  # a constant

_FORGET_PEER_KEYS: Final = (
    "DELETE FROM peer_key WHERE op IN (SELECT op FROM peer_op WHERE owner = ?)"
)

# A device that may hold nothing any more

DAY_US: Final = 86_400_000_000

GRACE_US: Final = 30 * DAY_US
"""How long a centre keeps what a revoked device still has to say. Source: sync/README.md."""

_SHUT: Final = "shut_at"
"""In `meta` of the outbox: when the centre first said that this device may hold nothing any more, by the centre's time."""

_OVER: Final = "shut_over"
"""In the same place: the centre has said it for GRACE_US."""

_MARK: Final = "SELECT value FROM meta WHERE name = ?"
_ANY_WAITING: Final = "SELECT 1 FROM op WHERE state IN ('recorded', 'sending') LIMIT 1"


def note_shut(store: EdgeStore, *, is_shut: bool, server_time: int) -> None:
    """Remember what the centre itself says: this device may hold nothing any more, or it may again.

    Only the centre's time counts for the days of grace: a clock that jumps must not take away what was recorded.

    Raises:
        StoreError: it could not be kept.
    """
    had = store.outbox.glance(_MARK, (_SHUT,))
    is_over = bool(had) and server_time - int(had[0][0]) >= GRACE_US
    if bool(had) == is_shut and not is_over:
        return
    with store.outbox.write() as file:
        if not is_shut:
            file.execute("DELETE FROM meta WHERE name IN (?, ?)", (_SHUT, _OVER))
        elif is_over:
            file.execute("INSERT OR REPLACE INTO meta VALUES (?, '1')", (_OVER,))
        else:
            file.execute("INSERT INTO meta VALUES (?, ?)", (_SHUT, str(server_time)))


def is_wipe_due(store: EdgeStore) -> bool:
    """Whether this device is to be wiped: it may hold nothing, and said all it had to say or had its days of grace. Raises StoreError."""
    if not store.outbox.glance(_MARK, (_SHUT,)):
        return False
    is_over = bool(store.outbox.glance(_MARK, (_OVER,)))
    return is_over or not store.outbox.glance(_ANY_WAITING)


KEYS: Final = ("store.key", "device.key")
"""Without the first the databases are noise. Names of `hardware.identity`."""

LOCK: Final = "lock"


def wipe(folder: Path, *, disk: Disk) -> int:
    """Destroy all files of a device, its keys first; how many. Its store must be closed.

    Again after a pulled plug: what is left is removed. The caller sent what the centre did not have, or the days of grace are over.
    The lock stays, for whoever owns the folder while this runs.

    Raises:
        FolderInUse: another process owns the folder.
        DiskFault: a file could not be removed; the keys were tried first.
    """
    owned = disk.lock(folder)
    try:
        keys = [folder / name for name in KEYS if (folder / name).exists()]
        for key in keys:
            _overwrite(key)
            disk.remove(key)
        others = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK]
        for path in others:
            disk.remove(path)
    finally:
        owned.close()
    log.warning("device wiped", extra={"count": len(keys) + len(others)})
    return len(keys) + len(others)


def _overwrite(path: Path) -> None:
    """Where the file system writes in place, nothing of the key is left to be found."""
    try:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DiskFault(f"{path.name}: {error.strerror}") from error
