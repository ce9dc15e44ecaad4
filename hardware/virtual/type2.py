"""Pages of a Type 2 chip: how they are laid out, read around the end, locked for ever and programmed once.

    page 0-1   UID with its two check bytes
    page 2     check byte, internal byte, lock bytes 0 and 1
    page 3     capability container; bits can only be set
    page 4..   user memory, then dynamic lock bytes and the chip's own configuration

Sources: NXP NTAG213/215/216 data sheet rev 3.2, 8.5 and 10; MF0ICU2 data sheet, 7.5; MF0AES(H)20 data sheet, 8.5.
"""

from dataclasses import dataclass

PAGE_SIZE = 4
"""Bytes of a page."""

READ_PAGE_COUNT = 4
"""Pages READ answers."""

ACK = b"\x0a"
"""4-bit answer: done."""

NAK = b"\x00"
"""4-bit answer: an argument does not fit, or is not allowed."""

NAK_OVERFLOW = b"\x04"
"""4-bit answer: too many wrong authentications, or a counter would run over."""

LOCK_PAGE = 2
CAPABILITY_PAGE = 3
USER_PAGE = 4

STATIC_LOCKED = 16
"""Pages below this one are locked by lock bytes 0 and 1."""

INTERNAL = 0x48
"""Byte 1 of page 2 as it leaves the factory."""

_BLOCKERS = (0x0008, 0x03F0, 0xFC00)
"""Lock bits that bits 0, 1 and 2 of lock byte 0 freeze: page 3, pages 4 to 9, pages 10 to 15."""


@dataclass(frozen=True, slots=True)
class DynamicLock:
    """Lock bits for the pages from 16 on.

    Attributes:
        page: Where the bits are; low byte first.
        span: Pages one bit locks.
        n_bits: How many bits there are, from bit 0.
    """

    page: int
    span: int
    n_bits: int


class Type2Memory:
    """The pages, with the locks every chip of this kind has."""

    def __init__(
        self, *, uid: bytes, page_count: int, lock: DynamicLock | None, capability: bytes
    ) -> None:
        """Lay out `page_count` pages with nothing in user memory.

        Args:
            uid: 7 bytes.
            page_count: Of the whole chip.
            lock: Its dynamic lock bits, where it has any of this form.
            capability: What page 3 holds, 4 bytes.

        Raises:
            ValueError: A UID of another size.
        """
        if len(uid) != 7:
            raise ValueError("a UID of 7 bytes")
        self.page_count = page_count
        self.content = bytearray(PAGE_SIZE * page_count)
        self._lock = lock
        check_0 = 0x88 ^ uid[0] ^ uid[1] ^ uid[2]
        check_1 = uid[3] ^ uid[4] ^ uid[5] ^ uid[6]
        head = uid[:3] + bytes([check_0]) + uid[3:] + bytes([check_1, INTERNAL, 0, 0])
        self.content[: len(head)] = head
        self.content[PAGE_SIZE * CAPABILITY_PAGE : PAGE_SIZE * USER_PAGE] = capability

    def page(self, number: int) -> bytes:
        """The 4 bytes of one page."""
        return bytes(self.content[number * PAGE_SIZE : (number + 1) * PAGE_SIZE])

    def put(self, number: int, content: bytes) -> None:
        """Set pages from `number` on, whatever is locked: how the chip is made, not how it is written."""
        self.content[number * PAGE_SIZE : number * PAGE_SIZE + len(content)] = content

    def is_locked(self, number: int) -> bool:
        """Was this page made read-only for ever?"""
        if CAPABILITY_PAGE <= number < STATIC_LOCKED:
            return bool(int.from_bytes(self.page(LOCK_PAGE)[2:], "little") >> number & 1)
        lock = self._lock
        if lock is None or number < STATIC_LOCKED or number == lock.page:
            return False
        bit = (number - STATIC_LOCKED) // lock.span
        bits = int.from_bytes(self.page(lock.page)[:3], "little")
        return bit < lock.n_bits and bool(bits >> bit & 1)

    def write(self, number: int, content: bytes) -> bool:
        """Write one page by the rules of its number; False when it is locked or nobody's to write."""
        if number < LOCK_PAGE or number >= self.page_count or self.is_locked(number):
            return False
        if number == LOCK_PAGE:
            content = bytes(2) + self._unfrozen(content[2:])
        is_once = number <= CAPABILITY_PAGE or (self._lock and number == self._lock.page)
        if is_once:
            content = bytes(a | b for a, b in zip(self.page(number), content, strict=True))
        self.put(number, content)
        return True

    def _unfrozen(self, bits: bytes) -> bytes:
        """The new static lock bits without those that were frozen before."""
        now = int.from_bytes(self.page(LOCK_PAGE)[2:], "little")
        wanted = int.from_bytes(bits, "little")
        for index, mask in enumerate(_BLOCKERS):
            if now >> index & 1:
                wanted &= ~mask
        return wanted.to_bytes(2, "little")


def around(content: bytes, *, page: int, end: int) -> bytes:
    """Four pages of `content` from `page` on; behind page `end` - 1 comes page 0."""
    pages = [(page + step) % end for step in range(READ_PAGE_COUNT)]
    return b"".join(content[each * PAGE_SIZE : (each + 1) * PAGE_SIZE] for each in pages)
