"""From a message in the queue to what is sent: to whom, which way, under which rules, in which words.

Asked at the moment it is sent, so that what changed meanwhile counts: two customers became one, a consent was withdrawn, a
number was corrected, she wrote again. In this order:

    the message was taken back, or the customer was erased    wrong
    an offer, and no consent stands                           wrong
    no way out for the channel, or no address of hers in it   wrong; another verified way is named, never taken
    its channel is paused                                     waits
    WhatsApp, more than 24 hours after she last wrote         by an approved template, else waits until she writes
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Point
from sync.central.contact_terms import normal
from sync.central.events import is_paused
from sync.central.moment import Snapshot
from sync.central.outgoing_rows import NOTE, SENDING, OutgoingRecord
from sync.central.senders import whatsapp
from sync.central.senders.registry import sender_of, serves, way_for
from sync.central.senders.sender import Message
from sync.model.card import card_of, card_text
from sync.model.operations.notify_customer import PURPOSE_OF
from sync.model.profile import Profile
from sync.model.records import Consent, ContactPoint, Customer, Interaction, key_of
from sync.model.row import Row
from sync.model.watch import WINDOW_US

LOOK_AGAIN_US: Final = 60 * 1_000_000
"""How often it is looked whether what holds a message has passed."""

WINDOWED: Final = frozenset({"whatsapp"})
"""Channels that take free text only for WINDOW_US after the customer's last message."""

BY_THREAD: Final = frozenset({"chatwoot"})
"""Adapters that reach a customer by the conversation and not by an address."""

POINTS_OF: Final = {
    "email": ("email",),
    "whatsapp": ("whatsapp", "phone"),
    "phone": ("phone", "whatsapp"),
}
"""Channels of the contact points a channel can be reached by, best first."""

SUBJECTS: Final = {
    "answer": "Re: your message", "parcel_ready": "Your parcel is ready", "order": "Your order",
    "text": "A message for you", "offer": "For you",
}  # fmt: skip
"""Line above a mail, by kind."""


@dataclass(frozen=True, slots=True)
class Composed:
    """It can go this way."""

    message: Message
    settings: Settings


@dataclass(frozen=True, slots=True)
class Waits:
    """It may not go yet; look again at `until`, microseconds since 1970."""

    reason: str
    until: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """It cannot go; a person sees why."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Recipient:
    """The customer's rows."""

    rows: tuple[Row, ...]

    @property
    def customer(self) -> Customer:
        return next(
            (row.body for row in self.rows if isinstance(row.body, Customer)),
            Customer(id="", given_name=""),
        )

    def points(self, channel: str) -> list[ContactPoint]:
        """Ways to reach them in a channel, verified ones first."""
        kinds = POINTS_OF.get(channel, (channel,))
        found = [
            row.body
            for row in self.rows
            if isinstance(row.body, ContactPoint) and row.body.channel in kinds
        ]
        return sorted(
            found, key=lambda it: (not it.is_verified, kinds.index(it.channel), it.id)
        )

    def agreed(self, purpose: str) -> bool:
        """Whether the latest word on a purpose is yes."""
        said = [
            row.body
            for row in self.rows
            if isinstance(row.body, Consent) and row.body.purpose == purpose
        ]
        return bool(said) and max(said, key=lambda it: (it.at, not it.is_granted)).is_granted


def window_ends_at(rows: Iterable[Row], channel: str) -> int:
    """Until when free text may be sent to the customer of these rows; 0 when the channel has no such end, or it never began."""
    if channel not in WINDOWED:
        return 0
    wrote = [
        row.body.at
        for row in rows
        if isinstance(row.body, Interaction)
        and row.body.direction == "in"
        and row.body.channel == channel
    ]
    return max(wrote) + WINDOW_US if wrote else 0


def composed(
    snapshot: Snapshot,
    record: OutgoingRecord,
    channels: Sequence[Settings],
    *,
    now: int,
    sign_off: str = "",
    brand: str = "",
) -> Composed | Waits | Wrong:
    """What to send of a message in the queue, or why not.

    Args:
        snapshot: The rows as they are now.
        record: The message.
        channels: All that are configured.
        now: Microseconds since 1970.
        sign_off: Under every mail.
        brand: The shop's name.
    """
    if record.kind == NOTE:
        return _note(snapshot, record, channels, now=now)
    row = snapshot.row(key_of("interaction", record.id))
    if row is None or not isinstance(row.body, Interaction) or row.body.taken_back_at:
        return Wrong("it was taken back, or the customer was erased")
    recipient = _Recipient(tuple(snapshot.all_of_owner(row.owner)))
    purpose = PURPOSE_OF.get(record.kind, "")
    if purpose and not recipient.agreed(purpose):
        return Wrong(f"the customer does not agree to {purpose} any more")
    way = _way(record, row.body, recipient, channels)
    if isinstance(way, Wrong):
        return way
    template = _template(record, row.body, recipient, way, channels, now=now)
    waiting = _paused(snapshot, way.name, now=now) or template
    if isinstance(waiting, Waits):
        return waiting
    is_mail = row.body.channel == "email"
    message = _message(record, row.body, recipient, template=waiting, now=now)
    return Composed(
        replace(
            message,
            text=_signed(row.body.text, sign_off) if is_mail else row.body.text,
            to="" if way.adapter in BY_THREAD else _address(recipient, row.body.channel, way),
            subject=_subject(record.kind, brand),
        ),
        way,
    )


def _way(
    record: OutgoingRecord,
    said: Interaction,
    recipient: _Recipient,
    channels: Sequence[Settings],
) -> Settings | Wrong:
    """Through which channel it goes, and can."""
    came_by, _, _ = record.draft.answers.partition(
        ":"
    )  # what came in is called after its channel
    way = way_for(said.channel, channels, came_by=came_by)
    other = _other(recipient, said.channel, channels)
    if way is None:
        return Wrong(f"no way out is set up for {said.channel}{other}")
    if way.adapter in BY_THREAD:
        is_reached, what = bool(said.thread), "conversation"
    else:
        is_reached, what = bool(_address(recipient, said.channel, way)), "address"
    return way if is_reached else Wrong(f"no {what} of the customer in {said.channel}{other}")


def _template(
    record: OutgoingRecord,
    said: Interaction,
    recipient: _Recipient,
    way: Settings,
    channels: Sequence[Settings],
    *,
    now: int,
) -> str | Waits:
    """The template it must go by, "" where free text may be sent."""
    if said.channel not in WINDOWED or window_ends_at(recipient.rows, said.channel) > now:
        return ""
    template = whatsapp.template_for(record.kind, way)
    return template or Waits(
        "WhatsApp allows free text for 24 hours after the customer wrote, and no template is set up: it goes when"
        f" the customer writes again{_other(recipient, said.channel, channels)}",
        now + LOOK_AGAIN_US,
    )


def _message(
    record: OutgoingRecord, said: Interaction, recipient: _Recipient, *, template: str, now: int
) -> Message:
    draft, customer = record.draft, recipient.customer
    return Message(
        id=record.id,
        kind=record.kind,
        channel=said.channel,
        text=said.text,
        name=f"{customer.given_name} {customer.family_name}".strip(),
        thread=said.thread,
        replies_to=draft.replies_to or _name_of(said, draft.answers),
        template=template,
        params=draft.params or ((said.text,) if template else ()),
        language=customer.language,
        is_again=_is_again(record),
        unknown_at=record.unknown_at // 1_000_000,
        now_s=now // 1_000_000,
    )


def _note(
    snapshot: Snapshot,
    record: OutgoingRecord,
    channels: Sequence[Settings],
    *,
    now: int,
) -> Composed | Waits | Wrong:
    way = way_for(record.channel, channels, name=record.via)
    if way is None:
        return Wrong("no way out is set up for notes")
    draft = record.draft
    text = draft.text or _card(snapshot, draft.answers, now=now)
    if not text:
        return Wrong("there is nothing to note: the customer was erased, or nothing is known")
    message = Message(
        id=record.id, kind=NOTE, channel=record.channel, text=text, thread=draft.thread,
        is_again=_is_again(record), unknown_at=record.unknown_at // 1_000_000, now_s=now // 1_000_000,
    )  # fmt: skip
    return _paused(snapshot, way.name, now=now) or Composed(message, way)


def _card(snapshot: Snapshot, said: str, *, now: int) -> str:
    """The hand-over card of whoever said this, as it is now; "" where nobody did."""
    row = snapshot.row(key_of("interaction", said))
    if row is None or not row.owner:
        return ""
    rows = (*snapshot.all_of_owner(row.owner), *snapshot.rows_of_kind("store"))
    return card_text(card_of(Profile(row.owner, rows), now=now))


def _is_again(record: OutgoingRecord) -> bool:
    # One that a person sends again was tried before too; of one the vendor named it is known what became of it.
    is_retried = bool(record.node and not record.ref)
    return record.state == SENDING or record.n_tries > 0 or is_retried


def _paused(snapshot: Snapshot, name: str, *, now: int) -> Waits | None:
    if is_paused(snapshot.sql, name):
        return Waits(f"the channel {name} is paused", now + LOOK_AGAIN_US)
    return None


def _address(recipient: _Recipient, channel: str, way: Settings) -> str:
    """Where the customer is reached: of their contact points the first that is one; a number always in E.164."""
    country = way.options.get("country", "")
    kind = "email" if channel == "email" else "phone"
    terms = (normal(Point(kind, it.value), country) for it in recipient.points(channel))
    return next((term.partition(":")[2] for term in terms if term), "")


def _other(recipient: _Recipient, channel: str, channels: Sequence[Settings]) -> str:
    """Another way the customer is known to be reached, as a suggestion; "" for none."""
    for other in POINTS_OF:
        can_send = any(other in serves(it) and sender_of(it) for it in channels)
        points = recipient.points(other)
        if other != channel and can_send and points and points[0].is_verified:
            return f"; the customer can be reached by {other}"
    return ""


def _name_of(said: Interaction, answers: str) -> str:
    """The mail it answers: what came in is called after its channel and its own id; else the one its thread began with."""
    if said.channel != "email":
        return ""
    _, _, name = answers.partition(":")
    return next((one for one in (name, said.thread) if "@" in one), "")


def _subject(kind: str, brand: str) -> str:
    line = SUBJECTS.get(kind, SUBJECTS["text"])
    return f"{brand}: {line}" if brand else line


def _signed(text: str, sign_off: str) -> str:
    return f"{text}\n\n{sign_off}\n" if sign_off else text
