"""Operations recorded here that the centre must learn, oldest first. None is lost, none is deleted while unsettled.

recorded -> sending -> applied | refused | held

`record` returns when the operation is on the disk: only then is success shown. `sending` goes back to `recorded` when no
answer came; the centre knows every id for ever, so sending twice does nothing twice. Refused and held operations wait for
a person and stay. Applied ones stay for KEEP_DAYS, to be offered again to a centre that lost its tail.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from sync.edge.store import EdgeStore, Transaction
from sync.model.errors import Malformed, StoreCorrupt
from sync.model.operation import Operation, OperationState
from sync.model.registry import Readable, read
from sync.model.wire import PUSH_OPS_MAX, Grant, OpResult

KEEP_DAYS: Final = 14
"""How long an applied operation stays: longer than a centre that is set back to an old copy goes unnoticed."""

OP_SIZE_MAX: Final = 32_768
"""Bytes of one operation; the longest text of a note is 4,000 characters, at most 24,000 bytes of JSON."""

BATCH_SIZE_MAX: Final = 262_144
"""Bytes of one push; a lost answer costs as much to repeat."""

_SETTLING: Final = {
    "applied": OperationState.APPLIED,
    "refused": OperationState.REFUSED,
    "held": OperationState.HELD,
}
"""Status on the wire to what it means here; any other status leaves the operation waiting."""

_UNANSWERED: Final = "state IN ('recorded', 'sending')"


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation to be sent, as the bytes it was recorded as."""

    id: str
    owner: str
    raw: bytes


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
class Counts:
    """How many operations wait for the network, and how many for a person."""

    n_waiting: int
    n_refused: int


class Outbox:
    """The operations of this device."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    def record(self, op: Operation) -> None:
        """Keep an operation; durable when this returns. The same id twice is once.

        Raises:
            Malformed: it is larger than OP_SIZE_MAX.
            StoreFull, StoreError: it was not kept.
        """
        raw = msgspec.json.encode(op)
        if len(raw) > OP_SIZE_MAX:
            raise Malformed("the operation is too large")
        try:
            self._insert(op, raw)
        except StoreCorrupt:
            # The damaged file was replaced by a new one just now; what is recorded here belongs into that.
            self._insert(op, raw)

    def _insert(self, op: Operation, raw: bytes) -> None:
        with self._store.outbox.write() as file:
            file.execute(
                """INSERT OR IGNORE INTO op(id, raw, owner, kind, at, state)
                   VALUES (?, ?, ?, ?, ?, 'recorded')""",
                (op.id, raw, op.owner, op.kind, op.at),
            )

    def state_of(self, op_id: str) -> OperationState | None:
        """Where an operation stands; None when it is not here (any more)."""
        found = self._store.outbox.look(
            lambda file: file.read("SELECT state FROM op WHERE id = ?", (op_id,))
        )
        return OperationState(found[0][0]) if found else None

    def unsettled(self) -> tuple[Unsettled, ...]:
        """All operations not applied, oldest first."""
        found = self._store.outbox.look(
            lambda file: file.read(
                """SELECT id, kind, owner, state, code, at, raw FROM op
                   WHERE state IN ('recorded', 'sending', 'refused', 'held') ORDER BY n"""
            )
        )
        return tuple(
            Unsettled(op, kind, owner, OperationState(state), code, at, _about(raw))
            for op, kind, owner, state, code, at, raw in found
        )

    def counts(self) -> Counts:
        """How many wait, and for whom."""
        found = self._store.outbox.look(
            lambda file: file.read(
                """SELECT state, count(*) FROM op
                   WHERE state IN ('recorded', 'sending', 'refused', 'held') GROUP BY state"""
            )
        )
        count: dict[str, int] = dict(found)
        waiting, people = ("recorded", "sending"), ("refused", "held")
        return Counts(
            sum(count.get(state, 0) for state in waiting),
            sum(count.get(state, 0) for state in people),
        )

    def unanswered_of(self, owner: str) -> tuple[Operation, ...]:
        """Operations about one customer that the centre has not answered, oldest first."""
        found = self._store.outbox.look(
            lambda file: file.read(
                f"SELECT raw FROM op WHERE owner = ? AND {_UNANSWERED} ORDER BY n",  # noqa: S608  # constants
                (owner,),
            )
        )
        ops = (_decoded(raw) for (raw,) in found)
        return tuple(op for op in ops if op is not None)

    def batch(
        self, *, n_max: int = PUSH_OPS_MAX, without: frozenset[str] = frozenset()
    ) -> tuple[Pending, ...]:
        """The oldest operations to send now, marked as sending.

        Args:
            n_max: At most so many, and at most BATCH_SIZE_MAX bytes.
            without: Owners whose operations are not to be sent now.
        """

        def reading(file: Transaction) -> tuple[Pending, ...]:
            found = file.read(
                f"""SELECT id, owner, raw FROM op WHERE {_UNANSWERED} ORDER BY n LIMIT ?""",  # noqa: S608  # constants
                (n_max + LANES_LOOK,) if without else (n_max,),
            )
            pending = (Pending(*one) for one in found if one[1] not in without)
            return _bounded(pending, n_max)

        batch = self._store.outbox.look(reading)
        if batch:
            with self._store.outbox.write() as file:
                file.many(
                    "UPDATE op SET state = 'sending' WHERE id = ? AND state = 'recorded'",
                    ((one.id,) for one in batch),
                )
        return batch

    def take_back(self) -> None:
        """What was being sent and got no answer waits again."""
        with self._store.outbox.write() as file:
            file.execute("UPDATE op SET state = 'recorded' WHERE state = 'sending'")

    def note_history(self, grants: Iterable[Grant]) -> int:
        """Remember which history of the centre this device talks to; how many operations are offered again because it is new.

        A centre that was set back to an older copy has lost the tail of what it knew. What it had applied or holds is sent
        once more under its old id: where it is known nothing happens, where it was lost it is done.
        """
        with self._store.outbox.write() as file:
            others = [grant.id for grant in grants if _is_other_history(file, grant)]
            if not others:
                return 0
            return file.execute(
                """UPDATE op SET state = 'recorded', code = '', clash = '', settled_at = 0
                   WHERE state IN ('applied', 'held')"""
            )

    def settle(self, results: Iterable[OpResult]) -> int:
        """Note what became of operations; how many are settled by it. Unknown ids and statuses change nothing."""
        now = self._store.now()
        known = [one for one in results if one.status in _SETTLING]
        with self._store.outbox.write() as file:
            return sum(
                file.execute(
                    """UPDATE op SET state = ?, code = ?, clash = ?, settled_at = ?
                       WHERE id = ? AND state NOT IN ('applied', 'refused')""",
                    (_SETTLING[one.status].value, one.code, one.clash, now, one.op),
                )
                for one in known
            )

    def forget_old(self) -> int:
        """Delete what was applied more than KEEP_DAYS ago; how many."""
        before = self._store.now() - KEEP_DAYS * 86_400_000_000
        with self._store.outbox.write() as file:
            return file.execute(
                "DELETE FROM op WHERE state = 'applied' AND settled_at < ?", (before,)
            )


def _is_other_history(file: Transaction, grant: Grant) -> bool:
    """Whether this scope had another epoch the last time; it is remembered from now on."""
    name = f"epoch/{grant.id}"
    found = file.read("SELECT value FROM meta WHERE name = ?", (name,))
    if found and found[0][0] == grant.epoch:
        return False
    file.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, grant.epoch))
    return bool(found)


LANES_LOOK: Final = 1_000
"""How far past blocked owners a batch looks for others."""


def _bounded(pending: Iterable[Pending], n_max: int) -> tuple[Pending, ...]:
    chosen: list[Pending] = []
    size = 0
    for one in pending:
        size += len(one.raw)
        if chosen and (len(chosen) == n_max or size > BATCH_SIZE_MAX):
            break
        chosen.append(one)
    return tuple(chosen)


def _about(raw: bytes) -> str:
    op = _decoded(raw)
    readable = None if op is None else read(op)
    return readable.keys[0] if isinstance(readable, Readable) and readable.keys else ""


def _decoded(raw: bytes) -> Operation | None:
    """None for an operation of another program version; it is still sent as it is."""
    try:
        return msgspec.json.decode(raw, type=Operation)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
