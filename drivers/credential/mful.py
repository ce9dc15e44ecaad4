"""Ultralight AES and Ultralight C: how they authenticate, and the MACs that follow in Ultralight AES.

    Ultralight AES  1A slot <- AF E(B)   AF E(A B')  <- 00 E(A')   AES-128, every message from an initial vector of zeros
    Ultralight C    1A 00   <- AF E(B)   AF E(A B')  <- 00 E(A')   2K3DES, the initial vector chains over the messages

The sums of the three passes are those of DESFire, in `drivers.credential.handshake`: not chained for the one, chained for
the other. Afterwards Ultralight AES protects every command and answer with eight bytes of CMAC over a counter and the
bytes, when it was encoded so; Ultralight C protects nothing, so whoever sits between can change what is read.

Source: NXP MF0AES(H)20 data sheet, 8.6; NXP AN13452; NXP MF0ICU2 data sheet, 7.5.5.
"""

import hmac

from drivers.credential.handshake import Answered, check
from drivers.credential.kdf import Aes, BlockCipher, Cmac, session_keys_ev2
from drivers.credential.session import MAC_SIZE, truncated
from drivers.errors import BandUntrusted, Delivery

COUNTER_MAX = 0xFFFE
"""Last command counter with an answer counter after it. Source: NXP MF0AES(H)20 data sheet: two bytes."""


def mful_opened(cipher: BlockCipher, so_far: Answered, last: bytes) -> "MfulSession":
    """The session that the last message of an Ultralight AES opens.

    Args:
        cipher: With the key of the slot.
        so_far: From `drivers.credential.handshake.answered`, not chained.
        last: E(A').

    Raises:
        BandMalformed: it has another size.
        BandUntrusted: the chip does not hold the key.
    """
    check(cipher, so_far, last)
    return MfulSession(session_keys_ev2(cipher, so_far.rnd_a, so_far.rnd_b).mac)


class MfulSession:
    """The MACs of one authenticated Ultralight AES.

    The counter starts at 0 and counts commands and answers alike. An answer that would be an ACK is the MAC alone.
    """

    def __init__(self, key: bytes) -> None:
        self._cmac = Cmac(Aes(key))
        self._counter = 0
        self._is_over = False

    def __repr__(self) -> str:
        return "MfulSession(<hidden>)"

    def wrap(self, command: bytes) -> bytes:
        """The command and its MAC. Raises BandUntrusted when the session is over or has no commands left."""
        if self._is_over:
            raise BandUntrusted("the session is over", delivery=Delivery.NOT_SENT)
        if self._counter > COUNTER_MAX:
            raise self._ended("the session has no commands left", Delivery.NOT_SENT)
        return command + self._mac(command)

    def unwrap(self, answer: bytes) -> bytes:
        """The bytes of an answer, empty for one that would be an ACK. Raises BandUntrusted, which ends the session."""
        self._counter += 1
        content, mac = answer[:-MAC_SIZE], answer[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._mac(content)):
            raise self._ended("the MAC of the answer is wrong", Delivery.UNKNOWN)
        self._counter += 1
        return content

    def _mac(self, content: bytes) -> bytes:
        return truncated(self._cmac.over(self._counter.to_bytes(2, "little") + content))

    def _ended(self, reason: str, delivery: Delivery) -> BandUntrusted:
        self._is_over = True
        return BandUntrusted(reason, delivery=delivery)
