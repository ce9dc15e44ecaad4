"""What all commands of a powered NTAG 424 share: what is selected, a session, the file as a reader sees it.

    Refused   ends a command with a status; the session ends with it
    Core      what a field keeps alive; the commands work on it

A file with dynamic messages changes only for readers without a session; its counter moves with the first of several
reads in a row, and with it chance is drawn anew.

Sources: NT4H2421Gx data sheet rev 3.0, 9.3 and 10.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hardware.virtual.messaging import BLOCK_SIZE, Mode
from hardware.virtual.sdm import (
    COUNTED,
    COUNTER_MAX,
    FREE,
    NONE,
    RANDOM_SIZE,
    Moment,
    Sdm,
    shown,
)

if TYPE_CHECKING:
    from hardware.virtual.ntag424 import Ntag424File, VirtualNtag424

MASTER_KEY = 0
"""The key that changes keys and configuration."""

ANSWER_SIZE_MAX = 256
"""Content of one answer, MAC included: a short Le asks for no more."""

DYNAMIC = 0x40
"""Bit of a file's options: it has dynamic messages."""

OK, MORE = 0x00, 0xAF
ILLEGAL_COMMAND = 0x1C
INTEGRITY_ERROR = 0x1E
NO_SUCH_KEY = 0x40
LENGTH_ERROR = 0x7E
PERMISSION_DENIED = 0x9D
PARAMETER_ERROR = 0x9E
AUTHENTICATION_DELAY = 0xAD
AUTHENTICATION_ERROR = 0xAE
BOUNDARY_ERROR = 0xBE
COMMAND_ABORTED = 0xCA
FILE_NOT_FOUND = 0xF0
"""Second status byte after 91. Source: data sheet, table 23."""

WRONG_LENGTH = 0x6700
NOT_SATISFIED = 0x6982
NOT_NOW = 0x6985
NOT_FOUND = 0x6A82
WRONG_PARAMETERS = 0x6A86
WRONG_INSTRUCTION = 0x6D00
WRONG_CLASS = 0x6E00
"""Status words of ISO 7816-4. Source: data sheet, table 24."""


class Session(Protocol):
    """Messaging after an authentication, AES or LRP."""

    transaction: bytes
    counter: int

    def open(self, code: int, header: bytes, rest: bytes, mode: Mode) -> bytes:
        """The plain content of a command. Raises Tampered."""
        ...

    def seal(self, content: bytes, mode: Mode) -> bytes:
        """What is sent after a good status."""
        ...


class Refused(Exception):
    """The chip answers with a status other than success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:02X}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """A second status byte and what stands before it."""

    status: int
    content: bytes = b""


Handler = Callable[[bytes], Answer]
"""Takes what follows a command byte; also what the next AF continues. Raises Refused, Tampered."""


def expect_size(content: bytes, *sizes: int) -> None:
    """Refuse a command of the wrong length."""
    if len(content) not in sizes:
        raise Refused(LENGTH_ERROR)


class Core:
    """The state of a powered chip.

    Attributes:
        band: What lasts.
        session, key_number: After an authentication, and by which key.
        is_in_application: The one application is selected.
        selected: The file selected in it.
        pending: What the next AF continues.
        row: The command and the file of the reads in a row that are going on.
    """

    def __init__(self, band: "VirtualNtag424") -> None:
        self.band = band
        self.session: Session | None = None
        self.key_number: int | None = None
        self.is_in_application = False
        self.selected: int | None = None
        self.row: tuple[int, int] | None = None
        self.pending: Handler | None = None
        self._chance = b""

    def select(self, *, is_application: bool) -> None:
        """Work in the application, or above it; without a session either way."""
        self.is_in_application = is_application
        self.selected = None
        self.end_session()

    def end_session(self) -> None:
        """Nobody is authenticated any more."""
        self.session = None
        self.key_number = None

    def opened(self, code: int, header: bytes, rest: bytes, mode: Mode) -> bytes:
        """The plain content of a command. Raises Tampered."""
        return rest if self.session is None else self.session.open(code, header, rest, mode)

    def sealed(self, content: bytes, mode: Mode) -> Answer:
        """The good answer with this content."""
        if self.session is not None:
            content = self.session.seal(content, mode)
        return Answer(OK, content)

    def header(self, code: int, data: bytes, size: int, mode: Mode = Mode.MAC) -> bytes:
        """The header of a command without content; in a session it carries a MAC."""
        header, rest = data[:size], data[size:]
        expect_size(header, size)
        if self.opened(code, header, rest, mode):
            raise Refused(LENGTH_ERROR)
        return header

    def expect_application(self) -> None:
        """Refuse what is not there above the application."""
        if not self.is_in_application:
            raise Refused(PERMISSION_DENIED)

    def expect_master(self) -> None:
        """Refuse what only the master key may do."""
        self.expect_application()
        if self.key_number != MASTER_KEY:
            raise Refused(AUTHENTICATION_ERROR)

    def file(self, number: int) -> "Ntag424File":
        """The file with this number. Raises Refused."""
        self.expect_application()
        file = self.band.files.get(number)
        if file is None:
            raise Refused(FILE_NOT_FOUND)
        return file

    def mode_for(self, file: "Ntag424File", *rights: int, is_dynamic: bool = False) -> Mode:
        """How this exchange travels; refuses it when no right is there. A free right travels plainly."""
        if self.key_number is not None and self.key_number in rights:
            return file.mode
        if FREE in rights or is_dynamic:
            return Mode.PLAIN
        is_never = all(right == NONE for right in rights)
        raise Refused(PERMISSION_DENIED if is_never else AUTHENTICATION_ERROR)

    def seen(self, file: "Ntag424File", code: int, refusal: int) -> bytes:
        """The whole file as this reader sees it; the first read in a row counts. Raises Refused with `refusal`."""
        content = bytes(self.band.contents[file.number])
        sdm = file.sdm
        if self.session is not None or sdm is None:
            return content
        place = code, file.number
        if self.row != place:
            self._count(file.number, sdm, refusal)
            self._chance = self.band.entropy.draw(RANDOM_SIZE + BLOCK_SIZE)
            self.row = place
        counter = self.band.counters[file.number]
        moment = Moment(self.band.uid, counter, self._chance, self.band.is_lrp)
        return shown(content, sdm, tuple(self.band.keys), moment)

    def _count(self, number: int, sdm: Sdm, refusal: int) -> None:
        if not sdm.options & COUNTED:
            return
        limit = COUNTER_MAX if sdm.counter_max is None else sdm.counter_max
        if self.band.counters[number] >= limit:
            raise Refused(refusal)
        self.band.counters[number] += 1
