"""Somebody typed a PIN: a wrong one counts, a right one forgets the wrong ones before it. A fact.

After `rules.PIN_WRONG_MAX` wrong ones in a row the PIN is locked, and a right one opens nothing any more: it is set anew at
the counter, with an ID. Tries at a device without a network count there at once, and everywhere when they arrive.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.model.operation import (
    CannotPredict,
    Effects,
    Kind,
    Operation,
    OperationClass,
    Outcome,
)
from sync.model.records import Pin, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import PIN_WRONG_MAX, happened_at, remembered


class TryPin(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it was right."""

    is_right: bool


def keys(op: Operation, _args: TryPin) -> tuple[str, ...]:
    """The PIN of whom it is about."""
    return (key_of("pin", op.owner),)


def apply(rows: Mapping[str, Cell], op: Operation, args: TryPin, now: int) -> Outcome:
    """Count it against the PIN it was a try at."""
    row = rows.get(key_of("pin", op.owner), Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    if not isinstance(row, Row) or not isinstance(row.body, Pin):
        return Effects(())
    pin = row.body
    is_old = happened_at(op, now) < pin.set_at
    if is_old or op.id in pin.ops or pin.n_wrong >= PIN_WRONG_MAX:
        return Effects(())
    n_wrong = 0 if args.is_right else pin.n_wrong + 1
    if n_wrong == pin.n_wrong:
        return Effects(())
    body = msgspec.structs.replace(pin, n_wrong=n_wrong, ops=remembered(pin.ops, op.id))
    return Effects((msgspec.structs.replace(row, body=body, source="store"),))


KIND: Final = Kind(
    name="try_pin",
    v=1,
    op_class=OperationClass.FACT,
    args=TryPin,
    keys=keys,
    apply=apply,
    assurance="A2",
)
