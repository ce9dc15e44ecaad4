"""The counter: find a customer, see what matters in two seconds, hand over a parcel, write a note.

    find       one input, a list of who was found
    sheet      the customer's page: now, already told us, all contacts; the note is written below it
    unsettled  what is not settled, in words; a digit opens what can be done about it
    waiting    who waits for us in any channel, who was sent here, who may be one person; what presses most first

All four are mounted once and filled in place. A customer's tap is announced and never swaps the page; a note begun is
kept as a draft until it is recorded. What happened is said only after `Desk.record` returned: it is durable then.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import ContentSwitcher

from kiosk.core.carried import CARRIED, Carried
from kiosk.core.counter import (
    UNLINKED,
    Sheet,
    carried_here,
    carried_said,
    is_spare,
    nobody_here,
    sheet_of,
)
from kiosk.core.counter_card import (
    beside_card,
    card_entries,
    card_room,
    counter_card,
    stands_on_top,
)
from kiosk.core.counter_keys import OPEN_KEY, Shown, keys_of
from kiosk.core.counter_now import Todo
from kiosk.core.counter_open import Open, channels_line, open_of
from kiosk.core.entries import Entry, Opened, Post, Tone, found
from kiosk.core.faults import fault_of_code
from kiosk.core.ports import (
    CounterDesk,
    Found,
    Pins,
    Recognition,
    Waits,
)
from kiosk.core.settling import (
    DIGITS_MAX,
    is_for_a_person,
)
from kiosk.core.staff_words import MINUTE_US, StaffWords
from kiosk.core.wording.catalogue import sentence_of
from kiosk.ui.views.counter_find import FOUND_MAX, FindPage
from kiosk.ui.views.counter_settling import CounterSettling
from kiosk.ui.views.counter_waiting import WaitingPage
from kiosk.ui.widgets.card_rows import CardRows
from kiosk.ui.widgets.entry_list import EntryList
from kiosk.ui.widgets.key_bar import Key, KeyBar
from kiosk.ui.widgets.note import NoteWriter
from kiosk.ui.widgets.notice import Notice
from kiosk.ui.widgets.plain_text import PlainText
from kiosk.ui.widgets.strip import StaffStrip
from sync.model.card import CardLine
from sync.model.errors import StoreError
from sync.model.operations.link_band import LinkBand
from sync.model.records import Referral
from sync.model.rules import UNDO_WITHIN_US

LOOK_S: Final = 1.0
"""How often the strip and the open page look at this device's files; each look takes about a millisecond."""

NARROW: Final = 60
"""Columns below which keys stand close together: a row of keys less is a row of the card more."""

ROWS_AROUND: Final = 6
"""Rows of a page that are not its body, before it was laid out: two lines of who it is, two of keys, the strip, and one more."""

OPEN_EVERY_US: Final = 15 * 1_000_000
"""How often the list of who waits is read again while it is open, and who was sent here while it is not."""

HELD_US: Final = 5 * MINUTE_US
"""How long staff may act on a tap: as long as staff may hold a page."""


@dataclass(frozen=True, slots=True)
class _Here:
    """A customer who tapped while the clerk was at something else."""

    owner: str
    name: str
    opened: Opened
    at: int


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What a band said of a wearer this device knows nothing of, and when it was tapped or first told."""

    carried: Carried
    at: int
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class _Spare:
    """A band of ours that is nobody's yet, and when it was tapped."""

    band: str
    at: int


class _Body(VerticalScroll):
    """The page of a customer, which says when its height changed."""

    class Resized(Message):
        """It has another height now."""

    def on_resize(self) -> None:
        """Say so."""
        self.post_message(self.Resized())


class CounterView(CounterSettling):
    """The clerk's side of the shop. All calls to the desk answer from this device's files in milliseconds."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", show=False),
        Binding("f,F,slash,f8", "find", show=False),
        Binding("n,N", "note", show=False),
        Binding("h,H", "hand_over", show=False),
        Binding("a,A,f7", "ages", show=False),
        Binding("e,E", "unfold", show=False),
        Binding("u,U,f6", "unsettled", show=False),
        Binding("o,O,f4", "open_here", show=False),
        Binding("z,Z,f9", "undo", show=False),
        Binding("p,P", "pin", show=False),
        Binding("b,B", "lost", show=False),
        Binding("v,V", "regained", show=False),
        Binding("r,R", "answer", show=False),
        Binding("c,C", "card", show=False),
        Binding("t,T", "tried", show=False),
        Binding("d,D", "promise", show=False),
        Binding("k,K", "kept", show=False),
        Binding("g,G", "send_on", show=False),
        Binding("w,W,f10", "waiting", show=False),
        *(Binding(digit, f"digit({digit})", show=False) for digit in "123456789"),
    ]

    def __init__(
        self,
        desk: CounterDesk,
        *,
        post: Post,
        words: StaffWords,
        told: tuple[str, ...] = (),
        id: str | None = None,  # noqa: A002  # Textual's own name for it
    ) -> None:
        """Args: `told` are codes of what staff should know from the start, as `staff_told` takes them."""
        super().__init__(desk, post=post, words=words, id=id)
        self._told_first = told
        self._tapped_at = 0
        self._news = ("", 0)
        self._here: _Here | None = None
        self._carried: _Spoken | None = None
        self._spare: _Spare | None = None
        self._shows_card = False
        self._open_read_at = 0
        self._referrals: frozenset[str] = frozenset()
        self._referred = ""
        self._shows_ages = False
        self._is_unfolded = False

    # What there is

    def compose(self) -> ComposeResult:
        """Everything, once."""
        words = self._words
        yield Notice(id="here")
        with ContentSwitcher(initial="find", id="pages"):
            yield FindPage(self._search, words, id="find")
            with Vertical(id="sheet"):
                yield PlainText(id="name")
                yield PlainText(id="about")
                with _Body(id="body"):
                    yield CardRows(id="card")
                    yield EntryList(id="card-whole")
                    yield EntryList(id="now")
                    yield PlainText(words.say("told.title"), classes="title")
                    yield EntryList(id="told")
                    yield PlainText(words.say("timeline.title"), classes="title")
                    yield EntryList(id="timeline")
                yield NoteWriter(words, id="note")
            with Vertical(id="unsettled"):
                yield PlainText(words.say("unsettled.title"), classes="title")
                with VerticalScroll(id="unsettled-body"):
                    yield EntryList(id="unsettled-list")
            yield WaitingPage(words, id="waiting")
        yield Notice(id="message")
        yield KeyBar(id="keys")
        yield StaffStrip(words, id="strip")

    def on_mount(self) -> None:
        """Begin with an empty search."""
        self.set_interval(LOOK_S, self.look)
        self.look()
        self._show_keys()
        for code in self._told_first:
            self.staff_told(code)
        self._drafts.read()
        self._name_drafts()

    def on_resize(self) -> None:
        """Another width: the keys stand as close as it needs."""
        self._show_keys()

    def on_unmount(self) -> None:
        """The counter is closed: nobody is with the customer any more."""
        self._presence.leave()

    def take_focus(self) -> None:
        """Put the focus where this page begins."""
        starts = {
            "find": "#query", "sheet": "#body", "unsettled": "#unsettled-body", "waiting": "#waiting-list",
        }  # fmt: skip
        writer = self.query_one(NoteWriter)
        if self.page == "sheet" and writer.is_open:
            writer.take_focus()
        else:
            self.query_one(starts[self.page]).focus()

    # What others tell it

    def customer_here(self, recognition: Recognition) -> None:
        """A band was tapped: say so; the page stays.

        The customer whose page is open already is only better known now. A tap that opened no page is told with its
        reason, which the customer's panel never says.
        """
        notice = self.query_one("#here", Notice)
        self._carried = self._spare = None
        if recognition.carried is not None:
            self._here = None
            self._carried = _Spoken(recognition.carried, self._desk.standing().now)
            text = carried_here(recognition.carried, key=OPEN_KEY, words=self._words)
            notice.announce(text, tone=Tone.ASK, name="here")
            self._show_keys()
            return
        if not recognition.owner:
            self._here = None
            if is_spare(recognition):
                now = self._desk.standing().now
                self._spare = _Spare(recognition.evidence.band, now)
            if not self._tell_spare():
                text = nobody_here(recognition.reason, self._post, self._words)
                notice.announce(text, tone=Tone.ASK)
            self._show_keys()
            return
        opened = Opened(recognition.evidence)
        if recognition.owner == self.owner:
            self._opened = opened
            self._tapped_at = self._desk.standing().now
            self._fill_sheet()
            notice.announce(
                self._words.say("here.again", name=self._name_of(recognition.owner))
            )
            return
        name = self._name_of(recognition.owner)
        self._here = _Here(recognition.owner, name, opened, self._desk.standing().now)
        notice.announce(self._says_here(name), tone=Tone.READY, name="here")
        self._show_keys()

    def _says_here(self, name: str) -> str:
        return self._words.say("here.one", name=name, key=OPEN_KEY)

    def _name_here(self) -> None:
        """Whoever is here has a name now: another device knew them first."""
        here, notice = self._here, self.query_one("#here", Notice)
        if here is None or not notice.text.endswith(self._says_here(here.name)):
            return
        name = self._name_of(here.owner)
        if name != here.name:
            self._here = replace(here, name=name)
            notice.announce(self._says_here(name), tone=Tone.READY, name="here")

    def customer_rings(self, owner: str, action: str) -> None:
        """The customer at the kiosk asked for somebody; whoever tapped last can be opened.

        Args:
            owner: Customer id, "" when nobody's page was open.
            action: What they touched: one of the actions of `kiosk.core.page`, or help.
        """
        name = self._name_of(owner) if owner else self._words.say("rings.nobody")
        text = self._words.either(f"rings.{action}", "rings.help", name=name)
        if self._here is not None and self._here.owner == owner:
            text = f"{text} {self._words.say('rings.open', key=OPEN_KEY)}"
        self.query_one("#here", Notice).announce(text, tone=Tone.READY, name="here")

    def staff_told(self, code: str) -> None:
        """A fault, or the reason why a tap opened no page, in words."""
        if code == CARRIED and self._carried is not None:
            return  # said with the wearer's name already
        if code == UNLINKED and self._spare is not None and self.owner:
            return  # said with what can be done with it
        keys = (f"here.nobody.{code}", f"notice.{code}")
        known = [key for key in keys if self._words.has(key)]
        if known:
            text = self._words.say(known[0])
        else:
            text = sentence_of(fault_of_code(code).staff, "en")
        self.query_one("#here", Notice).announce(text, tone=Tone.ASK)

    def look(self) -> None:
        """Look at this device's files again: the strip, and the open page where it changed."""
        standing = self._desk.standing()
        self.query_one(StaffStrip).show(standing, n_late=self._late.n_late(standing))
        self._let_go(standing.now)
        self._name_here()
        self._look_for_answer()
        self._look_for_open(standing.now)
        if self.page == "unsettled":
            self._fill_unsettled()
        if not self.owner:
            return
        try:
            profile = self._desk.profile_of(self.owner)
        except StoreError as error:
            self._say_trouble(error)
            return
        if profile != self._profile:
            self._profile = profile
            self._fill_sheet()
        self._presence.serve(self.owner, standing.now)

    def _look_for_open(self, now: int) -> None:
        """Now and then: who was sent here since; the list of who waits, where it is open."""
        desk = self._desk
        if not isinstance(desk, Waits) or 0 <= now - self._open_read_at < OPEN_EVERY_US:
            return
        self._open_read_at = now
        try:
            expected = desk.expected()
            if self.page == "waiting":
                self._fill_waiting()
        except StoreError as error:
            self._say_trouble(error)
            return
        for row, referral in expected:
            if referral.id not in self._referrals and row.owner != self.owner:
                self._announce_referral(row.owner, referral)
        self._referrals = frozenset(referral.id for _, referral in expected)

    def _announce_referral(self, owner: str, referral: Referral) -> None:
        """Somebody was sent to this store: say so, once; the page stays."""
        words = self._words
        self._referred = owner
        text = words.say(
            "referral.here",
            name=self._name_of(owner),
            by=words.name(referral.by),
            text=self._telling().part(referral.text),
            key=OPEN_KEY,
        )
        self.query_one("#here", Notice).announce(text, tone=Tone.READY, name="here")
        self._show_keys()

    def _let_go(self, now: int) -> None:
        """What a tap proved ends after a while: the customer may be gone, and somebody else may stand there."""
        if self._last is not None and now - self._last.at > UNDO_WITHIN_US:
            self._last = None
            self._show_keys()
        self._unsay(now)
        if self._spare is not None and now - self._spare.at > HELD_US:
            self._spare = None
            self._show_keys()
        is_old = self._carried is not None and now - self._carried.at > HELD_US
        if is_old or (self._here is not None and now - self._here.at > HELD_US):
            self._here = self._carried = None
            self.query_one("#here", Notice).clear()
            self._show_keys()
        self._let_go_of_news(now)
        if self._tapped_at and now - self._tapped_at > HELD_US:
            self._tapped_at = 0
            self._opened = found("band")
            self._fill_sheet()

    def _let_go_of_news(self, now: int) -> None:
        """What was told of a tap or a touch at the kiosk, and waits for no key and no answer, is news for as long as a tap is."""
        notice = self.query_one("#here", Notice)
        if notice.text != self._news[0]:
            self._news = (notice.text, now)
        is_waiting = self._here or self._carried or self._referred or self._waits
        if notice.display and not is_waiting and now - self._news[1] > HELD_US:
            notice.clear()

    # Finding

    def _search(self, text: str) -> tuple[Found, ...]:
        try:
            return self._desk.find(text, limit=FOUND_MAX)
        except StoreError as error:
            self._say_trouble(error)
            return ()

    @on(FindPage.Searched)
    def _searched(self, event: FindPage.Searched) -> None:
        event.stop()
        self._show_keys()

    @on(FindPage.Chosen)
    def _found_chosen(self, event: FindPage.Chosen) -> None:
        event.stop()
        self._open_found(event.one)

    def _open_found(self, one: Found) -> None:
        self.open(one.owner, found(one.how))

    # A customer's page

    def open(self, owner: str, opened: Opened) -> None:
        """Show this customer's page; what was being written is kept as a draft."""
        self._keep_draft()
        try:
            self._profile = self._desk.profile_of(owner)
        except StoreError as error:
            self._say_trouble(error)
            return
        self._presence.opened(owner, self._desk.standing().now)
        if self._referred == owner:
            self._referred = ""
        self._opened = opened
        self._tapped_at = 0
        self._is_unfolded = False
        self._shows_card = stands_on_top(self._profile)
        if self._here is not None and self._here.owner == owner:
            self._here = None
        self.query_one("#here", Notice).clear()
        self.query_one("#message", Notice).clear()
        self.query_one("#pages", ContentSwitcher).current = "sheet"
        self._fill_sheet()
        self.query_one("#body", VerticalScroll).scroll_home(animate=False)
        self._offer_draft(owner)
        self.take_focus()
        self._show_keys()

    def _fill_sheet(self) -> None:
        if self._profile is None:
            return
        sheet = sheet_of(
            self._profile,
            tell=self._telling(),
            opened=self._opened,
            is_unfolded=self._is_unfolded,
        )
        self._sheet = sheet
        self._names[sheet.owner] = sheet.name
        name = f"{sheet.name}   {sheet.standing}".strip()
        self.query_one("#name", PlainText).say(name)
        self.query_one("#about", PlainText).say(sheet.about)
        self._fill_card(sheet)
        beside = tuple(one for one in sheet.now if not one.is_on_card)
        now = beside if self._shows_card and len(beside) < len(sheet.now) else sheet.now
        for part, entries in (
            ("#now", now),
            ("#timeline", sheet.timeline),
        ):
            self.query_one(part, EntryList).show(entries, ages=self._shows_ages)
        self._show_keys()

    def _fill_card(self, sheet: Sheet) -> None:
        """The card on top, in the room there is; whole, with what it was built from, where ages are shown."""
        card, whole = self.query_one(CardRows), self.query_one("#card-whole", EntryList)
        card.display = self._shows_card and not self._shows_ages
        whole.display = self._shows_card and self._shows_ages
        if self._profile is None or not self._shows_card:
            self._show_told(sheet.told)
            return
        tell = self._telling()
        told = counter_card(self._profile, tell)
        if self._shows_ages:
            whole.show(card_entries(told, self._profile, tell), ages=True)
            self._show_told(beside_card(sheet.told, told.lines, self._words))
        else:
            laid_out = self.query_one("#body", VerticalScroll).size.height
            height = laid_out or self.size.height - ROWS_AROUND
            beside = tuple(one for one in sheet.now if not one.is_on_card)
            card.show(told, card_room(height, beside))
            self._show_told(beside_card(sheet.told, self._whole_lines(card), self._words))

    def _whole_lines(self, card: CardRows) -> tuple[CardLine, ...]:
        """Lines of the card that are read to their end, with the scroll bar beside them or without."""
        width = self.query_one("#body", VerticalScroll).size.width or self.size.width
        with_bar = card.whole_lines(width - 1)
        return tuple(line for line in card.whole_lines(width) if line in with_bar)

    def _show_told(self, entries: tuple[Entry, ...]) -> None:
        self.query_one("#told", EntryList).show(entries, ages=self._shows_ages)

    @on(_Body.Resized)
    def _fit_card(self) -> None:
        """The card is as long as the page is high."""
        if self._sheet is not None and self._shows_card:
            self._fill_card(self._sheet)

    def action_card(self) -> None:
        """Show the hand-over card on top of the page, or take it away."""
        if self.page != "sheet" or self._sheet is None:
            return
        self._shows_card = not self._shows_card
        self._fill_sheet()
        self.query_one("#body", VerticalScroll).scroll_home(animate=False)

    # What stands there with a digit

    @on(EntryList.Chosen)
    def _chosen(self, event: EntryList.Chosen) -> None:
        self.action_digit(int(event.digit))

    def action_digit(self, digit: int) -> None:
        """A digit: the customer found with it, or the parcel with it; done at once, for the next key is for what it opened."""
        if self.page == "find":
            found_here = self.query_one(FindPage).at(digit - 1)
            if found_here is not None:
                self._open_found(found_here)
        elif self.page == "sheet" and self._sheet is not None:
            self._begin_digit(self._sheet, str(digit))
        elif self.page == "unsettled" and digit <= len(self._unsettled):
            self._ask_settling(self._unsettled[digit - 1])
        elif self.page == "waiting":
            waiting = self.query_one(WaitingPage).at(digit - 1)
            if waiting is not None:
                self._open_waiting(waiting)

    def _begin_digit(self, sheet: Sheet, digit: str) -> None:
        """What stands on the page with this digit."""
        for parcel in sheet.parcels:
            if parcel.digit == digit:
                self._ask(sheet.owner, parcel)
        for ticket in sheet.tickets:
            if ticket.digit == digit:
                self._ask_use(sheet.owner, ticket)
        for todo in sheet.todos:
            if todo.digit == digit:
                self._begin_todo(todo)

    def _begin_todo(self, todo: Todo) -> None:
        match todo.kind:
            case "answer_again":
                self._begin_answer(again=todo.id)
            case "referral":
                self._ask_referral(todo)
            case _:
                self._ask_alike(todo)

    # Moving about

    def action_back(self) -> None:
        """Leave the note, then the page; a list goes back to the customer it was opened from. A note begun is kept."""
        if self.page == "sheet" and self.query_one(NoteWriter).is_open:
            is_answer = self.query_one(NoteWriter).is_answer
            self._keep_draft()
            drafts = self._drafts
            if drafts.answer(self.owner) if is_answer else drafts.note(self.owner):
                self._say("answer.kept" if is_answer else "note.kept")
            self.take_focus()
            self._show_keys()
        elif self.page == "find":
            self.query_one(FindPage).clear()
            self.take_focus()
        elif self.page == "sheet" or self._sheet is None:
            self.action_find()
        else:
            tapped_at = self._tapped_at
            self.open(self._sheet.owner, self._opened)
            self._tapped_at = tapped_at

    def action_find(self) -> None:
        """Go to an empty search; a note begun is kept."""
        self._keep_draft()
        self._presence.leave()
        self._sheet = None
        self._profile = None
        self.query_one("#message", Notice).clear()
        self.query_one(FindPage).clear()
        self._name_drafts()
        self.query_one("#pages", ContentSwitcher).current = "find"
        self.take_focus()
        self._show_keys()

    def action_open_here(self) -> None:
        """Open the page of whoever tapped; of a wearer who has none here, say what the band tells, once ID was seen."""
        spoken = self._carried
        if spoken is not None and not (spoken.is_told and self._referred):
            now = self._desk.standing().now
            text = carried_said(spoken.carried, now=now, words=self._words)
            if not spoken.is_told:  # it can be read again for as long as a tap holds
                self._carried = _Spoken(spoken.carried, now, is_told=True)
            self.query_one("#here", Notice).announce(text)
            self._show_keys()
        elif self._here is not None:
            here = self._here
            self.open(here.owner, here.opened)
            self._tapped_at = here.at
        elif self._spare is not None and self.owner:
            self._link_spare(self._spare, self.owner)
        elif self._referred:
            self.open(self._referred, found("name"))

    def _tell_spare(self) -> bool:
        """Say that the spare on the reader can become the band of whoever's page is open; whether there are both."""
        if self._spare is None or not self.owner:
            return False
        text = self._words.say("here.spare", name=self._name_of(self.owner), key=OPEN_KEY)
        self.query_one("#here", Notice).announce(text, tone=Tone.READY, name="here")
        return True

    def _link_spare(self, spare: _Spare, owner: str) -> None:
        """Make it theirs: a clerk's own act, who has seen who they are; it can be taken back."""
        evidence = found("name").by_staff
        args = LinkBand(band=spare.band)
        if self._record("link_band", args, owner=owner, evidence=evidence):
            self._spare = None
            self._say("link.done", name=self._name_of(owner))
            self.query_one("#here", Notice).clear()
            self._show_keys()

    def action_ages(self) -> None:
        """Show or hide the age and source of every line."""
        self._shows_ages = not self._shows_ages
        self._fill_sheet()

    def action_unfold(self) -> None:
        """Show equal contacts one by one, or as one."""
        self._is_unfolded = not self._is_unfolded
        self._fill_sheet()

    def _fill_page(self) -> None:
        self._fill_sheet()
        if self.page != "waiting":
            return
        try:
            self._fill_waiting()
        except StoreError as error:
            self._say_trouble(error)

    # Who waits for us

    def action_waiting(self) -> None:
        """List who waits, what presses most first."""
        self._keep_draft()
        try:
            self._fill_waiting()
        except StoreError as error:
            self._say_trouble(error)
            return
        self._presence.leave()
        self.query_one("#message", Notice).clear()
        self.query_one("#pages", ContentSwitcher).current = "waiting"
        self.take_focus()
        self._show_keys()

    def _fill_waiting(self) -> None:
        """Read the list anew. Raises StoreError."""
        desk, tell = self._desk, self._telling()
        profiles = desk.waiting() if isinstance(desk, Waits) else ()
        watches = self._late.shown(desk.standing())
        found = open_of(profiles, tell)
        self.query_one(WaitingPage).show(found, channels_line(watches, tell))

    @on(WaitingPage.Chosen)
    def _waiting_chosen(self, event: WaitingPage.Chosen) -> None:
        event.stop()
        self._open_waiting(event.one)

    def _open_waiting(self, one: Open) -> None:
        """Open who is meant; two who look alike with the question about them."""
        self.open(one.owner, found("name"))
        sheet = self._sheet
        if one.kind == "alike" and sheet is not None and sheet.owner == one.owner:
            todos = [it for it in sheet.todos if (it.kind, it.id) == ("likeness", one.id)]
            if todos:
                self._ask_alike(todos[0])

    @on(KeyBar.Pressed)
    def _key_clicked(self, event: KeyBar.Pressed) -> None:
        event.stop()
        self._press(event.name)

    @on(Notice.Pressed)
    def _notice_clicked(self, event: Notice.Pressed) -> None:
        event.stop()
        self._press(event.name)

    def _press(self, name: str) -> None:
        """Do what the key of that name does."""
        writer = self.query_one(NoteWriter)
        actions = {
            "open": self.query_one(FindPage).submit, "back": self.action_back, "find": self.action_find,
            "note": self.action_note, "hand": self.action_hand_over, "ages": self.action_ages,
            "unfold": self.action_unfold, "unsettled": self.action_unsettled, "here": self.action_open_here,
            "link": self.action_open_here, "save": writer.submit, "audience": writer.change_audience, "undo": self.action_undo,
            "settle": self._settle_first, "pin": self.action_pin, "answer": self.action_answer,
            "waiting": self.action_waiting, "open-waiting": self.query_one(WaitingPage).choose_highlighted, "send": writer.submit, "way": writer.change_audience, "card": self.action_card,
            "tried": self.action_tried, "send-on": self.action_send_on, "promise": self.action_promise,
            "kept": self.action_kept, "lost": self.action_lost, "regained": self.action_regained,
        }  # fmt: skip
        actions[name]()

    # Keys

    def _show_keys(self) -> None:
        is_tight = 0 < self.size.width < NARROW
        self.query_one(KeyBar).show(tuple(self._keys()), is_tight=is_tight)

    def _keys(self) -> list[Key]:
        return [(key, self._word_of(name), name) for key, name in keys_of(self._shown())]

    def _shown(self) -> Shown:
        writer, page = self.query_one(NoteWriter), self.page
        is_empty = page != "find" or self.query_one(FindPage).is_empty
        if page == "waiting":
            is_empty = self.query_one(WaitingPage).is_empty
        return Shown(
            page=page,
            sheet=self._sheet,
            profile=self._profile,
            is_writing=writer.is_open,
            is_answer=writer.is_answer,
            is_empty=is_empty,
            n_open=sum(map(is_for_a_person, self._unsettled[:DIGITS_MAX])),
            has_waiting=isinstance(self._desk, Waits),
            has_pins=isinstance(self._desk, Pins),
            has_stores=bool(self._other_stores),
            may_undo=self._last is not None,
            here=self._here_name,
        )

    @property
    def has_here(self) -> bool:
        """Whether the key for whoever is here does something."""
        return bool(self._here_name)

    @property
    def _here_name(self) -> str:
        """What the key for whoever is here does, as `action_open_here` decides it."""
        if self._carried is not None or self._here is not None:
            return "here"
        if self._spare is not None and self.owner:
            return "link"
        return "here" if self._referred else ""

    def _word_of(self, key: str) -> str:
        if key == "unfold" and self._is_unfolded:
            return self._words.say("key.fold")
        count = self._sheet.n_contacts if self._sheet is not None else 0
        return self._words.say(f"key.{key}", count=count)
