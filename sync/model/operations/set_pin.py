"""A customer gets a PIN, or another one, at the counter: a clerk saw their ID. What travels is a hash, never the PIN.

id_needed    no identity document was seen: nobody but its owner may choose a PIN
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from sync.model.operation import Effects, Kind, Operation, OperationClass, Outcome, Refusal
from sync.model.records import Pin, key_of
from sync.model.row import Cell, Row, row_of
from sync.model.rules import happened_at, remembered

ID_SEEN: Final = "id_seen"
"""The proof in the evidence of whoever recorded it."""


class SetPin(msgspec.Struct, frozen=True, kw_only=True):
    """What a try is compared with.

    Attributes:
        hash: Of the PIN and the brand's pepper, with its salt and costs, as PHC text.
        pepper: Version of the key the pepper follows from.
    """

    hash: Annotated[str, msgspec.Meta(pattern=r"^\$[a-z0-9]{3,20}\$[!-~]{20,300}$")]
    pepper: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __repr__(self) -> str:
        return f"SetPin(pepper={self.pepper})"


def keys(op: Operation, _args: SetPin) -> tuple[str, ...]:
    """The PIN of whom it is about."""
    return (key_of("pin", op.owner),)


def apply(rows: Mapping[str, Cell], op: Operation, args: SetPin, now: int) -> Outcome:
    """Keep the hash; wrong tries before it count no more. The later one stands."""
    if op.evidence.proof != ID_SEEN:
        return Refusal("id_needed")
    at = happened_at(op, now)
    row = rows.get(key_of("pin", op.owner))
    known = row.body if isinstance(row, Row) and isinstance(row.body, Pin) else None
    if known is not None and (op.id in known.ops or at < known.set_at):
        return Effects(())
    ops = remembered(() if known is None else known.ops, op.id)
    made = Pin(op.owner, args.hash, args.pepper, at, ops=ops)
    if known is None or not isinstance(row, Row):
        return Effects((row_of(made, owner=op.owner, as_of=at, source="store"),))
    return Effects((msgspec.structs.replace(row, body=made, as_of=at, source="store"),))


KIND: Final = Kind(
    name="set_pin",
    v=1,
    op_class=OperationClass.REQUEST,
    args=SetPin,
    keys=keys,
    apply=apply,
    blocks=True,
    assurance="S1",
    codes=("id_needed",),
)
