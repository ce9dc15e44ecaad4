"""An Ultralight C: pages, a 3DES key in two halves, a one-way counter in a page.

    VirtualUltralightC   what lasts: pages
    _PoweredUltralightC  what a field keeps alive: an authentication begun or done

Commands: 30 READ, A2 WRITE, 1A AUTHENTICATE with AF. The chip has no GET_VERSION: it is told by its silence to it.

    1A 00          ->  AF E(RndB)                   CBC from IV 0
    AF E(RndA RndB')  ->  00 E(RndA')               the IV runs on through both messages

Pages 2C to 2F hold the key, each half with its bytes in reverse order; nobody reads them. 2A: first page that needs
the key. 2B: 00 reads and writes need it, 01 writes only. 29: the counter, low byte first.

Source: NXP MF0ICU2 data sheet rev 3.2, 7.5.
"""

import hmac

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from hardware.entropy import Entropy
from hardware.virtual.band import Anticollision, turned
from hardware.virtual.messaging import rotated
from hardware.virtual.type2 import ACK, NAK, NAK_OVERFLOW, USER_PAGE, Type2Memory, around

BLOCK_SIZE = 8
"""Bytes of a DES block and of a nonce."""

KEY_SIZE = 16

PAGE_COUNT = 48
LOCKS, COUNTER, AUTH_FIRST, AUTH_MODE, KEY = 0x28, 0x29, 0x2A, 0x2B, 0x2C
"""Pages of the configuration."""

READABLE_END = KEY
"""Behind it lies the key."""

UNPROTECTED = 0x30
"""First page that needs the key, as it leaves the factory: behind the last one."""

WRITES_ONLY = 0x01

FACTORY_KEY = b"IEMKAERB!NACUOYF"
"""The key as it leaves the factory, in the order a cipher takes it."""

_ZERO_IV = bytes(BLOCK_SIZE)

_LOCK_BITS = (
    *((bit, 16 + 4 * index, 20 + 4 * index) for index, bit in enumerate((1, 2, 3, 5, 6, 7))),
    (12, COUNTER, COUNTER + 1),
    (13, AUTH_FIRST, AUTH_FIRST + 1),
    (14, AUTH_MODE, AUTH_MODE + 1),
    (15, KEY, PAGE_COUNT),
)
"""Bit of lock bytes 2 and 3, first page it locks, first it does not. Source: data sheet, 7.5.4."""


def _crypted(key: bytes, iv: bytes, content: bytes, *, is_decrypting: bool = False) -> bytes:
    cipher = Cipher(TripleDES(key + key[:8]), CBC(iv))
    worker = cipher.decryptor() if is_decrypting else cipher.encryptor()
    return worker.update(content) + worker.finalize()


def _stored(key: bytes) -> bytes:
    """A key as its pages hold it; its own inverse."""
    return key[7::-1] + key[:7:-1]


class VirtualUltralightC:
    """A band with 36 user pages; they keep what is written to them as long as this object lives."""

    def __init__(
        self,
        *,
        uid: bytes,
        entropy: Entropy,
        key: bytes = FACTORY_KEY,
        user_pages: bytes = b"",
        auth_first: int = UNPROTECTED,
        is_read_open: bool = True,
    ) -> None:
        """Make the band.

        Args:
            uid: 7 bytes.
            entropy: Where its nonces come from.
            key: 16 bytes, final.
            user_pages: What stands from page 4 on, at most 144 bytes.
            auth_first: First page that needs the key.
            is_read_open: Reading needs no key.

        Raises:
            ValueError: A size that does not fit.
        """
        if len(key) != KEY_SIZE or len(user_pages) > (LOCKS - USER_PAGE) * 4:
            raise ValueError("a key of 16 bytes and at most 144 bytes of user pages")
        self.uid = uid
        self.entropy = entropy
        self.pages = Type2Memory(uid=uid, page_count=PAGE_COUNT, lock=None, capability=bytes(4))
        self.pages.put(USER_PAGE, user_pages)
        self.pages.put(AUTH_FIRST, bytes([auth_first, 0, 0, 0, int(is_read_open), 0, 0, 0]))
        self.pages.put(KEY, _stored(key))

    @property
    def key(self) -> bytes:
        """The key in the order a cipher takes it."""
        return _stored(b"".join(self.pages.page(KEY + index) for index in range(4)))

    @property
    def counter(self) -> int:
        """The one-way counter."""
        return int.from_bytes(self.pages.page(COUNTER)[:2], "little")

    def power_up(self) -> "_PoweredUltralightC":
        """A chip freshly powered."""
        return _PoweredUltralightC(self)


class _PoweredUltralightC:
    """The chip while a field powers it."""

    def __init__(self, band: VirtualUltralightC) -> None:
        self._band = band
        self._anticollision = Anticollision(b"\x00\x44", band.uid, 0x00)
        self._is_open = False
        self._challenge: tuple[bytes, bytes] | None = None
        self.nonce_turn = 1

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def reselected(self) -> None:
        """It was selected anew: nothing is open any more."""
        self._is_open = False
        self._challenge = None

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one frame; one byte is a 4-bit ACK or NAK, None silence."""
        answer = self._answer(command)
        if answer is None or (len(answer) == 1 and answer != ACK):
            self._is_open = False
        return answer

    def _answer(self, command: bytes) -> bytes | None:
        challenge, self._challenge = self._challenge, None
        match command[0] if command else None, len(command):
            case 0x30, 2:
                return self._read(command[1])
            case 0xA2, 6:
                return self._write(command[1], command[2:])
            case 0x1A, 2:
                return self._begin_authentication(command[1])
            case 0xAF, 17 if challenge is not None:
                return self._finish_authentication(command[1:], *challenge)
            case _:
                return None

    def _read(self, page: int) -> bytes:
        is_guarding = (
            not self._is_open and not self._band.pages.page(AUTH_MODE)[0] & WRITES_ONLY
        )
        end = READABLE_END
        if is_guarding:
            end = min(end, self._band.pages.page(AUTH_FIRST)[0])
        if page >= end:
            return NAK
        return around(bytes(self._band.pages.content), page=page, end=end)

    def _is_locked(self, page: int) -> bool:
        bits = int.from_bytes(self._band.pages.page(LOCKS)[:2], "little")
        return any(bits >> bit & 1 and first <= page < end for bit, first, end in _LOCK_BITS)

    def _write(self, page: int, content: bytes) -> bytes:
        is_guarded = page >= self._band.pages.page(AUTH_FIRST)[0] and not self._is_open
        if is_guarded or self._is_locked(page):
            return NAK
        if page == COUNTER:
            return self._count(content)
        if page == LOCKS:
            now = self._band.pages.page(page)
            content = bytes(a | b for a, b in zip(now, content, strict=True))
        return ACK if self._band.pages.write(page, content) else NAK

    def _count(self, content: bytes) -> bytes:
        """The first write sets the counter; later ones add their low four bits. Source: data sheet, 7.5.11."""
        now = self._band.counter
        wanted = int.from_bytes(content[:2], "little")
        after = wanted if now == 0 else now + (wanted & 0x0F)
        if after > 0xFFFF:
            return NAK_OVERFLOW
        self._band.pages.put(COUNTER, after.to_bytes(2, "little"))
        return ACK

    def _begin_authentication(self, parameter: int) -> bytes:
        if parameter != 0:
            return NAK
        self._is_open = False
        rnd_b = self._band.entropy.draw(BLOCK_SIZE)
        secret = _crypted(self._band.key, _ZERO_IV, rnd_b)
        self._challenge = rnd_b, secret
        return b"\xaf" + secret

    def _finish_authentication(self, token: bytes, rnd_b: bytes, iv: bytes) -> bytes:
        plain = _crypted(self._band.key, iv, token, is_decrypting=True)
        if not hmac.compare_digest(plain[BLOCK_SIZE:], rotated(rnd_b)):
            return NAK
        self._is_open = True
        answer = turned(plain[:BLOCK_SIZE], self.nonce_turn)
        return b"\x00" + _crypted(self._band.key, token[BLOCK_SIZE:], answer)
