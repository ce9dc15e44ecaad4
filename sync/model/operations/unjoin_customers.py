"""Staff say that two customers who were made one are two people: each gets back what was theirs. A fact, for the centre.

One that was undone before stays so.

unknown_join   there never was such a join
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.records import key_of
from sync.model.row import Cell
from sync.model.wire import Id


class UnjoinCustomers(msgspec.Struct, frozen=True, kw_only=True):
    """Id of the join."""

    join: Id


def keys(op: Operation, args: UnjoinCustomers) -> tuple[str, ...]:
    """The join, and who they are now."""
    return (key_of("join", args.join), key_of("customer", op.owner))


def apply(
    _rows: Mapping[str, Cell], _op: Operation, _args: UnjoinCustomers, _now: int
) -> Outcome:
    """Nothing by itself: `sync.central.performing` does it."""
    return Effects(())


KIND: Final = Kind(
    name="unjoin_customers",
    v=1,
    op_class=OperationClass.FACT,
    args=UnjoinCustomers,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="S1",
    codes=("unknown_join",),
)
