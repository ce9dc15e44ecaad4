"""Commands of a DESFire about files: making them, their settings, their content, and transactions.

    6F 61 F5 5F            which files, their settings and the change of these
    CD CB CC C1 C0 DF      make standard, backup, value, linear and cyclic files; delete
    BD 3D, AD 8D           read and write data; the second pair whole, cut by ISO 14443-4 (EV2 and later)
    6C 0C DC 1C            value: get, credit, debit, limited credit
    BB 3B EB, AB 8B        records: read, write, clear
    C7 A7                  commit, abort

Who may: data and records are read with Read or Read&Write, written with Write or Read&Write, cleared with Read&Write.
A value is got and debited with any of the three, given back with Write or Read&Write, credited with Read&Write only.
What is read is what was last committed. Nothing of a write is done before all of it has arrived and been checked.

Source: MF3ICD81 data sheet, application level and data manipulation commands.
"""

from collections.abc import Callable
from functools import partial

from hardware.virtual.desfire_administration import FREE_CREATING, FREE_LISTING
from hardware.virtual.desfire_core import (
    BOUNDARY_ERROR,
    DUPLICATE_ERROR,
    FILE_NOT_FOUND,
    FREE_RIGHT,
    NO_CHANGES,
    OUT_OF_MEMORY,
    PARAMETER_ERROR,
    PERMISSION_DENIED,
    Answer,
    Commands,
    Core,
    PowerLost,
    Refused,
    expect_size,
)
from hardware.virtual.desfire_memory import (
    MEMORY_BLOCK_SIZE,
    VALUE_MAX,
    AnyFile,
    DataChange,
    DataFile,
    Head,
    RecordChange,
    RecordFile,
    ValueChange,
    ValueFile,
)
from hardware.virtual.messaging import Mode

FILE_NUMBER_MAX = 31
"""Files of an application have the numbers 0 to this."""

SPAN_SIZE = 7
"""Header of reads and writes: file number, offset (3), length (3), low bytes first."""


class Files:
    """The commands about files."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.commands: Commands = {
            0x6F: self._get_file_ids,
            0x61: self._get_iso_file_ids,
            0xF5: self._get_file_settings,
            0x5F: self._change_file_settings,
            0xCD: partial(self._create_data_file, 0xCD),
            0xCB: partial(self._create_data_file, 0xCB),
            0xCC: self._create_value_file,
            0xC1: partial(self._create_record_file, 0xC1),
            0xC0: partial(self._create_record_file, 0xC0),
            0xDF: self._delete_file,
            0xBD: partial(self._read_data, 0xBD),
            0x3D: partial(self._write_data, 0x3D),
            0x6C: self._get_value,
            0x0C: partial(self._change_value, 0x0C),
            0xDC: partial(self._change_value, 0xDC),
            0x1C: partial(self._change_value, 0x1C),
            0xBB: partial(self._read_records, 0xBB),
            0x3B: partial(self._write_record, 0x3B),
            0xEB: self._clear_records,
            0xC7: self._commit,
            0xA7: self._abort,
        }
        if core.memory.ev >= 2:
            self.commands |= {
                0xAD: partial(self._read_data, 0xAD),
                0x8D: partial(self._write_data, 0x8D),
                0xAB: partial(self._read_records, 0xAB),
                0x8B: partial(self._write_record, 0x8B),
            }

    # --- which files

    def _file(self, number: int) -> AnyFile:
        file = self._core.application.files.get(number)
        if file is None:
            raise Refused(FILE_NOT_FOUND)
        return file

    def _data_file(self, number: int) -> DataFile:
        file = self._file(number)
        if not isinstance(file, DataFile):
            raise Refused(PARAMETER_ERROR)
        return file

    def _value_file(self, number: int) -> ValueFile:
        file = self._file(number)
        if not isinstance(file, ValueFile):
            raise Refused(PARAMETER_ERROR)
        return file

    def _record_file(self, number: int) -> RecordFile:
        file = self._file(number)
        if not isinstance(file, RecordFile):
            raise Refused(PARAMETER_ERROR)
        return file

    def _get_file_ids(self, data: bytes) -> Answer:
        self._core.take(0x6F, data, 0)
        self._core.expect_setting(FREE_LISTING)
        return self._core.sealed(bytes(self._core.application.files))

    def _get_iso_file_ids(self, data: bytes) -> Answer:
        self._core.take(0x61, data, 0)
        self._core.expect_setting(FREE_LISTING)
        files = self._core.application.files.values()
        return self._core.sealed(b"".join(file.head.iso_id[::-1] for file in files))

    def _get_file_settings(self, data: bytes) -> Answer:
        (number,) = self._core.take(0xF5, data, 1)
        self._core.expect_setting(FREE_LISTING)
        return self._core.sealed(self._file(number).settings)

    def _change_file_settings(self, data: bytes) -> Answer:
        """File number, then mode and rights: enciphered for the key that may change them, plainly when all may."""
        file = self._file(data[0] if data else 0)
        self._core.mode_for(file.head, file.head.change)
        if self._core.key_number == file.head.change:
            _, content = self._core.take_secret(0x5F, data, 1, size=3)
        else:
            content = self._core.take(0x5F, data, 4)[1:]
        expect_size(content, 3)
        changed = self._head(content)
        file.head.mode, file.head.rights = changed.mode, changed.rights
        return self._core.sealed()

    # --- making and deleting them

    def _head(self, raw: bytes) -> Head:
        """Mode and rights; refused when there is no such mode or a right names a key that is not there."""
        try:
            head = Head(Mode(raw[0] & 0x03), 0, 0, 0, 0)
        except ValueError as error:
            raise Refused(PARAMETER_ERROR) from error
        head.rights = raw[1:3]
        n_keys = len(self._core.application.keys)
        for right in (head.read, head.write, head.read_write, head.change):
            if n_keys <= right < FREE_RIGHT:
                raise Refused(PARAMETER_ERROR)
        return head

    def _take_new(self, code: int, data: bytes, size: int) -> tuple[int, Head, bytes]:
        """Number, head and the `size` bytes after it of a create command; an ISO number, low byte first, may stand between."""
        header = self._core.take(code, data, 4 + size, 6 + size)
        if self._core.is_picc:
            raise Refused(PERMISSION_DENIED)
        self._core.expect_setting(FREE_CREATING)
        number, rest = header[0], header[1:]
        has_iso_id = len(header) == 6 + size
        if number > FILE_NUMBER_MAX or has_iso_id != self._core.application.has_iso_files:
            raise Refused(PARAMETER_ERROR)
        iso_id, rest = (rest[1::-1], rest[2:]) if has_iso_id else (b"", rest)
        head = self._head(rest)
        head.iso_id = iso_id
        files = self._core.application.files
        is_known = iso_id and any(file.head.iso_id == iso_id for file in files.values())
        if number in files or is_known:
            raise Refused(DUPLICATE_ERROR)
        return number, head, rest[3:]

    def _keep(self, number: int, file: AnyFile) -> Answer:
        if file.n_blocks * MEMORY_BLOCK_SIZE > self._core.memory.free:
            raise Refused(OUT_OF_MEMORY)
        self._core.application.files[number] = file
        return self._core.sealed()

    def _create_data_file(self, code: int, data: bytes) -> Answer:
        number, head, rest = self._take_new(code, data, 3)
        size = int.from_bytes(rest, "little")
        if not size:
            raise Refused(PARAMETER_ERROR)
        if size > self._core.memory.free:
            raise Refused(OUT_OF_MEMORY)
        return self._keep(number, DataFile(head, bytearray(size), has_backup=code == 0xCB))

    def _create_value_file(self, data: bytes) -> Answer:
        """Lower limit, upper limit, value (4 bytes each), and two bits: limited credit, free GetValue."""
        number, head, rest = self._take_new(0xCC, data, 13)
        lower, upper, value = (
            int.from_bytes(rest[at : at + 4], "little", signed=True) for at in (0, 4, 8)
        )
        if not lower <= value <= upper or rest[12] > 0x03:
            raise Refused(PARAMETER_ERROR)
        file = ValueFile(
            head,
            lower,
            upper,
            value,
            is_credit_limited=bool(rest[12] & 0x01),
            is_free_to_get=bool(rest[12] & 0x02),
        )
        return self._keep(number, file)

    def _create_record_file(self, code: int, data: bytes) -> Answer:
        """Size of a record and how many, 3 bytes each; a cyclic file needs two at least."""
        number, head, rest = self._take_new(code, data, 6)
        size, count = int.from_bytes(rest[:3], "little"), int.from_bytes(rest[3:], "little")
        is_cyclic = code == 0xC0
        if not size or count < (2 if is_cyclic else 1):
            raise Refused(PARAMETER_ERROR)
        return self._keep(number, RecordFile(head, size, count, is_cyclic, []))

    def _delete_file(self, data: bytes) -> Answer:
        (number,) = self._core.take(0xDF, data, 1)
        self._core.expect_setting(FREE_CREATING)
        self._file(number)
        self._core.abort()
        del self._core.application.files[number]
        return self._core.sealed()

    # --- data

    def _read_data(self, code: int, data: bytes) -> Answer:
        self._core.is_long = code == 0xAD
        header = data[:SPAN_SIZE]
        expect_size(header, SPAN_SIZE)
        file = self._data_file(header[0])
        mode = self._core.mode_for(file.head, file.head.read, file.head.read_write)
        self._core.take(code, data, SPAN_SIZE, mode=mode)
        offset, size = span_of(header)
        end = offset + (size or len(file.content) - offset)
        if offset >= len(file.content) or end > len(file.content):
            raise Refused(BOUNDARY_ERROR)
        return self._core.sealed(bytes(file.content[offset:end]), mode, is_size_open=size == 0)

    def _write_data(self, code: int, data: bytes) -> Answer:
        header = data[:SPAN_SIZE]
        expect_size(header, SPAN_SIZE)
        file = self._data_file(header[0])
        mode = self._core.mode_for(file.head, file.head.write, file.head.read_write)
        return self._gather(code, data, len(file.content), mode, partial(self._put, file))

    def _put(self, file: DataFile, header: bytes, content: bytes) -> None:
        """Into the transaction, or straight into the memory: there a tear leaves part of it."""
        offset, _ = span_of(header)
        target = file.content
        if file.has_backup:
            change = self._core.change(header[0], file)
            assert isinstance(change, DataChange)
            target = change.content
        torn_after, self._core.memory.torn_after = self._core.memory.torn_after, None
        is_torn = torn_after is not None and torn_after < len(content)
        done = content[:torn_after] if is_torn else content
        target[offset : offset + len(done)] = done
        if is_torn:
            raise PowerLost

    def _gather(
        self,
        code: int,
        data: bytes,
        limit: int,
        mode: Mode,
        put: Callable[[bytes, bytes], None],
    ) -> Answer:
        """Take in content up to `limit` behind a header in as many frames as it takes, then `put` it."""
        header = data[:SPAN_SIZE]
        offset, size = span_of(header)
        if not size or offset + size > limit:
            raise Refused(BOUNDARY_ERROR)

        def finish(raw: bytes) -> Answer:
            content = self._core.opened(code, header, raw, mode, size=size)
            expect_size(content, size)
            put(header, content)
            return self._core.sealed(b"", mode)

        return self._core.gather(data[SPAN_SIZE:], self._core.wire_size(size, mode), finish)

    # --- values

    def _get_value(self, data: bytes) -> Answer:
        file = self._value_file(data[0] if data else 0)
        head = file.head
        rights = (head.read, head.write, head.read_write)
        mode = self._core.mode_for(head, *rights, *([FREE_RIGHT] * file.is_free_to_get))
        self._core.take(0x6C, data, 1, mode=mode)
        return self._core.sealed(file.value.to_bytes(4, "little", signed=True), mode)

    def _change_value(self, code: int, data: bytes) -> Answer:
        """File number and amount (4 bytes, not negative); takes effect with the commit."""
        file = self._value_file(data[0] if data else 0)
        head = file.head
        rights = {
            0x0C: (head.read_write,),
            0xDC: (head.read, head.write, head.read_write),
            0x1C: (head.write, head.read_write),
        }[code]
        mode = self._core.mode_for(head, *rights)
        expect_size(data[1:], self._core.wire_size(4, mode))
        content = self._core.opened(code, data[:1], data[1:], mode, size=4)
        expect_size(content, 4)
        amount = int.from_bytes(content, "little")
        if amount > VALUE_MAX:
            raise Refused(PARAMETER_ERROR)
        change = self._core.change(data[0], file)
        assert isinstance(change, ValueChange)
        self._apply(code, file, change, amount)
        return self._core.sealed(b"", mode)

    @staticmethod
    def _apply(code: int, file: ValueFile, change: ValueChange, amount: int) -> None:
        match code:
            case 0x0C:
                is_done = change.credit(amount)
            case 0xDC:
                is_done = change.debit(amount)
            case _:
                if not file.is_credit_limited:
                    raise Refused(PERMISSION_DENIED)
                is_done = change.credit_limited(amount)
        if not is_done:
            raise Refused(BOUNDARY_ERROR)

    # --- records

    def _read_records(self, code: int, data: bytes) -> Answer:
        """File number, how many of the newest to leave out, how many to read (0: all there are); the oldest first."""
        self._core.is_long = code == 0xAB
        header = data[:SPAN_SIZE]
        expect_size(header, SPAN_SIZE)
        file = self._record_file(header[0])
        mode = self._core.mode_for(file.head, file.head.read, file.head.read_write)
        self._core.take(code, data, SPAN_SIZE, mode=mode)
        skipped, count = span_of(header)
        end = len(file.records) - skipped
        count = count or end
        if end <= 0 or count > end:
            raise Refused(BOUNDARY_ERROR)
        content = b"".join(file.records[end - count : end])
        return self._core.sealed(content, mode, is_size_open=not any(header[4:7]))

    def _write_record(self, code: int, data: bytes) -> Answer:
        """File number, offset within the new record, length; the record is there after the commit."""
        header = data[:SPAN_SIZE]
        expect_size(header, SPAN_SIZE)
        file = self._record_file(header[0])
        mode = self._core.mode_for(file.head, file.head.write, file.head.read_write)
        return self._gather(code, data, file.record_size, mode, partial(self._add, file))

    def _add(self, file: RecordFile, header: bytes, content: bytes) -> None:
        change = self._core.change(header[0], file)
        assert isinstance(change, RecordChange)
        if change.is_cleared:
            raise Refused(PERMISSION_DENIED)
        if not change.has_place:
            raise Refused(BOUNDARY_ERROR)
        change.write(span_of(header)[0], content)

    def _clear_records(self, data: bytes) -> Answer:
        (number,) = self._core.take(0xEB, data, 1)
        file = self._record_file(number)
        self._core.mode_for(file.head, file.head.read_write)
        change = self._core.change(number, file)
        assert isinstance(change, RecordChange)
        change.clear()
        return self._core.sealed()

    # --- transactions

    def _commit(self, data: bytes) -> Answer:
        """No data, or one option byte of zero: a transaction MAC is not kept here."""
        option = self._core.take(0xC7, data, 0, 1)
        if any(option):
            raise Refused(PARAMETER_ERROR)
        if not self._core.commit():
            raise Refused(NO_CHANGES)
        return self._core.sealed()

    def _abort(self, data: bytes) -> Answer:
        self._core.take(0xA7, data, 0)
        if not self._core.abort():
            raise Refused(NO_CHANGES)
        return self._core.sealed()


def span_of(header: bytes) -> tuple[int, int]:
    """Offset and length of file number, offset (3), length (3), low bytes first."""
    return int.from_bytes(header[1:4], "little"), int.from_bytes(header[4:7], "little")
