"""A customer wants everything that we know of them deleted. A fact: it is a case with an owner and a month to do it in.

It needs A3: the PIN at a kiosk, or an ID seen by a clerk. Within five minutes it can be taken back, as every case can.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.model import promises
from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.operations.take_back_case import TakeBackCase
from sync.model.records import Case, Promise, key_of
from sync.model.row import Cell, Row, row_of
from sync.model.rules import case_number, happened_at
from sync.model.wire import Short

TOPIC: Final = "erasure"
"""Topic of the case; the centre's page finds these by it."""

TOLD_TOPIC: Final = "wants to be forgotten"
"""Topic of the case where another system told us of the wish; the month begins when it did."""

WITHIN_US: Final = 30 * 86_400 * 1_000_000
"""When it must be done. Source: Regulation (EU) 2016/679, article 12 (3): within one month."""


def is_erasure(case: Case) -> bool:
    """Whether a case is a customer's wish to be forgotten, recorded here or told by another system."""
    return case.topic in (TOPIC, TOLD_TOPIC)


def due_at_of(case: Case) -> int:
    """When it must be done: what else is promised on the case meanwhile makes it no later, and no earlier."""
    asked = next((it for it in promises.made(case) if it.op in ("", case.id)), None)
    return asked.due_at if asked is not None else case.opened_at + WITHIN_US


class RequestErasure(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes it down, and the sentence the customer was shown."""

    by: Short
    text: Short = ""


def keys(op: Operation, _args: RequestErasure) -> tuple[str, ...]:
    """The case it makes."""
    return (key_of("case", op.id),)


def apply(rows: Mapping[str, Cell], op: Operation, args: RequestErasure, now: int) -> Outcome:
    """Make the case, once."""
    if isinstance(rows.get(key_of("case", op.id)), Row):
        return Effects(())
    at = happened_at(op, now)
    case = Case(
        id=op.id,
        number=case_number(op.id),
        state="open",
        topic=TOPIC,
        opened_at=at,
        channel="store",
        promise=Promise(
            by=args.by,
            text=args.text or TOPIC,
            due_at=at + WITHIN_US,
            op=op.id,
            at=at,
            place=op.store,
        ),
        next_step=TOPIC,
    )
    return Effects((row_of(case, owner=op.owner, as_of=at, source="store"),))


def _undone(op: Operation, _args: RequestErasure) -> TakeBackCase:
    return TakeBackCase(case=op.id)


KIND: Final = Kind(
    name="request_erasure",
    v=1,
    op_class=OperationClass.FACT,
    args=RequestErasure,
    keys=keys,
    apply=apply,
    undo="take_back_case",
    undo_args=_undone,
    assurance="A3",
)
