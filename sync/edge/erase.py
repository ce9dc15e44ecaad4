"""What is gone leaves no byte: rows that left, customers who were erased, a cache whose lease ended, a device that was revoked.

Rows, terms and operations are overwritten where they stood (`secure_delete` in every file, and in the index); then the
logs are emptied into the files, which is when the old pages go. What was found gone is written down in the transaction in
which it goes, so that a pulled plug only delays the rest.

    a row left              -> its terms, its answered rows                   -> logs emptied
    a customer's row left   -> also their operations that the centre has, what the store's other devices did for them, and drafts;
                               not of one who was joined into another and is here as that one, until that one goes too
    the lease is long over  -> every personal row, slice by slice             -> pulled again once the centre answers
    the device is revoked   -> its keys first, then its files; what the centre does not have yet goes before (see `wipe`)

Operations the centre does not have stay whoever they are about: the centre decides about them. Once it did, they follow their customer.
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from hardware.disk import Disk
from hardware.errors import DiskFault
from sync.edge import drafts, find
from sync.edge.store import EdgeStore, Found, Transaction
from sync.model.records import Join
from sync.model.wire import Cursor

log = logging.getLogger(__name__)

ROWS_SLICE: Final = 1_000
"""Personal rows erased in one transaction, about 20 ms."""

_GONE: Final = "gone/"
"""Before the id of a customer in `meta`: their row left, or what said whom they were joined into; the rest of them is to follow."""

_LATE: Final = "late/"
"""Before the id of a customer in `meta`: they left, and what was recorded about them before is to be answered first."""

_UNSWEPT: Final = "unswept"
"""In `meta`: something left, and the logs are not emptied yet."""

_CUSTOMER: Final = "customer/"
_JOIN: Final = "join/"

_ANY_BEHIND: Final = "SELECT 1 FROM cursor WHERE is_head = 0 LIMIT 1"

_JOINS: Final = (
    """SELECT body FROM row WHERE key >= 'join/' AND key < 'join0' AND is_read = 1"""
)
"""Why rows of several customers are one's."""

_JOINS_OF: Final = "SELECT body FROM row WHERE key IN (SELECT value FROM json_each(?))"
"""The same of these alone, and whoever reads them: by whom a program before this one knew somebody here as another."""


def joined_by(file: Transaction, keys: Iterable[str]) -> frozenset[str]:
    """Ids of the customers whom those of these rows made one that are here and are joins. Ask before they change or go."""
    joins = [key for key in keys if key.startswith(_JOIN)]
    if not joins:
        return frozenset()
    return _joined_in(file.read(_JOINS_OF, (msgspec.json.encode(joins).decode(),)))


def note_gone(
    file: Transaction, keys: Iterable[str], *, joined: frozenset[str] = frozenset()
) -> None:
    """Rows leave: remember what is to follow. Within the transaction in which they go.

    Args:
        file: Where they go.
        keys: Which.
        joined: Who was here by them as another; see `joined_by`.
    """
    keys = tuple(keys)
    if not keys:
        return
    customers = [key.removeprefix(_CUSTOMER) for key in keys if key.startswith(_CUSTOMER)]
    note_doubtful(file, (*customers, *sorted(joined)))
    file.execute("INSERT OR IGNORE INTO meta VALUES (?, 1)", (_UNSWEPT,))


def note_doubtful(file: Transaction, customers: Iterable[str]) -> None:
    """Whether these are still here is to be judged: a row that said so goes, or says something else from now on."""
    file.many("INSERT OR IGNORE INTO meta VALUES (?, 1)", ((_GONE + one,) for one in customers))


def _joined_in(bodies: Iterable[Found]) -> frozenset[str]:
    """Ids of the customers these joins made one; a body that is none makes nobody one."""
    joined = set[str]()
    for (body,) in bodies:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            joined.update(msgspec.json.decode(body, type=Join).records)
    return frozenset(joined)


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
        is_unswept, owners = self._due()
        if not owners and not is_unswept:
            return False
        gone = self._left_of(owners)
        if gone:
            self._forget_operations(gone)
        is_empty = self._store.outbox.empty_log() if gone else True
        waiting = self._waiting_of(gone)
        with self._store.cache.write() as file:
            for owner in gone:
                file.execute("DELETE FROM answered WHERE owner = ?", (owner,))
                file.execute(_FORGET_PEER_KEYS, (owner,))
                file.execute("DELETE FROM peer_op WHERE owner = ?", (owner,))
                drafts.forget(file, owner)
            if gone:  # the mark may be gone with a log that was emptied before they were judged
                file.execute("INSERT OR IGNORE INTO meta VALUES (?, 1)", (_UNSWEPT,))
            if is_empty:
                _unmark(file, owners, waiting)
        # The mark goes last: it is in the file for as long as anything else may be.
        if self._store.cache.empty_log() and is_empty:
            with self._store.cache.write() as file:
                file.execute("DELETE FROM meta WHERE name = ?", (_UNSWEPT,))
        if gone:
            log.info("customers erased", extra={"count": len(gone)})
        return True

    def _due(self) -> tuple[bool, list[str]]:
        """Whether logs are to be emptied, and which customers are to be judged now.

        Whether a customer left or is here as another is judged only where all is held that the centre had to say: the row that
        tells it may come by a later page.
        """
        found = self._store.cache.glance(
            "SELECT name FROM meta WHERE name = ? OR name GLOB ? OR name GLOB ?",
            (_UNSWEPT, _GONE + "*", _LATE + "*"),
        )
        names = [str(name) for (name,) in found]
        left = [name.removeprefix(_GONE) for name in names if name.startswith(_GONE)]
        late = [name.removeprefix(_LATE) for name in names if name.startswith(_LATE)]
        waiting = self._waiting_of(late)
        owners = list(dict.fromkeys((*left, *(one for one in late if one not in waiting))))
        if owners and self._store.cache.glance(_ANY_BEHIND):
            owners = []
        return _UNSWEPT in names, owners

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
            self.sweep()  # who waited for an answer to one of these
            log.warning("operations of a revoked device erased", extra={"count": n_ops})
        return False

    def _left_of(self, owners: Sequence[str]) -> list[str]:
        """Those of these customers who are here neither as themselves nor as somebody they were joined into."""

        def reading(file: Transaction) -> list[str]:
            found = file.read(
                "SELECT DISTINCT key FROM row WHERE key IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode([_CUSTOMER + owner for owner in owners]).decode(),),
            )
            held = {key.removeprefix(_CUSTOMER) for (key,) in found}
            left = [owner for owner in owners if owner not in held]
            joined = _joined_in(file.read(_JOINS)) if left else ()
            return [owner for owner in left if owner not in joined]

        return self._store.cache.look(reading) if owners else []

    def _waiting_of(self, owners: Sequence[str]) -> frozenset[str]:
        """Those of these customers about whom an operation has no answer yet, or waits for a person."""
        if not owners:
            return frozenset()
        found = self._store.outbox.glance(_WAITING, (msgspec.json.encode(owners).decode(),))
        return frozenset(str(owner) for (owner,) in found)

    def _forget_operations(self, owners: Iterable[str]) -> None:
        """What the centre has of them it keeps or has erased; the copy here only serves a centre that lost its tail."""
        with self._store.outbox.write() as file:
            file.many(
                "DELETE FROM op WHERE owner = ? AND state IN ('applied', 'void')",
                ((owner,) for owner in owners),
            )


def _unmark(file: Transaction, owners: Iterable[str], waiting: Iterable[str]) -> None:
    """These were judged; of those about whom something waits, the rest goes once it is answered."""
    for owner in owners:
        file.execute("DELETE FROM meta WHERE name IN (?, ?)", (_GONE + owner, _LATE + owner))
    file.many("INSERT OR IGNORE INTO meta VALUES (?, 1)", ((_LATE + one,) for one in waiting))


_WAITING: Final = """SELECT owner FROM op WHERE state IN ('recorded', 'sending')
    AND owner IN (SELECT value FROM json_each(?1))
    UNION SELECT owner FROM op WHERE state = 'held' AND owner IN (SELECT value FROM json_each(?1))"""

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
