"""How a demo time is told from `now`, how chance is drawn from a name, and how a record becomes a row of its owner.

A demo time is microseconds since 1970, like the times in records. Every one of them follows from the `now` the brand is
built for, so that "three days ago" is three days ago whenever the demo is started.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from hardware.entropy import SeededEntropy
from hardware.moments import micros_of
from sync.model import ledger
from sync.model.records import (
    Account,
    Band,
    Case,
    Consent,
    Entitlement,
    Interaction,
    Offer,
    Order,
    Pickup,
    Price,
    Record,
    Stock,
)
from sync.model.row import Row, row_of

MINUTE_US: Final = 60 * 1_000_000
"""Microseconds."""

HOUR_US: Final = 60 * MINUTE_US
"""Microseconds."""

DAY_US: Final = 24 * HOUR_US
"""Microseconds."""

TUESDAY: Final = 1
"""As `datetime.weekday` counts."""

FRIDAY: Final = 4
"""As `datetime.weekday` counts."""

SATURDAY: Final = 5
"""As `datetime.weekday` counts."""

LAG_MIN: Final[dict[str, int]] = {
    "web": 4, "app": 3, "phone": 6, "whatsapp": 1, "instagram": 8, "tiktok": 8, "x": 7, "chat": 1,
    "email": 5, "store": 2, "warehouse": 10, "loyalty": 9, "headquarters": 30,
}  # fmt: skip
"""Every source of the demo's rows, and how many minutes ago the centre last heard from it."""

Choice = TypeVar("Choice")


def ago(now: datetime, *, days: int = 0, hours: int = 0, minutes: int = 0) -> int:
    """The moment that long before `now`, in microseconds."""
    return micros_of(now) - days * DAY_US - hours * HOUR_US - minutes * MINUTE_US


def ahead(now: datetime, *, days: int) -> int:
    """The moment that many days after `now`, in microseconds."""
    return micros_of(now) + days * DAY_US


def end_of_day(now: datetime, *, days: int) -> int:
    """The end of the day that many days after the day of `now`, in its zone, in microseconds."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return micros_of(midnight + timedelta(days=days + 1))


def last_weekday(
    now: datetime, weekday: int, *, hour: int, minute: int = 0, margin_min: int = 1
) -> int:
    """The newest such weekday and time of day, in the zone of `now`, at least `margin_min` before `now`."""
    latest = micros_of(now) - margin_min * MINUTE_US
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    candidates = (today - timedelta(days=back) for back in range(9))
    return next(
        micros_of(day)
        for day in candidates
        if day.weekday() == weekday and micros_of(day) <= latest
    )


def next_weekday(now: datetime, weekday: int, *, hour: int) -> int:
    """The first such weekday and hour after `now`, in the zone of `now`."""
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    candidates = (today + timedelta(days=ahead) for ahead in range(9))
    return next(
        micros_of(day)
        for day in candidates
        if day.weekday() == weekday and micros_of(day) > micros_of(now)
    )


def number(seed: str, low: int, high: int) -> int:
    """A number from `low` to `high`, both included, that follows from `seed`."""
    drawn = int.from_bytes(SeededEntropy(f"tapthread demo {seed}").draw(8), "big")
    return low + drawn % (high - low + 1)


def pick(seed: str, choices: Sequence[Choice]) -> Choice:
    """One of `choices`, that follows from `seed`."""
    return choices[number(seed, 0, len(choices) - 1)]


def money(minor: int) -> str:
    """An amount as it is written in a message: "31.92", and "41" without cents."""
    whole, cents = divmod(minor, 100)
    return f"{whole}.{cents:02}" if cents else str(whole)


def owned_row(body: Record, *, owner: str, now: datetime) -> Row:
    """The row of a record: who says so follows from its kind, and its age from when that source was last heard.

    A row is never older than what it tells: a message of this minute is known since this minute.
    """
    source, told_at = _origin(body)
    heard_at = ago(now, minutes=LAG_MIN[source])
    return row_of(body, owner=owner, as_of=max(heard_at, told_at), source=source)


def owned_rows(bodies: Sequence[Record], *, owner: str, now: datetime) -> tuple[Row, ...]:
    """The rows of all these records of one owner, with the entry that each balance among them begins with."""
    openings = (
        ledger.opening_of(body, at=micros_of(now))
        for body in bodies
        if isinstance(body, Account | Entitlement)
    )
    entered = (*bodies, *(entry for entry in openings if entry is not None))
    return tuple(owned_row(body, owner=owner, now=now) for body in entered)


_SOURCE_OF: Final[dict[type[Record], str]] = {
    Band: "store",
    Stock: "warehouse",
    Account: "loyalty",
    Offer: "loyalty",
    Consent: "loyalty",
}
"""Who says so, for kinds of records that name no channel themselves; the others come from headquarters."""


def _origin(body: Record) -> tuple[str, int]:
    """Who says so, and when it happened; 0 where it did not happen at a time."""
    match body:
        case Interaction(channel=channel, at=at) | Order(channel=channel, at=at):
            return channel, at
        case Case(channel=channel, opened_at=at):
            return channel, at
        case Pickup(ready_at=at):
            return ("store" if at else "warehouse"), at
        case Stock(place="web"):
            return "web", 0
        case Price(channel=channel):
            return channel, 0
        case _:
            return _SOURCE_OF.get(type(body), "headquarters"), 0
