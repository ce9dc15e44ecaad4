"""A DESFire EV1, EV2 or EV3 as the chip itself would behave, built from plain values and final keys.

    VirtualDesfire             a band; what is written to it stays as long as the object lives
    VirtualApplication         one application with its keys and files
    VirtualFile, VirtualValueFile, VirtualRecordFile

The chip's behaviour is in desfire_chip and the groups of commands it names; what lasts in desfire_memory.
Sources: MF3ICD81 (EV1) and MF3D(H)x2 (EV2) data sheets; NXP AN12343 for EV2 messaging.
"""

from dataclasses import dataclass, field

from hardware.entropy import Entropy
from hardware.virtual.desfire_administration import VERSIONS
from hardware.virtual.desfire_chip import PoweredDesfire
from hardware.virtual.desfire_core import FREE_RIGHT, NO_RIGHT, PICC_AID
from hardware.virtual.desfire_memory import (
    AnyFile,
    Application,
    ChipKey,
    DataFile,
    Head,
    KeyType,
    Memory,
    RecordFile,
    ValueFile,
)
from hardware.virtual.messaging import Mode

FREE = FREE_RIGHT
"""Access right everybody has."""

NEVER = NO_RIGHT
"""Access right nobody has."""

DEFAULT_SETTINGS = 0x0F
"""Settings of a chip as delivered: everything may be listed, created and changed."""

ATS = bytes.fromhex("067577810280")
"""ATS with its length: FSCI 5 (64 bytes), 106 to 848 kbit/s, SFGT 604 us, historical byte 80."""

SIGNATURE_SIZE = 56
"""Bytes of the maker's signature over the UID."""


@dataclass(frozen=True, slots=True)
class VirtualFile:
    """One data file.

    Attributes:
        number: 0 to 31.
        mode: How its content travels.
        read, write, read_write, change: Key number, FREE or NEVER.
        content: What it holds when the band is made; its length is the file's size.
        has_backup: What is written takes effect with a commit.
        iso_id: Its ISO 7816-4 number, high byte first (native commands send the low one first), or none.
    """

    number: int
    mode: Mode
    read: int
    write: int
    read_write: int
    change: int
    content: bytes = field(repr=False)
    has_backup: bool = False
    iso_id: bytes = b""


@dataclass(frozen=True, slots=True)
class VirtualValueFile:
    """One value file.

    Attributes:
        number: 0 to 31.
        mode: How its value travels.
        read, write, read_write, change: Key number, FREE or NEVER.
        value: What it holds.
        lower, upper: What it may become.
        is_credit_limited: LimitedCredit may give back what the last transaction took.
        is_free_to_get: Everybody may ask for the value.
    """

    number: int
    mode: Mode
    read: int
    write: int
    read_write: int
    change: int
    value: int = 0
    lower: int = 0
    upper: int = 2**31 - 1
    is_credit_limited: bool = False
    is_free_to_get: bool = False


@dataclass(frozen=True, slots=True)
class VirtualRecordFile:
    """One record file.

    Attributes:
        number: 0 to 31.
        mode: How its records travel.
        read, write, read_write, change: Key number, FREE or NEVER.
        record_size: Bytes of a record.
        record_max: Places; a cyclic file keeps one of them for the next record.
        is_cyclic: The oldest record goes when there is no place.
        records: What it holds, the oldest first.
    """

    number: int
    mode: Mode
    read: int
    write: int
    read_write: int
    change: int
    record_size: int
    record_max: int
    is_cyclic: bool = True
    records: tuple[bytes, ...] = field(default=(), repr=False)


AnyVirtualFile = VirtualFile | VirtualValueFile | VirtualRecordFile


@dataclass(frozen=True, slots=True)
class VirtualApplication:
    """One application.

    Attributes:
        aid: 3 bytes in the order they are sent.
        keys: 16 bytes each (24 for three-key triple DES); the index is the key number. Final: nothing is derived from them.
        files: Its files.
        key_settings: First byte of GetKeySettings.
        key_versions: One a key; zeros when empty. DES keys carry theirs in their parity bits instead.
        key_type: What the keys are for.
        iso_id, df_name: Its number (high byte first) and name under ISO 7816-4, or none.
    """

    aid: bytes
    keys: tuple[bytes, ...] = field(repr=False)
    files: tuple[AnyVirtualFile, ...] = ()
    key_settings: int = DEFAULT_SETTINGS
    key_versions: tuple[int, ...] = ()
    key_type: KeyType = KeyType.AES
    iso_id: bytes = b""
    df_name: bytes = b""


class VirtualDesfire:
    """A DESFire band; its files keep what is written to them as long as this object lives."""

    def __init__(  # noqa: PLR0913 (each is a fact of the chip, by name and with a default)
        self,
        *,
        uid: bytes,
        ev: int,
        applications: tuple[VirtualApplication, ...],
        entropy: Entropy,
        picc_key: bytes = bytes(16),
        picc_key_type: KeyType = KeyType.AES,
        picc_key_version: int = 0,
        picc_key_settings: int = DEFAULT_SETTINGS,
        has_random_uid: bool = False,
        signature: bytes = b"",
    ) -> None:
        """Make the band.

        Args:
            uid: The true UID, 7 bytes.
            ev: Generation, 1 to 3.
            applications: What is on it.
            entropy: Where its nonces and random UIDs come from.
            picc_key: The chip's own key, slot 0 of AID 000000.
            picc_key_type: What that key is for; a chip is delivered with DES.
            picc_key_version: Of an AES key.
            picc_key_settings: What everybody may do on the chip itself.
            has_random_uid: Shows 4 bytes from 08 while being selected, others each time the field comes.
            signature: The maker's signature over the UID, 56 bytes; empty when Read_Sig is unknown to it.

        Raises:
            ValueError: No such generation, or a part of the wrong size.
        """
        if ev not in VERSIONS:
            raise ValueError("DESFire EV1, EV2 and EV3 are known")
        if len(uid) != 7:
            raise ValueError("a DESFire has a UID of 7 bytes")
        if len(signature) not in {0, SIGNATURE_SIZE}:
            raise ValueError("the maker's signature has 56 bytes")
        picc = VirtualApplication(
            PICC_AID,
            (picc_key,),
            (),
            picc_key_settings,
            (picc_key_version,),
            picc_key_type,
        )
        self._entropy = entropy
        self._memory = Memory(
            uid,
            ev,
            _stored(picc),
            ATS,
            {each.aid: _stored(each) for each in applications},
            has_random_uid=has_random_uid,
            signature=signature,
        )

    @classmethod
    def fresh(
        cls, *, uid: bytes, ev: int, entropy: Entropy, signature: bytes = b""
    ) -> "VirtualDesfire":
        """A chip as delivered: no application, a DES key of zeros, everything allowed."""
        return cls(
            uid=uid,
            ev=ev,
            applications=(),
            entropy=entropy,
            picc_key_type=KeyType.DES,
            signature=signature,
        )

    def power_up(self) -> PoweredDesfire:
        """A chip freshly powered."""
        return PoweredDesfire(self._memory, self._entropy)

    def tear_next_write(self, *, after: int) -> None:
        """Let the next write into a standard file stop after so many bytes: such a file has no backup.

        The chip is silent from then on, until the field comes again. A backup file is not hurt: its write is dropped.
        """
        self._memory.torn_after = after

    # --- what stands on it now, for whoever made it

    @property
    def uid(self) -> bytes:
        """The true UID."""
        return self._memory.uid

    @property
    def ev(self) -> int:
        """Generation, 1 to 3."""
        return self._memory.ev

    @property
    def has_random_uid(self) -> bool:
        """Does it show another UID every time the field comes?"""
        return self._memory.has_random_uid

    @property
    def picc(self) -> VirtualApplication:
        """The chip itself: its key and settings."""
        return _shown(self._memory.picc)

    @property
    def applications(self) -> dict[bytes, VirtualApplication]:
        """The applications by AID, with their keys, as they stand now."""
        return {aid: _shown(each) for aid, each in self._memory.applications.items()}

    @property
    def contents(self) -> dict[tuple[bytes, int], bytes]:
        """What stands in each data file, by AID and number; without what is not committed."""
        return {
            (aid, number): bytes(file.content)
            for aid, application in self._memory.applications.items()
            for number, file in application.files.items()
            if isinstance(file, DataFile)
        }

    @property
    def values(self) -> dict[tuple[bytes, int], int]:
        """The number in each value file, by AID and number of the file."""
        return {
            (aid, number): file.value
            for aid, application in self._memory.applications.items()
            for number, file in application.files.items()
            if isinstance(file, ValueFile)
        }

    @property
    def records(self) -> dict[tuple[bytes, int], tuple[bytes, ...]]:
        """The records of each record file, the oldest first, by AID and number of the file."""
        return {
            (aid, number): tuple(file.records)
            for aid, application in self._memory.applications.items()
            for number, file in application.files.items()
            if isinstance(file, RecordFile)
        }


def _stored(application: VirtualApplication) -> Application:
    """What the chip keeps of an application. Raises ValueError for a key of the wrong size."""
    key_type = application.key_type
    if any(len(key) != key_type.size for key in application.keys):
        raise ValueError(f"a key of this kind has {key_type.size} bytes")
    versions = application.key_versions
    return Application(
        aid=application.aid,
        key_type=key_type,
        keys=[
            ChipKey(key_type, key, versions[number] if number < len(versions) else 0)
            for number, key in enumerate(application.keys)
        ],
        settings=application.key_settings,
        files={file.number: _stored_file(file) for file in application.files},
        iso_id=application.iso_id,
        df_name=application.df_name,
        has_iso_files=any(
            isinstance(file, VirtualFile) and file.iso_id for file in application.files
        ),
    )


def _stored_file(file: AnyVirtualFile) -> AnyFile:
    head = Head(file.mode, file.read, file.write, file.read_write, file.change)
    match file:
        case VirtualFile():
            head.iso_id = file.iso_id
            return DataFile(head, bytearray(file.content), file.has_backup)
        case VirtualValueFile():
            return ValueFile(
                head,
                file.lower,
                file.upper,
                file.value,
                is_credit_limited=file.is_credit_limited,
                is_free_to_get=file.is_free_to_get,
            )
        case VirtualRecordFile():
            return RecordFile(
                head, file.record_size, file.record_max, file.is_cyclic, list(file.records)
            )


def _shown(application: Application) -> VirtualApplication:
    """An application as a value, which would make the same one."""
    return VirtualApplication(
        application.aid,
        tuple(key.value for key in application.keys),
        tuple(_shown_file(number, file) for number, file in application.files.items()),
        application.settings,
        tuple(key.version for key in application.keys),
        application.key_type,
        application.iso_id,
        application.df_name,
    )


def _shown_file(number: int, file: AnyFile) -> AnyVirtualFile:
    head = file.head
    mode, rights = head.mode, (head.read, head.write, head.read_write, head.change)
    match file:
        case DataFile():
            content = bytes(file.content)
            return VirtualFile(number, mode, *rights, content, file.has_backup, head.iso_id)
        case ValueFile():
            return VirtualValueFile(
                number,
                mode,
                *rights,
                file.value,
                file.lower,
                file.upper,
                file.is_credit_limited,
                file.is_free_to_get,
            )
        case RecordFile():
            return VirtualRecordFile(
                number,
                mode,
                *rights,
                file.record_size,
                file.record_max,
                file.is_cyclic,
                tuple(file.records),
            )
