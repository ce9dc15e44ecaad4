"""Pages of an encrypted file, checked by their MAC without the library; one flipped bit in a page is found and put right. Pure.

The MAC says whether a page is as it was written, and so it also says which single bit has to be turned back: all of them are
tried, a third of a second a page. Two flipped bits in one page stay damage.

Source: SQLCipher 4, sqlcipher_page_hmac and sqlcipher_codec_ctx_migrate in crypto_impl.c: HMAC-SHA-512 over ciphertext, IV
and page number (little end first), under PBKDF2 of the raw key with two rounds and the file's salt XOR 0x3a.
"""

import hashlib
import hmac
from typing import Final

SALT_SIZE: Final = 16
"""The first bytes of the file, in the clear; the MAC of page 1 does not cover them."""

_MAC_SIZE: Final = 64
_MASK, _ROUNDS, _KEY_SIZE = 0x3A, 2, 32
_NUMBER_BITS: Final = 24
"""A page number beyond this is no file of ours."""

TRIED_MAX: Final = 8
"""Pages of one file that are tried bit by bit: about three seconds."""


class Pages:
    """The pages of one file."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        """Args: the raw key of 32 bytes, and the first SALT_SIZE bytes of the file."""
        masked = bytes(byte ^ _MASK for byte in salt)
        self._key = hashlib.pbkdf2_hmac("sha512", key, masked, _ROUNDS, _KEY_SIZE)
        self._n_tried = 0

    def is_sound(self, number: int, page: bytes | bytearray) -> bool:
        """Whether a page is as it was written."""
        return self._mac(number, page) == page[-_MAC_SIZE:]

    def put_right(self, number: int, page: bytes) -> tuple[int, bytes]:
        """Number and page as they were before one bit of them flipped; as they are where that is not it."""
        mac = self._mac(number, page)
        if mac == page[-_MAC_SIZE:]:
            return number, page
        wrong = int.from_bytes(mac, "big") ^ int.from_bytes(page[-_MAC_SIZE:], "big")
        if wrong.bit_count() == 1:
            return number, page[:-_MAC_SIZE] + mac
        for bit in range(_NUMBER_BITS):
            other = number ^ (1 << bit)
            if other and self.is_sound(other, page):
                return other, page
        if self._n_tried >= TRIED_MAX:
            return number, page
        self._n_tried += 1
        tried = bytearray(page)
        for at in range(SALT_SIZE if number == 1 else 0, len(page) - _MAC_SIZE):
            for bit in range(8):
                tried[at] ^= 1 << bit
                if self.is_sound(number, tried):
                    return number, bytes(tried)
                tried[at] ^= 1 << bit
        return number, page

    def _mac(self, number: int, page: bytes | bytearray) -> bytes:
        start = SALT_SIZE if number == 1 else 0
        covered = bytes(page[start:-_MAC_SIZE]) + number.to_bytes(4, "little")
        return hmac.digest(self._key, covered, "sha512")
