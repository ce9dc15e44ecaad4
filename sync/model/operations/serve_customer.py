"""Somebody of us is with a customer now, and everybody else sees it. A fact that ends by itself.

One that arrives when it is over already changes nothing. Who says it again while it lasts is there longer.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.operations.leave_customer import LeaveCustomer
from sync.model.records import CHANNELS, Server, Serving, key_of
from sync.model.row import Cell, Missing, Row, row_of
from sync.model.rules import happened_at, remembered
from sync.model.wire import Short

WHO_MAX: Final = 8
"""People who are with one customer at once; more do not help."""

MINUTE_US: Final = 60_000_000


class ServeCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Who and where.

    Attributes:
        by: What people call them: "Ana (call centre)".
        channel: One of CHANNELS.
        minutes: After which it ends by itself.
    """

    by: Short
    channel: str
    minutes: Annotated[int, msgspec.Meta(ge=1, le=120)] = 10

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS:
            raise ValueError("no such channel")


def keys(op: Operation, _args: ServeCustomer) -> tuple[str, ...]:
    """Who is with the customer."""
    return (key_of("serving", op.owner),)


def apply(rows: Mapping[str, Cell], op: Operation, args: ServeCustomer, now: int) -> Outcome:
    """Stand there, once, instead of whoever's time is over."""
    at = happened_at(op, now)
    until = at + args.minutes * MINUTE_US
    row = rows.get(key_of("serving", op.owner), Missing.UNKNOWN)
    known = row.body if isinstance(row, Row) and isinstance(row.body, Serving) else None
    if not op.owner or until <= now or (known is not None and op.id in known.ops):
        return Effects(())
    others = tuple(
        one for one in (known.who if known else ()) if one.actor != op.actor and one.until > now
    )
    server = Server(op.actor, args.by, args.channel, at, until)
    ops = remembered(known.ops if known else (), op.id)
    body = Serving(op.owner, (*others, server)[-WHO_MAX:], ops)
    if isinstance(row, Row):
        return Effects((msgspec.structs.replace(row, body=body, as_of=at),))
    return Effects((row_of(body, owner=op.owner, as_of=at, source=args.channel),))


def _undone(op: Operation, _args: ServeCustomer) -> LeaveCustomer:
    return LeaveCustomer(serve=op.id)


KIND: Final = Kind(
    name="serve_customer",
    v=1,
    op_class=OperationClass.FACT,
    args=ServeCustomer,
    keys=keys,
    apply=apply,
    undo="leave_customer",
    undo_args=_undone,
    assurance="S1",
)
