"""What the centre does now and then by itself: ends what is over, forgets what is old, makes snapshots. Each step is bounded."""

from typing import Final

from sync.central.parts import Parts
from sync.central.pulls import Pulls

TOMBSTONES_US: Final = 45 * 86_400 * 1_000_000
"""How long it is known what left a scope; a device that comes back later pulls the scope from the beginning."""

INTERESTS_MAX: Final = 200
"""Interests ended in one transaction: each moves all rows of a customer."""

SLOW_MS: Final = 3_600_000
"""How often what is old is forgotten: it keeps all other writers waiting for a moment."""

ROUNDS_MAX: Final = 50
"""Such transactions in one round; what is left comes in the next."""


class Housekeeping:
    """Tidies one centre up."""

    def __init__(self, parts: Parts, pulls: Pulls) -> None:
        """Over the parts of one centre, and what its devices said in pulls."""
        self._parts = parts
        self._pulls = pulls
        self._forgot_ms: int | None = None

    def tidy(self, *, is_all: bool = False) -> dict[str, int]:
        """One round; how much of each was done. Raises StoreError: what was done before stands.

        Args:
            is_all: Also what is otherwise done every SLOW_MS.
        """
        done = {
            "cursors": self._pulls.note_cursors(),
            "interests": self._end_interests(self._parts.now),
        }
        ticks = self._parts.clock.ticks_ms()
        if is_all or self._forgot_ms is None or ticks - self._forgot_ms >= SLOW_MS:
            self._forgot_ms = ticks
            done |= self._forget(self._parts.now)
        for name, n in done.items():
            if n:
                self._parts.counters.add(f"tidied.{name}", n)
        return done

    def _forget(self, now: int) -> dict[str, int]:
        return {
            "tombstones": self._parts.write(lambda it: it.drop_tombstones(now - TOMBSTONES_US)),
            "marks": self._parts.write(lambda it: it.thin_marks(now)),
        }

    def _end_interests(self, now: int) -> int:
        n_ended = 0
        for _ in range(ROUNDS_MAX):
            n = self._parts.write(lambda it: it.end_interests_over(now, limit=INTERESTS_MAX))
            n_ended += n
            if n < INTERESTS_MAX:
                break
        return n_ended
