"""Where things stand on a band of ours: one DESFire application, four files, three key slots, and the ids made of them.

    application AID, AES keys
      slot 0  K_app    diversified, issuing stations only: changes keys, files and rights
      slot 1  K_uid    the group key of every kiosk: un-randomises the UID, reads both files
      slot 2  K_band   diversified, leased to the stores that hold the owner: reads, and is the only one that writes

      file 1  band reference   16 random bytes, written once, enciphered on the air
      file 2  capsule          256 bytes, reserved for the signed capsule, enciphered on the air
      file 3  uses             value file, begins at 2^31-1 and loses one at every use witnessed, enciphered on the air
      file 4  witness          cyclic record file, 8 places of 32 bytes: the last uses, enciphered on the air

Files 3 and 4 came later: bands without them are read as before, and cannot witness. Only slot 2 reads or changes them, and
it can only ever add a use. Counting down is why: whoever may read a value may take from it, but adding to it takes a right
that nobody has. Clearing the records takes the same right.

Both ends of the air agree on this page and nothing else; a change of any number here is a new layout with a new AID.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum, IntEnum

from drivers.errors import BandMalformed

AID = b"TT\x01"
"""Application identifier in the order its bytes are sent (the number 0x015454, low byte first).

Outside the range F00000 to FFFFFF that is kept for registered MAD identifiers.
"""

SYSTEM_ID = b"TAPTHREAD"
"""Names this product in the input of AN10922, so that the same UID under another system gets another key."""

KEY_COUNT = 3
"""Keys of the application; each is AES-128, 16 bytes."""

KEY_SIZE = 16
"""Bytes of an AES-128 key."""

UID_SIZES = (4, 7, 10)
"""Bytes of a UID. Source: ISO/IEC 14443-3:2018, 6.5.4."""

FELICA_ID_SIZE = 8
"""Bytes of the IDm of FeliCa, which a band may be known by but no key derived from. Source: JIS X 6319-4."""

REFERENCE_SIZE = 16
"""Bytes of the band reference: random, unique for ever, says nothing about its wearer."""

APPLICATION_KEY_SETTINGS = 0x09
"""Settings changeable and slot 0 may be changed, both with slot 0 only; nothing may be listed without it.

Source: MF3ICD81 data sheet, ChangeKeySettings, application level.
"""

APPLICATION_KEY_TYPE = 0x80 | KEY_COUNT
"""AES keys, and how many. Source: MF3ICD81 data sheet, CreateApplication, key settings 2."""


class KeySlot(IntEnum):
    """Key numbers of the application."""

    APP = 0
    UID = 1
    BAND = 2


class CommMode(Enum):
    """How a file's content travels. Values as in file settings. Source: MF3ICD81 data sheet, communication settings."""

    PLAIN = 0x00
    MAC = 0x01
    FULL = 0x03


NEVER = 0x0F
"""Access right nobody has. Source: MF3ICD81 data sheet, access rights; 0x0E would mean everybody."""


def access_rights(read: int, write: int, read_write: int, change: int) -> bytes:
    """Two bytes as sent, low byte first.

    Source: MF3ICD81 data sheet: bits 15-12 read, 11-8 write, 7-4 read and write, 3-0 change.
    """
    return (read << 12 | write << 8 | read_write << 4 | change).to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class BandFile:
    """One data file of an application.

    Attributes:
        number: File number, 0 to 31.
        size: Bytes.
        mode: How its content travels.
        read, write, read_write, change: Key slot number that has the right, or NEVER.
        is_backup: What is written waits for a commit.
    """

    number: int
    size: int
    mode: CommMode
    read: int
    write: int
    read_write: int
    change: int
    is_backup: bool = False

    @property
    def access_rights(self) -> bytes:
        """Two bytes as sent."""
        return access_rights(self.read, self.write, self.read_write, self.change)


@dataclass(frozen=True, slots=True)
class ValueFile:
    """One value file of an application; every change waits for a commit.

    Attributes:
        number: File number, 0 to 31.
        lower, upper, start: Limits and first value, -2^31 to 2^31-1.
        mode: How the value travels.
        read, write, read_write, change: Key slot number that has the right, or NEVER. Source: MF3ICD81 data sheet: any of
            the first three reads and debits; credit takes `read_write`.
        has_limited_credit: What was taken away may be given back with `write`.
    """

    number: int
    lower: int
    upper: int
    start: int
    mode: CommMode
    read: int
    write: int
    read_write: int
    change: int
    has_limited_credit: bool = False

    @property
    def access_rights(self) -> bytes:
        """Two bytes as sent."""
        return access_rights(self.read, self.write, self.read_write, self.change)


@dataclass(frozen=True, slots=True)
class RecordFile:
    """One record file of an application; every record waits for a commit.

    Attributes:
        number: File number, 0 to 31.
        size: Bytes of a record.
        count: Records it was made for.
        mode: How records travel.
        read, write, read_write, change: Key slot number that has the right, or NEVER. Source: MF3ICD81 data sheet: clearing
            takes `read_write`.
        is_cyclic: A new record takes the place of the oldest; else a full file takes no more.
    """

    number: int
    size: int
    count: int
    mode: CommMode
    read: int
    write: int
    read_write: int
    change: int
    is_cyclic: bool = True

    @property
    def access_rights(self) -> bytes:
        """Two bytes as sent."""
        return access_rights(self.read, self.write, self.read_write, self.change)

    @property
    def n_readable(self) -> int:
        """Records that can be read when it is full. Source: MF3ICD81 data sheet: a cyclic file keeps one for its backup."""
        return self.count - 1 if self.is_cyclic else self.count


AnyFile = BandFile | ValueFile | RecordFile

REFERENCE_FILE = BandFile(
    number=1,
    size=REFERENCE_SIZE,
    mode=CommMode.FULL,
    read=KeySlot.UID.value,
    write=NEVER,
    read_write=KeySlot.BAND.value,
    change=KeySlot.APP.value,
)
"""The band reference."""

CAPSULE_FILE = BandFile(
    number=2,
    size=256,
    mode=CommMode.FULL,
    read=KeySlot.UID.value,
    write=NEVER,
    read_write=KeySlot.BAND.value,
    change=KeySlot.APP.value,
)
"""Reserved for the signed capsule."""

FILES = (REFERENCE_FILE, CAPSULE_FILE)
"""The data files of the application."""

USES_MAX = (1 << 31) - 1
"""Uses a band can count."""

USES_FILE = ValueFile(
    number=3,
    lower=0,
    upper=USES_MAX,
    start=USES_MAX,
    mode=CommMode.FULL,
    read=KeySlot.BAND.value,
    write=NEVER,
    read_write=NEVER,
    change=KeySlot.APP.value,
)
"""How often the band may still be used: its start less the uses."""

WITNESS_FILE = RecordFile(
    number=4,
    size=32,
    count=8,
    mode=CommMode.FULL,
    read=KeySlot.BAND.value,
    write=KeySlot.BAND.value,
    read_write=NEVER,
    change=KeySlot.APP.value,
)
"""What it was used for, the last times."""

ALL_FILES: tuple[AnyFile, ...] = (*FILES, USES_FILE, WITNESS_FILE)
"""All files of the application, as an issuing station makes them."""


def diversification_input(uid: bytes) -> bytes:
    """The input M of AN10922 for this band: true UID, AID, system id.

    Raises BandMalformed when `uid` is not 4, 7 or 10 bytes.
    Source: NXP AN10922, 2.2: UID || AID || system identifier.
    """
    if len(uid) not in UID_SIZES:
        raise BandMalformed("a UID is 4, 7 or 10 bytes")
    return uid + AID + SYSTEM_ID


def band_id_of_reference(reference: bytes) -> str:
    """The id of a band in records: its reference in lower-case hex. Raises BandMalformed when it is not 16 bytes."""
    if len(reference) != REFERENCE_SIZE:
        raise BandMalformed("a band reference is 16 bytes")
    return reference.hex()


def band_id_of_uid(group_key: bytes, uid: bytes) -> str:
    """The id of a band that only has a UID, and the name a leased key is filed under: a keyed hash, so no UID is stored.

    Args:
        group_key: `K_uid`, 16 bytes.
        uid: The true UID, or the IDm of FeliCa.

    Returns:
        "uid-" and 32 hex digits. Never equal to an id made of a reference.

    Raises:
        BandMalformed: `uid` is not 4, 7, 8 or 10 bytes, or the key not 16.
    """
    if len(group_key) != KEY_SIZE:
        raise BandMalformed("a key is 16 bytes")
    if len(uid) not in (*UID_SIZES, FELICA_ID_SIZE):
        raise BandMalformed("a UID is 4, 7 or 10 bytes, an IDm 8")
    digest = hmac.new(group_key, b"tapthread band by uid 1\x00" + uid, hashlib.sha256).digest()
    return "uid-" + digest[:REFERENCE_SIZE].hex()
