"""A part of a snapshot, packed and opened: rows as they are stored, compressed, then encrypted under the snapshot's key. Pure.

    part      AES-256-GCM( zstd( MessagePack array of rows ) ); served and kept as it is, named by its SHA-256
    row       [key, scope, seq, owner, kind, version, as_of, source, form, body]
    nonce     12 bytes: the number of the part, from 0, big end first; the key is drawn for one snapshot alone
    bound to  the text "tapthread snapshot FORMAT SEQ N SCOPE": a part opens in its own place and nowhere else

What lies on the disk of a device while a snapshot is loaded, and in any cache on the way, is ciphertext.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sync.model.errors import Malformed
from sync.model.wire import SnapshotPart

FORMAT: Final = 1
KEY_SIZE: Final = 32
"""Bytes of the key that opens all parts of one snapshot."""

PART_ROWS_MAX: Final = 4_000
PART_SIZE_MAX: Final = 4 * 1_048_576
"""A part ends after the row that passes one of these; unpacked it is at most this and one row."""

UNPACKED_MAX: Final = 16 * 1_048_576
"""A part that is larger unpacked is refused."""

LEVEL: Final = 3
"""Of zstd: made once for many; 9 saves a tenth of the bytes and takes five times as long."""

StoredRow = tuple[str, str, int, str, str, int, int, str, int, bytes]
"""key, scope, seq, owner, kind, version, as_of (microseconds since 1970), source, form, body."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[StoredRow])


def packed(
    rows: Sequence[StoredRow], *, key: bytes, scope: str, seq: int, number: int
) -> tuple[SnapshotPart, bytes]:
    """One part, and its bytes as they are served.

    Args:
        rows: All of `scope`.
        key: Of this snapshot alone.
        scope: Whose rows these are.
        seq: Up to which the snapshot has the scope.
        number: Which part this is, from 0.
    """
    plain = zstandard.ZstdCompressor(level=LEVEL).compress(_encoder.encode(rows))
    content = AESGCM(key).encrypt(_nonce(number), plain, _label(scope, seq, number))
    return SnapshotPart(hashlib.sha256(content).hexdigest(), len(content), len(rows)), content


def opened(content: bytes, *, key: bytes, scope: str, seq: int, number: int) -> list[StoredRow]:
    """The rows of one part. Raises Malformed for one of another place, another snapshot, or no snapshot at all."""
    try:
        plain = AESGCM(key).decrypt(_nonce(number), content, _label(scope, seq, number))
        if not 0 < zstandard.frame_content_size(plain) <= UNPACKED_MAX:
            raise Malformed("a part of a snapshot is too large")
        raw = zstandard.ZstdDecompressor().decompress(plain)
        rows = _decoder.decode(raw)
    except (InvalidTag, ValueError, zstandard.ZstdError, msgspec.DecodeError) as error:
        raise Malformed("a part of a snapshot does not open") from error
    if any(row[1] != scope or not 0 < row[2] <= seq for row in rows):
        raise Malformed("a part holds a row of another scope or time")
    return rows


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _label(scope: str, seq: int, number: int) -> bytes:
    return f"tapthread snapshot {FORMAT} {seq} {number} {scope}".encode()
