"""What goes on in the other channels while the demo runs comes in through them, about customers this store knows."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

from hardware.clock import FixedClock
from hardware.moments import micros_of, moment_of
from kiosk.core.entries import is_unanswered
from kiosk.demo.crowd import crowd_rows
from kiosk.demo.in_process import InProcessTransport
from kiosk.demo.letters import Person, whatsapp
from kiosk.demo.live import DAY_EVENTS, PastDay, Wire, _people, live_letter, tell_live
from sync.central.centre import Centre
from sync.edge.switch import SwitchedTransport
from sync.model.records import Interaction, Order

NOW = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
URL = "http://centre.test"


def customers(centre: Centre) -> int:
    with centre._store.reading() as snapshot:
        return len(snapshot.rows_of_kind("customer"))


async def test_events_come_in_over_http_and_make_nobody_new(
    centre: Centre, clock: FixedClock
) -> None:
    wire = Wire(URL, transport=InProcessTransport(centre.asgi_app))
    before, began = customers(centre), micros_of(clock.now())

    for index in range(10):
        clock.sleep_ms(14_000)
        assert await wire.carry(live_letter(index, now=clock.now(), run="a")), index

    with centre._store.reading() as snapshot:
        bodies = [
            row.body
            for kind in ("interaction", "order")
            for row in snapshot.rows_of_kind(kind)
            if row.as_of > began
        ]
    asked = [it for it in bodies if isinstance(it, Interaction) and it.direction == "in"]
    assert (wire.n_told, wire.n_refused) == (10, 0)
    assert customers(centre) == before
    assert len(asked) == 4
    assert all(it.answered_at for it in asked)
    assert len([it for it in bodies if isinstance(it, Order)]) == 2


def test_a_second_run_tells_other_events() -> None:
    first, second = (live_letter(0, now=NOW, run=run) for run in ("a", "b"))

    assert first.delivery.body != second.delivery.body


def test_the_same_run_tells_the_same_events() -> None:
    assert [live_letter(index, now=NOW, run="a") for index in range(5)] == [
        live_letter(index, now=NOW, run="a") for index in range(5)
    ]


async def test_what_the_centre_does_not_believe_is_counted_and_stops_nothing(
    centre: Centre, clock: FixedClock
) -> None:
    wire = Wire(URL, transport=InProcessTransport(centre.asgi_app))
    ruth = Person("ruth", "Ruth", "Abrams", phone="+447700900109")
    old = live_letter(0, now=NOW - timedelta(days=1), run="old")

    is_taken = [await wire.carry(old), await wire.carry(whatsapp("new", ruth, "Hi.", at=micros_of(NOW), now=micros_of(NOW)))]  # fmt: skip

    assert is_taken == [False, True]
    assert (wire.n_told, wire.n_refused) == (1, 1)


async def test_without_a_centre_nothing_is_carried_and_nothing_breaks(centre: Centre) -> None:
    switch = SwitchedTransport(InProcessTransport(centre.asgi_app))
    switch.cut()
    wire = Wire(URL, transport=switch)

    assert not await wire.carry(live_letter(0, now=NOW, run="cut"))


async def carried(wire: Wire, n: int, *, clock: FixedClock, day: PastDay | None = None) -> None:
    """Let things happen until so many were told."""
    task = asyncio.create_task(tell_live(wire, clock=clock, run="x", day=day))
    while wire._waiting.qsize() < n:  # noqa: ASYNC110  # its clock moves by being waited on
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_day_passes_in_twelve_minutes_each_event_at_its_own_time() -> None:
    clock, wire = FixedClock(NOW), Wire(URL)
    day = PastDay.begun(clock, UTC)
    began = moment_of(day.at)

    await carried(wire, 61, clock=clock, day=day)

    letters = [wire._waiting.get_nowait() for _ in range(60)]
    assert began == datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    assert moment_of(letters[0].at) == began + timedelta(minutes=6)
    assert moment_of(letters[-1].at) == began + timedelta(hours=6)
    assert clock.now() - NOW < timedelta(minutes=7)


async def test_who_asked_in_the_day_and_was_answered_waits_at_no_moment() -> None:
    """A question of yesterday that stands alone for six seconds would be counted as a day late."""
    clock, wire = FixedClock(NOW), Wire(URL)

    await carried(wire, 2, clock=clock, day=PastDay.begun(clock, UTC))

    asked, answered = wire._waiting.get_nowait(), wire._waiting.get_nowait()
    assert asked.delivery.now == answered.delivery.now
    assert answered.at - asked.at == 6 * 60 * 1_000_000


async def test_after_the_day_it_is_now_again_and_a_few_events_a_minute_come() -> None:
    clock, wire = FixedClock(NOW), Wire(URL)
    day = PastDay.begun(clock, UTC)

    await carried(wire, DAY_EVENTS + 2, clock=clock, day=day)

    last = [wire._waiting.get_nowait() for _ in range(wire._waiting.qsize())][-1]
    assert day.at == 0
    assert NOW + timedelta(minutes=12) < moment_of(last.at) <= clock.now()


async def test_a_past_day_comes_in_with_its_times_and_is_believed(
    centre: Centre, clock: FixedClock
) -> None:
    wire = Wire(URL, transport=InProcessTransport(centre.asgi_app))
    at = clock.now() - timedelta(days=1)

    is_taken = [
        await wire.carry(live_letter(index, at=at, now=clock.now(), run="past"))
        for index in range(5)
    ]

    assert all(is_taken)
    assert len(told_at(centre, micros_of(at))) == 5


def told_at(centre: Centre, at: int) -> list[Interaction | Order]:
    """Contacts and orders of that moment, as the centre holds them."""
    with centre._store.reading() as snapshot:
        bodies = [
            row.body for kind in ("interaction", "order") for row in snapshot.rows_of_kind(kind)
        ]
    return [
        it
        for it in bodies
        if isinstance(it, Interaction | Order) and abs(it.at - at) < 1_000_000
    ]


def test_nobody_of_the_crowd_who_waits_for_an_answer_is_answered_by_what_goes_on() -> None:
    """Or the list of who waits would empty by itself."""
    waiting = {
        row.owner
        for row in crowd_rows(NOW)
        if isinstance(row.body, Interaction) and is_unanswered(row.body)
    }

    assert len(waiting) > 10
    assert not waiting & {person.key for person in _people()}


async def test_without_a_day_events_go_on_a_few_a_minute() -> None:
    clock, wire = FixedClock(NOW), Wire(URL)

    await carried(wire, 20, clock=clock)

    assert timedelta(minutes=4) < clock.now() - NOW < timedelta(minutes=6)
