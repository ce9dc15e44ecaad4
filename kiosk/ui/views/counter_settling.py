"""The page of what is not settled: what a person decides about it, each after one question. `counter` is made of it."""

from typing import Final

import msgspec
from textual.widgets import ContentSwitcher

from kiosk.core.entries import Entry, Post, Tone
from kiosk.core.ports import CounterDesk, Unsettled
from kiosk.core.settling import (
    Settled,
    changed,
    entries_of,
    in_order,
    is_for_a_person,
    settling_of,
)
from kiosk.core.staff_words import StaffWords
from kiosk.ui.screens.settle import SettleQuestion
from kiosk.ui.views.counter_presence import BY_STAFF
from kiosk.ui.views.counter_writing import CounterWriting
from kiosk.ui.widgets.entry_list import EntryList
from kiosk.ui.widgets.notice import Notice
from sync.model.errors import StoreError

UNSETTLED_MAX: Final = 50
"""Operations listed at once; a shop with more needs the network, not a longer list."""


class CounterSettling(CounterWriting):
    """What is not settled, and settling it."""

    def __init__(
        self,
        desk: CounterDesk,
        *,
        post: Post,
        words: StaffWords,
        id: str | None = None,  # noqa: A002  # Textual's own name for it
    ) -> None:
        super().__init__(desk, post=post, words=words, id=id)
        self._unsettled: tuple[Unsettled, ...] = ()

    def action_unsettled(self) -> None:
        """List what is not settled."""
        self._keep_draft()
        self._presence.leave()
        if not self._fill_unsettled():
            return
        self.query_one("#message", Notice).clear()
        self.query_one("#pages", ContentSwitcher).current = "unsettled"
        self.take_focus()
        self._show_keys()

    def _fill_unsettled(self) -> bool:
        """Whether the files answered; the list says what is not settled now."""
        try:
            self._unsettled = in_order(self._desk.unsettled())[:UNSETTLED_MAX]
            entries = entries_of(
                ((one, self._desk.profile_of(one.owner)) for one in self._unsettled),
                self._telling(),
            )
        except StoreError as error:
            self._say_trouble(error)
            return False
        nothing = Entry("", self._words.say("unsettled.nothing"), tone=Tone.MUTED)
        self.query_one("#unsettled-list", EntryList).show(entries or (nothing,))
        self._show_keys()
        return True

    def _settle_first(self) -> None:
        if self._unsettled:
            self._ask_settling(self._unsettled[0])

    def _ask_settling(self, unsettled: Unsettled) -> None:
        """What can be done about it, if a person has to decide."""
        if not is_for_a_person(unsettled):
            return
        try:
            profile = self._desk.profile_of(unsettled.owner)
            args = self._desk.args_of(unsettled.op)
        except StoreError as error:
            self._say_trouble(error)
            return
        settling = settling_of(unsettled, profile, args, self._telling())

        def answered(settled: Settled | None) -> None:
            if settled is None:
                return
            if settled.is_void:
                self._void(unsettled, settled.reason)
            elif args is not None:
                is_same = settled.value == settling.value
                instead = args if is_same else changed(unsettled.kind, args, settled.value)
                if instead is None:
                    value = self._words.name(settled.value)
                    self._say("settle.value.wrong", value=value, tone=Tone.ALERT)
                else:
                    self._replay(unsettled, None if is_same else instead, settled.reason)

        self.app.push_screen(SettleQuestion(settling, words=self._words), answered)

    def _void(self, unsettled: Unsettled, reason: str) -> None:
        def do() -> None:
            self._desk.void(
                unsettled.op, actor=self._post.clerk, evidence=BY_STAFF, reason=reason
            )

        if self._does(do):
            self._say("unsettled.done", what=self._words.say("unsettled.done.void"))
            self._fill_unsettled()

    def _replay(
        self, unsettled: Unsettled, instead: msgspec.Struct | None, reason: str
    ) -> None:
        kind, owner = unsettled.kind, unsettled.owner

        def do() -> None:
            waits = self._late.waits(kind, owner)
            recorded = self._desk.replay(
                unsettled.op,
                actor=self._post.clerk,
                evidence=BY_STAFF,
                reason=reason,
                args=instead,
            )
            self._recorded(recorded, kind, owner)
            self._late.recorded(recorded.op, owner, waits, self._desk.standing().now)

        if self._does(do):
            self._say("unsettled.done", what=self._words.say("unsettled.done.again"))
            self._fill_unsettled()
