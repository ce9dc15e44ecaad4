"""What all commands of a powered DESFire share: statuses, the session, frames, and the transaction in progress.

    Refused   ends a command with a status; the session and the transaction end with it
    PowerLost ends it with silence
    Core      what a field keeps alive; the groups of commands work on it

Sources: MF3ICD81 data sheet, status and error codes, chaining, transactions; NXP AN12343 for EV2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hardware.entropy import Entropy
from hardware.virtual.band import turned
from hardware.virtual.desfire_memory import (
    AnyFile,
    Application,
    Change,
    ChipKey,
    Head,
    Memory,
    change_of,
)
from hardware.virtual.messaging import Mode, Session

PICC_AID = b"\x00\x00\x00"
"""The chip itself, selected when the field comes."""

FREE_RIGHT = 0x0E
"""Access right everybody has."""

NO_RIGHT = 0x0F
"""Access right nobody has."""

FRAME_DATA_MAX = 59
"""Bytes of content in one native frame: FSC 64 less PCB, CRC, status and one. Source: MF3ICD81 data sheet, chaining."""

COMMAND_SIZE_MAX = 8_192
"""A chained write is refused beyond the chip's whole memory."""

OK, MORE = 0x00, 0xAF
NO_CHANGES = 0x0C
OUT_OF_MEMORY = 0x0E
ILLEGAL_COMMAND = 0x1C
INTEGRITY_ERROR = 0x1E
NO_SUCH_KEY = 0x40
LENGTH_ERROR = 0x7E
PERMISSION_DENIED = 0x9D
PARAMETER_ERROR = 0x9E
APPLICATION_NOT_FOUND = 0xA0
AUTHENTICATION_ERROR = 0xAE
BOUNDARY_ERROR = 0xBE
COMMAND_ABORTED = 0xCA
COUNT_ERROR = 0xCE
DUPLICATE_ERROR = 0xDE
FILE_NOT_FOUND = 0xF0
"""Status bytes. Source: MF3ICD81 data sheet, status and error codes."""


class Refused(Exception):
    """The chip answers with a status other than success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:02X}")
        self.status = status


class PowerLost(Exception):
    """The field went in the middle of a command; the chip says nothing more until it comes again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what follows it."""

    status: int
    content: bytes = b""


Handler = Callable[[bytes], Answer]
"""Takes what follows a command byte; also what the next AF continues. Raises Refused, Tampered."""

Commands = dict[int, Handler]
"""Handlers by command byte."""


def expect_size(content: bytes, size: int) -> None:
    """Refuse a command of the wrong length."""
    if len(content) != size:
        raise Refused(LENGTH_ERROR)


class Core:
    """The state of a powered chip.

    Attributes:
        memory: What lasts.
        entropy: Where random numbers come from.
        application: The selected one.
        session, key_number: After an authentication, and by which key.
        pending: What the next AF continues.
        nonce_turn: By how many bytes it turns the reader's nonce left in its proof; 1 is right.
    """

    def __init__(self, memory: Memory, entropy: Entropy) -> None:
        self.memory = memory
        self.entropy = entropy
        self.application: Application = memory.picc
        self.session: Session | None = None
        self.key_number: int | None = None
        self.pending: Handler | None = None
        self.is_long = False
        self.nonce_turn = 1
        self._changes: dict[int, Change] = {}

    def turned(self, nonce: bytes) -> bytes:
        """The reader's nonce as the chip gives it back."""
        return turned(nonce, self.nonce_turn)

    # --- session and transaction

    def end_session(self) -> None:
        """Nobody is authenticated any more, and what was not committed is dropped."""
        self.session = None
        self.key_number = None
        self._changes.clear()

    def select(self, application: Application) -> None:
        """Work in this application from now on."""
        self.end_session()
        self.application = application

    def change(self, number: int, file: AnyFile) -> Change:
        """The change of this file in the transaction; begins one where there is none."""
        return self._changes.setdefault(number, change_of(file))

    def commit(self) -> bool:
        """Carry out what was begun; False when nothing was."""
        changes, self._changes = self._changes, {}
        for change in changes.values():
            change.commit()
        return bool(changes)

    def abort(self) -> bool:
        """Drop what was begun; False when nothing was."""
        had_any = bool(self._changes)
        self._changes.clear()
        return had_any

    @property
    def is_picc(self) -> bool:
        """Is the chip itself selected?"""
        return self.application is self.memory.picc

    def key(self, number: int) -> ChipKey:
        """A key of the selected application."""
        keys = self.application.keys
        if number >= len(keys):
            raise Refused(NO_SUCH_KEY)
        return keys[number]

    def expect_key(self, number: int) -> None:
        """Refuse whoever did not authenticate with this key."""
        if self.key_number != number:
            raise Refused(AUTHENTICATION_ERROR)

    def expect_setting(self, bit: int) -> None:
        """Refuse what neither the application's settings leave to everybody nor key 0 allows."""
        if not self.application.settings & bit:
            self.expect_key(0)

    def mode_for(self, head: Head, *rights: int) -> Mode:
        """How this exchange travels; refuses it when none of the rights is there. A free right travels plainly."""
        if self.key_number is not None and self.key_number in rights:
            return head.mode
        if FREE_RIGHT in rights:
            return Mode.PLAIN
        is_never = all(right == NO_RIGHT for right in rights)
        raise Refused(PERMISSION_DENIED if is_never else AUTHENTICATION_ERROR)

    # --- what arrives

    @property
    def command_mode(self) -> Mode:
        """How a command travels that belongs to no file."""
        return Mode.PLAIN if self.session is None else self.session.command_mode

    def mac_size_of(self, mode: Mode) -> int:
        """Bytes of MAC behind a command without content."""
        return 0 if self.session is None else self.session.mac_size_of(mode)

    def wire_size(self, size: int, mode: Mode) -> int:
        """Bytes that `size` bytes of content become on their way here."""
        return size if self.session is None else self.session.wire_size(size, mode)

    def opened(
        self,
        code: int,
        header: bytes,
        rest: bytes,
        mode: Mode,
        *,
        size: int | None = 0,
        tail: int = 0,
    ) -> bytes:
        """What a command carries behind its header, checked. Raises Tampered."""
        if self.session is None:
            return rest
        return self.session.open(code, header, rest, mode, size=size, tail=tail)

    def take(self, code: int, data: bytes, *sizes: int, mode: Mode | None = None) -> bytes:
        """The header of a command without content, one of `sizes` long, checked as `mode` (that of commands) says."""
        mode = self.command_mode if mode is None else mode
        mac_size = self.mac_size_of(mode)
        size = len(data) - mac_size
        if size not in sizes:
            raise Refused(LENGTH_ERROR)
        header, mac = data[:size], data[size:]
        self.opened(code, header, mac, mode if mac_size else Mode.PLAIN)
        return header

    def take_secret(
        self, code: int, data: bytes, header_size: int, *, size: int | None, tail: int = 0
    ) -> tuple[bytes, bytes]:
        """Header and content of a command whose content is always enciphered.

        Args:
            code: Command byte.
            data: What follows it.
            header_size: Bytes that travel plainly.
            size: Bytes of content; None when its padding says.
            tail: Bytes of a second checksum behind the first.
        """
        if self.session is None:
            raise Refused(AUTHENTICATION_ERROR)
        header, rest = data[:header_size], data[header_size:]
        expect_size(header, header_size)
        if not rest:
            raise Refused(LENGTH_ERROR)
        content = self.session.open(code, header, rest, Mode.FULL, size=size, tail=tail)
        if size is not None:
            expect_size(content, size + tail)
        return header, content

    def gather(self, so_far: bytes, wanted: int, finish: Handler) -> Answer:
        """Wait until `wanted` bytes have arrived, in as many frames as it takes; then `finish`."""
        if len(so_far) > min(wanted, COMMAND_SIZE_MAX):
            raise Refused(LENGTH_ERROR)
        if len(so_far) == wanted:
            return finish(so_far)

        def go_on(more: bytes) -> Answer:
            if not more:
                raise Refused(LENGTH_ERROR)
            return self.gather(so_far + more, wanted, finish)

        self.pending = go_on
        return Answer(MORE)

    # --- what leaves

    def sealed(
        self, content: bytes = b"", mode: Mode | None = None, *, is_size_open: bool = False
    ) -> Answer:
        """A good answer, protected as `mode` (that of commands) says, in frames unless it was asked for whole."""
        if self.session is not None:
            mode = self.session.command_mode if mode is None else mode
            content = self.session.seal(content, mode, is_size_open=is_size_open)
        if self.is_long:
            self.is_long = False
            return Answer(OK, content)
        return self._in_frames(content)

    def _in_frames(self, content: bytes) -> Answer:
        if len(content) <= FRAME_DATA_MAX:
            return Answer(OK, content)
        frame, rest = content[:FRAME_DATA_MAX], content[FRAME_DATA_MAX:]
        self.pending = partial(self._next_frame, rest)
        return Answer(MORE, frame)

    def _next_frame(self, rest: bytes, data: bytes) -> Answer:
        expect_size(data, 0)
        return self._in_frames(rest)

    def in_pieces(self, *pieces: bytes) -> Answer:
        """A good answer in frames of its own, one a piece; the last carries the protection of all."""
        whole = b"".join(pieces)
        if self.session is not None:
            whole = self.session.seal(whole, self.session.command_mode)
        size = sum(len(piece) for piece in pieces[:-1])
        return self._piece([*pieces[:-1], whole[size:]], b"")

    def _piece(self, pieces: list[bytes], data: bytes) -> Answer:
        expect_size(data, 0)
        if len(pieces) == 1:
            return Answer(OK, pieces[0])
        self.pending = partial(self._piece, pieces[1:])
        return Answer(MORE, pieces[0])
