"""How long to wait after a failure. Pure.

Full jitter: a wait is drawn evenly up to a limit that doubles with each failure, so that ten thousand kiosks that lost the
same centre do not come back in the same second.
"""

from typing import Final

FIRST_MS: Final = 1_000
"""Limit of the first wait."""

LONGEST_MS: Final = 60_000
"""Limit of any wait we choose: a shop whose network is back should not wait longer than a minute."""

SHORTEST_MS: Final = 100
"""Never at once: a centre that refuses connections would be asked in a tight loop."""

RETRY_AFTER_MAX_MS: Final = 600_000
"""How long a centre may ask us to wait; more is taken for a mistake."""

SPREAD_MAX_MS: Final = 600_000
"""Over how long a fleet may be spread at most; a shop whose network is back tries at once in any case."""

CHANCES: Final = 65_536
"""`chance` is drawn evenly from 0 to this, exclusive."""


def pause_ms(n_failed: int, chance: int, *, retry_after_ms: int = 0, spread_ms: int = 0) -> int:
    """How long to wait before trying again, in milliseconds.

    Args:
        n_failed: Failures in a row, from 1.
        chance: 0 to CHANCES - 1.
        retry_after_ms: What the centre asked for, 0 for nothing; the wait is drawn on top of it.
        spread_ms: Over how long a fleet is to come back, 0 for no matter; it counts from the second failure on, so that a
            cable that was pulled for a moment costs a moment.
    """
    limit = min(LONGEST_MS, FIRST_MS << min(max(n_failed, 1) - 1, 16))
    if n_failed > 1:
        limit = max(limit, min(max(spread_ms, 0), SPREAD_MAX_MS))
    asked = min(max(retry_after_ms, 0), RETRY_AFTER_MAX_MS)
    return asked + max(SHORTEST_MS, limit * (chance % CHANCES) // CHANCES)
