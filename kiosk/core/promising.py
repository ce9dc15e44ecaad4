"""Until when a clerk can promise something: moments people say, not any minute; and how often it was promised before; pure."""

from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from hardware.moments import micros_of, moment_of
from kiosk.core.entries import Telling
from sync.model.promises import Tally

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


def promised_count(it: Tally, tell: Telling, *, told_at: int = 0) -> str:
    """How often something was promised on a case and how often that was broken, "" for once.

    Args:
        it: What was counted.
        tell: What lines are made with.
        told_at: For when the promise was that is told with it: its time is not said twice.
    """
    if it.n_promised < 2:
        return ""
    form = "promises.broken.due" if it.broken_at != told_at else "promises.broken"
    due = tell.at(it.broken_at)
    return tell.words.say(
        form if it.n_broken else "promises.none", n=it.n_promised, broken=it.n_broken, due=due
    )
