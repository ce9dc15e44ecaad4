"""The deny list: which bands are blocked, as one signed, dated file that every device holds and that says nothing to others.

     0   8   "TTDENY" 0 1
     8   8   when the centre made it, microseconds since 1970, high byte first
    16   1   version of the group key its marks are made with
    17   4   how many marks, high byte first
    21   8n  marks, sorted, no two alike: the first 8 bytes of HMAC-SHA256 under the group key over the band's id
    end  64  ECDSA P-256 by the centre's key over all before it, r and s

A mark names a band to whoever holds the group key and the band's id, which is to say to a kiosk that has the band before it.
Of a million blocked bands one of 1.8 * 10^13 others is taken for one of them. Pure.
"""

import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from sync.model.errors import Malformed, NotTrusted
from sync.model.signatures import public_key_of

MAGIC: Final = b"TTDENY\x00\x01"
MARK_SIZE: Final = 8
HEAD_SIZE: Final = len(MAGIC) + 8 + 1 + 4
NUMBER_SIZE: Final = 32
SIGNATURE_SIZE: Final = 2 * NUMBER_SIZE

MARKS_MAX: Final = 1_000_000
"""8 MB; a brand that blocks more bands than that has another problem."""

_LABEL: Final = b"tapthread deny list 1\x00"
_MARK_LABEL: Final = b"tapthread deny mark 1\x00"


def mark_of(group_key: bytes, band: str) -> bytes:
    """What stands for the band with this id on a list."""
    return hmac.digest(group_key, _MARK_LABEL + band.encode(), hashlib.sha256)[:MARK_SIZE]


@dataclass(frozen=True, slots=True)
class DenyList:
    """One list.

    Attributes:
        made_at: When the centre made it, microseconds since 1970.
        key_version: Version of the group key its marks are made with.
        marks: Sorted and joined.
    """

    made_at: int
    key_version: int
    marks: bytes = field(repr=False)

    @classmethod
    def of(cls, marks: Iterable[bytes], *, made_at: int, key_version: int) -> "DenyList":
        """A list with these marks, in any order. Raises Malformed when they are too many."""
        joined = b"".join(sorted(set(marks)))
        if len(joined) > MARKS_MAX * MARK_SIZE:
            raise Malformed("a deny list of more bands than one may have")
        return cls(made_at, key_version, joined)

    def __len__(self) -> int:
        return len(self.marks) // MARK_SIZE

    def has(self, mark: bytes) -> bool:
        """Whether this mark is on it; 20 comparisons for a million."""
        at = bisect_left(range(len(self)), mark, key=self._mark)
        return at < len(self) and self._mark(at) == mark

    def _mark(self, at: int) -> bytes:
        return self.marks[at * MARK_SIZE : (at + 1) * MARK_SIZE]

    def signed(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        """The file, signed by the centre."""
        head = (
            MAGIC
            + self.made_at.to_bytes(8, "big")
            + bytes((self.key_version,))
            + len(self).to_bytes(4, "big")
        )
        content = head + self.marks
        r, s = decode_dss_signature(key.sign(_LABEL + content, ec.ECDSA(hashes.SHA256())))
        return content + r.to_bytes(NUMBER_SIZE, "big") + s.to_bytes(NUMBER_SIZE, "big")


def deny_list_of(raw: bytes, *, centre_key: str) -> DenyList:
    """The list in a file.

    Args:
        raw: The file.
        centre_key: Public key of the centre, 65 uncompressed bytes in hex.

    Raises:
        Malformed: it is not such a file.
        NotTrusted: it is not signed by this centre.
    """
    if len(raw) < HEAD_SIZE + SIGNATURE_SIZE or not raw.startswith(MAGIC):
        raise Malformed("not a deny list")
    made_at = int.from_bytes(raw[8:16], "big")
    count = int.from_bytes(raw[17:HEAD_SIZE], "big")
    content, signature = raw[:-SIGNATURE_SIZE], raw[-SIGNATURE_SIZE:]
    marks = content[HEAD_SIZE:]
    if count > MARKS_MAX or len(marks) != count * MARK_SIZE:
        raise Malformed("a deny list of another length than it says")
    r, s = (
        int.from_bytes(part, "big")
        for part in (signature[:NUMBER_SIZE], signature[NUMBER_SIZE:])
    )
    try:
        public_key_of(centre_key).verify(
            encode_dss_signature(r, s), _LABEL + content, ec.ECDSA(hashes.SHA256())
        )
    except InvalidSignature as error:
        raise NotTrusted("a deny list that this centre did not sign") from error
    # Only the centre gets here: one that is not in order would hide a band from a search that relies on it.
    if any(
        marks[at : at + MARK_SIZE] >= marks[at + MARK_SIZE : at + 2 * MARK_SIZE]
        for at in range(0, len(marks) - MARK_SIZE, MARK_SIZE)
    ):
        raise Malformed("a deny list that is not in order")
    return DenyList(made_at, raw[16], marks)
