"""A customer at a kiosk asks for a code, to send it to us where they write to us: then we know that they are one. A request.

The code is six digits and is not in the operation: what is kept is its digest with the customer's id, for ten minutes. One
asked for later replaces the one before. What is sent to us is matched by `sync.central.handles`.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome
from sync.model.records import HandleCode, key_of
from sync.model.row import Cell, Row, row_of
from sync.model.rules import happened_at, remembered

CODE_US: Final = 10 * 60 * 1_000_000
"""How long a code counts: to take out a telephone and write a message, and not to be found by trying."""

CODE_DIGITS: Final = 6


class ProveHandle(msgspec.Struct, frozen=True, kw_only=True):
    """Digest of the code that was shown, as `code_digest` makes it."""

    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


def code_digest(owner: str, code: str) -> str:
    """What is kept of a code: it says nothing without the customer it is for."""
    return hashlib.sha256(f"{owner}/{code}".encode()).hexdigest()


def keys(op: Operation, _args: ProveHandle) -> tuple[str, ...]:
    """The customer's code."""
    return (key_of("handle_code", op.owner),)


def apply(rows: Mapping[str, Cell], op: Operation, args: ProveHandle, now: int) -> Outcome:
    """Keep it, instead of the one before; one that is over when it arrives changes nothing."""
    at = happened_at(op, now)
    row = rows.get(key_of("handle_code", op.owner))
    known = row.body if isinstance(row, Row) and isinstance(row.body, HandleCode) else None
    is_over = at + CODE_US <= now or (known is not None and at + CODE_US < known.until)
    if not op.owner or is_over or (known is not None and op.id in known.ops):
        return Effects(())
    ops = remembered(known.ops if known else (), op.id)
    body = HandleCode(op.owner, digest=args.digest, until=at + CODE_US, ops=ops)
    if isinstance(row, Row):
        return Effects((msgspec.structs.replace(row, body=body, as_of=at),))
    return Effects((row_of(body, owner=op.owner, as_of=at, source="store"),))


KIND: Final = Kind(
    name="prove_handle",
    v=1,
    op_class=OperationClass.REQUEST,
    args=ProveHandle,
    keys=keys,
    apply=apply,
    assurance="A2",
)
