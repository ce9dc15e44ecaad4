"""Operations at the centre: the same functions as at the edge, each applied exactly once, for ever.

    known id                      its stored result, with the rows as they are now
    unknown kind, version, args   held: a newer kiosk must not lose anything to an older centre
    of another store than the device's   held: a person looks
    the function raises           held, code "failed"; what it did is undone, the others go through
    a request's evidence is too weak     refused
    Refusal of a request          refused;   of a fact: held, because it already happened
    CannotPredict                 held
    Effects                       applied

Nothing is dropped: every operation gets a row in `op` in the transaction that holds its effects.
"""

import logging
from typing import Final

import msgspec

from sync.central.store import DeviceRecord, OpRecord, Transaction
from sync.model.errors import Malformed, StoreError
from sync.model.operation import (
    CannotPredict,
    Effects,
    Operation,
    OperationClass,
    OperationState,
    Refusal,
)
from sync.model.registry import ASSURANCE_OF, Unjudged, read
from sync.model.row import Cell, Missing
from sync.model.rules import may_record

log = logging.getLogger(__name__)

APPLIED: Final = OperationState.APPLIED.value
REFUSED: Final = OperationState.REFUSED.value
HELD: Final = OperationState.HELD.value


def apply_operation(
    transaction: Transaction, op: Operation, *, device: DeviceRecord, now: int
) -> OpRecord:
    """Apply one operation, or find what became of it.

    Args:
        transaction: Where it is written; the caller commits.
        op: As received.
        device: Who sent it, as its signature says.
        now: Microseconds since 1970.

    Raises:
        StoreError: the disk failed; nothing of the transaction stands.
    """
    known = transaction.read.op(op.id)
    if known is not None:
        return known
    raw = msgspec.json.encode(op)
    try:
        with transaction.part():
            result = _judged(transaction, op, device, now)
            transaction.add_op(result, raw=raw)
            return result
    except StoreError:
        raise
    except Exception:
        # A defect in one kind of operation must block only what it is about.
        log.exception("operation raised", extra={"op": op.id, "kind": op.kind})
        result = _result(op, device, now, HELD, code="failed")
        transaction.add_op(result, raw=raw)
        return result


def _judged(
    transaction: Transaction, op: Operation, device: DeviceRecord, now: int
) -> OpRecord:
    readable = read(op)
    if isinstance(readable, Unjudged):
        return _result(op, device, now, HELD, code=readable.code)
    if op.store != device.store:
        return _result(op, device, now, HELD, code="other_store")
    keys = readable.keys
    is_request = readable.kind.op_class is OperationClass.REQUEST
    if is_request and not may_record(ASSURANCE_OF, op):
        return _result(op, device, now, REFUSED, code="not_allowed", keys=keys)
    outcome = readable.apply({key: _cell(transaction, key) for key in keys}, now)
    match outcome:
        case Effects(rows=rows, clash=clash):
            for row in rows:
                transaction.put(row)
            touched = tuple(dict.fromkeys((*keys, *(row.key for row in rows))))
            return _result(op, device, now, APPLIED, clash=clash, keys=touched)
        case Refusal(code=code):
            status = REFUSED if is_request else HELD
            return _result(op, device, now, status, code=code, keys=keys)
        case CannotPredict():
            return _result(op, device, now, HELD, code="cannot_judge", keys=keys)


def _cell(transaction: Transaction, key: str) -> Cell:
    try:
        return transaction.read.row(key) or Missing.ABSENT
    except Malformed:
        return Missing.UNKNOWN  # there is one, and this version cannot read it


def _result(  # noqa: PLR0913  # the fields of one record
    op: Operation,
    device: DeviceRecord,
    now: int,
    status: str,
    *,
    code: str = "",
    clash: str = "",
    keys: tuple[str, ...] = (),
) -> OpRecord:
    return OpRecord(
        id=op.id, device=device.id, kind=op.kind, status=status, code=code, clash=clash,
        keys=keys, at=now,
    )  # fmt: skip


def is_plausible(op: Operation) -> bool:
    """Whether an operation's own fields are of a size and form that can be kept at all; its arguments are not judged."""
    texts = (op.id, op.kind, op.device, op.store, op.actor, op.owner, op.evidence.band)
    is_named = bool(op.id) and bool(op.kind)
    return is_named and all(len(text) <= 200 for text in texts) and 0 <= op.at < 2**62
