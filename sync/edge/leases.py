"""The keys of bands that are lent to this store, with an end. In the encrypted cache and nowhere else.

A lease ends by this device's clock or by the latest time the centre ever told, whichever is later: a clock that is set
back gives no right back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sync.edge.store import EdgeStore, Transaction


@dataclass(frozen=True, slots=True)
class LeasedKey:
    """A key lent to this store.

    Attributes:
        value: 16 bytes of AES-128.
        version: Key version the band was encoded with.
        until: End of the lease, microseconds since 1970; 0 for the group key, which has none of its own.
    """

    value: bytes = field(repr=False)
    version: int
    until: int = 0


@dataclass(frozen=True, slots=True)
class BandLease:
    """One lease as the centre gave it. `uid` is the keyed hash of the band's true UID, hex."""

    uid: str
    key: LeasedKey


@dataclass(frozen=True, slots=True)
class Lent:
    """An answer of the centre, opened and checked.

    Attributes:
        leases: All keys lent to this store.
        group: `K_uid`.
        deny: The deny list of the same moment, as `sync.model.deny` reads it; b"" from a centre that has none.
        capsule_keys: Ed25519 public keys of the brand, 32 bytes each, by which capsules are believed.
    """

    leases: tuple[BandLease, ...]
    group: LeasedKey
    deny: bytes = field(default=b"", repr=False)
    capsule_keys: tuple[bytes, ...] = ()


class Leases:
    """What is lent now."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    def replace(
        self,
        leases: Iterable[BandLease],
        *,
        group: LeasedKey | None,
        capsule_keys: Iterable[bytes] = (),
    ) -> None:
        """Hold these keys and no others. Raises StoreError."""
        with self._store.cache.write() as file:
            file.execute("DELETE FROM lease")
            file.execute(
                "DELETE FROM meta WHERE name IN ('group', 'group_version', 'capsule_keys')"
            )
            file.execute(
                "INSERT INTO meta VALUES ('capsule_keys', ?)", (b"".join(capsule_keys),)
            )
            file.many(
                "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?)",
                ((one.uid, one.key.value, one.key.version, one.key.until) for one in leases),
            )
            if group is not None:
                file.execute("INSERT INTO meta VALUES ('group', ?)", (group.value,))
                file.execute("INSERT INTO meta VALUES ('group_version', ?)", (group.version,))

    def key_of(self, uid: str) -> LeasedKey | None:
        """The key of the band with that keyed hash of its UID; None when none is lent, or no more. Raises StoreError."""
        now = self._store.now()

        def reading(file: Transaction) -> LeasedKey | None:
            found = file.read("SELECT key, version, until FROM lease WHERE uid = ?", (uid,))
            if not found or found[0][2] <= max(now, _time_floor(file)):
                return None
            return LeasedKey(bytes(found[0][0]), int(found[0][1]), int(found[0][2]))

        return self._store.cache.look(reading)

    def group_key(self) -> LeasedKey | None:
        """The low-value group key; None before the first sync. Raises StoreError."""

        def reading(file: Transaction) -> LeasedKey | None:
            found: dict[str, bytes | int] = dict(
                file.read(
                    "SELECT name, value FROM meta WHERE name IN ('group', 'group_version')"
                )
            )
            if "group" not in found:
                return None
            return LeasedKey(bytes(found["group"]), int(found["group_version"]))

        return self._store.cache.look(reading)

    def capsule_keys(self) -> tuple[bytes, ...]:
        """What capsules are believed by, 32 bytes each; none before the first sync. Raises StoreError."""

        def reading(file: Transaction) -> bytes:
            found = file.read("SELECT value FROM meta WHERE name = 'capsule_keys'")
            return bytes(found[0][0]) if found else b""

        held = self._store.cache.look(reading)
        return tuple(held[at : at + 32] for at in range(0, len(held), 32))

    def note_time(self, server_time: int) -> None:
        """Remember the latest time the centre told, microseconds since 1970; it never goes back."""
        with self._store.cache.write() as file:
            file.execute(
                """INSERT INTO meta VALUES ('time_floor', ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value
                   WHERE excluded.value > meta.value""",
                (server_time,),
            )


def _time_floor(file: Transaction) -> int:
    found = file.read("SELECT value FROM meta WHERE name = 'time_floor'")
    return int(found[0][0]) if found else 0
