"""Renewing the capsule on a band: after the page is shown, with a session of K_band, and never half.

    read its head -> the same or newer there already: kept
                  -> else write zeros over the head, the rest, the head (`drivers.credential.capsule.writes`)

A band torn away in between carries none, which the next tap renews. What was sent and not confirmed is not sent again: what
the band then carries is seen at its next tap.
"""

from enum import Enum
from typing import Protocol

from drivers.chips.desfire import Desfire
from drivers.credential.capsule import contained, read_unverified, writes
from drivers.credential.kdf import BLOCK
from drivers.credential.layout import CAPSULE_FILE
from drivers.errors import BandMalformed


class Outcome(Enum):
    """What became of a capsule. Public: said by the reader process."""

    WRITTEN = "written"
    KEPT = "kept"  # the band carries this one, or a newer one


class CapsulePlace(Protocol):
    """Where a chip keeps its capsule, with a session open that may write there. Raises DriverError as the chip does."""

    @property
    def size(self) -> int:
        """Bytes of the place."""
        ...

    @property
    def unit(self) -> int:
        """Bytes written at a time, the head first and last: 4 on a chip with pages."""
        ...

    def read(self) -> bytes:
        """All of it."""
        ...

    def write(self, offset: int, content: bytes) -> None:
        """Write there, whole units."""
        ...


class DesfireCapsule:
    """The capsule file of a DESFire; its session is of K_band."""

    def __init__(self, chip: Desfire) -> None:
        self._chip = chip
        self.size = CAPSULE_FILE.size
        self.unit = BLOCK

    def read(self) -> bytes:
        """All of it, 256 bytes. Raises as `Desfire.read`."""
        return self._chip.read(CAPSULE_FILE)

    def write(self, offset: int, content: bytes) -> None:
        """Write there. Raises as `Desfire.write`."""
        self._chip.write(CAPSULE_FILE, content, offset=offset)


def refreshed(place: CapsulePlace, raw: bytes) -> Outcome:
    """Bring this capsule to the band, unless it carries it or a newer one.

    Args:
        place: Of a band in the field.
        raw: As the centre signed it.

    Raises:
        BandMalformed: `raw` is no capsule, or longer than the place; nothing was sent.
        DriverError: as the chip raises; the band carries the old one, this one, or none.
    """
    seq = read_unverified(raw).seq
    if len(raw) > place.size:
        raise BandMalformed("the capsule is longer than its place")
    if _seq_there(place) >= seq:
        return Outcome.KEPT
    for offset, content in writes(raw, place.size, unit=place.unit):
        place.write(offset, content)
    return Outcome.WRITTEN


def _seq_there(place: CapsulePlace) -> int:
    """The sequence the band says it carries; 0 for none, and for what is none."""
    try:
        raw = contained(place.read())
        return 0 if raw is None else read_unverified(raw).seq
    except BandMalformed:
        return 0
