"""What a shop that never saw a customer should know of their thread, in a few words: for the capsule on their band; pure.

The words are few because the place is small, and harmless because a band can be lost: a name, that something waits, that we
owe an answer, and for staff the few facts that say where to look (`thread_parts`). What it is about, what was bought, and how to reach them are
never among them.
"""

from dataclasses import dataclass, field
from typing import Final

from sync.model import ledger, promises
from sync.model.profile import Profile
from sync.model.records import (
    Band,
    Case,
    Consent,
    Entitlement,
    Interaction,
    Pickup,
)
from sync.model.thread_parts import Part, PartKind, day_of, number_of

WORDS_PURPOSE: Final = "band_words"
"""Who withdraws their consent to this purpose carries no name and no facts; silence is consent to be greeted."""

CASES_MAX: Final = 2
"""Cases named; what is more is counted."""


@dataclass(frozen=True, slots=True)
class Gist:
    """A thread in a few words. Its `repr` shows none of them.

    Attributes:
        name: What they are called on a public screen; "" when they want none carried.
        language: BCP 47.
        is_waiting: A parcel or a ticket waits for them, somewhere.
        is_owed: A case is open, or a message of theirs unanswered.
        parts: Facts for staff, the most pressing first.
    """

    name: str = field(default="", repr=False)
    language: str = field(default="", repr=False)
    is_waiting: bool = False
    is_owed: bool = False
    parts: tuple[Part, ...] = field(default=(), repr=False)


def gist_of(profile: Profile, *, now: int) -> Gist | None:
    """The thread of a customer in a few words; None when there is no such customer. `now` in microseconds since 1970.

    Of a child only the nickname: their band alone opens nothing else.
    """
    customer = profile.customer
    if customer is None:
        return None
    has_words = _agrees(profile)
    if customer.guardian:
        return Gist(customer.nickname if has_words else "", customer.language)
    cases, waiting = _open_cases(profile), _unanswered(profile)
    pickups, tickets = _pickups(profile), _tickets(profile, now)
    parts = (
        *_said_of_cases(cases),
        *_said_of_messages(waiting, cases),
        *_counted(pickups, tickets),
    )
    return Gist(
        name=(customer.nickname or customer.given_name) if has_words else "",
        language=customer.language,
        is_waiting=bool(pickups or tickets),
        is_owed=bool(cases or waiting),
        parts=parts if has_words else (),
    )


def is_carried(band: Band) -> bool:
    """Whether this band may carry words of its wearer at all."""
    return band.state == "active" and not band.is_uid_only


def _agrees(profile: Profile) -> bool:
    """The newest word on being named by a band; silence is yes."""
    said = [one for _, one in profile.of(Consent) if one.purpose == WORDS_PURPOSE]
    return not said or max(said, key=lambda one: one.at).is_granted


def _open_cases(profile: Profile) -> list[tuple[str, Case]]:
    """Open cases with their keys, the earliest promise first, then those without one by age."""
    cases = [(row.key, case) for row, case in profile.of(Case) if case.state == "open"]

    def pressing(pair: tuple[str, Case]) -> tuple[bool, int, str]:
        promise = promises.pressing(pair[1])
        if promise is None:
            return True, pair[1].opened_at, pair[0]
        return False, promise.due_at, pair[0]

    return sorted(cases, key=pressing)


def _unanswered(profile: Profile) -> list[Interaction]:
    return sorted(
        (
            contact
            for _, contact in profile.of(Interaction)
            if contact.direction == "in" and contact.due_at and not contact.answered_at
        ),
        key=lambda contact: (contact.at, contact.id),
    )


def _pickups(profile: Profile) -> list[Pickup]:
    return [one for _, one in profile.of(Pickup) if one.state in ("ready", "expected")]


def _tickets(profile: Profile, now: int) -> list[Entitlement]:
    return [
        one
        for row, one in profile.of(Entitlement)
        if one.kind == "ticket"
        and (not one.until or one.until > now)
        and ledger.in_all(row, profile.rows) != 0
    ]


def _said_of_cases(cases: list[tuple[str, Case]]) -> tuple[Part, ...]:
    said = tuple(_said_of_case(case) for _, case in cases[:CASES_MAX])
    n_more = len(cases) - CASES_MAX
    return (*said, Part(PartKind.MORE_CASES, count=n_more)) if n_more > 0 else said


def _said_of_case(case: Case) -> Part:
    promise = promises.pressing(case)
    day = 0 if promise is None else day_of(promise.due_at)
    return Part(PartKind.CASE, case.channel, number_of(case.number), day)


def _said_of_messages(
    waiting: list[Interaction], cases: list[tuple[str, Case]]
) -> tuple[Part, ...]:
    """The oldest message that no case is about."""
    keys = {key for key, _ in cases}
    loose = [contact for contact in waiting if contact.about not in keys]
    if not loose:
        return ()
    return (Part(PartKind.UNANSWERED, loose[0].channel, day=day_of(loose[0].at)),)


def _counted(pickups: list[Pickup], tickets: list[Entitlement]) -> tuple[Part, ...]:
    counts = ((PartKind.PICKUPS, len(pickups)), (PartKind.TICKETS, len(tickets)))
    return tuple(Part(kind, count=count) for kind, count in counts if count)
