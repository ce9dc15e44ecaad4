r"""What a visit does next: a pure state machine from a tap to the wipe.

    Attract --Tapped--> Reading --Recognised--> Open --30 s--> Masked --20 s--> Attract
                           |                     ^ \              |
                           |                     |  `--Done-------+--Done------> Attract
                           |                     `---Touched------'
                           |--Recognised nobody-> Neutral ----- 12 s or Done --> Attract
                           |--Failed, too slow--> TryAgain ---- 12 s or Done --> Attract
                           `--Unavailable-------> NotPossible - 12 s or Done --> Attract
    Open, Masked, Neutral --Proved--> the same, and Recognised may only say more of the same person
    ReaderLost -> ReaderGone (after the open page, if there is one)     ReaderFound -> Attract
    Broken     -> OutOfOrder -> the program ends and is started again

What each state ignores: Reading ignores touches (there is nothing to touch yet); OutOfOrder ignores everything but time.
The band leaving starts nothing. Every state but Attract has a deadline. An answer for a visit that is not the present one
is dropped. A second tap wipes the first page before anything is shown; only when the second band turns out to be of the
same household does its page join what was there. All functions are pure; times are ticks in milliseconds.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NewType, assert_never

from kiosk.core.faults import SLOW, Shows, fault_of_code
from kiosk.core.page import Page, PageKind
from kiosk.core.ports import BandEvidence

VisitId = NewType("VisitId", str)

WORDS_MS: Final = 250
"""Reading shorter than this needs no words. Source: the shop's rule; light and sound come at once."""

READING_MS: Final = 3_000
"""A band that is not read by then is asked for again; the slowest chip on the slowest reader takes about one second."""

IDLE_MS: Final = 30_000
"""Without a touch for so long, a page is masked."""

FORM_MS: Final = 60_000
"""The same where something is typed."""

MASKED_MS: Final = 20_000
"""Time to answer "Are you still here?". Source: WCAG 2.2.1 asks for at least 20 s."""

TOLD_MS: Final = 12_000
"""How long a page that only says what to do stays; long enough to read it twice."""

READER_GONE_MS: Final = 60_000
"""The staff are told again about a reader that stays away."""

OUT_OF_ORDER_MS: Final = 10_000
"""The page is seen for so long before the program ends and is started again."""


class Face(Enum):
    """Which page the customer sees; the view has one for each."""

    ATTRACT = "attract"
    READING = "reading"  # light without words
    MOMENT = "moment"  # and the words
    PAGE = "page"
    MASKED = "masked"
    NEUTRAL = "neutral"
    AGAIN = "again"
    ONE_BAND = "one-band"
    NOT_POSSIBLE = "not-possible"
    READER_GONE = "reader-gone"
    OUT_OF_ORDER = "out-of-order"


class CueKind(Enum):
    """Light and sound."""

    SEEN = "seen"
    WELCOME = "welcome"
    ATTENTION = "attention"
    GOODBYE = "goodbye"


# States


@dataclass(frozen=True, slots=True)
class Attract:
    """Nobody is here."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A band is at the reader.

    Attributes:
        words_at_ms: When words appear; 0 once they have.
        company: The page that was open before this tap, for a band of the same household; shown to nobody else.
    """

    visit: VisitId
    until_ms: int
    words_at_ms: int
    company: Page | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """A customer's page is on the screen. `gone` is the reader's fault code when it went away meanwhile."""

    visit: VisitId
    page: Page
    until_ms: int
    gone: str = ""


@dataclass(frozen=True, slots=True)
class Masked:
    """The page is hidden, and we ask whether somebody is still here."""

    visit: VisitId
    page: Page
    until_ms: int
    gone: str = ""


@dataclass(frozen=True, slots=True)
class Neutral:
    """Please see our team: one page for all bands that open none."""

    visit: VisitId
    until_ms: int


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The customer can do something: hold it longer, take the other band away."""

    visit: VisitId
    until_ms: int
    face: Face


@dataclass(frozen=True, slots=True)
class NotPossible:
    """This device's own files do not answer."""

    visit: VisitId
    until_ms: int


@dataclass(frozen=True, slots=True)
class ReaderGone:
    """No band can be read here at the moment."""

    code: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """The program failed; it will be started again."""

    code: str
    until_ms: int


State = (
    Attract
    | Reading
    | Open
    | Masked
    | Neutral
    | TryAgain
    | NotPossible
    | ReaderGone
    | OutOfOrder
)

# Events


@dataclass(frozen=True, slots=True)
class Tapped:
    """A band entered the field; `visit` is a fresh random id."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class Proved:
    """The reader process established something of the band."""

    visit: VisitId
    band: BandEvidence


@dataclass(frozen=True, slots=True)
class Recognised:
    """The page of whoever wears the band. `reason` is for staff only."""

    visit: VisitId
    page: Page
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """The page of two bands of one household."""

    visit: VisitId
    page: Page


@dataclass(frozen=True, slots=True)
class Unavailable:
    """This device's files did not answer; `code` of a StoreError."""

    visit: VisitId
    code: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The band could not be read; `code` of `drivers.errors`."""

    visit: VisitId
    code: str


@dataclass(frozen=True, slots=True)
class Translated:
    """The open page in another language."""

    visit: VisitId
    page: Page


@dataclass(frozen=True, slots=True)
class Changed:
    """The open page as it is now: she was answered elsewhere, or something came."""

    visit: VisitId
    page: Page


@dataclass(frozen=True, slots=True)
class Left:
    """The band is gone from the field; the wrist leaves after a second, and nothing follows from it."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A touch, a click or a key; on a form, who fills it in has longer for the next."""

    is_form: bool = False


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class Done:
    """The customer is done."""


@dataclass(frozen=True, slots=True)
class ReaderLost:
    """The reader went away; `code` of `drivers.errors`."""

    code: str


@dataclass(frozen=True, slots=True)
class ReaderFound:
    """The reader is there."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The program failed."""

    code: str


Event = (
    Tapped
    | Proved
    | Recognised
    | Joined
    | Unavailable
    | Failed
    | Translated
    | Changed
    | Left
    | Touched
    | Ticked
    | Done
    | ReaderLost
    | ReaderFound
    | Broken
)

# Effects


@dataclass(frozen=True, slots=True)
class Wipe:
    """Forget the visit: screen, widgets, memory."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class Cue:
    """Light and sound, at once."""

    kind: CueKind


@dataclass(frozen=True, slots=True)
class Show:
    """Show a page that holds nothing personal."""

    face: Face


@dataclass(frozen=True, slots=True)
class ShowPage:
    """Show a customer's page; a quiet one was there already, and is not read aloud again."""

    visit: VisitId
    page: Page
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Recognise:
    """Find out whose band it is; answered by Recognised or Unavailable."""

    visit: VisitId
    band: BandEvidence


@dataclass(frozen=True, slots=True)
class Join:
    """Make one page of two; answered by Joined."""

    visit: VisitId
    first: Page
    second: Page


@dataclass(frozen=True, slots=True)
class TellStaff:
    """Staff should know; a fault code, or a reason of `Recognition`."""

    code: str


@dataclass(frozen=True, slots=True)
class Quit:
    """End the program with a non-zero status; it is started again."""

    code: str


Effect = Wipe | Cue | Show | ShowPage | Recognise | Join | TellStaff | Quit
Step = tuple[State, tuple[Effect, ...]]


def deadline_of(state: State) -> int | None:
    """When `Ticked` is wanted next, in ticks; None only for Attract."""
    match state:
        case Attract():
            return None
        case Reading() if state.words_at_ms:
            return min(state.words_at_ms, state.until_ms)
        case _:
            return state.until_ms


def step(state: State, event: Event, now_ms: int) -> Step:  # noqa: C901, PLR0911, PLR0912  # one case an event
    """Next state, and what to do about it."""
    if isinstance(state, OutOfOrder):
        return _out_of_order(state, event, now_ms)
    match event:
        case Tapped():
            return _tapped(state, event.visit, now_ms)
        case Proved() | Recognised() | Joined() | Unavailable() | Failed():
            if isinstance(state, Reading) and event.visit == state.visit:
                return _answered(state, event, now_ms)
            if isinstance(state, Open | Masked | Neutral) and event.visit == state.visit:
                return _refined(state, event, now_ms)
            return state, ()
        case Translated():
            return _translated(state, event, now_ms)
        case Changed():
            return _changed(state, event)
        case Left():
            return state, ()
        case Touched():
            return _touched(state, now_ms, idle_ms=FORM_MS if event.is_form else IDLE_MS)
        case Ticked():
            due_ms = deadline_of(state)
            return (
                _ticked(state, now_ms)
                if due_ms is not None and now_ms >= due_ms
                else (state, ())
            )
        case Done():
            return _done(state, now_ms)
        case ReaderLost() | ReaderFound():
            return _reader(state, event, now_ms)
        case Broken():
            wiped = (*_wipe(state), Show(Face.OUT_OF_ORDER), TellStaff(event.code))
            return OutOfOrder(event.code, now_ms + OUT_OF_ORDER_MS), wiped
        case _:
            assert_never(event)


def _out_of_order(state: OutOfOrder, event: Event, now_ms: int) -> Step:
    if isinstance(event, Ticked) and now_ms >= state.until_ms:
        return OutOfOrder(state.code, now_ms + OUT_OF_ORDER_MS), (Quit(state.code),)
    return state, ()


def _wipe(state: State) -> tuple[Effect, ...]:
    match state:
        case Attract() | ReaderGone() | OutOfOrder():
            return ()
        case _:
            return (Wipe(state.visit),)


def _tapped(state: State, visit: VisitId, now_ms: int) -> Step:
    company: Page | None = None
    match state:
        case Open() | Masked():
            company = state.page
        case Reading():
            company = state.company
        case _:
            pass
    reading = Reading(visit, now_ms + READING_MS, now_ms + WORDS_MS, company)
    return reading, (*_wipe(state), Cue(CueKind.SEEN), Show(Face.READING))


def _answered(
    state: Reading, event: Proved | Recognised | Joined | Unavailable | Failed, now_ms: int
) -> Step:
    match event:
        case Proved():
            return state, (Recognise(state.visit, event.band),)
        case Recognised():
            return _recognised(state, event, now_ms)
        case Joined():
            return _opened(state.visit, event.page, now_ms)
        case Unavailable():
            return _not_possible(state.visit, event.code, now_ms)
        case Failed():
            return _failed(state.visit, event.code, now_ms)
        case _:
            assert_never(event)


def _refined(
    state: Open | Masked | Neutral,
    event: Proved | Recognised | Joined | Unavailable | Failed,
    now_ms: int,
) -> Step:
    """The band, which is still there, proved more than at first. What comes of it may add, and takes nothing away."""
    match event:
        case Proved():
            return state, (Recognise(state.visit, event.band),)
        case Recognised(page=page) if page.kind in _OF_PEOPLE:
            return _said_more(state, page, now_ms)
        case _:
            return state, ()


_OF_PEOPLE: Final = (PageKind.PERSONAL, PageKind.FIRST_NAME, PageKind.CHILD)


def _said_more(state: Open | Masked | Neutral, page: Page, now_ms: int) -> Step:
    if isinstance(state, Neutral):
        return _opened(state.visit, page, now_ms)
    had = state.page
    # A page made of the band's own words names no owner: it is the same tap, so it is the same band.
    is_theirs = had.owner in ("", page.owner) and len(had.owners) <= 1
    if not is_theirs or had == page or had.kind is not PageKind.FIRST_NAME:
        return state, ()
    shown = (ShowPage(state.visit, page),) if isinstance(state, Open) else ()
    return replace(state, page=page), shown


def _recognised(state: Reading, event: Recognised, now_ms: int) -> Step:
    told: tuple[Effect, ...] = (TellStaff(event.reason),) if event.reason else ()
    match event.page.kind:
        case PageKind.NEUTRAL:
            neutral = Neutral(state.visit, now_ms + TOLD_MS)
            return neutral, (Cue(CueKind.ATTENTION), Show(Face.NEUTRAL), *told)
        case PageKind.NOT_POSSIBLE:
            return _not_possible(state.visit, event.reason or "store", now_ms)
        case PageKind.PERSONAL | PageKind.FIRST_NAME | PageKind.CHILD:
            first, second = state.company, event.page
            if first is not None and _is_company(first, second):
                return replace(state, company=None), (Join(state.visit, first, second), *told)
            after, effects = _opened(state.visit, second, now_ms)
            return after, (*effects, *told)
        case _:
            assert_never(event.page.kind)


def _is_company(first: Page, second: Page) -> bool:
    """Whether a band joins the visit: the same household, another person."""
    return (
        bool(second.household)
        and first.household == second.household
        and first.owner != second.owner
    )


def _opened(visit: VisitId, page: Page, now_ms: int) -> Step:
    return Open(visit, page, now_ms + IDLE_MS), (Cue(CueKind.WELCOME), ShowPage(visit, page))


def _not_possible(visit: VisitId, code: str, now_ms: int) -> Step:
    effects = (Cue(CueKind.ATTENTION), Show(Face.NOT_POSSIBLE), TellStaff(code))
    return NotPossible(visit, now_ms + TOLD_MS), effects


def _failed(visit: VisitId, code: str, now_ms: int) -> Step:
    until_ms = now_ms + TOLD_MS
    told = TellStaff(code)
    shows = fault_of_code(code).shows
    match shows:
        case Shows.AGAIN:
            return _again(visit, Face.AGAIN, code, now_ms)
        case Shows.ONE_BAND:
            return _again(visit, Face.ONE_BAND, code, now_ms)
        case Shows.READER_GONE:
            gone = ReaderGone(code, now_ms + READER_GONE_MS)
            return gone, (Wipe(visit), Show(Face.READER_GONE), told)
        case Shows.NOT_POSSIBLE:
            return _not_possible(visit, code, now_ms)
        case Shows.NEUTRAL | Shows.OUT_OF_ORDER | Shows.NOTHING:
            return Neutral(visit, until_ms), (Cue(CueKind.ATTENTION), Show(Face.NEUTRAL), told)
        case _:
            assert_never(shows)


def _again(visit: VisitId, face: Face, code: str, now_ms: int) -> Step:
    effects = (Cue(CueKind.ATTENTION), Show(face), TellStaff(code))
    return TryAgain(visit, now_ms + TOLD_MS, face), effects


def _translated(state: State, event: Translated, now_ms: int) -> Step:
    if isinstance(state, Open) and event.visit == state.visit:
        after = replace(state, page=event.page, until_ms=now_ms + IDLE_MS)
        return after, (ShowPage(state.visit, event.page),)
    return state, ()


def _changed(state: State, event: Changed) -> Step:
    """Show it in the place of the old one; nobody touched anything, so no time is won by it."""
    if isinstance(state, Open) and (event.visit, event.page.owner) == (
        state.visit,
        state.page.owner,
    ):
        page = ShowPage(state.visit, event.page, is_quiet=True)
        return replace(state, page=event.page), (page,)
    return state, ()


def _touched(state: State, now_ms: int, *, idle_ms: int) -> Step:
    match state:
        case Open():
            return replace(state, until_ms=now_ms + idle_ms), ()
        case Masked():
            again = Open(state.visit, state.page, now_ms + IDLE_MS, state.gone)
            return again, (ShowPage(state.visit, state.page),)
        case Neutral() | TryAgain() | NotPossible():
            return replace(state, until_ms=now_ms + TOLD_MS), ()
        case _:
            return state, ()


def _ticked(state: State, now_ms: int) -> Step:  # noqa: PLR0911  # one case a state
    match state:
        case Attract() | OutOfOrder():
            return state, ()
        case Reading():
            if now_ms >= state.until_ms:
                return _again(state.visit, Face.AGAIN, SLOW.code, now_ms)
            return replace(state, words_at_ms=0), (Show(Face.MOMENT),)
        case Open():
            masked = Masked(state.visit, state.page, now_ms + MASKED_MS, state.gone)
            return masked, (Cue(CueKind.ATTENTION), Show(Face.MASKED))
        case Masked():
            return _home(state, now_ms, gone=state.gone)
        case Neutral() | TryAgain() | NotPossible():
            return _home(state, now_ms, gone="")
        case ReaderGone():
            told = TellStaff(state.code)
            return ReaderGone(state.code, now_ms + READER_GONE_MS), (told,)
        case _:
            assert_never(state)


def _done(state: State, now_ms: int) -> Step:
    match state:
        case Attract() | ReaderGone() | OutOfOrder():
            return state, ()
        case Open() | Masked():
            return _home(state, now_ms, gone=state.gone)
        case _:
            return _home(state, now_ms, gone="")


def _home(state: State, now_ms: int, *, gone: str) -> Step:
    """Wipe, and back to where nobody is here."""
    if gone:
        effects = (*_wipe(state), Show(Face.READER_GONE))
        return ReaderGone(gone, now_ms + READER_GONE_MS), effects
    return Attract(), (*_wipe(state), Cue(CueKind.GOODBYE), Show(Face.ATTRACT))


def _reader(state: State, event: ReaderLost | ReaderFound, now_ms: int) -> Step:
    code = event.code if isinstance(event, ReaderLost) else ""
    told: tuple[Effect, ...] = (TellStaff(code),) if code else ()
    match state:
        case Open() | Masked():
            return replace(state, gone=code), told
        case ReaderGone() if not code:
            return Attract(), (Show(Face.ATTRACT),)
        case _ if code:
            effects = (*_wipe(state), Show(Face.READER_GONE), *told)
            return ReaderGone(code, now_ms + READER_GONE_MS), effects
        case _:
            return state, ()
