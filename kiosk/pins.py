"""PINs of customers at this device: hashed when one is set, judged when one is typed. Beside the centre's sign-in the only importer of argon2.

    pepper   = HKDF(K_uid, "tapthread v1 pin pepper")            sealed: it comes and goes with the lease of this store
    secret   = HMAC(pepper, customer | PIN)
    hash     = Argon2id(secret, 16 random bytes)                 the row `pin/<customer>` holds this and nothing else

So whoever has the rows without the key cannot try PINs at all, and whoever has both tries thirty a second. What a PIN lifts
is decided by `core.policy`. A wrong one is on the disk before anything is said of it.
"""

import hmac
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hardware.entropy import Entropy
from kiosk.core.ports import PinStanding
from sync.edge.leases import Leases
from sync.edge.lookup import Lookup
from sync.edge.store import EdgeStore
from sync.model.operations.set_pin import SetPin
from sync.model.records import Pin
from sync.model.rules import PIN_WRONG_MAX

TIME_COST: Final = 2
MEMORY_KIB: Final = 19_456
"""Source: OWASP Password Storage Cheat Sheet: the least for Argon2id with one lane; 35 ms on this project's machine."""

SALT_SIZE: Final = 16
HASH_SIZE: Final = 32
_INFO: Final = b"tapthread v1 pin pepper"


class PinBook:
    """PINs, from the rows and the group key this device holds; used on one thread."""

    def __init__(self, store: EdgeStore, entropy: Entropy) -> None:
        self._lookup = Lookup(store)
        self._leases = Leases(store)
        self._entropy = entropy

    def pin_of(self, owner: str) -> Pin | None:
        """Their PIN, unsettled tries counted; None for none that this device can judge. Raises StoreError."""
        held = next((pin for _, pin in self._lookup.profile(owner).of(Pin)), None)
        group = self._leases.group_key()
        return (
            held
            if held is not None and group is not None and held.pepper == group.version
            else None
        )

    def standing(self, owner: str) -> PinStanding:
        """How it stands. Raises StoreError."""
        pin = self.pin_of(owner)
        if pin is None:
            return PinStanding.NONE
        return PinStanding.LOCKED if pin.n_wrong >= PIN_WRONG_MAX else PinStanding.OPEN

    def is_right(self, pin: Pin, text: str) -> bool:
        """Whether this is the PIN. Raises StoreError."""
        from argon2.exceptions import (
            Argon2Error,
            InvalidHash,
        )  # a kiosk nobody types at need not load it
        from argon2.low_level import Type, verify_secret

        group = self._leases.group_key()
        if group is None:
            return False
        try:
            return verify_secret(pin.hash.encode(), _secret(group.value, pin.id, text), Type.ID)
        except (Argon2Error, InvalidHash, UnicodeError):
            return False

    def hashed(self, owner: str, text: str) -> SetPin | None:
        """What is recorded of a new PIN; None where this device has no key to make it with. Raises StoreError."""
        from argon2.low_level import Type, hash_secret

        group = self._leases.group_key()
        if group is None:
            return None
        raw = hash_secret(
            _secret(group.value, owner, text), self._entropy.draw(SALT_SIZE), time_cost=TIME_COST,
            memory_cost=MEMORY_KIB, parallelism=1, hash_len=HASH_SIZE, type=Type.ID,
        )  # fmt: skip
        return SetPin(hash=raw.decode(), pepper=group.version)


def _secret(group_key: bytes, owner: str, text: str) -> bytes:
    pepper = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(group_key)
    return hmac.new(pepper, owner.encode() + b"\x00" + text.encode(), sha256).digest()
