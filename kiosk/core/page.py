"""From rows to what one customer's page says; pure.

    who may see what        page
    A2, A3                  PERSONAL    what waits, what we owe, help, points, one offer
    a child's band alone    CHILD       nickname and ticket
    A1                      FIRST_NAME  a name; that something waits; that we owe an answer
    A0 and everything else  NEUTRAL     one page for all

A public panel is public: a case is "your request of Tuesday (phone)", items come after a touch, gifts and sensitive things
are never named; what somebody bought, which size and why an offer fits is said only after a touch, and what a case is about
never. First what waits, then what we owe, then help; the offer is last and never beside an open complaint.
What the centre's rows say is known to be true as of the last complete exchange, however old the change itself is.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from enum import Enum
from typing import Any, Final

from kiosk.core import foreign
from kiosk.core.carried import Carried
from kiosk.core.policy import Assurance
from kiosk.core.wording.catalogue import spoken_here
from kiosk.core.wording.saying import DayForm, Moment, Money, Saying, Word, say
from kiosk.core.wording.voice import Voice
from sync.model import ledger, promises
from sync.model.operations.request_erasure import due_at_of, is_erasure
from sync.model.profile import Profile
from sync.model.records import (
    CHANNELS,
    SMS,
    Account,
    Band,
    Case,
    Consent,
    ContactPoint,
    Customer,
    Entitlement,
    HandleCode,
    Interaction,
    Likeness,
    Offer,
    Order,
    OrderLine,
    Pickup,
    Price,
    Product,
    Stock,
    Store,
    Told,
    key_of,
    way_of,
)
from sync.model.row import Row

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US

HELP_DAYS: Final = 60
"""How long after it was bought a delivered order is offered help."""

JUST_BOUGHT_DAYS: Final = 90
"""What was bought within this time is not offered again."""

BLOCKS_MAX: Final = 9
"""Blocks of one kind that are shown; one digit each. What is more is the counter's."""

ITEMS_MAX: Final = 4
"""Items named after a touch; the page after a touch has room for seven lines: these, how many more, the code, the age."""

RING_COUNTER: Final = "ring_counter"
"""Tells the counter that the customer is here for a parcel."""

ASK_TEAM: Final = "ask_team"
"""Tells the counter that the customer is here about what we owe."""

EXCHANGE: Final = "exchange"
"""Tells the counter that the customer is here to exchange what they chose already."""

ASK_ABOUT: Final = "ask_about"
"""Tells the counter that the customer has a question about an order or a band."""

FIND: Final = "find"
"""Tells the counter that the customer cannot find a product."""

TICKETS: Final = "tickets"
"""Tells the counter that the customer is here with these tickets; redeems nothing."""

PROVE_HANDLE: Final = "prove_handle"
"""Asks for a code, to be sent to us from where the customer writes to us: then we know that they are one."""

SOCIAL: Final = ("whatsapp", "instagram", "tiktok", "x", "chat")
"""Channels a code can be sent in."""

PROVED_SAID_US: Final = 30 * 60_000_000
"""How long after a code arrived the page says so: the visit it was shown in, and the one after."""

FORGET_ME: Final = "forget_me"
"""Asks that all we know of the customer is deleted; the first thing that needs a PIN."""

BY_BAND: Final = "band"
"""Source of what only a band says: no row of this device does."""

LOST_DAYS: Final = 30
"""How long after an earlier band was blocked its owner is told so."""

_SIZES: Final = frozenset({"XXS", "XS", "S", "M", "L", "XL", "XXL", "XXXL"})
_OWING: Final = frozenset(
    {
        "owed.promised",
        "owed.overdue",
        "owed.again",
        "owed.unanswered",
        "owed.answer-due",
        "owed.answer",
    }
)


class PageKind(Enum):
    """How much a page may say. Public: printed."""

    PERSONAL = "personal"  # A2 and better: their own page
    FIRST_NAME = "first_name"  # A1: a name, and that we owe something
    CHILD = "child"  # a child's band alone: nickname and ticket
    NEUTRAL = "neutral"  # A0, unknown, unlinked, blocked: the same for all
    NOT_POSSIBLE = "not_possible"  # this device cannot look it up now


class BlockKind(Enum):
    """What a part of a page is about, in the order a page says it. Public: printed."""

    GREETING = "greeting"
    WAITING = "waiting"
    OWED = "owed"
    HELP = "help"
    POINTS = "points"
    OFFER = "offer"
    NOTICE = "notice"
    NOT_POSSIBLE = "not_possible"


_GROWN_UP: Final = (BlockKind.POINTS, BlockKind.OFFER)
"""What a page a child has joined does not show."""


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a page.

    Attributes:
        kind: What it is about.
        sayings: What it says, without a language: the first is its heading.
        lines: The same as finished text in the page's language; foreign text in it is already safe.
        detail_sayings: What is shown only after a touch (items of an order), without a language.
        details: The same as finished text.
        as_of: When this was last known to be true, microseconds since 1970; 0 when it states no fact.
        source: Who said so: a channel, a system, "here"; "" when it states no fact.
        actions: What the customer may do about it here.
        about: Key of the order, case or other row it is about, "" for none; for actions, never shown.
        holders: Names of those a ticket is for.
    """

    kind: BlockKind
    sayings: tuple[Saying, ...]
    lines: tuple[str, ...] = ()
    detail_sayings: tuple[Saying, ...] = ()
    details: tuple[str, ...] = ()
    as_of: int = 0
    source: str = ""
    actions: tuple[str, ...] = ()
    about: str = ""
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What one page says.

    Attributes:
        kind: How much it may say.
        language: BCP 47 of the finished lines.
        blocks: In the order they are shown; the greeting first.
        as_of: Age of the whole page, microseconds since 1970; 0 when it states no fact.
        as_of_line: The one "as of" line, "" when the page states no fact.
        spoken: What is said aloud when it opens; never what the screen hides.
        household: Id that lets another band of the same household join, "" for none; never shown.
        owner: Customer id; "" on a neutral page; never shown.
        owners: Customer ids of all whose bands are part of this visit; never shown.
        names: What the people of this visit are called.
        has_child: A child's band is part of this visit: no offer and no points beside it.
    """

    kind: PageKind
    language: str
    blocks: tuple[Block, ...]
    as_of: int = 0
    as_of_line: str = ""
    spoken: str = ""
    household: str = ""
    owner: str = ""
    owners: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    has_child: bool = False


def _nothing_held(_key: str) -> Row | None:
    return None


@dataclass(frozen=True, slots=True)
class Shop:
    """Where and when a page is decided.

    Attributes:
        store: Id of the store this device stands in.
        now_us: Wall time, microseconds since 1970.
        synced_at: When this device last held all the centre had for it; 0 for never. Rows of the centre are known to
            be true at least until then.
        language: The shop's own; used for who speaks none of ours.
        timezone: The shop's.
        held: The row of a key this device holds (a product, a price, a stock, a store), None when it does not.
    """

    store: str
    now_us: int
    synced_at: int = 0
    language: str = "en"
    timezone: tzinfo = UTC
    held: Callable[[str], Row | None] = _nothing_held

    def voice(self, language: str) -> Voice:
        """Who speaks that language here and now."""
        return Voice(language, self.now_us, self.timezone)


def decide(profile: Profile | None, *, assurance: Assurance, shop: Shop) -> Page:
    """What the page says.

    Args:
        profile: What this device holds of the band's owner; None when it opens nobody's page.
        assurance: How sure we are that it is them.
        shop: Where and when.
    """
    customer = None if profile is None else profile.customer
    if profile is None or customer is None or not assurance.covers(Assurance.A1):
        return neutral_page(shop.language)
    language = customer.language if spoken_here(customer.language) else shop.language
    maker = _Maker(profile, customer, shop)
    if customer.guardian:
        kind, blocks = PageKind.CHILD, maker.child(assurance)
    elif assurance.covers(Assurance.A2):
        kind, blocks = PageKind.PERSONAL, maker.personal()
    else:
        kind, blocks = PageKind.FIRST_NAME, maker.first_name()
    bare = Page(
        kind=kind,
        language=language,
        blocks=blocks,
        as_of=maker.as_of,
        household=customer.household if assurance.covers(Assurance.A2) else "",
        owner=profile.owner,
        owners=(profile.owner,),
        names=(maker.name,) if maker.name else (),
        has_child=kind is PageKind.CHILD,
    )
    return spoken_in(bare, language, shop)


def carried_page(carried: Carried, *, shop: Shop) -> Page:
    """What the page of a band says whose wearer this device knows nothing of: what the band itself carries.

    It is what an A1 page says: a name; that something waits; that we owe an answer. Its line is never among it.
    """
    name = foreign.safe(carried.name)
    known_at = min(carried.issued_at, shop.now_us)

    def block(kind: BlockKind, *sayings: Saying) -> Block:
        return Block(kind, sayings, as_of=known_at, source=BY_BAND)

    blocks = [block(BlockKind.GREETING, _greeting_of((name,) if name else ()))]
    if carried.is_waiting:
        waits = (say("waiting.something"), say("waiting.something-line"))
        blocks.append(block(BlockKind.WAITING, *waits))
    if carried.is_owed:
        blocks.append(block(BlockKind.OWED, say("owed.answer"), say("owed.answer-line")))
    if len(blocks) == 1:
        notice = (say("neutral.see-team"), say("neutral.line"))
        blocks.append(Block(BlockKind.NOTICE, notice))
    language = carried.language if spoken_here(carried.language) else shop.language
    bare = Page(
        kind=PageKind.FIRST_NAME,
        language=language,
        blocks=tuple(blocks),
        as_of=known_at,
        names=(name,) if name else (),
    )
    return spoken_in(bare, language, shop)


def neutral_page(language: str) -> Page:
    """One page for all who have none: unknown, unlinked and blocked bands, old cards, phones."""
    sayings = (say("neutral.see-team"), say("neutral.line"))
    return _standing_page(
        PageKind.NEUTRAL, BlockKind.NOTICE, sayings, "spoken.neutral", language
    )


def not_possible_page(language: str) -> Page:
    """This device's own files do not answer: nobody's page can be opened here today."""
    sayings = (say("not-possible.heading"), say("not-possible.page"))
    return _standing_page(
        PageKind.NOT_POSSIBLE, BlockKind.NOT_POSSIBLE, sayings, "spoken.not-possible", language
    )


def _standing_page(
    kind: PageKind, block: BlockKind, sayings: tuple[Saying, ...], spoken: str, language: str
) -> Page:
    voice = Voice(language, 0)
    return Page(
        kind=kind,
        language=language,
        blocks=(Block(block, sayings, voice.texts_of(sayings)),),
        spoken=voice.text_of(say(spoken)),
    )


def spoken_in(page: Page, language: str, shop: Shop) -> Page:
    """The same page in another language: for the language button, without another look-up."""
    if page.kind is PageKind.NEUTRAL:
        return neutral_page(language)
    if page.kind is PageKind.NOT_POSSIBLE:
        return not_possible_page(language)
    voice = shop.voice(language)
    blocks = tuple(
        replace(
            block,
            lines=voice.texts_of(block.sayings),
            details=voice.texts_of(block.detail_sayings),
        )
        for block in page.blocks
    )
    as_of = say("page.as-of", when=Moment(page.as_of, DayForm.WHEN))
    return replace(
        page,
        language=language,
        blocks=blocks,
        as_of_line=voice.text_of(as_of) if page.as_of else "",
        spoken=_spoken(blocks, voice),
    )


def joined(first: Page, second: Page, shop: Shop) -> Page:
    """One page for two bands of a household: the grown-up's page with everybody's tickets, and no items of anybody.

    Of two grown-ups the one who tapped last has the page; of the other only what waits is on it. Where a child is, there
    are no points and no offer.
    """
    base, other = (first, second) if second.kind is PageKind.CHILD else (second, first)
    names = tuple(dict.fromkeys((*base.names, *other.names)))
    has_child = first.has_child or second.has_child
    hidden = {BlockKind.GREETING, *(_GROWN_UP if has_child else ())}
    blocks = [
        replace(block, detail_sayings=(), details=())
        for block in base.blocks
        if block.kind not in hidden
    ]
    for block in other.blocks:
        if block.kind is BlockKind.WAITING:
            _put_ticket(blocks, replace(block, detail_sayings=(), details=(), actions=()))
    if base.kind is PageKind.PERSONAL:
        blocks = [_confirmable(block) if block.holders else block for block in blocks]
    merged = (Block(BlockKind.GREETING, (_greeting_of(names),)), *_in_order(blocks))
    owners = tuple(dict.fromkeys((*base.owners, *other.owners)))
    page = replace(base, blocks=merged, owners=owners, names=names, has_child=has_child)
    return spoken_in(page, base.language, shop)


def actions_of(page: Page) -> tuple[str, ...]:
    """Everything the customer may do on this page, each once."""
    return tuple(dict.fromkeys(action for block in page.blocks for action in block.actions))


def printed(page: Page) -> dict[str, Any]:
    """The page as plain JSON values, for programs: blocks with what they say, since when and from whom it is known."""
    return {
        "kind": page.kind.value,
        "language": page.language,
        "as_of": page.as_of,
        "blocks": [
            {
                "kind": block.kind.value,
                "wording": block.sayings[0].id,
                "lines": list(block.lines),
                "details": list(block.details),
                "as_of": block.as_of,
                "source": block.source,
                "actions": list(block.actions),
            }
            for block in page.blocks
        ],
    }


def _put_ticket(blocks: list[Block], block: Block) -> None:
    """Add what waits for another; the same ticket becomes one block with both names."""
    for index, mine in enumerate(blocks):
        if mine.holders and mine.sayings[0] == block.sayings[0]:
            holders = tuple(dict.fromkeys((*mine.holders, *block.holders)))
            line = say("waiting.tickets-line", count=len(holders), names=", ".join(holders))
            sayings = (mine.sayings[0], line)
            blocks[index] = replace(mine, sayings=sayings, holders=holders)
            return
    blocks.append(block)


def _confirmable(block: Block) -> Block:
    """A ticket of several people with the one thing to do about it: tell the counter, for all of them at once."""
    count = len(block.holders)
    many = say("tickets.confirm-two") if count == 2 else say("tickets.confirm", count=count)
    line = many if count > 1 else say("ticket.confirm")
    return replace(block, detail_sayings=(line,), actions=(TICKETS,))


def _in_order(blocks: list[Block]) -> tuple[Block, ...]:
    order = list(BlockKind)
    return tuple(sorted(blocks, key=lambda block: order.index(block.kind)))


def _spoken(blocks: tuple[Block, ...], voice: Voice) -> str:
    kinds = {block.kind for block in blocks}
    said = [blocks[0].lines[0]] if blocks else []
    if BlockKind.WAITING in kinds:
        said.append(voice.text_of(say("spoken.waiting")))
    if BlockKind.OWED in kinds:
        is_owing = any(saying.id in _OWING for block in blocks for saying in block.sayings)
        said.append(voice.text_of(say("spoken.owed" if is_owing else "spoken.known")))
    return " ".join(said)


def _greeting_of(names: tuple[str, ...]) -> Saying:
    if not names:
        return say("greeting.plain")
    if len(names) == 1:
        return say("greeting.hello", name=names[0])
    if len(names) == 2:
        return say("greeting.hello-two", name=names[0], other=names[1])
    return say("greeting.hello-many", name=names[0])


def _channel(channel: str) -> Word:
    return Word(f"channel.{channel}" if channel in (*CHANNELS, SMS) else "channel.other")


def _is_about(contact: Interaction, key: str, case: Case) -> bool:
    """Whether a message belongs to a case: it says so, or it says nothing and came the way the case did, that day."""
    is_near = abs(contact.at - case.opened_at) <= DAY_US
    return contact.about == key or (
        not contact.about and contact.channel == case.channel and is_near
    )


def _items(count: int) -> Saying | Word:
    """How many; several, where nobody said how many."""
    if count < 1:
        return Word("items.several")
    return Word("items.one") if count == 1 else say("items.count", count=count)


@dataclass(frozen=True, slots=True)
class _Choice:
    """An exchange the customer already chose: the key of the case that says so, and the sentence."""

    case: str
    saying: Saying


class _Maker:
    """Makes the blocks of one customer's page."""

    def __init__(self, profile: Profile, customer: Customer, shop: Shop) -> None:
        self._profile = profile
        self._shop = shop
        called = customer.nickname or ("" if customer.guardian else customer.given_name)
        self.name = foreign.safe(called)
        self._has_household = bool(customer.household)
        self._is_child = bool(customer.guardian)
        ages = [self._known_at(row) for row in profile.rows]
        self.as_of = min(ages, default=0)

    def personal(self) -> tuple[Block, ...]:
        """Their own page."""
        choice = self._choice()
        settled = () if choice is None else (choice.case,)
        owed = self._owed(besides=settled)
        blocks = (
            *self._pickups(),
            *self._tickets(),
            *owed,
            *self._lost_bands(),
            *self._sent(),
            *self._help(choice),
            *self._handles(),
            *self._points(),
            *(() if owed or settled else self._offer()),
        )
        return (self._greeting(is_bare=not blocks), *blocks)

    def child(self, assurance: Assurance) -> tuple[Block, ...]:
        """Nickname, and the ticket when the band was proved."""
        tickets = self._tickets() if assurance.covers(Assurance.A2) else ()
        return (self._greeting(is_bare=False), *tickets)

    def first_name(self) -> tuple[Block, ...]:
        """A name; that something waits; that we owe an answer. Nothing of what it is about."""
        blocks = [self._greeting(is_bare=False)]
        waiting = (*self._pickups(), *self._tickets())
        owed = self._owed()
        if waiting:
            sayings = (say("waiting.something"), say("waiting.something-line"))
            blocks.append(_bare(BlockKind.WAITING, sayings, waiting[0]))
        if owed:
            sayings = (say("owed.answer"), say("owed.answer-line"))
            blocks.append(_bare(BlockKind.OWED, sayings, owed[0]))
        if len(blocks) == 1:
            sayings = (say("neutral.see-team"), say("neutral.line"))
            blocks.append(Block(BlockKind.NOTICE, sayings))
        return tuple(blocks)

    def _greeting(self, *, is_bare: bool) -> Block:
        hello = _greeting_of((self.name,) if self.name else ())
        row = next((row for row, _ in self._profile.of(Customer)), None)
        return Block(
            BlockKind.GREETING,
            (hello, say("greeting.nothing")) if is_bare else (hello,),
            as_of=0 if row is None else self._known_at(row),
            source="" if row is None else row.source,
        )

    def _known_at(self, row: Row) -> int:
        """When a row was last known to be true; what this device recorded itself is as old as its record."""
        known = row.as_of if row.is_unsettled else max(row.as_of, self._shop.synced_at)
        return min(known, self._shop.now_us)

    def _block(
        self,
        kind: BlockKind,
        row: Row,
        sayings: tuple[Saying, ...],
        *,
        details: tuple[Saying, ...] = (),
        actions: tuple[str, ...] = (),
        holders: tuple[str, ...] = (),
    ) -> Block:
        known = self._known_at(row)
        is_old = known < self._shop.now_us - HOUR_US and known != self.as_of
        age = (say("fact.as-of", when=Moment(known, DayForm.WHEN)),) if is_old else ()
        return Block(
            kind, sayings, detail_sayings=(*details, *age), as_of=known, source=row.source,
            actions=actions, about=row.key, holders=holders,
        )  # fmt: skip

    # What waits

    def _pickups(self) -> tuple[Block, ...]:
        found = [(row, pickup) for row, pickup in self._profile.of(Pickup)]
        here = [
            self._pickup_here(row, pickup)
            for row, pickup in sorted(found, key=lambda pair: pair[1].ready_at)
            if pickup.state == "ready" and pickup.store == self._shop.store
        ]
        elsewhere = [
            self._pickup_elsewhere(row, pickup)
            for row, pickup in sorted(found, key=lambda pair: pair[1].ready_at)
            if pickup.state == "ready" and pickup.store != self._shop.store
        ]
        expected = [
            self._pickup_expected(row, pickup)
            for row, pickup in found
            if pickup.state == "expected"
        ]
        return tuple([*here, *elsewhere, *expected][:BLOCKS_MAX])

    def _pickup_here(self, row: Row, pickup: Pickup) -> Block:
        since = Moment(pickup.ready_at, DayForm.SHORT)
        go = say("waiting.since", since=since) if pickup.ready_at else say("waiting.go")
        block = self._block(
            BlockKind.WAITING,
            row,
            (say("waiting.here"), self._parcel("waiting.here-line", pickup), go),
            details=self._items_of(pickup.order),
            actions=(RING_COUNTER,),
        )
        return replace(block, about=key_of("order", pickup.order))

    def _pickup_elsewhere(self, row: Row, pickup: Pickup) -> Block:
        heading = say("waiting.elsewhere", store=self._store_name(pickup.store))
        return self._block(
            BlockKind.WAITING,
            row,
            (heading, self._parcel("waiting.elsewhere-line", pickup)),
            details=self._items_of(pickup.order),
        )

    def _pickup_expected(self, row: Row, pickup: Pickup) -> Block:
        heading = (
            say("waiting.expected")
            if pickup.store == self._shop.store
            else say("waiting.expected-elsewhere", store=self._store_name(pickup.store))
        )
        parcel = self._parcel("waiting.here-line", pickup)
        sayings = (heading, parcel, say("waiting.not-yet"))
        return self._block(
            BlockKind.WAITING, row, sayings, details=self._items_of(pickup.order)
        )

    def _parcel(self, sentence_id: str, pickup: Pickup) -> Saying:
        return say(sentence_id, order=foreign.safe(pickup.order), items=_items(pickup.n_items))

    def _store_name(self, store_id: str) -> str | Word:
        row = self._shop.held(key_of("store", store_id))
        if row is not None and isinstance(row.body, Store):
            return foreign.safe(row.body.name)
        return Word("waiting.another-store")

    def _tickets(self) -> tuple[Block, ...]:
        now = self._shop.now_us
        return tuple(
            self._ticket(row, ticket)
            for row, ticket in sorted(
                self._profile.of(Entitlement), key=lambda pair: pair[1].until
            )
            if ticket.kind == "ticket"
            and (not ticket.until or ticket.until > now)
            and ledger.in_all(row, self._profile.rows) != 0
        )[:BLOCKS_MAX]

    def _ticket(self, row: Row, ticket: Entitlement) -> Block:
        title = foreign.safe(ticket.title, limit=foreign.HEADING_LENGTH_MAX)
        line = (
            say("waiting.ticket-until", until=Moment(ticket.until, DayForm.UNTIL))
            if ticket.until
            else say("waiting.ticket-line")
        )
        family = (say("ticket.family"),) if self._has_household else ()
        return self._block(
            BlockKind.WAITING,
            row,
            (say("waiting.ticket", title=title), line),
            details=() if self._is_child else (say("ticket.confirm"), *family),
            actions=() if self._is_child else (TICKETS,),
            holders=(self.name,) if self.name else (),
        )

    # What we owe

    def _owed(self, *, besides: tuple[str, ...] = ()) -> tuple[Block, ...]:
        """Open cases, then unanswered messages that belong to none, the longest waiting first.

        Args:
            besides: Keys of cases that another part of the page is about; we owe nothing in them.
        """
        cases = [
            (row, case)
            for row, case in self._profile.of(Case)
            if case.state == "open" and row.key not in besides
        ]
        in_cases = {row.key for row, _ in cases}
        waiting = self._unanswered()
        blocks, told = [], set[str]()
        for row, case in sorted(cases, key=lambda pair: pair[1].opened_at):
            about = [pair for pair in waiting if _is_about(pair[1], row.key, case)]
            if case.promise is None and about:
                blocks.append(self._unanswered_block(*about[0], case=case))
                told |= {found.key for found, _ in about}
            else:
                blocks.append(self._case_block(row, case))
        loose = [
            (row, contact)
            for row, contact in waiting
            if contact.about not in in_cases and row.key not in told
        ]
        if loose:
            blocks.append(self._unanswered_block(*loose[0], case=None))
        return tuple(blocks[:BLOCKS_MAX])

    def _unanswered(self) -> list[tuple[Row, Interaction]]:
        """Messages to us that no person has answered and that are owed an answer, oldest first."""
        return sorted(
            (
                (row, contact)
                for row, contact in self._profile.of(Interaction)
                if contact.direction == "in" and contact.due_at and not contact.answered_at
            ),
            key=lambda pair: pair[1].at,
        )

    def _case_block(self, row: Row, case: Case) -> Block:
        heading = say("owed.case", day=Moment(case.opened_at), channel=_channel(case.channel))
        return self._block(
            BlockKind.OWED,
            row,
            (heading, self._promise_line(case)),
            details=self._case_details(case),
            actions=(ASK_TEAM,),
        )

    def _promise_line(self, case: Case) -> Saying:
        promise, newer = promises.pressing(case) or case.promise, promises.again(case)
        if is_erasure(case):
            due_at = due_at_of(case)
            form = "owed.forget-late" if due_at < self._shop.now_us else "owed.forget"
            return say(form, due=Moment(due_at, DayForm.DAY))
        if promise is None:
            return say("owed.known")
        by = foreign.safe(promise.by)
        if promise.kept_at:
            return say("owed.kept", by=by)
        due = Moment(promise.due_at, DayForm.WHEN)
        is_late = promise.due_at < self._shop.now_us
        if is_late and newer is not None and newer.due_at > self._shop.now_us:
            again = Moment(newer.due_at, DayForm.WHEN)
            return say("owed.again", due=due, again=again)
        return say("owed.overdue" if is_late else "owed.promised", by=by, due=due)

    def _case_details(self, case: Case) -> tuple[Saying, ...]:
        """Its number and what the customer need not say again; never what it is about, nor what was promised."""
        number = say("owed.number", number=foreign.safe(case.number))
        return (number, say("owed.known"), say("owed.no-repeat"))

    def _unanswered_block(self, row: Row, contact: Interaction, *, case: Case | None) -> Block:
        day = Moment(contact.at, DayForm.ON_DAY)
        match way_of(contact):
            case "phone":
                heading = say("owed.called", day=day)
            case "store":
                heading = say("owed.asked", day=day)
            case _:
                heading = say("owed.wrote", day=day, channel=_channel(way_of(contact)))
        is_late = contact.due_at < self._shop.now_us
        lines = (
            (say("owed.unanswered"), say("owed.ask"))
            if is_late
            else (say("owed.answer-due", due=Moment(contact.due_at, DayForm.WHEN)),)
        )
        block = self._block(
            BlockKind.OWED,
            row,
            (heading, *lines),
            details=(say("owed.known"),) if case is None else self._case_details(case),
            actions=(ASK_TEAM,),
        )
        return replace(block, about=contact.about)

    # Help with a band, with what was bought

    def _lost_bands(self) -> tuple[Block, ...]:
        """An earlier band that was blocked lately, and since when as far as the thread says."""
        blocks = []
        for row, band in self._profile.of(Band):
            told = [
                contact.at
                for _, contact in self._profile.of(Interaction)
                if contact.about == row.key
            ]
            since = max(told, default=0)
            if band.state == "blocked" and since >= self._shop.now_us - LOST_DAYS * DAY_US:
                sayings = (say("lost.heading"), say("lost.since", day=Moment(since)))
                details = (say("lost.this-one"), say("lost.found"))
                block = self._block(
                    BlockKind.HELP, row, sayings, details=details, actions=(ASK_ABOUT,)
                )
                blocks.append(block)
        return tuple(blocks[:BLOCKS_MAX])

    def _help(self, choice: "_Choice | None") -> tuple[Block, ...]:
        """The newest delivered order, and the other size when the customer already chose one."""
        newest = self._newest_delivered()
        if newest is None:
            return ()
        row, order = newest
        items = self._items_of(order.id)
        if choice is None:
            last, details, action = say("order.not-right"), items, ASK_ABOUT
        else:
            last, details, action = say("order.wish"), (choice.saying, *items), EXCHANGE
        sayings = (*self._order("order.arrived", order), last)
        return (self._block(BlockKind.HELP, row, sayings, details=details, actions=(action,)),)

    def _sent(self) -> tuple[Block, ...]:
        """The newest order that was sent to them, where nobody told us yet that it arrived; never one that must not be seen."""
        left_out = {pickup.order for _, pickup in self._profile.of(Pickup)}
        left_out |= {it.id for _, it in self._profile.of(Order) if self._is_hidden(it)}
        newest = self._newest("shipped", besides=left_out)
        if newest is None:
            return ()
        row, order = newest
        sayings = (*self._order("order.sent", order), say("order.arrival"))
        items = self._items_of(order.id)
        return (self._block(BlockKind.HELP, row, sayings, details=items, actions=(ASK_ABOUT,)),)

    def _order(self, sentence_id: str, order: Order) -> tuple[Saying, Saying]:
        """Which order it is, how much of it they have or was sent, and when they ordered it; what it is comes after a touch."""
        count = sum(line.count for line in order.lines) - sum(it.count for it in order.back)
        day = Moment(order.at, DayForm.ON_DAY)
        heading = say("order.delivered", order=foreign.safe(order.id))
        return heading, say(sentence_id, items=_items(count), day=day)

    def _handles(self) -> tuple[Block, ...]:
        """Where they may write to us and nobody knows it is them: a code proves it. What it is never stands on a panel."""
        for row, code in self._profile.of(HandleCode):
            if code.proved_at > self._shop.now_us - PROVED_SAID_US:
                heading = say("handle.proved", channel=_channel(code.channel))
                sayings = (heading, say("handle.proved-line"))
                return (self._block(BlockKind.HELP, row, sayings),)
        unproved = [row for row, _ in self._profile.of(Likeness)] + [
            row
            for row, point in self._profile.of(ContactPoint)
            if point.channel in SOCIAL and not point.is_verified
        ]
        if not unproved:
            return ()
        sayings, details = (say("handle.heading"), say("handle.line")), (say("handle.how"),)
        return (
            self._block(
                BlockKind.HELP, unproved[0], sayings, details=details, actions=(PROVE_HANDLE,)
            ),
        )

    def _newest_delivered(self) -> tuple[Row, Order] | None:
        return self._newest("delivered")

    def _newest(self, state: str, *, besides: Container[str] = ()) -> tuple[Row, Order] | None:
        """The newest order in this state that is not too old, without those of these numbers."""
        since = self._shop.now_us - HELP_DAYS * DAY_US
        found = [
            (row, order)
            for row, order in self._profile.of(Order)
            if order.state == state and order.at >= since and order.id not in besides
        ]
        return max(found, key=lambda pair: pair[1].at, default=None)

    def _choice(self) -> "_Choice | None":
        """The other size the customer chose in an open case about the newest delivered order.

        Only while nothing is owed in that case: no promise, no message without an answer.
        """
        newest = self._newest_delivered()
        if newest is None or len(newest[1].lines) != 1 or self._is_hidden(newest[1]):
            return None
        order = newest[1]
        (line,) = order.lines
        waiting = {contact.about for _, contact in self._unanswered()}
        for row, case in self._profile.of(Case):
            is_about_it = any(order.id in told.value for told in case.told)
            is_owing = case.promise is not None or row.key in waiting
            wanted = next((told.value for told in case.told if _is_wish(told)), "")
            if (
                case.state == "open"
                and is_about_it
                and not is_owing
                and wanted
                and line.variant
            ):
                saying = say(
                    "order.exchange",
                    wanted=foreign.safe(wanted),
                    had=foreign.safe(line.variant),
                    price=Money(line.paid_minor, order.currency),
                )
                return _Choice(row.key, saying)
        return None

    def _items_of(self, order_id: str) -> tuple[Saying, ...]:
        """The items of an order, for after a touch; never those of a gift or of a sensitive kind."""
        order = next((body for _, body in self._profile.of(Order) if body.id == order_id), None)
        if order is None:
            return ()
        if self._is_hidden(order):
            return (say("items.hidden"),)
        shown = [self._item(line, order.currency) for line in order.lines[:ITEMS_MAX]]
        if len(order.lines) > ITEMS_MAX:
            shown.append(say("items.more", count=len(order.lines) - ITEMS_MAX))
        if order.code:
            shown.append(say("items.code"))
        return tuple(shown)

    def _item(self, line: OrderLine, currency: str) -> Saying:
        title = foreign.safe(line.title, limit=foreign.TITLE_LENGTH_MAX)
        if not line.paid_minor:
            return say("items.line", count=line.count, title=title)
        price = Money(line.paid_minor * line.count, currency)
        return say("items.line-paid", count=line.count, title=title, price=price)

    def _is_hidden(self, order: Order) -> bool:
        return order.sensitivity != "normal" or any(
            self._is_sensitive(line.product) for line in order.lines
        )

    def _is_sensitive(self, product_id: str) -> bool:
        row = self._shop.held(key_of("product", product_id))
        return (
            row is not None
            and isinstance(row.body, Product)
            and row.body.sensitivity != "normal"
        )

    # Points and one offer

    def _points(self) -> tuple[Block, ...]:
        found = self._profile.of(Account)
        if not found:
            return ()
        row, _ = found[0]
        count = ledger.in_all(row, self._profile.rows) or 0
        if count == 1:
            sayings = (say("points.one", count=count), say("points.line-one"))
        else:
            sayings = (say("points.balance", count=count), say("points.line"))
        return (self._block(BlockKind.POINTS, row, sayings),)

    def _offer(self) -> tuple[Block, ...]:
        """The offer that ends first among those that may be made; none is better than a wrong one.

        What is here comes before what is known not to be. The reason may say what was bought: only after a touch.
        """
        fitting = [pair for pair in self._profile.of(Offer) if self._may_offer(pair[1])]
        if not fitting:
            return ()
        row, offer = min(
            fitting,
            key=lambda pair: (
                bool(self._none_here(pair[1].product)),
                pair[1].until or self._shop.now_us * 2,
                pair[1].id,
            ),
        )
        title = foreign.safe(offer.title, limit=foreign.HEADING_LENGTH_MAX)
        reason = foreign.safe(offer.reason, limit=foreign.HEADING_LENGTH_MAX)
        none_here = self._none_here(offer.product)
        until = (
            (say("offer.until", until=Moment(offer.until, DayForm.UNTIL)),)
            if offer.until
            else ()
        )
        sayings = (
            say("offer.title", title=title),
            *none_here,
            *(until if until or none_here else (say("offer.for-you"),)),
        )
        why = (say("offer.reason", reason=reason[:1].upper() + reason[1:]),) if reason else ()
        ask = (say("offer.cannot-find"),) if offer.product else ()
        block = self._block(
            BlockKind.OFFER,
            row,
            sayings,
            details=(*why, *self._facts_of(offer.product), *ask),
            actions=(FIND,) if offer.product else (),
        )
        about = key_of("product", offer.product) if offer.product else row.key
        return (replace(block, about=about),)

    def _may_offer(self, offer: Offer) -> bool:
        now = self._shop.now_us
        if offer.until and offer.until <= now:
            return False
        if offer.purpose and not self._agreed_to(offer.purpose):
            return False
        if not offer.product:
            return True
        since = now - JUST_BOUGHT_DAYS * DAY_US
        is_bought = any(
            line.product == offer.product
            for _, order in self._profile.of(Order)
            if order.at >= since and order.state != "cancelled"
            for line in order.lines
        )
        return not is_bought and not self._is_sensitive(offer.product)

    def _agreed_to(self, purpose: str) -> bool:
        """The newest word of the customer on this purpose; silence is no."""
        said = [body for _, body in self._profile.of(Consent) if body.purpose == purpose]
        return bool(said) and max(said, key=lambda consent: consent.at).is_granted

    def _facts_of(self, product_id: str) -> tuple[Saying, ...]:
        """Price and stock of a product, each with its own age."""
        if not product_id:
            return ()
        return (*self._price_of(product_id), *self._stock_of(product_id))

    def _price_of(self, product_id: str) -> tuple[Saying, ...]:
        """The store's price; where the web's is lower, both, and that the web's counts here too."""
        held = [
            (row, row.body)
            for channel in ("store", "web")
            if (row := self._shop.held(key_of("price", f"{product_id}@{channel}"))) is not None
            and isinstance(row.body, Price)
        ]
        if not held:
            return ()
        (row, price), (web_row, web) = held[0], held[-1]
        if web.currency != price.currency or web.amount_minor >= price.amount_minor:
            when = Moment(self._known_at(row), DayForm.SHORT)
            return (say("offer.price", price=_money(price), when=when),)
        known = min(self._known_at(row), self._known_at(web_row))
        differs = say(
            "offer.price-differs", web=_money(web), store=_money(price),
            when=Moment(known, DayForm.SHORT),
        )  # fmt: skip
        return (differs, say("offer.web-counts"))

    def _stock_of(self, product_id: str) -> tuple[Saying, ...]:
        """What is here; what the web says first, where it says something else."""
        here, web = self._stock_at(product_id, self._shop.store), self._web_stock(product_id)
        if here is None or here.count is None:
            return (*web, say("offer.stock-unknown"))
        if here.is_doubtful:
            return (*web, say("offer.stock-doubtful"))
        when = Moment(here.counted_at, DayForm.SHORT)
        if here.count == 0:
            return (*web, say("offer.stock-none", when=when))
        return (*web, say("offer.stock", count=here.count, when=when))

    def _web_stock(self, product_id: str) -> tuple[Saying, ...]:
        here = self._stock_at(product_id, self._shop.store)
        row = self._shop.held(key_of("stock", f"{product_id}@web"))
        if row is None or not isinstance(row.body, Stock) or row.body.count is None:
            return ()
        if here is not None and here.count == row.body.count and not here.is_doubtful:
            return ()
        when = Moment(self._known_at(row), DayForm.SHORT)
        return (say("offer.web-says", count=row.body.count, when=when),)

    def _none_here(self, product_id: str) -> tuple[Saying, ...]:
        """That none is here, when that is known."""
        here = self._stock_at(product_id, self._shop.store)
        if here is None or here.count != 0 or here.is_doubtful:
            return ()
        return (say("offer.stock-none", when=Moment(here.counted_at, DayForm.SHORT)),)

    def _stock_at(self, product_id: str, place: str) -> Stock | None:
        row = self._shop.held(key_of("stock", f"{product_id}@{place}"))
        return row.body if row is not None and isinstance(row.body, Stock) else None


def _money(price: Price) -> Money:
    return Money(price.amount_minor, price.currency)


def _is_wish(told: Told) -> bool:
    return told.label.casefold().startswith("wanted") and _is_size(told.value)


def _is_size(text: str) -> bool:
    word = text.strip().upper()
    return word in _SIZES or (word.isascii() and word.isdigit() and len(word) <= 3)


def _bare(kind: BlockKind, sayings: tuple[Saying, ...], like: Block) -> Block:
    """A block that says less than `like`, with its age and source."""
    return Block(kind, sayings, as_of=like.as_of, source=like.source)
