"""How the rows of two customers go together, and apart again.

They change hands as they stand, and `origin` remembers whose they were. So a join is undone by giving each row back
to the record it came from, and by making what `joins` shows again from what is left on each side.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from sync.central import interests, joins
from sync.central.canonical import members, members_of
from sync.central.lines import (
    ORIGIN,
)
from sync.central.sql import Connection
from sync.central.told import Old, old_of, text_of
from sync.central.transaction import Transaction, owner_lock
from sync.model import forms
from sync.model.records import (
    Pin,
    key_of,
)
from sync.model.row import Row, body_of, raw_of, row_of

SINGLE: Final = ("pin", "serving", "handle_code")
"""Kinds of which a customer has one row, named by them: the kept one's counts, the other's is kept aside."""

SWEPT_MAX: Final = 500
"""Rows given to who is kept in one transaction."""


class _Interest(msgspec.Struct, frozen=True):
    """How long a scope was to hold a customer: before a join, and by it. `before` is None where it did not."""

    before: tuple[int, str] | None
    after: tuple[int, str]


def fold(transaction: Transaction, joined: str, *, kept: str, folded: str) -> None:
    """Give all rows of one customer to another, and whoever holds them holds that one. Both are nobody else's part."""
    joins.absorb(transaction, kept)
    joins.absorb(transaction, folded)
    sql = transaction.direct()
    keys = [
        str(key)
        for (key,) in sql.all(
            "SELECT key FROM doc WHERE owner = :owner ORDER BY key", owner=folded
        )
    ]
    transaction.load(keys)
    moved = []
    for key in keys:
        if joins.is_made(key, folded) or _is_set_aside(
            transaction, joined, key, kept=kept, folded=folded
        ):
            transaction.remove(key)
        else:
            transaction.give(key, kept)
            moved.append(key)
    sql = transaction.direct()
    note_origin(transaction, moved, folded)
    sql.run("UPDATE folded SET kept = :kept WHERE kept = :folded", kept=kept, folded=folded)
    sql.run(
        "INSERT INTO folded (owner, kept) VALUES (:folded, :kept)", kept=kept, folded=folded
    )
    _hold_for(transaction, joined, kept=kept, folded=folded)
    joins.show(transaction, kept, is_whole=True)
    for partner in joins.partners(transaction.direct(), kept):
        joins.show_likenesses(transaction, partner)


def unfold(transaction: Transaction, joined: str, *, root: str, one: str, other: str) -> str:
    """Take apart what that join put together; the customer that leaves.

    Args:
        transaction: Where it is written; the join itself counts no more.
        joined: Which.
        root: Whom all of them are now.
        one: A record the join was between.
        other: The other one.
    """
    sql = transaction.direct()
    owners = members(sql, root)
    stays = _connected(sql, owners, root)
    leaving = [owner for owner in owners if owner not in stays]
    kept, folded = sql.all("SELECT kept, folded FROM joined WHERE id = :id", id=joined)[0]
    left = next(owner for owner in (str(folded), str(kept), one, other) if owner in leaving)
    transaction.lock_keys(owner_lock(owner) for owner in leaving)
    found = sql.all(
        "SELECT origin.key FROM origin JOIN doc ON doc.key = origin.key WHERE doc.owner = :root"
        " AND origin.owner IN [:owners] ORDER BY origin.key",
        root=root, owners=leaving,
    )  # fmt: skip
    keys = [str(key) for (key,) in found]
    transaction.load(keys)
    for key in keys:
        transaction.give(key, left)
    sql = transaction.direct()
    sql.run("DELETE FROM origin WHERE owner = :owner", owner=left)
    sql.run("DELETE FROM folded WHERE owner IN [:owners]", owners=leaving)
    sql.many(
        "INSERT INTO folded (owner, kept) VALUES (:owner, :kept)",
        [{"owner": owner, "kept": left} for owner in leaving if owner != left],
    )
    _hold_no_more(transaction, joined, root=root, left=left)
    _put_back_single(transaction, joined, root=root, left=left)
    for owner in (root, left):
        joins.show(transaction, owner, is_whole=True)
        for partner in joins.partners(transaction.direct(), owner):
            joins.show_likenesses(transaction, partner)
    return left


def sweep(transaction: Transaction, *, limit: int = SWEPT_MAX) -> int:
    """Give rows that somebody wrote for a customer who is joined into another to the one who is kept; how many."""
    found = transaction.direct().all(
        "SELECT doc.key, doc.owner, folded.kept FROM doc JOIN folded ON folded.owner = doc.owner"
        " ORDER BY doc.key LIMIT :limit",
        limit=limit,
    )
    transaction.load(str(key) for key, *_ in found)
    for key, owner, kept in found:
        if joins.is_made(str(key), str(owner)):
            transaction.remove(str(key))
        else:
            transaction.give(str(key), str(kept))
            note_origin(transaction, (str(key),), str(owner))
    return len(found)


def note_origin(transaction: Transaction, keys: Iterable[str], record: str) -> None:
    """These rows came from this record, which is joined into another; or from one that was joined into it before."""
    ours = frozenset(members_of(transaction, record))
    for key in sorted(keys):
        known = transaction.lines(ORIGIN, key=key)
        if not known or known[0][1] not in ours:
            transaction.put_line(ORIGIN, (key, record))


def _is_set_aside(
    transaction: Transaction, joined: str, key: str, *, kept: str, folded: str
) -> bool:
    """Keep a row aside of which a customer has one; whether it is such a row. A PIN counts for both where one has none."""
    kind, _, name = key.partition("/")
    row = joins.row_at(transaction, key)
    if kind not in SINGLE or name != folded or row is None:
        return False
    _set_aside(transaction, joined, row)
    if isinstance(row.body, Pin) and joins.row_at(transaction, key_of(kind, kept)) is None:
        body = msgspec.structs.replace(row.body, id=kept)
        lent = row_of(body, owner=kept, as_of=row.as_of, source=row.source)
        transaction.put(lent, form=forms.newest(kind))
    return True


def _set_aside(transaction: Transaction, joined: str, row: Row) -> None:
    old = Old(row.as_of, row.source, msgspec.Raw(raw_of(row.body)))
    transaction.direct().run(
        "INSERT INTO joined_row (joined, key, owner, before) VALUES (:joined, :key, :owner, :before)",
        joined=joined, key=row.key, owner=row.owner, before=text_of(old),
    )  # fmt: skip


def _put_back_single(transaction: Transaction, joined: str, *, root: str, left: str) -> None:
    found = transaction.direct().all(
        "SELECT key, before FROM joined_row WHERE joined = :joined AND key NOT LIKE :interests ORDER BY key",
        joined=joined, interests="interest/%",
    )  # fmt: skip
    for key, text in found:
        kind, old = str(key).partition("/")[0], old_of(text)
        body = body_of(kind, bytes(old.body))
        row = row_of(body, owner=left, as_of=old.as_of, source=old.source)
        transaction.put(row, form=forms.newest(kind))
        lent = joins.row_at(transaction, key_of(kind, root))
        if (
            isinstance(body, Pin)
            and lent is not None
            and lent.body == msgspec.structs.replace(body, id=root)
        ):
            transaction.remove(lent.key)


def _connected(sql: Connection, owners: Sequence[str], start: str) -> set[str]:
    """Which of these records are still joined to that one."""
    edges = sql.all(
        "SELECT one, other FROM joined WHERE undone_at = 0 AND one IN [:owners] AND other IN [:owners]",
        owners=list(owners),
    )
    found, grown = {start}, True
    while grown:
        grown = False
        for pair in edges:
            if (pair[0] in found) != (pair[1] in found):
                found |= {str(pair[0]), str(pair[1])}
                grown = True
    return found


def _hold_for(transaction: Transaction, joined: str, *, kept: str, folded: str) -> None:
    """Stores that hold the one hold the other; how it was before is kept with the join."""
    ours = {
        it.scope: (it.until, it.why) for it in interests.of_owner(transaction.read.sql, kept)
    }
    for it in interests.of_owner(transaction.read.sql, folded):
        before = ours.get(it.scope)
        if before is not None and (before[0] == 0 or (it.until and it.until <= before[0])):
            continue
        transaction.add_interest(it.scope, kept, until=it.until, why=it.why)
        after = {
            now.scope: (now.until, now.why)
            for now in interests.of_owner(transaction.read.sql, kept)
        }[it.scope]
        transaction.direct().run(
            "INSERT INTO joined_row (joined, key, owner, before) VALUES (:joined, :key, :owner, :before)"
            " ON CONFLICT (joined, key) DO NOTHING",
            joined=joined, key=f"interest/{it.scope}", owner=folded, before=text_of(_Interest(before, after)),
        )  # fmt: skip


def _hold_no_more(transaction: Transaction, joined: str, *, root: str, left: str) -> None:
    """Stores hold whom they held before; one that has seen them since holds both, for nobody knows which of them came."""
    now = {
        it.scope: (it.until, it.why) for it in interests.of_owner(transaction.read.sql, root)
    }
    found = transaction.direct().all(
        "SELECT key, before FROM joined_row WHERE joined = :joined AND key LIKE :interests ORDER BY key",
        joined=joined, interests="interest/%",
    )  # fmt: skip
    for key, text in found:
        scope = str(key).partition("/")[2]
        told = msgspec.json.decode(text, type=_Interest)
        if now.get(scope) != told.after:
            until, why = now.get(scope, (0, ""))
            if scope in now:
                transaction.add_interest(scope, left, until=until, why=why)
            continue
        transaction.end_interest(scope, root)
        if told.before is not None:
            transaction.add_interest(scope, root, until=told.before[0], why=told.before[1])
