"""The reader's half of every DESFire authentication, as sums: no chip, no connection, and no key, only a cipher that has it.

    chip    E(B)             B: its random number
    we      E(A B')          A: ours; a prime means rotated left by one byte
    chip    E(A') or E(TI A' caps)

So the same sums are done beside the chip with a leased key, and far from it by whoever keeps the key in a token.

    chained     AuthenticateAES (AA), AuthenticateISO (1A)     one CBC chain over the three messages
    unchained   AuthenticateEV2First (71), EV2NonFirst (77)    each message starts from zeros

Source: MF3ICD81 data sheet; NXP AN12343; NXP AN12196, 5.6.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.credential.kdf import BLOCK, BlockCipher, SessionKeys, session_keys_ev2
from drivers.credential.session import TI_SIZE, Ev2Ciphers, Ev2Session
from drivers.errors import BandMalformed, BandUntrusted, Delivery

EV2_LAST_SIZE = 32
"""Bytes of the last message of AuthenticateEV2First: TI, A', six bytes of each side's capabilities. Source: NXP AN12343."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A challenge of the chip, answered.

    Attributes:
        rnd_a, rnd_b: Both random numbers.
        token: What is sent to the chip.
        chain: What the chip's last message is chained to; zeros where it is not.
    """

    rnd_a: bytes = field(repr=False)
    rnd_b: bytes = field(repr=False)
    token: bytes = field(repr=False)
    chain: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ev2Opened:
    """What AuthenticateEV2First agrees on.

    Attributes:
        keys: The two keys of the session.
        ti: Transaction identifier, 4 bytes.
    """

    keys: SessionKeys
    ti: bytes = field(repr=False)


def answered(
    cipher: BlockCipher, challenge: bytes, rnd_a: bytes, *, is_chained: bool
) -> Answered:
    """Answer the challenge of a chip.

    Args:
        cipher: With the key of the slot.
        challenge: E(B), as the chip sent it.
        rnd_a: Our random number, new each time; its size is that of the chip's.
        is_chained: The protocol, see above.

    Raises:
        BandMalformed: the challenge has another size than `rnd_a`.
    """
    if len(challenge) != len(rnd_a):
        raise BandMalformed("the challenge of the chip has the wrong size")
    rnd_b = cipher.decrypted(challenge)
    zeros = bytes(cipher.size)
    iv = challenge[-cipher.size :] if is_chained else zeros
    token = cipher.encrypted(rnd_a + _rotated(rnd_b), iv)
    return Answered(rnd_a, rnd_b, token, token[-cipher.size :] if is_chained else zeros)


def check(cipher: BlockCipher, so_far: Answered, last: bytes) -> None:
    """Hold the chip's last message, E(A'), against our random number.

    Raises:
        BandMalformed: it has another size.
        BandUntrusted: the chip does not hold the key.
    """
    if len(last) != len(so_far.rnd_a):
        raise BandMalformed("the answer to an authentication has the wrong size")
    _compare(so_far.rnd_a, cipher.decrypted(last, so_far.chain))


def ev2_opened(cipher: BlockCipher, so_far: Answered, last: bytes) -> Ev2Opened:
    """The session that the last message of AuthenticateEV2First opens. Raises as `check`."""
    ti = _ev2_checked(cipher, so_far.rnd_a, last)
    return Ev2Opened(session_keys_ev2(cipher, so_far.rnd_a, so_far.rnd_b), ti)


def _ev2_checked(cipher: BlockCipher, rnd_a: bytes, last: bytes) -> bytes:
    """Hold the last message of AuthenticateEV2First against our random number; the TI in it. Raises as `check`."""
    if len(last) != EV2_LAST_SIZE:
        raise BandMalformed("the answer to an authentication has the wrong size")
    plain = cipher.decrypted(last)
    _compare(rnd_a, plain[TI_SIZE : TI_SIZE + BLOCK])
    return plain[:TI_SIZE]


class Ev2Ahead:
    """Our half of AuthenticateEV2First where the key is here, worked out while the chip makes up its messages.

        the chip makes up    meanwhile
        its challenge        `begin`: our random number, and the half of our answer that needs nothing of it
        its last message     `go_on`: the ciphers of the session, with which nothing is done before `opened` has held that
                             message against our random number

    Whatever was not done meanwhile is done when it is wanted.

    Args:
        cipher: With the key of the slot.
        draw: Gives that many random bytes.
    """

    def __init__(self, cipher: BlockCipher, draw: Callable[[int], bytes]) -> None:
        self._cipher = cipher
        self._draw = draw
        self._rnd_a = b""
        self._rnd_b = b""
        self._half = b""
        self._ciphers: Ev2Ciphers | None = None

    def begin(self) -> None:
        """Draw our random number, and encipher it."""
        self._rnd_a = self._draw(BLOCK)
        self._half = self._cipher.block(self._rnd_a)

    def token(self, challenge: bytes) -> bytes:
        """What the chip is sent as an answer to its challenge: E(A B'). Raises BandMalformed for one of another size."""
        if len(challenge) != BLOCK:
            raise BandMalformed("the challenge of the chip has the wrong size")
        if not self._half:
            self.begin()
        rnd_b = self._rnd_b = self._cipher.decrypted(challenge)
        rotated = rnd_b[1:] + rnd_b[:1]
        chained = int.from_bytes(rotated, "big") ^ int.from_bytes(self._half, "big")
        return self._half + self._cipher.block(chained.to_bytes(BLOCK, "big"))

    def go_on(self) -> None:
        """Make the ciphers of the session."""
        keys = session_keys_ev2(self._cipher, self._rnd_a, self._rnd_b)
        self._ciphers = Ev2Ciphers(keys)
        self._ciphers.aes.prepare()

    def opened(self, last: bytes) -> Ev2Session:
        """The session that the last message opens. Raises as `check`."""
        ti = _ev2_checked(self._cipher, self._rnd_a, last)
        if self._ciphers is None:
            self.go_on()
        assert self._ciphers is not None
        return Ev2Session(self._ciphers, ti)


def ev2_rekeyed(cipher: BlockCipher, so_far: Answered, last: bytes) -> SessionKeys:
    """The keys that the last message of AuthenticateEV2NonFirst gives the session. Raises as `check`."""
    check(cipher, so_far, last)
    return session_keys_ev2(cipher, so_far.rnd_a, so_far.rnd_b)


def _compare(rnd_a: bytes, given: bytes) -> None:
    if not hmac.compare_digest(_rotated(rnd_a), given):
        raise BandUntrusted("the chip does not hold the key", delivery=Delivery.UNKNOWN)


def _rotated(block: bytes) -> bytes:
    return block[1:] + block[:1]
