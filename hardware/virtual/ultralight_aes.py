"""An Ultralight AES: pages, two AES keys, messages with a CMAC, three one-way counters, a UID that can be random.

    VirtualUltralightAes   what lasts: pages, counters, wrong authentications counted
    _PoweredUltralightAes  what a field keeps alive: its random UID, an authentication begun, a session

Commands: 60 GET_VERSION, 30 READ, 3A FAST_READ, A2 WRITE, 39 READ_CNT, A5 INCR_CNT, 3C READ_SIG, 1A AUTHENTICATE
with AF. In a session with messaging every command but 1A carries 8 odd bytes of a CMAC over the command counter and
itself, every answer the same over the next count; an answer without content is the CMAC alone. A command without a
good one is met with silence, and the session is over.

    page 29  bit 0 random UID, bit 1 messaging; byte 3 first page that needs the data key
    page 2A  80 reads too, 40 configuration locked, 08/04 counter 2 may be moved/read by anybody; bytes 2-3 limit
    page 2D  40/80 data/UID key locked;  30-33, 34-37  the keys, last byte first, read as zeros

Pages 29 and 2A count from the next time the field comes: an encoder writes them, then goes on writing.

Sources: NXP MF0AES(H)20 data sheet, 8; AN13452. Not checked on a chip: with a random UID pages 0 and 1 read as zeros
until an authentication, and the count of wrong authentications starts anew after a good one.
"""

import hmac
from collections.abc import Callable

from hardware.entropy import Entropy
from hardware.virtual.band import Anticollision, turned
from hardware.virtual.messaging import (
    BLOCK_SIZE,
    MAC_SIZE,
    ZERO_IV,
    cmac,
    decrypted,
    encrypted,
    ev2_session_keys,
    rotated,
)
from hardware.virtual.originality import ULTRALIGHT_AES_TEST_KEY
from hardware.virtual.type2 import (
    ACK,
    NAK,
    NAK_OVERFLOW,
    PAGE_SIZE,
    USER_PAGE,
    DynamicLock,
    Type2Memory,
    around,
)

PAGE_COUNT = 60
LOCKS, CFG_0, CFG_1, KEY_LOCKS, DATA_KEY, UID_KEY, KEYS_END = (
    0x28,
    0x29,
    0x2A,
    0x2D,
    0x30,
    0x34,
    0x38,
)
"""Pages of the configuration."""

RANDOM_UID, MESSAGING = 0x01, 0x02
"""Bits of the first byte of CFG_0."""

READS_TOO, CONFIGURATION_LOCKED, COUNTER_MOVED_BY_ALL, COUNTER_READ_BY_ALL = (
    0x80,
    0x40,
    0x08,
    0x04,
)
"""Bits of the first byte of CFG_1."""

DATA_KEY_LOCKED, UID_KEY_LOCKED = 0x40, 0x80
"""Bits of the first byte of KEY_LOCKS."""

UNPROTECTED = 0x3C
"""First page that needs the data key, as it leaves the factory: behind the last one."""

DATA_KEY_NUMBER, UID_KEY_NUMBER = 0, 1
"""What AUTHENTICATE calls the keys."""

GUARDED_COUNTER = 2
"""The counter whose use can need the data key."""

COUNTER_COUNT = 3
COUNTER_MAX = 0xFFFFFF

VERSION = bytes.fromhex("0004030104000F03")
"""GET_VERSION of the MF0AES20. Source: data sheet, 10.1."""


class VirtualUltralightAes:
    """A band with 36 user pages and three counters; they keep what is written as long as this object lives."""

    def __init__(  # noqa: PLR0913 (every one of them is a setting of the chip)
        self,
        *,
        uid: bytes,
        entropy: Entropy,
        data_key: bytes = bytes(16),
        uid_key: bytes = bytes(16),
        user_pages: bytes = b"",
        auth_first: int = UNPROTECTED,
        options: int = 0x00,
        access: int = COUNTER_MOVED_BY_ALL | COUNTER_READ_BY_ALL,
        wrong_max: int = 0,
        counters: tuple[int, int, int] = (0, 0, 0),
        signature: bytes | None = None,
    ) -> None:
        """Make the band.

        Args:
            uid: The true UID, 7 bytes.
            entropy: Where its nonces and random UIDs come from.
            data_key: 16 bytes, final; opens pages and counter 2.
            uid_key: 16 bytes, final; only tells the true UID.
            user_pages: What stands from page 4 on, at most 144 bytes.
            auth_first: First page that needs the data key.
            options: First byte of CFG_0: RANDOM_UID, MESSAGING.
            access: First byte of CFG_1.
            wrong_max: Wrong authentications after which none is possible; 0 for no limit, at most 1023.
            counters: Where the one-way counters stand.
            signature: 48 bytes; made with ULTRALIGHT_AES_TEST_KEY when not given.

        Raises:
            ValueError: A size that does not fit.
        """
        if {len(data_key), len(uid_key)} != {16} or len(user_pages) > 144 or wrong_max > 0x3FF:
            raise ValueError(
                "keys of 16 bytes, at most 144 bytes of user pages, a limit of 1023"
            )
        self.uid = uid
        self.entropy = entropy
        lock = DynamicLock(LOCKS, 2, 12)
        self.pages = Type2Memory(uid=uid, page_count=PAGE_COUNT, lock=lock, capability=bytes(4))
        self.pages.put(USER_PAGE, user_pages)
        self.pages.put(CFG_0, bytes([options, 0, 0, auth_first]))
        self.pages.put(CFG_1, bytes([access, 0x05]) + wrong_max.to_bytes(2, "little"))
        self.pages.put(DATA_KEY, data_key[::-1] + uid_key[::-1])
        self.counters = list(counters)
        self.n_wrong = 0
        self._signature = signature

    def key(self, number: int) -> bytes:
        """A key as it stands now."""
        first = (DATA_KEY, UID_KEY)[number]
        return b"".join(self.pages.page(first + index) for index in range(4))[::-1]

    @property
    def signature(self) -> bytes:
        """What READ_SIG answers; made when it is first asked for."""
        if self._signature is None:
            self._signature = ULTRALIGHT_AES_TEST_KEY.sign(self.uid)
        return self._signature

    def power_up(self) -> "_PoweredUltralightAes":
        """A chip freshly powered."""
        is_random = self.pages.page(CFG_0)[0] & RANDOM_UID
        uid = b"\x08" + self.entropy.draw(3) if is_random else self.uid
        atqa = b"\x00\x04" if is_random else b"\x00\x44"
        return _PoweredUltralightAes(self, Anticollision(atqa, uid, 0x00))


class _Session:
    """The messages after an authentication: a key and a count of commands and answers."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.counter = 0

    def _mac(self, content: bytes) -> bytes:
        return cmac(self._key, self.counter.to_bytes(2, "little") + content)[1::2]

    def opened(self, command: bytes) -> bytes | None:
        """The command without its MAC; None when that is wrong or missing."""
        bare, mac = command[:-MAC_SIZE], command[-MAC_SIZE:]
        if not bare or not hmac.compare_digest(mac, self._mac(bare)):
            return None
        self.counter += 1
        return bare

    def sealed(self, content: bytes) -> bytes:
        """An answer with its MAC."""
        whole = content + self._mac(content)
        self.counter += 1
        return whole


class _PoweredUltralightAes:
    """The chip while a field powers it."""

    def __init__(self, band: VirtualUltralightAes, anticollision: Anticollision) -> None:
        self._band = band
        self._anticollision = anticollision
        self._cfg_0, self._cfg_1 = band.pages.page(CFG_0), band.pages.page(CFG_1)
        self._opened_by: int | None = None
        self._session: _Session | None = None
        self._challenge: tuple[int, bytes] | None = None
        self.nonce_turn = 1
        self._commands: dict[tuple[int, int], Callable[[bytes], bytes]] = {
            (0x60, 0): lambda _: VERSION,
            (0x30, 1): self._read,
            (0x3A, 2): self._fast_read,
            (0xA2, 5): self._write,
            (0x39, 1): self._read_counter,
            (0xA5, 5): self._increment_counter,
            (0x3C, 1): lambda data: band.signature if data == b"\x00" else NAK,
        }

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def reselected(self) -> None:
        """It was selected anew: nothing is open any more."""
        self._forget()
        self._challenge = None

    def reset_counter(self) -> None:
        """Count the commands of the session from 0 again, as no good chip does."""
        if self._session is not None:
            self._session.counter = 0

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one frame; one byte is a 4-bit ACK or NAK, None silence."""
        answer = self._answer(command)
        if answer is None or (len(answer) == 1 and answer != ACK):
            self._forget()
        return answer

    def _forget(self) -> None:
        self._opened_by = None
        self._session = None

    def _answer(self, command: bytes) -> bytes | None:
        challenge, self._challenge = self._challenge, None
        if command[:1] == b"\x1a" and len(command) == 2:
            return self._begin_authentication(command[1])
        if challenge is not None:
            return self._finish_authentication(command, *challenge)
        session = self._session
        bare = command if session is None else session.opened(command)
        if not bare:
            return None
        act = self._commands.get((bare[0], len(bare) - 1))
        if act is None:
            return None
        answer = act(bare[1:])
        if session is None or (len(answer) == 1 and answer != ACK):
            return answer
        return session.sealed(b"" if answer == ACK else answer)

    # --- authentication

    def _begin_authentication(self, number: int) -> bytes:
        self._forget()
        limit = int.from_bytes(self._cfg_1[2:], "little") & 0x3FF
        if number not in {DATA_KEY_NUMBER, UID_KEY_NUMBER}:
            return NAK
        if limit and self._band.n_wrong >= limit:
            return NAK_OVERFLOW
        rnd_b = self._band.entropy.draw(BLOCK_SIZE)
        self._challenge = number, rnd_b
        return b"\xaf" + encrypted(self._band.key(number), ZERO_IV, rnd_b)

    def _finish_authentication(self, command: bytes, number: int, rnd_b: bytes) -> bytes:
        if command[:1] != b"\xaf" or len(command) != 1 + 2 * BLOCK_SIZE:
            return NAK
        key = self._band.key(number)
        plain = decrypted(key, ZERO_IV, command[1:])
        rnd_a = plain[:BLOCK_SIZE]
        if not hmac.compare_digest(plain[BLOCK_SIZE:], rotated(rnd_b)):
            self._band.n_wrong += 1
            return NAK
        self._band.n_wrong = 0
        self._opened_by = number
        if self._cfg_0[0] & MESSAGING:
            self._session = _Session(ev2_session_keys(key, rnd_a, rnd_b)[1])
        return b"\x00" + encrypted(key, ZERO_IV, turned(rnd_a, self.nonce_turn))

    # --- pages

    @property
    def _is_open(self) -> bool:
        return self._opened_by == DATA_KEY_NUMBER

    @property
    def _access(self) -> int:
        return self._cfg_1[0]

    @property
    def _readable_end(self) -> int:
        """First page that cannot be read now."""
        if self._is_open or not self._access & READS_TOO:
            return PAGE_COUNT
        return min(self._cfg_0[3], PAGE_COUNT)

    def _shown(self) -> bytes:
        """All pages as they are read now: keys hidden, the UID too while it is random and nobody authenticated."""
        shown = bytearray(self._band.pages.content)
        shown[DATA_KEY * PAGE_SIZE :] = bytes((PAGE_COUNT - DATA_KEY) * PAGE_SIZE)
        if self._cfg_0[0] & RANDOM_UID and self._opened_by is None:
            shown[: 2 * PAGE_SIZE] = bytes(2 * PAGE_SIZE)
        return bytes(shown)

    def _read(self, data: bytes) -> bytes:
        end = self._readable_end
        return around(self._shown(), page=data[0], end=end) if data[0] < end else NAK

    def _fast_read(self, data: bytes) -> bytes:
        first, last = data
        if not first <= last < self._readable_end:
            return NAK
        return self._shown()[first * PAGE_SIZE : (last + 1) * PAGE_SIZE]

    def _write(self, data: bytes) -> bytes:
        page, content = data[0], data[1:]
        is_guarded = page >= self._cfg_0[3] and not self._is_open
        if is_guarded or page >= KEYS_END or self._is_frozen(page):
            return NAK
        return ACK if self._band.pages.write(page, content) else NAK

    def _is_frozen(self, page: int) -> bool:
        locks = self._band.pages.page(KEY_LOCKS)[0]
        if DATA_KEY <= page < UID_KEY:
            return bool(locks & DATA_KEY_LOCKED)
        if UID_KEY <= page < KEYS_END:
            return bool(locks & UID_KEY_LOCKED)
        return page in {CFG_0, CFG_1} and bool(self._access & CONFIGURATION_LOCKED)

    # --- counters

    def _may_use(self, number: int, by_all: int) -> bool:
        if number >= COUNTER_COUNT:
            return False
        return number != GUARDED_COUNTER or self._is_open or bool(self._access & by_all)

    def _read_counter(self, data: bytes) -> bytes:
        if not self._may_use(data[0], COUNTER_READ_BY_ALL):
            return NAK
        return self._band.counters[data[0]].to_bytes(3, "little")

    def _increment_counter(self, data: bytes) -> bytes:
        """Number, three bytes low byte first, one that does not matter."""
        if not self._may_use(data[0], COUNTER_MOVED_BY_ALL):
            return NAK
        after = self._band.counters[data[0]] + int.from_bytes(data[1:4], "little")
        if after > COUNTER_MAX:
            return NAK_OVERFLOW
        self._band.counters[data[0]] = after
        return ACK
