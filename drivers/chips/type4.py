"""Type 4 bands and telephones that speak ISO 7816: is there an NDEF application, and what stands in its file.

    select     00 A4 04 00 07 D2760000850101 00     1 exchange
    container  00 A4 00 0C 02 E103, 00 B0 0000 0F   2
    message    00 A4 00 0C 02 file, 00 B0 0000 02, then the rest in pieces   2 and more

A telephone may answer 9000 to whatever it is asked; then what it reads out does not parse and it is kept at its UID. The
selection of payment applications is never sent.
Source: NFC Forum Type 4 Tag 1.2, 5; ISO/IEC 7816-4:2020, 11.
"""

from drivers.apdu import SUCCESS, Command, Response, response_of
from drivers.connection import Connection
from drivers.errors import BandMalformed, BandRefused, BandUnsupported, Delivery
from drivers.ndef import MESSAGE_SIZE_MAX, Record, records_of
from drivers.tlv import CC_SIZE_MAX, NdefFile, ndef_file_of

NDEF_APPLICATION = bytes.fromhex("D2760000850101")
"""Name of the application. Source: NFC Forum Type 4 Tag 1.2, 5.2.2."""

SELECT, READ_BINARY, UPDATE_BINARY = 0xA4, 0xB0, 0xD6

CONTAINER_FILE = b"\xe1\x03"
CONTAINER_SIZE = 15
"""Bytes of a capability container that names one file."""

READ_SIZE_MAX = 240
"""Bytes of one READ BINARY: less than a reader's frame, whatever the band allows."""

WRITE_SIZE_MAX = 240

PIECE_COUNT_MAX = 64
"""Pieces of one message; a band that gives a few bytes at a time must not hold the reader."""

OFFSET_MAX = 0x7FFF
"""Last offset READ BINARY can name. Source: ISO/IEC 7816-4:2020, 11.3.2."""


class Type4:
    """One Type 4 band on one connection, read without a key. Used by one thread, for one activation.

    Methods raise BandLeft and ReaderError as the connection does, BandRefused for a status other than 9000, and
    BandMalformed for bytes that do not parse.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def select(self) -> bool:
        """Is there an NDEF application? Selects it. One exchange."""
        command = Command(0x00, SELECT, 0x04, 0x00, NDEF_APPLICATION, 256)
        return self._exchange(command).status == SUCCESS

    def ndef_file(self) -> NdefFile:
        """Where the message stands. Two exchanges, three for a container that says more. After `select`."""
        self._select_file(CONTAINER_FILE)
        container = self._read(0, CONTAINER_SIZE)
        size = min(int.from_bytes(container[:2], "big"), CC_SIZE_MAX)
        if len(container) == CONTAINER_SIZE < size:
            container += self._read(CONTAINER_SIZE, size - CONTAINER_SIZE)
        return ndef_file_of(container)

    def ndef(self) -> tuple[Record, ...]:
        """The message of the band. After `select`: four exchanges, and one for each 240 bytes.

        Raises:
            BandUnsupported: it needs a key.
        """
        file = self.ndef_file()
        if not file.is_readable:
            raise BandUnsupported("the message needs a key", delivery=Delivery.REFUSED)
        self._select_file(file.file)
        head = self._read(0, file.length_size)
        if len(head) != file.length_size:
            raise BandMalformed("the message has no length")
        size = int.from_bytes(head, "big")
        if size > min(file.size_max - file.length_size, MESSAGE_SIZE_MAX):
            raise BandMalformed("the message is longer than its file, or than any of ours")
        return records_of(self._read_all(file, size))

    def _read_all(self, file: NdefFile, size: int) -> bytes:
        step = min(file.read_size, READ_SIZE_MAX)
        if size > step * PIECE_COUNT_MAX:
            raise BandMalformed("the message comes in too many pieces")
        message = b""
        for at in range(0, size, step):
            wanted = min(step, size - at)
            piece = self._read(file.length_size + at, wanted)
            if len(piece) != wanted:
                raise BandMalformed("the message ends before its length")
            message += piece
        return message

    def write_ndef(self, message: bytes) -> None:
        """Write a message that is free to write. After `select`: four exchanges, and one for each piece.

        The length is zero while the message is written and stands last, so a tear leaves an empty message, not half a
        one. Raises BandUnsupported when it needs a key, or does not fit.
        """
        file = self.ndef_file()
        if not file.is_writable or len(message) > file.size_max - file.length_size:
            raise BandUnsupported("the message cannot be written", delivery=Delivery.REFUSED)
        self._select_file(file.file)
        self._update(0, bytes(file.length_size))
        step = min(file.write_size, WRITE_SIZE_MAX)
        for at in range(0, len(message), step):
            self._update(file.length_size + at, message[at : at + step])
        self._update(0, len(message).to_bytes(file.length_size, "big"))

    def _select_file(self, file: bytes) -> None:
        self._required(Command(0x00, SELECT, 0x00, 0x0C, file))

    def _read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes. Raises BandMalformed for more than were asked for."""
        if offset > OFFSET_MAX:
            raise BandMalformed("the message is longer than can be named")
        high, low = divmod(offset, 256)
        content = self._required(Command(0x00, READ_BINARY, high, low, le=size))
        if len(content) > size:
            raise BandMalformed("the band answers more than was asked for")
        return content

    def _update(self, offset: int, content: bytes) -> None:
        high, low = divmod(offset, 256)
        self._required(Command(0x00, UPDATE_BINARY, high, low, content))

    def _exchange(self, command: Command) -> Response:
        return response_of(self._connection.transmit(command.to_bytes()))

    def _required(self, command: Command) -> bytes:
        response = self._exchange(command)
        if response.status != SUCCESS:
            raise BandRefused("the band refused", status=response.status)
        return response.data
