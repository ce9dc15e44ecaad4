"""Authentications that whoever keeps the key answers from afar: which there are, and their sums where the key is.

            chip      sent        chip                     the session is
    ev2     E(B)      E(A B')     E(TI A' caps)            two keys and TI    DESFire EV2 and later, NTAG 424
    ev1     E(B)      E(A B')     E(A')                    one key            DESFire EV1
    mful    E(B)      E(A B')     E(A')                    one key, for MACs  Ultralight AES
    lrp     B         A MAC(A B)  E(TI caps) MAC(B A ..)   one key and TI     NTAG 424 in LRP mode

What goes back to the reader is the session alone: nobody can make K_band of it, nor another session.

For three of them a cipher is enough, which may be in a token. The code book of LRP follows from the key in steps that no
token does, so there the key itself is asked for: that of the one band, as it is lent to stores, for one sum and no longer.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum

from drivers.credential.handshake import Answered, answered, check, ev2_opened
from drivers.credential.kdf import (
    BLOCK,
    ZERO,
    BlockCipher,
    session_key_ev1,
    session_keys_ev2,
)
from drivers.credential.layout import KEY_SIZE
from drivers.credential.lrp_session import LrpHandshake
from drivers.credential.session import TI_SIZE
from drivers.errors import BandMalformed

TOKEN_SIZE = 2 * BLOCK
"""Bytes that are sent to the chip, whatever it speaks."""


class Dialect(Enum):
    """What a chip speaks when it proves itself. The values are public: they stand in the pipe and go to the centre."""

    EV1 = "ev1"
    EV2 = "ev2"
    LRP = "lrp"
    MFUL = "mful"

    @property
    def keys_size(self) -> int:
        """Bytes of the keys of a session."""
        return 2 * KEY_SIZE if self is Dialect.EV2 else KEY_SIZE

    @property
    def ti_size(self) -> int:
        """Bytes of its transaction identifier; 0 where there is none."""
        return TI_SIZE if self in (Dialect.EV2, Dialect.LRP) else 0


@dataclass(frozen=True, slots=True)
class OneSession:
    """What opens one session with one chip, and nothing else.

    Attributes:
        keys: As many bytes as its dialect says: two keys, one, or the one that both of LRP follow from.
        ti: Transaction identifier, as many bytes as its dialect says.
    """

    keys: bytes = field(repr=False)
    ti: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyKeeper:
    """Whoever keeps the key of one band.

    Attributes:
        cipher: AES with it, for as long as a block lasts.
        key: The key itself; asked for in LRP only.
    """

    cipher: Callable[[], AbstractContextManager[BlockCipher]]
    key: Callable[[], bytes] = field(repr=False)


def answer_chip(
    keeper: KeyKeeper, dialect: Dialect, challenge: bytes, rnd_a: bytes
) -> tuple[bytes, bytes]:
    """Answer the challenge of a chip; what to send to it, and its random number. Raises BandMalformed for one of another size."""
    if dialect is Dialect.LRP:
        if len(challenge) != BLOCK:
            raise BandMalformed("the challenge of the chip has the wrong size")
        return LrpHandshake(keeper.key(), rnd_a, challenge).token, challenge
    with keeper.cipher() as cipher:
        so_far = answered(cipher, challenge, rnd_a, is_chained=dialect is Dialect.EV1)
    return so_far.token, so_far.rnd_b


def open_chip(
    keeper: KeyKeeper, dialect: Dialect, last: bytes, *, rnd_a: bytes, rnd_b: bytes
) -> OneSession:
    """The session that the chip's last message opens; only the chip with the key can have sent it.

    Raises:
        BandMalformed: it has another size.
        BandUntrusted: the chip does not hold the key.
    """
    if dialect is Dialect.LRP:
        agreed = LrpHandshake(keeper.key(), rnd_a, rnd_b).opened(last)
        return OneSession(agreed.master, agreed.ti)
    with keeper.cipher() as cipher:
        if dialect is Dialect.EV2:
            opened = ev2_opened(cipher, Answered(rnd_a, rnd_b, b"", ZERO), last)
            return OneSession(opened.keys.enc + opened.keys.mac, opened.ti)
        if dialect is Dialect.EV1:
            # The chain goes on from what was sent, which follows from both random numbers.
            asked = cipher.encrypted(rnd_b)
            check(cipher, answered(cipher, asked, rnd_a, is_chained=True), last)
            return OneSession(session_key_ev1(rnd_a, rnd_b), b"")
        check(cipher, Answered(rnd_a, rnd_b, b"", ZERO), last)
        return OneSession(session_keys_ev2(cipher, rnd_a, rnd_b).mac, b"")
