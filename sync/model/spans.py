"""How a length of time is said, and how late something is: one rule for the counter, the card, the agents' pages and the reports. Pure.

    below 1 min     seconds
    below 90 min    minutes
    below 48 h      hours
    from there      days

Late is counted from the time that was promised, never from when somebody wrote: of one thing every page says the same.
"""

from typing import Final

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

MINUTES_BELOW: Final = 90
"""From so many minutes on hours are said."""

HOURS_BELOW: Final = 48
"""From so many hours on days are said; so there is never "1 day"."""

_UNITS: Final = {"seconds": "s", "minutes": "min", "hours": "h", "days": "days"}


def measured(micros: int) -> tuple[int, str]:
    """How many of which unit, rounded down: seconds, minutes, hours or days; nothing is shorter than 0 seconds."""
    length = max(micros, 0)
    if length < MINUTE_US:
        return length // SECOND_US, "seconds"
    if length < MINUTES_BELOW * MINUTE_US:
        return length // MINUTE_US, "minutes"
    if length < HOURS_BELOW * HOUR_US:
        return length // HOUR_US, "hours"
    return length // DAY_US, "days"


def span(micros: int) -> str:
    """A length of time: "40 s", "3 min", "47 h", "2 days"."""
    count, unit = measured(micros)
    return f"{count} {_UNITS[unit]}"


def late(due_at: int, now: int) -> str:
    """How long ago a promised time was: "47 h late". Both in microseconds since 1970; the first second counts whole."""
    return f"{span(max(now - due_at, SECOND_US))} late"
