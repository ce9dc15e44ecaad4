"""What a customer already told us, and every contact in every channel, newest first; pure.

Equal contacts fold: the same topic in the same channel and direction is one line where the newest stood, with a count.
An unanswered contact is never folded away.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from kiosk.core.counter_answer import delivery_text
from kiosk.core.counter_now import Cases, clash_text
from kiosk.core.entries import Entry, Telling, Tone, is_struck, is_unanswered, item_of
from kiosk.core.promising import promised_count
from sync.model import promises
from sync.model.operations.request_erasure import due_at_of, is_erasure
from sync.model.profile import Profile
from sync.model.records import (
    UNSENT,
    Case,
    Interaction,
    Order,
    Pickup,
    Promise,
    Remedy,
    Told,
    way_of,
)
from sync.model.row import Row

TIMELINE_MAX: Final = 200
"""Contacts shown at once; older ones are of no use to somebody with a customer waiting."""

KIOSK: Final = "kiosk"
"""Who a note is from that a customer's touch at the kiosk left; public: recorded."""

AT_THE_KIOSK: Final = (
    "Is at the kiosk and ",
    "Is at the kiosk to ",
    "Ist am Kiosk und ",
    "Ist am Kiosk, um ",
)
"""How the sentences begin that the kiosk records (`rang.*` of `kiosk.core.wording.customer`)."""

ITEMS_MAX: Final = 5
"""Items of an order named in its line of the timeline."""


def told_of(cases: Cases, tell: Telling) -> tuple[Entry, ...]:
    """Every case with all that was told about it; a solved one in a line."""
    entries = [entry for row, case in cases for entry in _case(row, case, tell)]
    return tuple(entries) or (Entry("", tell.words.say("told.nothing"), tone=Tone.MUTED),)


def _case(row: Row, case: Case, tell: Telling) -> list[Entry]:
    words, age = tell.words, tell.age(row)
    is_open = case.state == "open"
    head = Entry(
        label=words.name(case.number),
        text=words.say(
            "told.case.open" if is_open else "told.case.solved",
            at=tell.at(case.opened_at),
            channel=words.channel(case.channel),
        ),
        lead=tell.part(case.topic),
        tone=Tone.PLAIN if is_open else Tone.MUTED,
        age=age,
        card_line=("case", words.name(case.number), tell.part(case.topic)) if is_open else (),
    )
    if not is_open:
        return [head]
    if is_erasure(case):
        text = words.say(
            "told.forget", at=tell.at(case.opened_at), due=tell.at(due_at_of(case))
        )
        return [replace(head, lead=words.say("told.forget.lead"), text=text)]
    entries = [head]
    if case.clash:
        text = clash_text(case, tell)
        entries.append(Entry(words.say("now.clash"), text, tone=Tone.ALERT, age=age))
    entries += [_fact(told, tell, age) for told in case.told]
    if case.payer and not any(case.payer in told.value for told in case.told):
        payer = words.text(case.payer)
        line = ("payer", payer)
        entries.append(Entry(words.say("told.payer"), payer, age=age, card_line=line))
    entries += _promised(case, tell, age)
    entries += [_remedy(remedy, tell, age) for remedy in case.tried]
    entries += [
        Entry(
            words.say("told.missing"),
            words.text(missing),
            tone=Tone.ASK,
            age=age,
            card_line=("missing", words.text(missing)),
        )
        for missing in case.missing
    ]
    if case.next_step:
        step = words.text(case.next_step)
        line = ("next", step)
        entries.append(Entry(words.say("told.next"), step, age=age, card_line=line))
    return entries


def _fact(told: Told, tell: Telling, age: str) -> Entry:
    words = tell.words
    text = words.say(
        "told.fact",
        value=words.text(told.value),
        channel=words.channel(told.channel),
        at=tell.at(told.at),
    )
    line = ("told", words.name(told.label), words.text(told.value))
    return Entry(words.name(told.label), text, age=age, card_line=line)


def _promised(case: Case, tell: Telling, age: str) -> Iterator[Entry]:
    """What presses most, or was promised last where all is kept, and what was promised since."""
    promise, newer = promises.pressing(case) or case.promise, promises.again(case)
    if promise is None:
        return
    tally = promises.tally(case, now=tell.now)
    count = promised_count(tally, tell, told_at=promise.due_at)
    entry = _promise(promise, tell, age)
    if newer is not None:
        yield entry
        entry = replace(_promise(newer, tell, age), label=tell.words.say("told.promise.again"))
    if count:
        text = tell.words.say("told.promise.count", text=entry.text, count=count)
        entry = replace(entry, text=text)
    yield entry


def _promise(promise: Promise, tell: Telling, age: str) -> Entry:
    words = tell.words
    is_late = not promise.kept_at and 0 < promise.due_at < tell.now
    form = "kept" if promise.kept_at else "late" if is_late else "open"
    text = words.say(
        f"told.promise.{form}",
        by=words.name(promise.by),
        text=tell.part(promise.text),
        due=tell.at(promise.due_at),
        late=words.late(promise.due_at, now=tell.now),
        at=tell.at(promise.kept_at),
    )
    tone = Tone.ALERT if is_late else Tone.PLAIN
    line = (
        () if promise.kept_at else ("promised", words.name(promise.by), tell.part(promise.text))
    )
    return Entry(words.say("told.promise"), text, tone=tone, age=age, card_line=line)


def _remedy(remedy: Remedy, tell: Telling, age: str) -> Entry:
    words = tell.words
    struck = is_struck(remedy)
    text = words.say(
        "told.tried.struck" if struck else "told.tried.text",
        tried=words.times(remedy.n_tried),
        failed=words.times(remedy.n_failed),
    )
    tone = Tone.STRUCK if struck else Tone.PLAIN
    return Entry(
        words.say("told.tried"),
        text,
        lead=words.name(remedy.text),
        tone=tone,
        age=age,
        card_line=("tried", words.name(remedy.text), f"{remedy.n_failed} of {remedy.n_tried}"),
    )


# The timeline


@dataclass(frozen=True, slots=True)
class Contact:
    """One line of the timeline before it is words: a contact, or several equal ones by their newest.

    Attributes:
        count: How many equal ones it stands for.
        first_at: When the oldest of them was.
    """

    row: Row
    body: Interaction
    count: int = 1
    first_at: int = 0


def timeline_of(profile: Profile, tell: Telling, *, is_unfolded: bool) -> tuple[Entry, ...]:
    """Contacts, orders and parcels handed over, newest first.

    Args:
        profile: What this device holds of the customer.
        tell: What lines are made with.
        is_unfolded: Show equal contacts one by one.
    """
    contacts = [Contact(row, body) for row, body in profile.of(Interaction)]
    lines: list[tuple[int, str, Entry]] = [
        (contact.body.at, contact.row.key, _contact(contact, tell, profile))
        for contact in (contacts if is_unfolded else folded(contacts))
    ]
    lines += [(order.at, row.key, _order(row, order, tell)) for row, order in profile.of(Order)]
    lines += [
        (pickup.handed_over_at, row.key, _handed_over(row, pickup, tell))
        for row, pickup in profile.of(Pickup)
        if pickup.handed_over_at
    ]
    lines.sort(key=lambda line: (-line[0], line[1]))
    entries = tuple(entry for _, _, entry in lines[:TIMELINE_MAX])
    return entries or (Entry("", tell.words.say("timeline.nothing"), tone=Tone.MUTED),)


def n_lines_of(profile: Profile, *, is_unfolded: bool) -> int:
    """How many lines `timeline_of` has of this customer."""
    contacts = [Contact(row, body) for row, body in profile.of(Interaction)]
    n_contacts = len(contacts if is_unfolded else folded(contacts))
    n_handed_over = sum(pickup.handed_over_at > 0 for _, pickup in profile.of(Pickup))
    return min(n_contacts + len(profile.of(Order)) + n_handed_over, TIMELINE_MAX)


def folded(contacts: list[Contact]) -> list[Contact]:
    """Equal contacts as one, standing where the newest stood."""
    groups: dict[tuple[str, str, str], list[Contact]] = {}
    for contact in contacts:
        body = contact.body
        is_foldable = body.topic and not is_unanswered(body)
        kept_apart = body.topic if is_foldable else contact.row.key
        groups.setdefault((kept_apart, way_of(body), body.direction), []).append(contact)
    return [_fold(group) for group in groups.values()]


def _fold(group: list[Contact]) -> Contact:
    newest = max(group, key=lambda contact: contact.body.at)
    first_at = min(contact.body.at for contact in group)
    return Contact(newest.row, newest.body, count=len(group), first_at=first_at)


def _contact(contact: Contact, tell: Telling, profile: Profile) -> Entry:
    words, body = tell.words, contact.body
    text = _said(body, tell)
    if contact.count > 1:
        text = words.say(
            "timeline.folded",
            topic=words.name(body.topic),
            count=contact.count,
            first=tell.at(contact.first_at),
            text=words.say("timeline.quoted", text=text) if body.direction == "in" else text,
        )
    tone = Tone.MUTED if body.direction == "note" else Tone.PLAIN
    became = delivery_text(contact.row, body, tell, profile)
    if became:
        text = words.say("timeline.sent", text=text, became=became)
        tone = Tone.ALERT if body.delivery in UNSENT else tone
    if is_unanswered(body):
        text, tone = words.say("timeline.owed", text=text), Tone.ALERT
    lead = words.channel(way_of(body))
    return Entry(tell.at(body.at), text, lead=lead, tone=tone, age=tell.age(contact.row))


def _said(contact: Interaction, tell: Telling) -> str:
    text = tell.careful(contact)
    if contact.by == KIOSK and contact.direction == "note":
        kind, _, order = contact.about.partition("/")
        form = "timeline.kiosk.order" if kind == "order" and order else "timeline.kiosk"
        return tell.words.say(form, text=_at_the_kiosk(text), order=tell.words.name(order))
    match contact.direction, contact.audience:
        case "in", _:
            return text
        case "note", "customer":
            form = "timeline.note.customer"
        case "note", _:
            form = "timeline.note"
        case _:
            form = "timeline.out"
    return tell.words.say(form, by=tell.words.name(contact.by), text=text)


def _at_the_kiosk(text: str) -> str:
    """What the kiosk noted of a customer, without the words that say where: our own sentence says that."""
    for start in AT_THE_KIOSK:
        if text.startswith(start):
            return text.removeprefix(start).rstrip(".")
    return text.rstrip(".")


def _order(row: Row, order: Order, tell: Telling) -> Entry:
    words = tell.words
    items = ", ".join(item_of(line, words) for line in order.lines[:ITEMS_MAX])
    text = words.say(
        "timeline.order",
        order=words.name(order.id),
        items=tell.marked(order.sensitivity, items),
        money=words.money(order.total_minor, order.currency),
        state=words.either(f"order.{order.state}", "order.other"),
    )
    return Entry(tell.at(order.at), text, lead=words.channel(order.channel), age=tell.age(row))


def _handed_over(row: Row, pickup: Pickup, tell: Telling) -> Entry:
    words = tell.words
    text = words.say(
        "timeline.handed-over.to" if pickup.handed_over_to else "timeline.handed-over",
        count=words.items(pickup.n_items),
        order=words.name(pickup.order),
        store=tell.store(pickup.handed_over_store or pickup.store),
        by=words.name(tell.clerk(pickup.handed_over_by)),
        to=words.name(pickup.handed_over_to),
    )
    at = tell.at(pickup.handed_over_at)
    return Entry(at, text, lead=words.channel("store"), age=tell.age(row))
