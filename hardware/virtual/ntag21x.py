"""An NTAG213, 215 or 216: pages anybody reads, a password, a counter of taps, a signature, mirrors in text.

    VirtualNtag21x   what lasts: pages, counter, wrong passwords counted
    _PoweredNtag21x  what a field keeps alive: whether the password was given, whether this tap was counted

Commands: 60 GET_VERSION, 30 READ, 3A FAST_READ, A2 WRITE, A0 COMPATIBILITY_WRITE, 39 READ_CNT, 3C READ_SIG,
1B PWD_AUTH. What it does not know is met with silence. A NAK and silence end what the password opened.

    CFG0  mirror, 0, mirror page, AUTH0 (first page the password protects)
    CFG1  access: 80 reads too, 40 configuration locked, 10 counter on, 08 counter needs the password, 07 limit
    PWD, PACK  read as zeros

CFG0 and CFG1 count from the next time the field comes: who writes them protects nothing from himself yet.

Source: NXP NTAG213/215/216 data sheet rev 3.2, 8.5 to 8.8 and 10.
"""

from dataclasses import dataclass
from enum import Enum

from hardware.virtual.band import Anticollision
from hardware.virtual.originality import NTAG21X_TEST_KEY
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

READS_TOO = 0x80
CONFIGURATION_LOCKED = 0x40
COUNTER_ON = 0x10
COUNTER_GUARDED = 0x08
LIMIT_MASK = 0x07
"""Bits of the access byte in CFG1."""

COUNTER_NUMBER = 0x02
"""The one counter READ_CNT knows."""

COUNTER_MAX = 0xFFFFFF
"""It stays there."""

MIRROR_UID, MIRROR_COUNTER = 0x40, 0x80
"""Bits of the mirror byte in CFG0."""

EMPTY_MESSAGE = bytes.fromhex("0300FE00")
"""User memory as it leaves the factory: no NDEF message."""

DEFAULT_PASSWORD, DEFAULT_PACK = b"\xff" * 4, bytes(2)
"""As they leave the factory."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a model keeps what. `lock` is the page before CFG0; `capacity` byte 2 of page 3, in 8 bytes."""

    page_count: int
    lock: DynamicLock
    storage: int
    capacity: int

    @property
    def user_size(self) -> int:
        return (self.lock.page - USER_PAGE) * PAGE_SIZE


class Ntag21xModel(Enum):
    """The three sizes."""

    NTAG213 = _Layout(45, DynamicLock(0x28, 2, 12), 0x0F, 0x12)
    NTAG215 = _Layout(135, DynamicLock(0x82, 16, 8), 0x11, 0x3E)
    NTAG216 = _Layout(231, DynamicLock(0xE2, 16, 14), 0x13, 0x6D)


class VirtualNtag21x:
    """A Type 2 band; its pages and its counter stay as long as this object lives."""

    def __init__(  # noqa: PLR0913 (every one of them is a setting of the chip)
        self,
        *,
        uid: bytes,
        model: Ntag21xModel = Ntag21xModel.NTAG213,
        user_pages: bytes = EMPTY_MESSAGE,
        password: bytes = DEFAULT_PASSWORD,
        pack: bytes = DEFAULT_PACK,
        auth_first: int = 0xFF,
        access: int = 0x00,
        mirror: tuple[int, int] = (0x04, 0x00),
        signature: bytes | None = None,
    ) -> None:
        """Make the band.

        Args:
            uid: 7 bytes.
            model: Which size.
            user_pages: What stands from page 4 on.
            password: 4 bytes.
            pack: 2 bytes, what the right password is answered with.
            auth_first: First page the password protects; 0xFF protects none.
            access: First byte of CFG1.
            mirror: First and third byte of CFG0: what is mirrored and from which byte; from which page.
            signature: 32 bytes; made with NTAG21X_TEST_KEY when not given.

        Raises:
            ValueError: A size that does not fit.
        """
        layout = model.value
        if len(user_pages) > layout.user_size or len(password) != 4 or len(pack) != 2:
            raise ValueError("user pages, password or PACK do not fit this chip")
        capability = bytes([0xE1, 0x10, layout.capacity, 0x00])
        self.uid = uid
        self.model = model
        self.pages = Type2Memory(
            uid=uid, page_count=layout.page_count, lock=layout.lock, capability=capability
        )
        self.pages.put(USER_PAGE, user_pages)
        self.pages.put(layout.lock.page, b"\x00\x00\x00\xbd")
        self.configuration = layout.lock.page + 1
        cfg = bytes([mirror[0], 0x00, mirror[1], auth_first, access, 0x00, 0x00, 0x00])
        self.pages.put(self.configuration, cfg + password + pack + bytes(2))
        self._signature = signature
        self.counter = 0
        self.n_wrong = 0

    @property
    def memory(self) -> bytearray:
        """All pages as they stand."""
        return self.pages.content

    @property
    def signature(self) -> bytes:
        """What READ_SIG answers; made when it is first asked for."""
        if self._signature is None:
            self._signature = NTAG21X_TEST_KEY.sign(self.uid)
        return self._signature

    def power_up(self) -> "_PoweredNtag21x":
        """A chip freshly powered."""
        return _PoweredNtag21x(self)


class _PoweredNtag21x:
    """The chip while a field powers it."""

    def __init__(self, band: VirtualNtag21x) -> None:
        self._band = band
        self._anticollision = Anticollision(b"\x00\x44", band.uid, 0x00)
        self._cfg = band.pages.page(band.configuration), band.pages.page(band.configuration + 1)
        self._is_open = False
        self._is_counted = False
        self._write_page: int | None = None

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def reselected(self) -> None:
        """It was selected anew: nothing is open any more."""
        self._is_open = False
        self._write_page = None

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one frame; one byte is a 4-bit ACK or NAK, None silence."""
        if self._write_page is not None:
            page, self._write_page = self._write_page, None
            answer = self._write(page, command[:PAGE_SIZE]) if len(command) == 16 else None
        else:
            answer = self._answer(command)
        if answer is None or (len(answer) == 1 and answer != ACK):
            self._is_open = False
        return answer

    def _answer(self, command: bytes) -> bytes | None:  # noqa: PLR0911 (one a command)
        match command[0] if command else None, len(command):
            case 0x60, 1:
                return bytes([0, 4, 4, 2, 1, 0, self._band.model.value.storage, 3])
            case 0x30, 2:
                return self._read(command[1])
            case 0x3A, 3:
                return self._fast_read(command[1], command[2])
            case 0xA2, 6:
                return self._write(command[1], command[2:])
            case 0xA0, 2:
                return self._begin_write(command[1])
            case 0x39, 2:
                return self._read_counter(command[1])
            case 0x3C, 2:
                return self._band.signature if command[1] == 0 else NAK
            case 0x1B, 5:
                return self._authenticate(command[1:])
            case _:
                return None

    # --- configuration

    def _byte(self, page: int, offset: int) -> int:
        return self._cfg[page][offset]

    @property
    def _access(self) -> int:
        return self._byte(1, 0)

    @property
    def _readable_end(self) -> int:
        """First page that cannot be read now."""
        guarded = self._byte(0, 3)
        is_guarding = bool(self._access & READS_TOO) and not self._is_open
        return (
            min(guarded, self._band.pages.page_count)
            if is_guarding
            else self._band.pages.page_count
        )

    # --- reading

    def _shown(self) -> bytes:
        """All pages as they are read now: password hidden, mirrors filled in."""
        shown = bytearray(self._band.memory)
        secret = (self._band.configuration + 2) * PAGE_SIZE
        shown[secret : secret + 2 * PAGE_SIZE] = bytes(2 * PAGE_SIZE)
        mirror, page = self._byte(0, 0), self._byte(0, 2)
        texts = []
        if mirror & MIRROR_UID:
            texts.append(self._band.uid.hex().upper())
        if mirror & MIRROR_COUNTER and self._access & COUNTER_ON:
            texts.append(f"{self._band.counter:06X}")
        start = page * PAGE_SIZE + (mirror >> 4 & 0x03)
        if texts and page >= USER_PAGE:
            text = "x".join(texts).encode()
            shown[start : start + len(text)] = text
        return bytes(shown)

    def _count(self) -> None:
        """The first read of a tap counts it. Source: data sheet, 8.7."""
        if self._access & COUNTER_ON and not self._is_counted:
            self._is_counted = True
            self._band.counter = min(self._band.counter + 1, COUNTER_MAX)

    def _read(self, page: int) -> bytes:
        end = self._readable_end
        if page >= end:
            return NAK
        self._count()
        return around(self._shown(), page=page, end=end)

    def _fast_read(self, first: int, last: int) -> bytes:
        if not first <= last < self._readable_end:
            return NAK
        self._count()
        return self._shown()[first * PAGE_SIZE : (last + 1) * PAGE_SIZE]

    def _read_counter(self, number: int) -> bytes:
        is_on = number == COUNTER_NUMBER and self._access & COUNTER_ON
        if not is_on or (self._access & COUNTER_GUARDED and not self._is_open):
            return NAK
        return self._band.counter.to_bytes(3, "little")

    # --- writing

    def _may_write(self, page: int) -> bool:
        cfg = self._band.configuration
        is_configuration = cfg <= page < cfg + 2
        if is_configuration and self._access & CONFIGURATION_LOCKED:
            return False
        is_guarded = page >= self._byte(0, 3)
        return page < self._band.pages.page_count and (self._is_open or not is_guarded)

    def _begin_write(self, page: int) -> bytes:
        if not self._may_write(page) or self._band.pages.is_locked(page):
            return NAK
        self._write_page = page
        return ACK

    def _write(self, page: int, content: bytes) -> bytes:
        if not self._may_write(page):
            return NAK
        return ACK if self._band.pages.write(page, content) else NAK

    # --- password

    def _authenticate(self, password: bytes) -> bytes:
        limit = self._access & LIMIT_MASK
        if limit and self._band.n_wrong >= limit:
            return NAK_OVERFLOW
        if password != self._band.pages.page(self._band.configuration + 2):
            self._band.n_wrong += 1
            return NAK
        self._band.n_wrong = 0
        self._is_open = True
        return self._band.pages.page(self._band.configuration + 3)[:2]
