"""A use as the reader process is told it, on virtual bands of every family that can witness."""

import dataclasses

import msgspec
import pytest

from drivers.chips.witnessing import carried_out, witness_place_of
from drivers.credential.witness import Kind, operation_tag
from drivers.errors import BandUnsupported
from drivers.lines import Use
from hardware.virtual.faults import Fault, FaultKind
from tests.drivers.chips.test_witness import KEY, _torn, n_uses, tap
from tests.support.bands import band

FIRST = "01890a5d-ac96-774b-bcce-b302099a8057"
SECOND = "01890a5d-ac96-774b-bcce-b302099a8058"
COFFEE = "entitlement/coffee"
N_COMMIT = 7
"""Select, authenticate (2), value, record, debit, commit."""


def order(operation: str = FIRST, **fields: object) -> Use:
    made = Use(
        tap=7,
        operation=operation,
        of=COFFEE,
        kind=Kind.REDEEMED.value,
        amount=1,
        free=1,
        at=1_700_000_000,
        store="berlin",
    )
    return msgspec.structs.replace(made, **fields)


@pytest.mark.parametrize("ev", [1, 2])
def test_an_order_is_carried_out_once_and_said(ev: int) -> None:
    virtual = band(ev=ev)

    def told(what: Use) -> str:
        used = carried_out(what, key=KEY, place=lambda: witness_place_of(tap(virtual).chip))
        assert (used.tap, used.operation) == (7, what.operation)
        return used.outcome

    assert told(order()) == "recorded"
    assert told(order()) == "there"
    assert told(order(SECOND)) == "used"
    heard = (operation_tag(FIRST).hex(),)
    assert told(order(SECOND, heard=heard, n_heard=1)) == "recorded"
    assert n_uses(virtual) == 2


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
def test_a_torn_order_is_torn_or_undone_and_told_again_it_is_there_or_recorded(
    at: int, kind: FaultKind
) -> None:
    virtual = band()
    faulty = _torn(virtual, Fault(kind, at))

    torn = carried_out(order(), key=KEY, place=lambda: witness_place_of(tap(faulty).chip))
    is_there = bool(n_uses(virtual))
    again = carried_out(order(), key=KEY, place=lambda: witness_place_of(tap(virtual).chip))

    assert torn.outcome in {"torn", "undone"}
    assert not (is_there and torn.outcome == "undone")
    assert again.outcome == ("there" if is_there else "recorded")
    assert n_uses(virtual) == 1


def test_a_band_that_cannot_witness_is_not_sure() -> None:
    def nothing() -> object:
        raise BandUnsupported("a telephone")

    used = carried_out(order(), key=KEY, place=nothing)  # type: ignore[arg-type]

    assert used.outcome == "unsure"


@pytest.mark.parametrize("ev", [1, 2])
def test_a_band_from_before_the_witness_is_not_sure_and_not_asked_for_ever(ev: int) -> None:
    virtual = band(ev=ev, has_witness=False)

    used = carried_out(order(), key=KEY, place=lambda: witness_place_of(tap(virtual).chip))

    assert used.outcome == "unsure"


@pytest.mark.parametrize("kind", [FaultKind.REFUSED, FaultKind.WRONG_MAC, FaultKind.NO_MAC])
@pytest.mark.parametrize("at", range(1, 8))
def test_whatever_an_answer_says_against_a_use_it_is_not_given_and_not_half_there(
    at: int, kind: FaultKind
) -> None:
    virtual = band()
    faulty = _torn(virtual, Fault(kind, at))

    used = carried_out(order(), key=KEY, place=lambda: witness_place_of(tap(faulty).chip))

    is_there = bool(n_uses(virtual))
    assert used.outcome in ({"torn", "recorded"} if is_there else {"unsure", "torn"})
    if at == N_COMMIT:
        assert used.outcome == "torn"


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "not an id"},
        {"kind": 99},
        {"amount": -1},
        {"at": -1},
        {"heard": ("zz",)},
        {"heard": ("00",)},
    ],
)
def test_an_order_that_does_not_fit_a_band_changes_nothing(wrong: dict[str, object]) -> None:
    virtual = band()
    made = msgspec.structs.replace(order(), **wrong)

    used = carried_out(made, key=KEY, place=lambda: witness_place_of(tap(virtual).chip))

    assert used.outcome == "undone"
    assert n_uses(virtual) == 0


def test_what_is_told_shows_neither_entitlement_nor_operation() -> None:
    assert COFFEE not in repr(order())
    assert dataclasses.is_dataclass(order()) is False
