"""Who waits for us, and how each channel does; from rows alone, pure.

A contact is what a customer said in one channel until one of us answered: three messages in a row are one. An automatic
reply answers nothing, nor does an answer that did not arrive; notes among ourselves count for nothing, and what was taken back
was never said. A contact is owed an answer where `due_at` says so.

The report of a channel counts its contacts of the last weeks, and ends in one verdict with its reason, or in none:

    close     `unused_and_unheard`   fewer than 1 in 50 of all contacts come here, and more than half of them waited in vain
    staff_it  `unanswered`           more than 1 in 10 is past its promise without an answer
    staff_it  `slow`                 half of the answers came later than was promised
    staff_it  `asked_elsewhere`      more than 1 in 5 asked the same again in another channel within a week
    -         `too_few`              fewer than 5 contacts: nothing can be said yet
    keep      `answered`             the others
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Final

from sync.model import promises
from sync.model.records import UNSENT, Case, Interaction, Promise
from sync.model.row import Row
from sync.model.sins import ASKED_TWICE_US

HOUR_US: Final = 3_600 * 1_000_000
DAY_US: Final = 24 * HOUR_US

REPORT_US: Final = 28 * DAY_US
"""What a report looks back on: four weeks, so that each weekday counts four times."""

WINDOW_US: Final = 24 * HOUR_US
"""How long after a customer's last message WhatsApp takes free text. Source: WhatsApp Business Platform, customer service window."""

WINDOW_ALARM_US: Final = 20 * HOUR_US
"""When the alarm rings: four hours are left, a shift that begins or ends."""

SOON_US: Final = 2 * HOUR_US
"""A promise that ends within this time is raised before the customer does."""

FEW: Final = 5
UNUSED_SHARE: Final = 1 / 50
IN_VAIN_SHARE: Final = 1 / 2
UNANSWERED_SHARE: Final = 1 / 10
ELSEWHERE_SHARE: Final = 1 / 5


@dataclass(frozen=True, slots=True)
class Contact:
    """What a customer said in one channel until somebody answered.

    Attributes:
        key: Key of its first message's row; `last_key` of the newest.
        at, last_at: When the first and the newest message came.
        n: How many messages it has.
        due_at: Until when the first answer is owed, 0 when none is.
        answered_at: When a person answered, 0 when nobody did.
        is_asked_elsewhere: The customer asked the same in another channel within a week.
    """

    owner: str
    channel: str
    key: str
    last_key: str
    at: int
    last_at: int
    n: int
    due_at: int
    answered_at: int
    topic: str
    is_asked_elsewhere: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is owed that nobody gave."""
        return bool(self.due_at) and not self.answered_at

    def is_late(self, now: int) -> bool:
        """Whether it waits, and longer than was promised."""
        return self.is_waiting and self.due_at < now

    def was_late(self, now: int) -> bool:
        """Whether the answer came later than was promised, or still is not there."""
        return 0 < self.due_at < (self.answered_at or now)

    @property
    def window_ends_at(self) -> int:
        """Until when free text may be written back; 0 where the channel has no such end."""
        return self.last_at + WINDOW_US if self.channel == "whatsapp" else 0

    def is_window_closing(self, now: int) -> bool:
        """Whether the alarm rings: it waits, and free text is soon not allowed any more."""
        return (
            self.is_waiting
            and self.channel == "whatsapp"
            and self.last_at + WINDOW_ALARM_US <= now < self.last_at + WINDOW_US
        )


@dataclass(frozen=True, slots=True)
class DuePromise:
    """A promise of ours that ran out or soon does. `key` is its case's.

    Attributes:
        again_at: Until when it was promised once more, 0 when it was not.
        n_promised, n_broken, broken_at: Of all that was promised on the case, as `promises.Tally`.
    """

    owner: str
    key: str
    number: str
    by: str
    text: str
    due_at: int
    again_at: int = 0
    n_promised: int = 1
    n_broken: int = 0
    broken_at: int = 0

    def is_broken(self, now: int) -> bool:
        """Whether its time is over."""
        return self.due_at < now


@dataclass(frozen=True, slots=True)
class PromiseReport:
    """What we promised on cases.

    Attributes:
        n_again: Cases on which was promised more than once.
        n_owed: Open cases on which something is still to be kept.
        broken_at: When the oldest of the broken ones was due, 0 for none.
    """

    n_cases: int
    n_promised: int
    n_broken: int
    n_again: int
    n_owed: int
    broken_at: int


@dataclass(frozen=True, slots=True)
class ChannelWaiting:
    """Who waits in one channel. `oldest_at` is when the one who waits longest wrote, `next_due_at` the earliest promise."""

    channel: str
    n_waiting: int
    n_late: int
    n_window_closing: int
    oldest_at: int
    next_due_at: int


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """How one channel did.

    Attributes:
        n_contacts, n_customers: Use.
        share: Of all contacts in all channels, 0 to 1.
        answer_median_us, answer_p90_us: Time from the first message to a person's answer, 0 when none was answered.
        n_answered, n_late, n_asked_elsewhere: Outcome; late are those answered late too.
        verdict: keep | staff_it | close; "" where there is too little to judge by.
        reason: Code of the rule that gave it.
    """

    channel: str
    n_contacts: int
    n_customers: int
    share: float
    answer_median_us: int
    answer_p90_us: int
    n_answered: int
    n_late: int
    n_asked_elsewhere: int
    verdict: str
    reason: str


def contacts_of(rows: Iterable[Row]) -> tuple[Contact, ...]:
    """All contacts of all these customers, oldest first."""
    threads: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        body = row.body
        if isinstance(body, Interaction) and not body.taken_back_at:
            threads[row.owner, body.channel].append(row)
    found = [
        contact
        for (owner, channel), thread in threads.items()
        for contact in _of_thread(owner, channel, thread)
    ]
    elsewhere = _asked_elsewhere(found)
    marked = (replace(it, is_asked_elsewhere=it.key in elsewhere) for it in found)
    return tuple(sorted(marked, key=lambda it: (it.at, it.key)))


def waiting_of(contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    """Those that wait, the earliest promise first."""
    return tuple(
        sorted((it for it in contacts if it.is_waiting), key=lambda it: (it.due_at, it.key))
    )


def by_channel(contacts: Iterable[Contact], *, now: int) -> tuple[ChannelWaiting, ...]:
    """Who waits, channel by channel, the one with the earliest promise first."""
    channels: dict[str, list[Contact]] = defaultdict(list)
    for contact in waiting_of(contacts):
        channels[contact.channel].append(contact)
    return tuple(
        ChannelWaiting(
            channel=channel,
            n_waiting=len(waiting),
            n_late=sum(it.is_late(now) for it in waiting),
            n_window_closing=sum(it.is_window_closing(now) for it in waiting),
            oldest_at=min(it.at for it in waiting),
            next_due_at=waiting[0].due_at,
        )
        for channel, waiting in channels.items()
    )


def due_promises(
    rows: Iterable[Row], *, now: int, soon_us: int = SOON_US
) -> tuple[DuePromise, ...]:
    """Promises on open cases that ran out or end within `soon_us`, one a case, the earliest first."""
    found = [
        _due(row, body, promise, now)
        for row in rows
        if isinstance(body := row.body, Case)
        and body.state == "open"
        and (promise := promises.pressing(body)) is not None
        and promise.due_at <= now + soon_us
    ]
    return tuple(sorted(found, key=lambda it: (it.due_at, it.key)))


def _due(row: Row, case: Case, promise: Promise, now: int) -> DuePromise:
    newer, tally = promises.again(case), promises.tally(case, now=now)
    return DuePromise(
        row.owner, row.key, case.number, promise.by, promise.text, promise.due_at,
        newer.due_at if newer else 0, tally.n_promised, tally.n_broken,
        tally.broken_at,
    )  # fmt: skip


def promises_of(
    rows: Iterable[Row], *, now: int, back_us: int = REPORT_US
) -> PromiseReport | None:
    """What we promised in the last weeks, or still owe, on every case; None for nothing."""
    cases = [
        (body, promises.tally(body, now=now))
        for row in rows
        if isinstance(body := row.body, Case)
        and body.state != "taken_back"
        and any(_is_recent(it, now - back_us) for it in promises.made(body))
    ]
    if not cases:
        return None
    broken = [tally.broken_at for _, tally in cases if tally.n_broken]
    return PromiseReport(
        n_cases=len(cases),
        n_promised=sum(tally.n_promised for _, tally in cases),
        n_broken=sum(tally.n_broken for _, tally in cases),
        n_again=sum(tally.n_promised > 1 for _, tally in cases),
        n_owed=sum(body.state == "open" and bool(promises.standing(body)) for body, _ in cases),
        broken_at=min(broken, default=0),
    )


def _is_recent(promise: Promise, since: int) -> bool:
    return not promise.kept_at or max(promise.at, promise.due_at, promise.kept_at) >= since


def report_of(
    contacts: Iterable[Contact], *, now: int, back_us: int = REPORT_US
) -> tuple[ChannelReport, ...]:
    """How each channel did in the last weeks, the most used first."""
    recent = [it for it in contacts if now - back_us <= it.at <= now]
    channels: dict[str, list[Contact]] = defaultdict(list)
    for contact in recent:
        channels[contact.channel].append(contact)
    reports = [
        _report(channel, found, n_all=len(recent), now=now)
        for channel, found in channels.items()
    ]
    return tuple(sorted(reports, key=lambda it: (-it.n_contacts, it.channel)))


def _of_thread(owner: str, channel: str, thread: list[Row]) -> list[Contact]:
    """A customer's messages in one channel, as contacts: a person's answer ends one."""
    contacts: list[Contact] = []
    asked: list[tuple[Row, Interaction]] = []

    def end(answered_at: int) -> None:
        if asked:
            contacts.append(_contact(owner, channel, asked, answered_at))
            asked.clear()

    for row in sorted(thread, key=lambda it: (_said(it).at, it.key)):
        body = _said(row)
        if body.direction == "in":
            if asked and asked[0][1].answered_at and asked[0][1].answered_at <= body.at:
                end(asked[0][1].answered_at)
            asked.append((row, body))
        elif body.direction == "out" and not body.is_automatic and body.delivery not in UNSENT:
            end(body.at)
    if asked:
        end(max(body.answered_at for _, body in asked))
    return contacts


def _said(row: Row) -> Interaction:
    assert isinstance(row.body, Interaction)
    return row.body


def _contact(
    owner: str, channel: str, asked: Sequence[tuple[Row, Interaction]], answered_at: int
) -> Contact:
    row, first = asked[0]
    last_row, last = asked[-1]
    owed = [body.due_at for _, body in asked if body.due_at]
    return Contact(
        owner=owner, channel=channel, key=row.key, last_key=last_row.key, at=first.at,
        last_at=last.at, n=len(asked), due_at=min(owed, default=0), answered_at=answered_at,
        topic=next((body.topic for _, body in asked if body.topic), ""),
    )  # fmt: skip


def _asked_elsewhere(contacts: Sequence[Contact]) -> set[str]:
    """Keys of contacts after which the customer asked the same in another channel within a week."""
    topics: dict[tuple[str, str], list[Contact]] = defaultdict(list)
    for contact in contacts:
        if contact.topic:
            topics[contact.owner, contact.topic].append(contact)
    return {
        before.key
        for asked in topics.values()
        for before, after in pairwise(sorted(asked, key=lambda it: (it.at, it.key)))
        if before.channel != after.channel and after.at - before.at <= ASKED_TWICE_US
    }


def _report(
    channel: str, contacts: Sequence[Contact], *, n_all: int, now: int
) -> ChannelReport:
    times = sorted(it.answered_at - it.at for it in contacts if it.answered_at)
    promised = sorted(it.due_at - it.at for it in contacts if it.answered_at and it.due_at)
    n_late = sum(it.was_late(now) for it in contacts)
    n_unheard = sum(it.is_late(now) for it in contacts)
    n_elsewhere = sum(it.is_asked_elsewhere for it in contacts)
    share = len(contacts) / n_all
    in_vain = n_unheard / len(contacts)
    verdict, reason = "keep", "answered"
    if share < UNUSED_SHARE and in_vain > IN_VAIN_SHARE:
        verdict, reason = "close", "unused_and_unheard"
    elif len(contacts) < FEW:
        verdict, reason = "", "too_few"
    elif in_vain > UNANSWERED_SHARE:
        verdict, reason = "staff_it", "unanswered"
    elif promised and median(times) > median(promised):
        verdict, reason = "staff_it", "slow"
    elif n_elsewhere / len(contacts) > ELSEWHERE_SHARE:
        verdict, reason = "staff_it", "asked_elsewhere"
    return ChannelReport(
        channel=channel, n_contacts=len(contacts), n_customers=len({it.owner for it in contacts}),
        share=share, answer_median_us=int(median(times)) if times else 0,
        answer_p90_us=times[min(len(times) - 1, len(times) * 9 // 10)] if times else 0,
        n_answered=len(times), n_late=n_late, n_asked_elsewhere=n_elsewhere, verdict=verdict,
        reason=reason,
    )  # fmt: skip
