"""The commands of ISO 7816-4 an NTAG 424 knows: SELECT, READ BINARY, UPDATE BINARY; all in clear, none in a session.

Source: NT4H2421Gx data sheet rev 3.0, 10.9.
"""

from typing import TYPE_CHECKING

from hardware.virtual.ntag424_core import (
    ANSWER_SIZE_MAX,
    NOT_FOUND,
    NOT_NOW,
    NOT_SATISFIED,
    WRONG_INSTRUCTION,
    WRONG_LENGTH,
    WRONG_PARAMETERS,
    Core,
    Refused,
)
from hardware.virtual.sdm import FREE

if TYPE_CHECKING:
    from hardware.virtual.ntag424 import Ntag424File

CHIP_NAME = bytes.fromhex("D2760000850100")
"""DF name of the chip itself."""

APPLICATION_NAME = bytes.fromhex("D2760000850101")
"""DF name of the one application."""

CHIP_ID, APPLICATION_ID = 0x3F00, 0xE110
"""File identifiers of the chip and of the application."""

ISO_OK = 0x9000
"""Done."""


class InterIndustry:
    """What the chip does for whoever knows nothing of its own commands: a telephone, for one."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def answer(self, command: bytes) -> tuple[bytes, int]:
        """Content and status word for a command of class 00."""
        if len(command) < 4:
            return b"", WRONG_LENGTH
        if self._core.pending is not None:
            self._core.pending = None
            self._core.end_session()
            return b"", NOT_NOW
        code = command[1]
        if code != 0xB0:
            self._core.row = None
        act = {0xA4: self._select, 0xB0: self._read_binary, 0xD6: self._update_binary}.get(code)
        if act is None:
            return b"", WRONG_INSTRUCTION
        try:
            return act(command)
        except Refused as refused:
            return b"", refused.status

    def _select(self, command: bytes) -> tuple[bytes, int]:
        """A4: by name, or by identifier; the chip itself, its application, or a file of it."""
        how, option = command[2], command[3]
        size = command[4] if len(command) > 5 else 0
        target = command[5 : 5 + size]
        if len(target) != size or len(command) > 6 + size:
            return b"", WRONG_LENGTH
        if how not in {0, 1, 2, 3, 4} or option not in {0x00, 0x0C}:
            return b"", WRONG_PARAMETERS
        if how == 4:
            return b"", self._select_name(target)
        if how == 3 or not target:
            return b"", self._select_directory(is_application=False)
        return b"", self._select_identifier(int.from_bytes(target, "big"), how)

    def _select_name(self, name: bytes) -> int:
        if name not in {CHIP_NAME, APPLICATION_NAME}:
            return NOT_FOUND
        return self._select_directory(is_application=name == APPLICATION_NAME)

    def _select_directory(self, *, is_application: bool) -> int:
        self._core.is_in_application = is_application
        self._core.selected = None
        self._core.end_session()
        return ISO_OK

    def _select_identifier(self, identifier: int, how: int) -> int:
        if identifier == CHIP_ID and how == 0:
            return self._select_directory(is_application=False)
        if identifier == APPLICATION_ID and how in {0, 1}:
            return self._select_directory(is_application=True)
        number = next(
            (
                file.number
                for file in self._core.band.files.values()
                if file.iso_id == identifier
            ),
            None,
        )
        if not self._core.is_in_application or number is None or how == 1:
            return NOT_FOUND
        self._core.selected = number
        return ISO_OK

    def _addressed(self, command: bytes) -> tuple["Ntag424File", int]:
        """The file and offset of P1 and P2. Raises Refused with a status word."""
        high, low = command[2], command[3]
        if not high & 0x80:
            offset = high << 8 | low
        else:
            offset = low
            if high & 0x60:
                raise Refused(WRONG_PARAMETERS)
            if high & 0x1F:
                self._select_short(high & 0x1F)
        if not self._core.is_in_application or self._core.selected is None:
            raise Refused(NOT_NOW)
        return self._core.band.files[self._core.selected], offset

    def _select_short(self, identifier: int) -> None:
        for file in self._core.band.files.values():
            if file.iso_id & 0x1F == identifier and self._core.is_in_application:
                self._core.selected = file.number
                return
        raise Refused(NOT_FOUND)

    def _read_binary(self, command: bytes) -> tuple[bytes, int]:
        """B0: what is free to read, or changes while it is read; never in a session."""
        if len(command) != 5:
            return b"", WRONG_LENGTH
        file, offset = self._addressed(command)
        is_dynamic = file.sdm is not None and file.sdm.file < FREE
        is_free = FREE in {file.read, file.read_write} or is_dynamic
        if not is_free or self._core.session is not None:
            return b"", NOT_SATISFIED
        if offset >= len(file.content):
            return b"", WRONG_PARAMETERS
        content = self._core.seen(file, 0xB0, NOT_SATISFIED)
        return content[offset : offset + (command[4] or ANSWER_SIZE_MAX)], ISO_OK

    def _update_binary(self, command: bytes) -> tuple[bytes, int]:
        """D6: what is free to write; never in a session."""
        if len(command) < 6 or len(command) != 5 + command[4]:
            return b"", WRONG_LENGTH
        file, offset = self._addressed(command)
        if FREE not in {file.write, file.read_write} or self._core.session is not None:
            return b"", NOT_SATISFIED
        content = command[5:]
        if offset + len(content) > len(file.content):
            return b"", WRONG_PARAMETERS
        self._core.band.contents[file.number][offset : offset + len(content)] = content
        return b"", ISO_OK
