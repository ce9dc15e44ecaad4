"""What the shop knows: one immutable struct a kind of record.

A record is the body of a row (`sync.model.row`). Its JSON on the wire and in both databases is the struct's own; a field
a newer centre adds is ignored by an older kiosk, so fields are only ever added, with a default that never changes
(what stands at its default is not written). Times are integer microseconds since 1970, UTC (`_at`), 0 for "not".
Money is integer minor units with a currency beside it. Ids are unique within a kind; `key_of` makes the key.
Some records remember in `ops` which operations changed them last, so that one that comes again changes nothing, and in
`before` what the last one replaced, so that it can be taken back.
"""

from typing import Final

import msgspec

CHANNELS: Final = (
    "web", "app", "phone", "whatsapp", "instagram", "tiktok", "x", "chat", "email", "store",
)  # fmt: skip
"""Where a contact or an order can come from. Public: stored and sent; their names for people are in `wording`."""

SMS: Final = "sms"
"""By which way people write to a telephone; no channel of its own, as both ways reach the same number."""

VOICE_MAIL: Final = "voice_mail"
"""What somebody said to a machine on the telephone: like an SMS, nobody has heard it yet."""

LEFT: Final = frozenset({SMS, VOICE_MAIL})
"""What a customer leaves on the telephone instead of speaking with one of us."""

UNSENT: Final = frozenset({"failed", "unsure"})
"""What `delivery` says of a message that did not arrive, as far as anybody knows."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all records; the kind is not in the body but beside it."""


class Customer(Record, frozen=True):
    """A person. The owner of everything else that is about them.

    Attributes:
        language: BCP 47, for example "en" or "de".
        preferred_channel: One of CHANNELS, "" when unknown.
        household: Id shared by the members of a household, "" for none.
        guardian: Customer id of the adult responsible for a child, "" for an adult.
    """

    id: str
    given_name: str
    family_name: str = ""
    nickname: str = ""
    language: str = "en"
    preferred_channel: str = ""
    household: str = ""
    guardian: str = ""
    tier: str = ""


class ContactPoint(Record, frozen=True):
    """A way to reach a customer: a phone number in E.164, an e-mail address, a handle."""

    id: str
    channel: str
    value: str
    is_verified: bool = False


class Band(Record, frozen=True):
    """A wristband. Its id is the band reference in hex, or for a UID-only band the keyed hash of its UID.

    Attributes:
        state: active | blocked | unlinked | retired.
        is_uid_only: Identified by its UID alone, which anybody can copy.
        changed_at: When a person last linked, blocked or unblocked it.
        blocked_op, linked_op: Ids of the operations that blocked it and that linked it, "" when none did.
    """

    id: str
    state: str
    label: str = ""
    is_uid_only: bool = False
    changed_at: int = 0
    blocked_op: str = ""
    linked_op: str = ""
    ops: tuple[str, ...] = ()


class Interaction(Record, frozen=True):
    """One contact of a customer with us in any channel, or a note of ours about it.

    Attributes:
        direction: in (the customer to us) | out (we to the customer) | note (among ourselves).
        by: Who spoke, in words: "Lena", "Ana (call centre)", "shop bot".
        about: Key of the order or case it belongs to, "" for none.
        audience: customer (the customer may read it) | internal.
        due_at: Until when an answer is promised; 0 when none is owed.
        answered_at: When a person answered; an automatic reply is no answer.
        topic: Fixed phrase that folds equal contacts ("password reset"), "" for none.
        sensitivity: normal | gift | sensitive; the latter two are never named on a public screen.
        answered_op: Id of the operation that answered it, "" when none did.
        taken_back_at: When whoever wrote it took it back; it is kept and no longer shown. 0 when not.
        delivery: Of one that goes out through a channel: queued | sending | sent | delivered | read | failed | unsure; ""
            for all others.
        delivery_reason: Why it failed, or what it waits for, in words for staff; "" for nothing to say.
        thread: The other system's own name of the conversation it belongs to, "" for none.
        is_automatic: A program wrote it; that is no answer.
        is_closing: Whoever wrote it called the conversation solved.
        form: Of one by telephone that was left there: one of LEFT; "" for a call, and for every other channel.
    """

    id: str
    at: int
    channel: str
    direction: str
    by: str
    text: str
    about: str = ""
    audience: str = "customer"
    due_at: int = 0
    answered_at: int = 0
    topic: str = ""
    sensitivity: str = "normal"
    answered_op: str = ""
    taken_back_at: int = 0
    delivery: str = ""
    delivery_reason: str = ""
    thread: str = ""
    is_automatic: bool = False
    is_closing: bool = False
    form: str = ""


def way_of(contact: Interaction) -> str:
    """By which way people say it came or went: its channel, or `SMS` for what is written to or from a telephone."""
    is_written = bool(contact.delivery) or contact.form == SMS
    return SMS if contact.channel == "phone" and is_written else contact.channel


class Promise(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one of us promised a customer, by name and time.

    Attributes:
        op: Id of the operation that promised it, "" where another system told of it.
        at: When it was promised, 0 when nobody knows.
        place: Where: id of a store, or "agents"; "" when nobody knows.
        kept_op: Id of the operation that kept it, "" where another system says so.
    """

    by: str
    text: str
    due_at: int
    kept_at: int = 0
    op: str = ""
    at: int = 0
    place: str = ""
    kept_op: str = ""


class Kept(msgspec.Struct, frozen=True):
    """An operation by which all was kept that had been promised on a case."""

    op: str
    at: int


class Told(msgspec.Struct, frozen=True):
    """A fact the customer already told us, with the channel and time, so that nobody asks again."""

    label: str
    value: str
    channel: str
    at: int


class Remedy(msgspec.Struct, frozen=True):
    """Something that was tried. Failed twice, it is struck out and needs a reason to be offered again."""

    text: str
    n_tried: int = 1
    n_failed: int = 0


class Side(msgspec.Struct, frozen=True):
    """One side of a collision: what one operation says happened, where, by whom, to whom and when."""

    op: str
    store: str
    by: str
    to: str
    at: int


class CaseBefore(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a case said before the operation `op` changed it; None for lists that it left as they were.

    `promise` is for programs that know of one promise alone; the others take back by operation.
    """

    op: str
    state: str
    promise: Promise | None = None
    next_step: str = ""
    told: tuple[Told, ...] | None = None
    missing: tuple[str, ...] | None = None
    tried: tuple[Remedy, ...] | None = None


class Case(Record, frozen=True):
    """A problem a customer told us about, with an owner and a promise.

    Attributes:
        number: What people say on the telephone: "C-4711".
        state: open | solved | taken_back (it was opened by mistake; kept and no longer shown).
        topic: Short, for staff; never shown on a public screen.
        channel: Where it came in.
        promise: What was promised last; with `earlier` and `kept` as `sync.model.promises` has it.
        missing: What we still need to know, in words.
        payer: Who pays, when it is not the customer.
        clash: Code of a collision between two operations, "" for an ordinary case.
        sides: Both sides of that collision, the one that stands first.
    """

    id: str
    number: str
    state: str
    topic: str
    opened_at: int
    channel: str
    promise: Promise | None = None
    told: tuple[Told, ...] = ()
    missing: tuple[str, ...] = ()
    tried: tuple[Remedy, ...] = ()
    payer: str = ""
    next_step: str = ""
    clash: str = ""
    sides: tuple[Side, ...] = ()
    before: CaseBefore | None = None
    ops: tuple[str, ...] = ()
    earlier: tuple[Promise, ...] = ()
    kept: tuple[Kept, ...] = ()


class Server(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of us who is with a customer.

    Attributes:
        actor: Staff or agent id; who comes again stands once.
        by: What people call them: "Ana (call centre)".
        channel: Where, one of CHANNELS.
        at: Since when.
        until: When it ends by itself.
    """

    actor: str
    by: str
    channel: str
    at: int
    until: int


class Serving(Record, frozen=True):
    """Who of us is with a customer now, so that nobody else begins. Its id is the customer's.

    Attributes:
        who: Who said so, the newest last; only those count whose `until` is not over.
    """

    id: str
    who: tuple[Server, ...] = ()
    ops: tuple[str, ...] = ()


class ReferralBefore(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a referral said before the operation `op` changed it."""

    op: str
    state: str
    by: str = ""
    at: int = 0
    note: str = ""


class Referral(Record, frozen=True):
    """A customer whom somebody sent to a store, with all that must be known there.

    Attributes:
        store: Where they were sent.
        by: Who sent them, in words.
        text: What is to be done there.
        card: The hand-over card as text, as it was then; for staff.
        due_at: When they are expected, 0 for any time.
        case: Id of the case it is about, "" for none.
        state: open | taken | done | taken_back.
        changed_by, changed_at: Who took it last, or did it, and when.
        note: What came of it.
    """

    id: str
    store: str
    by: str
    text: str
    at: int
    card: str = ""
    due_at: int = 0
    case: str = ""
    state: str = "open"
    changed_by: str = ""
    changed_at: int = 0
    note: str = ""
    before: ReferralBefore | None = None
    ops: tuple[str, ...] = ()


class OrderLine(msgspec.Struct, frozen=True):
    """One line of an order. `paid_minor` is per piece, after any code."""

    product: str
    title: str
    count: int = 1
    variant: str = ""
    paid_minor: int = 0
    list_minor: int = 0


class Back(msgspec.Struct, frozen=True):
    """So many of one product came back."""

    product: str
    count: int


class Order(Record, frozen=True):
    """Something bought, in any channel. Its id is its number: "W-1042".

    Attributes:
        state: placed | paid | ready | shipped | delivered | collected | returned | cancelled.
        back: What of it came back, by product, where that is not all of it; nothing for an order that is returned as a whole.
    """

    id: str
    at: int
    channel: str
    state: str
    lines: tuple[OrderLine, ...]
    total_minor: int
    currency: str = "EUR"
    code: str = ""
    sensitivity: str = "normal"
    back: tuple[Back, ...] = ()


class Pickup(Record, frozen=True):
    """A parcel waiting in a store.

    Attributes:
        order: Number of the order.
        state: expected | ready | handed_over | returned.
        shelf: Where it lies: "C7". For staff.
        collector: Who else may collect it, in words; "" for nobody.
        handed_over_op: Id of the operation that handed it over, "" when nobody knows.
        order_before: State of its order before that.
    """

    id: str
    order: str
    store: str
    state: str
    shelf: str = ""
    n_items: int = 1
    ready_at: int = 0
    handed_over_at: int = 0
    handed_over_by: str = ""
    handed_over_to: str = ""
    handed_over_store: str = ""
    collector: str = ""
    handed_over_op: str = ""
    order_before: str = ""
    ops: tuple[str, ...] = ()


class Account(Record, frozen=True):
    """Points of a customer. The balance is what its ledger entries sum to; what is lent to a store is not in it.

    Attributes:
        points: Below zero when two stores that could not hear each other gave out the same.
        home_store: The store that may redeem alone without a network, "" for none.
        last: The last redemption: one side of the story where the next one collides with it.
    """

    id: str
    points: int
    home_store: str = ""
    last: Side | None = None


class LedgerEntry(Record, frozen=True):
    """One movement of an account, an entitlement, a stock or an allowance. Never changed, only countered.

    Its id is the operation's; of a loan, which moves two, the loan's id with "-out" or "-in".

    Attributes:
        of: Key of what it moves.
        delta: Points, uses or pieces; negative when they went out.
        reason: Kind of the operation.
        band: Id of the band that witnessed it, "" for none.
    """

    id: str
    of: str
    delta: int
    reason: str
    store: str
    at: int
    band: str = ""


class Allowance(Record, frozen=True):
    """What the centre lent to one store, so that it may act alone without a network: points, uses, or pieces of the last stock.

    Its id is "<store>@<key>". What is lent is already taken out of the subject's free amount.

    Attributes:
        of: Key of the account, entitlement or stock.
        n_left: How many of it are still to be used there.
        until: End of the loan; what is left goes back, microseconds since 1970.
    """

    id: str
    store: str
    of: str
    n_left: int
    until: int


class Decision(Record, frozen=True):
    """An operation that is held, so that every counter of its store sees it, and then what a person decided about it.

    Its id is that operation's. It names no customer: whoever may see more has the operation itself.

    Attributes:
        status: applied | refused | held | void: what became of it.
        decision: replay | edit | void; "" while nobody decided.
        code: Why it is held or was refused.
        kind: Kind of the operation.
        device: Which device recorded it.
    """

    id: str
    status: str
    decision: str
    by: str
    reason: str
    at: int
    code: str = ""
    kind: str = ""
    device: str = ""


class Peer(Record, frozen=True):
    """A device of the same store; its id is the device's. Others of the store trust it by this key."""

    id: str
    public_key: str
    store: str
    role: str
    state: str
    label: str = ""


class Entitlement(Record, frozen=True):
    """Something a customer may have or do: enter, redeem. `n_left` is None when it does not run out."""

    id: str
    title: str
    kind: str
    until: int = 0
    n_left: int | None = None
    home_store: str = ""
    last: Side | None = None


class Offer(Record, frozen=True):
    """Something we propose, with the reason it fits; shown last, never beside an open complaint.

    Attributes:
        purpose: Consent it needs, "" for none.
    """

    id: str
    title: str
    reason: str
    product: str = ""
    until: int = 0
    purpose: str = "marketing"


class Consent(Record, frozen=True):
    """What a customer agreed to or not, by purpose. The later word counts."""

    id: str
    purpose: str
    is_granted: bool
    at: int
    ops: tuple[str, ...] = ()


class Pin(Record, frozen=True):
    """What a PIN of a customer is compared with; its id is the customer's. Its `repr` shows none of it.

    Attributes:
        hash: Of PIN and pepper, as PHC text; never the PIN.
        pepper: Version of the key the pepper follows from.
        set_at: When it was set at a counter.
        n_wrong: Wrong tries in a row since; from `rules.PIN_WRONG_MAX` on it is locked.
    """

    id: str
    hash: str
    pepper: int
    set_at: int
    n_wrong: int = 0
    ops: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Pin(n_wrong={self.n_wrong})"


class HandleCode(Record, frozen=True):
    """A code that was shown to a customer, to be sent to us where they write; its id is the customer's. Its `repr` shows none of it.

    Attributes:
        digest: Of the code and the customer; "" once it was sent.
        until: Until when it counts.
        channel, proved_at: Where it came from, and when; "" and 0 while it did not.
    """

    id: str
    digest: str
    until: int
    channel: str = ""
    proved_at: int = 0
    ops: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"HandleCode(until={self.until}, proved_at={self.proved_at})"


class Likeness(Record, frozen=True):
    """Somebody who may be the same person; a clerk says. Its id is "<customer>~<other>".

    Attributes:
        other: Id of the other customer.
        name: Their name.
        why: What it rests on, in words.
        risk_ppm: How often such a suggestion is wrong, in a million.
    """

    id: str
    other: str
    name: str
    why: str
    risk_ppm: int
    at: int


class Join(Record, frozen=True):
    """Two records of one person that were made one, and why; it can be undone.

    Attributes:
        one, other: Names of both, as each record told them; "" for one without a name.
        why: What it rests on, in words.
        risk_ppm: How often such a join is wrong, in a million.
        by: Who joined them: a staff id, or "centre" for a rule.
        records: Ids of both, and where joins before this one are told no more of those too: by them a device knows who did
            not leave but is here as another. None in a row of an older centre.
    """

    id: str
    one: str
    other: str
    why: str
    risk_ppm: int
    by: str
    at: int
    records: tuple[str, ...] = ()


class Product(Record, frozen=True):
    """Something we sell; its id is the article number."""

    id: str
    title: str
    category: str
    sensitivity: str = "normal"


class Price(Record, frozen=True):
    """What a product costs in one channel; id "<product>@<channel>"."""

    id: str
    product: str
    channel: str
    amount_minor: int
    currency: str = "EUR"


class StockBefore(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a stock said before the operation `op` changed it."""

    op: str
    count: int | None
    counted_at: int
    is_doubtful: bool = False
    doubted_by: str = ""


class Stock(Record, frozen=True):
    """How many of a product a place has; id "<product>@<place>".

    Attributes:
        place: A store id, or "web".
        count: None when nobody knows; a known zero is not an unknown.
        counted_at: When a person or a system last counted.
        is_doubtful: Somebody could not find it. The count stands, and is sold, until a count or a second person says zero.
        doubted_by: Who that was; "" when nobody, or not known.
        changed_at: When a person last counted or doubted it.
        last: The last piece that went out by an operation.
    """

    id: str
    product: str
    place: str
    count: int | None
    counted_at: int
    is_doubtful: bool = False
    doubted_by: str = ""
    changed_at: int = 0
    before: StockBefore | None = None
    last: Side | None = None
    ops: tuple[str, ...] = ()


class ChannelWatch(Record, frozen=True):
    """Who waits for us in one channel, counted by the centre; its id is the channel. It names nobody.

    Attributes:
        n_late: Contacts past their promise without an answer.
        n_window_closing: Contacts to whom free text is soon not allowed any more.
        oldest_at: When the one who waits longest wrote, 0 when nobody waits.
        next_due_at: The earliest promise among them, 0 for none.
        verdict, reason: What the report of the last weeks says of the channel, as `sync.model.watch` has them.
        has_way_out: An answer can be sent in it; without one the channel only receives.
    """

    id: str
    n_waiting: int
    n_late: int
    n_window_closing: int = 0
    oldest_at: int = 0
    next_due_at: int = 0
    verdict: str = ""
    reason: str = ""
    has_way_out: bool = True


class Store(Record, frozen=True):
    """A shop. `name` is what people say: "Harbour"."""

    id: str
    name: str
    region: str = ""


class ErasureNote(Record, frozen=True):
    """That somebody was forgotten: for the centre to know it again after a copy of its database was put back.

    Attributes:
        note: Sealed by the centre; a device keeps it, reads nothing in it, and brings it to a centre that was set back.
    """

    id: str
    note: str


class Staff(Record, frozen=True):
    """Somebody who works here."""

    id: str
    name: str
    role: str
    store: str = ""


KINDS: Final[dict[str, type[Record]]] = {
    "customer": Customer,
    "contact": ContactPoint,
    "band": Band,
    "interaction": Interaction,
    "case": Case,
    "serving": Serving,
    "referral": Referral,
    "order": Order,
    "pickup": Pickup,
    "account": Account,
    "ledger": LedgerEntry,
    "allowance": Allowance,
    "decision": Decision,
    "peer": Peer,
    "entitlement": Entitlement,
    "offer": Offer,
    "consent": Consent,
    "pin": Pin,
    "handle_code": HandleCode,
    "likeness": Likeness,
    "join": Join,
    "product": Product,
    "price": Price,
    "stock": Stock,
    "watch": ChannelWatch,
    "store": Store,
    "staff": Staff,
    "erasure": ErasureNote,
}
"""Kind on the wire to struct. Names are never reused."""

_kind_of = {struct: kind for kind, struct in KINDS.items()}


def kind_of(record: Record) -> str:
    """The kind of a record, as on the wire."""
    return _kind_of[type(record)]


def key_of(kind: str, record_id: str) -> str:
    """The key of a row: `kind/id`."""
    return f"{kind}/{record_id}"
