"""Staff say that two customers who look alike are two people: no rule joins them from now on. A request, for the centre.

same_customer   they are one already; take them apart instead
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome, Refusal
from sync.model.records import key_of
from sync.model.row import Cell
from sync.model.wire import Id


class DeclineLikeness(msgspec.Struct, frozen=True, kw_only=True):
    """Id of the other customer."""

    other: Id


def keys(op: Operation, args: DeclineLikeness) -> tuple[str, ...]:
    """The suggestion."""
    return (key_of("likeness", f"{op.owner}~{args.other}"),)


def apply(
    _rows: Mapping[str, Cell], op: Operation, args: DeclineLikeness, _now: int
) -> Outcome:
    """Nothing by itself: `sync.central.performing` does it."""
    return Refusal("same_customer") if op.owner == args.other else Effects(())


KIND: Final = Kind(
    name="decline_likeness",
    v=1,
    op_class=OperationClass.REQUEST,
    args=DeclineLikeness,
    keys=keys,
    apply=apply,
    assurance="S1",
    codes=("same_customer",),
)
