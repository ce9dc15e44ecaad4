"""Until when a clerk can promise something: moments people say, not any minute; pure."""

from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from hardware.moments import micros_of, moment_of

CHOICES: Final = ((0, 18), (1, 12), (1, 18), (2, 18), (3, 18), (7, 18), (14, 18))
"""Days from today, and the hour of that day, local time."""

AHEAD: Final = timedelta(hours=1)
"""Nobody promises for sooner than this: it would be broken before it is read."""


def due_choices(now: int, zone: tzinfo) -> tuple[int, ...]:
    """Moments that can be promised, the soonest first, microseconds since 1970."""
    here = moment_of(now).astimezone(zone)
    moments = (
        datetime.combine(here.date() + timedelta(days=days), time(hour), zone)
        for days, hour in CHOICES
    )
    return tuple(micros_of(it) for it in moments if it - here >= AHEAD)
