"""Where a clerk writes a note, or an answer: for whom it is stands above it all the while, in words, and a key changes it."""

from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import TextArea

from kiosk.core.counter_answer import IN_PERSON, Way
from kiosk.core.ports import NoteDraft
from kiosk.core.staff_words import StaffWords
from kiosk.ui.widgets.plain_text import PlainText

NOTE_LENGTH_MAX: Final = 1_000
"""Longest note; what needs more is a letter. The centre takes four times as much."""

LEFT_SAID_FROM: Final = 100
"""From here on it says how many characters are left."""


class _Page(TextArea):
    """Several lines of text in which Enter is the end and Tab moves on."""

    class Ended(Message):
        """Enter was pressed."""

    async def _on_key(self, event: events.Key) -> None:
        """Enter ends the note; every other key writes."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Ended())
            return
        await super()._on_key(event)


class _Audience(PlainText):
    """Who reads the note; a click changes it."""

    class Clicked(Message):
        """It was clicked."""

    def on_click(self, event: events.Click) -> None:
        """A click changes it, as the key does."""
        event.stop()
        self.post_message(self.Clicked())


class NoteWriter(Vertical):
    """A title, who will read it, and the text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f5", "change_audience", show=False)]

    class Submitted(Message):
        """The note is to be recorded."""

        def __init__(self, draft: NoteDraft) -> None:
            super().__init__()
            self.draft = draft

    def __init__(self, words: StaffWords, *, id: str | None = None) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._words = words
        self._owner = ""
        self._is_for_customer = False
        self._answers = ""
        self._ways: tuple[Way, ...] = ()
        self.display = False

    def compose(self) -> ComposeResult:
        """Everything, once."""
        yield _Audience(id="note-audience")
        yield PlainText(id="note-title")
        yield _Page(
            id="note-text",
            soft_wrap=True,
            show_line_numbers=False,
            tab_behavior="focus",
            highlight_cursor_line=False,
            placeholder=self._words.say("note.prompt"),
        )

    @property
    def is_open(self) -> bool:
        """Whether a note is being written."""
        return self.display

    @property
    def draft(self) -> NoteDraft:
        """The note as it stands."""
        text = self.query_one(_Page).text
        channel = self._ways[0].channel if self._ways else ""
        return NoteDraft(
            self._owner,
            text,
            is_for_customer=self._is_for_customer,
            answers=self._answers,
            channel=channel,
        )

    @property
    def is_answer(self) -> bool:
        """Whether an answer is being written, and not a note."""
        return self.is_open and bool(self._ways)

    def begin(self, title: str, draft: NoteDraft, ways: tuple[Way, ...] = ()) -> None:
        """Open with this draft, the cursor behind its text.

        Args:
            title: What it is about.
            draft: Its text so far.
            ways: Of an answer, how it can go; the draft's own first where it is among them.
        """
        chosen = next((n for n, way in enumerate(ways) if way.channel == draft.channel), 0)
        self._ways = (*ways[chosen:], *ways[:chosen])
        self._answers = draft.answers
        self._owner = draft.owner
        self._is_for_customer = draft.is_for_customer
        self._title = title
        page = self.query_one(_Page)
        page.placeholder = self._words.say("answer.prompt" if ways else "note.prompt")
        page.load_text(draft.text)
        page.move_cursor(page.document.end)
        self.display = True
        self._show()
        page.focus()

    def end(self) -> None:
        """Close and forget."""
        self.display = False
        self._owner = self._answers = ""
        self._ways = ()
        self.query_one(_Page).load_text("")

    def take_focus(self) -> None:
        """Put the cursor into the text."""
        self.query_one(_Page).focus()

    def submit(self) -> None:
        """Ask for it to be recorded; one that is too long stays and says so."""
        if len(self.draft.text) <= NOTE_LENGTH_MAX:
            self.post_message(self.Submitted(self.draft))

    def change_audience(self) -> None:
        """The other audience; of an answer the next way."""
        if self._ways:
            self._ways = (*self._ways[1:], self._ways[0])
        else:
            self._is_for_customer = not self._is_for_customer
        self._show()

    def mark(self, ways: tuple[Way, ...]) -> None:
        """How it can go now: time passes while somebody writes."""
        if self._ways and {way.channel for way in ways} == {way.channel for way in self._ways}:
            by_channel = {way.channel: way for way in ways}
            told = tuple(by_channel[way.channel] for way in self._ways)
            if told != self._ways:
                self._ways = told
                self._show()

    def action_change_audience(self) -> None:
        """Key for the other audience."""
        self.change_audience()

    def on__page_ended(self) -> None:
        """Enter was pressed in the text."""
        self.submit()

    def on__audience_clicked(self) -> None:
        """Who reads it was clicked."""
        self.change_audience()

    def on_text_area_changed(self) -> None:
        """Say how much room is left when it gets short."""
        if self.is_open:
            self._show()

    def _show(self) -> None:
        words = self._words
        is_read = self._ways[0].channel != IN_PERSON if self._ways else self._is_for_customer
        self.set_class(is_read, "-customer")
        mark = words.say("note.customer" if self._is_for_customer else "note.internal")
        self.query_one(_Audience).say(self._ways[0].mark if self._ways else mark)
        left = NOTE_LENGTH_MAX - len(self.query_one(_Page).text)
        form = "note.long.one" if left == 1 else "note.long"
        room = f"  {words.say(form, left=left)}" if left < LEFT_SAID_FROM else ""
        self.query_one("#note-title", PlainText).say(f"{self._title}{room}")
