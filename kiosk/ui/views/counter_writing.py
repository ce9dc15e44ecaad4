"""What a clerk writes on a customer's page, a note or an answer in their channel; begun, it is kept until it is recorded. `counter` is made of it."""

from typing import Final

import msgspec
from textual import on
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widgets import TextArea

from kiosk.core.counter import unsaved_names
from kiosk.core.counter_answer import (
    IN_PERSON,
    WINDOWED,
    Answering,
    answering_of,
    way_name,
    window_left,
)
from kiosk.core.entries import Post, Tone
from kiosk.core.ports import CounterDesk, NoteDraft
from kiosk.core.staff_words import StaffWords
from kiosk.ui.views.counter_acts import CounterActs
from kiosk.ui.views.counter_drafts import Drafts
from kiosk.ui.views.counter_find import FindPage
from kiosk.ui.widgets.note import NoteWriter
from kiosk.ui.widgets.notice import Notice
from sync.model.operations.answer_interaction import AnswerInteraction
from sync.model.operations.note_case import NoteCase
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.rules import UNDO_WITHIN_US

DRAFT_S: Final = 1.0
"""How much of what is being written a crash may take."""


class CounterWriting(CounterActs):
    """Notes and answers, and their drafts."""

    def __init__(
        self,
        desk: CounterDesk,
        *,
        post: Post,
        words: StaffWords,
        id: str | None = None,  # noqa: A002  # Textual's own name for it
    ) -> None:
        super().__init__(desk, post=post, words=words, id=id)
        self._drafts = Drafts(desk)
        self._saving: Timer | None = None

    # What the view does

    def take_focus(self) -> None:
        """Put the focus where this page begins."""
        raise NotImplementedError

    def _fit_card(self) -> None:
        raise NotImplementedError

    # Answering in the customer's channel

    def action_answer(self) -> None:
        """Begin or go on with an answer in the customer's own channel."""
        self._begin_answer()

    def _begin_answer(self, *, again: str = "") -> None:
        if self.page != "sheet" or self._sheet is None or self._profile is None:
            return
        self._keep_draft()
        sheet = self._sheet
        begun = self._answering(again=again)
        if begun is None:
            self._say("answer.nothing")
            return
        channel = begun.ways[0].channel
        fresh = NoteDraft(sheet.owner, begun.text, answers=begun.answers, channel=channel)
        kept = self._drafts.answer(sheet.owner)
        draft = kept if kept is not None and not again else fresh
        self.query_one(NoteWriter).begin(begun.title, draft, begun.ways)
        self.query_one("#message", Notice).clear()
        self._show_keys()

    def _answering(self, *, again: str = "") -> Answering | None:
        if self._profile is None or self._sheet is None:
            return None
        mute = {it.id for it in self._late.watches() if not it.has_way_out}
        return answering_of(
            self._profile, self._telling(), name=self._sheet.name, again=again, mute=mute
        )

    def _send_answer(self, draft: NoteDraft) -> None:
        """Record it: what is said here is heard already, what goes out can be taken back for five minutes."""
        by, text = self._post.clerk_name, draft.text.strip()
        args = AnswerInteraction(answers=draft.answers, by=by, text=text, channel=draft.channel)
        evidence = self._opened.by_staff
        if not self._record("answer_interaction", args, owner=draft.owner, evidence=evidence):
            return
        self._drafts.forget(draft)
        self.query_one(NoteWriter).end()
        if draft.channel == IN_PERSON:
            self._say("answer.done.here")
        else:
            profile, now = self._profile, self._telling().now
            is_over = draft.channel == WINDOWED and profile and window_left(profile, now) <= 0
            self._say(
                "answer.done.over" if is_over else "answer.done",
                channel=way_name(draft.channel, self._words),
                at=self._words.clock(now + UNDO_WITHIN_US, now=now),
                key="Z",
            )
        self.take_focus()
        self._show_keys()
        self.call_after_refresh(self.show_newest)

    # Notes

    def action_note(self) -> None:
        """Begin or go on with a note about this customer."""
        if self.page != "sheet" or self._sheet is None:
            return
        self._keep_draft()
        sheet = self._sheet
        form = "note.title.case" if sheet.case else "note.title"
        title = self._words.say(form, name=sheet.name, case=sheet.case_number)
        self.query_one(NoteWriter).begin(
            title, self._drafts.note(sheet.owner) or NoteDraft(sheet.owner, "")
        )
        self.query_one("#message", Notice).clear()
        self._show_keys()

    @on(NoteWriter.Submitted)
    def _save_note(self, event: NoteWriter.Submitted) -> None:
        draft = event.draft
        text = draft.text.strip()
        if not text:
            self._say("answer.empty" if draft.answers else "note.empty", tone=Tone.ASK)
            self._is_note_asked = True
            return
        if draft.answers:
            self._send_answer(draft)
            return
        sheet, by = self._sheet, self._post.clerk_name
        case = sheet.case if sheet is not None and sheet.owner == draft.owner else ""
        audience = "customer" if draft.is_for_customer else "internal"
        kind, args = "note_case", self._note_args(case, by=by, text=text, audience=audience)
        if not case:
            kind = "record_interaction"
        if self._record(kind, args, owner=draft.owner, evidence=self._opened.by_staff):
            self._drafts.forget(draft)
            self.query_one(NoteWriter).end()
            self._say("note.done")
            self.take_focus()
            self._show_keys()
            self.call_after_refresh(self.show_newest)

    def show_newest(self) -> None:
        """Bring the newest contact into view, where a note stands that was just saved."""
        self._fit_card()
        self.call_after_refresh(self._scroll_to_newest)

    def _scroll_to_newest(self) -> None:
        body, timeline = self.query_one("#body", VerticalScroll), self.query_one("#timeline")
        body.scroll_to(y=timeline.virtual_region.y - 1, animate=False, force=True)

    @on(TextArea.Changed)
    def _note_typed(self, event: TextArea.Changed) -> None:
        """What was missing is there."""
        if self._is_note_asked and event.text_area.text.strip():
            self._is_note_asked = False
            self.query_one("#message", Notice).clear()

    def _note_args(self, case: str, *, by: str, text: str, audience: str) -> msgspec.Struct:
        if case:
            return NoteCase(case=case, by=by, text=text, audience=audience)
        return RecordInteraction(
            channel="store", direction="note", by=by, text=text, audience=audience
        )

    def _keep_draft(self) -> None:
        """Put what is being written aside; an empty note is no draft."""
        writer = self.query_one(NoteWriter)
        if not writer.is_open:
            return
        self._drafts.put_aside(writer.draft)
        writer.end()

    def _name_drafts(self) -> None:
        """Say on the search whose notes were begun."""
        names = tuple(self._name_of(owner) for owner in self._drafts.owners)
        self.query_one(FindPage).name_drafts(unsaved_names(names, self._words))

    @on(TextArea.Changed)
    def _begun(self) -> None:
        """Somebody writes: what stands there a moment later is kept."""
        if self._saving is None:
            self._saving = self.set_timer(DRAFT_S, self._save_begun)

    def _save_begun(self) -> None:
        self._saving = None
        writer = self.query_one(NoteWriter)
        if writer.is_open:
            self._drafts.write(writer.draft)

    def _offer_draft(self, owner: str) -> None:
        if self._drafts.answer(owner):
            self._say("answer.draft", key="R", tone=Tone.ASK)
        elif self._drafts.note(owner):
            self._say("note.draft", key="N", tone=Tone.ASK)
