"""The brand's key for capsules in a file beside the centre: what fills `sync.central.ports.CapsuleSigner` on one machine.

    capsule-signing.key   32 bytes, mode 0600, drawn when it is not there: an Ed25519 private key

Where the keys of bands are in a PKCS#11 token this one may be there too: `kiosk.band_keys_token.TokenCapsuleKey`.

It signs what bands carry and nothing else; kiosks hold the public key, which comes with the leases. Losing the file makes
every capsule that is out worth nothing once kiosks have heard of the new key, and each is signed again at the next tap.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.credential.capsule import (
    DAYS_MAX,
    LANGUAGE_SIZE_MAX,
    MINIMAL_SIZE,
    NAME_SIZE_MAX,
    Capsule,
    cut,
    fitted,
    signed,
)
from hardware.disk import Disk
from hardware.entropy import Entropy
from hardware.identity import lasting_bytes
from sync.model.thread_parts import packed, parts_of

if TYPE_CHECKING:
    from sync.central.ports import CapsuleWords  # a kiosk is installed without the centre

KEY_FILE: Final = "capsule-signing.key"
SEED_SIZE: Final = 32
"""Bytes of an Ed25519 private key. Source: RFC 8032, 5.1.5."""


@dataclass(frozen=True, slots=True)
class CapsuleKeyFile:
    """Signs capsules with one key; its `repr` shows nothing of it.

    Attributes:
        older: Public keys of the same brand that signed before and still count.
    """

    private_key: Ed25519PrivateKey = field(repr=False)
    older: tuple[bytes, ...] = ()

    @classmethod
    def open(cls, folder: Path, *, disk: Disk, entropy: Entropy) -> "CapsuleKeyFile":
        """The key kept in `folder`, drawn on the first call. Raises EnrolmentError, DiskFull, DiskFault."""
        seed = lasting_bytes(folder / KEY_FILE, size=SEED_SIZE, disk=disk, entropy=entropy)
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def public_keys(self) -> tuple[bytes, ...]:
        """The key that signs, then older ones."""
        return (self._public_key, *self.older)

    def signed(self, words: "CapsuleWords", *, uid: bytes, band: bytes, size: int) -> bytes:
        """The capsule of a band, with as many of the words as fit. Raises ValueError where not even none fit."""
        return signed(
            capsule_of(words, size, band=band),
            uid=uid,
            band=band,
            public_key=self._public_key,
            sign=self.private_key.sign,
        )

    @property
    def _public_key(self) -> bytes:
        return self.private_key.public_key().public_bytes_raw()


def capsule_of(words: "CapsuleWords", size: int, *, band: bytes) -> Capsule:
    """What a capsule says, with as many of the words as fit into `size` bytes. Raises ValueError where not even none fit.

    Where there is room it names its band, so that a kiosk reads both at once. Where a case with its number leaves no room for
    something else, it goes without.
    """
    capsule = Capsule(
        issued_at=words.issued_at,
        days=min(words.days, DAYS_MAX),
        seq=words.seq,
        is_waiting=words.is_waiting,
        is_owed=words.is_owed,
        language=cut(words.language, LANGUAGE_SIZE_MAX),
        name=cut(words.name, NAME_SIZE_MAX),
        parts=words.parts,
        band=band if size > MINIMAL_SIZE else b"",
    )
    whole = fitted(capsule, size)
    facts = parts_of(words.parts)
    if len(parts_of(whole.parts)) == len(facts):
        return whole
    bare = packed(replace(fact, number="") for fact in facts)
    short = fitted(replace(capsule, parts=bare), size)
    return max((whole, short), key=lambda one: len(parts_of(one.parts)))
