"""Type 3 bands: NDEF in the open blocks of a FeliCa.

    select      polling for system 12FC <- the IDm under which the message is read; silence where there is none    1 exchange
    attributes  block 0 of service 000B                                                                            1
    message     blocks 1 and on, as many at once as card and frame take                                            1 and more

    attributes   version, 10   blocks of a read   blocks of a write   capacity(2)   0(4)   0F while it is written
                 1 where it may be written   length(3)   sum of all before(2); numbers high byte first

Source: NFC Forum Type 3 Tag 1.0, 5 and 6.
"""

from drivers.chips.felica import (
    BLOCK_COUNT_MAX,
    BLOCK_SIZE,
    NDEF_SYSTEM,
    Felica,
)
from drivers.connection import Connection
from drivers.errors import BandMalformed, BandSilent, BandUnsupported, Delivery
from drivers.ndef import Record, records_of

VERSION_MAJOR = 1
"""Upper half of the first byte of the attributes. Source: NFC Forum Type 3 Tag 1.0, 6.1."""

LAST_BLOCK = 0xFF
"""The last block a command of ours can name; so a message of 4080 bytes is the longest, less than `ndef` takes."""


class Type3:
    """One Type 3 band on one connection, read without a key. Used by one thread, for one activation.

    Methods raise BandLeft and ReaderError as the connection does, BandRefused for flags other than zero, and
    BandMalformed for bytes that do not parse.
    """

    def __init__(self, connection: Connection, idm: bytes) -> None:
        """Speak to the card that showed this IDm, 8 bytes. Raises BandMalformed for another size."""
        self._connection = connection
        self._card = Felica(connection, idm)

    def select(self) -> bool:
        """Does it hold NDEF? What follows speaks to that part of it. One exchange; silence is a no."""
        try:
            identity = self._card.poll(NDEF_SYSTEM)
        except BandSilent:
            return False
        self._card = Felica(self._connection, identity.idm)
        return True

    def ndef(self) -> tuple[Record, ...]:
        """The message of the band. After `select`: one exchange, and one for each four blocks or fewer.

        Raises:
            BandUnsupported: its attributes are of a later kind.
            BandMalformed: they do not hold, a write was torn, or the message does not parse.
        """
        step, size = _attributes(self._card.read(0, 1))
        n_blocks = -(-size // BLOCK_SIZE)
        parts = (
            self._card.read(at, min(step, n_blocks + 1 - at))
            for at in range(1, n_blocks + 1, step)
        )
        return records_of(b"".join(parts)[:size])


def _attributes(block: bytes) -> tuple[int, int]:
    """Blocks to read at once, and bytes of the message."""
    if sum(block[:14]) != int.from_bytes(block[14:], "big"):
        raise BandMalformed("the attributes do not hold")
    if block[0] >> 4 != VERSION_MAJOR:
        raise BandUnsupported("attributes of another version", delivery=Delivery.DONE)
    capacity = int.from_bytes(block[3:5], "big") * BLOCK_SIZE
    size = int.from_bytes(block[11:14], "big")
    if block[9]:
        raise BandMalformed("the message was torn while it was written")
    if not block[1] or size > min(capacity, LAST_BLOCK * BLOCK_SIZE):
        raise BandMalformed("the message is longer than its blocks, or than can be named")
    return min(block[1], BLOCK_COUNT_MAX), size
