"""Two customers made one, and taken apart again."""

import hashlib
from typing import Final

from sync.central import changes, folding, joins, suggestions, threads
from sync.central.canonical import canonical
from sync.central.errors import CannotJoin
from sync.central.forgetting import erased_at
from sync.central.suggestions import CENTRE
from sync.central.transaction import Transaction, owner_lock
from sync.model.records import Customer, key_of

VERIFIED_PPM: Final = 100
"""Risk that a join by a point verified on both sides is wrong: addresses and numbers are given to others after years.
An assumption, to be replaced by a measured one."""


def weight(transaction: Transaction, owner: str) -> tuple[int, str]:
    """Whoever has more rows is kept: fewer rows move to fewer devices."""
    found = transaction.read.sql.all(
        "SELECT COUNT(*) FROM doc WHERE owner = :owner", owner=owner
    )
    return int(found[0][0]), owner


def join(  # noqa: PLR0913  # a join and its reasons
    transaction: Transaction,
    kept: str,
    folded: str,
    *,
    why: str,
    risk_ppm: int,
    by: str,
    at: int = 0,
    term: str = "",
    joined_id: str = "",
) -> str:
    """Make two customers one; the id of the join, by which it can be undone.

    Args:
        transaction: Where it is written.
        kept: Whose id stays; or one joined into them.
        folded: Whose rows go there; or one joined into them.
        why: In words: which point, which rule, what a clerk saw.
        risk_ppm: How often such a join is wrong, in a million.
        by: Who joins: a staff id, or CENTRE for a rule.
        at: When, microseconds since 1970.
        term: The point it rests on, "" for none.
        joined_id: Its id where that follows from something else, "" for one made here.

    Raises:
        CannotJoin: they are one already, one of them was erased, or one is another family's child; the text says which.
    """
    one, other = canonical(transaction, kept), canonical(transaction, folded)
    transaction.lock_keys({owner_lock(owner) for owner in (kept, folded, one, other)})
    if one == other:
        raise CannotJoin("They are one customer already.", "same_customer")
    for owner in (one, other):
        if (
            not owner
            or erased_at(transaction.read.sql, owner)
            or not _is_known(transaction, owner)
        ):
            raise CannotJoin("One of them was erased, or is nobody.", "unknown_customer")
    if is_another_familys_child(transaction, one, other, is_proved=bool(term)):
        raise CannotJoin("A child's record is joined only inside its family.", "another_family")
    suggestions.settle(transaction, one, other, "joined", by=by, at=at)
    joined = joined_id or _joined_id(transaction, kept, folded, at)
    transaction.direct().run(
        "INSERT INTO joined (id, one, other, kept, folded, term, why, risk_ppm, by_whom, at, undone_at, undone_by)"
        " VALUES (:id, :one, :other, :kept, :folded, :term, :why, :risk, :by, :at, 0, '')",
        id=joined, one=kept, other=folded, kept=one, folded=other, term=term, why=why[:300],
        risk=risk_ppm, by=by, at=at,
    )  # fmt: skip
    folding.fold(transaction, joined, kept=one, folded=other)
    threads.settle_owner(transaction, one)
    changes.note_joined(transaction, kept=one, folded=other, joined_id=joined, now=at)
    return joined


def is_another_familys_child(
    transaction: Transaction, one: str, other: str, *, is_proved: bool
) -> bool:
    """Whether one of these is a child, and nothing says that the other is of its family; `is_proved` where a point says so."""
    rows = (transaction.read.row(key_of("customer", owner)) for owner in (one, other))
    people = [row.body for row in rows if row is not None and isinstance(row.body, Customer)]
    if not any(it.guardian for it in people):
        return False
    families = [{it.household, it.guardian or it.id} - {""} for it in people]
    if len(families) == 2 and families[0] & families[1]:
        return False
    # Of a record without one nobody said whose it is: a channel does not tell that.
    is_told = [bool(it.household or it.guardian) for it in people]
    return not is_proved or is_told == [True, True]


def _is_known(transaction: Transaction, owner: str) -> bool:
    return bool(
        transaction.read.sql.all("SELECT 1 FROM doc WHERE owner = :owner LIMIT 1", owner=owner)
        or transaction.direct().all(
            "SELECT 1 FROM alias WHERE owner = :owner LIMIT 1", owner=owner
        )
    )


def _joined_id(transaction: Transaction, one: str, other: str, at: int) -> str:
    first, second = sorted((one, other))
    found = transaction.direct().all("SELECT COUNT(*) FROM joined WHERE one IN [:both] AND other IN [:both]",
                                     both=[first, second])  # fmt: skip
    text = f"{first}/{second}/{at}/{found[0][0]}"
    return f"j-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def unjoin(transaction: Transaction, joined_id: str, by: str, *, at: int = 0) -> None:
    """Take two customers apart again: each has what was theirs before, and what came in for them since.

    No rule joins them again.

    Raises:
        CannotJoin: there is no such join, it was undone before, or they were erased.
    """
    one, other = undo(transaction, joined_id, by=by, at=at)
    if by != CENTRE:
        first, second = sorted((one, other))
        transaction.direct().run(
            "INSERT INTO likeness (one, other, state, risk_ppm, why, by_whom, at)"
            " VALUES (:one, :other, 'apart', 0, :why, :by, :at)"
            " ON CONFLICT (one, other) DO UPDATE SET state = 'apart', by_whom = excluded.by_whom, at = excluded.at",
            one=first, other=second, why=f"taken apart: {joined_id}", by=by, at=at,
        )  # fmt: skip


def undo(transaction: Transaction, joined_id: str, *, by: str, at: int) -> tuple[str, str]:
    """Undo a join; the two records it was between."""
    sql = transaction.direct()
    found = sql.all("SELECT one, other, undone_at FROM joined WHERE id = :id", id=joined_id)
    if not found:
        raise CannotJoin("There is no such join.", "unknown_join")
    if found[0][2]:
        raise CannotJoin("It was undone before.", "undone")
    one, other = str(found[0][0]), str(found[0][1])
    root = canonical(transaction, one)
    transaction.lock_keys({owner_lock(owner) for owner in (one, other, root)})
    if erased_at(transaction.read.sql, one):  # and so both
        raise CannotJoin("They were erased.", "unknown_join")
    joins.absorb(transaction, root)
    sql = transaction.direct()
    sql.run(
        "UPDATE joined SET undone_at = :at, undone_by = :by WHERE id = :id",
        at=max(at, 1),
        by=by,
        id=joined_id,
    )
    left = folding.unfold(transaction, joined_id, root=root, one=one, other=other)
    for owner in (root, left):
        threads.settle_owner(transaction, owner)
    changes.note_unjoined(transaction, kept=root, folded=left, joined_id=joined_id, now=at)
    return one, other
