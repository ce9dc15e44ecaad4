"""From what this device holds of a customer to what the counter shows, in the order a clerk needs it; pure.

    now       what waits, what we owe, what not to do, the only thing left to ask: read in two seconds
    told      every case with the facts told, the promise, what was tried (struck out where it failed twice), what is missing
    timeline  all contacts, newest first, the channel named, equal ones folded

A clerk sees more than a customer's panel: case text, shelf places, the age and source of every fact (on a key).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from kiosk.core.staff_words import DAY_US, StaffWords
from sync.model.operation import Evidence
from sync.model.profile import Profile
from sync.model.records import (
    Account,
    Band,
    Case,
    Customer,
    Interaction,
    Order,
    Pickup,
    Promise,
    Remedy,
    Told,
)
from sync.model.row import Row

FAILED_MAX: Final = 2
"""A remedy that failed this often is struck out and needs a reason to be offered again."""

DATA_OLD_US: Final = DAY_US
"""Data older than this is said loudly in the strip; the cache lease warns at the same age."""

TIMELINE_MAX: Final = 200
"""Contacts shown at once; older ones than that are of no use to somebody with a customer waiting."""


class Tone(Enum):
    """How a line is meant, never by colour alone: each has a sign or a place of its own. The value names its style."""

    PLAIN = "plain"
    READY = "ready"  # something can be done about it here, now
    ALERT = "alert"  # we are late, or something is wrong
    ASK = "ask"  # the only thing left to ask
    STRUCK = "struck"  # not to be offered again
    MUTED = "muted"


MARKS: Final[Mapping[Tone, str]] = {
    Tone.PLAIN: " ", Tone.READY: "+", Tone.ALERT: "!", Tone.ASK: "?", Tone.STRUCK: "x", Tone.MUTED: " ",
}  # fmt: skip
"""The sign before a line, so that its meaning does not hang on its colour."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the counter.

    Attributes:
        label: What kind of thing it is, in a narrow column.
        text: What it says; safe to show.
        tone: How it is meant.
        age: Its age and source in words, shown on a key; "" where it has none.
        digit: Key that does something about it, "" for none.
    """

    label: str
    text: str
    tone: Tone = Tone.PLAIN
    age: str = ""
    digit: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel that can be handed over here, now.

    Attributes:
        pickup: Id of the pickup.
        question: What is asked before it is handed over, one line a part.
        evidence: What the act is recorded with, once the question is answered with yes.
    """

    pickup: str
    order: str
    digit: str
    question: tuple[str, ...]
    yes: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Sheet:
    """A customer's page for the clerk.

    Attributes:
        owner: Customer id.
        name: Their name, safe to show.
        about: Language, preferred channel and the like, in one line.
        case: Id of the case a note belongs to, "" without an open one.
        case_number: What people call it.
    """

    owner: str
    name: str
    about: str
    now: tuple[Entry, ...]
    told: tuple[Entry, ...]
    timeline: tuple[Entry, ...]
    parcels: tuple[Parcel, ...]
    case: str = ""
    case_number: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """Where this counter stands and who serves at it.

    Attributes:
        store: Store id.
        clerk: Staff id, the actor of what is recorded.
        clerk_name: What a note says it is from.
        stores: Store id to what people call it.
    """

    store: str
    clerk: str
    clerk_name: str
    stores: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """How a customer's page came to be open: evidence of a tap, or found by a clerk.

    Attributes:
        how: What a search matched: name, phone, email, order, band; "" after a tap.
        evidence: What an act is recorded with.
    """

    evidence: Evidence
    how: str = ""

    @property
    def needs_id(self) -> bool:
        """Whether a clerk must see an identity document before handing anything over."""
        return self.evidence.assurance not in ("A2", "A3")


def found(how: str) -> Opened:
    """Opened by a search: staff alone vouch for it."""
    return Opened(evidence=Evidence(assurance="S1", proof="found"), how=how)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every part of a sheet is made with."""

    words: StaffWords
    post: Post
    now: int

    def at(self, moment: int) -> str:
        return self.words.moment(moment, now=self.now)

    def age(self, row: Row) -> str:
        said = self.words.say(
            "age.text",
            at=self.at(row.as_of),
            age=self.words.span(self.now - row.as_of),
            source=self.words.channel(row.source),
        )
        return f"{said}, {self.words.say('age.unsettled')}" if row.is_unsettled else said


def sheet_of(
    profile: Profile,
    *,
    words: StaffWords,
    post: Post,
    opened: Opened,
    now: int,
    is_unfolded: bool = False,
) -> Sheet:
    """The page of one customer.

    Args:
        profile: What this device holds, unsettled operations folded in.
        words: What sentences are made with.
        post: Where this counter stands.
        opened: How the page came to be open.
        now: Wall time, microseconds since 1970.
        is_unfolded: Show equal contacts one by one.
    """
    desk = _Desk(words, post, now)
    customer = profile.customer
    name = name_of(customer, words) if customer else words.say("head.no-customer")
    parcels = _parcels(profile, desk, opened, name)
    cases = _cases(profile)
    open_case = next((case for _, case in cases if case.state == "open"), None)
    return Sheet(
        owner=profile.owner,
        name=name,
        about=_about(profile, customer, desk, opened),
        now=_now(profile, cases, parcels, desk),
        told=_told(cases, desk),
        timeline=_timeline(profile, desk, is_unfolded=is_unfolded),
        parcels=parcels,
        case=open_case.id if open_case else "",
        case_number=words.name(open_case.number) if open_case else "",
    )


def name_of(customer: Customer, words: StaffWords) -> str:
    """Given and family name, safe to show; the id where both are empty."""
    whole = words.name(f"{customer.given_name} {customer.family_name}")
    return whole or words.name(customer.nickname) or words.name(customer.id)


def _about(profile: Profile, customer: Customer | None, desk: _Desk, opened: Opened) -> str:
    words = desk.words
    if customer is None:
        return words.say("head.no-customer.hint")
    parts = [
        _identified(opened, words),
        words.say("head.speaks", language=_language(customer, words)),
    ]
    if customer.preferred_channel:
        parts.append(words.say("head.reach", channel=words.channel(customer.preferred_channel)))
    if customer.guardian:
        parts.append(words.say("head.child"))
    if customer.tier:
        parts.append(words.name(customer.tier))
    parts += [
        words.say("head.points", points=f"{account.points:,}")
        for _, account in profile.of(Account)
    ]
    return " · ".join(parts)


def _identified(opened: Opened, words: StaffWords) -> str:
    if opened.how:
        return words.say("head.found", how=words.either(f"how.{opened.how}", "how.name"))
    return words.say("head.band" if opened.needs_id else "head.band-strong")


def _language(customer: Customer, words: StaffWords) -> str:
    key = f"language.{customer.language[:2].lower()}"
    return words.say(key) if words.has(key) else words.name(customer.language)


# What matters now


def _now(
    profile: Profile, cases: list[tuple[Row, Case]], parcels: tuple[Parcel, ...], desk: _Desk
) -> tuple[Entry, ...]:
    is_open = [(row, case) for row, case in cases if case.state == "open"]
    # what two counters did to each other comes first: whatever is handed over next would make it worse
    entries = [
        *_blocked(profile, desk),
        *_clashes(is_open, desk),
        *_waiting(profile, parcels, desk),
        *_owed(is_open, desk),
        *_unanswered(profile, desk),
        *_struck(is_open, desk),
        *_missing(is_open, desk),
        *_next(is_open, desk),
        *_waiting_elsewhere(profile, desk),
    ]
    return tuple(entries) or (Entry("", desk.words.say("now.nothing"), Tone.MUTED),)


def _blocked(profile: Profile, desk: _Desk) -> list[Entry]:
    """Said only when no band of theirs works: a lost band that was replaced is history."""
    bands = profile.of(Band)
    if any(band.state == "active" for _, band in bands):
        return []
    return [
        Entry(
            desk.words.say("now.blocked"),
            desk.words.say("now.blocked.text", band=desk.words.name(band.label))
            if desk.words.name(band.label)
            else desk.words.say("now.blocked.no-label"),
            Tone.ALERT,
            desk.age(row),
        )
        for row, band in bands
        if band.state == "blocked"
    ]


def _clashes(cases: list[tuple[Row, Case]], desk: _Desk) -> list[Entry]:
    words = desk.words
    return [
        Entry(
            words.say("now.clash"),
            f"{_clash(case, desk)}. {words.say('unsettled.way')}",
            Tone.ALERT,
            desk.age(row),
        )
        for row, case in cases
        if case.clash
    ]


def _clash(case: Case, desk: _Desk) -> str:
    """What collided, with every side of the story: what, when, where, by whom."""
    words = desk.words
    sides = [
        words.say(
            "clash.side.to" if side.to else "clash.side",
            at=desk.at(side.at),
            store=words.name(desk.post.stores.get(side.store, side.store)),
            by=words.name(side.by),
            to=words.name(side.to),
        )
        for side in case.sides
    ]
    told = why(case.clash, words)
    return f"{told}: {words.say('clash.and').join(sides)}" if sides else told


def _is_here(pickup: Pickup, post: Post) -> bool:
    return pickup.state == "ready" and pickup.store == post.store


def _parcels(profile: Profile, desk: _Desk, opened: Opened, name: str) -> tuple[Parcel, ...]:
    here = sorted(
        (pickup for _, pickup in profile.of(Pickup) if _is_here(pickup, desk.post)),
        key=lambda pickup: (pickup.ready_at, pickup.id),
    )
    return tuple(
        Parcel(
            pickup=pickup.id,
            order=desk.words.name(pickup.order),
            digit=str(index),
            question=_question(pickup, desk, opened, name),
            yes=desk.words.say("hand.yes-id" if opened.needs_id else "hand.yes"),
            evidence=Evidence(assurance="S1", proof="id_seen", band=opened.evidence.band)
            if opened.needs_id
            else opened.evidence,
        )
        for index, pickup in enumerate(here[:9], start=1)
    )


def _question(pickup: Pickup, desk: _Desk, opened: Opened, name: str) -> tuple[str, ...]:
    words = desk.words
    shelf = words.name(pickup.shelf)
    lines = [
        words.say(
            "hand.question" if shelf else "hand.question.no-shelf",
            count=words.items(pickup.n_items), shelf=shelf, name=name,
        ),
        words.say("hand.order", order=words.name(pickup.order)),
    ]  # fmt: skip
    if pickup.collector:
        lines.append(words.say("hand.collector", collector=words.name(pickup.collector)))
    if opened.needs_id:
        lines.append(words.say("hand.id", how=words.either(f"how.{opened.how}", "how.band")))
    return tuple(lines)


def _waiting(profile: Profile, parcels: tuple[Parcel, ...], desk: _Desk) -> list[Entry]:
    words = desk.words
    rows = {pickup.id: (row, pickup) for row, pickup in profile.of(Pickup)}
    entries = []
    for parcel in parcels:
        row, pickup = rows[parcel.pickup]
        shelf = words.name(pickup.shelf)
        text = words.say(
            "now.pickup.text" if shelf else "now.pickup.no-shelf",
            count=words.items(pickup.n_items), order=parcel.order, shelf=shelf, since=desk.at(pickup.ready_at),
        )  # fmt: skip
        if pickup.collector:
            collector = words.name(pickup.collector)
            text = f"{text}. {words.say('now.pickup.collector', collector=collector)}"
        entries.append(
            Entry(words.say("now.pickup"), text, Tone.READY, desk.age(row), parcel.digit)
        )
    return entries


def _waiting_elsewhere(profile: Profile, desk: _Desk) -> list[Entry]:
    words = desk.words
    entries = []
    for row, pickup in profile.of(Pickup):
        count, order = words.items(pickup.n_items), words.name(pickup.order)
        if pickup.state == "ready" and not _is_here(pickup, desk.post):
            store = words.name(desk.post.stores.get(pickup.store, pickup.store))
            text = words.say("now.pickup.elsewhere.text", count=count, order=order, store=store)
            entries.append(
                Entry(words.say("now.pickup.elsewhere"), text, Tone.MUTED, desk.age(row))
            )
        elif pickup.state == "expected":
            text = words.say("now.pickup.expected.text", count=count, order=order)
            entries.append(
                Entry(words.say("now.pickup.expected"), text, Tone.MUTED, desk.age(row))
            )
    return entries


def _owed(cases: list[tuple[Row, Case]], desk: _Desk) -> list[Entry]:
    words = desk.words
    entries = []
    for row, case in cases:
        promise = case.promise
        if promise is None or promise.kept_at:
            continue
        is_late = 0 < promise.due_at < desk.now
        text = words.say(
            "now.owed.late" if is_late else "now.owed.open",
            by=words.name(promise.by), text=_plain(promise.text, words), due=desk.at(promise.due_at),
            late=words.span(desk.now - promise.due_at),
        )  # fmt: skip
        tone = Tone.ALERT if is_late else Tone.PLAIN
        entries.append(Entry(words.say("now.owed"), text, tone, desk.age(row)))
    return entries


def _plain(text: str, words: StaffWords) -> str:
    """Foreign text as a part of a sentence of ours: without the full stop we set ourselves."""
    return words.text(text).rstrip(".")


def _unanswered(profile: Profile, desk: _Desk) -> list[Entry]:
    """The newest contact a channel still owes an answer to; several in one channel are one."""
    words = desk.words
    newest: dict[str, tuple[Row, Interaction]] = {}
    oldest: dict[str, int] = {}
    for row, contact in sorted(profile.of(Interaction), key=lambda pair: pair[1].at):
        if is_unanswered(contact):
            newest[contact.channel] = (row, contact)
            oldest.setdefault(contact.channel, contact.at)
    entries = []
    for channel, (row, contact) in newest.items():
        is_late = contact.due_at < desk.now
        text = words.say(
            "now.unanswered.late" if is_late else "now.unanswered.open",
            channel=words.channel(channel), at=desk.at(oldest[channel]), due=desk.at(contact.due_at),
            waited=words.span(desk.now - oldest[channel]), text=_careful(contact, words),
        )  # fmt: skip
        tone = Tone.ALERT if is_late else Tone.PLAIN
        entries.append(Entry(words.say("now.unanswered"), text, tone, desk.age(row)))
    return entries


def is_unanswered(contact: Interaction) -> bool:
    """A contact of the customer that was promised an answer and has none by a person."""
    return contact.direction == "in" and contact.due_at > 0 and contact.answered_at == 0


def is_struck(remedy: Remedy) -> bool:
    """Not to be offered again without a reason."""
    return remedy.n_failed >= FAILED_MAX


def _struck(cases: list[tuple[Row, Case]], desk: _Desk) -> list[Entry]:
    words = desk.words
    return [
        Entry(
            words.say("now.remedy"),
            words.say(
                "now.remedy.text", remedy=words.name(remedy.text),
                tried=words.times(remedy.n_tried), failed=words.times(remedy.n_failed),
            ),
            Tone.STRUCK,
            desk.age(row),
        )
        for row, case in cases
        for remedy in case.tried
        if is_struck(remedy)
    ]  # fmt: skip


def _missing(cases: list[tuple[Row, Case]], desk: _Desk) -> list[Entry]:
    return [
        Entry(desk.words.say("now.missing"), desk.words.text(missing), Tone.ASK, desk.age(row))
        for row, case in cases
        for missing in case.missing
    ]


def _next(cases: list[tuple[Row, Case]], desk: _Desk) -> list[Entry]:
    return [
        Entry(desk.words.say("now.next"), desk.words.text(case.next_step), age=desk.age(row))
        for row, case in cases
        if case.next_step
    ]


# Already told us


def _cases(profile: Profile) -> list[tuple[Row, Case]]:
    """Open ones first, then the newest."""
    return sorted(
        profile.of(Case),
        key=lambda pair: (pair[1].state != "open", -pair[1].opened_at, pair[0].key),
    )


def _told(cases: list[tuple[Row, Case]], desk: _Desk) -> tuple[Entry, ...]:
    entries = [entry for row, case in cases for entry in _case(row, case, desk)]
    return tuple(entries) or (Entry("", desk.words.say("told.nothing"), Tone.MUTED),)


def _case(row: Row, case: Case, desk: _Desk) -> list[Entry]:
    words, age = desk.words, desk.age(row)
    is_open = case.state == "open"
    head = words.say(
        "told.case.open" if is_open else "told.case.solved",
        topic=_plain(case.topic, words), at=desk.at(case.opened_at), channel=words.channel(case.channel),
    )  # fmt: skip
    entries = [
        Entry(words.say("told.case", number=words.name(case.number)), head, Tone.PLAIN if is_open else Tone.MUTED, age)
    ]  # fmt: skip
    if not is_open:
        return entries
    if case.clash:
        entries.append(Entry(words.say("now.clash"), _clash(case, desk), Tone.ALERT, age))
    entries += [_fact(told, desk, age) for told in case.told]
    if case.payer:
        entries.append(Entry(words.say("told.payer"), words.text(case.payer), age=age))
    if case.promise is not None:
        entries.append(_promise(case.promise, desk, age))
    entries += [_remedy(remedy, desk, age) for remedy in case.tried]
    entries += [
        Entry(words.say("told.missing"), words.text(text), Tone.ASK, age)
        for text in case.missing
    ]
    if case.next_step:
        entries.append(Entry(words.say("told.next"), words.text(case.next_step), age=age))
    return entries


def _fact(told: Told, desk: _Desk, age: str) -> Entry:
    text = desk.words.say(
        "told.fact", value=desk.words.text(told.value), channel=desk.words.channel(told.channel), at=desk.at(told.at)
    )  # fmt: skip
    return Entry(desk.words.name(told.label), text, age=age)


def _promise(promise: Promise, desk: _Desk, age: str) -> Entry:
    words = desk.words
    is_late = not promise.kept_at and 0 < promise.due_at < desk.now
    form = "kept" if promise.kept_at else "late" if is_late else "open"
    text = words.say(
        f"told.promise.{form}",
        by=words.name(promise.by), text=_plain(promise.text, words), due=desk.at(promise.due_at),
        kept=desk.at(promise.kept_at), late=words.span(desk.now - promise.due_at), at=desk.at(promise.kept_at),
    )  # fmt: skip
    return Entry(words.say("told.promise"), text, Tone.ALERT if is_late else Tone.PLAIN, age)


def _remedy(remedy: Remedy, desk: _Desk, age: str) -> Entry:
    words = desk.words
    form = "told.tried.struck" if is_struck(remedy) else "told.tried.text"
    text = words.say(
        form, remedy=words.name(remedy.text), tried=words.times(remedy.n_tried), failed=words.times(remedy.n_failed)
    )  # fmt: skip
    return Entry(
        words.say("told.tried"), text, Tone.STRUCK if is_struck(remedy) else Tone.PLAIN, age
    )


# The timeline


@dataclass(frozen=True, slots=True)
class _Contact:
    """One line of the timeline before it is words: a contact or several equal ones, or an order."""

    at: int
    channel: str
    row: Row
    body: Interaction | Order
    count: int = 1
    first_at: int = 0


def _timeline(profile: Profile, desk: _Desk, *, is_unfolded: bool) -> tuple[Entry, ...]:
    contacts = [
        _Contact(body.at, body.channel, row, body) for row, body in profile.of(Interaction)
    ]
    orders = [_Contact(body.at, body.channel, row, body) for row, body in profile.of(Order)]
    lines = sorted(
        [*(contacts if is_unfolded else folded(contacts)), *orders],
        key=lambda contact: (-contact.at, contact.row.key),
    )
    entries = tuple(_contact(contact, desk) for contact in lines[:TIMELINE_MAX])
    return entries or (Entry("", desk.words.say("timeline.nothing"), Tone.MUTED),)


def folded(contacts: list[_Contact]) -> list[_Contact]:
    """Equal contacts as one, standing where the newest stood: same topic, same channel, same direction.

    An unanswered contact is never folded away: it stays a line of its own.
    """
    groups: dict[tuple[str, str, str], list[_Contact]] = {}
    for contact in contacts:
        body = contact.body
        assert isinstance(body, Interaction)
        is_foldable = body.topic and not is_unanswered(body)
        key = (body.topic if is_foldable else contact.row.key, body.channel, body.direction)
        groups.setdefault(key, []).append(contact)
    return [_fold(group) for group in groups.values()]


def _fold(group: list[_Contact]) -> _Contact:
    newest = max(group, key=lambda contact: contact.at)
    first_at = min(contact.at for contact in group)
    return _Contact(newest.at, newest.channel, newest.row, newest.body, len(group), first_at)


def _contact(contact: _Contact, desk: _Desk) -> Entry:
    words = desk.words
    label = words.say(
        "timeline.label", at=desk.at(contact.at), channel=words.channel(contact.channel)
    )
    match contact.body:
        case Order() as order:
            text = words.say(
                "timeline.order", order=words.name(order.id), items=_items(order, words),
                money=words.money(order.total_minor, order.currency), state=words.either(f"order.{order.state}", "order.placed"),
            )  # fmt: skip
            return Entry(label, text, age=desk.age(contact.row))
        case Interaction() as interaction:
            text = _said(interaction, words)
            if contact.count > 1:
                text = words.say(
                    "timeline.folded", topic=words.name(interaction.topic), count=contact.count,
                    first=desk.at(contact.first_at), text=text,
                )  # fmt: skip
            tone = Tone.MUTED if interaction.direction == "note" else Tone.PLAIN
            if is_unanswered(interaction):
                text, tone = words.say("timeline.owed", text=text), Tone.ALERT
            return Entry(label, text, tone, desk.age(contact.row))


def _items(order: Order, words: StaffWords) -> str:
    """Titles of the lines; a gift's contents are marked, because the clerk may read them aloud."""
    titles = ", ".join(
        words.name(f"{line.count} {line.title} {line.variant}" if line.count > 1 else f"{line.title} {line.variant}")
        for line in order.lines[:5]
    )  # fmt: skip
    return _marked(order.sensitivity, titles, words)


def _marked(sensitivity: str, text: str, words: StaffWords) -> str:
    if sensitivity == "normal":
        return text
    return words.say(
        "timeline.gift" if sensitivity == "gift" else "timeline.sensitive", text=text
    )


def _careful(contact: Interaction, words: StaffWords) -> str:
    return _marked(contact.sensitivity, words.text(contact.text), words)


def _said(contact: Interaction, words: StaffWords) -> str:
    text = _careful(contact, words)
    match contact.direction, contact.audience:
        case "in", _:
            return words.say("timeline.in", text=text)
        case "note", "customer":
            return words.say("timeline.note.customer", by=words.name(contact.by), text=text)
        case "note", _:
            return words.say("timeline.note", by=words.name(contact.by), text=text)
        case _:
            return words.say("timeline.out", by=words.name(contact.by), text=text)


def why(code: str, words: StaffWords) -> str:
    """Why the centre said no, in words; an unknown code is said with the code, because somebody may know it."""
    key = f"why.{code}"
    return words.say(key) if words.has(key) else words.say("why.other", code=words.name(code))
