"""Until when a clerk can promise something."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hardware.moments import micros_of, moment_of
from kiosk.core.promising import due_choices

BERLIN = ZoneInfo("Europe/Berlin")


def said(*now: int) -> list[str]:
    """The choices at a local moment, as local moments."""
    dues = due_choices(micros_of(datetime(*now, tzinfo=BERLIN)), BERLIN)  # type: ignore[misc,arg-type]  # year to minute
    return [f"{moment_of(due).astimezone(BERLIN):%d %b %H:%M}" for due in dues]


def test_in_the_morning_this_evening_can_be_promised() -> None:
    assert said(2026, 3, 3, 9, 0) == [
        "03 Mar 18:00", "04 Mar 12:00", "04 Mar 18:00", "05 Mar 18:00", "06 Mar 18:00",
        "10 Mar 18:00", "17 Mar 18:00",
    ]  # fmt: skip


def test_nothing_is_promised_for_within_the_hour() -> None:
    assert said(2026, 3, 3, 17, 1)[0] == "04 Mar 12:00"


def test_where_clocks_change_in_between_it_is_still_that_hour_of_the_day() -> None:
    assert said(2026, 3, 28, 20, 0)[:2] == ["29 Mar 12:00", "29 Mar 18:00"]
