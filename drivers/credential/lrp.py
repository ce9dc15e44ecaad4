"""The Leakage Resilient Primitive: AES-128 used so that no key meets many inputs; NTAG 424 DNA in its LRP mode.

From one key come sixteen plaintexts and a row of updated keys. A value is looked up half byte by half byte: each half byte
picks the plaintext that the key of the step enciphers to the key of the next step. On top of that stand a MAC like CMAC
and a code book with a counter, LRICB.

This is the reader's side: it need not resist what is measured at a chip. Evaluating one block takes 33 key schedules.
Source: NXP AN12304, 2 and 3.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from drivers.credential.kdf import BLOCK, ZERO

_ALL_55 = b"\x55" * BLOCK
_ALL_AA = b"\xaa" * BLOCK

PLAINTEXT_COUNT = 16
"""One for every half byte. Source: NXP AN12304, m = 4."""


_Step = Callable[[bytes, bytes], bytes]


def _block(key: bytes, plain: bytes) -> bytes:
    # One block with a key that is used for it alone; there is nothing to chain.
    return Cipher(AES(key), ECB()).encryptor().update(plain)  # noqa: S305


def _unblock(key: bytes, enciphered: bytes) -> bytes:
    return Cipher(AES(key), ECB()).decryptor().update(enciphered)  # noqa: S305


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(BLOCK, "big")


def _doubled(block: bytes) -> bytes:
    """Times x in the field of CMAC. Source: NIST SP 800-38B, 6.1."""
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number = number & ((1 << 128) - 1) ^ 0x87
    return number.to_bytes(BLOCK, "big")


def plaintexts(key: bytes) -> tuple[bytes, ...]:
    """The sixteen plaintexts of a key. Source: NXP AN12304, algorithm 1."""
    chain = _block(key, _ALL_55)
    found = []
    for _ in range(PLAINTEXT_COUNT):
        found.append(_block(chain, _ALL_AA))
        chain = _block(chain, _ALL_55)
    return tuple(found)


def updated_keys(key: bytes, count: int) -> tuple[bytes, ...]:
    """The first updated keys of a key. Source: NXP AN12304, algorithm 2."""
    chain = _block(key, _ALL_AA)
    found = []
    for _ in range(count):
        found.append(_block(chain, _ALL_AA))
        chain = _block(chain, _ALL_55)
    return tuple(found)


class LrpKey:
    """One updated key with its plaintexts: evaluates, makes MACs, enciphers.

    Keep none longer than the exchange it is for.
    """

    __slots__ = ("_plaintexts", "_subkeys", "_updated")

    def __init__(self, table: tuple[bytes, ...], updated: bytes) -> None:
        self._plaintexts = table
        self._updated = updated
        self._subkeys: tuple[bytes, bytes] | None = None

    def __repr__(self) -> str:
        return "LrpKey(<hidden>)"

    @classmethod
    def of(cls, key: bytes) -> "LrpKey":
        """The key with its first updated key, as every derivation and PICCData uses it."""
        return cls(plaintexts(key), updated_keys(key, 1)[0])

    @classmethod
    def pair(cls, master: bytes) -> "tuple[LrpKey, LrpKey]":
        """The two keys of a session: for MACs, for enciphering. Source: NXP NT4H2421Gx data sheet, 9.2.7."""
        table = plaintexts(master)
        mac, enc = updated_keys(master, 2)
        return cls(table, mac), cls(table, enc)

    def evaluated(self, value: bytes) -> bytes:
        """The 16 bytes a value of any size is looked up to. Source: NXP AN12304, algorithm 3, with the final step."""
        key = self._updated
        for byte in value:
            key = _block(key, self._plaintexts[byte >> 4])
            key = _block(key, self._plaintexts[byte & 0x0F])
        return _block(key, ZERO)

    def mac(self, message: bytes) -> bytes:
        """The 16 bytes of CMAC over a message of any size. Source: NXP AN12304, 3.2."""
        if self._subkeys is None:
            whole = _doubled(self.evaluated(ZERO))
            self._subkeys = whole, _doubled(whole)
        whole, short = self._subkeys
        last_at = max(0, (len(message) - 1) // BLOCK * BLOCK)
        last = message[last_at:]
        if len(last) == BLOCK:
            last = _xor(last, whole)
        else:
            last = _xor(last + b"\x80" + bytes(BLOCK - 1 - len(last)), short)
        chain = ZERO
        for at in range(0, last_at, BLOCK):
            chain = self.evaluated(_xor(chain, message[at : at + BLOCK]))
        return self.evaluated(_xor(chain, last))

    def enciphered(self, plain: bytes, counter: bytes) -> bytes:
        """LRICB of whole blocks; each block takes the next counter. Raises ValueError for anything but whole blocks."""
        return self._through(_block, plain, counter)

    def deciphered(self, enciphered: bytes, counter: bytes) -> bytes:
        """LRICB of whole blocks, the other way. Raises ValueError for anything but whole blocks."""
        return self._through(_unblock, enciphered, counter)

    def _through(self, step: _Step, content: bytes, counter: bytes) -> bytes:
        if not content or len(content) % BLOCK:
            raise ValueError("LRICB takes whole blocks")
        number, done = int.from_bytes(counter, "big"), b""
        for at in range(0, len(content), BLOCK):
            key = self.evaluated(number.to_bytes(len(counter), "big"))
            done += step(key, content[at : at + BLOCK])
            number = (number + 1) % (1 << 8 * len(counter))
        return done
