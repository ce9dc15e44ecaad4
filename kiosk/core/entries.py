"""One line of the counter, and what every line is made with; pure.

`Telling` holds the words, the place and the moment; `Entry` is what comes out. Text from outside is made safe on the way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from kiosk.core.staff_words import StaffWords
from sync.model.operation import Evidence
from sync.model.records import Customer, Interaction, OrderLine, Product, Remedy, key_of
from sync.model.row import Row

FAILED_MAX: Final = 2
"""A remedy that failed this often is struck out and needs a reason to be offered again."""


class Tone(Enum):
    """How a line is meant, never by colour alone: each has a sign of its own. The value names its style."""

    PLAIN = "plain"
    READY = "ready"  # something can be done about it here, now
    ALERT = "alert"  # we are late, or something is wrong
    ASK = "ask"  # the only thing left to ask
    STRUCK = "struck"  # not to be offered again
    MUTED = "muted"


MARKS: Final[Mapping[Tone, str]] = {
    Tone.PLAIN: " ",
    Tone.READY: "+",
    Tone.ALERT: "!",
    Tone.ASK: "?",
    Tone.STRUCK: "x",
    Tone.MUTED: " ",
}
"""The sign before a line, so that its meaning does not hang on its colour."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the counter.

    Attributes:
        label: What kind of thing it is, in a narrow column.
        text: What it says; safe to show.
        lead: The word or two to be seen first, before the text: a shelf, how late, a channel.
        tone: How it is meant.
        age: Its age and source in words, shown on a key; "" where it has none.
        digit: Key that does something about it, "" for none.
        is_on_card: The hand-over card says it as well.
        card_line: Of what the hand-over card says in a line of its own: the part that line belongs to, then what it says.
    """

    label: str
    text: str
    lead: str = ""
    tone: Tone = Tone.PLAIN
    age: str = ""
    digit: str = ""
    is_on_card: bool = False
    card_line: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """Where this counter stands and who serves at it.

    Attributes:
        store: Store id.
        clerk: Staff id, the actor of what is recorded.
        clerk_name: What a note says it is from.
        stores: Store id to what people call it.
        staff: Staff id to name, for what others recorded.
    """

    store: str
    clerk: str
    clerk_name: str
    stores: Mapping[str, str] = field(default_factory=dict)
    staff: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """How a customer's page came to be open: evidence of a tap, or found by a clerk.

    Attributes:
        evidence: What an act is recorded with.
        how: What a search matched: name, phone, email, handle, order, case, band; "" after a tap.
    """

    evidence: Evidence
    how: str = ""

    @property
    def needs_id(self) -> bool:
        """Whether a clerk must see an identity document before handing anything over."""
        return self.evidence.assurance not in ("A2", "A3")

    @property
    def by_staff(self) -> Evidence:
        """What a clerk's own act is recorded with: staff vouch for it, and what the band proved stays beside it."""
        return Evidence(assurance="S1", proof=self.evidence.proof, band=self.evidence.band)


def found(how: str) -> Opened:
    """Opened by a search: staff alone vouch for it."""
    return Opened(evidence=Evidence(assurance="S1", proof="found"), how=how)


def _nothing_held(_key: str) -> Row | None:
    return None


@dataclass(frozen=True, slots=True)
class Telling:
    """What every line is made with.

    Attributes:
        words: What sentences are made with.
        post: Where this counter stands.
        now: Wall time, microseconds since 1970.
        held: The row of a key this device holds (a product, a price, a stock, a person), None when it does not.
        decided: Ids of likenesses that somebody decided here and the centre has not heard of.
    """

    words: StaffWords
    post: Post
    now: int
    held: Callable[[str], Row | None] = _nothing_held
    decided: frozenset[str] = frozenset()

    def at(self, moment: int) -> str:
        """A moment, as near to now as it is."""
        return self.words.moment(moment, now=self.now)

    def store(self, store: str) -> str:
        """What people call a store."""
        return self.words.name(self.post.stores.get(store, store))

    def clerk(self, actor: str) -> str:
        """What people call whoever recorded something; by what was recorded where we know no name."""
        if actor in self.post.staff:
            return self.post.staff[actor]
        return self.post.clerk_name if actor == self.post.clerk else actor

    def is_sensitive(self, product: str) -> bool:
        """Whether a product must not be named where others hear or see it; no, where its row is not held."""
        row = self.held(key_of("product", product))
        return (
            row is not None
            and isinstance(row.body, Product)
            and row.body.sensitivity != "normal"
        )

    def age(self, row: Row) -> str:
        """Since when a row is known, from whom, and whether the centre has heard of it."""
        said = self.words.say(
            "age.text",
            at=self.at(row.as_of),
            age=self.words.span(self.now - row.as_of),
            source=self.words.channel(row.source),
        )
        return f"{said}, {self.words.say('age.unsettled')}" if row.is_unsettled else said

    def part(self, text: str) -> str:
        """Foreign text as a part of a sentence of ours: without the full stop we set ourselves."""
        return self.words.text(text).rstrip(".")

    def careful(self, contact: Interaction) -> str:
        """What was said in a contact, marked where it must not be said aloud."""
        return self.marked(contact.sensitivity, self.words.text(contact.text))

    def marked(self, sensitivity: str, text: str) -> str:
        """Safe text, marked where it must not be said aloud."""
        if sensitivity == "normal":
            return text
        form = "timeline.gift" if sensitivity == "gift" else "timeline.sensitive"
        return self.words.say(form, text=text)


def name_of(customer: Customer, words: StaffWords) -> str:
    """Given and family name, safe to show; the nickname or the id where both are empty."""
    whole = words.name(f"{customer.given_name} {customer.family_name}")
    return whole or words.name(customer.nickname) or words.name(customer.id)


def item_of(line: OrderLine, words: StaffWords) -> str:
    """What was bought, with its variant where the title does not say it already."""
    title = words.name(line.title)
    variant = words.name(line.variant)
    whole = title if not variant or title.endswith(f" {variant}") else f"{title} {variant}"
    return whole if line.count == 1 else words.say("item.line", count=line.count, title=whole)


def is_unanswered(contact: Interaction) -> bool:
    """A contact of the customer that was promised an answer and has none by a person."""
    return contact.direction == "in" and contact.due_at > 0 and contact.answered_at == 0


def is_struck(remedy: Remedy) -> bool:
    """Not to be offered again without a reason."""
    return remedy.n_failed >= FAILED_MAX


def why(code: str, words: StaffWords) -> str:
    """Why something is not settled, in words; a code we do not know is said, because somebody else may know it."""
    if not code:
        return words.say("why.none")
    key = f"why.{code}"
    return words.say(key) if words.has(key) else words.say("why.other", code=words.name(code))
