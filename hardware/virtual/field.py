"""Which bands lie on the readers. Any thread may change it; all readers that share a field see the same bands.

Listeners are called on the thread that changed the field, after the change, and must return at once.
"""

import threading
from collections.abc import Callable

from hardware.virtual.band import VirtualBand

BAND_COUNT_MAX = 8
"""More bands than this do not lie on one antenna."""

Listener = Callable[[], None]
"""Told that the bands changed; on the thread that changed them."""


class Field:
    """The place above the readers where bands are held."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bands: tuple[VirtualBand, ...] = ()
        self._generation = 0
        self._listeners: tuple[Listener, ...] = ()

    @property
    def bands(self) -> tuple[VirtualBand, ...]:
        """The bands in the field, in the order they came."""
        with self._lock:
            return self._bands

    @property
    def generation(self) -> int:
        """Counts changes; the same band put down again is another arrival."""
        with self._lock:
            return self._generation

    def look(self) -> tuple[int, tuple[VirtualBand, ...]]:
        """Generation and bands of the same moment."""
        with self._lock:
            return self._generation, self._bands

    def present(self, *bands: VirtualBand) -> None:
        """Hold exactly these bands to the readers, in place of what was there.

        Raises:
            ValueError: More than BAND_COUNT_MAX.
        """
        if len(bands) > BAND_COUNT_MAX:
            raise ValueError(f"at most {BAND_COUNT_MAX} bands")
        self._change(bands)

    def remove(self) -> None:
        """Take every band away; harmless when there is none."""
        self._change(())

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change, until the returned function is called."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(kept for kept in self._listeners if kept != listener)

        return stop

    def _change(self, bands: tuple[VirtualBand, ...]) -> None:
        with self._lock:
            self._bands = bands
            self._generation += 1
            listeners = self._listeners
        for listener in listeners:
            listener()
