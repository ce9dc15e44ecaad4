"""Capsules of a brand that only tests know, and what they are made of."""

import dataclasses

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.credential.capsule import Capsule, signed
from sync.model.thread_parts import Part, PartKind, packed
from tests.support.bands import REFERENCE, UID

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))

SECOND = 1_000_000
DAY = 86_400 * SECOND
ISSUED = 1_790_000_000 * SECOND

FACTS = (Part(PartKind.CASE, "phone", "C-4711", day=20_784), Part(PartKind.PICKUPS, count=1))
"""A case with a promise for Fri 27 Nov 2026, and something to pick up."""

LENA = Capsule(
    ISSUED, 90, 7, is_waiting=True, is_owed=True, language="en", name="Lena", parts=packed(FACTS),
)  # fmt: skip

LENA_BEFORE = dataclasses.replace(
    LENA, parts=b"", line="case C-4711 by phone, promise Fri 27 Nov; 1 pick-up"
)
"""As bands carry it that were written before there were parts."""


def made(
    capsule: Capsule = LENA,
    *,
    uid: bytes = UID,
    band: bytes = REFERENCE,
    private: Ed25519PrivateKey = PRIVATE,
) -> bytes:
    """A signed capsule."""
    public = private.public_key().public_bytes_raw()
    return signed(capsule, uid=uid, band=band, public_key=public, sign=private.sign)
