"""Frames of a PN532's serial line: made and read as nfcpy does, whole however they come in, and refused when they are none."""

import errno
import os
import pty
import select
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nfc.clf.pn53x import Chipset

from drivers.readers import host_line
from drivers.readers.host_line import (
    ACK,
    SETTLING_MS,
    CommandRefused,
    HostLine,
    answer_in,
    command_frame,
)
from hardware.clock import SystemClock
from hardware.virtual import hsu

pytestmark = pytest.mark.timeout(20)

CODE = 0x40
FIRMWARE = bytes.fromhex("0000FF02FED4022A00")
"""GetFirmwareVersion. Source: NXP UM0701-02, 6.2.1; the same bytes are in nfcpy."""


class Recorded:
    """nfcpy's transport, which keeps what was written and answers with an acknowledgement and a frame."""

    def __init__(self, answer: bytes) -> None:
        self.written = b""
        self._frames = [ACK, answer]

    def write(self, frame: bytearray) -> None:
        self.written = bytes(frame)

    def read(self, timeout: int) -> bytearray:
        return bytearray(self._frames.pop(0))


class Silent:
    """A logger."""

    def log(self, *_: object) -> None: ...

    warning = error = debug = log


class NfcpyChipset(Chipset):  # type: ignore[misc]  # it has no types
    host_command_frame_max_size = 265
    CMD: ClassVar = {CODE: "InDataExchange"}


@pytest.mark.parametrize("size", [0, 1, 251, 252, 253, 254, 262, 263])
def test_a_command_has_the_same_bytes_as_nfcpys_and_the_virtual_chip_reads_it(
    size: int,
) -> None:
    content = bytes(index * 7 & 0xFF for index in range(size))
    recorded = Recorded(hsu.answer_frame(CODE, content))
    theirs = NfcpyChipset(recorded, Silent()).command(CODE, content, 1)

    frame = command_frame(CODE, content)

    assert frame == recorded.written
    (read,) = hsu.Receiver().feed(frame)
    assert (read.code, read.data) == (CODE, content)  # type: ignore[union-attr]
    answer = ACK + hsu.answer_frame(CODE, content)
    assert answer_in(answer, CODE) == (content, len(answer)) == (bytes(theirs), len(answer))


def test_a_known_frame_is_made_and_too_much_is_not() -> None:
    assert command_frame(0x02, b"") == FIRMWARE
    with pytest.raises(ValueError, match="more than a host command carries"):
        command_frame(CODE, bytes(264))


@given(st.binary(max_size=263))
def test_an_answer_is_there_once_all_of_it_is_there(content: bytes) -> None:
    raw = ACK + hsu.answer_frame(CODE, content)

    assert [answer_in(raw[:size], CODE) for size in range(len(raw))] == [None] * len(raw)
    assert answer_in(raw, CODE) == (content, len(raw))


@given(st.binary(max_size=40), st.integers(0, 60), st.integers(1, 255))
def test_a_changed_byte_is_never_another_answer(
    content: bytes, place: int, change: int
) -> None:
    raw = bytearray(ACK + hsu.answer_frame(CODE, content))
    place %= len(raw) - 1  # nobody looks at the postamble
    raw[place] ^= change

    try:
        answer = answer_in(bytes(raw), CODE)
    except (OSError, CommandRefused):
        return

    assert answer in (None, (content, len(raw)))


FRAMES = st.one_of(
    st.binary(max_size=263).map(lambda content: hsu.answer_frame(CODE, content)),
    st.just(hsu.ERROR),
    st.just(ACK),
)


@given(
    st.lists(FRAMES, max_size=3), st.integers(0, 300), st.integers(0, 255), st.integers(0, 9)
)
def test_the_short_way_through_an_answer_ends_where_the_careful_one_does(
    frames: list[bytes], place: int, change: int, n_cut: int
) -> None:
    raw = bytearray(ACK + b"".join(frames))
    raw[place % len(raw)] ^= change
    whole = bytes(raw[: len(raw) - n_cut])

    assert _said_by(answer_in, whole) == _said_by(host_line._answer_with_care, whole)


def _said_by(
    read: Callable[[bytes, int], tuple[bytes, int] | None], raw: bytes
) -> tuple[bytes, int] | str | None:
    try:
        return read(raw, CODE)
    except (OSError, CommandRefused) as error:
        return type(error).__name__


@pytest.mark.parametrize(
    "raw",
    [
        b"\x01",
        b"\x00\x01",
        b"\x00\x00\xfe",
        bytes.fromhex("0000FFFF0000"),  # a host's NACK
        bytes.fromhex("0000FF02FFD5412A00"),  # the size does not add up
        bytes.fromhex("0000FF03FCD54100EA00"),  # nor here, where all the rest of it holds
        bytes.fromhex("0000FFFFFF0003FED5410000"),  # the same in an extended frame
        bytes.fromhex("0000FFFFFF0200FE"),  # longer than any
        bytes.fromhex("0000FF03FDD541000000"),  # damaged
        hsu.answer_frame(CODE + 2, b"\x00"),
        command_frame(CODE, b"\x00"),  # an echo
        bytes.fromhex("0000FF01FFD52B00"),  # nothing but its direction
    ],
)
@pytest.mark.parametrize("before", [b"", ACK])
def test_what_is_no_answer_is_refused_at_once(raw: bytes, before: bytes) -> None:
    with pytest.raises(OSError, match=r"frame") as broken:
        answer_in(before + raw, CODE)

    assert broken.value.errno == errno.EIO


def test_a_command_the_chip_does_not_know_is_said_to_be_refused() -> None:
    with pytest.raises(CommandRefused):
        answer_in(ACK + hsu.ERROR, CODE)


# On a terminal


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """The chip's end, and ours."""
    outer, inner = pty.openpty()
    tty.setraw(inner)
    os.set_blocking(inner, False)
    yield outer, inner
    for each in (outer, inner):
        os.close(each)


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next(
    ends: tuple[int, int],
) -> None:
    outer, inner = ends
    os.write(outer, hsu.answer_frame(CODE, b"\x00old"))
    line = HostLine(inner, SystemClock())

    with pytest.raises(TimeoutError):
        line.command(CODE, b"\x01", 1)

    assert _heard(outer) == command_frame(CODE, b"\x01") + ACK


def test_what_came_behind_an_answer_is_forgotten_before_the_next_command(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = ends
    line = HostLine(inner, SystemClock())
    forgotten: list[int] = []
    forget = line._forget
    monkeypatch.setattr(
        line, "_forget", lambda: forgotten.append(1)
    )  # it is there before it is asked for
    line._is_clean = False
    os.write(outer, ACK + hsu.answer_frame(CODE, b"\x00one"))
    first = line.command(CODE, b"", 5)
    os.write(outer, ACK + hsu.answer_frame(CODE, b"\x00two") + b"\x00late")

    second = line.command(CODE, b"", 5)

    assert (first, second, len(forgotten)) == (b"\x00one", b"\x00two", 1)
    monkeypatch.setattr(line, "_forget", forget)
    os.write(outer, b"later still")
    with pytest.raises(TimeoutError):
        line.command(CODE, b"", 5)


def test_work_is_done_while_the_chip_is_busy(ends: tuple[int, int]) -> None:
    outer, inner = ends
    line = HostLine(inner, SystemClock())

    def work() -> None:
        assert os.read(outer, 99) == command_frame(CODE, b"\x01")
        os.write(outer, ACK + hsu.answer_frame(CODE, b"\x00done"))

    assert line.command(CODE, b"\x01", 100, work=work) == b"\x00done"


@pytest.mark.parametrize("setting", ["bytes in one read", "whole lines"])
def test_whatever_another_program_sets_on_the_port_nothing_waits_for_ever(
    ends: tuple[int, int], setting: str
) -> None:
    outer, inner = ends
    line = HostLine(inner, SystemClock())
    attributes = termios.tcgetattr(inner)
    if setting == "whole lines":
        attributes[3] |= termios.ICANON
    else:
        attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 200, 0
    termios.tcsetattr(inner, termios.TCSANOW, attributes)
    waiting = threading.Thread(target=_is_given_up, args=(line,), daemon=True)

    waiting.start()
    waiting.join(5)

    is_hanging = waiting.is_alive()
    os.write(outer, b"\n" * 200)  # lets go of one that does
    waiting.join()
    assert not is_hanging


def _is_given_up(line: HostLine) -> None:
    with pytest.raises(TimeoutError):
        line.command(CODE, b"", 5)


def test_a_port_that_takes_nothing_more_is_an_error_and_no_endless_wait(
    ends: tuple[int, int],
) -> None:
    _, inner = ends
    line = HostLine(inner, SystemClock())
    termios.tcflow(inner, termios.TCOOFF)

    with pytest.raises(OSError, match=r"temporarily"):
        line.command(CODE, b"", 5)


def test_an_answer_that_was_late_is_never_taken_for_that_to_a_later_command(
    ends: tuple[int, int],
) -> None:
    outer, inner = ends
    line = HostLine(inner, SystemClock())

    def say_it_late() -> None:
        os.write(outer, hsu.answer_frame(CODE, b"\x00to the first"))

    with pytest.raises(TimeoutError):
        line.command(CODE, b"\x01", 1)
    with pytest.raises(OSError, match="no acknowledgement"):
        line.command(CODE, b"\x02", 100, work=say_it_late)
    answered = line.command(
        CODE,
        b"\x03",
        100,
        work=lambda: _say(outer, ACK + hsu.answer_frame(CODE, b"\x00to the third")),
    )

    assert answered == b"\x00to the third"


def test_an_acknowledgement_and_an_answer_that_were_late_are_over_before_the_next_command(
    ends: tuple[int, int],
) -> None:
    outer, inner = ends

    slept_ms = []

    class Settling(SystemClock):
        def sleep_ms(self, duration_ms: int) -> None:
            slept_ms.append(duration_ms)
            super().sleep_ms(duration_ms)
            _say(outer, ACK + hsu.answer_frame(CODE, b"\x00to the first"))

    line = HostLine(inner, Settling())

    with pytest.raises(TimeoutError):
        line.command(CODE, b"\x01", 1)
    answered = line.command(
        CODE,
        b"\x02",
        100,
        work=lambda: _say(outer, ACK + hsu.answer_frame(CODE, b"\x00to the second")),
    )

    assert answered == b"\x00to the second"
    assert slept_ms == [SETTLING_MS]


def test_two_answers_to_one_command_are_none(ends: tuple[int, int]) -> None:
    outer, inner = ends
    line = HostLine(inner, SystemClock())
    first, second = (hsu.answer_frame(CODE, each) for each in (b"\x00old", b"\x00new"))

    with pytest.raises(OSError, match="another frame"):
        line.command(CODE, b"", 100, work=lambda: _say(outer, ACK + first + ACK + second))


def _say(outer: int, some: bytes) -> None:
    os.write(outer, some)


def _heard(outer: int) -> bytes:
    """One command of one byte and the word to stop, which may come one after the other."""
    heard = b""
    while len(heard) < len(command_frame(CODE, b"\x01") + ACK):
        heard += os.read(outer, 99)
    return heard


def test_a_chip_that_takes_over_and_never_answers_is_told_to_stop(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = ends
    line = HostLine(inner, SystemClock())
    monkeypatch.setattr(
        line, "_forget", lambda: None
    )  # so that it can be there before it is asked
    os.write(outer, ACK)

    with pytest.raises(TimeoutError) as late:
        line.command(CODE, b"\x01", 5)

    assert late.value.errno == errno.ETIMEDOUT
    assert _heard(outer) == command_frame(CODE, b"\x01") + ACK


@pytest.mark.parametrize("vmin", [0, 1])
def test_what_was_there_and_cannot_be_read_is_an_error_and_no_silence(
    ends: tuple[int, int], vmin: int
) -> None:
    _, inner = ends
    os.set_blocking(inner, True)
    line = HostLine(inner, SystemClock())
    attributes = termios.tcgetattr(inner)
    attributes[6][termios.VMIN] = vmin
    termios.tcsetattr(inner, termios.TCSANOW, attributes)
    hung_up: Any = SimpleNamespace(poll=lambda _: [(inner, select.POLLIN)])
    line._coming = hung_up

    with pytest.raises(OSError, match=r"gone|temporarily"):
        line.command(CODE, b"\x01", 5)


def test_a_port_that_is_gone_is_an_error_of_the_system() -> None:
    outer, inner = pty.openpty()
    line = HostLine(inner, SystemClock())
    os.close(outer)

    with pytest.raises((OSError, termios.error)) as gone:
        line.command(CODE, b"\x01", 5)

    assert gone.value.args[0] in (errno.EIO, errno.ENODEV)
    os.close(inner)
