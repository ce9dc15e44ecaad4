"""From a band to its owner and everything held of them; the one read path of a tap.

The view of a key is the newest of the base row (the feed's) and the answered row (a push answer's), with unanswered
operations folded over it, and with those of the store's other devices that the feed has not reached (`peer_ops`). The
outbox is read before the cache: an answer reaches the cache before it settles its operation, so no effect can fall
between the two reads. What others did is read in the same moment as the rows and the cursors.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sync.edge import op_keys
from sync.edge.lease import lease_of
from sync.edge.peer_ops import decoded, places, touching
from sync.edge.reading import is_known
from sync.edge.store import EdgeStore, Found, Transaction
from sync.edge.view import LAST, folded, needed, ordered
from sync.model.errors import Malformed
from sync.model.operation import Operation
from sync.model.profile import Profile
from sync.model.records import Band, key_of
from sync.model.row import Cell, Missing, Row, body_of

_FIELDS = "key, kind, owner, version, as_of, source, body, form"
_OF_KEY = f"""SELECT {_FIELDS} FROM row WHERE key = ?1
    UNION ALL SELECT {_FIELDS} FROM answered WHERE key = ?1"""  # noqa: S608  # constants
_OF_OWNER = f"""SELECT {_FIELDS} FROM row WHERE owner = ?1
    UNION ALL SELECT {_FIELDS} FROM answered WHERE owner = ?1"""  # noqa: S608  # constants
_BAND_OWNER = (
    "(SELECT owner FROM row WHERE key = ?1 AND owner > '' ORDER BY version DESC LIMIT 1)"
)
_OF_BAND = f"""
    SELECT * FROM (SELECT '' AS key, '', '', 0, 0, '', x'', 0 FROM peer_op WHERE is_own = 0 LIMIT 1)
    UNION ALL SELECT {_FIELDS} FROM row WHERE owner = {_BAND_OWNER}
    UNION ALL SELECT {_FIELDS} FROM answered WHERE owner = {_BAND_OWNER}
    UNION ALL SELECT {_FIELDS} FROM answered WHERE key = ?1"""  # noqa: S608  # constants
"""All a tap shows, in one read: rows of whose band it is, and first a row without a key where others did something."""

_BASE_OF_KIND = f"SELECT {_FIELDS} FROM row WHERE owner = ? AND kind = ?"  # noqa: S608  # constants
_ALL_BASE = f"SELECT {_FIELDS} FROM row"  # noqa: S608  # constants
_ALL_ANSWERED = f"SELECT {_FIELDS} FROM answered"  # noqa: S608  # constants
_OWN_OF_OWNER = """SELECT n, raw FROM op WHERE owner = ? AND state IN ('recorded', 'sending')"""
_ANY_UNANSWERED = "SELECT 1 FROM op WHERE state IN ('recorded', 'sending') LIMIT 1"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A band this device holds a row of.

    Attributes:
        band: Its row; the body is a Band, whose state the caller judges.
        owner: Customer id, "" for a band that is linked to nobody.
        profile: Everything held of the owner.
    """

    band: Row
    owner: str
    profile: Profile


class Lookup:
    """Reads the cache for people; every answer is there in about a millisecond."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store
        self._lease = lease_of(store)

    def is_shown(self) -> bool:
        """Whether rows of people may be shown; without the lease they count as not held. Raises StoreError."""
        return not self._lease.is_over()

    def by_band(self, band: str) -> Sighting | None:
        """The band, its owner and their profile; None when this device does not hold the band. Raises StoreError."""
        key = key_of("band", band)
        if not self._store.outbox.glance(_ANY_UNANSWERED):
            found = _as_it_stands(key, self._store.cache.glance(_OF_BAND, (key,)))
            if found is not None:
                return found if self.is_shown() else None
        base = self.row(key)
        owner = "" if base is None else base.owner
        view = self._view(owner, (key,))
        row = view.get(key)
        if row is None or not isinstance(row.body, Band):
            return None
        if not row.owner:
            return Sighting(row, "", Profile("", ()))
        profile = _profile_of(row.owner, view if row.owner == owner else self._view(row.owner))
        return Sighting(row, row.owner, profile)

    def profile(self, owner: str) -> Profile:
        """All rows of one customer, unsettled operations folded in; no rows when none are held. Raises StoreError."""
        return _profile_of(owner, self._view(owner))

    def cells(self, keys: Iterable[str], *, owner: str) -> dict[str, Cell]:
        """What an operation about `owner` sees under its keys, unsettled operations folded in. Raises StoreError.

        What this device does not hold is unknown, never absent.
        """
        view = self._view(owner, keys)
        return {key: view.get(key, Missing.UNKNOWN) for key in keys}

    def row(self, key: str) -> Row | None:
        """The newest row of a key, nothing folded; None when this device does not hold it. Raises StoreError."""
        row = self._store.cache.look(lambda file: _row_of_key(file, key))
        return row if row is None or not row.owner or self.is_shown() else None

    def _view(self, owner: str, keys: Iterable[str] = ()) -> dict[str, Row]:
        """All rows of an owner and those of these keys, with everything folded in that touches them."""
        keys = tuple(keys)
        own = self._store.outbox.look(lambda file: _unanswered(file, owner, keys))

        def reading(file: Transaction) -> dict[str, Row]:
            theirs = touching(file, owner, (*keys, *needed(own)))
            ops = tuple(op for op, _ in theirs)
            rows = _rows_of_owner(file, owner) if owner else {}
            for key in {*keys, *needed((*own, *ops))} - rows.keys():
                row = _row_of_key(file, key)
                if row is not None:
                    rows[key] = row
            place: Mapping[str, tuple[int, int]] = places(file, own) if theirs else {}
            order = ordered([(op, place.get(op.id, LAST)) for op in own], theirs)
            if not order:
                return rows
            now = self._store.now_or_later()
            return folded(rows, order, now=now, theirs={op.id for op in ops})

        view = self._store.cache.look(reading)
        return view if self.is_shown() else _of_nobody(view)

    def rows(self, kind: str, *, owner: str = "") -> tuple[Row, ...]:
        """All base rows of one kind and owner, "" for what belongs to nobody. Raises StoreError."""
        if owner and not self.is_shown():
            return ()
        found = self._store.cache.look(lambda file: file.read(_BASE_OF_KIND, (owner, kind)))
        return tuple(_newest(found).values())

    def everything(self) -> tuple[Row, ...]:
        """Every row this device holds, nothing folded: for a display of the whole store, never for a tap. Raises StoreError."""
        found = self._store.cache.look(
            lambda file: [*file.read(_ALL_BASE), *file.read(_ALL_ANSWERED)]
        )
        rows = _newest(found)
        return tuple((rows if self.is_shown() else _of_nobody(rows)).values())


def _as_it_stands(key: str, found: list[Found]) -> Sighting | None:
    """The band of a customer where nothing is to be folded. None where it must be looked at more closely."""
    if not found or not found[0][0] or all(one[0] == key for one in found):
        return None  # with nothing but the band: it was answered, and whose it is the feed did not bring yet
    owner = found[0][2]
    view = _newest(found)
    row = view.get(key)
    if row is None or row.owner != owner or not isinstance(row.body, Band):
        return None
    return Sighting(row, owner, _profile_of(owner, view))


def _of_nobody(rows: Mapping[str, Row]) -> dict[str, Row]:
    """The rows that are about no person."""
    return {key: row for key, row in rows.items() if not row.owner}


def _unanswered(file: Transaction, owner: str, keys: Iterable[str]) -> tuple[Operation, ...]:
    """Operations of this device about one customer, and those that need one of these rows, oldest first."""
    found: dict[int, bytes] = dict(file.read(_OWN_OF_OWNER, (owner,))) if owner else {}
    found.update(op_keys.touching(file, keys))
    ops = (decoded(found[n]) for n in sorted(found))
    return tuple(op for op in ops if op is not None)


def _row_of_key(file: Transaction, key: str) -> Row | None:
    return _newest(file.read(_OF_KEY, (key,))).get(key)


def _rows_of_owner(file: Transaction, owner: str) -> dict[str, Row]:
    return _newest(file.read(_OF_OWNER, (owner,)))


def _profile_of(owner: str, view: Mapping[str, Row]) -> Profile:
    return Profile(owner, tuple(row for row in view.values() if row.owner == owner))


def _newest(found: Iterable[Found]) -> dict[str, Row]:
    """By key the readable row of the highest version; of equals the first, which is the base row."""
    best: dict[str, Found] = {}
    for one in found:
        if one[0] not in best or one[3] > best[one[0]][3]:
            best[one[0]] = one
    rows = (_read(one) for one in best.values())
    return {row.key: row for row in rows if row is not None}


def _read(found: Found) -> Row | None:
    key, kind, owner, version, as_of, source, body, form = found
    if not is_known(kind=kind, form=form):
        return None  # it may decode and mean something else
    try:
        record = body_of(kind, body)
    except Malformed:
        return None  # kept raw and counted by the feed
    return Row(
        key=key,
        kind=kind,
        owner=owner,
        version=version,
        as_of=as_of,
        source=source,
        body=record,
    )
