"""A MIFARE Classic 1K behind a reader that knows its cipher: sectors, keys A and B, blocks.

The cipher (Crypto-1) runs between card and reader chip and is not here: what a host sees is the reader's command
"authenticate this block with this key", then blocks in clear. A card that can be broken in seconds proves nothing.

    60|61 BLOCK KEY(6) UID(4)   key A or B for the block's sector; ACK or silence
    30 BLOCK  ->  16 bytes      A0 BLOCK, then 16 bytes  ->  ACK, ACK

Who may do what with a sector's blocks (its access bits) is not modelled beyond: either key opens it.

Source: NXP MF1S50yyX data sheet rev 3.2, 8 and 12.
"""

from hardware.virtual.band import Anticollision
from hardware.virtual.type2 import ACK

BLOCK_SIZE = 16
SECTOR_COUNT, BLOCKS_PER_SECTOR = 16, 4
FACTORY_KEY = b"\xff" * 6

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
        self.keys = keys
        self.memory = bytearray(SECTOR_COUNT * BLOCKS_PER_SECTOR * BLOCK_SIZE)
        check = 0
        for byte in uid[:4]:
            check ^= byte
        head = uid + bytes([check]) if len(uid) == 4 else uid
        self.memory[: len(head)] = head

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
            and command[2:8] == self._card.keys[2 * sector + (command[0] & 1)]
            and command[8:] == self._card.uid[-4:]
        )
        if not is_good:
            return None
        self._sector = sector
        return ACK

    def _read(self, block: int) -> bytes:
        content = bytes(self._card.memory[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE])
        is_trailer = block % BLOCKS_PER_SECTOR == BLOCKS_PER_SECTOR - 1
        return bytes(6) + content[6:] if is_trailer else content

    def _write(self, block: int, content: bytes) -> bytes | None:
        if len(content) != BLOCK_SIZE:
            return None
        if block == 0:
            return NAK
        self._card.memory[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE] = content
        return ACK
