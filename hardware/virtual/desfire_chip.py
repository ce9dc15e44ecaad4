"""A DESFire while a field powers it: which command goes where, and what a mistake costs.

    idle --60, 0A, 1A, AA, 71, 77, what a frame cannot hold--> something pending --AF--> idle
    any error, a SELECT, or the field going away: no session and no transaction any more

Commands come native (status first), wrapped in ISO 7816-4 (90 xx) or, with class 00, as ISO 7816-4's own. The first one after
the activation decides whether APDUs are taken or native commands; the others are nonsense then.
"""

from hardware.entropy import Entropy
from hardware.virtual.band import Anticollision
from hardware.virtual.desfire_administration import Administration
from hardware.virtual.desfire_authentication import Authentication
from hardware.virtual.desfire_core import (
    COMMAND_ABORTED,
    ILLEGAL_COMMAND,
    INTEGRITY_ERROR,
    LENGTH_ERROR,
    MORE,
    Answer,
    Commands,
    Core,
    Handler,
    PowerLost,
    Refused,
)
from hardware.virtual.desfire_files import Files
from hardware.virtual.desfire_iso import IsoCommands
from hardware.virtual.desfire_memory import Memory
from hardware.virtual.messaging import Ev1Session, Ev2Session, Tampered

WRONG_LENGTH = b"\x67\x00"
"""What a chip that takes APDUs says to what is none. Source: ISO/IEC 7816-4:2020, 5.6."""


class PoweredDesfire:
    """The chip, from the field's coming to its going."""

    def __init__(self, memory: Memory, entropy: Entropy) -> None:
        """Power it: draws a random UID where the chip has one."""
        uid = b"\x08" + entropy.draw(3) if memory.has_random_uid else memory.uid
        atqa = b"\x03\x04" if memory.has_random_uid else b"\x03\x44"
        self._anticollision = Anticollision(atqa, uid, 0x20, memory.ats)
        self._core = Core(memory, entropy)
        self._iso = IsoCommands(self._core)
        self._is_dead = False
        self._takes_apdus: bool | None = None
        self._commands: Commands = {
            **Authentication(self._core).commands,
            **Administration(self._core).commands,
            **Files(self._core).commands,
        }

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    @property
    def nonce_turn(self) -> int:
        """By how many bytes it turns the reader's nonce left in its proof; 1 is right."""
        return self._core.nonce_turn

    @nonce_turn.setter
    def nonce_turn(self, count: int) -> None:
        self._core.nonce_turn = count

    def reset_counter(self) -> None:
        """Begin the counting, or chaining, of the session where it began, as no chip does."""
        if isinstance(self._core.session, Ev1Session | Ev2Session):
            self._core.session.start_over()

    def reselected(self) -> None:
        """It was let go and selected again: the chip itself is selected, and nobody is authenticated."""
        self._core.pending = None
        self._takes_apdus = None
        self._core.select(self._core.memory.picc)

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one command, native or wrapped; what is neither gets the status of a wrong length."""
        if not command or self._is_dead:
            return None
        try:
            return self._answered(command)
        except PowerLost:
            self._is_dead = True
            return None

    def _answered(self, command: bytes) -> bytes:
        is_apdu = command[0] == 0x90 or (command[0] == 0x00 and len(command) >= 4)
        if self._takes_apdus is None:
            self._takes_apdus = is_apdu
        if not self._takes_apdus:
            answer = self._answer(command[0], command[1:])
            return bytes([answer.status]) + answer.content
        if command[0] == 0x90:
            return self._exchange_wrapped(command)
        if is_apdu:
            self._core.pending = None
            return self._iso.answer(command)
        return WRONG_LENGTH

    def _exchange_wrapped(self, command: bytes) -> bytes:
        """CLA INS P1 P2 [Lc data] [Le]. Source: MF3ICD81 data sheet, wrapping of native commands."""
        data = b""
        if len(command) < 5 or command[2:4] != b"\x00\x00":
            return b"\x91" + bytes([LENGTH_ERROR])
        if len(command) > 5:
            size = command[4]
            data = command[5 : 5 + size]
            if len(data) != size or len(command) not in (5 + size, 6 + size):
                return b"\x91" + bytes([LENGTH_ERROR])
        answer = self._answer(command[1], data)
        return answer.content + bytes([0x91, answer.status])

    def _answer(self, code: int, data: bytes) -> Answer:
        core = self._core
        pending, core.pending = core.pending, None
        try:
            return self._handler_of(code, pending)(data)
        except Tampered:
            status = INTEGRITY_ERROR
        except Refused as refused:
            status = refused.status
        core.end_session()
        core.is_long = False
        return Answer(status)

    def _handler_of(self, code: int, pending: Handler | None) -> Handler:
        if code == MORE:
            if pending is None:
                raise Refused(ILLEGAL_COMMAND)
            return pending
        if pending is not None:
            raise Refused(COMMAND_ABORTED)
        handler = self._commands.get(code)
        if handler is None:
            raise Refused(ILLEGAL_COMMAND)
        return handler
