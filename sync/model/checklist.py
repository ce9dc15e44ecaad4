"""The checklist of a case: what is needed, what the customer told us, what is missing, what was tried; pure.

    need        a fact goes on the list of what is missing, unless the customer told it
    tell        a fact the customer told leaves that list; told again, the newer word counts
    attempt     a remedy was tried once more; failed twice it is struck out

What is compared is words without case and outer spaces, so that "Payer's consent" is asked for once.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sync.model.operation import Effects, Operation, Outcome
from sync.model.records import Case, CaseBefore, Remedy, Side, Told, key_of
from sync.model.row import Cell, Missing, Row
from sync.model.rules import clash_case, remembered

LIST_MAX: Final = 32
"""Facts of one kind on one case; more is a story, and belongs into a note."""

FAILED_MAX: Final = 1
"""A remedy that failed more often than this is struck out."""


def is_struck(remedy: Remedy) -> bool:
    """Whether it failed so often that offering it again needs a reason."""
    return remedy.n_failed > FAILED_MAX


def need(case: Case, facts: tuple[str, ...]) -> Case:
    """The case with these on the list of what is missing."""
    known = {_same(told.label) for told in case.told} | {_same(one) for one in case.missing}
    new: dict[str, str] = {}
    for fact in facts:
        if _same(fact) and _same(fact) not in known:
            new.setdefault(_same(fact), fact.strip())
    missing = (*case.missing, *new.values())[:LIST_MAX]
    return msgspec.structs.replace(case, missing=missing)


def tell(case: Case, told: Told, *, settles: str = "") -> Case:
    """The case with this fact told; `settles` names what it answers where that has other words than its label."""
    gone = {_same(told.label), _same(settles)}
    kept = tuple(one for one in case.told if _same(one.label) != _same(told.label))
    missing = tuple(one for one in case.missing if _same(one) not in gone)
    return msgspec.structs.replace(case, told=(*kept, told)[-LIST_MAX:], missing=missing)


def remedy_of(case: Case, text: str) -> Remedy | None:
    """What is known of a remedy by these words."""
    return next((one for one in case.tried if _same(one.text) == _same(text)), None)


def attempt(case: Case, text: str, *, has_failed: bool) -> Case:
    """The case with this remedy tried once more."""
    known = remedy_of(case, text) or Remedy(text.strip(), 0, 0)
    again = Remedy(known.text, known.n_tried + 1, known.n_failed + has_failed)
    if known.n_tried:
        tried = tuple(again if one is known else one for one in case.tried)
    else:
        tried = (*case.tried, again)[-LIST_MAX:]
    return msgspec.structs.replace(case, tried=tried)


# What the operations on it have in common


def clash_of(row: Cell, op: Operation) -> str:
    """Why a case cannot be changed by this operation; "" when it can."""
    if not isinstance(row, Row) or not isinstance(row.body, Case):
        return "unknown_case"
    return "other_customer" if row.owner != op.owner else ""


def changed(row: Row, case: Case, op: Operation, *, at: int) -> Effects:
    """The row with its case changed to this, remembering what it said before; nothing where that is the same."""
    was = row.body
    assert isinstance(was, Case)  # `clash_of` looked
    if case == was:
        return Effects(())
    before = CaseBefore(
        op.id, was.state, was.promise, was.next_step, was.told, was.missing, was.tried
    )
    body = msgspec.structs.replace(case, before=before, ops=remembered(was.ops, op.id))
    return Effects((msgspec.structs.replace(row, body=body, as_of=at, source="store"),))


def kept_beside(
    rows: Mapping[str, Cell],
    op: Operation,
    clash: str,
    *,
    of: str,
    by: str,
    at: int,
    **fields: Any,
) -> Outcome:
    """What a customer told is not lost where the case cannot have it: a case of its own holds it.

    Args:
        rows: What the operation sees.
        op: The operation.
        clash: Why, one of its codes.
        of: Id of the case it was about.
        by: Who wrote it, in words.
        at: When.
        fields: Of the case it becomes: told, missing.
    """
    own = rows.get(key_of("case", op.id), Missing.ABSENT)
    if isinstance(own, Row):
        return Effects((), clash=clash)
    side = Side(op=op.id, store=op.store, by=by, to="", at=at)
    row = clash_case(op, clash, topic=f"checklist of {of}", sides=(side,), at=at)
    body = msgspec.structs.replace(row.body, **fields)
    return Effects((msgspec.structs.replace(row, body=body),), clash=clash)


def _same(text: str) -> str:
    return " ".join(text.split()).casefold()
