"""Secure messaging: what is sent and received after an authentication, for the two protocols our bands speak.

    Ev1Session   AuthenticateAES (AA), AuthenticateISO (1A): one key, one initial vector that chains over every command
                 and answer
    Ev2Session   AuthenticateEV2First (71): two keys, a transaction id and a command counter

Both turn a native command (code, header, content) into the bytes to send, and the answer (status, bytes) into content.
PLAIN sends as is, MAC adds eight bytes of CMAC, FULL enciphers the content as well. A wrong MAC, CRC or padding raises
BandUntrusted and ends the session: it is not used again, whatever comes.
"""

import hmac
import zlib
from collections.abc import Callable
from typing import Protocol

from drivers.credential.kdf import (
    BLOCK,
    Aes,
    BlockCipher,
    Cmac,
    SessionKeys,
    begun_cmac,
    padded,
)
from drivers.credential.layout import CommMode
from drivers.errors import BandUntrusted, Delivery

MAC_SIZE = 8
"""Bytes of CMAC that travel. Source: MF3ICD81 data sheet; NXP AN12343."""

CRC_SIZE = 4
"""Bytes of CRC32 in an enciphered EV1 frame."""

TI_SIZE = 4
"""Bytes of a transaction identifier. Source: NXP AN12343."""

COUNTER_MAX = 0xFFFF
"""Commands of one EV2 session. Source: NXP AN12343: CmdCtr is two bytes."""

STATUS_OK = 0x00
"""Status of a native command that was done; the only one that may carry protected content."""


class Session(Protocol):
    """Secure messaging of one authenticated connection."""

    def wrap(self, code: int, header: bytes, content: bytes, mode: CommMode) -> bytes:
        """What follows the command code on the air: header and protected content."""
        ...

    def unwrap(self, answer: bytes, mode: CommMode, *, size: int | None = None) -> bytes:
        """The content of an answer with status OK.

        Args:
            answer: All bytes of the answer, frames joined, status removed.
            mode: How the content travels.
            size: Bytes of content expected; None takes what comes, which enciphered EV1 content does not allow.

        Raises:
            BandUntrusted: MAC, CRC, padding or size are wrong.
        """
        ...


def crc32(content: bytes) -> bytes:
    """CRC-32 without the final inversion, low byte first. Source: MF3ICD81 data sheet (known as JAMCRC)."""
    return (zlib.crc32(content) ^ 0xFFFFFFFF).to_bytes(CRC_SIZE, "little")


def truncated(full: bytes) -> bytes:
    """Every second byte of a CMAC, from the second on. Source: NXP AN12343: bytes 1, 3, ... 15."""
    return full[1::2]


def untrusted(reason: str) -> BandUntrusted:
    """The error of an answer that does not hold; its command was done or not, we cannot know."""
    return BandUntrusted(reason, delivery=Delivery.UNKNOWN)


def _over() -> BandUntrusted:
    return BandUntrusted("the session is over", delivery=Delivery.NOT_SENT)


class Ev1Session:
    """Secure messaging after AuthenticateAES (AA) or AuthenticateISO (1A).

    Source: MF3ICD81 data sheet, EV1 secure messaging; blocks are 16 bytes with AES and 8 with DES.
    """

    def __init__(self, key: bytes, cipher: Callable[[bytes], BlockCipher] = Aes) -> None:
        self._cipher = cipher(key)
        self._cmac = Cmac(self._cipher)
        self._size = self._cipher.size
        self._iv = bytes(self._size)
        self._is_over = False

    def __repr__(self) -> str:
        return "Ev1Session(<hidden>)"

    def wrap(
        self, code: int, header: bytes, content: bytes, mode: CommMode, *, tail: bytes = b""
    ) -> bytes:
        """Header and protected content; moves the chain on even when nothing is added.

        `tail` is enciphered after the content and its checksum: the checksum of another slot's new key.
        """
        if self._is_over:
            raise _over()
        head = bytes((code,)) + header
        if mode is CommMode.FULL and content:
            plain = content + crc32(head + content) + tail
            enciphered = self._cipher.encrypted(
                plain + bytes(-len(plain) % self._size), self._iv
            )
            self._iv = enciphered[-self._size :]
            return header + enciphered
        self._iv = self._cmac.over(head + content, iv=self._iv)
        if mode is CommMode.MAC and content:
            return header + content + self._iv[:MAC_SIZE]
        return header + content

    def unwrap(self, answer: bytes, mode: CommMode, *, size: int | None = None) -> bytes:
        """The content of an answer with status OK. An answer without content carries a MAC in every mode."""
        if self._is_over:
            raise _over()
        # With DES a block is as long as a MAC: only what was asked for tells the two apart.
        is_bare = not size and len(answer) == MAC_SIZE
        if mode is CommMode.FULL and not is_bare:
            return self._deciphered(answer, size)
        content, mac = answer[:-MAC_SIZE], answer[-MAC_SIZE:]
        self._iv = self._cmac.over(content + bytes((STATUS_OK,)), iv=self._iv)
        if not hmac.compare_digest(mac, self._iv[:MAC_SIZE]):
            raise self._ended("the MAC of the answer is wrong")
        return self._checked(content, size)

    def _deciphered(self, answer: bytes, size: int | None) -> bytes:
        if size is None:
            # Where content, CRC and padding are all zeros, nothing in an EV1 answer tells them apart.
            raise ValueError("the size of enciphered EV1 content must be known")
        if not answer or len(answer) % self._size:
            raise self._ended("the enciphered answer is not whole blocks")
        plain = self._cipher.decrypted(answer, self._iv)
        self._iv = answer[-self._size :]
        content, rest = plain[:size], plain[size:]
        crc, padding = rest[:CRC_SIZE], rest[CRC_SIZE:]
        if not hmac.compare_digest(crc, crc32(content + bytes((STATUS_OK,)))):
            raise self._ended("the CRC of the answer is wrong")
        if len(padding) >= self._size or any(padding):
            raise self._ended("the padding of the answer is wrong")
        return content

    def _checked(self, content: bytes, size: int | None) -> bytes:
        if size is not None and len(content) != size:
            raise self._ended("the answer has another size than asked for")
        return content

    def _ended(self, reason: str) -> BandUntrusted:
        self._is_over = True
        return untrusted(reason)


class Ev2Ciphers:
    """What an EV2 session works with, of its two keys; may be made before the chip has proved that it has them too."""

    __slots__ = ("aes", "mac_begun")

    def __init__(self, keys: SessionKeys) -> None:
        self.aes = Aes(keys.enc)
        self.mac_begun = begun_cmac(keys.mac)

    def __repr__(self) -> str:
        return "Ev2Ciphers(<hidden>)"


class Ev2Session:
    """Secure messaging after AuthenticateEV2First (71) or EV2NonFirst (77). Source: NXP AN12343; NXP AN12196, 5."""

    def __init__(self, keys: SessionKeys | Ev2Ciphers, ti: bytes, *, counter: int = 0) -> None:
        ciphers = keys if isinstance(keys, Ev2Ciphers) else Ev2Ciphers(keys)
        self._aes = ciphers.aes
        self._mac_begun = ciphers.mac_begun
        self._ti = ti
        self._counter = counter
        self._is_over = False

    def __repr__(self) -> str:
        return "Ev2Session(<hidden>)"

    @property
    def counter(self) -> int:
        """Commands of this transaction so far."""
        return self._counter

    def continued(self, keys: SessionKeys) -> "Ev2Session":
        """The session after AuthenticateEV2NonFirst: other keys, the same transaction and counter."""
        if self._is_over:
            raise _over()
        self._is_over = True
        return Ev2Session(keys, self._ti, counter=self._counter)

    def wrap(self, code: int, header: bytes, content: bytes, mode: CommMode) -> bytes:
        """Header, protected content and MAC."""
        if self._is_over:
            raise _over()
        if self._counter >= COUNTER_MAX:
            self._is_over = True
            raise BandUntrusted("the session has no commands left", delivery=Delivery.NOT_SENT)
        if mode is CommMode.PLAIN:
            return header + content
        if mode is CommMode.FULL and content:
            content = self._aes.encrypted(padded(content), self._iv(b"\xa5\x5a"))
        return header + content + self._mac(code, header + content)

    def unwrap(self, answer: bytes, mode: CommMode, *, size: int | None = None) -> bytes:
        """The content of an answer with status OK."""
        if self._is_over:
            raise _over()
        self._counter += 1
        content = answer
        if mode is not CommMode.PLAIN:
            content = answer[:-MAC_SIZE]
            if not hmac.compare_digest(answer[-MAC_SIZE:], self._mac(STATUS_OK, content)):
                raise self._ended("the MAC of the answer is wrong")
            if mode is CommMode.FULL and content:
                content = self._deciphered(content)
        if size is not None and len(content) != size:
            raise self._ended("the answer has another size than asked for")
        return content

    def _iv(self, label: bytes) -> bytes:
        counter = self._counter.to_bytes(2, "little")
        return self._aes.block(label + self._ti + counter + bytes(8))

    def _mac(self, code: int, rest: bytes) -> bytes:
        counter = self._counter.to_bytes(2, "little")
        begun = self._mac_begun.copy()
        begun.update(bytes((code,)) + counter + self._ti + rest)
        return begun.finalize()[1::2]  # as `truncated`

    def _deciphered(self, content: bytes) -> bytes:
        if len(content) % BLOCK:
            raise self._ended("the enciphered answer is not whole blocks")
        plain = self._aes.decrypted(content, self._iv(b"\x5a\xa5"))
        end = plain.rstrip(b"\x00")
        if not end.endswith(b"\x80") or len(plain) - len(end) >= BLOCK:
            raise self._ended("the padding of the answer is wrong")
        return end[:-1]

    def _ended(self, reason: str) -> BandUntrusted:
        self._is_over = True
        return untrusted(reason)
