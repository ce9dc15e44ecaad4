"""A use as the reader process is told it, on virtual bands of every family that can witness."""

import dataclasses

import msgspec
import pytest

from drivers.chips.witness import CounterWitness
from drivers.chips.witnessing import carried_out, witness_place_of
from drivers.connection import Connection
from drivers.credential.witness import Kind, operation_tag
from drivers.errors import BandUnsupported
from drivers.lines import Use, Used
from hardware.virtual.faults import Fault, FaultKind
from tests.drivers.chips.test_counting import CHIPS, Made, Opened, _connected, _Torn
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


def _counted(opened: Opened, connection: Connection, **fields: object) -> Used:
    """What becomes of an order on a band that only counts."""
    return carried_out(
        order(**fields),  # type: ignore[arg-type]
        key=KEY,
        place=lambda: CounterWitness(opened(connection)),
    )


@pytest.mark.parametrize(("made", "opened", "n_opening", "n_counted"), CHIPS)
def test_a_chip_that_only_counts_gives_once_and_then_to_whoever_heard_of_it(
    made: Made, opened: Opened, n_opening: int, n_counted: int
) -> None:
    virtual, heard = made(), (operation_tag(FIRST).hex(),)

    first = _counted(opened, _connected(virtual))
    elsewhere = _counted(opened, _connected(virtual), operation=SECOND)
    knowing = _counted(opened, _connected(virtual), operation=SECOND, heard=heard, n_heard=1)

    assert (first.outcome, elsewhere.outcome) == ("recorded", "unsure")
    assert knowing.outcome == "recorded"
    assert opened(_connected(virtual)).uses() == 2


@pytest.mark.parametrize("is_heard", [False, True])
@pytest.mark.parametrize(("made", "opened", "n_opening", "n_counted"), CHIPS)
def test_an_order_torn_on_a_chip_that_only_counts_is_there_or_recorded_when_told_again(
    made: Made, opened: Opened, n_opening: int, n_counted: int, is_heard: bool
) -> None:
    outcomes = set()
    for at in range(1, n_counted + 2):
        virtual = made()

        torn = _counted(opened, _Torn(_connected(virtual), at, is_heard=is_heard))
        is_there = opened(_connected(virtual)).uses() == 1
        again = _counted(opened, _connected(virtual), stood=torn.stood)

        assert torn.outcome in {"torn", "undone"}
        assert (torn.stood == 0) is (torn.outcome == "torn")
        assert again.outcome == ("there" if is_there else "recorded")
        assert opened(_connected(virtual)).uses() == 1
        outcomes.add(again.outcome)

    assert outcomes == {"there", "recorded"}


@pytest.mark.parametrize(("made", "opened", "n_opening", "n_counted"), CHIPS)
def test_a_counter_that_moved_by_more_than_the_torn_use_cannot_say(
    made: Made, opened: Opened, n_opening: int, n_counted: int
) -> None:
    virtual = made()
    for _ in range(2):
        opened(_connected(virtual)).add_use()

    used = _counted(opened, _connected(virtual), stood=0)

    assert used.outcome == "unsure"
    assert opened(_connected(virtual)).uses() == 2


@pytest.mark.parametrize(("made", "opened", "n_opening", "n_counted"), CHIPS)
def test_a_counter_moved_by_a_use_that_was_heard_of_does_not_speak_for_the_torn_one(
    made: Made, opened: Opened, n_opening: int, n_counted: int
) -> None:
    virtual, heard = made(), (operation_tag(SECOND).hex(),)
    _counted(opened, _connected(virtual), operation=SECOND)

    used = _counted(opened, _connected(virtual), stood=0, heard=heard, n_heard=1)

    assert used.outcome == "recorded"
    assert opened(_connected(virtual)).uses() == 2


def test_a_desfire_is_believed_by_its_records_and_not_by_how_often_it_was_used() -> None:
    virtual = band()
    carried_out(order(), key=KEY, place=lambda: witness_place_of(tap(virtual).chip))

    used = carried_out(
        order(SECOND, stood=0), key=KEY, place=lambda: witness_place_of(tap(virtual).chip)
    )

    assert used.outcome == "used"


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
        {"at": 1 << 32},
        {"heard": ("zz",)},
        {"heard": ("00",)},
    ],
)
def test_an_order_that_does_not_fit_a_band_changes_nothing_and_is_not_asked_for_again(
    wrong: dict[str, object],
) -> None:
    virtual = band()
    made = msgspec.structs.replace(order(), **wrong)

    used = carried_out(made, key=KEY, place=lambda: witness_place_of(tap(virtual).chip))

    assert used.outcome == "unsure"
    assert n_uses(virtual) == 0


def test_what_is_told_shows_neither_entitlement_nor_operation() -> None:
    assert COFFEE not in repr(order())
    assert dataclasses.is_dataclass(order()) is False
