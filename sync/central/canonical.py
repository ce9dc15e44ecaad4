"""Who is whom now: the customer that another one was joined into."""

from collections.abc import Iterable

from sync.central.lines import FOLDED
from sync.central.moment import Snapshot
from sync.central.sql import Connection
from sync.central.transaction import Transaction


def canonical_of(sql: Connection, owners: Iterable[str]) -> dict[str, str]:
    """Of these customers those that are joined into another one, and into whom."""
    asked = sorted({owner for owner in owners if owner})
    if not asked:
        return {}
    found = sql.all("SELECT owner, kept FROM folded WHERE owner IN [:owners]", owners=asked)
    return {str(owner): str(kept) for owner, kept in found}


def canonical(transaction: Transaction, owner: str) -> str:
    """The customer this one is now."""
    return next((str(kept) for _, kept in transaction.lines(FOLDED, owner=owner)), owner)


def canonical_in(snapshot: Snapshot, owner: str) -> str:
    """The same, for who only reads."""
    return canonical_of(snapshot.sql, (owner,)).get(owner, owner)


def members(sql: Connection, root: str) -> tuple[str, ...]:
    """All records that are this customer now, the kept one first."""
    found = sql.all("SELECT owner FROM folded WHERE kept = :kept ORDER BY owner", kept=root)
    return (root, *(str(owner) for (owner,) in found))


def members_of(transaction: Transaction, root: str) -> tuple[str, ...]:
    """The same, for who takes events."""
    found = transaction.lines(FOLDED, kept=root)
    return (root, *(str(owner) for owner, _ in found))
