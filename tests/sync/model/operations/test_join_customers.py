"""What staff say of who is whom, before the centre does it."""

import msgspec
import pytest

from sync.model.operation import Effects, Operation, OperationClass, Outcome, Refusal
from sync.model.operations.decline_likeness import DeclineLikeness
from sync.model.operations.join_customers import JoinCustomers, join_id
from sync.model.operations.unjoin_customers import UnjoinCustomers
from sync.model.registry import Readable, read
from tests.support.shop import LENA, NOON, operation


def readable_of(op: Operation) -> Readable:
    found = read(op)
    assert isinstance(found, Readable)
    return found


def outcome_of(args: msgspec.Struct) -> Outcome:
    return readable_of(operation(args)).apply({}, NOON)


@pytest.mark.parametrize(
    "args", [JoinCustomers(other=LENA, why="looks alike"), DeclineLikeness(other=LENA)]
)
def test_nobody_is_joined_with_themselves(args: msgspec.Struct) -> None:
    assert outcome_of(args) == Refusal("same_customer")


@pytest.mark.parametrize(
    "args",
    [
        JoinCustomers(other="tom", why="an ID seen"),
        DeclineLikeness(other="tom"),
        UnjoinCustomers(join="j-1"),
    ],
)
def test_a_device_changes_no_row_by_itself(args: msgspec.Struct) -> None:
    assert outcome_of(args) == Effects(())


def test_a_join_without_a_reason_is_no_join() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"other": "tom", "why": ""}, JoinCustomers)


def test_a_join_is_undone_by_its_own_name() -> None:
    op = operation(JoinCustomers(other="tom", why="an ID seen"), op_id="op-1")

    undo = readable_of(op).undo("op-2", NOON + 1)

    assert undo is not None
    found = readable_of(undo)
    assert found.args == UnjoinCustomers(join=join_id("op-1"))
    assert found.kind.op_class is OperationClass.FACT
