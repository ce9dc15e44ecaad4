"""Which scopes hold which customers, and until when."""

import msgspec

from sync.central.sql import Connection
from sync.central.transaction import Transaction


class InterestRecord(msgspec.Struct, frozen=True):
    """A scope holds a customer, until then (0 for ever)."""

    scope: str
    owner: str
    until: int
    why: str


def of_owner(sql: Connection, owner: str) -> list[InterestRecord]:
    """Which scopes hold a customer, by scope."""
    found = sql.all(
        "SELECT scope, owner, until, why FROM interest WHERE owner = :owner ORDER BY scope",
        owner=owner,
    )
    return [InterestRecord(*line) for line in found]


def end_over(transaction: Transaction, now: int, *, limit: int = 1_000) -> int:
    """End what was to end by now, up to so many; how many it were."""
    found = transaction.direct().all(
        "SELECT scope, owner FROM interest WHERE until > 0 AND until <= :now"
        " ORDER BY until, owner, scope LIMIT :limit",
        now=now, limit=limit,
    )  # fmt: skip
    transaction.load_owners(owner for _, owner in found)
    n_ended = 0
    for scope, owner in found:
        until = transaction.holders_of(owner).get(scope, (0, ""))[0]
        if 0 < until <= now:  # nobody prolonged it while we waited for the lock
            transaction.end_interest(scope, owner)
            n_ended += 1
    return n_ended
