"""DES, two-key and three-key triple DES as a DESFire uses them, and the key versions their parity bits carry.

A DES key is stored in 16 bytes; two equal halves make it a single DES key. The lowest bit of each of the first eight
bytes is not part of the key: together they are its version, the first byte's bit being the highest.

Sources: NIST SP 800-67 rev 2 (the cipher); MF3ICD81 data sheet, key version (the parity bits).
"""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

DES_BLOCK_SIZE = 8
"""Bytes of a DES block."""


def _tripled(key: bytes) -> bytes:
    """The three keys a triple DES runs through: K K K, K1 K2 K1 or K1 K2 K3."""
    match len(key):
        case 8:
            return key * 3
        case 16:
            return key + key[:8]
        case 24:
            return key
        case size:
            raise ValueError(f"a DES key has 8, 16 or 24 bytes, not {size}")


def des_encrypted(key: bytes, iv: bytes, plain: bytes) -> bytes:
    """DES or triple DES in CBC mode; `plain` is whole blocks, `key` 8, 16 or 24 bytes."""
    worker = Cipher(TripleDES(_tripled(key)), CBC(iv)).encryptor()
    return worker.update(plain) + worker.finalize()


def des_decrypted(key: bytes, iv: bytes, secret: bytes) -> bytes:
    """The inverse of `des_encrypted`."""
    worker = Cipher(TripleDES(_tripled(key)), CBC(iv)).decryptor()
    return worker.update(secret) + worker.finalize()


def des_deciphered_by_encryption(key: bytes, secret: bytes) -> bytes:
    """What a reader hid from an old chip that can only encrypt, from IV 0.

    The reader sends D(P1), D(P2 xor C1), ...; the chip finds each block as E(Cn) xor C(n-1).

    Source: MF3ICD40 functional specification, DESFire encipherment by the PCD.
    """
    found = b""
    before = bytes(DES_BLOCK_SIZE)
    for at in range(0, len(secret), DES_BLOCK_SIZE):
        block = secret[at : at + DES_BLOCK_SIZE]
        opened = des_encrypted(key, bytes(DES_BLOCK_SIZE), block)
        found += bytes(a ^ b for a, b in zip(opened, before, strict=True))
        before = block
    return found


def des_version(key: bytes) -> int:
    """The version in the parity bits of the first eight bytes of a key."""
    version = 0
    for byte in key[:8]:
        version = version << 1 | byte & 1
    return version


def is_single_des(key: bytes) -> bool:
    """Are 16 bytes one DES key twice? Compared with their parity bits, as far as is known."""
    return len(key) == 16 and key[:8] == key[8:]
