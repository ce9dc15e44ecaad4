"""The leakage resilient primitive as an NTAG 424 DNA uses it: its block cipher, its MAC, its messages.

From a key come 16 plaintexts and some updated keys; an input is walked through nibble by nibble, each choosing a
plaintext that the last result encrypts. A counter walked so gives one key a block (LRICB); CMAC gets the walk for a
block cipher.

Source: NXP AN12304, algorithms 1 to 6, with nibbles of 4 bits; NT4H2421Gx data sheet rev 3.0, 9.2 (messages).
"""

import hmac
from functools import cached_property

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from hardware.virtual.messaging import (
    BLOCK_SIZE,
    MAC_SIZE,
    Mode,
    Tampered,
    padded,
    unpadded,
)

UPPER, LOWER = b"\x55" * BLOCK_SIZE, b"\xaa" * BLOCK_SIZE
"""What the two walks through a key encrypt."""

PLAINTEXT_COUNT = 16
"""One a nibble."""

MAC_KEY, ENCRYPTION_KEY = 0, 1
"""Updated keys of a session's master key."""

START_COUNTER = bytes(4)
"""The counter of encrypted blocks after an authentication; high byte first."""


def _aes(key: bytes, block: bytes) -> bytes:
    worker = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 (single blocks, as the standard says)
    return worker.update(block) + worker.finalize()


def _aes_inverse(key: bytes, block: bytes) -> bytes:
    worker = Cipher(AES(key), ECB()).decryptor()  # noqa: S305 (likewise)
    return worker.update(block) + worker.finalize()


def _plaintexts(key: bytes) -> tuple[bytes, ...]:
    """Algorithm 1."""
    found = []
    walked = _aes(key, UPPER)
    for _ in range(PLAINTEXT_COUNT):
        found.append(_aes(walked, LOWER))
        walked = _aes(walked, UPPER)
    return tuple(found)


def _updated_key(key: bytes, number: int) -> bytes:
    """Algorithm 2: the one with this number, from 0."""
    walked = _aes(key, LOWER)
    for _ in range(number):
        walked = _aes(walked, UPPER)
    return _aes(walked, LOWER)


class Lrp:
    """A key, made ready: its plaintexts and one of its updated keys."""

    def __init__(self, key: bytes, number: int = 0) -> None:
        """Make ready updated key `number` of a 16-byte `key`."""
        self._plaintexts = _plaintexts(key)
        self._start = _updated_key(key, number)

    def _walked(self, block: bytes) -> bytes:
        """Algorithm 3, with its last step."""
        result = self._start
        for byte in block:
            for nibble in (byte >> 4, byte & 0x0F):
                result = _aes(result, self._plaintexts[nibble])
        return _aes(result, bytes(BLOCK_SIZE))

    @cached_property
    def _subkeys(self) -> tuple[bytes, bytes]:
        whole = _doubled(self._walked(bytes(BLOCK_SIZE)))
        return whole, _doubled(whole)

    def cmac(self, content: bytes) -> bytes:
        """16 bytes of MAC. Algorithm 6."""
        whole, short = self._subkeys
        if content and len(content) % BLOCK_SIZE == 0:
            blocks, subkey = content, whole
        else:
            blocks, subkey = padded(content), short
        state = bytes(BLOCK_SIZE)
        for at in range(0, len(blocks) - BLOCK_SIZE, BLOCK_SIZE):
            state = self._walked(_xor(state, blocks[at : at + BLOCK_SIZE]))
        return self._walked(_xor(_xor(state, blocks[-BLOCK_SIZE:]), subkey))

    def encrypted(self, plain: bytes, counter: bytes) -> bytes:
        """Whole blocks under `counter` and those after it. Algorithm 4."""
        return b"".join(
            _aes(self._walked(_moved(counter, index)), plain[at : at + BLOCK_SIZE])
            for index, at in enumerate(range(0, len(plain), BLOCK_SIZE))
        )

    def decrypted(self, secret: bytes, counter: bytes) -> bytes:
        """The inverse. Algorithm 5. Raises Tampered when `secret` is not whole blocks."""
        if len(secret) % BLOCK_SIZE:
            raise Tampered("not whole blocks")
        return b"".join(
            _aes_inverse(self._walked(_moved(counter, index)), secret[at : at + BLOCK_SIZE])
            for index, at in enumerate(range(0, len(secret), BLOCK_SIZE))
        )


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _doubled(block: bytes) -> bytes:
    """The next subkey of CMAC. Source: RFC 4493, 2.3."""
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number ^= (1 << 128) | 0x87
    return number.to_bytes(BLOCK_SIZE, "big")


def _moved(counter: bytes, steps: int) -> bytes:
    """The counter `steps` later, high byte first; it runs over to 0."""
    size = len(counter)
    return ((int.from_bytes(counter, "big") + steps) % (1 << 8 * size)).to_bytes(size, "big")


def session_master(key: bytes, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """What both session keys come from. Source: data sheet, 9.2.7."""
    crossed = _xor(rnd_a[2:8], rnd_b[:6])
    context = rnd_a[:2] + crossed + rnd_b[6:] + rnd_a[8:]
    return Lrp(key).cmac(b"\x00\x01\x00\x80" + context + b"\x96\x69")


class LrpSession:
    """Messaging after an authentication with LRP.

    Attributes:
        transaction: Transaction identifier, 4 bytes; kept by 0x77.
        counter: Commands since 0x71; kept by 0x77.
    """

    def __init__(
        self, master: bytes, *, transaction: bytes, counter: int = 0, n_blocks: int = 0
    ) -> None:
        """Begin. `n_blocks`: blocks encrypted already, during the authentication."""
        self._macs = Lrp(master, MAC_KEY)
        self._cipher = Lrp(master, ENCRYPTION_KEY)
        self._n_blocks = n_blocks
        self.transaction = transaction
        self.counter = counter

    def _mac(self, code: int, content: bytes) -> bytes:
        place = self.counter.to_bytes(2, "little") + self.transaction
        return self._macs.cmac(bytes([code]) + place + content)[1::2]

    def _use(self, content: bytes) -> bytes:
        """The counter for the blocks of `content`, which move it."""
        counter = _moved(START_COUNTER, self._n_blocks)
        self._n_blocks += len(content) // BLOCK_SIZE
        return counter

    def open(self, code: int, header: bytes, rest: bytes, mode: Mode) -> bytes:
        """The plain content of a command's `rest`; every mode but PLAIN ends with a MAC. Raises Tampered."""
        if mode is Mode.PLAIN:
            return rest
        body, mac = rest[:-MAC_SIZE], rest[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._mac(code, header + body)):
            raise Tampered("command MAC")
        if mode is Mode.FULL and body:
            return unpadded(self._cipher.decrypted(body, self._use(body)))
        return body

    def seal(self, content: bytes, mode: Mode) -> bytes:
        """Content, its cryptogram or nothing, then a MAC in every mode but PLAIN; the counter moves first."""
        self.counter += 1
        if mode is Mode.PLAIN:
            return content
        if mode is Mode.FULL and content:
            whole = padded(content)
            content = self._cipher.encrypted(whole, self._use(whole))
        return content + self._mac(0x00, content)
