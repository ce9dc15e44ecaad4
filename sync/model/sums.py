"""The sum by which two ends find out that they hold the same rows of a scope, and the buckets by which they find the difference. Pure.

    sum of a scope   the pointer hashes of all live rows in it, added modulo 2**62
    bucket           one of 256 parts of a scope, by key; each has a sum of its own

62 bits, so that a sum of two fits a signed 64-bit column and `(sum + h) & SUM_MASK` means the same in every database.
"""

from collections.abc import Iterable
from hashlib import blake2b
from struct import unpack
from typing import Final
from zlib import crc32

SUM_MASK: Final = 2**62 - 1
BUCKETS: Final = 256


def pointer_hash(key: str, seq: int, version: int) -> int:
    """What one live row adds to the sum of its scope.

    BLAKE2b with 8 bytes over `KEY SEQ VERSION` (two spaces, decimal numbers), read big end first, the upper 2 bits cleared.
    """
    digest = blake2b(f"{key} {seq} {version}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & SUM_MASK


def sum_of(rows: Iterable[tuple[str, int, int]]) -> int:
    """What these live rows add to the sum of their scope together, by key, seq and version; many at once cost half."""
    digests = [
        blake2b(f"{key} {seq} {version}".encode(), digest_size=8).digest()
        for key, seq, version in rows
    ]
    hashes: tuple[int, ...] = unpack(f">{len(digests)}Q", b"".join(digests))
    return sum(hashes) & SUM_MASK


def bucket_of(key: str) -> int:
    """The bucket of a key: the low 8 bits of its CRC-32 (ISO-HDLC)."""
    return crc32(key.encode()) & 0xFF


def sum_text(total: int) -> str:
    """A sum as it is sent: 16 hex digits."""
    return f"{total:016x}"
