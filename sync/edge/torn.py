"""Uses that may stand on a band and are recorded nowhere yet: asked of the band, and no answer came.

Written before the band is asked and taken away when it is known what became of it, so that neither a crash nor somebody who
walks away makes one unheard. They stand in the file that is never dropped, and are shown to staff as not settled.
"""

from typing import Final

import msgspec

from sync.edge.store import EdgeStore

_NAME: Final = "torn_uses"

TORN_MAX: Final = 64
"""The oldest of more are forgotten; a counter that has so many has a broken reader, and says so."""


class TornUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of them.

    Attributes:
        op: Id under which the band was asked, and under which it is recorded once it is known.
        of: Key of the account or entitlement.
        owner: Of whom.
        band: Which band was asked.
        at: When, microseconds since 1970.
        stood: How often the band had been used before it was asked the last time, None when it did not say.
        stood_at: And when that was, microseconds since 1970.
    """

    op: str
    of: str
    owner: str
    band: str
    at: int
    stood: int | None = None
    stood_at: int = 0


_read = msgspec.json.Decoder(tuple[TornUse, ...])


class TornUses:
    """The torn uses of one device; on one thread."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    def all(self) -> tuple[TornUse, ...]:
        """Oldest first; none where what is kept does not parse. Raises StoreError."""
        found = self._store.outbox.look(
            lambda file: file.read("SELECT value FROM meta WHERE name = ?", (_NAME,))
        )
        try:
            return _read.decode(found[0][0]) if found else ()
        except (msgspec.DecodeError, TypeError):
            return ()

    def of(self, band: str, of: str) -> TornUse | None:
        """The one that is open between this band and this right. Raises StoreError."""
        return next((one for one in self.all() if (one.band, one.of) == (band, of)), None)

    def note(self, torn: TornUse) -> None:
        """The band is about to be asked, or said how it stood; the same again changes nothing. Raises StoreError."""
        held = self.all()
        if torn in held:
            return
        others = tuple(one for one in held if one.op != torn.op)
        self._write((*others, torn)[-TORN_MAX:])

    def settle(self, op: str) -> bool:
        """It is known what became of it; whether it was here. Raises StoreError."""
        held = self.all()
        left = tuple(one for one in held if one.op != op)
        if len(left) == len(held):
            return False
        self._write(left)
        return True

    def _write(self, held: tuple[TornUse, ...]) -> None:
        with self._store.outbox.write(durable=True) as file:
            if held:
                raw = msgspec.json.encode(held).decode()
                file.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_NAME, raw))
            else:
                file.execute("DELETE FROM meta WHERE name = ?", (_NAME,))
