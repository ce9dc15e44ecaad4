"""What a channel can tell the shop, as values that name no vendor. An adapter makes them; `sync.central.intake` writes them down.

Times are integer microseconds since 1970, UTC (`at`, `_at`), 0 for "not told"; money is integer minor units with a currency.
A `ref` is the vendor's own id of a thing, text, unique within one channel and kind; it is how a later event finds it again.
Text is as it came, bounded by whoever takes it in, never markup.
"""

from typing import Final

import msgspec

from sync.model.records import Back, OrderLine

POINT_KINDS: Final = ("phone", "email", "handle")
"""Kinds of contact points. A handle is written "network:name": "x:tom_b", "instagram:1784"."""


class Point(msgspec.Struct, frozen=True):
    """A way to reach somebody, as the channel says it.

    Attributes:
        kind: One of POINT_KINDS.
        value: As it came; `sync.central.identity` normalises it.
        is_verified: The channel proved that it is theirs: a mail they answered, a number that wrote to us by itself.
        country: ISO 3166 code a national number is read with, "" for the shop's own.
    """

    kind: str
    value: str
    is_verified: bool = False
    country: str = ""


class Who(msgspec.Struct, frozen=True):
    """The customer an event is about, as far as that channel knows them.

    Attributes:
        ref: The vendor's id of the customer, "" where it has none (a guest, a caller).
        birth_date, street, postcode, city: For joining records that share no contact point; "" for not told.
    """

    ref: str = ""
    given_name: str = ""
    family_name: str = ""
    language: str = ""
    points: tuple[Point, ...] = ()
    birth_date: str = ""
    street: str = ""
    postcode: str = ""
    city: str = ""


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="fact"):
    """Base of all facts.

    Attributes:
        ref: Vendor's id of what it is about.
        at: When it became so there; decides which of two facts about one thing is newer.
        who: The customer, None where it is about nobody.
        also: Other ids that system has for it, by which a later event may name it alone: "order:450789469". A fact whose
            `ref` is one of these is about that thing; one that is not known yet is kept until it is.
    """

    ref: str
    at: int
    who: Who | None = None
    also: tuple[str, ...] = ()


class Known(Fact, frozen=True, kw_only=True, tag="known"):
    """A customer as that system knows them now; nothing happened but that. `ref` is `who.ref`."""


class Said(Fact, frozen=True, kw_only=True, tag="said"):
    """Somebody spoke or wrote.

    Attributes:
        channel: One of `records.CHANNELS`.
        direction: in | out | note, as in `records.Interaction`.
        by: Who spoke, in words.
        thread: Vendor's id of the conversation, "" for none.
        about: Number of the order or case it names, "" for none.
        topic: Fixed phrase that folds equal contacts, "" for none.
        is_automatic: Sent by a program; it answers nothing.
        is_closing: The vendor calls the conversation solved with this.
        form: Of what is left on the telephone, instead of said to somebody: sms | voice_mail; "" for all others.
    """

    channel: str
    direction: str
    by: str = ""
    text: str = ""
    thread: str = ""
    about: str = ""
    topic: str = ""
    sensitivity: str = "normal"
    is_automatic: bool = False
    is_closing: bool = False
    form: str = ""


class Called(Fact, frozen=True, kw_only=True, tag="called"):
    """A telephone call ended, or was lost.

    Attributes:
        state: answered | dropped | missed.
        lasted_s: Seconds somebody talked.
        note: What the agent wrote down, "" for nothing.
    """

    state: str
    direction: str = "in"
    by: str = ""
    lasted_s: int = 0
    note: str = ""
    topic: str = ""


class Bought(Fact, frozen=True, kw_only=True, tag="bought"):
    """An order as it stands now; `ref` is its number as people say it: "W-1042".

    Attributes:
        state: As in `records.Order`.
        ordered_at: When it was placed.
        code: Discount code used, "" for none.
        pickup_store: Store it is to be collected in, "" for a delivery.
    """

    channel: str
    state: str
    ordered_at: int
    lines: tuple[OrderLine, ...]
    total_minor: int
    currency: str
    code: str = ""
    sensitivity: str = "normal"
    pickup_store: str = ""


class Became(Fact, frozen=True, kw_only=True, tag="became"):
    """An order is in another state, and nothing else of it is told; `ref` is its number, or an `also` of it.

    Attributes:
        state: As in `records.Order`.
        back: With "returned", what came back now where it is not all of the order: it is returned once all of it is back.
    """

    state: str
    back: tuple[Back, ...] = ()


class Parcel(Fact, frozen=True, kw_only=True, tag="parcel"):
    """A parcel of an order for one store. Fields as in `records.Pickup`."""

    order: str
    store: str
    state: str
    shelf: str = ""
    n_items: int = 1


class Problem(Fact, frozen=True, kw_only=True, tag="problem"):
    """A problem the customer told, as a case of another system; `ref` is its number there.

    Attributes:
        state: open | solved.
        promised_by, promise, due_at: Who promised what until when; "" and 0 for nothing.
        told: (label, value) pairs the customer already gave.
        missing: What is still needed.
        tried: (remedy, times, failures).
    """

    channel: str
    state: str
    topic: str
    opened_at: int
    promised_by: str = ""
    promise: str = ""
    due_at: int = 0
    told: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    tried: tuple[tuple[str, int, int], ...] = ()
    payer: str = ""
    next_step: str = ""


class Agreed(Fact, frozen=True, kw_only=True, tag="agreed"):
    """The customer agreed to a purpose, or withdrew."""

    purpose: str
    is_granted: bool


class Sold(Fact, frozen=True, kw_only=True, tag="sold"):
    """A product as it is sold; `ref` is the article number."""

    title: str
    category: str = ""
    sensitivity: str = "normal"


class Priced(Fact, frozen=True, kw_only=True, tag="priced"):
    """What a product costs in one channel; `ref` is the article number. `until` is the end of a promotion, 0 for none."""

    channel: str
    amount_minor: int
    currency: str
    until: int = 0


class Stocked(Fact, frozen=True, kw_only=True, tag="stocked"):
    """How many of a product a place has; `ref` is the article number. `count` is None when nobody knows."""

    place: str
    count: int | None


class Delivered(Fact, frozen=True, kw_only=True, tag="delivered"):
    """What became of a message we sent; `ref` is the id its sender gave it.

    Attributes:
        state: sent | delivered | read | failed.
        reason: Why it failed, in the vendor's words.
    """

    state: str
    reason: str = ""


class Proved(Fact, frozen=True, kw_only=True, tag="proved"):
    """A customer sent us a code that was shown after a tap: the handle in `who` is theirs."""

    code: str


class Forget(Fact, frozen=True, kw_only=True, tag="forget"):
    """Another system passes on a customer's wish to be forgotten; a person decides."""


AnyFact = (
    Known | Said | Called | Bought | Became | Parcel | Problem | Agreed | Sold | Priced | Stocked
    | Delivered | Proved | Forget
)  # fmt: skip
"""Everything a channel can tell. Its JSON (tagged by "fact") is our own event form: `app`, NDJSON and CloudEvents carry it."""
