"""The lines a clerk must see in two seconds: what waits, what we owe, what not to do, what alone to ask; pure.

Order: a promise of ours that ran out, who else is with them now, what is wrong with the band, what two counters did to each
other, what can be handed over here, who sent them, what did not reach them, what we owe, what was not answered, what the web
and this shop say differently of what they come for, what not to offer again, the one thing to ask, the next step, that they want to be
forgotten, tickets and the household, what waits elsewhere, who may be the same person.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from kiosk.core.counter_answer import failed_of
from kiosk.core.entries import (
    Entry,
    Opened,
    Post,
    Telling,
    Tone,
    is_struck,
    is_unanswered,
    name_of,
    why,
)
from kiosk.core.page import DAY_US, HELP_DAYS
from kiosk.core.promising import promised_count
from sync.model import ledger, promises
from sync.model.operation import Evidence
from sync.model.operations.request_erasure import due_at_of, is_erasure
from sync.model.profile import Profile
from sync.model.records import (
    Band,
    Case,
    Customer,
    Entitlement,
    Interaction,
    Likeness,
    Offer,
    Order,
    Pickup,
    Price,
    Product,
    Referral,
    Serving,
    Stock,
    key_of,
    way_of,
)
from sync.model.row import Row
from sync.model.sins import WEB

PARCELS_MAX: Final = 9
"""Parcels with a digit; a tenth is found once another is handed over."""

ID_LENGTH_MAX: Final = 80
"""Longest id an operation can carry (`sync.model.wire.Id`); what has a longer one cannot be acted on here."""

OF_LENGTH_MAX: Final = 120
"""Longest key of what can be redeemed from that an operation can carry (`redeem.Of`)."""

_OVER: Final = ("cancelled", "returned")
"""States of an order whose goods are of no more concern."""

Cases = tuple[tuple[Row, Case], ...]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel that can be handed over here, now.

    Attributes:
        pickup: Id of the pickup.
        order: Number of its order as it is recorded; "" for one too long to be.
        digit: Key that begins it.
        question: What is asked before it is handed over, one line a part; safe to show.
        yes: What the answer that does it is called.
        evidence: What the act is recorded with, once the question is answered with yes.
    """

    pickup: str
    order: str
    digit: str
    question: tuple[str, ...]
    yes: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Ticket:
    """Something that can be used here, now, once.

    Attributes:
        of: Key of the entitlement.
        title: What it is called, safe to show.
        digit: Key that begins it.
        question, yes, evidence: As a parcel's.
    """

    of: str
    title: str
    digit: str
    question: tuple[str, ...]
    yes: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Todo:
    """Something that waits for whoever serves: a digit begins it.

    Attributes:
        kind: answer_again | referral | likeness.
        id: Of the message, the referral, the other customer.
        digit: Key that begins it.
        name: Who or what it is, safe to show.
        text: What is to be known before, safe to show.
        is_taken: Of a referral: somebody here took it, and it is to be finished.
    """

    kind: str
    id: str
    digit: str
    name: str
    text: str = ""
    is_taken: bool = False


def todos_of(profile: Profile, *, tell: Telling, n_before: int) -> tuple[Todo, ...]:
    """What waits for whoever serves: who was sent here, what did not reach them, who may be the same person.

    Args:
        profile: What this device holds.
        tell: What lines are made with.
        n_before: How many digits are taken.
    """
    words = tell.words
    found = [
        *(
            Todo(
                "referral",
                it.id,
                "",
                words.name(it.by),
                words.text(it.text),
                it.state == "taken",
            )
            for _, it in referrals_of(profile, tell.post.store)
        ),
        *(
            Todo("answer_again", it.id, "", words.channel(way_of(it)), words.text(it.text))
            for _, it in failed_of(profile, tell.now)
        ),
        *(
            Todo("likeness", it.other, "", words.name(it.name), words.text(it.why))
            for _, it in alike_of(profile, tell)
        ),
    ]
    return tuple(
        replace(todo, digit=str(digit))
        for digit, todo in enumerate(found[: PARCELS_MAX - n_before], start=n_before + 1)
        if len(todo.id) <= ID_LENGTH_MAX
    )


def alike_of(profile: Profile, tell: Telling) -> tuple[tuple[Row, Likeness], ...]:
    """Who may be the same person, without those that somebody here decided already."""
    found = profile.of(Likeness)
    return tuple((row, it) for row, it in found if it.id not in tell.decided)


def referrals_of(profile: Profile, store: str) -> tuple[tuple[Row, Referral], ...]:
    """That this store expects them, the earliest first."""
    found = [
        (row, it)
        for row, it in profile.of(Referral)
        if it.store == store and it.state in ("open", "taken")
    ]
    return tuple(sorted(found, key=lambda pair: (pair[1].due_at or pair[1].at, pair[0].key)))


def tickets_of(
    profile: Profile, *, tell: Telling, opened: Opened, name: str, n_before: int
) -> tuple[Ticket, ...]:
    """What can be used here, the one that ends first before the others.

    Args:
        profile: What this device holds.
        tell: What lines are made with.
        opened: How the page came to be open.
        name: Of the customer, safe to show.
        n_before: How many digits are taken.
    """
    words = tell.words
    usable = [row for row, _, _ in _usable(profile, tell) if len(row.key) <= OF_LENGTH_MAX]
    found = []
    for index, row in enumerate(usable[: PARCELS_MAX - n_before], start=n_before + 1):
        assert isinstance(row.body, Entitlement)
        title = words.text(row.body.title)
        lines = [words.say("ticket.question", title=title, name=name)]
        if opened.needs_id:
            how = words.either(f"how.{opened.how}", "how.band")
            lines.append(words.say("ticket.id", how=how))
        found.append(
            Ticket(
                of=row.key,
                title=title,
                digit=str(index),
                question=tuple(lines),
                yes=words.say("ticket.yes-id" if opened.needs_id else "ticket.yes"),
                evidence=_evidence(opened),
            )
        )
    return tuple(found)


def _evidence(opened: Opened) -> Evidence:
    """What a clerk's act is recorded with once the question is answered with yes."""
    if not opened.needs_id:
        return opened.evidence
    return Evidence(assurance="S1", proof="id_seen", band=opened.evidence.band)


def parcels_of(
    profile: Profile, *, tell: Telling, opened: Opened, name: str
) -> tuple[Parcel, ...]:
    """What can be handed over here, the longest waiting first."""
    here = sorted(
        (
            pickup
            for _, pickup in profile.of(Pickup)
            if _is_here(pickup, tell.post) and len(pickup.id) <= ID_LENGTH_MAX
        ),
        key=lambda pickup: (pickup.ready_at, pickup.id),
    )
    return tuple(
        Parcel(
            pickup=pickup.id,
            order=pickup.order if len(pickup.order) <= ID_LENGTH_MAX else "",
            digit=str(index),
            question=_question(pickup, tell, opened, name),
            yes=tell.words.say("hand.yes-id" if opened.needs_id else "hand.yes"),
            evidence=_evidence(opened),
        )
        for index, pickup in enumerate(here[:PARCELS_MAX], start=1)
    )


def now_of(
    profile: Profile,
    *,
    open_cases: Cases,
    parcels: tuple[Parcel, ...],
    tickets: tuple[Ticket, ...],
    todos: tuple[Todo, ...],
    tell: Telling,
) -> tuple[Entry, ...]:
    """All lines, in their order; one line that says so when nothing waits and nothing is owed."""
    cases = tuple(pair for pair in open_cases if not is_erasure(pair[1]))
    entries = [
        *_owed(cases, tell, is_late=True),
        *_serving(profile, tell),
        *_blocked(profile, tell),
        *_clashes(open_cases, tell),
        *_waiting(profile, parcels, tell),
        *_referred(profile, todos, tell),
        *_failed(profile, todos, tell),
        *_owed(cases, tell, is_late=False),
        *_unanswered(profile, tell),
        *_differing(profile, tell),
        *_struck(open_cases, tell),
        *_missing(open_cases, tell),
        *_next(cases, tell),
        *_forgotten(open_cases, tell),
        *_tickets(profile, tickets, tell),
        *_waiting_elsewhere(profile, tell),
        *_alike(profile, todos, tell),
    ] or [Entry("", tell.words.say("now.nothing"), tone=Tone.MUTED)]
    return (*entries, *_family(profile, tell))


def clash_text(case: Case, tell: Telling) -> str:
    """What collided, with every side of the story: what, when, where, by whom."""
    words = tell.words
    sides = [
        words.say(
            "clash.side.to" if side.to else "clash.side",
            at=tell.at(side.at),
            store=tell.store(side.store),
            by=words.name(tell.clerk(side.by)),
            to=words.name(side.to),
        )
        for side in case.sides
    ]
    told = why(case.clash, words)
    return f"{told}: {words.say('clash.and').join(sides)}" if sides else told


def _is_here(pickup: Pickup, post: Post) -> bool:
    return pickup.state == "ready" and pickup.store == post.store


def _question(pickup: Pickup, tell: Telling, opened: Opened, name: str) -> tuple[str, ...]:
    words = tell.words
    shelf = words.name(pickup.shelf)
    form = "hand.question" if shelf else "hand.question.no-shelf"
    lines = [
        words.say(form, count=words.items(pickup.n_items), shelf=shelf, name=name),
        words.say("hand.order", order=words.name(pickup.order)),
    ]
    if pickup.collector:
        lines.append(words.say("hand.collector", collector=tell.part(pickup.collector)))
    if opened.needs_id:
        how = words.either(f"how.{opened.how}", "how.band")
        lines.append(words.say("hand.id", how=how))
    return tuple(lines)


def _blocked(profile: Profile, tell: Telling) -> list[Entry]:
    """Said only when no band of theirs works: a lost band that was replaced is history."""
    bands = profile.of(Band)
    if any(band.state == "active" for _, band in bands):
        return []
    words = tell.words
    return [
        Entry(
            label=words.say("now.blocked"),
            lead=words.name(band.label),
            text=words.say("now.blocked.text"),
            tone=Tone.ALERT,
            age=tell.age(row),
        )
        for row, band in bands
        if band.state == "blocked"
    ]


def _clashes(cases: Cases, tell: Telling) -> list[Entry]:
    words = tell.words
    return [
        Entry(
            label=words.say("now.clash"),
            text=f"{clash_text(case, tell)}. {words.say('unsettled.way')}",
            tone=Tone.ALERT,
            age=tell.age(row),
        )
        for row, case in cases
        if case.clash
    ]


def _serving(profile: Profile, tell: Telling) -> list[Entry]:
    """Who else of us is with them now; whoever reads it knows of themselves."""
    words = tell.words
    return [
        Entry(
            label=words.say("now.serving"),
            lead=words.name(one.by),
            text=words.say(
                "now.serving.text", channel=words.channel(one.channel), since=tell.at(one.at)
            ),
            tone=Tone.ASK,
            age=tell.age(row),
            is_on_card=True,
        )
        for row, serving in profile.of(Serving)
        for one in serving.who
        if one.until > tell.now and one.actor != tell.post.clerk
    ]


def _referred(profile: Profile, todos: tuple[Todo, ...], tell: Telling) -> list[Entry]:
    words = tell.words
    digits = {todo.id: todo.digit for todo in todos if todo.kind == "referral"}
    entries = []
    for row, referral in referrals_of(profile, tell.post.store):
        is_taken = referral.state == "taken"
        by = referral.changed_by if is_taken else referral.by
        form = "now.referred.taken" if is_taken else "now.referred.open"
        due = (
            words.say("now.referred.due", due=tell.at(referral.due_at))
            if referral.due_at
            else ""
        )
        entries.append(
            Entry(
                label=words.say("now.referred"),
                lead=due,
                text=words.say(form, by=words.name(by), text=tell.part(referral.text)),
                tone=Tone.READY,
                age=tell.age(row),
                digit=digits.get(referral.id, ""),
            )
        )
    return entries


def _failed(profile: Profile, todos: tuple[Todo, ...], tell: Telling) -> list[Entry]:
    """What we wrote and they never read: nobody else will notice."""
    words = tell.words
    digits = {todo.id: todo.digit for todo in todos if todo.kind == "answer_again"}
    return [
        Entry(
            label=words.say("now.failed"),
            lead=words.channel(way_of(message)),
            text=words.say(
                "now.failed.text",
                why=tell.part(message.delivery_reason) or words.say("why.none"),
                text=tell.careful(message),
            ),
            tone=Tone.ALERT,
            age=tell.age(row),
            digit=digits.get(message.id, ""),
        )
        for row, message in failed_of(profile, tell.now)
    ]


def _alike(profile: Profile, todos: tuple[Todo, ...], tell: Telling) -> list[Entry]:
    words = tell.words
    digits = {todo.id: todo.digit for todo in todos if todo.kind == "likeness"}
    return [
        Entry(
            label=words.say("now.alike"),
            lead=words.name(likeness.name),
            text=words.say("now.alike.text", why=tell.part(likeness.why)),
            tone=Tone.ASK,
            age=tell.age(row),
            digit=digits.get(likeness.other, ""),
        )
        for row, likeness in alike_of(profile, tell)
    ]


def _waiting(profile: Profile, parcels: tuple[Parcel, ...], tell: Telling) -> list[Entry]:
    rows = {pickup.id: (row, pickup) for row, pickup in profile.of(Pickup)}
    return [_parcel(parcel, *rows[parcel.pickup], tell) for parcel in parcels]


def _parcel(parcel: Parcel, row: Row, pickup: Pickup, tell: Telling) -> Entry:
    words = tell.words
    shelf = words.name(pickup.shelf)
    text = words.say(
        "now.pickup.text",
        count=words.items(pickup.n_items),
        order=words.name(pickup.order),
        since=tell.at(pickup.ready_at),
    )
    if pickup.collector:
        may = words.say("now.pickup.collector", collector=tell.part(pickup.collector))
        text = f"{text}. {may}"
    return Entry(
        label=words.say("now.pickup"),
        lead=words.say("now.pickup.shelf" if shelf else "now.pickup.no-shelf", shelf=shelf),
        text=text,
        tone=Tone.READY,
        age=tell.age(row),
        digit=parcel.digit,
    )


def _waiting_elsewhere(profile: Profile, tell: Telling) -> list[Entry]:
    words = tell.words
    entries = []
    for row, pickup in profile.of(Pickup):
        if pickup.state == "ready" and not _is_here(pickup, tell.post):
            form = "now.pickup.elsewhere"
        elif pickup.state == "expected":
            form = "now.pickup.expected"
        else:
            continue
        text = words.say(
            f"{form}.text",
            count=words.items(pickup.n_items),
            order=words.name(pickup.order),
            store=tell.store(pickup.store),
        )
        entries.append(Entry(words.say(form), text, tone=Tone.MUTED, age=tell.age(row)))
    return entries


def _owed(cases: Cases, tell: Telling, *, is_late: bool) -> list[Entry]:
    """What presses on each case where that is late, or where it is not, and what was promised since."""
    words = tell.words
    entries = []
    for row, case in cases:
        promise = promises.pressing(case)
        if promise is None or is_late != (0 < promise.due_at < tell.now):
            continue
        form = "late" if is_late else "open"
        due, late = tell.at(promise.due_at), words.late(promise.due_at, now=tell.now)
        by, text = words.name(promise.by), tell.part(promise.text)
        entries.append(
            Entry(
                label=words.say("now.owed"),
                lead=words.say(f"now.owed.{form}", late=late, due=due),
                text=words.say(f"now.owed.{form}.text", by=by, text=text, due=due),
                tone=Tone.ALERT if is_late else Tone.PLAIN,
                age=tell.age(row),
                is_on_card=True,
            )
        )
        newer = promises.again(case)
        if newer is not None:
            tally = promises.tally(case, now=tell.now)
            text = words.say(
                "now.owed.again.text",
                by=words.name(newer.by),
                text=tell.part(newer.text),
                count=promised_count(tally, tell, told_at=promise.due_at),
            )
            lead = words.say("now.owed.again", due=tell.at(newer.due_at))
            entries.append(replace(entries[-1], lead=lead, text=text, tone=Tone.PLAIN))
    return entries


def _forgotten(cases: Cases, tell: Telling) -> list[Entry]:
    """That they want to be forgotten, until when, and how: no clerk can do it from this page."""
    words = tell.words
    return [
        Entry(
            label=words.say("now.forget"),
            lead=words.late(due_at_of(case), now=tell.now)
            if due_at_of(case) < tell.now
            else words.say("now.forget.due", due=tell.at(due_at_of(case))),
            text=words.say("now.forget.text", at=tell.at(case.opened_at)),
            tone=Tone.ALERT if due_at_of(case) < tell.now else Tone.PLAIN,
            age=tell.age(row),
            is_on_card=True,
        )
        for row, case in cases
        if is_erasure(case)
    ]


def _unanswered(profile: Profile, tell: Telling) -> list[Entry]:
    """One line a channel: how late its oldest contact is, and what the newest says."""
    words = tell.words
    newest: dict[str, tuple[Row, Interaction]] = {}
    oldest: dict[str, Interaction] = {}
    for row, contact in sorted(profile.of(Interaction), key=lambda pair: pair[1].at):
        if is_unanswered(contact):
            newest[contact.channel] = (row, contact)
            oldest.setdefault(contact.channel, contact)
    entries = []
    for channel, (row, contact) in newest.items():
        first = oldest[channel]
        is_late = first.due_at < tell.now
        form = "now.unanswered.late" if is_late else "now.unanswered.open"
        late, due = words.late(first.due_at, now=tell.now), tell.at(first.due_at)
        entries.append(
            Entry(
                label=words.say("now.unanswered" if is_late else "now.to-answer"),
                lead=words.say(
                    form, channel=words.channel(way_of(contact)), late=late, due=due
                ),
                text=tell.careful(contact),
                tone=Tone.ALERT if is_late else Tone.PLAIN,
                age=tell.age(row),
                is_on_card=True,
            )
        )
    return entries


def _differing(profile: Profile, tell: Telling) -> list[Entry]:
    """Where the web says otherwise than this shop of a product the customer has an offer, an order or a contact about."""
    entries = []
    for product in _products_of(profile, tell):
        row = tell.held(key_of("product", product))
        facts = [*_stock_differs(product, tell), *_price_differs(product, tell)]
        if row is not None and isinstance(row.body, Product) and facts:
            entries.append(
                Entry(
                    label=tell.words.say("now.differs"),
                    lead=tell.marked(row.body.sensitivity, tell.words.name(row.body.title)),
                    text="; ".join(facts),
                    tone=Tone.ALERT,
                    age=_age_of_web(product, tell),
                )
            )
    return entries


def _age_of_web(product: str, tell: Telling) -> str:
    """Since when the web says what it says."""
    keys = (key_of("stock", f"{product}@{WEB}"), key_of("price", f"{product}@{WEB}"))
    return next((tell.age(row) for key in keys if (row := tell.held(key)) is not None), "")


def _products_of(profile: Profile, tell: Telling) -> tuple[str, ...]:
    """Products of offers that still stand, and of orders that are neither old nor cancelled, or that a contact is about."""
    asked = {contact.about for _, contact in profile.of(Interaction)}
    since = tell.now - HELP_DAYS * DAY_US
    offered = [
        offer.product
        for _, offer in profile.of(Offer)
        if offer.product and (not offer.until or offer.until > tell.now)
    ]
    bought = [
        line.product
        for row, order in profile.of(Order)
        if order.state not in _OVER and (order.at >= since or row.key in asked)
        for line in order.lines
    ]
    return tuple(dict.fromkeys((*offered, *bought)))


def _stock_differs(product: str, tell: Telling) -> list[str]:
    """The web promises what this shop does not have; another number of a product that is there is no trouble here."""
    web, here = (_stock(product, place, tell) for place in (WEB, tell.post.store))
    if web is None or here is None or not web.count:
        return []
    if here.is_doubtful:
        return [tell.words.say("now.differs.doubtful", web=web.count)]
    if here.count == 0:
        at = tell.at(here.counted_at)
        return [tell.words.say("now.differs.stock", web=web.count, here=here.count, at=at)]
    return []


def _stock(product: str, place: str, tell: Telling) -> Stock | None:
    row = tell.held(key_of("stock", f"{product}@{place}"))
    return row.body if row is not None and isinstance(row.body, Stock) else None


def _price_differs(product: str, tell: Telling) -> list[str]:
    rows = [tell.held(key_of("price", f"{product}@{channel}")) for channel in (WEB, "store")]
    prices = [row.body for row in rows if row is not None and isinstance(row.body, Price)]
    if len(prices) < 2 or prices[0].currency != prices[1].currency:
        return []
    web, here = (price.amount_minor for price in prices)
    if web == here:
        return []
    money = [tell.words.money(price.amount_minor, price.currency) for price in prices]
    return [tell.words.say("now.differs.price", web=money[0], here=money[1])]


def _usable(profile: Profile, tell: Telling) -> Iterator[tuple[Row, Entitlement, int | None]]:
    """What they may still enter or redeem and how often, the one that ends first before the others."""
    for row, ticket in sorted(profile.of(Entitlement), key=lambda pair: pair[1].until):
        n_left = ledger.in_all(row, profile.rows)
        if n_left != 0 and not 0 < ticket.until <= tell.now:
            yield row, ticket, n_left


def _tickets(profile: Profile, tickets: tuple[Ticket, ...], tell: Telling) -> list[Entry]:
    words = tell.words
    digits = {ticket.of: ticket.digit for ticket in tickets}
    entries = []
    for row, ticket, n_left in _usable(profile, tell):
        facts = []
        if ticket.until:
            facts.append(words.say("now.ticket.until", until=tell.at(ticket.until)))
        if n_left is not None:
            facts.append(words.say("now.ticket.left", count=n_left))
        entries.append(
            Entry(
                label=words.say("now.ticket" if ticket.kind == "ticket" else "now.right"),
                lead=words.text(ticket.title),
                text=", ".join(facts),
                tone=Tone.READY,
                age=tell.age(row),
                digit=digits.get(row.key, ""),
            )
        )
    return entries


def _family(profile: Profile, tell: Telling) -> list[Entry]:
    """Who decides for a child, and whose bands join a visit."""
    words = tell.words
    entries = []
    for row, customer in profile.of(Customer):
        if customer.guardian:
            guardian = tell.held(key_of("customer", customer.guardian))
            name = words.name(customer.guardian)
            if guardian is not None and isinstance(guardian.body, Customer):
                name = name_of(guardian.body, words)
            text = words.say("now.guardian.text")
            entries.append(Entry(words.say("now.guardian"), text, lead=name, age=tell.age(row)))
        if customer.household:
            lead, text = words.name(customer.household), words.say("now.household.text")
            entries.append(
                Entry(words.say("now.household"), text, lead=lead, age=tell.age(row))
            )
    return entries


def _struck(cases: Cases, tell: Telling) -> list[Entry]:
    words = tell.words
    return [
        Entry(
            label=words.say("now.remedy"),
            lead=words.name(remedy.text),
            text=words.say(
                "now.remedy.text",
                tried=words.times(remedy.n_tried),
                failed=words.times(remedy.n_failed),
            ),
            tone=Tone.STRUCK,
            age=tell.age(row),
            is_on_card=True,
        )
        for row, case in cases
        for remedy in case.tried
        if is_struck(remedy)
    ]


def _missing(cases: Cases, tell: Telling) -> list[Entry]:
    return [
        Entry(
            label=tell.words.say("now.missing"),
            lead=tell.words.text(missing),
            text="",
            tone=Tone.ASK,
            age=tell.age(row),
            is_on_card=True,
        )
        for row, case in cases
        for missing in case.missing
    ]


def _next(cases: Cases, tell: Telling) -> list[Entry]:
    return [
        Entry(
            tell.words.say("now.next"),
            tell.words.text(case.next_step),
            age=tell.age(row),
            is_on_card=True,
        )
        for row, case in cases
        if case.next_step
    ]
