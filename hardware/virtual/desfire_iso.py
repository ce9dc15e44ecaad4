"""The ISO 7816-4 commands of a DESFire, by which a telephone or any NFC program finds an NDEF message on it.

    A4   select: the chip (3F00 or its name), an application by name or number, a file by number
    B0   read binary, D6 update binary: data files that are free to everybody

Selecting the chip or an application ends a session, as native selection does.

Sources: MF3ICD81 data sheet, ISO/IEC 7816-4 commands; NFC Forum Type 4 Tag 2.0; ISO/IEC 7816-4:2020, 11.
"""

from hardware.virtual.desfire_core import FREE_RIGHT, Core
from hardware.virtual.desfire_memory import Application, DataChange, DataFile

PICC_NAME = bytes.fromhex("D2760000850100")
"""The chip's own ISO 7816-4 name. Source: MF3ICD81 data sheet, ISO SELECT."""

MASTER_FILE = b"\x3f\x00"
"""Number of the chip itself. Source: ISO/IEC 7816-4:2020, 7.3."""

ISO_OK = b"\x90\x00"
WRONG_LENGTH = b"\x67\x00"
SECURITY_NOT_SATISFIED = b"\x69\x82"
NO_CURRENT_FILE = b"\x69\x86"
NOT_FOUND = b"\x6a\x82"
WRONG_P1_P2 = b"\x6a\x86"
WRONG_OFFSET = b"\x6b\x00"
UNKNOWN_INS = b"\x6d\x00"
"""Status words. Source: ISO/IEC 7816-4:2020, table 6."""


class IsoCommands:
    """The commands with class byte 00."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._current: tuple[Application, int] | None = None

    def answer(self, command: bytes) -> bytes:
        """Answer an APDU of at least its four header bytes."""
        ins, p1, p2 = command[1], command[2], command[3]
        data, expected = _parts_of(command)
        if data is None:
            return WRONG_LENGTH
        match ins:
            case 0xA4:
                return self._select(p1, p2, data)
            case 0xB0:
                return self._read(p1 << 8 | p2, expected)
            case 0xD6:
                return self._update(p1 << 8 | p2, data)
            case _:
                return UNKNOWN_INS

    def _select(self, p1: int, p2: int, data: bytes) -> bytes:
        if p2 not in {0x00, 0x0C} or p1 not in {0x00, 0x01, 0x02, 0x04}:
            return WRONG_P1_P2
        if p1 == 0x04:
            return self._select_application(self._named(data))
        if p1 != 0x02 and data in {MASTER_FILE, b""}:
            return self._select_application(self._core.memory.picc)
        if p1 != 0x02:
            found = [
                each for each in self._core.memory.applications.values() if each.iso_id == data
            ]
            if found and data:
                return self._select_application(found[0])
        return self._select_file(data)

    def _named(self, name: bytes) -> Application | None:
        if name == PICC_NAME:
            return self._core.memory.picc
        for each in self._core.memory.applications.values():
            if name and each.df_name == name:
                return each
        return None

    def _select_application(self, application: Application | None) -> bytes:
        if application is None:
            return NOT_FOUND
        self._core.select(application)
        self._current = None
        return ISO_OK

    def _select_file(self, iso_id: bytes) -> bytes:
        application = self._core.application
        for number, file in application.files.items():
            if len(iso_id) == 2 and file.head.iso_id == iso_id:
                self._current = (application, number)
                return ISO_OK
        return NOT_FOUND

    def _file(self) -> DataFile | None:
        """The selected file, while its application is still the selected one."""
        if self._current is None or self._current[0] is not self._core.application:
            return None
        file = self._core.application.files.get(self._current[1])
        return file if isinstance(file, DataFile) else None

    def _read(self, offset: int, expected: int) -> bytes:
        file = self._file()
        if file is None:
            return NO_CURRENT_FILE
        if FREE_RIGHT not in {file.head.read, file.head.read_write}:
            return SECURITY_NOT_SATISFIED
        if offset >= len(file.content):
            return WRONG_OFFSET
        return bytes(file.content[offset : offset + (expected or 256)]) + ISO_OK

    def _update(self, offset: int, data: bytes) -> bytes:
        file = self._file()
        if file is None or self._current is None:
            return NO_CURRENT_FILE
        if FREE_RIGHT not in {file.head.write, file.head.read_write}:
            return SECURITY_NOT_SATISFIED
        if not data or offset + len(data) > len(file.content):
            return WRONG_LENGTH
        target = file.content
        if file.has_backup:
            change = self._core.change(self._current[1], file)
            assert isinstance(change, DataChange)
            target = change.content
        target[offset : offset + len(data)] = data
        return ISO_OK


def _parts_of(command: bytes) -> tuple[bytes | None, int]:
    """Data and expected length (0: as much as there is) of a short APDU; None for data when the lengths disagree."""
    body = command[4:]
    if len(body) <= 1:
        return b"", body[0] if body else 0
    size = body[0]
    data, rest = body[1 : 1 + size], body[1 + size :]
    if len(data) != size or len(rest) > 1:
        return None, 0
    return data, rest[0] if rest else 0
