"""From what this device holds of a customer to the page a clerk sees; pure.

    now       what waits, what we owe, what not to do, the only thing left to ask     counter_now
    told      every case with the facts told, the promise, what was tried, the rest   counter_thread
    timeline  all contacts, newest first, the channel named, equal ones folded        counter_thread

A clerk sees more than a customer's panel: case text, shelf places, the age and source of every fact (on a key).
"""

from dataclasses import dataclass
from typing import Final

from kiosk.core.carried import Carried
from kiosk.core.counter_now import (
    ID_LENGTH_MAX,
    Cases,
    Parcel,
    Ticket,
    Todo,
    clash_text,
    now_of,
    parcels_of,
    tickets_of,
    todos_of,
)
from kiosk.core.counter_thread import n_lines_of, timeline_of, told_of
from kiosk.core.entries import Entry, Opened, Post, Telling, Tone, name_of, why
from kiosk.core.ports import Recognition, Unsettled
from kiosk.core.staff_words import StaffWords
from sync.model import ledger
from sync.model.operation import OperationState
from sync.model.operations.request_erasure import is_erasure
from sync.model.profile import Profile
from sync.model.records import Account, Case, Customer, Pickup, key_of
from sync.model.thread_parts import Part, PartKind


@dataclass(frozen=True, slots=True)
class Sheet:
    """A customer's page for the clerk.

    Attributes:
        owner: Customer id.
        name: Their name, safe to show.
        standing: Tier and points, beside the name.
        about: How sure we are, language, preferred channel, in one line.
        now, told, timeline: Its three parts.
        parcels: What can be handed over here.
        tickets: What can be used here.
        todos: What waits for whoever serves.
        n_contacts: Lines of the timeline with equal contacts one by one.
        n_lines: Lines of it with equal ones as one.
        case: Id of the case a note belongs to, "" without an open one.
        case_number: What people call it.
    """

    owner: str
    name: str
    standing: str
    about: str
    now: tuple[Entry, ...]
    told: tuple[Entry, ...]
    timeline: tuple[Entry, ...]
    parcels: tuple[Parcel, ...]
    tickets: tuple[Ticket, ...] = ()
    todos: tuple[Todo, ...] = ()
    n_contacts: int = 0
    n_lines: int = 0
    case: str = ""
    case_number: str = ""


def sheet_of(
    profile: Profile, *, tell: Telling, opened: Opened, is_unfolded: bool = False
) -> Sheet:
    """The page of one customer.

    Args:
        profile: What this device holds, unsettled operations folded in.
        tell: What lines are made with.
        opened: How the page came to be open.
        is_unfolded: Show equal contacts one by one.
    """
    words = tell.words
    customer = profile.customer
    name = name_of(customer, words) if customer else words.say("head.no-customer")
    parcels = parcels_of(profile, tell=tell, opened=opened, name=name)
    tickets = tickets_of(profile, tell=tell, opened=opened, name=name, n_before=len(parcels))
    todos = todos_of(profile, tell=tell, n_before=len(parcels) + len(tickets))
    cases = _cases(profile)
    open_cases = tuple(pair for pair in cases if pair[1].state == "open")
    case = next((one for _, one in open_cases if _is_worked_on(one)), None)
    return Sheet(
        owner=profile.owner,
        name=name,
        standing=_standing(profile, customer, words),
        about=_about(customer, words, opened),
        now=now_of(
            profile,
            open_cases=open_cases,
            parcels=parcels,
            tickets=tickets,
            todos=todos,
            tell=tell,
        ),
        told=told_of(cases, tell),
        timeline=timeline_of(profile, tell, is_unfolded=is_unfolded),
        parcels=parcels,
        tickets=tickets,
        todos=todos,
        n_contacts=n_lines_of(profile, is_unfolded=True),
        n_lines=n_lines_of(profile, is_unfolded=False),
        case=case.id if case else "",
        case_number=words.name(case.number) if case else "",
    )


def _is_worked_on(case: Case) -> bool:
    """Whether notes, promises and what was tried belong to it: a wish to be forgotten is done by erasing, and by nothing else."""
    return len(case.id) <= ID_LENGTH_MAX and not is_erasure(case)


def _cases(profile: Profile) -> Cases:
    """Open ones first, then the newest."""
    return tuple(
        sorted(
            profile.of(Case),
            key=lambda pair: (pair[1].state != "open", -pair[1].opened_at, pair[0].key),
        )
    )


def _standing(profile: Profile, customer: Customer | None, words: StaffWords) -> str:
    tier = [words.name(customer.tier)] if customer is not None and customer.tier else []
    counts = [ledger.in_all(row, profile.rows) or 0 for row, _ in profile.of(Account)]
    points = [
        words.say("head.points.one" if count == 1 else "head.points", points=f"{count:,}")
        for count in counts
    ]
    return ", ".join((*tier, *points))


def _about(customer: Customer | None, words: StaffWords, opened: Opened) -> str:
    if customer is None:
        return words.say("head.no-customer.hint")
    parts = [_identified(opened, words)]
    if customer.guardian:
        parts.append(words.say("head.child"))
    parts.append(words.say("head.speaks", language=_language(customer, words)))
    if customer.preferred_channel:
        parts.append(words.say("head.reach", channel=words.channel(customer.preferred_channel)))
    return " · ".join(parts)


def _identified(opened: Opened, words: StaffWords) -> str:
    if opened.how:
        return words.say("head.found", how=words.either(f"how.{opened.how}", "how.name"))
    return words.say("head.band" if opened.needs_id else "head.band-strong")


def _language(customer: Customer, words: StaffWords) -> str:
    key = f"language.{customer.language[:2].lower()}"
    return words.say(key) if words.has(key) else words.name(customer.language)


def unsettled_entry(
    unsettled: Unsettled, profile: Profile, tell: Telling, *, digit: str = ""
) -> Entry:
    """One operation that is not settled, in words: what it was, why it waits, and what to try.

    Args:
        unsettled: The operation.
        profile: What this device holds of its customer; empty when it is about nobody.
        tell: What lines are made with.
        digit: Key that opens the question about it, "" for none.
    """
    words = tell.words
    customer = profile.customer
    name = name_of(customer, words) if customer else words.say("unsettled.nobody")
    if unsettled.is_elsewhere:
        name = words.say("unsettled.elsewhere")
    what = words.either(f"kind.{unsettled.kind}", "kind.other")
    match unsettled.state:
        case OperationState.REFUSED:
            reason = _reason(unsettled, profile, tell)
            text = words.say("unsettled.refused", why=reason, way=words.say("unsettled.way"))
            tone = Tone.ALERT
        case OperationState.HELD:
            text = words.either(f"unsettled.held.{unsettled.code}", "unsettled.held")
            tone = Tone.ALERT
            if unsettled.is_settling:
                text, tone = words.say("unsettled.settling"), Tone.PLAIN
        case OperationState.VOID:
            text, tone = words.say("unsettled.void"), Tone.MUTED
        case OperationState.RECORDED | OperationState.SENDING | OperationState.APPLIED:
            text, tone = words.say("unsettled.waiting"), Tone.PLAIN
    return Entry(
        label=tell.at(unsettled.at),
        lead=words.say("unsettled.line", name=name, what=what),
        text=text,
        tone=tone,
        digit=digit,
    )


def _reason(unsettled: Unsettled, profile: Profile, tell: Telling) -> str:
    """Why the centre said no; with both sides of the story where this device holds them."""
    for _, case in profile.of(Case):
        if case.id == unsettled.op and case.clash:
            return clash_text(case, tell)
    for _, pickup in profile.of(Pickup):
        is_it = key_of("pickup", pickup.id) == unsettled.about
        if is_it and pickup.handed_over_at and pickup.handed_over_op != unsettled.op:
            at = tell.at(pickup.handed_over_at)
            store = tell.store(pickup.handed_over_store or pickup.store)
            return tell.words.say("why.already_handed_over.row", at=at, store=store)
    return why(unsettled.code, tell.words)


def unsaved_names(names: tuple[str, ...], words: StaffWords) -> str:
    """Whose notes were begun and not saved, in one line; "" when there are none."""
    return words.say("find.drafts", names=", ".join(names)) if names else ""


UNLINKED: Final = "unlinked"
"""Reason of a tap of a band that is nobody's yet."""

PROVED: Final = ("mutual", "cryptogram")
"""What a spare must have shown: a copied one must not become somebody's band."""


def is_spare(recognition: Recognition) -> bool:
    """Was a band tapped that is ours, proved, and nobody's yet?"""
    evidence = recognition.evidence
    return recognition.reason == UNLINKED and evidence.proof in PROVED and bool(evidence.band)


def nobody_here(reason: str, post: Post, words: StaffWords) -> str:
    """What staff read when a tap opened no page; the customer's panel never says it."""
    return words.either(f"here.nobody.{reason}", "here.nobody", store=post.store)


def carried_here(carried: Carried, *, key: str, words: StaffWords) -> str:
    """What staff read when a band speaks for a wearer this device knows nothing of: who, and how to read on."""
    name = words.name(carried.name) or words.say("rings.nobody")
    return words.say("here.carried", name=name, key=key)


def carried_said(carried: Carried, *, now: int, words: StaffWords) -> str:
    """What the band says of its wearer's thread, for staff who have seen an identity document."""
    when = words.moment(carried.issued_at, now=now)
    facts = [_fact(part, words) for part in carried.parts]
    line = "; ".join(facts) or words.text(carried.line)
    if not line:
        return words.say("here.carried.none", when=when)
    return words.say("here.carried.said", when=when, line=line)


def _fact(part: Part, words: StaffWords) -> str:
    """One thing a band tells of its wearer's thread."""
    channel = words.channel(part.channel) if part.channel else words.say("here.carried.channel")
    match part.kind:
        case PartKind.CASE:
            kinds = ("open", "promised") if part.number else ("unnamed", "unnamed-promised")
            return words.say(
                f"here.carried.case.{kinds[bool(part.day)]}", number=part.number,
                channel=channel, day=words.day(part.day),
            )  # fmt: skip
        case PartKind.UNANSWERED:
            return words.say(
                "here.carried.unanswered", channel=channel, day=words.day(part.day)
            )
        case PartKind.MORE_CASES:
            kind = "more"
        case PartKind.PICKUPS:
            kind = "pickup"
        case PartKind.TICKETS:
            kind = "ticket"
    many = "one" if part.count == 1 else "many"
    return words.say(f"here.carried.{kind}.{many}", count=part.count)
