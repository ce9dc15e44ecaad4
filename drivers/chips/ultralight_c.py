"""Ultralight C: authenticate with 2K3DES, read, write, count uses. Nothing it says afterwards is protected on the air.

    authenticate   1A 00 <- AF E(B)   AF E(A B') <- 00 E(A')     2 exchanges
    read           30 page            <- 16 bytes                1
    uses           30 29              <- counter in the first two bytes, low byte first
    add            A2 29 n 0 0 0      <- 0A                      n from 1 to 15 is added; the first write sets it instead

    page 2A   first byte: first page that needs the key, 30 for none
    page 2B   first byte: 0 also to read, 1 only to write
    page 2C   the key: first half last byte first, then second half last byte first; never read back

Source: NXP MF0ICU2 data sheet, 7.5 to 7.6.
"""

from drivers.chips.desfire import KeyRefused
from drivers.chips.type2 import GOES_ON, PAGE_SIZE, Type2, challenge
from drivers.connection import Connection
from drivers.credential.des import DES_BLOCK, TWO_KEY_SIZE, TripleDes
from drivers.credential.handshake import answered, check
from drivers.errors import BandMalformed, BandUnsupported, Delivery
from hardware.entropy import Entropy

USER_PAGE, USER_END = 0x04, 0x28
"""First page of user memory, and the page behind its last."""

COUNTER_PAGE, FIRST_PAGE_PAGE, READING_PAGE, KEY_PAGE = 0x29, 0x2A, 0x2B, 0x2C

COUNTER_SIZE = 2
COUNTER_MAX = 0xFFFF
STEP_MAX = 15
"""Most a write adds to the counter."""


class UltralightC(Type2):
    """One Ultralight C on one connection. Used by one thread, for one activation.

    What it answers after `authenticate` is not protected: who stands between can change it. It shows that the chip is
    there, and the counter as the air brought it.
    """

    def __init__(self, connection: Connection, entropy: Entropy) -> None:
        super().__init__(connection)
        self._entropy = entropy

    def authenticate(self, key: bytes, *, asked: bytes | None = None) -> None:
        """Prove to each other that both hold `key`. Two exchanges, one when the challenge is there already.

        Args:
            key: 16 bytes, both halves of 2K3DES.
            asked: The challenge, when `type2.challenge` got it.

        Raises:
            KeyRefused: the chip does not accept our key.
            BandUntrusted: the chip does not hold the key.
            BandUnsupported: it is no Ultralight C.
        """
        if len(key) != TWO_KEY_SIZE:
            raise ValueError("a key has 16 bytes")
        enciphered = challenge(self._connection, 0) if asked is None else asked
        if len(enciphered) != DES_BLOCK:
            raise BandUnsupported("it is no Ultralight C", delivery=Delivery.REFUSED)
        cipher = TripleDes(key)
        so_far = answered(cipher, enciphered, self._entropy.draw(DES_BLOCK), is_chained=True)
        last = self._connection.transmit(bytes((GOES_ON,)) + so_far.token)
        if len(last) == 1:
            raise KeyRefused("the chip does not accept the key", status=last[0])
        if last[:1] != b"\x00":
            raise BandMalformed("the answer to an authentication does not parse")
        check(cipher, so_far, last[1:])

    def read_counter(self) -> int:
        """The one-way counter, 0 to 65535. One exchange."""
        return int.from_bytes(self.read(COUNTER_PAGE)[:COUNTER_SIZE], "little")

    def add(self, amount: int = 1) -> None:
        """Add to the one-way counter, for ever. One exchange; when it is torn, read the counter.

        The first write to a new chip sets the counter to what is written, which is the same for 1.
        """
        if not 1 <= amount <= STEP_MAX:
            raise ValueError("a counter moves by 1 to 15")
        self.write(COUNTER_PAGE, bytes((amount, 0, 0, 0)))

    # --- setting up, at an issuing station

    def write_key(self, key: bytes) -> None:
        """Write the key, which crosses the air in clear: only where nobody can listen. Four exchanges."""
        if len(key) != TWO_KEY_SIZE:
            raise ValueError("a key has 16 bytes")
        stored = key[:DES_BLOCK][::-1] + key[DES_BLOCK:][::-1]
        for at in range(0, TWO_KEY_SIZE, PAGE_SIZE):
            self.write(KEY_PAGE + at // PAGE_SIZE, stored[at : at + PAGE_SIZE])

    def protect(self, first_page: int, *, needs_key_to_read: bool) -> None:
        """Ask for the key from a page on; takes effect at the next activation. Two exchanges.

        The page that turns protection on comes last, so that a tear before it leaves a chip that can still be written.
        """
        self.write(READING_PAGE, bytes((0 if needs_key_to_read else 1, 0, 0, 0)))
        self.write(FIRST_PAGE_PAGE, bytes((first_page, 0, 0, 0)))
