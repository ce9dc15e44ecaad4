"""How a DESFire and a reader prove to each other that they hold the same key: 0A, 1A, AA, 71 and 77.

    0A   DES, two-key triple DES; the chip encrypts, the reader decrypts; D40 messaging follows
    1A   DES, two- and three-key triple DES; the IV runs on; EV1 messaging
    AA   AES; the IV runs on; EV1 messaging
    71   AES; each message from IV 0; EV2 messaging with a new transaction identifier
    77   as 71, within the transaction 71 began

A key of another kind is refused like a wrong one. Every authentication but 77 drops what was not committed.

Sources: MF3ICD81 data sheet, authentication; NXP AN12343 (EV2).
"""

import hmac
from collections.abc import Callable
from functools import partial

from hardware.virtual.des import des_deciphered_by_encryption
from hardware.virtual.desfire_core import (
    AUTHENTICATION_ERROR,
    LENGTH_ERROR,
    MORE,
    OK,
    PERMISSION_DENIED,
    Answer,
    Commands,
    Core,
    Refused,
    expect_size,
)
from hardware.virtual.desfire_memory import ChipKey, KeyType
from hardware.virtual.messaging import (
    BLOCK_SIZE,
    ZERO_IV,
    D40Session,
    Ev1Session,
    Ev2Session,
    des_session_key,
    ev1_session_key,
    ev2_session_keys,
    rotated,
)


class Authentication:
    """The commands that open a session."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.commands: Commands = {
            0x0A: self._legacy,
            0x1A: partial(self._chained, frozenset({KeyType.DES, KeyType.TDES3})),
            0xAA: partial(self._chained, frozenset({KeyType.AES})),
        }
        if core.memory.ev >= 2:
            self.commands |= {0x71: self._ev2_first, 0x77: self._ev2_non_first}

    def _key(self, number: int, types: frozenset[KeyType]) -> ChipKey:
        key = self._core.key(number)
        if key.type not in types:
            raise Refused(AUTHENTICATION_ERROR)
        return key

    def _legacy(self, data: bytes) -> Answer:
        expect_size(data, 1)
        key = self._key(data[0], frozenset({KeyType.DES}))
        self._core.end_session()
        rnd_b = self._core.entropy.draw(key.type.nonce_size)

        def check(answer: bytes) -> Answer:
            expect_size(answer, 2 * len(rnd_b))
            plain = des_deciphered_by_encryption(key.value, answer)
            rnd_a = _expected(plain, rnd_b)
            self._open(D40Session(des_session_key(key.value, rnd_a, rnd_b)), data[0])
            return Answer(OK, key.encrypted(bytes(key.block_size), self._core.turned(rnd_a)))

        self._core.pending = check
        return Answer(MORE, key.encrypted(bytes(key.block_size), rnd_b))

    def _chained(self, types: frozenset[KeyType], data: bytes) -> Answer:
        """0x1A and 0xAA: the IV runs on through the three messages."""
        expect_size(data, 1)
        key = self._key(data[0], types)
        self._core.end_session()
        rnd_b = self._core.entropy.draw(key.type.nonce_size)
        challenge = key.encrypted(bytes(key.block_size), rnd_b)

        def check(answer: bytes) -> Answer:
            expect_size(answer, 2 * len(rnd_b))
            plain = key.decrypted(challenge[-key.block_size :], answer)
            rnd_a = _expected(plain, rnd_b)
            if key.type is KeyType.AES:
                session = Ev1Session(ev1_session_key(rnd_a, rnd_b))
            else:
                session = Ev1Session(des_session_key(key.value, rnd_a, rnd_b), is_des=True)
            self._open(session, data[0])
            return Answer(
                OK, key.encrypted(answer[-key.block_size :], self._core.turned(rnd_a))
            )

        self._core.pending = check
        return Answer(MORE, challenge)

    def _open(self, session: D40Session | Ev1Session | Ev2Session, number: int) -> None:
        self._core.session = session
        self._core.key_number = number

    def _ev2_first(self, data: bytes) -> Answer:
        """0x71: key number, length of the reader's capabilities, capabilities (padded with zeros to 6)."""
        if len(data) < 2 or len(data) != 2 + data[1] or data[1] > 6:
            raise Refused(LENGTH_ERROR)
        key = self._key(data[0], frozenset({KeyType.AES}))
        capabilities = data[2:].ljust(6, b"\x00")
        self._core.end_session()
        transaction = self._core.entropy.draw(4)

        def last(rnd_a: bytes) -> bytes:
            return transaction + self._core.turned(rnd_a) + bytes(6) + capabilities

        return self._challenge_ev2(data[0], key, transaction, counter=0, last=last)

    def _ev2_non_first(self, data: bytes) -> Answer:
        """0x77: another key of the same transaction."""
        expect_size(data, 1)
        session = self._core.session
        if not isinstance(session, Ev2Session):
            raise Refused(PERMISSION_DENIED)
        key = self._key(data[0], frozenset({KeyType.AES}))
        self._core.session = self._core.key_number = None
        return self._challenge_ev2(
            data[0], key, session.transaction, counter=session.counter, last=self._core.turned
        )

    def _challenge_ev2(
        self,
        number: int,
        key: ChipKey,
        transaction: bytes,
        *,
        counter: int,
        last: Callable[[bytes], bytes],
    ) -> Answer:
        rnd_b = self._core.entropy.draw(BLOCK_SIZE)

        def check(answer: bytes) -> Answer:
            expect_size(answer, 2 * BLOCK_SIZE)
            rnd_a = _expected(key.decrypted(ZERO_IV, answer), rnd_b)
            encryption_key, mac_key = ev2_session_keys(key.value, rnd_a, rnd_b)
            session = Ev2Session(
                encryption_key=encryption_key,
                mac_key=mac_key,
                transaction=transaction,
                counter=counter,
            )
            self._open(session, number)
            return Answer(OK, key.encrypted(ZERO_IV, last(rnd_a)))

        self._core.pending = check
        return Answer(MORE, key.encrypted(ZERO_IV, rnd_b))


def _expected(plain: bytes, rnd_b: bytes) -> bytes:
    """RndA, when our own random number came back turned; refused when it did not."""
    rnd_a, turned = plain[: len(rnd_b)], plain[len(rnd_b) :]
    if not hmac.compare_digest(turned, rotated(rnd_b)):
        raise Refused(AUTHENTICATION_ERROR)
    return rnd_a
