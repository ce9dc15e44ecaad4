"""One port, one program; and answers that come late or garbled on it."""

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from drivers.chips.reading import read_band
from drivers.connection import Work
from drivers.errors import BandLeft, ReaderAbsent, ReaderBusy, ReaderFault
from drivers.proof import ProofKind
from drivers.readers.host_line import HostLine
from drivers.readers.pn532 import Pn532Reader
from drivers.readers.port_lock import PortLock
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.pn532 import LineFault
from tests.support.bands import UID, Keys, band
from tests.support.virtual_reader import VirtualReader

LATE_MS = 250
"""Later than an acknowledgement is waited for, sooner than an answer is given up."""


@pytest.fixture
def reader(virtual_reader: VirtualReader) -> Iterator[Pn532Reader]:
    opened = Pn532Reader.opened(str(virtual_reader.path), SystemClock())
    yield opened
    opened.close()


class LateLine:
    """The line of a reader, whose next `n_late` answers to `code` do not come in time."""

    def __init__(self, line: HostLine, code: int, n_late: int, number: int) -> None:
        self._line = line
        self._code = code
        self._number = number
        self.n_late = n_late

    def command(
        self, code: int, content: bytes, timeout_ms: int, *, work: Work | None = None
    ) -> bytes:
        if code == self._code and self.n_late:
            self.n_late -= 1
            raise OSError(self._number, "late")
        return self._line.command(code, content, timeout_ms, work=work)

    def stop(self) -> None:
        self._line.stop()


def _delay(reader: Pn532Reader, code: int, n_late: int, number: int) -> LateLine:
    late = LateLine(reader._line, code, n_late, number)
    reader._line = cast("HostLine", late)
    return late


def test_a_second_program_on_the_port_is_told_that_it_is_in_use(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(band())

    with pytest.raises(ReaderBusy):
        Pn532Reader.opened(str(virtual_reader.path), SystemClock())

    assert reader.wait_for_target(500) is not None


def test_a_port_that_was_given_back_can_be_opened_by_the_next(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    reader.close()

    again = Pn532Reader.opened(str(virtual_reader.path), SystemClock())

    again.close()


def test_another_program_that_asks_for_the_lock_keeps_us_out(
    virtual_reader: VirtualReader,
) -> None:
    descriptor = os.open(virtual_reader.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    with pytest.raises(ReaderBusy):
        Pn532Reader.opened(str(virtual_reader.path), SystemClock())

    os.close(descriptor)


def test_a_port_where_nothing_answers_is_not_kept() -> None:
    outer, inner = os.openpty()
    path = os.ttyname(inner)

    with pytest.raises(ReaderAbsent):
        Pn532Reader.opened(path, SystemClock())

    lock = PortLock.taken(path)
    lock.release()
    lock.release()
    os.close(inner)
    os.close(outer)


def test_a_program_that_was_killed_leaves_the_port_free(virtual_reader: VirtualReader) -> None:
    script = (
        "import sys\n"
        "from drivers.readers.port_lock import PortLock\n"
        "lock = PortLock.taken(sys.argv[1])\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(virtual_reader.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"

    with pytest.raises(BlockingIOError):
        PortLock.taken(str(virtual_reader.path))
    other.kill()
    other.communicate()

    PortLock.taken(str(virtual_reader.path)).release()


@contextlib.contextmanager
def _program_without_a_lock(path: str) -> Iterator[int]:
    """Another process that has the port open; its number."""
    script = (
        "import os, sys\n"
        "os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"open\n"
    yield other.pid
    other.communicate()


def test_answers_that_another_program_may_have_taken_make_the_reader_one_in_use(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    _delay(reader, 0x4A, 3, errno.ETIMEDOUT)

    with (
        _program_without_a_lock(str(virtual_reader.path)) as pid,
        pytest.raises(ReaderBusy, match=f"process {pid} has the port open too"),
    ):
        reader.wait_for_target(500)


def test_a_mute_port_that_another_program_has_open_is_in_use_and_not_absent() -> None:
    outer, inner = os.openpty()
    path = os.ttyname(inner)

    with (
        _program_without_a_lock(path) as pid,
        pytest.raises(ReaderBusy, match=f"process {pid} has the port open too"),
    ):
        Pn532Reader.opened(path, SystemClock())

    os.close(inner)
    os.close(outer)


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EIO])
@pytest.mark.parametrize("n_late", [1, 2])
def test_a_search_whose_answer_was_late_is_made_again_and_nobody_is_told(
    virtual_reader: VirtualReader, reader: Pn532Reader, n_late: int, number: int
) -> None:
    virtual_reader.field.present(band())
    late = _delay(reader, 0x4A, n_late, number)

    target = reader.wait_for_target(500)

    assert target is not None
    assert late.n_late == 0


def test_a_band_that_a_search_activated_whose_answer_was_lost_is_found_by_the_next(
    virtual_reader: VirtualReader, reader: Pn532Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual_reader.field.present(band())
    command, n_lost = reader._line.command, iter([True])

    def losing(
        code: int, content: bytes, timeout_ms: int, *, work: Work | None = None
    ) -> bytes:
        answer = command(code, content, timeout_ms, work=work)
        if code == 0x4A and next(n_lost, False):
            raise OSError(errno.EIO, "lost")
        return answer

    monkeypatch.setattr(reader._line, "command", losing)

    target = reader.wait_for_target(0)

    assert target is not None
    assert reader.connect(target).transmit(bytes.fromhex("9060000000"))[-2:] == b"\x91\xaf"


def test_three_answers_in_a_row_that_do_not_come_are_a_fault_with_its_reason(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    _delay(reader, 0x4A, 3, errno.ETIMEDOUT)

    with pytest.raises(ReaderFault) as fault:
        reader.wait_for_target(500)

    assert str(fault.value) == "no whole answer to command 4A: ETIMEDOUT"


def test_a_look_whether_the_band_is_there_that_was_late_is_no_removal(
    virtual_reader: VirtualReader, reader: Pn532Reader
) -> None:
    virtual_reader.field.present(band())
    assert reader.wait_for_target(500) is not None
    late = _delay(reader, 0x42, 2, errno.EIO)

    is_gone = reader.wait_for_removal(10)

    assert not is_gone
    assert late.n_late == 0


@pytest.mark.parametrize("fault", list(LineFault))
def test_what_goes_wrong_once_on_the_line_costs_a_search_nothing(
    virtual_reader: VirtualReader, reader: Pn532Reader, fault: LineFault
) -> None:
    virtual_reader.field.present(band())
    virtual_reader.pn532.hurt(fault, delay_ms=LATE_MS)

    assert reader.wait_for_target(500) is not None


@pytest.mark.parametrize("fault", list(LineFault))
def test_what_goes_wrong_once_on_the_line_is_no_removal(
    virtual_reader: VirtualReader, reader: Pn532Reader, fault: LineFault
) -> None:
    virtual_reader.field.present(band())
    assert reader.wait_for_target(500) is not None
    virtual_reader.pn532.hurt(fault, delay_ms=LATE_MS)

    assert [reader.wait_for_removal(10) for _ in range(3)] == [False] * 3


@pytest.mark.parametrize("fault", list(LineFault))
def test_what_goes_wrong_once_on_the_line_while_a_band_is_read_lets_it_be_read_again(
    virtual_reader: VirtualReader, reader: Pn532Reader, fault: LineFault
) -> None:
    virtual_reader.field.present(band())
    target = reader.wait_for_target(500)
    assert target is not None
    virtual_reader.pn532.hurt(fault, delay_ms=LATE_MS)

    with contextlib.suppress(BandLeft):
        read_band(reader.connect(target), target, Keys(UID), SeededEntropy("reader"))
    again = reader.wait_for_target(500)

    assert again is not None
    proof = read_band(reader.connect(again), again, Keys(UID), SeededEntropy("reader"))
    assert proof.kind is ProofKind.MUTUAL


def test_a_late_answer_while_a_band_is_read_is_a_band_to_be_read_again_and_stands_in_the_log(
    virtual_reader: VirtualReader, reader: Pn532Reader, caplog: pytest.LogCaptureFixture
) -> None:
    virtual_reader.field.present(band())
    target = reader.wait_for_target(500)
    assert target is not None
    _delay(reader, 0x40, 1, errno.EIO)

    with pytest.raises(BandLeft):
        reader.connect(target).transmit(bytes.fromhex("9060000000"))

    again = reader.wait_for_target(500)
    assert again is not None
    assert reader.connect(again).transmit(bytes.fromhex("9060000000"))[-2:] == b"\x91\xaf"
    (said,) = [each.__dict__ for each in caplog.records if "late or garbled" in each.msg]
    assert (said["code"], said["cause"], said["attempt"]) == ("40", "EIO", 1)


def test_a_port_named_from_the_folder_we_are_in_opens(
    virtual_reader: VirtualReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reader").symlink_to(virtual_reader.path)
    monkeypatch.chdir(tmp_path)

    opened = Pn532Reader.opened("reader", SystemClock())

    assert opened.name == f"PN532 on {tmp_path}/reader"
    opened.close()
