"""What each assurance may do, and the shop's rules: the same at both ends.

Assurances rise A0 < A1 < B1 < A2 < A3 < S1 < S2; a member of staff may do what any customer may.
A rule is asked before an operation is recorded, and by the centre for requests. Facts already happened: whoever asks
the rule too late records them all the same.
"""

from collections.abc import Mapping
from typing import Final

from sync.model.operation import Operation
from sync.model.records import Case, Side
from sync.model.row import Row, row_of

ASSURANCES: Final = ("A0", "A1", "B1", "A2", "A3", "S1", "S2")
"""Lowest first. Public: stored with every operation."""

TEXT_MAX: Final = 4_000
"""Characters of what somebody said or wrote; two printed pages."""

ANSWER_WITHIN_US: Final = 24 * 3_600 * 1_000_000
"""A customer who writes to us is answered within a day: the window in which WhatsApp allows free text."""

PIN_WRONG_MAX: Final = 5
"""Wrong PINs in a row after which it is set anew at the counter: of 10,000 PINs of four digits one in 2,000 is guessed by then."""

PIN_DIGITS_MIN: Final = 4
PIN_DIGITS_MAX: Final = 8
"""Digits of a PIN."""

_NUMBERS: Final = 10_000_000


def rank_of(assurance: str) -> int:
    """How much an assurance is worth; one we do not know is worth nothing."""
    return ASSURANCES.index(assurance) if assurance in ASSURANCES else 0


def may_do(needed: str, assurance: str) -> bool:
    """Whether somebody of that assurance may do what needs `needed`."""
    return needed in ASSURANCES and rank_of(assurance) >= rank_of(needed)


def may_record(kinds: Mapping[str, str], op: Operation) -> bool:
    """Whether the evidence of an operation is enough for its kind.

    Args:
        kinds: Least assurance by kind, as `registry.ASSURANCE_OF` has it; a kind not in it needs staff.
        op: The operation as it would be recorded.
    """
    return may_do(kinds.get(op.kind, "S1"), op.evidence.assurance)


UNDO_WITHIN_US: Final = 5 * 60 * 1_000_000
"""How long whoever did something may take it back with one press."""

OPS_MAX: Final = 8
"""Operations a record remembers; one that comes again after more than this was answered long ago."""


def remembered(ops: tuple[str, ...], *new: str) -> tuple[str, ...]:
    """The operations that changed a record, with these as the newest."""
    return (*(op for op in ops if op not in new), *new)[-OPS_MAX:]


def happened_at(op: Operation, now: int) -> int:
    """When it happened: as the device says, but never in the future, so that a wrong clock cannot outlive itself."""
    return min(op.at, now)


def case_number(op_id: str) -> str:
    """What people call a case that an operation made: the same at both ends, from the random end of its id.

    Seven digits: two clash cases share a number once in ten million pairs, and the key is the id in any case.
    """
    tail = "".join(sign for sign in op_id if sign in "0123456789abcdef")[-12:] or "0"
    return f"C-{int(tail, 16) % _NUMBERS:07d}"


def clash_case(
    op: Operation,
    clash: str,
    *,
    topic: str,
    sides: tuple[Side, ...],
    at: int,
    owner: str | None = None,
) -> Row:
    """The case that a collision becomes. Its id is the operation's, so there is one however often it is applied."""
    case = Case(
        id=op.id,
        number=case_number(op.id),
        state="open",
        topic=topic,
        opened_at=at,
        channel="store",
        clash=clash,
        sides=sides,
    )
    return row_of(case, owner=op.owner if owner is None else owner, as_of=at, source="store")
