"""What goes on in the other channels while the demo runs comes in through them, about customers this store knows."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hardware.clock import FixedClock
from hardware.moments import micros_of
from kiosk.demo.in_process import InProcessTransport
from kiosk.demo.letters import Person, whatsapp
from kiosk.demo.live import DAY_EVENTS, Wire, live_letter, tell_live
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


async def test_a_day_is_over_after_its_events(tmp_path: Path) -> None:
    clock, wire = FixedClock(NOW), Wire(URL)

    await tell_live(wire, clock=clock, run="day", is_day=True)

    assert wire._waiting.qsize() == DAY_EVENTS
    assert clock.now() - NOW == timedelta(minutes=12)


async def test_without_a_day_events_go_on_a_few_a_minute() -> None:
    clock, wire = FixedClock(NOW), Wire(URL)
    task = asyncio.create_task(tell_live(wire, clock=clock, run="x"))

    while wire._waiting.qsize() < 20:  # noqa: ASYNC110  # its clock moves by being waited on
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert timedelta(minutes=4) < clock.now() - NOW < timedelta(minutes=6)
