"""Keys from keys: AES-CMAC, AN10922 diversification, and the session keys of EV1 and EV2.

Everything here is AES-128 through `cryptography`, and held by published vectors.
"""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

BLOCK = 16
"""Bytes of an AES block."""

ZERO = bytes(BLOCK)
"""An AES block of zeros; the first initial vector of every chain."""

DIVERSIFICATION_SIZE_MAX = 31
"""Bytes of the input of AN10922 for AES-128. Source: NXP AN10922, 2.2."""


def encrypted(key: bytes, plain: bytes, iv: bytes = ZERO) -> bytes:
    """AES-CBC of whole blocks."""
    cipher = Cipher(AES(key), CBC(iv)).encryptor()
    return cipher.update(plain) + cipher.finalize()


def decrypted(key: bytes, enciphered: bytes, iv: bytes = ZERO) -> bytes:
    """AES-CBC of whole blocks, the other way."""
    cipher = Cipher(AES(key), CBC(iv)).decryptor()
    return cipher.update(enciphered) + cipher.finalize()


def encrypted_block(key: bytes, block: bytes) -> bytes:
    """AES of one block on its own, for initial vectors and subkeys."""
    cipher = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 (one block; that is what the standards ask for)
    return cipher.update(block) + cipher.finalize()


def padded(content: bytes, size: int = BLOCK) -> bytes:
    """80 and zeros up to a multiple of `size`, always at least the 80.

    Source: ISO/IEC 9797-1:2011, padding method 2.
    """
    return content + b"\x80" + bytes(-(len(content) + 1) % size)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number = number & ((1 << 128) - 1) ^ 0x87
    return number.to_bytes(BLOCK, "big")


@dataclass(frozen=True, slots=True)
class Cmac:
    """AES-CMAC with one key, its two subkeys at hand.

    Source: RFC 4493, 2.3 and 2.4.
    """

    key: bytes = field(repr=False)
    whole: bytes = field(repr=False)
    short: bytes = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> "Cmac":
        """For `key`, 16 bytes."""
        whole = _doubled(encrypted_block(key, ZERO))
        return cls(key, whole, _doubled(whole))

    def over(self, message: bytes, *, iv: bytes = ZERO, size_min: int = BLOCK) -> bytes:
        """The 16 bytes of CMAC.

        Args:
            message: Any bytes.
            iv: What the chain starts with; zeros but in an EV1 session, where it goes on from the last command.
            size_min: Pad at least to this size; 32 for AN10922.
        """
        if message and len(message) % BLOCK == 0 and len(message) >= size_min:
            content, mask = message, self.whole
        else:
            content, mask = (
                padded(message, size_min if len(message) < size_min else BLOCK),
                self.short,
            )
        last = _xor(content[-BLOCK:], mask)
        return encrypted(self.key, content[:-BLOCK] + last, iv)[-BLOCK:]


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC of a message, 16 bytes. Source: RFC 4493."""
    return Cmac.of(key).over(message)


def diversified(key: bytes, diversification_input: bytes) -> bytes:
    """The AES-128 key that AN10922 derives from `key` for one band.

    Short input is padded to two blocks before the CMAC, so a plain CMAC over it would give another key.

    Args:
        key: 16 bytes.
        diversification_input: M of the application note, 1 to 31 bytes.

    Raises:
        ValueError: our own mistake: an input that does not fit.

    Source: NXP AN10922, 2.2.
    """
    if not 1 <= len(diversification_input) <= DIVERSIFICATION_SIZE_MAX:
        raise ValueError("the input of AN10922 is 1 to 31 bytes")
    return Cmac.of(key).over(b"\x01" + diversification_input, size_min=2 * BLOCK)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The two keys of an EV2 session, 16 bytes each."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)


def session_key_ev1(rnd_a: bytes, rnd_b: bytes) -> bytes:
    """The key of a session opened by AuthenticateAES (AA).

    Source: MF3ICD81 data sheet: first and last four bytes of both random numbers, A and B in turn.
    """
    return rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:]


def session_keys_ev2(key: bytes, rnd_a: bytes, rnd_b: bytes) -> SessionKeys:
    """The keys of a session opened by AuthenticateEV2First (71) or EV2NonFirst (77).

    Source: NXP AN12343, session key generation; NXP AN12196, 5.6.
    """
    mixed = (
        b"\x00\x01\x00\x80" + rnd_a[:2] + _xor(rnd_a[2:8], rnd_b[:6]) + rnd_b[6:] + rnd_a[8:]
    )
    keyed = Cmac.of(key)
    return SessionKeys(keyed.over(b"\xa5\x5a" + mixed), keyed.over(b"\x5a\xa5" + mixed))
