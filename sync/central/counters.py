"""What the centre counts of itself, by name, since it started. Names are public: a graph is drawn from them."""

from collections import Counter
from threading import Lock


class Counters:
    """Counts by name, from any thread.

    answered.<endpoint>   requests that were answered with something else than a problem
    refused.<code>        problem answers, by their code
    ops.<status>          operations answered for the first time
    rows.sent             rows in pages
    pull.parted, pull.too_old    scopes
    push.forked, push.cloned, push.lost     pushes
    want.found, want.nobody, diff.buckets, custody.taken, decided.<decision>
    tidied.<what>         cursors, interests, allowances, snapshots, tombstones, marks
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, name: str, n: int = 1) -> None:
        """Count `n` more."""
        with self._lock:
            self._counts[name] += n

    def __getitem__(self, name: str) -> int:
        """How often; 0 for what never happened."""
        with self._lock:
            return self._counts[name]

    def all(self) -> dict[str, int]:
        """All counts, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))
