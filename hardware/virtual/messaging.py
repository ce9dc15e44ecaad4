"""Secure messaging as a DESFire chip does it: EV1 (0xAA, one IV chained through everything) and EV2 (0x71, counted).

Each session protects what leaves the chip and opens what reaches it. A command that does not verify raises
Tampered; the chip then answers INTEGRITY_ERROR and forgets the session.

    EV1   IV starts at 0 and runs on through every CMAC and every CBC block of both directions
    EV2   commands and answers carry 8 odd bytes of a CMAC over code, counter, transaction id and content

Sources: NXP AN12343 and AN12196 (EV2); MF3ICD81 data sheet, secure messaging (EV1).
"""

import hmac
import zlib
from enum import Enum
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

BLOCK_SIZE = 16
"""Bytes of an AES block."""

MAC_SIZE = 8
"""Bytes of a CMAC that are sent."""

CRC_SIZE = 4
"""Bytes of the CRC32 inside an EV1 cryptogram."""

ZERO_IV = bytes(BLOCK_SIZE)
"""The IV every authentication starts from."""


class Tampered(Exception):
    """A MAC, a CRC or a padding is wrong."""


class Mode(Enum):
    """How content travels; the value is the one of file settings."""

    PLAIN = 0x00
    MAC = 0x01
    FULL = 0x03


def encrypted(key: bytes, iv: bytes, plain: bytes) -> bytes:
    """AES-128 in CBC mode; `plain` is whole blocks."""
    worker = Cipher(AES(key), CBC(iv)).encryptor()
    return worker.update(plain) + worker.finalize()


def decrypted(key: bytes, iv: bytes, secret: bytes) -> bytes:
    """The inverse of `encrypted`. Raises Tampered when `secret` is not whole blocks."""
    if len(secret) % BLOCK_SIZE:
        raise Tampered("not whole blocks")
    worker = Cipher(AES(key), CBC(iv)).decryptor()
    return worker.update(secret) + worker.finalize()


def cmac(key: bytes, content: bytes) -> bytes:
    """AES-CMAC, 16 bytes. Source: RFC 4493."""
    worker = CMAC(AES(key))
    worker.update(content)
    return worker.finalize()


def rotated(nonce: bytes) -> bytes:
    """The nonce turned left by one byte."""
    return nonce[1:] + nonce[:1]


def padded(content: bytes) -> bytes:
    """Content, 80, zeros, to whole blocks. Source: ISO/IEC 9797-1, padding method 2."""
    return content + b"\x80" + bytes(-(len(content) + 1) % BLOCK_SIZE)


def unpadded(content: bytes) -> bytes:
    """What `padded` was given. Raises Tampered when there is no such padding in the last block."""
    bare = content.rstrip(b"\x00")
    if not bare.endswith(b"\x80") or len(content) - len(bare) >= BLOCK_SIZE:
        raise Tampered("no padding")
    return bare[:-1]


def crc32(content: bytes) -> bytes:
    """CRC-32 without the final inversion, low byte first. Source: MF3ICD81 data sheet, CRC; also called JAMCRC."""
    return (zlib.crc32(content) ^ 0xFFFFFFFF).to_bytes(CRC_SIZE, "little")


class Session(Protocol):
    """What stands between a chip and a reader after an authentication."""

    @property
    def is_ev2(self) -> bool:
        """EV2 messaging; else EV1."""
        ...

    def open(
        self, code: int, header: bytes, rest: bytes, mode: Mode, *, size: int = 0
    ) -> bytes:
        """The plain content of a command's `rest`, checked; `size` is what the header announces. Raises Tampered."""
        ...

    def seal(self, content: bytes, mode: Mode, *, is_size_open: bool = False) -> bytes:
        """What is sent after a good status for `content`. `is_size_open`: the command asked for "all there is"."""
        ...


class Ev1Session:
    """Messaging after 0xAA."""

    is_ev2 = False

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._iv = ZERO_IV
        self._whole_subkey, self._short_subkey = cmac_subkeys(key)

    def _chained_mac(self, content: bytes) -> bytes:
        """CMAC that starts from the running IV and leaves its result there."""
        if content and len(content) % BLOCK_SIZE == 0:
            blocks, subkey = content, self._whole_subkey
        else:
            blocks, subkey = padded(content), self._short_subkey
        last = bytes(a ^ b for a, b in zip(blocks[-BLOCK_SIZE:], subkey, strict=True))
        self._iv = encrypted(self._key, self._iv, blocks[:-BLOCK_SIZE] + last)[-BLOCK_SIZE:]
        return self._iv

    def open(
        self, code: int, header: bytes, rest: bytes, mode: Mode, *, size: int = 0
    ) -> bytes:
        """The plain content of a command's `rest`. Only commands that carry content are protected themselves."""
        head = bytes([code]) + header
        if mode is Mode.FULL and rest:
            return self._opened_full(head, rest, size)
        if mode is Mode.MAC and rest:
            content, mac = rest[:-MAC_SIZE], rest[-MAC_SIZE:]
            expected = self._chained_mac(head + content)[:MAC_SIZE]
            if not hmac.compare_digest(mac, expected):
                raise Tampered("command MAC")
            return content
        self._chained_mac(head + rest)
        return rest

    def _opened_full(self, head: bytes, rest: bytes, size: int) -> bytes:
        """Content, CRC over command and content, zeros. The CRC cannot tell its own end from zeros; `size` does."""
        plain = decrypted(self._key, self._iv, rest)
        self._iv = rest[-BLOCK_SIZE:]
        content, crc = plain[:size], plain[size : size + CRC_SIZE]
        is_crc_good = hmac.compare_digest(crc32(head + content), crc)
        if not is_crc_good or any(plain[size + CRC_SIZE :]):
            raise Tampered("command CRC")
        return content

    def seal(self, content: bytes, mode: Mode, *, is_size_open: bool = False) -> bytes:
        """Content and CMAC, or the cryptogram of content, CRC over content and status, and padding."""
        if mode is not Mode.FULL or not content:
            return content + self._chained_mac(content + b"\x00")[:MAC_SIZE]
        whole = content + crc32(content + b"\x00")
        whole = padded(whole) if is_size_open else whole + bytes(-len(whole) % BLOCK_SIZE)
        secret = encrypted(self._key, self._iv, whole)
        self._iv = secret[-BLOCK_SIZE:]
        return secret


def cmac_subkeys(key: bytes) -> tuple[bytes, bytes]:
    """The two subkeys of CMAC: for whole last blocks, for padded ones. Source: RFC 4493, 2.3."""
    ecb = encrypted(key, ZERO_IV, bytes(BLOCK_SIZE))
    whole = _doubled(ecb)
    return whole, _doubled(whole)


def _doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number ^= (1 << 128) | 0x87
    return number.to_bytes(BLOCK_SIZE, "big")


class Ev2Session:
    """Messaging after 0x71 or 0x77.

    Attributes:
        transaction: Transaction identifier, 4 bytes; kept by 0x77.
        counter: Commands since 0x71; kept by 0x77.
    """

    is_ev2 = True

    def __init__(
        self, *, encryption_key: bytes, mac_key: bytes, transaction: bytes, counter: int = 0
    ) -> None:
        self._encryption_key = encryption_key
        self._mac_key = mac_key
        self.transaction = transaction
        self.counter = counter

    def _place(self) -> bytes:
        return self.counter.to_bytes(2, "little") + self.transaction

    def _mac(self, code: int, content: bytes) -> bytes:
        return cmac(self._mac_key, bytes([code]) + self._place() + content)[1::2]

    def _iv(self, direction: bytes) -> bytes:
        seed = direction + self.transaction + self.counter.to_bytes(2, "little") + bytes(8)
        return encrypted(self._encryption_key, ZERO_IV, seed)

    def open(
        self,
        code: int,
        header: bytes,
        rest: bytes,
        mode: Mode,
        *,
        size: int = 0,  # noqa: ARG002 (EV2 finds the end by its padding)
    ) -> bytes:
        """The plain content of a command's `rest`; every mode but PLAIN ends with a MAC over header and rest."""
        if mode is Mode.PLAIN:
            return rest
        body, mac = rest[:-MAC_SIZE], rest[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._mac(code, header + body)):
            raise Tampered("command MAC")
        if mode is Mode.FULL and body:
            return unpadded(decrypted(self._encryption_key, self._iv(b"\xa5\x5a"), body))
        return body

    def seal(self, content: bytes, mode: Mode, *, is_size_open: bool = False) -> bytes:  # noqa: ARG002 (EV2 pads always)
        """Content, its cryptogram or nothing, then a MAC in every mode but PLAIN; the counter moves first."""
        self.counter += 1
        if mode is Mode.PLAIN:
            return content
        if mode is Mode.FULL and content:
            content = encrypted(self._encryption_key, self._iv(b"\x5a\xa5"), padded(content))
        return content + self._mac(0x00, content)


def ev1_session_key(rnd_a: bytes, rnd_b: bytes) -> bytes:
    """Session key after 0xAA. Source: MF3ICD81 data sheet, AES session key."""
    return rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:]


def ev2_session_keys(key: bytes, rnd_a: bytes, rnd_b: bytes) -> tuple[bytes, bytes]:
    """Session keys after 0x71 or 0x77: for encryption, for MACs. Source: NXP AN12343, session key generation."""
    crossed = bytes(a ^ b for a, b in zip(rnd_a[2:8], rnd_b[:6], strict=True))
    context = rnd_a[:2] + crossed + rnd_b[6:] + rnd_a[8:]
    tail = b"\x00\x01\x00\x80" + context
    return cmac(key, b"\xa5\x5a" + tail), cmac(key, b"\x5a\xa5" + tail)
