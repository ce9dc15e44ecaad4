"""How many wait too long in all stores, as the centre counts them now and then; none where its number is older than an answer of ours."""

from dataclasses import dataclass
from typing import Final

from kiosk.core.counter_open import n_late_of
from kiosk.core.ports import CounterDesk, Standing, Waits
from kiosk.core.staff_words import MINUTE_US
from sync.model.errors import StoreError
from sync.model.records import ChannelWatch

COUNTED_US: Final = 6 * MINUTE_US
"""How long the centre may take to count anew and to tell every counter; it counts at least every five minutes."""

ANSWERS: Final = "answer_interaction"
"""The kind of operation after which somebody waits no more, and once more when it is taken back."""

Watches = tuple[ChannelWatch, ...]


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done here, with the numbers that know nothing of it. Times are microseconds since 1970."""

    op: str
    before: Watches
    at: int


class LateCount:
    """The centre's numbers, as far as they can be shown."""

    def __init__(self, desk: CounterDesk) -> None:
        self._desk = desk
        self._answered: _Done | None = None
        self._done: _Done | None = None

    def watches(self) -> Watches:
        """What the centre said of each channel; nothing where nobody can say."""
        desk = self._desk
        try:
            return desk.watches() if isinstance(desk, Waits) else ()
        except StoreError:
            return ()  # the strip itself says what is wrong with the files

    def shown(self, standing: Standing) -> Watches:
        """The same, without what is known to be older than an answer given or taken back here."""
        watches, done = self.watches(), self._done
        if done is None:
            return watches
        is_soon = 0 <= standing.now - done.at < COUNTED_US
        if watches == done.before and (is_soon or standing.n_waiting):
            return ()
        self._done = None
        return watches

    def n_late(self, standing: Standing) -> int:
        """How many wait past their promise, in all channels; 0 where nobody can say."""
        return n_late_of(self.shown(standing))

    def recorded(self, op: str, kind: str, now: int) -> None:
        """Something was recorded here, now."""
        if kind == ANSWERS:
            self._done = self._answered = _Done(op, self.watches(), now)

    def undone(self, op: str, now: int) -> None:
        """It was taken back, now: what the centre counted of it meanwhile is wrong again, what it did not is right."""
        answered, watches = self._answered, self.watches()
        if answered is not None and answered.op == op:
            is_counted = watches != answered.before
            self._done = _Done(op, watches, now) if is_counted else None
            self._answered = None
