"""The DESFire driver against virtual chips that were written from the data sheet without it: every file, every mode."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.desfire import Desfire
from drivers.connection import Connection, Work
from drivers.credential.handshake import answered, ev2_opened
from drivers.credential.kdf import Aes
from drivers.credential.layout import NEVER, BandFile, CommMode
from drivers.errors import BandMalformed, BandRefused, BandUntrusted, Delivery, KeyUnknown
from hardware.entropy import SeededEntropy
from hardware.virtual.desfire import VirtualDesfire
from tests.support.bands import UID
from tests.support.desfire_bench import (
    AID,
    KEY,
    MODES,
    OTHER_KEY,
    SIZE,
    Bench,
    backup,
    counted,
    recorded,
    standard,
)

KINDS = ("aes", "2k3des", "3k3des", "ev2", "ev3")
every_kind = pytest.mark.parametrize("kind", KINDS)
every_mode = pytest.mark.parametrize("mode", MODES)


@every_kind
@every_mode
@pytest.mark.parametrize("size", [1, 15, 16, 17, 39, 40, 41, 48, 59, 224, 225, 240, 249, SIZE])
def test_what_is_written_is_read(kind: str, mode: CommMode, size: int) -> None:
    bench, content = Bench(kind), bytes(range(1, 256)) * 3
    file, offset = standard(mode), SIZE - size

    bench.chip.write(file, content[:size], offset=offset)

    assert bench.band.contents[AID, file.number][offset:] == content[:size]
    assert bench.chip.read(file, offset=offset) == content[:size]
    assert bench.chip.read(file, offset=offset, size=1) == content[:1]
    assert bench.chip.is_open


@pytest.mark.parametrize(("kind", "generation"), [("aes", 1), ("ev2", 2), ("ev3", 2)])
def test_a_session_is_opened_by_the_newest_command_the_chip_knows(
    kind: str, generation: int
) -> None:
    bench = Bench(kind)
    bench.chip.select(AID)

    opened = bench.chip.authenticate(1, KEY)

    assert opened == generation
    assert bench.chip.is_ev2 == (generation == 2)
    assert bench.chip.read(standard(CommMode.FULL), size=1) == bytes(1)


class _Patient:
    """A connection that tells when its user worked."""

    generation = 1

    def __init__(self, connection: Connection, told: list[str]) -> None:
        self._connection = connection
        self._told = told

    def transmit(self, command: bytes) -> bytes:
        self._told.append(f"{command[1]:02X}")
        return self._connection.transmit(command)

    def transmit_while(self, command: bytes, work: Work) -> bytes:
        work()
        self._told.append("worked")
        return self.transmit(command)


def test_the_ciphers_of_a_session_are_made_while_the_chip_is_busy_and_work_the_same() -> None:
    bench, told = Bench("ev2"), list[str]()
    chip = Desfire(_Patient(bench.connection, told), SeededEntropy("patient"))
    chip.select(AID)

    chip.authenticate(1, KEY)

    assert told == ["5A", "worked", "71", "worked", "AF"]
    assert chip.read(standard(CommMode.FULL)) == bytes(SIZE)


def test_a_chip_that_does_not_hold_the_key_opens_no_session_though_its_ciphers_are_made() -> (
    None
):
    bench = Bench("ev2")
    chip = Desfire(bench.connection, SeededEntropy("reader"))
    chip.select(AID)
    bench.spoil_from_here(1, lambda answer: bytes(len(answer) - 2) + answer[-2:])

    with pytest.raises(BandUntrusted):
        chip.authenticate(1, KEY)

    assert not chip.is_open


@pytest.mark.parametrize("key", [b"12345678", bytes(24), bytes(32), "sixteen letters!", None])
def test_a_key_that_is_none_is_our_mistake_and_nothing_is_sent(key: Any) -> None:
    bench = Bench("ev2")
    n_before = len(bench.connection.sent)

    for wrong in (
        lambda: bench.chip.authenticate(1, key),
        lambda: bench.chip.authenticate_ev2_non_first(1, key),
        lambda: bench.chip.authenticate_aes(1, key),
    ):
        with pytest.raises((ValueError, TypeError)):
            wrong()

    assert len(bench.connection.sent) == n_before
    assert bench.chip.read(standard(CommMode.FULL), size=1) == bytes(1)


def test_a_commit_that_is_answered_with_a_no_may_have_been_done() -> None:
    bench = Bench("ev2")
    bench.chip.write(backup(CommMode.FULL), b"new")
    bench.spoil_from_here(0, lambda _: b"\x91\xae", is_heard=True)

    with pytest.raises(BandRefused) as refused:
        bench.chip.commit()

    assert refused.value.delivery is Delivery.UNKNOWN
    assert bench.band.contents[AID, backup(CommMode.FULL).number].startswith(b"new")


def test_an_application_that_is_not_there_cannot_be_selected() -> None:
    bench = Bench("ev2")

    with pytest.raises(BandRefused):
        bench.chip.select(b"\x0a\x02\x03")

    assert not bench.chip.is_open


@every_kind
def test_enciphered_content_is_not_on_the_air(kind: str) -> None:
    bench, content = Bench(kind), b"a name, a street, a telephone"

    bench.chip.write(standard(CommMode.FULL), content)

    assert not any(content[:8] in sent for sent in bench.connection.sent)


@pytest.mark.parametrize("kind", ["aes", "2k3des", "3k3des", "ev2"])
def test_no_content_is_lost_whatever_its_checksum_ends_in(kind: str) -> None:
    """2,000 random contents and sizes a chip: one checksum in 256 ends in a zero, one content in 256 in 80 and zeros."""
    bench, chance = Bench(kind), SeededEntropy("content " + kind)
    file, lost = standard(CommMode.FULL), []

    for number in range(2_000):
        size = 1 + number % 24
        content = chance.draw(size)
        if number % 5 == 0:
            content = content[: size // 2] + b"\x80" + bytes(size)
            content = content[:size]
        bench.chip.write(file, content)
        if bench.chip.read(file, size=size) != content:
            lost.append(content)

    assert lost == []


@every_kind
@every_mode
def test_a_backup_file_changes_at_the_commit_and_not_before(kind: str, mode: CommMode) -> None:
    bench, file = Bench(kind), backup(mode)

    bench.chip.write(file, b"new", offset=2)
    before = bench.chip.read(file)
    bench.chip.commit()

    assert before == bytes(64)
    assert bench.chip.read(file) == b"\x00\x00new" + bytes(59)


@every_kind
@every_mode
def test_a_value_is_counted_up_down_and_given_back(kind: str, mode: CommMode) -> None:
    bench, file = Bench(kind), counted(mode)
    seen = [bench.chip.value(file)]

    for change in (bench.chip.credit, bench.chip.debit, bench.chip.limited_credit):
        change(file, 30)
        seen.append(bench.chip.value(file))
        bench.chip.commit()
        seen.append(bench.chip.value(file))

    assert seen == [10, 10, 40, 40, 10, 10, 40]


@every_kind
def test_a_value_below_zero_is_one(kind: str) -> None:
    bench, file = Bench(kind), counted(CommMode.FULL)

    bench.chip.debit(file, 90)
    bench.chip.commit()

    assert bench.chip.value(file) == -80


@every_kind
@every_mode
def test_records_are_read_the_newest_first_and_the_oldest_goes(
    kind: str, mode: CommMode
) -> None:
    bench, file = Bench(kind), recorded(mode)

    for number in range(8):
        bench.chip.add_record(file, bytes([number]) * 20)
        bench.chip.commit()

    newest = [each[0] for each in bench.chip.records(file, count=file.n_readable)]
    assert newest == [7, 6, 5, 4, 3]
    assert [each[0] for each in bench.chip.records(file, count=2, first=1)] == [6, 5]
    bench.chip.clear_records(file)
    bench.chip.commit()
    assert bench.band.records[AID, file.number] == ()


@every_kind
def test_a_transaction_is_all_or_nothing(kind: str) -> None:
    bench = Bench(kind)
    value, record, data = counted(CommMode.FULL), recorded(CommMode.FULL), backup(CommMode.FULL)

    def change() -> None:
        bench.chip.credit(value, 5)
        bench.chip.add_record(record, b"r" * 20)
        bench.chip.write(data, b"d" * 64)

    change()
    bench.chip.abort()
    aborted = (bench.chip.value(value), bench.chip.read(data))
    change()
    bench.enter()
    torn = (bench.chip.value(value), bench.chip.read(data))
    change()
    bench.chip.commit()
    bench.enter()

    assert aborted == torn == (10, bytes(64))
    assert (bench.chip.value(value), bench.chip.read(data)) == (15, b"d" * 64)
    assert bench.chip.records(record, count=1) == (b"r" * 20,)


@every_kind
def test_a_commit_of_nothing_is_refused_and_ends_the_session(kind: str) -> None:
    bench = Bench(kind)

    with pytest.raises(BandRefused) as caught:
        bench.chip.commit()

    assert caught.value.status == 0x910C
    assert not bench.chip.is_open


@every_kind
def test_the_true_uid_and_what_the_chip_says_of_itself_are_read_in_a_session(kind: str) -> None:
    bench = Bench(kind)

    assert bench.chip.card_uid() == UID
    assert bench.chip.version().hardware_type == 1
    assert bench.chip.key_version(1) == bench.band.applications[AID].key_versions[1]
    assert bench.chip.card_uid() == UID


def test_a_chip_without_a_uid_is_malformed() -> None:
    bench = Bench("ev2")
    bench.band = VirtualDesfire(
        uid=bytes(7),
        ev=2,
        applications=tuple(bench.band.applications.values()),
        entropy=SeededEntropy("chip"),
    )
    bench.enter()

    with pytest.raises(BandMalformed):
        bench.chip.card_uid()


@pytest.mark.parametrize("kind", ["ev2", "ev3"])
def test_another_key_goes_on_in_the_same_transaction(kind: str) -> None:
    bench = Bench(kind)
    bench.chip.credit(counted(CommMode.FULL), 1)

    bench.chip.authenticate_ev2_non_first(0, OTHER_KEY)

    assert bench.chip.slot == 0
    assert bench.chip.card_uid() == UID
    bench.chip.authenticate_ev2_non_first(1, KEY)
    bench.chip.commit()
    assert bench.chip.value(counted(CommMode.FULL)) == 11


def test_a_session_can_be_opened_by_somebody_far_away_who_keeps_the_key() -> None:
    bench = Bench("ev2")
    bench.chip.select_application(AID)
    far, chance = Aes(KEY), SeededEntropy("far")

    challenge = bench.chip.begin_ev2_first(1)
    assert challenge is not None
    so_far = answered(far, challenge, chance.draw(16), is_chained=False)
    last = bench.chip.answer_challenge(so_far.token)
    bench.chip.adopt(ev2_opened(far, so_far, last), slot=1)

    assert bench.chip.card_uid() == UID
    assert bench.chip.slot == 1


def test_an_older_chip_has_no_challenge_for_somebody_far_away() -> None:
    bench = Bench("aes")

    assert bench.chip.begin_ev2_first(1) is None
    assert not bench.chip.is_open


def test_a_later_version_of_a_key_is_told_from_a_key_that_is_refused() -> None:
    bench = Bench("ev2")
    with pytest.raises(BandUntrusted):
        bench.chip.authenticate_ev2_first(1, OTHER_KEY)

    bench.chip.check_key_version(1, 7)

    with pytest.raises(KeyUnknown) as caught:
        bench.chip.check_key_version(1, 6)
    assert caught.value.delivery is Delivery.REFUSED


@pytest.mark.parametrize("kind", ["aes", "ev2"])
def test_a_wrong_key_is_refused_and_leaves_no_session(kind: str) -> None:
    bench = Bench(kind)

    chip = bench.chip
    authenticate = chip.authenticate_aes if kind == "aes" else chip.authenticate_ev2_first

    with pytest.raises(BandUntrusted) as caught:
        authenticate(1, OTHER_KEY)

    assert caught.value.delivery is Delivery.REFUSED
    assert not bench.chip.is_open
    with pytest.raises(TypeError):
        bench.chip.card_uid()


def test_what_no_file_takes_is_our_mistake_and_not_sent() -> None:
    bench = Bench("ev2")
    data, value, record = (
        standard(CommMode.FULL),
        counted(CommMode.FULL),
        recorded(CommMode.FULL),
    )
    n_sent = len(bench.connection.sent)

    for wrong in (
        lambda: bench.chip.read(data, offset=-1),
        lambda: bench.chip.read(data, size=0),
        lambda: bench.chip.read(data, size=SIZE + 1),
        lambda: bench.chip.write(data, b""),
        lambda: bench.chip.write(data, b"12", offset=SIZE - 1),
        lambda: bench.chip.credit(value, -1),
        lambda: bench.chip.credit(value, 1 << 31),
        lambda: bench.chip.records(record, count=0),
        lambda: bench.chip.add_record(record, b"short"),
    ):
        with pytest.raises(ValueError, match="."):  # noqa: RUF043
            wrong()

    assert len(bench.connection.sent) == n_sent
    assert bench.chip.is_open


@pytest.mark.parametrize("kind", ["aes", "ev2"])
def test_a_right_nobody_has_is_refused(kind: str) -> None:
    bench = Bench(kind)
    file = BandFile(30, 4, CommMode.FULL, NEVER, NEVER, NEVER, NEVER)

    with pytest.raises(BandRefused) as caught:
        bench.chip.read(file)

    assert caught.value.status == 0x91F0
    assert caught.value.delivery is Delivery.REFUSED
    assert not bench.chip.is_open


@pytest.mark.parametrize(
    ("kind", "size", "n_exchanges"),
    [("aes", 16, 1), ("ev2", 16, 1), ("aes", 256, 5), ("ev2", 224, 1), ("ev2", 256, 2)],
)
def test_files_are_read_in_the_fewest_exchanges(kind: str, size: int, n_exchanges: int) -> None:
    bench = Bench(kind)
    n_sent = len(bench.connection.sent)

    bench.chip.read(standard(CommMode.FULL), size=size)

    assert len(bench.connection.sent) - n_sent == n_exchanges


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(MODES),
    st.lists(
        st.tuples(
            st.sampled_from(["write", "credit", "record", "commit", "abort", "leave"]),
            st.integers(0, 255),
        ),
        max_size=12,
    ),
)
def test_whatever_is_done_in_any_order_the_chip_holds_what_was_committed(
    kind: str, mode: CommMode, steps: list[tuple[str, int]]
) -> None:
    bench = Bench(kind)
    data, value, record = backup(mode), counted(mode), recorded(mode)
    held = now = Held()
    is_waiting = False

    for step, number in steps:
        content = bytes([number]) * 20
        if step == "write":
            bench.chip.write(data, content)
            now = dataclasses.replace(now, data=content + now.data[20:])
        elif step == "credit":
            bench.chip.credit(value, number % 9)
            now = dataclasses.replace(now, value=now.value + number % 9)
        elif step == "record":
            bench.chip.add_record(record, content)
            records = (*held.records, content)[-record.n_readable :]
            now = dataclasses.replace(now, records=records)
        elif step == "commit" and is_waiting:
            bench.chip.commit()
            held = now
        elif step == "abort" and is_waiting:
            bench.chip.abort()
            now = held
        elif step == "leave":
            bench.enter()
            now = held
        is_waiting = step in {"write", "credit", "record"} or (
            is_waiting and step not in {"commit", "abort", "leave"}
        )

    bench.enter()
    assert bench.chip.read(data) == held.data
    assert bench.chip.value(value) == held.value
    if held.records:
        assert bench.chip.records(record, count=len(held.records))[::-1] == held.records
    assert bench.band.records[AID, record.number] == held.records


@dataclasses.dataclass(frozen=True)
class Held:
    """What a chip holds after the last commit."""

    data: bytes = bytes(64)
    value: int = 10
    records: tuple[bytes, ...] = ()
