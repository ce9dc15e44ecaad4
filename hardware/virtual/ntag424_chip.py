"""An NTAG 424 DNA while a field powers it: its own commands, wrapped in ISO 7816-4 (90 xx).

    71 77 with AF    authentication, in ntag424_authentication
    60 51 3C         version (with AF), true UID, the maker's signature
    64 C4 5C         key versions, keys, configuration
    F5 5F F6         settings of files, counters
    AD 8D            content

The chip starts above its one application; keys and files are there once that is selected (ntag424_iso).

    idle --71, 77, 60--> something pending --AF--> idle
    any error, selecting an application, the field going: no session any more

Sources: NT4H2421Gx data sheet rev 3.0, 9 and 10; NXP AN12196. Not there: originality keys, HW
configuration.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from hardware.virtual.band import Anticollision
from hardware.virtual.messaging import Mode, Tampered, crc32
from hardware.virtual.ntag424_authentication import Authentication
from hardware.virtual.ntag424_core import (
    ANSWER_SIZE_MAX,
    AUTHENTICATION_ERROR,
    BOUNDARY_ERROR,
    COMMAND_ABORTED,
    DYNAMIC,
    ILLEGAL_COMMAND,
    INTEGRITY_ERROR,
    LENGTH_ERROR,
    MASTER_KEY,
    MORE,
    NO_SUCH_KEY,
    OK,
    PARAMETER_ERROR,
    PERMISSION_DENIED,
    WRONG_CLASS,
    Answer,
    Core,
    Handler,
    Refused,
    expect_size,
)
from hardware.virtual.ntag424_iso import InterIndustry
from hardware.virtual.sdm import FREE, KEY_COUNT, NONE, Sdm, Unacceptable, sdm_of

if TYPE_CHECKING:
    from hardware.virtual.ntag424 import Ntag424File, VirtualNtag424

VERSION = bytes.fromhex("04040230001105") + bytes.fromhex("04040201021105")
"""Hardware and software frames of GetVersion. Source: data sheet, tables 54 and 56."""

_PRODUCTION = bytes.fromhex("CF39D449") + b"\x80\x2a\x26"
"""Batch, week, year."""

DYNAMIC_FILE = 2
"""The one file that can have dynamic messages."""


class PoweredNtag424:
    """The chip while a field powers it."""

    def __init__(self, band: "VirtualNtag424", anticollision: Anticollision) -> None:
        self._anticollision = anticollision
        self._core = Core(band)
        self._authentication = Authentication(self._core)
        self._inter_industry = InterIndustry(self._core)
        self._commands: dict[int, Handler] = {
            0x71: self._authentication.first,
            0x77: self._authentication.non_first,
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

    @property
    def nonce_turn(self) -> int:
        """By how many bytes it turns the reader's nonce left in its proof; 1 is right."""
        return self._authentication.nonce_turn

    @nonce_turn.setter
    def nonce_turn(self, count: int) -> None:
        self._authentication.nonce_turn = count

    def reselected(self) -> None:
        """It was selected anew: the chip itself is selected, without a session."""
        self._core.pending = None
        self._core.select(is_application=False)

    def reset_counter(self) -> None:
        """Count the commands of the session from 0 again, as no good chip does."""
        if self._core.session is not None:
            self._core.session.counter = 0

    def exchange(self, command: bytes) -> bytes | None:
        """Answer one command; what is no APDU gets the status of a wrong length."""
        if not command:
            return None
        if command[0] == 0x90:
            answer = self._wrapped(command)
            return answer.content + bytes([0x91, answer.status])
        if command[0] == 0x00:
            content, word = self._inter_industry.answer(command)
            return content + word.to_bytes(2, "big")
        return WRONG_CLASS.to_bytes(2, "big")

    def _wrapped(self, command: bytes) -> Answer:
        """CLA INS P1 P2 [Lc data] Le."""
        if len(command) < 5 or command[2:4] != b"\x00\x00":
            return Answer(LENGTH_ERROR)
        data = b""
        if len(command) > 5:
            size = command[4]
            data = command[5 : 5 + size]
            if len(data) != size or len(command) - size not in {5, 6}:
                return Answer(LENGTH_ERROR)
        return self._answer(command[1], data)

    def _answer(self, code: int, data: bytes) -> Answer:
        pending, self._core.pending = self._core.pending, None
        if code != 0xAD:
            self._core.row = None
        try:
            return self._handler_of(code, pending)(data)
        except Tampered:
            self._core.end_session()
            return Answer(INTEGRITY_ERROR)
        except Refused as refused:
            self._core.end_session()
            return Answer(refused.status)

    def _handler_of(self, code: int, pending: Handler | None) -> Handler:
        if code == MORE and pending is not None:
            return pending
        if pending is not None:
            raise Refused(COMMAND_ABORTED)
        handler = self._commands.get(code)
        if handler is None:
            raise Refused(ILLEGAL_COMMAND)
        return handler

    def _get_version(self, data: bytes) -> Answer:
        """Three frames; the last one ends with the MAC of all in a session. The UID is hidden while it is random."""
        self._core.header(0x60, data, 0)
        uid = bytes(7) if self._core.band.has_random_uid else self._core.band.uid
        whole = VERSION + uid + _PRODUCTION
        last = whole[14:]
        if self._core.session is not None:
            last = self._core.session.seal(whole, Mode.MAC)[14:]

        def second(more: bytes) -> Answer:
            expect_size(more, 0)
            self._core.pending = third
            return Answer(MORE, whole[7:14])

        def third(more: bytes) -> Answer:
            expect_size(more, 0)
            return Answer(OK, last)

        self._core.pending = second
        return Answer(MORE, whole[:7])

    def _get_card_uid(self, data: bytes) -> Answer:
        self._core.header(0x51, data, 0)
        if self._core.session is None:
            raise Refused(AUTHENTICATION_ERROR)
        return self._core.sealed(self._core.band.uid, Mode.FULL)

    def _read_signature(self, data: bytes) -> Answer:
        (number,) = self._core.header(0x3C, data, 1)
        if number != 0:
            raise Refused(PARAMETER_ERROR)
        return self._core.sealed(self._core.band.signature, Mode.FULL)

    def _get_key_version(self, data: bytes) -> Answer:
        (number,) = self._core.header(0x64, data, 1)
        if not self._core.is_in_application or number >= KEY_COUNT:
            raise Refused(NO_SUCH_KEY)
        return self._core.sealed(bytes([self._core.band.key_versions[number]]), Mode.MAC)

    def _change_key(self, data: bytes) -> Answer:
        """C4: number; enciphered: new key, version; of another key: both keys crossed, version, CRC32 of the new one."""
        self._core.expect_master()
        if not data or data[0] >= KEY_COUNT:
            raise Refused(NO_SUCH_KEY)
        number = data[0]
        content = self._core.opened(0xC4, data[:1], data[1:], Mode.FULL)
        expect_size(content, 17 if number == MASTER_KEY else 21)
        key, version = content[:16], content[16]
        if number != MASTER_KEY:
            key = bytes(a ^ b for a, b in zip(key, self._core.band.keys[number], strict=True))
            if content[17:] != crc32(key):
                raise Tampered("key CRC")
        self._core.band.keys[number] = key
        self._core.band.key_versions[number] = version
        self._core.band.n_wrong[number] = self._core.band.n_in_row[number] = 0
        if number == MASTER_KEY:
            self._core.end_session()
        return self._core.sealed(b"", Mode.MAC)

    def _set_configuration(self, data: bytes) -> Answer:
        """5C: option; enciphered: its values. Random UID and LRP can only be switched on."""
        self._core.expect_master()
        content = self._core.opened(0x5C, data[:1], data[1:], Mode.FULL)
        sizes = {0x00: 1, 0x04: 2, 0x05: 10, 0x0A: 5, 0x0B: 1}
        if data[:1] == b"" or data[0] not in sizes:
            raise Refused(PARAMETER_ERROR)
        expect_size(content, sizes[data[0]])
        if data[0] == 0x00:
            if content[0] & ~0x02:
                raise Refused(PARAMETER_ERROR)
            self._core.band.has_random_uid |= bool(content[0])
        answer = self._core.sealed(b"", Mode.MAC)
        if data[0] == 0x05 and content[4] & 0x02:
            self._core.band.is_lrp = True
            self._core.band.files = {
                number: replace(file, sdm=None)
                for number, file in self._core.band.files.items()
            }
        return answer

    def _get_file_settings(self, data: bytes) -> Answer:
        (number,) = self._core.header(0xF5, data, 1)
        return self._core.sealed(self._core.file(number).settings(), Mode.MAC)

    def _change_file_settings(self, data: bytes) -> Answer:
        """5F: number; options, access rights and what makes dynamic messages; plain when anybody may."""
        file = self._core.file(data[0] if data else 0)
        if file.change == NONE:
            raise Refused(PERMISSION_DENIED)
        if file.change not in {FREE, self._core.key_number}:
            raise Refused(AUTHENTICATION_ERROR)
        mode = Mode.FULL if file.change == self._core.key_number else Mode.PLAIN
        content = self._core.opened(0x5F, data[:1], data[1:], mode)
        if len(content) < 3:
            raise Refused(LENGTH_ERROR)
        self._core.band.files[file.number] = self._changed(file, content)
        if content[0] & DYNAMIC and file.sdm is None:
            self._core.band.counters[file.number] = 0
        return self._core.sealed(b"", Mode.MAC if mode is Mode.FULL else Mode.PLAIN)

    def _changed(self, file: "Ntag424File", content: bytes) -> "Ntag424File":
        options, rights = content[0], int.from_bytes(content[1:3], "little")
        parts = [rights >> shift & 0x0F for shift in (12, 8, 4, 0)]
        is_known = all(part < KEY_COUNT or part >= FREE for part in parts)
        if options & ~(DYNAMIC | 0x03) or not is_known:
            raise Refused(PARAMETER_ERROR)
        sdm = None
        if options & DYNAMIC:
            if file.number != DYNAMIC_FILE:
                raise Refused(PERMISSION_DENIED)
            sdm = self._dynamic_settings(file, content[3:])
        elif content[3:]:
            raise Refused(LENGTH_ERROR)
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

    def _dynamic_settings(self, file: "Ntag424File", raw: bytes) -> Sdm:
        counter = self._core.band.counters[file.number] if file.sdm else 0
        try:
            return sdm_of(
                raw, file_size=len(file.content), is_lrp=self._core.band.is_lrp, counter=counter
            )
        except Unacceptable as error:
            raise Refused(PARAMETER_ERROR) from error

    def _get_file_counters(self, data: bytes) -> Answer:
        """F6: 3 bytes, low byte first, and two of nothing."""
        (number,) = self._core.header(0xF6, data, 1)
        file = self._core.file(number)
        if file.sdm is None or file.sdm.counter == NONE:
            raise Refused(PERMISSION_DENIED)
        if file.sdm.counter not in {FREE, self._core.key_number}:
            raise Refused(AUTHENTICATION_ERROR)
        counter = self._core.band.counters[number].to_bytes(3, "little")
        return self._core.sealed(counter + bytes(2), Mode.FULL)

    def _read_data(self, data: bytes) -> Answer:
        """AD: number, offset, length (0: to the end), 3 bytes each, low byte first."""
        header, rest = data[:7], data[7:]
        expect_size(header, 7)
        file = self._core.file(header[0])
        is_dynamic = (
            self._core.session is None and file.sdm is not None and file.sdm.file < FREE
        )
        mode = self._core.mode_for(file, file.read, file.read_write, is_dynamic=is_dynamic)
        if self._core.opened(0xAD, header, rest, mode if self._core.session else Mode.PLAIN):
            raise Refused(LENGTH_ERROR)
        offset = int.from_bytes(header[1:4], "little")
        size = int.from_bytes(header[4:7], "little")
        if offset >= len(file.content) or offset + size > len(file.content):
            raise Refused(BOUNDARY_ERROR)
        content = self._core.seen(file, 0xAD, PERMISSION_DENIED)[offset:]
        if size:
            content = content[:size]
        overhead = (
            {Mode.PLAIN: 0, Mode.MAC: 8, Mode.FULL: 24}[mode] if self._core.session else 0
        )
        return self._core.sealed(content[: ANSWER_SIZE_MAX - overhead], mode)

    def _write_data(self, data: bytes) -> Answer:
        """8D: number, offset, length, 3 bytes each, low byte first; content."""
        header, rest = data[:7], data[7:]
        expect_size(header, 7)
        file = self._core.file(header[0])
        mode = self._core.mode_for(file, file.write, file.read_write)
        content = self._core.opened(0x8D, header, rest, mode)
        offset = int.from_bytes(header[1:4], "little")
        expect_size(content, int.from_bytes(header[4:7], "little"))
        if not content or offset + len(content) > len(file.content):
            raise Refused(BOUNDARY_ERROR)
        self._core.band.contents[file.number][offset : offset + len(content)] = content
        return self._core.sealed(b"", mode)
