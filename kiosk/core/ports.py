"""What the screens need from the rest of the product, as Protocols; `kiosk.assembly` plugs them.

All calls answer from this device's own files in milliseconds and never wait for the network.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol, runtime_checkable

import msgspec

from kiosk.core.carried import Carried
from kiosk.core.page import Page
from kiosk.core.policy import Assurance, BandKey
from sync.model.errors import StoreError
from sync.model.operation import Evidence, OperationState
from sync.model.profile import Profile
from sync.model.records import ChannelWatch, Referral
from sync.model.row import Row


@dataclass(frozen=True, slots=True)
class BandEvidence:
    """What the reader process established of a band, in the words of `drivers.proof`.

    Attributes:
        proof: Value of ProofKind.
        family: Value of ChipFamily.
        generation: 1 EV1, 2 EV2 or later, 0 not known.
        band: Band id: the reference in hex, or the keyed hash of a UID; "" when nothing identifies it.
        is_uid_only: Identified by its UID alone.
        key: By whose key it was proved.
        carried: What it says of its wearer, where its capsule holds; None where it carries none, or was proved better.
        foreign: What it is where it is no band of ours: phone | foreign_card | foreign_chip; "" where it may be one.
    """

    proof: str
    family: str
    generation: int
    band: str
    is_uid_only: bool
    key: BandKey = BandKey.UNKNOWN
    carried: Carried | None = None
    foreign: str = ""


@dataclass(frozen=True, slots=True)
class Recognition:
    """Who tapped, as far as we know, and what their page says.

    Attributes:
        owner: Customer id; "" for unknown, unlinked and blocked bands alike.
        reason: For staff only: "" | unknown_band | phone | foreign_card | foreign_chip | unlinked | blocked | not_held | untrusted | uid_only |
            denied | no_deny_list | not_synced | lease_over | carried.
        carried: What the band alone says of its wearer, where that is all there is: staff may read its line with an ID.
        lookup_us, decide_us: How long the two parts took.
    """

    evidence: Evidence
    assurance: Assurance
    owner: str
    page: Page
    actions: tuple[str, ...]
    reason: str = ""
    lookup_us: int = 0
    decide_us: int = 0
    carried: Carried | None = None


class Recogniser(Protocol):
    """From what the reader established to the customer's page, from local data alone."""

    def recognise(self, band: BandEvidence) -> Recognition:
        """Look up, judge, decide. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """One customer a search found. `how` says what matched: name, phone, email, handle, order, case, band."""

    owner: str
    title: str
    hint: str
    how: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """An operation that is durable on this device.

    Attributes:
        waits: Only the centre can decide it: nothing may be handed out before its answer.
    """

    op: str
    state: OperationState
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """One of several things done all or none: the kind of operation and its arguments."""

    kind: str
    args: msgspec.Struct


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An operation that waits for the network, or for a person.

    Attributes:
        code: Why it was refused or is held, a code with words in `wording`; "" while it only waits.
        at: When it was recorded, microseconds since 1970.
        about: Key of the row it is about, "" when not known.
        is_settling: Somebody here settled it, and the centre has not heard of it yet.
        is_elsewhere: Another device of this store recorded it.
    """

    op: str
    kind: str
    owner: str
    state: OperationState
    code: str
    at: int
    about: str = ""
    is_settling: bool = False
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Long:
    """Something between this device and the centre that takes long.

    Attributes:
        what: rows (the first sync) | snapshot (the same, whole) | push.
        n_done, n_total: Of it.
        left_s: Seconds until it is done, None while nobody can say.
    """

    what: str
    n_done: int
    n_total: int
    left_s: int | None = None


HERE: Final = "ok"
"""What `Standing` calls a part that works."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How this device stands with the world; the staff strip shows it.

    Attributes:
        reader: "ok", or an error code of `drivers.errors`.
        network: "ok", "cut", or an error code of `sync.model.errors`.
        synced_at: When the cache was last complete, microseconds since 1970; 0 for never.
        n_waiting: Operations the centre has not answered.
        n_refused: Operations that wait for a person.
        now: Wall time, microseconds since 1970.
        store_code: "ok", or what is wrong with this device's files.
        reader_since, network_since: Since when they are as they are, microseconds since 1970; 0 when not known.
        long: What takes long now.
        lease: ok | warned (the centre was not heard for a day) | over (people are not shown until it is).
        lease_left_us: How much longer people are shown without it, microseconds.
        relay: "off" where no relay of the store is set, "ok", or an error code of `sync.edge.relay_wire`.
        relay_since: Since when, microseconds since 1970.
        update_at: From when on the centre answers no program as old as this one; 0 where it will do.
        n_unread_kinds: Kinds of operation recorded here that the centre cannot read yet and holds for a person.
    """

    reader: str
    network: str
    synced_at: int
    n_waiting: int
    n_refused: int
    now: int
    store_code: str = HERE
    reader_since: int = 0
    network_since: int = 0
    long: tuple[Long, ...] = ()
    lease: str = HERE
    lease_left_us: int = 0
    relay: str = "off"
    relay_since: int = 0
    update_at: int = 0
    n_unread_kinds: int = 0


class Refused(Exception):
    """A rule of this device forbids the operation; nothing was recorded.

    Attributes:
        code: Which rule; has words in `kiosk.core.wording`.
        at: Of `used_elsewhere`, when it was given there, microseconds since 1970; 0 when nobody can say.
        where: And the id of the store, "" when nobody can say.
    """

    def __init__(self, code: str, *, at: int = 0, where: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.at = at
        self.where = where


@runtime_checkable
class Holds(Protocol):
    """A desk that also answers for rows of no customer: products, prices, stock."""

    def held(self, key: str) -> Row | None:
        """The row of this key, None when this device does not hold it. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class NoteDraft:
    """A note not recorded yet. Its `repr` shows nothing of what it says.

    Attributes:
        owner: Customer id it is about.
        is_for_customer: The customer will read it; otherwise only we do.
        answers: Of an answer, the id of the contact it answers; "" for a note.
        channel: Of an answer, the way it goes; "" for a note.
    """

    owner: str
    text: str = field(repr=False)
    is_for_customer: bool = False
    answers: str = ""
    channel: str = ""


@runtime_checkable
class KeepsDrafts(Protocol):
    """A desk that keeps what was begun and not recorded, also when this program ends."""

    def keep_draft(self, draft: NoteDraft) -> None:
        """Keep it in the place of the one before, a note's and an answer's apart; one without a text is forgotten. Raises StoreError."""
        ...

    def drafts(self) -> tuple[NoteDraft, ...]:
        """Every draft there is. Raises StoreError."""
        ...


@runtime_checkable
class Waits(Protocol):
    """A desk that knows who waits for us."""

    def waiting(self) -> tuple[Profile, ...]:
        """Everybody of whom something may be open, what is due first before the others. Raises StoreError."""
        ...

    def expected(self) -> tuple[tuple[Row, Referral], ...]:
        """Who was sent to this store and was not taken yet. Raises StoreError."""
        ...

    def watches(self) -> tuple[ChannelWatch, ...]:
        """The centre's numbers of each channel. Raises StoreError."""
        ...


class Desk(Protocol):
    """What a counter can ask and do. One that is also `Holds` lets it compare prices and stock."""

    def find(self, text: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Customers by name, phone, e-mail, order or case number, or band. Raises StoreError."""
        ...

    def profile_of(self, owner: str) -> Profile:
        """Everything this device holds of a customer, unsettled operations folded in. Raises StoreError."""
        ...

    def record(
        self, kind: str, args: msgspec.Struct, *, owner: str, actor: str, evidence: Evidence
    ) -> Recorded:
        """Record an operation; durable when this returns. Raises StoreError, and Refused when a rule forbids it here."""
        ...

    def unsettled(self) -> tuple[Unsettled, ...]:
        """Operations not settled, oldest first."""
        ...

    def standing(self) -> Standing:
        """Reader, network, sync age, what is not settled."""
        ...


@runtime_checkable
class Witnesses(Protocol):
    """A desk whose uses a band on the reader can witness."""

    def is_there(self, band: str) -> bool:
        """Does this band lie on the reader, proved?"""
        ...

    async def use(self, of: str, *, owner: str, actor: str, evidence: Evidence) -> Recorded:
        """Use something with the band of the evidence as witness. Raises StoreError, and Refused when it is not to be given."""
        ...


class PinStanding(Enum):
    """How a customer's PIN stands at this device."""

    NONE = "none"  # none was set, or this device cannot judge the one there is
    OPEN = "open"
    LOCKED = "locked"  # too many were wrong; it is set anew at the counter


@dataclass(frozen=True, slots=True)
class PinTried:
    """What came of a PIN.

    Attributes:
        evidence: Of A3, where it lifts what the band proved; else None.
        standing: How it stands now.
        is_right: It was the PIN; without evidence, what is known of the band does not do for A3 today.
    """

    evidence: Evidence | None
    standing: PinStanding
    is_right: bool = False


@runtime_checkable
class Pins(Protocol):
    """A desk that knows PINs. A call that judges or sets one takes a tenth of a second: that is what makes guessing dear."""

    def pin_standing(self, owner: str) -> PinStanding:
        """How their PIN stands. Raises StoreError."""
        ...

    def try_pin(self, pin: str, *, owner: str, band: BandEvidence) -> PinTried:
        """Judge a PIN typed by whoever wears this band; a wrong one is counted first. Raises StoreError, Refused."""
        ...

    def set_pin(self, pin: str, *, owner: str, actor: str, evidence: Evidence) -> Recorded:
        """Give them this PIN; the evidence says that an ID was seen. Raises StoreError, Refused."""
        ...


class CounterDesk(Desk, Protocol):
    """What only staff can do: take back, and settle what is not settled."""

    def state_of(self, op: str) -> OperationState | None:
        """Where an operation of this device stands; None when it is not here. Raises StoreError."""
        ...

    def undo(self, op: str, *, actor: str, evidence: Evidence) -> Recorded:
        """Take back what was recorded here in the last five minutes. Raises StoreError, Refused."""
        ...

    def args_of(self, op: str) -> msgspec.Struct | None:
        """What an operation of this device was recorded with; None when it is not here, or not read any more. Raises StoreError."""
        ...

    def replay(
        self,
        op: str,
        *,
        actor: str,
        evidence: Evidence,
        reason: str,
        args: msgspec.Struct | None = None,
    ) -> Recorded:
        """Try what was refused or is held again, as it was or with other arguments. Raises StoreError, Refused."""
        ...

    def void(self, op: str, *, actor: str, evidence: Evidence, reason: str) -> None:
        """Settle what was refused or is held: nothing more is to be done about it. Raises StoreError, Refused."""
        ...


def held_by(desk: Desk) -> Callable[[str], Row | None]:
    """The rows of no customer that this desk answers for; none where it does not, or its files do not answer.

    They are beside what a page is about: the same files say what is wrong with them when the page itself is read.
    """

    def held(key: str) -> Row | None:
        try:
            return desk.held(key) if isinstance(desk, Holds) else None
        except StoreError:
            return None

    return held
