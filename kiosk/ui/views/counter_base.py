"""What every act at the counter needs: whose page is open, recording, saying what came of it. `counter` is made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from textual.containers import Vertical
from textual.widgets import ContentSwitcher

from kiosk.core.counter import Sheet
from kiosk.core.counter_now import Todo
from kiosk.core.entries import Post, Telling, Tone, found, name_of, why
from kiosk.core.ports import CounterDesk, Recorded, Refused, held_by
from kiosk.core.staff_words import MINUTE_US, StaffWords
from kiosk.ui.views.counter_late import LateCount
from kiosk.ui.views.counter_presence import Presence
from kiosk.ui.widgets.notice import Notice
from sync.model.errors import StoreError
from sync.model.operation import Evidence
from sync.model.profile import Profile
from sync.model.registry import KINDS

SAID_US: Final = MINUTE_US
"""How long it stands under a page what was done; later acts, at the kiosk too, are not told by it."""


DECLINED: Final = "decline_likeness"


@dataclass(frozen=True, slots=True)
class Done:
    """What was recorded last, and can be taken back for a while."""

    op: str
    kind: str
    owner: str
    at: int
    todo: Todo | None = None


def is_undoable(kind: str) -> bool:
    """Whether an operation of this kind can be taken back by a press; that two are two people is asked once more instead."""
    known = KINDS.get(kind)
    return kind == DECLINED or (known is not None and bool(known.undo))


class CounterBase(Vertical):
    """The state of a counter that acts share, and how an act is done."""

    def __init__(
        self,
        desk: CounterDesk,
        *,
        post: Post,
        words: StaffWords,
        id: str | None = None,  # noqa: A002  # Textual's own name for it
    ) -> None:
        super().__init__(id=id)
        self._desk = desk
        self._post = post
        self._words = words
        self._profile: Profile | None = None
        self._opened = found("name")
        self._sheet: Sheet | None = None
        self._decided: frozenset[str] = frozenset()
        self._presence = Presence(desk, post)
        self._late = LateCount(desk)
        self._said_at = 0
        self._names_undo = False
        self._names: dict[str, str] = {}
        self._is_note_asked = False
        self._last: Done | None = None
        self._waits: Done | None = None

    @property
    def page(self) -> str:
        """Which page is open: find, sheet, unsettled or waiting."""
        return self.query_one("#pages", ContentSwitcher).current or "find"

    @property
    def owner(self) -> str:
        """Whose page is open, "" for nobody's."""
        return self._sheet.owner if self._sheet is not None and self.page == "sheet" else ""

    # What the view does

    def look(self) -> None:
        """Look at this device's files again."""
        raise NotImplementedError

    def _fill_sheet(self) -> None:
        raise NotImplementedError

    def _fill_page(self) -> None:
        """Read anew what is shown, where what was done may have changed it."""
        raise NotImplementedError

    def _show_keys(self) -> None:
        raise NotImplementedError

    # Saying and doing

    def _record(
        self, kind: str, args: msgspec.Struct, *, owner: str, evidence: Evidence
    ) -> bool:
        """Whether it is durable on this device; if not, the message says why and nothing was done."""

        def do() -> None:
            waits = self._late.waits(kind, owner)
            recorded = self._desk.record(
                kind, args, owner=owner, actor=self._post.clerk, evidence=evidence
            )
            self._recorded(recorded, kind, owner)
            self._late.recorded(recorded.op, owner, waits, self._desk.standing().now)

        return self._does(do)

    def _recorded(self, recorded: Recorded, kind: str, owner: str) -> None:
        """It can be taken back for a while; where only the centre can decide it, nothing is handed out before."""
        done = Done(recorded.op, kind, owner, self._desk.standing().now)
        if is_undoable(kind):
            self._last = done
        self._presence.acted(done.at)
        if recorded.waits:
            self._waits = done
            text = self._words.say("unsettled.waits")
            self.query_one("#here", Notice).announce(text, tone=Tone.ASK)

    def _does(self, do: Callable[[], None]) -> bool:
        """Whether it was done; if not, the message says why and nothing was."""
        try:
            do()
        except (Refused, StoreError) as error:
            self._say_not_done(error)
            return False
        self.look()
        self._show_keys()
        return True

    def _say_not_done(self, error: Refused | StoreError) -> None:
        if isinstance(error, Refused):
            reason = why(error.code, self._words)
            if error.at and error.where:
                tell = self._telling()
                at, store = tell.at(error.at), tell.store(error.where)
                reason = self._words.say("why.used_there", at=at, store=store)
            self._say("trouble.refused", why=reason, tone=Tone.ALERT)
            return
        reason = self._words.either(f"trouble.{error.code}", "trouble.store")
        self._say("trouble.record", why=reason, tone=Tone.ALERT)

    def _say(self, sentence: str, *, tone: Tone = Tone.PLAIN, **values: str) -> None:
        self._is_note_asked = False
        self._said_at = self._desk.standing().now if tone is Tone.PLAIN else 0
        self._names_undo = values.get("key") == "Z"
        self.query_one("#message", Notice).announce(
            self._words.say(sentence, **values), tone=tone
        )

    def _unsay(self, now: int) -> None:
        """What was said to be done is let go after a moment, or with the key that takes it back; what went wrong stays."""
        is_old = not 0 <= now - self._said_at <= SAID_US
        is_over = self._last is None if self._names_undo else is_old
        if self._said_at and is_over:
            self._said_at = 0
            self.query_one("#message", Notice).clear()

    def _say_trouble(self, error: StoreError) -> None:
        reason = self._words.either(f"trouble.{error.code}", "trouble.store")
        self._say("trouble.read", why=reason, tone=Tone.ALERT)

    def _name_of(self, owner: str) -> str:
        if owner not in self._names:
            try:
                customer = self._desk.profile_of(owner).customer
            except StoreError:
                customer = (
                    None  # the name is a courtesy here; the page itself will say what is wrong
                )
            if customer is None:
                return self._words.say("name.unknown")
            self._names[owner] = name_of(customer, self._words)
        return self._names[owner]

    def _telling(self) -> Telling:
        now = self._desk.standing().now
        held = held_by(self._desk)
        return Telling(self._words, self._post, now, held=held, decided=self._decided)
