"""Secure messaging as a DESFire chip does it: D40 (0x0A), EV1 (0xAA and 0x1A, one IV for all) and EV2 (0x71, counted).

Each session protects what leaves the chip and opens what reaches it. A command that does not verify raises
Tampered; the chip then answers INTEGRITY_ERROR and forgets the session.

    D40   4 bytes of CBC-MAC or a CRC16 in a cryptogram, over content only, every time from IV 0
    EV1   IV starts at 0 and runs on through every CMAC and every CBC block of both directions
    EV2   commands and answers carry 8 odd bytes of a CMAC over code, counter, transaction id and content

Sources: NXP AN12343 and AN12196 (EV2); MF3ICD81 data sheet, secure messaging (EV1, and D40 for compatibility).
"""

import hmac
import zlib
from enum import Enum
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from hardware.virtual.des import (
    DES_BLOCK_SIZE,
    des_deciphered_by_encryption,
    des_decrypted,
    des_encrypted,
    is_single_des,
)
from hardware.virtual.iso_dep import crc_a

BLOCK_SIZE = 16
"""Bytes of an AES block."""

MAC_SIZE = 8
"""Bytes of a CMAC that are sent."""

D40_MAC_SIZE = 4
"""Bytes of the CBC-MAC of the oldest messaging that are sent."""

CRC16_SIZE = 2
"""Bytes of the CRC inside a cryptogram of the oldest messaging."""

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


def padded(content: bytes, block_size: int = BLOCK_SIZE) -> bytes:
    """Content, 80, zeros, to whole blocks. Source: ISO/IEC 9797-1, padding method 2."""
    return content + b"\x80" + bytes(-(len(content) + 1) % block_size)


def unpadded(content: bytes, block_size: int = BLOCK_SIZE) -> bytes:
    """What `padded` was given. Raises Tampered when there is no such padding in the last block."""
    bare = content.rstrip(b"\x00")
    if not bare.endswith(b"\x80") or len(content) - len(bare) >= block_size:
        raise Tampered("no padding")
    return bare[:-1]


def crc32(content: bytes) -> bytes:
    """CRC-32 without the final inversion, low byte first. Source: MF3ICD81 data sheet, CRC; also called JAMCRC."""
    return (zlib.crc32(content) ^ 0xFFFFFFFF).to_bytes(CRC_SIZE, "little")


class Session(Protocol):
    """What stands between a chip and a reader after an authentication."""

    @property
    def is_ev2(self) -> bool:
        """EV2 messaging; else EV1 or older."""
        ...

    @property
    def command_mode(self) -> Mode:
        """How commands travel that belong to no file."""
        ...

    def mac_size_of(self, mode: Mode) -> int:
        """Bytes of MAC at the end of a command without content."""
        ...

    def wire_size(self, size: int, mode: Mode) -> int:
        """Bytes that `size` bytes of content become behind a command's header."""
        ...

    def crc(self, content: bytes) -> bytes:
        """The checksum this messaging puts into cryptograms."""
        ...

    def open(
        self,
        code: int,
        header: bytes,
        rest: bytes,
        mode: Mode,
        *,
        size: int | None = 0,
        tail: int = 0,
    ) -> bytes:
        """The plain content of a command's `rest`, checked.

        Args:
            code: Command byte.
            header: What travels plainly behind it.
            rest: What follows.
            mode: How it travels.
            size: Content bytes as the header announces them; None when only the padding tells.
            tail: Bytes behind the checksum that are returned with the content (a second checksum of ChangeKey).

        Raises:
            Tampered: it does not verify.
        """
        ...

    def seal(self, content: bytes, mode: Mode, *, is_size_open: bool = False) -> bytes:
        """What is sent after a good status for `content`. `is_size_open`: the command asked for "all there is"."""
        ...


class Ev1Session:
    """Messaging after 0xAA or 0x1A."""

    is_ev2 = False
    command_mode = Mode.PLAIN

    def __init__(self, key: bytes, *, is_des: bool = False) -> None:
        """Begin with the session key; `is_des`: it is one of DES (8 bytes) or triple DES (16 or 24)."""
        self._key = key
        self._encrypted = des_encrypted if is_des else encrypted
        self._decrypted = des_decrypted if is_des else decrypted
        self._block_size = DES_BLOCK_SIZE if is_des else BLOCK_SIZE
        self._iv = bytes(self._block_size)
        ecb = self._encrypted(key, self._iv, bytes(self._block_size))
        self._whole_subkey = _doubled(ecb)
        self._short_subkey = _doubled(self._whole_subkey)

    def start_over(self) -> None:
        """Chain from 0 again; no chip does, but one that fails."""
        self._iv = bytes(self._block_size)

    def mac_size_of(self, mode: Mode) -> int:  # noqa: ARG002 (the same for every mode)
        """None: only commands with content are protected."""
        return 0

    def wire_size(self, size: int, mode: Mode) -> int:
        """Content and CMAC, or content and CRC in whole blocks."""
        if mode is Mode.FULL:
            return size + CRC_SIZE + -(size + CRC_SIZE) % self._block_size
        return size + (MAC_SIZE if mode is Mode.MAC else 0)

    def crc(self, content: bytes) -> bytes:
        """CRC32, 4 bytes."""
        return crc32(content)

    def _chained_mac(self, content: bytes) -> bytes:
        """CMAC that starts from the running IV and leaves its result there."""
        if content and len(content) % self._block_size == 0:
            blocks, subkey = content, self._whole_subkey
        else:
            blocks, subkey = padded(content, self._block_size), self._short_subkey
        last = bytes(a ^ b for a, b in zip(blocks[-self._block_size :], subkey, strict=True))
        whole = blocks[: -self._block_size] + last
        self._iv = self._encrypted(self._key, self._iv, whole)[-self._block_size :]
        return self._iv

    def open(
        self,
        code: int,
        header: bytes,
        rest: bytes,
        mode: Mode,
        *,
        size: int | None = 0,
        tail: int = 0,
    ) -> bytes:
        """The plain content of a command's `rest`. Only commands that carry content are protected themselves."""
        head = bytes([code]) + header
        if mode is Mode.FULL and rest:
            return self._opened_full(head, rest, size, tail)
        if mode is Mode.MAC and rest:
            content, mac = rest[:-MAC_SIZE], rest[-MAC_SIZE:]
            expected = self._chained_mac(head + content)[:MAC_SIZE]
            if not hmac.compare_digest(mac, expected):
                raise Tampered("command MAC")
            return content
        self._chained_mac(head + rest)
        return rest

    def _opened_full(self, head: bytes, rest: bytes, size: int | None, tail: int) -> bytes:
        """Content, CRC over command and content, zeros. The CRC cannot tell its own end from zeros; `size` does."""
        if len(rest) % self._block_size:
            raise Tampered("not whole blocks")
        plain = self._decrypted(self._key, self._iv, rest)
        self._iv = rest[-self._block_size :]
        if size is None:
            plain = unpadded(plain, self._block_size)
            size = max(0, len(plain) - CRC_SIZE)
        return _checked(plain, crc32(head + plain[:size]), size=size, tail=tail)

    def seal(self, content: bytes, mode: Mode, *, is_size_open: bool = False) -> bytes:
        """Content and CMAC, or the cryptogram of content, CRC over content and status, and padding."""
        if mode is not Mode.FULL or not content:
            return content + self._chained_mac(content + b"\x00")[:MAC_SIZE]
        whole = content + crc32(content + b"\x00")
        if is_size_open:
            whole = padded(whole, self._block_size)
        whole += bytes(-len(whole) % self._block_size)
        secret = self._encrypted(self._key, self._iv, whole)
        self._iv = secret[-self._block_size :]
        return secret


def _checked(plain: bytes, crc: bytes, *, size: int, tail: int) -> bytes:
    """Content and tail of content, CRC, tail, zeros. Raises Tampered."""
    end = size + len(crc)
    is_crc_good = hmac.compare_digest(crc, plain[size:end])
    if not is_crc_good or len(plain) < end + tail or any(plain[end + tail :]):
        raise Tampered("command CRC")
    return plain[:size] + plain[end : end + tail]


class D40Session:
    """Messaging after 0x0A, as the first DESFire had it: every cryptogram from IV 0, no protection without content.

    The chip only ever encrypts: what a reader sends it was made by decryption.
    """

    is_ev2 = False
    command_mode = Mode.PLAIN

    def __init__(self, key: bytes) -> None:
        """Begin with the session key, 8 or 16 bytes."""
        self._key = key

    def mac_size_of(self, mode: Mode) -> int:  # noqa: ARG002 (the same for every mode)
        """None: only content is protected."""
        return 0

    def wire_size(self, size: int, mode: Mode) -> int:
        """Content and MAC, or content and CRC in whole blocks."""
        if mode is Mode.FULL:
            return size + CRC16_SIZE + -(size + CRC16_SIZE) % DES_BLOCK_SIZE
        return size + (D40_MAC_SIZE if mode is Mode.MAC else 0)

    def crc(self, content: bytes) -> bytes:
        """CRC_A, 2 bytes."""
        return crc_a(content)

    def _mac(self, content: bytes) -> bytes:
        blocks = content + bytes(-len(content) % DES_BLOCK_SIZE)
        secret = des_encrypted(self._key, bytes(DES_BLOCK_SIZE), blocks)
        return secret[-DES_BLOCK_SIZE:][:D40_MAC_SIZE]

    def open(
        self,
        code: int,  # noqa: ARG002 (this messaging covers content only)
        header: bytes,  # noqa: ARG002 (likewise)
        rest: bytes,
        mode: Mode,
        *,
        size: int | None = 0,
        tail: int = 0,
    ) -> bytes:
        """The plain content of a command's `rest`."""
        if not rest or mode is Mode.PLAIN:
            return rest
        if mode is Mode.MAC:
            content, mac = rest[:-D40_MAC_SIZE], rest[-D40_MAC_SIZE:]
            if not hmac.compare_digest(mac, self._mac(content)):
                raise Tampered("command MAC")
            return content
        if len(rest) % DES_BLOCK_SIZE:
            raise Tampered("not whole blocks")
        plain = des_deciphered_by_encryption(self._key, rest)
        if size is None:
            plain = unpadded(plain, DES_BLOCK_SIZE)
            size = max(0, len(plain) - CRC16_SIZE)
        return _checked(plain, crc_a(plain[:size]), size=size, tail=tail)

    def seal(self, content: bytes, mode: Mode, *, is_size_open: bool = False) -> bytes:
        """Content; with 4 bytes of CBC-MAC; or the cryptogram of content, CRC and padding."""
        if not content or mode is Mode.PLAIN:
            return content
        if mode is Mode.MAC:
            return content + self._mac(content)
        whole = content + crc_a(content)
        if is_size_open:
            whole = padded(whole, DES_BLOCK_SIZE)
        whole += bytes(-len(whole) % DES_BLOCK_SIZE)
        return des_encrypted(self._key, bytes(DES_BLOCK_SIZE), whole)


def _doubled(block: bytes) -> bytes:
    """A block times two in its field: the next subkey of CMAC. Source: RFC 4493, 2.3; NIST SP 800-38B, 5.3."""
    n_bits = 8 * len(block)
    number = int.from_bytes(block, "big") << 1
    if number >> n_bits:
        number ^= (1 << n_bits) | (0x87 if n_bits == 128 else 0x1B)
    return number.to_bytes(len(block), "big")


class Ev2Session:
    """Messaging after 0x71 or 0x77.

    Attributes:
        transaction: Transaction identifier, 4 bytes; kept by 0x77.
        counter: Commands since 0x71; kept by 0x77.
    """

    is_ev2 = True
    command_mode = Mode.MAC

    def __init__(
        self, *, encryption_key: bytes, mac_key: bytes, transaction: bytes, counter: int = 0
    ) -> None:
        self._encryption_key = encryption_key
        self._mac_key = mac_key
        self.transaction = transaction
        self.counter = counter

    def start_over(self) -> None:
        """Count from 0 again; no chip does, but one that fails."""
        self.counter = 0

    def mac_size_of(self, mode: Mode) -> int:
        """A MAC in every mode but PLAIN."""
        return 0 if mode is Mode.PLAIN else MAC_SIZE

    def wire_size(self, size: int, mode: Mode) -> int:
        """Content and MAC, or content padded to whole blocks and MAC."""
        padding = BLOCK_SIZE - size % BLOCK_SIZE if mode is Mode.FULL else 0
        return size + padding + self.mac_size_of(mode)

    def crc(self, content: bytes) -> bytes:
        """CRC32, 4 bytes; only ChangeKey uses it."""
        return crc32(content)

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
        size: int | None = 0,  # noqa: ARG002 (EV2 finds the end by its padding)
        tail: int = 0,  # noqa: ARG002 (likewise)
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


def des_session_key(key: bytes, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """Session key after 0x0A or 0x1A: as long as the key, but 8 bytes for a single DES key stored twice.

    Source: MF3ICD81 data sheet, session keys.
    """
    first = rnd_a[:4] + rnd_b[:4]
    if len(key) == 24:
        return first + rnd_a[6:10] + rnd_b[6:10] + rnd_a[12:16] + rnd_b[12:16]
    return first if is_single_des(key) else first + rnd_a[4:8] + rnd_b[4:8]


def ev2_session_keys(key: bytes, rnd_a: bytes, rnd_b: bytes) -> tuple[bytes, bytes]:
    """Session keys after 0x71 or 0x77: for encryption, for MACs. Source: NXP AN12343, session key generation."""
    crossed = bytes(a ^ b for a, b in zip(rnd_a[2:8], rnd_b[:6], strict=True))
    context = rnd_a[:2] + crossed + rnd_b[6:] + rnd_a[8:]
    tail = b"\x00\x01\x00\x80" + context
    return cmac(key, b"\xa5\x5a" + tail), cmac(key, b"\x5a\xa5" + tail)
