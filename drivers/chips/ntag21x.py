"""NTAG 213, 215 and 216, and Ultralight EV1: signature of the maker, password, counter of readings.

    model         60          <- 8 bytes                    1 exchange
    signature     3C 00       <- 32 bytes                   1
    unlock        1B pwd(4)   <- pack(2)                    1; both in clear, so who listened once knows them
    read_counter  39 02       <- 3 bytes, low byte first    1; when it was set up to count

None of it proves that this chip is the one that was issued: everything it holds can be copied.
Source: NXP NTAG213/215/216 data sheet rev 3.2, 8 and 10; NXP MF0ULx1 data sheet, 8 and 10.
"""

from dataclasses import dataclass

from drivers.chips.desfire import KeyRefused
from drivers.chips.type2 import VERSION_SIZE, Type2, send
from drivers.connection import Connection
from drivers.errors import BandMalformed, BandUnsupported, Delivery

UNLOCK, READ_COUNTER = 0x1B, 0x39
"""Command codes."""

READINGS = 0x02
"""The counter of an NTAG 21x: readings since it was switched on."""

COUNTER_SIZE = 3

COUNTS, COUNTER_LOCKED, READING_TOO = 0x10, 0x08, 0x80
"""Bits of the access byte: count readings, counter needs the password, reading needs it too."""


@dataclass(frozen=True, slots=True)
class Model:
    """A chip of the kind.

    Attributes:
        name: As people say it.
        is_ntag: Or an Ultralight EV1?
        user_end: Page behind the last of user memory.
        configuration: First configuration page; the password stands two pages on.
    """

    name: str
    is_ntag: bool
    user_end: int
    configuration: int


MODELS = {
    (0x04, 0x0B): Model("NTAG 210", is_ntag=True, user_end=0x10, configuration=0x10),
    (0x04, 0x0E): Model("NTAG 212", is_ntag=True, user_end=0x24, configuration=0x25),
    (0x04, 0x0F): Model("NTAG 213", is_ntag=True, user_end=0x28, configuration=0x29),
    (0x04, 0x11): Model("NTAG 215", is_ntag=True, user_end=0x82, configuration=0x83),
    (0x04, 0x13): Model("NTAG 216", is_ntag=True, user_end=0xE2, configuration=0xE3),
    (0x03, 0x0B): Model("Ultralight EV1", is_ntag=False, user_end=0x10, configuration=0x10),
    (0x03, 0x0E): Model("Ultralight EV1", is_ntag=False, user_end=0x24, configuration=0x25),
}
"""Model by product type and storage size. Source: the data sheets, GET_VERSION."""

MAKER_NXP = 0x04
ULTRALIGHT_AES_VERSION = (0x03, 0x04, 0x0F)
"""Product type, major version and storage size of an Ultralight AES. Source: NXP MF0AES(H)20 data sheet, GET_VERSION."""


def model_of(version: bytes) -> Model | None:
    """Which chip says so of itself; None for one that is no NTAG 21x or Ultralight EV1.

    Raises BandMalformed when it is no answer to GET_VERSION.
    """
    if len(version) != VERSION_SIZE or version[0] != 0x00:
        raise BandMalformed("the version does not parse")
    if version[1] != MAKER_NXP or is_ultralight_aes(version):
        return None
    return MODELS.get((version[2], version[6]))


def is_ultralight_aes(version: bytes) -> bool:
    """Does the chip say that it is an Ultralight AES?"""
    return (version[2:3], version[4:5], version[6:7]) == tuple(
        bytes((each,)) for each in ULTRALIGHT_AES_VERSION
    )


class Ntag21x(Type2):
    """One NTAG 21x on one connection. Used by one thread, for one activation."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._connection = connection

    def model(self) -> Model:
        """Which chip it says it is. Raises BandUnsupported when it is none of these."""
        found = model_of(self.version())
        if found is None:
            raise BandUnsupported("it is no NTAG 21x", delivery=Delivery.REFUSED)
        return found

    def unlock(self, password: bytes, answer: bytes) -> None:
        """Show the password, for this activation.

        Args:
            password: 4 bytes.
            answer: 2 bytes the chip must answer.

        Raises:
            KeyRefused: it is not the password, or the chip does not know the answer.
            BandLeft: the chip fell silent, which it also does at a wrong password.
        """
        if len(password) != 4 or len(answer) != 2:
            raise ValueError("a password of 4 bytes and an answer of 2")
        received = self._connection.transmit(bytes((UNLOCK,)) + password)
        if received != answer:
            status = received[0] if len(received) == 1 else None
            raise KeyRefused("the chip does not know the password", status=status)

    def read_counter(self) -> int:
        """How often it was read since it counts; a claim. BandRefused when it does not count."""
        answer = send(self._connection, bytes((READ_COUNTER, READINGS)), size=COUNTER_SIZE)
        return int.from_bytes(answer, "little")

    # --- setting up, at an issuing station

    def guard(self, model: Model, *, password: bytes, answer: bytes, first_page: int) -> None:
        """Ask for a password to write from a page on, and count readings from the next one. Five exchanges.

        The page that turns protection on comes last, so that a tear before it leaves a chip that can still be written.
        """
        if len(password) != 4 or len(answer) != 2:
            raise ValueError("a password of 4 bytes and an answer of 2")
        at = model.configuration
        mirror = self.read(at)[:3]
        self.write(at + 2, password)
        self.write(at + 3, answer + bytes(2))
        self.write(at + 1, bytes((COUNTS if model.is_ntag else 0, 0, 0, 0)))
        self.write(at, mirror + bytes((first_page,)))
