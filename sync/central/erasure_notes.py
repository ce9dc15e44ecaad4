"""Notes of erasures: what a centre must still know of who was forgotten, after a copy of its database was put back.

A note says when, and by keyed digests who: each record that went, and the ids and contact points they were known by. It is sealed
under a key that follows from the centre's own and holds nothing personal; who has that key can still only ask whether
somebody they know of is meant. Each is a row `erasure/<digest>` that every device holds, and a line of the file beside the
database (`erasure_ledger`). Only this centre can have made one, so whoever brings it back is believed. `erasing_again` takes them.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model.records import ErasureNote, key_of
from sync.model.row import row_of

KIND: Final = "erasure"
SOURCE: Final = "centre"

KEPT_US: Final = 730 * 86_400 * 1_000_000
"""How long a note is kept and believed: a copy older than this must not be put back."""

DIGESTS_MAX: Final = 200
"""Digests in one note; a customer known by more has several."""

MARK_SIZE: Final = 16
"""Bytes of a digest."""

_NONCE_SIZE: Final = 12
_LABEL: Final = b"tapthread v1 erasure"


class Note(msgspec.Struct, frozen=True, array_like=True):
    """An erasure.

    Attributes:
        at: When, microseconds since 1970.
        owners: Digests of the records that went, in hex.
        marks: Digests of what else they were known by, in hex.
    """

    at: int
    owners: tuple[str, ...]
    marks: tuple[str, ...]


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    """The same in bytes."""

    at: int
    owners: tuple[bytes, ...]
    marks: tuple[bytes, ...]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Packed)


def key_for(private_key: ec.EllipticCurvePrivateKey) -> str:
    """The key under which a centre seals its notes, in hex; the same at all its nodes and after any copy."""
    number = private_key.private_numbers().private_value.to_bytes(32, "big")
    info = b"tapthread v1 erasure notes"
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info)
    return derived.derive(number).hex()


def sealed(note: Note, key: str) -> str:
    """A note as it is kept and sent; the same text for the same note."""
    packed = _Packed(
        note.at,
        tuple(sorted(map(bytes.fromhex, note.owners))),
        tuple(sorted(map(bytes.fromhex, note.marks))),
    )
    plain, secret = _encoder.encode(packed), bytes.fromhex(key)
    # Made of what is sealed, it is another one for every other content.
    nonce = hmac.digest(secret, _LABEL + plain, "sha256")[:_NONCE_SIZE]
    raw = nonce + AESGCM(secret).encrypt(nonce, plain, _LABEL)
    return base64.urlsafe_b64encode(raw).decode()


def opened(text: str, key: str) -> Note | None:
    """The note; None for a text this centre did not make."""
    try:
        raw = base64.b64decode(text, b"-_", validate=True)
        nonce, box = raw[:_NONCE_SIZE], raw[_NONCE_SIZE:]
        packed = _decoder.decode(AESGCM(bytes.fromhex(key)).decrypt(nonce, box, _LABEL))
    except (binascii.Error, ValueError, InvalidTag, msgspec.DecodeError):
        return None
    return Note(
        packed.at,
        tuple(it.hex() for it in packed.owners),
        tuple(it.hex() for it in packed.marks),
    )


def row_key(text: str) -> str:
    """The key of the row that holds this note."""
    return key_of(KIND, _id_of(text))


def _id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def put(transaction: Transaction, text: str, *, at: int) -> None:
    """Write the row of a note of an erasure at this time: it goes to every device."""
    body = ErasureNote(_id_of(text), text)
    transaction.put(row_of(body, owner="", as_of=at, source=SOURCE))


def take_down(
    transaction: Transaction, owners: Iterable[str], marks: Iterable[str], *, at: int
) -> bool:
    """Note an erasure, within the transaction that does it; False where this database was not told the key yet: it is noted later.

    Args:
        transaction: Where it is written.
        owners: Digests of the records that go.
        marks: Digests of what else they were known by.
        at: When, microseconds since 1970.
    """
    if not transaction.erasure_key:
        return False
    for note in _parted(at, tuple(owners), sorted(marks)):
        put(transaction, sealed(note, transaction.erasure_key), at=at)
    return True


def _parted(at: int, owners: tuple[str, ...], marks: list[str]) -> Iterator[Note]:
    """As many notes as it takes, each of at most DIGESTS_MAX digests."""
    whole = [*((owner, True) for owner in owners), *((mark, False) for mark in marks)]
    for begin in range(0, len(whole), DIGESTS_MAX):
        some = whole[begin : begin + DIGESTS_MAX]
        yield Note(
            at,
            tuple(digest for digest, is_owner in some if is_owner),
            tuple(digest for digest, is_owner in some if not is_owner),
        )


def standing(sql: Connection) -> tuple[int, int]:
    """How many notes a database has, and when the newest erasure was: another answer means that others are there."""
    count, last = sql.all(
        "SELECT COUNT(*), MAX(as_of) FROM doc WHERE owner = '' AND kind = :kind", kind=KIND
    )[0]
    return int(count), int(last or 0)


def texts(sql: Connection) -> dict[str, str]:
    """All notes a database has, by the key of their row."""
    found = sql.all("SELECT key, body FROM doc WHERE owner = '' AND kind = :kind", kind=KIND)
    return {str(key): msgspec.json.decode(body, type=ErasureNote).note for key, body in found}


def known(sql: Connection, keys: Iterable[str]) -> set[str]:
    """Those of these rows of notes that there are."""
    found = sql.all("SELECT key FROM doc WHERE key IN [:keys]", keys=sorted(keys))
    return {str(key) for (key,) in found}


def drop_old(transaction: Transaction, *, now: int) -> int:
    """Let notes go that are not believed any more; how many."""
    found = transaction.direct().all(
        "SELECT key FROM doc WHERE owner = '' AND kind = :kind AND as_of < :before LIMIT 1000",
        kind=KIND, before=now - KEPT_US,
    )  # fmt: skip
    transaction.load(str(key) for (key,) in found)
    for (key,) in found:
        transaction.remove(str(key))
    return len(found)
