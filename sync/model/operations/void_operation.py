"""A person settled a held operation otherwise: nothing more is to be done about it. A fact, with who and why, kept for ever.

The operation stays where it is kept, with this decision beside it. One that was decided already stays as it was decided;
the centre also looks whether it was held at all.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.records import Decision, key_of
from sync.model.row import Cell, Row, row_of
from sync.model.rules import happened_at
from sync.model.wire import Id


class VoidOperation(msgspec.Struct, frozen=True, kw_only=True):
    """Which operation, and why in words."""

    op: Id
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


def keys(_op: Operation, args: VoidOperation) -> tuple[str, ...]:
    """The decision about it."""
    return (key_of("decision", args.op),)


def apply(rows: Mapping[str, Cell], op: Operation, args: VoidOperation, now: int) -> Outcome:
    """Write down that it is void, once."""
    known = rows.get(key_of("decision", args.op))
    at = happened_at(op, now)
    decision = Decision(args.op, "void", "void", op.actor, args.reason, at)
    if isinstance(known, Row) and isinstance(known.body, Decision):
        if known.body.status != "held":
            return Effects(())
        decision = msgspec.structs.replace(
            decision, kind=known.body.kind, device=known.body.device
        )
    return Effects((row_of(decision, owner="", as_of=at, source="store"),))


KIND: Final = Kind(
    name="void_operation",
    v=1,
    op_class=OperationClass.FACT,
    args=VoidOperation,
    keys=keys,
    apply=apply,
    assurance="S1",
)
