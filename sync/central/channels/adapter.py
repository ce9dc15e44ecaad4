"""What an adapter is: a file of this folder whose `ADAPTER` turns one vendor's messages into facts.

    verify      is this from the vendor, now, and not a copy? By the vendor's documented signature
    events      one delivery may hold several events, each with the vendor's id: the same id is the same event
    facts       what an event says; pure, short, and in the same order in every adapter

Nothing here touches a network, a clock or a database. What an adapter does not understand it says (`Unmapped`), and the
event is kept raw with that reason; what breaks it blocks that event alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sync.central.channels.facts import AnyFact

REPLAY_WITHIN_S: Final = 300
"""A signature older or newer than this is a copy of an old message, where the vendor signs the time."""

KEEP_DAYS: Final[Mapping[str, int]] = {"taken": 90, "held": 180, "forged": 30}
"""Days the bytes of an event are kept where its channel does not say: what went wrong with one that was taken is seen in a season,
what waits for a person has half a year, and what nobody believes is kept as long as somebody may look for an attack."""


class Forged(Exception):
    """Not from the vendor, or not now; the text says why, for staff. Nothing of it is believed."""


class NoSecret(Forged):
    """The file of channels lacks the secret this adapter believes by, or calls it otherwise; the text names it."""


class Unmapped(Exception):
    """An event this version has no mapping for, or that is not as the vendor documents it; the text says what."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One configured channel, as `channels.toml` has it.

    Attributes:
        name: Its own name, a path segment: "shop". Two channels may use one adapter.
        adapter: Name of the file here.
        channel: Which of `records.CHANNELS` it is to customers, "" where each event says.
        secrets: By name, for example "signing"; older ones that still count after a comma-free list of their own.
        options: Everything else the adapter's docstring lists.
        promise_s: Until when a customer who writes here is answered.
        keep_days: How long the bytes of its events are kept, by what became of them, where not as in KEEP_DAYS.
    """

    name: str
    adapter: str
    channel: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    promise_s: int = 86_400
    keep_days: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came: one HTTP request, one mail, one line of a file.

    Attributes:
        headers: Lower-case names.
        url: As the vendor called it; some sign it.
        now: Seconds since 1970 when it came.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    method: str = "POST"
    now: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a delivery.

    Attributes:
        id: The vendor's own, or a digest where it gives none; the same id is the same event for ever.
        type: In the vendor's words: "orders/create".
        at: When it happened there, microseconds since 1970; 0 when it does not say.
        body: Decoded JSON, or what the adapter reads instead; plain values only.
    """

    id: str
    type: str
    at: int
    body: Any = field(repr=False)


class Adapter(Protocol):
    """One vendor."""

    name: str

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """Raises Forged unless the vendor sent this, now."""
        ...

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:
        """The answer a vendor wants before it sends anything (a challenge); None for an ordinary delivery. Raises Forged."""
        ...

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:
        """What is in it. Raises Unmapped for a body that is not the vendor's."""
        ...

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """What it says; () for one that concerns nobody. Raises Unmapped."""
        ...
