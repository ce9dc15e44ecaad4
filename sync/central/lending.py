"""Lending a store what it may give out alone: points, uses, the last pieces of a stock; and taking back what is over.

What is lent is out of the free amount at once, so nobody else can be given it; what is left of it when its time is over goes
back by itself, a while later: a store that used it before the end and was cut off may still say so.
"""

from typing import Final

from sync.central.enrolment import scope_of
from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model import forms, ledger
from sync.model.contacts import LENT
from sync.model.operation import Refusal
from sync.model.records import Allowance, LedgerEntry
from sync.model.row import Row

OVER_MAX: Final = 1_000
"""Allowances looked at in one go; what is left comes in the next."""


def lend(transaction: Transaction, loan: ledger.Loan, *, now: int) -> Refusal | None:
    """Lend a store what it may give out alone; None when it did.

    Args:
        transaction: Where it is written; the caller commits.
        loan: What, to whom, until when; its id names its two entries for ever.
        now: Microseconds since 1970.

    Returns:
        Refusal unknown_account, not_enough, or unlimited for what does not run out.

    Raises:
        StoreError: the disk failed.
        Malformed: this version cannot read the row.
    """
    key = ledger.allowance_key(loan.store, loan.of)
    transaction.load((loan.of, key, f"ledger/{loan.id}-out"))
    subject = transaction.read.row(loan.of)
    if subject is None:
        return Refusal("unknown_account")
    if transaction.read.row(f"ledger/{loan.id}-out") is not None:
        return None  # asked again: it was lent already
    made = ledger.lent(subject, transaction.read.row(key), loan, at=now)
    if isinstance(made, Refusal):
        return made
    _write(transaction, made)
    return None


def take_back_over(transaction: Transaction, *, now: int, limit: int = OVER_MAX) -> int:
    """Give back what is left of allowances that are over; how many. Raises StoreError."""
    n_over = 0
    after = ""
    while keys := lent(transaction.read.sql, after=after, limit=limit):
        for key in keys:
            n_over += _taken_back(transaction, key, now=now)
        after = keys[-1]
    return n_over


def _taken_back(transaction: Transaction, key: str, *, now: int) -> bool:
    held = transaction.read.row(key)
    allowance = ledger.allowance_of(held)
    if held is None or allowance is None or now <= allowance.until + ledger.GRACE_US:
        return False
    transaction.load((key, allowance.of))
    subject = transaction.read.row(allowance.of)
    if subject is None:
        return False
    loan = f"{allowance.id}-{held.version}"  # a version comes once
    made = ledger.given_back(subject, held, loan=loan, at=now)
    _write(transaction, made)
    return bool(made)


def _write(transaction: Transaction, rows: tuple[Row, ...]) -> None:
    for row in rows:
        transaction.put(row, scope=scope_of_row(row), form=forms.newest(row.kind))


def scope_of_row(row: Row) -> str:
    """The one scope of a row that is nobody's and concerns one store; "" where others want it too."""
    if row.owner or not isinstance(row.body, (Allowance, LedgerEntry)):
        return ""
    return scope_of(row.body.store)


def lent(sql: Connection, *, after: str = "", limit: int = 1_000) -> list[str]:
    """Keys of allowances of which something is left, by key."""
    found = sql.all(
        "SELECT key FROM doc WHERE term = :term AND term <> '' AND key > :after"
        " ORDER BY key LIMIT :limit",
        term=LENT, after=after, limit=limit,
    )  # fmt: skip
    return [key for (key,) in found]
