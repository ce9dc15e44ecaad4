"""What a clerk does from a customer's page, each after one question: hand over, use, set a PIN, block a band, promise, send on, take back."""

from dataclasses import replace
from typing import Final

from kiosk.core.counter_card import counter_card
from kiosk.core.counter_keys import bands_of, promised_on
from kiosk.core.counter_now import Parcel, Ticket, Todo
from kiosk.core.entries import Tone, found, why
from kiosk.core.ports import (
    HERE,
    Pins,
    Refused,
    Witnesses,
)
from kiosk.core.promising import due_choices
from kiosk.ui.screens.alike import DECLINE, JOIN, AlikeQuestion
from kiosk.ui.screens.choice import ChoiceQuestion, Chosen
from kiosk.ui.screens.hand_over import HandOverQuestion
from kiosk.ui.screens.remedy import RemedyQuestion, Tried
from kiosk.ui.screens.set_pin import PinQuestion
from kiosk.ui.views.counter_base import CounterBase, Done
from kiosk.ui.widgets.notice import Notice
from sync.model import promises
from sync.model.card import card_text
from sync.model.errors import StoreError
from sync.model.operation import Evidence, OperationState
from sync.model.operations.block_band import BlockBand, UnblockBand
from sync.model.operations.decline_likeness import DeclineLikeness
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.join_customers import JoinCustomers
from sync.model.operations.keep_promise import KeepPromise
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.redeem import Redeem
from sync.model.operations.refer_customer import ReferCustomer
from sync.model.operations.take_referral import TakeReferral
from sync.model.operations.try_remedy import TryRemedy
from sync.model.records import Band, Case
from sync.model.rules import TEXT_MAX, UNDO_WITHIN_US

PROMISES_NAMED: Final = 2
"""Promises that are named where all of a case are said to be kept; more of them would not fit on the smallest screen."""

ALIKE_WHY_MAX: Final = 200
"""Letters of why two are one that are kept with it (`JoinCustomers.why`)."""


class CounterActs(CounterBase):
    """The acts. Each records one operation, and what came of it is said."""

    # Handing over

    def action_hand_over(self) -> None:
        """Begin to hand over the only parcel, or say which digit to press."""
        if self.page != "sheet" or self._sheet is None:
            return
        parcels = self._sheet.parcels
        if len(parcels) == 1:
            self._ask(self._sheet.owner, parcels[0])
        else:
            self._say("hand.which" if parcels else "hand.none")

    def _ask(self, owner: str, parcel: Parcel) -> None:
        def answered(is_yes: bool | None) -> None:  # noqa: FBT001  # Textual's callback of a modal
            if is_yes:
                self._hand_over(owner, parcel)

        question = HandOverQuestion(
            parcel.question,
            yes=parcel.yes,
            no=self._words.say("hand.no"),
            keys=self._words.say("hand.keys"),
        )
        self.app.push_screen(question, answered)

    def _hand_over(self, owner: str, parcel: Parcel) -> None:
        args = HandOverPickup(pickup=parcel.pickup, order=parcel.order)
        if self._record("hand_over_pickup", args, owner=owner, evidence=parcel.evidence):
            self._say("hand.done", order=self._words.name(parcel.order))

    # Using a ticket or a right

    def _ask_use(self, owner: str, ticket: Ticket) -> None:
        def answered(is_yes: bool | None) -> None:  # noqa: FBT001  # Textual's callback of a modal
            if is_yes:
                self._use(owner, ticket)

        question = HandOverQuestion(
            ticket.question,
            yes=ticket.yes,
            no=self._words.say("hand.no"),
            keys=self._words.say("hand.keys"),
        )
        self.app.push_screen(question, answered)

    def _use(self, owner: str, ticket: Ticket) -> None:
        desk = self._desk
        if isinstance(desk, Witnesses):
            self.run_worker(self._use_witnessed(desk, owner, ticket), group="use")
            return
        args = Redeem(of=ticket.of)
        if self._record("redeem", args, owner=owner, evidence=ticket.evidence):
            self._used(ticket)

    async def _use_witnessed(self, desk: Witnesses, owner: str, ticket: Ticket) -> None:
        """With the customer's band as witness, where it lies there or can be held there again."""
        try:
            recorded = await desk.use(
                ticket.of, owner=owner, actor=self._post.clerk, evidence=ticket.evidence
            )
        except (Refused, StoreError) as error:
            self._say_not_done(error)
            return
        self._recorded(recorded, "redeem", owner)
        self.look()
        self._used(ticket)

    def _used(self, ticket: Ticket) -> None:
        if self._waits is None or self._waits is not self._last:
            self._say("ticket.done", title=ticket.title)
        else:
            self.query_one("#message", Notice).clear()

    def _look_for_answer(self) -> None:
        """What only the centre could decide: did it?"""
        waits = self._waits
        if waits is None:
            return
        try:
            state = self._desk.state_of(waits.op)
            code = next((one.code for one in self._desk.unsettled() if one.op == waits.op), "")
        except StoreError as error:
            self._say_trouble(error)
            return
        notice = self.query_one("#here", Notice)
        match state:
            case OperationState.APPLIED:
                what = self._words.either(f"kind.{waits.kind}", "kind.other")
                notice.announce(self._words.say("wait.yes", what=what), tone=Tone.READY)
            case OperationState.REFUSED | OperationState.HELD | OperationState.VOID:
                reason = why(code, self._words)
                notice.announce(self._words.say("wait.no", why=reason), tone=Tone.ALERT)
            case OperationState.RECORDED | OperationState.SENDING:
                return
            case None:
                pass  # forgotten long after it was settled
        self._waits = None

    # A PIN

    def action_pin(self) -> None:
        """Give the customer a PIN, or another one; the answer says that an ID was seen."""
        sheet, desk = self._sheet, self._desk
        if self.page != "sheet" or sheet is None or not isinstance(desk, Pins):
            return
        owner, name = sheet.owner, sheet.name

        def answered(pin: str | None) -> None:
            if not pin:
                return
            evidence = Evidence("S1", "id_seen", self._opened.evidence.band)

            def do() -> None:
                actor = self._post.clerk
                recorded = desk.set_pin(pin, owner=owner, actor=actor, evidence=evidence)
                self._recorded(recorded, "set_pin", owner)

            if self._does(do):
                self._say("pin.done", name=name)

        self.app.push_screen(PinQuestion(name, words=self._words), answered)

    # A band that is lost, or found

    def _bands(self, state: str) -> tuple[Band, ...]:
        return bands_of(self._profile, state)

    def action_lost(self) -> None:
        """Block a band its wearer says is lost; what remains exposed is said."""
        sheet, bands = self._sheet, self._bands("active")
        if self.page != "sheet" or sheet is None or not bands:
            return
        words = self._words
        names = tuple(words.name(band.label) or band.id[:8] for band in bands)

        def answered(lost: Chosen | None) -> None:
            if lost is None:
                return
            args = BlockBand(band=bands[lost.index].id, why=lost.text)
            evidence = self._opened.by_staff
            if self._record("block_band", args, owner=sheet.owner, evidence=evidence):
                is_online = self._desk.standing().network == HERE
                rest = words.say("lost.rest.online" if is_online else "lost.rest.offline")
                self._say("lost.done", band=names[lost.index], rest=rest, key="Z")

        title = words.say("lost.title", name=sheet.name)
        choices = tuple(words.say("lost.which", band=name) for name in names)
        self.app.push_screen(ChoiceQuestion("lost", title, choices, words=words), answered)

    def action_regained(self) -> None:
        """A band that was blocked was found: it works again, after an ID was seen."""
        sheet, bands = self._sheet, self._bands("blocked")
        if self.page != "sheet" or sheet is None or not bands:
            return
        words = self._words
        band = max(bands, key=lambda one: one.changed_at)
        name = words.name(band.label) or band.id[:8]

        def answered(is_yes: bool | None) -> None:  # noqa: FBT001  # Textual's callback of a modal
            args, evidence = UnblockBand(band=band.id), self._opened.by_staff
            if is_yes and self._record(
                "unblock_band", args, owner=sheet.owner, evidence=evidence
            ):
                self._say("regained.done", band=name)

        question = HandOverQuestion(
            (
                words.say("regained.title", name=sheet.name),
                words.say("regained.which", band=name),
                words.say("regained.line"),
            ),
            yes=words.say("regained.yes"),
            no=words.say("hand.no"),
            keys=words.say("hand.keys"),
        )
        self.app.push_screen(question, answered)

    # What waits for whoever serves

    def _ask_referral(self, todo: Todo) -> None:
        """Take a customer who was sent here; one who was taken, finish."""
        sheet, words = self._sheet, self._words
        if sheet is None:
            return
        owner = sheet.owner

        def answered(is_yes: bool | None) -> None:  # noqa: FBT001  # Textual's callback of a modal
            by = self._post.clerk_name
            args = TakeReferral(referral=todo.id, by=by, is_done=todo.is_taken)
            evidence = self._opened.by_staff
            if is_yes and self._record("take_referral", args, owner=owner, evidence=evidence):
                self._say("referral.done" if todo.is_taken else "referral.taken", by=todo.name)

        question = HandOverQuestion(
            (words.say("referral.question", name=sheet.name, by=todo.name), todo.text),
            yes=words.say("referral.finish" if todo.is_taken else "referral.take"),
            no=words.say("hand.no"),
            keys=words.say("referral.keys"),
        )
        self.app.push_screen(question, answered)

    def _ask_alike(self, todo: Todo) -> None:
        """Are two customers one person? The answer is a clerk's, and can be taken back."""
        sheet = self._sheet
        if sheet is None:
            return
        owner, name = sheet.owner, sheet.name
        likeness = f"{owner}~{todo.id}"

        def answered(answer: str | None) -> None:
            evidence, before = self._opened.by_staff, self._decided
            if answer in (JOIN, DECLINE):
                self._decided = before | {likeness}
            if answer == JOIN:
                why = self._words.say("alike.reason", why=todo.text)[:ALIKE_WHY_MAX]
                joining = JoinCustomers(other=todo.id, why=why)
                if self._record("join_customers", joining, owner=owner, evidence=evidence):
                    self._say("alike.joined", key="Z")
                else:
                    self._decided = before
            elif answer == DECLINE:
                declining = DeclineLikeness(other=todo.id)
                if self._record("decline_likeness", declining, owner=owner, evidence=evidence):
                    assert self._last is not None
                    self._last = replace(self._last, todo=todo)
                    self._say("alike.declined", key="Z")
                else:
                    self._decided = before
            self._fill_sheet()

        question = AlikeQuestion(name, todo.name, todo.text, words=self._words)
        self.app.push_screen(question, answered)

    # What was tried

    @property
    def _open_case(self) -> Case | None:
        """The case a note belongs to."""
        sheet, profile = self._sheet, self._profile
        if sheet is None or profile is None or not sheet.case:
            return None
        return next((case for _, case in profile.of(Case) if case.id == sheet.case), None)

    def action_tried(self) -> None:
        """Write down what was tried for the open case; what failed twice before needs a reason."""
        sheet, case = self._sheet, self._open_case
        if self.page != "sheet" or sheet is None or case is None:
            return
        owner = sheet.owner

        def answered(tried: Tried | None) -> None:
            if tried is None:
                return
            args = TryRemedy(
                case=case.id,
                by=self._post.clerk_name,
                text=tried.text,
                has_failed=tried.has_failed,
                reason=tried.reason,
            )
            evidence = self._opened.by_staff
            if self._record("try_remedy", args, owner=owner, evidence=evidence):
                self._say("remedy.done", what=self._words.name(tried.text), key="Z")

        self.app.push_screen(RemedyQuestion(sheet.name, case, words=self._words), answered)

    # What was promised

    def action_promise(self) -> None:
        """Promise the customer something on their case, by name and time."""
        sheet = self._sheet
        if self.page != "sheet" or sheet is None or not sheet.case:
            return
        tell, words = self._telling(), self._words

        dues = due_choices(tell.now, words.zone)
        told = tuple(words.moment(due, now=tell.now) for due in dues)

        def answered(made: Chosen | None) -> None:
            if made is None:
                return
            by, evidence = self._post.clerk_name, self._opened.by_staff
            args = PromiseAnswer(
                case=sheet.case, by=by, text=made.text, due_at=dues[made.index]
            )
            if self._record("promise_answer", args, owner=sheet.owner, evidence=evidence):
                due, case = told[made.index], sheet.case_number
                self._say("promise.made", due=due, case=case, key="Z")

        title = words.say("promise.title", name=sheet.name, case=sheet.case_number)
        choices = tuple(words.say("promise.until", due=due) for due in told)
        question = ChoiceQuestion("promise", title, choices, words=words)
        self.app.push_screen(question, answered)

    def action_kept(self) -> None:
        """What was promised on a case is done, and how; the case goes on."""
        sheet, case = self._sheet, promised_on(self._profile)
        if self.page != "sheet" or sheet is None or case is None:
            return
        owed, words = promises.standing(case), self._words
        number = words.name(case.number)

        def answered(kept: Chosen | None) -> None:
            if kept is None:
                return
            args = KeepPromise(case=case.id, by=self._post.clerk_name, text=kept.text)
            evidence = self._opened.by_staff
            if self._record("keep_promise", args, owner=sheet.owner, evidence=evidence):
                self._say("promise.done", case=number, key="Z")

        title = words.say("kept.title", case=number)
        if len(owed) > 1:  # one answer keeps them all, so it says how many, and the first two
            title = words.say("kept.title.several", count=len(owed), case=number)
        told = "\n".join(
            words.say("kept.promise", by=words.name(it.by), text=words.text(it.text))
            for it in owed[:PROMISES_NAMED]
        )
        self.app.push_screen(ChoiceQuestion("kept", title, (told,), words=words), answered)

    # Sending a customer on

    @property
    def _other_stores(self) -> tuple[tuple[str, str], ...]:
        here = self._post.store
        found = [(one, self._words.name(name)) for one, name in self._post.stores.items()]
        return tuple(sorted((one for one in found if one[0] != here), key=lambda one: one[1]))

    def action_send_on(self) -> None:
        """Send the customer to another store, with the card, so that nobody there asks again."""
        sheet, stores = self._sheet, self._other_stores
        if self.page != "sheet" or sheet is None or self._profile is None:
            return
        if not stores:
            self._say("refer.nowhere")
            return
        card = card_text(counter_card(self._profile, self._telling()))[:TEXT_MAX]

        def answered(sent: Chosen | None) -> None:
            if sent is None:
                return
            by, evidence = self._post.clerk_name, self._opened.by_staff
            to, store = stores[sent.index]
            args = ReferCustomer(to=to, by=by, text=sent.text, card=card, case=sheet.case)
            if self._record("refer_customer", args, owner=sheet.owner, evidence=evidence):
                self._say("refer.done", store=store, name=sheet.name, key="Z")

        title = self._words.say("refer.title", name=sheet.name)
        choices = tuple(self._words.say("refer.where", store=name) for _, name in stores)
        question = ChoiceQuestion("refer", title, choices, words=self._words)
        self.app.push_screen(question, answered)

    # Taking back

    def action_undo(self) -> None:
        """Take back what was recorded last, if that is not long ago."""
        last = self._last
        if last is None or self._desk.standing().now - last.at > UNDO_WITHIN_US:
            self._say("undo.nothing")
            return
        if last.todo is not None:
            self._ask_alike(last.todo)
            return
        what = self._words.either(f"kind.{last.kind}", "kind.other")

        def answered(is_yes: bool | None) -> None:  # noqa: FBT001  # Textual's callback of a modal
            if is_yes:
                self._undo(last, what)

        question = HandOverQuestion(
            (
                self._words.say("undo.question", what=what),
                self._name_of(last.owner) if last.owner else "",
            ),
            yes=self._words.say("undo.yes"),
            no=self._words.say("hand.no"),
            keys=self._words.say("hand.keys"),
        )
        self.app.push_screen(question, answered)

    def _undo(self, last: Done, what: str) -> None:
        def do() -> None:
            clerk, evidence = self._post.clerk, found("name").by_staff
            back = self._desk.undo(last.op, actor=clerk, evidence=evidence)
            self._late.undone(last.op, back.op, self._desk.standing().now)

        if self._does(do):
            self._last = None
            if last.kind == "join_customers":
                self._decided = frozenset()
            self._say("undo.done", what=what)
            self._fill_page()
            self._show_keys()
