"""From rows to what one customer's page says; pure."""

from dataclasses import dataclass
from enum import Enum

from kiosk.core.wording.saying import Saying


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


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a page.

    Attributes:
        kind: What it is about.
        sayings: What it says, without a language: the first is its heading.
        lines: The same as finished text in the page's language; foreign text in it is already safe.
        details: Finished lines shown only after a touch (items of an order).
        as_of: When this was last known to be true, microseconds since 1970; 0 when it states no fact.
        source: Who said so: a channel, a system, "here"; "" when it states no fact.
        actions: What the customer may do about it here.
        about: Key of the row it is about, "" for none; for actions, never shown.
    """

    kind: BlockKind
    sayings: tuple[Saying, ...]
    lines: tuple[str, ...]
    detail_sayings: tuple[Saying, ...] = ()
    details: tuple[str, ...] = ()
    as_of: int = 0
    source: str = ""
    actions: tuple[str, ...] = ()
    about: str = ""


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
        household: Id that lets another band of the same household join; never shown.
    """

    kind: PageKind
    language: str
    blocks: tuple[Block, ...]
    as_of: int = 0
    as_of_line: str = ""
    spoken: str = ""
    household: str = ""
