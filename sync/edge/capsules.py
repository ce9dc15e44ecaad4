"""Which capsules this device knows to be on which bands: an older one is a copy, and a young one need not be renewed.

A band is named by a hash of its id, so that nothing of a customer who was erased is found here. A line goes when the capsule
it speaks of is over.
"""

import hashlib
from dataclasses import dataclass

from sync.edge.store import EdgeStore, Transaction


@dataclass(frozen=True, slots=True)
class CapsuleSeen:
    """What is known of the capsule of one band.

    Attributes:
        seq: Its sequence, 0 when none was seen.
        asked_at: When the centre was asked for it last and the band carried the answer, microseconds since 1970; 0 for never.
    """

    seq: int = 0
    asked_at: int = 0


class CapsulesSeen:
    """The capsules of one device's bands."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    def of(self, band: str) -> CapsuleSeen:
        """What is known of this band's. Raises StoreError."""

        def reading(file: Transaction) -> CapsuleSeen:
            found = file.read(
                "SELECT seq, asked_at FROM capsule WHERE band = ?", (_name_of(band),)
            )
            return CapsuleSeen(int(found[0][0]), int(found[0][1])) if found else CapsuleSeen()

        return self._store.cache.look(reading)

    def note(self, band: str, *, seq: int, until: int, asked_at: int = 0) -> None:
        """The band carries this one; an older one is never noted over a newer.

        Args:
            band: Its id.
            seq: Of the capsule.
            until: Its end, microseconds since 1970.
            asked_at: When the centre was asked for it; 0 when it was only read.

        Raises:
            StoreError: this device's files.
        """
        with self._store.cache.write() as file:
            file.execute(
                """INSERT INTO capsule VALUES (?, ?, ?, ?) ON CONFLICT(band) DO UPDATE
                   SET seq = excluded.seq, until = excluded.until, asked_at = max(asked_at, excluded.asked_at)
                   WHERE excluded.seq >= seq""",
                (_name_of(band), seq, asked_at, until),
            )


def _name_of(band: str) -> str:
    return hashlib.sha256(b"tapthread capsule of band\x00" + band.encode()).hexdigest()[:32]
