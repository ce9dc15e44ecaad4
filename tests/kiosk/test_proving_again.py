"""When a band is proved through the centre: while it lies there, and once more where it is held there again."""

from concurrent.futures import Future
from typing import Any

from drivers.lines import Left, Prove, Proved, Seen, Told
from hardware.clock import SystemClock
from kiosk.proving import Around, RemoteProver
from kiosk.vouched import Vouched

SEEN = Seen(1, "iso_dep", 0)
PROVABLE = Proved(1, "none", "desfire", 2, "04" * 7, "11" * 16, is_provable=True)


def _nobody(*_: Any) -> "Future[Any]":
    raise AssertionError("nothing is asked here")


def _prover(told: list[Told], *, is_online: bool) -> RemoteProver:
    around = Around(
        ready=lambda: None,
        ask=_nobody,
        want=_nobody,
        is_held=lambda _: True,
        is_online=lambda: is_online,
        tell=told.append,
        again=lambda _: None,
    )
    return RemoteProver(around, vouched=Vouched(SystemClock()))


def test_a_band_is_proved_where_the_centre_answers() -> None:
    told: list[Told] = []
    prover = _prover(told, is_online=True)

    for said in (SEEN, PROVABLE):
        prover.heard(said)

    assert told == [Prove(1)]


def test_without_a_centre_nothing_is_tried_before_the_band_is_held_there_again() -> None:
    told: list[Told] = []
    prover = _prover(told, is_online=False)
    for said in (SEEN, PROVABLE, Left(1)):
        prover.heard(said)
    assert told == []

    prover.heard(PROVABLE)

    assert told == [Prove(1)]


def test_a_band_of_an_older_tap_is_not_proved() -> None:
    told: list[Told] = []
    prover = _prover(told, is_online=True)

    for said in (SEEN, Left(1), Seen(2, "iso_dep", 0), PROVABLE):
        prover.heard(said)

    assert told == []
