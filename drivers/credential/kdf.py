"""Keys from keys: CMAC, AN10922 diversification, and the session keys of EV1 and EV2.

Everything here is AES-128 through `cryptography`, and held by published vectors; only CMAC takes any block cipher, and
what DES keys need is in `des`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.cmac import CMAC

from drivers.credential.layout import KEY_SIZE

BLOCK = 16
"""Bytes of an AES block."""

ZERO = bytes(BLOCK)
"""An AES block of zeros; the first initial vector of every chain."""

DIVERSIFICATION_SIZE_MAX = 31
"""Bytes of the input of AN10922 for AES-128. Source: NXP AN10922, 2.2."""


class BlockCipher(Protocol):
    """A block cipher with one key; where the key is, is its own affair: here, or in a token that keeps it."""

    @property
    def size(self) -> int:
        """Bytes of a block."""
        ...

    def block(self, plain: bytes) -> bytes:
        """One block on its own."""
        ...

    def encrypted(self, plain: bytes, iv: bytes = ...) -> bytes:
        """CBC of whole blocks, from zeros unless told. Raises ValueError for anything else."""
        ...

    def decrypted(self, enciphered: bytes, iv: bytes = ...) -> bytes:
        """CBC of whole blocks, the other way. Raises ValueError for anything else."""
        ...


_ONE_BY_ONE = ECB()  # noqa: S305
"""One block at a time goes through it, never text: the chaining is done here."""


class Aes:
    """AES-128 with one key, whose schedule is worked out once and not before it is used: blocks, and CBC chains of them.

    Setting up a cipher costs as much as sixteen blocks. That is why CBC is made of blocks here and not asked of the library
    anew each time. Keep none longer than the exchange it is for, but that of the key every tap begins with.
    """

    __slots__ = ("_algorithm", "_begun", "_block_of", "_plain_of")

    size = BLOCK

    def __init__(self, key: bytes) -> None:
        """With this key. Raises ValueError when it is not 16 bytes, TypeError when it is no bytes."""
        self._algorithm = _algorithm_of(key)
        self._block_of: Callable[[bytes], bytes] | None = None
        self._plain_of: Callable[[bytes], bytes] | None = None
        self._begun: CMAC | None = None

    def __repr__(self) -> str:
        return "Aes(<hidden>)"

    def prepare(self) -> None:
        """Work out the schedules for both ways ahead of their use."""
        self._block_of = Cipher(self._algorithm, _ONE_BY_ONE).encryptor().update
        self._plain_of = Cipher(self._algorithm, _ONE_BY_ONE).decryptor().update

    def block(self, plain: bytes) -> bytes:
        """One block on its own, for initial vectors and subkeys."""
        if self._block_of is None:
            self._block_of = Cipher(self._algorithm, _ONE_BY_ONE).encryptor().update
        return self._block_of(plain)

    def begun_cmac(self) -> CMAC:
        """A CMAC with this key over nothing so far, to be copied for each message: an eighth of what one made of blocks costs."""
        if self._begun is None:
            self._begun = CMAC(self._algorithm)
        return self._begun

    def encrypted(self, plain: bytes, iv: bytes = ZERO) -> bytes:
        """CBC of whole blocks. Raises ValueError for anything else."""
        if not plain or len(plain) % BLOCK:
            raise ValueError(_NO_BLOCKS)
        block_of, chain, done = self.block, int.from_bytes(iv, "big"), b""
        for at in range(0, len(plain), BLOCK):
            mixed = int.from_bytes(plain[at : at + BLOCK], "big") ^ chain
            block = block_of(mixed.to_bytes(BLOCK, "big"))
            chain = int.from_bytes(block, "big")
            done += block
        return done

    def decrypted(self, enciphered: bytes, iv: bytes = ZERO) -> bytes:
        """CBC of whole blocks, the other way. Raises ValueError for anything else."""
        size = len(enciphered)
        if not size or size % BLOCK:
            raise ValueError(_NO_BLOCKS)
        if self._plain_of is None:
            self._plain_of = Cipher(self._algorithm, _ONE_BY_ONE).decryptor().update
        plain, chain = self._plain_of(enciphered), iv + enciphered[:-BLOCK]
        mixed = int.from_bytes(plain, "big") ^ int.from_bytes(chain, "big")
        return mixed.to_bytes(size, "big")


def begun_cmac(key: bytes) -> CMAC:
    """A CMAC over nothing so far, with a key that does nothing else; to be copied for each message. Raises as `Aes`."""
    return CMAC(_algorithm_of(key))


def _algorithm_of(key: bytes) -> AES:
    """The library would take a longer key for AES-192 or AES-256, which no chip of ours speaks."""
    if len(key) != KEY_SIZE:
        raise ValueError("an AES-128 key is 16 bytes")
    return AES(key)


_NO_BLOCKS = "AES takes whole blocks"


def encrypted(key: bytes, plain: bytes, iv: bytes = ZERO) -> bytes:
    """AES-CBC of whole blocks with a key that is used once."""
    return Aes(key).encrypted(plain, iv)


def decrypted(key: bytes, enciphered: bytes, iv: bytes = ZERO) -> bytes:
    """AES-CBC of whole blocks, the other way, with a key that is used once."""
    return Aes(key).decrypted(enciphered, iv)


def padded(content: bytes, size: int = BLOCK) -> bytes:
    """80 and zeros up to a multiple of `size`, always at least the 80.

    Source: ISO/IEC 9797-1:2011, padding method 2.
    """
    return content + b"\x80" + bytes(-(len(content) + 1) % size)


def _xor(left: bytes, right: bytes) -> bytes:
    """Both of the same size; the first may be no longer."""
    mixed = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return mixed.to_bytes(len(left), "big")


_REDUCTIONS = {8: 0x1B, 16: 0x87}
"""What doubling takes off, by bytes of a block. Source: NIST SP 800-38B, 5.3."""


def _doubled(block: bytes) -> bytes:
    size = len(block)
    number = int.from_bytes(block, "big") << 1
    if number >> 8 * size:
        number = number & ((1 << 8 * size) - 1) ^ _REDUCTIONS[size]
    return number.to_bytes(size, "big")


class Cmac:
    """CMAC with one key, what only depends on the key at hand.

    Source: RFC 4493, 2.3 and 2.4 for AES; NIST SP 800-38B, 6 for any block cipher.
    """

    __slots__ = ("_begun", "_cipher", "_size", "_subkey")

    def __init__(self, cipher: BlockCipher) -> None:
        self._cipher = cipher
        self._size = cipher.size
        self._begun = cipher.begun_cmac() if isinstance(cipher, Aes) else None
        self._subkey = b""

    def __repr__(self) -> str:
        return "Cmac(<hidden>)"

    def over(self, message: bytes, *, iv: bytes | None = None, size_min: int = 0) -> bytes:
        """The block that is the CMAC.

        Args:
            message: Any bytes.
            iv: What the chain starts with; zeros but in an EV1 session, where it goes on from the last command.
            size_min: Pad at least to this size, whole blocks; two for AN10922.
        """
        if self._begun is None or iv is not None or len(message) < size_min:
            return self._made_of_blocks(message, iv, size_min)
        begun = self._begun.copy()
        begun.update(message)
        return begun.finalize()

    def _made_of_blocks(self, message: bytes, iv: bytes | None, size_min: int) -> bytes:
        """For a key that is elsewhere, a DES key, and what the library's own CMAC does not do."""
        size = self._size
        if not self._subkey:
            self._subkey = _doubled(self._cipher.block(bytes(size)))
        subkey = self._subkey
        if message and len(message) % size == 0 and len(message) >= size_min:
            content = message
        else:
            content = padded(message, max(size, size_min) if len(message) < size_min else size)
            subkey = _doubled(subkey)
        last = _xor(content[-size:], subkey)
        return self._cipher.encrypted(content[:-size] + last, iv or bytes(size))[-size:]


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC of a message, 16 bytes. Source: RFC 4493."""
    return Cmac(Aes(key)).over(message)


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
    return Cmac(Aes(key)).over(b"\x01" + diversification_input, size_min=2 * BLOCK)


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


def session_keys_ev2(aes: BlockCipher, rnd_a: bytes, rnd_b: bytes) -> SessionKeys:
    """The keys of a session opened with the key of `aes` by AuthenticateEV2First (71) or EV2NonFirst (77).

    Source: NXP AN12343, session key generation; NXP AN12196, 5.6.
    """
    mixed = (
        b"\x00\x01\x00\x80" + rnd_a[:2] + _xor(rnd_a[2:8], rnd_b[:6]) + rnd_b[6:] + rnd_a[8:]
    )
    keyed = Cmac(aes)
    return SessionKeys(keyed.over(b"\xa5\x5a" + mixed), keyed.over(b"\x5a\xa5" + mixed))
