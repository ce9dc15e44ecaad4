"""When a band is proved through the centre: while it lies there, and once more where it is held there again."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from drivers.lines import Challenge, Left, Prove, Proved, Response, Said, Seen, Told
from hardware.clock import SystemClock
from kiosk.proving import Around, RemoteProver
from kiosk.vouched import Vouched
from sync.edge.band_auth import BandStep
from sync.model.wire import BandRequest

SEEN = Seen(1, "iso_dep", 0)
PROVABLE = Proved(1, "none", "desfire", 2, "04" * 7, "11" * 16, is_provable=True)


def _nobody(*_: Any) -> "Future[Any]":
    raise AssertionError("nothing is asked here")


def _prover(
    told: list[Told], *, is_online: bool, ask: Callable[..., "Future[Any]"] = _nobody
) -> RemoteProver:
    around = Around(
        ready=lambda: None,
        ask=ask,
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


async def test_what_the_centre_says_to_an_earlier_time_is_not_told_once_the_band_is_held_there_again() -> (
    None
):
    told: list[Told] = []
    asked: list[Future[BandStep]] = []

    def ask(*_: Any) -> "Future[BandStep]":
        asked.append(Future())
        return asked[-1]

    prover = _prover(told, is_online=True, ask=ask)
    challenge = Challenge(1, "04" * 7, 1, "ab" * 16, "ev2")
    first: tuple[Said, ...] = (SEEN, PROVABLE, challenge)
    again: tuple[Said, ...] = (Left(1), PROVABLE, challenge)
    for lines in (first, again):
        for said in lines:
            prover.heard(said)
        await asyncio.sleep(0)

    for state, future in zip(("first", "second"), asked, strict=True):
        future.set_result(BandStep(data=state.encode(), state=state))
    await asyncio.gather(*prover._tasks)

    assert told == [Prove(1), Prove(1), Response(1, 1, data=b"second".hex())]
    assert prover._state == "second"


async def test_the_centre_is_asked_in_what_the_chip_speaks_and_told_its_own_state_again() -> (
    None
):
    told: list[Told] = []
    asked: list[BandRequest] = []

    def ask(request: BandRequest) -> "Future[BandStep]":
        asked.append(request)
        answer: Future[BandStep] = Future()
        answer.set_result(BandStep(data=b"token", state="state", keys=b"keys", ti=b"ti"))
        return answer

    prover = _prover(told, is_online=True, ask=ask)
    prover.heard(SEEN)
    prover.heard(PROVABLE)
    for step in (1, 2):
        prover.heard(Challenge(1, "04" * 7, step, "ab" * 16, "lrp"))
        await asyncio.gather(*prover._tasks)

    assert asked == [
        BandRequest("04" * 7, 1, "ab" * 16, "", "lrp"),
        BandRequest("04" * 7, 2, "ab" * 16, "state", "lrp"),
    ]
    assert told[1:] == [
        Response(1, 1, data=b"token".hex()),
        Response(1, 2, keys=b"keys".hex(), ti=b"ti".hex()),
    ]
