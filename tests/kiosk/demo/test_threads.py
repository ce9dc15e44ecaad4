"""Demo times are told from now, and chance follows from a name."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hardware.moments import micros_of, moment_of
from kiosk.demo.threads import (
    DAY_US,
    FRIDAY,
    LAG_MIN,
    MINUTE_US,
    SATURDAY,
    ago,
    ahead,
    end_of_day,
    last_weekday,
    money,
    next_weekday,
    number,
    owned_row,
    pick,
)
from sync.model.records import (
    CHANNELS,
    Band,
    Case,
    Customer,
    Interaction,
    Offer,
    Order,
    Pickup,
    Price,
    Stock,
)

FRIDAY_NOON = datetime(2026, 5, 8, 12, 0, tzinfo=UTC)


def test_the_end_of_a_day_is_the_midnight_after_it_in_the_zone_of_now() -> None:
    east = FRIDAY_NOON.astimezone(timezone(timedelta(hours=2)))

    assert moment_of(end_of_day(FRIDAY_NOON, days=2)) == datetime(2026, 5, 11, tzinfo=UTC)
    assert moment_of(end_of_day(east, days=0)) == datetime(2026, 5, 8, 22, tzinfo=UTC)


def test_ago_and_ahead_count_from_now() -> None:
    now = micros_of(FRIDAY_NOON)

    assert ago(FRIDAY_NOON, days=1, hours=2, minutes=3) == now - DAY_US - 123 * MINUTE_US
    assert ahead(FRIDAY_NOON, days=2) == now + 2 * DAY_US


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 5, 8, 16, 59, tzinfo=UTC), datetime(2026, 5, 1, 17, tzinfo=UTC)),
        (datetime(2026, 5, 8, 17, 0, tzinfo=UTC), datetime(2026, 5, 1, 17, tzinfo=UTC)),
        (datetime(2026, 5, 8, 17, 1, tzinfo=UTC), datetime(2026, 5, 8, 17, tzinfo=UTC)),
        (datetime(2026, 5, 14, 9, 0, tzinfo=UTC), datetime(2026, 5, 8, 17, tzinfo=UTC)),
    ],
)
def test_the_last_friday_at_17_is_over_by_at_least_a_minute(
    now: datetime, expected: datetime
) -> None:
    assert moment_of(last_weekday(now, FRIDAY, hour=17)) == expected


def test_a_weekday_is_meant_in_the_zone_of_now() -> None:
    west = timezone(timedelta(hours=-7))
    now = datetime(2026, 5, 9, 1, 0, tzinfo=west)

    due = moment_of(last_weekday(now, FRIDAY, hour=17)).astimezone(west)

    assert due == datetime(2026, 5, 8, 17, tzinfo=west)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (FRIDAY_NOON, datetime(2026, 5, 9, 17, tzinfo=UTC)),
        (datetime(2026, 5, 9, 17, tzinfo=UTC), datetime(2026, 5, 16, 17, tzinfo=UTC)),
    ],
)
def test_the_next_saturday_is_always_ahead(now: datetime, expected: datetime) -> None:
    assert moment_of(next_weekday(now, SATURDAY, hour=17)) == expected


def test_chance_follows_from_the_name_and_stays_in_its_bounds() -> None:
    drawn = [number(f"any {index}", 3, 5) for index in range(60)]

    assert drawn == [number(f"any {index}", 3, 5) for index in range(60)]
    assert set(drawn) == {3, 4, 5}
    assert pick("any", ("only",)) == "only"


def test_money_is_written_as_people_write_it() -> None:
    assert [money(3192), money(4100), money(905)] == ["31.92", "41", "9.05"]


def test_every_channel_has_a_source() -> None:
    assert set(CHANNELS) <= set(LAG_MIN)


def test_a_row_is_as_old_as_its_source_was_last_heard() -> None:
    band = Band(id="00", state="active")

    row = owned_row(band, owner="maya", now=FRIDAY_NOON)

    assert (row.key, row.owner, row.source) == ("band/00", "maya", "store")
    assert row.as_of == ago(FRIDAY_NOON, minutes=LAG_MIN["store"])


def test_a_row_is_never_older_than_what_it_tells() -> None:
    at = ago(FRIDAY_NOON, minutes=1)
    post = Interaction(id="1", at=at, channel="tiktok", direction="in", by="Jonas", text="Hi.")

    row = owned_row(post, owner="jonas", now=FRIDAY_NOON)

    assert (row.as_of, row.source) == (at, "tiktok")


def test_the_source_of_a_row_follows_from_what_it_is() -> None:
    at = ago(FRIDAY_NOON, days=1)
    case = Case(id="C", number="C", state="open", topic="", opened_at=at, channel="email")
    order = Order(id="A", at=at, channel="app", state="paid", lines=(), total_minor=0)
    expected = (
        (case, "email"),
        (order, "app"),
        (Pickup(id="P", order="A", store="harbour", state="expected"), "warehouse"),
        (Pickup(id="P", order="A", store="harbour", state="ready", ready_at=at), "store"),
        (Stock(id="m@web", product="m", place="web", count=1, counted_at=at), "web"),
        (Stock(id="m@s", product="m", place="s", count=1, counted_at=at), "warehouse"),
        (Price(id="m@app", product="m", channel="app", amount_minor=1), "app"),
        (Offer(id="o", title="", reason=""), "loyalty"),
        (Customer(id="maya", given_name="Maya"), "headquarters"),
    )

    for body, source in expected:
        assert owned_row(body, owner="", now=FRIDAY_NOON).source == source, body
