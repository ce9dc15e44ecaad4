"""What the centre does now and then by itself: ends what is over (who holds whom, what was lent), forgets what is old."""

from typing import Final

from sync.central import (
    changes,
    erasure_notes,
    folding,
    interests,
    outgoing_rows,
    snapshots,
)
from sync.central.erasing_again import ErasingAgain
from sync.central.intake import Intake
from sync.central.lending import take_back_over
from sync.central.pages import drafts
from sync.central.parts import Parts
from sync.central.pulls import Pulls
from sync.central.scopes import HOUR_US
from sync.central.transaction import Transaction
from sync.central.watch import Watch

TOMBSTONES_US: Final = 45 * 86_400 * 1_000_000
"""How long it is known what left a scope; a device that comes back later pulls the scope from the beginning."""

INTERESTS_MAX: Final = 200
"""Interests ended in one transaction: each moves all rows of a customer."""

ALLOWANCES_MAX: Final = 1_000
"""Allowances looked at in one round."""

SLOW_MS: Final = 3_600_000
"""How often what is old is forgotten: it keeps all other writers waiting for a moment."""

ROUNDS_MAX: Final = 50
"""Such transactions in one round; what is left comes in the next."""

FINE_MARKS_US: Final = 24 * HOUR_US
"""After this only the first mark of an hour is kept."""


class Housekeeping:
    """Tidies one centre up."""

    def __init__(
        self, parts: Parts, pulls: Pulls, watch: Watch, intake: Intake, again: ErasingAgain
    ) -> None:
        """Over the parts of one centre, what its devices said in pulls, who waits in its channels, what came by them, who was erased."""
        self._parts = parts
        self._again = again
        self._intake = intake
        self._watch = watch
        self._pulls = pulls
        self._forgot_ms: int | None = None

    def tidy(self, *, is_all: bool = False) -> dict[str, int]:
        """One round; how much of each was done. Raises StoreError: what was done before stands.

        Args:
            is_all: Also what is otherwise done every SLOW_MS.
        """
        ticks = self._parts.clock.ticks_ms()
        is_slow = is_all or self._forgot_ms is None or ticks - self._forgot_ms >= SLOW_MS
        done = {
            "again": self._again.tend(is_all=is_slow),
            "cursors": self._pulls.note_cursors(),
            "interests": self._end_interests(self._parts.now),
            "allowances": self._take_back(self._parts.now),
            "snapshots": self._make_snapshots(),
            "watched": self._watch.look_now_and_then(),
            "taken": self._intake.take_waiting(),
        }
        if is_slow:
            self._forgot_ms = ticks
            done |= self._forget(self._parts.now)
        for name, n in done.items():
            if n:
                self._parts.counters.add(f"tidied.{name}", n)
        return done

    def _take_back(self, now: int) -> int:
        return self._parts.write(lambda it: take_back_over(it, now=now, limit=ALLOWANCES_MAX))

    def _make_snapshots(self) -> int:
        parts = self._parts
        made = (
            snapshots.make(
                parts.store, parts.batch, scope, entropy=parts.entropy, now=parts.now
            )
            for scope in snapshots.due(parts.store)
        )
        return sum(one is not None for one in made)

    def _forget(self, now: int) -> dict[str, int]:
        # Whoever erased somebody may have been ended before this, or somebody was reading for too long.
        self._parts.store.scrub()
        return {
            "tombstones": self._parts.write(
                lambda it: drop_tombstones(it, now - TOMBSTONES_US)
            ),
            "marks": self._parts.write(lambda it: thin_marks(it, now)),
            "events": self._intake.tidy(),
            "strays": self._parts.write(folding.sweep),
            "changes": self._parts.write(lambda it: changes.tidy(it, now=now)),
            "drafts": self._parts.write(lambda it: drafts.tidy(it, now=now)),
            "messages": self._parts.write(lambda it: outgoing_rows.tidy(it, now=now)),
            "notes": self._parts.write(lambda it: erasure_notes.drop_old(it, now=now)),
        }

    def _end_interests(self, now: int) -> int:
        n_ended = 0
        for _ in range(ROUNDS_MAX):
            n = self._parts.write(lambda it: interests.end_over(it, now, limit=INTERESTS_MAX))
            n_ended += n
            if n < INTERESTS_MAX:
                break
        return n_ended


def drop_tombstones(transaction: Transaction, before: int) -> int:
    """Forget what left its scope before then, and raise the floors; how many it were."""
    transaction.lock_all()
    sql = transaction.direct()
    gone = "is_gone = 1 AND at < :before"
    floors = sql.all(
        f"SELECT scope, MAX(seq) FROM ptr WHERE {gone} GROUP BY scope ORDER BY scope",  # noqa: S608  # a constant
        before=before,
    )
    for scope, seq in floors:
        sql.run(
            "UPDATE scope SET floor = :seq WHERE id = :id AND floor < :seq",
            id=scope,
            seq=seq,
        )
        sql.run("DELETE FROM mark WHERE scope = :scope AND seq < :seq", scope=scope, seq=seq)
    return sql.run(f"DELETE FROM ptr WHERE {gone}", before=before)  # noqa: S608  # a constant


def thin_marks(transaction: Transaction, now: int) -> int:
    """Of marks older than a day keep the first of an hour, those of snapshots, and the newest of each scope; how many went."""
    return transaction.direct().run(
        "DELETE FROM mark WHERE is_kept = 0 AND at < :before AND seq <"
        " (SELECT MAX(newer.seq) FROM mark AS newer WHERE newer.scope = mark.scope)"
        " AND NOT EXISTS (SELECT 1 FROM snapshot AS whole"
        " WHERE whole.scope = mark.scope AND whole.mark_seq = mark.seq)",
        before=now - FINE_MARKS_US,
    )
