"""How many wait too long in all stores: what the centre counted last, less whom this counter answered and the centre did not count yet."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from kiosk.core.counter_open import n_late_of
from kiosk.core.ports import CounterDesk, Standing, Waits, held_by
from kiosk.core.staff_words import MINUTE_US
from sync.model.errors import StoreError
from sync.model.operation import OperationState
from sync.model.records import ChannelWatch, key_of
from sync.model.watch import Contact, contacts_of, waiting_of

COUNTED_US: Final = 6 * MINUTE_US
"""How long the centre may take to count anew and to tell every counter; it counts at least every five minutes."""

ANSWERS: Final = "answer_interaction"
"""The kind of operation after which somebody waits no more, and once more when it is taken back."""

ON_ITS_WAY: Final = (OperationState.RECORDED, OperationState.SENDING)
"""The centre cannot have counted what such an operation did."""

UNDONE: Final = (OperationState.REFUSED, OperationState.HELD, OperationState.VOID)
"""The centre counts as if such an operation were not."""

Watches = tuple[ChannelWatch, ...]


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done here that the centre's numbers may not know.

    Attributes:
        op: The operation.
        contacts: Who waits no more, or again.
        step: -1 for an answer, 1 for one taken back.
        at: When it was seen last that the centre did not have it, microseconds since 1970.
    """

    op: str
    contacts: tuple[Contact, ...]
    step: int
    at: int


class LateCount:
    """The centre's numbers, as far as they can be shown. Times are microseconds since 1970."""

    def __init__(self, desk: CounterDesk) -> None:
        self._desk = desk
        self._held = held_by(desk)
        self._answered: _Done | None = None
        self._done: tuple[_Done, ...] = ()

    def watches(self) -> Watches:
        """What the centre said of each channel; nothing where nobody can say."""
        desk = self._desk
        try:
            return desk.watches() if isinstance(desk, Waits) else ()
        except StoreError:
            return ()  # the strip itself says what is wrong with the files

    def shown(self, standing: Standing) -> Watches:
        """The same, with what was done here since the centre counted."""
        if not self._done:
            return self.watches()
        looked = (self._looked_at(done, standing.now) for done in self._done)
        self._done = tuple(done for done in looked if done is not None)
        return tuple(self._with_ours(watch) for watch in self.watches())

    def n_late(self, standing: Standing) -> int:
        """How many wait past their promise, in all channels; 0 where nobody can say."""
        return n_late_of(self.shown(standing))

    def waits(self, kind: str, owner: str) -> tuple[Contact, ...]:
        """For what this customer waits, before an operation of that kind is recorded; nothing where it answers nobody."""
        if kind != ANSWERS:
            return ()
        try:
            return waiting_of(contacts_of(self._desk.profile_of(owner).rows))
        except StoreError:
            return ()  # whoever records says what is wrong with the files

    def recorded(self, op: str, owner: str, waited: Collection[Contact], now: int) -> None:
        """It was recorded, now; who does not wait any more was answered by it."""
        if not waited:
            return
        left = {contact.key for contact in self.waits(ANSWERS, owner)}
        gone = tuple(contact for contact in waited if contact.key not in left)
        self._answered = _Done(op, gone, -1, now)
        self._done = (*self._done, self._answered)

    def undone(self, op: str, back: str, now: int) -> None:
        """It was taken back, now, by the operation `back`: whom it answered waits again."""
        answered = self._answered
        if answered is not None and answered.op == op:
            self._answered = None
            self._done = (*self._done, _Done(back, answered.contacts, 1, now))

    def _looked_at(self, done: _Done, now: int) -> _Done | None:
        """The same as it stands now; None where the centre's numbers are right without it."""
        try:
            state = self._desk.state_of(done.op)
        except StoreError:
            return done
        if state in ON_ITS_WAY:
            return replace(done, at=now)
        is_soon = 0 <= now - done.at < COUNTED_US
        return done if is_soon and state not in UNDONE else None

    def _with_ours(self, watch: ChannelWatch) -> ChannelWatch:
        """One channel's numbers, with what they do not know of us."""
        row = self._held(key_of("watch", watch.id))
        counted_at = 0 if row is None else row.as_of
        steps: Counter[Contact] = Counter()
        for done in self._done:
            for contact in done.contacts:
                if contact.channel == watch.id and contact.at <= counted_at <= done.at:
                    steps[contact] += done.step
        n_waiting = watch.n_waiting + sum(steps.values())
        n_late = watch.n_late + sum(
            step for contact, step in steps.items() if contact.due_at < counted_at
        )
        oldest_at = watch.oldest_at
        if any(step < 0 and contact.at <= oldest_at for contact, step in steps.items()):
            oldest_at = 0  # since when the next one waits only the centre knows
        elif again := [contact.at for contact, step in steps.items() if step > 0]:
            oldest_at = min(*again, oldest_at or again[0])
        return msgspec.structs.replace(
            watch, n_waiting=max(n_waiting, 0), n_late=max(n_late, 0), oldest_at=oldest_at
        )
