"""DESFire EV1 and EV2 as far as this product reads them: select, authenticate with AES, true UID, read, version.

    AuthenticateAES       AA slot        <- AF E(B)    AF E(A B')   <- 00 E(A')                     EV1
    AuthenticateEV2First  71 slot 00     <- AF E(B)    AF E(A B')   <- 00 E(TI A' caps)             EV2
    EV2NonFirst           77 slot        <- AF E(B)    AF E(A B')   <- 00 E(A')                     EV2

A and B are the random numbers of both sides, a prime means rotated left by one byte. In EV1 the initial vector chains
over the three messages; in EV2 each starts from zeros.

Source: MF3ICD81 data sheet; NXP AN12343; NXP AN12196.
"""

import hmac
from dataclasses import dataclass

from drivers.chips.framing import (
    ADDITIONAL_FRAME,
    AUTHENTICATION_ERROR,
    ILLEGAL_COMMAND,
    Answer,
    collect,
    exchange,
    required,
)
from drivers.connection import Connection
from drivers.credential.kdf import (
    BLOCK,
    ZERO,
    Aes,
    session_key_ev1,
    session_keys_ev2,
)
from drivers.credential.layout import BandFile, CommMode
from drivers.credential.session import TI_SIZE, Ev1Session, Ev2Session, Session
from drivers.errors import BandMalformed, BandUntrusted, Delivery
from hardware.entropy import Entropy

SELECT_APPLICATION = 0x5A
AUTHENTICATE_AES = 0xAA
AUTHENTICATE_EV2_FIRST = 0x71
AUTHENTICATE_EV2_NON_FIRST = 0x77
GET_CARD_UID = 0x51
READ_DATA = 0xBD
GET_VERSION = 0x60

UID_SIZE = 7
"""Bytes of the true UID of every DESFire so far. Source: MF3ICD81 data sheet, GetCardUID."""

VERSION_SIZES = range(28, 31)
"""Bytes of GetVersion: hardware 7, software 7, production 14, and up to two a later chip adds."""


class KeyRefused(BandUntrusted):
    """The chip does not accept the key: it is not the band it says it is, or the key is not its key."""


@dataclass(frozen=True, slots=True)
class Version:
    """What the chip says of itself; a claim.

    Attributes:
        hardware_type: 1 DESFire, 4 NTAG.
        hardware_major: 1 EV1, 18 EV2, 51 EV3 for DESFire.
    """

    hardware_type: int
    hardware_major: int


class Desfire:
    """One DESFire chip on one connection. Used by one thread, for one activation."""

    def __init__(self, connection: Connection, entropy: Entropy) -> None:
        self._connection = connection
        self._entropy = entropy
        self._session: Session | None = None
        self._chain = ZERO

    def select_application(self, aid: bytes) -> Answer:
        """Select by AID; the answer's status says whether it is there. Ends any session."""
        self._session = None
        return exchange(self._connection, SELECT_APPLICATION, aid)

    def authenticate_ev2_first(self, slot: int, key: bytes) -> bool:
        """Prove to each other that both hold `key`, and open an EV2 session.

        Returns:
            Whether the chip knows the command; False means an older chip, and nothing was proved.

        Raises:
            KeyRefused: the chip does not accept our key.
            BandUntrusted: the chip does not hold the key.
            BandRefused, BandMalformed, BandLeft, ReaderError.
        """
        first = exchange(self._connection, AUTHENTICATE_EV2_FIRST, bytes((slot, 0)))
        if first.status == ILLEGAL_COMMAND:
            return False
        aes = Aes(key)
        rnd_a, rnd_b, last = self._challenge(aes, first, chained=False)
        if len(last) != 2 * BLOCK:
            raise BandMalformed("the answer to an authentication has the wrong size")
        plain = aes.decrypted(last)
        self._check(rnd_a, plain[TI_SIZE : TI_SIZE + BLOCK])
        self._session = Ev2Session(session_keys_ev2(aes, rnd_a, rnd_b), plain[:TI_SIZE])
        return True

    def authenticate_ev2_non_first(self, slot: int, key: bytes) -> None:
        """The same with another key within the transaction that `authenticate_ev2_first` began. Raises as it does."""
        session = self._session
        if not isinstance(session, Ev2Session):
            raise TypeError("an EV2 session must be open")
        first = exchange(self._connection, AUTHENTICATE_EV2_NON_FIRST, bytes((slot,)))
        aes = Aes(key)
        rnd_a, rnd_b, last = self._challenge(aes, first, chained=False)
        if len(last) != BLOCK:
            raise BandMalformed("the answer to an authentication has the wrong size")
        self._check(rnd_a, aes.decrypted(last))
        self._session = session.continued(session_keys_ev2(aes, rnd_a, rnd_b))

    def authenticate_aes(self, slot: int, key: bytes) -> None:
        """Prove to each other that both hold `key`, and open an EV1 session. Raises as `authenticate_ev2_first`."""
        first = exchange(self._connection, AUTHENTICATE_AES, bytes((slot,)))
        aes = Aes(key)
        rnd_a, rnd_b, last = self._challenge(aes, first, chained=True)
        if len(last) != BLOCK:
            raise BandMalformed("the answer to an authentication has the wrong size")
        self._check(rnd_a, aes.decrypted(last, self._chain))
        self._session = Ev1Session(session_key_ev1(rnd_a, rnd_b))

    def card_uid(self) -> bytes:
        """The true UID, through the session. Raises BandUntrusted when it does not hold or is not 7 bytes."""
        return self._protected(GET_CARD_UID, b"", CommMode.FULL, size=UID_SIZE)

    def read(self, file: BandFile) -> bytes:
        """The whole content of a file, through the session.

        Raises:
            BandRefused: no such file, or the key of the session may not read it.
            BandUntrusted: the answer does not hold.
        """
        header = bytes((file.number,)) + bytes(3) + file.size.to_bytes(3, "little")
        return self._protected(READ_DATA, header, file.mode, size=file.size)

    def version(self) -> Version:
        """What the chip says of itself, outside a session. Raises BandRefused, BandMalformed."""
        content = required(collect(self._connection, GET_VERSION))
        if len(content) not in VERSION_SIZES:
            raise BandMalformed("the answer to GetVersion has the wrong size")
        return Version(hardware_type=content[1], hardware_major=content[3])

    def _protected(self, code: int, header: bytes, mode: CommMode, *, size: int) -> bytes:
        session = self._session
        if session is None:
            raise TypeError("a session must be open")
        sent = session.wrap(code, header, b"", mode)
        answer = collect(self._connection, code, sent)
        if answer.status != 0:
            self._session = None
        return session.unwrap(required(answer), mode, size=size)

    def _challenge(
        self, aes: Aes, first: Answer, *, chained: bool
    ) -> tuple[bytes, bytes, bytes]:
        """The middle of every authentication: our random number, theirs, and the chip's last message."""
        self._session = None
        if first.status == AUTHENTICATION_ERROR:
            raise KeyRefused("the chip refuses to authenticate", delivery=Delivery.REFUSED)
        enciphered = required(first, ADDITIONAL_FRAME)
        if len(enciphered) != BLOCK:
            raise BandMalformed("the challenge of the chip has the wrong size")
        rnd_a, rnd_b = self._entropy.draw(BLOCK), aes.decrypted(enciphered)
        token = aes.encrypted(rnd_a + _rotated(rnd_b), enciphered if chained else ZERO)
        self._chain = token[-BLOCK:]
        last = exchange(self._connection, ADDITIONAL_FRAME, token)
        if last.status == AUTHENTICATION_ERROR:
            raise KeyRefused("the chip does not accept the key", delivery=Delivery.REFUSED)
        return rnd_a, rnd_b, required(last)

    @staticmethod
    def _check(rnd_a: bytes, answered: bytes) -> None:
        if not hmac.compare_digest(_rotated(rnd_a), answered):
            raise BandUntrusted("the chip does not hold the key", delivery=Delivery.UNKNOWN)


def _rotated(block: bytes) -> bytes:
    return block[1:] + block[:1]
