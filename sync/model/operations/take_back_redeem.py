"""What was redeemed goes back where it came from. A fact: the goods are back, or were never given.

Countered, never deleted: an entry of its own beside the first. Where that redemption was refused, or never came, nothing
goes back, and one that comes later finds itself taken back. A case it became is closed.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import msgspec

from sync.model import ledger
from sync.model.operation import (
    CannotPredict,
    Effects,
    Kind,
    Operation,
    OperationClass,
    Outcome,
)
from sync.model.records import Case, LedgerEntry, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import happened_at, remembered
from sync.model.wire import Id


class TakeBackRedeem(msgspec.Struct, frozen=True, kw_only=True):
    """Id of the redemption, and the key of what it took from."""

    redeem: Id
    of: Annotated[str, msgspec.Meta(max_length=120)]


def keys(op: Operation, args: TakeBackRedeem) -> tuple[str, ...]:
    """What it took from, the store's allowance of it, both entries, and the case the redemption became."""
    return (
        args.of,
        ledger.allowance_key(op.store, args.of),
        key_of("ledger", args.redeem),
        key_of("ledger", _back(args)),
        key_of("case", args.redeem),
    )


def apply(rows: Mapping[str, Cell], op: Operation, args: TakeBackRedeem, now: int) -> Outcome:
    """Counter the entry, once, however often somebody asks for it."""
    if isinstance(rows.get(key_of("ledger", _back(args))), Row):
        return Effects(())
    at = happened_at(op, now)
    first = rows.get(key_of("ledger", args.redeem), Missing.UNKNOWN)
    if first is Missing.UNKNOWN:
        return CannotPredict()
    closed = tuple(_case_closed(rows, op, args, at))
    if not isinstance(first, Row) or not isinstance(first.body, LedgerEntry):
        never = LedgerEntry(args.redeem, args.of, 0, KIND.name, op.store, at)
        none = LedgerEntry(_back(args), args.of, 0, KIND.name, op.store, at)
        entries = (ledger.entry_row(entry, owner=op.owner) for entry in (never, none))
        return Effects((*entries, *closed))
    of, count = first.body.of, -first.body.delta
    row = rows.get(of, Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    back = tuple(_more(row, count, at)) if isinstance(row, Row) else ()
    entry = LedgerEntry(_back(args), of, count, KIND.name, op.store, at)
    return Effects((*back, ledger.entry_row(entry, owner=first.owner), *closed))


def _back(args: TakeBackRedeem) -> str:
    """Id of the entry that counters it."""
    return f"{args.redeem}-back"


def _more(row: Row, count: int, at: int) -> Iterator[Row]:
    allowance, subject = ledger.allowance_of(row), ledger.subject_of(row)
    if allowance is not None:
        body = msgspec.structs.replace(allowance, n_left=allowance.n_left + count)
        yield ledger.changed_row(row, body, at)
    elif subject is not None:
        yield ledger.changed_row(row, ledger.moved(subject, count), at)


def _case_closed(
    rows: Mapping[str, Cell], op: Operation, args: TakeBackRedeem, at: int
) -> Iterator[Row]:
    row = rows.get(key_of("case", args.redeem))
    if isinstance(row, Row) and isinstance(row.body, Case) and row.body.state == "open":
        body = msgspec.structs.replace(
            row.body, state="solved", ops=remembered(row.body.ops, op.id)
        )
        yield ledger.changed_row(row, body, at)


KIND: Final[Kind[TakeBackRedeem]] = Kind(
    name="take_back_redeem",
    v=1,
    op_class=OperationClass.FACT,
    args=TakeBackRedeem,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="S1",
)
