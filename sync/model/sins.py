"""Counts the three sins from rows alone; pure.

These are the rules, and nothing else counts:

Unanswered      contacts of customers (direction `in`) whose promised answer (`due_at`) is past and that no person answered
                (`answered_at` is 0). Several in one thread, that is one customer in one channel, are one.
Contradictions  products whose price in the web differs from a price elsewhere in the same currency, or whose stock in the
                web differs from the count of the home store, the one shelf the web shop sells from. A count nobody
                knows contradicts nothing. One product counts once.
Asked twice     times a customer came to us about the same topic in another channel within 7 days of the time before. A
                contact without a topic counts for nothing, and repeats in one channel are not this sin.

Beside them stand the promises that were broken on open cases (`sync.model.promises`): each counts, also where it was promised
again since, until the case is solved. They are no fourth sin, but what the customer would call one.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sync.model import promises
from sync.model.records import Case, Interaction, Price, Stock
from sync.model.row import Row

ASKED_TWICE_US: Final = 7 * 24 * 3_600 * 1_000_000
"""Within this time we should have remembered; the week in which a customer surely does."""

WEB: Final = "web"


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """The three sins, counted; and promises broken on open cases."""

    asked_twice: int
    unanswered: int
    contradictions: int
    promises_broken: int = 0


def scoreboard_of(rows: Iterable[Row], *, home: str, now: int) -> Scoreboard:
    """Count them.

    Args:
        rows: Rows of every customer and product there is; others are passed over.
        home: Id of the store whose shelf the web shop sells from.
        now: Wall time, microseconds since 1970.
    """
    contacts: list[tuple[str, Interaction]] = []
    prices: list[Price] = []
    stocks: list[Stock] = []
    n_broken = 0
    for row in rows:
        match row.body:
            case Interaction(taken_back_at=0) as contact if contact.direction == "in":
                contacts.append((row.owner, contact))
            case Price() as price:
                prices.append(price)
            case Stock() as stock:
                stocks.append(stock)
            case Case(state="open") as case:
                n_broken += promises.tally(case, now=now).n_broken
            case _:
                pass
    return Scoreboard(
        asked_twice=_asked_twice(contacts),
        unanswered=len(_unanswered(contacts, now)),
        contradictions=len(_prices_differ(prices) | _stocks_differ(stocks, home)),
        promises_broken=n_broken,
    )


def _unanswered(contacts: list[tuple[str, Interaction]], now: int) -> set[tuple[str, str]]:
    return {
        (owner, contact.channel)
        for owner, contact in contacts
        if 0 < contact.due_at < now and not contact.answered_at
    }


def _asked_twice(contacts: list[tuple[str, Interaction]]) -> int:
    threads: dict[tuple[str, str], list[Interaction]] = defaultdict(list)
    for owner, contact in contacts:
        if contact.topic:
            threads[owner, contact.topic].append(contact)
    return sum(_repeats(sorted(thread, key=lambda one: one.at)) for thread in threads.values())


def _repeats(thread: list[Interaction]) -> int:
    """How often the channel changed although less than a week had passed."""
    pairs = pairwise(thread)
    return sum(
        1
        for before, after in pairs
        if after.channel != before.channel and after.at - before.at <= ASKED_TWICE_US
    )


def _prices_differ(prices: list[Price]) -> set[str]:
    web = {(price.product, price.currency): price for price in prices if price.channel == WEB}
    return {
        price.product
        for price in prices
        if (ours := web.get((price.product, price.currency))) is not None
        and price.amount_minor != ours.amount_minor
    }


def _stocks_differ(stocks: list[Stock], home: str) -> set[str]:
    counted = {
        (stock.product, stock.place): stock.count for stock in stocks if stock.count is not None
    }
    return {
        product
        for (product, place), count in counted.items()
        if place == home and counted.get((product, WEB), count) != count
    }
