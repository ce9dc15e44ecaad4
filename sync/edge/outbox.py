"""Operations recorded here that the centre must learn, oldest first. None is lost, none is deleted while unsettled.

recorded -> sending -> applied | refused | held
                       held    -> applied | refused | void     a person at the centre or the counter decided
                       refused -> void                         a person at the counter settled it otherwise

`record` returns when the operation is on the disk: only then is success shown. What is being sent is known in memory alone:
without an answer it waits again, and the centre knows every id for ever, so sending twice does nothing twice. Refused and
held operations wait for a person and stay; what was decided, by whom and why is kept beside them. Applied ones stay for
KEEP_DAYS, to be offered again to a centre that lost its tail. Raw bytes never change.

A *lane* is what must stay in order: all of one customer, or what begins with the same row where there is no customer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from sync.edge import op_keys
from sync.edge.store import EdgeStore, Transaction
from sync.model.errors import Malformed, StoreCorrupt
from sync.model.operation import Operation, OperationState
from sync.model.records import Decision
from sync.model.registry import Readable, read
from sync.model.wire import PUSH_OPS_MAX, Grant, OpResult

KEEP_DAYS: Final = 14
"""How long an applied operation stays: longer than a centre that is set back to an old copy goes unnoticed."""

OP_SIZE_MAX: Final = 32_768
"""Bytes of one operation; the longest text of a note is 4,000 characters, at most 24,000 bytes of JSON."""

BATCH_SIZE_MAX: Final = 262_144
"""Bytes of one push; a lost answer costs as much to repeat. A group is never cut, so one can be larger."""

GROUP_OPS_MAX: Final = 20
"""Operations of one group: they travel in one push, and into custody in one request."""

UNSETTLED_MAX: Final = 2_000
"""Operations listed at most; 30 days offline are 50,000, and nobody reads that."""

CHUNK: Final = 256
"""Operations looked at together while a batch is chosen."""

FAILURES_MAX: Final = 5
FAILING_US: Final = 600_000_000
"""An operation that the centre failed at so many times, over ten minutes or more, is given into custody."""

_SETTLING: Final = {
    "applied": OperationState.APPLIED,
    "refused": OperationState.REFUSED,
    "held": OperationState.HELD,
    "void": OperationState.VOID,
}
"""Status on the wire to what it means here; any other status leaves the operation waiting."""

_INSERT: Final = """
    INSERT OR IGNORE INTO op(id, raw, owner, kind, at, state, grp) VALUES (?, ?, ?, ?, ?, 'recorded', ?)"""

_WAITING: Final = """
    SELECT n, id, owner, raw, grp FROM op WHERE state = 'recorded' AND n > ?
    AND n NOT IN (SELECT value FROM json_each(?))
    AND (owner = '' OR owner NOT IN (SELECT value FROM json_each(?))) ORDER BY n LIMIT ?"""

_REST_OF_GROUP: Final = """
    SELECT n, id, owner, raw, grp FROM op WHERE grp = ? AND grp != '' AND n > ?
    AND state = 'recorded' ORDER BY n"""

_OFFER: Final = """
    UPDATE op SET state = 'recorded', code = '', clash = '', settled_at = 0, n_failed = 0, first_failed_at = 0
    WHERE state IN ('applied', 'held')"""

_SETTLE: Final = """
    UPDATE op SET state = ?, code = ?, clash = ?, settled_at = ?
    WHERE id = ? AND state NOT IN ('applied', 'refused', 'void')"""

_SETTLE_APPLIED: Final = """
    UPDATE op SET state = 'applied', code = '', clash = '', settled_at = ?
    WHERE id IN (SELECT value FROM json_each(?)) AND state NOT IN ('applied', 'refused', 'void')"""

Deciding = Literal["replay", "edit", "void"]
"""What a person can do with a refused operation: record the same again, record it changed, settle it otherwise."""


class Pending(msgspec.Struct, frozen=True, gc=False):
    """An operation to be sent, as the bytes it was recorded as.

    Attributes:
        n: Its place in the order they were recorded in.
        lane: What it keeps waiting where the centre fails at it.
        group: Id shared with those that must travel with it, "" for none.
    """

    n: int
    id: str
    owner: str
    raw: bytes
    group: str = ""

    @property
    def lane(self) -> str:
        """What it keeps waiting where the centre fails at it."""
        return self.owner or _about(self.raw) or self.id


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An operation that waits for the network or for a person.

    Attributes:
        code: Why it was refused or is held; "" while it only waits.
        at: When it was recorded, microseconds since 1970.
        about: Key of the first row it needs, "" when this version cannot read it.
    """

    op: str
    kind: str
    owner: str
    state: OperationState
    code: str
    at: int
    about: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided about an operation.

    Attributes:
        decision: replay | edit | void.
        at: When, microseconds since 1970.
        instead: Id of the operation that stands for it, "" for none.
    """

    op: str
    kind: str
    owner: str
    state: OperationState
    decision: str
    by: str
    reason: str
    at: int
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many operations wait for the network, and how many for a person.

    Attributes:
        n_refused: Refused or held.
        n_held: Of those, how many wait for a decision of the centre.
    """

    n_waiting: int
    n_refused: int
    n_held: int = 0


class Outbox:
    """The operations of this device."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    # Recording

    def record(self, op: Operation) -> None:
        """Keep an operation; durable when this returns. The same id twice is once.

        Raises:
            Malformed: it is larger than OP_SIZE_MAX.
            StoreFull, StoreError: it was not kept.
        """
        self.record_all((op,))

    def record_all(self, ops: Sequence[Operation]) -> None:
        """Keep operations that belong together, all or none; durable when this returns.

        Raises:
            Malformed: one is larger than OP_SIZE_MAX, or there are more than GROUP_OPS_MAX.
            StoreFull, StoreError: none was kept.
        """
        rows = _rows_of(ops)
        try:
            self._store.with_room(lambda: self._insert(rows))
        except StoreCorrupt:
            # The damaged file was replaced by a new one just now; what is recorded here belongs into that.
            self._store.with_room(lambda: self._insert(rows))

    def _insert(self, rows: Sequence[tuple[object, ...]]) -> None:
        with self._store.outbox.write() as file:
            file.many(_INSERT, rows)
            op_keys.keep(file)

    # Asking

    def state_of(self, op_id: str) -> OperationState | None:
        """Where an operation stands; None when it is not here (any more)."""
        found = self._store.outbox.look(
            lambda file: file.read("SELECT state FROM op WHERE id = ?", (op_id,))
        )
        return self._state(op_id, found[0][0]) if found else None

    def operation(self, op_id: str) -> Operation | None:
        """An operation as it was recorded; None when it is not here, or not readable by this version."""
        found = self._store.outbox.look(
            lambda file: file.read("SELECT raw FROM op WHERE id = ?", (op_id,))
        )
        return _decoded(found[0][0]) if found else None

    def unsettled(self, *, n_max: int = UNSETTLED_MAX) -> tuple[Unsettled, ...]:
        """Operations not settled, oldest first; those that wait for a person before all others."""

        def reading(file: Transaction) -> list[tuple[object, ...]]:
            found: list[tuple[object, ...]] = []
            for state in ("refused", "held", "recorded"):
                found += file.read(
                    """SELECT n, id, kind, owner, state, code, at, raw FROM op
                       WHERE state = ? ORDER BY n LIMIT ?""",
                    (state, n_max - len(found)),
                )
            return sorted(found)

        return tuple(
            Unsettled(op, kind, owner, self._state(op, state), code, at, _about(raw))  # type: ignore[arg-type]  # columns
            for _, op, kind, owner, state, code, at, raw in self._store.outbox.look(reading)
        )

    def decided(self, *, n_max: int = UNSETTLED_MAX) -> tuple[Decided, ...]:
        """What people decided about operations of this device, newest first."""
        found = self._store.outbox.look(
            lambda file: file.read(
                """SELECT id, kind, owner, state, decision, decided_by, decided_why, decided_at, instead FROM op
                   WHERE decision != '' ORDER BY decided_at DESC, n DESC LIMIT ?""",
                (n_max,),
            )
        )
        return tuple(
            Decided(op, kind, owner, OperationState(state), *rest)
            for op, kind, owner, state, *rest in found
        )

    def counts(self) -> Counts:
        """How many wait, and for whom."""
        found = self._store.outbox.look(
            lambda file: file.read(
                """SELECT state, count(*) FROM op WHERE state IN ('recorded', 'refused', 'held') GROUP BY state"""
            )
        )
        count: dict[str, int] = dict(found)
        n_held = count.get("held", 0)
        return Counts(count.get("recorded", 0), count.get("refused", 0) + n_held, n_held)

    def held(self) -> tuple[str, ...]:
        """Ids of operations that wait for a decision of the centre, oldest first."""
        found = self._store.outbox.look(
            lambda file: file.read("SELECT id FROM op WHERE state = 'held' ORDER BY n")
        )
        return tuple(op for (op,) in found)

    def needed_after(self, n: int) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """The keys that waiting operations recorded after the n-th need, with their number; CHUNK at a time."""
        found = self._store.outbox.glance(
            "SELECT n, raw FROM op WHERE state = 'recorded' AND n > ? ORDER BY n LIMIT ?",
            (n, CHUNK),
        )
        return tuple((number, _keys_of(raw)) for number, raw in found)

    def raws(self, ops: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
        """These operations as the bytes they were recorded as, oldest first."""
        found = self._store.outbox.look(
            lambda file: file.read(
                "SELECT id, raw FROM op WHERE id IN (SELECT value FROM json_each(?)) ORDER BY n",
                (_json_of(ops),),
            )
        )
        return tuple((op, bytes(raw)) for op, raw in found)

    def _state(self, op_id: str, state: str) -> OperationState:
        is_sending = state == "recorded" and op_id in self._store.sending
        return OperationState.SENDING if is_sending else OperationState(state)

    # Sending

    @property
    def token(self) -> str:
        """What the last push answer of this lineage said, "" before the first."""
        found = self._store.outbox.glance("SELECT value FROM meta WHERE name = 'token'")
        return str(found[0][0]) if found else ""

    def batch(
        self,
        *,
        n_max: int = PUSH_OPS_MAX,
        without: frozenset[str] = frozenset(),
        besides: Iterable[Pending] = (),
    ) -> tuple[Pending, ...]:
        """The oldest operations to send now; they count as being sent until `take_back` or `settle`.

        A group is whole or not in it; one that is larger than what is left begins the next batch.

        Args:
            n_max: At most so many, and at most BATCH_SIZE_MAX bytes, unless one group alone is more.
            without: Lanes that are not to be sent now.
            besides: Operations that are answered already.
        """
        known = tuple(one.n for one in besides)
        batch = self._store.outbox.look(lambda file: _chosen(file, n_max, without, known))
        self._store.sending |= {one.id for one in batch}
        return batch

    def take_back(self, *, but: frozenset[str] = frozenset()) -> None:
        """What was being sent and got no answer waits again; not those that still are under way."""
        self._store.sending &= but

    def n_settling(self, results: Iterable[OpResult]) -> int:
        """How many of these results settle an operation."""
        return sum(1 for one in results if one.status in _SETTLING)

    def settle(self, results: Iterable[OpResult], *, token: str = "") -> int:
        """Note what became of operations; how many are settled by it. Unknown ids and statuses change nothing.

        Args:
            results: Answers of the centre.
            token: Of the same answer, kept in the same transaction; "" for none.
        """
        now = max(self._store.now(), self.time_floor)
        known = [one for one in results if one.status in _SETTLING]
        plain = [
            one.op for one in known if one.status == "applied" and not one.code + one.clash
        ]
        others = [one for one in known if one.status != "applied" or one.code + one.clash]
        with self._store.outbox.write() as file:
            n_settled = 0
            if plain:
                n_settled = file.execute(_SETTLE_APPLIED, (now, _json_of(plain)))
            for one in others:
                state = _SETTLING[one.status].value
                n_settled += file.execute(_SETTLE, (state, one.code, one.clash, now, one.op))
            if token:
                file.execute("INSERT OR REPLACE INTO meta VALUES ('token', ?)", (token,))
        return n_settled

    def note_failed(self, ops: Iterable[Pending]) -> bool:
        """The centre failed at these alone; whether it did so often and long enough to give them into custody."""
        now, ids = self._store.now(), _json_of([one.id for one in ops])
        with self._store.outbox.write() as file:
            file.execute(
                """UPDATE op SET n_failed = n_failed + 1,
                   first_failed_at = CASE WHEN first_failed_at BETWEEN 1 AND ?1 THEN first_failed_at ELSE ?1 END
                   WHERE id IN (SELECT value FROM json_each(?2))""",
                (now, ids),
            )
            found = file.read(
                """SELECT max(n_failed), min(first_failed_at) FROM op
                   WHERE id IN (SELECT value FROM json_each(?))""",
                (ids,),
            )
        n_failed, since = found[0]
        return n_failed is not None and n_failed >= FAILURES_MAX and now - since >= FAILING_US

    # Another history, another life

    def note_history(self, grants: Iterable[Grant]) -> int:
        """Remember which history of the centre this device talks to; how many operations are offered again because it is new.

        A centre that was set back to an older copy has lost the tail of what it knew. What it had applied or holds is sent
        once more under its old id: where it is known nothing happens, where it was lost it is done.
        """
        with self._store.outbox.write() as file:
            others = [grant.id for grant in grants if _is_other_history(file, grant)]
            return file.execute(_OFFER) if others else 0

    @property
    def time_floor(self) -> int:
        """The latest time the centre ever told, microseconds since 1970; here too, for the cache may be dropped."""
        found = self._store.outbox.look(
            lambda file: file.read("SELECT value FROM meta WHERE name = 'time_floor'")
        )
        return int(found[0][0]) if found else 0

    def note_time(self, server_time: int) -> None:
        """Remember the latest time the centre told; it never goes back."""
        self._store.told = (server_time, self._store.clock.ticks_ms())
        if server_time > self.time_floor:
            with self._store.outbox.write() as file:
                file.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('time_floor', ?)", (str(server_time),)
                )

    def offer_again(self) -> int:
        """Send once more all that was applied or is held, for a centre that may have lost it; how many."""
        with self._store.outbox.write() as file:
            return file.execute(_OFFER)

    def fork(self, code: str) -> None:
        """Begin another lineage, and offer everything again under the same ids. `code` is of the notice, "" for none."""
        self.offer_again()  # before the new lineage: cut in between, the fork is answered once more
        self._store.begin_lineage(code)

    # Decisions of people

    def decide(
        self,
        op_id: str,
        *,
        decision: Deciding,
        by: str,
        reason: str,
        instead: Operation | None = None,
    ) -> bool:
        """Settle a refused operation at the counter; whether it was there to be settled. Durable.

        Args:
            op_id: The refused one.
            decision: Replay and edit need `instead`.
            by: Staff id.
            reason: In words, kept for as long as the operation.
            instead: What stands for it from now on; recorded in the same transaction.

        Raises:
            Malformed: `instead` is too large.
            StoreError: nothing was decided.
        """
        rows = _rows_of((instead,)) if instead is not None else ()
        with self._store.outbox.write() as file:
            is_settled = file.execute(
                """UPDATE op SET state = 'void', decision = ?, decided_by = ?, decided_why = ?, decided_at = ?,
                   instead = ? WHERE id = ? AND state = 'refused'""",
                (
                    decision, by, reason, self._store.now(),
                    instead.id if instead is not None else "", op_id,
                ),
            )  # fmt: skip
            if is_settled:
                file.many(_INSERT, rows)
                op_keys.keep(file)
        return bool(is_settled)

    def note_decisions(self, decisions: Iterable[Decision]) -> int:
        """What people decided about held operations of this device, as the centre says; how many changed."""
        with self._store.outbox.write() as file:
            return sum(
                file.execute(
                    """UPDATE op SET state = ?1, code = ?2, decision = ?3, decided_by = ?4, decided_why = ?5,
                       decided_at = ?6, settled_at = ?7 WHERE id = ?8
                       AND (state = 'held' OR (state = ?1 AND decided_at < ?6))""",
                    (
                        _SETTLING[one.status].value, one.code, one.decision, one.by, one.reason,
                        one.at, self._store.now(), one.id,
                    ),
                )
                for one in decisions
                if one.decision and one.status in _SETTLING
            )  # fmt: skip

    # Forgetting

    def forget_old(self) -> int:
        """Delete what was applied more than KEEP_DAYS ago, and what is settled of erased customers; how many.

        Ago by the centre's time, never by this device's: a clock that jumped ahead must not take what may be needed again,
        nor keep for years what it was wrong about.
        """
        floor = self.time_floor
        before = floor - KEEP_DAYS * 86_400_000_000
        with self._store.outbox.write() as file:
            if floor:
                file.execute("UPDATE op SET settled_at = ?1 WHERE settled_at > ?1", (floor,))
            return file.execute(
                """DELETE FROM op WHERE state = 'applied' AND (settled_at < ? OR owner IN (SELECT owner FROM erased))""",
                (before,),
            ) + file.execute(
                "DELETE FROM op WHERE state = 'void' AND owner IN (SELECT owner FROM erased)"
            )

    def erase_owner(self, owner: str) -> int:
        """Delete what is settled of a customer, now and whatever is settled later; how many are gone.

        What the centre has not answered, and what waits for a person, stays until it is settled: it happened.
        """
        with self._store.outbox.write() as file:
            file.execute(
                "INSERT OR IGNORE INTO erased VALUES (?, ?)", (owner, self._store.now())
            )
            return file.execute(
                "DELETE FROM op WHERE owner = ? AND state IN ('applied', 'void')", (owner,)
            )


def _rows_of(ops: Sequence[Operation]) -> tuple[tuple[object, ...], ...]:
    """Operations as they are inserted. Raises Malformed."""
    if len(ops) > GROUP_OPS_MAX:
        raise Malformed("more operations than can be done all or none")
    raws = [msgspec.json.encode(op) for op in ops]
    if any(len(raw) > OP_SIZE_MAX for raw in raws):
        raise Malformed("the operation is too large")
    return tuple(
        (op.id, raw, op.owner, op.kind, op.at, op.group)
        for op, raw in zip(ops, raws, strict=True)
    )


def _is_other_history(file: Transaction, grant: Grant) -> bool:
    """Whether this scope had another epoch the last time; it is remembered from now on."""
    name = f"epoch/{grant.id}"
    found = file.read("SELECT value FROM meta WHERE name = ?", (name,))
    if found and found[0][0] == grant.epoch:
        return False
    file.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, grant.epoch))
    return bool(found)


def _chosen(
    file: Transaction, n_max: int, without: frozenset[str], besides: Sequence[int]
) -> tuple[Pending, ...]:
    """The oldest that may be sent, groups whole."""
    chosen: list[Pending] = []
    grouped: set[str] = set()
    size, after = 0, 0
    others, owners = msgspec.json.encode(besides).decode(), _json_of(sorted(without))
    while found := file.read(_WAITING, (after, others, owners, min(CHUNK, n_max))):
        after = found[-1][0]
        for n, op_id, owner, raw, group in found:
            if group in grouped:
                continue
            unit = [Pending(n, op_id, owner, raw, group)]
            if group:
                grouped.add(group)
                unit += [Pending(*one) for one in file.read(_REST_OF_GROUP, (group, n))]
            if without and any(one.lane in without for one in unit):
                continue
            size += sum(len(one.raw) for one in unit)
            if chosen and (len(chosen) + len(unit) > n_max or size > BATCH_SIZE_MAX):
                return tuple(chosen)
            chosen += unit
            if len(chosen) >= n_max:
                return tuple(chosen)
    return tuple(chosen)


def _json_of(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()


def _about(raw: bytes) -> str:
    return next(iter(_keys_of(raw)), "")


def _keys_of(raw: bytes) -> tuple[str, ...]:
    """Keys of the rows it needs; none when this version cannot read it."""
    op = _decoded(raw)
    readable = None if op is None else read(op)
    return readable.keys if isinstance(readable, Readable) else ()


def _decoded(raw: bytes) -> Operation | None:
    """None for an operation of another program version; it is still sent as it is."""
    try:
        return msgspec.json.decode(raw, type=Operation)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
