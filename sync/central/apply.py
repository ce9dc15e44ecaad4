"""Operations at the centre: the same functions as at the edge, each applied exactly once, for ever.

    known id                      its stored result, with the rows as they are now
    unknown kind, version, args   held: a newer kiosk must not lose anything to an older centre
    of another store than the device's   held, other_store: a person looks
    of a device that was revoked or retired   held, device_ended
    on a row that a held operation blocks   held, behind_held: it must not overtake
    a request of a cloned device  held, device_forked; its facts are taken
    the function raises           held, failed; what it did is undone, the others go through
    a request's evidence is too weak     refused, not_allowed
    about a customer who was erased      a request is refused, unknown_customer; a fact is applied without what is theirs, and its bytes are not kept
    Refusal of a request          refused;   of a fact: held, because it already happened
    CannotPredict                 held, cannot_judge
    Effects                       applied

A request that was done under a right to act alone is a fact here. Operations of a group are done all or none: where one is
not applied, none is; they are refused, or held where one of them already happened; that one keeps its code, the others say
`group`. One that stands for a held one settles that. When a person decided about a held one, what waits behind it follows.

Nothing is dropped: every operation gets a row in `op` in the transaction that holds its effects, every decision a row
`decision/<op>` that the store it came from gets.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from sync.central import device_rows, op_rows, outgoing_rows
from sync.central.device_rows import DeviceRecord
from sync.central.enrolment import FINAL_STATES, State, scope_of
from sync.central.lending import scope_of_row
from sync.central.op_rows import OpRecord
from sync.central.performing import (
    PERFORMED,
    Whom,
    follow_cases,
    note_origins,
    perform,
    redirected,
)
from sync.central.transaction import Transaction
from sync.model import forms
from sync.model.errors import Malformed, StoreError
from sync.model.operation import CannotPredict, Effects, Operation, OperationState, Refusal
from sync.model.records import Decision, Referral
from sync.model.registry import ASSURANCE_OF, KINDS, Readable, Unjudged, read
from sync.model.row import Cell, Missing, Row, row_of
from sync.model.rules import may_record
from sync.model.wire import DecideRequest

log = logging.getLogger(__name__)

APPLIED: Final = OperationState.APPLIED.value
REFUSED: Final = OperationState.REFUSED.value
HELD: Final = OperationState.HELD.value
VOID: Final = OperationState.VOID.value

GROUP: Final = "group"
BEHIND: Final = "behind_held"

REFERRED_US: Final = 30 * 86_400 * 1_000_000
"""How much longer than the appointment a store holds a customer who was sent to it."""

NO_ARGS: Final = msgspec.Raw(b"")

_ENDED: Final = frozenset(state.value for state in FINAL_STATES)
_BLOCKING: Final = frozenset(name for name, kind in KINDS.items() if kind.blocks)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where an operation came from, and what is known of that device now."""

    device: DeviceRecord
    lineage: str
    now: int
    is_decided: bool = False  # a person said to try it
    raws: Mapping[str, bytes] = field(
        default_factory=dict
    )  # by id, the bytes that were received
    whom: Whom | None = None  # who is whom now, where that was asked for all of them
    readings: Mapping[str, "_Reading"] = field(
        default_factory=dict
    )  # by id, what was read already


@dataclass(frozen=True, slots=True)
class _Reading:
    """An operation as it was read, and the rows it looks at or changes."""

    readable: Readable
    keys: tuple[str, ...]


class _Lanes:
    """Rows on which nothing may overtake a held operation, in the order they came; read once, when it is first asked."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._keys: dict[str, frozenset[str]] | None = None

    def is_blocked(self, keys: Iterable[str], *, past: str = "") -> bool:
        """Whether a held operation blocks one of these rows; of those that came before `past`, where that is held itself."""
        wanted = frozenset(keys)
        for op, held in self._known().items():
            if op == past:
                return False
            if wanted & held:
                return True
        return False

    def add(self, record: OpRecord) -> None:
        """What was held just now blocks what comes after it."""
        if record.kind in _BLOCKING or record.code == BEHIND:
            self._known()[record.id] = frozenset(record.keys)

    def remove(self, op_id: str) -> None:
        """This one blocks nothing any more."""
        self._known().pop(op_id, None)

    def _known(self) -> dict[str, frozenset[str]]:
        if self._keys is None:
            self._keys = {
                record.id: frozenset(record.keys)
                for record in self._transaction.read.held()
                if record.kind in _BLOCKING or record.code == BEHIND
            }
        return self._keys


class _NotAll(Exception):
    """One of a group was not applied: what became of it."""

    def __init__(self, culprit: OpRecord) -> None:
        super().__init__(GROUP)
        self.culprit = culprit


def keys_of(ops: Iterable[Operation]) -> tuple[str, ...]:
    """Every row these operations look at or change, to be locked before the first of them is applied."""
    return tuple(dict.fromkeys(key for one in _readings(ops) for key in one.keys))


def _readings(ops: Iterable[Operation]) -> Iterator[_Reading]:
    for op in ops:
        try:
            readable = read(op)
            if isinstance(readable, Readable):
                yield _Reading(readable, readable.keys)
        except Exception:  # noqa: BLE001, S112  # raised again where it is judged, and held there
            continue


def apply_operations(
    transaction: Transaction,
    ops: Sequence[Operation],
    *,
    device: DeviceRecord,
    now: int,
    lineage: str = "",
    raws: Mapping[str, bytes] | None = None,
) -> list[OpRecord]:
    """Apply operations in their order, or find what became of them; groups all or none.

    Args:
        transaction: Where it is written; the caller commits.
        ops: As received.
        device: Who sent them, as its signature says, as it stands now.
        now: Microseconds since 1970.
        lineage: The life of its outbox that brings them.
        raws: Their bytes as they came, by id, with the fields this version does not know.

    Raises:
        StoreError: the disk failed; nothing of the transaction stands.
    """
    readings = tuple(_readings(ops))
    transaction.load((key for one in readings for key in one.keys), ops=[op.id for op in ops])
    whom = Whom(transaction, (op.owner for op in ops))
    known = {one.readable.op.id: one for one in readings}
    origin = _Origin(device, lineage, now, raws=raws or {}, whom=whom, readings=known)
    lanes = _Lanes(transaction)
    records: dict[str, OpRecord] = {}
    groups: dict[str, list[Operation]] = {}
    for op in ops:
        groups.setdefault((op.group and f"group {op.group}") or f"alone {op.id}", []).append(op)
    for group in groups.values():
        applied = (
            _one(transaction, group[0], origin, lanes)
            if len(group) == 1
            else _group(transaction, group, origin, lanes)
        )
        for record in applied:
            records[record.id] = record
    return [records[op.id] for op in ops]


def apply_operation(
    transaction: Transaction, op: Operation, *, device: DeviceRecord, now: int
) -> OpRecord:
    """Apply one operation, or find what became of it. Raises StoreError."""
    return apply_operations(transaction, (op,), device=device, now=now)[0]


def _one(
    transaction: Transaction, op: Operation, origin: _Origin, lanes: _Lanes
) -> list[OpRecord]:
    if not transaction.reserve_op(op.id):
        known = transaction.read.op(op.id)
        assert known is not None, "what is not new is known"
        return [known]
    try:
        with transaction.part():
            record = _judged(transaction, op, origin, lanes)
            _keep(transaction, op, record, origin, lanes)
            return [record]
    except StoreError:
        raise
    except Exception:
        # A defect in one kind of operation must block only what it is about.
        log.exception("operation raised", extra={"op": op.id, "kind": op.kind})
        record = _result(op, origin, HELD, code="failed", keys=keys_of((op,)))
        _keep(transaction, op, record, origin, lanes)
        return [record]


def _group(
    transaction: Transaction, ops: Sequence[Operation], origin: _Origin, lanes: _Lanes
) -> list[OpRecord]:
    """All of them applied, or none."""
    fresh = [op for op in ops if transaction.reserve_op(op.id)]
    known = [record for op in ops if (record := transaction.read.op(op.id)) is not None]
    try:
        with transaction.part():
            _all_applied(known)
            records = [_judged(transaction, op, origin, lanes) for op in fresh]
            _all_applied(records)
            for op, record in zip(fresh, records, strict=True):
                _keep(transaction, op, record, origin, lanes)
            return [*known, *records]
    except _NotAll as error:
        culprit = error.culprit
    except StoreError:
        raise
    except Exception:
        log.exception("group raised", extra={"op": fresh[0].id, "kind": fresh[0].kind})
        culprit = _result(fresh[0], origin, HELD, code="failed", keys=keys_of(fresh[:1]))
    status = HELD if culprit.status == HELD or any(map(_is_fact, fresh)) else REFUSED
    for op in fresh:
        code = culprit.code if op.id == culprit.id else GROUP
        record = _result(op, origin, status, code=code, keys=keys_of((op,)))
        _keep(transaction, op, record, origin, lanes)
        known.append(record)
    return known


def _all_applied(records: Iterable[OpRecord]) -> None:
    for record in records:
        if record.status != APPLIED:
            raise _NotAll(record)


def _is_fact(op: Operation) -> bool:
    readable = read(op)
    return not isinstance(readable, Readable) or readable.is_fact


def _keep(
    transaction: Transaction,
    op: Operation,
    record: OpRecord,
    origin: _Origin,
    lanes: _Lanes,
) -> None:
    """Remember it for ever; it blocks what comes behind it, or settles what it stands for."""
    raw = origin.raws.get(op.id) or msgspec.json.encode(op)
    is_erased = origin.whom is not None and origin.whom.is_erased(transaction, op.owner)
    transaction.add_op(record, raw=b"" if is_erased and record.status != HELD else raw)
    if record.status == HELD:
        show_held(transaction, record)
        lanes.add(record)
    elif record.status == APPLIED and op.replaces:
        _replace(transaction, op, origin, lanes)


def _judged(
    transaction: Transaction, op: Operation, origin: _Origin, lanes: _Lanes
) -> OpRecord:
    whom = origin.whom or Whom(transaction, (op.owner,))
    readable, keys = _read(redirected(op, whom), origin)
    if isinstance(readable, Unjudged):
        return _result(op, origin, HELD, code=readable.code)
    code = "" if origin.is_decided else _kept_back(readable, origin)
    if not code and lanes.is_blocked(keys, past=op.replaces or op.id):
        code = BEHIND
    if code:
        return _result(op, origin, HELD, code=code, keys=keys)
    refused = "" if readable.is_fact else _why_refused(transaction, op, whom)
    if refused:
        return _result(op, origin, REFUSED, code=refused, keys=keys)
    outcome = readable.apply({key: _cell(transaction, key) for key in keys}, origin.now)
    if isinstance(outcome, Effects):
        outcome = perform(transaction, readable.op, readable.args, origin.now) or outcome
    match outcome:
        case Effects():
            origin = replace(origin, whom=whom)
            return _done(transaction, op, readable, outcome, origin, lanes)
        case Refusal(code=code):
            status = HELD if readable.is_fact else REFUSED
            return _result(op, origin, status, code=code, keys=keys)
        case CannotPredict():
            return _result(op, origin, HELD, code="cannot_judge", keys=keys)


def _why_refused(transaction: Transaction, op: Operation, whom: Whom) -> str:
    """Why a request is not even judged; "" when it is."""
    if not may_record(ASSURANCE_OF, op):
        return "not_allowed"
    return "unknown_customer" if whom.is_erased(transaction, op.owner) else ""


def _done(  # what it takes
    transaction: Transaction,
    op: Operation,
    readable: Readable,
    effects: Effects,
    origin: _Origin,
    lanes: _Lanes,
) -> OpRecord:
    """Write what an operation does, and what follows from it."""
    whom = origin.whom
    assert whom is not None, "it was asked before this was judged"
    if whom.is_erased(transaction, op.owner):
        # As if they had been erased after it: it happened, and nothing of theirs is kept.
        for row in effects.rows:
            if row.owner != op.owner:
                _write(transaction, row, op, origin, lanes)
        return _result(op, origin, APPLIED)
    written = tuple(row for row in effects.rows if _write(transaction, row, op, origin, lanes))
    outgoing_rows.follow(transaction, readable.op, readable.args, origin.now)
    note_origins(transaction, op, written, whom)
    follow_cases(transaction, readable.op, readable.args, written, origin.now)
    if op.kind in PERFORMED:
        whom.look(transaction)
    touched = tuple(dict.fromkeys((*readable.keys, *(row.key for row in written))))
    return _result(op, origin, APPLIED, clash=effects.clash, keys=touched)


def _read(op: Operation, origin: _Origin) -> tuple[Readable | Unjudged, tuple[str, ...]]:
    """An operation, read once, with the rows it looks at or changes."""
    known = origin.readings.get(op.id)
    if (
        known is not None and known.readable.op is op
    ):  # and no other of the same id, or of another customer
        return known.readable, known.keys
    readable = read(op)
    return readable, readable.keys if isinstance(readable, Readable) else ()


def _kept_back(readable: Readable, origin: _Origin) -> str:
    """Why a person has to look first; "" when nobody has to."""
    if origin.device.state in _ENDED:
        return "device_ended"
    if readable.op.store != origin.device.store:
        return "other_store"
    if origin.device.is_cloned and not readable.is_fact:
        return "device_forked"
    return ""


def _write(
    transaction: Transaction, row: Row, op: Operation, origin: _Origin, lanes: _Lanes
) -> bool:
    """Write a row an operation made; a decision only where there is something to decide."""
    if isinstance(row.body, Decision):
        return _settle(transaction, row.body, op.store, lanes, now=origin.now)
    transaction.put(row, scope=scope_of_row(row), form=forms.newest(row.kind))
    if isinstance(row.body, Referral) and row.owner:
        # The store they were sent to holds them from now on, also one that never saw them.
        until = max(origin.now, row.body.due_at) + REFERRED_US
        store = scope_of(row.body.store)
        transaction.add_interest(store, row.owner, until=until, why="referral")
    return True


def _cell(transaction: Transaction, key: str) -> Cell:
    try:
        return transaction.read.row(key) or Missing.ABSENT
    except Malformed:
        return Missing.UNKNOWN  # there is one, and this version cannot read it


def show_held(transaction: Transaction, record: OpRecord) -> None:
    """Let every counter of its store see that this operation waits for a person."""
    held = Decision(
        record.id, HELD, "", "", "", record.at, record.code, record.kind, record.device
    )
    row = row_of(held, owner="", as_of=record.at, source="centre")
    transaction.put(row, scope=scope_of(record.store), form=forms.newest(row.kind))


# Deciding


def decide_operation(
    transaction: Transaction, asked: DecideRequest, known: OpRecord, *, now: int
) -> OpRecord:
    """Do what a person decided about a held operation, and let what waits behind it follow; the operation as it is then.

    Args:
        transaction: Where it is written; the caller commits.
        asked: The decision.
        known: The operation; one that is not held any more stays as it is.
        now: Microseconds since 1970.

    Raises:
        StoreError: the disk failed; nothing of the transaction stands.
    """
    if known.status != HELD:
        return known
    lanes = _Lanes(transaction)
    decision = Decision(
        known.id, VOID, asked.decision, asked.by, asked.reason, now
    )  # as void says it; the others find out below
    if asked.decision == "void":
        _settle(transaction, decision, known.store, lanes, now=now)
        return transaction.read.op(known.id) or known
    record = _again(transaction, known, lanes, now=now, args=asked.args)
    _note(transaction, record, decision)
    if record.status != HELD:
        lanes.remove(known.id)
        _release(transaction, known, decision, lanes, now=now)
    return transaction.read.op(known.id) or record


def _again(
    transaction: Transaction,
    known: OpRecord,
    lanes: _Lanes,
    *,
    now: int,
    args: msgspec.Raw = NO_ARGS,
) -> OpRecord:
    """What becomes of a held operation when it is tried again, with other arguments where there are some."""
    device = device_rows.device(transaction.read.sql, known.device) or DeviceRecord(
        known.device, "", known.store, "", State.ACTIVE.value
    )
    origin = _Origin(device, known.lineage, now, is_decided=True)
    try:
        op = msgspec.json.decode(op_rows.raw_of(transaction.read.sql, known.id), type=Operation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return known  # nobody can read it: only void settles it
    if op.id != known.id or not is_plausible(op):
        return known
    if bytes(args):
        op = msgspec.structs.replace(op, args=args)
    if op.owner:
        # Who joins or erases them on another node is waited for before it is asked who they are.
        transaction.load_owners((op.owner,))
    try:
        with transaction.part():
            return _judged(transaction, op, origin, lanes)
    except StoreError:
        raise
    except Exception:
        log.exception("operation raised", extra={"op": op.id, "kind": op.kind})
        return msgspec.structs.replace(known, code="failed")


def _note(transaction: Transaction, record: OpRecord, decision: Decision) -> None:
    """Write down what was decided, and what became of the operation by it."""
    written = msgspec.structs.replace(
        decision, id=record.id, status=record.status, code=record.code, kind=record.kind,
        device=record.device,
    )  # fmt: skip
    store = (transaction.read.op(record.id) or record).store
    transaction.settle_op(
        msgspec.structs.replace(
            record,
            store=store,
            decision=written.decision,
            decided_by=written.by,
            reason=written.reason,
            decided_at=written.at,
        )
    )
    row = row_of(written, owner="", as_of=written.at, source="centre")
    transaction.put(row, scope=scope_of(store), form=forms.newest(row.kind))


def _settle(
    transaction: Transaction, decision: Decision, store: str, lanes: _Lanes, *, now: int
) -> bool:
    """Make a held operation of that store void; whether there was one."""
    known = transaction.read.op(decision.id)
    if known is None or known.status != HELD or known.store != store:
        return False
    void = msgspec.structs.replace(known, status=VOID, code="", clash="")
    _note(transaction, void, decision)
    lanes.remove(known.id)
    _release(transaction, known, decision, lanes, now=now)
    return True


def _replace(transaction: Transaction, op: Operation, origin: _Origin, lanes: _Lanes) -> None:
    """An operation was applied that stands for a held one of the same customer and store: that one is void."""
    known = transaction.read.op(op.replaces)
    if known is None or known.owner != op.owner:
        return
    decision = Decision(known.id, VOID, "replay", op.actor, f"replaced by {op.id}", origin.now)
    _settle(transaction, decision, op.store, lanes, now=origin.now)


def _release(
    transaction: Transaction,
    settled: OpRecord,
    decision: Decision,
    lanes: _Lanes,
    *,
    now: int,
) -> None:
    """What was held only because it came behind this one is judged now, in the order it came."""
    for known in transaction.read.held():
        if known.code != BEHIND or not set(known.keys) & set(settled.keys):
            continue
        record = _again(transaction, known, lanes, now=now)
        if record.status != HELD:
            lanes.remove(known.id)
        if record.code != BEHIND:
            reason = f"waited behind {settled.id}"
            followed = msgspec.structs.replace(decision, decision="replay", reason=reason)
            _note(transaction, record, followed)


def _result(  # the fields of one record
    op: Operation,
    origin: _Origin,
    status: str,
    *,
    code: str = "",
    clash: str = "",
    keys: tuple[str, ...] = (),
) -> OpRecord:
    return OpRecord(
        id=op.id, device=origin.device.id, kind=op.kind, status=status, code=code, clash=clash,
        keys=keys, at=origin.now, store=op.store, owner=op.owner, lineage=origin.lineage,
    )  # fmt: skip


def is_plausible(op: Operation) -> bool:
    """Whether an operation's own fields are of a size and form that can be kept at all; its arguments are not judged."""
    texts = (
        op.id, op.kind, op.device, op.store, op.actor, op.owner, op.evidence.band, op.group,
        op.undoes, op.replaces, op.boot,
    )  # fmt: skip
    is_named = bool(op.id) and bool(op.kind)
    is_sized = max(map(len, texts)) <= 200 and "\0" not in "".join(texts)
    return is_named and is_sized and len(op.saw) <= 200 and 0 <= op.at < 2**62
