"""How long this device may show what it holds of people after the centre was last heard, and when it must be erased.

    heard --- 72 h ---> hidden --- 30 days ---> erased
      24 h, 48 h: staff are warned

What counts is the age since the centre was last heard, and two clocks measure it; the larger age counts. The wall clock
sees also the hours in which the device was off, but anybody can set it. The ticks of this machine cannot be set, but stand
still while it is off; how far they came is kept every minute. So:

- A clock set back gives nothing back: the largest age ever seen is kept, and goes on growing by the ticks.
- A clock set ahead, by an empty battery or by a fault, hides at once and erases nothing: to erase, either the ticks alone
  must have run long enough, or the wall clock must say a credible age (33 days to 2 years) and a whole day of ticks must
  have passed in which nobody corrected it.
- Only the centre gives a right back: whatever was seen, the age is 0 when it answers.

Operations recorded here are in the outbox and are never touched by this.
"""

import threading
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary, proxy

import msgspec

from sync.edge.store import EdgeStore

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

WARN_MS: Final = (24 * HOUR_MS, 48 * HOUR_MS)
"""Ages at which staff are warned, so that somebody looks before the screens go quiet."""

SHOWN_MS: Final = 72 * HOUR_MS
"""A long weekend without a network. The leases of band keys are as long."""

ERASED_MS: Final = SHOWN_MS + 30 * DAY_MS
"""A device that is away for longer belongs to nobody who needs its copy."""

CREDIBLE_MS: Final = 730 * DAY_MS
"""An age by the wall clock beyond which it is more likely that the clock is wrong."""

SURE_MS: Final = DAY_MS
"""Ticks for which the wall clock must have gone on saying that it is time to erase."""

KEEP_MS: Final = 60_000
"""How often what the clocks say is written down: so much a power cut takes off the age."""


@dataclass(frozen=True, slots=True)
class LeaseState:
    """What may be done with personal rows now.

    Attributes:
        age_ms: Since the centre was last heard; 0 while nothing is known of that.
        left_ms: Until personal rows are hidden; 0 when they are.
        n_warned: How many of the warning ages were reached.
        is_over: Personal rows are not shown.
        is_erase_due: And are to be erased.
    """

    age_ms: int = 0
    left_ms: int = SHOWN_MS
    n_warned: int = 0
    is_over: bool = False
    is_erase_due: bool = False


class _Kept(msgspec.Struct, frozen=True):
    """What is written down.

    Attributes:
        wall: What the wall clock said when the centre was last heard, microseconds since 1970.
        age_ms: The largest age seen.
        ran_ms: Ticks since the centre was last heard, over all starts of this program.
        sure_ms: Ticks for which the wall clock has said that it is time to erase.
        is_erased: Nothing personal is left to erase.
    """

    wall: int
    age_ms: int = 0
    ran_ms: int = 0
    sure_ms: int = 0
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What was kept last, None for nothing; in which life of the cache, and what the ticks said."""

    kept: _Kept | None
    life: int
    ticks_ms: int


class CacheLease:
    """The lease of one device's cache. Take it with `lease_of`; any thread reads, the sync thread writes."""

    def __init__(self, store: EdgeStore) -> None:
        self._store: EdgeStore = proxy(
            store
        )  # it is kept by its store in `_LEASES`, and must not keep it
        self._known = _Known(
            None, -1, 0
        )  # replaced as a whole, so that no reader waits for a writer

    def is_over(self) -> bool:
        """Whether personal rows are not to be shown. Reads no file but the first time. Raises StoreError."""
        return self.state().is_over

    def state(self) -> LeaseState:
        """What may be done now. Raises StoreError."""
        kept = self._now()
        if kept is None:
            return LeaseState()
        return LeaseState(
            age_ms=kept.age_ms,
            left_ms=max(0, SHOWN_MS - kept.age_ms),
            n_warned=sum(kept.age_ms >= limit for limit in WARN_MS),
            is_over=kept.age_ms >= SHOWN_MS,
            is_erase_due=not kept.is_erased
            and (kept.ran_ms >= ERASED_MS or kept.sure_ms >= SURE_MS),
        )

    def heard(self) -> None:
        """The centre answered, provably. Raises StoreError."""
        kept = self._now()
        if kept is None or kept.is_erased or kept.age_ms >= KEEP_MS:
            self._keep(_Kept(self._store.now()))

    def beat(self) -> LeaseState:
        """Write down how far the clocks came, at most every KEEP_MS; what may be done now. Raises StoreError."""
        kept = self._now()
        had = self._known.kept
        if kept is None:
            self._begin()
        elif had is None or kept.ran_ms - had.ran_ms >= KEEP_MS:
            self._keep(kept)
        return self.state()

    def note_erased(self) -> None:
        """Nothing personal is left. Raises StoreError."""
        kept = self._now()
        if kept is not None:
            self._keep(msgspec.structs.replace(kept, is_erased=True))

    def _begin(self) -> None:
        """A cache that was filled before anybody counted: from when it was last complete, by the wall clock."""
        found = self._store.cache.look(
            lambda file: file.read("SELECT coalesce(max(synced_at), 0) FROM cursor")
        )
        if found[0][0]:
            self._keep(_Kept(min(int(found[0][0]), self._store.now())))

    def _now(self) -> _Kept | None:
        """What would be written down now; None while the centre was never heard."""
        known = self._known
        if known.life != self._store.cache.life:
            known = self._known = self._loaded()
        kept = known.kept
        if kept is None:
            return None
        passed_ms = self._store.clock.ticks_ms() - known.ticks_ms
        by_wall_ms = (self._store.now() - kept.wall) // 1_000
        ran_ms = kept.ran_ms + passed_ms
        is_credible = ERASED_MS <= by_wall_ms <= CREDIBLE_MS
        return _Kept(
            wall=kept.wall,
            age_ms=max(kept.age_ms + passed_ms, by_wall_ms, ran_ms),
            ran_ms=ran_ms,
            sure_ms=kept.sure_ms + min(passed_ms, 2 * KEEP_MS) if is_credible else 0,
            is_erased=kept.is_erased,
        )

    def _loaded(self) -> _Known:
        life = self._store.cache.life
        found = self._store.cache.look(
            lambda file: file.read("SELECT value FROM meta WHERE name = 'lease'")
        )
        kept = msgspec.json.decode(found[0][0], type=_Kept) if found else None
        return _Known(kept, life, self._store.clock.ticks_ms())

    def _keep(self, kept: _Kept) -> None:
        """What holds from now on, also where it cannot be written down: then a restart knows an older age, never a younger one."""
        self._known = _Known(kept, self._store.cache.life, self._store.clock.ticks_ms())
        with self._store.cache.write() as file:
            file.execute(
                "INSERT OR REPLACE INTO meta VALUES ('lease', ?)", (msgspec.json.encode(kept),)
            )


_LEASES: Final[WeakKeyDictionary[EdgeStore, CacheLease]] = WeakKeyDictionary()
_LEASES_LOCK: Final = threading.Lock()


def lease_of(store: EdgeStore) -> CacheLease:
    """The one lease of a store's cache, shared by whoever reads and whoever hears the centre."""
    with _LEASES_LOCK:
        return _LEASES.setdefault(store, CacheLease(store))


def trusted_now(store: EdgeStore) -> int:
    """The latest of the wall clock and the latest time the centre ever told, microseconds since 1970: for what takes rights away. Raises StoreError."""
    found = store.cache.look(
        lambda file: file.read("SELECT value FROM meta WHERE name = 'time_floor'")
    )
    return max(store.now(), int(found[0][0]) if found else 0)
