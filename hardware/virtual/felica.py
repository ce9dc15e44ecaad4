"""A FeliCa Lite-S: answers to a poll with its number, and lets anybody read and write its open blocks.

Frames begin with a byte that counts them all, itself too; a checksum is the reader's business.

    06 00 SYSTEM(2) WANTS SLOTS             ->  12 01 IDm PMm [what it wants]    polling; FF in SYSTEM fits all
    .. 06 IDm 01 SERVICE(2) N BLOCKS        ->  .. 07 IDm 00 00 N CONTENT        read without encryption
    .. 08 IDm 01 SERVICE(2) 1 BLOCK CONTENT ->  0C 09 IDm 00 00                  write without encryption

A frame for another IDm is met with silence. The chip's own cipher (MAC_A, authenticated writes) is not there: its number
is a claim like any UID. So the blocks of that cipher (80, 81, 87, 90 to 92 hex) are no blocks here: FFA8. The register, block
14, which only counts down, is read as zeros behind two full counters and not written; what a factory leaves in it our sources
do not say.

Source: Sony FeliCa Lite-S user's manual 1.6, 3 and 4; NFC Forum Type 3 tag 1.0 for the attribute block.
"""

from collections.abc import Callable

from hardware.virtual.band import Anticollision

IDM_SIZE = 8
"""Bytes of the number a chip is called by, and of the parameters after it."""

BLOCK_SIZE = 16

USER_BLOCK_COUNT = 14
"""Blocks anybody writes; one that only counts down follows."""

REGISTER_BLOCK = USER_BLOCK_COUNT

SERVICE_MAX = 32
"""Services one command asks for."""

READ_MAX = 4
"""Blocks one command reads."""

LITE_SYSTEM, NDEF_SYSTEM, ANY_SYSTEM = b"\x88\xb4", b"\x12\xfc", 0xFF

WRITE_SERVICE, READ_SERVICE = 0x0009, 0x000B
"""Service codes, low byte first on the line."""

PARAMETERS = bytes.fromhex("00F1000000014300")
"""PMm of a Lite-S: ROM type 00, chip F1, response times."""

ID_BLOCK, DEVICE_BLOCK, SERVICE_BLOCK, SYSTEM_BLOCK, KEY_VERSION_BLOCK, CONFIGURATION_BLOCK = (
    0x82,
    0x83,
    0x84,
    0x85,
    0x86,
    0x88,
)
"""Blocks that say what the chip is; they are read, here, and not written."""

GOOD = b"\x00\x00"
WRONG_SERVICE_COUNT = b"\xff\xa1"
WRONG_BLOCK_COUNT = b"\xff\xa2"
WRONG_SERVICE = b"\xff\xa6"
WRONG_BLOCK = b"\xff\xa8"
"""Status flags 1 and 2. Source: FeliCa Lite-S user's manual, 4.5."""


def ndef_blocks(message: bytes, *, is_writable: bool = True) -> bytes:
    """User blocks with an NDEF message: the attribute block, then the message.

    Raises:
        ValueError: A message of more than 13 blocks.

    Source: NFC Forum Type 3 tag 1.0, 6.1.
    """
    capacity = USER_BLOCK_COUNT - 1
    if len(message) > capacity * BLOCK_SIZE:
        raise ValueError("at most 208 bytes of message")
    head = bytes([0x10, READ_MAX, 1]) + capacity.to_bytes(2, "big") + bytes(4)
    head += bytes([0x00, int(is_writable)]) + len(message).to_bytes(3, "big")
    return head + sum(head).to_bytes(2, "big") + message


class VirtualFelica:
    """A FeliCa band; its blocks keep what is written to them as long as this object lives."""

    def __init__(self, *, idm: bytes, user_blocks: bytes = b"", is_ndef: bool = True) -> None:
        """Make the band.

        Args:
            idm: 8 bytes; 01 FE at its start would mean a device, not a card.
            user_blocks: What stands from block 0 on, at most 224 bytes.
            is_ndef: Answers to the system of NDEF too.

        Raises:
            ValueError: A size that does not fit.
        """
        size = USER_BLOCK_COUNT * BLOCK_SIZE
        if len(idm) != IDM_SIZE or len(user_blocks) > size:
            raise ValueError("an IDm of 8 bytes and at most 224 bytes of user blocks")
        self.idm = idm
        self.systems = (LITE_SYSTEM, NDEF_SYSTEM) if is_ndef else (LITE_SYSTEM,)
        padded = user_blocks.ljust(size, b"\x00")
        self.blocks = {
            number: padded[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE]
            for number in range(USER_BLOCK_COUNT)
        }
        services = b"\x09\x00\x0b\x00"
        self.blocks |= {
            REGISTER_BLOCK: b"\xff" * 8 + bytes(8),
            ID_BLOCK: idm + bytes(8),
            DEVICE_BLOCK: idm + PARAMETERS,
            SERVICE_BLOCK: services.ljust(BLOCK_SIZE, b"\x00"),
            SYSTEM_BLOCK: LITE_SYSTEM.ljust(BLOCK_SIZE, b"\x00"),
            KEY_VERSION_BLOCK: bytes(BLOCK_SIZE),
            CONFIGURATION_BLOCK: b"\xff\xff\xff" + bytes([int(is_ndef)]) + bytes(12),
        }

    def power_up(self) -> "_PoweredFelica":
        """A chip freshly powered."""
        return _PoweredFelica(self)


class _PoweredFelica:
    """The chip while a field powers it; it has no state of its own."""

    def __init__(self, band: VirtualFelica) -> None:
        self._band = band
        # Without SENS_RES: it takes no part in the anticollision of type A.
        self._anticollision = Anticollision(b"", band.idm, 0x00)
        self._commands: dict[int, Callable[[bytes], bytes | None]] = {
            0x02: self._request_service,
            0x04: lambda _: b"\x00",
            0x06: self._read,
            0x08: self._write,
            0x0C: self._request_systems,
        }

    @property
    def anticollision(self) -> Anticollision:
        """Its IDm where others have their UID."""
        return self._anticollision

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one frame, each with its length byte; None when it is for another chip or none."""
        if len(command) < 2 or command[0] != len(command):
            return None
        if command[1] == 0x00:
            return self._poll(command[2:])
        idm, data = command[2 : 2 + IDM_SIZE], command[2 + IDM_SIZE :]
        act = self._commands.get(command[1])
        if act is None or idm != self._band.idm:
            return None
        answer = act(data)
        return None if answer is None else _framed(command[1] + 1, self._band.idm + answer)

    def _poll(self, data: bytes) -> bytes | None:
        if len(data) != 4:
            return None
        wanted, request = data[:2], data[2]
        system = next((each for each in self._band.systems if _fits(wanted, each)), None)
        if system is None:
            return None
        more = {0x01: system, 0x02: b"\x00\x83"}.get(request, b"")
        return _framed(0x01, self._band.idm + PARAMETERS + more)

    def _request_service(self, data: bytes) -> bytes | None:
        """The key version of each service, FFFF where there is none; silence to a list of another length."""
        count = data[0] if data else 0
        if not 1 <= count <= SERVICE_MAX or len(data) != 1 + 2 * count:
            return None
        told = b""
        for at in range(1, 1 + 2 * count, 2):
            code = int.from_bytes(data[at : at + 2], "little")
            told += b"\x00\x00" if code in {READ_SERVICE, WRITE_SERVICE} else b"\xff\xff"
        return bytes([count]) + told

    def _request_systems(self, _: bytes) -> bytes:
        return bytes([len(self._band.systems)]) + b"".join(self._band.systems)

    def _read(self, data: bytes) -> bytes:
        numbers, status = _asked(data, {READ_SERVICE, WRITE_SERVICE})
        if status != GOOD:
            return status
        if not 1 <= len(numbers) <= READ_MAX:
            return WRONG_BLOCK_COUNT
        if any(number not in self._band.blocks for number in numbers):
            return WRONG_BLOCK
        content = b"".join(self._band.blocks[number] for number in numbers)
        return GOOD + bytes([len(numbers)]) + content

    def _write(self, data: bytes) -> bytes:
        bare, content = data[:-BLOCK_SIZE], data[-BLOCK_SIZE:]
        numbers, status = _asked(bare, {WRITE_SERVICE})
        if status != GOOD:
            return status
        if len(numbers) != 1 or len(content) != BLOCK_SIZE:
            return WRONG_BLOCK_COUNT
        if numbers[0] >= USER_BLOCK_COUNT:
            return WRONG_BLOCK
        self._band.blocks[numbers[0]] = content
        return GOOD


def _fits(wanted: bytes, system: bytes) -> bool:
    return all(a in {b, ANY_SYSTEM} for a, b in zip(wanted, system, strict=True))


def _framed(code: int, content: bytes) -> bytes:
    return bytes([len(content) + 2, code]) + content


def _asked(data: bytes, services: set[int]) -> tuple[list[int], bytes]:
    """The blocks a command names, and a status; elements of 2 bytes (80 n) or 3 (00 n n)."""
    if len(data) < 4 or data[0] != 1:
        return [], WRONG_SERVICE_COUNT
    if int.from_bytes(data[1:3], "little") not in services:
        return [], WRONG_SERVICE
    count, rest, numbers = data[3], data[4:], []
    for _ in range(count):
        size = 2 if rest[:1] and rest[0] & 0x80 else 3
        if len(rest) < size:
            return [], WRONG_BLOCK_COUNT
        numbers.append(int.from_bytes(rest[1:size], "little"))
        rest = rest[size:]
    return numbers, WRONG_BLOCK_COUNT if rest else GOOD
