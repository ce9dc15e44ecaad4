"""A code for a handle, as a customer asks for it at a kiosk."""

import msgspec
import pytest

from sync.model import registry
from sync.model.operation import Effects, Evidence, Operation
from sync.model.operations.prove_handle import CODE_US, ProveHandle, code_digest
from sync.model.records import HandleCode, key_of
from sync.model.row import Cell, Missing, Row

AT = 1_700_000_000_000_000
KEY = key_of("handle_code", "tom")


def asked(op: str = "op-1", *, code: str = "482913", at: int = AT) -> Operation:
    args = ProveHandle(digest=code_digest("tom", code))
    return Operation(
        id=op, kind="prove_handle", at=at, device="kiosk", store="harbour", actor="customer",
        owner="tom", evidence=Evidence("A2"), args=registry.raw_args(args),
    )  # fmt: skip


def done(op: Operation, cell: Cell = Missing.ABSENT, *, now: int = AT) -> tuple[Row, ...]:
    read = registry.read(op)
    assert isinstance(read, registry.Readable)
    outcome = read.apply({KEY: cell}, now)
    assert isinstance(outcome, Effects)
    return outcome.rows


def code_of(row: Row) -> HandleCode:
    assert isinstance(row.body, HandleCode)
    return row.body


def test_a_code_is_kept_for_ten_minutes_and_only_as_a_digest() -> None:
    (row,) = done(asked())

    assert (row.owner, code_of(row).until) == ("tom", AT + CODE_US)
    assert b"482913" not in msgspec.json.encode(row.body)
    assert code_digest("tom", "482913") not in repr(row)


def test_one_asked_for_later_replaces_the_one_before_and_an_earlier_one_does_not() -> None:
    (first,) = done(asked())

    (second,) = done(asked("op-2", code="111111", at=AT + 1), first, now=AT + 1)

    assert code_of(second).digest == code_digest("tom", "111111")
    assert done(asked("op-0", at=AT - 1), second, now=AT + 1) == ()


def test_the_same_one_again_and_one_that_is_over_change_nothing() -> None:
    (row,) = done(asked())

    assert done(asked(), row) == ()
    assert done(asked(), now=AT + CODE_US) == ()


def test_a_code_itself_is_never_an_argument() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"digest": "482913"}, ProveHandle)
