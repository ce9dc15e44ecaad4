"""What a DESFire keeps without a field: applications, keys and files, and changes that are not committed yet.

    DataFile     standard: written at once; with backup: written by a commit
    ValueFile    a number between two limits, changed by a commit
    RecordFile   linear (full is full) or cyclic (the oldest goes), one record a commit

A Change belongs to the field that began it: when the field goes, it is as if it had never been.
Not kept: key sets, delegated applications, transaction MACs, shared application management.

Source: MF3ICD81 data sheet, file system.
"""

from dataclasses import dataclass, field
from enum import Enum

from hardware.virtual.des import DES_BLOCK_SIZE, des_decrypted, des_encrypted, des_version
from hardware.virtual.messaging import BLOCK_SIZE, Mode, decrypted, encrypted

CAPACITY = 8_192
"""Bytes of memory, as GetVersion says; how a real chip divides it is not published, blocks of 32 come near."""

MEMORY_BLOCK_SIZE = 32
"""Bytes are given out in blocks of this size."""

VALUE_MIN, VALUE_MAX = -(2**31), 2**31 - 1
"""A value is a signed number of 4 bytes."""


class KeyType(Enum):
    """What the keys of an application are for; the value is the one of key settings 2."""

    DES = 0x00  # DES or two-key triple DES, 16 bytes
    TDES3 = 0x40  # three-key triple DES, 24 bytes
    AES = 0x80  # AES-128, 16 bytes

    @property
    def size(self) -> int:
        """Bytes of such a key."""
        return 24 if self is KeyType.TDES3 else 16

    @property
    def nonce_size(self) -> int:
        """Bytes of the random numbers of an authentication."""
        return 8 if self is KeyType.DES else 16


@dataclass(frozen=True, slots=True)
class ChipKey:
    """One key. `aes_version` is kept beside an AES key; DES keys carry theirs in their parity bits."""

    type: KeyType
    value: bytes = field(repr=False)
    aes_version: int = 0

    @property
    def version(self) -> int:
        """What GetKeyVersion answers."""
        return self.aes_version if self.type is KeyType.AES else des_version(self.value)

    @property
    def block_size(self) -> int:
        """Bytes of a block of its cipher."""
        return BLOCK_SIZE if self.type is KeyType.AES else DES_BLOCK_SIZE

    def encrypted(self, iv: bytes, plain: bytes) -> bytes:
        """CBC with this key."""
        cipher = encrypted if self.type is KeyType.AES else des_encrypted
        return cipher(self.value, iv, plain)

    def decrypted(self, iv: bytes, secret: bytes) -> bytes:
        """The inverse of `encrypted`."""
        cipher = decrypted if self.type is KeyType.AES else des_decrypted
        return cipher(self.value, iv, secret)


@dataclass(slots=True)
class Head:
    """What every file has: how it travels, who may what (key number, FREE or NEVER), its ISO 7816-4 number (high byte first) or none."""

    mode: Mode
    read: int
    write: int
    read_write: int
    change: int
    iso_id: bytes = b""

    @property
    def rights(self) -> bytes:
        """As file settings give them, low byte first."""
        packed = self.read << 12 | self.write << 8 | self.read_write << 4 | self.change
        return packed.to_bytes(2, "little")

    @rights.setter
    def rights(self, raw: bytes) -> None:
        packed = int.from_bytes(raw, "little")
        self.read, self.write = packed >> 12, packed >> 8 & 0x0F
        self.read_write, self.change = packed >> 4 & 0x0F, packed & 0x0F


@dataclass(slots=True)
class DataFile:
    """A standard or a backup data file."""

    head: Head
    content: bytearray
    has_backup: bool = False

    @property
    def settings(self) -> bytes:
        """Type, mode, rights, size."""
        size = len(self.content).to_bytes(3, "little")
        return bytes([int(self.has_backup), self.head.mode.value]) + self.head.rights + size

    @property
    def n_blocks(self) -> int:
        """Memory it takes; a backup takes it twice."""
        return _blocks(len(self.content)) * (2 if self.has_backup else 1)


@dataclass(slots=True)
class ValueFile:
    """A value file. `credit_left` is what LimitedCredit may still give back."""

    head: Head
    lower: int
    upper: int
    value: int
    is_credit_limited: bool = False
    is_free_to_get: bool = False
    credit_left: int = 0

    @property
    def settings(self) -> bytes:
        """Type, mode, rights, limits, what may be given back, whether that is on, and who may ask."""
        numbers = (self.lower, self.upper, self.credit_left)
        packed = b"".join(number.to_bytes(4, "little", signed=True) for number in numbers)
        flags = int(self.is_credit_limited) | int(self.is_free_to_get) << 1
        return bytes([0x02, self.head.mode.value]) + self.head.rights + packed + bytes([flags])

    @property
    def n_blocks(self) -> int:
        """Memory it takes."""
        return 1


@dataclass(slots=True)
class RecordFile:
    """A linear or cyclic record file; `records` has the oldest first."""

    head: Head
    record_size: int
    record_max: int
    is_cyclic: bool
    records: list[bytes]

    @property
    def settings(self) -> bytes:
        """Type, mode, rights, size of a record, how many at most, how many now."""
        numbers = (self.record_size, self.record_max, len(self.records))
        packed = b"".join(number.to_bytes(3, "little") for number in numbers)
        kind = 0x04 if self.is_cyclic else 0x03
        return bytes([kind, self.head.mode.value]) + self.head.rights + packed

    @property
    def n_kept(self) -> int:
        """Records it keeps: a cyclic file needs one of its places for the next."""
        return self.record_max - 1 if self.is_cyclic else self.record_max

    @property
    def n_blocks(self) -> int:
        """Memory it takes."""
        return _blocks(self.record_size * self.record_max)


AnyFile = DataFile | ValueFile | RecordFile


def _blocks(n_bytes: int) -> int:
    return -(-n_bytes // MEMORY_BLOCK_SIZE)


@dataclass(slots=True)
class Application:
    """One application, or the chip itself.

    Attributes:
        aid: 3 bytes in the order they are sent.
        key_type: Of all its keys; on the chip itself ChangeKey may change it.
        keys: The index is the key number.
        settings: First byte of GetKeySettings.
        files: By number.
        iso_id, df_name: Its names under ISO 7816-4, or none.
        has_iso_files: Its files have ISO numbers.
    """

    aid: bytes
    key_type: KeyType
    keys: list[ChipKey]
    settings: int
    files: dict[int, AnyFile] = field(default_factory=dict)
    iso_id: bytes = b""
    df_name: bytes = b""
    has_iso_files: bool = False

    @property
    def n_blocks(self) -> int:
        """Memory it takes, its files as well."""
        own = 1 + _blocks(sum(len(key.value) for key in self.keys))
        return own + sum(file.n_blocks for file in self.files.values())


@dataclass(slots=True)
class Memory:
    """A whole chip.

    Attributes:
        uid: The true UID, 7 bytes.
        ev: Generation, 1 to 3.
        picc: The chip itself, with its one key.
        applications: By AID, in the order they were made.
        default_key: What keys of a new application are, 24 bytes of which a type takes what it needs.
        default_version: Its version, for AES.
        ats: Answer to select with its length byte.
        has_random_uid: Shows 4 other bytes every time the field comes.
        is_format_off: FormatPICC is refused for ever.
        signature: What Read_Sig answers; empty when there is none.
        torn_after: The next write into a standard file stops after so many bytes, for want of power; None when it does not.
    """

    uid: bytes
    ev: int
    picc: Application
    ats: bytes
    applications: dict[bytes, Application] = field(default_factory=dict)
    default_key: bytes = bytes(24)
    default_version: int = 0
    has_random_uid: bool = False
    is_format_off: bool = False
    signature: bytes = b""
    torn_after: int | None = None

    @property
    def free(self) -> int:
        """Bytes nobody has."""
        n_blocks = sum(each.n_blocks for each in self.applications.values())
        return CAPACITY - n_blocks * MEMORY_BLOCK_SIZE

    def fresh_key(self, key_type: KeyType) -> ChipKey:
        """What a key of a new application is."""
        return ChipKey(key_type, self.default_key[: key_type.size], self.default_version)


class DataChange:
    """What a commit will write into a backup file."""

    def __init__(self, file: DataFile) -> None:
        """Begin with what stands there."""
        self._file = file
        self.content = bytearray(file.content)

    def commit(self) -> None:
        """It stands there from now on."""
        self._file.content[:] = self.content


class ValueChange:
    """What a commit will make of a value."""

    def __init__(self, file: ValueFile) -> None:
        """Begin with what stands there."""
        self._file = file
        self.value = file.value
        self._debited = 0
        self._is_limit_used = False

    def credit(self, amount: int) -> bool:
        """Add; False when that is beyond the upper limit."""
        if self.value + amount > self._file.upper:
            return False
        self.value += amount
        return True

    def debit(self, amount: int) -> bool:
        """Take away; False when that is beyond the lower limit."""
        if self.value - amount < self._file.lower:
            return False
        self.value -= amount
        self._debited += amount
        return True

    def credit_limited(self, amount: int) -> bool:
        """Give back part of what the last transaction took, once; False when it is more, or a second time."""
        is_too_much = self._is_limit_used or amount > self._file.credit_left
        if is_too_much or not self.credit(amount):
            return False
        self._is_limit_used = True
        return True

    def commit(self) -> None:
        """It is the value from now on."""
        self._file.value = self.value
        if self._debited:
            self._file.credit_left = self._debited
        elif self._is_limit_used:
            self._file.credit_left = 0


class RecordChange:
    """The record a commit will add, and whether it clears the file before."""

    def __init__(self, file: RecordFile) -> None:
        """Begin with nothing to add."""
        self._file = file
        self.record: bytearray | None = None
        self.is_cleared = False

    @property
    def has_place(self) -> bool:
        """Is there a place for one more record?"""
        return self._file.is_cyclic or len(self._file.records) < self._file.n_kept

    def write(self, offset: int, content: bytes) -> None:
        """Write into the new record; what was not written is zeros."""
        if self.record is None:
            self.record = bytearray(self._file.record_size)
        self.record[offset : offset + len(content)] = content

    def clear(self) -> None:
        """Take away every record, the new one as well."""
        self.record = None
        self.is_cleared = True

    def commit(self) -> None:
        """The file is so from now on."""
        if self.is_cleared:
            self._file.records.clear()
        if self.record is not None:
            self._file.records.append(bytes(self.record))
            del self._file.records[: -self._file.n_kept]


Change = DataChange | ValueChange | RecordChange


def change_of(file: AnyFile) -> Change:
    """A change of this file that has not begun."""
    match file:
        case DataFile():
            return DataChange(file)
        case ValueFile():
            return ValueChange(file)
        case RecordFile():
            return RecordChange(file)
