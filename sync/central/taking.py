"""What each fact of another system becomes here: rows, and whose they are.

A row is named by what the other system calls the thing, so the same facts in any order, once or often, make the same rows:

    Said, Called      interaction/<channel>:<ref>      Bought, Became    order/<number>
    Problem, Forget   case/<channel>:<ref>             Parcel            pickup/<channel>:<ref>
    Sold              product/<ref>                    Priced, Stocked   price/<ref>@<channel>, stock/<ref>@<place>
    Known, Agreed     the customer, and what they consent to (`identity`, `joins`)

`told_at` says how new what a channel told of a row is; what is older, or older than what was done to the row here, changes
nothing. What is gone stays gone: a parcel that was handed over here is not made ready by a late message. A thing may have
other ids in its system (`also`); what speaks of one that was not told yet waits for it (`NotYet`).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import msgspec

from sync.central import folding, forgetting, handles, identity, joins, threads, told
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import (
    Agreed,
    AnyFact,
    Became,
    Bought,
    Called,
    Delivered,
    Fact,
    Forget,
    Known,
    Parcel,
    Priced,
    Problem,
    Proved,
    Said,
    Sold,
    Stocked,
    Who,
)
from sync.central.enrolment import scope_of
from sync.central.errors import Erased
from sync.central.identity import Met
from sync.central.lines import (
    ERASURE,
    NAMED,
    ORIGIN,
    TOLD_AT,
    clean,
)
from sync.central.told_shapes import (
    STORE,
    Unusable,
    channel_of,
    goods_body,
    kept_where_solved,
    one_of,
    row_id,
    state_after,
    timed,
    with_back,
    with_ours,
)
from sync.central.transaction import Transaction, owner_lock
from sync.model import forms
from sync.model.conversation import DROPPED, MISSED
from sync.model.errors import Malformed
from sync.model.operations.request_erasure import TOLD_TOPIC
from sync.model.records import (
    LEFT,
    Case,
    Interaction,
    Order,
    Pickup,
    Promise,
    Record,
    Remedy,
    Stock,
    Told,
    key_of,
    kind_of,
)
from sync.model.row import Row, row_of
from sync.model.rules import TEXT_MAX, case_number

LINES_MAX: Final = 500
"""Lines of one order that are kept."""

LIST_MAX: Final = 50
"""Facts told, remedies and missing things of one case that are kept."""

HOLD_US: Final = 90 * 86_400 * 1_000_000
"""How long a store holds a customer with a parcel there."""

GONE: Final = ("handed_over", "returned")
"""States of a parcel that no message changes back."""

MINOR_MAX: Final = 2**53


class NotYet(Exception):
    """A fact speaks of something that was not told yet; `ref` is what it waits for."""

    def __init__(self, ref: str) -> None:
        super().__init__(ref)
        self.ref = ref


Hear = Callable[[Transaction, Settings, Any], None]
"""What else is done with a fact of some kind, in the transaction that takes it. May raise Unusable or NotYet."""


@dataclass(slots=True)
class Taking:
    """One event being taken.

    Attributes:
        event: Its id.
        now: Microseconds since 1970.
        owners: Whom it is about.
        n_news: How many of its facts changed something.
        older: Keys of rows it had nothing new to say of.
        named: Ids that are known now; what waited for them can be taken.
    """

    transaction: Transaction
    settings: Settings
    event: str
    now: int
    hear: Mapping[type, Hear] = field(default_factory=dict)
    owners: dict[str, None] = field(default_factory=dict)
    n_news: int = 0
    older: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """Who says so: the channel's own name, by which what came from it does not go back to it."""
        return self.settings.name


def take(taking: Taking, fact: AnyFact) -> None:  # noqa: C901, PLR0912  # one line a kind of fact
    """Write one fact down. Raises NotYet, Unusable, Erased."""
    fact = timed(fact, taking.now)
    if isinstance(fact, Said) and _is_code(taking, fact):
        return
    heard = taking.hear.get(type(fact))
    if heard is not None:
        heard(taking.transaction, taking.settings, fact)
    match fact:
        case Said():
            _said(taking, fact)
        case Called():
            _called(taking, fact)
        case Bought():
            _bought(taking, fact)
        case Became():
            _became(taking, fact)
        case Parcel():
            _parcel(taking, fact)
        case Problem():
            _problem(taking, fact)
        case Known():
            _met(taking, fact)
        case Agreed():
            _agreed(taking, fact)
        case Sold() | Priced() | Stocked():
            _goods(taking, fact)
        case Forget():
            _forget(taking, fact)
        case Delivered() | Proved():
            if heard is None:
                raise Unusable(f"nothing here hears of {type(fact).__name__.lower()}")
            taking.n_news += 1
        case _:
            assert_never(fact)


def _is_code(taking: Taking, fact: Said) -> bool:
    """Whether a message is a code that was shown after a tap: then it says who they are, and nothing else."""
    met = handles.proved_by(
        taking.transaction, taking.settings, fact, event=taking.event, now=taking.now
    )
    if met is None:
        return False
    taking.owners |= {met.record: None, met.owner: None}
    taking.n_news += 1
    return True


# Whose


def _met(taking: Taking, fact: Fact, *, ref: str = "", who: Who | None = None) -> Met:
    who = who or fact.who
    if who is None:
        raise Unusable("it does not say whom it is about")
    before = taking.n_news
    met = identity.meet(
        taking.transaction, taking.settings, who, ref=ref or f"{type(fact).__name__.lower()}:{fact.ref}",
        at=fact.at, now=taking.now, event=taking.event,
    )  # fmt: skip
    if isinstance(fact, Known):
        taking.n_news = before + 1
    _hold(taking, met)
    taking.owners |= {met.record: None, met.owner: None}
    return met


def _whose(taking: Taking, fact: Fact, *keys: str, ref: str = "") -> Met:
    """Whom a fact is about: as it says, else whose the first of these rows is. Raises NotYet, Unusable, Erased."""
    if fact.who is not None:
        return _met(taking, fact, ref=ref)
    for key in keys:
        row = _row(taking, key) if key else None
        if row is not None and row.owner:
            found = taking.transaction.lines(ORIGIN, key=key)
            met = Met(str(found[0][1]) if found else row.owner, row.owner)
            _hold(taking, met)
            taking.owners |= {met.record: None, met.owner: None}
            return met
    for key in filter(None, keys):
        _check_known(taking, key)
    raise Unusable("it does not say whom it is about")


def _hold(taking: Taking, met: Met) -> None:
    """From now on nobody erases them until this is written down. Raises Erased where somebody just did."""
    if met.owner in taking.owners:
        return
    taking.transaction.lock_keys((owner_lock(met.owner),))
    if taking.transaction.lines(ERASURE, owner=met.owner):
        raise Erased("this customer was erased")


def _check_known(taking: Taking, key: str) -> None:
    """Raise Erased for a row that was there and is gone, NotYet for an order nobody told of."""
    if _row(taking, key) is not None:
        return
    if taking.transaction.direct().all("SELECT 1 FROM named WHERE key = :key LIMIT 1", key=key):
        raise Erased("what it is about was erased")
    if key.startswith("order/"):
        raise NotYet(key.partition("/")[2])


def _row(taking: Taking, key: str) -> Row | None:
    taking.transaction.load((key,))
    try:
        return taking.transaction.read.row(key)
    except Malformed:
        return None


# Names


def _name(taking: Taking, fact: Fact, key: str, *more: str) -> None:
    """From now on these ids of that system mean this row."""
    refs = [one for one in dict.fromkeys((fact.ref, *fact.also, *more)) if one]
    for ref in refs:
        taking.transaction.put_line(NAMED, (taking.settings.name, clean(ref, 300), key))
    taking.named += refs


def _key_named(taking: Taking, ref: str, kind: str = "") -> str:
    """The row that system calls so; "" for one it did not tell."""
    plain, channel = clean(ref, 300), taking.settings.name
    for name in (plain, forgetting.mark_of(taking.transaction, channel, plain)):
        for line in taking.transaction.lines(NAMED, channel=channel, ref=name):
            return str(line[2])
    key = key_of(kind, row_id(ref)) if kind else ""
    return key if key and _row(taking, key) is not None else ""


# How new


def _is_news(taking: Taking, key: str, at: int, *, row: Row | None) -> bool:
    """Whether nothing newer is known of that row, or part of one; from now on this is. Older news is written down as such."""
    found = taking.transaction.lines(TOLD_AT, key=key)
    ours = (at, taking.settings.name, taking.event)
    if found and ours < found[0][1:]:
        taking.older.append(key)
        return False
    if row is not None and at < row.as_of and not found:
        taking.older.append(key)
        return False
    taking.transaction.put_line(TOLD_AT, (key, *ours))
    return True


def _put(taking: Taking, body: Record, met: Met | None, *, at: int, scope: str = "") -> None:
    """Write a row of that customer; of one another system says is another's, a person has to look."""
    row = row_of(body, owner=met.owner if met else "", as_of=at, source=taking.source)
    known = _row(taking, row.key)
    ours = (row.body, row.owner, row.source)
    if (
        known is not None
        and (known.body, known.owner, known.source) == ours
        and known.as_of >= at
    ):
        return
    taking.transaction.put(row, scope=scope, form=forms.newest(row.kind))
    taking.n_news += 1
    if known is not None and known.owner != row.owner:
        taking.transaction.direct().run("DELETE FROM origin WHERE key = :key", key=row.key)
    if met is not None and met.record != met.owner:
        folding.note_origin(taking.transaction, (row.key,), met.record)


def _check_owner(taking: Taking, key: str, met: Met) -> None:
    """Raise Unusable where another channel told this thing of another customer."""
    row = _row(taking, key)
    if row is None or not row.owner or row.owner == met.owner:
        return
    found = taking.transaction.lines(TOLD_AT, key=key)
    if not found or found[0][2] != taking.settings.name:
        raise Unusable(f"{key} is another customer's")


# What was said


def _said(taking: Taking, fact: Said) -> None:
    channel = channel_of(fact.channel or taking.settings.channel)
    if fact.direction not in ("in", "out", "note"):
        raise Unusable(f"no such direction: {fact.direction[:20]}")
    about = _about(taking, fact.about)
    thread = f"thread:{fact.thread}" if fact.thread else ""
    met = _speaker(taking, fact, about, thread)
    body = Interaction(
        id=row_id(fact.ref, taking.settings.name),
        at=fact.at,
        channel=channel,
        direction=fact.direction,
        by=clean(fact.by, 120),
        text=clean(fact.text, TEXT_MAX),
        about=about,
        audience="internal" if fact.direction == "note" else "customer",
        topic=clean(fact.topic, 200),
        sensitivity=_sensitivity(taking, fact, about),
        thread=clean(fact.thread, 200),
        is_automatic=fact.is_automatic,
        is_closing=fact.is_closing,
        form=fact.form if channel == "phone" and fact.form in LEFT else "",
    )
    _contact(taking, body, met, fact)
    if thread:
        _name(taking, fact, key_of("interaction", body.id), thread)


def _speaker(taking: Taking, fact: Said, about: str, thread: str) -> Met:
    """Whom a message is of or to.

    What we wrote goes to whoever the conversation is with, or the order it names is of: an address we write to proves nothing.
    """
    keys = (_key_named(taking, thread) if thread else "", about)
    is_ours = fact.direction != "in" and fact.who is not None and not fact.who.ref
    if is_ours and any(key and _row(taking, key) is not None for key in keys):
        return _whose(taking, msgspec.structs.replace(fact, who=None), *keys)
    if fact.who is not None:
        return _met(taking, fact, ref=thread)
    if not any(keys):
        ref = thread or fact.about
        if ref:
            raise NotYet(ref)
    return _whose(taking, fact, *reversed(keys))


def _sensitivity(taking: Taking, fact: Said, about: str) -> str:
    """What is said of a gift is as little for others' eyes as the gift."""
    told = one_of(fact.sensitivity, ("normal", "gift", "sensitive"))
    row = _row(taking, about) if about and told == "normal" else None
    return row.body.sensitivity if row is not None and isinstance(row.body, Order) else told


def _contact(taking: Taking, body: Interaction, met: Met, fact: Fact) -> None:
    key = key_of("interaction", body.id)
    row = _row(taking, key)
    if not _is_news(taking, key, fact.at, row=None):
        return
    if row is not None and isinstance(row.body, Interaction):  # what became of it here stays
        known = row.body
        body = msgspec.structs.replace(
            body, due_at=known.due_at, answered_at=known.answered_at, answered_op=known.answered_op,
            taken_back_at=known.taken_back_at, delivery=known.delivery, delivery_reason=known.delivery_reason,
            about=body.about or known.about,
        )  # fmt: skip
    _put(taking, body, met, at=max(fact.at, row.as_of if row else 0))
    _name(taking, fact, key)
    threads.settle(taking.transaction, met.owner, channel=body.channel, thread=body.thread)


def _called(taking: Taking, fact: Called) -> None:
    if fact.state not in ("answered", "dropped", "missed"):
        raise Unusable(f"no such state of a call: {fact.state[:20]}")
    met = _met(taking, fact)
    topics = {"dropped": DROPPED, "missed": MISSED}
    body = Interaction(
        id=row_id(fact.ref, taking.settings.name),
        at=fact.at,
        channel="phone",
        direction="out" if fact.direction == "out" else "in",
        by=clean(fact.by, 120),
        text=clean(fact.note, TEXT_MAX),
        topic=topics.get(fact.state, clean(fact.topic, 200)),
        answered_at=fact.at if fact.state == "answered" and fact.direction != "out" else 0,
    )
    _contact(taking, body, met, fact)


def _about(taking: Taking, about: str) -> str:
    """The key of the order or case that is meant; "" for nothing, or for what only its own system knows."""
    text = clean(about.strip().lstrip("#"), 200)
    if not text or text.startswith(("order/", "case/")):
        return text
    found = _key_named(taking, text, "order")
    if found:
        return found
    case = key_of("case", row_id(text, taking.settings.name))
    if _row(taking, case) is not None:
        return case
    return "" if ":" in text else key_of("order", row_id(text))


# What was bought


def _bought(taking: Taking, fact: Bought) -> None:
    key = key_of("order", row_id(fact.ref))
    row = _row(taking, key)
    met = _whose(taking, fact, key, ref=f"order:{fact.ref}")
    _check_owner(taking, key, met)
    if not 0 <= fact.total_minor < MINOR_MAX:
        raise Unusable("an amount that does not occur")
    known = row.body if row is not None and isinstance(row.body, Order) else None
    is_newest = _is_news(taking, key, fact.at, row=row)
    is_state = _is_news(taking, f"{key}#state", fact.at, row=row)
    if is_newest or known is None:
        state = state_after(row, fact.state) if is_state or known is None else known.state
        body = Order(
            id=row_id(fact.ref),
            at=fact.ordered_at or fact.at,
            channel=channel_of(fact.channel or taking.settings.channel),
            state=state,
            lines=fact.lines[:LINES_MAX],
            total_minor=fact.total_minor,
            currency=clean(fact.currency, 3),
            code=clean(fact.code, 80),
            sensitivity=one_of(fact.sensitivity, ("normal", "gift", "sensitive")),
            back=known.back if known is not None and state != "returned" else (),
        )
        _put(taking, body, met, at=max(fact.at, row.as_of if row else 0))
    elif is_state:
        _put(
            taking,
            msgspec.structs.replace(known, state=state_after(row, fact.state)),
            met,
            at=fact.at,
        )
    _name(taking, fact, key)
    if fact.pickup_store:
        taking.transaction.add_interest(
            scope_of(clean(fact.pickup_store, 80)),
            met.owner,
            until=taking.now + HOLD_US,
            why="order",
        )


def _became(taking: Taking, fact: Became) -> None:
    key = _key_named(taking, fact.ref, "order")
    row = _row(taking, key) if key else None
    if row is None or not isinstance(row.body, Order):
        if key:
            _check_known(taking, key)
        raise NotYet(fact.ref)
    # Whose it is, the order knows: who sends something back may be anybody.
    met = _whose(taking, msgspec.structs.replace(fact, who=None), key)
    if fact.back:
        body = with_back(row.body, fact.back)
        if body.state == "returned":
            _is_news(taking, f"{key}#state", fact.at, row=row)
        _put(taking, body, met, at=max(fact.at, row.as_of))
        return
    if _is_news(taking, f"{key}#state", fact.at, row=row):
        body = msgspec.structs.replace(row.body, state=state_after(row, fact.state))
        _put(taking, body, met, at=max(fact.at, row.as_of))


def _parcel(taking: Taking, fact: Parcel) -> None:
    order = _key_named(taking, fact.order, "order")
    if not order and fact.who is None:
        raise NotYet(fact.order)
    number = order.partition("/")[2] or row_id(fact.order)
    record = (
        row_id(fact.ref, taking.settings.name) if fact.ref else row_id(f"{number}@{fact.store}")
    )
    key = key_of("pickup", record)
    row = _row(taking, key)
    met = _whose(taking, fact, order)
    if _is_news(taking, key, fact.at, row=row):
        known = (
            row.body
            if row is not None and isinstance(row.body, Pickup)
            else Pickup(record, number, fact.store, "")
        )
        is_gone = known.state in GONE and bool(known.handed_over_op)
        state = (
            known.state
            if is_gone
            else one_of(fact.state, ("ready", "handed_over", "returned", "expected"))
        )
        body = msgspec.structs.replace(
            known,
            order=number,
            store=clean(fact.store, 80),
            state=state,
            shelf=clean(fact.shelf, 40) or known.shelf,
            n_items=max(1, min(fact.n_items, 10_000)),
            ready_at=known.ready_at or (fact.at if state == "ready" else 0),
            handed_over_at=known.handed_over_at or (fact.at if state == "handed_over" else 0),
        )
        _put(taking, body, met, at=max(fact.at, row.as_of if row else 0))
    _name(taking, fact, key)
    taking.transaction.add_interest(
        scope_of(clean(fact.store, 80)), met.owner, until=taking.now + HOLD_US, why="parcel"
    )


# Problems


def _problem(taking: Taking, fact: Problem) -> None:
    record = row_id(fact.ref, taking.settings.name)
    key = key_of("case", record)
    row = _row(taking, key)
    met = _whose(taking, fact, key)
    known = row.body if row is not None and isinstance(row.body, Case) else None
    if _is_news(taking, key, fact.at, row=row):
        channel = channel_of(fact.channel or taking.settings.channel)
        promise = (
            Promise(
                clean(fact.promised_by, 120),
                clean(fact.promise, 200),
                fact.due_at,
                at=fact.at,
            )
            if fact.promise
            else None
        )
        body = Case(
            id=record,
            number=clean(fact.ref, 40),
            state=one_of(fact.state, ("solved", "open")),
            topic=clean(fact.topic, 200),
            opened_at=fact.opened_at or fact.at,
            channel=channel,
            promise=promise,
            told=tuple(
                Told(clean(label, 200), clean(value, 200), channel, fact.at)
                for label, value in fact.told[:LIST_MAX]
            ),
            missing=tuple(clean(one, 200) for one in fact.missing[:LIST_MAX]),
            tried=tuple(
                Remedy(clean(text, 200), n, failed) for text, n, failed in fact.tried[:LIST_MAX]
            ),
            payer=clean(fact.payer, 200),
            next_step=clean(fact.next_step, 200),
        )
        if known is not None:
            body = with_ours(body, known, is_ours=row is not None and row.source == STORE)
        body = kept_where_solved(body, fact.at)
        _put(taking, body, met, at=max(fact.at, row.as_of if row else 0))
    _name(taking, fact, key)


def _forget(taking: Taking, fact: Forget) -> None:
    """A wish to be forgotten becomes a case: a person decides."""
    met = _met(taking, fact)
    record = row_id(f"forget:{fact.ref}", taking.settings.name)
    key = key_of("case", record)
    if _row(taking, key) is None and _is_news(taking, key, fact.at, row=None):
        number = case_number(hashlib.sha256(record.encode()).hexdigest())
        body = Case(
            id=record, number=number, state="open", topic=TOLD_TOPIC, opened_at=fact.at,
            channel=taking.settings.channel or "web", next_step="decide, then erase",
        )  # fmt: skip
        _put(taking, body, met, at=fact.at)


def _agreed(taking: Taking, fact: Agreed) -> None:
    met = _met(taking, fact)
    purpose = clean(fact.purpose, 80)
    joins.absorb(taking.transaction, met.owner)
    value = told.consent_value(
        purpose, is_granted=fact.is_granted, at=fact.at, source=taking.source
    )
    stamp = told.stamp_of(taking.source, taking.event)
    if told.tell(
        taking.transaction,
        met.record,
        {f"{told.CONSENT}{purpose}": value},
        at=fact.at,
        stamp=stamp,
    ):
        joins.show(taking.transaction, met.owner)
        taking.n_news += 1
    else:
        taking.older.append(f"consent/{met.owner}:{purpose}")


# Goods


def _goods(taking: Taking, fact: Sold | Priced | Stocked) -> None:
    named = _key_named(taking, fact.ref, "product")
    if not named and ":" in fact.ref and not isinstance(fact, Sold):
        raise NotYet(fact.ref)  # an id of its own system, not an article number
    product = named.partition("/")[2] or row_id(fact.ref)
    body = goods_body(fact, product, channel=taking.settings.channel)
    key = key_of(kind_of(body), body.id)  # type: ignore[attr-defined]  # every record has one
    row = _row(taking, key)
    if _is_news(taking, key, fact.at, row=row):
        if isinstance(body, Stock) and row is not None and isinstance(row.body, Stock):
            body = msgspec.structs.replace(body, last=row.body.last, ops=row.body.ops)
        _put(taking, body, None, at=fact.at)
    if isinstance(fact, Sold):
        _name(taking, fact, key)
