"""A DESFire EV1, EV2 or EV3 as the chip itself would behave, built from plain values and final keys.

    VirtualDesfire   what lasts: applications, keys, file contents
    _PoweredDesfire  what a field keeps alive: selected application, session, an exchange in progress

A powered chip is one small state machine:

    idle --60, AA, 71, 77, long BD or 3D--> something pending --AF--> idle
    any error, a SELECT, or the field going away: no session any more

Commands: 5A 60 6A AA 71 77 51 BD AD 3D 8D F5 6F 45 64 6E, native (status first) and wrapped in ISO 7816-4 (90 xx).
Sources: MF3ICD81 (EV1) and MF3D(H)x2 (EV2) data sheets, command sets; NXP AN12343 for EV2 messaging.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.entropy import Entropy
from hardware.virtual.band import Anticollision
from hardware.virtual.messaging import (
    BLOCK_SIZE,
    MAC_SIZE,
    ZERO_IV,
    Ev1Session,
    Ev2Session,
    Mode,
    Session,
    Tampered,
    decrypted,
    encrypted,
    ev1_session_key,
    ev2_session_keys,
    rotated,
)

PICC_AID = b"\x00\x00\x00"
"""The chip itself, selected when the field comes."""

FREE = 0x0E
"""Access right everybody has."""

NEVER = 0x0F
"""Access right nobody has."""

FRAME_DATA_MAX = 59
"""Bytes of content in one native frame: FSC 64 less PCB, CRC, status and one. Source: MF3ICD81 data sheet, chaining."""

COMMAND_SIZE_MAX = 8_192
"""A chained write is refused beyond the chip's whole memory."""

FREE_LISTING = 0x02
"""Bit of the key settings: files may be listed without authentication."""

OK, MORE = 0x00, 0xAF
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
FILE_NOT_FOUND = 0xF0
"""Status bytes. Source: MF3ICD81 data sheet, status and error codes."""

_VERSIONS = {
    1: ("04010101001A05", "04010101041A05"),
    2: ("04010112001A05", "04010102011A05"),
    3: ("04010133001A05", "04010103001A05"),
}
"""Hardware and software frames of GetVersion by generation: vendor, type, subtype, major, minor, size, protocol."""

_ATS = bytes.fromhex("067577810280")
"""ATS with its length: FSCI 5 (64 bytes), 106 to 848 kbit/s, SFGT 604 us, historical byte 80."""


@dataclass(frozen=True, slots=True)
class VirtualFile:
    """One standard data file.

    Attributes:
        number: 0 to 31.
        mode: How its content travels.
        read, write, read_write, change: Key number, FREE or NEVER.
        content: What it holds when the band is made; its length is the file's size.
    """

    number: int
    mode: Mode
    read: int
    write: int
    read_write: int
    change: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VirtualApplication:
    """One application with AES keys.

    Attributes:
        aid: 3 bytes in the order they are sent.
        keys: 16 bytes each; the index is the key number. Final: nothing is derived from them.
        files: Its files.
        key_settings: First byte of GetKeySettings.
        key_versions: One a key; zeros when empty.
    """

    aid: bytes
    keys: tuple[bytes, ...] = field(repr=False)
    files: tuple[VirtualFile, ...] = ()
    key_settings: int = 0x0F
    key_versions: tuple[int, ...] = ()


class VirtualDesfire:
    """A DESFire band; its files keep what is written to them as long as this object lives."""

    def __init__(
        self,
        *,
        uid: bytes,
        ev: int,
        applications: tuple[VirtualApplication, ...],
        entropy: Entropy,
        picc_key: bytes = bytes(16),
        has_random_uid: bool = False,
    ) -> None:
        """Make the band.

        Args:
            uid: The true UID, 7 bytes.
            ev: Generation, 1 to 3.
            applications: What is on it.
            entropy: Where its nonces and random UIDs come from.
            picc_key: The chip's own AES key, slot 0 of PICC_AID.
            has_random_uid: Shows 4 bytes from 08 while being selected, others each time the field comes.

        Raises:
            ValueError: No such generation, or a UID that is not 7 bytes.
        """
        if ev not in _VERSIONS:
            raise ValueError("DESFire EV1, EV2 and EV3 are known")
        if len(uid) != 7:
            raise ValueError("a DESFire has a UID of 7 bytes")
        self.uid = uid
        self.ev = ev
        self.has_random_uid = has_random_uid
        self.entropy = entropy
        picc = VirtualApplication(PICC_AID, (picc_key,))
        self.applications = {each.aid: each for each in (picc, *applications)}
        self.contents = {
            (each.aid, file.number): bytearray(file.content)
            for each in applications
            for file in each.files
        }

    def power_up(self) -> "_PoweredDesfire":
        """A chip freshly powered."""
        uid = b"\x08" + self.entropy.draw(3) if self.has_random_uid else self.uid
        atqa = b"\x03\x04" if self.has_random_uid else b"\x03\x44"
        return _PoweredDesfire(self, Anticollision(atqa, uid, 0x20, _ATS))


class _Refused(Exception):
    """The chip answers with a status other than success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:02X}")
        self.status = status


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes = b""


_Pending = Callable[[bytes], _Answer]
"""What the next AF continues."""


class _PoweredDesfire:
    """The chip while a field powers it."""

    def __init__(self, band: VirtualDesfire, anticollision: Anticollision) -> None:
        self._band = band
        self._anticollision = anticollision
        self._application = band.applications[PICC_AID]
        self._session: Session | None = None
        self._key_number: int | None = None
        self._pending: _Pending | None = None
        self._is_long = False
        self._commands: dict[int, _Pending] = {
            0x5A: self._select,
            0x60: self._get_version,
            0x6A: self._get_application_ids,
            0x6E: self._get_free_memory,
            0x6F: self._get_file_ids,
            0x45: self._get_key_settings,
            0x64: self._get_key_version,
            0xF5: self._get_file_settings,
            0x51: self._get_card_uid,
            0xAA: self._authenticate_aes,
            0xBD: self._read_data,
            0x3D: self._write_data,
        }
        if band.ev >= 2:
            self._commands |= {
                0x71: self._authenticate_ev2_first,
                0x77: self._authenticate_ev2_non_first,
                0xAD: self._read_data_long,
                0x8D: self._write_data_long,
            }

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one command, native or wrapped; what is neither gets the status of a wrong length."""
        if not command:
            return None
        if command[0] == 0x90:
            return self._exchange_wrapped(command)
        if command[0] == 0x00 and len(command) >= 4:
            return b"\x6a\x82" if command[1] == 0xA4 else b"\x6d\x00"
        answer = self._answer(command[0], command[1:])
        return bytes([answer.status]) + answer.content

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

    def _answer(self, code: int, data: bytes) -> _Answer:
        pending, self._pending = self._pending, None
        try:
            return self._handler_of(code, pending)(data)
        except Tampered:
            self._forget_session()
            return _Answer(INTEGRITY_ERROR)
        except _Refused as refused:
            self._forget_session()
            return _Answer(refused.status)

    def _handler_of(self, code: int, pending: _Pending | None) -> _Pending:
        if code == MORE:
            if pending is None:
                raise _Refused(ILLEGAL_COMMAND)
            return pending
        if pending is not None:
            raise _Refused(COMMAND_ABORTED)
        handler = self._commands.get(code)
        if handler is None:
            raise _Refused(ILLEGAL_COMMAND)
        return handler

    def _forget_session(self) -> None:
        self._session = None
        self._key_number = None

    # --- protection of commands and answers

    def _opened(
        self, code: int, header: bytes, rest: bytes, mode: Mode, *, size: int = 0
    ) -> bytes:
        if self._session is None:
            return rest
        return self._session.open(code, header, rest, mode, size=size)

    def _sealed(self, content: bytes, mode: Mode, *, is_size_open: bool = False) -> _Answer:
        if self._session is not None:
            content = self._session.seal(content, mode, is_size_open=is_size_open)
        if self._is_long:
            self._is_long = False
            return _Answer(OK, content)
        return self._in_frames(content)

    def _in_frames(self, content: bytes) -> _Answer:
        if len(content) <= FRAME_DATA_MAX:
            return _Answer(OK, content)
        frame, rest = content[:FRAME_DATA_MAX], content[FRAME_DATA_MAX:]

        def go_on(data: bytes) -> _Answer:
            _expect_size(data, 0)
            return self._in_frames(rest)

        self._pending = go_on
        return _Answer(MORE, frame)

    def _take_plain(self, code: int, data: bytes, size: int) -> bytes:
        """The header of a command without content; in EV2 it carries a MAC, in EV1 it only moves the IV."""
        header, rest = data[:size], data[size:]
        _expect_size(header, size)
        expected = MAC_SIZE if self._session is not None and self._session.is_ev2 else 0
        _expect_size(rest, expected)
        self._opened(code, header, rest, Mode.MAC)
        return header

    # --- authentication

    def _key(self, number: int) -> bytes:
        keys = self._application.keys
        if number >= len(keys):
            raise _Refused(NO_SUCH_KEY)
        return keys[number]

    def _authenticate_aes(self, data: bytes) -> _Answer:
        """0xAA: the IV runs on through the three messages."""
        _expect_size(data, 1)
        number = data[0]
        key = self._key(number)
        self._forget_session()
        rnd_b = self._band.entropy.draw(BLOCK_SIZE)
        challenge = encrypted(key, ZERO_IV, rnd_b)

        def check(answer: bytes) -> _Answer:
            _expect_size(answer, 2 * BLOCK_SIZE)
            plain = decrypted(key, challenge, answer)
            rnd_a = plain[:BLOCK_SIZE]
            if plain[BLOCK_SIZE:] != rotated(rnd_b):
                raise _Refused(AUTHENTICATION_ERROR)
            self._session = Ev1Session(ev1_session_key(rnd_a, rnd_b))
            self._key_number = number
            return _Answer(OK, encrypted(key, answer[-BLOCK_SIZE:], rotated(rnd_a)))

        self._pending = check
        return _Answer(MORE, challenge)

    def _authenticate_ev2_first(self, data: bytes) -> _Answer:
        """0x71: key number, length of the reader's capabilities, capabilities (padded with zeros to 6)."""
        if len(data) < 2 or len(data) != 2 + data[1] or data[1] > 6:
            raise _Refused(LENGTH_ERROR)
        number = data[0]
        capabilities = data[2:].ljust(6, b"\x00")
        transaction = self._band.entropy.draw(4)

        def finish(key: bytes, rnd_a: bytes) -> bytes:
            whole = transaction + rotated(rnd_a) + bytes(6) + capabilities
            return encrypted(key, ZERO_IV, whole)

        self._forget_session()
        return self._challenge_ev2(number, transaction, counter=0, finish=finish)

    def _authenticate_ev2_non_first(self, data: bytes) -> _Answer:
        """0x77: another key of the same transaction."""
        _expect_size(data, 1)
        session = self._session
        if not isinstance(session, Ev2Session):
            raise _Refused(PERMISSION_DENIED)

        def finish(key: bytes, rnd_a: bytes) -> bytes:
            return encrypted(key, ZERO_IV, rotated(rnd_a))

        self._forget_session()
        return self._challenge_ev2(
            data[0], session.transaction, counter=session.counter, finish=finish
        )

    def _challenge_ev2(
        self,
        number: int,
        transaction: bytes,
        *,
        counter: int,
        finish: Callable[[bytes, bytes], bytes],
    ) -> _Answer:
        key = self._key(number)
        rnd_b = self._band.entropy.draw(BLOCK_SIZE)

        def check(answer: bytes) -> _Answer:
            _expect_size(answer, 2 * BLOCK_SIZE)
            plain = decrypted(key, ZERO_IV, answer)
            rnd_a = plain[:BLOCK_SIZE]
            if plain[BLOCK_SIZE:] != rotated(rnd_b):
                raise _Refused(AUTHENTICATION_ERROR)
            encryption_key, mac_key = ev2_session_keys(key, rnd_a, rnd_b)
            self._session = Ev2Session(
                encryption_key=encryption_key,
                mac_key=mac_key,
                transaction=transaction,
                counter=counter,
            )
            self._key_number = number
            return _Answer(OK, finish(key, rnd_a))

        self._pending = check
        return _Answer(MORE, encrypted(key, ZERO_IV, rnd_b))

    # --- the chip and its applications

    def _select(self, data: bytes) -> _Answer:
        _expect_size(data, 3)
        self._forget_session()
        application = self._band.applications.get(data)
        if application is None:
            raise _Refused(APPLICATION_NOT_FOUND)
        self._application = application
        return _Answer(OK)

    def _get_version(self, data: bytes) -> _Answer:
        """Three frames; the last one ends with the MAC of all in a session. The UID is hidden while it is random."""
        self._take_plain(0x60, data, 0)
        hardware, software = (bytes.fromhex(each) for each in _VERSIONS[self._band.ev])
        is_hidden = self._band.has_random_uid and self._session is None
        uid = bytes(7) if is_hidden else self._band.uid
        production = uid + bytes.fromhex("BA5EBA11AB") + b"\x20\x26"
        whole = hardware + software + production
        last = whole[14:]
        if self._session is not None:
            last = self._session.seal(whole, Mode.MAC)[14:]

        def second(more: bytes) -> _Answer:
            _expect_size(more, 0)
            self._pending = third
            return _Answer(MORE, software)

        def third(more: bytes) -> _Answer:
            _expect_size(more, 0)
            return _Answer(OK, last)

        self._pending = second
        return _Answer(MORE, hardware)

    def _get_application_ids(self, data: bytes) -> _Answer:
        self._take_plain(0x6A, data, 0)
        if self._application.aid != PICC_AID:
            raise _Refused(PERMISSION_DENIED)
        aids = b"".join(aid for aid in self._band.applications if aid != PICC_AID)
        return self._sealed(aids, Mode.MAC)

    def _get_free_memory(self, data: bytes) -> _Answer:
        self._take_plain(0x6E, data, 0)
        return self._sealed((4_096).to_bytes(3, "little"), Mode.MAC)

    def _get_key_settings(self, data: bytes) -> _Answer:
        self._take_plain(0x45, data, 0)
        self._expect_may_list()
        settings = bytes([self._application.key_settings, 0x80 | len(self._application.keys)])
        return self._sealed(settings, Mode.MAC)

    def _get_key_version(self, data: bytes) -> _Answer:
        (number,) = self._take_plain(0x64, data, 1)
        self._key(number)
        versions = self._application.key_versions
        version = versions[number] if number < len(versions) else 0
        return self._sealed(bytes([version]), Mode.MAC)

    def _get_card_uid(self, data: bytes) -> _Answer:
        """The true UID, enciphered; any key of the chip or of an application will do."""
        self._take_plain(0x51, data, 0)
        if self._session is None:
            raise _Refused(AUTHENTICATION_ERROR)
        return self._sealed(self._band.uid, Mode.FULL)

    # --- files

    def _expect_may_list(self) -> None:
        is_free = bool(self._application.key_settings & FREE_LISTING)
        if not is_free and self._key_number != 0:
            raise _Refused(AUTHENTICATION_ERROR)

    def _file(self, number: int) -> VirtualFile:
        for file in self._application.files:
            if file.number == number:
                return file
        raise _Refused(FILE_NOT_FOUND)

    def _get_file_ids(self, data: bytes) -> _Answer:
        self._take_plain(0x6F, data, 0)
        self._expect_may_list()
        numbers = bytes(file.number for file in self._application.files)
        return self._sealed(numbers, Mode.MAC)

    def _get_file_settings(self, data: bytes) -> _Answer:
        """Type 00, mode, rights low byte first, size low byte first."""
        (number,) = self._take_plain(0xF5, data, 1)
        self._expect_may_list()
        file = self._file(number)
        rights = file.read << 12 | file.write << 8 | file.read_write << 4 | file.change
        settings = (
            bytes([0x00, file.mode.value])
            + rights.to_bytes(2, "little")
            + len(file.content).to_bytes(3, "little")
        )
        return self._sealed(settings, Mode.MAC)

    def _mode_for(self, file: VirtualFile, *rights: int) -> Mode:
        """How this exchange travels; refuses it when neither right is there. A free right travels plainly."""
        if self._key_number is not None and self._key_number in rights:
            return file.mode
        if FREE in rights:
            return Mode.PLAIN
        is_never = all(right == NEVER for right in rights)
        raise _Refused(PERMISSION_DENIED if is_never else AUTHENTICATION_ERROR)

    def _read_data_long(self, data: bytes) -> _Answer:
        """AD: the whole answer at once; ISO 14443-4 cuts it into blocks."""
        self._is_long = True
        return self._read(0xAD, data)

    def _read_data(self, data: bytes) -> _Answer:
        """BD: the answer in frames of its own."""
        self._is_long = False
        return self._read(0xBD, data)

    def _read(self, code: int, data: bytes) -> _Answer:
        header, rest = data[:7], data[7:]
        _expect_size(header, 7)
        file = self._file(header[0])
        mode = self._mode_for(file, file.read, file.read_write)
        is_maced = self._session is not None and self._session.is_ev2 and mode is not Mode.PLAIN
        _expect_size(rest, MAC_SIZE if is_maced else 0)
        self._opened(code, header, rest, mode if is_maced else Mode.PLAIN)
        content = self._band.contents[self._application.aid, file.number]
        offset, size = _span_of(header)
        end = offset + (size or len(content) - offset)
        if offset >= len(content) or end > len(content):
            raise _Refused(BOUNDARY_ERROR)
        return self._sealed(bytes(content[offset:end]), mode, is_size_open=size == 0)

    def _write_data(self, data: bytes) -> _Answer:
        """3D: what a frame cannot hold is asked for with AF."""
        return self._write(0x3D, data)

    def _write_data_long(self, data: bytes) -> _Answer:
        """8D: the whole command at once; ISO 14443-4 cuts it into blocks. AF is taken as well."""
        return self._write(0x8D, data)

    def _write(self, code: int, data: bytes) -> _Answer:
        """The file changes when everything has arrived and been checked, so a torn write changes nothing."""
        header = data[:7]
        _expect_size(header, 7)
        file = self._file(header[0])
        mode = self._mode_for(file, file.write, file.read_write)
        offset, size = _span_of(header)
        content = self._band.contents[self._application.aid, file.number]
        if not size or offset + size > len(content):
            raise _Refused(BOUNDARY_ERROR)
        wanted = self._wire_size(size, mode)
        return self._gather(code, header, data[7:], wanted=wanted, mode=mode)

    def _wire_size(self, size: int, mode: Mode) -> int:
        if self._session is None or mode is Mode.PLAIN:
            return size
        if mode is Mode.MAC:
            return size + MAC_SIZE
        if self._session.is_ev2:
            return size + BLOCK_SIZE - size % BLOCK_SIZE + MAC_SIZE
        return size + 4 + -(size + 4) % BLOCK_SIZE

    def _gather(
        self, code: int, header: bytes, so_far: bytes, *, wanted: int, mode: Mode
    ) -> _Answer:
        if len(so_far) > min(wanted, COMMAND_SIZE_MAX):
            raise _Refused(LENGTH_ERROR)
        if len(so_far) < wanted:

            def go_on(more: bytes) -> _Answer:
                if not more:
                    raise _Refused(LENGTH_ERROR)
                return self._gather(code, header, so_far + more, wanted=wanted, mode=mode)

            self._pending = go_on
            return _Answer(MORE)
        offset, size = _span_of(header)
        plain = self._opened(code, header, so_far, mode, size=size)
        _expect_size(plain, size)
        self._band.contents[self._application.aid, header[0]][offset : offset + size] = plain
        return self._sealed(b"", mode)


def _span_of(header: bytes) -> tuple[int, int]:
    """Offset and length of file number, offset (3), length (3), low bytes first."""
    return int.from_bytes(header[1:4], "little"), int.from_bytes(header[4:7], "little")


def _expect_size(content: bytes, size: int) -> None:
    if len(content) != size:
        raise _Refused(LENGTH_ERROR)
