"""Of whom something is open: an answer or a promise is owed, a store expects them, two may be one; for a list, never for a tap.

Keys are read by range and bodies looked at without decoding them; who may be listed is decided on the whole profile by
whoever asks. The rows of a channel's numbers are nobody's and always there.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from sync.edge.lookup import Lookup
from sync.edge.store import EdgeStore, Found
from sync.model.profile import Profile
from sync.model.records import ChannelWatch, Referral
from sync.model.row import Row

OWNERS_MAX: Final = 200
"""Customers listed at once; a store with more late ones needs people, not a longer list."""

LAST: Final = 1 << 62
"""Where those stand that are due at no time."""

_MARKS: Final = (b'"due_at":', b'"answered_at":', b'"state":"open"', b'"promise":{')
_TABLES: Final = ("row", "answered")
_ASKED: Final = (
    ("interaction", "instr(body, ?1) > 0 AND instr(body, ?2) = 0"),
    ("case", "instr(body, ?3) > 0 AND instr(body, ?4) > 0"),
    ("referral", "instr(body, ?5) > 0"),
    ("likeness", "1"),
)
_FIND: Final = " UNION ALL ".join(
    f"SELECT owner, body FROM {table} WHERE key >= '{kind}/' AND key < '{kind}0' AND {asked}"  # noqa: S608  # constants
    for table in _TABLES
    for kind, asked in _ASKED
)
_REFERRALS: Final = " UNION ALL ".join(
    f"SELECT owner, body FROM {table} WHERE key >= 'referral/' AND key < 'referral0' AND instr(body, ?1) > 0"  # noqa: S608  # constants
    for table in _TABLES
)


class _Due(msgspec.Struct):
    due_at: int = 0
    kept_at: int = 0


class _Body(msgspec.Struct):
    """What of a body says how soon it is due."""

    due_at: int = 0
    promise: _Due | None = None
    earlier: tuple[_Due, ...] = ()


class OpenThings:
    """Reads who waits, from this device's own files."""

    def __init__(self, store: EdgeStore, *, place: str) -> None:
        """Args: `place` is the id of the store this device stands in."""
        self._store = store
        self._lookup = Lookup(store)
        self._place = b'"store":' + msgspec.json.encode(place)

    def profiles(self) -> tuple[Profile, ...]:
        """Everybody of whom something may be open, what is due first before the others. Raises StoreError."""
        if not self._lookup.is_shown():
            return ()
        values = (*_MARKS, self._place)
        found = self._store.cache.look(lambda file: file.read(_FIND, values))
        return tuple(self._lookup.profile(owner) for owner in _first(found, OWNERS_MAX))

    def expected(self) -> tuple[tuple[Row, Referral], ...]:
        """Who was sent to this store and was not taken yet. Raises StoreError."""
        if not self._lookup.is_shown():
            return ()
        found = self._store.cache.look(lambda file: file.read(_REFERRALS, (self._place,)))
        return tuple(
            (row, body)
            for owner in _first(found, OWNERS_MAX)
            for row, body in self._lookup.profile(owner).of(Referral)
            if body.state == "open"
        )

    def watches(self) -> tuple[ChannelWatch, ...]:
        """The centre's numbers of each channel. Raises StoreError."""
        rows = self._lookup.rows("watch")
        return tuple(row.body for row in rows if isinstance(row.body, ChannelWatch))


def _first(found: Iterable[Found], limit: int) -> tuple[str, ...]:
    """Owners, the earliest due first."""
    due: dict[str, int] = {}
    for owner, body in found:
        if owner:
            due[owner] = min(due.get(owner, LAST), _due_of(body))
    return tuple(sorted(due, key=lambda owner: (due[owner], owner))[:limit])


def _due_of(body: bytes) -> int:
    try:
        read = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return LAST  # its page will say what is wrong with it
    if read.promise is None:
        return read.due_at or LAST
    owed = [it for it in (*read.earlier, read.promise) if not it.kept_at]
    return min((it.due_at for it in owed or [read.promise]), default=0) or LAST
