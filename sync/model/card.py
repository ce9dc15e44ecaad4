"""The hand-over card: what whoever serves a customer next must know, on one screen, so that nobody asks twice. Pure.

Built by rules from the rows of one customer, the same at both ends; nothing in it was guessed or summed up by a machine. Each
line names the rows it was made from, and the card as of when the newest of them was known to be true: of what came later it knows
nothing. In the order they stand:

    serving     who is with the customer now, in which channel
    promised    what we promised, by whom, until when; what ran out first, how often it was promised, and how often broken
    waiting     what the customer wrote and nobody answered
    failed      what we sent and did not arrive
    case        a problem, then what belongs to it:
    told        a fact the customer gave us, and in which channel
    missing     what we still need
    tried       what was tried; failed twice it is struck out, and needs a reason to be offered again
    payer       who pays, when it is not the customer
    next        the next step
    referred    that a store expects them
    here        a parcel or a return that waits
    forget      that they want to be forgotten, which is no promise of a case of theirs
    contacts    how often they came and by which way, equal ones as one: "password reset x7"

Where a screen is too small, the least pressing lines are cut to one row, then left out, and the card says how many. No promise
takes the room of the checklist or of what is struck out. It is for staff. A line about
a present or a sensitive thing is marked, and never stands on paper.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Final

from hardware.moments import moment_of
from sync.model import promises
from sync.model.checklist import is_struck
from sync.model.operations.request_erasure import due_at_of, is_erasure
from sync.model.profile import Profile
from sync.model.records import (
    SMS,
    UNSENT,
    Case,
    Customer,
    Interaction,
    Order,
    Pickup,
    Promise,
    Referral,
    Serving,
    Store,
    way_of,
)
from sync.model.row import Row
from sync.model.spans import late

WIDTH: Final = 53
HEIGHT: Final = 17
"""The smallest screen anybody serves at, in cells."""

CASES_MAX: Final = 3
"""Open cases told one by one; of more the rest is counted."""

CONTACTS_MAX: Final = 4
"""Lines of folded contacts; older ones are in the timeline."""

TEXT_MAX: Final = 160
"""Letters of one text of somebody's in a line: three lines of the smallest screen."""

ROWS_MAX: Final = 2
"""Rows of the screen one line may take before it is cut."""

STAFF_ONLY: Final = "[staff only]"

_AT_MAX: Final = 4_102_444_800_000_000
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_CHANNELS: Final = {
    "whatsapp": "WhatsApp", "instagram": "Instagram", "tiktok": "TikTok", "x": "X", "email": "e-mail",
    SMS: "SMS",
}  # fmt: skip
"""Names of channels that are not written as their codes."""

_WEIGHTS: Final = {
    "promised": 100, "serving": 90, "waiting": 80, "failed": 72, "missing": 75, "case": 70, "next": 60, "told": 50, "payer": 45,
    "tried": 40, "here": 35, "forget": 30, "referred": 65, "contacts": 20,
}  # fmt: skip
"""What is left out last where there is no room."""

_OVER: Final = 5
"""A promise or an answer that is overdue weighs this much more than its like."""

_STRUCK: Final = 21
"""A remedy that is struck out weighs this much more than its like, and more than the next step: offering it again does harm."""

_FORGET_OVER: Final = 45
"""A wish to be forgotten whose month is over weighs this much more than one that has time."""

_WHOLE_FROM: Final = 100 + _OVER
"""A promise that ran out is not cut while less can be left out, nor is the one made after it: what was promised is asked first."""

_KEPT: Final = ("promised", "told", "missing")
"""Parts that are left out for no second row of a promise, nor is what is struck out: nobody may ask or offer it again."""


@dataclass(frozen=True, slots=True)
class CardLine:
    """One line. Its `repr` shows nothing of what it says.

    Attributes:
        part: Which part it belongs to, as the module says.
        text: What it says, safe to show, not shortened to any screen.
        keys: The rows it was made from.
        tone: plain | alert | ask | struck | muted; said in words as well.
        is_staff_only: About a present or a sensitive thing: never on paper, never where a customer reads along.
        weight: Of two, the lighter is left out first.
    """

    part: str
    text: str = field(repr=False)
    keys: tuple[str, ...] = ()
    tone: str = "plain"
    is_staff_only: bool = False
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    """The hand-over card of one customer.

    Attributes:
        owner: Customer id.
        name: Full name, for staff; the id where no name is known.
        lines: In the order they stand.
        keys: Every row it was built from, sorted.
        as_of: When the newest of these was known to be true, microseconds since 1970; 0 without rows.
        made_at: When it was built.
        head: When that was in words, "last change 14:02": the device itself may have heard the centre since.
    """

    owner: str
    name: str = field(repr=False)
    lines: tuple[CardLine, ...]
    keys: tuple[str, ...]
    as_of: int
    made_at: int
    head: str


@dataclass(frozen=True, slots=True)
class CardRow:
    """One row of the card as it fits a screen; `tone` as in its line, and `head` or `foot` for ours."""

    text: str
    tone: str


def card_of(profile: Profile, *, now: int, zone: tzinfo = UTC, viewer: str = "") -> Card:
    """The card of a customer.

    Args:
        profile: Every row held of them; rows without an owner (stores) give names where they are among them.
        now: Microseconds since 1970.
        zone: Local time of whoever reads it.
        viewer: Id of who reads it, as in `Operation.actor`: that they serve the customer themselves is not told to them.
    """
    writer = _Writer(profile, now, zone, viewer)
    lines = tuple(writer.lines())
    customers = profile.of(Customer)
    keys = {key for line in lines for key in line.keys} | {row.key for row, _ in customers}
    as_of = max((row.as_of for row in profile.rows if row.key in keys), default=0)
    name = _name_of(customers[0][1]) if customers else ""
    head = f"last change {writer.moment(as_of)}" if as_of else "nothing is known here"
    return Card(
        owner=profile.owner, name=name or plain(profile.owner), lines=lines,
        keys=tuple(sorted(keys)), as_of=as_of, made_at=now, head=head,
    )  # fmt: skip


def card_rows(card: Card, width: int = WIDTH, height: int = HEIGHT) -> tuple[CardRow, ...]:
    """The card as rows of a screen; what has no room is left out by weight, and the last row says how many.

    Args:
        card: The card.
        width: Cells in a row, at least 20.
        height: Rows, at least 3.
    """
    laid_out = _laid_out(card, width, height)
    body = [
        CardRow(row, line.tone)
        for line, rows in zip(card.lines, laid_out, strict=True)
        for row in rows
    ]
    n_left_out = sum(not rows for rows in laid_out)
    head = _between(card.name, card.head, width)
    return (CardRow(head, "head"), *body, CardRow(_foot(card, n_left_out, width), "foot"))


def whole_lines(card: Card, width: int = WIDTH, height: int = HEIGHT) -> tuple[CardLine, ...]:
    """The lines of which `card_rows` shows every word."""
    laid_out = _laid_out(card, width, height)
    return tuple(
        line
        for line, rows in zip(card.lines, laid_out, strict=True)
        if rows == _wrapped(_marked(line), width, rows_max=len(rows) + 1)
    )


def _laid_out(card: Card, width: int, height: int) -> list[list[str]]:
    """The rows of each line, none for one that is left out."""
    wrapped = [_wrapped(_marked(line), width) for line in card.lines]
    shown = _fitting(card.lines, [len(rows) for rows in wrapped], height - 2)
    for at, rows in enumerate(wrapped):
        if shown[at] < len(rows):
            text = _marked(card.lines[at])
            wrapped[at] = _wrapped(text, width, rows_max=1) if shown[at] else []
    return wrapped


def card_lines(card: Card, width: int = WIDTH, height: int = HEIGHT) -> tuple[str, ...]:
    """`card_rows` as text alone."""
    return tuple(row.text for row in card_rows(card, width, height))


def card_text(card: Card) -> str:
    """The whole card as text, nothing left out: for a note in another system, for staff."""
    lines = (_marked(line) for line in card.lines)
    return "\n".join((f"{card.name}, {card.head}", *lines, _built_from(card)))


def card_slip(card: Card, width: int = 42) -> str:
    """The card on paper: no line for staff only, which a slip that is left lying would tell.

    Args:
        card: The card.
        width: Characters in a line; 42 is font A of an 80 mm receipt printer.
    """
    shown = [line for line in card.lines if not line.is_staff_only]
    n_hidden = len(card.lines) - len(shown)
    rows = [card.name, card.head, "-" * width]
    for line in shown:
        rows += _wrapped(line.text, width, rows_max=8)
    rows.append("-" * width)
    if n_hidden:
        rows += _wrapped(f"{_counted(n_hidden, 'line')} for staff only: see the screen.", width)
    rows += _wrapped(_built_from(card), width, rows_max=8)
    return "\n".join(rows) + "\n"


def plain(text: str, limit: int = TEXT_MAX) -> str:
    """Text from outside on one line, without anything a terminal could obey, at most `limit` letters."""
    looked_at = unicodedata.normalize(
        "NFC", text[: 4 * limit].encode("utf-8", "ignore").decode()
    )
    if looked_at.isprintable():  # which nearly all are, and each sign need not be looked at
        kept = looked_at
    else:
        kept = "".join(
            " " if char.isspace() else char
            for char in looked_at
            if char.isspace() or not unicodedata.category(char).startswith("C")
        )
    short = " ".join(kept.split())
    return short if len(short) <= limit else short[: limit - 3].rstrip() + "..."


def channel_name(channel: str) -> str:
    """A channel as people write it."""
    return _CHANNELS.get(channel) or plain(channel, 20)


def moment_in(at: int, *, now: int, zone: tzinfo) -> str:
    """A time as people say it: "14:02", "Fri 17:00", "3 May 17:00", "3 May 2025 17:00".

    Args:
        at: Microseconds since 1970.
        now: The same; decides how much of the date is needed.
        zone: Local time of whoever reads it.
    """
    then, today = _local(at, zone), _local(now, zone)
    days = abs((then.date() - today.date()).days)
    if days == 0:
        return f"{then:%H:%M}"
    if days < 7:
        return f"{_DAYS[then.weekday()]} {then:%H:%M}"
    year = "" if then.year == today.year else f" {then.year}"
    return f"{then.day} {_MONTHS[then.month - 1]}{year} {then:%H:%M}"


def _local(at: int, zone: tzinfo) -> datetime:
    return moment_of(min(max(at, 0), _AT_MAX)).astimezone(zone)


# What the lines say


class _Writer:
    """Makes the lines of one card."""

    def __init__(self, profile: Profile, now: int, zone: tzinfo, viewer: str) -> None:
        self._profile = profile
        self._now = now
        self._zone = zone
        self._viewer = viewer
        self._stores = {body.id: body.name for _, body in profile.of(Store)}
        self._secret = {
            row.key for row, order in profile.of(Order) if order.sensitivity != "normal"
        }

    def lines(self) -> Iterator[CardLine]:
        """All of them, in the order they stand."""
        cases = self._open_cases()
        yield from self._serving()
        yield from self._promised(cases)
        yield from self._waiting()
        yield from self._failed()
        for row, case in cases[:CASES_MAX]:
            yield from self._case(row, case)
        if len(cases) > CASES_MAX:
            rest = cases[CASES_MAX:]
            text = f"{_counted(len(rest), 'more open case')}: " + ", ".join(
                plain(case.number, 20) for _, case in rest
            )
            yield self._line("case", text, (row for row, _ in rest))
        yield from self._referred()
        yield from self._here()
        for row, case in self._erasures():
            yield self._forget(row, case)
        yield from self._contacts()

    def _line(
        self,
        part: str,
        text: str,
        rows: Iterable[Row],
        *,
        tone: str = "plain",
        more: int = 0,
        is_staff_only: bool = False,
    ) -> CardLine:
        keys = tuple(dict.fromkeys(row.key for row in rows))
        return CardLine(part, text, keys, tone, is_staff_only, _WEIGHTS[part] + more)

    def _open_cases(self) -> list[tuple[Row, Case]]:
        """The earliest promise first, then those without one by age."""
        cases = [
            (row, case)
            for row, case in self._profile.of(Case)
            if case.state == "open" and not is_erasure(case)
        ]

        def pressing(pair: tuple[Row, Case]) -> tuple[bool, int, str]:
            promise = promises.pressing(pair[1])
            if promise is None:
                return True, pair[1].opened_at, pair[0].key
            return False, promise.due_at, pair[0].key

        return sorted(cases, key=pressing)

    def _erasures(self) -> list[tuple[Row, Case]]:
        found = self._profile.of(Case)
        return [(row, case) for row, case in found if case.state == "open" and is_erasure(case)]

    def _forget(self, row: Row, case: Case) -> CardLine:
        due = due_at_of(case)
        is_over = due < self._now
        over = f", {late(due, self._now)}" if is_over else ""
        asked = f"{channel_name(case.channel)}, {self.day(case.opened_at)}"
        text = f"WANTS TO BE FORGOTTEN ({asked}): to be deleted until {self.moment(due)}{over}"
        more, tone = (_FORGET_OVER, "alert") if is_over else (0, "plain")
        return self._line("forget", text, (row,), tone=tone, more=more)

    def _serving(self) -> Iterator[CardLine]:
        for row, serving in self._profile.of(Serving):
            for one in serving.who:
                if one.until > self._now and one.actor != self._viewer:
                    by, where = plain(one.by, 40), channel_name(one.channel)
                    text = f"{by} is on this now in {where}, since {self.moment(one.at)}"
                    yield self._line("serving", text, (row,), tone="ask")

    def _referred(self) -> Iterator[CardLine]:
        for row, referral in self._profile.of(Referral):
            if referral.state not in ("open", "taken"):
                continue
            store = plain(self._stores.get(referral.store, referral.store), 40)
            when = f" for {self.moment(referral.due_at)}" if referral.due_at else ""
            how = (
                f"taken by {plain(referral.changed_by, 40)}"
                if referral.state == "taken"
                else f"sent by {plain(referral.by, 40)}"
            )
            text = f"REFERRED to {store}{when} ({how}): {plain(referral.text)}"
            yield self._line("referred", text, (row,), tone="ask")

    def _promised(self, cases: list[tuple[Row, Case]]) -> Iterator[CardLine]:
        """Of a case what presses most, and under it what was promised since; broken once, a promise stays to be read."""
        for row, case in cases:
            promise, newer = promises.pressing(case), promises.again(case)
            if promise is None:
                continue
            count = self._count_of(case)
            is_over = promise.due_at < self._now
            line = self._promise(row, promise, "PROMISED", "" if newer else count)
            yield replace(line, weight=line.weight + _OVER * is_over)
            if newer is not None:
                line = self._promise(row, newer, "PROMISED AGAIN", count)
                yield replace(line, weight=line.weight + _OVER * is_over)

    def _promise(self, row: Row, promise: Promise, how: str, count: str) -> CardLine:
        is_over = promise.due_at < self._now
        over = f", {late(promise.due_at, self._now)}" if is_over else ""
        by, what = plain(promise.by, 40) or "us", plain(promise.text)
        place = self._stores.get(promise.place, "")
        where = f" in {plain(place, 40)}" if place and place not in by else ""
        text = f"{how} by {by}{where} until {self.moment(promise.due_at)}{over}{count}: {what}"
        tone = "alert" if is_over else "plain"
        return self._line("promised", text, (row,), tone=tone)

    def _count_of(self, case: Case) -> str:
        """How often it was promised before, "" for once; the time of a broken one where no other line has it."""
        tally, promise = promises.tally(case, now=self._now), promises.pressing(case)
        if tally.n_promised < 2:
            return ""
        broken = f"{tally.n_broken} broken" if tally.n_broken else "none broken"
        is_told = promise is not None and promise.due_at == tally.broken_at
        since = f": {self.moment(tally.broken_at)}" if tally.n_broken and not is_told else ""
        return f" (promised {tally.n_promised} times, {broken}{since})"

    def _waiting(self) -> Iterator[CardLine]:
        """What nobody answered, by channel: the oldest, and how many."""
        by_channel: dict[str, list[tuple[Row, Interaction]]] = {}
        for row, contact in self._profile.of(Interaction):
            is_theirs = contact.direction == "in" and not contact.is_automatic
            if is_theirs and contact.due_at and not contact.answered_at:
                by_channel.setdefault(contact.channel, []).append((row, contact))
        groups = [sorted(group, key=lambda it: it[1].at) for group in by_channel.values()]
        for group in sorted(groups, key=lambda it: it[0][1].at):
            oldest = group[0][1]
            is_over = oldest.due_at < self._now
            over = f", {late(oldest.due_at, self._now)}" if is_over else ""
            count = f" ({len(group)} of them)" if len(group) > 1 else ""
            text = (
                f"NOT ANSWERED: {channel_name(way_of(oldest))} of {self.moment(oldest.at)}{count}"
                f'{over}: "{plain(oldest.text)}"'
            )
            yield self._line(
                "waiting",
                text,
                (row for row, _ in group),
                tone="alert" if is_over else "plain",
                more=_OVER * is_over,
                is_staff_only=any(self._is_secret(contact) for _, contact in group),
            )

    def _failed(self) -> Iterator[CardLine]:
        """What did not arrive, and nothing of ours did since by that way."""
        newest: dict[str, tuple[Row, Interaction]] = {}
        for row, contact in self._profile.of(Interaction):
            if contact.direction != "out" or not contact.delivery:
                continue
            known = newest.get(contact.channel)
            if known is None or contact.at > known[1].at:
                newest[contact.channel] = (row, contact)
        for channel in sorted(newest):
            row, contact = newest[channel]
            if contact.delivery not in UNSENT:
                continue
            why = f" ({plain(contact.delivery_reason, 60)})" if contact.delivery_reason else ""
            when, where = self.moment(contact.at), channel_name(way_of(contact))
            what = "NOT DELIVERED" if contact.delivery == "failed" else "NOT SURE IT ARRIVED"
            text = f'{what}: {where} of {when}{why}: "{plain(contact.text)}"'
            is_secret = self._is_secret(contact)
            yield self._line("failed", text, (row,), tone="alert", is_staff_only=is_secret)

    def _case(self, row: Row, case: Case) -> Iterator[CardLine]:
        opened = f"{channel_name(case.channel)}, {self.day(case.opened_at)}"
        yield self._line(
            "case", f"{plain(case.number, 20)} {plain(case.topic)} ({opened})", (row,)
        )
        n_needed = len(case.told) + len(case.missing)
        for index, told in enumerate(case.told, 1):
            heard = f"{channel_name(told.channel)}, {self.day(told.at)}"
            text = f"have {index}/{n_needed} {plain(told.label, 40)}: {plain(told.value)} ({heard})"
            yield self._line("told", text, (row,))
        for missing in case.missing:
            yield self._line("missing", f"MISSING: {plain(missing)}", (row,), tone="ask")
        for remedy in case.tried:
            times = f"failed {remedy.n_failed} of {remedy.n_tried}"
            if is_struck(remedy):
                text = f"DO NOT OFFER AGAIN: {plain(remedy.text)} ({times}; needs a reason)"
                yield self._line("tried", text, (row,), tone="struck", more=_STRUCK)
            else:
                yield self._line("tried", f"tried: {plain(remedy.text)} ({times})", (row,))
        if case.payer and not any(case.payer in told.value for told in case.told):
            yield self._line("payer", f"pays: {plain(case.payer)}", (row,))
        if case.next_step:
            yield self._line("next", f"NEXT: {plain(case.next_step)}", (row,))

    def _here(self) -> Iterator[CardLine]:
        for row, pickup in self._profile.of(Pickup):
            if pickup.state not in ("ready", "expected"):
                continue
            place = plain(self._stores.get(pickup.store, pickup.store), 40)
            state = "waits" if pickup.state == "ready" else "is expected"
            text = f"parcel {plain(pickup.order, 40)} {state} in {place}"
            yield self._line("here", text, (row,))

    def _contacts(self) -> Iterator[CardLine]:
        """Contacts of the customer, equal ones as one, the newest first."""
        groups: dict[tuple[str, str, bool], list[tuple[Row, Interaction]]] = {}
        for row, contact in self._profile.of(Interaction):
            if contact.direction == "in" and not contact.is_automatic:
                equal = (way_of(contact), contact.topic, self._is_secret(contact))
                groups.setdefault(equal, []).append((row, contact))
        newest = {equal: max(it.at for _, it in group) for equal, group in groups.items()}
        order = sorted(groups, key=lambda equal: (-newest[equal], equal))
        for equal in order[:CONTACTS_MAX]:
            way, topic, is_secret = equal
            group = groups[equal]
            what = plain(topic, 60) or _counted(len(group), "contact")
            times = f" x{len(group)}" if topic and len(group) > 1 else ""
            text = f"{channel_name(way)}: {what}{times}, last {self.moment(newest[equal])}"
            yield self._line(
                "contacts", text, (row for row, _ in group), more=min(len(group), 9),
                is_staff_only=is_secret,
            )  # fmt: skip

    def _is_secret(self, contact: Interaction) -> bool:
        return contact.sensitivity != "normal" or contact.about in self._secret

    def moment(self, at: int) -> str:
        """A time as people say it."""
        return moment_in(at, now=self._now, zone=self._zone)

    def day(self, at: int) -> str:
        """The day of a time: "today", "Fri", "3 May"."""
        return self.moment(at).rpartition(" ")[0] or "today"


def _name_of(customer: Customer) -> str:
    full = plain(f"{customer.given_name} {customer.family_name}", 60)
    return f"{full} (a child)" if customer.guardian else full


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _marked(line: CardLine) -> str:
    return f"{STAFF_ONLY} {line.text}" if line.is_staff_only else line.text


def _built_from(card: Card) -> str:
    kinds: dict[str, int] = {}
    for key in card.keys:
        kind = key.partition("/")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    rows = ", ".join(_counted(n, kind) for kind, n in sorted(kinds.items()))
    return f"Built from {rows}." if rows else "Built from no row."


# How they fit


def _foot(card: Card, n_left_out: int, width: int) -> str:
    built = f"built from {_counted(len(card.keys), 'row')}"
    if not n_left_out:
        return _cut(built, width)
    return _cut(f"{_counted(n_left_out, 'line')} left out; {built}", width)


def _fitting(lines: tuple[CardLine, ...], heights: list[int], room: int) -> list[int]:
    """How many rows each line has of the room, 0 for one that is left out.

    One row each, the heaviest lines. Then promises that ran out whole, where what gives way for them may: one more fact for the
    first of them, where not all facts have room anyway. Then, where all lines are there, whatever else is longer, the heaviest first.

    Args:
        lines: Of the card.
        heights: Rows each would have, at most ROWS_MAX.
        room: Rows there are.
    """
    by_weight = sorted(range(len(lines)), key=lambda at: (-lines[at].weight, at))
    stay = by_weight[:room]
    lacks_facts = any(line.part == "told" and at not in stay for at, line in enumerate(lines))
    whole: list[int] = []
    n_rows = len(stay)
    for at in [at for at in stay if heights[at] > 1]:
        is_pressing, last = lines[at].weight >= _WHOLE_FROM, lines[stay[-1]]
        gives_fact = last.part == "told" and lacks_facts and not whole
        if n_rows == room and is_pressing and (gives_fact or not _is_kept(last)):
            n_rows -= 1
            stay.pop()
        if n_rows < room and (is_pressing or len(stay) == len(lines)):
            n_rows += 1
            whole.append(at)
    return [
        (heights[at] if at in whole else 1) if at in stay else 0 for at in range(len(lines))
    ]


def _is_kept(line: CardLine) -> bool:
    return line.part in _KEPT or line.tone == "struck"


def _between(left: str, right: str, width: int) -> str:
    """Left and right in one row; the left is cut."""
    room = width - _cells(right) - 1
    short = _cut(left, room)
    return short + " " * (width - _cells(short) - _cells(right)) + right


def _wrapped(text: str, width: int, *, rows_max: int = ROWS_MAX) -> list[str]:
    """Text in rows of whole words, the later ones indented; what is over is cut with a mark."""
    rows, row = [], ""
    for word in text.split(" "):
        longer = f"{row} {word}" if row.strip() else row + word
        if _cells(longer) <= width:
            row = longer
            continue
        if row.strip():
            rows.append(row)
        row = f"  {word}" if rows else word
        while _cells(row) > width:
            head = _head(row, width)
            rows.append(head)
            row = "  " + row[len(head) :]
    rows.append(row)
    if len(rows) > rows_max:
        rows = [
            *rows[: rows_max - 1],
            _cut(f"{rows[rows_max - 1]} {rows[rows_max].strip()}", width),
        ]
    return rows


def _cut(text: str, width: int) -> str:
    return text if _cells(text) <= width else _head(text, max(width - 3, 0)).rstrip() + "..."


def _head(text: str, width: int) -> str:
    """The beginning of a text that fits."""
    n_cells = 0
    for at, char in enumerate(text):
        n_cells += _cells(char)
        if n_cells > width:
            return text[:at]
    return text


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(char)
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )
