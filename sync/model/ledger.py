"""What can be redeemed, and how its free amount moves: points, uses, pieces; and what is lent of it to one store. Pure.

Every balance is what its own ledger entries sum to. A loan moves two: out of the free amount, into the allowance of the
store; what is not used goes back the same way. So whatever is lent, used and given back, the sum of all of it changes
only by what went out.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from sync.model.operation import Refusal
from sync.model.records import (
    Account,
    Allowance,
    Entitlement,
    LedgerEntry,
    Record,
    Side,
    Stock,
    key_of,
    kind_of,
)
from sync.model.row import Cell, Row, row_of

Subject = Account | Entitlement | Stock
"""What a redemption takes from."""

GRACE_US: Final = 3_600 * 1_000_000
"""How long after its end an allowance is still believed, and not yet given back: two clocks that are an hour apart."""


def subject_of(row: Row) -> Subject | None:
    """What the row holds, when it is something to redeem from."""
    return row.body if isinstance(row.body, Account | Entitlement | Stock) else None


def free_of(subject: Subject) -> int | None:
    """How much of it is free; None when it does not run out, or nobody counted it."""
    match subject:
        case Account():
            return subject.points
        case Entitlement():
            return subject.n_left
        case Stock():
            return subject.count


def opening_of(subject: Account | Entitlement, *, at: int) -> LedgerEntry | None:
    """The entry a subject begins with when it is entered with an amount; None for what does not run out."""
    free = free_of(subject)
    if free is None:
        return None
    of = key_of(kind_of(subject), subject.id)
    return LedgerEntry(f"opening-{subject.id}", of, free, "opening", "", at)


def in_all(row: Row, rows: Iterable[Row]) -> int | None:
    """How much there is of it with what is lent to stores: what a customer is told. Never below zero.

    Args:
        row: An account, entitlement or stock.
        rows: All rows of its owner.
    """
    subject = subject_of(row)
    free = None if subject is None else free_of(subject)
    if free is None:
        return None
    lent = (allowance for one in rows if (allowance := allowance_of(one)) is not None)
    return max(free + sum(one.n_left for one in lent if one.of == row.key), 0)


def home_of(subject: Subject) -> str:
    """The store that may act alone on it, "" for none; a stock's is the place where it lies."""
    return subject.place if isinstance(subject, Stock) else subject.home_store


def moved(subject: Subject, delta: int, *, last: Side | None = None) -> Subject:
    """The same with that much more; what has no amount keeps having none."""
    match subject:
        case Account():
            changed: Subject = msgspec.structs.replace(subject, points=subject.points + delta)
        case Entitlement(n_left=int(left)):
            changed = msgspec.structs.replace(subject, n_left=left + delta)
        case Stock(count=int(count)):
            changed = msgspec.structs.replace(subject, count=count + delta)
        case _:
            changed = subject
    return changed if last is None else msgspec.structs.replace(changed, last=last)


def allowance_id(store: str, of: str) -> str:
    """Id of what that store was lent of `of`, a key: one a store and subject."""
    return f"{store}@{of}"


def allowance_key(store: str, of: str) -> str:
    """Key of that allowance."""
    return key_of("allowance", allowance_id(store, of))


def allowance_of(cell: Cell | None) -> Allowance | None:
    """The allowance under a key, when there is one."""
    if isinstance(cell, Row) and isinstance(cell.body, Allowance):
        return cell.body
    return None


def covers(allowance: Allowance | None, amount: int, at: int) -> bool:
    """Whether so much may be taken from it at that moment."""
    return allowance is not None and allowance.n_left >= amount and at <= allowance.until


def entry_row(entry: LedgerEntry, *, owner: str) -> Row:
    """A ledger entry as a row of the same owner as what it moves."""
    return row_of(entry, owner=owner, as_of=entry.at, source="store")


def changed_row(row: Row, body: Record, at: int) -> Row:
    """The row with this body, as of `at`."""
    return msgspec.structs.replace(row, body=body, as_of=at, source="store")


class Loan(msgspec.Struct, frozen=True):
    """What the centre lends.

    Attributes:
        id: Names the loan in the ledger.
        store: To whom.
        of: Key of the account, entitlement or stock.
        count: How much of it.
        until: End of the loan, microseconds since 1970.
    """

    id: str
    store: str
    of: str
    count: int
    until: int


def lent(subject: Row, held: Row | None, loan: Loan, *, at: int) -> tuple[Row, ...] | Refusal:
    """The rows after a loan.

    Args:
        subject: The row of `loan.of`.
        held: The allowance the store has of it already, None without one; the loan is added to it.
        loan: What is lent.
        at: Now, microseconds since 1970.

    Returns:
        Subject, allowance and the two entries; or Refusal not_enough, or unlimited for what does not run out.
    """
    body = subject_of(subject)
    free = None if body is None else free_of(body)
    if body is None or free is None:
        return Refusal("unlimited")
    if not 0 < loan.count <= free:
        return Refusal("not_enough")
    own = allowance_of(held)
    n_left = loan.count + (own.n_left if own is not None else 0)
    allowance = Allowance(
        allowance_id(loan.store, loan.of), loan.store, loan.of, n_left, loan.until
    )
    return (
        changed_row(subject, moved(body, -loan.count), at),
        row_of(allowance, owner=subject.owner, as_of=at, source="centre"),
        *_both(loan.id, subject, allowance, loan.count, "lend", at),
    )


def given_back(subject: Row, held: Row, *, loan: str, at: int) -> tuple[Row, ...]:
    """The rows after what is left of an allowance went back; nothing when nothing is left of it."""
    allowance, body = allowance_of(held), subject_of(subject)
    if allowance is None or body is None or not allowance.n_left:
        return ()
    n_left = allowance.n_left
    return (
        changed_row(subject, moved(body, n_left), at),
        changed_row(held, msgspec.structs.replace(allowance, n_left=0), at),
        *_both(loan, subject, allowance, -n_left, "give_back", at),
    )


def _both(  # the fields of two entries
    loan: str, subject: Row, allowance: Allowance, count: int, reason: str, at: int
) -> tuple[Row, Row]:
    out = LedgerEntry(f"{loan}-out", subject.key, -count, reason, allowance.store, at)
    into = LedgerEntry(
        f"{loan}-in", key_of("allowance", allowance.id), count, reason, allowance.store, at
    )
    owner = subject.owner
    return entry_row(out, owner=owner), entry_row(into, owner=owner)
