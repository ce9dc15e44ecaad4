"""An NTAG 424 DNA as the chip itself would behave: three files, five keys, AES or LRP messaging, dynamic messages.

    VirtualNtag424   what lasts: keys, files, settings, counters
    _PoweredNtag424  what a field keeps alive: what is selected, a session, an exchange in progress

Commands, wrapped in ISO 7816-4 (90 xx): 71 77 with AF, 60 with AF, 51 64 C4 5C 5F F5 F6 3C AD 8D; of ISO 7816-4 itself
A4 B0 D6. The chip starts above its one application; keys and files are there once D2760000850101 is selected.

    idle --71, 77, 60--> something pending --AF--> idle
    any error, selecting an application, the field going: no session any more

A file with dynamic messages changes only for readers without a session; its counter moves with the first of several
reads in a row, and with it chance is drawn anew.

Sources: NT4H2421Gx data sheet rev 3.0, 8 to 10; NXP AN12196. Not there: the delay after many wrong keys (91AD),
originality keys, HW configuration.
"""

import hmac
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from hardware.entropy import Entropy
from hardware.virtual.band import Anticollision, turned
from hardware.virtual.lrp import ENCRYPTION_KEY as LRP_ENCRYPTION_KEY
from hardware.virtual.lrp import MAC_KEY, Lrp, LrpSession, session_master
from hardware.virtual.messaging import (
    BLOCK_SIZE,
    ZERO_IV,
    Ev2Session,
    Mode,
    Tampered,
    decrypted,
    encrypted,
    ev2_session_keys,
    rotated,
)
from hardware.virtual.originality import NTAG424_TEST_KEY
from hardware.virtual.sdm import (
    COUNTED,
    COUNTER_MAX,
    FREE,
    KEY_COUNT,
    NONE,
    RANDOM_SIZE,
    Moment,
    Sdm,
    Unacceptable,
    sdm_of,
    shown,
)

CHIP_NAME = bytes.fromhex("D2760000850100")
"""DF name of the chip itself."""

APPLICATION_NAME = bytes.fromhex("D2760000850101")
"""DF name of the one application."""

CHIP_ID, APPLICATION_ID = 0x3F00, 0xE110
"""File identifiers of the chip and of the application."""

CAPABILITY, NDEF, PROPRIETARY = 1, 2, 3
"""File numbers."""

MASTER_KEY = 0
"""The key that changes keys and configuration."""

ANSWER_SIZE_MAX = 256
"""Content of one answer, MAC included: a short Le asks for no more."""

WRONG_MAX, WRONG_FORGIVEN = 1_000, 10
"""Wrong authentications after which a key is locked; how many a good one makes undone. Source: data sheet, table 50."""

VERSION = bytes.fromhex("04040230001105") + bytes.fromhex("04040201021105")
"""Hardware and software frames of GetVersion. Source: data sheet, tables 54 and 56."""

_PRODUCTION = bytes.fromhex("CF39D449") + b"\x80\x2a\x26"
"""Batch, week, year."""

_ATS = bytes.fromhex("067777710280")
"""ATS with its length: FSCI 7 (128 bytes), 106 to 848 kbit/s, FWI 7, historical byte 80. Source: data sheet, 8.1.2."""

OK, MORE = 0x00, 0xAF
ILLEGAL_COMMAND = 0x1C
INTEGRITY_ERROR = 0x1E
NO_SUCH_KEY = 0x40
LENGTH_ERROR = 0x7E
PERMISSION_DENIED = 0x9D
PARAMETER_ERROR = 0x9E
AUTHENTICATION_ERROR = 0xAE
BOUNDARY_ERROR = 0xBE
COMMAND_ABORTED = 0xCA
FILE_NOT_FOUND = 0xF0
"""Second status byte after 91. Source: data sheet, table 23."""

ISO_OK = 0x9000
WRONG_LENGTH = 0x6700
NOT_SATISFIED = 0x6982
NOT_NOW = 0x6985
NOT_FOUND = 0x6A82
WRONG_PARAMETERS = 0x6A86
WRONG_INSTRUCTION = 0x6D00
WRONG_CLASS = 0x6E00
"""Status words of ISO 7816-4. Source: data sheet, table 24."""

DYNAMIC = 0x40
"""Bit of a file's options: it has dynamic messages."""


@dataclass(frozen=True, slots=True)
class Ntag424File:
    """One file.

    Attributes:
        number: 1 to 3.
        iso_id: Its identifier in ISO 7816-4; the low five bits are the short one.
        mode: How its content travels in a session.
        read, write, read_write, change: Key number, FREE or NONE.
        content: What it holds when the band is made; its length is the file's size.
        sdm: How it changes while it is read; None when it does not.
    """

    number: int
    iso_id: int
    mode: Mode
    read: int
    write: int
    read_write: int
    change: int
    content: bytes = field(repr=False)
    sdm: Sdm | None = None

    def settings(self) -> bytes:
        """As GetFileSettings tells them. Source: data sheet, table 73."""
        options = self.mode.value | (DYNAMIC if self.sdm else 0)
        rights = self.read << 12 | self.write << 8 | self.read_write << 4 | self.change
        head = bytes([0x00, options]) + rights.to_bytes(2, "little")
        size = len(self.content).to_bytes(3, "little")
        return head + size + (self.sdm.to_bytes() if self.sdm else b"")


def delivered_files(ndef: bytes = b"", sdm: Sdm | None = None) -> tuple[Ntag424File, ...]:
    """The three files as the factory leaves them, with `ndef` (its two length bytes first) at the start of file 2.

    Source: data sheet, 8.2.3.
    """
    capability = bytes.fromhex("001720010000FF0406E104010000000506E10500808283")
    return (
        Ntag424File(CAPABILITY, 0xE103, Mode.PLAIN, FREE, 0, 0, 0, capability.ljust(32, b"\0")),
        Ntag424File(NDEF, 0xE104, Mode.PLAIN, FREE, FREE, FREE, 0, ndef.ljust(256, b"\0"), sdm),
        Ntag424File(PROPRIETARY, 0xE105, Mode.FULL, 2, 3, 3, 0, b"\0\x7e".ljust(128, b"\0")),
    )


class VirtualNtag424:
    """A band with dynamic messages; it keeps what is changed as long as this object lives.

    Attributes:
        uid: The true UID.
        keys, key_versions: As they stand now.
        files: By number, with their settings as they stand now.
        contents: By file number.
        counters: Reads of each file that has dynamic messages.
        is_lrp: It speaks LRP; never goes back.
    """

    def __init__(  # noqa: PLR0913 (every one of them is a setting of the chip)
        self,
        *,
        uid: bytes,
        entropy: Entropy,
        keys: tuple[bytes, ...] = (bytes(16),) * KEY_COUNT,
        key_versions: tuple[int, ...] = (0,) * KEY_COUNT,
        files: tuple[Ntag424File, ...] = (),
        is_lrp: bool = False,
        has_random_uid: bool = False,
        counter: int = 0,
        signature: bytes | None = None,
    ) -> None:
        """Make the band.

        Args:
            uid: 7 bytes.
            entropy: Where its nonces, random UIDs and chance come from.
            keys: Five of 16 bytes, final.
            key_versions: One a key.
            files: `delivered_files()` when empty.
            is_lrp: Speaks LRP instead of AES.
            has_random_uid: Shows 4 bytes from 08 while being selected, others each time the field comes.
            counter: Where the counter of file 2 stands.
            signature: 56 bytes; made with NTAG424_TEST_KEY when not given.

        Raises:
            ValueError: A size or a count that does not fit.
        """
        if len(uid) != 7 or len(keys) != KEY_COUNT or {len(key) for key in keys} != {16}:
            raise ValueError("a UID of 7 bytes and five keys of 16")
        self.uid = uid
        self.entropy = entropy
        self.keys = list(keys)
        self.key_versions = list(key_versions)
        self.files = {file.number: file for file in files or delivered_files()}
        self.contents = {number: bytearray(file.content) for number, file in self.files.items()}
        self.counters = dict.fromkeys(self.files, 0) | {NDEF: counter}
        self.is_lrp = is_lrp
        self.has_random_uid = has_random_uid
        self.n_wrong = [0] * KEY_COUNT
        self._signature = signature

    @property
    def capabilities(self) -> bytes:
        """PDCap2 as it is told in an authentication."""
        return bytes([0x02 * self.is_lrp]) + bytes(5)

    @property
    def signature(self) -> bytes:
        """What READ_SIG answers; made when it is first asked for."""
        if self._signature is None:
            self._signature = NTAG424_TEST_KEY.sign(self.uid)
        return self._signature

    def power_up(self) -> "_PoweredNtag424":
        """A chip freshly powered."""
        uid = b"\x08" + self.entropy.draw(3) if self.has_random_uid else self.uid
        atqa = b"\x03\x04" if self.has_random_uid else b"\x03\x44"
        return _PoweredNtag424(self, Anticollision(atqa, uid, 0x20, _ATS))


class _Session(Protocol):
    """Messaging after an authentication, AES or LRP."""

    transaction: bytes
    counter: int

    def open(self, code: int, header: bytes, rest: bytes, mode: Mode) -> bytes:
        """The plain content of a command. Raises Tampered."""
        ...

    def seal(self, content: bytes, mode: Mode) -> bytes:
        """What is sent after a good status."""
        ...


class _Refused(Exception):
    """The chip answers with a status other than success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:02X}")
        self.status = status


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes = b""


_Handler = Callable[[bytes], _Answer]
"""Takes what follows a command byte; also what the next AF continues. Raises _Refused, Tampered."""


def _expect_size(content: bytes, *sizes: int) -> None:
    if len(content) not in sizes:
        raise _Refused(LENGTH_ERROR)


class _PoweredNtag424:
    """The chip while a field powers it."""

    def __init__(self, band: VirtualNtag424, anticollision: Anticollision) -> None:
        self._band = band
        self._anticollision = anticollision
        self._is_in_application = False
        self._selected: int | None = None
        self._session: _Session | None = None
        self._key_number: int | None = None
        self._pending: _Handler | None = None
        self._last_read: tuple[int, int] | None = None
        self._chance = b""
        self.nonce_turn = 1
        self._commands: dict[int, _Handler] = {
            0x71: self._authenticate_first,
            0x77: self._authenticate_non_first,
            0x60: self._get_version,
            0x51: self._get_card_uid,
            0x64: self._get_key_version,
            0xC4: self._change_key,
            0x5C: self._set_configuration,
            0x5F: self._change_file_settings,
            0xF5: self._get_file_settings,
            0xF6: self._get_file_counters,
            0x3C: self._read_signature,
            0xAD: self._read_data,
            0x8D: self._write_data,
        }

    @property
    def anticollision(self) -> Anticollision:
        """What it tells while being selected."""
        return self._anticollision

    def reselected(self) -> None:
        """It was selected anew: the chip itself is selected, without a session."""
        self._is_in_application = False
        self._selected = None
        self._pending = None
        self._end_session()

    def reset_counter(self) -> None:
        """Count the commands of the session from 0 again, as no good chip does."""
        if self._session is not None:
            self._session.counter = 0

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one command; what is no APDU gets the status of a wrong length."""
        if not command:
            return None
        if command[0] == 0x90:
            answer = self._wrapped(command)
            return answer.content + bytes([0x91, answer.status])
        if command[0] == 0x00:
            content, word = self._inter_industry(command)
            return content + word.to_bytes(2, "big")
        return WRONG_CLASS.to_bytes(2, "big")

    def _end_session(self) -> None:
        self._session = None
        self._key_number = None

    # --- commands of the chip's own

    def _wrapped(self, command: bytes) -> _Answer:
        """CLA INS P1 P2 [Lc data] Le."""
        if len(command) < 5 or command[2:4] != b"\x00\x00":
            return _Answer(LENGTH_ERROR)
        data = b""
        if len(command) > 5:
            size = command[4]
            data = command[5 : 5 + size]
            if len(data) != size or len(command) - size not in {5, 6}:
                return _Answer(LENGTH_ERROR)
        return self._answer(command[1], data)

    def _answer(self, code: int, data: bytes) -> _Answer:
        pending, self._pending = self._pending, None
        if code != 0xAD:
            self._last_read = None
        try:
            return self._handler_of(code, pending)(data)
        except Tampered:
            self._end_session()
            return _Answer(INTEGRITY_ERROR)
        except _Refused as refused:
            self._end_session()
            return _Answer(refused.status)

    def _handler_of(self, code: int, pending: _Handler | None) -> _Handler:
        if code == MORE and pending is not None:
            return pending
        if pending is not None:
            raise _Refused(COMMAND_ABORTED)
        handler = self._commands.get(code)
        if handler is None:
            raise _Refused(ILLEGAL_COMMAND)
        return handler

    def _opened(self, code: int, header: bytes, rest: bytes, mode: Mode) -> bytes:
        return rest if self._session is None else self._session.open(code, header, rest, mode)

    def _sealed(self, content: bytes, mode: Mode) -> _Answer:
        if self._session is not None:
            content = self._session.seal(content, mode)
        return _Answer(OK, content)

    def _header(self, code: int, data: bytes, size: int, mode: Mode = Mode.MAC) -> bytes:
        """The header of a command without content; in a session it carries a MAC."""
        header, rest = data[:size], data[size:]
        _expect_size(header, size)
        if self._opened(code, header, rest, mode):
            raise _Refused(LENGTH_ERROR)
        return header

    def _expect_application(self) -> None:
        if not self._is_in_application:
            raise _Refused(PERMISSION_DENIED)

    def _expect_master(self) -> None:
        self._expect_application()
        if self._key_number != MASTER_KEY:
            raise _Refused(AUTHENTICATION_ERROR)

    # --- authentication

    def _authenticate_first(self, data: bytes) -> _Answer:
        """71: key number, length of the reader's capabilities, capabilities (padded with zeros to 6)."""
        if len(data) < 2 or len(data) != 2 + data[1] or data[1] > 6:
            raise _Refused(LENGTH_ERROR)
        wanted = data[2:].ljust(6, b"\x00")
        key = self._key_for_authentication(data[0])
        wants_lrp = bool(wanted[0] & 0x02)
        if self._band.is_lrp and not wants_lrp:
            raise _Refused(PERMISSION_DENIED)
        self._end_session()
        transaction = self._band.entropy.draw(4)
        head = transaction, self._band.capabilities + wanted
        if self._band.is_lrp:
            return self._challenge_lrp(data[0], key, head, counter=0)
        return self._challenge_aes(data[0], key, head, counter=0)

    def _authenticate_non_first(self, data: bytes) -> _Answer:
        """77: another key of the same transaction."""
        _expect_size(data, 1)
        session = self._session
        if session is None:
            raise _Refused(PERMISSION_DENIED)
        key = self._key_for_authentication(data[0])
        head = session.transaction, b""
        counter = session.counter
        self._end_session()
        if isinstance(session, LrpSession):
            return self._challenge_lrp(data[0], key, head, counter=counter)
        return self._challenge_aes(data[0], key, head, counter=counter)

    def _key_for_authentication(self, number: int) -> bytes:
        if not self._is_in_application or number >= KEY_COUNT:
            raise _Refused(NO_SUCH_KEY)
        if self._band.n_wrong[number] >= WRONG_MAX:
            raise _Refused(PERMISSION_DENIED)
        return self._band.keys[number]

    def _expect_proof(self, number: int, *, is_good: bool) -> None:
        """Count a wrong answer; forgive some after a good one."""
        if not is_good:
            self._band.n_wrong[number] += 1
            raise _Refused(AUTHENTICATION_ERROR)
        self._band.n_wrong[number] = max(0, self._band.n_wrong[number] - WRONG_FORGIVEN)

    def _challenge_aes(
        self, number: int, key: bytes, head: tuple[bytes, bytes], *, counter: int
    ) -> _Answer:
        transaction, capabilities = head
        rnd_b = self._band.entropy.draw(BLOCK_SIZE)

        def check(answer: bytes) -> _Answer:
            _expect_size(answer, 2 * BLOCK_SIZE)
            plain = decrypted(key, ZERO_IV, answer)
            rnd_a = plain[:BLOCK_SIZE]
            is_good = hmac.compare_digest(plain[BLOCK_SIZE:], rotated(rnd_b))
            self._expect_proof(number, is_good=is_good)
            encryption_key, mac_key = ev2_session_keys(key, rnd_a, rnd_b)
            self._session = Ev2Session(
                encryption_key=encryption_key,
                mac_key=mac_key,
                transaction=transaction,
                counter=counter,
            )
            self._key_number = number
            proof = turned(rnd_a, self.nonce_turn)
            told = transaction + proof + capabilities if capabilities else proof
            return _Answer(OK, encrypted(key, ZERO_IV, told))

        self._pending = check
        return _Answer(MORE, encrypted(key, ZERO_IV, rnd_b))

    def _challenge_lrp(
        self, number: int, key: bytes, head: tuple[bytes, bytes], *, counter: int
    ) -> _Answer:
        transaction, capabilities = head
        rnd_b = self._band.entropy.draw(BLOCK_SIZE)

        def check(answer: bytes) -> _Answer:
            _expect_size(answer, 2 * BLOCK_SIZE)
            rnd_a, proof = answer[:BLOCK_SIZE], answer[BLOCK_SIZE:]
            master = session_master(key, rnd_a, rnd_b)
            macs = Lrp(master, MAC_KEY)
            is_good = hmac.compare_digest(proof, macs.cmac(rnd_a + rnd_b))
            self._expect_proof(number, is_good=is_good)
            told = b""
            if capabilities:
                told = Lrp(master, LRP_ENCRYPTION_KEY).encrypted(
                    transaction + capabilities, bytes(4)
                )
            self._session = LrpSession(
                master,
                transaction=transaction,
                counter=counter,
                n_blocks=len(told) // BLOCK_SIZE,
            )
            self._key_number = number
            # LRP turns nothing: what is crooked in it is the order of the nonces.
            nonces = rnd_b + rnd_a if self.nonce_turn == 1 else rnd_a + rnd_b
            return _Answer(OK, told + macs.cmac(nonces + told))

        self._pending = check
        return _Answer(MORE, b"\x01" + rnd_b)

    # --- the chip and its keys

    def _get_version(self, data: bytes) -> _Answer:
        """Three frames; the last one ends with the MAC of all in a session. The UID is hidden while it is random."""
        self._header(0x60, data, 0)
        uid = bytes(7) if self._band.has_random_uid else self._band.uid
        whole = VERSION + uid + _PRODUCTION
        last = whole[14:]
        if self._session is not None:
            last = self._session.seal(whole, Mode.MAC)[14:]

        def second(more: bytes) -> _Answer:
            _expect_size(more, 0)
            self._pending = third
            return _Answer(MORE, whole[7:14])

        def third(more: bytes) -> _Answer:
            _expect_size(more, 0)
            return _Answer(OK, last)

        self._pending = second
        return _Answer(MORE, whole[:7])

    def _get_card_uid(self, data: bytes) -> _Answer:
        self._header(0x51, data, 0)
        if self._session is None:
            raise _Refused(AUTHENTICATION_ERROR)
        return self._sealed(self._band.uid, Mode.FULL)

    def _read_signature(self, data: bytes) -> _Answer:
        (number,) = self._header(0x3C, data, 1)
        if number != 0:
            raise _Refused(PARAMETER_ERROR)
        return self._sealed(self._band.signature, Mode.FULL)

    def _get_key_version(self, data: bytes) -> _Answer:
        (number,) = self._header(0x64, data, 1)
        if not self._is_in_application or number >= KEY_COUNT:
            raise _Refused(NO_SUCH_KEY)
        return self._sealed(bytes([self._band.key_versions[number]]), Mode.MAC)

    def _change_key(self, data: bytes) -> _Answer:
        """C4: number; enciphered: new key, version; of another key: both keys crossed, version, CRC32 of the new one."""
        self._expect_master()
        if not data or data[0] >= KEY_COUNT:
            raise _Refused(NO_SUCH_KEY)
        number = data[0]
        content = self._opened(0xC4, data[:1], data[1:], Mode.FULL)
        _expect_size(content, 17 if number == MASTER_KEY else 21)
        key, version = content[:16], content[16]
        if number != MASTER_KEY:
            key = bytes(a ^ b for a, b in zip(key, self._band.keys[number], strict=True))
            if content[17:] != (zlib.crc32(key) ^ 0xFFFFFFFF).to_bytes(4, "little"):
                raise Tampered("key CRC")
        self._band.keys[number] = key
        self._band.key_versions[number] = version
        self._band.n_wrong[number] = 0
        if number == MASTER_KEY:
            self._end_session()
        return self._sealed(b"", Mode.MAC)

    def _set_configuration(self, data: bytes) -> _Answer:
        """5C: option; enciphered: its values. Random UID and LRP can only be switched on."""
        self._expect_master()
        content = self._opened(0x5C, data[:1], data[1:], Mode.FULL)
        sizes = {0x00: 1, 0x04: 2, 0x05: 10, 0x0A: 5, 0x0B: 1}
        if data[:1] == b"" or data[0] not in sizes:
            raise _Refused(PARAMETER_ERROR)
        _expect_size(content, sizes[data[0]])
        if data[0] == 0x00:
            if content[0] & ~0x02:
                raise _Refused(PARAMETER_ERROR)
            self._band.has_random_uid |= bool(content[0])
        answer = self._sealed(b"", Mode.MAC)
        if data[0] == 0x05 and content[4] & 0x02:
            self._band.is_lrp = True
            self._band.files = {
                number: replace(file, sdm=None) for number, file in self._band.files.items()
            }
        return answer

    # --- files and their settings

    def _file(self, number: int) -> Ntag424File:
        self._expect_application()
        file = self._band.files.get(number)
        if file is None:
            raise _Refused(FILE_NOT_FOUND)
        return file

    def _get_file_settings(self, data: bytes) -> _Answer:
        (number,) = self._header(0xF5, data, 1)
        return self._sealed(self._file(number).settings(), Mode.MAC)

    def _change_file_settings(self, data: bytes) -> _Answer:
        """5F: number; options, access rights and what makes dynamic messages; plain when anybody may."""
        file = self._file(data[0] if data else 0)
        if file.change == NONE:
            raise _Refused(PERMISSION_DENIED)
        if file.change not in {FREE, self._key_number}:
            raise _Refused(AUTHENTICATION_ERROR)
        mode = Mode.FULL if file.change == self._key_number else Mode.PLAIN
        content = self._opened(0x5F, data[:1], data[1:], mode)
        if len(content) < 3:
            raise _Refused(LENGTH_ERROR)
        self._band.files[file.number] = self._changed(file, content)
        if content[0] & DYNAMIC and file.sdm is None:
            self._band.counters[file.number] = 0
        return self._sealed(b"", Mode.MAC if mode is Mode.FULL else Mode.PLAIN)

    def _changed(self, file: Ntag424File, content: bytes) -> Ntag424File:
        options, rights = content[0], int.from_bytes(content[1:3], "little")
        parts = [rights >> shift & 0x0F for shift in (12, 8, 4, 0)]
        is_known = all(part < KEY_COUNT or part >= FREE for part in parts)
        if options & ~(DYNAMIC | 0x03) or not is_known:
            raise _Refused(PARAMETER_ERROR)
        sdm = None
        if options & DYNAMIC:
            if file.number != NDEF:
                raise _Refused(PERMISSION_DENIED)
            sdm = self._dynamic_settings(file, content[3:])
        elif content[3:]:
            raise _Refused(LENGTH_ERROR)
        mode = {0: Mode.PLAIN, 1: Mode.MAC, 2: Mode.PLAIN, 3: Mode.FULL}[options & 0x03]
        read, write, read_write, change = parts
        return replace(
            file,
            mode=mode,
            read=read,
            write=write,
            read_write=read_write,
            change=change,
            sdm=sdm,
        )

    def _dynamic_settings(self, file: Ntag424File, raw: bytes) -> Sdm:
        counter = self._band.counters[file.number] if file.sdm else 0
        try:
            return sdm_of(
                raw, file_size=len(file.content), is_lrp=self._band.is_lrp, counter=counter
            )
        except Unacceptable as error:
            raise _Refused(PARAMETER_ERROR) from error

    def _get_file_counters(self, data: bytes) -> _Answer:
        """F6: 3 bytes, low byte first, and two of nothing."""
        (number,) = self._header(0xF6, data, 1)
        file = self._file(number)
        if file.sdm is None or file.sdm.counter == NONE:
            raise _Refused(PERMISSION_DENIED)
        if file.sdm.counter not in {FREE, self._key_number}:
            raise _Refused(AUTHENTICATION_ERROR)
        counter = self._band.counters[number].to_bytes(3, "little")
        return self._sealed(counter + bytes(2), Mode.FULL)

    # --- content

    def _mode_for(self, file: Ntag424File, *rights: int, is_dynamic: bool = False) -> Mode:
        """How this exchange travels; refuses it when no right is there. A free right travels plainly."""
        if self._key_number is not None and self._key_number in rights:
            return file.mode
        if FREE in rights or is_dynamic:
            return Mode.PLAIN
        is_never = all(right == NONE for right in rights)
        raise _Refused(PERMISSION_DENIED if is_never else AUTHENTICATION_ERROR)

    def _read_data(self, data: bytes) -> _Answer:
        """AD: number, offset, length (0: to the end), 3 bytes each, low byte first."""
        header, rest = data[:7], data[7:]
        _expect_size(header, 7)
        file = self._file(header[0])
        is_dynamic = self._session is None and file.sdm is not None and file.sdm.file < FREE
        mode = self._mode_for(file, file.read, file.read_write, is_dynamic=is_dynamic)
        if self._opened(0xAD, header, rest, mode if self._session else Mode.PLAIN):
            raise _Refused(LENGTH_ERROR)
        offset = int.from_bytes(header[1:4], "little")
        size = int.from_bytes(header[4:7], "little")
        if offset >= len(file.content) or offset + size > len(file.content):
            raise _Refused(BOUNDARY_ERROR)
        content = self._seen(file, 0xAD, PERMISSION_DENIED)[offset:]
        if size:
            content = content[:size]
        overhead = {Mode.PLAIN: 0, Mode.MAC: 8, Mode.FULL: 24}[mode] if self._session else 0
        return self._sealed(content[: ANSWER_SIZE_MAX - overhead], mode)

    def _seen(self, file: Ntag424File, code: int, refusal: int) -> bytes:
        """The whole file as this reader sees it; the first read in a row counts. Raises _Refused with `refusal`."""
        content = bytes(self._band.contents[file.number])
        sdm = file.sdm
        if self._session is not None or sdm is None:
            return content
        place = code, file.number
        if self._last_read != place:
            self._count(file.number, sdm, refusal)
            self._chance = self._band.entropy.draw(RANDOM_SIZE + BLOCK_SIZE)
            self._last_read = place
        counter = self._band.counters[file.number]
        moment = Moment(self._band.uid, counter, self._chance, self._band.is_lrp)
        return shown(content, sdm, tuple(self._band.keys), moment)

    def _count(self, number: int, sdm: Sdm, refusal: int) -> None:
        if not sdm.options & COUNTED:
            return
        limit = COUNTER_MAX if sdm.counter_max is None else sdm.counter_max
        if self._band.counters[number] >= limit:
            raise _Refused(refusal)
        self._band.counters[number] += 1

    def _write_data(self, data: bytes) -> _Answer:
        """8D: number, offset, length, 3 bytes each, low byte first; content."""
        header, rest = data[:7], data[7:]
        _expect_size(header, 7)
        file = self._file(header[0])
        mode = self._mode_for(file, file.write, file.read_write)
        content = self._opened(0x8D, header, rest, mode)
        offset = int.from_bytes(header[1:4], "little")
        _expect_size(content, int.from_bytes(header[4:7], "little"))
        if not content or offset + len(content) > len(file.content):
            raise _Refused(BOUNDARY_ERROR)
        self._band.contents[file.number][offset : offset + len(content)] = content
        return self._sealed(b"", mode)

    # --- commands of ISO 7816-4

    def _inter_industry(self, command: bytes) -> tuple[bytes, int]:
        if len(command) < 4:
            return b"", WRONG_LENGTH
        if self._pending is not None:
            self._pending = None
            self._end_session()
            return b"", NOT_NOW
        code = command[1]
        if code != 0xB0:
            self._last_read = None
        act = {0xA4: self._select, 0xB0: self._read_binary, 0xD6: self._update_binary}.get(code)
        if act is None:
            return b"", WRONG_INSTRUCTION
        try:
            return act(command)
        except _Refused as refused:
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
        self._is_in_application = is_application
        self._selected = None
        self._end_session()
        return ISO_OK

    def _select_identifier(self, identifier: int, how: int) -> int:
        if identifier == CHIP_ID and how == 0:
            return self._select_directory(is_application=False)
        if identifier == APPLICATION_ID and how in {0, 1}:
            return self._select_directory(is_application=True)
        number = next(
            (file.number for file in self._band.files.values() if file.iso_id == identifier),
            None,
        )
        if not self._is_in_application or number is None or how == 1:
            return NOT_FOUND
        self._selected = number
        return ISO_OK

    def _addressed(self, command: bytes) -> tuple[Ntag424File, int]:
        """The file and offset of P1 and P2. Raises _Refused with a status word."""
        high, low = command[2], command[3]
        if not high & 0x80:
            offset = high << 8 | low
        else:
            offset = low
            if high & 0x60:
                raise _Refused(WRONG_PARAMETERS)
            if high & 0x1F:
                self._select_short(high & 0x1F)
        if not self._is_in_application or self._selected is None:
            raise _Refused(NOT_NOW)
        return self._band.files[self._selected], offset

    def _select_short(self, identifier: int) -> None:
        for file in self._band.files.values():
            if file.iso_id & 0x1F == identifier and self._is_in_application:
                self._selected = file.number
                return
        raise _Refused(NOT_FOUND)

    def _read_binary(self, command: bytes) -> tuple[bytes, int]:
        """B0: what is free to read, or changes while it is read; never in a session."""
        if len(command) != 5:
            return b"", WRONG_LENGTH
        file, offset = self._addressed(command)
        is_dynamic = file.sdm is not None and file.sdm.file < FREE
        is_free = FREE in {file.read, file.read_write} or is_dynamic
        if not is_free or self._session is not None:
            return b"", NOT_SATISFIED
        if offset >= len(file.content):
            return b"", WRONG_PARAMETERS
        content = self._seen(file, 0xB0, NOT_SATISFIED)
        return content[offset : offset + (command[4] or ANSWER_SIZE_MAX)], ISO_OK

    def _update_binary(self, command: bytes) -> tuple[bytes, int]:
        """D6: what is free to write; never in a session."""
        if len(command) < 6 or len(command) != 5 + command[4]:
            return b"", WRONG_LENGTH
        file, offset = self._addressed(command)
        if FREE not in {file.write, file.read_write} or self._session is not None:
            return b"", NOT_SATISFIED
        content = command[5:]
        if offset + len(content) > len(file.content):
            return b"", WRONG_PARAMETERS
        self._band.contents[file.number][offset : offset + len(content)] = content
        return b"", ISO_OK
