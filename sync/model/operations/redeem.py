"""Points, a use of an entitlement, or a piece of a stock go to a customer. A request, unless this store may act alone.

Its home store may, and a store that was lent an allowance, up to that; and any store while the customer's band witnesses
it: the use stands on the band, which said before that nobody else had it. There it is given out at once, and for the centre
it is a fact. Anybody else records it and waits for the centre's answer; nothing is handed out before.

not_enough       there is not so much left                        refused
unknown_account  there is no such account, entitlement or stock   refused; given out already: a case
other_customer   it is somebody else's                            refused; given out already: a case
over             it ended before                                  refused; given out already: a case
no_right         given out already by a store that is not its home and was lent nothing: applied, with a case
overdrawn        given out already, and somebody else had it before: applied, with a case that shows both sides
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from sync.model import ledger
from sync.model.operation import (
    CannotPredict,
    Effects,
    Kind,
    Operation,
    OperationClass,
    Outcome,
    Refusal,
)
from sync.model.operations.take_back_redeem import TakeBackRedeem
from sync.model.records import Allowance, Case, Entitlement, LedgerEntry, Side, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import clash_case, happened_at
from sync.model.wire import Short

AMOUNT_MAX: Final = 1_000_000
"""Points of one redemption; more is a slip of a finger."""

Of = Annotated[str, msgspec.Meta(max_length=120, pattern="^(account|entitlement|stock)/.+$")]
"""Key of what can be redeemed from."""


class Redeem(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what.

    Attributes:
        of: Key of the account, entitlement or stock.
        amount: Points, uses or pieces.
        reason: What for, in words.
        alone: The right by which it was given out before the centre answered: home | allowance | witness; "" when it waits.
        band: Id of the band the use stands on, "" when it stands on none.
    """

    of: Of
    amount: Annotated[int, msgspec.Meta(ge=1, le=AMOUNT_MAX)] = 1
    reason: Short = ""
    alone: Literal["", "home", "allowance", "witness"] = ""
    band: Annotated[str, msgspec.Meta(max_length=120)] = ""


def keys(op: Operation, args: Redeem) -> tuple[str, ...]:
    """What it takes from, the store's allowance of it, its own entry, and the case a clash would make."""
    return (
        args.of,
        ledger.allowance_key(op.store, args.of),
        key_of("ledger", op.id),
        key_of("case", op.id),
    )


def claim(rows: Mapping[str, Cell], op: Operation, args: Redeem, now: int) -> Redeem:
    """With the right by which this store may give it out at once; as it is where it has none, or not so much is left here."""
    asked = msgspec.structs.replace(args, alone="")
    if not isinstance(apply(rows, op, asked, now), Effects):
        return asked
    allowance = ledger.allowance_of(rows.get(ledger.allowance_key(op.store, args.of)))
    if ledger.covers(allowance, args.amount, now):
        return msgspec.structs.replace(args, alone="allowance")
    row = rows.get(args.of)
    subject = ledger.subject_of(row) if isinstance(row, Row) else None
    if subject is not None and ledger.home_of(subject) == op.store != "":
        return msgspec.structs.replace(args, alone="home")
    return msgspec.structs.replace(args, alone="witness" if args.band else "")


def apply(rows: Mapping[str, Cell], op: Operation, args: Redeem, now: int) -> Outcome:
    """Take it from the store's allowance, else from what is free; or say why not."""
    told = rows.get(key_of("case", op.id))
    clash = told.body.clash if isinstance(told, Row) and isinstance(told.body, Case) else ""
    if clash or isinstance(rows.get(key_of("ledger", op.id)), Row):
        return Effects((), clash=clash)
    at = happened_at(op, now)
    row = rows.get(args.of, Missing.UNKNOWN)
    if row is Missing.UNKNOWN:
        return CannotPredict()
    ours = Side(op=op.id, store=op.store, by=op.actor, to="", at=at)
    subject = ledger.subject_of(row) if isinstance(row, Row) else None
    if not isinstance(row, Row) or subject is None:
        return _without_subject(op, args, ours)
    return _taken(rows, op, args, row, subject, ours)


def _taken(  # what a redemption is made of
    rows: Mapping[str, Cell],
    op: Operation,
    args: Redeem,
    row: Row,
    subject: ledger.Subject,
    ours: Side,
) -> Outcome:
    at = ours.at
    code = _forbidden(row, subject, op, at)
    if code and not args.alone:
        return Refusal(code)
    held = rows.get(ledger.allowance_key(op.store, args.of))
    allowance = ledger.allowance_of(held)
    if isinstance(held, Row) and allowance and ledger.covers(allowance, args.amount, at):
        left = msgspec.structs.replace(allowance, n_left=allowance.n_left - args.amount)
        changed = (
            ledger.changed_row(held, left, at),
            ledger.changed_row(row, ledger.moved(subject, 0, last=ours), at),
        )
        return _given(op, args, row, (held.key, changed, code), ours)
    if not _may_act_alone(args, allowance, is_home=ledger.home_of(subject) == op.store):
        code = code or "no_right"
    free = ledger.free_of(subject)
    if free is not None and free < args.amount:
        if not args.alone:
            return Refusal("not_enough")
        code = "overdrawn"
    less = ledger.changed_row(row, ledger.moved(subject, -args.amount, last=ours), at)
    return _given(op, args, row, (args.of, (less,), code), ours)


def _may_act_alone(args: Redeem, allowance: Allowance | None, *, is_home: bool) -> bool:
    """Was it right to give it out before the centre answered; also where it was not."""
    is_witnessed = args.alone == "witness" and bool(args.band)
    return not args.alone or is_home or allowance is not None or is_witnessed


def _forbidden(row: Row, subject: ledger.Subject, op: Operation, at: int) -> str:
    if row.owner not in ("", op.owner):
        return "other_customer"
    is_over = isinstance(subject, Entitlement) and 0 < subject.until < at
    return "over" if is_over else ""


def _without_subject(op: Operation, args: Redeem, ours: Side) -> Outcome:
    if not args.alone:
        return Refusal("unknown_account")
    topic = f"redeemed {args.amount}"
    case = clash_case(op, "unknown_account", topic=topic, sides=(ours,), at=ours.at)
    return Effects((case,), clash="unknown_account")


def _given(
    op: Operation, args: Redeem, row: Row, taken: tuple[str, tuple[Row, ...], str], ours: Side
) -> Effects:
    """Its entry beside what it changed, and the case where it clashes. `taken`: from which key, changed rows, clash."""
    of, changed, clash = taken
    entry = LedgerEntry(op.id, of, -args.amount, KIND.name, op.store, ours.at, args.band)
    rows = (*changed, ledger.entry_row(entry, owner=row.owner))
    if not clash:
        return Effects(rows)
    before = ledger.subject_of(row)
    last = before.last if before is not None and clash == "overdrawn" else None
    first = () if last is None else (last,)
    case = clash_case(
        op,
        clash,
        topic=f"redeemed {args.amount}",
        sides=(*first, ours),
        at=ours.at,
        owner=row.owner or None,
    )
    return Effects((*rows, case), clash=clash)


def _undone(op: Operation, args: Redeem) -> TakeBackRedeem:
    return TakeBackRedeem(redeem=op.id, of=args.of)


def _is_claimed(args: Redeem) -> bool:
    return bool(args.alone)


KIND: Final[Kind[Redeem]] = Kind(
    name="redeem",
    v=1,
    op_class=OperationClass.REQUEST,
    args=Redeem,
    keys=keys,
    apply=apply,
    undo="take_back_redeem",
    undo_args=_undone,
    blocks=True,
    assurance="A2",
    codes=("not_enough", "unknown_account", "other_customer", "over", "no_right", "overdrawn"),
    claim=claim,
    is_claimed=_is_claimed,
)
