"""Who waits for us, as a clerk's list: what is late first, then what soon will be, who was sent here, the others; pure.

    late       an answer is owed longer than was promised
    broken     a promise of ours ran out
    closing    WhatsApp takes free text only for a few hours more
    soon       a promise of ours runs out within two hours
    referral   somebody sent them to this store
    waiting    an answer is owed, and there is time
    alike      two customers who are probably one person

The numbers above the list are the centre's and of the whole brand; below stand those whom this device holds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from kiosk.core import foreign
from kiosk.core.counter_now import alike_of, referrals_of
from kiosk.core.entries import Telling, Tone, name_of
from kiosk.core.promising import promised_count
from kiosk.core.staff_words import StaffWords
from sync.model.profile import Profile
from sync.model.promises import Tally
from sync.model.records import Case, ChannelWatch, Interaction, way_of
from sync.model.watch import Contact, contacts_of, due_promises, waiting_of

QUOTED_MAX: Final = 70
"""Letters of what somebody wrote, in the list; their page has all of it."""

_RANKS: Final = {
    "late": 0,
    "broken": 0,
    "closing": 1,
    "soon": 2,
    "referral": 3,
    "waiting": 4,
    "alike": 5,
}
"""Of two kinds the lower stands first; late answers and broken promises by how long they are over."""

_TONES: Final = {
    "late": Tone.ALERT, "broken": Tone.ALERT, "closing": Tone.ALERT, "soon": Tone.ASK,
    "referral": Tone.READY, "waiting": Tone.PLAIN, "alike": Tone.ASK,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Open:
    """One line of the list.

    Attributes:
        kind: As the module says.
        owner: Whose page it opens.
        name: Of the customer, safe to show.
        lead: What presses, in a few words: "WhatsApp, 47 h late".
        text: What it is about, safe to show.
        at: What it is ordered by, microseconds since 1970.
        id: Of the referral or the other customer, "" for others.
    """

    kind: str
    owner: str
    name: str
    lead: str
    text: str
    at: int
    id: str = ""

    @property
    def tone(self) -> Tone:
        """How it is meant."""
        return _TONES[self.kind]


def open_of(profiles: Iterable[Profile], tell: Telling) -> tuple[Open, ...]:
    """Everything that is open of these customers, what presses most first."""
    found = [one for profile in profiles for one in _open(profile, tell)]
    return tuple(sorted(found, key=lambda one: (_RANKS[one.kind], one.at, one.owner)))


def _open(profile: Profile, tell: Telling) -> Iterator[Open]:
    customer = profile.customer
    name = name_of(customer, tell.words) if customer else tell.words.name(profile.owner)
    texts = {row.key: body for row, body in profile.of(Interaction)}
    for contact in waiting_of(contacts_of(profile.rows)):
        yield _contact(contact, texts, name, tell)
    yield from _promises(profile, name, tell)
    words = tell.words
    for _, referral in referrals_of(profile, tell.post.store):
        due = referral.due_at
        lead = (
            words.say("open.referral", due=tell.at(due))
            if due
            else words.say("open.referral.any")
        )
        said = words.say("open.by", by=words.name(referral.by), text=tell.part(referral.text))
        yield Open("referral", profile.owner, name, lead, said, due or referral.at, referral.id)
    for _, likeness in alike_of(profile, tell):
        lead = words.say("open.alike", other=words.name(likeness.name))
        text = tell.part(likeness.why)
        yield Open("alike", profile.owner, name, lead, text, likeness.at, likeness.other)


def _contact(contact: Contact, texts: dict[str, Interaction], name: str, tell: Telling) -> Open:
    words, now = tell.words, tell.now
    last = texts[contact.last_key]
    channel = words.channel(way_of(last))
    text = words.say(
        "timeline.quoted",
        text=tell.marked(last.sensitivity, foreign.safe(last.text, limit=QUOTED_MAX)),
    )
    left = words.span(contact.window_ends_at - now)
    kind, form, at = "waiting", "open.waiting", contact.due_at
    if contact.is_late(now):
        kind, form = "late", "open.late"
    elif contact.is_window_closing(now):
        kind, form, at = "closing", "open.closing", contact.window_ends_at
    lead = words.say(
        form,
        channel=channel,
        late=words.late(contact.due_at, now=now),
        due=tell.at(contact.due_at),
        left=left,
    )
    if kind == "late" and contact.is_window_closing(now):
        lead = words.say("open.closing.too", lead=lead, left=left)
    return Open(kind, contact.owner, name, lead, text, at)


def _promises(profile: Profile, name: str, tell: Telling) -> Iterator[Open]:
    words = tell.words
    shown = {row.key for row, _ in profile.of(Case)}
    for promise in due_promises(profile.rows, now=tell.now):
        if promise.key not in shown:
            continue
        is_broken = promise.is_broken(tell.now)
        lead = words.say(
            "open.broken" if is_broken else "open.soon",
            late=words.late(promise.due_at, now=tell.now),
            left=words.span(promise.due_at - tell.now),
        )
        tally = Tally(promise.n_promised, promise.n_broken, promise.broken_at)
        count = promised_count(tally, tell, told_at=promise.due_at)
        form = "open.promise.again" if promise.again_at else "open.promise.count"
        text = words.say(
            form if count else "open.promise",
            by=words.name(promise.by),
            due=tell.at(promise.due_at),
            again=tell.at(promise.again_at),
            text=tell.part(promise.text),
            count=count,
        )
        kind = "broken" if is_broken else "soon"
        yield Open(kind, profile.owner, name, lead, text, promise.due_at)


def channels_line(watches: Iterable[ChannelWatch], tell: Telling) -> str:
    """How many wait in each channel, the late ones said, the most late first; "" where the centre counted nobody.

    Of the late ones it says how late the longest is, of others how long the oldest waits; where nobody knows that, neither.
    """
    words = tell.words
    waiting = sorted(
        (it for it in watches if it.n_waiting),
        key=lambda it: (-it.n_late, -it.n_waiting, it.id),
    )
    said = [
        words.say(
            _channel_form(it),
            channel=words.channel(it.id),
            count=it.n_waiting,
            n_late=it.n_late,
            late=words.late(it.next_due_at, now=tell.now),
            age=words.span(tell.now - it.oldest_at),
        )
        for it in waiting
    ]
    n_late = n_late_of(waiting)
    return words.say("open.channels", late=n_late, channels=", ".join(said)) if said else ""


def _channel_form(watch: ChannelWatch) -> str:
    if not watch.n_late:
        return "open.channel" if watch.oldest_at else "open.channel.ageless"
    if not watch.next_due_at:
        return "open.channel.late.ageless"
    if watch.n_late == watch.n_waiting:
        return "open.channel.late.only" if watch.n_late == 1 else "open.channel.late.all"
    return "open.channel.late.one" if watch.n_late == 1 else "open.channel.late"


def title_of(found: Iterable[Open], words: StaffWords) -> str:
    """What stands above the list: how many are late here, and how many promises broken."""
    kinds = [one.kind for one in found]
    late, broken = kinds.count("late"), kinds.count("broken")
    form = "open.title.broken" if broken else "open.title.late" if late else "open.title"
    return words.say(form, late=late, broken=broken)


def n_late_of(watches: Iterable[ChannelWatch]) -> int:
    """How many wait past their promise, in all channels."""
    return sum(it.n_late for it in watches)
