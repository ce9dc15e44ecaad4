"""Triple DES as DESFire uses it: the cipher, the key version in its parity bits, diversification and session keys.

A key says by its size what it is:

     8 bytes   DES       K K K      a chip treats 16 bytes with equal halves as this
    16 bytes   2K3DES    K1 K2 K1
    24 bytes   3K3DES    K1 K2 K3

Nothing of ours is protected by DES: a chip leaves its factory with such a key, and an issuing station must open it once
before it gives it an AES key. The lowest bit of each byte is not used by the cipher; in the first eight bytes those bits,
the first byte's first, are the key version.
"""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from drivers.credential.kdf import Cmac

DES_BLOCK = 8
"""Bytes of a DES block. Source: NIST SP 800-67 rev 2, 3.1."""

DES_SIZE, TWO_KEY_SIZE, THREE_KEY_SIZE = 8, 16, 24
"""Bytes of the three kinds of key. Source: MF3ICD81 data sheet, key types."""

DIVERSIFICATION_SIZE_MAX = 15
"""Bytes of the input of AN10922 for DES keys. Source: NXP AN10922, 2.4 and 2.5: two blocks with the constant."""

_CONSTANTS = {TWO_KEY_SIZE: b"\x21\x22", THREE_KEY_SIZE: b"\x31\x32\x33"}
"""Diversification constants, one for each eight bytes of the key. Source: NXP AN10922, 2.4 and 2.5."""


class TripleDes:
    """DES in the three forms above with one key: blocks on their own, and CBC chains of them."""

    __slots__ = ("_key",)

    size = DES_BLOCK

    def __init__(self, key: bytes) -> None:
        """Raises ValueError, our own mistake, for a key of another size."""
        if len(key) not in (DES_SIZE, TWO_KEY_SIZE, THREE_KEY_SIZE):
            raise ValueError("a DES key is 8, 16 or 24 bytes")
        self._key = TripleDES((key + key + key)[:THREE_KEY_SIZE])

    def __repr__(self) -> str:
        return "TripleDes(<hidden>)"

    def block(self, plain: bytes) -> bytes:
        """One block on its own."""
        return self.encrypted(plain)

    def encrypted(self, plain: bytes, iv: bytes = bytes(DES_BLOCK)) -> bytes:
        """CBC of whole blocks. Raises ValueError for anything else."""
        _need_blocks(plain)
        # Nobody chooses the message: these are the messages of a chip that knows no better cipher.
        worker = Cipher(self._key, CBC(iv)).encryptor()
        return worker.update(plain) + worker.finalize()

    def decrypted(self, enciphered: bytes, iv: bytes = bytes(DES_BLOCK)) -> bytes:
        """CBC of whole blocks, the other way. Raises ValueError for anything else."""
        _need_blocks(enciphered)
        worker = Cipher(self._key, CBC(iv)).decryptor()
        return worker.update(enciphered) + worker.finalize()


def _need_blocks(content: bytes) -> None:
    if not content or len(content) % DES_BLOCK:
        raise ValueError("DES takes whole blocks")


def version_of(key: bytes) -> int:
    """The key version a DES key carries, 0 to 255."""
    return int("".join(str(byte & 1) for byte in key[:DES_BLOCK]), 2)


def with_version(key: bytes, version: int) -> bytes:
    """The same key for the cipher, carrying this version.

    The second half of a 2K3DES key carries the inverse, so that a key of two equal halves is still not a DES key.

    Args:
        key: 8, 16 or 24 bytes.
        version: 0 to 255.
    """
    bits = [version >> (7 - at) & 1 for at in range(DES_BLOCK)]
    first = bytes(byte & 0xFE | bit for byte, bit in zip(key, bits, strict=False))
    rest = key[DES_BLOCK:]
    if len(key) == TWO_KEY_SIZE:
        rest = bytes(byte & 0xFE | bit ^ 1 for byte, bit in zip(rest, bits, strict=True))
    return first + rest


def diversified_des(key: bytes, diversification_input: bytes) -> bytes:
    """The 2K3DES or 3K3DES key that AN10922 derives from `key` for one band, with the version of `key`.

    Args:
        key: 16 or 24 bytes.
        diversification_input: M of the application note, 1 to 15 bytes.

    Raises:
        ValueError: our own mistake: a key or an input that does not fit.

    Source: NXP AN10922, 2.4 and 2.5.
    """
    if len(key) not in _CONSTANTS:
        raise ValueError("a DES key to derive from is 16 or 24 bytes")
    if not 1 <= len(diversification_input) <= DIVERSIFICATION_SIZE_MAX:
        raise ValueError("the input of AN10922 for a DES key is 1 to 15 bytes")
    keyed = Cmac(TripleDes(key))
    parts = (
        keyed.over(bytes((constant,)) + diversification_input, size_min=2 * DES_BLOCK)
        for constant in _CONSTANTS[len(key)]
    )
    return with_version(b"".join(parts), version_of(key))


def session_key_iso(key: bytes, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """The key of a session opened by AuthenticateISO (1A) with `key`; of the same size, or 8 bytes for equal halves.

    Source: MF3ICD81 data sheet, session keys; the parity bits mean nothing.
    """
    parts = [rnd_a[:4], rnd_b[:4]]
    if len(key) == THREE_KEY_SIZE:
        parts += [rnd_a[6:10], rnd_b[6:10], rnd_a[12:], rnd_b[12:]]
    elif not is_single(key):
        parts += [rnd_a[4:], rnd_b[4:]]
    return b"".join(parts)


def is_single(key: bytes) -> bool:
    """Does a chip treat this key as one of single DES? Two halves are compared as they are stored, parity bits and all."""
    return len(key) == DES_SIZE or (
        len(key) == TWO_KEY_SIZE and key[:DES_BLOCK] == key[DES_BLOCK:]
    )


def random_size_of(key: bytes) -> int:
    """Bytes of the random numbers of AuthenticateISO with this key. Source: MF3ICD81 data sheet, AuthenticateISO."""
    return 2 * DES_BLOCK if len(key) == THREE_KEY_SIZE else DES_BLOCK
