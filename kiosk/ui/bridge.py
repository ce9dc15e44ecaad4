"""Performs what a visit decides, and tells it what happened: the one place where state machine, parts and view meet.

    reader lines, touches, time  ->  event  ->  visit.step  ->  effects  ->  view, recogniser, cues, messages
                                       ^                           |
                                       `------- the answer --------'

Everything runs on the screen's own loop. The recogniser is called there too: it answers from this device's files in a
fraction of a millisecond, and a tap never waits for the network.
"""

import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget

from drivers.lines import (
    Challenge,
    Failed,
    KeyWanted,
    Left,
    Proved,
    ReaderState,
    Refreshed,
    Said,
    Seen,
    Used,
)
from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.errors import DeviceError
from kiosk.core import page as pages
from kiosk.core import visit
from kiosk.core.faults import fault_of
from kiosk.core.ports import (
    BandEvidence,
    Desk,
    Pins,
    PinStanding,
    Recogniser,
    Recognition,
    Refused,
)
from kiosk.core.wording.catalogue import sentence_of
from kiosk.ui.messages import (
    CounterRung,
    CustomerGone,
    CustomerHere,
    ReaderSaid,
    Spoken,
    StaffTold,
)
from kiosk.ui.views.customer import CustomerView
from sync.model.errors import StoreError
from sync.model.operation import Evidence
from sync.model.operations.prove_handle import CODE_DIGITS, ProveHandle, code_digest
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.operations.request_erasure import RequestErasure

log = logging.getLogger(__name__)

HELP_MS: Final = 30_000
"""The help page closes by itself, also where nobody's page is open."""

CODE_MS: Final = 60_000
"""A code stands as long as a form: somebody takes out a telephone and types it."""

LOOK_S: Final = 2.0
"""How often an open page is looked at again; a look takes about a millisecond."""

CALM_MS: Final = 3_000
"""Without a touch for so long, a page may change: nobody is about to press what moves."""

TIDY_MS: Final = 2_000
"""Rest before memory is tidied: a queue of customers taps faster than that."""

_SPOKEN: Final = {
    visit.Face.ATTRACT: "spoken.attract",
    visit.Face.MOMENT: "spoken.reading",
    visit.Face.MASKED: "spoken.masked",
    visit.Face.NEUTRAL: "spoken.neutral",
    visit.Face.AGAIN: "spoken.again",
    visit.Face.ONE_BAND: "spoken.one-band",
    visit.Face.NOT_POSSIBLE: "spoken.not-possible",
    visit.Face.READER_GONE: "spoken.reader-gone",
    visit.Face.OUT_OF_ORDER: "spoken.out-of-order",
}
"""The sentence of each face; a customer's page has its own, and Reading is only light and sound."""

_RUNG: Final = {
    pages.RING_COUNTER: ("rung.heading", "rung.parcel"),
    pages.ASK_TEAM: ("rung.heading", "rung.line"),
    pages.ASK_ABOUT: ("rung.heading", "rung.line"),
    pages.EXCHANGE: ("rung.heading", "rung.exchange"),
    pages.FIND: ("rung.heading", "rung.find"),
    pages.TICKETS: ("rung.heading", "rung.tickets"),
}
"""What is said once an action is durable."""


_NO_PIN: Final = {
    PinStanding.NONE: ("pin.none", "pin.none-line"),
    PinStanding.LOCKED: ("pin.locked", "pin.locked-line"),
}
"""What is said where no PIN can be asked for."""


def _no_cue(_kind: visit.CueKind) -> None:
    """For a kiosk whose light and sound are the screen's own."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the customer's side is made of; `kiosk.assembly` fills it with real parts, tests with small fakes.

    Attributes:
        recogniser: From evidence to the customer's page, from local data.
        evidence_of: What a `Proved` line is worth as evidence: names the band, by reference or by hash of its UID.
        shop: Where and when it is now.
        desk: Where an operation is recorded; None for a screen that only shows.
        cue: Light and sound; called on the screen's loop, returns at once.
        reader_place: Where the reader is as seen from the screen: below, right or left.
        language: The shop's own, BCP 47.
    """

    recogniser: Recogniser
    evidence_of: Callable[[Proved], BandEvidence]
    shop: Callable[[], pages.Shop]
    clock: Clock
    entropy: Entropy
    desk: Desk | None = None
    cue: Callable[[visit.CueKind], None] = field(default=_no_cue)
    reader_place: str = "below"
    language: str = "en"


class CustomerPane(Widget):
    """The customer's view with everything that makes it live; stands alone on a kiosk, in a column of the demo.

    Tell it what the reader process says with `hear` or a `ReaderSaid` message. It posts CustomerHere, CustomerGone,
    CounterRung, StaffTold and Spoken.
    """

    DEFAULT_CSS = "CustomerPane { width: 1fr; height: 1fr; }"

    def __init__(self, parts: Parts, *, id: str | None = None) -> None:  # noqa: A002  # Textual
        super().__init__(id=id)
        self._parts = parts
        self._state: visit.State = visit.Attract()
        self._tap = 0
        self._recognised: dict[str, Recognition] = {}
        self._bands: dict[str, BandEvidence] = {}
        self._timer: Timer | None = None
        self._help_until_ms = 0
        self.view = CustomerView(reader_place=parts.reader_place, language=parts.language)

    def compose(self) -> ComposeResult:
        """The view."""
        yield self.view

    def on_mount(self) -> None:
        """Look now and then whether an open page is still what it says."""
        self.set_interval(LOOK_S, self.look)

    @property
    def state(self) -> visit.State:
        """Where the visit stands."""
        return self._state

    @property
    def is_attract(self) -> bool:
        """Whether nobody is here, so that keys of the house may act."""
        return isinstance(self._state, visit.Attract) and not self._help_until_ms

    # What happens

    def hear(self, said: Said) -> None:
        """Take in a line of the reader process. Lines of an older tap are dropped."""
        match said:
            case Seen():
                self._tap = said.tap
                self._happened(visit.Tapped(self._fresh_visit()))
            case Proved() if said.tap == self._tap:
                band = self._parts.evidence_of(said)
                self._happened(visit.Proved(self._visit, band))
            case Failed() if said.tap == self._tap:
                self._happened(visit.Failed(self._visit, said.code))
            case Left():
                self._happened(visit.Left())
            case ReaderState():
                lost = visit.ReaderLost(said.code) if said.code else visit.ReaderFound()
                self._happened(lost)
            case KeyWanted() | Proved() | Failed() | Challenge() | Refreshed() | Used():
                pass
            case _:
                assert_never(said)

    def tick(self) -> None:
        """Let passed time count; called by its own timer, and by tests that move the clock."""
        self._happened(visit.Ticked())
        if self._help_until_ms and self._parts.clock.ticks_ms() >= self._help_until_ms:
            self._close_help()

    def look(self) -> None:
        """Show what changed of whose page is open, where they only read it: nothing changes under a finger, or in a form."""
        state = self._state
        if not isinstance(state, visit.Open) or self._help_until_ms or not self.view.is_read:
            return
        owner, calm_ms = state.page.owner, state.until_ms - visit.IDLE_MS + CALM_MS
        band = self._bands.get(owner)
        if (
            band is None
            or len(state.page.owners) != 1
            or calm_ms > self._parts.clock.ticks_ms()
        ):
            return
        try:
            found = self._parts.recogniser.recognise(band)
        except (StoreError, DeviceError):
            return  # the next tap says what is wrong
        page = found.page
        if (page.kind, page.owner) != (state.page.kind, owner):
            return  # they know it better from their own tap; another one decides
        if page.language != state.page.language:
            page = pages.spoken_in(page, state.page.language, self._parts.shop())
        if page.blocks != state.page.blocks:
            self._recognised[owner] = found
            self._happened(visit.Changed(state.visit, page))

    def finish(self) -> None:
        """End the visit, as the Done key does."""
        self._happened(visit.Done())

    def break_down(self, code: str) -> None:
        """Show that this screen is out of order."""
        self._happened(visit.Broken(code))

    @on(ReaderSaid)
    def _reader_said(self, event: ReaderSaid) -> None:
        event.stop()
        self.hear(event.said)

    @on(CustomerView.Touched)
    def _touched(self, event: CustomerView.Touched) -> None:
        event.stop()
        if self._help_until_ms:
            self._keep_help()
        self._happened(visit.Touched(is_form=self.view.is_form))

    @on(CustomerView.Done)
    def _done(self, event: CustomerView.Done) -> None:
        event.stop()
        self.finish()

    @on(CustomerView.LanguageWanted)
    def _language_wanted(self, event: CustomerView.LanguageWanted) -> None:
        event.stop()
        match self._state:
            case visit.Open():
                until_ms, shop = self._help_until_ms, self._parts.shop()
                said = pages.spoken_in(self._state.page, event.language, shop)
                self._happened(visit.Translated(self._state.visit, said))
                if self.view.is_told:
                    self._help_until_ms = until_ms
                    self._keep_help()
                    self._arm()
                if self.view.is_form:
                    self._happened(visit.Touched(is_form=True))
            case _:
                self.view.speak(event.language)

    @on(CustomerView.HelpWanted)
    def _help_wanted(self, event: CustomerView.HelpWanted) -> None:
        event.stop()
        if isinstance(self._state, visit.Reading | visit.OutOfOrder):
            return
        is_known = isinstance(self._state, visit.Open)
        line_id = "help.line" if is_known else "help.line-nobody"
        self._keep_help()
        self.view.show_help(line_id, pages.FORGET_ME if self._may_forget else "")
        self._arm()
        self._ring("help", about="", is_recorded=False)

    @on(CustomerView.HelpClosed)
    def _help_closed(self, event: CustomerView.HelpClosed) -> None:
        """Back to the page; what was told before help was asked for stands again as long as help does."""
        event.stop()
        if self.view.is_told:
            self._keep_help()
        else:
            self._help_until_ms = 0
        self._arm()

    @on(CustomerView.ActionWanted)
    def _action_wanted(self, event: CustomerView.ActionWanted) -> None:
        """Record it; success is said only when it is durable."""
        event.stop()
        if not isinstance(self._state, visit.Open):
            return
        recognition = self._recognised.get(self._state.page.owner)
        if recognition is None:
            return
        if event.action == pages.FORGET_ME:
            self._ask_pin(recognition)
            return
        if event.action == pages.PROVE_HANDLE:
            self._show_code(recognition)
            return
        if self._record(event.action, event.about, recognition):
            self._open_help(*_RUNG[event.action])
            self._ring(event.action, about=event.about, is_recorded=True)
        else:
            self._open_help("neutral.see-team", "not-possible.action")

    # Where they write to us

    def _show_code(self, recognition: Recognition) -> None:
        """Show a code they send us from where they write; the centre must hear of it before it does."""
        desk = self._parts.desk
        if desk is None or desk.standing().network != "ok":
            self._open_help("neutral.see-team", "not-possible.code")
            return
        code = f"{int.from_bytes(self._parts.entropy.draw(8), 'big') % 10**CODE_DIGITS:0{CODE_DIGITS}}"
        args = ProveHandle(digest=code_digest(recognition.owner, code))
        try:
            desk.record(
                "prove_handle", args, owner=recognition.owner, actor="customer",
                evidence=recognition.evidence,
            )  # fmt: skip
        except (StoreError, DeviceError) as error:
            self._tell_staff(fault_of(error).code)
            self._open_help("neutral.see-team", "not-possible.code")
            return
        except Refused as error:
            self._tell_staff(error.code)
            self._open_help("neutral.see-team", "not-possible.code")
            return
        values = {"code": f"{code[:3]} {code[3:]}"}
        self._open_help("handle.code", "handle.code-line", values=values)
        self._help_until_ms = self._parts.clock.ticks_ms() + CODE_MS
        self._happened(visit.Touched(is_form=True))
        said = sentence_of("spoken.code", self.view.language)
        self._tell_later(Spoken(said.format(digits=" ".join(code))))

    # What needs a PIN

    @property
    def _may_forget(self) -> bool:
        """Whether one grown-up's own page is open, at a device that knows PINs."""
        state = self._state
        if not isinstance(state, visit.Open) or self._pins is None:
            return False
        return state.page.kind is pages.PageKind.PERSONAL and len(state.page.owners) == 1

    @property
    def _pins(self) -> Pins | None:
        """The desk, where it knows PINs."""
        desk: object = self._parts.desk
        return desk if isinstance(desk, Pins) else None

    def _ask_pin(self, recognition: Recognition) -> None:
        """Ask for the PIN; who has none, or a locked one, is sent to the counter, which is told."""
        desk = self._pins
        assert desk is not None, "it was offered"
        try:
            standing = desk.pin_standing(recognition.owner)
        except (StoreError, DeviceError) as error:
            self._not_possible(fault_of(error).code)
            return
        if standing is PinStanding.OPEN:
            self._help_until_ms = 0
            self.view.ask_pin(pages.FORGET_ME, "pin.ask", "pin.why")
            self._happened(visit.Touched(is_form=True))
        else:
            self._send_for_pin(standing)

    def _send_for_pin(self, standing: PinStanding) -> None:
        self._open_help(*_NO_PIN[standing])
        self._ring(pages.FORGET_ME, about="", is_recorded=False)

    @on(CustomerView.PinTyped)
    def _pin_typed(self, event: CustomerView.PinTyped) -> None:
        """Judge it; a wrong one is counted before anything is said."""
        event.stop()
        state, desk = self._state, self._pins
        if not isinstance(state, visit.Open) or desk is None:
            return
        owner = state.page.owner
        recognition, band = self._recognised.get(owner), self._bands.get(owner)
        if recognition is None or band is None:
            return
        try:
            tried = desk.try_pin(event.pin, owner=owner, band=band)
            if tried.evidence is not None:
                self._forget_customer(recognition, tried.evidence)
        except (StoreError, DeviceError) as error:
            self._not_possible(fault_of(error).code)
            return
        except Refused as error:
            self._not_possible(error.code)
            return
        if tried.evidence is not None:
            self._open_help("erasure.heading", "erasure.line")
        elif tried.is_right:
            self._not_possible("no_deny_list")
        elif tried.standing is PinStanding.OPEN:
            self.view.ask_pin(event.action, "pin.wrong", "pin.why")
        else:
            self._tell_staff("pin_locked")
            self._send_for_pin(tried.standing)

    def _forget_customer(self, recognition: Recognition, evidence: Evidence) -> None:
        assert self._parts.desk is not None, "it judged the PIN"
        text = sentence_of("rang.forget_me", self._parts.language)
        args = RequestErasure(by="kiosk", text=text)
        self._parts.desk.record(
            "request_erasure", args, owner=recognition.owner, actor="customer",
            evidence=evidence,
        )  # fmt: skip

    def _not_possible(self, code: str) -> None:
        self._tell_staff(code)
        self._open_help("neutral.see-team", "not-possible.action")

    # Doing

    def _record(self, action: str, about: str, recognition: Recognition) -> bool:
        """Whether it is durable now."""
        if self._parts.desk is None or action not in _RUNG:
            return False
        args = RecordInteraction(
            channel="store",
            direction="note",
            by="kiosk",
            text=sentence_of(f"rang.{action}", self._parts.language),
            about=about,
            audience="internal",
        )
        try:
            self._parts.desk.record(
                "record_interaction",
                args,
                owner=recognition.owner,
                actor="customer",
                evidence=recognition.evidence,
            )
        except (StoreError, DeviceError) as error:
            self._tell_staff(fault_of(error).code)
            return False
        except Refused as error:
            self._tell_staff(error.code)
            return False
        return True

    def _ring(self, action: str, *, about: str, is_recorded: bool) -> None:
        owner = self._state.page.owner if isinstance(self._state, visit.Open) else ""
        self.post_message(
            CounterRung(action, owner=owner, about=about, is_recorded=is_recorded)
        )

    def _open_help(
        self,
        heading_id: str,
        line_id: str,
        action: str = "",
        values: Mapping[str, str] | None = None,
    ) -> None:
        self._help_until_ms = self._parts.clock.ticks_ms() + HELP_MS
        self.view.tell(heading_id, line_id, action, values)
        self._arm()

    def _keep_help(self) -> None:
        """It stands at least as long as somebody needs to read it; a code under it stands no shorter than alone."""
        until_ms = self._parts.clock.ticks_ms() + HELP_MS
        self._help_until_ms = max(self._help_until_ms, until_ms)

    def _close_help(self) -> None:
        self._help_until_ms = 0
        self.view.hide_help()

    @property
    def _visit(self) -> visit.VisitId:
        """The present visit; an id nobody has while there is none."""
        match self._state:
            case visit.Attract() | visit.ReaderGone() | visit.OutOfOrder():
                return visit.VisitId("")
            case state:
                return state.visit

    def _fresh_visit(self) -> visit.VisitId:
        return visit.VisitId(self._parts.entropy.draw(8).hex())

    def _happened(self, event: visit.Event) -> None:
        """Take one event through the machine, and every answer it asks for."""
        waiting = [event]
        while waiting:
            now_ms = self._parts.clock.ticks_ms()
            self._state, effects = visit.step(self._state, waiting.pop(0), now_ms)
            for effect in effects:
                answer = self._perform(effect)
                if answer is not None:
                    waiting.append(answer)
        self._forget()
        self._arm()

    def _forget(self) -> None:
        """Keep who tapped only as long as a page of theirs, or one they may join, is there."""
        match self._state:
            case visit.Open(page=page) | visit.Masked(page=page):
                kept = page.owners
            case visit.Reading(company=company) if company is not None:
                kept = company.owners
            case _:
                kept = ()
        if self._recognised:
            self._recognised = {
                owner: found for owner, found in self._recognised.items() if owner in kept
            }
            self._bands = {owner: self._bands[owner] for owner in self._recognised}

    def _perform(self, effect: visit.Effect) -> visit.Event | None:
        match effect:
            case visit.Wipe():
                self._wipe()
            case visit.Cue():
                self._parts.cue(effect.kind)
            case visit.Show():
                self._show(effect.face)
            case visit.ShowPage():
                self._help_until_ms = 0
                self.view.show_page(effect.page)
                if not effect.is_quiet:
                    self._tell_later(Spoken(effect.page.spoken))
            case visit.Recognise():
                return self._recognise(effect)
            case visit.Join():
                page = pages.joined(effect.first, effect.second, self._parts.shop())
                return visit.Joined(effect.visit, page)
            case visit.TellStaff():
                self._tell_staff(effect.code)
            case visit.Quit():
                log.error("screen out of order", extra={"code": effect.code})
                self.app.exit(return_code=1)
            case _:
                assert_never(effect)
        return None

    def _wipe(self) -> None:
        self._help_until_ms = 0
        self.view.wipe()
        self._tell_later(CustomerGone())

    def _show(self, face: visit.Face) -> None:
        self._help_until_ms = 0
        self.view.show(face)
        if face in _SPOKEN:
            self._tell_later(Spoken(sentence_of(_SPOKEN[face], self.view.language)))

    def _recognise(self, wanted: visit.Recognise) -> visit.Event:
        try:
            found = self._parts.recogniser.recognise(wanted.band)
        except (StoreError, DeviceError) as error:
            return visit.Unavailable(wanted.visit, fault_of(error).code)
        self._recognised[found.owner], self._bands[found.owner] = found, wanted.band
        self._tell_later(CustomerHere(found))
        return visit.Recognised(wanted.visit, found.page, found.reason)

    def _tell_staff(self, code: str) -> None:
        log.warning("staff were told", extra={"code": code})
        self._tell_later(StaffTold(code))

    def _tell_later(self, message: Message) -> None:
        """Tell the rest of the house once the customer's screen is painted: the tap comes first."""
        self.call_after_refresh(self.post_message, message)

    def _arm(self) -> None:
        """Wake at the next deadline; in attract, tidy memory once it is quiet."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        due_ms = visit.deadline_of(self._state)
        if self._help_until_ms:
            due_ms = min(self._help_until_ms, due_ms or self._help_until_ms)
        if due_ms is None:
            self._timer = self.set_timer(TIDY_MS / 1_000, gc.collect)
        else:
            wait_ms = max(due_ms - self._parts.clock.ticks_ms(), 1)
            self._timer = self.set_timer(wait_ms / 1_000, self.tick)
