"""The line that proofs of bands have for themselves: greets once, again when it must, and leaves nobody waiting."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from sync.edge.band_auth import BandStep
from sync.edge.band_line import BandLine
from sync.edge.client import CentreClient
from sync.model.errors import CentreRefused, CentreUnreachable
from sync.model.wire import BandRequest
from tests.support.transport import FakeCentre

WAIT_S = 20
STEP = BandStep(data=b"token", state="state")


class Calls(CentreClient):
    """A client whose calls are counted and answered as a test says."""

    def __init__(self, *answers: BandStep | Exception) -> None:
        clock, entropy = SystemClock(), SystemEntropy()
        centre = FakeCentre(clock, entropy)
        super().__init__(centre, identity=centre.device(), clock=clock, entropy=entropy)
        self.answers = list(answers)
        self.said: list[str] = []
        self.thread = 0
        self.has_asked = threading.Event()
        self.may_greet = threading.Event()
        self.may_greet.set()

    async def hello(self, **_: Any) -> Any:
        self.said.append("hello")
        await asyncio.to_thread(self.may_greet.wait, WAIT_S)

    async def band(self, request: BandRequest) -> BandStep:
        self.said.append(f"band {request.uid} {request.step} {request.data} {request.dialect}")
        self.thread = threading.get_ident()
        self.has_asked.set()
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer


@pytest.fixture
def lines() -> Iterator[list[BandLine]]:
    started: list[BandLine] = []
    yield started
    for line in started:
        line.stop()


def line_over(calls: Calls, lines: list[BandLine]) -> BandLine:
    line = BandLine(calls, lineage=lambda: "l1")
    lines.append(line)
    line.start()
    return line


def test_a_band_is_asked_about_on_another_thread_after_one_hello(lines: list[BandLine]) -> None:
    calls = Calls(STEP, STEP)
    line = line_over(calls, lines)

    answers = [
        line.prove(BandRequest("04", 1, "01", dialect="lrp")).result(WAIT_S) for _ in range(2)
    ]

    assert answers == [STEP, STEP]
    assert calls.said == ["hello", "band 04 1 01 lrp", "band 04 1 01 lrp"]
    assert calls.thread != threading.get_ident()


def test_a_band_that_is_being_read_has_the_centre_greeted_meanwhile_and_only_once(
    lines: list[BandLine],
) -> None:
    calls = Calls(STEP)
    calls.may_greet.clear()
    line = line_over(calls, lines)

    line.ready()
    line.ready()
    asked = line.prove(BandRequest("04", 1, ""))
    calls.may_greet.set()

    assert asked.result(WAIT_S) == STEP
    assert calls.said == ["hello", "band 04 1  ev2"]


def test_a_session_the_centre_does_not_know_any_more_is_renewed_for_the_band_that_is_there(
    lines: list[BandLine],
) -> None:
    over = CentreRefused("over", status=401, problem="session_over")
    calls = Calls(over, STEP)

    answer = line_over(calls, lines).prove(BandRequest("04", 1, ""))

    assert answer.result(WAIT_S) == STEP
    assert calls.said == ["hello", "band 04 1  ev2", "hello", "band 04 1  ev2"]


def test_a_band_the_centre_does_not_answer_for_is_not_asked_about_twice(
    lines: list[BandLine],
) -> None:
    no = CentreRefused("no", status=403, problem="not_allowed")
    calls = Calls(no)

    answer = line_over(calls, lines).prove(BandRequest("04", 1, ""))

    assert isinstance(answer.exception(WAIT_S), CentreRefused)
    assert len(calls.said) == 2


def test_nobody_waits_for_a_line_that_has_ended(lines: list[BandLine]) -> None:
    calls = Calls()
    line = line_over(calls, lines)

    under_way = line.prove(BandRequest("04", 1, ""))
    assert calls.has_asked.wait(WAIT_S)
    line.stop()
    late = line.prove(BandRequest("04", 1, ""))

    assert isinstance(under_way.exception(WAIT_S), CentreUnreachable)
    assert isinstance(late.exception(WAIT_S), CentreUnreachable)
