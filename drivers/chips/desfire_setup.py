"""What only an issuing station asks of a DESFire: look around, make applications and files, change keys and settings.

Each command is done by the chip whole or not at all. After a torn one the station looks: `application_ids`, `file_ids`,
`file_settings` and `Desfire.key_version` say what is there, and an authentication says which key. Nothing here is repeated
blindly: what exists already is refused with `framing.APPLICATION_EXISTS`, and a key that was changed refuses the old one.

    kind of key     bytes   number on the chip itself   in CreateApplication
    DES, 2K3DES     16      slot                        count
    3K3DES          24      slot | 40                   count | 40
    AES             16      slot | 80                   count | 80

Source: MF3ICD81 and MF3D(H)x2 data sheets, security and file related commands; NXP AN12196, 5.16, for EV2 key changes.
"""

from dataclasses import dataclass
from enum import Enum

from drivers.chips.desfire import PICC_AID, Desfire
from drivers.credential.des import DES_BLOCK, TWO_KEY_SIZE, with_version
from drivers.credential.layout import AnyFile, BandFile, CommMode, RecordFile, ValueFile
from drivers.credential.session import crc32
from drivers.errors import BandMalformed, BandUnsupported, Delivery

GET_FREE_MEMORY = 0x6E
GET_APPLICATION_IDS = 0x6A
GET_KEY_SETTINGS = 0x45
GET_FILE_IDS = 0x6F
GET_FILE_SETTINGS = 0xF5
CREATE_APPLICATION = 0xCA
DELETE_APPLICATION = 0xDA
CREATE_STANDARD, CREATE_BACKUP = 0xCD, 0xCB
CREATE_VALUE = 0xCC
CREATE_LINEAR, CREATE_CYCLIC = 0xC1, 0xC0
DELETE_FILE = 0xDF
CHANGE_FILE_SETTINGS = 0x5F
CHANGE_KEY_SETTINGS = 0x54
CHANGE_KEY = 0xC4
SET_CONFIGURATION = 0x5C
FORMAT_PICC = 0xFC
"""Command codes. Source: MF3ICD81 data sheet, command set."""

AID_SIZE = 3
"""Bytes of an application identifier."""

FORMAT_DISABLED, RANDOM_UID = 0x01, 0x02
"""Bits of the chip's configuration; neither can ever be taken back. Source: MF3ICD81 data sheet, SetConfiguration."""

_COMMON_SIZE = 4
"""Bytes all file settings begin with: type, communication, access rights."""


class KeyKind(Enum):
    """Kinds of key; the values are the bits a chip tells them by."""

    DES = 0x00
    THREE_KEY = 0x40
    AES = 0x80


@dataclass(frozen=True, slots=True)
class KeySettings:
    """What an application, or the chip, says of its keys.

    Attributes:
        rights: What may be done with which key. Source: MF3ICD81 data sheet, ChangeKeySettings.
        key_count: How many keys there are.
        kind: Of all of them.
    """

    rights: int
    key_count: int
    kind: KeyKind


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What a file says of itself.

    Attributes:
        file: As the layout would describe it; the first value of a value file is not told and stands as 0.
        n_records: Records there are, 0 in other files.
    """

    file: AnyFile
    n_records: int = 0


class DesfireSetup:
    """The issuing station's half of a chip; the session is opened through `chip`.

    Every method raises as `Desfire` says. The questions also work without a session, and then the answers are claims.
    """

    def __init__(self, chip: Desfire) -> None:
        self._chip = chip

    # --- looking around

    def free_memory(self) -> int:
        """Bytes that are free on the chip."""
        return int.from_bytes(self._told(GET_FREE_MEMORY, 3), "little")

    def application_ids(self) -> tuple[bytes, ...]:
        """The applications on the chip."""
        content = self._chip.ask(GET_APPLICATION_IDS)
        if len(content) % AID_SIZE:
            raise BandMalformed("application identifiers have three bytes")
        return tuple(content[at : at + AID_SIZE] for at in range(0, len(content), AID_SIZE))

    def key_settings(self) -> KeySettings:
        """What the selected application, or the chip, says of its keys."""
        rights, number = self._told(GET_KEY_SETTINGS, 2)
        kinds = {each.value: each for each in KeyKind}
        kind = kinds.get(number & 0xC0)
        if kind is None:
            raise BandUnsupported("keys of an unknown kind", delivery=Delivery.DONE)
        return KeySettings(rights, number & 0x0F, kind)

    def file_ids(self) -> tuple[int, ...]:
        """The numbers of the files in the selected application."""
        return tuple(self._chip.ask(GET_FILE_IDS))

    def file_settings(self, number: int) -> FileSettings:
        """What a file says of itself."""
        return settings_of(number, self._chip.ask(GET_FILE_SETTINGS, bytes((number,))))

    def _told(self, code: int, size: int) -> bytes:
        content = self._chip.ask(code)
        if len(content) != size:
            raise BandMalformed("the answer has the wrong size")
        return content

    # --- applications and files

    def create_application(
        self, aid: bytes, *, rights: int, key_count: int, kind: KeyKind = KeyKind.AES
    ) -> None:
        """Make an application; all its keys are zeros."""
        self._do(CREATE_APPLICATION, aid + bytes((rights, key_count | kind.value)))

    def delete_application(self, aid: bytes) -> None:
        """Delete an application and everything in it, from the chip's own level."""
        if self._chip.aid != PICC_AID:
            raise TypeError("the chip itself must be selected")
        self._do(DELETE_APPLICATION, aid)

    def create_file(self, file: AnyFile) -> None:
        """Make a file in the selected application; its content is zeros."""
        head = bytes((file.number, file.mode.value)) + file.access_rights
        match file:
            case BandFile():
                code = CREATE_BACKUP if file.is_backup else CREATE_STANDARD
                rest = _three(file.size)
            case ValueFile():
                code = CREATE_VALUE
                values = (file.lower, file.upper, file.start)
                rest = b"".join(each.to_bytes(4, "little", signed=True) for each in values)
                rest += bytes((file.has_limited_credit,))
            case RecordFile():
                code = CREATE_CYCLIC if file.is_cyclic else CREATE_LINEAR
                rest = _three(file.size) + _three(file.count)
        self._do(code, head + rest)

    def delete_file(self, number: int) -> None:
        """Delete a file of the selected application; its memory is not free again before the application goes."""
        self._do(DELETE_FILE, bytes((number,)))

    def change_file_settings(self, file: AnyFile) -> None:
        """Give a file the mode and rights of `file`, with the key that may; not where everybody may."""
        content = bytes((file.mode.value,)) + file.access_rights
        header = bytes((file.number,))
        self._chip.run(CHANGE_FILE_SETTINGS, header, content, mode=CommMode.FULL, size=0)

    def format_picc(self) -> None:
        """Delete all applications, with the chip's own key. The session is over; select the chip before anything else."""
        self._do(FORMAT_PICC, b"")
        self._chip.close()

    def _do(self, code: int, header: bytes) -> None:
        self._chip.run(code, header, size=0)

    # --- keys and configuration

    def change_key_settings(self, rights: int) -> None:
        """Change what may be done with which key."""
        content = bytes((rights,))
        self._chip.run(CHANGE_KEY_SETTINGS, content=content, mode=CommMode.FULL, size=0)

    def change_key(
        self,
        slot: int,
        new: bytes,
        *,
        version: int = 0,
        old: bytes = b"",
        kind: KeyKind = KeyKind.AES,
    ) -> None:
        """Change a key. Changing the key of the session ends it, and the chip's answer proves nothing then: open a new one.

        Args:
            slot: Key slot.
            new: The new key: 16 bytes, 24 for 3K3DES; 8 are taken twice.
            version: Key version, 0 to 255; in DES keys it goes into their parity bits.
            old: The key there now, where it is not the key of the session.
            kind: Of the new key; only the chip's own key may become one of another kind.

        Raises:
            ValueError: our own mistake: `old` is missing or as long as it should not be.
        """
        material = _material(new, version, kind)
        number = slot | kind.value if self._chip.aid == PICC_AID else slot
        tail_version = bytes((version,)) if kind is KeyKind.AES else b""
        if slot == self._chip.slot:
            self._chip.run_last(CHANGE_KEY, bytes((number,)), material + tail_version)
            return
        if len(old) == DES_BLOCK:
            old = old + old
        if len(old) != len(material):
            raise ValueError("the old key of another slot is as long as the new one")
        mixed = bytes(a ^ b for a, b in zip(material, old, strict=True))
        self._chip.run(
            CHANGE_KEY,
            bytes((number,)),
            mixed + tail_version,
            mode=CommMode.FULL,
            size=0,
            tail=crc32(material),
        )

    def set_configuration(
        self, *, has_random_uid: bool = False, is_format_disabled: bool = False
    ) -> None:
        """Show a random UID from now on, or never be formatted again: with the chip's own key, and for ever."""
        bits = RANDOM_UID * has_random_uid | FORMAT_DISABLED * is_format_disabled
        self._chip.run(SET_CONFIGURATION, b"\x00", bytes((bits,)), mode=CommMode.FULL, size=0)


def _material(new: bytes, version: int, kind: KeyKind) -> bytes:
    """The bytes a chip keeps of a key."""
    if kind is KeyKind.AES:
        material = new
    else:
        material = with_version(new, version)
        material = material + material if len(new) == DES_BLOCK else material
    if len(material) != (24 if kind is KeyKind.THREE_KEY else TWO_KEY_SIZE):
        raise ValueError("the key has the wrong size")
    return material


def settings_of(number: int, content: bytes) -> FileSettings:
    """The settings of a file.

    Raises:
        BandMalformed: they are shorter than their kind is.
        BandUnsupported: a kind of file this product does not use.
    """
    if len(content) < _COMMON_SIZE:
        raise BandMalformed("the file's settings are too short")
    rights = int.from_bytes(content[2:4], "little")
    read, write, read_write, change = (rights >> shift & 0x0F for shift in (12, 8, 4, 0))
    mode = _MODES[content[1] & 0x03]
    rest = content[_COMMON_SIZE:]
    match content[0]:
        case 0 | 1:
            (size,) = _numbers(rest, 3, 1)
            found: AnyFile = BandFile(
                number, size, mode, read, write, read_write, change, content[0] == 1
            )
            return FileSettings(found)
        case 2:
            lower, upper = _numbers(rest, 4, 2, has_sign=True)
            if len(rest) < _VALUE_REST_SIZE:
                raise BandMalformed("the file's settings are too short")
            is_limited = bool(rest[12] & 0x01)
            found = ValueFile(
                number, lower, upper, 0, mode, read, write, read_write, change, is_limited
            )
            return FileSettings(found)
        case 3 | 4:
            size, count, n_records = _numbers(rest, 3, 3)
            found = RecordFile(
                number, size, count, mode, read, write, read_write, change, content[0] == 4
            )
            return FileSettings(found, n_records)
        case _:
            raise BandUnsupported("an unknown kind of file", delivery=Delivery.DONE)


_VALUE_REST_SIZE = 13
"""Bytes of a value file's settings after the common ones: limits, what may be given back, and whether it may."""

_MODES = (CommMode.PLAIN, CommMode.MAC, CommMode.PLAIN, CommMode.FULL)
"""By the lowest two bits. Source: MF3ICD81 data sheet, communication settings: 2 is plain too."""


def _numbers(content: bytes, size: int, count: int, *, has_sign: bool = False) -> list[int]:
    if len(content) < size * count:
        raise BandMalformed("the file's settings are too short")
    return [
        int.from_bytes(content[size * at : size * at + size], "little", signed=has_sign)
        for at in range(count)
    ]


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
