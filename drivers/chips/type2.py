"""Type 2 bands: pages of four bytes read and written in clear, and what every chip of the kind answers.

    READ        30 page             <- 16 bytes, four pages; behind the last comes the first
    FAST_READ   3A first last       <- the pages; not every chip knows it
    WRITE       A2 page bytes(4)    <- 0A
    VERSION     60                  <- 8 bytes; not every chip knows it
    SIGNATURE   3C 00               <- 32 or 48 bytes
    challenge   1A slot             <- AF and 8 bytes (Ultralight C) or 16 (Ultralight AES)

One byte that is not 0A is a refusal: 00 an argument, 01 a checksum, 04 a counter or too many tries, 05 the memory. After it,
and after a command it does not know, a chip falls idle and forgets who authenticated; the reader activates it again.

Source: NFC Forum Type 2 Tag 1.2, 5; NXP NTAG213/215/216 data sheet rev 3.2, 9 and 10.
"""

from drivers.connection import Connection
from drivers.errors import BandMalformed, BandRefused, BandUnsupported, Delivery
from drivers.ndef import Record, records_of
from drivers.tlv import ndef_of_memory, ndef_size_needed

READ, FAST_READ, WRITE, GET_VERSION, READ_SIGNATURE, AUTHENTICATE = (
    0x30,
    0x3A,
    0xA2,
    0x60,
    0x3C,
    0x1A,
)
"""Command codes."""

GOES_ON = 0xAF
"""First byte of a challenge and of its answer."""

ACK = b"\x0a"

PAGE_SIZE = 4
READ_SIZE = 16
"""Bytes of an answer to READ."""

VERSION_SIZE = 8

CONTAINER_PAGE = 0x03
USER_PAGE = 0x04
"""Pages of the capability container and of the first byte of the data area."""

NDEF_MAGIC = 0xE1
"""First byte of the capability container. Source: NFC Forum Type 2 Tag 1.2, 4.2."""

AREA_SIZE_MAX = (0x100 - USER_PAGE) * PAGE_SIZE
"""Bytes of a data area whose pages one byte can name; no band of ours is larger."""

FAST_READ_PAGES_MAX = 32
"""Pages of one FAST_READ: 128 bytes, with a MAC 136, which every reader carries in one frame."""


def refused(answer: bytes) -> BandRefused:
    """The error of an answer of one byte."""
    return BandRefused("the chip refused the command", status=answer[0] if answer else 0)


def send(connection: Connection, command: bytes, *, size: int | None = None) -> bytes:
    """One command, and the bytes of its answer.

    Args:
        connection: The way to the band.
        command: Without checksum.
        size: Bytes the answer must have; None for any.

    Raises:
        BandRefused: the chip answered with one byte.
        BandMalformed: the answer has another size.
        BandLeft, BandSilent, ReaderError: as the connection.
    """
    answer = connection.transmit(command)
    if len(answer) == 1:
        raise refused(answer)
    if size is not None and len(answer) != size:
        raise BandMalformed("the answer has another size than asked for")
    return answer


def acknowledged(connection: Connection, command: bytes) -> None:
    """One command whose answer is 0A. Raises as `send`; whether it was done when the answer is lost is unknown."""
    answer = connection.transmit(command)
    if answer == ACK:
        return
    if len(answer) == 1:
        raise refused(answer)
    raise BandMalformed("the answer is no acknowledgement")


def challenge(connection: Connection, slot: int) -> bytes:
    """Ask for the challenge of a slot: 8 bytes from an Ultralight C, 16 from an Ultralight AES. One exchange.

    Any other chip refuses or stays silent: BandRefused, BandSilent.

    Raises:
        BandMalformed: it is no challenge.
    """
    answer = send(connection, bytes((AUTHENTICATE, slot)))
    if answer[:1] != bytes((GOES_ON,)) or len(answer) not in (9, 17):
        raise BandMalformed("the challenge of the chip does not parse")
    return answer[1:]


def uid_of_pages(first: bytes) -> bytes:
    """The UID in the first pages: three bytes, a check, four bytes, a check. Raises BandMalformed when a check fails.

    Source: ISO/IEC 14443-3:2018, 6.5.4; 88 is the cascade tag.
    """
    if len(first) < 9:
        raise BandMalformed("the first pages are too short")
    checks = 0x88 ^ first[0] ^ first[1] ^ first[2], first[4] ^ first[5] ^ first[6] ^ first[7]
    uid = first[:3] + first[4:8]
    if checks != (first[3], first[8]) or not any(uid):
        raise BandMalformed("the UID in the first pages does not hold")
    return uid


class Type2:
    """One Type 2 band on one connection, read and written in clear. Used by one thread, for one activation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, page: int) -> bytes:
        """Four pages from `page` on, 16 bytes. One exchange."""
        return send(self._connection, bytes((READ, page)), size=READ_SIZE)

    def read_many(self, first: int, count: int) -> bytes:
        """`count` pages from `first` on, with FAST_READ. One exchange for each 32 pages."""
        if count < 1 or first < 0 or first + count > 0x100:
            raise ValueError("pages are 0 to 255")
        parts = []
        for at in range(first, first + count, FAST_READ_PAGES_MAX):
            last = min(at + FAST_READ_PAGES_MAX, first + count) - 1
            size = (last - at + 1) * PAGE_SIZE
            parts.append(send(self._connection, bytes((FAST_READ, at, last)), size=size))
        return b"".join(parts)

    def write(self, page: int, content: bytes) -> None:
        """Write one page. One exchange; when it is torn, read back."""
        if len(content) != PAGE_SIZE:
            raise ValueError("a page has four bytes")
        acknowledged(self._connection, bytes((WRITE, page)) + content)

    def version(self) -> bytes:
        """What the chip says of itself, 8 bytes; a claim. BandSilent or BandRefused from a chip that does not know it."""
        return send(self._connection, bytes((GET_VERSION,)), size=VERSION_SIZE)

    def signature(self) -> bytes:
        """The maker's signature of the UID, 32 or 48 bytes, to be held against `originality`. One exchange."""
        answer = send(self._connection, bytes((READ_SIGNATURE, 0)))
        if len(answer) not in (32, 48):
            raise BandMalformed("the signature has the wrong size")
        return answer

    def ndef(self) -> tuple[Record, ...]:
        """The NDEF message of the band; none when there is none.

        One exchange for each 16 bytes up to the end of the message, and one before.

        Raises:
            BandUnsupported: it is not formatted.
            BandMalformed: what stands there does not parse.
        """
        container = self.read(CONTAINER_PAGE)
        if container[0] != NDEF_MAGIC or container[1] >> 4 != 1:
            raise BandUnsupported("it holds no NDEF", delivery=Delivery.REFUSED)
        size = min(container[2] * 8, AREA_SIZE_MAX)
        memory = container[PAGE_SIZE:][:size]
        while len(memory) < size and len(memory) < (ndef_size_needed(memory) or size):
            page = USER_PAGE + len(memory) // PAGE_SIZE
            memory = (memory + self.read(page))[:size]
        return records_of(ndef_of_memory(memory))
