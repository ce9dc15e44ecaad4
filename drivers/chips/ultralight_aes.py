"""Ultralight AES: authenticate, read and write with MACs, count uses, set up keys and protection.

    authenticate   1A slot <- AF E(B)   AF E(A B') <- 00 E(A')                 2 exchanges
    read           30 page MAC          <- 16 bytes MAC                        1
    read_counter   39 number MAC        <- 3 bytes MAC, low byte first         1
    add            A5 number 1 0 0 0 MAC  <- MAC                               1

The MACs are there when the chip was set up to speak so (page 29, bit 1); a band of ours always is. A session is taken out
of its place for each command and put back when the answer held.

    page 29   bit 0 random UID, bit 1 MACs; byte 3: first page that needs slot 0
    page 2A   byte 0: 80 reading needs it too, 40 configuration locked, 08 and 04 anybody may add to and read counter 2;
              bytes 2 and 3: authentications that may fail, 0 for any number
    page 2D   byte 0: 20 these bits locked, 40 and 80 keys of slot 0 and 1 locked
    page 30   key of slot 0, page 34 of slot 1; last byte first, never read back

Source: NXP MF0AES(H)20 data sheet, 8; NXP AN13452.
"""

from dataclasses import dataclass

from drivers.chips.desfire import KeyRefused
from drivers.chips.type2 import (
    FAST_READ,
    FAST_READ_PAGES_MAX,
    GET_VERSION,
    GOES_ON,
    PAGE_SIZE,
    READ,
    READ_SIGNATURE,
    READ_SIZE,
    VERSION_SIZE,
    WRITE,
    acknowledged,
    challenge,
    refused,
    send,
    uid_of_pages,
)
from drivers.connection import Connection
from drivers.credential.handshake import answered
from drivers.credential.kdf import BLOCK, Aes
from drivers.credential.layout import KEY_SIZE
from drivers.credential.mful import MfulSession, mful_opened
from drivers.errors import BandMalformed, BandUnsupported, BandUntrusted, Delivery
from hardware.entropy import Entropy

READ_COUNTER, ADD_TO_COUNTER = 0x39, 0xA5
"""Command codes. Source: NXP MF0AES(H)20 data sheet, 10."""

COUNTER_COUNT = 3
COUNTER_SIZE = 3
COUNTER_MAX = 0xFFFFFF

USER_PAGE, USER_END = 0x04, 0x28
"""First page of user memory, and the page behind its last."""

SECURITY_PAGE, PROTECTION_PAGE, KEY_LOCK_PAGE = 0x29, 0x2A, 0x2D
KEY_PAGES = (0x30, 0x34)
"""First page of the key of slot 0 and 1."""

SIGNATURE_SIZE = 48

RANDOM_UID, WITH_MACS = 0x01, 0x02
"""Bits of the first byte of page 29."""

READING_TOO, COUNTER_FREE = 0x80, 0x0C
"""Bits of the first byte of page 2A."""

KEYS_LOCKED = 0xE0
"""First byte of page 2D: both keys, and these bits."""


@dataclass(frozen=True, slots=True)
class Protection:
    """How an Ultralight AES guards itself.

    Attributes:
        has_random_uid: Does it show a random UID?
        has_macs: Do commands and answers carry MACs?
        first_page: First page that needs slot 0.
        needs_key_to_read: Or only to write?
        fails_max: Authentications that may fail before it refuses for ever; 0 for any number.
        is_counter_free: May anybody add to and read counter 2?
    """

    has_random_uid: bool
    has_macs: bool
    first_page: int
    needs_key_to_read: bool
    fails_max: int
    is_counter_free: bool = False

    def security_page(self) -> bytes:
        """Page 29."""
        flags = (RANDOM_UID if self.has_random_uid else 0) | (WITH_MACS if self.has_macs else 0)
        return bytes((flags, 0, 0, self.first_page))

    def protection_page(self) -> bytes:
        """Page 2A."""
        flags = READING_TOO if self.needs_key_to_read else 0
        flags |= COUNTER_FREE if self.is_counter_free else 0
        return bytes((flags, 0x05)) + self.fails_max.to_bytes(2, "little")


def protection_of(pages: bytes) -> Protection:
    """What pages 29 and 2A say. Raises BandMalformed when they are not both there."""
    if len(pages) < 2 * PAGE_SIZE:
        raise BandMalformed("the configuration is too short")
    return Protection(
        has_random_uid=bool(pages[0] & RANDOM_UID),
        has_macs=bool(pages[0] & WITH_MACS),
        first_page=pages[3],
        needs_key_to_read=bool(pages[4] & READING_TOO),
        fails_max=int.from_bytes(pages[6:8], "little") & 0x3FF,
        is_counter_free=bool(pages[4] & COUNTER_FREE),
    )


class UltralightAes:
    """One Ultralight AES on one connection. Used by one thread, for one activation.

    Every method that speaks to the chip raises BandLeft and ReaderError as the connection does, and besides BandRefused
    (not done), BandUntrusted (a MAC does not hold; done or not is unknown) and BandMalformed.
    """

    def __init__(self, connection: Connection, entropy: Entropy) -> None:
        self._connection = connection
        self._entropy = entropy
        self._session: MfulSession | None = None
        self._is_plain = True

    @property
    def has_macs(self) -> bool:
        """Do answers carry MACs? Only then is what is read the chip's word."""
        return self._session is not None

    def authenticate(
        self, slot: int, key: bytes, *, asked: bytes | None = None, has_macs: bool = True
    ) -> None:
        """Prove to each other that both hold `key`. Two exchanges, one when the challenge is there already.

        Args:
            slot: 0 K_band, 1 K_uid.
            key: 16 bytes.
            asked: The challenge, when `type2.challenge` got it.
            has_macs: Was the chip set up to protect what follows? Anything else than it does breaks the next command.

        Raises:
            KeyRefused: the chip does not accept our key.
            BandUntrusted: the chip does not hold the key.
            BandUnsupported: it is no Ultralight AES.
        """
        cipher = Aes(key)
        self._session, self._is_plain = None, False
        enciphered = self.begin(slot) if asked is None else _block_of(asked)
        so_far = answered(cipher, enciphered, self._entropy.draw(BLOCK), is_chained=False)
        session = mful_opened(cipher, so_far, self.answer_challenge(so_far.token))
        self._session = session if has_macs else None
        self._is_plain = not has_macs

    def begin(self, slot: int) -> bytes:
        """Ask for a challenge, E(B), that somebody else may answer who keeps the key. Raises BandUnsupported."""
        self._session, self._is_plain = None, False
        return _block_of(challenge(self._connection, slot))

    def answer_challenge(self, token: bytes) -> bytes:
        """Send E(A B'); the chip's last message, which the caller must hold against A. Raises KeyRefused."""
        last = self._connection.transmit(bytes((GOES_ON,)) + token)
        if len(last) == 1:
            raise KeyRefused("the chip does not accept the key", status=last[0])
        if last[:1] != b"\x00":
            raise BandMalformed("the answer to an authentication does not parse")
        return last[1:]

    def adopt(self, session: MfulSession) -> None:
        """Go on with a session that was agreed on with the chip, of one that protects what follows."""
        self._session, self._is_plain = session, False

    def uid(self) -> bytes:
        """The true UID, which a chip that shows a random one tells to a session only. One exchange."""
        return uid_of_pages(self.read(0))

    def read(self, page: int) -> bytes:
        """Four pages from `page` on, 16 bytes."""
        return self._run(bytes((READ, page)), size=READ_SIZE)

    def read_pages(self, first: int, count: int) -> bytes:
        """`count` pages from `first` on, with FAST_READ; one exchange for each 32."""
        parts = []
        for at in range(first, first + count, FAST_READ_PAGES_MAX):
            last = min(at + FAST_READ_PAGES_MAX, first + count) - 1
            size = (last - at + 1) * PAGE_SIZE
            parts.append(self._run(bytes((FAST_READ, at, last)), size=size))
        return b"".join(parts)

    def write(self, page: int, content: bytes) -> None:
        """Write one page; when it is torn, read back."""
        if len(content) != PAGE_SIZE:
            raise ValueError("a page has four bytes")
        self._run(bytes((WRITE, page)) + content, size=0)

    def write_pages(self, first: int, content: bytes) -> None:
        """Write whole pages one by one; a tear leaves the first ones new and the rest old."""
        if not content or len(content) % PAGE_SIZE:
            raise ValueError("pages have four bytes")
        for at in range(0, len(content), PAGE_SIZE):
            self.write(first + at // PAGE_SIZE, content[at : at + PAGE_SIZE])

    def read_counter(self, number: int) -> int:
        """A one-way counter, 0 to 2^24-1. One exchange."""
        answer = self._run(bytes((READ_COUNTER, number)), size=COUNTER_SIZE)
        return int.from_bytes(answer, "little")

    def add(self, number: int, amount: int = 1) -> None:
        """Add to a one-way counter, for ever. One exchange.

        When it is torn, read the counter: it has its old value or the new one, nothing between.
        """
        if not 0 <= number < COUNTER_COUNT or not 0 <= amount <= COUNTER_MAX:
            raise ValueError("a counter from 0 to 2 and three bytes")
        content = amount.to_bytes(COUNTER_SIZE, "little") + b"\x00"
        self._run(bytes((ADD_TO_COUNTER, number)) + content, size=0)

    def signature(self) -> bytes:
        """The maker's signature of the UID, 48 bytes, to be held against `originality`. One exchange."""
        return self._run(bytes((READ_SIGNATURE, 0)), size=SIGNATURE_SIZE)

    def version(self) -> bytes:
        """What the chip says of itself, 8 bytes; a claim. One exchange."""
        return self._run(bytes((GET_VERSION,)), size=VERSION_SIZE)

    # --- setting up, at an issuing station

    def protection(self) -> Protection:
        """How the chip guards itself. One exchange."""
        return protection_of(self.read(SECURITY_PAGE))

    def write_key(self, slot: int, key: bytes) -> None:
        """Write a key, which crosses the air in clear: only where nobody can listen. Four exchanges."""
        if len(key) != KEY_SIZE:
            raise ValueError("a key has 16 bytes")
        self.write_pages(KEY_PAGES[slot], key[::-1])

    def protect(self, wanted: Protection) -> None:
        """Write both pages; they take effect at the next activation. Two exchanges.

        The page that turns protection on comes last, so that a tear before it leaves a chip that can still be written.
        """
        self.write(PROTECTION_PAGE, wanted.protection_page())
        self.write(SECURITY_PAGE, wanted.security_page())

    def are_keys_locked(self) -> bool:
        """Can nobody change the keys? One exchange."""
        return self.read(KEY_LOCK_PAGE)[0] & KEYS_LOCKED == KEYS_LOCKED

    def lock_keys(self) -> None:
        """Let nobody change the keys, for ever."""
        self.write(KEY_LOCK_PAGE, bytes((KEYS_LOCKED, 0, 0, 0)))

    # --- how commands travel

    def _run(self, command: bytes, *, size: int) -> bytes:
        session, self._session = self._session, None
        if session is None:
            if not self._is_plain:
                raise TypeError("the session is over")
            if not size:
                acknowledged(self._connection, command)
                return b""
            return send(self._connection, command, size=size)
        answer = self._connection.transmit(session.wrap(command))
        if len(answer) == 1:
            raise refused(answer)
        content = session.unwrap(answer)
        if len(content) != size:
            raise BandUntrusted("the answer has another size than asked for")
        self._session = session
        return content


def _block_of(challenge: bytes) -> bytes:
    """A challenge of the size an Ultralight AES asks. Raises BandUnsupported."""
    if len(challenge) != BLOCK:
        raise BandUnsupported("it is no Ultralight AES", delivery=Delivery.REFUSED)
    return challenge
