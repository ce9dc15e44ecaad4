"""FeliCa: its IDm, and blocks that are free to read. Nothing of it is proof.

    polling   LEN 00 system(2) 00 00            <- LEN 01 IDm(8) PMm(8)
    read      LEN 06 IDm 01 service(2) n (80 b)*  <- LEN 07 IDm flags(2) n blocks(16 each)

Every frame begins with its own length. An IDm is a claim; one that begins with 01 FE is drawn anew by a device that emulates,
and a telephone's other IDms belong to the telephone.
Source: JIS X 6319-4:2016, 4; Sony FeliCa card user's manual, excerpted edition 2.0, 4.
"""

from dataclasses import dataclass

from drivers.connection import Connection
from drivers.errors import BandMalformed, BandRefused

POLLING, READ = 0x00, 0x06
"""Command codes; an answer has the next number."""

ANY_SYSTEM = 0xFFFF
NDEF_SYSTEM = 0x12FC
NDEF_SERVICE = 0x000B
"""System and read-only service of a Type 3 tag. Source: NFC Forum Type 3 Tag 1.0, 5."""

ID_SIZE = 8
BLOCK_SIZE = 16
BLOCK_COUNT_MAX = 4
"""Blocks of one read: what a FeliCa Lite answers at once."""

EMULATED = b"\x01\xfe"
"""First bytes of an IDm that is drawn anew. Source: NFC Forum Digital Protocol 1.1, 6.6.2."""


@dataclass(frozen=True, slots=True)
class FelicaIdentity:
    """What a FeliCa says it is.

    Attributes:
        idm: 8 bytes; a claim.
        pmm: 8 bytes: which chip, and how long it takes.
    """

    idm: bytes
    pmm: bytes

    def __repr__(self) -> str:
        return f"FelicaIdentity(<{len(self.idm)} bytes>, pmm={self.pmm.hex()})"


class Felica:
    """One FeliCa on one connection. Used by one thread, for one activation."""

    def __init__(self, connection: Connection, idm: bytes) -> None:
        """Speak to the card that showed this IDm, 8 bytes. Raises BandMalformed for another size."""
        if len(idm) != ID_SIZE:
            raise BandMalformed("an IDm has 8 bytes")
        self._connection = connection
        self._idm = idm

    def poll(self, system: int = ANY_SYSTEM) -> FelicaIdentity:
        """Ask who is there. One exchange. Raises BandMalformed."""
        content = self._answer(POLLING, system.to_bytes(2, "big") + b"\x00\x00", has_id=False)
        if len(content) < 2 * ID_SIZE:
            raise BandMalformed("the answer to polling is too short")
        return FelicaIdentity(content[:ID_SIZE], content[ID_SIZE : 2 * ID_SIZE])

    def read(self, first: int, count: int, *, service: int = NDEF_SERVICE) -> bytes:
        """Blocks of 16 bytes that are free to read. One exchange.

        Args:
            first: First block, 0 to 255.
            count: 1 to 4.
            service: Service code.

        Raises:
            BandRefused: the card refuses; `status` has both flags.
            BandMalformed: the answer does not parse.
        """
        if not 1 <= count <= BLOCK_COUNT_MAX or not 0 <= first <= 0x100 - count:
            raise ValueError("one to four blocks up to number 255")
        blocks = b"".join(bytes((0x80, at)) for at in range(first, first + count))
        asked = b"\x01" + service.to_bytes(2, "little") + bytes((count,)) + blocks
        content = self._answer(READ, self._idm + asked, has_id=True)
        if len(content) < 2:
            raise BandMalformed("the answer to a read is too short")
        if content[0]:
            status = int.from_bytes(content[:2], "big")
            raise BandRefused("the card refused to be read", status=status)
        if len(content) != 3 + count * BLOCK_SIZE or content[2] != count:
            raise BandMalformed("the answer has another size than asked for")
        return content[3:]

    def _answer(self, code: int, content: bytes, *, has_id: bool) -> bytes:
        """One command; what stands behind the answer's code, and behind the IDm where there is one."""
        frame = bytes((2 + len(content), code)) + content
        answer = self._connection.transmit(frame)
        if len(answer) < 2 or answer[0] != len(answer) or answer[1] != code + 1:
            raise BandMalformed("the answer is no frame")
        rest = answer[2:]
        if not has_id:
            return rest
        if rest[:ID_SIZE] != self._idm:
            raise BandMalformed("another card answered")
        return rest[ID_SIZE:]
