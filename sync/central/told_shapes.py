"""What a fact says as a record says it: ids, states, what of a thing came back, goods. Pure; `taking` writes it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from sync.central.channels.facts import AnyFact, Priced, Sold, Stocked
from sync.central.lines import clean
from sync.model import promises
from sync.model.records import (
    CHANNELS,
    Back,
    Case,
    Order,
    Price,
    Product,
    Record,
    Stock,
)
from sync.model.row import Row

ID_MAX: Final = 80
"""Characters of a record's id that an operation may name."""

PASSED: Final = ("placed", "paid", "ready", "shipped")
"""States of an order that cannot come after what a store did with it."""

STORE: Final = "store"
"""Source of what was done here; no channel is called so."""


class Unusable(Exception):
    """A fact cannot be written down as it is; the text says why, for staff."""


def timed(fact: AnyFact, now: int) -> AnyFact:
    """The fact with a time: now for one that has none, and never later, so that a wrong clock does not outlive itself."""
    return msgspec.structs.replace(fact, at=min(fact.at, now) if fact.at > 0 else now)


def row_id(ref: str, channel: str = "") -> str:
    """The id of a record that another system calls `ref`; of one channel alone where it is given. At most ID_MAX characters."""
    plain = ref.replace("\0", "").encode("utf-8", "replace").decode()
    whole = f"{channel}:{plain}" if channel else plain
    if len(whole) <= ID_MAX and plain:
        return whole
    digest = hashlib.sha256(ref.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{channel}:{digest}" if channel else digest


def channel_of(channel: str) -> str:
    """A channel that there is. Raises Unusable."""
    if channel not in CHANNELS:
        raise Unusable(f"no such channel: {channel[:20]!r}")
    return channel


def one_of(text: str, known: tuple[str, ...]) -> str:
    """The text where it is one of these; else the last of them."""
    return text if text in known else known[-1]


def state_after(row: Row | None, told: str) -> str:
    """The state of an order, unless a store did something with it that cannot come before that."""
    if row is None or not isinstance(row.body, Order):
        return clean(told, 40)
    is_done = (
        row.source == STORE and row.body.state in ("collected", "returned") and told in PASSED
    )
    return row.body.state if is_done else clean(told, 40)


def with_back(order: Order, more: Sequence[Back]) -> Order:
    """The order when these came back too, in whatever order it is told; returned as a whole once nothing is left of it."""
    bought, back = Counter[str](), Counter[str]()
    for line in order.lines:
        bought[line.product] += line.count
    for one in (*order.back, *more):
        back[one.product] += one.count
    if order.state == "returned" or any(one.count <= 0 for one in more):
        raise Unusable("it was returned before, or nothing came back")
    wrong = sorted(product for product in back if back[product] > bought[product])
    if wrong:
        raise Unusable(f"more came back of {clean(wrong[0], 80)} than was bought")
    if back == +bought:
        return msgspec.structs.replace(order, state="returned", back=())
    told = tuple(Back(product, back[product]) for product in sorted(back))
    return msgspec.structs.replace(order, back=told)


def with_ours(body: Case, known: Case, *, is_ours: bool) -> Case:
    """A case as its system tells it with what was done about it here."""
    kept = msgspec.structs.replace(
        promises.joined(body, known),
        clash=known.clash, sides=known.sides, before=known.before, ops=known.ops,
    )  # fmt: skip
    if not is_ours:
        return kept
    labels = {told.label for told in body.told}
    texts = {one.text for one in body.tried}
    return msgspec.structs.replace(
        kept,
        next_step=body.next_step or known.next_step,
        told=(*body.told, *(told for told in known.told if told.label not in labels)),
        tried=(*body.tried, *(one for one in known.tried if one.text not in texts)),
    )


def kept_where_solved(case: Case, at: int) -> Case:
    """A case that its system solved, with all kept that was promised on it; opened again there, that is owed as before."""
    is_marked = any(mark.op == case.id for mark in case.kept)
    if case.state == "solved":
        return case if is_marked else promises.with_kept(case, case.id, at)
    return promises.without(case, case.id) if is_marked else case


def goods_body(fact: Sold | Priced | Stocked, product: str, *, channel: str) -> Record:
    """The record a fact about goods makes of this product; `channel` is of who tells it."""
    match fact:
        case Sold():
            sensitivity = one_of(fact.sensitivity, ("normal", "gift", "sensitive"))
            return Product(
                product, clean(fact.title, 200), clean(fact.category, 80), sensitivity
            )
        case Priced():
            where = clean(fact.channel or channel, 40)
            return Price(
                f"{product}@{where}",
                product,
                where,
                fact.amount_minor,
                clean(fact.currency, 3),
            )
        case Stocked():
            place = clean(fact.place, 80)
            count = None if fact.count is None else max(0, min(fact.count, 10**9))
            return Stock(
                f"{product}@{place}", product, place, count, fact.at, changed_at=fact.at
            )
