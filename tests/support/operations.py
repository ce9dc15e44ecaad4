"""What every kind of operation keeps to, checked over the rows of a small shop: for the test of each kind."""

from collections.abc import Mapping

import msgspec

from sync.model import registry
from sync.model.operation import CannotPredict, Effects, Operation, Outcome, Refusal
from sync.model.records import Account, Allowance, Entitlement, LedgerEntry, Record
from sync.model.row import Cell, Missing, Row
from tests.support import shop

NOON = shop.NOON
MINUTE = 60_000_000
FIRST, SECOND, THIRD = (f"0190a1b2-0000-7000-8000-00000000000{sign}" for sign in "abc")

Rows = dict[str, Row]


def rows_of(*extra: Row) -> Rows:
    """Lena's rows, and these."""
    return {row.key: row for row in (*shop.lenas_rows(), *extra)}


def outcome_of(
    rows: Mapping[str, Row], op: Operation, *, now: int = NOON, gone: Missing = Missing.ABSENT
) -> Outcome:
    """What both ends make of it where these are all rows there are."""
    readable = registry.read(op)
    assert isinstance(readable, registry.Readable), readable
    cells: dict[str, Cell] = {key: rows.get(key, gone) for key in readable.keys}
    outcome = readable.apply(cells, now)
    if isinstance(outcome, Refusal):
        assert outcome.code in readable.kind.codes, "a code it does not declare"
    if isinstance(outcome, Effects):
        assert outcome.clash in ("", *readable.kind.codes), "a code it does not declare"
        made = {row.key for row in outcome.rows}
        assert made <= set(readable.keys), "a row it did not ask for"
    return outcome


def done(rows: Mapping[str, Row], op: Operation, *, now: int = NOON) -> tuple[Rows, str]:
    """The rows afterwards, and the clash; what is refused or cannot be judged changes nothing."""
    outcome = outcome_of(rows, op, now=now)
    if not isinstance(outcome, Effects):
        return dict(rows), ""
    return {**rows, **{row.key: row for row in outcome.rows}}, outcome.clash


def body(rows: Mapping[str, Row], key: str) -> Record:
    """What a row says."""
    return rows[key].body


def undo_of(op: Operation, *, op_id: str = THIRD, at: int = NOON + MINUTE) -> Operation:
    """The operation that takes it back."""
    readable = registry.read(op)
    assert isinstance(readable, registry.Readable)
    undo = readable.undo(op_id, at)
    assert undo is not None, "it cannot be taken back"
    assert undo.undoes == op.id
    assert isinstance(registry.read(undo), registry.Readable), "its undo cannot be read"
    return undo


def assert_twice_is_once(rows: Rows, *ops: Operation, now: int = NOON) -> None:
    """Each may come again at any time after it was done, and changes nothing."""
    for index, op in enumerate(ops):
        rows, clash = done(rows, op, now=now)
        for earlier in ops[: index + 1]:
            again, said = done(rows, earlier, now=now + 5)
            assert again == rows, f"{earlier.kind} did something again"
            if earlier is op:
                assert said == clash


def assert_undone(rows: Rows, op: Operation, *keys: str, now: int = NOON) -> None:
    """Its undo puts the bodies of these rows back, whatever the record remembers of it."""
    after, _ = done(rows, op, now=now)
    back, _ = done(after, undo_of(op), now=now + MINUTE)
    for key in keys:
        assert _said(back[key]) == _said(rows[key]), key


def _said(row: Row) -> tuple[str, Record]:
    """Owner and body, without what is remembered for the sake of taking back."""
    forgets = ("ops", "before", "changed_at", "last", "order_before", "linked_op", "blocked_op")
    names = {field.name for field in msgspec.structs.fields(row.body)}
    defaults = {
        field.name: field.default
        for field in msgspec.structs.fields(row.body)
        if field.name in forgets and field.name in names
    }
    return row.owner, msgspec.structs.replace(row.body, **defaults)


def assert_waits_where_nothing_is_held(op: Operation) -> None:
    """A device that holds nothing does not guess."""
    assert outcome_of({}, op, gone=Missing.UNKNOWN) == CannotPredict()


def assert_books_balance(rows: Mapping[str, Row]) -> None:
    """Every balance is what its own entries sum to."""
    entries = [row.body for row in rows.values() if isinstance(row.body, LedgerEntry)]
    for key, row in rows.items():
        match row.body:
            case Account(points=balance) | Allowance(n_left=balance):
                pass
            case Entitlement(n_left=int(balance)):
                pass
            case _:
                continue
        assert balance == sum(entry.delta for entry in entries if entry.of == key), key
