"""Want, diff and the parts of snapshots: what a device asks for beyond what changed."""

from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

import msgspec

from sync.central import alerts, interests, snapshot_rows, snapshots
from sync.central.canonical import canonical_of
from sync.central.enrolment import scope_of, scopes_of
from sync.central.feed import row_for
from sync.central.gate import denied
from sync.central.moment import Snapshot
from sync.central.parts import Parts, decoded, key_of
from sync.central.sql import Connection
from sync.central.transaction import Transaction, owner_lock
from sync.model import records
from sync.model.answers import diff_page, snapshot_page, want_page
from sync.model.contacts import contact_term
from sync.model.ports import Request
from sync.model.signatures import seal, snapshot_label
from sync.model.sums import BUCKETS, SUM_MASK, bucket_of
from sync.model.wire import (
    DIFF_BUCKETS_MAX,
    DiffAnswer,
    DiffRequest,
    SnapshotAnswer,
    SnapshotPart,
    SnapshotRequest,
    Want,
    Wanted,
    WantRequest,
)

DAY_US: Final = 86_400 * 1_000_000
WANTED: Final = "wanted"

GUESSES_MAX: Final = 500
"""Customers nobody knows that one device may ask for in a day; staff mistype a few."""

GUESSING: Final = "device_guesses"

WANT_ROWS_MAX: Final = 5_000
"""Rows one want answer holds, 5 MB; whose rows would not fit come with the next pull."""

DIFF_ROWS_MAX: Final = 5_000
"""Rows one diff answer holds; a bucket is never cut, so the first may pass it."""


class Wants:
    """Answers want, diff, snapshot and snap."""

    def __init__(self, parts: Parts) -> None:
        """Over the parts of one centre."""
        self._parts = parts
        self._guesses = _Guesses()

    def want(self, request: Request) -> bytes:
        """Hold customers in the store for some days, or no more; their rows at once."""
        caller = self._parts.gate.admit("want", request)
        want = decoded(request.body, WantRequest)
        assert caller.session is not None  # a want is signed in one
        reads, scope, now = caller.session.reads, scope_of(caller.device.store), self._parts.now
        self._refuse_guessing(caller.device.id, now)
        with self._parts.store.reading() as snapshot:
            kept = canonical_of(snapshot.sql, (one.owner for one in want.want))
            asked = [
                msgspec.structs.replace(one, owner=kept.get(one.owner, one.owner))
                for one in want.want
            ]
            owners = [owner_of(snapshot.sql, one) for one in asked]
        self._guesses.add(caller.device.id, owners.count(""), day=now // DAY_US)

        def work(transaction: Transaction) -> Callable[[], tuple[Wanted, ...]]:
            for owner in filter(None, owners):
                until = now + want.days * DAY_US
                transaction.add_interest(scope, owner, until=until, why=WANTED)
            for owner in want.drop:
                _drop(transaction, scope, owner)
            return lambda: _found(transaction.read, owners, scope)

        locks = {owner_lock(owner) for owner in (*filter(None, owners), *want.drop)}
        found = self._parts.batch.run(work, keys=tuple(sorted(locks)))
        for name, n in (("found", sum(map(bool, owners))), ("nobody", owners.count(""))):
            if n:
                self._parts.counters.add(f"want.{name}", n)
        read = (Wanted(it.owner, tuple(row_for(row, reads) for row in it.rows)) for it in found)
        return want_page(read, session_key=key_of(caller), request_id=caller.request_id)

    def _refuse_guessing(self, device: str, now: int) -> None:
        """A device that asks for nobody all day is trying numbers; a person is told once that day, on each node."""
        count = self._guesses.count(device, day=now // DAY_US)
        if count < GUESSES_MAX:
            return
        if self._guesses.is_first(device):
            self._parts.write(lambda it: alerts.add(it, GUESSING, device, at=now))
        raise denied("not_allowed", "guessing")

    def diff(self, request: Request) -> bytes:
        """The rows of some buckets of a scope that this device has otherwise."""
        caller = self._parts.gate.admit("diff", request)
        diff = decoded(request.body, DiffRequest)
        if diff.scope not in scopes_of(caller.device):
            raise denied("not_allowed", "scope")
        assert caller.session is not None  # a diff is signed in one
        theirs = [int(text, 16) & SUM_MASK for text in diff.buckets]
        with self._parts.store.reading() as snapshot:
            answer = diff_of(snapshot, diff.scope, theirs)
        self._parts.counters.add("diff.buckets", len(answer.buckets))
        reads = caller.session.reads
        read = DiffAnswer(
            answer.scope, answer.buckets, tuple(row_for(row, reads) for row in answer.rows),
            answer.n_more,
        )  # fmt: skip
        return diff_page(read, session_key=key_of(caller), request_id=caller.request_id)

    def snapshot(self, request: Request) -> bytes:
        """Of which parts a scope can be had whole."""
        caller = self._parts.gate.admit("snapshot", request)
        asked = decoded(request.body, SnapshotRequest)
        if asked.scope not in scopes_of(caller.device):
            raise denied("not_allowed", "scope")
        assert caller.session is not None  # this is signed in one
        if caller.session.reads:  # parts hold every body in its newest form
            answer = SnapshotAnswer(asked.scope, 0)
        else:
            with self._parts.store.reading() as snapshot:
                answer = self._whole(snapshot, asked, key_of(caller))
        return snapshot_page(answer, session_key=key_of(caller), request_id=caller.request_id)

    def _whole(
        self, snapshot: Snapshot, asked: SnapshotRequest, session_key: bytes
    ) -> SnapshotAnswer:
        """The newest snapshot of a scope from which a device can go on."""
        whole = snapshots.usable(snapshot, asked.scope, asked.format)
        if whole is None:
            return SnapshotAnswer(asked.scope, 0)
        label = snapshot_label(scope=whole.scope, seq=whole.seq)
        sealed = seal(bytes.fromhex(whole.key), session_key, label, self._parts.entropy)
        parts = snapshot_rows.parts(snapshot.sql, whole.scope, whole.format, whole.seq)
        return SnapshotAnswer(
            whole.scope, whole.seq, whole.epoch, whole.mark, whole.count, whole.sum, sealed,
            tuple(SnapshotPart(it.hash, it.size, it.rows) for it in parts),
        )  # fmt: skip

    def part(self, request: Request, name: str) -> bytes:
        """One part of a snapshot, as it is kept."""
        caller = self._parts.gate.admit("snap", request)
        with self._parts.store.reading() as snapshot:
            is_its = snapshot_rows.scope_of_part(snapshot.sql, name) in scopes_of(caller.device)
            part = snapshot_rows.part(snapshot.sql, name) if is_its else None
        if part is None:
            raise denied("not_found", "part")
        return part


class _Guesses:
    """How many customers nobody knows each device asked for today."""

    def __init__(self) -> None:
        self._day = 0
        self._counts: Counter[str] = Counter()
        self._told: set[str] = set()
        self._lock = Lock()

    def add(self, device: str, n: int, *, day: int) -> None:
        """It asked for so many more."""
        with self._lock:
            self._begin(day)
            self._counts[device] += n

    def count(self, device: str, *, day: int) -> int:
        """How many that makes."""
        with self._lock:
            self._begin(day)
            return self._counts[device]

    def is_first(self, device: str) -> bool:
        """Whether nobody was told of this device today; from now on somebody was."""
        with self._lock:
            is_first = device not in self._told
            self._told.add(device)
            return is_first

    def _begin(self, day: int) -> None:
        if day != self._day:
            self._day = day
            self._counts.clear()
            self._told.clear()


def _drop(transaction: Transaction, scope: str, owner: str) -> None:
    """End what was wanted; what a store holds for another reason stays."""
    if any(
        it.scope == scope and it.why == WANTED
        for it in interests.of_owner(transaction.read.sql, owner)
    ):
        transaction.end_interest(scope, owner)


def _found(snapshot: Snapshot, owners: Sequence[str], scope: str) -> tuple[Wanted, ...]:
    found, n_rows = [], 0
    for owner in owners:
        rows = tuple(snapshot.rows_of_owner(owner, scope)) if owner else ()
        n_rows += len(rows)
        found.append(Wanted(owner, rows if n_rows <= WANT_ROWS_MAX else ()))
    return tuple(found)


def diff_of(snapshot: Snapshot, scope: str, theirs: Sequence[int]) -> DiffAnswer:
    """Which buckets are not as `theirs`, with all rows of the first of them.

    Args:
        snapshot: One moment of the store.
        scope: Which scope.
        theirs: The sum of each of the BUCKETS buckets.
    """
    ours = [0] * BUCKETS
    keys: list[list[str]] = [[] for _ in range(BUCKETS)]
    for key, h in pointers(snapshot.sql, scope):
        bucket = bucket_of(key)
        ours[bucket] = (ours[bucket] + h) & SUM_MASK
        keys[bucket].append(key)
    differ = [bucket for bucket in range(BUCKETS) if ours[bucket] != theirs[bucket]]
    chosen: list[int] = []
    n_rows = 0
    for bucket in differ[:DIFF_BUCKETS_MAX]:
        n_rows += len(keys[bucket])
        if chosen and n_rows > DIFF_ROWS_MAX:
            break
        chosen.append(bucket)
    asked = [key for bucket in chosen for key in keys[bucket]]
    rows = tuple(row for row in snapshot.rows_of_keys(scope, asked) if not row.is_gone)
    return DiffAnswer(scope, tuple(chosen), rows, len(differ) - len(chosen))


def owner_of(sql: Connection, want: Want) -> str:
    """The customer somebody asks for; "" for nobody, or more than one."""
    if want.owner:
        found = sql.all("SELECT owner FROM doc WHERE owner = :owner LIMIT 1", owner=want.owner)
    elif want.band or want.order:
        kind, name = ("band", want.band) if want.band else ("order", want.order)
        found = sql.all(
            "SELECT owner FROM doc WHERE key = :key", key=records.key_of(kind, name)
        )
    else:
        found = sql.all(
            "SELECT DISTINCT owner FROM doc WHERE term = :term AND term <> '' LIMIT 2",
            term=contact_term(want.contact),
        )
    return str(found[0][0]) if len(found) == 1 else ""


def pointers(sql: Connection, scope: str) -> list[tuple[str, int]]:
    """Key and hash of each live row of a scope."""
    found = sql.all("SELECT key, h FROM ptr WHERE scope = :scope AND is_gone = 0", scope=scope)
    return [(key, h) for key, h in found]
