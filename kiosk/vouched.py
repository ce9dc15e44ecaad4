"""Which bands the centre proved in their present tap: what it said of one a moment ago, and not for longer than a tap."""

import threading
from typing import Final

from hardware.clock import Clock

VOUCHED_MS: Final = 5_000
"""From the centre's last answer to the page made of it; ten times what that takes on a slow machine."""

KEPT_MAX: Final = 32
"""More taps than two readers have in that time."""


class Vouched:
    """UIDs the centre answered for; from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until_ms: dict[bytes, int] = {}

    def note(self, uid: bytes) -> None:
        """The centre holds the key of this band, the chip proved that it does too, and the band is not blocked."""
        with self._lock:
            self._until_ms.pop(uid, None)
            self._until_ms[uid] = self._clock.ticks_ms() + VOUCHED_MS
            while len(self._until_ms) > KEPT_MAX:
                del self._until_ms[next(iter(self._until_ms))]

    def has(self, uid: bytes) -> bool:
        """Whether it said so a moment ago."""
        with self._lock:
            return self._until_ms.get(uid, 0) > self._clock.ticks_ms()
