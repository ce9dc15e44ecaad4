"""Staff say that two customers are one person: their rows go together. A request, which the centre alone can do.

Who has the more rows is kept; the customer this operation is about where both have as many. It can be undone at any time.

same_customer     they are one already
unknown_customer  one of them is not known, or was erased
another_family    one of them is a child, and the other is not known to be of its family
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome, Refusal
from sync.model.operations.unjoin_customers import UnjoinCustomers
from sync.model.records import key_of
from sync.model.row import Cell
from sync.model.wire import Id

JOIN: Final = "j-"
"""How the id of a join begins."""


class JoinCustomers(msgspec.Struct, frozen=True, kw_only=True):
    """Who else it is, and how staff know.

    Attributes:
        other: Id of the other customer.
        why: In words: an ID seen, what the customer said. Kept with the join.
    """

    other: Id
    why: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


def join_id(op_id: str) -> str:
    """The id of the join that an operation makes."""
    return f"{JOIN}{op_id}"


def keys(op: Operation, args: JoinCustomers) -> tuple[str, ...]:
    """Both of them."""
    return (key_of("customer", op.owner), key_of("customer", args.other))


def apply(_rows: Mapping[str, Cell], op: Operation, args: JoinCustomers, _now: int) -> Outcome:
    """Nothing by itself: `sync.central.performing` does it."""
    return Refusal("same_customer") if op.owner == args.other else Effects(())


def _undone(op: Operation, _args: JoinCustomers) -> UnjoinCustomers:
    return UnjoinCustomers(join=join_id(op.id))


KIND: Final = Kind(
    name="join_customers",
    v=1,
    op_class=OperationClass.REQUEST,
    args=JoinCustomers,
    keys=keys,
    apply=apply,
    undo="unjoin_customers",
    undo_args=_undone,
    assurance="S1",
    codes=("same_customer", "unknown_customer", "another_family"),
)
