"""The trap: what the same customer is asked where channels are not connected, beside what we know; pure.

Built from the very rows our own page is built from: every question stands beside the row that answers it, so what an
unconnected shop would have lost is counted, not claimed.
"""

from dataclasses import dataclass
from typing import Final

from kiosk.core.entries import Telling, is_struck, is_unanswered, item_of, name_of
from kiosk.core.page import DAY_US, HELP_DAYS
from sync.model import promises
from sync.model.operations.request_erasure import is_erasure
from sync.model.profile import Profile
from sync.model.records import Case, Interaction, Order, Pickup, way_of

PAIRS_MAX: Final = 12
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


def trap_of(profile: Profile, tell: Telling) -> Trap:
    """What this customer would be asked.

    Args:
        profile: What this device holds of the customer.
        tell: What sentences are made with.
    """
    words, customer = tell.words, profile.customer
    name = name_of(customer, words) if customer else ""
    pairs = [
        *([Pair(words.say("trap.q.name"), name)] if name else []),
        *_pickups(profile, tell),
        *_order(profile, tell),
        *_cases(profile, tell),
        *_messages(profile, tell),
    ]
    return Trap(name=name, pairs=tuple(pairs[:PAIRS_MAX]), n_asked=len(pairs))


def _pickups(profile: Profile, tell: Telling) -> list[Pair]:
    words = tell.words
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
        if pickup.state == "ready" and pickup.store == tell.post.store
    ]


def _order(profile: Profile, tell: Telling) -> list[Pair]:
    """The newest order our own page speaks of: its number, and what would be done about it."""
    words = tell.words
    orders = [order for _, order in profile.of(Order) if _is_told(order, tell)]
    if not orders:
        return []
    order = max(orders, key=lambda order: order.at)
    number = words.say(
        "trap.a.order", order=words.name(order.id), channel=words.channel(order.channel)
    )
    pairs = [Pair(words.say("trap.q.order"), number)]
    if _is_coming_back(order, profile):
        pairs += [
            Pair(
                words.say("trap.q.return"),
                words.say(
                    "trap.a.return",
                    item=item_of(line, words),
                    money=words.money(line.paid_minor, order.currency),
                ),
            )
            for line in order.lines[:1]
        ]
    return pairs


def _is_told(order: Order, tell: Telling) -> bool:
    """Whether a panel may speak of it: ready or lately delivered, no gift, nothing sensitive."""
    since = tell.now - HELP_DAYS * DAY_US
    is_spoken_of = order.state == "ready" or (order.state == "delivered" and order.at >= since)
    return (
        is_spoken_of
        and order.sensitivity == "normal"
        and not any(tell.is_sensitive(line.product) for line in order.lines)
    )


def _is_coming_back(order: Order, profile: Profile) -> bool:
    """Whether an open case is about goods of this order: it names the number, and nobody else's money."""
    is_ours = order.state == "delivered" and order.channel != "store"
    return is_ours and any(
        case.state == "open"
        and not case.payer
        and any(order.id in told.value for told in case.told)
        for _, case in profile.of(Case)
    )


def _cases(profile: Profile, tell: Telling) -> list[Pair]:
    return [
        pair
        for _, case in profile.of(Case)
        if case.state == "open" and not is_erasure(case)
        for pair in _case(case, tell)
    ]


def _case(case: Case, tell: Telling) -> list[Pair]:
    words = tell.words
    topic = words.say(
        "trap.a.case", number=words.name(case.number), topic=words.name(case.topic)
    )
    pairs = [Pair(words.say("trap.q.case"), topic)]
    pairs += [
        Pair(
            words.say("trap.q.fact", label=words.name(told.label)),
            words.name(told.value),
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
    promise = promises.pressing(case)
    if promise is not None:
        due = tell.at(promise.due_at)
        by = words.name(promise.by)
        pairs.append(
            Pair(words.say("trap.q.promise"), words.say("trap.a.promise", by=by, due=due))
        )
    return pairs


def _messages(profile: Profile, tell: Telling) -> list[Pair]:
    """The oldest contact of each channel that nobody answered."""
    words = tell.words
    oldest: dict[str, Interaction] = {}
    for _, contact in sorted(profile.of(Interaction), key=lambda pair: pair[1].at):
        if is_unanswered(contact):
            oldest.setdefault(contact.channel, contact)
    return [
        Pair(
            words.say("trap.q.message"),
            words.say(
                "trap.a.message",
                channel=words.channel(way_of(contact)),
                at=tell.at(contact.at),
            ),
        )
        for contact in oldest.values()
    ]
