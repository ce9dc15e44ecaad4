"""The NDEF message of whatever lies there, read without a key.

    Type 2   Ultralight, NTAG 21x             see `type2`
    Type 3   FeliCa                           see `type3`
    Type 4   NTAG 424, DESFire, telephones    see `type4`
    others   nothing is asked

What stands there is somebody's claim: it is foreign text, and the link of an NTAG 424 counts that it was read.
"""

from typing import assert_never

from drivers.chips.type2 import Type2
from drivers.chips.type3 import Type3
from drivers.chips.type4 import Type4
from drivers.connection import Connection
from drivers.errors import BandUnsupported, Delivery
from drivers.ndef import Record
from drivers.target import Target, Technology


def read_message(connection: Connection, target: Target) -> tuple[Record, ...]:
    """The records of the band's message; none where it is empty. Two exchanges and more; blocks as long as they take.

    Args:
        connection: To `target`. A session a driver opened on it before is over afterwards.
        target: As the reader saw it.

    Raises:
        BandUnsupported: it holds no NDEF, or none that is free to read.
        BandMalformed: what stands there does not parse.
        BandLeft, BandRefused, ReaderError: as its chip's driver says.
    """
    match target.technology:
        case Technology.TYPE_2:
            return Type2(connection).ndef()
        case Technology.FELICA:
            felica = Type3(connection, target.uid)
            if felica.select():
                return felica.ndef()
        case Technology.ISO_DEP:
            band = Type4(connection)
            if band.select():
                return band.ndef()
        case Technology.OTHER:
            raise BandUnsupported("nothing is asked of it", delivery=Delivery.NOT_SENT)
        case _:
            assert_never(target.technology)
    raise BandUnsupported("it holds no NDEF", delivery=Delivery.REFUSED)
