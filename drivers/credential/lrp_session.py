"""Secure messaging of NTAG 424 DNA in LRP mode: the three passes of the authentication, and what follows them.

    sent      71 slot 01 02                                    asks for LRP; a chip in AES mode answers as in AES mode
    received  AF  01 B                                         B in clear
    sent      AF  A  MAC(A B)                                  already with the key of the session
    received  00  E(TI caps caps) MAC(B A E(...))              77 answers MAC(B A) alone

A and B are the random numbers of both sides. Commands and answers are protected as in `Ev2Session`, with the MAC and the
code book of LRP; the counter of the code book goes on over every block, both ways.

Source: NXP NT4H2421Gx data sheet rev 3.0, 9.2 and 10.4.3.
"""

import hmac
from dataclasses import dataclass, field

from drivers.credential.kdf import BLOCK, padded
from drivers.credential.layout import CommMode
from drivers.credential.lrp import LrpKey
from drivers.credential.session import COUNTER_MAX, MAC_SIZE, STATUS_OK, TI_SIZE, truncated
from drivers.errors import BandMalformed, BandUntrusted, Delivery

CAPABILITIES = b"\x02\x00\x00\x00\x00\x00"
"""PCDCap2 that asks for LRP; the chip says it back. Source: NXP NT4H2421Gx data sheet rev 3.0, 9.2.5."""

LRP_MODE = 0x01
"""AuthMode before B. Source: NXP NT4H2421Gx data sheet rev 3.0, table 38."""

ENC_COUNTER_SIZE = 4
"""Bytes of EncCtr, high byte first. Source: NXP NT4H2421Gx data sheet rev 3.0, 9.2.4."""


@dataclass(frozen=True, slots=True)
class LrpOpened:
    """What a first authentication agrees on.

    Attributes:
        master: The key that both keys of the session follow from, 16 bytes.
        ti: Transaction identifier, 4 bytes.
    """

    master: bytes = field(repr=False)
    ti: bytes = field(repr=False)


def session_master(key: bytes, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """The key that both keys of a session follow from. Source: NXP NT4H2421Gx data sheet rev 3.0, 9.2.7."""
    mixed = int.from_bytes(rnd_a[2:8], "big") ^ int.from_bytes(rnd_b[:6], "big")
    vector = (
        b"\x00\x01\x00\x80"
        + rnd_a[:2]
        + mixed.to_bytes(6, "big")
        + rnd_b[6:]
        + rnd_a[8:]
        + b"\x96\x69"
    )
    return LrpKey.of(key).mac(vector)


def session_pair(key: bytes, rnd_a: bytes, rnd_b: bytes) -> tuple[LrpKey, LrpKey]:
    """The keys of a session, for MACs and for enciphering."""
    return LrpKey.pair(session_master(key, rnd_a, rnd_b))


class LrpHandshake:
    """Our side of one authentication, after the chip sent its random number.

    Args of the constructor: the key of the slot, 16 bytes; our and the chip's random number, 16 bytes each.
    """

    def __init__(self, key: bytes, rnd_a: bytes, rnd_b: bytes) -> None:
        if len(rnd_a) != BLOCK or len(rnd_b) != BLOCK:
            raise ValueError("a random number is 16 bytes")
        self._rnd_a, self._rnd_b = rnd_a, rnd_b
        self._master = session_master(key, rnd_a, rnd_b)
        self._mac, self._enc = LrpKey.pair(self._master)

    def __repr__(self) -> str:
        return "LrpHandshake(<hidden>)"

    @property
    def token(self) -> bytes:
        """What we send: A and its MAC."""
        return self._rnd_a + self._mac.mac(self._rnd_a + self._rnd_b)

    def opened(self, last: bytes) -> LrpOpened:
        """What the chip's last message to 71 agrees on.

        Raises:
            BandMalformed: the message has the wrong size.
            BandUntrusted: the chip does not hold the key, or was not asked what we asked.
        """
        if len(last) != 2 * BLOCK:
            raise BandMalformed("the answer to an authentication has the wrong size")
        enciphered = last[:BLOCK]
        self._check(last[BLOCK:], enciphered)
        plain = self._enc.deciphered(enciphered, bytes(ENC_COUNTER_SIZE))
        if not hmac.compare_digest(plain[-len(CAPABILITIES) :], CAPABILITIES):
            raise BandUntrusted("the chip was asked for something else")
        return LrpOpened(self._master, plain[:TI_SIZE])

    def first(self, last: bytes) -> "LrpSession":
        """The session that the chip's last message to 71 opens. Raises as `opened`."""
        return LrpSession(self._mac, self._enc, self.opened(last).ti, enc_counter=1)

    def following(self, last: bytes, session: "LrpSession") -> "LrpSession":
        """The session that the chip's last message to 77 opens, within the transaction of `session`. Raises as `opened`."""
        if len(last) != BLOCK:
            raise BandMalformed("the answer to an authentication has the wrong size")
        self._check(last, b"")
        return session.continued(self._mac, self._enc)

    def _check(self, answered: bytes, enciphered: bytes) -> None:
        wanted = self._mac.mac(self._rnd_b + self._rnd_a + enciphered)
        if not hmac.compare_digest(wanted, answered):
            raise BandUntrusted("the chip does not hold the key")


class LrpSession:
    """Secure messaging after an authentication in LRP mode. Fills `drivers.credential.session.Session`."""

    def __init__(
        self, mac: LrpKey, enc: LrpKey, ti: bytes, *, counter: int = 0, enc_counter: int = 0
    ) -> None:
        self._mac_key, self._enc_key = mac, enc
        self._ti = ti
        self._counter = counter
        self._enc_counter = enc_counter
        self._is_over = False

    def __repr__(self) -> str:
        return "LrpSession(<hidden>)"

    @classmethod
    def of(cls, opened: LrpOpened) -> "LrpSession":
        """The session that was agreed on, here or elsewhere. One block was enciphered until then."""
        return cls(*LrpKey.pair(opened.master), opened.ti, enc_counter=1)

    @property
    def counter(self) -> int:
        """Commands of this transaction so far."""
        return self._counter

    @property
    def ti(self) -> bytes:
        """The transaction identifier, 4 bytes the chip drew."""
        return self._ti

    def continued(self, mac: LrpKey, enc: LrpKey) -> "LrpSession":
        """The session with other keys in the same transaction; this one is over."""
        self._need_open()
        self._is_over = True
        return LrpSession(mac, enc, self._ti, counter=self._counter)

    def wrap(self, code: int, header: bytes, content: bytes, mode: CommMode) -> bytes:
        """Header, protected content and MAC."""
        self._need_open()
        if self._counter >= COUNTER_MAX:
            raise self._ended("the session has no commands left", Delivery.NOT_SENT)
        if mode is CommMode.PLAIN:
            return header + content
        if mode is CommMode.FULL and content:
            whole = padded(content)
            content = self._enc_key.enciphered(whole, self._next(len(whole)))
        return header + content + self._mac(code, header + content)

    def unwrap(self, answer: bytes, mode: CommMode, *, size: int | None = None) -> bytes:
        """The content of an answer with status OK."""
        self._need_open()
        self._counter += 1
        content = answer
        if mode is not CommMode.PLAIN:
            content, mac = answer[:-MAC_SIZE], answer[-MAC_SIZE:]
            if not hmac.compare_digest(mac, self._mac(STATUS_OK, content)):
                raise self._ended("the MAC of the answer is wrong")
            if mode is CommMode.FULL and content:
                content = self._deciphered(content)
        if size is not None and len(content) != size:
            raise self._ended("the answer has another size than asked for")
        return content

    def _deciphered(self, content: bytes) -> bytes:
        if len(content) % BLOCK:
            raise self._ended("the enciphered answer is not whole blocks")
        plain = self._enc_key.deciphered(content, self._next(len(content)))
        end = plain.rstrip(b"\x00")
        if not end.endswith(b"\x80") or len(plain) - len(end) >= BLOCK:
            raise self._ended("the padding of the answer is wrong")
        return end[:-1]

    def _next(self, size: int) -> bytes:
        """The counter for content of this size; what follows takes the one after."""
        counter = self._enc_counter.to_bytes(ENC_COUNTER_SIZE, "big")
        self._enc_counter += size // BLOCK
        return counter

    def _mac(self, code: int, rest: bytes) -> bytes:
        counter = self._counter.to_bytes(2, "little")
        return truncated(self._mac_key.mac(bytes((code,)) + counter + self._ti + rest))

    def _need_open(self) -> None:
        if self._is_over:
            raise BandUntrusted("the session is over", delivery=Delivery.NOT_SENT)

    def _ended(self, reason: str, delivery: Delivery = Delivery.UNKNOWN) -> BandUntrusted:
        self._is_over = True
        return BandUntrusted(reason, delivery=delivery)
