"""What a clerk can answer from a customer's page, by which ways, and what became of what was sent before; pure.

where a customer wrote      that channel first; then others we have an address of; then "said here", where nothing is sent;
                            a channel that only receives is no way, and the one that is written instead says so
WhatsApp                    free text for 24 hours after the customer wrote, said with what is left of it; after that only the
                            shop's template goes, or it waits until the customer writes again
a message of ours           queued, sent, delivered, read or failed, in words; one that failed is a line to act on
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Final

from kiosk.core import foreign
from kiosk.core.entries import Telling
from kiosk.core.staff_words import StaffWords
from sync.model.profile import Profile
from sync.model.records import SMS, UNSENT, ContactPoint, Interaction, way_of
from sync.model.row import Row
from sync.model.rules import UNDO_WITHIN_US
from sync.model.watch import WINDOW_US, contacts_of, waiting_of

IN_PERSON: Final = "store"
"""The way on which nothing is sent: the customer stands here and hears it."""

WINDOWED: Final = "whatsapp"
"""The channel that takes free text only for a while."""

WRITABLE: Final = ("whatsapp", "email", "chat", "instagram", "tiktok", "x", "app")
"""Channels an answer can be written in; a call or a web order is answered another way."""

TELEPHONE: Final = "phone"
"""The channel of a telephone: a call is answered there by a text message, where nothing else reaches them."""

BY_ADDRESS: Final = ("whatsapp", "email", TELEPHONE)
"""Ways that need nothing but an address of the customer."""

QUOTED_MAX: Final = 60
"""Letters of what is answered, above the answer: one line of the smallest terminal; the page has all of it."""

FAILED_BACK_US: Final = 14 * 86_400 * 1_000_000
"""How long a message that did not arrive is a line to act on: after two weeks it is history."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way an answer can go.

    Attributes:
        channel: One of CHANNELS.
        mark: What stands over the text while it is written: who will read it, where, and until when that is possible.
    """

    channel: str
    mark: str


@dataclass(frozen=True, slots=True)
class Answering:
    """An answer that can be written now.

    Attributes:
        answers: Id of the contact it answers.
        title: Which that is, in words, safe to show.
        ways: How it can go, the best first; never empty.
        text: What it begins with: one that failed is not typed again.
    """

    answers: str
    title: str
    ways: tuple[Way, ...]
    text: str = ""


def answering_of(
    profile: Profile,
    tell: Telling,
    *,
    name: str,
    again: str = "",
    mute: Container[str] = (),
) -> Answering | None:
    """What there is to answer: who waits longest past the promise first, else what the customer wrote last; None for nothing.

    Args:
        profile: What this device holds of the customer.
        tell: What lines are made with.
        name: Of the customer, safe to show.
        again: Id of a message of ours that failed: it is written again, another way first.
        mute: Channels nothing can be sent in.
    """
    wrote = {
        row.key: contact
        for row, contact in profile.of(Interaction)
        if contact.direction == "in" and not contact.is_automatic
    }
    failed = next((it for _, it in profile.of(Interaction) if again and it.id == again), None)
    waiting = [it.key for it in waiting_of(contacts_of(profile.rows)) if it.key in wrote]
    if failed is not None:
        waiting = [key for key in waiting if wrote[key].channel == failed.channel] or waiting
    key = waiting[0] if waiting else _newest(wrote)
    if not key:
        return None
    contact = wrote[key]
    ways = _ways(profile, contact, tell, name, mute)
    if failed is not None and len(ways) > 1 and ways[0].channel == failed.channel:
        ways = (*ways[1:], ways[0])
    words = tell.words
    title = words.say(
        "answer.title",
        name=name,
        channel=words.channel(way_of(contact)),
        at=tell.at(contact.at),
        text=tell.marked(contact.sensitivity, foreign.safe(contact.text, limit=QUOTED_MAX)),
    )
    return Answering(contact.id, title, ways, failed.text if failed is not None else "")


def _newest(wrote: dict[str, Interaction]) -> str:
    return max(wrote, key=lambda key: (wrote[key].at, key), default="")


def _ways(
    profile: Profile, contact: Interaction, tell: Telling, name: str, mute: Container[str]
) -> tuple[Way, ...]:
    is_writable = contact.channel in WRITABLE or contact.form == SMS
    own = (contact.channel,) if is_writable else ()
    known = {point.channel for _, point in profile.of(ContactPoint)}
    others = tuple(one for one in BY_ADDRESS if one in known and one not in own)
    able = tuple(one for one in (*own, *others) if one not in mute)
    here = Way(IN_PERSON, tell.words.say("answer.mark.here", name=name))
    first, *rest = *(Way(one, _mark(profile, one, tell)) for one in able), here
    if own and own[0] in mute:
        channel = way_name(own[0], tell.words)
        first = replace(
            first, mark=tell.words.say("answer.mark.mute", channel=channel, mark=first.mark)
        )
    return (first, *rest)


def _mark(profile: Profile, channel: str, tell: Telling) -> str:
    words = tell.words
    where = way_name(channel, words)
    if channel != WINDOWED:
        return words.say("answer.mark", channel=where)
    left = window_left(profile, tell.now)
    if left > 0:
        return words.say("answer.mark.window", channel=where, left=words.span(left))
    return words.say("answer.mark.over", channel=where)


def way_name(channel: str, words: StaffWords) -> str:
    """What people call the way an answer goes."""
    return words.channel(SMS if channel == TELEPHONE else channel)


def window_left(profile: Profile, now: int) -> int:
    """How long free text may still be written in WhatsApp, microseconds; 0 or less for not any more."""
    wrote = [
        contact.at
        for _, contact in profile.of(Interaction)
        if contact.channel == WINDOWED and contact.direction == "in"
    ]
    return max(wrote) + WINDOW_US - now if wrote else 0


def failed_of(profile: Profile, now: int) -> tuple[tuple[Row, Interaction], ...]:
    """Messages of ours that did not arrive and that nothing followed, oldest first."""
    said = sorted(
        ((row, it) for row, it in profile.of(Interaction) if it.direction == "out"),
        key=lambda pair: (pair[1].at, pair[0].key),
    )
    reached = max((it.at for _, it in said if it.delivery not in UNSENT), default=0)
    since = max(reached, now - FAILED_BACK_US)
    return tuple((row, it) for row, it in said if it.delivery in UNSENT and it.at > since)


def is_over(profile: Profile, message: Interaction) -> bool:
    """Whether a message of ours was written when WhatsApp took no free text any more, and they wrote nothing since."""
    return message.channel == WINDOWED and window_left(profile, message.at) <= 0


def delivery_text(row: Row, message: Interaction, tell: Telling, profile: Profile) -> str:
    """What became of a message of ours, in words; "" of one that was said and not sent."""
    words, reason = tell.words, tell.part(message.delivery_reason)
    if not message.delivery:
        return ""
    if message.delivery == "queued":
        goes_at = message.at + UNDO_WITHIN_US
        if reason:
            return words.say("delivery.queued.why", why=reason)
        if row.is_unsettled or goes_at > tell.now:
            at = words.clock(max(goes_at, tell.now), now=tell.now)
            form = "delivery.queued.over" if is_over(profile, message) else "delivery.queued"
            return words.say(form, at=at)
        return words.say("delivery.queued.late")
    if message.delivery in UNSENT:
        return words.say(f"delivery.{message.delivery}", why=reason or words.say("why.none"))
    return words.either(f"delivery.{message.delivery}", "delivery.other")


def channels_of(ways: Iterable[Way]) -> tuple[str, ...]:
    """The channels of these ways, in their order."""
    return tuple(way.channel for way in ways)
