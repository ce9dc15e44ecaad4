"""The ghost-town watch at the centre: counted from its rows, told to every counter."""

from pathlib import Path

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central.centre import Centre
from sync.central.channels.adapter import Settings
from sync.central.watch import LOOK_MIN_MS, Watch, watched
from sync.model.records import Case, ChannelWatch, Customer, Interaction, Price, Promise, Record
from sync.model.row import row_of
from tests.support.centre import open_centre

HOUR_US = 3_600 * 1_000_000
DAY_US = 24 * HOUR_US
NOW = 1_800_000_000_000_000


def put(centre: Centre, owner: str, *bodies: Record) -> None:
    centre.put_rows(
        row_of(body, owner=owner, as_of=getattr(body, "at", NOW), source="web")
        for body in bodies
    )


@pytest.fixture
def empty(centre: Centre) -> Centre:
    centre.erase("lena")
    return centre


def wrote(
    name: str, hours_ago: int, channel: str = "whatsapp", **changes: object
) -> Interaction:
    at = NOW - hours_ago * HOUR_US
    said = Interaction(
        id=name, at=at, channel=channel, direction="in", by="Priya", text="?", due_at=at + DAY_US
    )  # fmt: skip
    return msgspec.structs.replace(said, **changes)


def channel(centre: Centre, name: str) -> ChannelWatch:
    row = centre.row(f"watch/{name}")
    assert row is not None
    assert isinstance(row.body, ChannelWatch)
    return row.body


def look(centre: Centre) -> int:
    return Watch(centre._parts).look()


def test_every_counter_hears_who_waits_in_each_channel(empty: Centre) -> None:
    put(empty, "priya", Customer(id="priya", given_name="Priya"))
    now = empty._parts.now
    for name, hours in (("a", 71), ("b", 3)):
        body = wrote(name, 0, at=now - hours * HOUR_US, due_at=now - hours * HOUR_US + DAY_US)
        put(empty, name, body)

    n_changed = look(empty)

    assert n_changed == 1
    found = channel(empty, "whatsapp")
    assert (found.n_waiting, found.n_late) == (2, 1)
    assert found.oldest_at == now - 71 * HOUR_US


def test_counters_hear_in_which_channels_nothing_can_be_sent(empty: Centre) -> None:
    put(empty, "a", wrote("a", 1, "whatsapp", at=empty._parts.now))
    ways = [
        Settings(
            "business",
            "whatsapp",
            "whatsapp",
            secrets={"access": "test"},
            options={"phone_id": "1"},
        )
    ]

    Watch(empty._parts, ways).look()

    assert channel(empty, "whatsapp").has_way_out
    assert not channel(empty, "tiktok").has_way_out


def test_nothing_is_told_twice_and_an_answer_ends_it(empty: Centre) -> None:
    now = empty._parts.now
    body = wrote("a", 0, at=now - 71 * HOUR_US, due_at=now - HOUR_US)
    put(empty, "priya", body)
    watch = Watch(empty._parts)
    assert watch.look() == 1

    assert watch.look() == 0
    put(empty, "priya", msgspec.structs.replace(body, answered_at=now))
    assert watch.look() == 1

    found = channel(empty, "whatsapp")
    assert (found.n_waiting, found.n_late, found.oldest_at) == (0, 0, 0)


def test_who_waits_for_half_a_year_is_still_counted(empty: Centre) -> None:
    put(
        empty, "tom", wrote("old", 24 * 180, "x"), wrote("done", 24 * 180, "x", answered_at=NOW)
    )

    found = watched(empty._store, now=NOW)

    assert [(it.channel, it.n_waiting, it.n_late) for it in found.waiting] == [("x", 1, 1)]


def test_what_must_not_wait_is_listed_by_name_the_longest_due_first(empty: Centre) -> None:
    put(
        empty,
        "priya",
        Customer(id="priya", given_name="Priya", family_name="Nair"),
        wrote("a", 71),
    )
    put(empty, "lena2", Customer(id="lena2", given_name="Lena"), wrote("b", 21))
    case = Case(
        id="c", number="C-1", state="open", topic="bill", opened_at=NOW, channel="phone",
        promise=Promise("Ana", "call you", NOW + HOUR_US),
    )  # fmt: skip
    put(empty, "tom", Customer(id="tom", given_name="Tom"), case)

    found = watched(empty._store, now=NOW)

    assert [(it.code, it.name) for it in found.alarms] == [
        ("late", "Priya Nair"),
        ("promise_due", "Tom"),
        ("window_closing", "Lena"),
    ]


def test_an_alarm_rings_once(empty: Centre) -> None:
    now = empty._parts.now
    put(empty, "priya", wrote("a", 0, at=now - 71 * HOUR_US, due_at=now - HOUR_US))
    watch = Watch(empty._parts)

    watch.look()
    watch.look()

    assert empty.counters.all()["alarm.late"] == 1


def test_the_centre_looks_by_itself_but_not_at_every_round(empty: Centre) -> None:
    now = empty._parts.now
    put(empty, "priya", wrote("a", 0, at=now - 71 * HOUR_US, due_at=now - HOUR_US))

    first, second = empty.tidy(), empty.tidy()

    assert (first["watched"], second["watched"]) == (1, 0)
    assert channel(empty, "whatsapp").n_late == 1


def test_the_three_sins_are_counted_with_the_shelf_of_the_home_store(empty: Centre) -> None:
    put(empty, "", Price("j@web", "j", "web", 4_100), Price("j@store", "j", "store", 4_500))
    put(empty, "priya", wrote("a", 71))

    found = watched(empty._store, now=NOW, home="harbour")

    assert (found.sins.unanswered, found.sins.contradictions) == (1, 1)


def test_where_counting_takes_nothing_it_is_counted_anew_within_a_minute(
    tmp_path: Path,
) -> None:
    clock = FixedClock(moment_of(NOW))
    centre = open_centre(tmp_path / "c", clock=clock)
    watch = Watch(centre._parts)
    watch.look_now_and_then()
    put(centre, "priya", wrote("a", 71))

    clock.sleep_ms(LOOK_MIN_MS - 1)
    before = watch.look_now_and_then()
    clock.sleep_ms(1)
    after = watch.look_now_and_then()
    centre.close()

    assert (before, after) == (0, 1)
