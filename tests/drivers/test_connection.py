"""Work is done while an answer is on its way where a connection waits by itself, and before it where a library waits."""

import pytest

from drivers.connection import CountingConnection, Work, transmitted
from drivers.errors import BandLeft, Delivery
from drivers.pump import READ_MS, _Hurried
from hardware.clock import FixedClock
from hardware.moments import moment_of


class Plain:
    """A connection that writes down what happens to it."""

    generation = 3

    def __init__(self) -> None:
        self.told: list[str] = []

    def transmit(self, command: bytes) -> bytes:
        self.told += ["sent", "answered"]
        return command

    def work(self) -> None:
        self.told.append("worked")


class Patient(Plain):
    """One that leaves its user the time."""

    def transmit_while(self, command: bytes, work: Work) -> bytes:
        self.told.append("sent")
        work()
        self.told.append("answered")
        return command


@pytest.mark.parametrize(
    ("connection", "told"),
    [(Plain(), ["worked", "sent", "answered"]), (Patient(), ["sent", "worked", "answered"])],
    ids=["library", "patient"],
)
@pytest.mark.parametrize("is_counted", [False, True])
def test_work_is_done_once_and_as_late_as_the_connection_allows(
    connection: Plain, told: list[str], is_counted: bool
) -> None:
    connection.told.clear()
    counting = CountingConnection(connection)

    answer = transmitted(counting if is_counted else connection, b"\x5a", connection.work)

    assert answer == b"\x5a"
    assert connection.told == told
    assert counting.count == is_counted
    assert counting.generation == 3


def test_a_reading_that_takes_too_long_sends_nothing_more_in_either_way() -> None:
    clock, connection = FixedClock(moment_of(0)), Patient()
    hurried = _Hurried(connection, clock)
    transmitted(hurried, b"\x5a", connection.work)
    clock.sleep_ms(READ_MS)

    with pytest.raises(BandLeft) as late:
        hurried.transmit(b"\x5a")
    with pytest.raises(BandLeft) as late_too:
        transmitted(hurried, b"\x5a", connection.work)

    assert late.value.delivery is late_too.value.delivery is Delivery.NOT_SENT
    assert connection.told == ["sent", "worked", "answered"]
