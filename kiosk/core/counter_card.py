"""The hand-over card on a customer's page: whether it stands on top, and each of its lines with what it was built from; pure."""

from dataclasses import replace
from typing import Final

from kiosk.core import foreign
from kiosk.core.entries import Entry, Telling, Tone
from kiosk.core.staff_words import StaffWords
from sync.model.card import Card, CardLine, card_of
from sync.model.operations.request_erasure import is_erasure
from sync.model.profile import Profile
from sync.model.records import Case, Pickup, Referral, Store, key_of
from sync.model.row import Row

CARD_ROWS_MIN: Final = 7
"""Rows the card has at least, where other lines press as well: its head, its foot, and five lines."""

ROWS_OF_A_LINE: Final = 2
"""Rows that are left free for each line that presses beside the card."""

LINE_LENGTH_MAX: Final = 400
"""Letters of one line of the card: two texts of somebody's, and our words around them."""

_TONES: Final = {
    "plain": Tone.PLAIN, "alert": Tone.ALERT, "ask": Tone.ASK, "struck": Tone.STRUCK, "muted": Tone.MUTED,
}  # fmt: skip


def stands_on_top(profile: Profile) -> bool:
    """Whether the page begins with the card: a case is open that whoever serves works on."""
    cases = (case for _, case in profile.of(Case))
    return any(case.state == "open" and not is_erasure(case) for case in cases)


def counter_card(profile: Profile, tell: Telling) -> Card:
    """The card as this counter shows it: stores by their names, and not that the clerk is there who reads it."""
    places = [one.store for _, one in profile.of(Pickup)]
    places += [one.store for _, one in profile.of(Referral)]
    keys = (key_of("store", place) for place in dict.fromkeys(places))
    named = tuple(row for key in keys if (row := tell.held(key)) is not None and _is_store(row))
    whole = Profile(profile.owner, (*profile.rows, *named))
    card = card_of(whole, now=tell.now, zone=tell.words.zone, viewer=tell.post.clerk)
    lines = (
        replace(line, text=foreign.safe(line.text, limit=LINE_LENGTH_MAX))
        for line in card.lines
    )
    return replace(card, name=tell.words.name(card.name), lines=tuple(lines))


def _is_store(row: Row) -> bool:
    return isinstance(row.body, Store)


def card_entries(card: Card, profile: Profile, tell: Telling) -> tuple[Entry, ...]:
    """Every line, none shortened, each with the rows it was built from, since when they are known and from whom."""
    rows = {row.key: row for row in profile.rows}
    words = tell.words
    lines = []
    for line in card.lines:
        label = words.either(f"card.{line.part}", "card.other")
        lines.append(
            Entry(
                label=label,
                text=_without(label, line.text),
                tone=_TONES.get(line.tone, Tone.PLAIN),
                age=_built_from([rows[key] for key in line.keys if key in rows], tell),
            )
        )
    paper = words.say("card.paper", command=f"tapthread card {words.name(card.owner)}")
    return (*lines, Entry(words.say("card.print"), paper, tone=Tone.MUTED))


def _without(label: str, text: str) -> str:
    """A line of the card beside its label, without the same words once more."""
    rest = text[len(label) :]
    is_twice = text.casefold().startswith(label.casefold()) and rest[:1] in (":", " ")
    return rest.lstrip(": ") if is_twice else text


def beside_card(
    entries: tuple[Entry, ...], lines: tuple[CardLine, ...], words: StaffWords
) -> tuple[Entry, ...]:
    """What is still to be told under the card: once is enough. Where nothing is, that it stands on the card.

    Args:
        entries: What the customer told us, and what was promised and tried, as without a card.
        lines: Lines of the card that are on the page with all their words.
        words: What sentences are made with.
    """
    beside = tuple(it for it in entries if not any(_says(line, it) for line in lines))
    return beside or (Entry("", words.say("told.on-card"), tone=Tone.MUTED),)


def _says(line: CardLine, entry: Entry) -> bool:
    part, *said = entry.card_line or ("",)
    return line.part == part and all(text in line.text for text in said)


def _built_from(rows: list[Row], tell: Telling) -> str:
    """Of one row its age and source; of several how many, and those of the oldest."""
    if not rows:
        return ""
    oldest = min(rows, key=lambda row: (row.as_of, row.key))
    kind = tell.words.either(f"row.{oldest.kind}", "row.other")
    if len(rows) == 1:
        return tell.words.say("card.from.one", what=kind, age=tell.age(oldest))
    return tell.words.say("card.from", count=len(rows), what=kind, age=tell.age(oldest))


def card_room(height: int, entries: tuple[Entry, ...]) -> int:
    """Rows the card may take of a page, so that what presses beside it is seen as well.

    Args:
        height: Rows of the page.
        entries: The other lines of "now".
    """
    n_pressing = sum(one.tone in (Tone.READY, Tone.ALERT) for one in entries)
    return max(height - ROWS_OF_A_LINE * n_pressing, CARD_ROWS_MIN)
