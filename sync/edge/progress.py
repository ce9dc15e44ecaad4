"""How far something long is, for a progress bar: done of total, how fast, and how much longer. Pure.

A rate is taken over the last WINDOW_MS, so that it says how fast it goes now and not how fast it went at the start.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW_MS: Final = 3_000
MARKS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that takes long.

    Attributes:
        what: rows | snapshot | push. Public: printed and sent to screens.
        n_done, n_total: Of it; the total is an estimate and never below what is done.
        per_s: How many a second now, 0 when nothing can be said yet.
    """

    what: str
    n_done: int
    n_total: int
    per_s: int = 0

    @property
    def left_s(self) -> int | None:
        """Seconds until it is done at this rate, rounded up; None when nothing can be said yet."""
        if not self.per_s:
            return None
        return -(-(self.n_total - self.n_done) // self.per_s)


class Meter:
    """Counts one thing at a time."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._total = 0
        self._done = 0
        self._marks: deque[tuple[int, int]] = deque(maxlen=MARKS_MAX)

    @property
    def is_on(self) -> bool:
        """Whether something is being counted."""
        return self._total > 0

    def begin(self, n_total: int, *, now_ms: int) -> None:
        """Count from nothing to `n_total`."""
        self._total, self._done = n_total, 0
        self._marks.clear()
        self._marks.append((now_ms, 0))

    def reach(self, n_done: int, *, now_ms: int) -> None:
        """So many are done now."""
        if self.is_on:
            self._done = n_done
            self._total = max(self._total, n_done)
            while len(self._marks) > 1 and now_ms - self._marks[0][0] > WINDOW_MS:
                self._marks.popleft()
            self._marks.append((now_ms, n_done))

    def add(self, n: int, *, now_ms: int) -> None:
        """So many more are done."""
        self.reach(self._done + n, now_ms=now_ms)

    def end(self) -> None:
        """Nothing is counted any more."""
        self._total = 0

    def progress(self) -> Progress | None:
        """How far it is; None when nothing is counted."""
        if not self.is_on:
            return None
        (then_ms, then), (now_ms, now) = self._marks[0], self._marks[-1]
        per_s = (now - then) * 1_000 // (now_ms - then_ms) if now_ms > then_ms else 0
        return Progress(self._what, self._done, self._total, max(per_s, 0))
