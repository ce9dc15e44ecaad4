"""The trap: what the same customer is asked where channels are not connected, beside what we know; pure.

Built from the very rows our own page is built from: every question stands beside the row that answers it, so what an
unconnected shop would have lost is counted, not claimed.
"""

from dataclasses import dataclass

from kiosk.core.counter import Post, is_struck, is_unanswered, name_of
from kiosk.core.staff_words import StaffWords
from sync.model.profile import Profile
from sync.model.records import Case, Interaction, Order, Pickup

PAIRS_MAX = 10
"""Questions shown; nobody waits for an eleventh."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One question an unconnected shop asks, and what we know instead."""

    question: str
    known: str


@dataclass(frozen=True, slots=True)
class Trap:
    """Both shops, side by side.

    Attributes:
        name: The customer's name, safe to show.
        pairs: Questions with their answers, in the order a shop would ask them.
        n_asked: How many questions there are, shown or not.
    """

    name: str
    pairs: tuple[Pair, ...]
    n_asked: int


def trap_of(profile: Profile, *, words: StaffWords, post: Post, now: int) -> Trap:
    """What this customer would be asked.

    Args:
        profile: What this device holds of the customer.
        words: What sentences are made with.
        post: Where this kiosk stands.
        now: Wall time, microseconds since 1970.
    """
    customer = profile.customer
    name = name_of(customer, words) if customer else ""
    pairs = [
        *(
            [Pair(words.say("trap.q.name"), words.say("trap.a.name", name=name))]
            if name
            else []
        ),
        *_pickups(profile, words, post),
        *_order(profile, words),
        *_cases(profile, words, now),
        *_messages(profile, words, now),
    ]
    return Trap(name=name, pairs=tuple(pairs[:PAIRS_MAX]), n_asked=len(pairs))


def _pickups(profile: Profile, words: StaffWords, post: Post) -> list[Pair]:
    return [
        Pair(
            words.say("trap.q.pickup"),
            words.say(
                "trap.a.pickup",
                count=words.items(pickup.n_items),
                shelf=words.name(pickup.shelf),
            ),
        )
        for _, pickup in profile.of(Pickup)
        if pickup.state == "ready" and pickup.store == post.store
    ]


def _order(profile: Profile, words: StaffWords) -> list[Pair]:
    """The newest order: its number, and where it may be exchanged."""
    orders = sorted(profile.of(Order), key=lambda pair: -pair[1].at)
    if not orders:
        return []
    order = orders[0][1]
    channel = words.channel(order.channel)
    pairs = [
        Pair(
            words.say("trap.q.order"),
            words.say("trap.a.order", order=words.name(order.id), channel=channel),
        )
    ]
    if (
        order.state == "delivered"
        and order.channel != "store"
        and order.sensitivity == "normal"
    ):
        pairs += [
            Pair(
                words.say("trap.q.return"),
                words.say(
                    "trap.a.return",
                    title=words.name(line.title),
                    variant=words.name(line.variant),
                    money=words.money(line.paid_minor, order.currency),
                ),
            )
            for line in order.lines[:1]
        ]
    return pairs


def _cases(profile: Profile, words: StaffWords, now: int) -> list[Pair]:
    return [
        pair
        for _, case in profile.of(Case)
        if case.state == "open"
        for pair in _case(case, words, now)
    ]


def _case(case: Case, words: StaffWords, now: int) -> list[Pair]:
    topic = words.say(
        "trap.a.case", number=words.name(case.number), topic=words.name(case.topic)
    )
    pairs = [Pair(words.say("trap.q.case"), topic)]
    pairs += [
        Pair(
            words.say("trap.q.fact", label=words.name(told.label)),
            words.say("trap.a.fact", value=words.name(told.value)),
        )
        for told in case.told
    ]
    pairs += [
        Pair(
            words.say("trap.q.remedy", remedy=words.name(remedy.text)),
            words.say("trap.a.remedy", tried=words.times(remedy.n_tried)),
        )
        for remedy in case.tried
        if is_struck(remedy)
    ]
    if case.promise is not None and not case.promise.kept_at:
        due = words.moment(case.promise.due_at, now=now)
        by = words.name(case.promise.by)
        pairs.append(
            Pair(words.say("trap.q.promise"), words.say("trap.a.promise", by=by, due=due))
        )
    return pairs


def _messages(profile: Profile, words: StaffWords, now: int) -> list[Pair]:
    """The oldest contact of each channel that nobody answered."""
    oldest: dict[str, Interaction] = {}
    for _, contact in sorted(profile.of(Interaction), key=lambda pair: pair[1].at):
        if is_unanswered(contact):
            oldest.setdefault(contact.channel, contact)
    return [
        Pair(
            words.say("trap.q.message"),
            words.say(
                "trap.a.message",
                channel=words.channel(contact.channel),
                at=words.moment(contact.at, now=now),
            ),
        )
        for contact in oldest.values()
    ]
