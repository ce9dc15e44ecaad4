"""Files and transactions of the virtual DESFire: who may what, and what stands there when a field goes in the middle."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.entropy import SeededEntropy
from hardware.virtual.desfire import (
    FREE,
    NEVER,
    VirtualApplication,
    VirtualDesfire,
    VirtualFile,
    VirtualRecordFile,
    VirtualValueFile,
)
from hardware.virtual.desfire_memory import CAPACITY
from hardware.virtual.messaging import Mode
from tests.hardware.virtual.chips import (
    AID,
    KEYS,
    UID,
    Ev1Reader,
    Ev2Reader,
    ask,
    crypt,
    jamcrc,
    padded,
)

STANDARD, BACKUP, VALUE, CYCLIC, LINEAR, OPEN_VALUE = 1, 5, 6, 7, 8, 9
"""File numbers. Key 1 reads, key 2 writes, key 0 has read and write."""

OLD = bytes(range(32))


def band(ev: int = 2, mode: Mode = Mode.FULL) -> VirtualDesfire:
    rights = (1, 2, 0, 0)
    files = (
        VirtualFile(STANDARD, mode, *rights, OLD),
        VirtualFile(BACKUP, mode, *rights, OLD, has_backup=True),
        VirtualValueFile(VALUE, mode, *rights, 100, 0, 200, is_credit_limited=True),
        VirtualRecordFile(CYCLIC, mode, *rights, 4, 4),
        VirtualRecordFile(LINEAR, mode, *rights, 4, 2, is_cyclic=False),
        VirtualValueFile(
            OPEN_VALUE, mode, NEVER, NEVER, NEVER, NEVER, -7, -10, 0, is_free_to_get=True
        ),
    )
    return VirtualDesfire(
        uid=UID,
        ev=ev,
        applications=(VirtualApplication(AID, KEYS, files),),
        entropy=SeededEntropy("files"),
    )


def reader(on: VirtualDesfire, slot: int) -> Ev2Reader:
    chip = on.power_up()
    ask(chip, b"\x5a" + AID)
    return Ev2Reader(chip, slot, KEYS[slot])


def span(number: int, offset: int, size: int) -> bytes:
    return bytes([number]) + offset.to_bytes(3, "little") + size.to_bytes(3, "little")


def amount(number: int) -> bytes:
    return number.to_bytes(4, "little", signed=True)


def write(
    by: Ev2Reader, number: int, content: bytes, code: int = 0x8D, offset: int = 0
) -> None:
    by.run(bytes([code]) + span(number, offset, len(content)), content, is_full=True)


def read(by: Ev2Reader, number: int, size: int, code: int = 0xAD, offset: int = 0) -> bytes:
    return by.run(bytes([code]) + span(number, offset, size), is_full=True)


def status_of(by: Ev2Reader, command: bytes, content: bytes = b"") -> int:
    """The status of a command that carries a MAC, and its content in the clear."""
    whole = command + content
    return ask(by.chip, whole + by.maced(command[0], whole[1:]))[0]


def full_status_of(by: Ev2Reader, command: bytes, content: bytes) -> int:
    """The status of a command with enciphered content."""
    with pytest.raises(AssertionError) as said:
        by.run(command, content, is_full=True)
    return int(str(said.value)[:2], 16)


def test_a_backup_file_changes_with_the_commit_and_not_before() -> None:
    chip = band()
    by = reader(chip, 2)

    write(by, BACKUP, b"new", offset=2)
    before = chip.contents[AID, BACKUP]
    by.run(b"\xc7")

    assert before == OLD
    assert chip.contents[AID, BACKUP] == OLD[:2] + b"new" + OLD[5:]


def test_a_standard_file_changes_at_once() -> None:
    chip = band()

    write(reader(chip, 2), STANDARD, b"new")

    assert chip.contents[AID, STANDARD] == b"new" + OLD[3:]


@pytest.mark.parametrize(
    "ending",
    ["abort", "field", "select", "error", "authenticate"],
)
def test_what_is_not_committed_is_dropped(ending: str) -> None:
    chip = band()
    by = reader(chip, 0)
    write(by, BACKUP, b"new")
    by.run(bytes([0x0C, VALUE]), amount(10), is_full=True)
    write(by, CYCLIC, b"\x01\x02\x03\x04", code=0x8B)

    match ending:
        case "abort":
            by.run(b"\xa7")
        case "field":
            by = reader(chip, 0)
        case "select":
            ask(by.chip, b"\x5a" + AID)
        case "error":
            ask(by.chip, b"\xbd")
        case _:
            by = Ev2Reader(by.chip, 0, KEYS[0])
    if ending in {"select", "error"}:
        by = Ev2Reader(by.chip, 0, KEYS[0])
    committed = status_of(by, b"\xc7")

    assert committed == 0x0C
    assert chip.contents[AID, BACKUP] == OLD
    assert chip.values[AID, VALUE] == 100
    assert chip.records[AID, CYCLIC] == ()


def test_a_second_key_of_the_same_transaction_goes_on_with_it() -> None:
    chip = band()
    by = reader(chip, 0)
    by.run(bytes([0x0C, VALUE]), amount(10), is_full=True)

    by.reauthenticate(2, KEYS[2])
    write(by, CYCLIC, b"used", code=0x8B)
    by.run(b"\xc7")

    assert chip.values[AID, VALUE] == 110
    assert chip.records[AID, CYCLIC] == (b"used",)


def test_one_commit_carries_out_every_file_or_none() -> None:
    chip = band()
    by = reader(chip, 0)
    write(by, BACKUP, b"new")
    by.run(bytes([0xDC, VALUE]), amount(30), is_full=True)
    write(by, CYCLIC, b"used", code=0x8B)

    by.run(b"\xc7")

    assert chip.contents[AID, BACKUP][:3] == b"new"
    assert chip.values[AID, VALUE] == 70
    assert chip.records[AID, CYCLIC] == (b"used",)


def test_a_value_asked_for_in_a_transaction_is_the_old_one() -> None:
    by = reader(band(), 0)
    by.run(bytes([0xDC, VALUE]), amount(30), is_full=True)

    value = by.run(bytes([0x6C, VALUE]), is_full=True)

    assert value == amount(100)


@pytest.mark.parametrize(
    ("slot", "code", "is_allowed"),
    [
        (0, 0x0C, True),
        (1, 0x0C, False),
        (2, 0x0C, False),
        (0, 0x1C, True),
        (1, 0x1C, False),
        (2, 0x1C, True),
        (0, 0xDC, True),
        (1, 0xDC, True),
        (2, 0xDC, True),
    ],
)
def test_a_value_is_credited_by_fewer_keys_than_debited(
    slot: int, code: int, *, is_allowed: bool
) -> None:
    chip = band()
    by = reader(chip, 0)
    by.run(bytes([0xDC, VALUE]), amount(5), is_full=True)
    by.run(b"\xc7")
    by = reader(chip, slot)

    answer = ask(by.chip, bytes([code, VALUE]) + full(by, bytes([code, VALUE]), amount(1)))

    assert answer[0] == (0x00 if is_allowed else 0xAE)


def full(by: Ev2Reader, command: bytes, content: bytes) -> bytes:
    """Content enciphered, and its MAC."""
    body = crypt(by.enc, by.iv(b"\xa5\x5a"), padded(content))
    return body + by.maced(command[0], command[1:] + body)


@pytest.mark.parametrize(
    ("code", "number", "status"),
    [
        (0x0C, 101, 0xBE),
        (0xDC, 101, 0xBE),
        (0x1C, 1, 0xBE),
        (0x0C, -1, 0x9E),
        (0xDC, -1, 0x9E),
    ],
)
def test_a_value_never_leaves_its_limits(code: int, number: int, status: int) -> None:
    chip = band()

    refused = full_status_of(reader(chip, 0), bytes([code, VALUE]), amount(number))

    assert refused == status
    assert chip.values[AID, VALUE] == 100


def test_limited_credit_gives_back_once_what_was_taken() -> None:
    chip = band()
    by = reader(chip, 0)
    for code, number in ((0xDC, 20), (0x1C, 15)):
        by.run(bytes([code, VALUE]), amount(number), is_full=True)
        by.run(b"\xc7")

    again = full_status_of(by, bytes([0x1C, VALUE]), amount(1))

    assert (again, chip.values[AID, VALUE]) == (0xBE, 95)


def test_a_value_free_to_get_is_told_to_everybody_and_changed_by_nobody() -> None:
    chip = band().power_up()
    ask(chip, b"\x5a" + AID)

    value = ask(chip, bytes([0x6C, OPEN_VALUE]))
    debit = ask(chip, bytes([0xDC, OPEN_VALUE]) + amount(1))

    assert (value, debit) == (b"\x00" + amount(-7), b"\x9d")


def test_a_cyclic_file_keeps_one_record_fewer_than_it_has_places() -> None:
    chip = band()
    by = reader(chip, 0)
    for number in range(1, 6):
        write(by, CYCLIC, bytes([number] * 4), code=0x8B)
        by.run(b"\xc7")

    newest = read(by, CYCLIC, 1, code=0xAB)
    before = read(by, CYCLIC, 2, code=0xAB, offset=1)
    everything = read(by, CYCLIC, 0, code=0xAB)

    assert newest == b"\x05" * 4
    assert before == b"\x03" * 4 + b"\x04" * 4
    assert everything == b"\x03" * 4 + b"\x04" * 4 + b"\x05" * 4


def test_a_linear_file_that_is_full_takes_no_record() -> None:
    chip = band()
    by = reader(chip, 0)
    for number in range(2):
        write(by, LINEAR, bytes([number] * 4), code=0x8B)
        by.run(b"\xc7")

    refused = full_status_of(by, b"\x8b" + span(LINEAR, 0, 1), b"x")

    assert refused == 0xBE
    assert chip.records[AID, LINEAR] == (bytes(4), b"\x01" * 4)


def test_records_are_cleared_with_the_commit_and_none_is_added_before_it() -> None:
    chip = band()
    by = reader(chip, 0)
    write(by, CYCLIC, b"once", code=0x8B)
    by.run(b"\xc7")
    by.run(bytes([0xEB, CYCLIC]))
    still = read(by, CYCLIC, 0, code=0xAB)
    by.run(b"\xc7")

    gone = status_of(by, b"\xab" + span(CYCLIC, 0, 0))

    assert (still, gone) == (b"once", 0xBE)
    assert chip.records[AID, CYCLIC] == ()


def test_a_record_is_not_written_after_a_clearing_that_is_not_committed() -> None:
    by = reader(band(), 0)
    by.run(bytes([0xEB, CYCLIC]))

    assert full_status_of(by, b"\x8b" + span(CYCLIC, 0, 1), b"x") == 0x9D


def test_a_record_written_in_parts_is_one_record() -> None:
    chip = band()
    by = reader(chip, 2)

    write(by, CYCLIC, b"ab", code=0x8B, offset=1)
    write(by, CYCLIC, b"c", code=0x8B, offset=3)
    by.run(b"\xc7")

    assert chip.records[AID, CYCLIC] == (b"\x00abc",)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"\xad" + span(VALUE, 0, 1), 0x9E),
        (b"\xab" + span(STANDARD, 0, 1), 0x9E),
        (bytes([0x6C, CYCLIC]), 0x9E),
        (bytes([0x6C, 30]), 0xF0),
        (b"\xab" + span(CYCLIC, 0, 1), 0xBE),
        (bytes([0xEB, CYCLIC]), 0xAE),
        (b"\xc7\x01", 0x9E),
        (b"\xa7", 0x0C),
    ],
)
def test_what_does_not_fit_a_file_is_refused_by_its_own_status(
    command: bytes, status: int
) -> None:
    assert status_of(reader(band(), 1), command) == status


def test_an_ev1_session_counts_and_commits_as_well() -> None:
    chip = band(1)
    powered = chip.power_up()
    ask(powered, b"\x5a" + AID)
    by = Ev1Reader(powered, 0, KEYS[0])

    credited = by.write(bytes([0x0C, VALUE]), amount(7), is_full=True)
    by.read(b"\xc7")
    value = by.read(bytes([0x6C, VALUE]), size=4, is_full=True)
    written = by.write(b"\x3b" + span(CYCLIC, 0, 4), b"used", is_full=True)
    by.read(b"\xc7")
    record = by.read(b"\xbb" + span(CYCLIC, 0, 1), size=4, is_full=True)

    assert (credited[0], written[0]) == (0, 0)
    assert (value, record) == (amount(107), b"used")


@dataclass
class Oracle:
    """What a value and a record file hold, by the plainest bookkeeping."""

    value: int = 100
    records: tuple[int, ...] = ()
    pending: int = 0
    record: int | None = None
    is_open: bool = False

    def drop(self) -> None:
        self.pending, self.record, self.is_open = 0, None, False

    def commit(self) -> None:
        self.value += self.pending
        if self.record is not None:
            self.records = (*self.records, self.record)[-3:]
        self.drop()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([0x0C, 0xDC]), st.integers(0, 120)),
        st.tuples(st.just(0x8B), st.integers(0, 255)),
        st.tuples(st.sampled_from([0xC7, 0xA7, 0x00]), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_any_order_of_changes_commits_aborts_and_lost_fields_adds_up(
    steps: list[tuple[int, int]],
) -> None:
    chip, oracle = band(), Oracle()
    by = reader(chip, 0)

    for code, number in steps:
        if code == 0x00:
            oracle.drop()
            by = reader(chip, 0)
        elif code in {0xC7, 0xA7}:
            good = status_of(by, bytes([code])) == 0x00
            by.counter += 1
            assert good is oracle.is_open
            oracle.commit() if code == 0xC7 else oracle.drop()
            by = by if good else reader(chip, 0)
        elif code == 0x8B:
            write(by, CYCLIC, bytes([number] * 4), code=0x8B)
            oracle.record, oracle.is_open = number, True
        else:
            change = number if code == 0x0C else -number
            if 0 <= oracle.value + oracle.pending + change <= 200:
                by.run(bytes([code, VALUE]), amount(number), is_full=True)
                oracle.pending += change
                oracle.is_open = True
            else:
                assert full_status_of(by, bytes([code, VALUE]), amount(number)) == 0xBE
                oracle.drop()
                by = reader(chip, 0)

    assert chip.values[AID, VALUE] == oracle.value
    assert chip.records[AID, CYCLIC] == tuple(bytes([each] * 4) for each in oracle.records)


# --- making and deleting


def maker(ev: int = 2) -> tuple[VirtualDesfire, Ev2Reader]:
    chip = band(ev)
    return chip, reader(chip, 0)


def test_files_are_made_as_told_and_listed_with_their_settings() -> None:
    chip, by = maker()
    rights = (1 << 12 | 2 << 8 | 0xF << 4).to_bytes(2, "little")

    by.run(b"\xcd\x0a\x03" + rights + b"\x10\x00\x00")
    by.run(b"\xcb\x0b\x01" + rights + b"\x11\x00\x00")
    by.run(b"\xcc\x0c\x00" + rights + amount(-1) + amount(9) + amount(3) + b"\x01")
    by.run(b"\xc1\x0d\x03" + rights + b"\x08\x00\x00\x02\x00\x00")
    by.run(b"\xc0\x0e\x03" + rights + b"\x08\x00\x00\x03\x00\x00")
    listed = by.run(b"\x6f")
    told = [by.run(bytes([0xF5, number])) for number in range(10, 15)]

    assert listed == bytes([1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    assert told == [
        b"\x00\x03" + rights + b"\x10\x00\x00",
        b"\x01\x01" + rights + b"\x11\x00\x00",
        b"\x02\x00" + rights + amount(-1) + amount(9) + amount(0) + b"\x01",
        b"\x03\x03" + rights + b"\x08\x00\x00\x02\x00\x00" + bytes(3),
        b"\x04\x03" + rights + b"\x08\x00\x00\x03\x00\x00" + bytes(3),
    ]
    assert chip.contents[AID, 10] == bytes(16)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("cd01 00 0000 100000", 0xDE),
        ("cd20 00 0000 100000", 0x9E),
        ("cd0a 02 0000 100000", 0x9E),
        ("cd0a 00 0030 100000", 0x9E),
        ("cd0a 00 0000 000000", 0x9E),
        ("cd0a 00 0000 ffff00", 0x0E),
        ("cd0a 00 0000 1000", 0x7E),
        ("cd0a 03e1 00 0000 100000", 0x9E),
        ("cc0a 00 0000 05000000 04000000 04000000 00", 0x9E),
        ("cc0a 00 0000 00000000 04000000 05000000 00", 0x9E),
        ("c00a 00 0000 080000 010000", 0x9E),
        ("c00a 00 0000 000000 020000", 0x9E),
        ("c00a 00 0000 ffff00 ffff00", 0x0E),
        ("df1e", 0xF0),
    ],
)
def test_a_file_that_cannot_be_is_not_made(command: str, status: int) -> None:
    chip, by = maker()
    before = chip.applications

    refused = status_of(by, bytes.fromhex(command))

    assert refused == status
    assert chip.applications == before


def test_memory_runs_out_and_comes_back() -> None:
    _, by = maker()
    free = int.from_bytes(by.run(b"\x6e"), "little")

    by.run(b"\xcb\x0a\x00\x00\x00\x00\x04\x00")
    less = int.from_bytes(by.run(b"\x6e"), "little")
    by.run(b"\xdf\x0a")
    again = int.from_bytes(by.run(b"\x6e"), "little")

    assert less == free - 2 * 1_024
    assert again == free < CAPACITY


def test_rights_are_changed_by_whom_they_name() -> None:
    chip, by = maker()
    rights = (FREE << 12 | 0xF << 8 | 0xF << 4).to_bytes(2, "little")

    by.run(bytes([0x5F, STANDARD]), b"\x00" + rights, is_full=True)
    stranger = as_a_stranger(chip)

    assert stranger == b"\x00" + OLD
    by = reader(chip, 2)
    assert status_of(by, bytes([0x5F, STANDARD]), b"\x00" + rights) == 0xAE


def as_a_stranger(chip: VirtualDesfire) -> bytes:
    """What a stranger reads of the standard file."""
    powered = chip.power_up()
    ask(powered, b"\x5a" + AID)
    return ask(powered, b"\xbd" + span(STANDARD, 0, 0))


@pytest.mark.parametrize("after", [0, 3, 15])
def test_a_torn_write_leaves_part_of_it_in_a_standard_file(after: int) -> None:
    chip = band()
    by = reader(chip, 2)
    chip.tear_next_write(after=after)

    with pytest.raises(AssertionError):
        write(by, STANDARD, b"N" * 16)
    silence = by.chip.exchange(b"\x60")

    assert silence is None
    assert chip.contents[AID, STANDARD] == b"N" * after + OLD[after:]
    write(reader(chip, 2), STANDARD, b"N" * 16)
    assert chip.contents[AID, STANDARD] == b"N" * 16 + OLD[16:]


def test_a_torn_write_leaves_a_backup_file_as_it_was() -> None:
    chip = band()
    by = reader(chip, 2)
    chip.tear_next_write(after=3)

    with pytest.raises(AssertionError):
        write(by, BACKUP, b"N" * 16)

    assert chip.contents[AID, BACKUP] == OLD


def test_a_right_everybody_has_travels_plainly_in_a_session_too() -> None:
    chip = VirtualDesfire(
        uid=UID,
        ev=2,
        applications=(
            VirtualApplication(
                AID, KEYS, (VirtualFile(1, Mode.FULL, FREE, NEVER, NEVER, NEVER, OLD),)
            ),
        ),
        entropy=SeededEntropy("free"),
    )

    answer = ask(reader(chip, 1).chip, b"\xad" + span(1, 0, 4))

    assert answer == b"\x00" + OLD[:4]


def test_a_file_that_is_deleted_takes_its_change_with_it() -> None:
    chip, by = maker()
    write(by, BACKUP, b"new")

    by.run(bytes([0xDF, BACKUP]))

    assert status_of(by, b"\xc7") == 0x0C
    assert (AID, BACKUP) not in chip.contents


def test_the_chip_itself_has_no_files() -> None:
    by = Ev2Reader(band().power_up(), 0, bytes(16))

    assert status_of(by, b"\xcd\x01\x00\x00\x00\x10\x00\x00") == 0x9D


def test_more_bytes_than_a_write_announces_are_refused() -> None:
    chip = band(mode=Mode.PLAIN)
    by = reader(chip, 2)

    answer = ask(by.chip, b"\x3d" + span(STANDARD, 0, 4) + b"12345")

    assert answer == b"\x7e"
    assert chip.contents[AID, STANDARD] == OLD


@pytest.mark.parametrize("damage", ["checksum", "padding"])
def test_an_ev1_cryptogram_is_taken_only_with_its_checksum_and_its_zeros(damage: str) -> None:
    chip = band(1)
    powered = chip.power_up()
    ask(powered, b"\x5a" + AID)
    by = Ev1Reader(powered, 2, KEYS[2])
    command = b"\x3d" + span(STANDARD, 0, 4)
    crc = jamcrc(command + b"new!")
    plain = b"new!" + (bytes(4) if damage == "checksum" else crc) + bytes(7)
    plain += b"\x00" if damage == "checksum" else b"\x01"

    answer = ask(powered, command + crypt(by.key, by.iv, plain))

    assert answer == b"\x1e"
    assert chip.contents[AID, STANDARD] == OLD


def test_a_refused_long_read_leaves_the_next_answer_in_frames() -> None:
    chip = VirtualDesfire(
        uid=UID,
        ev=2,
        applications=tuple(
            VirtualApplication(bytes([number, 0, 0]), KEYS) for number in range(1, 26)
        ),
        entropy=SeededEntropy("many"),
    ).power_up()
    ask(chip, b"\xad" + span(1, 0, 4))

    first = ask(chip, b"\x6a")

    assert (first[0], len(first)) == (0xAF, 60)
