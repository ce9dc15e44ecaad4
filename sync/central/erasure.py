"""Erasing a customer: their rows leave every scope at once, and it is known which devices have not heard of it yet.

It is noted for after a copy of the database is put back (`erasure_notes`), and such a note is done again (`erase_again`).

A device has passed it when it said that it holds each scope beyond where the rows left it; what it said is what it has on its
disk. One that does not come back erases by itself, when its lease is over, and pulls from the beginning after 45 days.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from hardware.errors import DeviceError
from sync.central import (
    changes,
    device_rows,
    erasure_notes,
    events,
    forgetting,
    mentions,
    outgoing_rows,
    snapshot_rows,
)
from sync.central.canonical import canonical, canonical_in
from sync.central.enrolment import FINAL_STATES, State, scopes_of
from sync.central.moment import Snapshot
from sync.central.parts import Parts
from sync.central.pulls import Pulls
from sync.central.sql import Connection
from sync.central.store import Store
from sync.central.transaction import Transaction, owner_lock
from sync.model.operations.request_erasure import due_at_of, is_erasure
from sync.model.records import Case

log = logging.getLogger(__name__)

LEFT_WITHIN_US: Final = 60 * 1_000_000
"""How long after it was asked for an erasure may have waited for its turn to be written."""


class ErasureStatus(msgspec.Struct, frozen=True):
    """How far an erasure has come.

    Attributes:
        at: When, microseconds since 1970.
        passed: Devices that hold nothing of the customer any more, by id.
        waiting: Devices that may still hold something, by id.
    """

    owner: str
    at: int
    passed: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DueErasure:
    """A customer who asked for it. `due_at` is when it must be done, microseconds since 1970."""

    owner: str
    due_at: int


class Write(Protocol):
    """One durable change, as `Parts.write` does it."""

    def __call__(
        self, change: Callable[[Transaction], int], *, keys: Iterable[str] = ()
    ) -> int:
        """What the change came to."""
        ...


def erase(store: Store, write: Write, owner: str, *, now: int) -> int:
    """Erase a customer, with all records joined into them; how many rows went. Raises StoreError: nothing was erased."""
    with store.reading() as snapshot:
        root = canonical_in(snapshot, owner)
        wanted = forgetting.mentions(snapshot.sql, root)
    looked = mentions.look(store, wanted, now=now)  # it takes its time, and nobody waits for it
    n_rows = write(lambda it: _erased(it, owner, looked, at=now), keys=(owner_lock(owner),))
    store.scrub()
    kept(store, now=now)
    return n_rows


def erase_again(
    store: Store,
    write: Write,
    owner: str,
    *,
    erased_at: int,
    now: int,
    before: Callable[[Transaction], None],
) -> int:
    """Erase who was erased at that time, and is here again with a copy of the database that was put back; how many rows went.

    What is new of somebody who came back to us since then is not theirs, and stays. Raises StoreError.

    Args:
        store: Where they are.
        write: Runs a change in one transaction.
        owner: Their id.
        erased_at: When they were erased, microseconds since 1970.
        now: The time.
        before: Done first in the transaction that erases.
    """
    with store.reading() as snapshot:
        wanted = forgetting.mentions(snapshot.sql, canonical_in(snapshot, owner))
    looked = mentions.look(store, wanted, now=now)

    def change(transaction: Transaction) -> int:
        before(transaction)
        return _erased(transaction, owner, looked, at=now, erased_at=erased_at)

    return write(change, keys=(owner_lock(owner),))


def in_file(store: Store) -> list[str]:
    """The notes in the file beside the database. Raises DiskFault."""
    return [] if store.ledger is None else store.ledger.read()


def kept(store: Store, *, now: int) -> bool:
    """Write the notes of the database into the file beside it; False where that cannot be written now. Raises StoreError."""
    ledger = store.ledger
    if ledger is None:
        return True
    with store.reading() as snapshot:
        there = erasure_notes.texts(snapshot.sql)
    try:
        mine = ledger.read()
        # An empty one is written too, so that it is the service's whoever writes it next.
        if mine and not _lacking(mine, there):
            return True
        with ledger.alone():
            mine = ledger.read()  # as it is now: somebody may have written it just before
            believed = (it for it in mine if _is_believed(it, store, now=now))
            ledger.write((*believed, *_lacking(mine, there)))
    except DeviceError as error:  # the rows of the notes stand; the file gets them later
        log.error("notes of erasures not in the file", extra={"cause": str(error)})  # noqa: TRY400  # the trace says nothing more
        return False
    return True


def _lacking(mine: Iterable[str], there: Mapping[str, str]) -> list[str]:
    known = frozenset(mine)
    return [text for text in there.values() if text not in known]


def _is_believed(text: str, store: Store, *, now: int) -> bool:
    note = erasure_notes.opened(text, store.erasure_key) if store.erasure_key else None
    return not store.erasure_key or (
        note is not None and note.at >= now - erasure_notes.KEPT_US
    )


def has_unnoted(sql: Connection) -> bool:
    """Whether something was erased by a program that noted nothing."""
    return bool(sql.all("SELECT 1 FROM erasure WHERE is_noted = 0 LIMIT 1"))


def note_old(transaction: Transaction) -> int:
    """Note what was erased by a program that did not do that, some of it; how much."""
    if not transaction.erasure_key:
        return 0
    sql = transaction.direct()
    found = sql.all("SELECT DISTINCT at FROM erasure WHERE is_noted = 0 ORDER BY at LIMIT 100")
    for (at,) in found:
        owners = [
            str(one) for (one,) in sql.all("SELECT owner FROM erasure WHERE at = :at", at=at)
        ]
        digests = [forgetting.owner_mark(transaction.secret, one) for one in owners]
        known = sql.all("SELECT mark FROM forgotten WHERE at = :at", at=at)
        marks = {str(mark) for (mark,) in known}.difference(digests)
        forgetting.remember(transaction, digests, at=at)
        erasure_notes.take_down(transaction, digests, marks, at=at)
        sql.run("UPDATE erasure SET is_noted = 1 WHERE at = :at", at=at)
    return len(found)


def due(snapshot: Snapshot) -> tuple[DueErasure, ...]:
    """Who asked to be erased, here or through another system, and still is here, what is due first first."""
    found = (
        DueErasure(row.owner, due_at_of(row.body))
        for row in snapshot.rows_of_kind("case")
        if isinstance(row.body, Case) and is_erasure(row.body) and row.body.state == "open"
    )
    return tuple(sorted(found, key=lambda one: (one.due_at, one.owner)))


def status(snapshot: Snapshot, owner: str) -> ErasureStatus | None:
    """How far an erasure has come, by what devices said and was written down; None for a customer that was not erased."""
    at = forgetting.erased_at(snapshot.sql, owner)
    return _status(snapshot, owner, at) if at else None


class Erasure:
    """Erases customers of one running centre."""

    def __init__(self, parts: Parts, pulls: Pulls) -> None:
        """Over the parts of one centre, and what its devices said in pulls."""
        self._parts = parts
        self._pulls = pulls

    def erase(self, owner: str) -> int:
        """Erase a customer, with all records joined into them; how many rows went. Raises StoreError: nothing was erased."""
        return erase(self._parts.store, self._parts.write, owner, now=self._parts.now)

    def status(self, owner: str) -> ErasureStatus | None:
        """How far it has come; None for a customer that was not erased. Raises StoreError."""
        self._pulls.note_cursors()
        with self._parts.store.reading() as snapshot:
            return status(snapshot, owner)


def _erased(
    transaction: Transaction,
    owner: str,
    looked: mentions.Looked,
    *,
    at: int,
    erased_at: int | None = None,
) -> int:
    """Args: `erased_at` is when it was done first, for one that is noted already."""
    forgetting.hold(transaction, owner)
    wanted = forgetting.mentions(transaction.direct(), canonical(transaction, owner))
    mentions.erase(transaction, wanted, looked)
    known = forgetting.forget(transaction, owner, at=at if erased_at is None else erased_at)
    owners, is_noted = known.owners, True
    if erased_at is None:
        is_noted = erasure_notes.take_down(transaction, known.digests, known.marks, at=at)
    events.erase(transaction, owners)
    for one in owners:
        outgoing_rows.forget(transaction, one)
        changes.forget(transaction, one, now=at)
    return sum(erase_rows(transaction, one, at=at, is_noted=is_noted) for one in owners)


def _status(snapshot: Snapshot, owner: str, at: int) -> ErasureStatus:
    left = left_since(snapshot.sql, at, until=at + LEFT_WITHIN_US)
    held = {(it.device, it.scope): it.seq for it in device_rows.cursors(snapshot.sql)}
    passed: list[str] = []
    waiting: list[str] = []
    for device in device_rows.devices(snapshot.sql):
        if State(device.state) in FINAL_STATES:
            is_past = device.seen_at >= device.state_at  # it was told to hold nothing
        else:
            is_past = all(
                held[device.id, scope] >= left[scope]
                for scope in scopes_of(device)
                if scope in left and (device.id, scope) in held
            )
        (passed if is_past else waiting).append(device.id)
    return ErasureStatus(owner, at, tuple(passed), tuple(waiting))


def left_since(sql: Connection, at: int, *, until: int) -> dict[str, int]:
    """By scope the newest seq of what left it between these times, microseconds since 1970."""
    found = sql.all(
        "SELECT scope, MAX(seq) FROM ptr WHERE is_gone = 1 AND at >= :at AND at < :until"
        " GROUP BY scope",
        at=at, until=until,
    )  # fmt: skip
    return dict(found)


def erase_rows(transaction: Transaction, owner: str, *, at: int, is_noted: bool = False) -> int:
    """Erase a customer: their rows, who holds them, the chips of their bands, the bytes of settled operations; how many rows.

    Pointers stay as what left its scope, so that every device erases them too. Snapshots of the scopes that held them go.
    """
    keys = transaction.remove_owner(owner)
    transaction.lock_keys((snapshot_rows.ERASING,))
    sql = transaction.direct()
    scopes = "SELECT scope FROM ptr WHERE key IN [:keys]"
    sql.run(f"DELETE FROM snap_part WHERE scope IN ({scopes})", keys=keys)  # noqa: S608  # a constant
    sql.run(f"DELETE FROM snapshot WHERE scope IN ({scopes})", keys=keys)  # noqa: S608  # a constant
    bands = [key.partition("/")[2] for key in keys if key.startswith("band/")]
    sql.run("DELETE FROM band_chip WHERE band IN [:bands]", bands=bands)
    # The number stays: a later wearer's capsule must not look older than this one's.
    sql.run("UPDATE capsule SET digest = '' WHERE band IN [:bands]", bands=bands)
    sql.run(
        "UPDATE op SET raw = NULL, keys = '[]' WHERE owner = :owner AND status <> 'held'",
        owner=owner,
    )
    sql.run(
        "INSERT INTO erasure (owner, at, is_noted) VALUES (:owner, :at, :is_noted)"
        " ON CONFLICT (owner) DO UPDATE SET at = excluded.at, is_noted = excluded.is_noted",
        owner=owner, at=at, is_noted=int(is_noted),
    )  # fmt: skip
    return len(keys)
