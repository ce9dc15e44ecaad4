"""What of an operation only the centre can do: who is whom now, customers made one and taken apart, conversations closed.

An operation recorded for a customer who was joined into another meanwhile, on a device that had not heard of it, is done for the
one who is kept: `redirected`. What it makes is remembered as the folded one's, so that it goes with them if the join is undone.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from sync.central import folding, joining, suggestions, threads
from sync.central.errors import CannotJoin
from sync.central.forgetting import owner_mark
from sync.central.transaction import Transaction
from sync.model.operation import Operation, Refusal
from sync.model.operations.decline_likeness import DeclineLikeness
from sync.model.operations.join_customers import JoinCustomers, join_id
from sync.model.operations.set_consent import SetConsent
from sync.model.operations.take_back_note import TakeBackNote
from sync.model.operations.unjoin_customers import UnjoinCustomers
from sync.model.records import Band, Case, key_of
from sync.model.registry import raw_args
from sync.model.row import Row
from sync.model.rules import happened_at

PERFORMED: Final = frozenset({"join_customers", "unjoin_customers", "decline_likeness"})
"""Kinds that are done here and nowhere else."""

STAFF_PPM: Final = 10_000
"""Risk that staff who looked at two customers made the wrong ones one; an assumption."""


class Whom:
    """Who is whom now, and who was erased, of the customers some operations are about; asked once for all of them."""

    def __init__(self, transaction: Transaction, owners: Iterable[str]) -> None:
        self._owners = frozenset(owner for owner in owners if owner)
        self._kept: dict[str, str] = {}
        self._joined: frozenset[str] = frozenset()
        self._erased: frozenset[str] = frozenset()
        self.look(transaction)

    def look(self, transaction: Transaction) -> None:
        """Ask again: an operation changed it."""
        if not self._owners:
            return
        # Of somebody who was erased before they were here, as a copy of the database says, only a digest is known.
        marks = {owner_mark(transaction.secret, owner): owner for owner in self._owners}
        found = transaction.beside.all(
            "SELECT owner, kept FROM folded WHERE owner IN [:owners] OR kept IN [:owners]"
            " UNION ALL SELECT owner, '' FROM erasure WHERE owner IN [:owners]"
            " UNION ALL SELECT mark, '' FROM forgotten WHERE mark IN [:marks]",
            owners=sorted(self._owners), marks=sorted(marks),
        )  # fmt: skip
        self._kept = {str(owner): str(kept) for owner, kept in found if kept}
        self._erased = frozenset(
            marks.get(str(one), str(one)) for one, kept in found if not kept
        )
        self._joined = frozenset(self._kept.values())

    def now(self, owner: str) -> str:
        """The customer this one is now."""
        return self._kept.get(owner, owner)

    def is_joined(self, owner: str) -> bool:
        """Whether others were joined into this customer."""
        return owner in self._joined

    def is_erased(self, transaction: Transaction, owner: str) -> bool:
        """Whether this customer was erased, and is nobody's customer again."""
        return owner in self._erased and transaction.doc(key_of("customer", owner)) is None


def redirected(op: Operation, whom: Whom) -> Operation:
    """The operation as it is about the customer who is kept."""
    owner = whom.now(op.owner)
    if owner == op.owner:
        return op
    changed = msgspec.structs.replace(op, owner=owner)
    if op.kind != "set_consent":
        return changed
    try:
        args = msgspec.json.decode(op.args, type=SetConsent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return changed
    if not args.consent.startswith(f"{op.owner}:"):
        return changed
    consent = f"{owner}:{args.consent[len(op.owner) + 1 :]}"
    return msgspec.structs.replace(
        changed, args=raw_args(msgspec.structs.replace(args, consent=consent))
    )


def perform(transaction: Transaction, op: Operation, args: object, now: int) -> Refusal | None:
    """Do what only the centre can; why it cannot be done, or None.

    Args:
        transaction: Where it is written.
        op: As it is about the customer who is kept.
        args: Its decoded arguments.
        now: Microseconds since 1970.
    """
    at = happened_at(op, now)
    try:
        match args:
            case JoinCustomers():
                _join(transaction, op, args, at)
            case UnjoinCustomers():
                joining.unjoin(transaction, args.join, op.actor, at=at)
            case DeclineLikeness():
                suggestions.decline(transaction, op.owner, args.other, by=op.actor, at=at)
            case _:
                return None
    except CannotJoin as error:
        return None if error.code == "undone" else Refusal(error.code)
    return None


def _join(transaction: Transaction, op: Operation, args: JoinCustomers, at: int) -> None:
    kept, folded = op.owner, args.other
    if joining.weight(transaction, folded)[0] > joining.weight(transaction, kept)[0]:
        kept, folded = folded, kept
    risk = suggestions.risk_of(transaction, kept, folded) or STAFF_PPM
    joining.join(
        transaction,
        kept,
        folded,
        why=args.why,
        risk_ppm=risk,
        by=op.actor,
        at=at,
        joined_id=join_id(op.id),
    )


def note_origins(
    transaction: Transaction, op: Operation, rows: Sequence[Row], whom: Whom
) -> None:
    """Remember of which record of a joined customer these rows are: whom the device knew, or whose band was held to it.

    Args:
        transaction: Where it is written.
        op: As it was recorded.
        rows: What it wrote, with the versions they had before.
        whom: Who is whom now.
    """
    owner = whom.now(op.owner)
    made = [row.key for row in rows if row.owner == owner and _is_new(row, op)]
    if not made or not (owner != op.owner or whom.is_joined(owner)):
        return
    # A band may have been somebody's before; whose it is from now on counts.
    bands = [key for key in made if key.startswith("band/")]
    transaction.direct().run("DELETE FROM origin WHERE key IN [:keys]", keys=bands)
    record = op.owner
    if record == owner and op.evidence.band:
        found = transaction.direct().all(
            "SELECT owner FROM origin WHERE key = :key", key=f"band/{op.evidence.band}"
        )
        record = str(found[0][0]) if found else owner
    if record != owner:
        folding.note_origin(transaction, made, record)


def _is_new(row: Row, op: Operation) -> bool:
    """Whether an operation made this row, or made it this customer's."""
    return row.version == 0 or (isinstance(row.body, Band) and row.body.linked_op == op.id)


def follow_cases(
    transaction: Transaction, op: Operation, args: object, rows: Sequence[Row], now: int
) -> None:
    """A case that staff solved closes what the customer wrote about it, in every channel; undone, that waits again."""
    for row in rows:
        if not isinstance(row.body, Case) or not row.owner:
            continue
        was = row.body.before
        is_solved_before = was is not None and (was.op, was.state) == (op.id, "solved")
        solves = not is_solved_before and not isinstance(args, TakeBackNote)
        solves = solves or getattr(args, "solved", False)  # others only say something of it
        if row.body.state == "solved" and op.id in row.body.ops and solves:
            threads.close(transaction, row, at=happened_at(op, now))
        elif row.body.state in ("open", "solved") and op.undoes:
            threads.reopen(transaction, row, op=op.undoes)
