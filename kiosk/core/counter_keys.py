"""Which keys the counter names under what it shows: those that do something there now; pure."""

from dataclasses import dataclass
from typing import Final

from kiosk.core.counter import Sheet
from sync.model import promises
from sync.model.operations.request_erasure import is_erasure
from sync.model.profile import Profile
from sync.model.records import Band, Case, Interaction

OPEN_KEY: Final = "F4"


@dataclass(frozen=True, slots=True)
class Shown:
    """What is on the counter.

    Attributes:
        page: find | sheet | unsettled | waiting.
        sheet, profile: Of whoever's page is open, or was last.
        is_writing: A note or an answer is being written.
        is_answer: It is an answer.
        is_empty: The list of this page has nobody.
        n_open: Lines that a digit opens.
        has_waiting, has_pins: What this device can do.
        has_stores: Another store is known.
        may_undo: Something can still be taken back.
        here: What `OPEN_KEY` does, by the name of its word: "" for nothing.
    """

    page: str
    sheet: Sheet | None = None
    profile: Profile | None = None
    is_writing: bool = False
    is_answer: bool = False
    is_empty: bool = True
    n_open: int = 0
    has_waiting: bool = False
    has_pins: bool = False
    has_stores: bool = False
    may_undo: bool = False
    here: str = ""


def keys_of(shown: Shown) -> tuple[tuple[str, str], ...]:
    """Each key with the name of what it does, in the order they stand."""
    writing = shown.is_writing and shown.page == "sheet"
    first = [(OPEN_KEY, shown.here)] if shown.here else []
    last = [("Z", "undo")] if shown.may_undo and shown.page != "find" and not writing else []
    return (*first, *_of_page(shown), *last)


def _of_page(shown: Shown) -> list[tuple[str, str]]:
    match shown.page:
        case "sheet" if shown.is_writing:
            names = ("send", "way") if shown.is_answer else ("save", "audience")
            return [("Enter", names[0]), ("F5", names[1]), ("Esc", "back")]
        case "sheet":
            return [] if shown.sheet is None else _of_sheet(shown, shown.sheet)
        case "find":
            opens = [] if shown.is_empty else [("Enter", "open")]
            waits = [("F10", "waiting")] if shown.has_waiting else []
            return [*opens, *waits, ("F6", "unsettled")]
        case "waiting":
            opens = [] if shown.is_empty else [("Enter", "open-waiting")]
            return [*opens, ("Esc", "back")]
        case _:
            digits = "1" if shown.n_open == 1 else f"1-{shown.n_open}"
            return [*([(digits, "settle")] if shown.n_open else []), ("Esc", "back")]


def _of_sheet(shown: Shown, sheet: Sheet) -> list[tuple[str, str]]:
    profile = shown.profile
    keys = (
        ("H", "hand", bool(sheet.parcels)),
        ("R", "answer", _is_answerable(profile)),
        ("N", "note", True),
        ("C", "card", True),
        ("T", "tried", bool(sheet.case)),
        ("D", "promise", bool(sheet.case)),
        ("K", "kept", promised_on(profile) is not None),
        ("G", "send-on", shown.has_stores),
        ("F", "find", True),
        ("A", "ages", True),
        ("E", "unfold", sheet.n_contacts > sheet.n_lines),
        ("W", "waiting", shown.has_waiting),
        ("U", "unsettled", True),
        ("P", "pin", shown.has_pins),
        ("B", "lost", bool(bands_of(profile, "active"))),
        ("V", "regained", bool(bands_of(profile, "blocked"))),
    )
    return [(key, name) for key, name, is_there in keys if is_there]


def _is_answerable(profile: Profile | None) -> bool:
    return profile is not None and any(
        contact.direction == "in" for _, contact in profile.of(Interaction)
    )


def bands_of(profile: Profile | None, state: str) -> tuple[Band, ...]:
    """Bands of theirs in this state."""
    bands = () if profile is None else profile.of(Band)
    return tuple(band for _, band in bands if band.state == state)


def promised_on(profile: Profile | None) -> Case | None:
    """The open case on which something is to be kept, the most pressing one; never a wish to be forgotten."""
    cases = () if profile is None else profile.of(Case)
    found = [
        (promise.due_at, case.id, case)
        for _, case in cases
        if case.state == "open"
        and not is_erasure(case)
        and (promise := promises.pressing(case)) is not None
    ]
    return min(found)[2] if found else None
