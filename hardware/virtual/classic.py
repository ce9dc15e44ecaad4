"""A MIFARE Classic 1K behind a reader that knows its cipher: sectors, keys A and B, blocks.

The cipher (Crypto-1) runs between card and reader chip and is not here: what a host sees is the reader's command
"authenticate this block with this key", then blocks in clear. A card that can be broken in seconds proves nothing.

    60|61 BLOCK KEY(6) UID(4)   key A or B for the block's sector; ACK or silence
    30 BLOCK  ->  16 bytes      A0 BLOCK, then 16 bytes  ->  ACK, ACK

The last block of a sector is its trailer: key A, access bits, key B. Writing it changes the keys; key A reads as zeros.
What the access bits forbid is not forbidden here: either key opens the whole sector.

Source: NXP MF1S50yyX data sheet rev 3.2, 8 and 12.
"""

from hardware.virtual.band import Anticollision
from hardware.virtual.type2 import ACK

BLOCK_SIZE = 16
SECTOR_COUNT, BLOCKS_PER_SECTOR = 16, 4
KEY_SIZE = 6
FACTORY_KEY = b"\xff" * KEY_SIZE

FACTORY_ACCESS = bytes.fromhex("FF078069")
"""Access bits as they leave the factory, and the byte of nobody's after them."""

NAK = b"\x04"
"""4-bit NAK: not allowed here."""

_AUTHENTICATION_SIZE = 12


class VirtualClassic1K:
    """A card of 1 KiB; `uid_bands` has one that is only recognised."""

    def __init__(self, *, uid: bytes, keys: tuple[bytes, ...] = (FACTORY_KEY,) * 32) -> None:
        """Make the card.

        Args:
            uid: 4 or 7 bytes.
            keys: 32 of 6 bytes: A and B of each sector in turn.

        Raises:
            ValueError: A size or a count that does not fit.
        """
        if len(uid) not in {4, 7} or len(keys) != 2 * SECTOR_COUNT:
            raise ValueError("a UID of 4 or 7 bytes and two keys a sector")
        self.uid = uid
        self.memory = bytearray(SECTOR_COUNT * BLOCKS_PER_SECTOR * BLOCK_SIZE)
        check = 0
        for byte in uid[:4]:
            check ^= byte
        head = uid + bytes([check]) if len(uid) == 4 else uid
        self.memory[: len(head)] = head
        for sector in range(SECTOR_COUNT):
            key_a, key_b = keys[2 * sector : 2 * sector + 2]
            self.put(self.trailer_of(sector), key_a + FACTORY_ACCESS + key_b)

    @staticmethod
    def trailer_of(sector: int) -> int:
        """The block that holds a sector's keys."""
        return (sector + 1) * BLOCKS_PER_SECTOR - 1

    def block(self, number: int) -> bytes:
        """What a block holds, keys and all."""
        return bytes(self.memory[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE])

    def put(self, number: int, content: bytes) -> None:
        """Set a block."""
        self.memory[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE] = content

    def key(self, sector: int, *, is_b: bool) -> bytes:
        """Key A or B of a sector."""
        trailer = self.block(self.trailer_of(sector))
        return trailer[-KEY_SIZE:] if is_b else trailer[:KEY_SIZE]

    def power_up(self) -> "_PoweredClassic1K":
        """A chip freshly powered."""
        return _PoweredClassic1K(self)


class _PoweredClassic1K:
    """The chip while a field powers it."""

    def __init__(self, card: VirtualClassic1K) -> None:
        self._card = card
        atqa = b"\x00\x04" if len(card.uid) == 4 else b"\x00\x44"
        self._anticollision = Anticollision(atqa, card.uid, 0x08)
        self._sector: int | None = None
        self._write_block: int | None = None

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def reselected(self) -> None:
        """It was selected anew: no sector is open."""
        self._sector = None
        self._write_block = None

    def exchange(self, command: bytes) -> bytes | None:
        """A 4-bit NAK to a block whose sector is not open, silence to what it does not know."""
        block, self._write_block = self._write_block, None
        if block is not None:
            return self._write(block, command)
        if len(command) == _AUTHENTICATION_SIZE and command[0] in {0x60, 0x61}:
            return self._authenticate(command)
        if len(command) != 2 or command[0] not in {0x30, 0xA0}:
            return None
        if command[1] // BLOCKS_PER_SECTOR != self._sector:
            self._sector = None
            return NAK
        if command[0] == 0xA0:
            self._write_block = command[1]
            return ACK
        return self._read(command[1])

    def _authenticate(self, command: bytes) -> bytes | None:
        sector = command[1] // BLOCKS_PER_SECTOR
        self._sector = None
        is_good = (
            sector < SECTOR_COUNT
            and command[2:8] == self._card.key(sector, is_b=command[0] == 0x61)
            and command[8:] == self._card.uid[-4:]
        )
        if not is_good:
            return None
        self._sector = sector
        return ACK

    def _read(self, block: int) -> bytes:
        content = self._card.block(block)
        is_trailer = block % BLOCKS_PER_SECTOR == BLOCKS_PER_SECTOR - 1
        return bytes(KEY_SIZE) + content[KEY_SIZE:] if is_trailer else content

    def _write(self, block: int, content: bytes) -> bytes | None:
        if len(content) != BLOCK_SIZE:
            return None
        if block == 0:
            return NAK
        self._card.put(block, content)
        return ACK
