"""Rows of one customer as the values a page shows; pure. What is foreign stays text: the templates escape all of it.

An agent sees less than a clerk at a counter: of a contact point only its end, of a sensitive contact only that there was one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

import msgspec

from hardware.moments import moment_of
from sync.central.pages.waiting import Waits
from sync.model import promises
from sync.model.card import (
    STAFF_ONLY,
    Card,
    CardLine,
    card_of,
    channel_name,
    moment_in,
    plain,
)
from sync.model.checklist import is_struck
from sync.model.profile import Profile
from sync.model.records import (
    CHANNELS,
    Case,
    ContactPoint,
    Interaction,
    Join,
    Likeness,
    Order,
    Serving,
    way_of,
)
from sync.model.row import Row
from sync.model.spans import late

TIMELINE_MAX: Final = 60
"""Lines of the timeline; older ones are counted."""

OLDER_MAX: Final = 20
"""Equal contacts shown one by one on a press."""

TEXT_MAX: Final = 1_000
HIDDEN: Final = "(sensitive: a clerk of a store sees it)"
_ROLES: Final = {"in": "customer", "out": "us", "note": "note"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline.

    Attributes:
        side: customer | us | note | order.
        is_waiting: Nobody answered it; such a line is never folded away.
        topic: What folds equal ones, "" for nothing.
        n_equal: How many contacts it stands for, `first` when the oldest of them was.
        older: The newest OLDER_MAX equal ones before it, which are shown on a press.
    """

    when: str
    channel: str
    side: str
    by: str
    text: str
    mark: str
    is_waiting: bool = False
    topic: str = ""
    n_equal: int = 1
    first: str = ""
    older: tuple["Line", ...] = ()


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case a form may be about. `struck` are remedies not to be offered again; `is_promised`: something is to be kept."""

    id: str
    title: str
    missing: tuple[str, ...]
    struck: tuple[str, ...]
    is_promised: bool = False


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """One line of the list of who waits: who, for what, since when or until when, and how late that is."""

    name: str
    what: str
    when: str
    late: str = ""


@dataclass(frozen=True, slots=True)
class Alike:
    """Somebody who may be the same person, and why the centre thinks so."""

    other: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """All a page says of a customer."""

    name: str
    card: Card
    lines: tuple[CardLine, ...]
    timeline: tuple[Line, ...]
    n_older: int
    cases: tuple[OpenCase, ...]
    reach: tuple[str, ...]
    alike: tuple[Alike, ...]
    joins: tuple[str, ...]
    zone: str


def sheet_of(
    owner: str,
    rows: Iterable[Row],
    stores: Iterable[Row],
    *,
    now: int,
    zone: tzinfo,
    viewer: str,
) -> Sheet:
    """What a page says.

    Args:
        owner: Customer id.
        rows: Every row of theirs.
        stores: Rows of the stores, for their names.
        now: Microseconds since 1970.
        zone: Local time of the agents.
        viewer: Who looks, as in `Operation.actor`.
    """
    kept = tuple(map(_hidden, rows))
    card = card_of(Profile(owner, (*kept, *stores)), now=now, zone=zone, viewer=viewer)
    profile = Profile(owner, kept)
    timeline, n_older = _timeline(profile, now, zone)
    return Sheet(
        name=card.name,
        card=card,
        lines=tuple(line for line in card.lines if line.part != "serving"),
        timeline=timeline,
        n_older=n_older,
        cases=_cases(profile),
        reach=_reach(profile),
        alike=tuple(
            Alike(it.other, plain(it.name, 60) or "somebody without a name", _why(it.why))
            for _, it in profile.of(Likeness)
        ),
        joins=tuple(
            f"{plain(it.one, 60) or 'no name'} and {plain(it.other, 60) or 'no name'}: {_why(it.why)}"
            f" ({plain(it.by, 60)}, {moment_in(it.at, now=now, zone=zone)})"
            for _, it in profile.of(Join)
        ),
        zone=zone_name(now, zone),
    )


def serving_of(
    owner: str, row: Row | None, *, now: int, zone: tzinfo, viewer: str
) -> tuple[str, ...]:
    """Who else is with the customer now, in words."""
    if row is None or not isinstance(row.body, Serving):
        return ()
    card = card_of(Profile(owner, (row,)), now=now, zone=zone, viewer=viewer)
    return tuple(line.text for line in card.lines)


def is_with(row: Row | None, actor: str, *, until: int) -> bool:
    """Whether this person is with the customer until then at least."""
    who = row.body.who if row is not None and isinstance(row.body, Serving) else ()
    return any(one.actor == actor and one.until >= until for one in who)


def name_of(owner: str, rows: Iterable[Row]) -> str:
    """What a list of found customers says of one."""
    return card_of(Profile(owner, tuple(rows)), now=0).name


def waits_of(one: Waits, *, now: int, zone: tzinfo) -> WaitingLine:
    """One who waits, in words."""

    def moment(at: int) -> str:
        return moment_in(at, now=now, zone=zone)

    over = late(one.due_at, now) if one.is_late else ""
    if one.channel:
        what, when = f"wrote: {channel_name(one.channel)}", f"since {moment(one.since)}"
        return WaitingLine(one.name, what, f"{when}, promised for {moment(one.due_at)}", over)
    again = f", again until {moment(one.again_at)}" if one.again_at else ""
    times = f" (promised {one.n_promised} times, {one.n_broken} broken)"
    what = f"promise{times if one.n_promised > 1 else ''}"
    return WaitingLine(one.name, what, f"until {moment(one.due_at)}{again}", over)


def slip_rows(card: Card) -> tuple[str, ...]:
    """The lines of the card that may stand on paper."""
    return tuple(line.text for line in card.lines if not line.is_staff_only)


def _hidden(row: Row) -> Row:
    body = row.body
    if not isinstance(body, Interaction) or body.sensitivity != "sensitive":
        return row
    hidden = msgspec.structs.replace(body, text=HIDDEN, topic="")
    return msgspec.structs.replace(row, body=hidden)


def _timeline(profile: Profile, now: int, zone: tzinfo) -> tuple[tuple[Line, ...], int]:
    """Contacts and orders, the newest first, equal contacts as one; and how many of them are not shown."""
    bodies: list[tuple[int, str, Interaction | Order]] = [
        (body.at, row.key, body) for row, body in profile.of(Interaction)
    ]
    bodies += [(body.at, row.key, body) for row, body in profile.of(Order)]
    bodies.sort(key=lambda it: (-it[0], it[1]))
    groups = _folded(body for _, _, body in bodies)

    def line(body: Interaction | Order) -> Line:
        when = moment_in(body.at, now=now, zone=zone)
        return _contact(body, when) if isinstance(body, Interaction) else _order(body, when)

    shown = tuple(
        replace(
            line(group[0]),
            n_equal=len(group),
            first=moment_in(group[-1].at, now=now, zone=zone),
            older=tuple(map(line, group[1 : OLDER_MAX + 1])),
        )
        for group in groups[:TIMELINE_MAX]
    )
    return shown, max(len(groups) - TIMELINE_MAX, 0)


def _folded(bodies: Iterable[Interaction | Order]) -> list[list[Interaction | Order]]:
    """Equal contacts together, where the newest of them stands."""
    groups: list[list[Interaction | Order]] = []
    equal: dict[tuple[str, str, str], list[Interaction | Order]] = {}
    for body in bodies:
        if isinstance(body, Order) or not _is_foldable(body):
            groups.append([body])
            continue
        same = (body.topic, body.channel, body.sensitivity)
        if same not in equal:
            equal[same] = []
            groups.append(equal[same])
        equal[same].append(body)
    return groups


def _is_foldable(contact: Interaction) -> bool:
    return bool(contact.direction == "in" and contact.topic and not _is_waiting(contact))


def _is_waiting(contact: Interaction) -> bool:
    return bool(contact.direction == "in" and contact.due_at and not contact.answered_at)


def _contact(contact: Interaction, when: str) -> Line:
    return Line(
        when=when,
        channel=channel_name(way_of(contact)),
        side=_ROLES.get(contact.direction, "note"),
        by=plain(contact.by, 60),
        text=_long(contact.text),
        mark="" if contact.sensitivity == "normal" else STAFF_ONLY,
        is_waiting=_is_waiting(contact),
        topic=plain(contact.topic, 60),
    )


def _order(order: Order, when: str) -> Line:
    items = ", ".join(f"{line.count} x {plain(line.title, 60)}" for line in order.lines[:5])
    said = f": {items} ({plain(order.state, 20)})"
    if order.sensitivity == "sensitive":
        said = f" {HIDDEN}"
    return Line(
        when=when,
        channel=channel_name(order.channel),
        side="order",
        by="",
        text=f"Order {plain(order.id, 40)}{said}",
        mark="" if order.sensitivity == "normal" else STAFF_ONLY,
    )


def _cases(profile: Profile) -> tuple[OpenCase, ...]:
    return tuple(
        OpenCase(
            case.id,
            f"{plain(case.number, 20)} {plain(case.topic, 80)}",
            tuple(plain(one) for one in case.missing),
            tuple(plain(one.text) for one in case.tried if is_struck(one)),
            promises.pressing(case) is not None,
        )
        for _, case in sorted(profile.of(Case), key=lambda it: -it[1].opened_at)
        if case.state == "open"
    )


def _reach(profile: Profile) -> tuple[str, ...]:
    """How they can be reached, of each way only its end."""
    return tuple(
        f"{channel_name(point.channel)} {_end_of(point.value)}"
        f"{', proved' if point.is_verified else ''}"
        for _, point in profile.of(ContactPoint)
    )


_TERM: Final = re.compile(rf"\b(mailto|tel|{'|'.join(CHANNELS)}):(\S+)")
"""A number, address or handle as the reason of a join names it; `sync.central.identity` writes it so."""


def _why(reason: str) -> str:
    """Why two records are or may be one, of each number, address and handle only its end."""

    def ended(term: re.Match[str]) -> str:
        what = {"mailto": "e-mail", "tel": "number"}.get(term[1]) or channel_name(term[1])
        return f"{what} {_end_of(term[2])}"

    return _TERM.sub(ended, plain(reason))


def _end_of(value: str) -> str:
    shown = plain(value, 80)
    name, at, host = shown.rpartition("@")
    if at and name:
        return f"{name[:1]}...@{host}"
    return f"...{shown[-4:]}" if len(shown) > 6 else "..."


def _long(text: str) -> str:
    """Text with its line ends, bounded."""
    rows = (plain(row, TEXT_MAX) for row in text[: 4 * TEXT_MAX].split("\n"))
    joined = "\n".join(rows)
    return joined if len(joined) <= TEXT_MAX else joined[:TEXT_MAX] + "..."


def zone_name(now: int, zone: tzinfo) -> str:
    """What the zone is called now, and where it is where that is known: "CET, Europe/Berlin"."""
    called = moment_of(now).astimezone(zone).tzname() or "UTC"
    place = getattr(zone, "key", "")
    return f"{called}, {place}" if place and place != called else called
