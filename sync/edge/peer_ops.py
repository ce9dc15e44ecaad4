"""What the other devices of this store did that this device's own feed has not brought yet, as its relay told.

In the encrypted cache, so that it outlives the relay and a start of this program, and every reader sees it in the same
moment as the rows. An operation leaves it in three ways only: its owner withdrew it; the feed reached every seq its owner
reported; or its owner told a new life of the mailbox all it has, and this one was no longer in it.

Where the histories part (`feed`), a place beyond that says nothing any more, and no feed may reach it: who reported it does so again.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from sync.edge.relay import Changes, Entry
from sync.edge.relay_wire import SessionOver
from sync.edge.store import EdgeStore, Found, Transaction
from sync.edge.view import Place, needed
from sync.model.operation import Operation

log = logging.getLogger(__name__)

ANY_OF_OTHERS: Final = "SELECT 1 FROM peer_op WHERE is_own = 0 AND owner >= '' LIMIT 1"
"""Whether anything of the store's other devices is kept here at all."""

_OF_OWNER = """SELECT op, life, n, raw, at FROM peer_op WHERE is_own = 0 AND owner = ?"""
_SETTLED = """SELECT op, life, n, raw, at FROM peer_op
    WHERE is_own = 0 AND owner >= '' AND state = 'settled'"""
_LOST = "SELECT op FROM peer_op WHERE is_own = 1 AND state = ?"
_OF_KEY = """SELECT op, life, n, raw, at FROM peer_op WHERE is_own = 0
    AND op IN (SELECT op FROM peer_key WHERE key = ?)"""


LOST: Final = "lost"
"""State of an operation of our own that is settled at a place of a history the centre lost; the mailbox does not know that so far."""


class PeerOps:
    """The operations of the store's devices; written by the relay's thread, and by whoever is shown what came in between."""

    def __init__(self, store: EdgeStore, *, device: str) -> None:
        """Args: `device` is this one."""
        self._store = store
        self._device = device

    def begin(self, life: str) -> int:
        """Follow this life of the mailbox; up to which number its changes are held here. Raises StoreError."""
        with self._store.cache.write() as file:
            if _meta(file, "relay_life") != life:
                _set_meta(file, "relay_life", life)
                _begin_again(file)
            return _number(file, "relay_seen")

    def seen(self) -> tuple[str, int]:
        """Which life is followed, and up to which number its changes are held here. Raises StoreError."""
        return self._store.cache.look(
            lambda file: (_meta(file, "relay_life"), _number(file, "relay_seen"))
        )

    def take(self, changes: Changes) -> bool:
        """Take in what changed in the mailbox; whether anything of others is different now.

        Raises:
            SessionOver: the cache was made anew, or follows another life: all has to come again.
            StoreError: this device's files.
        """
        with self._store.cache.write() as file:
            if _meta(file, "relay_life") != changes.life:
                raise SessionOver("not the life that is followed")
            if changes.is_whole:
                _begin_again(file)
            life = _number(file, "relay_age")
            for entry in changes.entries:
                self._put(file, entry, life)
            n_over = 0
            for device in changes.present:
                n_over += _drop(
                    file,
                    "SELECT op FROM peer_op WHERE device = ? AND life < ?",
                    (device, life),
                )
            _set_meta(file, "relay_seen", str(changes.to))
        if n_over:
            log.info("operations of peers were over", extra={"count": n_over})
        return n_over > 0 or any(entry.device != self._device for entry in changes.entries)

    def show(self, ahead: Iterable[Entry]) -> None:
        """Take in some entries of others before the changes that bring them; those that came meanwhile are older now. Raises StoreError."""
        with self._store.cache.write() as file:
            life, seen = _number(file, "relay_age"), _number(file, "relay_seen")
            for entry in ahead:
                if entry.change > seen:
                    self._put(file, entry, life)

    def own(self) -> dict[str, str]:
        """This device's operations in the mailbox and their state there, as far as it was told. Raises StoreError."""
        return self._store.cache.look(
            lambda file: dict(file.read("SELECT op, state FROM peer_op WHERE is_own = 1"))
        )

    def lost(self) -> set[str]:
        """Operations of our own whose place in the feed is another one by now, or none. Raises StoreError."""
        found = self._store.cache.glance(_LOST, (LOST,))
        return {str(op) for (op,) in found}

    def told_again(self, states: Mapping[str, str]) -> None:
        """The mailbox knows what became of these of them. Raises StoreError."""
        with self._store.cache.write() as file:
            file.many(
                "UPDATE peer_op SET state = ? WHERE op = ? AND is_own = 1 AND state = ?",
                ((state, op, LOST) for op, state in states.items()),
            )

    def theirs(self) -> tuple[Operation, ...]:
        """All of others that are folded now. Raises StoreError."""

        def reading(file: Transaction) -> tuple[Operation, ...]:
            found = file.read(
                "SELECT op, life, n, raw, at FROM peer_op WHERE is_own = 0 AND owner >= ''"
            )
            return tuple(op for op, _ in _unreached(file, found))

        return self._store.cache.look(reading)

    def n_theirs(self) -> int:
        """How many of others are folded now. Raises StoreError."""

        def reading(file: Transaction) -> int:
            n_open = file.read(
                "SELECT count(*) FROM peer_op WHERE is_own = 0 AND owner >= '' AND state != 'settled'"
            )
            return int(n_open[0][0]) + len(_unreached(file, file.read(_SETTLED)))

        return self._store.cache.look(reading)

    def drop_reached(self) -> int:
        """Delete what the feed has brought; how many. Raises StoreError."""

        def reading(file: Transaction) -> list[str]:
            settled = file.read(_SETTLED)
            left = {op.id for op, _ in _unreached(file, settled)}
            return [one[0] for one in settled if one[0] not in left]

        reached = self._store.cache.look(reading)
        if reached:
            with self._store.cache.write() as file:
                for op in reached:
                    _drop(file, "SELECT ?", (op,))
            log.info("operations of peers reached us", extra={"count": len(reached)})
        return len(reached)

    def _put(self, file: Transaction, entry: Entry, life: int) -> None:
        _drop(file, "SELECT ?", (entry.op,))
        if entry.state == "withdrawn":
            return
        is_own = entry.device == self._device
        op = None if is_own else decoded(entry.raw)
        file.execute(
            "INSERT INTO peer_op VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.op, entry.device, int(is_own), life, entry.n, entry.state,
                "" if op is None else op.owner, b"" if is_own else entry.raw,
                b"" if entry.state != "settled" else msgspec.json.encode(entry.at),
            ),
        )  # fmt: skip
        if not is_own:
            file.many(
                "INSERT OR IGNORE INTO peer_key VALUES (?, ?)",
                ((key, entry.op) for key in entry.keys),
            )


def lose(file: Transaction, scope: str, seq: int) -> None:
    """The history of a scope beyond `seq` is another one: what we said to be settled there is to be said anew."""
    found = file.read("SELECT op, at FROM peer_op WHERE is_own = 1 AND state = 'settled'")
    file.many(
        "UPDATE peer_op SET state = ? WHERE op = ?",
        ((LOST, op) for op, at in found if at and _places(at).get(scope, 0) > seq),
    )


def touching(
    file: Transaction, owner: str, keys: Iterable[str]
) -> list[tuple[Operation, Place]]:
    """Operations of others about this owner or on these rows, and on the rows those need, that the feed has not reached."""
    if not file.read(ANY_OF_OTHERS):
        return []
    found = {one[0]: one for one in (file.read(_OF_OWNER, (owner,)) if owner else ())}
    waiting, known = set(keys), set[str]()
    waiting |= needed(_ops_of(found.values()))
    while waiting:
        key = waiting.pop()
        known.add(key)
        fresh = [one for one in file.read(_OF_KEY, (key,)) if one[0] not in found]
        found.update((one[0], one) for one in fresh)
        waiting |= needed(_ops_of(fresh)) - known
    return _unreached(file, list(found.values()))


def places(file: Transaction, own: Sequence[Operation]) -> dict[str, Place]:
    """Where these operations of this device stand in the relay's order; those it was not told of are not in it."""
    found = file.read(
        """SELECT op, life, n FROM peer_op WHERE is_own = 1
           AND op IN (SELECT value FROM json_each(?))""",
        (msgspec.json.encode([op.id for op in own]).decode(),),
    )
    return {op: (life, n) for op, life, n in found}


def _unreached(file: Transaction, found: Sequence[Found]) -> list[tuple[Operation, Place]]:
    if not found:
        return []
    cursors: dict[str, int] = dict(file.read("SELECT scope, seq FROM cursor"))
    left: list[tuple[Operation, Place]] = []
    for _, life, n, raw, at in found:
        op = decoded(raw)
        if op is not None and not _is_reached(at, cursors):
            left.append((op, (life, n)))
    return left


def _is_reached(at: bytes, cursors: Mapping[str, int]) -> bool:
    """Whether the feed brought it: all scopes this device pulls are held as far as its owner said."""
    if not at:
        return False
    return all(cursors[scope] >= seq for scope, seq in _places(at).items() if scope in cursors)


def _places(at: bytes) -> dict[str, int]:
    return msgspec.json.decode(at, type=dict[str, int])


def _ops_of(found: Iterable[Found]) -> Iterable[Operation]:
    return (op for op in (decoded(one[3]) for one in found) if op is not None)


def decoded(raw: bytes) -> Operation | None:
    """The operation of these bytes; None for one of another program version."""
    try:
        return msgspec.json.decode(raw, type=Operation)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # of a newer program; the centre will say what it did


def _begin_again(file: Transaction) -> None:
    """What is held of others stays until they told the new life all they have; places of our own do not count any more."""
    _set_meta(file, "relay_age", str(_number(file, "relay_age") + 1))
    _set_meta(file, "relay_seen", "0")
    file.execute("DELETE FROM peer_op WHERE is_own = 1")


def _drop(file: Transaction, which: str, params: Sequence[object]) -> int:
    file.execute(f"DELETE FROM peer_key WHERE op IN ({which})", params)  # noqa: S608  # constants
    return file.execute(f"DELETE FROM peer_op WHERE op IN ({which})", params)  # noqa: S608  # constants


def _meta(file: Transaction, name: str) -> str:
    found = file.read("SELECT value FROM meta WHERE name = ?", (name,))
    return str(found[0][0]) if found else ""


def _number(file: Transaction, name: str) -> int:
    return int(_meta(file, name) or 0)


def _set_meta(file: Transaction, name: str, value: str) -> None:
    file.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
